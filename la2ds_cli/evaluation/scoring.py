"""All metrics of one feature set, over the material that all sets share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.evaluation.bootstrap import interval
from la2ds_cli.evaluation.event_transfer import (
    TransferError,
    bootstrap_medians,
    summarise,
    transfer_events,
)
from la2ds_cli.evaluation.features import FeatureSet, Variant
from la2ds_cli.evaluation.measure import Key, Measure, mean_over_runs, nested
from la2ds_cli.evaluation.phase_metrics import Labels, measure_phases, measure_tau
from la2ds_cli.evaluation.protocol import Protocol
from la2ds_cli.evaluation.trims import Draw, EvaluationClip

Measures = Mapping[Key, Measure]


@dataclass(frozen=True)
class Material:
    """What all feature sets share. clips: under test. fit: poses of the labelled training clips.
    others: poses of the training clips by way of which clips are aligned (config align.routes).
    labels: None without phase metrics. measured: figures of each feature, kept because several
    sets share one. fit_split: some clips are marked test, so training clips are others."""

    clips: list[EvaluationClip]
    draws: list[Draw]
    has_events: bool
    fit: list[PoseSequence]
    others: list[PoseSequence]
    fit_split: bool
    labels: Labels | None
    protocol: Protocol
    config: Config
    measured: dict[str, Measures] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """One feature set (of one run). row: JSON-able. errors: of event transfer."""

    row: dict[str, Any]
    measures: Measures
    errors: list[TransferError]


def score(feature_set: FeatureSet, material: Material, progress: Progress) -> Scored:
    """Every metric of the protocol; of several variants the best, for each metric by itself."""
    variants = feature_set.variants
    by_feature = {}
    for variant in {v.feature: v for v in variants}.values():
        by_feature[variant.feature] = _measure(variant, material)
    measures = _best(by_feature)
    row: dict[str, Any] = nested({key: measure.row() for key, measure in measures.items()})
    if not material.protocol.event_transfer:
        return Scored(row, measures, [])
    transfers = [_transfer(variant, material, progress) for variant in variants]
    best = min(range(len(variants)), key=lambda n: _rank(transfers[n][0]))
    row |= {"event_transfer": transfers[best][0], "variant": variants[best].name}
    if len(variants) > 1:
        row["variants"] = {
            variant.name: {key: summary[key] for key in ("median_percent", "mean_percent")}
            for variant, (summary, _) in zip(variants, transfers, strict=True)
        }
    return Scored(row, measures, transfers[best][1])


def _measure(variant: Variant, material: Material) -> Measures:
    """Figures of the first view (a mirrored view is a way to align, not another feature)."""
    if variant.feature in material.measured:
        return material.measured[variant.feature]
    protocol, seed = material.protocol, material.config.evaluate.seed
    test = [views[0] for views in variant.views([clip.pose for clip in material.clips])]
    videos = [clip.id for clip in material.clips]
    found: dict[Key, Measure] = {}
    if material.labels is not None:
        fit = [views[0] for views in variant.views(material.fit)]
        found |= measure_phases(fit, test, material.labels, protocol, seed)
    found["kendalls_tau", ""] = measure_tau(test, videos, protocol.tau_stride, seed)
    material.measured[variant.feature] = found
    return found


def _best(by_feature: Mapping[str, Measures]) -> Measures:
    """For each metric the feature with the highest value, named in its facts where there was a
    choice; undefined ones come last."""
    if len(by_feature) == 1:
        return next(iter(by_feature.values()))
    chosen = {}
    for key in next(iter(by_feature.values())):
        values = {name: found[key].value for name, found in by_feature.items()}
        name = max(values, key=lambda n: -np.inf if (value := values[n]) is None else value)
        measure = by_feature[name][key]
        facts = {**measure.facts, "variant": name}
        chosen[key] = Measure(measure.value, measure.resampled, facts, measure.by_video)
    return chosen


def _transfer(
    variant: Variant, material: Material, progress: Progress
) -> tuple[dict[str, Any], list[TransferError]]:
    clips, seed = material.clips, material.config.evaluate.seed
    reason, errors = "", []
    if not material.has_events:
        reason = "no two clips share an event"
    elif not all(
        np.isfinite(value).all()
        for views in variant.views([clip.pose for clip in clips])
        for value in views
    ):
        reason = "the features of some clip are not finite numbers"
    else:
        errors = transfer_events(
            clips, material.draws, variant.views, variant.aligner, progress.advance
        )
    summary = summarise(errors, len(clips), seed)
    return summary | ({"reason": reason} if reason else {}), errors


def _rank(summary: Mapping[str, Any]) -> float:
    mean = summary["mean_percent"]
    return np.inf if mean is None else mean


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
        row["variant"] = by_run[runs[0]].row["variant"]
    return row


def _mean_transfer(by_run: Mapping[str, Scored], videos: int, seed: int) -> dict[str, Any]:
    """Means over runs of the summaries; every run carried the same events of the same pairs."""
    summaries = [scored.row["event_transfer"] for scored in by_run.values()]
    row: dict[str, Any] = dict(summaries[0])
    medians = [summary["median_percent"] for summary in summaries]
    row |= {
        "by_run": dict(zip(by_run, medians, strict=True)),
        "spread": None,
        "by_event": {},
        "interval_percent": None,
        "unmatched": sum(summary["unmatched"] for summary in summaries),
    }
    if any(median is None for median in medians):
        return row | {key: None for key in row if key.endswith(("_percent", "_seconds"))}
    for key in ("median_percent", "mean_percent", "p90_percent", "median_seconds", "mean_seconds"):
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
