"""Pictures of a clip for a page: which frames, how large, how many bytes."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from la2ds_cli.core.progress import Progress
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.video.reader import VideoFile, write_video
from la2ds_cli.views.report.pair_data import HEIGHT, LEAST_HEIGHT, encode_frames, windows
from tests.movement import sequence
from tests.views.report.conftest import FIRST, SHADE, shaded_video

POSE = sequence(np.linspace(0, 1, 24))


def decoded(picture: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(picture)).convert("RGB"))


def noise_video(path: Path, count: int = 24) -> Path:
    """Frames that no codec makes small."""
    rng = np.random.default_rng(0)
    write_video(path, [rng.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(count)], 20.0)
    return path


def test_every_frame_has_its_picture(tmp_path: Path) -> None:
    made = encode_frames(VideoFile(shaded_video(tmp_path / "a.mp4", 24)), POSE, Progress())
    assert made.row == list(range(24))
    assert made.every == 1
    shades = [(decoded(picture).mean() - FIRST) / SHADE for picture in made.pictures]
    np.testing.assert_allclose(shades, range(24), atol=0.4)


def test_joints_lie_on_what_they_are_in_the_picture(tmp_path: Path) -> None:
    """A white square at the head of frame 0 is where the window says the head is."""
    head = POSE.xy[0, 0]
    image = np.zeros((240, 320, 3), np.uint8)
    x, y = np.rint(head).astype(int)
    image[y - 4 : y + 5, x - 4 : x + 5] = 255
    path = tmp_path / "a.mp4"
    write_video(path, [image] * 24, 20.0)
    for pose, mirrored in ((POSE, False), (mirror(POSE), True)):
        made = encode_frames(VideoFile(path), pose, Progress(), mirrored=mirrored)
        box = windows(pose)[0]
        bright = np.argwhere(decoded(made.pictures[0])[..., 1] > 128).mean(axis=0)[::-1]
        scale = made.size[1] / (box[3] - box[1])
        np.testing.assert_allclose(bright, (pose.xy[0, 0] - box[:2]) * scale, atol=1.5)


@pytest.mark.parametrize("budget", [60_000, 150_000, 10**9])
def test_the_budget_is_kept_whatever_the_pictures_need(tmp_path: Path, budget: int) -> None:
    source = VideoFile(noise_video(tmp_path / "a.mp4"))
    made = encode_frames(source, POSE, Progress(), budget=budget)
    assert 0 < sum(map(len, made.pictures)) <= budget
    assert made.row == list(range(0, 24, made.every))
    assert len(made.pictures) == len(made.row)
    assert (made.every == 1) == (budget == 10**9)


def test_long_clips_get_smaller_pictures_before_they_get_fewer(tmp_path: Path) -> None:
    """And none is larger than the video."""
    source = VideoFile(shaded_video(tmp_path / "a.mp4", 24))
    large = replace(POSE, xy=POSE.xy * 4, size=(1280, 960))
    made = [encode_frames(source, large, Progress(), budget=b) for b in (10**9, 250_000, 60_000)]
    heights, every = [one.size[1] for one in made], [one.every for one in made]
    assert heights == sorted(heights, reverse=True)
    assert (heights[0], heights[-1]) == (HEIGHT, LEAST_HEIGHT)
    assert every[:2] == [1, 1]
    assert every[-1] > 1
    assert encode_frames(source, POSE, Progress()).size[1] == 240


def test_the_window_shows_more_than_the_body_and_stays_in_the_picture() -> None:
    large = replace(POSE, size=(1000, 800))
    box = windows(large)
    known = POSE.xy.reshape(-1, 2)
    assert (known >= box[0, :2]).all()
    assert (known <= box[0, 2:]).all()
    assert (box[:, :2] >= -0.5).all()
    assert box[:, 2].max() <= 999.5
    assert box[:, 3].max() <= 799.5
    assert np.ptp(box[:, 2] - box[:, 0]) < 1e-9


def test_frames_that_the_file_does_not_hold_have_no_picture(tmp_path: Path) -> None:
    made = encode_frames(VideoFile(shaded_video(tmp_path / "a.mp4", 10)), POSE, Progress())
    assert made.row == list(range(10))
