"""Corrects identity switches between people, and duplicate tracks of one person. Numpy only.

Two people can be switched in two ways: in a single frame, when the poses jump from one to the
other, or while they cannot be told apart, when the poses coincide or one is hidden behind the
other. The first kind is seen in the frame itself, by IoU and OKS against the pose extrapolated from
the last frames. The second is decided afterwards: each person after the encounter is compared with
the heading, height and posture of each person before it, with a tolerance that grows with the time
unseen. Without clear evidence nothing is changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.tracks import (
    Track,
    concatenate,
    joint_sigmas,
    pose_oks,
    select_rows,
    track_oks,
)

_JUMP = 0.6  # of at most 4: gain in IoU + OKS of two people that a switch must bring
_ALIKE_OKS = 0.5  # from which two poses cannot be told apart
_ALIKE_IOU = 0.6
_HIDDEN = 0.3  # share of a lost person's box that another's covers: hidden behind them
_NEAR = 2.0  # sides of the larger box: farther apart nobody is switched in a single frame
_MERGE = 0.2  # seconds between two meetings that are one
_WINDOW = 0.35  # seconds before and after a encounter that are compared
_LEAST = 3  # frames of a person that say where they are heading
_POSITION, _DRIFT = 0.06, 0.4  # tolerance in body heights, at once and per squared second unseen
_TALL = 0.12  # tolerance in log height
_POSTURE, _FORGET = 2.0, 0.5  # weight of the posture; seconds in which it loses 63 % of it
_PIECE = 4096  # frames that are worked on at once
_EVIDENCE = 2.0  # difference in cost from which a switch is believed


@dataclass(frozen=True)
class _Encounter:
    """Slots a and b, alike in the frames first..last, in which they may have been switched; `at`:
    the frame from which on they are switched, if they are. jump: seen in that frame, which needs no
    more evidence."""

    first: int
    last: int
    a: int
    b: int
    at: int
    jump: bool = False


def correct_identities(
    tracks: Sequence[Track], skeleton: Skeleton, *, fps: float = 30.0
) -> tuple[list[Track], int]:
    """Tracks (with joints) of one clip, each of one person; the number of switches corrected.

    Where two identities were switched, their rows from there on are switched back. If two tracks
    show the same pose (OKS > 0.9) over most of their common frames, the worse one is dropped, and
    the better one gets the frames that only the worse one has. If they do so for part of the time,
    these rows are removed from the track they fit worse. The order of the tracks is kept. Raises
    ValueError without joints.
    """
    if not all(track.posed for track in tracks):
        raise ValueError("correct_identities: a track has no joints")
    if len(tracks) < 2:
        return list(tracks), 0
    sigmas = joint_sigmas(skeleton)
    grid = PeopleGrid.of(tracks)
    owner = np.arange(len(tracks))  # which person the rows of a slot belong to by now
    corrected = 0
    for encounter in _encounters(grid, sigmas, fps):
        a, b = (int(owner[slot]) for slot in (encounter.a, encounter.b))
        if encounter.jump or _is_switched(grid, encounter, (a, b), sigmas, fps):
            grid.switch(a, b, encounter.at)
            owner[[encounter.a, encounter.b]] = owner[[encounter.b, encounter.a]]
            corrected += 1
    return remove_duplicates(grid.tracks(), sigmas, fps), corrected


def _encounters(slots: PeopleGrid, sigmas: FloatArray, fps: float) -> list[_Encounter]:
    """All encounters in which people may have been switched, in order of time."""
    encounters = []
    for a, b in itertools.combinations(range(len(slots.present)), 2):
        step, gain = _gains(slots, a, b, sigmas)
        alike = []
        for first, last in _alike_spans(slots, a, b, sigmas, fps):
            inside = np.flatnonzero((step >= first - 1) & (step <= last))
            at = int(step[inside[gain[inside].argmax()]]) + 1 if len(inside) else last + 1
            alike.append(_Encounter(first, last, a, b, at))
        encounters += alike
        for t in step[gain > _JUMP].tolist():
            if not any(m.first - 2 <= t <= m.last + 2 for m in alike):
                encounters.append(_Encounter(t, t + 1, a, b, t + 1, jump=True))
    return sorted(encounters, key=lambda m: (m.last, m.a, m.b))


def _gains(slots: PeopleGrid, a: int, b: int, sigmas: FloatArray) -> tuple[IntArray, FloatArray]:
    """Frames t (m,) at which two people are near each other, and how much better they continue at t
    + 1 when switched: gain (m,) in IoU + OKS of the two, in [-4, 4]."""
    both = slots.present[a] & slots.present[b]
    size = np.sqrt(np.maximum(boxes.area(slots.box[a]), boxes.area(slots.box[b])))
    apart = np.linalg.norm(boxes.centre(slots.box[a]) - boxes.centre(slots.box[b]), axis=1)
    t = np.flatnonzero(both[:-1] & both[1:] & (apart < _NEAR * size)[:-1])

    def gain(t: IntArray) -> FloatArray:
        ahead = {person: slots.expected(person, t) for person in (a, b)}

        def alike(before: int, after: int) -> FloatArray:
            seen = slots.pose(after, t + 1)
            overlap = boxes.iou(ahead[before][2], seen[2])
            return overlap + np.nan_to_num(pose_oks(ahead[before], seen, sigmas))

        return alike(a, b) + alike(b, a) - alike(a, a) - alike(b, b)

    return t, _in_pieces(gain, t)


def _in_pieces(function: Callable[[IntArray], FloatArray], t: IntArray) -> FloatArray:
    """function(t) (m,), in pieces, so that many frames take no more memory than few."""
    parts = [function(t[start : start + _PIECE]) for start in range(0, len(t), _PIECE)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _alike_spans(
    slots: PeopleGrid, a: int, b: int, sigmas: FloatArray, fps: float
) -> Iterator[tuple[int, int]]:
    """First and last frame of each period in which two people cannot be told apart."""
    box, known = slots.interpolated(a, fps), slots.interpolated(b, fps)
    common = boxes.intersection(box, known)
    overlap = boxes.iou(box, known)
    both = slots.present[a] & slots.present[b]
    one = slots.present[a] ^ slots.present[b]
    alike = both & (overlap >= _ALIKE_IOU)
    near = np.flatnonzero(both & (overlap > 0.1))
    if len(near):
        pose = _in_pieces(lambda t: pose_oks(slots.pose(a, t), slots.pose(b, t), sigmas), near)
        alike[near] |= np.nan_to_num(pose) >= _ALIKE_OKS
    lost = np.where(slots.present[a], boxes.area(known), boxes.area(box))
    alike |= one & (common > _HIDDEN * np.maximum(lost, 1e-6))
    frames = np.flatnonzero(alike)
    for run in np.split(frames, np.flatnonzero(np.diff(frames) > _MERGE * fps) + 1):
        if len(run):
            yield int(run[0]), int(run[-1])


def _is_switched(
    grid: PeopleGrid, encounter: _Encounter, pair: tuple[int, int], sigmas: FloatArray, fps: float
) -> bool:
    """Whether the two people are more likely switched after an encounter than not."""
    window = max(round(_WINDOW * fps), _LEAST)
    before = [grid.last_rows(person, encounter.first, window) for person in pair]
    after = [grid.next_rows(person, encounter.last, window) for person in pair]
    went_in = [n for n in (0, 1) if len(before[n]) >= _LEAST]
    came_out = [n for n in (0, 1) if len(after[n]) >= _LEAST]
    if not went_in or not came_out or len(went_in) + len(came_out) < 3:
        return False
    cost = np.zeros((2, 2))
    for i, o in itertools.product(went_in, came_out):
        cost[i, o] = _cost(grid, (pair[i], before[i]), (pair[o], after[o]), sigmas, fps)
    straight, switched = cost[0, 0] + cost[1, 1], cost[0, 1] + cost[1, 0]
    return bool(straight - switched > _EVIDENCE)


def _cost(
    grid: PeopleGrid,
    before: tuple[int, IntArray],
    after: tuple[int, IntArray],
    sigmas: FloatArray,
    fps: float,
) -> float:
    """How badly the rows after an encounter fit the person before: squared deviations over their
    tolerances, of position, height and posture."""
    (person, rows), (other, later) = before, after
    box, seen = grid.box[person, rows], grid.box[other, later]
    tall = [np.median(part[:, 3] - part[:, 1]) for part in (box, seen)]
    height = max(float(np.mean(tall)), 1e-6)
    start, centre = rows.mean(), boxes.centre(box)
    slope = _slope(rows, centre)
    expected = centre.mean(axis=0) + slope * (later - start)[:, None]
    apart = np.linalg.norm(boxes.centre(seen) - expected, axis=1) / height
    unseen = (later - rows[-1]) / fps
    position = ((apart / (_POSITION + _DRIFT * unseen**2)) ** 2).mean()
    size = (np.log(max(tall[0], 1e-6) / max(tall[1], 1e-6)) / _TALL) ** 2
    recent = _POSTURE * np.exp(-unseen[0] / _FORGET)
    return float(position + min(size, 9) + recent * (1 - _posture(grid, before, after, sigmas)))


def _slope(rows: IntArray, value: FloatArray) -> FloatArray:
    """Least-squares change of value (n, C) per frame."""
    offset = rows - rows.mean()
    return offset @ (value - value.mean(axis=0)) / max(float(offset @ offset), 1e-9)


def _posture(
    grid: PeopleGrid,
    before: tuple[int, IntArray],
    after: tuple[int, IntArray],
    sigmas: FloatArray,
) -> float:
    """OKS of the last pose before and the first one after, both relative to their box centres."""
    poses = []
    for who, t in ((before[0], int(before[1][-1])), (after[0], int(after[1][0]))):
        xy, score, box = grid.pose(who, t)
        size = np.sqrt(max(float(boxes.area(box)), 1e-6))
        poses.append(((xy - boxes.centre(box)) / size, score, np.array([0.0, 0.0, 1.0, 1.0])))
    return float(np.nan_to_num(pose_oks(poses[0], poses[1], sigmas)))


@dataclass
class PeopleGrid:
    """n posed people over the frames start, start + 1, ... (T of them).

    present: (n, T) bool. box: (n, T, 4). score: (n, T). xy: (n, T, K, 2). joint_score: (n, T, K).
    world: (n, T, K or 0, 3). Joints are float32, as networks return them; otherwise three people in
    a film of hours would take gigabytes. Rows of absent people are 0.
    """

    start: int
    present: BoolArray
    box: FloatArray
    score: FloatArray
    xy: FloatArray
    joint_score: FloatArray
    world: FloatArray

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
            np.zeros((*shape, joints, 2), np.float32),
            np.zeros((*shape, joints), np.float32),
            np.zeros((*shape, tracks[0].world.shape[1], 3), np.float32),
        )
        for n, track in enumerate(tracks):
            at = track.frame - start
            grid.present[n, at] = True
            grid.box[n, at], grid.score[n, at] = track.box, track.score
            grid.xy[n, at], grid.joint_score[n, at] = track.xy, track.joint_score
            grid.world[n, at] = track.world
        return grid

    def switch(self, a: int, b: int, t: int) -> None:
        """Exchange the rows of two people from frame t of the grid onwards."""
        joints = self.xy, self.joint_score, self.world
        for array in (self.present, self.box, self.score, *joints):
            array[[a, b], t:] = array[[b, a], t:]

    def tracks(self) -> list[Track]:
        """One track for each person who has rows, in order."""
        tracks = []
        for n, present in enumerate(self.present):
            at = np.flatnonzero(present)
            if len(at):
                joints = self.xy[n, at], self.joint_score[n, at], self.world[n, at]
                tracks.append(Track(at + self.start, self.box[n, at], self.score[n, at], *joints))
        return tracks

    def last_rows(self, person: int, t: int, window: int) -> IntArray:
        """Frames (m,) of a person among the `window` frames before t."""
        low = max(t - window, 0)
        return low + np.flatnonzero(self.present[person, low:t])

    def next_rows(self, person: int, t: int, window: int) -> IntArray:
        """Frames (m,) of a person among the `window` frames after t."""
        return t + 1 + np.flatnonzero(self.present[person, t + 1 : t + 1 + window])

    def pose(self, person: int, t: IntArray | int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Joints, their scores and the box of a person at frames t (tracks.pose_oks), float64."""
        joints = self.xy[person, t], self.joint_score[person, t]
        return *(array.astype(np.float64) for array in joints), self.box[person, t]

    def expected(self, person: int, t: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The pose expected at the frames after t (m,): with the median of the last three steps, so
        that one jump does not affect the next frame. A step from or to a frame without the person
        counts as no movement."""
        xy, score, box = self.pose(person, t)
        return xy + self._step(self.xy, person, t), score, box + self._step(self.box, person, t)

    def _step(self, value: FloatArray, person: int, t: IntArray) -> FloatArray:
        """Median of the steps of value (n, T, ...) into the frames t (m,) and the two before."""
        steps = []
        for back in range(3):
            early = t - back - 1
            started = early >= 0
            late, early = np.maximum(t - back, 0), np.maximum(early, 0)
            known = started & self.present[person, late] & self.present[person, early]
            step = value[person, late].astype(np.float64) - value[person, early]
            steps.append(step * known.reshape(-1, *[1] * (step.ndim - 1)))
        one, two, three = steps
        return np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three))

    def interpolated(self, person: int, most: float) -> FloatArray:
        """Boxes (T, 4): interpolated in the gaps of a person and held at the ends; an empty box if
        the person was not present in the `most` frames before or after."""
        at = np.flatnonzero(self.present[person])
        frame = np.arange(self.present.shape[1])
        box = np.stack([np.interp(frame, at, self.box[person, at, c]) for c in range(4)], axis=1)
        after = np.clip(np.searchsorted(at, frame), 0, len(at) - 1)
        away = np.minimum(np.abs(at[after] - frame), np.abs(at[np.maximum(after - 1, 0)] - frame))
        box[away > most] = 0
        return box


_SAME_OKS = 0.9  # OKS from which two poses are the same
_MOST = 0.5  # share of the common frames that makes two tracks one person
_SHORTEST = 3  # frames: a shorter likeness is chance
_CLEARLY = 0.15  # body heights by which rows must fit one person better than the other
_SEAM_IOU = 0.25  # between neighbouring frames of two tracks that are one person


def remove_duplicates(tracks: Sequence[Track], sigmas: FloatArray, fps: float) -> list[Track]:
    """The tracks, with no person in two of them at the same time; the order is kept.

    Same pose over most of the common frames: the track with the larger total score stays and takes
    over the frames in which only the other shows the same person. For part of the time: the rows
    are removed from the person whose movement before and after they fit worse; if they fit both,
    the two people did meet there and keep them.
    """
    people: list[Track | None] = list(tracks)
    for a, b in itertools.combinations(range(len(people)), 2):
        first, second = people[a], people[b]
        if first is None or second is None:
            continue
        frame, alike = track_oks(first, second, sigmas)
        same = np.nan_to_num(alike) > _SAME_OKS
        if same.sum() < _SHORTEST:
            continue
        if same.mean() > _MOST and len(frame) >= _MOST * min(len(first), len(second)):
            if _total(first) >= _total(second):
                people[a], people[b] = _merged(first, second), None
            else:
                people[a], people[b] = None, _merged(second, first)
        else:
            people[a], people[b] = _separated(first, second, frame[same], fps)
    return [track for track in people if track is not None and len(track)]


def _total(track: Track) -> float:
    return float(track.joint_score.mean(axis=1).sum())


def _merged(better: Track, worse: Track) -> Track:
    """The better track, with the runs of frames that only the worse one has and that continue
    it."""
    own = select_rows(worse, ~np.isin(worse.frame, better.frame))
    for run in _runs(own.frame):
        piece = select_rows(own, np.isin(own.frame, run))
        before, after = better.frame[better.frame < run[0]], better.frame[better.frame > run[-1]]
        seams = [(n, 0, run[0]) for n in before[-1:]] + [(n, -1, run[-1]) for n in after[:1]]
        if any(
            abs(int(n) - int(edge)) == 1
            and boxes.iou(better.box[better.frame == n][0], piece.box[end]) >= _SEAM_IOU
            for n, end, edge in seams
        ):
            better = concatenate(better, piece)
    return better


def _runs(frame: IntArray) -> list[IntArray]:
    """Runs of consecutive frames."""
    if not len(frame):
        return []
    return np.split(frame, np.flatnonzero(np.diff(frame) > 1) + 1)


def _separated(a: Track, b: Track, frame: IntArray, fps: float) -> tuple[Track, Track]:
    """Both tracks, with the rows of shared frames removed from the one they fit clearly worse."""
    for run in _runs(frame):
        if len(run) < _SHORTEST:
            continue
        deviation = [_deviation(track, run, fps) for track in (a, b)]
        if deviation[0] > deviation[1] + _CLEARLY:
            a = select_rows(a, ~np.isin(a.frame, run))
        elif deviation[1] > deviation[0] + _CLEARLY:
            b = select_rows(b, ~np.isin(b.frame, run))
    return a, b


def _deviation(track: Track, run: IntArray, fps: float) -> float:
    """How far the boxes of a run of frames are from the straight line between the track's boxes
    before and after it, in body heights, including the difference in log height."""
    inside = np.isin(track.frame, run)
    near = ~inside & (track.frame >= run[0] - fps / 2) & (track.frame <= run[-1] + fps / 2)
    if not near.any():
        return 0.0
    known, box = track.box[near], track.box[inside]
    line = np.stack([np.interp(run, track.frame[near], known[:, c]) for c in range(4)], axis=1)
    tall = np.maximum(line[:, 3] - line[:, 1], 1e-6)
    apart = np.linalg.norm(boxes.centre(box) - boxes.centre(line), axis=1) / tall
    size = np.abs(np.log(np.maximum(box[:, 3] - box[:, 1], 1e-6) / tall))
    return float((apart + size).mean())
