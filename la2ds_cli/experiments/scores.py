"""Metrics of a run as columns of tables, and the scores of single runs: the only place where
experiments use the steps of `la2ds_cli.evaluation`.

One line in METRICS makes a metric of the document of `evaluate` available to every table.
Evaluations are cached with their resamples, so that a resumed table scores no run twice, and the
interval of a mean over seeds needs no further scoring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray

VERSION = 3  # 3: the scores instead of the whole document of the evaluation
FOLDER = "benchmark"
_CODE = ("evaluation", "alignment")  # packages whose changes invalidate cached scores

Resamples = dict[str, FloatArray]
"""Metric -> its value in each bootstrap resample of the scored clips, (R,) float64 in the unit of
the metric, NaN where a resample has none. Metrics that are undefined are missing."""

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Metric:
    """name: in CSV and JSON. path: keys below features.NAME in the document of `evaluate`. digits:
    shown. factor: from the value there to the unit of the column."""

    name: str
    path: tuple[str, ...]
    digits: int = 2
    factor: float = 1.0

    @property
    def lower_is_better(self) -> bool:
        return self.path[:1] == ("event_transfer",)

    def value(self, row: Mapping[str, Any]) -> float | None:
        """The metric from the row of a feature set; None if this evaluation does not provide it, or
        if it is undefined."""
        value: Any = row
        for key in self.path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return None if value is None else self.factor * float(value)

    def clips(self, row: Mapping[str, Any]) -> int:
        """The number of clips behind the metric, from a row that has it."""
        entry: Any = row
        for key in self.path[:-1]:
            entry = entry[key]
        return int(entry["clips"])

    def shown(self, value: float | None) -> str:
        """The value with the digits of the metric, or a dash."""
        return "–" if value is None else f"{value:.{self.digits}f}"


METRICS = {
    metric.name: metric
    for metric in (
        Metric("event_transfer_median", ("event_transfer", "median_percent", "value")),
        Metric("event_transfer_mean", ("event_transfer", "mean_percent", "value")),
        Metric("kendalls_tau", ("kendalls_tau", "value"), 4),
        Metric("classification_10", ("phase_classification", "10 %", "value"), factor=100),
        Metric("classification_50", ("phase_classification", "50 %", "value"), factor=100),
        Metric("classification", ("phase_classification", "100 %", "value"), factor=100),
        Metric("progression", ("phase_progression", "value"), 4),
        Metric("precision_at_5", ("precision_at_k", "5", "value"), factor=100),
        Metric("precision_at_10", ("precision_at_k", "10", "value"), factor=100),
        Metric("precision_at_15", ("precision_at_k", "15", "value"), factor=100),
    )
}
COST = (Metric("steps", (), 0), Metric("seconds", (), 0))


@dataclass(frozen=True)
class Task:
    """A table. name: in files. number: of the paper's table, 0 for ours. headings: name of a metric
    -> heading of its column."""

    name: str
    title: str
    number: int
    headings: Mapping[str, str]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        known = METRICS | {metric.name: metric for metric in COST}
        return tuple(known[name] for name in self.headings)


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
"""Name in `la2ds reproduce` -> task."""


def ablation_task(name: str, title: str) -> Task:
    """The table of an ablation: one column for each metric, at most 6 letters a line wide."""
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
class Scored:
    """scores, resampled: by feature set. clips: the number of clips behind each metric, the lowest
    of all feature sets. facts: split, clips, phases, events, protocol. warnings:
    of the evaluation. uses: what the event transfer of each feature set uses, in words; empty if
    the protocol has none."""

    scores: dict[str, Scores]
    resampled: dict[str, Resamples]
    clips: dict[str, int]
    facts: dict[str, Any]
    warnings: list[str]
    uses: dict[str, str]


def cached_scores(
    project: Project,
    run: str,
    config: Config,
    features: Sequence[str],
    *,
    protocol: str,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> Scored:
    """Score feature sets (`model` is the network of `run`), or read the cached scores.

    The cache, results/benchmark/RUN-PROTOCOL.safetensors, is valid as long as weights, poses,
    labels, settings of [align] and [evaluate], poses.min_frames and the code of the evaluation are
    the same.
    """
    path = project.results_dir(FOLDER) / f"{run}-{protocol}.safetensors"
    recipe = _recipe(project, run, config, features, protocol)
    if artifact.staleness(path, recipe) is None:
        arrays, _, facts = artifact.read_arrays(path)
        return Scored(resampled=_by_feature(arrays, facts["scores"]), **facts)
    from la2ds_cli.evaluation.evaluate import Request, score_request

    request = Request(project, config, (run,), protocol, features, device)
    evaluated = score_request(request, progress=progress)
    arrays = {
        f"{name}/{metric.name}": sample
        for name, by_run in evaluated.scored.items()
        for metric in METRICS.values()
        if (sample := _sample(metric, next(iter(by_run.values())).measures)) is not None
    }
    facts = _facts(evaluated.document)
    artifact.write_arrays(path, arrays, recipe, facts)
    return Scored(resampled=_by_feature(arrays, facts["scores"]), **facts)


def _sample(metric: Metric, measures: Any) -> FloatArray | None:
    """The resamples of a metric; None if it is undefined."""
    name, part = (*metric.path[:-1], "")[:2]
    measure = measures.get((name, part))
    if measure is None or measure.value is None:
        return None
    return metric.factor * np.asarray(measure.resampled, np.float64)


def _by_feature(arrays: Mapping[str, FloatArray], features: Iterable[str]) -> dict[str, Resamples]:
    resampled: dict[str, Resamples] = {name: {} for name in features}
    for key, sample in arrays.items():
        name, _, metric = key.partition("/")
        resampled[name][metric] = sample
    return resampled


def _facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """The other fields of Scored, from the document of an evaluation."""
    rows = document["features"]
    return {
        "scores": {
            name: {metric.name: metric.value(row) for metric in METRICS.values()}
            for name, row in rows.items()
        },
        "clips": _clips_behind(rows),
        "facts": {key: document[key] for key in ("split", "clips", "phases", "events", "protocol")},
        "warnings": list(document["warnings"]),
        "uses": {n: row["uses"] for n, row in rows.items() if "uses" in row},
    }


def _clips_behind(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Metric -> the number of clips behind it, the lowest of all rows."""
    counts: dict[str, int] = {}
    for row in rows.values():
        for metric in METRICS.values():
            if metric.value(row) is not None:
                clips = metric.clips(row)
                counts[metric.name] = min(clips, counts.get(metric.name, clips))
    return counts


