"""A person followed through a clip, and how similar two such tracks are. Numpy only.

A frame here is a row of the clip, 0..T-1, in decoding order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from la2ds_cli.core.skeleton import Skeleton
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
    joints = np.zeros((len(frame), 0, 2)), np.zeros((len(frame), 0))
    return Track(frame, np.asarray(box, np.float64), np.asarray(score, np.float64), *joints)


def arrays(track: Track) -> tuple[np.ndarray, ...]:
    """The fields of a track in the order of its constructor."""
    return track.frame, track.box, track.score, track.xy, track.joint_score, track.world


def select_rows(track: Track, keep: np.ndarray) -> Track:
    """The rows of a track where keep (M,) is true."""
    rows = np.flatnonzero(keep)
    return Track(*(array[rows] for array in arrays(track)))


def concatenate(a: Track, b: Track) -> Track:
    """Both tracks as one, ordered by frame. They must not have a frame in common."""
    order = np.argsort(np.concatenate([a.frame, b.frame]), kind="stable")
    pairs = zip(arrays(a), arrays(b), strict=True)
    return Track(*(np.concatenate(pair)[order] for pair in pairs))


def reach(frames: float, second: float) -> float:
    """How far a person can move in this many frames, in body heights; `second`: frames per
    second."""
    return min(SPEED * frames / max(second, 1), _MOST_REACH)


# Spread of human annotators per joint, as published with the COCO keypoint evaluation.
_COCO_SIGMA = {
    **{"nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072},
    **{"wrist": 0.062, "hip": 0.107, "knee": 0.087, "ankle": 0.089},
}
DEFAULT_SIGMA = 0.07  # of a joint that COCO does not have: about the mean of its 17
BODY_SHARE = 0.53  # of a person box that the person fills, on average over COCO
SEEN = 0.2  # joints scored below this are guesses and are not compared
_INSIDE = 0.7  # share of a box inside another's that makes it a part of the same person
_PART_AREA = 0.2  # of the larger box: what is smaller is somebody farther away
_BESIDE = 0.2  # share of common frames from which two tracks are two people
_PIECE = 4096  # frames that are compared at once
_SAME_POSE = 0.5  # mean OKS from which two tracks are one person


def joint_sigmas(skeleton: Skeleton) -> FloatArray:
    """OKS sigma of every joint, (K,): COCO's for joints with a COCO name, else DEFAULT_SIGMA."""
    names = [joint.removeprefix("left_").removeprefix("right_") for joint in skeleton.joints]
    return np.array([_COCO_SIGMA.get(name, DEFAULT_SIGMA) for name in names])


def oks(
    a: FloatArray,
    b: FloatArray,
    score_a: FloatArray,
    score_b: FloatArray,
    area: FloatArray | float,
    sigmas: FloatArray | float,
) -> FloatArray:
    """Object keypoint similarity of the COCO evaluation, (...) in [0, 1].

    Mean over the joints of exp(-d^2 / (2 area (2 sigma)^2)), d the distance of a and b (..., K, 2).
    A joint counts if both scores (..., K) are above 0 and both positions are finite; NaN if no
    joint counts. area: (...) square pixels of the person, not of the box (BODY_SHARE). sigmas: (K,)
    or one for all.
    """
    squared = ((a - b) ** 2).sum(axis=-1)
    scale = 2 * np.maximum(np.asarray(area, np.float64), 1e-6)[..., None] * (2 * sigmas) ** 2
    counts = (score_a > 0) & (score_b > 0) & np.isfinite(squared)
    alike = np.exp(-np.where(counts, squared, 0) / scale) * counts
    number = counts.sum(axis=-1)
    return np.where(number > 0, alike.sum(axis=-1) / np.maximum(number, 1), np.nan)


def pose_oks(
    a: tuple[FloatArray, FloatArray, FloatArray],
    b: tuple[FloatArray, FloatArray, FloatArray],
    sigmas: FloatArray | float,
) -> FloatArray:
    """OKS (...) of two people, each given as joints (..., K, 2), scores (..., K) and box (..., 4).

    Joints that are mere guesses are left out; NaN if none remain to compare.
    """
    area = BODY_SHARE * np.sqrt(boxes.area(a[2]) * boxes.area(b[2]))
    scores = [np.where(score >= SEEN, score, 0) for _, score, _ in (a, b)]
    return oks(a[0], b[0], scores[0], scores[1], area, sigmas)


def track_oks(a: Track, b: Track, sigmas: FloatArray | float) -> tuple[IntArray, FloatArray]:
    """The frames (n,) that two tracks with joints share, and their OKS (n,) there."""
    frame, i, j = np.intersect1d(a.frame, b.frame, return_indices=True)
    alike = np.zeros(len(frame))
    for start in range(0, len(frame), _PIECE):
        part = slice(start, start + _PIECE)
        pose = [
            (t.xy[at[part]].astype(np.float64), t.joint_score[at[part]], t.box[at[part]])
            for t, at in ((a, i), (b, j))
        ]
        alike[part] = pose_oks(pose[0], pose[1], sigmas)
    return frame, alike


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
        _, alike = track_oks(a, b, DEFAULT_SIGMA)
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
