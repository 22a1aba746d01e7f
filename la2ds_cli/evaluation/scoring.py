"""All metrics of one feature set, with intervals over the test videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.evaluation.event_transfer import (
    Draw,
    TransferError,
    bootstrap_medians,
    summarise,
    transfer_events,
)
from la2ds_cli.evaluation.events import EvaluationClip
from la2ds_cli.evaluation.features import FeatureSet, Variant
from la2ds_cli.evaluation.frame_retrieval import average_retrieval, retrieve_frames
from la2ds_cli.evaluation.kendall import Tau, kendalls_tau
from la2ds_cli.evaluation.measure import (
    LEAST_CLIPS,
    LEAST_PAIRED_CLIPS,
    RESAMPLES,
    Key,
    Measure,
    VideoValue,
    interval,
    joined_reasons,
    mean_over_runs,
    nested,
    resampled_means,
    said_of_runs,
    spread_over_clips,
    undefined,
    video_counts,
)
from la2ds_cli.evaluation.phase_classification import (
    LabelledFrames,
    Memory,
    SharedDistances,
    classify_phases,
    score_confusion,
)
from la2ds_cli.evaluation.phase_labels import NO_PHASE, Labels
from la2ds_cli.evaluation.phase_progression import (
    MissingPhase,
    phase_progression,
    r_squared,
)
from la2ds_cli.evaluation.protocol import Protocol, Subset

Measures = Mapping[Key, Measure]
_STATISTICS = ("median_percent", "mean_percent", "p90_percent", "median_seconds", "mean_seconds")


@dataclass(frozen=True)
class Inputs:
    """Inputs that all feature sets share. clips: under test. fit: poses of the labelled training
    clips. training: poses of all training clips. labels: None without phase metrics. measured:
    figures of each feature, cached because several sets share one. memory: of the classifiers of
    all features. fit_split: whether some clips are marked test, so that training clips are
    separate."""

    clips: list[EvaluationClip]
    draws: list[Draw]
    has_events: bool
    fit: list[PoseSequence]
    training: list[PoseSequence]
    fit_split: bool
    labels: Labels | None
    protocol: Protocol
    config: Config
    measured: dict[str, Measures] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class Scored:
    """One scored feature set (of one run). row: plain JSON types. errors: of event transfer, by the
    variant with the lowest median; mean_errors: by the one with the lowest mean."""

    row: dict[str, Any]
    measures: Measures
    errors: list[TransferError]
    mean_errors: list[TransferError]

    def to_json(self) -> dict[str, Any]:
        """The scores as plain JSON types; floats keep their value."""
        return {
            "row": self.row,
            "measures": [[*key, measure.to_json()] for key, measure in self.measures.items()],
            "errors": [asdict(error) for error in self.errors],
            "mean_errors": [asdict(error) for error in self.mean_errors],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Scored:
        """The inverse of to_json."""
        measures = {
            (metric, part): Measure.from_json(one) for metric, part, one in document["measures"]
        }
        errors, mean_errors = (
            [TransferError(**error) for error in document[key]] for key in ("errors", "mean_errors")
        )
        return cls(document["row"], measures, errors, mean_errors)


def score(feature_set: FeatureSet, inputs: Inputs, progress: Progress) -> Scored:
    """Every metric of the protocol; with several variants, the best one for each figure separately.

    The median of event transfer is that of the variant with the lowest median, the mean that of the
    one with the lowest mean, and so on. What belongs to no single figure (interval, events, draws)
    goes with the median, on which comparisons are based.
    """
    variants = feature_set.variants
    by_feature = {}
    for variant in {v.feature: v for v in variants}.values():
        by_feature[variant.feature] = _measure(variant, inputs)
    measures = _best(by_feature)
    row: dict[str, Any] = nested({key: measure.row() for key, measure in measures.items()})
    if not inputs.protocol.event_transfer:
        return Scored(row, measures, [], [])
    transfers = [_transfer(variant, inputs, progress) for variant in variants]
    summaries = [summary for summary, _ in transfers]
    best = {key: _lowest(summaries, key) for key in _STATISTICS}
    by_median = best["median_percent"]
    figures = {key: summaries[n][key] for key, n in best.items()}
    row |= {
        "event_transfer": summaries[by_median] | figures,
        "variant": variants[by_median].name,
        "uses": asdict(variants[by_median].uses),
    }
    if len(variants) > 1:
        row["best_variants"] = {key: variants[n].name for key, n in best.items()}
        row["variants"] = {
            variant.name: {key: summary[key] for key in _STATISTICS}
            for variant, summary in zip(variants, summaries, strict=True)
        }
    mean_errors = transfers[best["mean_percent"]][1]
    return Scored(row, measures, transfers[by_median][1], mean_errors)


def _measure(variant: Variant, inputs: Inputs) -> Measures:
    """Figures of the features frame by frame, as filmed."""
    if variant.feature in inputs.measured:
        return inputs.measured[variant.feature]
    protocol, seed = inputs.protocol, inputs.config.evaluate.seed
    test = variant.by_frame([clip.pose for clip in inputs.clips])
    videos = [clip.id for clip in inputs.clips]
    measures: dict[Key, Measure] = {}
    if inputs.labels is not None:
        fit = variant.by_frame(inputs.fit)
        measures |= measure_phases(fit, test, inputs.labels, protocol, seed, inputs.memory)
    measures["kendalls_tau", ""] = measure_tau(test, videos, protocol.tau_stride, seed)
    inputs.measured[variant.feature] = measures
    return measures


def _best(by_feature: Mapping[str, Measures]) -> Measures:
    """For each metric, the feature with the highest value, named in its facts if there was a
    choice; undefined values come last."""
    if len(by_feature) == 1:
        return next(iter(by_feature.values()))
    chosen = {}
    for key in next(iter(by_feature.values())):
        values = {name: measures[key].value for name, measures in by_feature.items()}
        name = max(values, key=lambda n: -np.inf if (value := values[n]) is None else value)
        measure = by_feature[name][key]
        facts = {**measure.facts, "variant": name}
        chosen[key] = Measure(measure.value, measure.resampled, facts, measure.by_video)
    return chosen


def _transfer(
    variant: Variant, inputs: Inputs, progress: Progress
) -> tuple[dict[str, Any], list[TransferError]]:
    clips, seed = inputs.clips, inputs.config.evaluate.seed
    reason, errors = "", []
    if not inputs.has_events:
        reason = "no two clips share an event"
    elif not all(
        np.isfinite(value).all() for value in variant.by_frame([clip.pose for clip in clips])
    ):
        reason = "the features of some clip are not finite numbers"
    else:
        errors = transfer_events(
            clips, inputs.draws, variant.views, variant.aligner, progress.advance
        )
    summary = summarise(errors, len(clips), seed)
    return summary | ({"reason": reason} if reason else {}), errors


def _lowest(summaries: Sequence[Mapping[str, Any]], key: str) -> int:
    """Number of the summary with the lowest figure; the first one if none has it."""
    values = [np.inf if summary[key] is None else summary[key] for summary in summaries]
    return int(np.argmin(values))


def mean_row(by_run: Mapping[str, Scored], videos: int, seed: int) -> dict[str, Any]:
    """The row of a model that was trained several times: means over the runs, with their spread."""
    runs = list(by_run)
    keys = by_run[runs[0]].measures
    rows = {}
    for key in keys:
        rows[key] = mean_over_runs({run: by_run[run].measures[key] for run in runs}).row()
    row = nested(rows)
    if "event_transfer" in by_run[runs[0]].row:
        row["event_transfer"] = _mean_transfer(by_run, videos, seed)
        row["variant"] = said_of_runs({run: one.row["variant"] for run, one in by_run.items()})
        uses = [one.row["uses"] for one in by_run.values()]
        row |= {"uses": uses[0]} if all(one == uses[0] for one in uses) else {}
    return row


def _mean_transfer(by_run: Mapping[str, Scored], videos: int, seed: int) -> dict[str, Any]:
    """Means over runs of the summaries; every run transferred the same events of the same pairs."""
    summaries = [scored.row["event_transfer"] for scored in by_run.values()]
    row: dict[str, Any] = dict(summaries[0])
    medians = [summary["median_percent"] for summary in summaries]
    row |= {
        "by_run": dict(zip(by_run, medians, strict=True)),
        "spread": None,
        "by_event": {},
        "interval_percent": None,
        "unmatched": sum(summary["unmatched"] for summary in summaries),
        "reason": joined_reasons(
            {run: scored.row["event_transfer"]["reason"] for run, scored in by_run.items()}
        ),
    }
    if any(median is None for median in medians):
        return row | {key: None for key in row if key.endswith(("_percent", "_seconds"))}
    for key in _STATISTICS:
        row[key] = float(np.mean([summary[key] for summary in summaries]))
    row["draw_median_percent"] = np.mean(
        [summary["draw_median_percent"] for summary in summaries], axis=0
    ).tolist()
    row["by_event"] = {
        name: {
            key: float(np.mean([summary["by_event"][name][key] for summary in summaries]))
            for key in ("median_percent", "mean_percent")
        }
        | {"events": first["events"]}
        for name, first in summaries[0]["by_event"].items()
    }
    resampled = [bootstrap_medians(s.errors, videos, seed) for s in by_run.values()]
    spread = interval(np.mean(resampled, axis=0))
    return row | {
        "interval_percent": list(spread) if spread else None,
        "spread": float(np.std(medians, ddof=1)),
    }


def retrieval_metric(protocol: Protocol) -> str:
    """JSON key of AP@K in this protocol."""
    return "average_precision_at_k" if protocol.ranked else "precision_at_k"


def measure_tau(
    features: Sequence[FloatArray], videos: Sequence[str], stride: int, seed: int
) -> Measure:
    """Kendall's tau over all test clips as a Measure; features (T, D) per clip."""
    tau = kendalls_tau(features, stride)
    facts = {"pairs": tau.pairs, "nan": tau.nan, "reason": _undefined_tau(features, stride, tau)}
    by_video = []
    for video, row in zip(videos, tau.by_pair, strict=True):
        defined = row[np.isfinite(row)]
        if len(defined):
            by_video.append(VideoValue(video, float(defined.mean()), len(defined)))
    resampled = resampled_means(tau.by_pair, video_counts(len(videos), seed))
    known = np.isfinite(tau.by_pair)
    paired = int((known | known.T).any(axis=1).sum())
    resampled = spread_over_clips(resampled, paired, LEAST_PAIRED_CLIPS)
    return Measure(tau.value, resampled, facts, by_video)


