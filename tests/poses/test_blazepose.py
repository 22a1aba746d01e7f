"""What happens around BlazePose's networks, on files that the tests make."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.poses.blazepose import (
    BlazePose,
    Detection,
    Region,
    SteadyAxis,
    anchor_centres,
    body_region,
    decode,
    detected_axis,
    refine,
    suppress,
    whole,
)
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


def test_anchors_lie_in_the_middle_of_their_cells_row_by_row() -> None:
    anchors = anchor_centres()
    assert anchors.shape == (2254, 2)  # as of the published network
    half = 0.5 / 28
    np.testing.assert_allclose(anchors[:3], [[half, half], [half, half], [3 * half, half]])
    coarse = anchors[-7 * 7 * 6 :]  # three layers of stride 32 share one grid
    np.testing.assert_allclose(coarse[:6], np.full((6, 2), 0.5 / 7))
    np.testing.assert_allclose(coarse[6], [1.5 / 7, 0.5 / 7])
    np.testing.assert_allclose(anchors[-1], [6.5 / 7, 6.5 / 7])


def test_boxes_and_points_are_relative_to_the_anchor() -> None:
    raw, logit = np.zeros((2254, 8)), np.full(2254, -2.0)
    raw[2], logit[2] = [1, 2, 10, 20, -5, 0, 3, 4], 2.0  # the anchor at (12, 4)
    (found,) = decode(raw, logit)
    np.testing.assert_allclose(found.box, [8, -4, 18, 16])
    np.testing.assert_allclose(found.points, [[7, 4], [15, 8]])
    assert found.score == pytest.approx(1 / (1 + np.exp(-2)))


def test_overlapping_detections_are_averaged_by_their_scores() -> None:
    def at(x: float, score: float) -> Detection:
        return Detection(np.array([x, 0, x + 10, 10]), np.array([[x, 5.0]]), score)

    best, other = suppress([at(2, 0.3), at(50, 0.7), at(0, 0.9)])
    assert best.score == 0.9
    np.testing.assert_allclose(best.box, [0.5, 0, 10.5, 10])
    np.testing.assert_allclose(best.points, [[0.5, 5]])
    np.testing.assert_allclose(other.box, [50, 0, 60, 10])
    assert suppress([]) == []


@pytest.mark.parametrize("angle", [0, 0.4, -2.5, np.pi / 2])
def test_points_go_to_the_crop_and_back(angle: float) -> None:
    region = Region(120.5, 80, 64, angle)
    xy = np.array([[0, 0], [31.5, 7], [63, 64.0]])
    image = region.to_image(xy, 64)
    back = np.linalg.solve(
        region.matrix(64)[:, :2], (image - region.matrix(64)[:, 2]).T
    ).T  # the inverse map
    np.testing.assert_allclose(back, xy, atol=1e-9)
    np.testing.assert_allclose(region.to_image(np.array([32.0, 32]), 64), [120.5, 80])
    sides = np.linalg.norm(np.diff(region.to_image(np.array([[0, 0], [64, 0]]), 64), axis=0))
    assert sides == pytest.approx(64)


def test_a_crop_shows_what_its_points_say() -> None:
    image = np.zeros((100, 140, 3), np.uint8)
    image[29:32, 89:92] = 255  # around (90, 30)
    region = body_region(np.array([[70.0, 50], [100, 20]]))
    crop = region.crop(image, 128)
    y, x = np.nonzero(crop[:, :, 0] > 127)
    np.testing.assert_allclose(
        region.to_image(np.array([x.mean(), y.mean()]), 128), [90, 30], atol=0.6
    )
    # On the way from the centre to the end of the axis, which is straight up in the crop.
    assert abs(x.mean() - 64) < 1
    assert y.mean() < 64


@pytest.mark.parametrize(
    ("end", "angle"), [((50, 40), 0), ((50, 80), -np.pi), ((70, 60), np.pi / 2)]
)
def test_the_end_of_the_axis_is_straight_up_in_the_crop(end, angle: float) -> None:
    region = body_region(np.array([[50.0, 60], end]))
    assert (region.x, region.y, region.side) == (50, 60, 50)
    assert region.angle == pytest.approx(angle)
    np.testing.assert_allclose(region.to_image(np.array([25.0, 5]), 50), end)


def test_vectors_turn_with_the_region() -> None:
    region = Region(10, 10, 5, np.pi / 2)
    turned = region.turned(np.array([[0.0, -1, 0.3]]))  # up in the crop is right in the image
    np.testing.assert_allclose(turned, [[1, 0, 0.3]], atol=1e-12)


def test_outside_of_the_image() -> None:
    image = np.full((40, 80, 3), 200, np.uint8)
    letterbox = whole(image)
    assert letterbox == Region(40, 20, 80)
    assert letterbox.crop(image, 80, black=True)[:18].max() == 0
    assert letterbox.crop(image, 80).min() == 200


def test_opening_the_networks_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    BlazePose(write_detector(tmp_path / "d.tflite"), write_landmarks(tmp_path / "l.tflite"))
    os.write(2, b"news\n")
    assert capfd.readouterr().err == "news\n"
