"""All methods on golf swings whose events people set; a part of methods.py.

    python benchmarks/methods_people.py --data HUMAN_EVENTS --work DIR --minutes 2 --fold 0

Either half of the golfers is tested by networks trained on the other, as human_labels.py does it,
with the learning rates, budget, alignment and weights of the benchmark.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from across_people import cached_transfers
from human_labels import LABELS, SETS, Fold, Measured, figures, make_folds

from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.benchmark import NAME
from la2ds_cli.experiments.methods import Method, Source, common_config, find_methods
from la2ds_cli.experiments.metrics import TASKS
from la2ds_cli.experiments.result import (
    BenchmarkResult,
    Choice,
    DataSet,
    Entry,
    Outcome,
)
from la2ds_cli.experiments.runs import Budget, attempt, run_name, train_run
from la2ds_cli.experiments.tries import check_rates, choose_rate, read_rates

DATA = SETS["golf"]
BASELINES = ("time_only", "raw_pose", "raw_pose_best", "untrained")
PAIRS = 300  # of each kind and draw, at most, as in human_labels.py


@dataclass(frozen=True)
class Runs:
    """What all methods share. minutes: of each run. tries: learning rates of each method. rates:
    method -> the one that an earlier benchmark chose, instead of tries."""

    methods: Sequence[str]
    seeds: Sequence[int]
    settings: tuple[str, ...]
    minutes: float
    tries: int
    rates: Mapping[str, Choice] | None = None

    def __post_init__(self) -> None:
        check_rates(find_methods(self.methods), self.rates, self.tries)

    def budget(self, project: Project) -> Budget:
        return Budget(
            project, "", self.settings, self.minutes, "auto", overwrite=False, progress=Progress()
        )


@dataclass(frozen=True)
class Scored:
    """One run on one half. transfers: the document of across_people, None where the run failed.
    choice: of its learning rate, None where there was none."""

    outcome: Outcome
    transfers: dict[str, Any] | None
    choice: Choice | None


def rates_and_tries(given: argparse.Namespace) -> tuple[dict[str, Choice] | None, int]:
    """What Runs needs of --rates and --tries: rates that are given need no tries."""
    return (read_rates(given.rates), 1) if given.rates else (None, given.tries)


def folds(data: Path, work: Path) -> list[Fold]:
    """The two halves, imported where they are not there yet."""
    return make_folds(DATA, data, work / "people", 0)


def baselines(fold: Fold, runs: Runs) -> dict[str, Any]:
    """Transfers by what needs no training; the untrained network is that of LA2DS."""
    config = _with_pairs(common_config(fold.project, runs.settings), runs)
    return cached_transfers(
        fold.project, f"{NAME}-baselines", config=config, features=BASELINES, kind=fold.kind
    )


def one_run(fold: Fold, runs: Runs, method: Method, seed: int) -> Scored:
    """Trained with the learning rate that does best for `method`, and scored."""
    run = run_name(NAME, method.name, seed)
    outcome, transfers, choice = Outcome(run, "model", seed=seed), None, None

    def work() -> None:
        nonlocal outcome, transfers, choice
        budget, settings = runs.budget(fold.project), runs.settings
        if runs.rates is not None:
            choice = runs.rates[method.name]
        elif runs.tries > 1:
            choice = choose_rate(budget, method, runs.seeds[0], runs.tries)
        if choice is not None:
            settings = (*settings, f"train.learning_rate={choice.rate:g}")
        config = _with_pairs(method.config(fold.project, settings, seed), runs)
        outcome = train_run(budget, run, config)
        transfers = cached_transfers(
            fold.project, run, config=config, features=["model"], kind=fold.kind, run=run
        )

    error = attempt(fold.project, run, work)
    return Scored(replace(outcome, error=error), transfers, choice)


def _with_pairs(config: Config, runs: Runs) -> Config:
    given = any(setting.startswith("evaluate.pairs=") for setting in runs.settings)
    return config if given else replace(config, evaluate=replace(config.evaluate, pairs=PAIRS))


def result(data: Path, work: Path, runs: Runs, facts: dict[str, Any]) -> BenchmarkResult:
    """The table: a group of columns for each kind of pairs. facts: of the other tables."""
    both = folds(data, work)
    methods = find_methods(runs.methods)
    documents = [baselines(fold, runs) for fold in both]
    measured = [Measured(name, name, [documents], []) for name in BASELINES]
    outcomes: dict[str, list[Outcome]] = {name: [Outcome("", name)] for name in BASELINES}
    failed: dict[str, list[Outcome]] = {}
    rates: dict[str, Choice] = {}
    for method in methods:
        transfers = []
        for seed in runs.seeds:
            halves = [one_run(fold, runs, method, seed) for fold in both]
            for number, half in enumerate(halves, 1):
                if half.choice is not None:
                    rates[f"{method.name}, half {number}"] = half.choice
            outcome = _joined([half.outcome for half in halves])
            if outcome.error:
                failed.setdefault(method.name, []).append(outcome)
            else:
                outcomes.setdefault(method.name, []).append(outcome)
                transfers.append([half.transfers for half in halves])
        measured.append(Measured(method.name, "model", transfers, []))
    labels = {method.name: method.label for method in methods} | LABELS
    people = {fold.person(clip) for fold in both for clip in fold.info}
    made = BenchmarkResult("people", "Golf, events that people set", (TASKS["transfer"],), facts)
    made.methods = {method.name: method.label for method in methods}
    made.reads = {m.name: m.config(both[0].project, runs.settings, 0).model.input for m in methods}
    made.independent = False  # all kinds of pairs have the same clips and runs
    phases = sorted({p.name for rows in both[0].project.phases().values() for p in rows})
    about = {"split": "people", "clips": len(people), "events": "set by people"}
    for kind in DATA.kinds:
        name = DATA.title(kind)
        facts = {**about, "phases": phases, "protocol": {}}
        made.data.append(DataSet(name, Source(), facts, rates={} if made.data else rates))
        made.entries += [
            Entry(name, row, labels[row], outcome)
            for row, known in failed.items()
            for outcome in known
        ]
        for figure in figures(both, measured, kind):
            row = figure.label
            for outcome, (middle, mean) in zip(outcomes[row], figure.runs, strict=True):
                scores = {"event_transfer_median": middle.value, "event_transfer_mean": mean.value}
                resampled = (middle.resampled, mean.resampled)
                made.entries.append(
                    Entry(
                        *(name, row, labels[row], replace(outcome, scores=scores)),
                        row in BASELINES,
                        dict(zip(scores, resampled, strict=True)),
                        dict.fromkeys(scores, len(people)),
                    )
                )
    return made


def _joined(halves: Sequence[Outcome]) -> Outcome:
    """Of the two runs of a seed: the mean of their cost, and any error."""
    steps = [half.steps for half in halves if half.steps is not None]
    seconds = [half.seconds for half in halves if half.seconds is not None]
    return replace(
        halves[0],
        steps=round(sum(steps) / len(steps)) if steps else None,
        seconds=sum(seconds) / len(seconds) if seconds else None,
        error="; ".join(half.error for half in halves if half.error),
        collapse="; ".join(half.collapse for half in halves if half.collapse),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--methods", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--rates", type=Path, metavar="FILE")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--fold", type=int, choices=(0, 1), required=True)
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    methods, settings = given.methods.split(","), tuple(given.settings)
    rates, tries = rates_and_tries(given)
    runs = Runs(methods, seeds, settings, given.minutes, tries, rates)
    fold = folds(given.data, given.work)[given.fold]
    baselines(fold, runs)
    for seed in seeds:
        for method in find_methods(methods):
            one_run(fold, runs, method, seed)


if __name__ == "__main__":
    main()
