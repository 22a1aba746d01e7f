"""Attempts of rendered performers with a fault, another tempo, and none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare import attempts as tested
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from tests.compare.performers import label, performance, project_of, slowed, steady
from tests.told import refused

PHASE = steady()
RATES = (25.0, 30.0, 24.0)  # of the attempts' cameras; the reference has 30


def attempt(number: int, seed: int, degrees: float = 0.0, slow: float = 1.0) -> PoseSequence:
    """An attempt of a length and a rate of its own, at about the tempo of the reference; the fault
    varies by two degrees."""
    rng = np.random.default_rng([seed, number])
    fps = RATES[number % 3]
    frames = round(3 * fps) + 1 + int(rng.integers(-2, 3))
    phase = slowed("rise", slow, frames)
    fault: dict[str, Any] = {"change": "right_knee", "degrees": degrees + rng.normal(0, 2.0)}
    return performance(phase, fps=fps, noise=0.5, seed=100 * seed + number, **fault)


def compared(root: Path, *attempts: PoseSequence) -> tested.AttemptsResult:
    clips = {f"try-{n}": clip for n, clip in enumerate(attempts, start=1)}
    project = project_of(root / "project", coach=performance(PHASE, noise=0.5), **clips)
    label(project, coach=PHASE)
    return tested.compare_attempts(project, "coach", list(clips), AlignRequest(project.config()))


def test_a_fault_of_all_attempts_is_one_series_with_its_size_in_each(tmp_path: Path) -> None:
    degrees = (-46, -41, -37, -35, -35, -35, -12)
    found = compared(tmp_path, *(attempt(n, 0, of) for n, of in enumerate(degrees)))
    (series,) = (series for series in found.series if series.joint != "stance_width")
    assert (series.kind, series.joint) == ("angle", "right_knee")
    assert series.start < 0.36 * 3 < series.end + 0.1
    assert series.stated >= 5
    assert series.usual == pytest.approx(29, abs=4)
    assert series.value[0] > series.value[-1] + 20
    (line,) = (line for line in tested.attempts_lines(found) if line.startswith("Right knee"))
    first, last = (f"{series.value[n]:.0f}° straighter" for n in (0, -1))
    assert line.startswith("Right knee at ")
    assert f"in the median ({first} in attempt 1, {last} in attempt 7), stated in " in line


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([1.6, 1.004, 0.8], "as long in the median (60 % longer in attempt 1, 20 % shorter in"),
        ([np.nan, 1.3, 1.2], "25 % longer in the median (30 % longer in attempt 2, 20 % longer in"),
    ],
)
def test_a_tempo_is_said_in_percent(times: list[float], words: str) -> None:
    series = tested.Series("", "rise", np.array(times), 2, 1.0, 1.5)
    expected = f"Time for 'rise': {words} attempt 3), stated in 2 of 3 attempts"
    assert tested.series_sentence(series, 3) == expected


def test_good_attempts_show_nothing(tmp_path: Path) -> None:
    found = compared(tmp_path, *(attempt(n, 2) for n in range(6)))
    assert found.series == ()
    assert tested.attempts_lines(found) == [
        "No difference of the same joint or part is stated in two attempts."
    ]


def test_a_tempo_is_measured_in_each_attempt(tmp_path: Path) -> None:
    times = (2.0, 1.8, 1.65, 1.5, 1.35, 1.2)
    found = compared(tmp_path, *(attempt(n, 3, slow=of) for n, of in enumerate(times)))
    (series,) = (series for series in found.series if series.kind == "tempo")
    assert series.span == "rise"
    known = ~np.isnan(series.value)
    assert series.value[known] == pytest.approx(np.array(times)[known], rel=0.2)
    (line,) = (line for line in tested.attempts_lines(found) if line.startswith("Time for 'rise'"))
    first = int(np.flatnonzero(known)[0])
    longer = round(100 * (series.value[first] - 1))
    assert f"({longer} % longer in attempt {first + 1}, " in line


def test_attempts_that_differ_in_opposite_directions_share_no_tempo(tmp_path: Path) -> None:
    both = [attempt(n, 3, slow=of) for n, of in enumerate((1.9, 1.9, 0.5, 0.5))]
    found = compared(tmp_path / "both", *both)
    assert not [series for series in found.series if series.kind == "tempo"]
    most = compared(tmp_path / "most", *both[:3])
    (series,) = (series for series in most.series if series.span == "rise")
    assert (series.stated, series.usual > 1.5) == (2, True)


def test_where_clips_are_cut_changes_no_tempo(tmp_path: Path) -> None:
    """Without labels, parts are the same moments of the reference in all attempts: the clips begin
    at these phases, and take 1.6 times as long from phase 0.55 on."""
    clips = {}
    for n, start in enumerate((0.12, 0.42, 0.18, 0.36, 0.24, 0.3)):
        clock = np.array([0, 0.55 - start, 0.55 - start + 0.45 * 1.6]) * 3
        seconds = np.arange(round(clock[-1] * 30) + 1) / 30
        phase = np.interp(seconds, clock, [start, 0.55, 1])
        clips[f"try-{n}"] = performance(phase, noise=0.5, seed=n)
    project = project_of(tmp_path / "project", coach=performance(PHASE, noise=0.5), **clips)
    request = AlignRequest(project.config(), features="pose")
    found = tested.compare_attempts(project, "coach", list(clips), request)
    (series,) = (series for series in found.series if series.kind == "tempo")
    known = series.value[~np.isnan(series.value)]
    assert len(known) >= 5
    assert known == pytest.approx(1.6, rel=0.08)
    # Of 3 s; what all but one attempt show begins at phase 0.36.
    assert (series.span, series.start >= 1.5) == ("middle", True)


def test_an_attempt_that_hides_the_joint_has_no_value(tmp_path: Path) -> None:
    hidden = attempt(2, 5, -40)
    trust = np.ones(hidden.score.shape)
    trust[:, 16] = 0.1  # the right ankle
    clips = [attempt(n, 5, -40) for n in range(5)]
    clips[2] = replace(hidden, trust=trust)
    (series,) = (x for x in compared(tmp_path, *clips).series if x.joint == "right_knee")
    assert np.isnan(series.value).tolist() == [False, False, True, False, False]
    assert series.stated == 4


def test_no_series_is_without_a_value(tmp_path: Path) -> None:
    """The knee is bent in all five, and each shows it for nine other frames."""
    fault: dict[str, Any] = {"change": "right_knee", "degrees": -45.0, "middle": 0.4, "width": 1.2}
    attempts = []
    for n in range(5):
        clip = performance(PHASE, noise=0.3, seed=n + 5, **fault)
        trust = np.ones(clip.score.shape)
        trust[: 20 + 8 * n, 14] = trust[29 + 8 * n :, 14] = 0
        attempts.append(replace(clip, trust=trust))
    found = compared(tmp_path, *attempts)
    assert sum(f.joint == "right_knee" for one in found.attempts for f in one.findings) >= 4
    assert not any(np.isnan(series.value).all() for series in found.series)


def test_clips_that_cannot_be_compared_are_left_out_with_the_reason(tmp_path: Path) -> None:
    project = project_of(
        tmp_path / "project", coach=performance(PHASE), one=attempt(0, 6), two=attempt(1, 6)
    )
    names = ["one", "gone.mp4", "coach", "two", "one"]
    found = tested.compare_attempts(project, "coach", names, AlignRequest(project.config()))
    assert [one.aligned.b.id for one in found.attempts] == ["one", "two"]
    assert found.left_out["coach"] == "it is the reference"
    assert found.left_out["one"] == "it is already one of the attempts"
    assert "gone.mp4" in found.left_out["gone.mp4"]
    with refused(ExitCode.UNUSABLE, "1 of the attempts can be compared"):
        tested.compare_attempts(project, "coach", ["one", "coach"], AlignRequest(project.config()))
    with refused(ExitCode.UNREADABLE):
        tested.compare_attempts(project, "gone.mp4", ["one", "two"], AlignRequest(project.config()))


# --- which clips -------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Clips of the names of their files, two of one name, and new files in a folder."""
    made = StoredProject.create(tmp_path / "project")
    rows = [Video(f"{day}-swing", f"films/{day}/swing.mp4", day) for day in ("d10", "d9")]
    names = ("me-1", "me-2", "me-10", "coach")
    made.add_videos([*rows, *(Video(name, f"films/{name}.mat", name) for name in names)])
    for name in ("a10.mp4", "a2.mp4", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    return made


MANY = [f"swing-of-anna-{n:03d}" for n in range(400)]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (["me-*"], ["me-1", "me-2", "me-10"]),
        (["me-*.mat"], ["me-1", "me-2", "me-10"]),
        (["me-10,me-1"], ["me-10", "me-1"]),
        (["me-2", "me-*"], ["me-2", "me-1", "me-10"]),
        (["me-[12]", " coach ,"], ["me-1", "me-2", "coach"]),
        (["swing*"], ["d9-swing", "d10-swing"]),
        (["new.mp4"], ["new.mp4"]),
        (["[ac]*"], ["coach", "a2.mp4", "a10.mp4"]),
        ([",".join(MANY)], MANY),  # longer than a file name may be
        (["n" * 300 + ",coach"], ["n" * 300, "coach"]),
        (["FOLDER/*.mp4"], ["FOLDER/a2.mp4", "FOLDER/a10.mp4"]),
        (["FOLDER"], ["FOLDER/a2.mp4", "FOLDER/a10.mp4"]),
    ],
)
def test_names_patterns_and_folders_keep_their_order(
    project: StoredProject, selection: list[str], names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(project.root.parent)
    monkeypatch.chdir(folder)
    found = tested.attempt_names(project, [text.replace("FOLDER", folder) for text in selection])
    assert [name.replace(folder, "FOLDER") for name in found] == names


def test_a_pattern_without_a_match_is_refused(project: StoredProject) -> None:
    with refused(ExitCode.UNREADABLE, "no clip of the project and no file"):
        tested.attempt_names(project, ["you-*"])
