"""The tracks of several people on one time axis, so that they can be compared frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import BoolArray, FloatArray, IntArray
from la2ds_cli.poses.track import Track


@dataclass
class PeopleGrid:
    """n posed people over the frames start, start + 1, ... (T of them).

    present: (n, T) bool. box: (n, T, 4). score: (n, T). xy: (n, T, K, 2). joint_score: (n, T, K).
    Rows of who is not present are 0.
    """

    start: int
    present: BoolArray
    box: FloatArray
    score: FloatArray
    xy: FloatArray
    joint_score: FloatArray

    @classmethod
    def of(cls, tracks: Sequence[Track]) -> PeopleGrid:
        start = min(int(track.frame[0]) for track in tracks)
        shape = len(tracks), max(int(track.frame[-1]) for track in tracks) - start + 1
        joints = tracks[0].xy.shape[1]
        grid = cls(
            start,
            np.zeros(shape, bool),
            np.zeros((*shape, 4)),
            np.zeros(shape),
            np.zeros((*shape, joints, 2)),
            np.zeros((*shape, joints)),
        )
        for n, track in enumerate(tracks):
            at = track.frame - start
            grid.present[n, at] = True
            grid.box[n, at], grid.score[n, at] = track.box, track.score
            grid.xy[n, at], grid.joint_score[n, at] = track.xy, track.joint_score
        return grid

    def exchange(self, a: int, b: int, t: int) -> None:
        """Exchange the rows of two people from frame t of the grid on."""
        for array in (self.present, self.box, self.score, self.xy, self.joint_score):
            array[[a, b], t:] = array[[b, a], t:]

    def tracks(self) -> list[Track]:
        """One track for each person who has rows, in order."""
        found = []
        for n, present in enumerate(self.present):
            at = np.flatnonzero(present)
            if len(at):
                joints = self.xy[n, at], self.joint_score[n, at]
                found.append(Track(at + self.start, self.box[n, at], self.score[n, at], *joints))
        return found

    def last_rows(self, person: int, t: int, window: int) -> IntArray:
        """Frames (m,) of a person among the `window` frames before t."""
        low = max(t - window, 0)
        return low + np.flatnonzero(self.present[person, low:t])

    def next_rows(self, person: int, t: int, window: int) -> IntArray:
        """Frames (m,) of a person among the `window` frames after t."""
        return t + 1 + np.flatnonzero(self.present[person, t + 1 : t + 1 + window])

    def pose(self, person: int, t: IntArray | int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Joints, their scores and the box of a person at frames t (similarity.pose_oks)."""
        return self.xy[person, t], self.joint_score[person, t], self.box[person, t]

    def bridged(self, person: int, most: float) -> FloatArray:
        """Boxes (T, 4): interpolated in the gaps of a person and held at the ends, an empty box
        where the person was not present in the `most` frames before or after."""
        at = np.flatnonzero(self.present[person])
        frame = np.arange(self.present.shape[1])
        box = np.stack([np.interp(frame, at, self.box[person, at, c]) for c in range(4)], axis=1)
        after = np.clip(np.searchsorted(at, frame), 0, len(at) - 1)
        away = np.minimum(np.abs(at[after] - frame), np.abs(at[np.maximum(after - 1, 0)] - frame))
        box[away > most] = 0
        return box


def step_median(value: FloatArray, present: BoolArray) -> FloatArray:
    """Change of value (n, T, ...) per frame: median of the steps into the frame and the two
    before it, a step from or to a frame without the person counting as none."""
    step = np.zeros_like(value)
    known = present[:, 1:] & present[:, :-1]
    step[:, 1:] = np.diff(value, axis=1) * known.reshape(*known.shape, *[1] * (value.ndim - 2))
    one, two = np.zeros_like(step), np.zeros_like(step)
    one[:, 1:], two[:, 2:] = step[:, :-1], step[:, :-2]
    return np.maximum(np.minimum(step, one), np.minimum(np.maximum(step, one), two))
