"""What happens around BlazeHand's networks, on files that the tests make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.blazehand import BlazeHand, hand_region, palm_region
from la2ds_cli.poses.rotated_crop import Region
from la2ds_cli.poses.ssd import Detection
from tests.tflite_models import write_constant_model

ANCHOR = 12 * 24 * 2 + 12 * 2  # of stride 8, with its centre at (100, 100) of 192 pixels


def write_networks(folder: Path, *, presence: float = 0.9, right: float = 0.2) -> tuple[Path, Path]:
    """A palm of 40 x 40 pixels around (100, 90), fingers up, and 21 landmarks from (62, 204) to
    (162, 20) of the 224 pixels of the crop; right: what the network says of a mirrored image."""
    raw = np.zeros((1, 2016, 18))
    logit = np.full((1, 2016, 1), -20.0)
    raw[0, ANCHOR, :4] = [0, -10, 40, 40]
    raw[0, ANCHOR, 4:6], raw[0, ANCHOR, 8:10] = [0, 10], [0, -30]
    logit[0, ANCHOR] = 3.0
    landmarks = np.zeros((21, 3))
    landmarks[:, 0], landmarks[:, 1] = np.linspace(62, 162, 21), np.linspace(204, 20, 21)
    world = np.zeros((21, 3))
    world[:, 1] = np.linspace(0.1, -0.1, 21)
    outputs = [
        *(landmarks.reshape(1, -1), np.full((1, 1), presence)),
        *(np.full((1, 1), right), world.reshape(1, -1)),
    ]
    return (
        write_constant_model(folder / "palm.tflite", (1, 192, 192, 3), [raw, logit]),
        write_constant_model(folder / "hand.tflite", (1, 224, 224, 3), outputs),
    )


def test_from_a_picture_to_landmarks(tmp_path: Path) -> None:
    network = BlazeHand(*write_networks(tmp_path))
    image = np.zeros((192, 384, 3), np.uint8)  # letterboxed by 96 pixels, at half the scale
    (region,) = network.detect(image)
    # The palm is 80 pixels wide around (200, 84); the crop is moved up by half of it.
    assert (region.x, region.y, region.side) == pytest.approx((200, 44, 2.6 * 80), abs=1e-3)
    assert region.angle == pytest.approx(0)
    hand = network.landmarks(image, region)
    scale = region.side / 224
    np.testing.assert_allclose(
        hand.xy[[0, 20]],
        [[200 - 50 * scale, 44 + 92 * scale], [200 + 50 * scale, 44 - 92 * scale]],
        atol=1e-3,
    )
    assert hand.left == pytest.approx(0.8)
    assert hand.score == pytest.approx(0.9)
    np.testing.assert_allclose(hand.world[0], [0, 0.1, 0], atol=1e-6)


def test_metres_turn_with_the_crop(tmp_path: Path) -> None:
    network = BlazeHand(*write_networks(tmp_path))
    hand = network.landmarks(np.zeros((90, 90, 3), np.uint8), Region(45, 45, 60, np.pi / 2))
    np.testing.assert_allclose(hand.world[0], [-0.1, 0, 0], atol=1e-6)


def test_a_palm_that_lies_on_its_side() -> None:
    points = np.zeros((7, 2))
    points[0], points[2] = (60, 100), (90, 100)  # from the wrist to the right
    palm = Detection(np.array([60, 90, 100, 110.0]), points, 0.9)
    region = palm_region(palm, Region(96, 96, 192))  # the letterbox of an image of 192 pixels
    assert region.angle == pytest.approx(np.pi / 2)
    # Half of the box's height towards the fingers, then 2.6 times its longer side.
    assert (region.x, region.y, region.side) == pytest.approx((80 + 10, 100, 104))


def hand_at(angle: float, centre: tuple[float, float]) -> np.ndarray:
    """Landmarks whose wrist is 40 pixels below the knuckles, which are 20 apart, turned by `angle`
    about `centre`; fingertips far out, which do not count."""
    xy = np.zeros((21, 2))
    xy[[1, 2, 3]] = [(-10, 30), (-15, 20), (-20, 10)]
    xy[0] = (0, 40)
    for finger, x in ((5, -15), (9, -5), (13, 5), (17, 20)):
        xy[finger], xy[finger + 1] = (x, 0), (x, -20)
        xy[[finger + 2, finger + 3]] = (x, -300)
    cos, sin = np.cos(angle), np.sin(angle)
    return xy @ np.array([[cos, sin], [-sin, cos]]) + centre


def test_the_crop_follows_the_steady_landmarks() -> None:
    region = hand_region(hand_at(0, (0, 0)))
    # Steady: x from -20 to 20, y from -20 to 40; from the wrist to the mean of the knuckles.
    knuckle = ((-15 + 5) / 2 - 5) / 2
    angle = np.arctan2(knuckle, 40)
    assert region.angle == pytest.approx(angle)
    assert region.side == pytest.approx(2 * 60, rel=0.1)
    assert (region.x, region.y) == pytest.approx((0, 10 - 0.1 * 60), abs=2)


@pytest.mark.parametrize("turn", [0.7, -2.0, np.pi / 2])
def test_the_crop_turns_with_the_hand(turn: float) -> None:
    upright, turned = hand_region(hand_at(0, (0, 0))), hand_region(hand_at(turn, (300, 200)))
    assert turned.side == pytest.approx(upright.side)
    assert np.cos(turned.angle - upright.angle - turn) == pytest.approx(1)
    cos, sin = np.cos(turn), np.sin(turn)
    expected = (
        300 + cos * upright.x - sin * upright.y,
        200 + sin * upright.x + cos * upright.y,
    )
    assert (turned.x, turned.y) == pytest.approx(expected)


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    palm, hand = write_networks(tmp_path)
    with pytest.raises(UserError, match=r"reads \(1, 224, 224, 3\)") as caught:
        BlazeHand(hand, palm)
    assert caught.value.exit_code == ExitCode.MISMATCH
