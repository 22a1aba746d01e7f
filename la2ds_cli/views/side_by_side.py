"""The pictures of a video of several clips in step: a clip's frames, or its joints on a plain
background; text; and the clips side by side or in a grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.features.viewpoint import shown
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.video.reader import Image, VideoFile
from la2ds_cli.views.figure import letters, printable
from la2ds_cli.views.film_strip import PLAIN, view_boxes
from la2ds_cli.views.pose_drawing import draw_pose

Colour = tuple[int, int, int]

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
    joints are drawn. width, height: of the picture in pixels. scale: pixels of the picture per
    pixel of the video. corner: (T, 2) pixels of the video at the picture's upper left. skeleton:
    whether joints are drawn; they always are without a source.
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
        """(height, width, 3) RGB for each of row (F,), in order, grey where matched (F,) is False.
        The same array is returned again if nothing changes, so do not draw into it."""
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
        import cv2

        if image is None:
            shown = np.full((self.height, self.width, 3), PLAIN, np.uint8)
        else:
            method = cv2.INTER_AREA if self.height < image.shape[0] else cv2.INTER_CUBIC
            shown = cv2.resize(image, (self.width, self.height), interpolation=method)
            shown = np.array(shown[:, ::-1] if self.mirrored else shown, np.uint8)
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
    known = with_trust(pose)  # before `info`, which knows the cuts
    drawn = replace(shown(known, view), box=np.full_like(pose.box, np.nan), info={})
    mirrored = view in FLIPPED
    if source is None:
        box = view_boxes(drawn)
        width, high = (box[0, 2:] - box[0, :2]).tolist()
        scale = height / high
        return Panel(drawn, None, round(width * scale), height, scale, box[:, :2], mirrored)
    scale = min(height / size[1], UPSCALED, WIDEST * height / size[0])
    width, high = (max(round(side * scale), 1) for side in size)
    return Panel(drawn, source, width, high, scale, np.zeros((len(pose), 2)), mirrored, skeleton)


def shown_frames(file: VideoFile, number: IntArray) -> Iterator[Image]:
    """The frames of the file with the numbers (F,), Frame.source, which do not decrease.

    They are read in one pass with one frame in memory; a frame that is shown again is the same
    array. If a file ends too early, its last frame is repeated. Raises UserError if the file cannot
    be read.
    """
    frames = file.frames()
    shown = next(frames)
    for wanted in number.tolist():
        while shown.source < wanted:
            following = next(frames, None)
            if following is None:
                break
            shown = following
        yield shown.image


def greyed(image: Image) -> Image:
    """A grey picture, paler and darker, for moments without a counterpart."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.repeat((grey[..., None] * 0.35 + 55).astype(np.uint8), 3, axis=2)


# --- text: any script that DejaVu has, which OpenCV's fonts do not -----------------------------


def write_text(
    image: Image, text: str, at: tuple[float, float], size: int, colour: Colour, anchor: str = "lm"
) -> None:
    """Write one line into image (H, W, 3) in place; what does not fit is cut off.

    at: x and the middle of the line's height, in pixels; anchor: whether the text begins (`lm`),
    has its middle (`mm`) or ends (`rm`) at x. size: of the font in pixels.
    """
    from PIL import Image as Pictures
    from PIL import ImageDraw

    rows = slice(max(round(at[1]) - size, 0), max(round(at[1]) + size, 0))
    line = Pictures.fromarray(image[rows])
    place = at[0], at[1] - rows.start
    ImageDraw.Draw(line).text(place, text, fill=colour, font=letters(size), anchor=anchor)
    image[rows] = np.asarray(line)


def shortened(name: str, size: int, most: float) -> str:
    """The name without unprintable characters, shortened in the middle to at most `most` pixels,
    but at least one character."""
    for longest in range(len(name), 2, -1):
        shown = printable(name, longest).replace(r"\$", "$")
        if letters(size).getlength(shown) <= most:
            return shown
    return "…"


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

    def frames(self, progress: Progress) -> Iterator[Image]:
        """(H, W, 3) RGB."""
        pictures = [cell.panel.pictures(cell.row, cell.matched) for cell in self.cells]
        for k, images in enumerate(zip(*pictures, strict=True)):
            frame = self.base.copy()
            for number, (cell, image) in enumerate(zip(self.cells, images, strict=True)):
                self._draw(frame, number, cell, image, k)
            left, right = self.below(k)
            middle = self.bar.start - self.line / 2
            write_text(frame, left, (self.gap, middle), self.font, _INK)
            write_text(frame, right, (self._end, middle), self.font, _SURE, "rm")
            at = self.gap + round((k + 0.5) / len(self.level) * (self._end - self.gap))
            frame[self.bar.start - 2 : self.bar.stop + 2, at - 1 : at + 1] = 255
            yield frame
            progress.advance()

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
        beside = letters(self.font).getlength(f"{cell.time[-1]:.2f} s · {phase}")
        name = shortened(cell.name, self.font, width - beside - self.font)
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
        write_text(frame, cell.said(k), place, self.font, _INK, "rm")
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
        write_text(region, text, (region.shape[1] / 2, middle), self.font, _INK, "mm")


def tempo_label(ratio: float) -> str:
    """`B 1.4× slower` for seconds of B per second of A; empty for NaN."""
    if np.isnan(ratio):
        return ""
    if ratio < 0.05:
        return "B stands still"
    factor, direction = (ratio, "slower") if ratio > 1 else (1 / ratio, "faster")
    return f"B {factor:.1f}× {direction}" if factor >= 1.05 else "same tempo"
