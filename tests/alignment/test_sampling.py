"""The rows at which two clips are compared, on clips whose true correspondence is known."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import sampling
from la2ds_cli.alignment.consensus import pairwise_path
from la2ds_cli.alignment.sampling import at_rows, compared_rows, frames_per_change, thinned_rows
from la2ds_cli.core.config import AlignConfig
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.datasets.penn_action import import_penn_action
from la2ds_cli.features.pose_features import movement_without_velocity
from la2ds_cli.features.resample import at_rate
from la2ds_cli.features.tempo import paced_movement
from tests.movement import sequence, warped_phase
from tests.shared_data import PENN, needs_penn

OPEN = AlignConfig(open_ends=True, skip_cost=1.5)
CLOSED = AlignConfig(open_ends=False)


def feature(phase: np.ndarray) -> np.ndarray:
    return movement_without_velocity(sequence(phase)).astype(np.float32)


def warped(frames: int, seed: int) -> np.ndarray:
    """The phase of one performance, sampled at so many frames."""
    return np.interp(np.linspace(0, 1, frames), np.linspace(0, 1, 500), warped_phase(500, seed))


def test_a_clip_that_never_changes_is_not_sampled() -> None:
    still, moving = np.ones((50, 3)), np.cumsum(np.ones((400, 3)), axis=0)
    assert frames_per_change(still) == 0
    for a, b in ((still, moving), (moving, still)):
        ((row, column),) = compared_rows(a, [b], OPEN)
        np.testing.assert_array_equal(row, np.arange(len(a)))
        np.testing.assert_array_equal(column, np.arange(len(b)))


def test_a_jump_of_joints_is_no_higher_rate() -> None:
    a, b = feature(warped(40, 1)), feature(warped(60, 2))
    b[20:24] += 3
    assert frames_per_change(a) / frames_per_change(b) > sampling.UNLIKE
    ((row, column),) = compared_rows(a, [b], OPEN)
    assert (len(row), len(column)) == (40, 60)


def test_clips_of_like_rates_and_closed_ends_keep_all_frames() -> None:
    a, b = feature(warped(40, 1)), feature(warped(55, 2))
    slow = feature(warped(320, 3))
    for clips, config in (([a, b], OPEN), ([b, slow], CLOSED)):
        ((row, column),) = compared_rows(clips[0], clips[1:], config)
        np.testing.assert_array_equal(row, np.arange(len(clips[0])))
        np.testing.assert_array_equal(column, np.arange(len(clips[1])))


@pytest.mark.parametrize("turned", [False, True])
def test_a_clip_of_many_more_frames_is_sampled_like_the_other(turned: bool) -> None:
    few, many = feature(warped(40, 1)), feature(warped(320, 2))
    pair = (many, few) if turned else (few, many)
    rows = compared_rows(pair[0], [pair[1]], OPEN)[0]
    row, column = reversed(rows) if turned else rows
    np.testing.assert_allclose(row, np.arange(79) / 2)  # every frame, and one between each two
    assert column[0] == 0
    assert column[-1] == 319
    assert 60 < len(column) < 130


def test_rows_between_frames_are_interpolated() -> None:
    clip = np.array([[0.0, 1.0], [2.0, 5.0], [4.0, 5.0]])
    np.testing.assert_allclose(
        at_rows(clip, np.array([0.0, 0.5, 1.75, 2.0])), [[0, 1], [1, 3], [3.5, 5], [4, 5]]
    )
    np.testing.assert_array_equal(at_rows(clip, np.array([0, 2])), clip[[0, 2]])
    assert at_rows(clip, thinned_rows(3)) is clip


@needs_penn
def test_a_golf_swing_at_six_times_the_rate_is_found_as_at_the_same_rate(
    tmp_path: Path, monkeypatch
) -> None:
    """Trimmed training clips, B as filmed and at 120 frames per second; errors in % of B."""
    project = StoredProject.create(tmp_path)
    import_penn_action(project, PENN, "golf_swing")
    shutil.copy(PENN / "phases_kinematic.csv", project.phases_path)
    phases = project.phases()
    clips = [v.id for v in project.videos() if v.split == "train" and v.id in phases][:36]
    poses = {clip: project.read_pose(clip)[0] for clip in clips}

    def mean_error(rate: float) -> float:
        rng = np.random.default_rng(0)
        errors = []
        for a, b in itertools.pairwise(clips):
            (own, events_a), (other, events_b) = (
                trimmed(at_rate(poses[clip], fps), phases[clip], rng)
                for clip, fps in ((a, poses[a].fps), (b, rate))
            )
            path = pairwise_path(paced_movement(own), paced_movement(other), OPEN)
            matched = np.flatnonzero(~np.isnan(path.forward))
            for name in events_a.keys() & events_b.keys():
                nearest = matched[np.abs(matched - events_a[name]).argmin()]
                errors.append(100 * abs(path.forward[nearest] - events_b[name]) / len(other))
        return float(np.mean(errors))

    same, sampled = mean_error(20), mean_error(120)
    monkeypatch.setattr(sampling, "UNLIKE", np.inf)
    as_filmed = mean_error(120)
    assert sampled < 1.15 * same
    assert sampled < 0.9 * as_filmed


def trimmed(
    pose: PoseSequence, phases: Sequence[Phase], rng: np.random.Generator
) -> tuple[PoseSequence, dict[str, float]]:
    """A clip of which up to a quarter is cut off each end, and the rows at which its phases
    begin."""
    start, stop = (int(share * len(pose)) for share in (rng.uniform(0, 0.25), rng.uniform(0.75, 1)))
    number = np.arange(len(pose))
    rows = {p.name: float(np.interp(p.start / 20, pose.time, number)) - start for p in phases[1:]}
    inside = {name: row for name, row in rows.items() if 0 <= row < stop - start}
    return pose.cut(start, stop), inside
