"""Training one run of a table, and isolating its failure from the others."""

from __future__ import annotations

import platform
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from la2ds_cli import __version__
from la2ds_cli.core import artifact
from la2ds_cli.core.config import AlignConfig, Config
from la2ds_cli.core.device import DeviceName, available_cores, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.result import Outcome
from la2ds_cli.experiments.scores import Evaluation, evaluate_run
from la2ds_cli.training.checkpoint import SECTIONS

SHARED = "reproduce"  # name of runs of the full recipe, which all tables share


@dataclass(frozen=True)
class Budget:
    """What the runs of a table share. settings: overrides of the recipe; minutes: longest training
    of a run, None = its steps; overwrite: train existing runs again."""

    project: Project
    preset: str
    settings: tuple[str, ...]
    minutes: float | None
    device: DeviceName
    overwrite: bool
    progress: Progress

    def config(self, settings: tuple[str, ...], seed: int) -> Config:
        """The recipe with more settings; the last one given wins."""
        chosen = (*self.settings, *settings, f"train.seed={seed}")
        return self.project.config(preset=self.preset, overrides=chosen)


def check_seeds(seeds: Sequence[int]) -> None:
    """Raise UserError (exit 2) for no seed, a negative one, or a duplicate."""
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(
            f"the seeds must be different numbers from 0, got {list(seeds)}", hint="--seeds 0,1,2"
        )


def machine_facts(device: DeviceName) -> dict[str, Any]:
    """The hardware and software on which the times of a table depend, and the last digits of its
    figures."""
    import torch

    chosen = resolve_device(device).type
    facts = {"processor": platform.machine(), "cores": available_cores(), "device": chosen}
    if chosen == "cuda":
        facts |= {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
    return {
        **facts,
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("torch", "numpy", "scikit-learn")},
        "la2ds": __version__,
    }


def run_name(table: str, row: str, seed: int) -> str:
    """The name of a run, such as table4-no-temporal-s0."""
    return f"{table}-{row}-s{seed}"


def same_weights(first: Config, second: Config) -> bool:
    """Whether one training run serves both."""
    return all(getattr(first, name) == getattr(second, name) for name in SECTIONS)


def train_run(budget: Budget, run: str, config: Config) -> Outcome:
    """Train, resume or reuse `run`; the outcome has no scores yet."""
    from la2ds_cli.training.train import train

    budget.progress.note(f"training {run}")
    trained = train(
        budget.project,
        run=run,
        config=config,
        max_minutes=budget.minutes,
        device=budget.device,
        overwrite=budget.overwrite,
        progress=budget.progress,
        clock=training_clock(budget.device),
    )
    return Outcome(
        run,
        "model",
        seed=config.train.seed,
        steps=trained.steps,
        seconds=trained.seconds,
        reused=trained.already_finished,
        collapse=trained.collapse,
    )


def training_clock(device: DeviceName) -> Callable[[], float]:
    """CPU time on a CPU: other processes must not shorten the budget of a run."""
    on_cpu = resolve_device(device).type == "cpu"
    return time.process_time if on_cpu else time.monotonic


def score_run(
    budget: Budget, run: str, features: tuple[str, ...], align: AlignConfig | None = None
) -> Evaluation:
    """`evaluate_run` with the settings of the table; align: those of a row that aligns differently.

    The files of `evaluate` for such a row do not replace those of the run."""
    budget.progress.note(f"evaluating {run}")
    config = budget.project.config(preset=budget.preset, overrides=budget.settings)
    project = budget.project
    if align is not None and align != config.align:
        config, project = replace(config, align=align), _Aside(project.root, project.settings)
    return evaluate_run(
        project, run, config, features, device=budget.device, progress=budget.progress
    )


class _Aside(Project):
    """The project, except that results of steps go to results/reproduce/STEP/."""

    def results_dir(self, kind: str) -> Path:
        return super().results_dir(f"reproduce/{kind}")


def attempt(project: Project, run: str, work: Callable[[], Any]) -> str:
    """Do the work of one run; returns the reason if it fails, else an empty string.

    Errors of memory, shapes, numbers and plugin methods only fail their run, so that they do not
    stop a long table; the traceback goes to logs/RUN.txt.
    """
    try:
        work()
    except UserError as error:
        drifted = error.exit_code == ExitCode.MISMATCH
        hint = "--overwrite trains it again" if drifted else error.hint
        return f"{error.message} ({hint})" if hint else error.message
    except Exception as error:
        log = project.log_path(f"{run}.txt")
        artifact.write_text(log, traceback.format_exc())
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''} ({log})"
    return ""
