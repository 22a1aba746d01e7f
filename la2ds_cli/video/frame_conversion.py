"""Convert decoded frames to upright 8-bit sRGB images with square pixels: display matrices, turns
that the user asks for, colours, HDR."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

Image = NDArray[np.uint8]
Matrix = tuple[int, int, int, int]

IDENTITY: Matrix = (1, 0, 0, 1)
# Clockwise turns as display matrices.
_TURNS: dict[int, Matrix] = {
    0: IDENTITY,
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}

# ITU-T H.273 numbers, which FFmpeg's enumerations use.
_TRANSFER: dict[int, Transfer] = {16: "PQ", 18: "HLG"}
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
# AVColorSpace -> the number of its matrix in swscale. Others are guessed from the size.
_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_BT709, _BT601 = 1, 5
_MOST_ASPECT = 4  # of a pixel; anamorphic film has 2, larger values are damaged


class FrameConverter:
    """Converts the frames of one stream to images.

    All images have the size of the first, since joints are pixels of one picture: where the size
    changes inside the stream, frames are scaled. The display matrix is that of the first frame,
    because PyAV keeps every frame alive whose side data was read. aspect: width of a pixel divided
    by its height; a value that no camera has counts as 1.
    """

    def __init__(self, first: av.VideoFrame, aspect: Fraction | None) -> None:
        from av.video.reformatter import VideoReformatter

        self.matrix = display_matrix(first)
        sane = bool(aspect) and 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT
        width = first.width * (aspect if aspect and sane else 1)
        self._size = max(round(width), 1), first.height
        self._reformatter: Any = VideoReformatter()

    def image(self, frame: av.VideoFrame) -> Image:
        """Return the image (H, W, 3) uint8 RGB of a frame."""
        transfer = _TRANSFER.get(frame.color_trc)
        rgb: Any = self._reformatter.reformat(
            frame,
            width=self._size[0],
            height=self._size[1],
            format="rgb48le" if transfer else "rgb24",
            src_colorspace=_colour_matrix(frame),
            dst_color_range=_FULL_RANGE,
            threads=1,  # starting threads for every frame costs more than it gains
        ).to_ndarray()
        return orient(get_tone_map(transfer)(rgb) if transfer else rgb, self.matrix)


def hdr_name(frame: av.VideoFrame) -> str:
    """Return `PQ`, `HLG`, or empty for standard dynamic range."""
    return _TRANSFER.get(frame.color_trc, "")


def _colour_matrix(frame: av.VideoFrame) -> int | None:
    """Return swscale's number of the colour matrix of a YUV frame.

    Untagged video is read as in players, BT.709 from HD on; swscale would always use BT.601.
    """
    if frame.format.is_rgb:
        return None
    guess = _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601
    if frame.color_trc in _TRANSFER:
        guess = _MATRIX[9]
    return _MATRIX.get(frame.colorspace, guess)


def display_matrix(frame: av.VideoFrame) -> Matrix:
    """Return (a, b, c, d) of x' = a x + c y, y' = b x + d y, of which only signs matter; identity
    without a matrix."""
    side_data: Any = frame.side_data
    data = side_data.get("DISPLAYMATRIX")
    if data is None:
        return IDENTITY
    a, b, _, c, d = np.frombuffer(bytes(data), dtype="<i4")[:5].tolist()
    return a, b, c, d


def orient(image: Image, matrix: Matrix) -> Image:
    """Rotate and mirror image (H, W, 3) by a display matrix, to the nearest quarter turn.

    matrix: (a, b, c, d) with x' = a x + c y and y' = b x + d y (ISO/IEC 14496-12, x right, y
    down); only signs and the larger pair matter.
    """
    import cv2

    a, b, c, d = matrix
    if abs(b) > abs(a):
        image = np.asarray(cv2.transpose(image), np.uint8)
        across, down = c, b
    else:
        across, down = a, d
    if across < 0 or down < 0:
        # cv2.flip's codes: 1 mirrors left and right, 0 top and bottom, -1 both.
        code = (-1 if down < 0 else 1) if across < 0 else 0
        image = np.asarray(cv2.flip(image, code), np.uint8)
    return np.ascontiguousarray(image)


def turn(image: Image, rotate: int, mirror: bool) -> Image:
    """Rotate image (H, W, 3) clockwise by `rotate` (0, 90, 180, 270), then mirror left-right."""
    a, b, c, d = _TURNS[rotate]
    return orient(image, (-a, b, -c, d) if mirror else (a, b, c, d))


# --- HDR video with primaries of BT.2020 to 8-bit sRGB, in numpy and lookup tables ----------------

Transfer = Literal["PQ", "HLG"]

PEAK = 1000.0  # nits: the peak of consumer HDR, and the nominal peak of HLG
WHITE = 203.0  # nits: diffuse white, BT.2408

_FLOAT = NDArray[np.float64]
_TOP = 65535
# For 16 bits swscale scales limited range to 255 * 256, not to 65535.
SIGNAL_TOP = 65280
_ROWS = 64  # converted at once, so that they fit in the processor's cache

# From linear light of BT.2020 to BT.709 (Report ITU-R BT.2407, 2.2), and to luminance.
_TO_BT709 = np.array(
    [
        (1.660491002, -0.587641139, -0.072849863),
        (-0.124550475, 1.132899897, -0.008349423),
        (-0.018150763, -0.100578898, 1.118729661),
    ]
)
_LUMINANCE = np.array([0.262700212, 0.677998072, 0.059301716], np.float32)


def pq_to_nits(signal: _FLOAT) -> _FLOAT:
    """Return the nits of a PQ signal in [0, 1] (ST 2084, EOTF)."""
    power = np.power(np.asarray(signal, np.float64), 1 / 78.84375)
    return 10000 * np.power(
        np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power), 1 / 0.1593017578125
    )


def nits_to_pq(nits: _FLOAT) -> _FLOAT:
    """Return the PQ signal of nits in [0, 10000] (ST 2084, inverse EOTF)."""
    power = np.power(np.asarray(nits, np.float64) / 10000, 0.1593017578125)
    return np.power((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power), 78.84375)


def hlg_to_light(signal: _FLOAT) -> _FLOAT:
    """Return the scene light in [0, 1] of an HLG signal in [0, 1] (BT.2100, inverse OETF)."""
    signal = np.asarray(signal, np.float64)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def tone_curve(nits: _FLOAT) -> _FLOAT:
    """Return the nits in [0, WHITE] shown for nits in [0, PEAK]: BT.2390 EETF with black at 0.

    Below the knee it is the identity; above it a Hermite spline in the PQ signal leads to WHITE.
    """
    top = float(nits_to_pq(np.array(PEAK)))
    signal = nits_to_pq(np.minimum(nits, PEAK)) / top
    most = float(nits_to_pq(np.array(WHITE))) / top
    knee = 1.5 * most - 0.5
    t = (np.maximum(signal, knee) - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    return pq_to_nits(np.where(signal < knee, signal, spline) * top)


def linear_to_srgb(light: _FLOAT) -> _FLOAT:
    """Return the sRGB signal in [0, 1] of linear light in [0, 1] (IEC 61966-2-1)."""
    light = np.asarray(light, np.float64)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


class ToneMap:
    """Converts 16-bit RGB signals of one transfer function."""

    def __init__(self, transfer: Transfer) -> None:
        signal = np.minimum(np.arange(_TOP + 1) / SIGNAL_TOP, 1)
        pq = transfer == "PQ"
        light = np.minimum(pq_to_nits(signal) / PEAK, 1) if pq else hlg_to_light(signal)
        self._light = np.asarray(light, np.float32)
        share = np.arange(_TOP + 1) / _TOP
        shown = tone_curve(share * PEAK) / WHITE
        self._code = np.rint(255 * linear_to_srgb(np.minimum(shown, 1))).astype(np.uint8)
        self._matrix = (_TO_BT709 * _TOP).astype(np.float32)
        gain = np.power(share, 0.2)  # BT.2100 OOTF: luminance to the power of gamma - 1
        self._gain = gain.astype(np.float32) if transfer == "HLG" else None

    def __call__(self, signal: NDArray[np.uint16]) -> Image:
        """Convert signal (H, W, 3) uint16, SIGNAL_TOP = full, to image (H, W, 3) uint8 sRGB."""
        image = np.empty(signal.shape, np.uint8)
        for top in range(0, len(signal), _ROWS):
            image[top : top + _ROWS] = self._rows(signal[top : top + _ROWS])
        return image

    def _rows(self, signal: NDArray[np.uint16]) -> Image:
        # mode="clip" skips numpy's check of all indices; none can be out of range.
        light = self._light.take(signal, mode="clip")
        if self._gain is not None:
            luminance = light @ _LUMINANCE
            index = np.minimum(luminance * _TOP, _TOP).astype(np.uint16)
            light *= self._gain.take(index, mode="clip")[..., None]
        light = light @ self._matrix.T
        index = np.clip(light, 0, _TOP, out=light).astype(np.uint16)
        return self._code.take(index, mode="clip")


@cache
def get_tone_map(transfer: Transfer) -> ToneMap:
    """Return the tone map of a kind of signal, computed once."""
    return ToneMap(transfer)
