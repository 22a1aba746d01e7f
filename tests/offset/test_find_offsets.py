"""Several recordings, solved together, and the command."""

from __future__ import annotations

import csv
import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.offset.find_offsets import solved
from la2ds_cli.offset.offset_result import Clock, OffsetResult, Recording
from la2ds_cli.offset.pair_offset import Fit, PairOffset
from tests.movement import add_sequence
from tests.offset.recordings import film, performed, short_pair
from tests.processes import invoke


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    """front and back show nothing in common; side overlaps both; take is another performance."""
    project = StoredProject.create(tmp_path_factory.mktemp("project"))
    points = performed(1, times=7)
    for name, pose in {
        "front": film(points, 0, span=(0, 0.45)),
        "side": film(points, 40, 25, (0.1, 0.9), lag=1.5),
        "back": film(points, 10, 59.94, (0.55, 1), lag=-2.25),
        "take": film(performed(1, 1), 30),
    }.items():
        add_sequence(project, name, pose)
    legs = [["left leg", 0.0, 60.0], ["right leg", 0.0, 60.0]]
    doubtful = film(performed(1, 1), 30)
    add_sequence(project, "doubtful", replace(doubtful, info={**doubtful.info, "doubts": legs}))
    return project


def run(project: StoredProject, *arguments: str | Path, code: int = 0) -> str:
    result = invoke("offset", *arguments, "--project", project.root, code=code)
    return result.stderr if code else result.stdout


def test_two_recordings_as_json_and_as_a_table(project: StoredProject, tmp_path: Path) -> None:
    table = tmp_path / "offsets.csv"
    told = json.loads(run(project, "front", "side", "--json", "--out", table))
    assert told["offset_seconds"] == pytest.approx(1.5, abs=0.01)
    assert told["low"] < told["offset_seconds"] < told["high"] < told["low"] + 0.02
    assert (told["drift_ppm"], told["sure"], told["files"]) == (None, True, [str(table)])
    assert told["overlap_seconds"] > 3
    (pair,) = told["pairs"]
    assert (pair["a"], pair["b"], pair["others"]) == ("front", "side", [])
    assert pair["offset_seconds"] == pytest.approx(told["offset_seconds"])
    rows = list(csv.DictReader(table.open()))
    assert [row["recording"] for row in rows] == ["front", "side"]
    assert float(rows[1]["offset_seconds"]) == pytest.approx(told["offset_seconds"])


def test_another_performance_is_refused_and_forced(project: StoredProject) -> None:
    error = run(project, "front", "take", code=ExitCode.OTHER_MOVEMENT)
    assert "take does not show the performance of front" in error
    assert "is not sure" in run(project, "front", "take", "--force")
    out = run(project, "front", "side", "take").splitlines()
    *_, take, unsure = (line for line in out if not line.startswith("ffmpeg"))
    assert take.startswith("take.mat: seconds of front.mat plus ")
    assert "is not sure" in unsure


def test_what_doubtful_joints_cannot_tell_is_not_called_another_performance(
    project: StoredProject,
) -> None:
    error = run(project, "front", "doubtful", code=ExitCode.OTHER_MOVEMENT)
    assert "cannot tell whether doubtful shows the performance of front" in error
    assert "doubtful: left leg and right leg doubtful for 100% of the clip" in error
    assert "does not show" not in error
    error = run(project, "doubtful", "front", code=ExitCode.OTHER_MOVEMENT)
    assert "cannot tell whether front shows the performance of doubtful" in error
    out = run(project, "front", "side", "doubtful")
    assert "left leg and right leg doubtful" in out


