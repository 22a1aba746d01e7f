"""Feature sets: what each one computes and how it aligns."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.config import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.evaluation.features import (
    FEATURE_NAMES,
    Direct,
    align_views,
    baseline_sets,
    check_names,
    raw_variants,
)
from la2ds_cli.features.pose_features import mirror, raw_pose
from tests.movement import sequence, warped_phase


def variant(name: str):
    return next(v for v in raw_variants() if v.name == name)


def test_raw_variants_are_five_features_each_with_both_ends() -> None:
    assert [v.name for v in raw_variants()] == [
        f"{feature}, {ends} ends"
        for feature in ("plain", "velocity", "mirror", "movement", "paced")
        for ends in ("closed", "open")
    ]


def test_baselines_that_need_no_model() -> None:
    sets = {s.name: s for s in baseline_sets()}
    assert list(sets) == ["raw_pose", "raw_pose_best", "time_only"]
    assert [v.name for v in sets["raw_pose"].variants] == ["plain, closed ends"]
    assert len(sets["raw_pose_best"].variants) == 10


def test_features_have_one_row_per_frame() -> None:
    pose = sequence(warped_phase(31, 0))
    widths = {
        "plain, closed ends": [26],
        "velocity, closed ends": [52],
        "mirror, open ends": [26, 26],
        "movement, open ends": [104],
    }
    for name, expected in widths.items():
        views = variant(name).views([pose, pose.cut(0, 12)])
        assert [v.shape for v in views[0]] == [(31, d) for d in expected]
        assert [v.shape for v in views[1]] == [(12, d) for d in expected]


def test_mirror_aligns_a_person_with_their_mirror_image_better_than_plain() -> None:
    phase_a, phase_b = warped_phase(40, 1), warped_phase(50, 2)
    clips = [sequence(phase_a), mirror(sequence(phase_b))]
    worst = {}
    for name in ("mirror", "plain"):
        chosen = variant(f"{name}, closed ends")
        a, b = chosen.views(clips)
        assert isinstance(chosen.aligner, Direct)
        position = chosen.aligner.position(a[0], b)
        worst[name] = np.abs(phase_a - np.interp(position, np.arange(50), phase_b)).max()
    assert worst["mirror"] < 0.05 < worst["plain"]


def test_of_several_views_the_nearer_one_is_aligned() -> None:
    a = np.arange(10.0)[:, None]
    near, far = a + 0.1, a[::-1] + 50
    position = align_views(AlignConfig()).position
    np.testing.assert_array_equal(position(a, (near, far)), position(a, (far, near)))
    np.testing.assert_array_equal(position(a, (far, near)), position(a, (near,)))


def test_open_ends_do_not_favour_the_view_that_leaves_out_more() -> None:
    moment = np.arange(3.0)
    a = np.concatenate([moment, np.linspace(1000, 1016, 17)])[:, None]
    near = a + 0.2
    # Ends with what A begins with: with open ends these frames alone match, at no distance.
    far = np.concatenate([np.linspace(-1016, -1000, 17), moment])[:, None]
    position = align_views(AlignConfig(open_ends=True, skip_cost=1.0)).position
    np.testing.assert_array_equal(position(a, (far,)), [17, 18, 19, *[np.nan] * 17])
    np.testing.assert_array_equal(position(a, (far, near)), position(a, (near,)))


def test_time_only_stretches_one_clip_onto_the_other() -> None:
    clock = next(s for s in baseline_sets() if s.name == "time_only").variants[0]
    a, b = clock.views([sequence(warped_phase(21, 0)), sequence(warped_phase(41, 3))])
    assert isinstance(clock.aligner, Direct)
    position = clock.aligner.position(a[0], b)
    np.testing.assert_allclose(np.arange(21) / 20, position / 40, atol=0.026)


def test_missing_joints_are_filled_in_every_feature() -> None:
    pose = sequence(warped_phase(30, 0))
    pose.xy[5:9, 3] = np.nan
    pose.xy[:, 7] = np.nan
    for feature in raw_variants():
        assert all(np.isfinite(view).all() for view in feature.views([pose])[0])
    assert np.isfinite(raw_pose(pose)).all()


def test_unknown_names_are_refused_with_the_nearest_one() -> None:
    check_names(FEATURE_NAMES)
    with pytest.raises(UserError, match="unknown feature set 'raw-pose'") as caught:
        check_names(["raw-pose"])
    assert "raw_pose" in caught.value.hint
