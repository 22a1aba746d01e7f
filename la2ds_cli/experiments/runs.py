"""Training one run of a table, and isolating its failure from the others."""

from __future__ import annotations

import platform
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, TypeVar

from la2ds_cli import __version__
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName, available_cores, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.result import Choice, Outcome

Made = TypeVar("Made")


@dataclass(frozen=True)
class Plan:
    """How all runs of a table are trained and scored.

    minutes: longest training of each run; None = limited only by steps.
    settings: overrides for all rows.
    tries: how many learning rates are tried for each row on held-out training clips of each project
    (`tries.choose_rate`); 1 = only that of its recipe.
    rates: the learning rate of each row as chosen by an earlier benchmark (`tries.read_rates`),
    instead of tries.
    overwrite: train runs again that exist.
    """

    seeds: Sequence[int] = (0,)
    minutes: float | None = None
    settings: Sequence[str] = ()
    protocol: str = "la2ds"
    tries: int = 1
    rates: Mapping[str, Choice] | None = None
    device: DeviceName = "auto"
    overwrite: bool = False


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


def train_run(
    project: Project, run: str, config: Config, plan: Plan, progress: Progress
) -> Outcome:
    """Train, resume or reuse `run`; the outcome has no scores yet. A limit in minutes is in CPU
    time on a CPU: other processes must not shorten the budget of a run."""
    from la2ds_cli.training.train import TrainOptions, train

    progress.note(f"training {run}")
    clock = time.process_time if resolve_device(plan.device).type == "cpu" else time.monotonic
    trained = train(
        project,
        run=run,
        config=config,
        options=TrainOptions(plan.device, plan.minutes, plan.overwrite, clock=clock),
        progress=progress,
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


def attempt(
    project: Project, run: str, progress: Progress, work: Callable[[], Made]
) -> tuple[Made | None, str]:
    """What the work of one run makes and an empty string, or None and why it failed.

    Errors of memory, shapes, numbers and plugin methods only fail their run, so that they do not
    stop a long table; the traceback goes to logs/RUN.txt.
    """
    try:
        return work(), ""
    except UserError as error:
        drifted = error.exit_code == ExitCode.MISMATCH
        hint = "--overwrite trains it again" if drifted else error.hint
        reason = f"{error.message} ({hint})" if hint else error.message
    except Exception as error:
        log = project.log_path(f"{run}.txt")
        artifact.write_text(log, traceback.format_exc())
        first = str(error).splitlines()[0] if str(error) else ""
        reason = f"{type(error).__name__}: {first} ({log})"
    progress.note(f"{run} failed: {reason}")
    return None, reason
