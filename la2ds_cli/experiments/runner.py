"""The runner of every table: trains and scores its rows, seed by seed, on one or several projects.

A finished run is reused, an interrupted one is resumed, and nothing is scored twice. The files are
written after every run, and a failing run does not stop the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.corruption import Joints
from la2ds_cli.experiments.methods import find_source
from la2ds_cli.experiments.result import DataSet, Entry, Outcome, Result
from la2ds_cli.experiments.rows import Row, Rows
from la2ds_cli.experiments.runs import Plan, attempt, machine_facts, train_run
from la2ds_cli.experiments.scores import Scored, cached_scores
from la2ds_cli.experiments.tables import write_result
from la2ds_cli.experiments.tries import choose_rate

UNTRAINED = "untrained"


def shared_facts(project: Project, plan: Plan, rows: Rows) -> dict[str, Any]:
    """What the numbers of a table refer to."""
    configs = {row.name: row.recipe(project, plan.seeds[0]) for row in rows.rows}
    common = rows.common(project)
    budget = f"{common.train.steps} steps for every run"
    if plan.minutes is not None:
        budget = f"at most {plan.minutes:g} minutes of training and {budget}"
    tried = None
    if plan.rates:
        tried = "those that an earlier benchmark chose, on held-out training clips of its own"
    elif plan.tries > 1:
        tried = (
            f"the best of {plan.tries} for each method by the mean error of event transfer between "
            "held-out training clips, one seed each"
        )
    return {
        "budget": budget,
        "minutes": plan.minutes,
        "steps": common.train.steps,
        "pairs of a step": {name: config.train.batch_size for name, config in configs.items()},
        "seeds": list(plan.seeds),
        "settings": list(plan.settings),
        "presets": {name: config.preset for name, config in configs.items()},
        "protocol": plan.protocol,
        "learning rates": tried,
        "alignment": asdict(common.align),
        "machine": machine_facts(plan.device),
    }


def run_table(
    result: Result,
    benches: Sequence[Bench],
    out: Path,
    finished: Mapping[tuple[int, str, int], str] | None = None,
) -> Result:
    """Train and score every row on every project with every seed, and write OUT/NAME.md, .csv and
    .json after every run. finished: the error, empty if there is none, of runs that another process
    has made, by the number of their project, their row and their seed."""
    rows, seeds = benches[0].table.rows, benches[0].plan.seeds
    result.labels |= {row.name: row.label for row in rows}
    config = {row.name: row.recipe(benches[0].project, seeds[0]) for row in rows}
    result.reads = {name: one.model.input for name, one in config.items()}
    result.data = [bench.data for bench in benches]
    for bench in benches:
        result.entries += bench.baselines()
        write_result(result, out)
    for seed in seeds:
        for number, bench in enumerate(benches):
            if len(benches) > 1:
                bench.progress.note(f"{bench.data.name}, seed {seed}")
            for row in rows:
                error = (finished or {}).get((number, row.name, seed), "")
                result.entries += bench.run(row, seed, error)
                write_result(result, out)
    return result


class Bench:
    """Trains and scores the runs of a table on one project. data: what is known of its clips."""

    def __init__(
        self, name: str, project: Project, table: Rows, plan: Plan, progress: Progress
    ) -> None:
        self.project, self.table, self.plan, self.progress = project, table, plan, progress
        self.data = DataSet(name, find_source(project))
        self.data.rates = {row.name: plan.rates[row.name] for row in table.rows if plan.rates}
        self._done: set[str] = set()

    def baselines(self) -> Iterable[Entry]:
        """Score what needs no training, all that has the same joints at once."""
        config = self.table.common(self.project)
        run = f"{self.table.stem}-baselines"
        for joints, group in groupby(self.table.baselines, key=lambda one: one.joints):
            some = list(group)
            features = [one.features for one in some]
            scored, error = attempt(
                self.project,
                run,
                self.progress,
                partial(self._score, run, joints, features, config),
            )
            for one in some:
                if scored is None:
                    failed = Outcome(run, "", error=error)
                    yield Entry(self.data.name, one.name, one.label, failed, baseline=True)
                else:
                    yield self._baseline(one.name, one.label, one.features, scored)

    def run(self, row: Row, seed: int, error: str = "") -> list[Entry]:
        """Train and score one run, unless it has failed elsewhere with that error."""
        run = f"{row.run}-s{seed}"
        made = None
        if not error:
            made, error = attempt(
                self.project, run, self.progress, partial(self._trained, row, run, seed)
            )
        if made is None:
            failed = Outcome(run, "model", seed=seed, error=error)
            return [Entry(self.data.name, row.name, row.label, failed)]
        outcome, scored = made
        outcome = replace(outcome, scores=scored.scores["model"])
        resampled = scored.resampled["model"]
        entry = Entry(self.data.name, row.name, row.label, outcome, False, resampled, scored.clips)
        if UNTRAINED not in scored.scores:
            return [entry]
        name = f"{UNTRAINED}-{row.name}"
        return [entry, self._baseline(name, row.untrained, UNTRAINED, scored)]

    def _trained(self, row: Row, run: str, seed: int) -> tuple[Outcome, Scored]:
        """Try learning rates if they have not been tried, train, and score."""
        plan, rates = self.plan, self.data.rates
        if plan.tries > 1 and row.name not in rates:
            rates[row.name] = choose_rate(self.project, row, plan, self.progress)
        config = row.recipe(self.project, seed)
        if row.name in rates:
            faster = replace(config.train, learning_rate=rates[row.name].rate)
            config = replace(config, train=faster)
        if run in self._done:  # several rows of a table may share a run
            plan = replace(plan, overwrite=False)
        seen = row.joints.in_training(self.project, run)
        outcome = train_run(seen, run, config, plan, self.progress)
        self._done.add(run)
        first = row.untrained and seed == plan.seeds[0]
        features = ("model", UNTRAINED) if first else ("model",)
        return outcome, self._score(run, row.joints, features, config)

    def _baseline(self, name: str, label: str, features: str, scored: Scored) -> Entry:
        outcome = Outcome("", features, scored.scores[features])
        resampled = scored.resampled[features]
        return Entry(self.data.name, name, label, outcome, True, resampled, scored.clips)

    def _score(self, run: str, joints: Joints, features: Sequence[str], config: Config) -> Scored:
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
        known = self.data.warnings
        known += [text for text in scored.warnings if text not in known]
        return scored
