"""A person followed through a clip: the value type of tracking, and arithmetic of its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray

MAX_GAP = 1.0  # seconds without a detection after which a person has left
LEAST_PIECE = 0.3  # seconds of a person seen only from one view of a film with cuts
SPEED = 6.0  # body heights per second: a sprinter, seen from the side
BRIEFLY = 3  # frames: a track may be seen beside itself where a detector blinks
_MOST_REACH = 1.5  # body heights: the longest way that is still followed without a detection


@dataclass(frozen=True)
class Track:
    """One person followed over M of the T frames of a clip.

    frame: (M,) int64, increasing rows of the clip. box: (M, 4) xyxy pixels. score: (M,) of the
    detector. xy, joint_score: (M, K, 2) pixels and (M, K) in [0, 1]; K = 0 until joints are
    estimated.
    """

    frame: IntArray
    box: FloatArray
    score: FloatArray
    xy: FloatArray
    joint_score: FloatArray

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def posed(self) -> bool:
        """Whether joints are known."""
        return self.joint_score.size > 0


def make_track(frame: IntArray, box: FloatArray, score: FloatArray) -> Track:
    """A track without joints."""
    frame = np.asarray(frame, np.int64)
    joints = np.zeros((len(frame), 0, 2)), np.zeros((len(frame), 0))
    return Track(frame, np.asarray(box, np.float64), np.asarray(score, np.float64), *joints)


def with_joints(track: Track, xy: FloatArray, joint_score: FloatArray) -> Track:
    """The track with joints xy (M, K, 2) and their scores (M, K)."""
    return replace(track, xy=xy, joint_score=joint_score)


def arrays(track: Track) -> tuple[np.ndarray, ...]:
    """The fields of a track in the order of its constructor."""
    return track.frame, track.box, track.score, track.xy, track.joint_score


def select_rows(track: Track, keep: np.ndarray) -> Track:
    """The rows of a track where keep (M,) is true."""
    rows = np.flatnonzero(keep)
    return Track(*(array[rows] for array in arrays(track)))


def concatenate(a: Track, b: Track) -> Track:
    """Both tracks as one, ordered by frame. They must have no frame in common."""
    order = np.argsort(np.concatenate([a.frame, b.frame]), kind="stable")
    pairs = zip(arrays(a), arrays(b), strict=True)
    return Track(*(np.concatenate(pair)[order] for pair in pairs))


def reach(frames: float, second: float) -> float:
    """How far a person gets in so many frames, in body heights; `second`: frames per second."""
    return min(SPEED * frames / max(second, 1), _MOST_REACH)
