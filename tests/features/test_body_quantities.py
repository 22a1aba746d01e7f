"""Quantities of bodies that were drawn with known ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.body_joints import body_joints
from la2ds_cli.features.body_quantities import UNITS, body_quantities

PLACES = {  # of a body that stands upright; y points down; a torso is 100 long
    "head": (0, -140),
    "left_shoulder": (30, -100),
    "right_shoulder": (-30, -100),
    "left_elbow": (40, -50),
    "right_elbow": (-40, -50),
    "left_wrist": (45, -10),
    "right_wrist": (-45, 20),
    "left_hip": (20, 0),
    "right_hip": (-20, 0),
    "left_knee": (30, 80),
    "right_knee": (-30, 80),
    "left_ankle": (35, 160),
    "right_ankle": (-35, 150),
}
UPPER = [name for name in PLACES if name.endswith(("head", "shoulder", "elbow", "wrist"))]


def body(xy: np.ndarray, skeleton: str = "penn13", **more: object) -> PoseSequence:
    length, count = xy.shape[:2]
    given = {
        **{"xy": xy.astype(np.float32), "score": np.ones((length, count), np.float32)},
        **{"box": np.full((length, 4), np.nan), "frame": np.arange(length)},
        **{"time": np.arange(length) / 25.0, "fps": 25.0, "size": (640, 480)},
    }
    return PoseSequence(skeleton=skeleton, **given, **more)  # pyright: ignore[reportArgumentType]


def standing(*lean: float) -> np.ndarray:
    """(T, 13, 2) bodies whose upper part leans by degrees about the hips."""
    names = get_skeleton("penn13").joints
    frames = []
    for degrees in np.radians(lean):
        turn = np.array([[np.cos(degrees), np.sin(degrees)], [-np.sin(degrees), np.cos(degrees)]])
        frames.append([turn @ PLACES[n] if n in UPPER else PLACES[n] for n in names])
    return np.array(frames) + np.array([320, 240])


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_a_body_that_leans_has_its_known_quantities_at_any_size(scale: float) -> None:
    found = body_quantities(body(scale * standing(0, 0, 0, 30, -90, 120)))
    assert list(found) == list(UNITS)
    expected = {
        "trunk_lean": [0, 30, 90, 120],
        "stance_width": [0.7] * 4,
        "hip_height": [1.6] * 4,
        "head_height": 1.4 * np.cos(np.radians([0, 30, 90, 120])),
    }
    for name, values in expected.items():
        assert found[name][[0, 3, 4, 5]] == pytest.approx(values, abs=1e-4), name
    assert found["left_hand_height"][0] == pytest.approx(0.1)
    assert found["right_hand_height"][0] == pytest.approx(-0.2)


def test_a_trunk_that_points_at_the_camera_has_no_lean() -> None:
    xy = standing(0, 0, 0, 0)
    names = list(get_skeleton("penn13").joints)
    for name in ("left_shoulder", "right_shoulder"):
        xy[3, names.index(name), 1] = 240 - 40  # 40 of 100 long
    lean = body_quantities(body(xy))["trunk_lean"]
    assert np.isnan(lean).tolist() == [False, False, False, True]


def test_a_missing_joint_takes_what_is_measured_by_it() -> None:
    xy = standing(0, 0, 0)
    xy[1, list(get_skeleton("penn13").joints).index("left_wrist")] = np.nan
    found = body_quantities(body(xy))
    assert {name for name, value in found.items() if np.isnan(value).any()} == {"left_hand_height"}


def test_in_3d_a_lean_towards_the_camera_and_a_stance_along_its_axis_are_seen() -> None:
    flat = standing(0, 40)
    deep = np.stack([np.zeros(flat.shape[:2]), flat[..., 1], flat[..., 0]], axis=-1)
    pose = body(flat, world=(deep / 100).astype(np.float32))
    found = body_quantities(replace(pose, spatial=True))
    assert found["trunk_lean"] == pytest.approx([0, 40], abs=1e-3)
    assert found["stance_width"] == pytest.approx([0.7, 0.7], abs=1e-3)


def test_other_skeletons_have_the_quantities_of_their_joints() -> None:
    pose = body(standing(0, 20))
    names = get_skeleton("coco17").joints
    places = dict(zip(get_skeleton("penn13").joints, pose.xy.swapaxes(0, 1), strict=True))
    rows = [places.get("head" if name == "nose" else name, pose.xy[:, 0]) for name in names]
    coco = body(np.stack(rows, axis=1), "coco17")
    assert body_joints(coco).skeleton == "penn13"
    for name, value in body_quantities(coco).items():
        assert value == pytest.approx(body_quantities(pose)[name]), name
    hand = get_skeleton("hand21")
    assert body_quantities(body(np.zeros((2, len(hand.joints), 2)), "hand21")) == {}
