"""What the network reads of a clip, by the switches of Table 5 and `model.input`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.config_sections import HeatmapConfig, JointKind, ModelConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.network_input import joint_width, map_channels, network_input
from la2ds_cli.features.pose_features import facing_joints
from la2ds_cli.network.torch_network import build_network
from tests.movement import figure, in_space

PENN = get_skeleton("penn13")
JOINTS, LIMBS = len(PENN.joints), len(PENN.limbs)


def _maps(channels: str) -> np.ndarray:
    xy = figure(np.linspace(0, 1, 5))
    heatmap = HeatmapConfig(channels=channels)  # type: ignore[arg-type]
    read = network_input(xy, np.ones(xy.shape[:2]), PENN, heatmap, ModelConfig(input="heatmap"))
    assert read.joints is None
    assert read.maps is not None
    return read.maps


def test_joints_and_limbs_are_the_two_parts_of_both() -> None:
    both, joints, limbs = (_maps(kind) for kind in ("joints+limbs", "joints", "limbs"))
    assert (joints.shape[1], limbs.shape[1]) == (JOINTS, LIMBS)
    np.testing.assert_array_equal(both, np.concatenate([joints, limbs], axis=1))
    assert joints.max() > 0.5
    assert limbs.max() > 0.5


@pytest.mark.parametrize(
    ("kind", "channels", "features"),
    [
        ("heatmap", JOINTS + LIMBS, 0),
        ("joints", 0, 5 * JOINTS),
        ("both", JOINTS + LIMBS, 5 * JOINTS),
    ],
)
def test_input_decides_which_branches_the_network_has(
    kind: str, channels: int, features: int
) -> None:
    model, heatmap = ModelConfig(input=kind, width=12, heads=2), HeatmapConfig()  # type: ignore[arg-type]
    assert map_channels(PENN, heatmap, model) == channels
    assert joint_width(PENN, model) == features
    network: Any = build_network(model, heatmap, PENN, 0)
    assert (network.frame.spatial is not None, network.frame.joints is not None) == (
        channels > 0,
        features > 0,
    )


def _joints_3d(turn: float, kind: JointKind = "both", **model: Any) -> np.ndarray:
    pose = in_space(np.linspace(0, 1, 30), turn=turn)
    settings = ModelConfig(input="joints3d", joints=kind, **model)
    read = network_input(
        pose.xy, pose.score, PENN, HeatmapConfig(), settings, None, facing_joints(pose)
    )
    assert read.maps is None
    assert read.joints is not None
    assert read.joints.shape == (30, joint_width(PENN, settings))
    return read.joints


@pytest.mark.parametrize("kind", ["position", "movement", "both"])
def test_joints_in_metres_are_read_alike_from_any_side(kind: JointKind) -> None:
    """The torso, the unit of heights in the image, is a hundredth shorter from the side."""
    np.testing.assert_allclose(_joints_3d(0.9, kind), _joints_3d(0.0, kind), atol=0.02)
    settings = ModelConfig(input="joints3d", joints=kind)
    assert map_channels(PENN, HeatmapConfig(), settings) == 0
    assert joint_width(PENN, settings) == {"position": 5, "movement": 5, "both": 9}[kind] * JOINTS


def test_a_joint_that_is_not_known_in_metres_counts_as_not_seen() -> None:
    pose = in_space(np.linspace(0, 1, 30))
    world = facing_joints(pose)
    world[4, 3] = np.nan
    for missing, score in (("mixed", 0.0), ("zero", 0.0), ("imputed", 1.0)):
        settings = ModelConfig(input="joints3d", missing=missing)  # type: ignore[arg-type]
        read = network_input(pose.xy, pose.score, PENN, HeatmapConfig(), settings, None, world)
        assert read.joints is not None
        assert read.joints[4, 4 * JOINTS + 3] == score
        about_root = read.joints[4, JOINTS + 9 : JOINTS + 12]
        assert np.isfinite(about_root).all()
        assert (about_root == 0).all() == (missing == "zero")
