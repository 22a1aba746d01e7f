"""The pictures of a video of several clips in step: a clip's frames, or its joints on a plain
background; text; and the clips side by side or in a grid."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.features.viewpoint import shown
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.video.reader import Image, VideoFile
from la2ds_cli.views.figure import letters, printable
from la2ds_cli.views.film_strip import view_boxes
from la2ds_cli.views.pose_drawing import draw_pose
from la2ds_cli.views.sync.timeline import shown_frames

Colour = tuple[int, int, int]

PLAIN = (38, 38, 42)  # RGB
UPSCALED = 2.0  # pixels shown per pixel of a video, at most
_ON_PICTURES, _ALONE = 160, 100  # shorter side of the picture by the thickness of a limb
WIDEST = 2.4  # width by height; a wider picture is made smaller
NO_COUNTERPART, MIRRORED = "no counterpart", "mirrored"
# RGB.
GROUND: Colour = (20, 20, 23)
_INK, _SOFT, _EMPTY = (240, 240, 240), (165, 165, 170), (62, 62, 68)
_SURE: Colour = (205, 205, 208)


@dataclass(frozen=True)
class Panel:
    """How the frames of a clip are shown.

    pose: as drawn, flipped if `mirrored`. source: where the frames are read from, None = only the
    joints are drawn. width, height: of the picture in pixels, even. scale: pixels of the picture
    per pixel of the video. corner: (T, 2) pixels of the video at the picture's upper left.
    skeleton: whether joints are drawn; they always are without a source.
    """

    pose: PoseSequence
    source: VideoFile | None
    width: int
    height: int
    scale: float
    corner: FloatArray
    mirrored: bool = False
    skeleton: bool = True

    def pictures(self, row: IntArray, matched: BoolArray) -> Iterator[Image]:
        """(height, width, 3) RGB for each of row (F,), grey where matched (F,) is False. The same
        array is returned again if nothing changes, so do not draw into it."""
        images: Iterator[Image | None]
        images = iter([None] * len(row))
        if self.source is not None:
            images = shown_frames(self.source, self.pose.frame[row])
        last: tuple[int, bool] | None = None
        picture = np.empty((0, 0, 3), np.uint8)
        for t, has_counterpart, image in zip(row.tolist(), matched.tolist(), images, strict=True):
            if (t, has_counterpart) != last:
                picture = self.picture(t, image)
                if not has_counterpart:
                    picture = greyed(picture)
                last = t, has_counterpart
            yield picture

    def picture(self, t: int, image: Image | None) -> Image:
        """Row t, drawn over the frame `image` of the video or on a plain background."""
        if image is None:
            shown = np.full((self.height, self.width, 3), PLAIN, np.uint8)
        else:
            shown = _resized(image, self.width, self.height, mirrored=self.mirrored)
        if self.skeleton or image is None:
            x, y = self.corner[t].tolist()
            thick = max(
                2, round(min(self.width, self.height) / (_ON_PICTURES, _ALONE)[image is None])
            )
            draw_pose(shown, self.pose, t, self.scale, (x, y), thick)
        return shown


def make_panel(
    pose: PoseSequence,
    source: VideoFile | None,
    size: tuple[int, int],
    height: int,
    *,
    view: View,
    skeleton: bool,
) -> Panel:
    """A clip in a picture of at most `height` rows.

    size: (width, height) of the source's frames; without a source, the picture follows the body.
    """
    drawn = _drawn(pose, view)
    mirrored = view in FLIPPED
    if source is None:
        box = view_boxes(drawn)
        width, high = (box[0, 2:] - box[0, :2]).tolist()
        scale = height / high
        return Panel(drawn, None, _even(width * scale), height, scale, box[:, :2], mirrored)
    scale = min(height / size[1], UPSCALED, WIDEST * height / size[0])
    corner = np.zeros((len(pose), 2))
    width, high = _even(size[0] * scale), _even(size[1] * scale)
    return Panel(drawn, source, width, high, scale, corner, mirrored, skeleton)


def full_panel(
    pose: PoseSequence,
    source: VideoFile | None,
    size: tuple[int, int],
    *,
    view: View,
    skeleton: bool,
) -> Panel:
    """A clip in its own resolution, size = (width, height); (0, 0), unknown, is 720 rows around the
    body."""
    if not (size[0] and size[1]):
        return make_panel(pose, None, size, 720, view=view, skeleton=True)
    width, height = size
    corner = np.zeros((len(pose), 2))
    drawn, mirrored = _drawn(pose, view), view in FLIPPED
    return Panel(drawn, source, width, height, 1.0, corner, mirrored, skeleton)


def _drawn(pose: PoseSequence, view: View) -> PoseSequence:
    """The sequence with trust and without boxes, as a panel draws it."""
    known = with_trust(pose)  # before `info`, which knows the cuts
    return replace(shown(known, view), box=np.full_like(pose.box, np.nan), info={})


def greyed(image: Image) -> Image:
    """A grey picture, paler and darker, for moments without a counterpart."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.repeat((grey[..., None] * 0.35 + 55).astype(np.uint8), 3, axis=2)


