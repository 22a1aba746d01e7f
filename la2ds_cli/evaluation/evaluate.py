"""The step `evaluate`: every feature set through every metric of a protocol, with intervals over
the test videos."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from la2ds_cli.evaluation.measure import Key, Measure, joined, mean_over_runs
from la2ds_cli.evaluation.nearest_frames import measure_tau
from la2ds_cli.evaluation.phase_labels import Labels, label_clips
from la2ds_cli.evaluation.phase_metrics import measure_phases
from la2ds_cli.evaluation.protocol import Protocol, get_protocol
from la2ds_cli.network.run_weights import weights_key

# Characters of joined names of runs. A file name can have 255 bytes, and an ending follows.
_LONGEST = 150
Measures = dict[Key, Measure]
TRANSFER = "event_transfer"
MEDIAN = (TRANSFER, "median_percent")


@dataclass(frozen=True)
class Request:
    """What is evaluated.

    runs: of the feature set `model`; if there is none, the default run is scored, and if that has
    no model, only the baselines are, with the untrained network of the settings of `config`.
    protocol: a name of la2ds_cli.evaluation.protocol. features: names of
    la2ds_cli.evaluation.features.FEATURE_NAMES, None = all.
    """

    project: StoredProject
    config: Config
    runs: tuple[str, ...] = ()
    protocol: str = "la2ds"
    features: Sequence[str] | None = None
    device: DeviceName = "auto"

    @property
    def name(self) -> str:
        """Stem of the files."""
        return result_name(self.runs or (DEFAULT_RUN,), self.protocol)


@dataclass(frozen=True)
class Inputs:
    """Inputs that all feature sets share. clips: under test. events: their source, None without.
    fit: poses of the labelled training clips. training: poses of all training clips. split: `test`
    or `all` clips are scored. labels: None without phase metrics. measured: figures of each
    feature, cached because several sets share one."""

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
    """One scored feature set (of one run). errors: of event transfer, by the variant with the
    lowest median; variant, uses: its name, and what its transfer uses, empty without transfer."""

    measures: Measures
    errors: list[TransferError]
    variant: str = ""
    uses: str = ""

    def row(self) -> dict[str, Any]:
        """The figures as plain JSON types, by metric, and by part below it if it has parts."""
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
    """document: what `evaluate` writes. scored: its figures with their resamples. inputs: shared by
    all of them."""

    document: dict[str, Any]
    scored: ByRun
    inputs: Inputs


def evaluate(request: Request, *, progress: Progress = SILENT) -> EvaluationResult:
    """`score_request`, written to results/evaluate/NAME.json and, if events were transferred,
    NAME-events.csv."""
    evaluated = score_request(request, progress=progress)
    folder, inputs = request.project.results_dir("evaluate"), evaluated.inputs
    if inputs.protocol.event_transfer:
        text = events_csv(evaluated.scored, inputs.clips)
        write_output(request.project, folder / f"{request.name}-events.csv", text)
    document = artifact.json_text(evaluated.document)
    write_output(request.project, folder / f"{request.name}.json", document)
    return evaluated


def score_request(request: Request, *, progress: Progress = SILENT) -> EvaluationResult:
    """Score the model, or the mean of several runs, beside baselines.

    Scores the clips of split `test`, or all clips if there is no such split; phase classifiers are
    fitted on the other clips. Raises UserError: exit 4 for fewer than two usable clips, missing
    labels that the protocol needs, a requested run without a model, or embeddings that are not
    finite; 5 for clips of different skeletons, one source in both splits, or a run that was trained
    on test clips; 2 for an unknown name.
    """
    project = request.project
    runs = request.runs or (DEFAULT_RUN,)
    check_names(project, request.features or (), runs)
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
    sets = feature_sets(wanted, warnings)
    models = [one.run for one in sets if one.name == "model"]
    if inputs.split == "test":
        joints = {clip.id: joints_digest(clip.pose) for clip in inputs.clips}
        check_unseen(project, models, joints, warnings)
    pairs = sum(len(draw.pair) for draw in inputs.draws)
    progress.begin("evaluate", sum(1 + len(s.variants) * pairs for s in sets))
    scored: ByRun = {}
    for one in sets:
        scored.setdefault(one.name, {})[one.run] = score(one, inputs, progress)
        progress.advance()
    progress.end()
    means = {name: mean_of(by_run) for name, by_run in scored.items()}
    medians = {name: one.measures[MEDIAN] for name, one in means.items() if MEDIAN in one.measures}
    several = scored.get("model", {}) if len(models) > 1 else {}
    document = {
        "schema_version": 1,
        "run": "+".join(runs),
        "runs": list(runs),
        "weights": {run: weights_key(project, run) for run in models},
        "split": inputs.split,
        "clips": len(inputs.clips),
        "training_clips": len(inputs.fit),
        "labelled_clips": len(inputs.labels.test) if inputs.labels else 0,
        "phases": list(inputs.labels.phases) if inputs.labels else [],
        "events": inputs.events,
        "protocol": inputs.protocol.to_json(request.config.evaluate),
        "features": {name: one.row() for name, one in means.items()},
        "by_run": {run: one.row() for run, one in several.items()},
        "comparisons": compare(medians),
        "warnings": warnings,
    }
    return EvaluationResult(document, scored, inputs)


def gather(request: Request, warnings: list[str]) -> Inputs:
    """The clips with their events, labels, trims and pairs. Raises UserError as `score_request`."""
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
        # By id, as align chooses among them, so that the order of videos.csv does not matter.
        training=[selection.fit[video] for video in sorted(selection.fit)],
        split=selection.split,
        labels=labels,
        protocol=protocol,
        config=config,
    )


# --- the figures --------------------------------------------------------------------------------


def score(feature_set: FeatureSet, inputs: Inputs, progress: Progress) -> Scored:
    """Every metric of a feature set; of several variants each figure takes its own best."""
    variants, seed = feature_set.variants, inputs.config.evaluate.seed
    by_feature = {variant.content: _by_frame(variant, inputs) for variant in variants}
    if not inputs.protocol.event_transfer:
        return Scored(_best(by_feature), [])
    measures, errors = {}, {}
    for one in variants:
        moved = transfer_events(inputs.clips, inputs.draws, one.align, progress.advance)
        found = measure_transfer(moved, len(inputs.clips), seed)
        measures[one.name] = {(TRANSFER, name): measure for name, measure in found.items()}
        errors[one.name] = moved
    best = _best(measures)
    lowest = best[MEDIAN].facts.get("variant", variants[0].name)
    uses = next(one.uses for one in variants if one.name == lowest)
    return Scored(_best(by_feature) | best, errors[lowest], lowest, uses)


def _by_frame(variant: FeatureVariant, inputs: Inputs) -> Measures:
    """Figures of the features frame by frame, as filmed."""
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


def mean_of(by_run: Mapping[str, Scored]) -> Scored:
    """The scores of a model that was trained several times: means over the runs."""
    runs = list(by_run.values())
    if len(runs) == 1:
        return runs[0]
    measures = {
        key: mean_over_runs({run: one.measures[key] for run, one in by_run.items()})
        for key in runs[0].measures
    }
    variant, uses = (
        joined({run: getattr(one, name) for run, one in by_run.items()}) or ""
        for name in ("variant", "uses")
    )
    return Scored(measures, [], variant, uses)


# --- the files ----------------------------------------------------------------------------------


def result_name(runs: Sequence[str], protocol: str) -> str:
    """Stem of the result files: the runs, and the protocol if it is not `la2ds`, after a character
    that no run name has.

    If the names of several runs are too long together, it has the first one, the number of the
    others, and a digest of all names.
    """
    stem = "+".join(runs)
    if len(runs) > 1 and len(stem) > _LONGEST:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:8]
        stem = f"{runs[0][:_LONGEST]}+{len(runs) - 1}-{digest}"
    return stem + ("" if protocol == "la2ds" else f"@{protocol}")


def events_csv(scored: ByRun, clips: Sequence[EvaluationClip]) -> str:
    """A line for each transferred event. The error is in frames, in percent of the untrimmed length
    of B and in seconds."""
    header = ["feature", "draw", "a", "b", "event", "error_frames", "error_percent"]
    rows = (
        [f"{name}:{run}" if len(by_run) > 1 else name]
        + [e.draw, clips[e.a].id, clips[e.b].id, e.event]
        + [round(value, 6) for value in (e.frames, e.percent, e.seconds)]
        for name, by_run in scored.items()
        for run, one in by_run.items()
        for e in one.errors
    )
    return table_text([*header, "error_seconds"], rows)
