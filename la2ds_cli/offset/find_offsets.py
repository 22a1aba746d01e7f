"""Step: find the clocks of two or more recordings of one performance.

Every pair is compared. The clocks fit the lags of all pairs as well as possible, so a third
recording can place two that show nothing in common; a lag that contradicts the others leaves its
recordings unsure. Two recordings can also be returned as an alignment, to be shown in step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.alignment import Alignment, overall_ratio
from la2ds_cli.alignment.confidence import DOUBTFUL, Certainty
from la2ds_cli.alignment.consensus import Match
from la2ds_cli.alignment.path import pair_distance, path_through
from la2ds_cli.alignment.project_aligner import read_pair
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.offset.lags import signals
from la2ds_cli.offset.offset_result import (
    Clock,
    OffsetResult,
    Recording,
    join_doubts,
    no_performance,
)
from la2ds_cli.offset.pair_offset import CLOCKS, PairOffset, pair_offset
from la2ds_cli.poses.quality import clip_facts, doubtful_limbs
from la2ds_cli.poses.ready import ensure_poses

CONTRADICTS = 2.0  # times its interval, plus a frame: a lag that differs by more is not sure
METHOD = "offset"


def find_offsets(
    project: StoredProject,
    names: Sequence[str],
    *,
    drift: bool | None = None,
    force: bool = False,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> OffsetResult:
    """Return the clocks of recordings relative to the first; missing poses are extracted first.

    Parameters
    ----------
    names: two or more video files, or names of clips of the project.
    drift: whether clocks may run at different rates; None = if 30 s overlap.
    force: return the best fit even if it is not one performance.
    device: where the pose network computes.

    Raises
    ------
    UserError: exit 2 for fewer than two recordings or a duplicate; 4 for a recording that is too
        short; 5 for a recording without joints in common with the others; 10 if no other recording
        shows the performance of the first, unless forced; and as the extraction of poses.
    """
    ids = ensure_poses(project, names, project.config().poses, device, progress)
    if len(ids) < 2 or len(set(ids)) < len(ids):
        raise UserError(
            "an offset needs two or more recordings, each named once",
            hint="la2ds offset a.mp4 b.mp4",
        )
    clips = [project.clip(clip) for clip in ids]
    poses = [project.read_pose(clip)[0] for clip in ids]
    pairs, refused = list[PairOffset](), dict[int, UserError]()
    for i, j in combinations(range(len(ids)), 2):
        try:
            pairs.append(pair_offset((poses[i], poses[j]), (i, j), (names[i], names[j]), drift))
        except UserError as error:  # a third recording may place both
            refused = {i: error, j: error} | refused
    for number, error in refused.items():
        if not any(number in (pair.a, pair.b) for pair in pairs):
            raise error
    clocks = solved(poses, pairs, force)
    facts = [clip_facts(project, clip.id) for clip in clips]
    doubtful = [
        doubtful_limbs(own.get("doubts"), float(pose.time[-1] - pose.time[0]))
        for own, pose in zip(facts, poses, strict=True)
    ]
    if sum(clock is not None for clock in clocks) == 1:
        best = max((pair for pair in pairs if pair.a == 0), key=lambda pair: pair.best.evidence)
        limbs = join_doubts({names[n]: doubtful[n] for n in (0, best.b)})
        advice = "la2ds align matches different performances of a movement"
        if limbs:
            advice = "look at the joints with la2ds extract-poses --overlay sheet.png"
        raise UserError(
            f"{no_performance(names[best.b], names[0], limbs)}; at no lag do all joints agree "
            f"throughout (probability {best.best.probability:.2f})",
            hint=f"{advice}; --force gives the lag that fits best",
            exit_code=ExitCode.OTHER_MOVEMENT,
        )
    recordings = (
        Recording(clip, pose, project.source(clip), clock, limbs)
        for clip, pose, clock, limbs in zip(clips, poses, clocks, doubtful, strict=True)
    )
    return OffsetResult(tuple(recordings), tuple(pairs))


def solved(
    poses: Sequence[PoseSequence], pairs: Sequence[PairOffset], force: bool = False
) -> tuple[Clock | None, ...]:
    """Return the clock of each recording, None if no chain of pairs connects it to the first.

    Sure pairs are used first, then the most probable of the others, whose recordings are not sure;
    nor are the recordings of a pair that contradicts the rest. The offset of a recording is given
    where it was measured: in the middle of its overlap with the first recording.

    Parameters
    ----------
    poses: of the recordings.
    pairs: the lag of every pair that could be compared.
    force: use pairs that are improbable, too.
    """
    used: list[PairOffset] = []
    for pair in sorted(pairs, key=lambda pair: (not pair.sure, -pair.best.evidence)):
        allowed = pair.possible or force
        if pair.sure or (allowed and pair.b not in _reached(used, pair.a)):
            used.append(pair)
    reached = sorted(_reached(used, 0))
    used = [pair for pair in used if pair.a in reached]
    middle = float(poses[0].time[0] + poses[0].time[-1]) / 2
    measured = {pair.b: pair.best.middle for pair in used if pair.a == 0}
    drifting = [pair for pair in used if pair.best.drift is not None]
    drifts = [pair.best.drift or 0.0 for pair in drifting]
    drift_within = [max(pair.best.drift_within, 1e-9) for pair in drifting]
    drift, drift_variance = _solved(len(poses), drifting, drifts, drift_within)
    drifted = _reached(drifting, 0) if drifting else set()
    sure = _agreeing(poses, used, _lags_at(middle, len(poses), used, drift))
    drifts_known = all(pair.best.no_drift for pair in used)
    clocks: list[Clock | None] = []
    for n in range(len(poses)):
        if n not in reached:
            clocks.append(None)
            continue
        at = measured.get(n, middle)
        lags = _lags_at(at, len(poses), used, drift)
        clocks.append(
            Clock(
                float(lags.offset[n]),
                float(np.sqrt(lags.variance[n])),
                float(drift[n]) if n in drifted else None,
                float(np.sqrt(drift_variance[n])) if n in drifted else None,
                at,
                n in _reached(sure, 0),
                0.0 if n == 0 or drifts_known else CLOCKS,
            )
        )
    return tuple(clocks)


class _Lags(NamedTuple):
    """Offsets and lags at a moment of the first recording.

    offset, variance: (N,) of each recording, and its squared interval. lags, within: of each pair,
    and the interval.
    """

    offset: FloatArray
    variance: FloatArray
    lags: list[float]
    within: list[float]


def _lags_at(at: float, count: int, used: Sequence[PairOffset], drift: FloatArray) -> _Lags:
    """Return the offsets at `at` seconds of the first recording, from the lags of `used` pairs."""
    offset, variance = np.zeros(count), np.zeros(count)
    lags, within = list[float](), list[float]()
    for _ in range(2):  # the lag of a pair depends on the moment, which the first round gives
        moments = [at + float(offset[pair.a]) for pair in used]
        of_moments = list(zip(used, moments, strict=True))
        lags = [p.best.lag_at(when, drift[p.b] - drift[p.a]) for p, when in of_moments]
        within = [p.best.within_at(when) for p, when in of_moments]
        offset, variance = _solved(count, used, lags, within)
    return _Lags(offset, variance, lags, within)


def _agreeing(
    poses: Sequence[PoseSequence], used: Sequence[PairOffset], lags: _Lags
) -> list[PairOffset]:
    """Return the sure pairs whose lag agrees with the offsets by all pairs."""
    agreeing = []
    for pair, lag, within in zip(used, lags.lags, lags.within, strict=True):
        frame = max(poses[n].axis.usual_step for n in (pair.a, pair.b))
        apart = abs(lags.offset[pair.b] - lags.offset[pair.a] - lag)
        if pair.sure and apart <= CONTRADICTS * within + frame:
            agreeing.append(pair)
    return agreeing


def _reached(pairs: Sequence[PairOffset], start: int) -> set[int]:
    """Return the recordings that a chain of pairs connects to recording `start`."""
    reached, grown = {start}, True
    while grown:
        more = {n for p in pairs if {p.a, p.b} & reached for n in (p.a, p.b)}
        grown = not more <= reached
        reached |= more
    return reached


def _solved(
    count: int, pairs: Sequence[PairOffset], values: Sequence[float], within: Sequence[float]
) -> tuple[FloatArray, FloatArray]:
    """Return values (N,), 0 for the first recording, whose differences b - a fit the values of the
    pairs best, and their squared intervals (N,)."""
    row = np.zeros((len(pairs), count))
    for n, (pair, half) in enumerate(zip(pairs, within, strict=True)):
        row[n, [pair.a, pair.b]] = -1 / half, 1 / half
    scaled = np.asarray(values) / np.asarray(within) if pairs else np.zeros(0)
    inverse = np.linalg.pinv(row[:, 1:].T @ row[:, 1:], hermitian=True)
    solution = inverse @ row[:, 1:].T @ scaled
    return np.append(0.0, solution), np.append(0.0, np.diag(inverse))


def align_recordings(
    project: StoredProject, a: str, b: str, request: AlignRequest, progress: Progress
) -> Alignment:
    """Align recording `b` to `a` by their clocks; notes give the lag and its doubts.

    The features are the heights of the joints, which look alike from all sides.

    Parameters
    ----------
    a, b: video files, or names of clips of the project.
    request: only `config`, `device` and `same_only` count; without `same_only`, the lag that fits
        best is used even if it is not one performance.

    Raises
    ------
    UserError: as find_offsets, and exit 5 if no skeleton holds the joints that both show.
    """
    pair = read_pair(project, a, b, request, progress)
    offsets = find_offsets(
        project, (a, b), force=not request.same_only, device=request.device, progress=progress
    )
    doubts = offsets.doubts()
    for sentence in (*offsets.lags(), *doubts):
        progress.note(sentence)
    (_, clock), (offset,) = offsets.placed[1], offsets.pairs  # find_offsets requires a clock
    reason = (
        f"as recordings of one performance: seconds of A plus {clock.offset:.4f} are seconds of B, "
        "and angles in the picture differ as the cameras do"
    )
    recorded = offsets.recordings[0].pose, offsets.recordings[1].pose
    heights_a, heights_b = (signal.value[..., 1] for signal in signals(*recorded, (a, b)))
    match, certainty = match_by_clock(recorded, clock, offset)
    pose_a, pose_b = pair.poses
    return Alignment(
        pose_a=pose_a,
        pose_b=pose_b,
        path=match.path,
        position=match.position,
        cost=pair_distance(heights_a, heights_b, match.path),
        confidence=certainty.confidence,
        low=certainty.low,
        high=certainty.high,
        another_end=certainty.another_end,
        unlike=certainty.unlike,
        speed_ratio=np.where(np.isnan(match.position), np.nan, 1 + (clock.drift or 0.0)),
        overall_ratio=overall_ratio(match, (pose_a, pose_b)),
        compared=(heights_a, heights_b),
        features="pose",
        run="",
        reason="; ".join((reason, *doubts)),
        settings=replace(request.settings, method=METHOD),
        a=pair.clips[0],
        b=pair.clips[1],
    )


def match_by_clock(
    poses: tuple[PoseSequence, PoseSequence], clock: Clock, pair: PairOffset
) -> tuple[Match, Certainty]:
    """Return the match of A and B and its certainty; the intervals include the rival lags.

    Parameters
    ----------
    poses: of A and B.
    clock: of B.
    pair: the lag and its rivals.
    """
    time_a, time_b = poses[0].time, poses[1].time
    seconds = np.array([clock.seconds(moment) for moment in time_a.tolist()])
    within = np.array([clock.within_at(moment) for moment in time_a.tolist()])
    edges = poses[1].axis.edges
    shown = (seconds >= edges[0]) & (seconds < edges[-1])
    lags = [0.0, *(rival.lag - pair.best.lag for rival in pair.rivals)]
    position, low, high = (
        np.where(shown, np.interp(seconds + away, time_b, np.arange(len(time_b))), np.nan)
        for away in (0.0, min(lags) - within, max(lags) + within)
    )
    sure = pair.best.probability if clock.sure else min(pair.best.probability, DOUBTFUL)
    confidence = np.where(shown, sure, 0).astype(np.float32)
    certainty = Certainty(confidence, low, high, *np.zeros((2, len(shown)), bool))
    return Match(path_through(position), position), certainty
