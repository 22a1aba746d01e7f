"""Turned squares: crops show what lies there, and points come back to where they were."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.poses.rotated_crop import Region, around_axis, normalized, whole


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
    region = around_axis(np.array([70.0, 50]), np.array([100.0, 20]), 1.0)
    crop = region.crop(image, 128)
    y, x = np.nonzero(crop[:, :, 0] > 127)
    np.testing.assert_allclose(
        region.to_image(np.array([x.mean(), y.mean()]), 128), [90, 30], atol=0.6
    )
    # On the way from the centre to the end of the axis, which is straight up in the crop.
    assert abs(x.mean() - 64) < 1
    assert y.mean() < 64


def test_the_region_around_an_axis() -> None:
    upright = around_axis(np.array([50.0, 60]), np.array([50.0, 40]), 1.25)
    assert upright == Region(50, 60, 50, 0)
    upside_down = around_axis(np.array([50.0, 60]), np.array([50.0, 80]), 1.25)
    assert abs(upside_down.angle) == pytest.approx(np.pi)
    lying = around_axis(np.array([50.0, 60]), np.array([70.0, 60]), 1.0)
    assert lying.angle == pytest.approx(np.pi / 2)
    np.testing.assert_allclose(lying.to_image(np.array([20.0, 0]), 40), [70, 60])


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


def test_angles_come_into_one_turn() -> None:
    assert normalized(3 * np.pi + 0.1) == pytest.approx(-np.pi + 0.1)
    assert normalized(-0.2) == pytest.approx(-0.2)
