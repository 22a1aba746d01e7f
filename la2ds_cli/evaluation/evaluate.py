"""The step `evaluate`: every feature set through every metric of a protocol, with intervals over
the test videos."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Unusable
from la2ds_cli.core.independence import joints_digest
from la2ds_cli.core.output_paths import write_output
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import DEFAULT_RUN, StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.evaluation.clips import check_unseen, select_clips
from la2ds_cli.evaluation.event_transfer import (
    Draw,
    TransferError,
    compare,
    draw_trims,
    measure_transfer,
    transfer_events,
)
from la2ds_cli.evaluation.events import EvaluationClip, EventSource, choose_events
from la2ds_cli.evaluation.features import (
    FeatureRequest,
    FeatureSet,
    FeatureVariant,
    check_names,
    feature_sets,
)
from la2ds_cli.evaluation.given_embeddings import name_methods
from la2ds_cli.evaluation.measure import Key, Measure, joined, mean_over_runs
from la2ds_cli.evaluation.nearest_frames import measure_tau
from la2ds_cli.evaluation.other_methods import TAKEN, other_methods
from la2ds_cli.evaluation.phase_labels import Labels, label_clips
from la2ds_cli.evaluation.phase_metrics import measure_phases
from la2ds_cli.evaluation.protocol import Protocol, get_protocol
from la2ds_cli.network.run_weights import weights_key

# Characters of joined run names. A file name can have 255 bytes, including its ending.
_LONGEST = 150
Measures = dict[Key, Measure]
TRANSFER = "event_transfer"
MEDIAN = (TRANSFER, "median_percent")


@dataclass(frozen=True)
class Request:
    """What to evaluate.

    runs: the runs scored as `model`; empty = the default run, or only the baselines if that run has
    no model (the untrained network then has the settings of `config`). protocol: a name from
    la2ds_cli.evaluation.protocol. features: names from
    la2ds_cli.evaluation.features.FEATURE_NAMES, None = all. embeddings: folders of other methods,
    scored besides.
    """

    project: StoredProject
    config: Config
    runs: tuple[str, ...] = ()
    protocol: str = "la2ds"
    features: Sequence[str] | None = None
    device: DeviceName = "auto"
    embeddings: Sequence[Path] = ()

    @property
    def name(self) -> str:
        """Return the stem of the result files."""
        methods = [folder.resolve().name for folder in self.embeddings]
        return result_name(self.runs or (DEFAULT_RUN,), self.protocol, methods)


@dataclass(frozen=True)
class Inputs:
    """Inputs that all feature sets share.

    clips: the clips to score. events: the source of their events, None without events. fit: poses
    of the labelled training clips. training: poses of all training clips. split: whether `test` or
    `all` clips are scored. labels: None without phase metrics. measured: figures by feature, cached
    because several sets share a feature.
    """

    clips: list[EvaluationClip]
    draws: list[Draw]
    events: EventSource | None
    fit: list[PoseSequence]
    training: list[PoseSequence]
    split: str
    labels: Labels | None
    protocol: Protocol
    config: Config
    measured: dict[str, Measures] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """One scored feature set (of one run).

    errors: of event transfer, for the variant with the lowest median. variant, uses: the name of
    that variant and what its transfer uses, empty without event transfer.
    """

    measures: Measures
    errors: list[TransferError]
    variant: str = ""
    uses: str = ""

    def row(self) -> dict[str, Any]:
        """Return the figures as plain JSON types: by metric, then by part if the metric has any."""
        row: dict[str, Any] = {}
        for (metric, part), measure in self.measures.items():
            if part:
                row.setdefault(metric, {})[part] = measure.row()
            else:
                row[metric] = measure.row()
        return row | ({"variant": self.variant, "uses": self.uses} if self.variant else {})


ByRun = dict[str, dict[str, Scored]]
"""Feature set -> run ("" for a baseline) -> figures."""


@dataclass(frozen=True)
class EvaluationResult:
    """A finished evaluation.

    document: what `evaluate` writes. scored: its figures with their resamples. inputs: as shared by
    all feature sets.
    """

    document: dict[str, Any]
    scored: ByRun
    inputs: Inputs


def evaluate(request: Request, *, progress: Progress = SILENT) -> EvaluationResult:
    """Score the request and write results/evaluate/NAME.json and, with event transfer,
    NAME-events.csv. Raises UserError as `score_request` does."""
    evaluated = score_request(request, progress=progress)
    folder, inputs = request.project.results_dir("evaluate"), evaluated.inputs
    if inputs.protocol.event_transfer:
        text = events_csv(evaluated.scored, inputs.clips)
        write_output(request.project, folder / f"{request.name}-events.csv", text)
    document = artifact.json_text(evaluated.document)
    write_output(request.project, folder / f"{request.name}.json", document)
    return evaluated


def score_request(request: Request, *, progress: Progress = SILENT) -> EvaluationResult:
    """Score the model, or the mean of several runs, and the baselines.

    The clips of split `test` are scored, or all clips if there is no such split; phase classifiers
    are fitted on the other clips.

    Raises
    ------
    UserError
        Exit 2 for an unknown name; 4 for fewer than two usable clips, missing labels that the
        protocol needs, a requested run without a model, or embeddings that are not finite; 5 for
        clips of different skeletons, one source in both splits, or a run that was trained on test
        clips; and for embeddings of other methods as `read_embeddings`.
    """
    project = request.project
    runs = request.runs or (DEFAULT_RUN,)
    check_names(project, request.features or (), runs)
    methods = name_methods(request.embeddings, TAKEN)
    warnings: list[str] = []
    inputs = gather(request, warnings)
    wanted = FeatureRequest(
        project,
        request.features,
        runs,
        request.config,
        request.device,
        inputs.clips[0].pose,
        inputs.training,
        optional=not request.runs,
    )
    scored_poses = [clip.pose for clip in inputs.clips]
    others = other_methods(methods, wanted, scored_poses, inputs.fit, warnings)
    sets = feature_sets(wanted, warnings)
    # Methods stand beside the model, and the clock of whole clips comes last.
    sets.sort(key=lambda feature_set: feature_set.name != "model")
    first = sum(feature_set.name == "model" for feature_set in sets)
    sets = [*sets[:first], *others.sets[:-1], *sets[first:], *others.sets[-1:]]
    models = [feature_set.run for feature_set in sets if feature_set.name == "model"]
    if inputs.split == "test":
        joints = {clip.id: joints_digest(clip.pose) for clip in inputs.clips}
        check_unseen(project, models, joints, warnings)
    pairs = sum(len(draw.pair) for draw in inputs.draws)
    progress.begin("evaluate", sum(1 + len(s.variants) * pairs for s in sets))
    scored: ByRun = {}
    for feature_set in sets:
        by_run = scored.setdefault(feature_set.name, {})
        by_run[feature_set.run] = score(feature_set, inputs, progress)
        progress.advance()
    progress.end()
    means = {name: mean_of(by_run) for name, by_run in scored.items()}
    medians = {name: m.measures[MEDIAN] for name, m in means.items() if MEDIAN in m.measures}
    several = scored.get("model", {}) if len(models) > 1 else {}
    document = {
        "schema_version": 1,
        "run": "+".join(runs),
        "runs": list(runs),
        "weights": {run: weights_key(project, run) for run in models},
        "embeddings": others.digests,
        "split": inputs.split,
        "clips": len(inputs.clips),
        "training_clips": len(inputs.fit),
        "labelled_clips": len(inputs.labels.test) if inputs.labels else 0,
        "phases": list(inputs.labels.phases) if inputs.labels else [],
        "events": inputs.events,
        "protocol": inputs.protocol.to_json(request.config.evaluate),
        "features": {name: mean.row() for name, mean in means.items()},
        "by_run": {run: result.row() for run, result in several.items()},
        "comparisons": compare(medians, list(others.digests)),
        "warnings": warnings,
    }
    return EvaluationResult(document, scored, inputs)


def gather(request: Request, warnings: list[str]) -> Inputs:
    """Return the clips with their events, labels, trims and pairs.

    Raises UserError as `score_request` does.
    """
    config = request.config
    protocol = get_protocol(request.protocol, config.evaluate)
    selection = select_clips(request.project, config, warnings)
    labels, fit = label_clips(selection, protocol, config.evaluate.background, warnings)
    clips = [EvaluationClip(video, pose, {}) for video, pose in selection.test.items()]
    source, draws = None, []
    if protocol.event_transfer:
        clips, source, notes = choose_events(selection.test, selection.phases)
        warnings += notes
        draws = draw_trims(clips, config.evaluate)
    return Inputs(
        clips=clips,
        draws=draws,
        events=source,
        fit=[selection.fit[video] for video in fit],
        # By id, as in align: the order of videos.csv must not matter.
        training=[selection.fit[video] for video in sorted(selection.fit)],
        split=selection.split,
        labels=labels,
        protocol=protocol,
        config=config,
    )


# --- the figures --------------------------------------------------------------------------------


def score(feature_set: FeatureSet, inputs: Inputs, progress: Progress) -> Scored:
    """Compute every metric of a feature set; each figure is that of its best variant."""
    variants, seed = feature_set.variants, inputs.config.evaluate.seed
    by_feature = {variant.content: _by_frame(variant, inputs) for variant in variants}
    if not inputs.protocol.event_transfer:
        return Scored(_best(by_feature), [])
    measures, errors = {}, {}
    for variant in variants:
        transferred = transfer_events(inputs.clips, inputs.draws, variant.align, progress.advance)
        statistics = measure_transfer(transferred, len(inputs.clips), seed)
        measures[variant.name] = {(TRANSFER, key): value for key, value in statistics.items()}
        errors[variant.name] = transferred
    best = _best(measures)
    lowest = best[MEDIAN].facts.get("variant", variants[0].name)
    uses = next(variant.uses for variant in variants if variant.name == lowest)
    return Scored(_best(by_feature) | best, errors[lowest], lowest, uses)


def _by_frame(variant: FeatureVariant, inputs: Inputs) -> Measures:
    """Return the figures of single frames, as filmed."""
    if variant.content in inputs.measured:
        return inputs.measured[variant.content]
    protocol, seed = inputs.protocol, inputs.config.evaluate.seed
    test = variant.by_frame([clip.pose for clip in inputs.clips])
    fit = variant.by_frame(inputs.fit) if inputs.labels else []
    if not all(np.isfinite(value).all() for value in (*test, *fit)):
        raise Unusable(
            f"the features of {variant.content} are not finite numbers",
            hint="train the run again, with a lower train.learning_rate",
        )
    measures: Measures = {}
    if inputs.labels:
        measures |= measure_phases(fit, test, inputs.labels, protocol, seed)
    measures["kendalls_tau", ""] = measure_tau(test, protocol.tau_stride, seed)
    inputs.measured[variant.content] = measures
    return measures


def _best(by_name: Mapping[str, Measures]) -> Measures:
    """Return the best value of each metric, with its variant in its facts if there was a choice.

    Low errors are best; undefined values come last.
    """
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


def mean_of(by_run: Mapping[str, Scored]) -> Scored:
    """Return the scores of a model that was trained several times: the means over its runs."""
    runs = list(by_run.values())
    if len(runs) == 1:
        return runs[0]
    measures = {
        key: mean_over_runs({run: result.measures[key] for run, result in by_run.items()})
        for key in runs[0].measures
    }
    variant, uses = (
        joined({run: getattr(result, name) for run, result in by_run.items()}) or ""
        for name in ("variant", "uses")
    )
    return Scored(measures, [], variant, uses)


# --- the files ----------------------------------------------------------------------------------


def result_name(runs: Sequence[str], protocol: str, methods: Sequence[str] = ()) -> str:
    """Return the stem of the result files: the runs, `~METHOD` for each other method, and
    `@PROTOCOL` if it is not `la2ds`.

    If the joined names are too long, the stem has the first run, the number of the other names, and
    a digest of all.
    """
    stem = "~".join(["+".join(runs), *methods])
    if len(runs) + len(methods) > 1 and len(stem.encode()) > _LONGEST:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:8]
        stem = f"{runs[0][:_LONGEST]}+{len(runs) + len(methods) - 1}-{digest}"
    return stem + ("" if protocol == "la2ds" else f"@{protocol}")


def events_csv(scored: ByRun, clips: Sequence[EvaluationClip]) -> str:
    """Return a CSV line for each transferred event, with its error in frames, in percent of B's
    untrimmed length and in seconds."""
    header = ["feature", "draw", "a", "b", "event", "error_frames", "error_percent"]
    rows = (
        [f"{name}:{run}" if len(by_run) > 1 else name]
        + [e.draw, clips[e.a].id, clips[e.b].id, e.event]
        + [round(value, 6) for value in (e.frames, e.percent, e.seconds)]
        for name, by_run in scored.items()
        for run, result in by_run.items()
        for e in result.errors
    )
    return table_text([*header, "error_seconds"], rows)