def test_short_recordings_of_one_performance_have_an_unsure_lag(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    for name, pose in zip(("front", "side"), short_pair(4, 60), strict=True):
        add_sequence(project, name, pose)
    found = json.loads(run(project, "front", "side", "--json"))
    assert found["low"] < 0.7 < found["high"]
    assert not found["sure"]
    assert "nor that it shows the same performance" in run(project, "front", "side")


def pair(a: int, b: int, lag: float, spread: float = 0.001) -> PairOffset:
    """Two that show one performance, or with a large spread of the lag, do not."""
    return PairOffset(a, b, Fit(lag, None, 1.0, 0.001, 0.0, 10.0, 0.99, spread))


def test_pairs_are_solved_together_and_loops_are_checked() -> None:
    poses = [film(performed(1), 0)] * 3
    agreeing = solved(poses, [pair(0, 1, 1.0), pair(0, 2, 3.003), pair(1, 2, 2.0)])
    assert [c and c.offset for c in agreeing] == pytest.approx([0, 1.001, 3.002], abs=1e-5)
    assert all(c and c.sure for c in agreeing)
    loop = solved(poses, [pair(0, 1, 1.0), pair(0, 2, 5.0), pair(1, 2, 2.0)])
    assert [c and c.sure for c in loop] == [True, False, False]
    chain = solved(poses, [pair(0, 1, 1.0), pair(0, 2, 9.0, 0.3), pair(1, 2, 2.0)])
    assert [c and c.offset for c in chain] == pytest.approx([0, 1, 3])
    apart = solved(poses, [pair(0, 1, 1.0), pair(0, 2, 9.0, 0.3), pair(1, 2, 2.0, 0.3)])
    assert apart[2] is None


def test_a_short_overlap_takes_no_drift_away() -> None:
    best = replace(pair(0, 1, 1.0).best, drift=1e-3, drift_deviation=1e-5)
    pairs = [PairOffset(0, 1, best), pair(0, 2, 3.0), pair(1, 2, 2.001)]
    clocks = solved([film(performed(1), 0)] * 3, pairs)
    assert [c and c.drift for c in clocks] == [0.0, pytest.approx(1e-3), None]
    assert [c and c.seconds(1.0) for c in clocks] == pytest.approx([1, 2, 4], abs=1e-5)


def test_two_without_joints_in_common_are_placed_by_a_third(tmp_path: Path) -> None:
    project, points = StoredProject.create(tmp_path), performed(1, times=5)
    hidden = {"all": slice(0), "legs": slice(11), "arms": slice(11, 17)}
    for (name, joints), lag in zip(hidden.items(), (0.0, 1.5, -2.0), strict=True):
        pose = film(points, 0, lag=lag)
        pose.xy[:, joints] = np.nan
        add_sequence(project, name, pose)
    told = json.loads(run(project, "all", "legs", "arms", "--json"))["recordings"]
    assert [row["offset_seconds"] for row in told] == pytest.approx([0, 1.5, -2], abs=0.02)
    assert "joints in common" in run(project, "legs", "arms", code=ExitCode.MISMATCH)


def test_commands_cut_films_to_what_all_show() -> None:
    """The clock of the second is 2 s later, and gains 1 %; its film is twice as slow, and has the
    name of the first in another folder."""
    poses = [film(performed(1), 0), film(performed(1), 0, 25, lag=2.0)]
    options = {"front": "", "back": "slowmo=2"}
    clips = [Video(name, "x.mp4", "0", 9, 30, 4, 4, options=of) for name, of in options.items()]
    files = [Path("a b.mp4"), Path("other", "a b.mp4")]
    clocks = (Clock(0, 0, None, None, 1.0, True), Clock(2.0, 0.01, 0.01, 0.001, 1.0, True))
    recordings = tuple(map(Recording, clips, poses, files, clocks))
    first, second = OffsetResult(recordings, ()).ffmpeg()
    end = min(poses[0].time[-1], 1 + (poses[1].time[-1] - 3) / 1.01)
    begun = 1 - 1 / 1.01
    assert shlex.split(first)[:5] == [
        *("ffmpeg", "-i", "a b.mp4", "-vf"),
        f"trim=start={begun:.4f}:end={end:.4f},setpts=(PTS-{begun:.4f}/TB)/1.00000000,"
        "fps=25:start_time=0",
    ]
    assert first.endswith(" front-synced.mp4")
    assert "trim=start=4.0000:" in second
    assert "/2.02000000" in second
    assert second.endswith(" back-synced.mp4")
