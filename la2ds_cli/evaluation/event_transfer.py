"""Event transfer on trimmed pairs: how far off is an event of A when it is transferred to B?

Both clips are first trimmed at random, so that elapsed time alone does not locate the event.
Features are computed on the trimmed clips, because a network also sees the frames around. The
error is the distance in B between the position to which an event of A is mapped and the event of B.
If B rests at its event, every frame of that rest shows the same pose: the error is the distance to
the nearest of them, zero within the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.core.clip import name_for_draws
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
    """The error of one event transferred from clip `a` to clip `b` (clip numbers) in one draw.

    frames: the error in frames of B. percent: in % of B's untrimmed length. seconds: in seconds of
    B. unmatched: the event's frame has no counterpart, so the nearest matched frame was used.
    at_rest: A or B stands still at its event. rest: length of the rest of B that holds its event,
    in % of B's untrimmed length; 0 where B moves. to_label: the distance from the event of B itself
    in % of B's untrimmed length, also within a rest.
    """

    draw: int
    a: int
    b: int
    event: str
    frames: float
    percent: float
    seconds: float
    unmatched: bool
    at_rest: bool = False
    rest: float = 0.0
    to_label: float = np.nan


def shared_events(a: EvaluationClip, cut_a: range, b: EvaluationClip, cut_b: range) -> list[str]:
    """Return the events that lie inside both trimmed clips, in the order of A."""
    inside = [e for e in a.events if e in b.events and a.events[e] in cut_a]
    return sorted((e for e in inside if b.events[e] in cut_b), key=lambda e: (a.events[e], e))


def transfer_events(
    clips: Sequence[EvaluationClip],
    draws: Sequence[Draw],
    align: Callable[[PoseSequence, PoseSequence], Alignment],
    advance: Callable[[], None] = lambda: None,
) -> list[TransferError]:
    """Transfer every event of every pair in every draw, and return the errors.

    Parameters
    ----------
    align: aligns two trimmed clips (FeatureVariant.align).
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
    """Return the error of one event; position (N,): row of trimmed B for each row of trimmed A."""
    a, b = pair
    source = clips[a].events[name] - draw.cuts[a].start
    matched = np.flatnonzero(~np.isnan(position))
    nearest = matched[np.abs(matched - source).argmin()]
    landed = float(position[nearest]) + draw.cuts[b].start
    event = clips[b].events[name]
    target, rest = clips[b].pose, clips[b].rest_of(name)
    truth = float(np.clip(landed, rest[0], rest[-1])) if rest else event
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
        at_rest=bool(rest or clips[a].rest_of(name)),
        rest=100 * len(rest) / len(target),
        to_label=100 * abs(landed - event) / len(target),
    )


STATISTICS: dict[str, tuple[str, Callable[[FloatArray], Any]]] = {
    "median_percent": ("percent", np.median),
    "mean_percent": ("percent", np.mean),
    "p90_percent": ("percent", partial(np.percentile, q=90)),
    "median_seconds": ("seconds", np.median),
}
_RESAMPLED = {"median_percent": resampled_medians, "mean_percent": resampled_averages}


