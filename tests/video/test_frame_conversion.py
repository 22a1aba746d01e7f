"""Colours that are known by hand, through real encoders and decoders."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.video.frame_conversion import (
    PEAK,
    SIGNAL_TOP,
    ToneMap,
    hlg_to_light,
    linear_to_srgb,
    nits_to_pq,
    orient,
    pq_to_nits,
    tone_curve,
)
from la2ds_cli.video.frame_conversion import WHITE as WHITE_NITS
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
    write_yuv,
    yuv_of,
)

BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
ORANGE = (200, 60, 30)
PQ: dict[str, Any] = {"colorspace": 9, "color_range": 1, "color_trc": 16, "color_primaries": 9}


def colours(path: Path) -> np.ndarray:
    """The pixel in the middle of each frame."""
    images = [frame.image for frame in read_frames(path)]
    return np.array([image[image.shape[0] // 2, image.shape[1] // 2] for image in images])


@pytest.mark.parametrize(
    ("matrix", "colorspace", "size"),
    [
        (BT709, 1, (96, 64)),
        (BT601, 5, (1280, 720)),
        (BT601, 6, (96, 64)),
        (BT601, 2, (720, 576)),  # untagged: BT.601 up to standard definition
        (BT709, 2, (1280, 720)),  # and BT.709 from there on, as players have it
        (BT709, 2, (608, 1080)),
    ],
)
@pytest.mark.parametrize("full", [False, True])
def test_the_matrix_and_range_of_the_file(tmp_path: Path, matrix, colorspace, size, full) -> None:
    path = tmp_path / "skin.mkv"
    colour = yuv_of(np.array(ORANGE) / 255, *matrix, full=full)
    color_range = 2 if full else 1
    write_yuv(path, [colour], "ffv1", "yuv420p", size=size, colorspace=colorspace,
              color_range=color_range)  # fmt: skip
    np.testing.assert_allclose(colours(path), [ORANGE], atol=2)


def test_pq_of_known_nits(tmp_path: Path) -> None:
    path = tmp_path / "pq.mkv"
    nits = np.array([0, 5, 50, 100, 203, 600, 1000, 4000])
    frames = [yuv_of([s] * 3, *BT2020, bits=10) for s in nits_to_pq(nits)]
    write_yuv(path, frames, "ffv1", "yuv420p10le", **PQ)
    expected = 255 * linear_to_srgb(tone_curve(nits) / 203)
    # By hand: 5 nits are 255 * (1.055 * (5 / 203) ** (1 / 2.4) - 0.055) = 43, and so on.
    np.testing.assert_allclose(expected[:3], [0, 43.5, 136], atol=0.6)
    np.testing.assert_allclose(colours(path), np.repeat(expected[:, None], 3, axis=1), atol=2)
    info = probe(path)
    assert info.hdr == "PQ"


def test_hlg_of_known_light(tmp_path: Path) -> None:
    path = tmp_path / "hlg.mkv"
    signal = np.array([0, 0.25, 0.5, 0.75, 1])
    frames = [yuv_of([s] * 3, *BT2020, bits=10) for s in signal]
    write_yuv(path, frames, "ffv1", "yuv420p10le", **{**PQ, "color_trc": 18})
    expected = 255 * linear_to_srgb(tone_curve(1000 * hlg_to_light(signal) ** 1.2) / 203)
    np.testing.assert_allclose(colours(path), np.repeat(expected[:, None], 3, axis=1), atol=2)
    assert expected[3] == pytest.approx(229, abs=1)  # diffuse white
    assert probe(path).hdr == "HLG"


def test_colours_of_pq(tmp_path: Path) -> None:
    """A skin tone below the knee keeps its hue: BT.709 light to BT.2020, PQ, YCbCr and back."""
    path = tmp_path / "skin.mkv"
    skin = np.array([120, 80, 60])
    light = np.where(
        skin / 255 <= 0.04045, skin / 255 / 12.92, ((skin / 255 + 0.055) / 1.055) ** 2.4
    )
    to_2020 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    signal = nits_to_pq(203 * np.array(to_2020) @ light)
    write_yuv(path, [yuv_of(signal, *BT2020, bits=10)], "ffv1", "yuv420p10le", **PQ)
    np.testing.assert_allclose(colours(path), [skin], atol=2)


def test_non_square_pixels_are_stretched(tmp_path: Path) -> None:
    path = tmp_path / "anamorphic.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for image in [quadrants()] * 3:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    image = next(read_frames(path)).image
    assert image.shape == (HEIGHT, 2 * WIDTH, 3)
    info = probe(path)
    assert (info.width, info.height) == (2 * WIDTH, HEIGHT)
    assert corner_colours(image) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("hdr", [False, True])
@pytest.mark.parametrize("size", [(40, 1), (1, 1), (95, 163)])
def test_odd_and_tiny_sizes(tmp_path: Path, size, hdr: bool) -> None:
    path = tmp_path / "odd.mkv"
    grey = nits_to_pq(np.full(3, 50)) if hdr else [0.5] * 3
    frames = [yuv_of(grey, *(BT2020 if hdr else BT709), bits=10 if hdr else 8)] * 2
    pixels, tags = ("yuv420p10le", PQ) if hdr else ("yuv420p", {})
    write_yuv(path, frames, "ffv1", pixels, size=size, **tags)
    images = [frame.image for frame in read_frames(path)]
    assert [image.shape for image in images] == [(size[1], size[0], 3)] * 2
    np.testing.assert_allclose(images, 136 if hdr else 128, atol=3)
    assert (probe(path).width, probe(path).height) == size


# --- upright --------------------------------------------------------------------------------


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


# --- the tone map -------------------------------------------------------------------------------


def test_signals_of_known_levels() -> None:
    """BT.2408, table 1: 100 nits are 50.8 % of the PQ signal, 203 are 58.1 %, and 75 % of the HLG
    signal show 203 nits; BT.2100: half of it is a twelfth of the light."""
    signal = nits_to_pq(np.array([100, 203, 1000, 10000.0]))
    np.testing.assert_allclose(signal, [0.508, 0.581, 0.752, 1], atol=5e-4)
    np.testing.assert_allclose(pq_to_nits(signal), [100, 203, 1000, 10000.0], rtol=1e-9)
    np.testing.assert_allclose(hlg_to_light(np.array([0, 0.5, 1.0])), [0, 1 / 12, 1], atol=1e-7)
    assert 1000 * hlg_to_light(np.array(0.75)) ** 1.2 == pytest.approx(203, abs=0.5)


def test_the_tone_curve_leaves_the_dark_alone_and_ends_at_white() -> None:
    """The knee lies at 1.5 * 0.5807 / 0.7518 - 0.5 of the PQ range, which is 92.2 nits."""
    dark = np.array([0, 0.1, 1, 20, 92])
    np.testing.assert_allclose(tone_curve(dark), dark, atol=0.2)
    assert tone_curve(np.array(110.0)) < 109
    assert tone_curve(np.array(PEAK)) == pytest.approx(WHITE_NITS, rel=1e-6)
    assert tone_curve(np.array(9000.0)) == pytest.approx(WHITE_NITS, rel=1e-6)
    assert (np.diff(tone_curve(np.linspace(0.01, PEAK, 500))) > 0).all()


def shown(transfer, signal) -> np.ndarray:
    image = np.rint(np.array(signal, float) * SIGNAL_TOP).astype(np.uint16)
    return ToneMap(transfer)(image.reshape(1, -1, 3))[0].astype(int)


def test_hlg_and_pq_of_one_light_look_the_same() -> None:
    light = hlg_to_light(np.array([0.3, 0.45, 0.6]))  # R, G, B
    luminance = light @ [0.2627, 0.6780, 0.0593]
    pq = nits_to_pq(1000 * luminance**0.2 * light)
    from_hlg, from_pq = shown("HLG", [0.3, 0.45, 0.6]), shown("PQ", pq)
    np.testing.assert_allclose(from_hlg, from_pq, atol=2)
