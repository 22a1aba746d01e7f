"""The step `evaluate`: every feature set through every metric of a protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.embedding.trained import weights_key
from la2ds_cli.evaluation.clips import check_unseen, select_clips
from la2ds_cli.evaluation.definitions import describe
from la2ds_cli.evaluation.embedding_files import NAME as EMBEDDINGS
from la2ds_cli.evaluation.embedding_files import embedding_sets, folder_name
from la2ds_cli.evaluation.event_transfer import compare, draw_trims
from la2ds_cli.evaluation.events import EvaluationClip, choose_events
from la2ds_cli.evaluation.features import (
    FeatureRequest,
    FeatureSet,
    check_names,
    check_runs,
    feature_sets,
)
from la2ds_cli.evaluation.measure import Measure
from la2ds_cli.evaluation.phase_labels import label_clips
from la2ds_cli.evaluation.protocol import Protocol, get_protocol
from la2ds_cli.evaluation.scoring import Inputs, Scored, mean_row, score

SCHEMA_VERSION = 1
# Characters of joined names of runs. A file name can have 255 bytes, and an ending follows.
_LONGEST = 150


@dataclass(frozen=True)
class Evaluated:
    """document: what `evaluate` writes. scored: feature set -> run ("" for a baseline) -> figures
    with their resamples. inputs: shared by all of them. name: stem of the files."""

    document: dict[str, Any]
    scored: dict[str, dict[str, Scored]]
    inputs: Inputs
    name: str


def evaluate(
    project: Project,
    *,
    run: str = "",
    runs: Sequence[str] = (),
    protocol: str = "la2ds",
    config: Config,
    device: DeviceName = "auto",
    features: Sequence[str] | None = None,
    embeddings: Sequence[Path] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score the model of `run`, or the mean of `runs`, beside baselines; returns what it writes.

    If neither is given, the default run is scored; if it has no model, only the baselines are,
    with the untrained network of the settings of `config`.

    Scores the clips of split `test`, or all clips if there is no such split; phase classifiers are
    fitted on the other clips. protocol: a name of la2ds_cli.evaluation.protocol. features: names of
    la2ds_cli.evaluation.features.FEATURE_NAMES, None = all. embeddings: folders of embeddings that
    other code computed (`embedding_files`), one for each of its trainings; they get a row, too.
    Writes results/evaluate/NAME.json, NAME-videos.csv and, if events were transferred,
    NAME-events.csv; NAME is `result_name`. Raises UserError: exit 4 for fewer than two usable
    clips, missing labels that the protocol needs, or a requested run without a model; 5 for clips
    of different skeletons, one source in both splits, or a run that was trained on test clips; 2
    for an unknown name; and as `embedding_sets` does.
    """
    evaluated = evaluate_all(
        project,
        runs=runs or ((run,) if run else ()),
        protocol=protocol,
        config=config,
        device=device,
        features=features,
        embeddings=embeddings,
        progress=progress,
    )
    return evaluated.document


def evaluate_all(
    project: Project,
    *,
    runs: Sequence[str],
    protocol: str = "la2ds",
    config: Config,
    device: DeviceName = "auto",
    features: Sequence[str] | None = None,
    embeddings: Sequence[Path] = (),
    engine: Literal["local", "ray"] = "local",
    progress: Progress | None = None,
) -> Evaluated:
    """`evaluate`, with the resamples behind its intervals.

    engine: `ray` scores each feature set (and each of several runs) in an actor of a Ray cluster
    that shares the project's folder; the figures are the same.
    """
    progress = progress or Progress()
    check_names(features or ())
    folders = tuple(folder.resolve() for folder in embeddings)
    request = _Request(project, tuple(runs), protocol, config, device, features, folders)
    chosen, runs = request.protocol_of(), check_runs(project, runs or (DEFAULT_RUN,))
    name = result_name(runs, chosen.name, [folder_name(folder) for folder in folders])
    warnings: list[str] = []
    inputs, source, sets, digests = request.prepared(warnings)
    if inputs.fit_split:
        check_unseen(project, [s.run for s in sets if s.name == "model"], warnings)
    if engine == "ray":
        scored = _score_spread(request, sets, progress)
    else:
        scored = _score_all(sets, inputs, progress)
    document = {
        "schema_version": SCHEMA_VERSION,
        "run": "+".join(runs),
        "runs": list(runs),
        "weights": {s.run: weights_key(project, s.run) for s in sets if s.name == "model"},
        "embeddings": digests,
        "split": "test" if inputs.fit_split else "all",
        "clips": len(inputs.clips),
        "training_clips": len(inputs.fit),
        "labelled_clips": len(inputs.labels.test) if inputs.labels else 0,
        "phases": list(inputs.labels.phases) if inputs.labels else [],
        "events": source,
        "protocol": describe(chosen, config.evaluate, sets, source),
        **_rows(scored, inputs),
        "warnings": warnings,
    }
    _write(project, name, document, scored, inputs)
    return Evaluated(document, scored, inputs, name)


