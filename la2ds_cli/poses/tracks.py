"""A person followed through a clip, and how similar two such tracks are. Numpy only.

A frame here is a row of the clip, 0..T-1, in decoding order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses import boxes

MAX_GAP = 1.0  # seconds without a detection after which a person has left
LEAST_PIECE = 0.3  # seconds of a person seen only from one view of a film with cuts
SPEED = 6.0  # body heights per second: a sprinter, seen from the side
BRIEFLY = 3  # frames: a track may be seen beside itself where a detector blinks
_MOST_REACH = 1.5  # body heights: the farthest that is still followed without a detection


@dataclass(frozen=True)
class Track:
    """One person followed over M of the T frames of a clip.

    frame: (M,) int64, increasing rows of the clip. box: (M, 4) xyxy pixels. score: (M,) of the
    detector. xy, joint_score: (M, K, 2) pixels and (M, K) in [0, 1]; K = 0 until joints are
    estimated. world: (M, K, 3) metres (PoseSequence); (M, 0, 3) if the network gives no 3D.
    """

    frame: IntArray
    box: FloatArray
    score: FloatArray
    xy: FloatArray
    joint_score: FloatArray
    world: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 3)))

    def __post_init__(self) -> None:
        if not self.world.shape[1]:
            object.__setattr__(self, "world", np.zeros((len(self.frame), 0, 3)))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def posed(self) -> bool:
        """Whether joints are known."""
        return self.joint_score.size > 0


def make_track(frame: IntArray, box: FloatArray, score: FloatArray) -> Track:
    """A track without joints."""
    frame = np.asarray(frame, np.int64)
    return Track(
        frame=frame,
        box=np.asarray(box, np.float64),
        score=np.asarray(score, np.float64),
        xy=np.zeros((len(frame), 0, 2)),
        joint_score=np.zeros((len(frame), 0)),
    )


def select_rows(track: Track, keep: np.ndarray) -> Track:
    """The rows of a track where keep (M,) is true."""
    rows = np.flatnonzero(keep)
    return Track(**{name: array[rows] for name, array in vars(track).items()})


def concatenate(a: Track, b: Track) -> Track:
    """Both tracks as one, ordered by frame. They must not have a frame in common."""
    order = np.argsort(np.concatenate([a.frame, b.frame]), kind="stable")
    joined = {n: np.concatenate([array, vars(b)[n]])[order] for n, array in vars(a).items()}
    return Track(**joined)


def reach(frames: float, second: float) -> float:
    """How far a person can move in this many frames, in body heights; `second`: frames per
    second."""
    return min(SPEED * frames / max(second, 1), _MOST_REACH)


_SIGMA = 0.07  # spread of human annotators over the joints, as a share of a person; COCO's mean
_BODY_SHARE = 0.53  # of a person box that the person fills, on average over COCO
_SEEN = 0.2  # joints scored below this are guesses and are not compared
_INSIDE = 0.7  # share of a box inside another's that makes it a part of the same person
_PART_AREA = 0.2  # of the larger box: what is smaller is somebody farther away
_BESIDE = 0.2  # share of common frames from which two tracks are two people
_SAME_POSE = 0.5  # mean OKS from which two tracks are one person


def pose_oks(a: Track, b: Track, i: IntArray, j: IntArray) -> FloatArray:
    """Object keypoint similarity of the COCO evaluation, (n,) in [0, 1], of rows i (n,) of a and j
    (n,) of b.

    Mean over the joints of exp(-d^2 / (2 area (2 sigma)^2)), d their distance, area that of the
    person. A joint counts if it is seen in both; NaN if none is.
    """
    squared = ((a.xy[i].astype(np.float64) - b.xy[j]) ** 2).sum(axis=-1)
    area = _BODY_SHARE * np.sqrt(boxes.area(a.box[i]) * boxes.area(b.box[j]))
    scale = 2 * np.maximum(area, 1e-6)[:, None] * (2 * _SIGMA) ** 2
    seen = (a.joint_score[i] >= _SEEN) & (b.joint_score[j] >= _SEEN) & np.isfinite(squared)
    alike = np.exp(-np.where(seen, squared, 0) / scale) * seen
    number = seen.sum(axis=-1)
    return np.where(number > 0, alike.sum(axis=-1) / np.maximum(number, 1), np.nan)


def same_person(a: Track, b: Track) -> bool:
    """Whether two tracks show the same person, or one shows a part of the other's person.

    They share at least half of the frames of the shorter one. With joints: their mean OKS there is
    at least 0.5, so that somebody in front of a larger person is not taken for a part of them.
    Without joints: most of the smaller box is inside the larger one, and it is not a tiny part of
    it.
    """
    _, i, j = np.intersect1d(a.frame, b.frame, return_indices=True)
    if len(i) == 0 or len(i) < 0.5 * min(len(a), len(b)):
        return False
    if a.posed and b.posed:
        alike = pose_oks(a, b, i, j)
        if np.isfinite(alike).mean() >= 0.5:
            return bool(np.nanmean(alike) >= _SAME_POSE)
    areas = boxes.area(a.box[i]), boxes.area(b.box[j])
    ratio = np.minimum(*areas) / np.maximum(np.maximum(*areas), 1e-6)
    return bool(_inside(a, b, i, j).mean() > _INSIDE and np.median(ratio) >= _PART_AREA)


def side_by_side(a: Track, b: Track) -> bool:
    """Whether two tracks show two people: in at least a fifth of the shorter one, and not just for
    an instant, both are in the picture and neither box is inside the other. A film dissolving from
    one view into the next shows less than that of one person."""
    _, i, j = np.intersect1d(a.frame, b.frame, return_indices=True)
    apart = np.count_nonzero(_inside(a, b, i, j) <= _INSIDE)
    return bool(apart >= max(BRIEFLY, _BESIDE * min(len(a), len(b))))


def _inside(a: Track, b: Track, i: IntArray, j: IntArray) -> FloatArray:
    """Share (n,) of the smaller box that is inside the larger one, in rows i of a, j of b."""
    common = boxes.intersection(a.box[i], b.box[j])
    smaller = np.minimum(boxes.area(a.box[i]), boxes.area(b.box[j]))
    return common / np.maximum(smaller, 1e-6)
