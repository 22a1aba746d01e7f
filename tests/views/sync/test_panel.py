"""The picture of one clip: its size, what is drawn into it, and what never is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.view import VIEWS, View
from la2ds_cli.features.viewpoint import shown
from la2ds_cli.video.reader import VideoFile
from la2ds_cli.views.pose_drawing import LEFT, RIGHT
from la2ds_cli.views.sync.side_by_side import PLAIN, full_panel, greyed, make_panel
from tests.views.sync.synced import still_pose

FILE = VideoFile(Path("none.mp4"))
AS_IT_IS: dict[str, Any] = {"view": "filmed", "skeleton": False}


@pytest.mark.parametrize(
    ("size", "height", "shape"),
    [
        ((1920, 1080), 480, (854, 480)),
        ((1080, 1920), 480, (270, 480)),
        ((320, 240), 480, (640, 480)),
        ((160, 120), 480, (320, 240)),  # never more than twice its size
        ((3000, 300), 480, (1152, 116)),  # nor wider than a screen
        ((853, 479), 480, (854, 480)),  # even sides
    ],
)
def test_size_of_the_picture(size: tuple[int, int], height: int, shape: tuple[int, int]):
    panel = make_panel(still_pose(3), FILE, size, height, **AS_IT_IS)
    assert (panel.width, panel.height) == shape


def test_joints_lie_where_they_lie_in_the_video():
    pose = still_pose(3, trust=np.ones((3, 13)))
    panel = make_panel(pose, FILE, (320, 240), 480, view="filmed", skeleton=True)
    picture = panel.picture(0, np.zeros((240, 320, 3), np.uint8))
    for joint, colour in (("left_wrist", LEFT), ("right_wrist", RIGHT)):
        x, y = pose.xy[0, get_skeleton("penn13").index(joint)]
        assert tuple(picture[round(2 * y + 0.5), round(2 * x + 0.5)]) == colour


def test_without_skeleton_the_frame_is_left_alone():
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    panel = full_panel(still_pose(3), FILE, (320, 240), **AS_IT_IS)
    picture = panel.picture(0, image)
    assert np.array_equal(picture, image)
    assert not np.shares_memory(picture, image)


def test_boxes_and_other_people_are_not_drawn():
    crowd = {"candidates": [{"box": [1, 1, 9, 9]}, {"box": [5, 5, 80, 80]}], "person": 1}
    pose = still_pose(3)
    boxed = replace(pose, box=np.tile([2.0, 2, 300, 200], (3, 1)), info=crowd)
    images = [
        make_panel(p, None, p.size, 200, view="filmed", skeleton=True).picture(1, None)
        for p in (pose, boxed)
    ]
    assert np.array_equal(images[0], images[1])


@pytest.mark.parametrize("view", VIEWS)
def test_a_clip_is_flipped_with_its_joints_as_it_was_compared(view: View):
    pose = still_pose(3)
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    panel = full_panel(pose, FILE, (320, 240), view=view, skeleton=False)
    expected = image[:, ::-1] if view in ("mirrored", "other") else image
    assert np.array_equal(panel.picture(0, image), expected)
    assert np.array_equal(panel.pose.xy, shown(pose, view).xy)


def test_joints_alone_are_seen_whole_on_plain_ground():
    pose = still_pose(9)
    panel = make_panel(pose, None, (0, 0), 200, view="filmed", skeleton=False)
    picture = panel.picture(4, None)
    assert picture.shape == (200, panel.width, 3)
    assert (picture[0] == PLAIN).all()
    assert (picture[:, 0] == PLAIN).all()
    place = (pose.xy[4] - panel.corner[4]) * panel.scale
    assert (place > 0).all()
    assert (place < [panel.width, 200]).all()


def test_a_clip_of_unknown_size_is_drawn_around_the_body():
    pose = still_pose(9, size=(0, 0))
    panel = full_panel(pose, None, (0, 0), view="mirrored", skeleton=True)
    assert panel.height == 720
    assert (panel.picture(0, None) != PLAIN).any()


def test_nobody_seen_is_plain_ground():
    pose = still_pose(4)
    blind = replace(pose, xy=np.full_like(pose.xy, np.nan))
    panel = make_panel(blind, None, blind.size, 120, view="filmed", skeleton=True)
    assert (panel.picture(0, None) == PLAIN).all()


def test_grey_has_no_colour_and_less_contrast():
    image = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    grey = greyed(image)
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 0] == grey[..., 2]).all()
    assert np.ptp(grey) < 0.4 * np.ptp(image)
    plain = np.full((4, 4, 3), PLAIN, np.uint8)
    assert (greyed(plain) > np.max(PLAIN)).all()


def test_what_does_not_change_is_drawn_once():
    panel = make_panel(still_pose(5), None, (320, 240), 120, view="filmed", skeleton=True)
    row, found = np.array([0, 0, 1, 1, 1]), np.array([True, True, True, False, False])
    pictures = list(panel.pictures(row, found))
    assert pictures[0] is pictures[1]
    assert pictures[3] is pictures[4]
    assert not np.array_equal(pictures[2], pictures[3])
