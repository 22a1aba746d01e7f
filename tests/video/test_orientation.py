from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.video.orientation import EXIF_MATRICES, orient, swaps_sides, turn
from la2ds_cli.video.reader import probe, read_frames, write_video
from tests.drawn_clips import (
    BLUE,
    GREEN,
    HEIGHT,
    RED,
    WHITE,
    WIDTH,
    corner_colours,
    quadrants,
    turned,
)

IMAGE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((1, 0, 0, 1), [RED, GREEN, BLUE, WHITE]),
        ((0, 1, -1, 0), [BLUE, RED, WHITE, GREEN]),  # a quarter turn clockwise
        ((-1, 0, 0, -1), [WHITE, BLUE, GREEN, RED]),
        ((0, -1, 1, 0), [GREEN, WHITE, RED, BLUE]),  # a quarter turn counter-clockwise
        ((-1, 0, 0, 1), [GREEN, RED, WHITE, BLUE]),  # mirrored, as selfie cameras do
    ],
)
def test_the_display_matrix_is_applied(tmp_path: Path, matrix, corners) -> None:
    path = tmp_path / "turned.mp4"
    write_video(path, [quadrants()] * 3, 25)
    turned(path, matrix)
    image = next(read_frames(path)).image
    assert corner_colours(image) == corners
    info = probe(path)
    assert (info.height, info.width) == image.shape[:2]
    sideways = matrix[0] == 0
    assert (info.width, info.height) == ((HEIGHT, WIDTH) if sideways else (WIDTH, HEIGHT))


def test_rotation_agrees_with_ffmpeg(tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    write_video(path, [quadrants()] * 3, 25)
    turned(path, (0, -1, 1, 0))
    with av.open(str(path)) as container:
        raw = next(container.decode(video=0)).to_ndarray(format="rgb24")
    np.testing.assert_array_equal(next(read_frames(path)).image, np.rot90(raw))


def test_the_user_turns_what_the_file_has_turned(tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    write_video(path, [quadrants()] * 3, 25)
    turned(path, (0, 1, -1, 0))
    upright = next(read_frames(path)).image
    for rotate in (90, 180, 270):
        options = ClipOptions(rotate=rotate, mirror=rotate == 180)
        image = next(read_frames(path, options)).image
        expected = np.rot90(upright, -rotate // 90)
        np.testing.assert_array_equal(image, expected[:, ::-1] if rotate == 180 else expected)
        info = probe(path, options)
        assert (info.height, info.width) == image.shape[:2]


def test_orient_takes_the_nearest_quarter_turn() -> None:
    image = quadrants()
    slanted = orient(image, (3, -60000, 60000, -2))
    np.testing.assert_array_equal(slanted, np.rot90(image))


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_turns_are_clockwise_and_mirrored_last(rotate: int) -> None:
    expected = np.rot90(IMAGE, -rotate // 90)
    np.testing.assert_array_equal(turn(IMAGE, rotate, False), expected)
    np.testing.assert_array_equal(turn(IMAGE, rotate, True), expected[:, ::-1])


def test_orient_leaves_an_image_whole() -> None:
    for matrix in EXIF_MATRICES.values():
        image = orient(IMAGE, matrix)
        assert image.flags.c_contiguous
        assert image.dtype == np.uint8
        assert sorted(image.ravel()) == sorted(IMAGE.ravel())
        assert swaps_sides(matrix) == (image.shape == (3, 2, 3))
