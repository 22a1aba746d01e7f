"""Find where a film changes from one shot to the next: hard cuts, and fades through white or black.

Hard cuts are found as by PySceneDetect's AdaptiveDetector (BSD-3-Clause): the difference between
neighbouring frames in HSV must be large and several times that of the frames around it, so that
fast movement and camera pans are not cuts. Unlike there, it is compared with the largest difference
around it, not the mean, so that repeated frames do no harm; all frames before must differ from all
after, so that a flash is not a cut; and chroma replaces saturation and weights the hue, since both
are noise in black, white and grey.

Fades are found because a picture that fades in grows everywhere by the same factor. Dissolves from
picture to picture are not found.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from la2ds_cli.video.reader import Image

_SIDE = 64  # pixels of the longer side of a thumbnail
_WINDOW = 4  # frames compared before and after a cut; what lasts less is a flash
_LEAST = 3.0  # of 255: least mean difference of hue, chroma and value over a cut
_RATIO = 3.0  # least ratio of that difference to the largest one around it

_FAINT = 12  # of 255; less is coding noise on white or black
_LEAST_PIXELS = 20
_STEP = 4  # frames between the two that are compared for a fade
_GAIN = 0.95  # largest ratio of the earlier to the later brightness in a fade-in
# Least cosine of the picture with its change, and with the earlier picture. Both are 1 where all
# pixels grow by one factor; for an object that enters a plain picture, at most one exceeds 0.71.
_LIKENESS = 0.72
_RUN = _STEP + 1  # least frames of a fade; a flash of _STEP frames would look like a shorter one
_DEPTH = 0.5  # largest share of the brightness a fade starts from; exposure control stays above

_Thumbnail = NDArray[np.float32]  # (h, w, 3): hue 0 to 180, chroma and value 0 to 255


class CutDetector:
    """Finds the rows where a new shot begins, from the frames of a film in order.

    Keeps only nine thumbnails and a few numbers per frame, so it can run alongside other work.
    """

    def __init__(self) -> None:
        self._count = 0
        self._size: tuple[int, int] | None = None
        self._recent: deque[_Thumbnail] = deque(maxlen=2 * _WINDOW + 1)
        self._cuts: list[int] = []
        self._white, self._black = _FadeWatch(), _FadeWatch()

    def add(self, image: Image) -> None:
        """Take the next frame, (H, W, 3) RGB."""
        thumbnail = self._thumbnail(image)
        self._recent.append(thumbnail)
        self._count += 1
        _, chroma, brightest = np.moveaxis(thumbnail, -1, 0)
        self._white.add(255 - (brightest - chroma))  # least of the three colours
        self._black.add(brightest)
        middle = len(self._recent) - 1 - _WINDOW
        if middle > 0 and self._is_cut(middle):
            self._cuts.append(self._count - 1 - _WINDOW)

    def rows(self) -> list[int]:
        """Return the rows (frames counted from 0) that begin a new shot, without the first."""
        length = len(self._recent)
        late = [p for p in range(max(length - _WINDOW, 1), length) if self._is_cut(p)]
        cuts = self._cuts + [self._count - length + index for index in late]
        for row in sorted({*self._white.rows(), *self._black.rows()}):
            if all(abs(row - cut) > 2 * _WINDOW for cut in cuts):
                cuts.append(row)
        return sorted(cuts)

    def _thumbnail(self, image: Image) -> _Thumbnail:
        if self._size is None:
            height, width = image.shape[:2]
            scale = _SIDE / max(height, width)
            self._size = (max(round(width * scale), 1), max(round(height * scale), 1))
        small = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        hsv = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2HSV), np.float32)
        hsv[..., 1] *= hsv[..., 2] / 255
        return hsv

    def _is_cut(self, index: int) -> bool:
        """Return whether a shot begins at one of the recent thumbnails."""
        frames = list(self._recent)
        before, after = frames[max(index - _WINDOW, 0) : index], frames[index:][: _WINDOW + 1]
        step = _difference(before[-1], after[0])
        if step < _LEAST:
            return False
        around = [_difference(a, b) for side in (before, after) for a, b in pairwise(side)]
        if step < _RATIO * max(around, default=0.0):
            return False
        across = min(_difference(a, b) for a in before for b in after)
        return across >= max(_LEAST, step / 2)


def _difference(a: _Thumbnail, b: _Thumbnail) -> float:
    """Return the mean difference of hue (by chroma), chroma and value of thumbnails, 0 to 255."""
    hue = np.abs(a[..., 0] - b[..., 0])
    hue = np.minimum(hue, 180 - hue) / 90 * np.minimum(a[..., 1], b[..., 1])
    rest = np.abs(a[..., 1:] - b[..., 1:])
    return float(hue.mean() + 2 * rest.mean()) / 3


class _FadeWatch:
    """Finds where pictures fade in from a plain colour, by their distance from that colour."""

    def __init__(self) -> None:
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=_STEP + 1)
        self._level: list[float] = []
        self._gain: list[float] = []  # brightness at t over t + _STEP; 1 = no fade

    def add(self, picture: NDArray[np.float32]) -> None:
        """Take the next frame, as distances (h, w) from white or black, 0 to 255."""
        self._recent.append(picture)
        self._level.append(float(picture.mean()))
        if len(self._recent) == _STEP + 1:
            self._gain.append(_fade_gain(self._recent[0], picture))

    def rows(self) -> list[int]:
        """Return the first frame of each picture that fades in after another picture."""
        fading = np.array(self._gain) < _GAIN
        borders = np.flatnonzero(np.diff(np.concatenate([[False], fading, [False]]).astype(int)))
        rows = []
        for start, stop in borders.reshape(-1, 2).tolist():
            depth = float(np.prod(self._gain[start:stop:_STEP]))
            if stop - start < _RUN or depth > _DEPTH:
                continue
            first = max(start - 2 * _STEP, 0)
            # The new shot begins where both pictures are faintest.
            row = first + int(np.argmin(self._level[first : start + _STEP + 1])) + 1
            # A film may begin with a fade: then no picture was seen before.
            if max(self._level[: row - 1], default=0.0) > self._level[row - 1] + 1:
                rows.append(row)
        return rows


def _fade_gain(early: NDArray[np.float32], late: NDArray[np.float32]) -> float:
    """Return the factor from a later frame to an earlier, fainter one; 1 if there is none."""
    seen = late > _FAINT
    if np.count_nonzero(seen) < _LEAST_PIXELS:
        return 1.0
    old, new = early[seen], late[seen]
    if _cosine(new - old, new) < _LIKENESS or _cosine(old, new) < _LIKENESS:
        return 1.0
    return float(old @ new) / float(new @ new)


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0
