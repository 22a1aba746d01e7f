"""Event transfer on trimmed pairs: how far off is an event of A when it is transferred to B?

Both clips are first trimmed at random, so that knowing the elapsed share of the clip is not enough.
Features are computed on the trimmed clips, since they depend on a network's temporal context. The
error is the distance in B between the position to which an event of A is mapped and the event of B.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.evaluation.clips import clip_generator
from la2ds_cli.evaluation.events import EvaluationClip
from la2ds_cli.evaluation.features import Aligner, ViewFunction
from la2ds_cli.evaluation.measure import (
    LEAST_PAIRED_CLIPS,
    interval,
    resampled_averages,
    resampled_medians,
    spread_over_clips,
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
        by_clip = zip(needed, views(draw.trimmed(clips, needed)), strict=True)
        prepared = {c: aligner.prepare(clip) for c, clip in by_clip}
        for a, b in draw.pair.tolist():
            names = shared_events(clips[a], draw.cuts[a], clips[b], draw.cuts[b])
            if names:
                position = aligner.match(prepared[a], prepared[b])
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


def bootstrap_medians(errors: Sequence[TransferError], videos: int, seed: int) -> FloatArray:
    """(R,) median percent in each resample of the videos, NaN where it contains no pair, and
    everywhere if all events are those of a single pair of clips.

    The resamples depend only on `videos` and `seed`, so that two feature sets compare pairwise.
    """
    return _bootstrap(resampled_medians, errors, videos, seed)


def bootstrap_means(errors: Sequence[TransferError], videos: int, seed: int) -> FloatArray:
    """(R,) mean percent in the resamples of `bootstrap_medians`, NaN as there."""
    return _bootstrap(resampled_averages, errors, videos, seed)


def _bootstrap(
    statistic: Callable[[FloatArray, IntArray, IntArray, IntArray], FloatArray],
    errors: Sequence[TransferError],
    videos: int,
    seed: int,
) -> FloatArray:
    percent = np.array([error.percent for error in errors])
    a, b = (np.array([getattr(e, side) for e in errors], np.int64) for side in ("a", "b"))
    resampled = statistic(percent, a, b, video_counts(videos, seed))
    return spread_over_clips(resampled, len(np.union1d(a, b)), LEAST_PAIRED_CLIPS)


def summarise(errors: Sequence[TransferError], videos: int, seed: int) -> dict[str, Any]:
    """Statistics over all events as plain JSON types, None if there is no event at all.

    videos: number of clips to which the errors' numbers refer. interval_percent: 95 % bootstrap
    interval over videos of median_percent, None for a single pair of them. clips: the number of
    clips that the events are of. draw_median_percent: the median of each draw.
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
        "clips": len({clip for error in errors for clip in (error.a, error.b)}),
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


@dataclass(frozen=True)
class Cut:
    """Rows start..stop (stop exclusive) of a clip that remain after trimming."""

    start: int
    stop: int

    def __contains__(self, row: int) -> bool:
        return self.start <= row < self.stop


@dataclass(frozen=True)
class Draw:
    """One draw: cuts[c] of clip c, and pair (P, 2) int64 of clip numbers, A then B."""

    number: int
    cuts: tuple[Cut, ...]
    pair: IntArray
    _trimmed: dict[int, PoseSequence] = field(default_factory=dict, repr=False, compare=False)

    def trimmed(
        self, clips: Sequence[EvaluationClip], numbers: Sequence[int]
    ) -> list[PoseSequence]:
        """The trimmed clips with these numbers: the same objects each time, so that features that
        several sets share are computed only once."""
        for c in numbers:
            if c not in self._trimmed:
                self._trimmed[c] = clips[c].pose.cut(self.cuts[c].start, self.cuts[c].stop)
        return [self._trimmed[c] for c in numbers]


def trim(length: int, max_trim: float, video: str, seed: int) -> Cut:
    """Cut U(0, max_trim) of the clip's `length` rows off its start, and likewise off its end.

    The two shares are independent, rounded down to rows, and depend only on `video` and `seed`, not
    on other clips of the project. If fewer than two rows would be left, nothing is cut.
    """
    first, last = clip_generator(video, seed).uniform(0, max_trim, 2) * length
    start, stop = int(first), length - int(last)
    return Cut(start, stop) if stop - start >= 2 else Cut(0, length)


PairFilter = Callable[[str, str], bool]
"""Ids of clips A and B -> whether they may be a pair."""


def draw_trims(
    clips: Sequence[EvaluationClip], config: EvaluateConfig, allowed: PairFilter | None = None
) -> list[Draw]:
    """`config.trim_draws` draws of trims and pairs over clips; seed of draw d = seed + d.

    Pairs are ordered pairs of clips that share an event and that `allowed` (None = all) accepts, at
    most `config.pairs` of them per draw, chosen at random. The trims do not depend on `allowed`.
    """
    candidates = _pairs_sharing_events(clips, allowed)
    draws = []
    for number in range(config.trim_draws):
        seed = config.seed + number
        cuts = tuple(trim(len(clip.pose), config.max_trim, clip.id, seed) for clip in clips)
        pair = candidates
        if len(candidates) > config.pairs:
            chosen = np.random.default_rng(seed).choice(
                len(candidates), config.pairs, replace=False
            )
            pair = candidates[np.sort(chosen)]
        draws.append(Draw(number, cuts, pair))
    return draws


def _pairs_sharing_events(clips: Sequence[EvaluationClip], allowed: PairFilter | None) -> IntArray:
    pairs = [
        (i, j)
        for i, a in enumerate(clips)
        for j, b in enumerate(clips)
        if i != j and not a.events.keys().isdisjoint(b.events)
        if allowed is None or allowed(a.id, b.id)
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


_SUBJECTS = ("embeddings", "model", "base", "raw_pose_best")
_OPPONENTS = ("model", "time_only", "raw_pose_best", "base", "untrained")


def compare(
    errors: Mapping[str, Sequence[Sequence[TransferError]]], videos: int, seed: int
) -> list[dict[str, Any]]:
    """Compare imported embeddings, else the model, else the base model, else the best raw pose with
    the others.

    errors: of each feature set, one list per run, from the same trims and pairs; the median of
    several runs is the mean of their medians. In the rows, `ratio` is the opponent's median error
    divided by the subject's (None if that is 0), `difference_percent` the subject's median minus
    the opponent's, and `interval_percent` its 95 % bootstrap interval over videos, None if there
    is no such interval.
    """
    subject = next((name for name in _SUBJECTS if name in errors), "raw_pose_best")
    if not _complete(errors, subject):
        return []
    mine = _median(errors[subject])
    resampled = _resampled(errors[subject], videos, seed)
    rows = []
    for other in _OPPONENTS:
        if other != subject and _complete(errors, other):
            theirs = _median(errors[other])
            spread = interval(resampled - _resampled(errors[other], videos, seed))
            rows.append(
                {
                    "features": subject,
                    "against": other,
                    "ratio": theirs / mine if mine > 0 else None,
                    "difference_percent": mine - theirs,
                    "interval_percent": list(spread) if spread else None,
                }
            )
    return rows


def _complete(errors: Mapping[str, Sequence[Sequence[TransferError]]], name: str) -> bool:
    return bool(errors.get(name)) and all(errors[name])


def _median(runs: Sequence[Sequence[TransferError]]) -> float:
    return float(np.mean([np.median([error.percent for error in run]) for run in runs]))


def _resampled(runs: Sequence[Sequence[TransferError]], videos: int, seed: int) -> FloatArray:
    return np.mean([bootstrap_medians(run, videos, seed) for run in runs], axis=0)
