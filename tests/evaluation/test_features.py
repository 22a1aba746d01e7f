"""Feature sets: what each one computes and how it aligns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from la2ds_cli.core.config import AlignConfig
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import VIEWS
from la2ds_cli.evaluation.aligner import Direct, SeenClip, ThroughClips
from la2ds_cli.evaluation.features import baseline_sets, raw_variants
from la2ds_cli.features.camera_views import seen
from la2ds_cli.features.pose_features import mirror, raw_pose
from la2ds_cli.features.tempo import paced_movement
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
        assert located(f"{name}, {ends} ends", clips).shape == (31,)


def located(name: str, clips: list[PoseSequence]) -> FloatArray:
    """The position in the second clip of each frame of the first."""
    aligner = variant(name).aligner
    a, b = aligner.prepare(clips)
    return aligner.match(a, b)


def test_the_nearest_view_aligns_a_person_with_their_mirror_image_better_than_plain() -> None:
    phase_a, phase_b = warped_phase(40, 1), warped_phase(50, 2)
    clips = [sequence(phase_a), mirror(sequence(phase_b))]
    worst = {}
    for name in ("view", "plain"):
        position = located(f"{name}, closed ends", clips)
        worst[name] = np.abs(phase_a - np.interp(position, np.arange(50), phase_b)).max()
    assert worst["view"] < 0.05 < worst["plain"]


def turned(*turns: float) -> list[PoseSequence]:
    """A front, one mirrored, and others from aside."""
    poses = [in_space(warped_phase(30 + 5 * n, n), turn=turn) for n, turn in enumerate(turns)]
    return [poses[0], mirror(poses[1]), *poses[2:]]


def as_seen(poses: Sequence[PoseSequence]) -> list[SeenClip]:
    return [SeenClip(pose, paced_movement) for pose in poses]


def test_a_clip_is_seen_in_the_view_that_is_nearest_to_another() -> None:
    front, mirrored, aside = as_seen(turned(0.1, 0.1, 1.4))
    assert mirrored.view(front) == "mirrored"
    assert aside.view(front) == "turned"
    for view in VIEWS:
        expected = paced_movement(seen(aside.pose, view, front.pose))
        np.testing.assert_allclose(aside.features(view, front), expected, atol=1e-5)
    assert mirrored.nearest(front) is mirrored.features("mirrored")  # computed once
    filmed = SeenClip(mirrored.pose, paced_movement, filmed=True)
    assert filmed.nearest(front) is filmed.features()


@pytest.mark.parametrize("through", [False, True])
def test_clips_are_aligned_in_the_view_that_is_nearest(through: bool) -> None:
    front, mirrored, *others = turned(0.1, 0.1, 0.2, 0.3, 0.4, 0.5)
    config = AlignConfig()
    aligner = ThroughClips(as_seen, config, others) if through else Direct(as_seen, config)
    position = aligner.match(*aligner.prepare([front, mirrored]))
    phase_a, phase_b = warped_phase(30, 0), warped_phase(35, 1)
    assert np.abs(phase_a - np.interp(position, np.arange(35), phase_b)).max() < 0.06


def test_time_only_stretches_one_clip_onto_the_other() -> None:
    clock = next(s for s in baseline_sets() if s.name == "time_only").variants[0].aligner
    a, b = clock.prepare([sequence(warped_phase(21, 0)), sequence(warped_phase(41, 3))])
    position = clock.match(a, b)
    np.testing.assert_allclose(np.arange(21) / 20, position / 40, atol=0.026)


def test_missing_joints_are_filled_in_every_feature() -> None:
    pose = sequence(warped_phase(30, 0))
    pose.xy[5:9, 3] = np.nan
    pose.xy[:, 7] = np.nan
    for feature in raw_variants():
        assert np.isfinite(feature.by_frame([pose])[0]).all()
    assert np.isfinite(raw_pose(pose)).all()
