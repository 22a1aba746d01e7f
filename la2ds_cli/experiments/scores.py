"""Metrics as columns of tables, and the scores of single runs. Only this file of the experiments
uses the steps of `la2ds_cli.evaluation`.

A line in METRICS makes a metric of `evaluate` available to every table. Evaluations are cached with
their resamples, so that a resumed table scores no run twice, and the interval of a mean over seeds
needs no further scoring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.alignment.methods import get_method
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.plugins import code_digests
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.source_digest import source_digest
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray
from la2ds_cli.evaluation.measure import Key
from la2ds_cli.evaluation.protocol import get_protocol
from la2ds_cli.network.base_weights import base_path
from la2ds_cli.network.run_weights import checkpoint_path

if TYPE_CHECKING:
    from la2ds_cli.evaluation.evaluate import EvaluationResult

VERSION = 3  # 3: scores instead of the whole document of the evaluation
FOLDER = "benchmark"
_COMPUTED_BY = "la2ds_cli.evaluation.evaluate"  # and all modules that it imports

Resamples = dict[str, FloatArray]
"""Metric -> its value in each bootstrap resample of the scored clips, (R,) float64 in the unit of
the metric, NaN where undefined in a resample. Undefined metrics are missing."""

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Metric:
    """A metric as a column. name: in CSV and JSON. key: in an evaluation. digits: to show. factor:
    from the evaluation's unit to that of the column."""

    name: str
    key: Key
    digits: int = 2
    factor: float = 1.0

    @property
    def lower_is_better(self) -> bool:
        return self.key[0] == "event_transfer"


METRICS = {
    metric.name: metric
    for metric in (
        Metric("event_transfer_median", ("event_transfer", "median_percent")),
        Metric("event_transfer_mean", ("event_transfer", "mean_percent")),
        Metric("kendalls_tau", ("kendalls_tau", ""), 4),
        Metric("classification_10", ("phase_classification", "10 %"), factor=100),
        Metric("classification_50", ("phase_classification", "50 %"), factor=100),
        Metric("classification", ("phase_classification", "100 %"), factor=100),
        Metric("progression", ("phase_progression", ""), 4),
        *(Metric(f"precision_at_{k}", ("precision_at_k", str(k)), factor=100) for k in (5, 10, 15)),
    )
}
COST = {name: Metric(name, ("", ""), 0) for name in ("steps", "seconds")}


@dataclass(frozen=True)
class Task:
    """A table. name: in files. number: of the paper's table, 0 for ours. headings: metric ->
    heading of its column."""

    name: str
    title: str
    number: int
    headings: Mapping[str, str]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple((METRICS | COST)[name] for name in self.headings)


TASKS = {
    task.name: task
    for task in (
        Task(
            "classification",
            "Phase classification, % of frames",
            1,
            {"classification_10": "10 %", "classification_50": "50 %", "classification": "100 %"},
        ),
        Task(
            "progression",
            "Phase progression and Kendall's tau",
            2,
            {"progression": "progress", "kendalls_tau": "tau"},
        ),
        Task(
            "retrieval",
            "Fine-grained frame retrieval, %",
            3,
            {"precision_at_5": "AP@5", "precision_at_10": "AP@10", "precision_at_15": "AP@15"},
        ),
        Task(
            "transfer",
            "Event transfer on trimmed pairs, error in % of the clip",
            0,
            {"event_transfer_median": "median", "event_transfer_mean": "mean"},
        ),
    )
}
COST_TASK = Task("cost", "Cost of training", 0, {"steps": "steps", "seconds": "seconds"})
METHOD_TABLES = {f"table{task.number}": task for task in TASKS.values() if task.number}
"""Name in `la2ds lab reproduce` -> task."""


def ablation_task(name: str, title: str) -> Task:
    """Return the table of an ablation, with narrow headings of at most 6 letters a line."""
    headings = {
        "event_transfer_median": "median\n%",
        "event_transfer_mean": "mean\n%",
        "kendalls_tau": "tau",
        "classification": "phase\n%",
        "progression": "progr.",
        "precision_at_10": "AP@10\n%",
    }
    return Task(name, title, int(name.removeprefix("table")), headings)


@dataclass(frozen=True)
class RunScores:
    """The scores of a run.

    scores, resampled: by feature set. clips: number of clips that contribute to each metric, the
    lowest of all feature sets. facts: split, clips, phases, events, protocol. warnings: of the
    evaluation. uses: what the event transfer of each feature set uses, in words; empty without
    event transfer.
    """

    scores: dict[str, Scores]
    resampled: dict[str, Resamples]
    clips: dict[str, int]
    facts: dict[str, Any]
    warnings: list[str]
    uses: dict[str, str]


