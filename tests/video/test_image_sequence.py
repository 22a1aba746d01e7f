"""Folders of images, animated GIF and PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.video import media_files
from la2ds_cli.video.media_files import (
    is_animation,
    is_image_file,
    is_video_file,
    natural_order,
    read_image,
)
from la2ds_cli.video.reader import is_image_folder, probe, read_frames
from tests.drawn_clips import HEIGHT, WIDTH, corner_colours, grey_steps, quadrants
from tests.told import refused

TEN = ClipOptions(fps=10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve grey images numbered without leading zeros."""
    path = tmp_path / "Bilder мяч"
    path.mkdir()
    for t, image in enumerate(grey_steps(12)):
        PillowImage.fromarray(image).save(path / f"img{t}.png")
    (path / "notes.txt").write_text("filmed on Monday")
    (path / ".hidden.png").touch()
    return path


def levels(path: Path, options: ClipOptions = TEN) -> list[int]:
    return [int(frame.image.mean()) // 8 for frame in read_frames(path, options)]


def test_images_in_natural_order_with_their_times(folder: Path) -> None:
    frames = list(read_frames(folder, TEN))
    assert levels(folder) == list(range(12))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(12) / 10)
    info = probe(folder, TEN)
    assert (info.width, info.height, info.frames_declared) == (WIDTH, HEIGHT, 12)
    assert (info.fps, info.duration, info.codec) == (10, 1.2, "png")


def test_options_hold_for_images_too(folder: Path) -> None:
    options = ClipOptions(fps=10, start=0.3, end=0.6, rotate=90, slowmo=2)
    frames = list(read_frames(folder, options))
    assert [frame.source for frame in frames] == [3, 4, 5]
    np.testing.assert_allclose([frame.time for frame in frames], [0.15, 0.2, 0.25])
    info = probe(folder, options)
    assert (info.height, info.width) == frames[0].image.shape[:2] == (WIDTH, HEIGHT)
    assert (info.fps, info.frames_declared) == (20, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "bmp", "tif", "tiff", "webp"])
def test_kinds_of_images(tmp_path: Path, suffix: str) -> None:
    PillowImage.fromarray(quadrants()).save(tmp_path / f"1.{suffix}", quality=95)
    PillowImage.fromarray(quadrants()[::-1]).save(tmp_path / f"2.{suffix}", quality=95)
    assert is_image_folder(tmp_path)
    one, two = (frame.image for frame in read_frames(tmp_path, TEN))
    assert corner_colours(one) == corner_colours(quadrants())
    assert corner_colours(two) == corner_colours(quadrants()[::-1])


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str) -> None:
    """The camera was held upright, and stored its picture lying on its side (6)."""
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    stored = PillowImage.fromarray(np.rot90(quadrants()).copy())
    stored.save(tmp_path / f"photo.{suffix}", exif=exif, quality=95)
    (frame,) = read_frames(tmp_path, TEN)
    assert corner_colours(frame.image) == corner_colours(quadrants())
    assert (probe(tmp_path, TEN).width, probe(tmp_path, TEN).height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16"])
def test_grey_transparent_indexed_and_deep_images(tmp_path: Path, mode: str) -> None:
    grey = np.full((HEIGHT, WIDTH), 120, np.uint8)
    image = (
        PillowImage.fromarray(grey.astype(np.uint16) * 257)
        if mode == "I;16"
        else PillowImage.fromarray(grey).convert(mode)
    )
    image.save(tmp_path / "1.png")
    (frame,) = read_frames(tmp_path, TEN)
    np.testing.assert_array_equal(frame.image, 120)


def test_what_is_a_folder_of_images(folder: Path, tmp_path: Path) -> None:
    assert is_image_folder(folder)
    assert not is_image_folder(tmp_path)
    assert not is_image_folder(folder / "img1.png")
    assert not is_image_folder(folder / "gone")
    (folder / "clip.mp4").touch()
    assert not is_image_folder(folder)


def test_the_rate_must_be_given(folder: Path) -> None:
    for look in (probe, lambda path: next(read_frames(path))):
        said = f"{folder} is a folder of images, and their rate is unknown"
        with refused(ExitCode.USAGE, said, "V010"):
            look(folder)


def test_sizes_must_not_be_mixed(folder: Path) -> None:
    PillowImage.fromarray(quadrants(40, 30)).save(folder / "img7.png")
    frames = read_frames(folder, TEN)
    assert [next(frames).index for _ in range(7)] == list(range(7))
    with refused(ExitCode.UNREADABLE, r"img0\.png is 96x64 and .*img7\.png is 40x30", "V011"):
        next(frames)


@pytest.mark.parametrize("content", [b"", b"no image at all" * 9])
def test_an_image_that_cannot_be_read(folder: Path, content: bytes) -> None:
    (folder / "img0.png").write_bytes(content)
    with refused(ExitCode.UNREADABLE, r"img0\.png", "V012"):
        probe(folder, TEN)


# --- animations -------------------------------------------------------------------------

DELAYS = [100, 200, 50, 300, 40]


def animate(path: Path, delays: list[int] | int, **options: Any) -> None:
    images = [PillowImage.fromarray(image + 40) for image in grey_steps(5)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=delays, **options)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "renamed.mp4"])
def test_animations_keep_their_delays(tmp_path: Path, name: str) -> None:
    made = tmp_path / ("a.png" if name == "renamed.mp4" else name)
    animate(made, DELAYS, loop=0)
    path = made.rename(tmp_path / name)
    frames = list(read_frames(path))
    np.testing.assert_allclose([f.time for f in frames], [0, 0.1, 0.3, 0.35, 0.65], atol=1e-6)
    assert [int(frame.image.mean()) for frame in frames] == [40, 48, 56, 64, 72]
    info = probe(path)
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    part = list(read_frames(path, ClipOptions(start=0.3, end=0.65, mirror=True, slowmo=2)))
    assert [frame.source for frame in part] == [2, 3]
    np.testing.assert_allclose([frame.time for frame in part], [0.15, 0.175])


def test_an_image_of_more_pixels_than_any_camera_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 9, 3), np.uint8))
    assert read_image(tmp_path / "a.png") is not None
    monkeypatch.setattr(media_files, "MOST_PIXELS", 71)
    assert read_image(tmp_path / "a.png") is None


# --- which files are what -----------------------------------------------------------------------


def test_numbers_sort_by_value() -> None:
    assert natural_order(["a10", "a2", "B1", "a1b", "a1"]) == ["a1", "a1b", "a2", "a10", "B1"]
    assert natural_order(["10", "9", "x"]) == ["9", "10", "x"]
    for names in (["01", "1", "A", "a"], ["a", "A", "1", "01"]):  # as a folder may list them
        assert natural_order(names) == ["01", "1", "A", "a"]


@pytest.mark.parametrize("suffix", ["webp", "png"])
def test_some_images_are_videos_where_they_move(tmp_path: Path, suffix: str) -> None:
    still, moving = tmp_path / f"still.{suffix}", tmp_path / f"moving.{suffix}"
    frames = [PillowImage.new("RGB", (8, 8), (c, c, c)) for c in (0, 90, 180)]
    frames[0].save(still)
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    assert (is_video_file(still), is_image_file(still)) == (False, True)
    assert (is_video_file(moving), is_image_file(moving)) == (True, False)
    assert is_animation(moving.rename(tmp_path / "moving.mp4"))
    short = tmp_path / f"short.{suffix}"
    short.write_bytes((tmp_path / "moving.mp4").read_bytes()[:18])
    assert not is_animation(short)
    assert not is_animation(tmp_path / "gone.webp")
