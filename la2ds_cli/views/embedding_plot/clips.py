"""What a plot of embeddings shows of each clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.views.figure import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY)
DASHES = ("solid", "dashed", "dotted")  # lines of clips that share a colour
MOST = len(COLOURS) * len(DASHES)
_PALEST = 0.2  # opacity of the first frame; the last has 1


@dataclass(frozen=True)
class PlottedClip:
    """name: short, for people. frame: (T,) in the source. time: (T,) seconds. phase: (T,) names,
    empty where a frame has no label. point: (T, 2). colour, dash: how it is told from others."""

    video: str
    name: str
    frame: IntArray
    time: FloatArray
    phase: tuple[str, ...]
    point: FloatArray
    colour: str
    dash: str

    @property
    def opacity(self) -> FloatArray:
        """(T,) by time: from _PALEST at the first frame to 1 at the last."""
        span = float(self.time[-1] - self.time[0])
        share = (self.time - self.time[0]) / span if span > 0 else np.ones(len(self.time))
        return _PALEST + (1 - _PALEST) * share

    @property
    def phase_starts(self) -> list[tuple[int, str]]:
        """(row, name) at which each labelled phase begins."""
        before = ("", *self.phase[:-1])
        pairs = zip(before, self.phase, strict=True)
        return [(row, name) for row, (last, name) in enumerate(pairs) if name and name != last]


@dataclass(frozen=True)
class Link:
    """Matched frames of two clips. a, b: their numbers. pair: (P, 2) rows of a and of b."""

    a: int
    b: int
    pair: IntArray


def style(number: int) -> tuple[str, str]:
    """Colour and dash of the clip with a number."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS)]


def all_phases(clips: Sequence[PlottedClip]) -> list[str]:
    """Names of the phases of all clips, in order of appearance."""
    return list(dict.fromkeys(name for clip in clips for name in clip.phase if name))
