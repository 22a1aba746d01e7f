"""Event transfer on trimmed pairs: how far off is an event of A when it is transferred to B?

Both clips are first trimmed at random, so that knowing the elapsed share of the clip is not enough.
Features are computed on the trimmed clips, since they depend on a network's temporal context. The
error is the distance in B between the position to which an event of A is mapped and the event of B.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.evaluation.clips import clip_generator
from la2ds_cli.evaluation.events import EvaluationClip
from la2ds_cli.evaluation.measure import (
    LEAST_PAIRED_CLIPS,
    Measure,
    interval,
    resampled_averages,
    resampled_medians,
    spread_over_clips,
    undefined,
    video_counts,
)


@dataclass(frozen=True)
class TransferError:
    """One event transferred from clip `a` to clip `b` (numbers in the list of clips) in one draw.

    frames: error in frames of B. percent: of B's untrimmed number of frames. seconds: in B.
    unmatched: the event's frame was unmatched, so the nearest matched frame was transferred.
    """

    draw: int
    a: int
    b: int
    event: str
    frames: float
    percent: float
    seconds: float
    unmatched: bool


def shared_events(a: EvaluationClip, cut_a: range, b: EvaluationClip, cut_b: range) -> list[str]:
    """Events that lie inside both trimmed clips, in the order of A."""
    inside = [e for e in a.events if e in b.events and a.events[e] in cut_a]
    return sorted((e for e in inside if b.events[e] in cut_b), key=lambda e: (a.events[e], e))


def transfer_events(
    clips: Sequence[EvaluationClip],
    draws: Sequence[Draw],
    align: Callable[[PoseSequence, PoseSequence], Alignment],
    advance: Callable[[], None] = lambda: None,
) -> list[TransferError]:
    """Return the errors of every event of every pair of every draw.

    Parameters
    ----------
    align: of two trimmed clips (FeatureVariant.align).
    advance: is called after every pair.
    """
    errors = []
    for draw in draws:
        for a, b in draw.pair.tolist():
            names = shared_events(clips[a], draw.cuts[a], clips[b], draw.cuts[b])
            if names:
                position = align(draw.poses[a], draw.poses[b]).position
                errors += [_transfer_error(clips, draw, (a, b), position, name) for name in names]
            advance()
    return errors


def _transfer_error(
    clips: Sequence[EvaluationClip],
    draw: Draw,
    pair: tuple[int, int],
    position: FloatArray,
    name: str,
) -> TransferError:
    """Error of one event; position (N,) is the row in trimmed B of each row of trimmed A."""
    a, b = pair
    source = clips[a].events[name] - draw.cuts[a].start
    matched = np.flatnonzero(~np.isnan(position))
    nearest = matched[np.abs(matched - source).argmin()]
    landed = float(position[nearest]) + draw.cuts[b].start
    truth = clips[b].events[name]
    target = clips[b].pose
    seconds = np.interp([landed, truth], np.arange(len(target)), target.time)
    frames = abs(landed - truth)
    return TransferError(
        draw=draw.number,
        a=a,
        b=b,
        event=name,
        frames=frames,
        percent=100 * frames / len(target),
        seconds=float(abs(seconds[0] - seconds[1])),
        unmatched=bool(nearest != source),
    )


STATISTICS: dict[str, tuple[str, Callable[[FloatArray], Any]]] = {
    "median_percent": ("percent", np.median),
    "mean_percent": ("percent", np.mean),
    "p90_percent": ("percent", partial(np.percentile, q=90)),
    "median_seconds": ("seconds", np.median),
}
_RESAMPLED = {"median_percent": resampled_medians, "mean_percent": resampled_averages}


def measure_transfer(errors: Sequence[TransferError], videos: int, seed: int) -> dict[str, Measure]:
    """STATISTICS over all events. videos: number of clips to which the errors' numbers refer.

    The median and the mean have resamples, which depend only on `videos` and `seed`, so that two
    feature sets compare pairwise; NaN where they contain no pair, and everywhere if all events are
    those of a single pair of clips.
    """
    if not errors:
        lost = undefined("no event lies inside both clips of any trimmed pair")
        return dict.fromkeys(STATISTICS, lost)
    a, b = (np.array([getattr(e, side) for e in errors], np.int64) for side in ("a", "b"))
    counts, clips = video_counts(videos, seed), len(np.union1d(a, b))
    facts = {
        "pairs": len({(e.draw, e.a, e.b) for e in errors}),
        "events": len(errors),
        "unmatched": sum(error.unmatched for error in errors),
        "by_event": {
            name: float(np.median([e.percent for e in errors if e.event == name]))
            for name in sorted({error.event for error in errors})
        },
        "reason": None,
    }
    measures = {}
    for name, (unit, statistic) in STATISTICS.items():
        value = np.array([getattr(error, unit) for error in errors])
        resampled = np.full(len(counts), np.nan)
        if name in _RESAMPLED:
            resampled = _RESAMPLED[name](value, a, b, counts)
            resampled = spread_over_clips(resampled, clips, LEAST_PAIRED_CLIPS)
        measures[name] = Measure(float(statistic(value)), resampled, clips, facts)
    return measures


@dataclass(frozen=True)
class Draw:
    """One draw: the rows cuts[c] that remain of clip c, its trimmed poses[c], and pair (P, 2) int64
    of clip numbers, A then B. The poses are the same objects for all feature sets, so that features
    that several sets share are computed only once."""

    number: int
    cuts: Sequence[range]
    pair: IntArray
    poses: Sequence[PoseSequence]


def trim(length: int, max_trim: float, video: str, seed: int) -> range:
    """The rows that remain after cutting U(0, max_trim) of the clip's `length` rows off its start,
    and likewise off its end.

    The two shares are independent, rounded down to rows, and depend only on `video` and `seed`, not
    on other clips of the project. If fewer than two rows would be left, nothing is cut.
    """
    first, last = clip_generator(video, seed).uniform(0, max_trim, 2) * length
    start, stop = int(first), length - int(last)
    return range(start, stop) if stop - start >= 2 else range(length)


PairFilter = Callable[[str, str], bool]
"""Ids of clips A and B -> whether they may be a pair."""


def draw_trims(
    clips: Sequence[EvaluationClip], config: EvaluateConfig, allowed: PairFilter | None = None
) -> list[Draw]:
    """`config.trim_draws` draws of trims and pairs over clips; seed of draw d = seed + d.

    Pairs are ordered pairs of clips that share an event and that `allowed` (None = all) accepts, at
    most `config.pairs` of them per draw, chosen at random. The trims do not depend on `allowed`.
    """
    pairs = [
        (i, j)
        for i, a in enumerate(clips)
        for j, b in enumerate(clips)
        if i != j and not a.events.keys().isdisjoint(b.events)
        if allowed is None or allowed(a.id, b.id)
    ]
    candidates = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    draws = []
    for number in range(config.trim_draws):
        seed = config.seed + number
        cuts = [trim(len(clip.pose), config.max_trim, clip.id, seed) for clip in clips]
        pair = candidates
        if len(candidates) > config.pairs:
            chosen = np.random.default_rng(seed).choice(
                len(candidates), config.pairs, replace=False
            )
            pair = candidates[np.sort(chosen)]
        poses = [clip.pose.cut(c.start, c.stop) for clip, c in zip(clips, cuts, strict=True)]
        draws.append(Draw(number, cuts, pair, poses))
    return draws


_SUBJECTS = ("model", "base", "raw_pose_best")
_OPPONENTS = ("time_only", "raw_pose_best", "base", "untrained")


def compare(medians: Mapping[str, Measure]) -> list[dict[str, Any]]:
    """Compare the model, else the base model, else the best raw pose with the others.

    medians: of each feature set, from the same trims and pairs; that of several runs is the mean of
    their medians. In the rows, `ratio` is the opponent's median error divided by the subject's
    (None if that is 0), `difference_percent` the subject's median minus the opponent's, and
    `interval_percent` its 95 % bootstrap interval over videos, None if there is no such interval;
    `gain_interval` that of the share of the opponent's error, in %, that the subject saves.
    """
    known = {name: one for name, one in medians.items() if one.value is not None}
    subject = next((name for name in _SUBJECTS if name in medians), "raw_pose_best")
    if subject not in known:
        return []
    mine, rows = known[subject], []
    for other in (name for name in _OPPONENTS if name != subject and name in known):
        theirs = known[other]
        assert mine.value is not None
        assert theirs.value is not None
        spread = interval(mine.resampled - theirs.resampled)
        with np.errstate(divide="ignore", invalid="ignore"):
            saved = 100 * (1 - mine.resampled / theirs.resampled)
        gain = interval(np.where(np.isfinite(saved), saved, np.nan))
        rows.append(
            {
                "features": subject,
                "against": other,
                "ratio": theirs.value / mine.value if mine.value > 0 else None,
                "difference_percent": mine.value - theirs.value,
                "interval_percent": list(spread) if spread else None,
                "gain_interval": list(gain) if gain else None,
            }
        )
    return rows
