"""Pictures of frames: what they show and where it comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.features.camera_views import seen
from la2ds_cli.video.reader import VideoFile, write_video
from la2ds_cli.views import film_strip
from tests.movement import sequence, without

PLAIN = np.array(film_strip.PLAIN)


def test_a_view_holds_every_joint_of_a_movement_on_the_spot() -> None:
    pose = sequence(np.linspace(0, 1, 20))
    box = film_strip.view_boxes(pose)
    assert (np.ptp(box, axis=0) < 1e-9).all()
    assert (pose.xy >= box[0, :2]).all()
    assert (pose.xy <= box[0, 2:]).all()


def test_a_view_follows_a_body_that_crosses_the_picture() -> None:
    pose = sequence(np.linspace(0, 1, 40))
    across = np.linspace(0, 1500, 40)[:, None]
    xy = pose.xy.copy()
    xy[..., 0] += across
    moving = replace(pose, xy=xy, size=(2000, 300))
    box = film_strip.view_boxes(moving)
    assert np.allclose(box[:, 2] - box[:, 0], box[0, 2] - box[0, 0])
    assert (moving.xy[:, :, 0] >= box[:, None, 0]).all()
    assert (moving.xy[:, :, 0] <= box[:, None, 2]).all()
    assert box[0, 2] - box[0, 0] < 400


def test_a_view_stays_inside_the_picture_where_it_can() -> None:
    pose = sequence(np.linspace(0, 1, 20))
    xy = pose.xy - np.array([pose.xy[..., 0].min(), 0])
    box = film_strip.view_boxes(replace(pose, xy=xy))
    assert box[0, 0] >= 0
    assert box[0, 3] <= pose.size[1]


def test_unseen_joints_everywhere_show_the_whole_picture() -> None:
    pose = without(sequence(np.linspace(0, 1, 5)))
    box = film_strip.view_boxes(pose)[0]
    assert box[0] <= 0
    assert box[2] >= pose.size[0]


def coloured_video(path: Path, count: int = 6) -> Path:
    """Frame k is blank but for a patch of brightness 40 + 30 k around (160, 120)."""
    frames = []
    for k in range(count):
        image = np.zeros((240, 320, 3), np.uint8)
        image[60:180, 120:200] = 40 + 30 * k
        frames.append(image)
    write_video(path, frames, 10.0)
    return path


def test_pictures_are_cut_from_the_right_frames(tmp_path: Path) -> None:
    pose = sequence(np.linspace(0, 1, 6), fps=10.0)
    source = coloured_video(tmp_path / "clip.mp4")
    found = film_strip.pictures(VideoFile(source), pose, [4, 0, 4, 2], 90)
    width = round(90 * film_strip.aspect(pose))
    assert [image.shape for image in found] == [(90, width, 3)] * 4
    middle = [int(np.median(image[40:50, width // 2 - 4 : width // 2 + 4])) for image in found]
    np.testing.assert_allclose(middle, [160, 40, 160, 100], atol=8)


@pytest.mark.parametrize("view", FLIPPED)
def test_pictures_are_flipped_and_drawn_in_the_colours_of_the_view(
    tmp_path: Path, view: View
) -> None:
    """In the mirrored person, the left side is what was the right side; from the other side of the
    same person, it is not."""
    pose = sequence(np.linspace(0, 1, 6), fps=10.0)
    filmed = VideoFile(coloured_video(tmp_path / "clip.mp4"))
    plain, flipped = (
        film_strip.pictures(filmed, pose, [3], 90, view=one)[0] for one in ("filmed", view)
    )
    assert np.array_equal(flipped, plain[:, ::-1])
    drawn = film_strip.pictures(None, pose, [3], 90, view=view)[0]
    expected = film_strip.pictures(None, seen(pose, view), [3], 90)[0]
    assert np.array_equal(drawn, expected)


def test_a_cut_keeps_positions(tmp_path: Path) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[100:121, 200:221] = 255  # centre (210, 110)
    cut = film_strip.cut_out(image, np.array([150.0, 50.0, 310.0, 210.0]), 80, 80)
    y, x = np.nonzero(cut[..., 0] > 128)
    assert x.mean() == pytest.approx((210 - 150) / 2 - 0.25, abs=0.5)
    assert y.mean() == pytest.approx((110 - 50) / 2 - 0.25, abs=0.5)


def test_frames_that_the_file_does_not_hold_are_drawn(tmp_path: Path) -> None:
    pose = sequence(np.linspace(0, 1, 9), fps=10.0)
    source = coloured_video(tmp_path / "clip.mp4", count=6)
    cut, drawn = film_strip.pictures(VideoFile(source), pose, [5, 8], 60)
    assert (cut[0, 0] != PLAIN).any()
    assert (drawn[0, 0] == PLAIN).all()


def test_joints_on_one_point_still_have_a_view() -> None:
    """A network that sees nothing may put every joint on one point in every frame."""
    pose = replace(sequence(np.linspace(0, 1, 12)), xy=np.full((12, 13, 2), 50.0))
    boxes = film_strip.view_boxes(pose)
    assert np.all(boxes[:, 2:] - boxes[:, :2] >= 16)
    assert np.all((boxes[:, :2] <= 50) & (boxes[:, 2:] >= 50))
    assert 0.5 < film_strip.aspect(pose) < 2
