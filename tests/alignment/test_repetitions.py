"""Repetitions of a known movement: how many, where they begin and end, and none where there are
none."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.datasets.penn_action import import_penn_action
from la2ds_cli.demo.demo_clips import performed
from la2ds_cli.formats.file_clip import to_sequence
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.wide_csv import read_clips
from tests.movement import cycle, figure, sequence, shaken
from tests.shared_data import PENN, PEOPLE, needs_penn, needs_people

SPED = ImportOptions(fps=30.0, size=(160, 160), skeleton="mediapipe33")
STILL = np.zeros(60)


def repeated(frames: Sequence[int], noise: float = 0.0) -> PoseSequence:
    """One repetition after the other, so many frames each; noise in pixels (the torso has 60)."""
    return shaken(sequence(np.concatenate([cycle(count) for count in frames])), noise)


def squats(frames: Sequence[int], start: float = 0.0) -> PoseSequence:
    """From standing to the bottom and back, from share `start` of a squat on."""
    return sequence(np.concatenate([cycle(n, start, start + 1.0) / 2 for n in frames]))


def spans(found: list[Repetition]) -> np.ndarray:
    return np.array([(repetition.start, repetition.stop) for repetition in found])


def assert_cut_at(found: list[Repetition], edges: Sequence[int], tolerance: float) -> None:
    """The spans follow each other from edge to edge, within `tolerance` frames."""
    wanted = np.array(list(pairwise(edges)))
    assert spans(found).shape == wanted.shape
    assert np.abs(spans(found) - wanted).max() <= tolerance


MANY = np.random.default_rng(0).integers(28, 56, 50).tolist()


@pytest.mark.parametrize(
    ("frames", "noise", "tolerance"),
    [
        ((40, 40, 40, 40), 0.0, 3),
        ((40, 28, 56, 33), 0.0, 4),  # tempos that differ by a factor of two
        ((60, 30), 0.0, 4),
        ((25, 50, 36, 44, 30, 48, 27), 0.0, 4),
        ((40, 30, 50, 36), 3.0, 6),  # twice the noise of a good pose network
        (MANY, 1.5, 8),  # not two at a time
    ],
)
def test_repetitions_are_cut_where_each_begins(
    frames: Sequence[int], noise: float, tolerance: float
) -> None:
    found = cut_clip(repeated(frames, noise))
    assert_cut_at(found, [0, *np.cumsum(frames).tolist()], tolerance)
    assert all(0.4 <= one.score <= 1 for one in found)


def test_a_pause_belongs_to_no_repetition() -> None:
    found = cut_clip(sequence(np.concatenate([STILL, cycle(40), STILL, cycle(40), STILL])))
    # Moving in 60..100 and 160..200; of the pauses of 60 frames at most 28 are kept.
    for span, edges in zip(spans(found), [(60, 100), (160, 200)], strict=True):
        assert edges[0] - 24 <= span[0] <= edges[0] + 4
        assert edges[1] - 4 <= span[1] <= edges[1] + 28


REST = np.zeros(8)


@pytest.mark.parametrize(
    ("phase", "edges"),
    [
        ([cycle(40), REST, cycle(40), REST, cycle(40)], [0, 44, 92, 136]),
        # 40 % of one, three whole ones, 35 % of one.
        (
            [
                *[cycle(16, 0.6), REST, cycle(40), REST, cycle(40), REST, cycle(40), REST],
                cycle(14, 0.0, 0.35),
            ],
            [20, 68, 116, 164],
        ),
    ],
    ids=["a short rest", "parts at the ends"],
)
def test_a_short_rest_is_cut_in_its_middle(phase: list[np.ndarray], edges: list[int]) -> None:
    assert_cut_at(cut_clip(sequence(np.concatenate(phase) / 2)), edges, tolerance=8)


def test_an_alternating_movement_repeats_when_both_sides_have_been() -> None:
    """Left arm up and down, right arm up and down: one repetition, not two halves."""
    joints = get_skeleton("penn13").joints
    standing = figure(np.zeros(30))
    angle = np.pi * (1 - np.cos(2 * np.pi * np.arange(30) / 30)) / 2
    parts = []
    for side, sign in 4 * (("left", 1), ("right", -1)):
        part = standing.copy()
        shoulder = part[:, joints.index(f"{side}_shoulder")]
        way = np.stack([sign * np.sin(angle), np.cos(angle)], axis=-1)
        part[:, joints.index(f"{side}_elbow")] = shoulder + 30 * way
        part[:, joints.index(f"{side}_wrist")] = shoulder + 60 * way
        parts.append(part)
    found = cut_clip(replace(sequence(np.zeros(240)), xy=np.concatenate(parts)))
    assert np.diff(spans(found)).ravel() == pytest.approx(60, abs=10)
    assert len(found) in (3, 4)


@pytest.mark.parametrize(
    "pose",
    [
        *[performed(index, 6, seed=1, noise=1.0)[0] for index in range(6)],
        sequence(np.linspace(0, 1, 80)),
        shaken(sequence(cycle(40)), 1.0),
        shaken(sequence(cycle(90)), 1.0),
        sequence(np.concatenate([STILL, cycle(40), STILL])),
        sequence(np.zeros(100)),
        shaken(sequence(np.zeros(200)), 1.0),
        *[sequence(cycle(frames)) for frames in (1, 2, 3, 9)],
    ],
)
def test_none_where_nothing_repeats(pose: PoseSequence) -> None:
    assert cut_clip(pose) == []


def test_seconds_count_and_not_frames() -> None:
    """At 60 frames per second and with uneven time stamps the film is cut at the same times."""
    slow, fast = repeated((40, 30, 50)), repeated((120, 90, 150))
    fast = replace(fast, time=fast.time / 3, fps=60.0)
    jittered = fast.time + np.random.default_rng(0).uniform(0, 0.008, len(fast))
    for pose in (fast, replace(fast, time=jittered)):
        times = pose.time[spans(cut_clip(pose))[:, 0]]
        np.testing.assert_allclose(times, slow.time[spans(cut_clip(slow))[:, 0]], atol=0.1)


@pytest.mark.parametrize(("start", "first"), [(0.0, 0), (0.5, 20)])
def test_a_clip_is_cut_where_the_performer_stands(start: float, first: int) -> None:
    found = spans(cut_clip(squats([40] * 5, start)))
    whole = found[(found[:, 0] >= first - 4) & (found[:, 1] <= 215 - first)]
    np.testing.assert_allclose(whole[:, 0], first + 40 * np.arange(len(whole)), atol=4)
    assert len(whole) == (5 if not first else 4)


def test_two_sets_with_another_movement_between_them() -> None:
    """Five squats, a walk out of the picture and back with both arms up, five faster ones."""
    between = sequence(0.5 + cycle(90) / 2, tilt=0.2)
    way = np.array([300, 0]) * cycle(90)[:, None, None]
    xy = np.concatenate([squats([40] * 5).xy, between.xy + way, squats([28] * 5).xy])
    found = spans(cut_clip(replace(sequence(np.zeros(len(xy))), xy=xy)))
    assert ((found[:, 0] < 205) | (found[:, 0] > 270)).sum() == 10
    assert len(found) in (10, 11)


def test_repetitions_filmed_from_two_sides_are_counted_together() -> None:
    near = squats([36] * 6)
    middle = near.xy.mean(axis=1, keepdims=True)
    far = (near.xy - middle) * np.array([0.4, 1.0]) + middle + 40
    pose = replace(sequence(np.zeros(432)), xy=np.concatenate([near.xy, far]))
    assert len(cut_clip(pose)) in (11, 12, 13)


def jumping(pose: PoseSequence, seed: int) -> PoseSequence:
    """One joint at a time jumps by half to two torso lengths for up to 0.2 s, twice a second, and
    left and right are exchanged for 0.3 s, each two seconds."""
    rng = np.random.default_rng(seed)
    xy, seconds = pose.xy.copy(), len(pose) / pose.fps
    for first in rng.integers(0, len(pose), round(2 * seconds)):
        rows = slice(first, first + rng.integers(1, round(0.2 * pose.fps) + 1))
        angle, far = rng.uniform(0, 2 * np.pi), 60 * rng.uniform(0.5, 2.0)
        xy[rows, rng.integers(xy.shape[1])] += far * np.array([np.cos(angle), np.sin(angle)])
    for first in rng.integers(0, len(pose), round(seconds / 2)):
        rows = slice(first, first + round(0.3 * pose.fps))
        xy[rows] = xy[rows][:, list(get_skeleton(pose.skeleton).flip)]
    return replace(pose, xy=xy)


@pytest.mark.parametrize("fps", [20.0, 50.0])
def test_joints_that_jump_hide_no_repetition(fps: float) -> None:
    right = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        seconds = rng.uniform(1.4, 2.6, rng.integers(4, 9))
        still = np.zeros(round(fps))
        parts = [still, *[cycle(round(fps * each)) / 2 for each in seconds], still]
        plain = shaken(sequence(np.concatenate(parts)), 1.0)
        pose = replace(plain, fps=fps, time=np.arange(len(plain)) / fps)
        assert len(cut_clip(pose)) == len(seconds)
        right.append(len(cut_clip(jumping(pose, seed))) == len(seconds))
    assert sum(right) >= 8


# --- real clips ------------------------------------------------------------------------------


@needs_penn
@pytest.mark.parametrize("action", ["golf_swing", "squat"])
def test_clips_of_one_movement_are_not_cut(tmp_path: Path, action: str) -> None:
    project = StoredProject.create(tmp_path)
    import_penn_action(project, PENN, action)
    clips = sorted(project.posed())[::8]
    assert len(clips) > 15
    assert [clip for clip in clips if cut_clip(project.read_pose(clip)[0])] == []


def read(path: Path) -> PoseSequence:
    return to_sequence(read_clips(path, SPED)[0], SPED, None)


@needs_people
def test_no_golf_swing_repeats() -> None:
    golf = sorted((PEOPLE / "golf" / "clips").glob("*.csv"))[::6]
    assert sum(bool(cut_clip(read(path))) for path in golf) <= 1


@needs_people
def test_short_videos_are_counted_as_people_did_in_pieces_that_are_not_too_short() -> None:
    """Those of at most 900 frames: half of them were never used to set a constant."""
    with (PEOPLE / "repetitions" / "repetitions.csv").open(newline="") as handle:
        true = Counter(row["video"] for row in csv.DictReader(handle))
    right = []
    for video, count in true.items():
        path = PEOPLE / "repetitions" / "whole" / f"{video}.csv"
        if path.exists() and len(path.read_text().splitlines()) <= 900:
            pose = read(path)
            found = cut_clip(pose)
            assert all(pose.axis.duration_of(r.start, r.stop) >= 0.42 for r in found)
            right.append(abs(len(found) - count) <= 1)
    assert len(right) >= 10
    assert np.mean(right) >= 0.85
