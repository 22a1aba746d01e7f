"""Follow people through a clip: link detections into tracks and pieces of a person into one track,
compare tracks, and fill in boxes between detections.

A frame here is a row of the clip, 0..T-1, in decoding order.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses import boxes

MAX_GAP = 1.0  # seconds without a detection after which a person has left
LEAST_PIECE = 0.3  # seconds of a person seen only from one view of a film with cuts
SPEED = 6.0  # body heights per second: a sprinter, seen from the side
BRIEFLY = 3  # frames in which a faulty detector may show one person twice
_MOST_REACH = 1.5  # body heights: the farthest that a person is followed without a detection
MIN_IOU = 0.25  # below this two boxes are two people
CONTINUE_SHARE = 0.5  # a track continues with detections of this share of the starting threshold
_BASELINE = 4  # the motion of a box is measured over max_gap / _BASELINE frames, against jitter
_MOST_GROWTH = 0.3  # most predicted growth, in log size
_SAME_SIZE = 1.5  # largest ratio of heights for a detection outside the predicted box
_JUMP_IOU = 0.1  # below this neighbouring boxes of a track may lie on two sides of a cut


@dataclass(frozen=True)
class Track:
    """A person followed over M of the T frames of a clip.

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
        """Whether joints are estimated."""
        return self.joint_score.size > 0


def make_track(frame: IntArray, box: FloatArray, score: FloatArray) -> Track:
    """Return a track without joints from frames (M,), boxes (M, 4) and scores (M,)."""
    frame = np.asarray(frame, np.int64)
    return Track(
        frame=frame,
        box=np.asarray(box, np.float64),
        score=np.asarray(score, np.float64),
        xy=np.zeros((len(frame), 0, 2)),
        joint_score=np.zeros((len(frame), 0)),
    )


def select_rows(track: Track, keep: np.ndarray) -> Track:
    """Return the rows of a track where keep (M,) is true."""
    rows = np.flatnonzero(keep)
    return Track(**{name: array[rows] for name, array in vars(track).items()})


def concatenate(a: Track, b: Track) -> Track:
    """Join two tracks without a common frame into one, ordered by frame."""
    order = np.argsort(np.concatenate([a.frame, b.frame]), kind="stable")
    joined = {n: np.concatenate([array, vars(b)[n]])[order] for n, array in vars(a).items()}
    return Track(**joined)


def reach(frames: float, second: float) -> float:
    """Return how far a person can move in this many frames, in body heights. second: the frames of
    a second."""
    return min(SPEED * frames / max(second, 1), _MOST_REACH)


class _OpenTrack:
    """A track under construction: its detections, and the motion of its box."""

    def __init__(self) -> None:
        self.frame = array("q")
        self.row = array("d")  # five numbers of each detection
        self._state = array("d")  # four numbers of each
        self._velocity = (0.0, 0.0, 0.0, 0.0)

    def append(self, t: int, row: tuple[float, ...], max_gap: int) -> None:
        x1, y1, x2, y2 = row[:4]
        size = math.log(max(x2 - x1, 1e-3)), math.log(max(y2 - y1, 1e-3))
        state = ((x1 + x2) / 2, (y1 + y2) / 2, *size)
        if self.frame:
            start = len(self.frame) - 1
            while start > 0 and t - self.frame[start] < max_gap / _BASELINE:
                start -= 1
            pairs = zip(state, self._state[4 * start : 4 * start + 4], strict=True)
            span = t - self.frame[start]
            self._velocity = tuple((new - old) / span for new, old in pairs)  # type: ignore[assignment]
        self.frame.append(t)
        self.row.extend(row)
        self._state.extend(state)

    def packed(self) -> Track:
        rows = np.array(self.row).reshape(-1, 5)
        return make_track(np.array(self.frame), rows[:, :4], rows[:, 4])

    def predict(self, t: int, max_gap: int) -> tuple[float, float, float, float]:
        """Return the box at frame t by constant velocity, damped over max_gap frames."""
        x, y, width, height = self._state[-4:]
        ahead = max_gap * (1 - math.exp(-(t - self.frame[-1]) / max_gap))
        vx, vy, *growth = self._velocity
        x, y = x + vx * ahead, y + vy * ahead
        bounded = [min(max(g * ahead, -_MOST_GROWTH), _MOST_GROWTH) for g in growth]
        half = math.exp(width + bounded[0]) / 2, math.exp(height + bounded[1]) / 2
        return x - half[0], y - half[1], x + half[0], y + half[1]


