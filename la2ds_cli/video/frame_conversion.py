"""Decoded frames as upright 8-bit sRGB images with square pixels."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.video.orientation import IDENTITY, Image, Matrix, orient
from la2ds_cli.video.tone_map import Primaries, Transfer, get_tone_map

if TYPE_CHECKING:
    import av

# ITU-T H.273 numbers, which FFmpeg's enumerations use.
_TRANSFER: dict[int, Transfer] = {16: "PQ", 18: "HLG"}
_PRIMARIES: dict[int, Primaries] = {1: "BT.709", 9: "BT.2020", 11: "P3", 12: "P3"}
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
# AVColorSpace -> the number of its matrix in swscale. Others are guessed from the size.
_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_BT709, _BT601 = 1, 5


class FrameConverter:
    """Turns the frames of one stream into images.

    The display matrix is that of the first frame: PyAV keeps every frame alive whose side data was
    asked for. aspect: width of a pixel by its height.
    """

    def __init__(self, first: av.VideoFrame, aspect: Fraction | None) -> None:
        from av.video.reformatter import VideoReformatter

        self.matrix = display_matrix(first)
        self.aspect = aspect or Fraction(1)
        self._reformatter: Any = VideoReformatter()

    def image(self, frame: av.VideoFrame) -> Image:
        """Image (H, W, 3) uint8 RGB of a frame."""
        kind = _kind(frame)
        rgb: Any = self._reformatter.reformat(
            frame,
            width=max(round(frame.width * self.aspect), 1),
            height=frame.height,
            format="rgb48le" if kind else "rgb24",
            src_colorspace=_colour_matrix(frame),
            dst_color_range=_FULL_RANGE,
            threads=1,  # starting threads for every frame costs more than it gains
        ).to_ndarray()
        return orient(get_tone_map(*kind)(rgb) if kind else rgb, self.matrix)


def hdr_name(frame: av.VideoFrame) -> str:
    """`PQ`, `HLG`, or empty for a frame of standard dynamic range."""
    return _TRANSFER.get(frame.color_trc, "")


def _kind(frame: av.VideoFrame) -> tuple[Transfer, Primaries] | None:
    """What the tone map has to undo; None for frames that are BT.709 or near it."""
    transfer = _TRANSFER.get(frame.color_trc)
    if transfer:
        return transfer, _PRIMARIES.get(frame.color_primaries, "BT.2020")
    return ("SDR", "BT.2020") if _PRIMARIES.get(frame.color_primaries) == "BT.2020" else None


def _colour_matrix(frame: av.VideoFrame) -> int | None:
    """swscale's number of the matrix of a YUV frame.

    Untagged video is taken as players do, BT.709 from HD on; swscale would say BT.601 always.
    """
    if frame.format.is_rgb:
        return None
    guess = _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601
    if frame.color_trc in _TRANSFER:
        guess = _MATRIX[9]
    return _MATRIX.get(frame.colorspace, guess)


def display_matrix(frame: av.VideoFrame) -> Matrix:
    """(a, b, c, d) of x' = a x + c y, y' = b x + d y in sign; identity when there is none."""
    side_data: Any = frame.side_data
    data = side_data.get("DISPLAYMATRIX")
    if data is None:
        return IDENTITY
    a, b, _, c, d = np.frombuffer(bytes(data), dtype="<i4")[:5].tolist()
    return a, b, c, d
