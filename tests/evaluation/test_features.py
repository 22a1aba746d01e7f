"""Feature sets: what each one computes and how it aligns."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.alignment.clip_features import ClipFeatures
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.features import CLOSED, OPEN, baseline_sets, raw_variants
from la2ds_cli.features.pose_features import mirror, raw_pose
from tests.movement import in_space, sequence, warped_phase


def variant(name: str):
    return next(v for v in raw_variants() if v.name == name)


@pytest.mark.parametrize(
    ("name", "width"),
    [("plain", 26), ("velocity", 52), ("view", 26), ("movement", 104), ("paced", 104)],
)
def test_features_have_one_row_per_frame(name: str, width: int) -> None:
    pose = sequence(warped_phase(31, 0))
    for ends in ("closed", "open"):
        found = variant(f"{name}, {ends} ends")
        clips = [pose, pose.cut(0, 12)]
        assert [value.shape for value in found.by_frame(clips)] == [(31, width), (12, width)]
        assert position_of(f"{name}, {ends} ends", clips).shape == (31,)


def position_of(name: str, clips: list[PoseSequence]) -> FloatArray:
    """The position in the second clip of each frame of the first."""
    return variant(name).align(*clips).position


def test_the_nearest_view_aligns_a_person_with_their_mirror_image_better_than_plain() -> None:
    phase_a, phase_b = warped_phase(40, 1), warped_phase(50, 2)
    clips = [sequence(phase_a), mirror(sequence(phase_b))]
    worst = {}
    for name in ("view", "plain"):
        position = position_of(f"{name}, closed ends", clips)
        worst[name] = np.abs(phase_a - np.interp(position, np.arange(50), phase_b)).max()
    assert worst["view"] < 0.05 < worst["plain"]


def turned(*turns: float) -> list[PoseSequence]:
    """A front, one mirrored, and others from aside."""
    poses = [in_space(warped_phase(30 + 5 * n, n), turn=turn) for n, turn in enumerate(turns)]
    return [poses[0], mirror(poses[1]), *poses[2:]]


@pytest.mark.parametrize("name", ["view", "paced"])
@pytest.mark.parametrize("through", [False, True])
def test_clips_are_aligned_in_the_view_that_is_nearest(name: str, through: bool) -> None:
    front, mirrored, aside, *others = turned(0.1, 0.1, 1.4, 0.2, 0.3, 0.4, 0.5)
    chosen = variant(f"{name}, open ends")
    if through:
        chosen = replace(chosen, references=others, settings=replace(OPEN, reference_clips=8))
    for clip, view, phase_b in (
        (mirrored, "mirrored", warped_phase(35, 1)),
        (aside, "turned", warped_phase(40, 2)),
    ):
        found = chosen.align(front, clip)
        assert found.view == view
        assert found.references == (len(others) if through else 0)
        matched = np.interp(found.position, np.arange(len(phase_b)), phase_b)
        assert np.nanmax(np.abs(warped_phase(30, 0) - matched)) < 0.06


@pytest.mark.parametrize("name", ["plain", "velocity", "movement"])
def test_plain_features_are_compared_as_filmed(name: str) -> None:
    front, mirrored = turned(0.1, 0.1)
    assert variant(f"{name}, open ends").align(front, mirrored).view == "filmed"


def test_features_of_a_clip_in_a_view_are_computed_once() -> None:
    """Whatever sets, variants and pairs it is in."""
    computed: list[tuple[int, str]] = []
    plain = ClipFeatures(
        lambda clip, features: [computed.append(clip.key[:2]), raw_pose(clip.seen())][1]
    )
    clips = turned(0.1, 0.1, 0.2)
    view = replace(variant("view, open ends"), features=plain)
    for ends in (OPEN, CLOSED):
        for a, b in itertools.permutations(clips, 2):
            replace(view, settings=ends).align(a, b)
    assert len(computed) == len(set(computed))
    assert {key for key, _ in computed} == {id(clip) for clip in clips}


def test_time_only_stretches_one_clip_onto_the_other() -> None:
    clock = next(s for s in baseline_sets() if s.name == "time_only").variants[0]
    a, b = sequence(warped_phase(21, 0)), sequence(warped_phase(41, 3), fps=30.0)
    position = clock.align(a, b).position
    np.testing.assert_allclose(np.arange(21) / 20, position / 40, atol=0.026)


def test_missing_joints_are_filled_in_every_feature() -> None:
    pose = sequence(warped_phase(30, 0))
    pose.xy[5:9, 3] = np.nan
    pose.xy[:, 7] = np.nan
    for feature in raw_variants():
        assert np.isfinite(feature.by_frame([pose])[0]).all()
    assert np.isfinite(raw_pose(pose)).all()
