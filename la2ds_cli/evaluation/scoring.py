"""All metrics of one feature set, with intervals over the test videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.event_transfer import (
    Draw,
    TransferError,
    measure_transfer,
    transfer_events,
)
from la2ds_cli.evaluation.events import EvaluationClip
from la2ds_cli.evaluation.features import FeatureSet, Variant
from la2ds_cli.evaluation.frame_retrieval import measure_retrieval, retrieval_keys
from la2ds_cli.evaluation.kendall import measure_tau
from la2ds_cli.evaluation.measure import (
    LEAST_CLIPS,
    Key,
    Measure,
    mean_over_runs,
    said_of_runs,
    spread_over_clips,
    undefined,
)
from la2ds_cli.evaluation.phase_classification import measure_classification
from la2ds_cli.evaluation.phase_labels import Labels, labelled_frames
from la2ds_cli.evaluation.phase_progression import measure_progression
from la2ds_cli.evaluation.protocol import Protocol

Measures = dict[Key, Measure]
TRANSFER = "event_transfer"
MEDIAN = (TRANSFER, "median_percent")


@dataclass(frozen=True)
class Inputs:
    """Inputs that all feature sets share. clips: under test. fit: poses of the labelled training
    clips. training: poses of all training clips. labels: None without phase metrics. measured:
    figures of each feature, cached because several sets share one. fit_split: whether some clips
    are marked test, so that training clips are separate."""

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


@dataclass(frozen=True)
class Scored:
    """One scored feature set (of one run). errors: of event transfer, by the variant with the
    lowest median; variant, uses: its name, and what its transfer uses, empty without transfer."""

    measures: Measures
    errors: list[TransferError]
    variant: str = ""
    uses: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The figures as plain JSON types, by metric, and by part below it if it has parts."""
        row: dict[str, Any] = {}
        for (metric, part), measure in self.measures.items():
            if part:
                row.setdefault(metric, {})[part] = measure.row()
            else:
                row[metric] = measure.row()
        return row | ({"variant": self.variant, "uses": dict(self.uses)} if self.variant else {})


def score(feature_set: FeatureSet, inputs: Inputs, progress: Progress) -> Scored:
    """Every metric of a feature set; of several variants each figure takes its own best."""
    variants = feature_set.variants
    by_feature = {variant.feature: _by_frame(variant, inputs) for variant in variants}
    if not inputs.protocol.event_transfer:
        return Scored(_best(by_feature), [])
    transfers = {}
    for variant in variants:
        errors, reason = _transfer(variant, inputs, progress)
        seed = inputs.config.evaluate.seed
        found = measure_transfer(errors, len(inputs.clips), seed, reason)
        measures = {(TRANSFER, name): measure for name, measure in found.items()}
        transfers[variant.name] = (variant, measures, errors)
    best = _best({name: measures for name, (_, measures, _) in transfers.items()})
    median = best[MEDIAN].facts.get("variant", variants[0].name)
    chosen, _, errors = transfers[median]
    return Scored(_best(by_feature) | best, errors, chosen.name, asdict(chosen.uses))


def _by_frame(variant: Variant, inputs: Inputs) -> Measures:
    """Figures of the features frame by frame, as filmed."""
    if variant.feature in inputs.measured:
        return inputs.measured[variant.feature]
    protocol, seed = inputs.protocol, inputs.config.evaluate.seed
    test = variant.by_frame([clip.pose for clip in inputs.clips])
    measures: dict[Key, Measure] = {}
    if inputs.labels is not None:
        fit = variant.by_frame(inputs.fit)
        measures |= measure_phases(fit, test, inputs.labels, protocol, seed)
    measures["kendalls_tau", ""] = measure_tau(test, protocol.tau_stride, seed)
    inputs.measured[variant.feature] = measures
    return measures


def _best(by_name: Mapping[str, Measures]) -> Measures:
    """For each metric, the best value, whose name is in its facts if there was a choice; errors are
    best if low; undefined values come last."""
    if len(by_name) == 1:
        return next(iter(by_name.values()))
    chosen = {}
    for key in next(iter(by_name.values())):
        sign = -1 if key[0] == TRANSFER else 1
        values = {name: measures[key].value for name, measures in by_name.items()}
        name = max(values, key=lambda n: -np.inf if (v := values[n]) is None else sign * v)
        measure = by_name[name][key]
        chosen[key] = replace(measure, facts={**measure.facts, "variant": name})
    return chosen


def _transfer(
    variant: Variant, inputs: Inputs, progress: Progress
) -> tuple[list[TransferError], str]:
    """The errors, and why there are none at all, if there is a reason."""
    if not inputs.has_events:
        return [], "no two clips share an event"
    whole = variant.by_frame([clip.pose for clip in inputs.clips])
    if not all(np.isfinite(value).all() for value in whole):
        return [], "the features of some clip are not finite numbers"
    errors = transfer_events(
        inputs.clips, inputs.draws, variant.views, variant.aligner, progress.advance
    )
    return errors, ""


def mean_of(by_run: Mapping[str, Scored]) -> Scored:
    """The scores of a model that was trained several times: means over the runs."""
    runs = list(by_run.values())
    if len(runs) == 1:
        return runs[0]
    measures = {
        key: mean_over_runs({run: one.measures[key] for run, one in by_run.items()})
        for key in runs[0].measures
    }
    variant = said_of_runs({run: one.variant for run, one in by_run.items()})
    same = all(one.uses == runs[0].uses for one in runs)
    return Scored(measures, [], variant, runs[0].uses if same else {})


def measure_phases(
    train: Sequence[FloatArray],
    test: Sequence[FloatArray],
    labels: Labels,
    protocol: Protocol,
    seed: int,
) -> dict[Key, Measure]:
    """Classification, progression and retrieval of one feature.

    train: features (T, D) of the clips of labels.train; test: of all test clips.
    """
    test = [test[row] for row in labels.test_row]
    classified = [("phase_classification", subset.name) for subset in protocol.subsets]
    broken = [int((~np.isfinite(feature)).any(axis=1).sum()) for feature in (*train, *test)]
    if any(broken):
        clips = sum(count > 0 for count in broken)
        reason = f"features that are not finite: {sum(broken)} frames of {clips} clips"
        keys = [*classified, ("phase_progression", ""), *retrieval_keys(protocol)]
        return {key: undefined(reason, nan=sum(broken)) for key in keys}
    fit, scored = labelled_frames(train, labels.train), labelled_frames(test, labels.test)
    measures: dict[Key, Measure] = {}
    for key, subset in zip(classified, protocol.subsets, strict=True):
        count = len(labels.phases)
        measures[key] = measure_classification(fit, scored, count, protocol, subset, seed)
    progression = measure_progression(train, test, labels, protocol, seed)
    measures["phase_progression", ""] = progression
    measures |= measure_retrieval(scored, protocol, seed)
    return {
        key: replace(
            measure, resampled=spread_over_clips(measure.resampled, len(test), LEAST_CLIPS)
        )
        for key, measure in measures.items()
    }
