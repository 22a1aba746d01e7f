"""How far the joints of a clip can be trusted: facts measured only on the joints.

A joint is seen if its score is above 0; a finite joint with score 0 was interpolated (cleaning.py)
and counts as not seen. Lengths are in torso lengths, which mean the same at every resolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.project import Project, well_formed
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.poses import boxes
from la2ds_cli.poses.posture import turned_probability
from la2ds_cli.poses.trust import doubts, undone_changes

FACTS = (
    "coverage",
    "joint_coverage",
    "mean_score",
    "longest_gap",
    "interpolated",
    "jitter",
    "swaps",
    "jumps",
    "crop_share",
    "person_height",
    "tilt",
    "turned",
    "doubts",
)

UPRIGHT = 60.0  # degrees; bodies of clean clips lean by 21 at most, turned pictures by 63 up
_FASTEST = 30.0  # frames per second at which jitter is measured; faster clips are thinned
_NEIGHBOUR = 0.2  # seconds; frames further apart say nothing about each other
_GAUSS = 0.6745  # median of |x| for x ~ N(0, 1)
_LEAST_TORSO = 0.15  # of the person's height: shorter when foreshortened, as in a bow to the camera
_FIT = 0.5  # a swap brings left and right to half the distance from the frame before
_APART = 0.25  # torso lengths between left and right, below which a swap cannot be told
_SWAP = 1.0  # seconds
_LEAP = 0.5  # body lengths that the middle of the box moves from one frame to the next
_PIECE = 4096  # frames that are worked on at once
_BORDER = 0.01  # of the picture's longer side: this near to the border is at it


def assess(pose: PoseSequence) -> dict[str, Any]:
    """Facts about a clip, as JSON types; None if there is too little to measure.

    coverage: share of the frames with the subject (one seen joint or more). joint_coverage: share
    of the joints seen, over the frames with the subject. mean_score: mean score of the joints, over
    the frames with the subject. longest_gap: seconds of the longest stretch without the subject.
    interpolated: share of all joints of all frames that were interpolated. jitter: standard
    deviation of the joints' noise from frame to frame, in torso lengths. swaps: frames in which
    left and right limb joints are briefly exchanged. jumps: jumps of the box by half a body or more
    between two frames. crop_share: share of the frames with the subject in which the border of the
    picture cuts it off. person_height: median of the box's longer side, pixels. tilt: mean
    direction from the ankles to the shoulders, degrees from upright, in (-180, 180]; 90 = head to
    the right in the picture. turned: if tilt is UPRIGHT degrees or more, the probability that the
    picture is rotated, rather than the person lying down; None also if the deciding joints are not
    seen. doubts: [limb, start, end] of each limb that is not to be trusted for a while, in seconds.

    Rows at which a new shot begins are read from pose.info["cut_rows"], if given.
    """
    skeleton = get_skeleton(pose.skeleton)
    finite = np.asarray(np.isfinite(pose.xy).all(axis=-1))
    seen = finite & (pose.score > 0)
    subject = np.asarray(seen.any(axis=1))
    box = _boxes(pose, seen)
    height = _median((box[:, 2:] - box[:, :2]).max(axis=1))
    torso = _torso_length(pose.xy, seen, skeleton, height)
    shot = _shots(pose)
    tilt = _tilt(pose.xy, seen, skeleton)
    lies = tilt is not None and abs(tilt) >= UPRIGHT
    facts = {
        "coverage": _share(subject),
        "joint_coverage": _share(seen[subject]),
        "mean_score": float(pose.score[subject].mean()) if subject.any() else 0.0,
        "longest_gap": _longest_gap(subject, pose),
        "interpolated": _share(finite & ~seen),
        "jitter": _jitter(pose, seen, shot, torso),
        "swaps": _swaps(pose, seen, shot, torso, skeleton),
        "jumps": _jumps(box, pose.time, shot),
        "crop_share": _share(_cut_off(pose, finite, box, skeleton)[subject]),
        "person_height": height,
        "tilt": tilt,
        "turned": turned_probability(pose, seen, tilt) if lies and tilt is not None else None,
    }
    doubtful = [[d.limb, round(d.start, 2), round(d.end, 2)] for d in doubts(pose)]
    return {name: _rounded(value) for name, value in facts.items()} | {"doubts": doubtful}


def clip_facts(project: Project, video: str) -> dict[str, Any]:
    """Facts of a clip's poses; measured here if none were stored, as for imported joints."""
    _, header = artifact.read_header(project.pose_path(video))
    with well_formed(project.pose_path(video)):
        width, height = header["size"]
        names = ("fps", "skeleton")
        about = {name: header[name] for name in names} | {"width": width, "height": height}
        info = dict(header["info"])
    if not set(FACTS) <= set(info):
        pose, _ = project.read_pose(video, with_corrections=False)
        info = {"frames": len(pose), **assess(pose), **info}
    return {**about, **info}


