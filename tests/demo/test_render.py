import numpy as np
import pytest

from la2ds_cli.demo import performer
from la2ds_cli.demo.render import add_shadow, draw_person, look_at

SIZE = (180, 240)
GREEN = (0, 255, 0)


def camera(azimuth):
    return look_at(np.array([0.0, 0.0, 0.9]), azimuth, 0.1, 4.0, 400.0, SIZE)


def _picture(azimuth=0.0, seed=0, **angle):
    rng = np.random.default_rng(seed)
    body = performer.random_body(rng)
    world = performer.forward_kinematics(body, performer.pose_vector(**angle))
    image = np.full((SIZE[1], SIZE[0], 3), GREEN, np.uint8)
    draw_person(image, world, body, performer.random_appearance(rng), camera(azimuth))
    return image, camera(azimuth).project(world)


def _drawn(image):
    return (image != GREEN).any(axis=2)


@pytest.mark.parametrize("azimuth", [0.0, 1.2, np.pi])
def test_the_person_is_drawn_around_the_joints(azimuth):
    image, xy = _picture(azimuth, left_arm_abduct=1.2, right_arm_flex=1.0)
    drawn = _drawn(image)
    for name in ("left_wrist", "right_knee", "left_ankle", "waist", "head"):
        x, y = np.round(xy[performer.POINT[name]]).astype(int)
        assert drawn[y, x], name
    rows, columns = np.nonzero(drawn)
    low, high = xy.min(axis=0), xy.max(axis=0)
    assert abs(columns.min() - low[0]) < 25
    assert abs(columns.max() - high[0]) < 25
    assert abs(rows.min() - low[1]) < 25
    assert abs(rows.max() - high[1]) < 25


def test_front_and_back_look_different():
    front, back = _picture(0.0)[0], _picture(np.pi)[0]
    both = _drawn(front) & _drawn(back[:, ::-1])
    assert both.sum() > 2000
    face = np.abs(front.astype(int) - back[:, ::-1])[both]
    assert (face.max(axis=1) > 30).sum() > 100


def test_the_nearer_arm_hides_the_farther_one():
    # From the body's right the right arm is nearer; moving the hidden left arm changes nothing.
    apart = _picture(np.pi / 2, seed=3)[0]
    moved = _picture(np.pi / 2, seed=3, left_elbow=0.02)[0]
    moved_near = _picture(np.pi / 2, seed=3, right_elbow=1.0)[0]
    assert (apart != moved).any(axis=2).sum() < 0.1 * (apart != moved_near).any(axis=2).sum()


def test_a_person_outside_the_picture_draws_nothing():
    rng = np.random.default_rng(0)
    body = performer.random_body(rng)
    world = performer.forward_kinematics(body, performer.pose_vector()) + np.array([30.0, 0.0, 0.0])
    image = np.full((SIZE[1], SIZE[0], 3), GREEN, np.uint8)
    draw_person(image, world, body, performer.random_appearance(rng), camera(0.0))
    assert not _drawn(image).any()


def test_the_shadow_darkens_only_around_the_feet():
    image = np.full((100, 100, 3), 200, np.uint8)
    add_shadow(image, np.array([50.0, 80.0]), 10.0, 0.5)
    assert image[80, 50, 0] == 100
    assert (image[:40] == 200).all()


# --- camera ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("azimuth", "world", "pixel", "depth"),
    [
        (0.0, (0.0, 0.0, 0.0), (50, 40), 4),
        # The body's right (+x) appears at the left of a camera before it; 1 m at 4 m is 50 pixels.
        (0.0, (1.0, 0.0, 0.0), (0, 40), 4),
        (0.0, (0.0, 0.0, 0.5), (50, 15), 4),
        (0.0, (-0.6, 1.0, 0.0), (90, 40), 3),  # one metre nearer: 0.6 m * 200 / 3 m
        (np.pi / 2, (0.0, 1.0, 0.0), (100, 40), 4),  # from its right, its front is at the right
    ],
)
def test_projection_by_hand(azimuth, world, pixel, depth):
    camera = look_at(np.zeros(3), azimuth, 0.0, 4.0, 200.0, (101, 81))
    np.testing.assert_allclose(camera.project(np.array(world)), pixel, atol=1e-9)
    assert camera.depth(np.array(world)) == pytest.approx(depth)


def test_elevation_looks_down_and_axes_stay_orthonormal():
    camera = look_at(np.array([0.0, 0.0, 1.0]), 0.7, 0.5, 3.0, 200.0, (101, 81), roll=0.3)
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(camera.rotation), 1)
    assert camera.position[2] == pytest.approx(1 + 3 * np.sin(0.5))


def test_crop_maps_the_box_to_the_whole_picture():
    front = look_at(np.zeros(3), 0.0, 0.0, 4.0, 200.0, (101, 81))
    crop = front.crop(np.array([40.0, 20.0, 60.0, 60.0]), (100, 400))
    x, y = front.project(np.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(
        crop.project(np.array([0.1, 0.2, 0.3])), [(x - 40) * 5, (y - 20) * 10]
    )
    assert crop.size == (100, 400)
