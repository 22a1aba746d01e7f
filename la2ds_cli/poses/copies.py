"""Two tracks on one person: the same pose twice. Numpy only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.similarity import track_oks
from la2ds_cli.poses.track import Track, concatenate, select_rows

_COPY = 0.9  # OKS from which two poses are the same
_MOST = 0.5  # share of the common frames that makes two tracks one person
_SHORTEST = 3  # frames: a shorter likeness is chance
_CLEARLY = 0.15  # body heights by which a copy must fit one person better than the other
_SEAM_IOU = 0.25  # between neighbouring frames of two tracks that are one person


def drop_copies(tracks: Sequence[Track], sigmas: FloatArray, fps: float) -> list[Track]:
    """The tracks, no person in two of them at the same time; order kept.

    Same pose over most of the common frames: the track with the larger total score is kept and
    takes over what the other shows of the same person in frames of its own. For a part of the
    time: the rows are taken from the person whose way before and after they fit worse; if they
    fit both, the two did meet there and keep them.
    """
    kept: list[Track | None] = list(tracks)
    for a, b in itertools.combinations(range(len(kept)), 2):
        first, second = kept[a], kept[b]
        if first is None or second is None:
            continue
        frame, alike = track_oks(first, second, sigmas)
        copy = np.nan_to_num(alike) > _COPY
        if copy.sum() < _SHORTEST:
            continue
        if copy.mean() > _MOST and len(frame) >= _MOST * min(len(first), len(second)):
            if _total(first) >= _total(second):
                kept[a], kept[b] = _merged(first, second), None
            else:
                kept[a], kept[b] = None, _merged(second, first)
        else:
            kept[a], kept[b] = _parted(first, second, frame[copy], fps)
    return [track for track in kept if track is not None and len(track)]


def _total(track: Track) -> float:
    return float(track.joint_score.mean(axis=1).sum())


def _merged(better: Track, worse: Track) -> Track:
    """The better track with the runs of frames that only the worse has and that join on to it."""
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


def _parted(a: Track, b: Track, frame: IntArray, fps: float) -> tuple[Track, Track]:
    """Both tracks, the rows of the copied frames taken from the one they fit clearly worse."""
    for run in _runs(frame):
        if len(run) < _SHORTEST:
            continue
        off = [_off(track, run, fps) for track in (a, b)]
        if off[0] > off[1] + _CLEARLY:
            a = select_rows(a, ~np.isin(a.frame, run))
        elif off[1] > off[0] + _CLEARLY:
            b = select_rows(b, ~np.isin(b.frame, run))
    return a, b


def _off(track: Track, run: IntArray, fps: float) -> float:
    """How far the boxes of a run of frames lie from the straight way between the track's boxes
    before and after it, in body heights, difference in log height included."""
    inside = np.isin(track.frame, run)
    near = ~inside & (track.frame >= run[0] - fps / 2) & (track.frame <= run[-1] + fps / 2)
    if not near.any():
        return 0.0
    known, box = track.box[near], track.box[inside]
    way = np.stack([np.interp(run, track.frame[near], known[:, c]) for c in range(4)], axis=1)
    tall = np.maximum(way[:, 3] - way[:, 1], 1e-6)
    apart = np.linalg.norm(boxes.centre(box) - boxes.centre(way), axis=1) / tall
    size = np.abs(np.log(np.maximum(box[:, 3] - box[:, 1], 1e-6) / tall))
    return float((apart + size).mean())