def _rounded(value: float | None) -> float | int | None:
    if value is None or isinstance(value, int):
        return value
    return round(value, 4) if np.isfinite(value) else None


def _share(mask: np.ndarray) -> float:
    return float(mask.mean()) if mask.size else 0.0


def _median(value: FloatArray) -> float | None:
    known = value[np.isfinite(value)]
    return float(np.median(known)) if len(known) else None


def _shots(pose: PoseSequence) -> np.ndarray:
    """(T,) number of the shot of each row."""
    cuts = np.asarray(pose.info.get("cut_rows") or [], int)
    return np.searchsorted(np.sort(cuts), np.arange(len(pose)), "right")


def _boxes(pose: PoseSequence, seen: np.ndarray) -> FloatArray:
    """(T, 4) float64: the box, or the joints' extent without one; NaN without the subject."""
    shown = np.where(seen[..., None], pose.xy, np.nan).astype(np.float64)
    low = np.fmin.reduce(shown, axis=1)
    high = np.fmax.reduce(shown, axis=1)
    known = np.asarray(np.isfinite(pose.box).all(axis=1))
    box = np.where(known[:, None], pose.box, np.concatenate([low, high], axis=1))
    return np.where(seen.any(axis=1, keepdims=True), box, np.nan)


def _torso(xy: FloatArray, seen: np.ndarray, skeleton: Skeleton) -> FloatArray:
    """(T, 2) pixels from the hips to the shoulders, mean over the sides; NaN = not seen."""
    a, b = np.array(skeleton.torso).T
    both = np.asarray((seen[:, a] & seen[:, b]).all(axis=1))
    vector = (xy[:, a] - xy[:, b]).astype(np.float64).mean(axis=1)
    return np.where(both[:, None], vector, np.nan)


def _torso_length(
    xy: FloatArray, seen: np.ndarray, skeleton: Skeleton, height: float | None
) -> float | None:
    """Median torso length of the clip in pixels."""
    length = _median(np.linalg.norm(_torso(xy, seen, skeleton), axis=1))
    known = [value for value in (length, height and _LEAST_TORSO * height) if value]
    return max(known) if known else None


def _tilt(xy: FloatArray, seen: np.ndarray, skeleton: Skeleton) -> float | None:
    """Measured from the ankles to the shoulders, since a standing person's trunk may lean at any
    angle."""
    ends = [f"{side}_{joint}" for joint in ("shoulder", "ankle") for side in ("left", "right")]
    if not set(ends) <= set(skeleton.joints):
        return None
    at = [skeleton.joints.index(joint) for joint in ends]
    known = xy[seen[:, at].all(axis=1)][:, at].astype(np.float64)
    vector = known[:, :2].mean(axis=1) - known[:, 2:].mean(axis=1)
    length = np.linalg.norm(vector, axis=1)
    if not (length > 0).any():
        return None
    x, y = (vector[length > 0] / length[length > 0, None]).mean(axis=0)
    return float(np.degrees(np.arctan2(x, -y)))


def _longest_gap(subject: np.ndarray, pose: PoseSequence) -> float:
    """A frame lasts until the next one begins."""
    if not len(pose):
        return 0.0
    lasts = np.diff(pose.time, append=pose.time[-1] + 1 / pose.fps)
    edges = np.flatnonzero(np.diff(~subject, prepend=False, append=False)).reshape(-1, 2)
    return max((float(lasts[start:stop].sum()) for start, stop in edges), default=0.0)


def _jitter(
    pose: PoseSequence, seen: np.ndarray, shot: np.ndarray, torso: float | None
) -> float | None:
    """Noise by third differences, which are 0 for movement of constant acceleration.

    Four neighbouring samples are weighted by the third divided difference of their times, scaled to
    unit norm: white noise of deviation s then gives values of deviation s, at regular and irregular
    times. The median over time ignores rare errors and fast moments, the median over joints single
    bad joints. Clips with higher frame rates are thinned to about 30 per second; otherwise their
    smaller steps would make the same noise look different.
    """
    if not torso or len(pose) < 4:
        return None
    period = float(np.median(np.diff(pose.time)))
    step = max(1, round(1 / (_FASTEST * period)))
    noise = []
    for k in range(seen.shape[1]):
        values = [
            _third_differences(pose, seen[:, k], shot, rows, k)
            for phase in range(step)
            for rows in _overlapping(np.arange(phase, len(pose), step))
        ]
        noise.append(_median(np.abs(np.concatenate(values)).ravel()))
    known = [value for value in noise if value is not None]
    return float(np.median(known)) / _GAUSS / torso if known else None


