"""Find the four moments of a repetition: the way out starts, ends at the turn, the way back starts,
and ends.

A repetition goes out and back along one main direction in the space of all joints. Each way is
taken for half a cosine between two rests: where it passes a half and 80 % (or 20 %) is clear, even
in jitter, and says where it rests. If the way out ends before the way back starts, the far end is
held; otherwise both meet at the turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import LEAST_MOVEMENT, joints_for_features
from la2ds_cli.features.resample import interpolate, smoothed

FAR = 0.8  # share of a way
# Of half a cosine, from its middle to its end, in units of the time from its middle to FAR.
TO_REST = math.pi / 2 / (math.acos(1 - 2 * FAR) - math.pi / 2)
TOP = 0.95  # of the far end; the turn is in the middle of the time beyond
SMOOTHING = 0.06  # seconds, standard deviation
RATE = 60.0  # samples per second
FEWEST_SAMPLES = 200  # of a repetition, so that a fast one is not cut coarsely
HELD = 0.8  # of the largest way: a body that holds the far end sways, or settles after it arrived
CLOSED = 0.7  # a movement that ends farther away than this share of its reach does not come back


class NamedMoment(NamedTuple):
    """A moment with a name, at a row of a clip."""

    name: str
    row: int


@dataclass(frozen=True)
class RepetitionMoments:
    """The four moments of a repetition, in seconds of its clip.

    start: the way out starts. turn: the way out ends. back: the way back starts, at the turn unless
    the far end is held. end: the way back ends. Never decreasing.
    """

    start: float
    turn: float
    back: float
    end: float

    @property
    def hold(self) -> float:
        """Seconds at the far end, 0 = it turns at once."""
        return self.back - self.turn

    def named_rows(self, axis: TimeAxis) -> tuple[NamedMoment, ...]:
        """Return the moments in order, each at the nearest frame.

        Parameters
        ----------
        axis: the times of the clip.
        """
        seconds = (self.start, self.turn, self.back, self.end)
        return tuple(
            NamedMoment(name, axis.nearest_row(moment))
            for name, moment in zip(("start", "turn", "way back", "end"), seconds, strict=True)
        )


def find_moments(
    pose: PoseSequence, spans: list[Repetition] | None = None
) -> list[RepetitionMoments | None]:
    """Find the moments of each repetition of a clip, in order.

    Parameters
    ----------
    pose: joints of the clip.
    spans: its repetitions; None = they are found, and a clip that does not repeat itself is one.

    Returns
    -------
    list: None for a repetition that does not go out and back, or does not move.
    """
    spans = cut_clip(pose) if spans is None else spans
    spans = spans or [Repetition(0, len(pose), 1.0)]
    return [moments_of_repetition(pose.cut(each.start, each.stop)) for each in spans]


def moments_of_repetition(pose: PoseSequence) -> RepetitionMoments | None:
    """Find the moments of a clip of one repetition; None if it does not go out and back."""
    if len(pose) < 3 or not pose.somebody.any():
        return None
    steps = max(round(pose.axis.span * RATE), FEWEST_SAMPLES)
    clock = np.linspace(pose.time[0], pose.time[-1], steps + 1)
    way = _way(pose, clock)
    if way is None:
        return None
    start, turn, back, end = _four(way, float(way.max()), clock)
    held = (clock >= turn) & (clock <= back)
    if held.any():  # a body may go farther than where it then holds
        start, turn, back, end = _four(way, float(np.median(way[held])), clock)
    if turn >= back:
        far = float(np.median(way[way >= HELD * way.max()]))
        arrives = _first(_share(way, far), TOP, clock)
        leaves = _first(_share(way[::-1], far), TOP, clock[::-1])
        turn = back = (arrives + leaves) / 2
    return RepetitionMoments(min(start, turn), turn, back, max(end, back))


def _way(pose: PoseSequence, clock: FloatArray) -> FloatArray | None:
    """Return how far (G,) the joints are from the line between the first and the last pose, along
    their main direction; None if they hardly move or do not come back."""
    joints, about_root, torso = joints_for_features(pose)
    flat = [part.reshape(len(pose), -1) for part in (joints / torso, about_root)]
    even = interpolate(np.concatenate(flat, axis=1), pose.time, clock)
    even = smoothed(even, SMOOTHING / float(clock[1] - clock[0]))
    share = np.linspace(0, 1, len(even))[:, None]
    away = even - even[0] - share * (even[-1] - even[0])
    _, size, directions = np.linalg.svd(away, full_matrices=False)
    if size[0] <= 0:
        return None
    way = away @ directions[0]
    way = way * np.sign(way[np.abs(way).argmax()])
    drift = float(np.linalg.norm(even[-1] - even[0]))
    reach = float(way.max())
    return None if reach < LEAST_MOVEMENT or drift > CLOSED * reach else way


def _share(way: FloatArray, far: float) -> FloatArray:
    """Return a way (G,) as shares from 0 at the rest that it leaves to 1 at its far end `far`."""
    half = int(np.argmax(way >= far / 2))
    low = float(way[: half + 1].min())
    return (way - low) / max(far - low, 1e-12)


def _four(way: FloatArray, far: float, clock: FloatArray) -> tuple[float, float, float, float]:
    """Return the seconds of the four moments of a way (G,) out to `far` and back; the third is
    before the second if nobody holds the far end."""
    start, turn = _rests(way, far, clock)
    end, back = _rests(way[::-1], far, clock[::-1])
    return start, turn, back, end


def _rests(way: FloatArray, far: float, clock: FloatArray) -> tuple[float, float]:
    """Return when a way (G,) leaves its first rest and when it reaches its far end.

    clock: (G,) seconds, increasing, or decreasing for a way back.
    """
    share = _share(way, far)
    half, there = (_first(share, level, clock) for level in (0.5, FAR))
    rows = int(np.argmax(share >= 0.5)) + 1
    gone = _first(1 - share[:rows][::-1], FAR, clock[:rows][::-1])  # for the last time
    first, last = sorted((float(clock[0]), float(clock[-1])))
    leaves, reaches = (
        min(max(half + TO_REST * (passed - half), first), last) for passed in (gone, there)
    )
    return leaves, reaches


def _first(share: FloatArray, level: float, clock: FloatArray) -> float:
    """Return when a share (G,) first reaches a level, between two samples."""
    after = int(np.argmax(share >= level))
    if after == 0:
        return float(clock[0])
    part = (level - share[after - 1]) / (share[after] - share[after - 1])
    return float(clock[after - 1] + part * (clock[after] - clock[after - 1]))
