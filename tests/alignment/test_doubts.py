"""What casts doubt on a match: other moments that another match finds, a movement that repeats."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.confidence import (
    DOUBTFUL,
    UNCLEAR,
    Certainty,
    differs,
    widen_to_other_matches,
    widen_where_unseen,
)
from la2ds_cli.alignment.repeated_match import matches_a_repetition_away, repetition_period
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from tests.movement import sequence, shaken, warped_phase, without
from tests.shared_data import GAIT, needs_gait

NAN = np.nan
EVEN = TimeAxis.even(100, 10.0)  # 5 frames are 5 % of it


@pytest.mark.parametrize(
    ("confidence", "others", "low", "high", "less"),
    [
        (0.95, [[2, 16, 11, NAN, 40]], [-1, 9, 11, 29, NAN], [1, 16, 21, 31, NAN], [1, 2]),
        (0.95, [[0, 18, 20, 30, 5], [0, 2, 20, 39, 5]], [-1, 2, 19, 29, NAN], [1, 18, 21, 39, NAN],
         [1, 3]),
        (0.2, [[0, 16, 11, 30, 40]], [-1, 9, 11, 29, NAN], [1, 16, 21, 31, NAN], []),
        (0.95, [], [-1, 9, 19, 29, NAN], [1, 11, 21, 31, NAN], []),
    ],
)  # fmt: skip
def test_where_another_match_finds_another_moment_the_interval_holds_both(
    confidence: float, others: list, low: list, high: list, less: list[int]
) -> None:
    """Positions of another match, up to 5 frames from the match where they agree."""
    position = np.array([0.0, 10, 20, 30, NAN])
    sure = Certainty(
        np.array([confidence] * 4 + [0]), position - 1, position + 1, *np.zeros((2, 5), bool)
    )
    found = widen_to_other_matches(
        sure, position, [np.array(other, float) for other in others], EVEN
    )
    np.testing.assert_array_equal(found.low, low)
    np.testing.assert_array_equal(found.high, high)
    expected = np.array([confidence] * 4 + [0])
    expected[less] = DOUBTFUL
    np.testing.assert_allclose(found.confidence, expected)


def test_moments_that_nobody_saw_are_not_sure() -> None:
    """A of 40 frames at 20 a second, B of 60 at 30, in which A is hidden from frame 10 to 19 and B
    from 45 to 59: matches more than 0.1 s from a frame with joints lie somewhere in the gap."""
    a = without(sequence(np.linspace(0, 1, 40), fps=20), slice(10, 20))
    b = without(sequence(np.linspace(0, 1, 60), fps=30), slice(45, 60))
    position = np.arange(40) * 1.5
    sure = Certainty(
        np.full(40, 0.95, np.float32),
        *(position - 1, np.minimum(position + 1, 59)),
        *np.zeros((2, 40), bool),
    )
    found = widen_where_unseen(sure, position, a, b)
    assert np.flatnonzero(found.confidence < 0.95).tolist() == [*range(12, 18), *range(32, 40)]
    assert (found.confidence[12:18] == DOUBTFUL).all()
    np.testing.assert_array_equal(found.low[12:18], [position[11] - 1] * 6)
    np.testing.assert_array_equal(found.high[12:18], [position[18] + 1] * 6)
    np.testing.assert_array_equal(found.high[32:], [59] * 8)
    np.testing.assert_array_equal(found.low[18:32], position[18:32] - 1)
    nobody = without(a)
    assert (widen_where_unseen(sure, position, nobody, b).confidence == DOUBTFUL).all()


def test_a_match_differs_if_a_good_part_finds_other_moments() -> None:
    place = np.append(np.arange(20) * 10.0, NAN)
    for apart in range(21):
        other = place + 9.0 * (np.arange(21) < apart)
        assert differs(place, other, EVEN) == (apart >= UNCLEAR * 20)


# --- a movement that repeats ----------------------------------------------------------------------


def repeated(seconds: float, times: float, fps: float = 25.0, jitter: float = 1.0) -> PoseSequence:
    """The figure goes through its movement and back, `times` times; jitter in pixels."""
    length = round(seconds * times * fps)
    phase = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (seconds * fps))
    return shaken(sequence(phase, fps=fps), jitter)


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0, 240.0])
@pytest.mark.parametrize(("seconds", "times"), [(1.2, 5), (0.8, 3), (2.5, 1.8)])
def test_the_time_after_which_a_movement_begins_anew(seconds: float, times: float, fps: float):
    found = repetition_period(repeated(seconds, times, fps))
    assert found == pytest.approx(seconds, abs=0.1)


def test_a_walker_who_also_crosses_the_picture():
    pose = repeated(1.1, 3)
    across = np.linspace(0, 900, len(pose))[:, None] * [1, 0]
    assert repetition_period(replace(pose, xy=pose.xy + across[:, None])) == pytest.approx(
        1.1, abs=0.1
    )


@pytest.mark.parametrize(
    "pose",
    [
        sequence(warped_phase(60, 3)),  # once
        sequence(np.r_[np.zeros(50), warped_phase(30, 0), np.ones(50)]),  # between two rests
        sequence(np.r_[warped_phase(40, 0), warped_phase(40, 0)[::-1]]),  # there and back
        repeated(2.0, 1.3),  # not once and a half
        sequence(np.zeros(80)),  # nobody moves
        sequence(np.zeros(1)),
        replace(sequence(np.zeros(9)), xy=np.full((9, 13, 2), np.nan), score=np.zeros((9, 13))),
        repeated(1.2, 5, jitter=60.0),  # hidden by jitter
        repeated(10.0, 3),  # sets rather than steps
    ],
    ids=["once", "rests", "back", "short", "still", "frame", "nobody", "jitter", "sets"],
)
def test_none_where_it_is_not_clear(pose: PoseSequence):
    assert repetition_period(pose) is None


@needs_gait
@pytest.mark.parametrize("view", ["side", "view60", "other_side"])
def test_two_steps_of_walkers_whose_contacts_were_measured(tmp_path: Path, view: str):
    starts: dict[str, dict[str, int]] = {}
    for row in csv.DictReader((GAIT / "phases.csv").read_text("utf-8").splitlines()):
        starts.setdefault(row["video"], {})[row["phase"]] = int(row["start"])
    project = StoredProject.create(tmp_path)
    options = ImportOptions(fps=30.0, size=(1280, 720), skeleton="penn13")
    import_poses(project, "wide-csv", GAIT / view, options)
    found = {}
    for video in project.videos():
        start = starts[Path(video.path).stem]
        stride = (start.get("4LS") or start["5LS"]) - start["1LS"]  # left strike to left strike
        if (seconds := repetition_period(project.read_pose(video.id)[0])) is not None:
            found[video.id] = abs(30 * seconds - stride)
    assert len(found) >= 16
    assert max(found.values()) <= 3


def test_a_match_could_be_a_stride_away_where_one_clip_lacks_a_stride() -> None:
    """With as many strides, a match a stride away leaves too many frames out."""
    poses = [repeated(1.0, times, fps, jitter=0.5) for times, fps in ((3, 30), (2, 30), (3, 25))]
    three, two, b = (paced_movement(pose) for pose in poses)
    for a, doubtful in ((three, False), (two, True)):
        found = matches_a_repetition_away(a, b, poses[2], AlignConfig(open_ends=True))
        assert bool(found) == doubtful
        for seconds, place in found:
            assert seconds == pytest.approx(1.0, abs=0.1)
            assert (len(place), np.nanmax(place) <= len(b) - 1) == (len(a), True)
        assert not matches_a_repetition_away(a, b, poses[2], AlignConfig(open_ends=False))