def _overlapping(rows: np.ndarray) -> Iterator[np.ndarray]:
    """The rows in pieces, so that a long clip takes no more memory than its joints; every
    four-tuple of neighbours is within one piece."""
    for start in range(0, max(len(rows) - 3, 1), _PIECE):
        yield rows[start : start + _PIECE + 3]


def _third_differences(
    pose: PoseSequence, seen: np.ndarray, shot: np.ndarray, rows: np.ndarray, k: int
) -> FloatArray:
    """(n, 2) of joint k over the four-tuples of `rows` that are close together in one shot."""
    quads = np.lib.stride_tricks.sliding_window_view(rows, 4) if len(rows) >= 4 else rows[:0, None]
    quads = quads[seen[quads].all(axis=1)]
    time = pose.time[quads]
    near = (np.diff(time, axis=1) <= _NEIGHBOUR).all(axis=1)
    quads = quads[near & (shot[quads[:, 0]] == shot[quads[:, -1]])]
    time = pose.time[quads]
    apart = time[:, :, None] - time[:, None, :] + np.eye(4)
    weight = 1 / apart.prod(axis=2)
    weight /= np.linalg.norm(weight, axis=1, keepdims=True)
    return (pose.xy[quads, k].astype(np.float64) * weight[..., None]).sum(axis=1)


def _swaps(
    pose: PoseSequence,
    seen: np.ndarray,
    shot: np.ndarray,
    torso: float | None,
    skeleton: Skeleton,
) -> int:
    """Frames in which a pair of limb joints has its names briefly swapped.

    The names change if left and right are well apart and the swapped joints are less than half as
    far from those of the previous frame; a swap is between two such changes. Names that do not
    change back within _SWAP seconds mean a turn of the body, or cannot be judged.
    """
    swapped = np.zeros(len(pose), bool)
    if not torso:
        return 0
    for pair in _pairs(skeleton):
        rows = np.flatnonzero(seen[:, pair].all(axis=1))
        xy, time = pose.xy[rows][:, pair].astype(np.float64), pose.time[rows]  # xy (n, 2, 2)
        same = np.linalg.norm(xy[1:] - xy[:-1], axis=-1).mean(axis=1)
        crossed = np.linalg.norm(xy[1:, ::-1] - xy[:-1], axis=-1).mean(axis=1)
        apart = np.linalg.norm(xy[:, 0] - xy[:, 1], axis=-1) > _APART * torso
        near = (np.diff(time) <= _NEIGHBOUR) & (np.diff(shot[rows]) == 0)
        changes = near & apart[1:] & apart[:-1] & (crossed < _FIT * same)
        for start, stop in undone_changes(np.flatnonzero(changes) + 1, time, _SWAP)[0]:
            swapped[rows[start:stop]] = True
    return int(swapped.sum())


def _pairs(skeleton: Skeleton) -> list[list[int]]:
    """Left and right joint of each pair in the limbs, without repetition."""
    limbs = sorted({k for chain in skeleton.chains.values() for k in chain})
    return [[k, skeleton.flip[k]] for k in limbs if k < skeleton.flip[k]]


def _jumps(box: FloatArray, time: FloatArray, shot: np.ndarray) -> int:
    rows = np.flatnonzero(np.isfinite(box).all(axis=1))
    centre, side = boxes.centre(box[rows]), (box[rows, 2:] - box[rows, :2]).max(axis=1)
    moved = np.linalg.norm(np.diff(centre, axis=0), axis=1)
    leap = moved > _LEAP * np.maximum(side[1:], side[:-1])
    near = (np.diff(time[rows]) <= _NEIGHBOUR) & (np.diff(shot[rows]) == 0)
    return int((leap & near).sum())


def _cut_off(
    pose: PoseSequence, finite: np.ndarray, box: FloatArray, skeleton: Skeleton
) -> np.ndarray:
    """(T,) frames whose box ends at the picture's border where limbs are missing or also end."""
    if not all(pose.size):
        return np.zeros(len(pose), bool)
    reach = _BORDER * max(pose.size)
    far = np.array(pose.size, np.float64) - 1 - reach
    limbs = sorted({k for chain in skeleton.chains.values() for k in chain})
    xy = pose.xy[:, limbs]
    with np.errstate(invalid="ignore"):
        sides = np.concatenate([box[:, :2] <= reach, box[:, 2:] >= far], axis=1)  # (T, 4)
        at_side = np.concatenate([xy <= reach, xy >= far], axis=2)  # (T, limbs, 4)
    ends = (at_side & finite[:, limbs, None]).any(axis=1) & sides
    missing = sides.any(axis=1) & ~finite[:, limbs].all(axis=1)
    return np.asarray(ends.any(axis=1) | missing)
