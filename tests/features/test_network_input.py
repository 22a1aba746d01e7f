"""What the network reads of a clip, by the switches of Table 5 and `model.input`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.config_sections import HeatmapConfig, JointKind, ModelConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.network_input import joint_width, map_channels, network_input
from la2ds_cli.training.network import build_network
from tests.movement import figure

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


def _joints(xy: np.ndarray, kind: JointKind) -> np.ndarray:
    model = ModelConfig(input="joints", joints=kind)
    joints = network_input(xy, np.ones(xy.shape[:2]), PENN, HeatmapConfig(), model).joints
    assert joints is not None
    assert joints.shape == (len(xy), joint_width(PENN, model))
    return joints


def test_movement_of_joints_does_not_depend_on_build_and_place() -> None:
    """A figure of half the extent elsewhere: other positions, the same movement."""
    xy = figure(np.linspace(0, 1, 30))
    middle = (np.percentile(xy, 1, axis=0) + np.percentile(xy, 99, axis=0)) / 2
    other = middle + np.random.default_rng(0).normal(size=middle.shape) + 0.5 * (xy - middle)
    in_picture = slice(JOINTS, 3 * JOINTS)  # behind the scores
    movement = _joints(xy, "movement")
    np.testing.assert_allclose(
        _joints(other, "movement")[:, in_picture], movement[:, in_picture], atol=1e-4
    )
    position = _joints(xy, "position")
    assert np.abs(_joints(other, "position") - position).max() > 0.1
    both = np.concatenate([position, movement[:, JOINTS:]], axis=1)
    np.testing.assert_array_equal(_joints(xy, "both"), both)
