"""The pictures of a synchronised video: a clip's frames, or its joints on a plain background, the
text, and A and B side by side."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.features.viewpoint import shown
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.video.reader import Image, VideoFile
from la2ds_cli.views.figure import letters, phase_colours, printable
from la2ds_cli.views.film_strip import view_boxes
from la2ds_cli.views.pose_drawing import draw_pose
from la2ds_cli.views.sync.timeline import Timeline, shown_frames

Colour = tuple[int, int, int]

PLAIN = (38, 38, 42)  # RGB
UPSCALED = 2.0  # pixels shown per pixel of a video, at most
_ON_PICTURES, _ALONE = 160, 100  # shorter side of the picture by the thickness of a limb
WIDEST = 2.4  # width by height; a wider picture is made smaller
NO_COUNTERPART, MIRRORED = "no counterpart", "B mirrored"
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
    drawn = _drawn(pose, view)
    mirrored = view in FLIPPED
    return Panel(drawn, source, *size, 1.0, np.zeros((len(pose), 2)), mirrored, skeleton)


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
    bold: bool = False,
) -> None:
    """Write one line into image (H, W, 3) in place; what does not fit is cut off.

    at: x and the middle of the line's height, in pixels; align: which part of the text is at x, 0 =
    its left end, 0.5 its middle, 1 its right end. size: of the font in pixels.
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