def _resized(image: Image, width: int, height: int, *, mirrored: bool) -> Image:
    """A copy of another size, averaged if it gets smaller."""
    import cv2

    if image.shape[:2] != (height, width):
        method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)
    else:
        image = image.copy()
    return np.ascontiguousarray(image[:, ::-1]) if mirrored else image


def _even(value: float) -> int:
    return max(2 * round(value / 2), 2)


# --- text: any script that DejaVu has, which OpenCV's fonts do not -----------------------------


def write_text(
    image: Image,
    text: str,
    at: tuple[float, float],
    size: int,
    colour: Colour,
    *,
    align: float = 0.0,
) -> None:
    """Write one line into image (H, W, 3) in place; what does not fit is cut off.

    at: x and the middle of the line's height, in pixels; align: which part of the text is at x, 0 =
    its left end, 0.5 its middle, 1 its right end. size: of the font in pixels.
    """
    mask = _mask(text, size)
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


def text_width(text: str, size: int) -> int:
    """Width of a text in pixels."""
    return _mask(text, size).shape[1]


def shortened(name: str, size: int, most: float) -> str:
    """The name without unprintable characters, shortened in the middle to at most `most` pixels,
    but at least one character."""
    for longest in (len(name), *range(min(len(name) - 1, 200), 2, -1)):
        shown = _plain(name, longest)
        if text_width(shown, size) <= most:
            return shown
    return "…"


def _plain(name: str, longest: int) -> str:
    return printable(name, longest).replace(r"\$", "$")


@functools.lru_cache(maxsize=512)
def _mask(text: str, size: int) -> np.ndarray:
    """(height, width) float32 in [0, 1]: how much of each pixel the letters cover; the height is
    the same for every text of a size."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    font = letters(size)
    ascent, descent = font.getmetrics()
    picture = Pictures.new("L", (max(round(font.getlength(text)), 1), ascent + descent))
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=font)
    return np.asarray(picture, np.float32) / 255


# --- clips beside each other ---------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One clip. name: as written. time: (T,) seconds of its rows. row, matched: (F,) the row that
    each frame of the video shows, and whether the clip shows that moment. phase: of each row, if
    any is labelled."""

    name: str
    panel: Panel
    time: FloatArray
    row: IntArray
    matched: BoolArray
    phase: Sequence[str] = ()

    def said(self, k: int) -> str:
        """Above the picture of frame k: its seconds, and the phase."""
        if not self.matched[k]:
            return "–"
        row = int(self.row[k])
        phase = self.phase[row] if self.phase else ""
        return f"{self.time[row]:.2f} s" + (f" · {phase}" if phase else "")


