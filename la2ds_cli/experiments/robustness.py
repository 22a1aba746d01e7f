"""A run with missing limbs and with noisy joints, beside the raw pose in the same condition.

`model.missing` is the treatment of joints that are not seen. A run is scored with the treatment it
was trained with; `by_treatment` compares runs of several treatments.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.config_sections import MissingJoints
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.embedding.trained import has_model
from la2ds_cli.experiments.corruption import (
    ANY,
    CorruptedProject,
    DroppedLimb,
    JointNoise,
    check_limb,
)
from la2ds_cli.experiments.metrics import Scores
from la2ds_cli.experiments.scores import Evaluation, evaluate_run

if TYPE_CHECKING:
    from la2ds_cli.training.train import TrainResult


PROBABILITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
TREATMENTS: tuple[MissingJoints, ...] = ("zero", "imputed")  # the same for heatmaps and joints
FEATURES = ("model", "raw_pose")


@dataclass(frozen=True)
class Condition:
    """One line of the result. features: `model` or `raw_pose`. train, test: the joints in training
    and in test. interval: 95 %, of the median transfer error over the scored clips."""

    features: str
    train: str
    test: str
    scores: Scores
    interval: list[float] | None


@dataclass(frozen=True)
class Sweep:
    """All conditions of a run. settings: its strength and seed; facts: what the numbers refer
    to."""

    settings: dict[str, Any]
    conditions: list[Condition]
    facts: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Bench:
    """The inputs that all conditions of a sweep share. clock: of the runs that are trained here."""

    project: Project
    config: Config
    device: DeviceName
    progress: Progress
    clock: Callable[[], float] = time.monotonic

    def score(self, project: Project, run: str, features: Sequence[str]) -> Evaluation:
        return evaluate_run(
            project, run, self.config, features, device=self.device, progress=self.progress
        )


def limb_sweep(
    project: Project,
    *,
    run: str,
    config: Config,
    limb: str = ANY,
    probabilities: Sequence[float] = PROBABILITIES,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> Sweep:
    """Drop a limb at test time with each probability; nothing is trained (paper Table 7).

    The probability 0 comes first; the others are compared with it. Raises UserError (exit 4) if the
    run has no model, and (exit 2) for an unknown limb.
    """
    bench = _Bench(project, config, device, progress or Progress())
    _check_reads_joints(project, run)
    check_limb(limb, get_skeleton(_model_facts(project, run)["skeleton"]))
    seed = config.evaluate.seed
    evaluations = {}
    for probability in sorted({0.0, *probabilities}):
        dropped = DroppedLimb(limb, probability, seed)
        label = f"{limb}-{100 * probability:g}"
        bench.progress.note(f"{run}: {limb} missing in {probability:.0%} of the frames")
        corrupted = CorruptedProject(project, label, train=None, test=dropped)
        evaluations[probability] = bench.score(corrupted, run, FEATURES)
    conditions = [
        Condition(
            features,
            "clean",
            f"{probability:.0%} missing",
            entry.scores[features],
            entry.intervals[features],
        )
        for features in FEATURES
        for probability, entry in evaluations.items()
    ]
    settings = {"limb": limb, "probabilities": list(evaluations), "seed": seed}
    return Sweep(settings, conditions, evaluations[0.0].facts, evaluations[0.0].warnings)


def noise_sweep(
    project: Project,
    *,
    run: str,
    config: Config,
    cells: float = 1.0,
    minutes: float | None = None,
    noisy_run: str | None = None,
    overwrite: bool = False,
    device: DeviceName = "auto",
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Sweep:
    """Clean and noisy joints in all four combinations of training and test (paper Table 8).

    Training on noisy joints is a separate run (`noisy_run`, default RUN-noisy) with the settings of
    `run`, from the base model if `run` started from it. It is trained here if it is missing or was
    interrupted (or again, with `overwrite`), for `minutes` by `clock`, by default as long as `run`
    was. Raises UserError (exit 4) if `run` has no model,
    (exit 3) without `minutes` if its log cannot be read.
    """
    bench = _Bench(project, config, device, progress or Progress(), clock)
    _check_reads_joints(project, run)
    noise = JointNoise(cells, config.evaluate.seed, run_settings(project, run).heatmap)
    trained = {"clean": run, "noisy": noisy_run or f"{run}-noisy"}
    training = train_noisy(
        bench, noise, run, trained["noisy"], minutes=minutes, overwrite=overwrite
    )
    joints = {"clean": None, "noisy": noise}
    evaluations: dict[tuple[str, str], Evaluation] = {}
    for source, target in itertools.product(joints, joints):
        label = f"{source}-to-{target}"
        bench.progress.note(f"{trained[source]}: tested on {target} joints")
        corrupted = CorruptedProject(project, label, train=joints[source], test=joints[target])
        evaluations[source, target] = bench.score(corrupted, trained[source], FEATURES)
    clean = evaluations["clean", "clean"]
    conditions = [
        Condition(
            features,
            source,
            target,
            entry.scores[features],
            entry.intervals[features],
        )
        for features in FEATURES
        for (source, target), entry in evaluations.items()
    ]
    settings = {
        "cells": cells,
        "seed": noise.seed,
        "noisy_run": training.run,
        "noisy_steps": training.steps,
        "noisy_seconds": training.seconds,
    }
    return Sweep(settings, conditions, clean.facts, clean.warnings)


def train_noisy(
    bench: _Bench,
    noise: JointNoise,
    run: str,
    noisy_run: str,
    *,
    minutes: float | None,
    overwrite: bool,
) -> TrainResult:
    """Train `noisy_run` with the settings of `run` on noisy joints, unless it is finished."""
    noisy = CorruptedProject(bench.project, noisy_run, train=noise, test=noise)
    config = run_settings(bench.project, run)
    return _train_like(bench, noisy, run, noisy_run, config, minutes, overwrite)


def _train_like(
    bench: _Bench,
    project: Project,
    run: str,
    name: str,
    config: Config,
    minutes: float | None,
    overwrite: bool,
) -> TrainResult:
    """Train `name` from the same start as `run` unless it is finished, for `minutes` or for as long
    as `run` was."""
    from la2ds_cli.training.checkpoint import START
    from la2ds_cli.training.train import train

    # A run does not store its number of threads.
    threads = replace(config.train, threads=bench.config.train.threads)
    config = replace(config, train=threads)
    recipe = artifact.read_header(bench.project.run_dir(run) / "best.safetensors")[0]
    bench.progress.note(f"training {name}")
    return train(
        project,
        run=name,
        config=config,
        max_minutes=minutes if minutes is not None else _minutes_of(bench.project, run, config),
        device=bench.device,
        overwrite=overwrite,
        progress=bench.progress,
        from_base=START in recipe.inputs,
        clock=bench.clock,
    )


def run_settings(project: Project, run: str) -> Config:
    """The settings a run was trained with, from its weights. UserError (exit 4) if it has none."""
    from la2ds_cli.training.checkpoint import settings_of

    _model_facts(project, run)
    path = project.run_dir(run) / "best.safetensors"
    return load_config(settings_of(artifact.read_header(path)[0]))


def _check_reads_joints(project: Project, run: str) -> None:
    """Raise UserError (exit 5) for a run that reads video frames and so does not depend on
    joints."""
    if run_settings(project, run).model.input == "rgb":
        raise UserError(
            f"run '{run}' reads video frames (model.input=rgb), so worse joints do not affect it",
            hint="name a run that reads joints or heatmaps",
            exit_code=ExitCode.MISMATCH,
        )


def _model_facts(project: Project, run: str) -> dict[str, Any]:
    if not has_model(project, run):
        raise UserError(
            f"run '{run}' has no trained model",
            hint=f"la2ds train --run {run} trains it",
            exit_code=ExitCode.UNUSABLE,
        )
    return artifact.read_header(project.run_dir(run) / "best.safetensors")[1]


def _minutes_of(project: Project, run: str, config: Config) -> float | None:
    """Minutes after which `run` ended, None if it ended by its number of steps.

    Raises UserError (exit 3) if its log, which says so, is missing or cannot be read.
    """
    path = project.run_dir(run) / "metrics.jsonl"
    try:
        last = json.loads(regular_file.text(path).splitlines()[-1])
        return last["seconds"] / 60 if last["step"] < config.train.steps else None
    except artifact.FOREIGN as error:
        raise UserError(
            f"how long run '{run}' was trained is unknown, because {path} is missing or cannot be "
            "read",
            hint="say with --minutes how long to train the run beside it",
            exit_code=ExitCode.UNREADABLE,
        ) from error
