"""The step `evaluate`: every feature set through Kendall's tau and event transfer."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from la2ds_cli import artifact
from la2ds_cli.config import Config
from la2ds_cli.device import DeviceName
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.evaluation.bootstrap import mean_interval, video_counts
from la2ds_cli.evaluation.comparison import compare
from la2ds_cli.evaluation.event_transfer import (
    TransferError,
    Views,
    summarise,
    transfer_events,
)
from la2ds_cli.evaluation.events import choose_events
from la2ds_cli.evaluation.features import (
    FEATURE_NAMES,
    FeatureSet,
    Variant,
    baseline_sets,
    check_names,
    embedder_set,
)
from la2ds_cli.evaluation.kendall import kendalls_tau
from la2ds_cli.evaluation.protocol import describe
from la2ds_cli.evaluation.trims import Draw, EvaluationClip, draw_trims
from la2ds_cli.progress import Progress
from la2ds_cli.project import DEFAULT_RUN, Project
from la2ds_cli.types import PoseSequence

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class _Material:
    """What all feature sets share."""

    clips: list[EvaluationClip]
    draws: list[Draw]
    config: Config
    has_events: bool


def evaluate(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    config: Config,
    device: DeviceName = "auto",
    features: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score the model of `run` beside its baselines; returns the JSON document it writes.

    Uses the clips of split `test`, or all clips when there is no such split. Without a model the
    baselines alone are scored. features: names of la2ds_cli.evaluation.features.FEATURE_NAMES,
    None = all. Writes results/evaluate/<run>.json and <run>-events.csv (one row per carried
    event). UserError: fewer than two usable clips (exit 4), clips of different skeletons
    (exit 5), an unknown feature set (exit 2).
    """
    progress = progress or Progress()
    check_names(features or ())
    project.run_dir(run)  # refuse a bad name before any work
    warnings: list[str] = []
    poses, split = _select(project, config, warnings)
    sets = _feature_sets(project, run, config, device, poses, features, warnings)
    clips, source, notes = choose_events(poses, project.phases())
    warnings += notes
    material = _Material(clips, draw_trims(clips, config.evaluate), config, source is not None)
    results: dict[str, dict[str, Any]] = {}
    errors: dict[str, list[TransferError]] = {}
    total = sum(len(s.variants) for s in sets) * sum(len(d.pair) for d in material.draws)
    progress.begin("evaluate", total)
    for feature_set in sets:
        name = feature_set.name
        results[name], errors[name] = _score(feature_set, material, progress)
    progress.end()
    document = {
        "schema_version": SCHEMA_VERSION,
        "run": run,
        "split": split,
        "clips": len(clips),
        "events": source,
        "protocol": describe(config.evaluate, sets, source),
        "features": results,
        "comparisons": compare(errors, len(clips), config.evaluate.seed),
        "warnings": warnings,
    }
    folder = project.results_dir("evaluate")
    artifact.write_text(folder / f"{run}-events.csv", _events_csv(errors, clips))
    artifact.write_json(folder / f"{run}.json", document)
    return document


def _select(
    project: Project, config: Config, warnings: list[str]
) -> tuple[dict[str, PoseSequence], Literal["test", "all"]]:
    """Poses of the clips under evaluation by video id, sorted by id, and the split they form."""
    videos = [v for v in project.videos() if project.pose_path(v.id).exists()]
    without = len(project.videos()) - len(videos)
    if without:
        warnings.append(f"videos without poses, left out: {without}")
    test = [v for v in videos if v.split == "test"]
    poses = {v.id: project.read_pose(v.id)[0] for v in sorted(test or videos, key=lambda v: v.id)}
    short = [v for v, pose in poses.items() if len(pose) < config.poses.min_frames]
    if short:
        warnings.append(
            f"clips of fewer than {config.poses.min_frames} frames, left out: {len(short)}"
        )
        poses = {v: pose for v, pose in poses.items() if v not in short}
    _check(poses)
    if test:
        return poses, "test"
    warnings.append(
        "no clip is marked split=test in videos.csv: all clips were used, and a model trained in "
        "this project has seen them"
    )
    return poses, "all"


def _check(poses: Mapping[str, PoseSequence]) -> None:
    if len(poses) < 2:
        raise UserError(
            f"evaluation needs at least 2 clips with poses, found {len(poses)}",
            hint="extract the poses of more clips, or mark more clips as split=test in videos.csv",
            exit_code=ExitCode.UNUSABLE,
        )
    skeletons = {pose.skeleton: video for video, pose in poses.items()}
    if len(skeletons) > 1:
        shown = ", ".join(f"{video} ({name})" for name, video in sorted(skeletons.items()))
        raise UserError(
            f"the clips have different skeletons: {shown}",
            hint="evaluate clips of one skeleton per project",
            exit_code=ExitCode.MISMATCH,
        )