def check_scored(project: StoredProject, config: Config, protocol: str) -> None:
    """Raise UserError, as scoring would, for an unknown protocol (exit 2), or one that needs labels
    or a test split that the project lacks (exit 4 or 5)."""
    from la2ds_cli.evaluation.evaluate import Request, gather

    if not get_protocol(protocol, config.evaluate).event_transfer:
        gather(Request(project, config, protocol=protocol), [])


def cached_scores(
    project: StoredProject,
    run: str,
    config: Config,
    features: Sequence[str],
    *,
    protocol: str,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> RunScores:
    """Score feature sets (`model` is the network of `run`), or read the cached scores.

    The cache, results/benchmark/RUN-PROTOCOL.safetensors, is valid while weights, poses, labels,
    settings of [align] and [evaluate], poses.min_frames, and the source of all modules that compute
    the figures (`source_digest`, with the user's own alignment method) are unchanged.
    """
    path = project.results_dir(FOLDER) / f"{run}-{protocol}.safetensors"
    recipe = _recipe(project, run, config, features, protocol)
    if artifact.staleness(path, recipe) is not None:
        from la2ds_cli.evaluation.evaluate import Request, score_request

        request = Request(project, config, (run,), protocol, features, device)
        arrays, facts = _figures(score_request(request, progress=progress))
        artifact.write_arrays(path, arrays, recipe, facts)
    arrays, _, facts = artifact.read_arrays(path)
    resampled = {
        name: {m: arrays[key] for m in scores if (key := f"{name}/{m}") in arrays}
        for name, scores in facts["scores"].items()
    }
    return RunScores(resampled=resampled, **facts)


def _figures(evaluated: EvaluationResult) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    """Return the resamples by `FEATURES/METRIC`, and the other fields of RunScores."""
    rows = {name: row for name, by_run in evaluated.scored.items() for row in by_run.values()}
    scores: dict[str, Scores] = {name: dict.fromkeys(METRICS) for name in rows}
    arrays, clips = {}, {}
    for name, row in rows.items():
        for metric in METRICS.values():
            measure = row.measures.get(metric.key)
            if measure is not None and measure.value is not None:
                scores[name][metric.name] = metric.factor * measure.value
                sample = metric.factor * np.asarray(measure.resampled, np.float64)
                arrays[f"{name}/{metric.name}"] = sample
                clips[metric.name] = min(measure.clips, clips.get(metric.name, measure.clips))
    document = evaluated.document
    return arrays, {
        "scores": scores,
        "clips": clips,
        "facts": {key: document[key] for key in ("split", "clips", "phases", "events", "protocol")},
        "warnings": list(document["warnings"]),
        "uses": {name: row.uses for name, row in rows.items() if row.uses},
    }


def _recipe(
    project: StoredProject, run: str, config: Config, features: Sequence[str], protocol: str
) -> artifact.Recipe:
    settings = {
        "protocol": protocol,
        "features": list(features),
        "align": asdict(config.align),
        "evaluate": asdict(config.evaluate),
    }
    inputs = scored_inputs(project, config)
    inputs["base"] = _file(base_path())  # a run may be combined with the base model
    if {"model", "untrained"} & set(features):
        inputs["weights"] = _file(checkpoint_path(project, run))
    return artifact.Recipe("benchmark", VERSION, settings, inputs)


def scored_inputs(project: StoredProject, config: Config) -> dict[str, str]:
    """Return what every score of the project depends on, as inputs of a recipe.

    These are its clips and splits, its labels, the source of all modules that compute a figure
    (with the user's own alignment method), and the length below which clips are left out.
    """
    own = [config.align.method] if "." in config.align.method else []
    for name in own:
        get_method(name)  # imports it, so that its source can be read
    return {
        "clips": _digest(sorted(_clips(project))),
        "phases": _file(project.phases_path),
        "code": source_digest(_COMPUTED_BY, *own),
        "min_frames": str(config.poses.min_frames),
        **{f"code of {name}": digest for name, digest in code_digests(*own).items()},
    }


def _clips(project: StoredProject) -> list[str]:
    """Return each clip with everything that determines whether and how it is scored."""
    clips = []
    for video in project.videos():
        posed = project.pose_path(video.id).exists()
        key = project.pose_header(video.id)[0].key if posed else ""
        cells = (video.id, video.path, video.split, video.group, video.sha256, video.options, key)
        clips.append("\0".join(cells))
    return clips


def _file(path: Path) -> str:
    return artifact.file_digest(path) if path.exists() else ""


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0\0".join(parts).encode()).hexdigest()
