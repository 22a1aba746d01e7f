"""Train and score the rows of a table, seed by seed, on one or more projects.

Finished runs are reused, interrupted ones resumed, and nothing is scored twice. The files are
written after every run, and a failing run does not stop the others.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from la2ds_cli import __version__
from la2ds_cli.core.batch import fault
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName, available_cores, resolve_device
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.plugins import code_digests
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.comparison import DataSet, Result, Row, Rows, RunEntry
from la2ds_cli.experiments.corruption import Joints
from la2ds_cli.experiments.printed_tables import find_source
from la2ds_cli.experiments.scores import RunScores, cached_scores
from la2ds_cli.experiments.tables import write_result
from la2ds_cli.network.training_clips import training_videos
from la2ds_cli.training.checkpoint import training_recipe
from la2ds_cli.training.clip_set import clips_digest

if TYPE_CHECKING:
    from la2ds_cli.training.train import TrainResult

UNTRAINED = "untrained"
# Joint movement and base model, if combined with an embedding, would hide what it has learned.
ALONE = ("align.movement=0", "align.base=0")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Plan:
    """How all runs of a table are trained and scored.

    minutes: longest training of each run; None = limited only by steps.
    settings: overrides for all rows.
    rates: learning rates of rows by name, instead of those of their recipes.
    """

    seeds: Sequence[int] = (0,)
    minutes: float | None = None
    settings: Sequence[str] = ()
    protocol: str = "la2ds"
    rates: Mapping[str, float] = field(default_factory=dict)
    device: DeviceName = "auto"

    def check(self) -> None:
        """Raise UserError (exit 2) for seeds or a time limit with which nothing can be trained."""
        from la2ds_cli.training.train import check_limit, check_seeds

        check_seeds(self.seeds, self.settings)
        check_limit(self.minutes)


def machine_facts(device: DeviceName) -> dict[str, Any]:
    """Return the hardware and software, on which times and the last digits of figures depend."""
    import torch

    chosen = resolve_device(device).type
    return {
        "system": platform.platform(),
        "cores": available_cores(),
        "device": torch.cuda.get_device_name() if chosen == "cuda" else chosen,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("torch", "numpy", "scikit-learn")},
        "la2ds": __version__,
    }


def run_name(
    stem: str, project: StoredProject, config: Config, minutes: float | None = None
) -> str:
    """Return STEM-DIGEST-sSEED; the digest covers settings, clips, the user's own code and the time
    limit, so that rows that share all of these share their runs."""
    videos = training_videos(project)
    clips = clips_digest({v.id: project.pose_header(v.id)[0].key for v in videos})
    plugins = [name for name in (config.train.method, config.model.encoder) if "." in name]
    unseeded = replace(config, train=replace(config.train, seed=0))
    key = training_recipe(unseeded, clips, code=code_digests(*plugins)).key
    digest = hashlib.sha256(f"{key} {minutes}".encode()).hexdigest()[:8]
    return f"{stem}-{digest}-s{config.train.seed}"


def train_run(
    project: StoredProject, run: str, config: Config, plan: Plan, progress: Progress
) -> TrainResult:
    """Train, resume or reuse `run`. On a CPU, the time limit is in CPU time, so that other
    processes do not shorten the budget."""
    from la2ds_cli.training.train import TrainOptions, train

    progress.note(f"training {run}")
    clock = time.process_time if resolve_device(plan.device).type == "cpu" else time.monotonic
    options = TrainOptions(plan.device, plan.minutes, clock=clock)
    return train(project, run=run, config=config, options=options, progress=progress)


def shared_facts(project: StoredProject, plan: Plan, rows: Rows) -> dict[str, Any]:
    """Return the facts on which the numbers of a table depend."""
    common = rows.common(project)
    budget = f"{common.train.steps} steps for every run"
    if plan.minutes is not None:
        budget = f"at most {plan.minutes:g} minutes of training and {budget}"
    return {
        "budget": budget,
        "seeds": list(plan.seeds),
        "settings": list(plan.settings),
        "presets": {row.name: row.recipe(project, plan.seeds[0]).preset for row in rows.rows},
        "protocol": plan.protocol,
        "learning rates": dict(plan.rates) or None,
        "alignment": asdict(common.align),
        "machine": machine_facts(plan.device),
    }


def run_table(
    result: Result,
    benches: Sequence[Bench],
    out: Path,
    finished: Mapping[tuple[int, str, int], str],
) -> Result:
    """Train and score every row on every project with every seed, and write OUT/NAME.md, .csv and
    .json after every run.

    Parameters
    ----------
    finished: the errors (empty = none) of runs made by other processes, by the number of their
        project, their row and their seed.
    """
    rows, seeds = benches[0].table.rows, benches[0].plan.seeds
    result.labels |= {row.name: row.label for row in rows}
    first = benches[0].project
    result.reads = {row.name: row.recipe(first, seeds[0]).model.input for row in rows}
    result.data = [bench.data for bench in benches]
    for bench in benches:
        result.entries += bench.baselines()
        write_result(first, result, out)
    for seed in seeds:
        for number, bench in enumerate(benches):
            for row in rows:
                error = finished.get((number, row.name, seed), "")
                result.entries += bench.run(row, seed, error)
                write_result(first, result, out)
    return result


class Bench:
    """Train and score the runs of a table on one project. data: facts about its clips."""

    def __init__(
        self, name: str, project: StoredProject, table: Rows, plan: Plan, progress: Progress
    ) -> None:
        self.project, self.table, self.plan, self.progress = project, table, plan, progress
        self.data = DataSet(name, find_source(project))

    def baselines(self) -> Iterable[RunEntry]:
        """Score the baselines; those with the same joints are scored together."""
        config = self.table.common(self.project)
        run = f"{self.table.stem}-baselines"
        for joints, group in groupby(self.table.baselines, key=lambda row: row.joints):
            rows = list(group)
            features = [row.features for row in rows]
            work = partial(self._score, run, joints, features, config)
            scored, error = self._attempt(run, work)
            for row in rows:
                entry = RunEntry(self.data.name, row.name, row.label, run, "", True, error=error)
                yield entry if scored is None else _baseline(entry, row.features, scored)

    def run(self, row: Row, seed: int, error: str = "") -> list[RunEntry]:
        """Train and score a run, unless it has failed elsewhere with `error`."""
        config, made = row.recipe(self.project, seed), None
        if row.name in self.plan.rates:
            train = replace(config.train, learning_rate=self.plan.rates[row.name])
            config = replace(config, train=train)
        seen = row.joints.in_training(self.project, row.run)
        run = run_name(row.run, seen, config, self.plan.minutes)
        if not error:
            work = partial(self._trained, row, seen, run, config)
            made, error = self._attempt(run, work)
        entry = RunEntry(self.data.name, row.name, row.label, run, "model", seed=seed, error=error)
        if made is None:
            return [entry]
        trained, scored = made
        entry = replace(
            entry,
            steps=trained.steps,
            seconds=trained.seconds,
            reused=trained.already_finished,
            collapse=trained.collapse,
            scores=scored.scores["model"],
            resampled=scored.resampled["model"],
            clips=scored.clips,
        )
        if UNTRAINED not in scored.scores:
            return [entry]
        untrained = RunEntry(self.data.name, f"{UNTRAINED}-{row.name}", row.untrained, "", "", True)
        return [entry, _baseline(untrained, UNTRAINED, scored)]

    def _attempt(self, run: str, work: Callable[[], Made]) -> tuple[Made | None, str]:
        """Return the result of a run's work and an empty text, or None and why it failed.

        Errors of memory, shapes, numbers and plugin methods fail only their run, so that they do
        not stop a long table; the traceback goes to logs/RUN.txt.
        """
        try:
            return work(), ""
        except UserError as error:
            reason = f"{error.message} ({error.hint})" if error.hint else error.message
        except Exception as error:
            message, log = fault(self.project, run, error)
            reason = f"{message} ({log})"
        self.progress.note(f"{run} failed: {reason}")
        return None, reason

    def _trained(
        self, row: Row, seen: StoredProject, run: str, config: Config
    ) -> tuple[TrainResult, RunScores]:
        """Train and score a run; seen: the project as seen by its training."""
        trained = train_run(seen, run, config, self.plan, self.progress)
        first = row.untrained and config.train.seed == self.plan.seeds[0]
        features = ("model", UNTRAINED) if first else ("model",)
        return trained, self._score(run, row.joints, features, config)

    def _score(
        self, run: str, joints: Joints, features: Sequence[str], config: Config
    ) -> RunScores:
        self.progress.note(f"evaluating {run} {joints.label}".strip())
        scored = cached_scores(
            joints.in_test(self.project),
            run,
            config,
            features,
            protocol=self.plan.protocol,
            device=self.plan.device,
            progress=self.progress,
        )
        self.data.facts = self.data.facts or dict(scored.facts)
        if "model" in scored.uses:
            self.data.facts.setdefault("method_uses", scored.uses["model"])
        warnings = self.data.warnings
        warnings += [text for text in scored.warnings if text not in warnings]
        return scored


def _baseline(entry: RunEntry, features: str, scored: RunScores) -> RunEntry:
    """Return the entry of a baseline with the scores of a feature set."""
    return replace(
        entry,
        run="",
        features=features,
        scores=scored.scores[features],
        resampled=scored.resampled[features],
        clips=scored.clips,
    )
