"""The figure: it is drawn for every kind of clip, and what it says is right."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config import load_config
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.views import alignment_figure as plot
from la2ds_cli.views.figure import axes_at, render
from tests.alignments import align
from tests.movement import add_sequence, sequence, warped_phase

PHASE_A, PHASE_B = warped_phase(30, 0), warped_phase(44, 1)


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "anna", sequence(PHASE_A))
    add_sequence(project, "ben", sequence(PHASE_B, fps=25.0))
    add_sequence(project, "one", sequence(PHASE_A[:1]))
    return project


def aligned(project: StoredProject, a: str, b: str, *overrides: str) -> tuple[Alignment, bytes]:
    target = project.root / "figure.png"
    result = align(project, a, b, config=load_config(overrides=overrides), out=[target])
    return result, target.read_bytes()


@pytest.mark.parametrize(
    ("a", "b", "override"),
    [
        ("anna", "ben", "align.open_ends=true"),
        ("one", "ben", "align.open_ends=false"),
        ("ben", "one", "align.open_ends=false"),
    ],
)
def test_every_kind_of_pair_is_drawn(project: StoredProject, a: str, b: str, override: str) -> None:
    _, content = aligned(project, a, b, override)
    image = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert image.shape[1] == 1800
    assert 1200 < image.shape[0] < 2400
    assert (image < 250).any(axis=-1).mean() > 0.2


def test_a_drawn_clip_knows_its_times(project: StoredProject) -> None:
    video = project.find("anna")
    assert video is not None
    phases = [Phase(0, 10, "down"), Phase(10, 30, "up"), Phase(30, 50, "after the end")]
    matched = np.isin(np.arange(30), [4, 5, 6, *range(10, 21)])
    pose = project.read_pose("anna")[0]
    clip = plot.drawn_clip(project, "A", video, pose, matched, phases)
    start, end = clip.limits
    assert start == pytest.approx(-0.025)
    assert end == pytest.approx(30 / 20 - 0.025)
    first, inside, last = clip.unmatched()
    np.testing.assert_allclose(inside, [7 / 20 - 0.025, 10 / 20 - 0.025])
    np.testing.assert_allclose(first, [start, 4 / 20 - 0.025])
    np.testing.assert_allclose(last, [21 / 20 - 0.025, end])
    np.testing.assert_allclose([clip.phases[1][0], clip.phases[1][1]], [10 / 20 - 0.025, end])
    assert clip.source is None
    part = plot.drawn_clip(project, "A", video, pose.cut(10, 18), np.ones(8, bool), phases)
    np.testing.assert_allclose(part.limits, [10 / 20 - 0.025, 18 / 20 - 0.025])
    assert part.phases == [(part.limits[0], part.limits[1], "up")]


def test_summary_says_what_matters(project: StoredProject) -> None:
    result, _ = aligned(project, "anna", "ben")
    text = plot.summary(result)
    assert text.startswith("dtw on base model   ·")
    assert f"B takes {result.overall_ratio:.2f} times as long as A" in text
    assert result.sentence in text
    assert re.search(r"sure of \d+ of 30 frames of A, usually to within 0\.\d+ s", text)
    single, _ = aligned(project, "one", "ben")
    assert "B takes" not in plot.summary(single)


# --- the figure shows the numbers of the alignment ------------------------------------------


@pytest.fixture
def drawn(project: StoredProject) -> tuple[Alignment, Figure]:
    """A figure in which A begins earlier than B."""
    add_sequence(project, "late", sequence(PHASE_B[16:], fps=25.0))
    config = load_config({"preset": "default", "align": {"open_ends": True}})
    result = align_clips(project, "anna", "late", AlignRequest(config, features="pose"))
    assert not result.matched_a[:4].any()
    return result, plot.draw(project, result)


def panel(drawn: Figure, title: str) -> Axes:
    return next(axes for axes in drawn.axes if title in axes.get_title(loc="left"))


def test_the_path_and_its_interval_are_drawn_over_the_matrix(drawn) -> None:
    result, figure = drawn
    found, axes = result, panel(figure, "distances of all frames")
    i, j = found.path.T
    curve = np.asarray(axes.lines[-1].get_xydata())
    known = curve[~np.isnan(curve).any(axis=1)]
    np.testing.assert_allclose(known, np.stack([found.time_a[i], found.time_b[j]], axis=1))
    band = axes.collections[0].get_paths()
    corners = np.concatenate([np.asarray(path.vertices) for path in band])
    for bound in (found.low, found.high):
        row = 20
        wanted = (
            found.time_a[row],
            np.interp(bound[row], np.arange(len(found.time_b)), found.time_b),
        )
        assert np.abs(corners - wanted).max(axis=1).min() < 1e-6
    matrix = np.asarray(axes.images[0].get_array())
    expected = np.linalg.norm(result.compared[0][3] - result.compared[1][7])
    assert matrix[7, 3] == pytest.approx(expected, rel=1e-4)


def test_rings_are_where_a_phase_begins_for_the_first_time_in_both(project: StoredProject) -> None:
    project.phases_path.write_text(
        "video,start,end,phase\nanna,2,10,down\nanna,10,20,up\nanna,20,30,down\n"
        "ben,4,15,down\nben,15,30,up\nben,30,44,down\n"
    )
    result = align_clips(project, "anna", "ben", AlignRequest(project.config()))
    axes = panel(plot.draw(project, result), "distances of all frames")
    (rings,) = (np.asarray(line.get_xydata()) for line in axes.lines if line.get_marker() == "o"
                and len(np.asarray(line.get_xydata())))  # fmt: skip
    half = np.array([0.5 / 20, 0.5 / 25])
    np.testing.assert_allclose(
        np.sort(rings, axis=0), [[2 / 20, 4 / 25], [10 / 20, 15 / 25]] - half
    )


def test_how_exact_and_the_tempo_are_those_of_the_alignment(drawn) -> None:
    result, figure = drawn
    matched = result.matched_a
    curve = np.asarray(panel(figure, "error below").lines[0].get_xydata())
    np.testing.assert_allclose(curve[:, 0], result.time_a)
    np.testing.assert_allclose(curve[matched, 1], result.within[matched])
    assert np.isnan(curve[~matched, 1]).all()
    tempo = np.asarray(panel(figure, "tempo").lines[0].get_xydata())
    np.testing.assert_allclose(tempo[:, 1], np.clip(result.speed_ratio, 0.25, 4))


def test_what_has_no_counterpart_is_greyed_everywhere(drawn) -> None:
    result, figure = drawn
    found = result
    spans = np.flatnonzero(np.diff(np.r_[True, found.matched_a, True])).reshape(-1, 2)
    assert len(spans) >= 1
    half = 0.5 / 20
    for title in ("tempo", "error below"):
        greyed = [patch.get_extents() for patch in panel(figure, title).patches]
        axes = panel(figure, title)
        edges = [axes.transData.inverted().transform(box.get_points())[:, 0] for box in greyed]
        for first, stop in spans:
            wanted = (found.time_a[first] - half, found.time_a[stop - 1] + half)
            assert any(np.allclose(edge, wanted, atol=1e-6) for edge in edges)


def test_lines_join_matched_moments_and_are_darker_where_surer(drawn) -> None:
    from matplotlib.collections import LineCollection

    result, figure = drawn
    found = result
    drawn_lines = [c for c in figure.findobj(LineCollection) if isinstance(c, LineCollection)]
    lines = max(drawn_lines, key=lambda collection: len(collection.get_paths()))
    i, j = found.path[:: -(-len(found.path) // 45)].T
    ends = np.stack([path.vertices for path in lines.get_paths()])
    share = (ends[:, :, 0] - plot.LEFT) / (plot.RIGHT - plot.LEFT)  # of the bars' width
    np.testing.assert_allclose(share[:, 0], (i + 0.5) / len(found.time_a), atol=1e-6)
    np.testing.assert_allclose(share[:, 1], (j + 0.5) / len(found.time_b), atol=1e-6)
    np.testing.assert_allclose(
        np.array(lines.get_alpha(), float), 0.12 + 0.88 * found.confidence[i]
    )


def test_what_is_cut_off_or_dotted_says_so_and_no_phase_is_a_formula(
    project: StoredProject,
) -> None:
    from matplotlib.cbook import is_math_text

    project.phases_path.write_text("video,start,end,phase\nanna,0,12,$x$\nanna,12,30,up\n")
    result = align_clips(project, "anna", "ben", AlignRequest(project.config()))
    figure = plot.draw(project, result)
    ticks = [label.get_text() for label in panel(figure, "tempo").get_yticklabels()]
    assert (ticks[0], ticks[-1]) == ("≥ 4× faster", "≥ 4× slower")
    legend = panel(figure, "distances of all frames").get_legend()
    assert legend is not None
    assert "constant speed" in [text.get_text() for text in legend.get_texts()]
    (phases,) = figure.legends
    names = [text.get_text() for text in phases.get_texts()]
    assert not any(is_math_text(name) for name in names)
    assert len(names) == 2


def test_a_strip_has_its_pictures_in_order_and_empty_places_between_them(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = Figure(figsize=(plot.WIDTH, 3), dpi=plot.DPI)
    video, pose = project.find("anna"), project.read_pose("anna")[0]
    assert video is not None
    clip = plot.drawn_clip(project, "A", video, pose, np.ones(len(pose), bool), [])
    height = 150
    colours = [np.full((height, 540, 3), value, np.uint8) for value in (40, 90)]
    monkeypatch.setattr(plot, "pictures", lambda *_, **__: colours)
    plot.strip(figure, (1.0, height / plot.DPI), clip, [3, None, 20])
    image = np.asarray(Image.open(io.BytesIO(render(figure, "png"))).convert("RGB"))
    middle = image[round(1.5 * plot.DPI)]
    third = (plot.RIGHT - plot.LEFT) * plot.DPI / 3
    shades = [int(middle[round(plot.LEFT * plot.DPI + (k + 0.52) * third), 0]) for k in range(3)]
    assert shades[0] == 40
    assert shades[2] == 90
    assert shades[1] > 100
    assert {text.get_text() for text in figure.texts} == {"0.15 s", "1.00 s", "A"}


@pytest.mark.parametrize(("start", "end"), [(-0.025, 1.475), (0.0, 0.04), (3.0, 3700.0)])
def test_times_on_a_bar_are_those_that_matplotlib_marks_on_an_axis(start: float, end: float):
    figure = Figure(figsize=(plot.WIDTH, 3), dpi=plot.DPI)
    axes = axes_at(figure, plot.LEFT, 1, plot.RIGHT - plot.LEFT, 1)
    axes.set_xlim(start, end)
    marked = [time for time in axes.get_xticks() if start <= time <= end]
    np.testing.assert_allclose(plot._round_times(start, end), marked)