@dataclass(frozen=True)
class _Request:
    """The arguments of an evaluation, from which every process builds the same inputs and sets."""

    project: Project
    runs: tuple[str, ...]
    protocol: str
    config: Config
    device: DeviceName
    features: Sequence[str] | None
    embeddings: tuple[Path, ...]

    def protocol_of(self) -> Protocol:
        return get_protocol(self.protocol, self.config.evaluate)

    def prepared(
        self, warnings: list[str]
    ) -> tuple[Inputs, str | None, list[FeatureSet], dict[str, str]]:
        """The inputs that all sets share, the source of the events, the sets in order, and the
        digests of imported embeddings by folder."""
        inputs, source = _inputs(self.project, self.config, self.protocol_of(), warnings)
        features = FeatureRequest(
            self.project,
            self.features,
            self.runs or (DEFAULT_RUN,),
            self.config,
            self.device,
            inputs.clips[0].pose,
            inputs.training,
            optional=not self.runs,
            beside=bool(self.embeddings),
        )
        scored = [*(clip.pose for clip in inputs.clips), *inputs.fit]
        imported, digests = embedding_sets(
            self.embeddings, scored, inputs.training, features.align, warnings
        )
        return inputs, source, [*imported, *feature_sets(features, warnings)], digests


def result_name(runs: Sequence[str], protocol: str, embeddings: Sequence[str] = ()) -> str:
    """Stem of the result files: the runs, the names of folders of embeddings, and the protocol if
    it is not `la2ds`.

    If the names of several runs are too long together, it has the first one, the number of the
    others, and a digest of all names.
    """
    names = [*runs, *(f"{EMBEDDINGS}-{name}" for name in embeddings)]
    stem = "+".join(names)
    if len(names) > 1 and len(stem) > _LONGEST:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:8]
        stem = f"{names[0][:_LONGEST]}+{len(names) - 1}-{digest}"
    return stem + ("" if protocol == "la2ds" else f"-{protocol}")


def _inputs(
    project: Project, config: Config, protocol: Protocol, warnings: list[str]
) -> tuple[Inputs, str | None]:
    """The inputs that all feature sets share, and the source of the events."""
    selection = select_clips(project, config, warnings)
    labelled = label_clips(selection, protocol, config.evaluate.background, warnings)
    if protocol.event_transfer:
        clips, source, notes = choose_events(selection.test, selection.phases)
        warnings += notes
        draws = draw_trims(clips, config.evaluate)
    else:
        clips = [EvaluationClip(video, pose, {}) for video, pose in selection.test.items()]
        source, draws = None, []
    labels, fit = labelled or (None, [])
    inputs = Inputs(
        clips=clips,
        draws=draws,
        has_events=source is not None,
        fit=[selection.fit[video] for video in fit],
        # By id, as align chooses among them, so that the order of videos.csv does not matter.
        training=[selection.fit[video] for video in sorted(selection.fit)],
        fit_split=selection.split == "test",
        labels=labels,
        protocol=protocol,
        config=config,
    )
    return inputs, source


def _score_all(
    sets: Sequence[FeatureSet], inputs: Inputs, progress: Progress
) -> dict[str, dict[str, Scored]]:
    """Feature set -> run ("" for a baseline) -> figures."""
    pairs = sum(len(draw.pair) for draw in inputs.draws)
    progress.begin("evaluate", sum(1 + len(s.variants) * pairs for s in sets))
    scored: dict[str, dict[str, Scored]] = {}
    for feature_set in sets:
        one = score(feature_set, inputs, progress)
        scored.setdefault(feature_set.name, {})[feature_set.run] = one
        progress.advance()
    progress.end()
    return scored


def _score_spread(
    request: _Request, sets: Sequence[FeatureSet], progress: Progress
) -> dict[str, dict[str, Scored]]:
    """`_score_all` in the actors of a Ray cluster, one set each."""
    from la2ds_cli.core.ray_engine import ray_map

    fields = (request.runs, request.protocol, request.config, request.device, request.features)
    arguments = (str(request.project.root), *fields, request.embeddings)
    items = [{"number": number} for number in range(len(sets))]
    scored: dict[str, dict[str, Scored]] = {}
    progress.begin("evaluate", len(sets))
    results = ray_map(ScoreWorker, arguments, items, request.device)
    for feature_set, result in zip(sets, results, strict=True):
        scored.setdefault(feature_set.name, {})[feature_set.run] = Scored.from_json(result)
        progress.advance()
    progress.end()
    return scored


