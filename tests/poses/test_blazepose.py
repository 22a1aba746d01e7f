"""What happens around BlazePose's networks, on files that the tests make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.blazepose import (
    BlazePose,
    SteadyAxis,
    body_region,
    detected_axis,
    refine,
)
from la2ds_cli.poses.rotated_crop import Region
from tests.poses.blazepose_models import write_detector, write_landmarks


@pytest.fixture
def network(tmp_path: Path) -> BlazePose:
    return BlazePose(write_detector(tmp_path / "d.tflite"), write_landmarks(tmp_path / "l.tflite"))


def test_from_a_picture_to_landmarks(network: BlazePose) -> None:
    image = np.zeros((224, 448, 3), np.uint8)  # letterboxed by 112 pixels above and below
    (found,) = network.detect(image)
    np.testing.assert_allclose(detected_axis(found), [[224, 112], [224, 0]], atol=1e-4)
    assert found.score == pytest.approx(1 / (1 + np.exp(-3)))
    region = body_region(detected_axis(found))
    assert (region.x, region.y, region.side) == pytest.approx((224, 112, 280))
    assert region.angle == pytest.approx(0)
    person = network.landmarks(image, region)
    corner, scale = np.array([84, -28]), 280 / 256
    np.testing.assert_allclose(person.xy[0], corner + scale * np.array([64, 32]), atol=1e-3)
    np.testing.assert_allclose(person.xy[32], corner + scale * np.array([192, 224]), atol=1e-3)
    np.testing.assert_allclose(person.axis, [[224, 112], [224, 0]], atol=1e-3)
    np.testing.assert_allclose(person.visibility, 1 / (1 + np.exp(-2)), rtol=1e-6)
    np.testing.assert_allclose(person.presence, 1 / (1 + np.exp(-1)), rtol=1e-6)
    np.testing.assert_allclose(person.world[0], [0, -0.8, 0], atol=1e-6)
    assert person.score == pytest.approx(0.9)


def test_metres_turn_with_the_crop(network: BlazePose) -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    person = network.landmarks(image, Region(150, 150, 200, np.pi / 2))
    # The first landmark is above the hips in the crop, so on the right in the image.
    np.testing.assert_allclose(person.world[0], [0.8, 0, 0], atol=1e-6)
    assert person.axis[1, 0] > person.axis[0, 0]


def test_a_part_of_the_picture_is_searched(network: BlazePose) -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    (found,) = network.detect(image, Region(300, 100, 112))
    np.testing.assert_allclose(detected_axis(found), [[300, 100], [300, 72]], atol=1e-4)


def test_an_unlikely_person_is_none(tmp_path: Path) -> None:
    network = BlazePose(
        write_detector(tmp_path / "d.tflite", score=-0.1), write_landmarks(tmp_path / "l.tflite")
    )
    assert network.detect(np.zeros((100, 100, 3), np.uint8)) == []


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    detector, landmarks = write_detector(tmp_path / "d"), write_landmarks(tmp_path / "l")
    with pytest.raises(UserError, match=r"reads \(1, 256, 256, 3\)") as caught:
        BlazePose(landmarks, detector)
    assert caught.value.exit_code == ExitCode.MISMATCH
    (tmp_path / "text").write_text("no network" * 30)
    with pytest.raises(UserError, match="not a usable TensorFlow Lite model") as caught:
        BlazePose(tmp_path / "text", landmarks)
    assert caught.value.exit_code == ExitCode.UNREADABLE
    with pytest.raises(UserError, match="no such model file"):
        BlazePose(tmp_path / "nothing", landmarks)


def test_a_landmark_moves_to_the_centre_of_its_nine_cells() -> None:
    heatmap = np.full((64, 64, 4), -20.0)
    heatmap[20, 30, :3] = 20.0
    heatmap[20, 32, 0] = 20.0  # as likely: the landmark lies between the two
    heatmap[20, 35, 1] = 20.0  # beyond the cells around it
    xy = np.array([[30 * 4 + 1, 20 * 4 + 3], [30 * 4, 20 * 4], [25 * 4.0, 20 * 4], [40.0, 40]])
    refined = refine(xy, heatmap)
    np.testing.assert_allclose(refined[0], [31 * 4, 20 * 4], atol=1e-5)
    np.testing.assert_allclose(refined[1], [30 * 4, 20 * 4], atol=1e-5)
    np.testing.assert_allclose(refined[2], xy[2])  # the peak is five cells away
    np.testing.assert_allclose(refined[3], xy[3])  # no likely cell


def test_landmarks_at_the_border_and_outside_of_the_crop() -> None:
    heatmap = np.full((64, 64, 3), -20.0)
    heatmap[0, 63] = 20.0
    xy = np.array([[255.0, 1], [256.0, 1], [250, -3]])
    np.testing.assert_allclose(refine(xy, heatmap), [[252, 0], [256, 1], [250, -3]], atol=1e-5)


def test_a_still_person_keeps_the_crop_and_a_fast_one_is_followed() -> None:
    still, moving = SteadyAxis(), SteadyAxis()
    start = np.array([[100.0, 100], [100, 0]])
    still.add(start)
    moving.add(start)
    trembling = [still.add(start + 0.5 * (-1) ** t) for t in range(10)]
    assert np.abs(np.array(trembling) - start).max() < 0.25
    far = start
    for step in range(10):
        far = start + 20.0 * (step + 1)
        smooth = moving.add(far)
    assert np.abs(smooth - far).max() < 10


def test_the_first_steps_of_the_filter() -> None:
    """By hand: the speed is filtered at 1 Hz, the cutoff is 0.01 + 10 |speed| in bodies per
    second."""
    steady = SteadyAxis()
    first = np.array([[0.0, 0], [0, -50]])
    steady.add(first)
    second = first + np.array([3, 0])
    share = 1 / (1 + 30 / (2 * np.pi))
    speed = share * (3 / 100) * 30
    cutoff = 0.01 + 10 * speed
    moved = 3 / (1 + 30 / (2 * np.pi * cutoff))
    np.testing.assert_allclose(steady.add(second)[:, 0], moved)
    np.testing.assert_allclose(steady.add(second)[:, 1], [0, -50])