def measure_transfer(errors: Sequence[TransferError], videos: int, seed: int) -> dict[str, Measure]:
    """Compute STATISTICS over all events.

    Only the median and the mean are resampled. Resamples depend on `videos` and `seed` alone, so
    that two feature sets can be compared pairwise; they are NaN where they contain no pair, and
    everywhere if all events come from a single pair of clips.

    Parameters
    ----------
    errors: of all transferred events.
    videos: the number of clips.
    """
    if not errors:
        no_event = undefined("no event lies inside both clips of any trimmed pair")
        return dict.fromkeys(STATISTICS, no_event)
    a, b = (np.array([getattr(e, side) for e in errors], np.int64) for side in ("a", "b"))
    counts, clips = video_counts(videos, seed), len(np.union1d(a, b))
    facts = {
        "pairs": len({(e.draw, e.a, e.b) for e in errors}),
        "events": len(errors),
        "unmatched": sum(error.unmatched for error in errors),
        "at_rest": sum(error.at_rest for error in errors),
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
    """One draw of trims and pairs.

    cuts: the rows that remain of each clip. pair: (P, 2) int64 clip numbers, A then B. poses: the
    trimmed clips, the same objects for all feature sets, so that shared features are computed once.
    """

    number: int
    cuts: Sequence[range]
    pair: IntArray
    poses: Sequence[PoseSequence]


def trim(length: int, max_trim: float, name: str, seed: int) -> range:
    """Return the rows that remain after random cuts at the start and the end of a clip.

    Each cut removes U(0, max_trim) of the `length` rows, rounded down. The cuts are independent and
    depend only on `name` and `seed`, not on other clips. If fewer than two rows would be left,
    nothing is cut.
    """
    first, last = clip_generator(name, seed).uniform(0, max_trim, 2) * length
    start, stop = int(first), length - int(last)
    return range(start, stop) if stop - start >= 2 else range(length)


def _names(clips: Sequence[EvaluationClip]) -> list[str]:
    """Return a name for each clip, which does not depend on how its film was encoded; clips of one
    name are numbered in their order, so that each has trims of its own."""
    times: Counter[str] = Counter()
    names = []
    for clip in clips:
        name = name_for_draws(clip.id)
        times[name] += 1
        names.append(name if times[name] == 1 else f"{name} {times[name]}")
    return names


PairFilter = Callable[[str, str], bool]
"""Takes the ids of clips A and B, and returns whether they may be a pair."""


def draw_trims(
    clips: Sequence[EvaluationClip], config: EvaluateConfig, allowed: PairFilter | None = None
) -> list[Draw]:
    """Draw trims and pairs of clips `config.trim_draws` times; draw d has the seed `seed + d`.

    Pairs are ordered pairs of clips that share an event, at most `config.pairs` per draw, chosen at
    random.

    Parameters
    ----------
    allowed: which pairs to use, None = all. The trims do not depend on it.
    """
    pairs = [
        (i, j)
        for i, a in enumerate(clips)
        for j, b in enumerate(clips)
        if i != j and not a.events.keys().isdisjoint(b.events)
        if allowed is None or allowed(a.id, b.id)
    ]
    candidates = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    names, draws = _names(clips), []
    for number in range(config.trim_draws):
        seed = config.seed + number
        cuts = [
            trim(len(clip.pose), config.max_trim, name, seed)
            for clip, name in zip(clips, names, strict=True)
        ]
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
_OPPONENTS = ("time_only", "whole_time", "raw_pose_best", "base", "untrained", "model")


def compare(medians: Mapping[str, Measure], methods: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Compare the model (or the base model, or the best raw pose) with our other feature sets, and
    each of other people's methods with them.

    In each row, `ratio` is the opponent's median error divided by the subject's (None if that is
    0), `difference_percent` the subject's median minus the opponent's, `interval_percent` the 95 %
    bootstrap interval of this difference over videos (None if there is none), and `gain_interval`
    the interval of the share of the opponent's error, in %, that the subject saves.

    Parameters
    ----------
    medians: median error by feature set, from the same trims and pairs; for several runs, the mean
        of their medians.
    methods: feature sets that are other people's methods.
    """
    subject = next((name for name in _SUBJECTS if name in medians), "raw_pose_best")
    rows = _against(subject, medians, [name for name in _OPPONENTS if name != "whole_time"])
    for method in methods:
        rows += _against(method, medians, _OPPONENTS)
    return rows


def _against(
    subject: str, medians: Mapping[str, Measure], opponents: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a row of `compare` for each opponent; none if the subject's median is undefined."""
    defined = {name: median for name, median in medians.items() if median.value is not None}
    if subject not in defined:
        return []
    mine, rows = defined[subject], []
    for other in (name for name in opponents if name != subject and name in defined):
        theirs = defined[other]
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