def text_width(text: str, size: int, *, bold: bool = False) -> int:
    """Width of a text in pixels."""
    return _mask(text, size, bold).shape[1]


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
def _mask(text: str, size: int, bold: bool) -> np.ndarray:
    """(height, width) float32 in [0, 1]: how much of each pixel the letters cover; the height is
    the same for every text of a size."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    font = letters(size, bold=bold)
    ascent, descent = font.getmetrics()
    picture = Pictures.new("L", (max(round(font.getlength(text)), 1), ascent + descent))
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=font)
    return np.asarray(picture, np.float32) / 255


# --- A and B beside each other -----------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """One clip: name as written, its panel, seconds of its rows (T,), the phase of each of them
    (empty = no label)."""

    name: str
    panel: Panel
    time: FloatArray
    phase: list[str]


def tempo_label(ratio: float) -> str:
    """`B 1.4× slower` for seconds of B per second of A; empty for NaN."""
    if np.isnan(ratio):
        return ""
    if ratio < 0.05:
        return "B stands still"
    if 0.95 < ratio < 1.05:
        return "same tempo"
    factor, direction = (ratio, "slower") if ratio > 1 else (1 / ratio, "faster")
    return f"B {factor:.1f}× {direction}" if factor >= 1.05 else "same tempo"


class SideBySide:
    """Draws the frames of a synchronised video.

    tempo: (N,) seconds of B per second of A, NaN = unknown. confidence: (N,) in [0, 1]. certainty:
    its text for each of the N frames.
    """

    def __init__(
        self,
        a: Side,
        b: Side,
        timeline: Timeline,
        tempo: FloatArray,
        confidence: FloatArray,
        certainty: Sequence[str],
    ) -> None:
        self.a, self.b, self.timeline = a, b, timeline
        self.tempo, self.confidence, self.certainty = tempo, confidence, certainty
        picture = max(a.panel.height, b.panel.height)
        self.font = max(round(picture / 27), 12)
        self.line = 2 * round(0.85 * self.font)  # of text
        self.gap = 2 * max(round(picture / 100), 2)
        narrow = 14 * self.font  # what is written must have room
        widths = [max(side.panel.width, 2 * (narrow // 2)) for side in (a, b)]
        self.left = (self.gap, 2 * self.gap + widths[0])
        self.widths = widths
        self.top = self.line
        self.picture = picture
        self.colours = {
            name: _rgb(colour) for name, colour in phase_colours([*a.phase, *b.phase]).items()
        }
        self.labels = self.line if self.colours else 0
        self.width = sum(widths) + 3 * self.gap
        self.bar_top = self.top + picture + self.labels + self.line
        self.base = self._base()
        self.height = len(self.base)

    def frames(self) -> Iterator[Image]:
        """(height, width, 3) RGB, one per frame of the timeline."""
        rows = self.timeline
        shown_a = self.a.panel.pictures(rows.row_a, np.ones(len(rows), bool))
        shown_b = self.b.panel.pictures(rows.row_b, rows.matched)
        for k, pictures in enumerate(zip(shown_a, shown_b, strict=True)):
            yield self._frame(k, *pictures)

    def region(self, side: int) -> tuple[slice, slice]:
        """Rows and columns of a frame that the picture of A (0) or B (1) occupies."""
        panel = (self.a, self.b)[side].panel
        top = self.top + (self.picture - panel.height) // 2
        left = self.left[side] + (self.widths[side] - panel.width) // 2
        return slice(top, top + panel.height), slice(left, left + panel.width)

    def _frame(self, k: int, picture_a: Image, picture_b: Image) -> Image:
        image = self.base.copy()
        image[self.region(0)] = picture_a
        image[self.region(1)] = picture_b
        matched = bool(self.timeline.matched[k])
        rows = int(self.timeline.row_a[k]), int(self.timeline.row_b[k])
        for side, (clip, row) in enumerate(zip((self.a, self.b), rows, strict=True)):
            shown = side == 0 or matched
            right = self.left[side] + self.widths[side]
            seconds = f"{clip.time[row]:.2f} s" if shown else "–"
            self._write(image, seconds, (right, self.line / 2), _INK, align=1)
            if self.colours and shown and clip.phase[row]:
                self._phase(image, side, clip.phase[row])
        if not matched:
            self._write_over_b(image)
        self._below(image, rows[0], matched)
        x, columns = self.bar_left, self.bar_width
        at = x + round((k + 0.5) / len(self.timeline) * columns)
        image[self.bar_top - 2 : self.height - self.gap + 2, at - 1 : at + 1] = 255
        return image

    def _write(
        self,
        image: Image,
        text: str,
        at: tuple[float, float],
        colour: Colour,
        *,
        align: float = 0.0,
        bold: bool = False,
    ) -> None:
        write_text(image, text, at, self.font, colour, align=align, bold=bold)

    def _phase(self, image: Image, side: int, name: str) -> None:
        top, left, chip = self.top + self.picture, self.left[side], round(self.font * 0.75)
        middle = top + self.labels // 2
        start = middle - chip // 2
        image[start : start + chip, left : left + chip] = self.colours[name]
        at = left + round(1.6 * chip)
        shown = shortened(name, self.font, left + self.widths[side] - at)
        self._write(image, shown, (at, middle), _INK)

    def _write_over_b(self, image: Image) -> None:
        rows, columns = self.region(1)
        middle = (rows.start + rows.stop) // 2
        half = self.line // 2
        left, right = self.left[1], self.left[1] + self.widths[1]
        band = image[max(middle - half, rows.start) : middle + half, columns]
        band[:] = band // 3
        self._write(image, NO_COUNTERPART, ((left + right) / 2, middle), _INK, align=0.5, bold=True)

    def _below(self, image: Image, row: int, matched: bool) -> None:
        middle = self.bar_top - self.line / 2
        left = [tempo_label(self.tempo[row])] if matched else []
        left += [MIRRORED] if self.b.panel.mirrored else []
        self._write(image, " · ".join(filter(None, left)), (self.gap, middle), _INK)
        if matched:
            self._write(image, self.certainty[row], (self.width - self.gap, middle), _SURE, align=1)

    @property
    def bar_left(self) -> int:
        return self.gap + round(1.2 * self.font)

    @property
    def bar_width(self) -> int:
        return self.width - self.gap - self.bar_left

    def _base(self) -> Image:
        """What does not change: names and the bar."""
        curve = 2 * round(0.7 * self.font)
        band = max(round(0.6 * self.font), 4) if self.colours else 0
        height = self.bar_top + curve + 2 * band + self.gap
        image = np.full((height + height % 2, self.width, 3), GROUND, np.uint8)
        for side, (letter, clip) in enumerate((("A", self.a), ("B", self.b))):
            left, middle = self.left[side], self.line / 2
            self._write(image, letter, (left, middle), _INK, bold=True)
            seconds = text_width(f"{clip.time[-1]:.2f} s", self.font)
            after = text_width(letter, self.font, bold=True) + self.font / 2
            room = self.widths[side] - after - seconds - self.font
            name = shortened(clip.name, self.font, room)
            self._write(image, name, (left + after, middle), _SOFT)
        self._bar(image, curve, band)
        return image

    def _bar(self, image: Image, curve: int, band: int) -> None:
        rows, top = self.timeline, self.bar_top
        columns = np.arange(self.bar_width)
        k = np.minimum((columns * len(rows)) // self.bar_width, len(rows) - 1)
        sure = np.where(rows.matched, np.nan_to_num(self.confidence[rows.row_a]), 0)[k]
        filled = np.arange(curve)[::-1, None] < np.clip(sure, 0, 1) * curve
        part = image[top : top + curve, self.bar_left : self.bar_left + self.bar_width]
        part[:] = np.where(filled[..., None], _SURE, _EMPTY)
        lost = ~rows.matched[k]
        stripes = (np.add.outer(np.arange(curve), columns) // 4) % 2 == 0
        part[stripes & lost] = GROUND
        for side, (letter, clip) in enumerate((("A", self.a), ("B", self.b))):
            if not band:
                break
            row = (rows.row_a, rows.row_b)[side][k]
            inks = np.array([self.colours.get(clip.phase[r], _EMPTY) for r in row.tolist()])
            if side == 1:
                inks[lost] = GROUND
            start = top + curve + side * band + 1
            image[start : start + band - 1, self.bar_left : self.bar_left + self.bar_width] = inks
            at = (self.gap, start + (band - 1) / 2)
            write_text(image, letter, at, max(band, 9), _SOFT, bold=True)


def _rgb(colour: str) -> Colour:
    """`#0072B2` as red, green and blue."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