class _Linker:
    """The tracks of one clip, built frame by frame."""

    def __init__(self, threshold: float, max_gap: int) -> None:
        self.threshold, self.max_gap = threshold, max(max_gap, 1)
        self.tracks: list[_OpenTrack] = []
        self.open: list[_OpenTrack] = []  # none after a cut

    def step(self, t: int, detected: FloatArray) -> None:
        """Assign the detections of frame t to the tracks they continue or begin."""
        self.open = [track for track in self.open if t - track.frame[-1] <= self.max_gap]
        scored = detected[:, 4] >= self.threshold * CONTINUE_SHARE
        rows = [tuple(row) for row in detected[scored].tolist()]
        rows.sort(key=lambda row: -row[4])
        if rows and self.open:
            rows = self._extend(t, self.open, rows)
        for row in rows:
            if row[4] >= self.threshold:
                track = _OpenTrack()
                track.append(t, row, self.max_gap)
                self.tracks.append(track)
                self.open.append(track)

    def _extend(
        self, t: int, waiting: list[_OpenTrack], rows: list[tuple[float, ...]]
    ) -> list[tuple[float, ...]]:
        """Give each open track its detection, if there is one, and return the remaining rows."""
        detected = np.array(rows)
        predicted = np.array([track.predict(t, self.max_gap) for track in waiting])
        overlap = boxes.pairwise_iou(predicted, detected[:, :4])
        pairs = assign(np.where(overlap >= MIN_IOU, overlap * detected[:, 4], 0))
        tracks = [i for i in range(len(waiting)) if i not in dict(pairs)]
        columns = [n for n in range(len(rows)) if n not in {n for _, n in pairs}]
        if tracks and columns:
            near = self._nearness(
                t, [waiting[i] for i in tracks], predicted[tracks], detected[columns]
            )
            pairs += [(tracks[i], columns[n]) for i, n in assign(near)]
        for i, n in pairs:
            waiting[i].append(t, rows[n], self.max_gap)
        used = {n for _, n in pairs}
        return [row for n, row in enumerate(rows) if n not in used]

    def _nearness(
        self, t: int, tracks: list[_OpenTrack], predicted: FloatArray, detected: FloatArray
    ) -> FloatArray:
        """Return how near detections are to tracks without overlap, as after a fast start: (n, m)
        in [0, 1], 0 where a person cannot have moved. Half the distance is allowed if the direction
        of a track is known."""
        distance, ratio = _distance_and_ratio(predicted[:, None], detected[None, :, :4])
        share = np.array([0.5 if len(track.frame) > 1 else 1.0 for track in tracks])
        most = np.array([reach(t - track.frame[-1], self.max_gap) for track in tracks]) * share
        strong = detected[:, 4] >= self.threshold
        near = np.maximum(1 - distance / np.maximum(most, 1e-9)[:, None], 0)
        return near * (ratio <= _SAME_SIZE) * strong


