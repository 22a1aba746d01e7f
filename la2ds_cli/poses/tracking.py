"""Who is the subject of a clip: detections linked into tracks, one track chosen over all frames.

Numpy only. A frame here is a row of the clip, 0..T-1, in decoding order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.poses import boxes
from la2ds_cli.types import FloatArray, IntArray

MIN_IOU = 0.25  # below this two boxes of neighbouring frames are two people
CONTINUE_SHARE = 0.5  # a track goes on with detections of this share of the starting threshold
AMBIGUOUS_MARGIN = 0.25
_COMPARABLE = 0.3  # of the usual box area: what may be the subject in another view
_TOGETHER = 0.2  # share of common frames above which two tracks are side by side
_JUMP_IOU = 0.1  # below this neighbouring boxes of a track lie on two sides of a cut
_INSIDE = 0.7  # share of a box inside another's that makes it a part of the same person


@dataclass(frozen=True)
class Track:
    """One person followed over M of the frames of a clip.

    frame: (M,) int64, increasing. box: (M, 4) xyxy pixels. score: (M,) of the detector.
    xy, joint_score: (M, K, 2) pixels and (M, K) in [0, 1], empty until joints are estimated.
    """

    frame: IntArray
    box: FloatArray
    score: FloatArray
    xy: FloatArray
    joint_score: FloatArray

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class Choice:
    """The chosen track, by index; margin over the runner-up in [0, 1] (0 = equal, 1 = alone);
    score: (n,) of every track."""

    index: int
    margin: float
    score: FloatArray

    @property
    def ambiguous(self) -> bool:
        """Whether another person would have been nearly as good a choice."""
        return self.margin < AMBIGUOUS_MARGIN


def make_track(frame: IntArray, box: FloatArray, score: FloatArray) -> Track:
    """A track without joints."""
    frame = np.asarray(frame, np.int64)
    joints = np.zeros((len(frame), 0, 2)), np.zeros((len(frame), 0))
    return Track(frame, np.asarray(box, np.float64), np.asarray(score, np.float64), *joints)


def with_joints(track: Track, xy: FloatArray, joint_score: FloatArray) -> Track:
    """The track with joints xy (M, K, 2) and their scores (M, K)."""
    return replace(track, xy=xy, joint_score=joint_score)


def link(
    detections: Sequence[FloatArray], *, threshold: float, max_gap: int, size: tuple[int, int]
) -> list[Track]:
    """Tracks of the detections (n_t, 5) of every frame: x1 y1 x2 y2 score, pixels.

    Frame by frame the pair of open track and detection with the highest IoU times score is joined
    first, so that a whole body wins over a part of it. A detection scored `threshold` or more that
    is left over starts a track; a track without a detection for `max_gap` frames is closed. Pieces
    of one person who left and came back are joined at the end.
    """
    open_tracks: list[list[tuple[int, FloatArray]]] = []
    closed: list[list[tuple[int, FloatArray]]] = []
    for t, found in enumerate(detections):
        still_open = [track for track in open_tracks if t - track[-1][0] <= max_gap]
        closed += [track for track in open_tracks if t - track[-1][0] > max_gap]
        open_tracks = still_open
        candidate = found[found[:, 4] >= threshold * CONTINUE_SHARE]
        taken = _extend(open_tracks, candidate, t)
        for n in np.flatnonzero(~taken & (candidate[:, 4] >= threshold)):
            open_tracks.append([(t, candidate[n])])
    return _join_returns([_pack(track) for track in closed + open_tracks], size)


def _extend(
    tracks: list[list[tuple[int, FloatArray]]], candidate: FloatArray, t: int
) -> np.ndarray:
    """Append the best candidate to each open track, in place; (n,) bool of those used."""
    taken = np.zeros(len(candidate), bool)
    if not tracks or not len(candidate):
        return taken
    last = np.stack([track[-1][1][:4] for track in tracks])
    overlap = boxes.pairwise_iou(last, candidate[:, :4])
    value = np.where(overlap >= MIN_IOU, overlap * candidate[:, 4], -1)
    while value.max() >= 0:
        i, n = np.unravel_index(value.argmax(), value.shape)
        tracks[i].append((t, candidate[n]))
        taken[n] = True
        value[i], value[:, n] = -1, -1
    return taken


def _pack(track: list[tuple[int, FloatArray]]) -> Track:
    rows = np.stack([row for _, row in track]).astype(np.float64)
    return make_track(np.array([t for t, _ in track]), rows[:, :4], rows[:, 4])


def _join_returns(tracks: list[Track], size: tuple[int, int]) -> list[Track]:
    """Join each track to the earlier one that it continues, nearest in time first."""
    tracks = sorted(tracks, key=lambda track: track.frame[0])
    joined: list[Track] = []
    for track in tracks:
        earlier = [
            i
            for i, old in enumerate(joined)
            if old.frame[-1] < track.frame[0] and _continues(old, track, size)
        ]
        if earlier:
            i = max(earlier, key=lambda i: joined[i].frame[-1])
            joined[i] = _concatenate(joined[i], track)
        else:
            joined.append(track)
    return joined


def _continues(old: Track, new: Track, size: tuple[int, int]) -> bool:
    """Same size, and in the same place or out and in across the border of the frame."""
    before, after = old.box[-1], new.box[0]
    height = before[3] - before[1], after[3] - after[1]
    if not 0.67 < height[0] / max(height[1], 1e-6) < 1.5:
        return False
    apart = np.linalg.norm(boxes.centre(before) - boxes.centre(after))
    return bool(apart < sum(height) / 4) or (_at_border(before, size) and _at_border(after, size))


def _at_border(box: FloatArray, size: tuple[int, int]) -> bool:
    reach = 0.02 * size[0]
    return bool(box[0] <= reach or box[2] >= size[0] - 1 - reach)


def _arrays(track: Track) -> tuple[np.ndarray, ...]:
    return track.frame, track.box, track.score, track.xy, track.joint_score


def _concatenate(a: Track, b: Track) -> Track:
    order = np.argsort(np.concatenate([a.frame, b.frame]), kind="stable")
    pairs = zip(_arrays(a), _arrays(b), strict=True)
    return Track(*(np.concatenate(pair)[order] for pair in pairs))


def choose_subject(tracks: Sequence[Track], size: tuple[int, int], length: int) -> Choice:
    """The subject of a clip of `length` frames of size (width, height).

    Score = area x time x centrality x motion x confidence, each in [0, 1] and taken over the whole
    clip: side of the mean box over that of the frame; share of the frames; 1 in the middle to 0.5
    in a corner; 0.5 for a person who stands still to 1 for the one who moves most; mean score of
    the joints, or of the boxes before joints are known. Tracks that show a part of the chosen
    person are no runners-up. Raises ValueError without tracks.
    """
    if not tracks:
        raise ValueError("choose_subject: no tracks")
    motion = np.array([_motion(track) for track in tracks])
    fastest = motion.max()
    share = motion / fastest if fastest > 1e-6 else np.ones(len(tracks))
    score = (0.5 + 0.5 * share) * np.array([_still_score(t, size, length) for t in tracks])
    best = int(score.argmax())
    rivals = [
        score[i]
        for i, track in enumerate(tracks)
        if i != best and not _same_person(track, tracks[best])
    ]
    margin = 1 - max(rivals) / score[best] if rivals and score[best] > 0 else 1.0
    return Choice(best, float(margin), score)


def _still_score(track: Track, size: tuple[int, int], length: int) -> float:
    frame_size = np.array(size, np.float64)
    extent = np.sqrt(boxes.area(track.box).mean() / frame_size.prod())
    offset = np.abs(boxes.centre(track.box) / frame_size * 2 - 1)
    centrality = 1 - 0.5 * np.clip(np.linalg.norm(offset, axis=1) / np.sqrt(2), 0, 1).mean()
    known = track.joint_score.size > 0
    confidence = track.joint_score.mean() if known else track.score.mean()
    return float(min(extent, 1) * (len(track) / length) * centrality * confidence)


def _motion(track: Track) -> float:
    """Mean standard deviation of the joints (or box corners) over time, in box heights."""
    points = track.xy if track.xy.size else track.box.reshape(-1, 2, 2)
    height = np.median(track.box[:, 3] - track.box[:, 1])
    return float(points.std(axis=0).mean() / max(height, 1e-6))


def _same_person(a: Track, b: Track) -> bool:
    """Whether one track shows a part of the person of the other: most of the smaller box lies
    inside the larger one, over most of the shorter track."""
    _, i, j = np.intersect1d(a.frame, b.frame, return_indices=True)
    if len(i) < 0.5 * min(len(a), len(b)):
        return False
    common = boxes.intersection(a.box[i], b.box[j])
    smaller = np.minimum(boxes.area(a.box[i]), boxes.area(b.box[j]))
    return bool((common / np.maximum(smaller, 1e-6)).mean() > _INSIDE)


def contenders(choice: Choice, tracks: Sequence[Track], *, share: float, most: int) -> list[int]:
    """Indices of the tracks worth estimating joints for, best first: the chosen one and those
    that reach `share` of its score and are no part of it."""
    order = np.argsort(-choice.score, kind="stable")
    good = [
        int(i)
        for i in order
        if i == choice.index
        or (
            choice.score[i] >= share * choice.score[choice.index]
            and not _same_person(tracks[i], tracks[choice.index])
        )
    ]
    return good[:most]


def follow_cuts(index: int, tracks: Sequence[Track], *, least: int) -> tuple[Track, int]:
    """The track `index` continued over cuts of the film; the number of pieces added.

    Where the track has no detection, another track of at least `least` free frames takes over if
    it shows the only person of a comparable size then: after a change of view, the same person.
    """
    chosen, added = tracks[index], 0
    typical = np.median(boxes.area(chosen.box))
    rest = [track for i, track in enumerate(tracks) if i != index]
    rest = [t for t in rest if np.median(boxes.area(t.box)) >= _COMPARABLE * typical]
    for track in sorted(rest, key=len, reverse=True):
        piece = _select(track, ~np.isin(track.frame, chosen.frame))
        others = [t for t in rest if t is not track and _share(piece, t) > _TOGETHER]
        rival = any(not _same_person(piece, other) for other in others)
        if len(piece) >= least and not rival:
            chosen, added = _concatenate(chosen, piece), added + 1
    return chosen, added


def _select(track: Track, keep: np.ndarray) -> Track:
    rows = np.flatnonzero(keep)
    return Track(*(array[rows] for array in _arrays(track)))


def _share(a: Track, b: Track) -> float:
    """Share of the frames of `a` that `b` has too; 0 for an empty `a`."""
    return float(np.isin(a.frame, b.frame).mean()) if len(a) else 0.0


def fill_boxes(
    track: Track, length: int, *, max_gap: int, hold: int, window: int
) -> tuple[IntArray, FloatArray]:
    """Frames (M,) and boxes (M, 4) to look at for a track, the detector's gaps closed.

    Boxes are interpolated over gaps of at most `max_gap` frames, made steady over `window` frames
    (boxes.steady), and held for `hold` frames before and after each piece of the track, where the
    detector may have lost a person that the pose network still sees. A jump of the box ends a
    piece too.
    """
    jump = boxes.iou(track.box[1:], track.box[:-1]) < _JUMP_IOU
    cuts = np.flatnonzero((np.diff(track.frame) > max_gap) | jump) + 1
    box = np.full((length, 4), np.nan)
    for frame, found in zip(np.split(track.frame, cuts), np.split(track.box, cuts), strict=True):
        first, last = frame[0], frame[-1]
        span = np.arange(first, last + 1)
        dense = np.stack([np.interp(span, frame, found[:, c]) for c in range(4)], axis=1)
        dense = boxes.steady(dense, window)
        before, after = np.arange(max(first - hold, 0), first), np.arange(last + 1, last + 1 + hold)
        for rows, value in ((before, dense[0]), (after[after < length], dense[-1])):
            box[rows] = np.where(np.isnan(box[rows]), value, box[rows])
        box[span] = dense
    seen = np.flatnonzero(~np.isnan(box).any(axis=1))
    return seen, box[seen]
