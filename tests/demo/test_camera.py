import numpy as np
import pytest

from la2ds_cli.demo.camera import look_at


@pytest.fixture
def front():
    """4 m before the origin, looking at it along -y; 200 pixels focal length, 101 x 81 image."""
    return look_at(np.zeros(3), 0.0, 0.0, 4.0, 200.0, (101, 81))


def test_projection_by_hand(front):
    # The body's right (+x) appears at the left of a camera before it; 1 m at 4 m is 50 pixels.
    np.testing.assert_allclose(front.project(np.array([0.0, 0.0, 0.0])), [50, 40], atol=1e-9)
    np.testing.assert_allclose(front.project(np.array([1.0, 0.0, 0.0])), [0, 40], atol=1e-9)
    np.testing.assert_allclose(front.project(np.array([0.0, 0.0, 0.5])), [50, 15], atol=1e-9)
    # One metre nearer: 0.6 m * 200 / 3 m.
    np.testing.assert_allclose(front.project(np.array([-0.6, 1.0, 0.0])), [90, 40], atol=1e-9)


def test_depth_is_the_distance_along_the_optical_axis(front):
    world = np.array([[0.0, 0.0, 0.0], [0.5, 1.0, -0.3], [0.0, -2.0, 0.0]])
    np.testing.assert_allclose(front.depth(world), [4, 3, 6])


def test_from_the_right_side_the_front_of_the_body_is_at_the_right():
    camera = look_at(np.zeros(3), np.pi / 2, 0.0, 4.0, 200.0, (101, 81))
    np.testing.assert_allclose(camera.position, [4, 0, 0], atol=1e-12)
    np.testing.assert_allclose(camera.project(np.array([0.0, 1.0, 0.0])), [100, 40], atol=1e-9)


def test_elevation_looks_down_and_axes_stay_orthonormal():
    camera = look_at(np.array([0.0, 0.0, 1.0]), 0.7, 0.5, 3.0, 200.0, (101, 81), roll=0.3)
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(camera.rotation), 1)
    assert camera.position[2] == pytest.approx(1 + 3 * np.sin(0.5))
    np.testing.assert_allclose(camera.project(np.array([0.0, 0.0, 1.0])), [50, 40], atol=1e-9)


def test_crop_maps_the_box_to_the_whole_picture(front):
    crop = front.crop(np.array([40.0, 20.0, 60.0, 60.0]), (100, 400))
    world = np.array([0.1, 0.2, 0.3])
    x, y = front.project(world)
    np.testing.assert_allclose(crop.project(world), [(x - 40) * 5, (y - 20) * 10])
    assert crop.size == (100, 400)
