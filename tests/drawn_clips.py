"""Small clips drawn for the tests of the decoder, and what must come out of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT = 96, 64
RED, GREEN, BLUE, WHITE = (
    (True, False, False),
    (False, True, False),
    (False, False, True),
    (True, True, True),
)


def grey_steps(count: int) -> list[np.ndarray]:
    """Frames whose brightness is 8 times their index."""
    return [np.full((HEIGHT, WIDTH, 3), 8 * t, np.uint8) for t in range(count)]


def quadrants(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Top left red, top right green, bottom left blue, bottom right white."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2, 0] = 255
    image[: height // 2, width // 2 :, 1] = 255
    image[height // 2 :, : width // 2, 2] = 255
    image[height // 2 :, width // 2 :] = 255
    return image


def corner_colours(image: np.ndarray) -> list[tuple[bool, ...]]:
    """Top left, top right, bottom left, bottom right as (red, green, blue) on or off."""
    corners = [image[8, 8], image[8, -8], image[-8, 8], image[-8, -8]]
    return [tuple(bool(v > 128) for v in corner) for corner in corners]


def turned(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Set the display matrix of an mp4 by patching its track header (ISO/IEC 14496-12, tkhd)."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4  # version 0: 40 bytes of fields lie before the matrix
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", content, start + 40, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def write_stamped(
    path: Path, images: Sequence[np.ndarray], seconds: Iterable[float], codec: str = "libx264"
) -> None:
    """A video whose frames are shown at given times, to the millisecond."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for image, second in zip(images, seconds, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(1000 * second), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_yuv(
    path: Path,
    colours: Sequence[tuple[float, float, float]],
    codec: str,
    pix_fmt: str,
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    options: dict[str, str] | None = None,
    **tags: int,
) -> None:
    """A video of plain frames given as the code values of Y, Cb and Cr.

    tags: colorspace, color_range, color_trc, color_primaries as numbers of ITU-T H.273.
    """
    dtype = np.uint16 if pix_fmt.endswith("10le") else np.uint8
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for colour in colours:
            frame = av.VideoFrame(*size, pix_fmt)
            for plane, value in zip(frame.planes, colour, strict=True):
                row = plane.line_size // np.dtype(dtype).itemsize
                plane.update(np.full((plane.height, row), round(value), dtype).tobytes())
            for name, value in tags.items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def yuv_of(
    rgb: Sequence[float] | np.ndarray, red: float, blue: float, *, bits: int = 8, full: bool = False
) -> tuple[float, float, float]:
    """Code values of Y, Cb and Cr for RGB signals in [0, 1] (ITU-T H.273, 8.3).

    red, blue: the luminance coefficients K_R and K_B of the matrix.
    """
    r, g, b = rgb
    y = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    step, middle = 1 << (bits - 8), 1 << (bits - 1)
    if full:
        top = (1 << bits) - 1
        return top * y, middle + top * cb, middle + top * cr
    return step * (16 + 219 * y), middle + step * 224 * cb, middle + step * 224 * cr