def _distance_and_ratio(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the distance of centres in mean heights, and the ratio >= 1 of heights; broadcasts."""
    tall = [np.maximum(box[..., 3] - box[..., 1], 1e-6) for box in (a, b)]
    distance = np.linalg.norm(boxes.centre(a) - boxes.centre(b), axis=-1)
    return distance / ((tall[0] + tall[1]) / 2), np.exp(np.abs(np.log(tall[0] / tall[1])))


def assign(value: FloatArray) -> list[tuple[int, int]]:
    """Return pairs (row, column) of value (n, m) >= 0 with the largest total, without values 0."""
    if 1 in value.shape:  # the usual case; loading scipy takes half a second
        pairs = [np.unravel_index(value.argmax(), value.shape)]
    else:
        from scipy.optimize import linear_sum_assignment

        pairs = zip(*linear_sum_assignment(value, maximize=True), strict=True)
    return [(int(i), int(n)) for i, n in pairs if value[i, n] > 0]


def link_detections(
    detections: Sequence[FloatArray],
    *,
    threshold: float,
    max_gap: int,
    size: tuple[int, int],
    cuts: Sequence[int] = (),
) -> list[Track]:
    """Link the detections of a clip into tracks.

    Boxes are predicted with constant velocity; the pairs of open track and detection with the
    largest sum of IoU times score are joined, so that a whole body wins over a part of it. The rest
    are joined if they are near enough for a person to have moved there. Tracks of one person who
    left and came back are linked at the end (`link_tracks`).

    Parameters
    ----------
    detections
        (n_t, 5) of every frame: x1 y1 x2 y2 in pixels and score; none if the detector did not run.
    threshold
        Least score of a detection that starts a track.
    max_gap
        Frames (about one second) without a detection after which a track is closed.
    size
        Width and height of the frames in pixels.
    cuts
        Frames where a new shot begins; tracks end there.
    """
    linker = _Linker(threshold, max_gap)
    shots = set(cuts)
    for t, detected in enumerate(detections):
        if t in shots:
            linker.open = []
        if len(detected):
            linker.step(t, detected)
    packed = [track.packed() for track in linker.tracks]
    return link_tracks(packed, size, max_gap=max_gap, cuts=cuts)


def fill_boxes(
    track: Track, length: int, *, max_gap: int, hold: int, window: int, cuts: Sequence[int] = ()
) -> tuple[IntArray, FloatArray]:
    """Close the gaps between detections; return frames (M,) and boxes (M, 4) for the pose network.

    A jump of the box, farther than a person can move in that time, ends a piece of the track, and
    so does a cut: nothing is interpolated or held across it.

    Parameters
    ----------
    track, length
        The track, and the number of frames of the clip.
    max_gap
        Most frames (about one second) over which boxes are interpolated.
    hold
        Frames before and after each piece that keep its box, since the pose network may still see a
        person whom the detector lost.
    window
        Frames over which boxes are smoothed (boxes.steady).
    cuts
        Frames where a new shot begins.
    """
    edges = np.array(sorted({0, length, *cuts}))
    box = np.full((length, 4), np.nan)
    for rows in np.split(np.arange(len(track)), _breaks(track, max_gap, edges)):
        frame, box_at = track.frame[rows], track.box[rows]
        first, last = frame[0], frame[-1]
        span = np.arange(first, last + 1)
        dense = np.stack([np.interp(span, frame, box_at[:, c]) for c in range(4)], axis=1)
        dense = boxes.steady(dense, window)
        shot = edges[edges <= first].max(), edges[edges > last].min()
        before = np.arange(max(first - hold, shot[0]), first)
        after = np.arange(last + 1, min(last + 1 + hold, shot[1]))
        for held, value in ((before, dense[0]), (after, dense[-1])):
            box[held] = np.where(np.isnan(box[held]), value, box[held])
        box[span] = dense
    seen = np.flatnonzero(~np.isnan(box).any(axis=1))
    return seen, box[seen]


def _breaks(track: Track, max_gap: int, edges: np.ndarray) -> np.ndarray:
    """Return the rows at which a new piece of the track begins."""
    gap = np.diff(track.frame)
    distance, _ = _distance_and_ratio(track.box[1:], track.box[:-1])
    most = np.array([reach(frames, max_gap) for frames in gap])
    jump = (boxes.iou(track.box[1:], track.box[:-1]) < _JUMP_IOU) & (distance > most)
    shot = np.searchsorted(edges, track.frame, side="right")
    return np.flatnonzero((gap > max_gap) | jump | (np.diff(shot) > 0)) + 1


_RETURN_SIZE = 1.5  # largest ratio of heights before and after of a person who comes back
_CLEARLY = 0.1  # difference in log height that distinguishes two people
_FEET = 0.1  # of the usual height: feet nearer than this are in the same place
_UNMOVED = 0.7  # IoU over a supposed cut from which there was no cut


def link_tracks(
    tracks: list[Track], size: tuple[int, int], *, max_gap: int, cuts: Sequence[int] = ()
) -> list[Track]:
    """Link each track to the earlier one that it continues. Parameters as for link_detections.

    It does so with the same size, and in the same place or by leaving and entering the picture.
    Over a cut, only a person who has not moved at all is linked, since a flash looks like a cut. If
    two people who were seen together fit equally well, neither is linked.
    """
    linked: list[Track] = []
    cuts = sorted(cuts)
    for track in sorted(tracks, key=lambda track: track.frame[0]):
        i = _predecessor(linked, track, size, max_gap, cuts)
        if i is None:
            linked.append(track)
        else:
            linked[i] = concatenate(linked[i], track)
    return linked


def _predecessor(
    linked: list[Track], track: Track, size: tuple[int, int], max_gap: int, cuts: Sequence[int]
) -> int | None:
    """Return the index of the track that `track` continues; None if there is none. cuts: sorted."""
    first = int(track.frame[0])
    fits = []
    for i, old in enumerate(linked):
        last = int(old.frame[-1])
        if last >= first:
            continue
        if bisect(cuts, last) < bisect(cuts, first):  # there is a cut between them
            unmoved = first - last <= max_gap and boxes.iou(old.box[-1], track.box[0]) >= _UNMOVED
            fit = (0, 0.0) if unmoved else None
        else:
            fit = _fit(old.box[-1].tolist(), track.box[0].tolist(), size) or _stood_up(old, track)
        if fit is not None:
            fits.append((*fit, -last, i))
    if not fits:
        return None
    kind, off, _, best = min(fits)
    for other_kind, other_off, _, i in fits:
        rival = i != best and other_kind == kind and other_off - off < _CLEARLY
        if rival and side_by_side(linked[i], linked[best]):
            return None
    # Of pieces that fit equally well and were never seen together, choose the latest.
    alike = [fit for fit in fits if fit[0] == kind and fit[1] - off < _CLEARLY]
    return min(alike, key=lambda fit: fit[2])[3]


def _fit(
    before: list[float], after: list[float], size: tuple[int, int]
) -> tuple[int, float] | None:
    """Return how well one box continues another: 0 in the same place, 1 across the same border, 2
    across the other one; and the difference in log height. None = not at all."""
    tall = max(before[3] - before[1], 1e-6), max(after[3] - after[1], 1e-6)
    off = abs(math.log(tall[0] / tall[1]))
    if off >= math.log(_RETURN_SIZE):
        return None
    step = [(before[k] + before[k + 2] - after[k] - after[k + 2]) / 2 for k in (0, 1)]
    if math.hypot(*step) < sum(tall) / 4:
        return 0, off
    out, back = _borders(before, size), _borders(after, size)
    if not out or not back:
        return None
    return (1 if out & back else 2), off


def _stood_up(old: Track, track: Track) -> tuple[int, float] | None:
    """Return the fit, as _fit, of a person lost in one posture and found in another, as in a squat:
    the feet are in the same place, and the usual heights are alike."""
    before, after = old.box[-1], track.box[0]
    usual = [float(np.median(each.box[:, 3] - each.box[:, 1])) for each in (old, track)]
    off = abs(math.log(max(usual[0], 1e-6) / max(usual[1], 1e-6)))
    aside = abs(float(before[0] + before[2] - after[0] - after[2])) / 2
    lower = abs(float(before[3] - after[3]))
    in_place = aside < min(usual) / 4 and lower < _FEET * min(usual)
    return (0, off) if in_place and off < math.log(_RETURN_SIZE) else None


def _borders(box: list[float], size: tuple[int, int]) -> set[str]:
    near = 0.02 * size[0]
    touched = {"left": box[0] <= near, "right": box[2] >= size[0] - 1 - near}
    return {side for side, touches in touched.items() if touches}


# --- how similar two tracks are -----------------------------------------------------------------

_SIGMA = 0.07  # spread of human annotators as a share of a person: COCO's mean over the joints
_BODY_SHARE = 0.53  # share of a person's box that the person fills, on average over COCO
_SEEN = 0.2  # joints scored below this are guesses and are not compared
_INSIDE = 0.7  # a box with this share inside another is a part of the same person
_PART_AREA = 0.2  # of the larger box: a smaller box is somebody farther away
_BESIDE = 0.2  # share of common frames from which two tracks are two people
_SAME_POSE = 0.5  # mean OKS from which two tracks are one person


def pose_oks(a: Track, b: Track, i: IntArray, j: IntArray) -> FloatArray:
    """Return the object keypoint similarity (COCO), (n,) in [0, 1], of rows i (n,) of a and j (n,)
    of b.

    This is the mean over the joints of exp(-d^2 / (2 area (2 sigma)^2)), d their distance, area
    that of the person. A joint counts if it is seen in both; NaN if none is.
    """
    squared = ((a.xy[i].astype(np.float64) - b.xy[j]) ** 2).sum(axis=-1)
    area = _BODY_SHARE * np.sqrt(boxes.area(a.box[i]) * boxes.area(b.box[j]))
    scale = 2 * np.maximum(area, 1e-6)[:, None] * (2 * _SIGMA) ** 2
    seen = (a.joint_score[i] >= _SEEN) & (b.joint_score[j] >= _SEEN) & np.isfinite(squared)
    alike = np.exp(-np.where(seen, squared, 0) / scale) * seen
    number = seen.sum(axis=-1)
    return np.where(number > 0, alike.sum(axis=-1) / np.maximum(number, 1), np.nan)


def same_person(a: Track, b: Track) -> bool:
    """Return whether two tracks show the same person, or one a part of the other's person.

    They must share half of the frames of the shorter one. With joints, their mean OKS there must be
    at least 0.5, so that somebody in front of a larger person is not taken for a part of them.
    Without joints, most of the smaller box must be inside the larger one, and not be a tiny part of
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
    """Return whether two tracks show two people: in at least a fifth of the shorter one, and not
    just for an instant, both are in the picture and neither box is inside the other.

    Where a film dissolves from one view into the next, it shows one person twice for less time.
    """
    _, i, j = np.intersect1d(a.frame, b.frame, return_indices=True)
    apart = np.count_nonzero(_inside(a, b, i, j) <= _INSIDE)
    return bool(apart >= max(BRIEFLY, _BESIDE * min(len(a), len(b))))


def _inside(a: Track, b: Track, i: IntArray, j: IntArray) -> FloatArray:
    """Return the share (n,) of the smaller box inside the larger one, in rows i of a, j of b."""
    common = boxes.intersection(a.box[i], b.box[j])
    smaller = np.minimum(boxes.area(a.box[i]), boxes.area(b.box[j]))
    return common / np.maximum(smaller, 1e-6)