def _feature_sets(
    project: Project,
    run: str,
    config: Config,
    device: DeviceName,
    poses: Mapping[str, PoseSequence],
    wanted: Sequence[str] | None,
    warnings: list[str],
) -> list[FeatureSet]:
    sets = {feature_set.name: feature_set for feature_set in baseline_sets()}
    if wanted is None or {"model", "untrained"} & set(wanted):
        sets |= _network_sets(project, run, config, device, poses, wanted, warnings)
    chosen = [sets[n] for n in FEATURE_NAMES if n in sets and (wanted is None or n in wanted)]
    if not chosen:
        raise UserError(
            f"run {run} has no model, so there is nothing to evaluate",
            hint="la2ds train, or ask for raw_pose, raw_pose_best or time_only",
            exit_code=ExitCode.UNUSABLE,
        )
    return chosen


def _network_sets(
    project: Project,
    run: str,
    config: Config,
    device: DeviceName,
    poses: Mapping[str, PoseSequence],
    wanted: Sequence[str] | None,
    warnings: list[str],
) -> dict[str, FeatureSet]:
    from la2ds_cli.embedding import has_model, load_embedder, untrained_embedder

    if not has_model(project, run):
        warnings.append(f"run {run} has no model: only the baselines that need none were evaluated")
        return {}
    model = load_embedder(project, run, device)
    sets = {"model": embedder_set("model", f"the network of run {run}", model, config.align)}
    if wanted is None or "untrained" in wanted:
        untrained = untrained_embedder(
            model.config,
            next(iter(poses.values())).skeleton,
            seed=config.evaluate.seed,
            device=device,
        )
        sets["untrained"] = embedder_set(
            "untrained", "the same network with random weights", untrained, config.align
        )
    return sets


@dataclass(frozen=True)
class _Scored:
    variant: Variant
    whole: list[Views]  # features of the untrimmed clips
    transfer: dict[str, Any]
    errors: list[TransferError]

    @property
    def rank(self) -> float:
        mean = self.transfer["mean_percent"]
        return np.inf if mean is None else mean


def _score(
    feature_set: FeatureSet, material: _Material, progress: Progress
) -> tuple[dict[str, Any], list[TransferError]]:
    """One row of the result: of several variants the one with the lowest mean error."""
    scored = [_transfer(variant, material, progress) for variant in feature_set.variants]
    best = min(scored, key=lambda entry: entry.rank)
    row: dict[str, Any] = {
        "kendalls_tau": _tau(best.whole, material),
        "event_transfer": best.transfer,
        "variant": best.variant.name,
    }
    if len(scored) > 1:
        row["variants"] = {
            entry.variant.name: {
                key: entry.transfer[key] for key in ("median_percent", "mean_percent")
            }
            for entry in scored
        }
    return row, best.errors


def _transfer(variant: Variant, material: _Material, progress: Progress) -> _Scored:
    clips, seed = material.clips, material.config.evaluate.seed
    whole = variant.views([clip.pose for clip in clips])
    reason, errors = "", []
    if not material.has_events:
        reason = "no two clips share an event"
    elif not all(np.isfinite(value).all() for views in whole for value in views):
        reason = "the features of some clip are not finite numbers"
    else:
        errors = transfer_events(
            clips, material.draws, variant.views, variant.path, progress.advance
        )
    summary = summarise(errors, len(clips), seed)
    return _Scored(variant, whole, summary | ({"reason": reason} if reason else {}), errors)


def _tau(whole: list[Views], material: _Material) -> dict[str, Any]:
    """Tau of each clip's first view (a mirrored view is a way to align, not another feature)."""
    settings = material.config.evaluate
    tau = kendalls_tau([views[0] for views in whole], settings.tau_stride)
    interval = mean_interval(tau.by_pair, video_counts(len(whole), settings.seed))
    reason = (
        f"undefined for {tau.nan} of {tau.pairs} pairs: all frames of a clip have one and the "
        "same nearest frame, or its features are not finite"
    )
    return {
        "value": tau.value,
        "pairs": tau.pairs,
        "nan": tau.nan,
        "interval": list(interval) if interval else None,
        "reason": reason if tau.nan else None,
    }


def _events_csv(errors: Mapping[str, list[TransferError]], clips: list[EvaluationClip]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["feature", "draw", "a", "b", "event", "error_frames", "error_percent", "error_seconds"]
    )
    for name, rows in errors.items():
        for e in rows:
            values = (round(value, 6) for value in (e.frames, e.percent, e.seconds))
            writer.writerow([name, e.draw, clips[e.a].id, clips[e.b].id, e.event, *values])
    return buffer.getvalue()