class ScoreWorker:
    """Scores one feature set after another, given by number, for `ray_map`."""

    def __init__(
        self,
        root: str,
        runs: tuple[str, ...],
        protocol: str,
        config: Config,
        device: DeviceName,
        features: Sequence[str] | None,
        embeddings: tuple[Path, ...],
    ) -> None:
        project = Project.open(Path(root))
        request = _Request(project, runs, protocol, config, device, features, embeddings)
        self._inputs, _, self._sets, _ = request.prepared([])

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return score(self._sets[item["number"]], self._inputs, Progress()).to_json()


def _rows(scored: Mapping[str, Mapping[str, Scored]], inputs: Inputs) -> dict[str, Any]:
    """The rows of the feature sets and of each of several runs, and the comparisons."""
    seed, count = inputs.config.evaluate.seed, len(inputs.clips)
    rows: dict[str, Any] = {}
    by_run: dict[str, Any] = {}
    for name, runs in scored.items():
        if len(runs) > 1:
            rows[name] = mean_row(runs, count, seed)
            by_run |= {_run_key(name, run): one.row for run, one in runs.items()}
        else:
            rows[name] = next(iter(runs.values())).row
    errors = {name: [one.errors for one in runs.values()] for name, runs in scored.items()}
    return {
        "features": rows,
        "by_run": by_run,
        "comparisons": compare(errors, count, seed),
    }


def _run_key(feature: str, run: str) -> str:
    """The key of one of several runs of a feature set: the run, or of imported embeddings the
    folder, which may have the name of a run."""
    return run if feature == "model" else f"{feature}:{run}"


def _write(
    project: Project,
    name: str,
    document: Mapping[str, Any],
    scored: Mapping[str, Mapping[str, Scored]],
    inputs: Inputs,
) -> None:
    flat = {
        f"{feature}:{run}" if len(runs) > 1 else feature: one
        for feature, runs in scored.items()
        for run, one in runs.items()
    }
    folder = project.results_dir("evaluate")
    if inputs.protocol.event_transfer:
        artifact.write_text(folder / f"{name}-events.csv", events_csv(flat, inputs.clips))
    artifact.write_text(folder / f"{name}-videos.csv", videos_csv(flat, inputs.clips))
    artifact.write_json(folder / f"{name}.json", document)


# Name of the figure of a single video, if it is not the metric itself.
_OF_A_VIDEO = {"phase_progression": "phase_progression_mean_absolute_error"}


def events_csv(results: Mapping[str, Scored], clips: Sequence[EvaluationClip]) -> str:
    """Errors in frames, in percent of the untrimmed length of B and in seconds."""
    header = ["feature", "draw", "a", "b", "event", "error_frames", "error_percent"]
    rows = (
        [name, e.draw, clips[e.a].id, clips[e.b].id, e.event]
        + [round(value, 6) for value in (e.frames, e.percent, e.seconds)]
        for name, scored in results.items()
        for e in scored.errors
    )
    return table_text([*header, "error_seconds"], rows)


def videos_csv(results: Mapping[str, Scored], clips: Sequence[EvaluationClip]) -> str:
    """One row per feature set, metric and test video. count: number of frames, pairs or events
    behind the value. Event transfer: the mean error in percent of the events transferred to the
    video."""
    rows: list[list[object]] = []
    for name, scored in results.items():
        for (metric, part), measure in scored.measures.items():
            rows += _metric_rows(name, metric, part, measure)
        onto: dict[int, list[float]] = {}
        for error in scored.mean_errors:
            onto.setdefault(error.b, []).append(error.percent)
        rows += [
            [name, "event_transfer_mean_percent", "", clips[b].id, _short(np.mean(v)), len(v)]
            for b, v in sorted(onto.items())
        ]
    return table_text(["feature", "metric", "part", "video", "value", "count"], rows)


def _metric_rows(name: str, metric: str, part: str, measure: Measure) -> list[list[object]]:
    shown = _OF_A_VIDEO.get(metric, metric)
    return [[name, shown, part, v.video, _short(v.value), v.count] for v in measure.by_video]


def _short(value: float | np.floating) -> float:
    return round(float(value), 6)
