"""Scores of single runs: the only place where experiments use the steps of `la2ds_cli.evaluation`.

Evaluations of a benchmark are cached with their resamples, so that a resumed table scores no run
twice, and the interval of a mean over seeds needs no further scoring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
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
from la2ds_cli.experiments.metrics import ALL_METRICS, METRICS, Metric, Scores

VERSION = 2  # 2: resamples of the mean error of event transfer
FOLDER = "benchmark"
_CODE = ("evaluation", "alignment")  # packages whose changes invalidate cached scores

Resamples = dict[str, FloatArray]
"""Metric -> its value in each bootstrap resample of the scored clips, (R,) float64 in the unit of
the metric, NaN where a resample has none. Metrics that are undefined are missing."""


@dataclass(frozen=True)
class Evaluation:
    """scores: feature set -> metric -> value, None if undefined. intervals: feature set -> 95 %
    bootstrap interval of HEADLINE over the scored clips. facts: what the numbers refer to (split,
    clips, events, protocol). warnings: of the evaluation."""

    scores: dict[str, Scores]
    intervals: dict[str, list[float] | None]
    facts: dict[str, Any]
    warnings: list[str]


def evaluate_run(
    project: Project,
    run: str,
    config: Config,
    features: Sequence[str],
    *,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """Score feature sets (`model` is the network of `run`) with the settings of `config`."""
    from la2ds_cli.evaluation.evaluate import evaluate

    document = evaluate(
        project, run=run, config=config, device=device, features=features, progress=progress
    )
    scores = {
        name: {metric.name: metric.value(row) for metric in METRICS}
        for name, row in document["features"].items()
    }
    intervals = {
        name: row.get("event_transfer", {}).get("interval_percent")
        for name, row in document["features"].items()
    }
    facts = {key: document[key] for key in ("split", "clips", "events", "protocol")}
    return Evaluation(scores, intervals, facts, list(document["warnings"]))


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
        arrays, _, document = artifact.read_arrays(path)
        return _scored(document, arrays)
    from la2ds_cli.evaluation.evaluate import evaluate_all

    evaluated = evaluate_all(
        project,
        runs=[run],
        protocol=protocol,
        config=config,
        device=device,
        features=features,
        progress=progress,
    )
    arrays = {
        f"{name}/{metric.name}": sample
        for name, by_run in evaluated.scored.items()
        for metric in ALL_METRICS
        if (sample := _sample(metric, next(iter(by_run.values())), evaluated.inputs)) is not None
    }
    artifact.write_arrays(path, arrays, recipe, evaluated.document)
    return _scored(evaluated.document, arrays)


def _sample(metric: Metric, scored: Any, inputs: Any) -> FloatArray | None:
    """The resamples of a metric; None if it is undefined or has none."""
    from la2ds_cli.evaluation.event_transfer import bootstrap_means, bootstrap_medians

    if metric.path[-1] == "value":
        name, *part = metric.path[:-1]
        measure = scored.measures.get((name, "".join(part)))
        if measure is None or measure.value is None:
            return None
        return metric.factor * np.asarray(measure.resampled, np.float64)
    clips, seed = len(inputs.clips), inputs.config.evaluate.seed
    if metric.path[-1] == "median_percent" and scored.errors:
        return bootstrap_medians(scored.errors, clips, seed)
    if metric.path[-1] == "mean_percent" and scored.mean_errors:
        return bootstrap_means(scored.mean_errors, clips, seed)
    return None


def _scored(document: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> Scored:
    from la2ds_cli.evaluation.features import Uses

    rows = document["features"]
    resampled: dict[str, Resamples] = {name: {} for name in rows}
    for key, sample in arrays.items():
        name, _, metric = key.partition("/")
        resampled[name][metric] = sample
    return Scored(
        {name: {m.name: m.value(row) for m in ALL_METRICS} for name, row in rows.items()},
        resampled,
        _clips_behind(rows),
        {key: document[key] for key in ("split", "clips", "phases", "events", "protocol")},
        list(document["warnings"]),
        {name: str(Uses(**row["uses"])) for name, row in rows.items() if "uses" in row},
    )


def _clips_behind(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Metric -> the number of clips behind it, the lowest of all rows."""
    counts: dict[str, int] = {}
    for row in rows.values():
        for metric in ALL_METRICS:
            clips = metric.clips(row)
            if clips is not None and metric.value(row) is not None:
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
        key = project.checked_pose_header(video.id)[0].key if posed else ""
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
