"""What a network reads of joints that are not seen, by `model.missing`."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.config_sections import HeatmapConfig, JointKind, MissingJoints, ModelConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.network_input import joint_blocks, network_input
from tests.movement import figure

PENN = get_skeleton("penn13")
LENGTH, COUNT = 30, len(PENN.joints)
WRIST, KNEE = PENN.index("left_wrist"), PENN.index("right_knee")
GAP = slice(10, 15)
KINDS: tuple[JointKind, ...] = ("position", "movement", "both")


def seen_joints() -> tuple[np.ndarray, np.ndarray]:
    """A figure whose wrist moves in a straight line and gains certainty, so that interpolation
    gives back exactly what was taken away."""
    xy = figure(np.linspace(0, 1, LENGTH))
    xy[:, WRIST] = np.linspace([40, 60], [90, 100], LENGTH)
    score = np.full((LENGTH, COUNT), 0.9)
    score[:, WRIST] = np.linspace(0.4, 0.98, LENGTH)
    return xy, score


def with_a_gap() -> tuple[np.ndarray, np.ndarray]:
    xy, score = seen_joints()
    xy[GAP, WRIST] = np.nan
    score[GAP, WRIST] = 0
    return xy, score


def read(
    joints: tuple[np.ndarray, np.ndarray], missing: MissingJoints, kind: JointKind = "position"
) -> tuple[np.ndarray, np.ndarray]:
    """The features of the joints and the heatmaps."""
    model = ModelConfig(input="both", joints=kind, missing=missing)
    item = network_input(*joints, PENN, HeatmapConfig(sigma=1.5), model)
    assert item.joints is not None
    assert item.maps is not None
    return item.joints, item.maps


def of_joint(joint: int, kind: JointKind) -> np.ndarray:
    """Columns of the features of one joint."""
    columns, start = [], 0
    for width in joint_blocks(kind):
        columns += range(start + width * joint, start + width * (joint + 1))
        start += width * COUNT
    return np.array(columns)


def channels_of(joint: int) -> list[int]:
    limbs = [COUNT + n for n, limb in enumerate(PENN.limbs) if joint in limb]
    return [joint, *limbs]


@pytest.mark.parametrize("kind", KINDS)
def test_zero_makes_every_feature_of_a_missing_joint_zero_and_no_other(kind: JointKind) -> None:
    zero, mixed = (read(with_a_gap(), missing, kind)[0] for missing in ("zero", "mixed"))
    wrist = of_joint(WRIST, kind)
    assert len(wrist) == {"position": 5, "movement": 5, "both": 9}[kind]
    assert not zero[GAP, wrist].any()
    others = np.ones(zero.shape, bool)
    others[GAP, wrist] = False
    np.testing.assert_array_equal(zero[others], mixed[others])
    assert np.abs(mixed[GAP, wrist]).max() > 0.1  # filled there


def test_zero_leaves_the_channels_of_a_missing_joint_and_of_its_limbs_empty() -> None:
    maps = read(with_a_gap(), "zero")[1]
    full = read(seen_joints(), "zero")[1]
    for channel in channels_of(WRIST):
        assert not maps[GAP, channel].any()
        assert full[GAP, channel].max() > 0.2
        np.testing.assert_array_equal(maps[: GAP.start, channel], full[: GAP.start, channel])
    np.testing.assert_array_equal(maps[:, KNEE], full[:, KNEE])


@pytest.mark.parametrize("kind", KINDS)
def test_imputed_reads_the_interpolated_joint_as_if_it_had_been_seen(kind: JointKind) -> None:
    filled, seen = read(with_a_gap(), "imputed", kind), read(seen_joints(), "imputed", kind)
    for one, other in zip(filled, seen, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    score = filled[0][:, of_joint(WRIST, kind)][:, 0 if kind == "movement" else 4]
    np.testing.assert_allclose(score, np.linspace(0.4, 0.98, LENGTH), atol=1e-6)


def test_mixed_fills_joints_with_score_zero_and_leaves_heatmaps_empty() -> None:
    (mixed, maps), (seen, _) = read(with_a_gap(), "mixed"), read(seen_joints(), "mixed")
    wrist = of_joint(WRIST, "position")
    np.testing.assert_allclose(mixed[GAP, wrist[:4]], seen[GAP, wrist[:4]], atol=1e-5)
    assert not mixed[GAP, wrist[4]].any()
    assert not maps[GAP, WRIST].any()
