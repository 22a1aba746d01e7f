"""Words in a video: any script that DejaVu has, which OpenCV's fonts do not."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.video.reader import Image
from la2ds_cli.views.figure import printable

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]


def write(
    image: Image,
    text: str,
    at: tuple[float, float],
    size: int,
    colour: Colour,
    *,
    align: float = 0.0,
    bold: bool = False,
) -> None:
    """Write one line into image (H, W, 3) in place; what does not fit into it is cut off.

    at: x and the middle of the line's height, pixels; align: which part of the text stands at x,
    0 = its left end, 0.5 its middle, 1 its right end. size: of the font in pixels.
    """
    mask = _mask(text, size, bold)
    left = round(at[0] - align * mask.shape[1])
    top = round(at[1] - mask.shape[0] / 2)
    low_x, low_y = max(left, 0), max(top, 0)
    high_x = min(left + mask.shape[1], image.shape[1])
    high_y = min(top + mask.shape[0], image.shape[0])
    if low_x >= high_x or low_y >= high_y:
        return
    part = mask[low_y - top : high_y - top, low_x - left : high_x - left, None]
    ground = image[low_y:high_y, low_x:high_x]
    ground[:] = np.rint(ground * (1 - part) + np.array(colour) * part).astype(np.uint8)


def width(text: str, size: int, *, bold: bool = False) -> int:
    """Pixels that a text takes."""
    return _mask(text, size, bold).shape[1]


def shortened(name: str, size: int, most: float, *, bold: bool = False) -> str:
    """The name without what cannot be printed, its middle left out until it takes at most `most`
    pixels; one character at least."""
    for longest in (len(name), *range(min(len(name) - 1, 200), 2, -1)):
        shown = _plain(name, longest)
        if width(shown, size, bold=bold) <= most:
            return shown
    return "…"


def _plain(name: str, longest: int) -> str:
    return printable(name, longest).replace(r"\$", "$")


@functools.lru_cache(maxsize=512)
def _mask(text: str, size: int, bold: bool) -> np.ndarray:
    """(height, width) float32 in [0, 1]: how much of each pixel the letters cover; as high for
    every text of a size."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    font = _font(size, bold)
    ascent, descent = font.getmetrics()
    picture = Pictures.new("L", (max(round(font.getlength(text)), 1), ascent + descent))
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=font)
    return np.asarray(picture, np.float32) / 255


@functools.cache
def _font(size: int, bold: bool) -> FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along."""
    from matplotlib import font_manager
    from PIL import ImageFont

    name = font_manager.FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return ImageFont.truetype(font_manager.findfont(name), size)
