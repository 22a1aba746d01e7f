"""Pictures of A and B beside each other, and what is written around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.video.reader import Image
from la2ds_cli.views.figure import phase_colours
from la2ds_cli.views.sync import lettering
from la2ds_cli.views.sync.lettering import Colour
from la2ds_cli.views.sync.panel import Panel
from la2ds_cli.views.sync.timeline import Timeline

NO_COUNTERPART, MIRRORED = "no counterpart", "B mirrored"
# RGB.
GROUND: Colour = (20, 20, 23)
_INK, _SOFT, _EMPTY = (240, 240, 240), (165, 165, 170), (62, 62, 68)
_SURE: Colour = (205, 205, 208)


@dataclass(frozen=True)
class Side:
    """One clip: name as written, its panel, seconds of its rows (T,), the phase of each of them
    (empty = no label)."""

    name: str
    panel: Panel
    time: FloatArray
    phase: list[str]


def tempo_words(ratio: float) -> str:
    """`B 1.4× slower` of seconds of B per second of A; empty where there is none (NaN)."""
    if np.isnan(ratio):
        return ""
    if ratio < 0.05:
        return "B stands still"
    if 0.95 < ratio < 1.05:
        return "same tempo"
    factor, way = (ratio, "slower") if ratio > 1 else (1 / ratio, "faster")
    return f"B {factor:.1f}× {way}" if factor >= 1.05 else "same tempo"


class SideBySide:
    """Draws the frames of a synchronised video.

    tempo: (N,) seconds of B per second of A, NaN = unknown. confidence: (N,) in [0, 1].
    """

    def __init__(
        self, a: Side, b: Side, timeline: Timeline, tempo: FloatArray, confidence: FloatArray
    ) -> None:
        self.a, self.b, self.timeline = a, b, timeline
        self.tempo, self.confidence = tempo, confidence
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
        shown_b = self.b.panel.pictures(rows.row_b, rows.found)
        for k, pictures in enumerate(zip(shown_a, shown_b, strict=True)):
            yield self._frame(k, *pictures)

    def place(self, side: int) -> tuple[slice, slice]:
        """Rows and columns of a frame that the picture of A (0) or B (1) takes."""
        panel = (self.a, self.b)[side].panel
        top = self.top + (self.picture - panel.height) // 2
        left = self.left[side] + (self.widths[side] - panel.width) // 2
        return slice(top, top + panel.height), slice(left, left + panel.width)

    def _frame(self, k: int, picture_a: Image, picture_b: Image) -> Image:
        image = self.base.copy()
        image[self.place(0)] = picture_a
        image[self.place(1)] = picture_b
        found = bool(self.timeline.found[k])
        rows = int(self.timeline.row_a[k]), int(self.timeline.row_b[k])
        for side, (clip, row) in enumerate(zip((self.a, self.b), rows, strict=True)):
            there = side == 0 or found
            right = self.left[side] + self.widths[side]
            seconds = f"{clip.time[row]:.2f} s" if there else "–"
            self._write(image, seconds, (right, self.line / 2), _INK, align=1)
            if self.colours and there and clip.phase[row]:
                self._phase(image, side, clip.phase[row])
        if not found:
            self._words_over_b(image)
        self._below(image, rows[0], found)
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
        lettering.write(image, text, at, self.font, colour, align=align, bold=bold)

    def _phase(self, image: Image, side: int, name: str) -> None:
        top, left, chip = self.top + self.picture, self.left[side], round(self.font * 0.75)
        middle = top + self.labels // 2
        start = middle - chip // 2
        image[start : start + chip, left : left + chip] = self.colours[name]
        at = left + round(1.6 * chip)
        shown = lettering.shortened(name, self.font, left + self.widths[side] - at)
        self._write(image, shown, (at, middle), _INK)

    def _words_over_b(self, image: Image) -> None:
        rows, columns = self.place(1)
        middle = (rows.start + rows.stop) // 2
        half = self.line // 2
        left, right = self.left[1], self.left[1] + self.widths[1]
        band = image[max(middle - half, rows.start) : middle + half, columns]
        band[:] = band // 3
        self._write(image, NO_COUNTERPART, ((left + right) / 2, middle), _INK, align=0.5, bold=True)

    def _below(self, image: Image, row: int, found: bool) -> None:
        middle = self.bar_top - self.line / 2
        left = [tempo_words(self.tempo[row])] if found else []
        left += [MIRRORED] if self.b.panel.mirrored else []
        self._write(image, " · ".join(filter(None, left)), (self.gap, middle), _INK)
        if found:
            sure = f"confidence {self.confidence[row]:.2f}"
            self._write(image, sure, (self.width - self.gap, middle), _SURE, align=1)

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
            seconds = lettering.width(f"{clip.time[-1]:.2f} s", self.font)
            after = lettering.width(letter, self.font, bold=True) + self.font / 2
            room = self.widths[side] - after - seconds - self.font
            name = lettering.shortened(clip.name, self.font, room)
            self._write(image, name, (left + after, middle), _SOFT)
        self._bar(image, curve, band)
        return image

    def _bar(self, image: Image, curve: int, band: int) -> None:
        rows, top = self.timeline, self.bar_top
        columns = np.arange(self.bar_width)
        k = np.minimum((columns * len(rows)) // self.bar_width, len(rows) - 1)
        sure = np.where(rows.found, np.nan_to_num(self.confidence[rows.row_a]), 0)[k]
        filled = np.arange(curve)[::-1, None] < np.clip(sure, 0, 1) * curve
        part = image[top : top + curve, self.bar_left : self.bar_left + self.bar_width]
        part[:] = np.where(filled[..., None], _SURE, _EMPTY)
        lost = ~rows.found[k]
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
            lettering.write(image, letter, at, max(band, 9), _SOFT, bold=True)


def _rgb(colour: str) -> Colour:
    """`#0072B2` as red, green and blue."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