def _undefined_tau(features: Sequence[FloatArray], stride: int, tau: Tau) -> str | None:
    """Why some pairs have no tau. Their number is a separate fact, so that a reason that several
    features share appears only once."""
    broken = sum(not np.isfinite(feature[::stride]).all() for feature in features)
    finite = len(features) - broken
    reasons = []
    if tau.nan > tau.pairs - finite * (finite - 1):
        reasons.append("all frames of A have one and the same nearest frame in B")
    if broken:
        reasons.append(f"the features of {broken} clips are not finite")
    return f"pairs undefined, since {', or '.join(reasons)}" if reasons else None


def measure_phases(
    train: Sequence[FloatArray],
    test: Sequence[FloatArray],
    labels: Labels,
    protocol: Protocol,
    seed: int,
    memory: Memory | None = None,
) -> dict[Key, Measure]:
    """Classification, progression and retrieval of one feature.

    train: features (T, D) of the clips of labels.train; test: of all test clips. memory: kept from
    one feature to the next.
    """
    test = [test[row] for row in labels.test_row]
    keys = _keys(protocol)
    broken = [int((~np.isfinite(feature)).any(axis=1).sum()) for feature in (*train, *test)]
    if any(broken):
        clips = sum(count > 0 for count in broken)
        reason = f"features that are not finite: {sum(broken)} frames of {clips} clips"
        return {key: undefined(reason, nan=sum(broken)) for key in keys}
    fit, scored = _labelled_frames(train, labels.train), _labelled_frames(test, labels.test)
    measures: dict[Key, Measure] = {}
    svm = protocol.classifier == "svm"
    shared = SharedDistances.of(fit, scored, memory or Memory()) if svm else None
    for subset in protocol.subsets:
        key = ("phase_classification", subset.name)
        measures[key] = _classification(fit, scored, labels, protocol, subset, seed, shared)
    measures["phase_progression", ""] = _progression(train, test, labels, protocol, seed)
    measures |= _retrieval(scored, labels, protocol, seed)
    for key, measure in measures.items():
        resampled = spread_over_clips(measure.resampled, len(test), LEAST_CLIPS)
        measures[key] = replace(measure, resampled=resampled)
    return measures