def _recipe(
    project: Project, run: str, config: Config, features: Sequence[str], protocol: str
) -> artifact.Recipe:
    from la2ds_cli.embedding.trained import checkpoint_path
    from la2ds_cli.training.base_weights import base_key

    settings = {
        "protocol": protocol,
        "features": list(features),
        "align": asdict(config.align),
        "evaluate": asdict(config.evaluate),
    }
    inputs = scored_inputs(project, config)
    if {"model", "untrained"} & set(features):
        inputs["weights"] = _file(checkpoint_path(project, run))
    if "base" in features:
        inputs["base"] = base_key()
    return artifact.Recipe("benchmark", VERSION, settings, inputs)


def scored_inputs(project: Project, config: Config) -> dict[str, str]:
    """What every score of the project depends on, as inputs of a recipe: its clips and splits, its
    labels, the code of the evaluation, and the length below which clips are left out, if it is not
    the default, so that scores of the default stay current."""
    least = config.poses.min_frames
    return {
        "clips": _digest(sorted(_clips(project))),
        "phases": _file(project.phases_path),
        "code": _digest(sorted(_sources())),
    } | ({} if least == PosesConfig().min_frames else {"min_frames": str(least)})


def _clips(project: Project) -> list[str]:
    """Every clip with everything that determines whether and how it is scored."""
    clips = []
    for video in project.videos():
        posed = project.pose_path(video.id).exists()
        key = project.pose_header(video.id)[0].key if posed else ""
        clips.append(f"{video.id}\0{video.split}\0{video.sha256}\0{video.options}\0{key}")
    return clips


def _sources() -> list[str]:
    """Each file of the packages in _CODE, including subfolders, with its text."""
    root = Path(__file__).parents[1]
    return [
        f"{path.relative_to(root).as_posix()}\0{path.read_text('utf-8')}"
        for package in _CODE
        for path in (root / package).rglob("*.py")
    ]


def _file(path: Path) -> str:
    return artifact.file_digest(path) if path.exists() else ""


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0\0".join(parts).encode()).hexdigest()
