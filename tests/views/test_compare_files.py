"""The figure and the table show what was found."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.compare_clips import CompareResult, compare
from la2ds_cli.compare.judged_moments import DOUBTS
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.views import compare_files as sheet
from la2ds_cli.views.compare_files import key_frames
from tests.compare.performers import film, label, performance, project_of, slowed, steady

PHASE = steady()
SLOW = slowed("rise", 1.6)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    made = project_of(
        tmp_path_factory.mktemp("sheet"),
        coach=performance(PHASE, noise=0.5),
        trainee=performance(SLOW, change="right_knee", degrees=-40, noise=0.5, seed=5),
        twin=performance(PHASE, noise=0.5, seed=6),
        aside=performance(PHASE, azimuth=0.2),
    )
    label(made, coach=PHASE)
    return made


def compared(project: StoredProject, other: str) -> CompareResult:
    return compare(project, "coach", other, AlignRequest(project.config()))


@pytest.fixture(scope="module")
def faulty(project: StoredProject) -> CompareResult:
    return compared(project, "trainee")


def texts(figure: object) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]  # type: ignore[attr-defined]


def renamed(result: CompareResult) -> CompareResult:
    """With long names, those of parts with letters that matplotlib reads as a formula."""
    long = "The first-of-many Long_Names " * 3 + ".mp4"
    aligned = result.aligned
    aligned = replace(aligned, a=replace(aligned.a, path=long), b=replace(aligned.b, path=long))
    spans = [replace(span, name=f"Wide $x$ {span.name}" * 3) for span in result.spans]
    # The longest sentence of all, in every column.
    told = [
        replace(f, joint="right_shoulder", difference=abs(f.difference)) for f in result.findings
    ]
    return replace(result, aligned=aligned, spans=tuple(spans), findings=tuple(told))


def test_no_text_leaves_the_page_or_lies_over_another(
    project: StoredProject, faulty: CompareResult
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cbook import is_math_text
    from matplotlib.text import Text

    assert "Right knee: 38° straighter" in " ".join(texts(sheet.draw(project, faulty)))
    twin = compared(project, "twin")
    aside = compared(project, "aside")
    aside = replace(aside, notes=("A long note. " * 30,) * 5)
    for result in (faulty, twin, aside, renamed(faulty), renamed(twin)):
        figure = sheet.draw(project, result)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        boxes = []
        undrawn = {  # ticks beyond the axis
            tick.label1
            for axes in figure.axes
            for tick in axes.xaxis.get_major_ticks()
            if not axes.get_xlim()[0] <= tick.get_loc() <= axes.get_xlim()[1]
        }
        for text in figure.findobj(Text):
            assert "x" not in text.get_text() or not is_math_text(text.get_text())
            if text.get_text().strip() and text.get_visible() and text not in undrawn:
                box = text.get_window_extent(renderer)
                assert min(box.x0, box.y0) >= 0, text.get_text()
                assert np.all(box.max <= figure.bbox.max), text.get_text()
                boxes.append((box, text.get_text()))
        for n, (box, text) in enumerate(boxes):
            for other, below in boxes[n + 1 :]:
                wide = min(box.x1, other.x1) - max(box.x0, other.x0)
                high = min(box.y1, other.y1) - max(box.y0, other.y0)
                assert not (wide > 3 and high > 5), f"{text!r} lies over {below!r}"


def test_the_map_is_coloured_where_a_joint_is_said_to_differ(
    project: StoredProject, faulty: CompareResult
) -> None:
    colours = sheet.map_colours(faulty, ["right_knee", "left_knee"])
    first = faulty.findings[0]
    knee, other = colours
    at = first.row
    assert knee[at, 2] > knee[at, 0] + 0.3  # blue: straighter
    assert knee[2] == pytest.approx(1, abs=0.06)
    assert other.min() > 0.75
    frames = len(faulty.angles.time)
    for doubt in (
        {"doubt": np.full(frames, 3)},
        {"trust_other": np.zeros((frames, len(faulty.angles.names)))},
    ):
        doubted = replace(faulty, angles=replace(faulty.angles, **doubt))
        grey = sheet.map_colours(doubted, ["right_knee"])
        np.testing.assert_allclose(grey, grey[0, 0, 0])
    aside = compared(project, "aside")
    assert aside.no_findings
    assert sheet.map_colours(aside, list(aside.angles.names)).min() > 0.6


def test_a_key_frame_is_the_moment_of_the_clearest_difference(faulty: CompareResult) -> None:
    first = key_frames(faulty)[0]
    assert first.findings[0].joint == "right_knee"
    assert first.row == faulty.findings[0].row
    assert first.other_row == round(faulty.aligned.position[first.row])


def test_without_differences_the_middles_of_parts_are_shown(project: StoredProject) -> None:
    twin = compared(project, "twin")
    shown = key_frames(twin)
    assert len(shown) == 3
    assert not any(moment.findings for moment in shown)
    assert "No joint differs by more than noise and camera explain." in texts(
        sheet.draw(project, twin)
    )


def test_moments_that_are_not_sure_are_not_shown_as_the_same(project: StoredProject) -> None:
    """Of three parts, the last is not surely aligned; then none is."""
    twin = compared(project, "twin")
    confidence = twin.aligned.confidence.copy()
    doubt = twin.angles.doubt.copy()
    for first, title in (
        (twin.spans[2].first, "Matching moments"),
        (0, "Possibly matching moments"),
    ):
        confidence[first:] = 0.2
        doubt[first:] = DOUBTS.index("the alignment is not sure")
        aligned = replace(twin.aligned, confidence=confidence)
        unsure = replace(twin, aligned=aligned, angles=replace(twin.angles, doubt=doubt))
        assert title in texts(sheet.draw(project, unsure))
        assert len(key_frames(unsure)) == (2 if first else 3)


def test_pictures_come_from_the_video_unless_privacy_is_asked_for(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "project", {"preset": "demo"})
    phase = steady(12)
    film(tmp_path / "one.mp4", phase)
    made = project_of(project.root, one=performance(phase), two=performance(phase, noise=0.3))
    made.add_videos([replace(video, path=str(tmp_path / "one.mp4")) for video in made.videos()])
    result = compare(made, "one", "two", AlignRequest(made.config()))

    def colours(*, privacy: bool) -> int:
        axes = [ax for ax in sheet.draw(made, result, privacy=privacy).axes if ax.images]
        return len(np.unique(np.asarray(axes[0].images[0].get_array()).reshape(-1, 3), axis=0))

    assert colours(privacy=False) > 3 * colours(privacy=True)


def test_the_table_has_a_row_for_every_frame_and_joint(faulty: CompareResult) -> None:
    rows = list(csv.DictReader(io.StringIO(sheet.csv_text(faulty))))
    assert tuple(rows[0]) == sheet.COLUMNS
    assert len(rows) == len(PHASE) * len(faulty.angles.names)
    first = faulty.findings[0]
    (row,) = (r for r in rows if r["joint"] == first.joint and float(r["index"]) == first.row)
    assert float(row["difference"]) == pytest.approx(first.difference, abs=1)  # whole degrees
    assert round(float(row["reference"])) == first.reference
    assert round(float(row["other"])) == first.other
    by_row = float(row["other"]) - float(row["reference"])
    assert by_row == pytest.approx(float(row["difference"]), abs=0.011)
    assert (row["span"], row["judged"]) == (first.span, "1")
    assert float(row["trust"]) == pytest.approx(1, abs=0.02)
    assert float(row["beyond"]) == pytest.approx(first.beyond, abs=0.01)