def _keys(protocol: Protocol) -> list[Key]:
    return [
        *(("phase_classification", subset.name) for subset in protocol.subsets),
        ("phase_progression", ""),
        *((retrieval_metric(protocol), str(k)) for k in protocol.neighbours),
    ]


def _labelled_frames(
    features: Sequence[FloatArray], label: Sequence[IntArray]
) -> list[LabelledFrames]:
    pairs = zip(features, label, strict=True)
    return [LabelledFrames(f[of != NO_PHASE], of[of != NO_PHASE]) for f, of in pairs]


def _classification(
    train: list[LabelledFrames],
    test: list[LabelledFrames],
    labels: Labels,
    protocol: Protocol,
    subset: Subset,
    seed: int,
    shared: SharedDistances | None,
) -> Measure:
    count, classifier = len(labels.phases), protocol.classifier
    result = classify_phases(train, test, count, subset, classifier, shared)
    if result is None:
        return undefined(f"{subset.name} needed, {len(train)} labelled training videos available")
    draws = len(result.confusion)
    by_draw = score_confusion(result.confusion.sum(axis=1), protocol.score)
    weight = _draw_counts(draws, seed)
    counts = video_counts(len(test), seed)
    resampled = np.zeros(len(counts))
    for d in range(draws):
        pooled = np.einsum("rv,vij->rij", counts, result.confusion[d])
        resampled += weight[:, d] * score_confusion(pooled, protocol.score) / draws
    facts = {
        "score": protocol.score,
        "videos": result.videos,
        "draws": draws,
        "draw_spread": float(np.std(by_draw, ddof=1)) if draws > 1 else None,
        "one_phase_draws": result.one_phase,
        "reason": None,
    }
    alone = score_confusion(result.confusion, protocol.score).mean(axis=0)
    frames = [len(clip.label) for clip in test]
    return Measure(float(by_draw.mean()), resampled, facts, _by_video(labels, alone, frames))


