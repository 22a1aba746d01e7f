"""Aligning a clip of several repetitions one at a time: which frames meet, what is written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment import project_aligner
from la2ds_cli.alignment.aligned_repetitions import MOST_TRIED, RepetitionsResult
from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.views import alignment_files
from la2ds_cli.views.figure import GREEN
from tests.alignment.test_same_movement import kicking
from tests.alignments import align, align_each_repetition
from tests.movement import FPS, add_sequence, cycle, sequence
from tests.processes import invoke
from tests.told import Notes, refused

CONFIG = load_config()
FRAMES = (40, 30, 50)  # of the repetitions of `many`
EDGES = np.array([0, 40, 70, 120])


def turn(frames: int) -> FloatArray:
    """Share (frames,) of one repetition that has passed."""
    return np.arange(frames) / frames


def several_of(*frames: int, **view: float) -> PoseSequence:
    return sequence(np.concatenate([cycle(count) for count in frames]), **view)


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "one", several_of(44, fps=25.0, scale=50.0))
    add_sequence(project, "many", several_of(*FRAMES))
    return project


def run(
    project: StoredProject, a: str = "one", b: str = "many", **options: Any
) -> RepetitionsResult:
    options.setdefault("out", [project.root / "out.csv"])
    options.setdefault("repetition", "all")
    return align_each_repetition(project, a, b, config=CONFIG, **options)


def test_each_repetition_is_aligned_by_itself(project: StoredProject) -> None:
    result = run(project)
    assert [each.number for each in result.repetitions] == [1, 2, 3]
    passed_b = np.concatenate([turn(count) for count in FRAMES])
    for each, start, stop in zip(result.repetitions, EDGES, EDGES[1:], strict=False):
        assert abs(each.span.start - start) <= 3
        assert abs(each.span.stop - stop) <= 3
        assert each.seconds == pytest.approx((stop - start) / FPS, abs=0.3)
        found = each.aligned
        # No frame of another repetition has a part in it.
        np.testing.assert_array_equal(found.frame_b, np.arange(each.span.start, each.span.stop))
        i, j = found.path.T
        apart = (turn(44)[i] - passed_b[found.frame_b[j]] + 0.5) % 1 - 0.5
        assert np.abs(apart).mean() < 0.05


@pytest.mark.parametrize("wanted", ["all", "best", "1"])
def test_repetitions_of_another_movement_are_refused_unless_forced(
    tmp_path: Path, wanted: str
) -> None:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "one", several_of(44, fps=25.0))
    add_sequence(project, "many", several_of(*FRAMES))
    add_sequence(project, "kicks", kicking(120))
    with refused(ExitCode.OTHER_MOVEMENT, "one and kicks do not show the same movement"):
        run(project, b="kicks", repetition=wanted, same_only=True)
    notes = Notes()
    run(project, b="kicks", repetition=wanted, progress=notes)
    assert any("one and kicks do not show the same movement" in note for note in notes.lines)
    assert run(project, repetition=wanted, same_only=True).repetitions
    add_sequence(project, "flipped", mirror(kicking(150, fps=30)))
    run(project, "kicks", "flipped", repetition=wanted, progress=notes)
    assert any(note.startswith("repetition 1: compared as the mirrored") for note in notes.lines)


def test_one_by_number_and_the_nearest(project: StoredProject) -> None:
    everything = run(project)
    second = run(project, repetition="02")
    assert [each.number for each in second.repetitions] == [2]
    np.testing.assert_array_equal(second.best.aligned.path, everything.repetitions[1].aligned.path)
    best = run(project, repetition="best")
    assert len(best.repetitions) == 3
    assert best.best.cost == min(each.cost for each in everything.repetitions)
    out = project.root / "best.json"
    asked = ["align", "one", "many", "--repetition", "best", "--out", out]
    invoke(*asked, "--project", project.root)
    document = json.loads(out.read_text())
    span = best.best.span
    assert (document["b"]["frames"], document["b"]["start"]) == (
        span.stop - span.start,
        pytest.approx(span.start / FPS),
    )


def test_a_clip_that_does_not_repeat_itself_is_one(project: StoredProject) -> None:
    add_sequence(project, "again", several_of(50))
    progress = Notes()
    result = run(project, b="again", progress=progress)
    ((start, stop),) = [(each.span.start, each.span.stop) for each in result.repetitions]
    assert (start, stop) == (0, 50)
    assert "no repetition found in again: it counts as a single one" in progress.lines
    plain = align(project, "one", "again", config=CONFIG, out=[project.root / "p.csv"])
    np.testing.assert_array_equal(result.repetitions[0].aligned.path, plain.path)
    with pytest.raises(
        UserError, match="there is no repetition 2 in again, which has 1 repetition"
    ):
        run(project, b="again", repetition="2")


def test_of_a_that_repeats_itself_one_is_taken(project: StoredProject) -> None:
    progress = Notes()
    result = run(project, "many", "one", repetition="1", progress=progress)
    number, of = result.of_a
    assert of == 3
    told = f"many has 3 repetitions; number {number}, the most typical, is used"
    assert any(told in line for line in progress.lines)
    found = result.repetitions[0].aligned
    assert abs(int(found.frame_a[0]) - EDGES[number - 1]) <= 3
    assert abs(int(found.frame_a[-1]) + 1 - EDGES[number]) <= 3


def test_what_is_written_for_all(project: StoredProject) -> None:
    out = [project.root / name for name in ("ab.png", "ab.csv", "ab.json")]
    result = run(project, out=out)
    names = ["ab.png", "ab.csv", "ab.json"]
    assert [file.name for file in result.files] == names
    assert out[0].read_bytes()[:4] == b"\x89PNG"
    with out[1].open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    document = json.loads(out[2].read_text())
    assert document["best"] == result.best.number
    assert (document["a"]["repetition"], document["a"]["of"]) == (1, 1)
    assert document["files"] == [str(file) for file in result.files]
    for each, entry in zip(result.repetitions, document["repetitions"], strict=True):
        assert entry["number"] == each.number
        assert entry["start"] == pytest.approx(each.span.start / FPS)
        assert entry["end"] == pytest.approx(each.span.stop / FPS)
        found = entry["alignment"]
        mine = [row for row in rows if row["repetition"] == str(each.number)]
        for column in ("index_a", "index_b", "frame_b"):
            assert [int(row[column]) for row in mine] == found["path"][column]
        seconds = np.array([float(row["time_b"]) for row in mine])
        np.testing.assert_allclose(seconds, np.array(found["path"]["frame_b"]) / FPS, atol=1e-6)
        assert found["mean_cost"] == pytest.approx(each.cost)


def test_the_overview_shows_what_was_measured(project: StoredProject) -> None:
    from matplotlib.colors import to_hex
    from matplotlib.patches import Rectangle

    result = run(project)
    figure = alignment_files.draw_repetitions(project, result)
    *_, seconds, cost = figure.axes
    said = [f"{each.number}:  {each.seconds:.1f} s" for each in result.repetitions]
    assert [text.get_text() for text in seconds.get_xticklabels()] == said
    heights = [bar.get_bbox().height for bar in seconds.patches if isinstance(bar, Rectangle)]
    np.testing.assert_allclose(heights, [each.seconds for each in result.repetitions])
    costs = [each.cost for each in result.repetitions]
    heights = [bar.get_bbox().height for bar in cost.patches if isinstance(bar, Rectangle)]
    np.testing.assert_allclose(heights, costs)

    green = [to_hex(bar.get_facecolor()) == GREEN.lower() for bar in cost.patches]
    assert green == [each is result.best for each in result.repetitions]


def squats(depths: tuple[float, ...], frames: tuple[int, ...], **view: float) -> PoseSequence:
    """Repetitions of these depths (1 = the whole way), each of so many frames."""
    parts = [depth * cycle(count) for depth, count in zip(depths, frames, strict=True)]
    return sequence(np.concatenate(parts), **view)


@pytest.mark.parametrize("best", [1, 2, 3])
@pytest.mark.parametrize(("fps", "frames"), [(25.0, 44), (40.0, 90)])
@pytest.mark.parametrize("film_first", [False, True])
def test_the_repetition_of_a_film_that_fits_best_is_offered(
    tmp_path: Path, best: int, fps: float, frames: int, film_first: bool
) -> None:
    """Only one of three repetitions goes as far as the single one, which is filmed at another rate
    and lasts another time."""
    project = StoredProject.create(tmp_path)
    depths = [0.8, 0.8, 0.8]
    depths[best - 1] = 1.0
    add_sequence(project, "film", squats(tuple(depths), FRAMES))
    add_sequence(project, "single", several_of(frames, fps=fps, scale=50.0))
    notes, out = Notes(), [project.root / "p.csv"]
    pair = ("film", "single") if film_first else ("single", "film")
    align(project, *pair, config=CONFIG, out=out, progress=notes)
    offered = [note for note in notes.lines if "fits single best" in note]
    assert offered == [
        f"repetition {best} of 3 of film fits single best: "
        f"la2ds align single film --repetition {best} --project {project.root}"
    ]
    assert run(project, "single", "film", repetition="best").best.number == best


@pytest.mark.parametrize(("seed", "fps", "frames"), [(1, 25.0, 44), (2, 40.0, 90), (3, 30.0, 31)])
def test_of_a_long_film_only_the_nearest_repetitions_are_aligned_for_the_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, fps: float, frames: int
) -> None:
    """Nine repetitions of random depths and durations; the offer is that of aligning all."""
    rng = np.random.default_rng(seed)
    depths = tuple(rng.uniform(0.7, 1.2, 9).round(2).tolist())
    lengths = tuple(rng.integers(30, 50, 9).tolist())
    project = StoredProject.create(tmp_path)
    add_sequence(project, "film", squats(depths, lengths))
    add_sequence(project, "single", several_of(frames, fps=fps, scale=50.0))
    everything = run(project, "single", "film", repetition="best")
    assert len(everything.repetitions) > MOST_TRIED
    aligners, aligned = list[object](), list[object]()
    made, once = project_aligner.ProjectAligner.__init__, project_aligner.align
    monkeypatch.setattr(
        project_aligner.ProjectAligner,
        "__init__",
        lambda self, *given: (aligners.append(self), made(self, *given))[1],
    )
    monkeypatch.setattr(
        project_aligner, "align", lambda *given: (aligned.append(given), once(*given))[1]
    )
    notes = Notes()
    align(project, "single", "film", config=CONFIG, out=[project.root / "p.csv"], progress=notes)
    (offered,) = [note for note in notes.lines if "fits single best" in note]
    assert offered.startswith(f"repetition {everything.best.number} of 9 of film")
    assert len(aligned) == 1 + MOST_TRIED
    assert len(aligners) == 1


@pytest.mark.parametrize("pair", [("one", "again"), ("many", "many"), ("one", "kicks")])
def test_no_repetition_is_offered_where_none_fits_better(
    project: StoredProject, pair: tuple[str, str]
) -> None:
    add_sequence(project, "again", several_of(50))
    add_sequence(project, "kicks", kicking(120))
    notes = Notes()
    align(project, *pair, config=CONFIG, out=[project.root / "p.csv"], progress=notes)
    assert not [note for note in notes.lines if "--repetition" in note]


def test_of_two_films_the_one_with_more_repetitions_is_cut(project: StoredProject) -> None:
    add_sequence(project, "more", several_of(35, 45))
    notes = Notes()
    align(project, "many", "more", config=CONFIG, out=[project.root / "p.csv"], progress=notes)
    said = "of 3 of many fits more best: la2ds align more many --repetition "
    assert any(said in note for note in notes.lines)


def test_in_the_folder_of_the_project_the_command_need_not_name_it(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, ending in ((project.root, ""), (project.root.parent, project.root.name)):
        monkeypatch.chdir(folder)
        notes = Notes()
        align(project, "one", "many", config=CONFIG, out=[project.root / "p.csv"], progress=notes)
        (offered,) = [note for note in notes.lines if "fits one best" in note]
        assert offered.partition(" --project ")[2] == ending
