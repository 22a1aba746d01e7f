"""Event transfer on trimmed pairs: how far off is an event of A when it is carried to B?

Both clips are trimmed at random first, so that knowing the share of the clip that has passed is
not enough. Features are computed on the trimmed clips, since a network's context is part of it.
The error is the distance, in B, between where an event of A lands and where B has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.aligners import Aligner, Views
from la2ds_cli.evaluation.bootstrap import interval, resampled_medians, video_counts
from la2ds_cli.evaluation.trims import Cut, Draw, EvaluationClip

ViewFunction = Callable[[Sequence[PoseSequence]], list[Views]]


@dataclass(frozen=True)
class TransferError:
    """One event carried from clip `a` to clip `b` (numbers in the list of clips) in one draw.

    frames: error in frames of B. percent: of B's untrimmed number of frames. seconds: in B.
    unmatched: the event's frame had no pair in the path, its nearest matched frame was carried.
    """

    draw: int
    a: int
    b: int
    event: str
    frames: float
    percent: float
    seconds: float
    unmatched: bool


def shared_events(a: EvaluationClip, cut_a: Cut, b: EvaluationClip, cut_b: Cut) -> list[str]:
    """Events that lie inside both trimmed clips, in the order of A."""
    inside = [e for e in a.events if e in b.events and a.events[e] in cut_a]
    return sorted((e for e in inside if b.events[e] in cut_b), key=lambda e: (a.events[e], e))


def transfer_events(
    clips: Sequence[EvaluationClip],
    draws: Sequence[Draw],
    views: ViewFunction,
    aligner: Aligner,
    advance: Callable[[], None] = lambda: None,
) -> list[TransferError]:
    """Errors of every event of every pair of every draw; each trimmed clip is embedded once per
    draw. `advance` is called after every pair."""
    errors = []
    for draw in draws:
        needed = [int(c) for c in np.unique(draw.pair)]
        trimmed = [clips[c].pose.cut(draw.cuts[c].start, draw.cuts[c].stop) for c in needed]
        ready = {c: aligner.prepare(seen) for c, seen in zip(needed, views(trimmed), strict=True)}
        for a, b in draw.pair.tolist():
            names = shared_events(clips[a], draw.cuts[a], clips[b], draw.cuts[b])
            if names:
                position = aligner.match(ready[a], ready[b])
                errors += [_carry(clips, draw, (a, b), position, name) for name in names]
            advance()
    return errors


def _carry(
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


def bootstrap_medians(errors: Sequence[TransferError], videos: int, seed: int) -> FloatArray:
    """(R,) median percent of each resample of the videos, NaN where it holds no pair.

    The resamples depend on `videos` and `seed` alone, so that two feature sets compare pairwise.
    """
    percent = np.array([error.percent for error in errors])
    a, b = (np.array([getattr(e, side) for e in errors], np.int64) for side in ("a", "b"))
    return resampled_medians(percent, a, b, video_counts(videos, seed))


def summarise(errors: Sequence[TransferError], videos: int, seed: int) -> dict[str, Any]:
    """JSON-able statistics over all events, None where there is no event at all.

    videos: number of clips the errors' numbers refer to. interval_percent: 95 % bootstrap
    interval over videos of median_percent. draw_median_percent: the median of each draw.
    """
    percent = np.array([error.percent for error in errors])
    seconds = np.array([error.seconds for error in errors])
    spread = interval(bootstrap_medians(errors, videos, seed))
    draws = sorted({error.draw for error in errors})
    return {
        "median_percent": _finite(np.median, percent),
        "mean_percent": _finite(np.mean, percent),
        "p90_percent": _finite(lambda x: np.percentile(x, 90), percent),
        "interval_percent": list(spread) if spread else None,
        "median_seconds": _finite(np.median, seconds),
        "mean_seconds": _finite(np.mean, seconds),
        "draw_median_percent": [
            float(np.median([e.percent for e in errors if e.draw == draw])) for draw in draws
        ],
        "by_event": _by_event(errors),
        "pairs": len({(e.draw, e.a, e.b) for e in errors}),
        "events": len(errors),
        "unmatched": sum(error.unmatched for error in errors),
        "reason": None if errors else "no event lies inside both clips of any trimmed pair",
    }


def _by_event(errors: Sequence[TransferError]) -> Mapping[str, dict[str, float]]:
    groups: dict[str, list[float]] = {}
    for error in errors:
        groups.setdefault(error.event, []).append(error.percent)
    return {
        name: {
            "median_percent": float(np.median(group)),
            "mean_percent": float(np.mean(group)),
            "events": len(group),
        }
        for name, group in sorted(groups.items())
    }


def _finite(statistic: Callable[[FloatArray], Any], values: FloatArray) -> float | None:
    value = float(statistic(values)) if len(values) else math.nan
    return value if math.isfinite(value) else None