class Grid:
    """Draws the F frames of a video of clips in step, row by row.

    below: the words at the left and at the right below the pictures of a frame. level: (F,) height
    of the bar below them in [0, 1], NaN = striped.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        columns: int,
        below: Callable[[int], tuple[str, str]],
        level: FloatArray,
    ) -> None:
        self.cells, self.columns, self.below, self.level = cells, columns, below, level
        tallest = max(cell.panel.height for cell in cells)
        self.font = max(round(tallest / 27), 14)
        self.line = 2 * round(0.85 * self.font)  # of text
        self.gap = 2 * max(round(tallest / 100), 4)
        narrow = 14 * self.font  # what is written must have room
        self.widths = [
            max(narrow, *(cell.panel.width for cell in cells[column::columns]))
            for column in range(min(columns, len(cells)))
        ]
        rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
        self.heights = [max(cell.panel.height for cell in row) for row in rows]
        width = sum(self.widths) + (len(self.widths) + 1) * self.gap
        above = sum(self.heights) + len(rows) * (self.line + self.gap)
        self.bar = slice(above + self.line, above + 2 * self.line)
        height = self.bar.stop + self.gap
        self.base = np.full((height + height % 2, width + width % 2, 3), GROUND, np.uint8)
        for number, cell in enumerate(cells):
            self._name(number, cell)
        self._bar()

    def frames(self) -> Iterator[Image]:
        """(H, W, 3) RGB."""
        pictures = [cell.panel.pictures(cell.row, cell.matched) for cell in self.cells]
        for k, images in enumerate(zip(*pictures, strict=True)):
            frame = self.base.copy()
            for number, (cell, image) in enumerate(zip(self.cells, images, strict=True)):
                self._draw(frame, number, cell, image, k)
            left, right = self.below(k)
            middle = self.bar.start - self.line / 2
            write_text(frame, left, (self.gap, middle), self.font, _INK)
            write_text(frame, right, (self._end, middle), self.font, _SURE, align=1)
            at = self.gap + round((k + 0.5) / len(self.level) * (self._end - self.gap))
            frame[self.bar.start - 2 : self.bar.stop + 2, at - 1 : at + 1] = 255
            yield frame

    def region(self, number: int) -> tuple[slice, slice]:
        """Rows and columns of a frame that the picture of a clip occupies."""
        panel = self.cells[number].panel
        top, left, width, height = self._place(number)
        top += self.line + (height - panel.height) // 2
        left += (width - panel.width) // 2
        return slice(top, top + panel.height), slice(left, left + panel.width)

    @property
    def _end(self) -> int:
        return self.base.shape[1] - self.gap

    def _place(self, number: int) -> tuple[int, int, int, int]:
        """Top and left of a cell, text included; width and height of the place for its picture."""
        row, column = divmod(number, self.columns)
        top = sum(self.heights[:row]) + row * (self.line + self.gap)
        left = sum(self.widths[:column]) + (column + 1) * self.gap
        return top, left, self.widths[column], self.heights[row]

    def _name(self, number: int, cell: Cell) -> None:
        top, left, width, _ = self._place(number)
        phase = max(cell.phase, key=len, default="")
        room = width - text_width(f"{cell.time[-1]:.2f} s · {phase}", self.font) - self.font
        name = shortened(cell.name, self.font, room)
        write_text(self.base, name, (left, top + self.line / 2), self.font, _SOFT)

    def _bar(self) -> None:
        """How sure each frame is, from below; striped where it has no counterpart."""
        columns, high = np.arange(self._end - self.gap), self.bar.stop - self.bar.start
        count = len(self.level)
        level = self.level[np.minimum(columns * count // len(columns), count - 1)]
        filled = np.arange(high)[::-1, None] < np.clip(np.nan_to_num(level), 0, 1) * high
        part = self.base[self.bar, self.gap : self._end]
        part[:] = np.where(filled[..., None], _SURE, _EMPTY)
        stripes = (np.add.outer(np.arange(high), columns) // 4) % 2 == 0
        part[stripes & np.isnan(level)] = GROUND

    def _draw(self, frame: Image, number: int, cell: Cell, image: Image, k: int) -> None:
        top, left, width, _ = self._place(number)
        place = left + width, top + self.line / 2
        write_text(frame, cell.said(k), place, self.font, _INK, align=1)
        region = frame[self.region(number)]
        region[:] = image
        if not cell.matched[k]:
            self._tag(region, NO_COUNTERPART, region.shape[0] / 2)
        if cell.panel.mirrored:
            self._tag(region, MIRRORED, region.shape[0] - self.line / 2)

    def _tag(self, region: Image, text: str, middle: float) -> None:
        """Write over a picture (h, w, 3), on a darker band."""
        top = max(round(middle - self.line / 2), 0)
        region[top : top + self.line] //= 3
        write_text(region, text, (region.shape[1] / 2, middle), self.font, _INK, align=0.5)


def tempo_label(ratio: float) -> str:
    """`B 1.4× slower` for seconds of B per second of A; empty for NaN."""
    if np.isnan(ratio):
        return ""
    if ratio < 0.05:
        return "B stands still"
    factor, direction = (ratio, "slower") if ratio > 1 else (1 / ratio, "faster")
    return f"B {factor:.1f}× {direction}" if factor >= 1.05 else "same tempo"