def _draw_counts(draws: int, seed: int) -> IntArray:
    """(R, draws): how often each draw of the training videos is drawn in each resample."""
    generator = np.random.default_rng([seed, draws, 1])
    return generator.multinomial(draws, np.full(draws, 1 / draws), RESAMPLES)


def _progression(
    train: Sequence[FloatArray],
    test: Sequence[FloatArray],
    labels: Labels,
    protocol: Protocol,
    seed: int,
) -> Measure:
    if len(labels.phases) < 2:
        return undefined("fewer than two phases")
    try:
        result = phase_progression(
            *(train, labels.train, test, labels.test, len(labels.phases)),
            *(protocol.missing_phase, protocol.last_phase),
        )
    except MissingPhase as missing:
        name = labels.phases[missing.phase]
        return undefined(f"some clip has no phase '{name}', for which this protocol has no rule")
    names = labels.phases[: len(result.r2)]
    if np.isnan(result.r2).any():
        name = names[int(np.isnan(result.r2).argmax())]
        return undefined(f"no test clip has the phase '{name}'")
    low = -np.inf if protocol.r2_floor is None else protocol.r2_floor
    counts = video_counts(len(test), seed)
    resampled = r_squared(np.einsum("rv,ves->res", counts, result.sums))
    facts = {
        "by_phase": dict(zip(names, result.r2.tolist(), strict=True)),
        "mean_unclipped": float(result.r2.mean()),
        "clipped": int((result.r2 < low).sum()),
        "excluded": dict(zip(names, result.excluded.tolist(), strict=True)),
        "reason": None,
    }
    value = float(np.maximum(result.r2, low).mean())
    frames = result.sums[:, :, 0].max(axis=1).astype(int).tolist()
    by_video = _by_video(labels, result.error, frames)
    return Measure(value, np.maximum(resampled, low).mean(axis=1), facts, by_video)


def _retrieval(
    test: list[LabelledFrames], labels: Labels, protocol: Protocol, seed: int
) -> dict[Key, Measure]:
    if not protocol.neighbours:
        return {}
    step = protocol.retrieval_stride
    metric = retrieval_metric(protocol)
    clips = [LabelledFrames(clip.feature[::step], clip.label[::step]) for clip in test]
    frames = [len(clip.label) for clip in clips]
    possible = [k for k in protocol.neighbours if k <= sum(frames) - max(frames)]
    result = retrieve_frames(clips, possible, protocol.ranked) if possible else None
    too_few = {
        (metric, str(k)): undefined(f"fewer than {k} labelled frames in the other test clips")
        for k in protocol.neighbours
        if k not in possible
    }
    if result is None:
        return too_few
    once = np.ones((1, len(clips)), np.int64)
    value = average_retrieval(result, once, protocol.average)[0]
    resampled = average_retrieval(result, video_counts(len(clips), seed), protocol.average)
    alone = result.total / np.maximum(result.frames, 1)[:, None]
    facts = {"queries": int(result.frames.sum()), "reason": None}
    return {
        (metric, str(k)): Measure(
            float(value[e]),
            resampled[:, e],
            facts,
            _by_video(labels, alone[:, e], result.frames.tolist()),
        )
        for e, k in enumerate(possible)
    } | too_few


def _by_video(labels: Labels, value: FloatArray, frames: Sequence[int]) -> list[VideoValue]:
    rows = zip(labels.video, value.tolist(), frames, strict=True)
    return [VideoValue(video, number, int(count)) for video, number, count in rows if count]
