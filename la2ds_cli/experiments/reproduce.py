"""Step: one table of the paper on a project's clips."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.ablation_table import write_table
from la2ds_cli.experiments.ablations import (
    ABLATIONS,
    MISSING,
    NOISY,
    Row,
    Table,
    TableName,
    ablation,
    changed_settings,
    choices_table,
    left_out,
)
from la2ds_cli.experiments.benchmark import Plan, benchmark
from la2ds_cli.experiments.metrics import METHOD_TABLES
from la2ds_cli.experiments.result import BenchmarkResult, Outcome, ResultRow, TableResult
from la2ds_cli.experiments.runs import (
    SHARED,
    Budget,
    attempt,
    check_seeds,
    machine_facts,
    run_name,
    same_weights,
    score_run,
    train_run,
    training_clock,
)
from la2ds_cli.experiments.scores import Evaluation

DEFAULT_PRESET = "paper-penn-casa"  # paper-penn, which follows the text literally, does not learn
BASELINES = {
    "raw_pose": "raw pose",
    "raw_pose_best": "best raw pose",
    "time_only": "time only",
    "untrained": "untrained network",
}
SWEEPS = {
    "table7": "Robustness against missing joints",
    "table8": "Robustness against noisy joints",
}


def reproduce(
    project: Project,
    table: TableName,
    *,
    preset: str = DEFAULT_PRESET,
    settings: Sequence[str] = (),
    minutes: float | None = None,
    seeds: Sequence[int] = (0,),
    device: DeviceName = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TableResult:
    """Train and evaluate every row of a table of the paper, with each of the seeds.

    A finished run is reused, an interrupted one is resumed, and the files
    results/reproduce/TABLE.{md,csv,json} are written after every run, so you can interrupt a table
    at any time. A failing run does not stop the others. minutes: longest training of each run, None
    = the steps of the recipe. Raises UserError (exit 2) for no seed or an invalid setting.
    """
    check_seeds(seeds)
    budget = Budget(
        project, preset, tuple(settings), minutes, device, overwrite, progress or Progress()
    )
    config = budget.config((), seeds[0])  # refuse a bad setting before any work
    result = TableResult(table, "", _facts(budget, seeds, config))
    if table in SWEEPS:
        result.title = SWEEPS[table]
        (_missing_joints if table == "table7" else _noisy_joints)(budget, seeds, result)
    else:
        rows = ablation(table, config) if table in ABLATIONS else choices_table(config)
        result.title = rows.title
        _ablation(budget, rows, seeds, result)
    _write(budget, result)
    return result


def _facts(budget: Budget, seeds: Sequence[int], config: Config) -> dict[str, Any]:
    return {
        "preset": budget.preset,
        "overrides": [
            override
            for key, override in changed_settings(load_config(preset=budget.preset), config).items()
            if key != "train.seed"
        ],
        "minutes": budget.minutes,
        "steps": config.train.steps,
        "seeds": list(seeds),
        "machine": machine_facts(budget.device),
    }


def _write(budget: Budget, result: TableResult) -> None:
    write_table(result, budget.project.results_dir("reproduce"))


def _shared_run(seed: int) -> str:
    return run_name(SHARED, "all", seed)


def _ablation(budget: Budget, table: Table, seeds: Sequence[int], result: TableResult) -> None:
    result.rows = [
        ResultRow(row.name, row.label, row.paper, list(row.settings)) for row in table.rows
    ]
    for place in table.by_need():
        row, into = table.rows[place], result.rows[place]
        base, varied = (budget.config(more, seeds[0]) for more in ((), row.settings))
        into.note = left_out(row, base, varied)
        for seed in seeds if not into.note else ():
            into.outcomes.append(_one_run(budget, table, row, seed, result))
            _write(budget, result)


def _one_run(budget: Budget, table: Table, row: Row, seed: int, result: TableResult) -> Outcome:
    config = budget.config(row.settings, seed)
    shared = same_weights(config, budget.config((), seed))
    run = _shared_run(seed) if shared else run_name(table.name, row.name, seed)
    outcome = Outcome(run, "model", seed=seed)

    def work() -> None:
        nonlocal outcome
        outcome = train_run(_reusing(budget, result, run), run, config)
        # Of the whole recipe alone: another row may have another network or alignment.
        baselines = tuple(BASELINES) if row.full and not result.baselines else ()
        scored = score_run(budget, run, ("model", *baselines), config.align)
        outcome = _with_scores(outcome, scored)
        if baselines:
            _add_baselines(result, scored)

    error = attempt(budget.project, run, work)
    if error:
        budget.progress.note(f"{run} failed: {error}")
    return replace(outcome, error=error)


def _with_scores(outcome: Outcome, scored: Evaluation) -> Outcome:
    name = outcome.features
    return replace(outcome, scores=scored.scores[name], interval=scored.intervals[name])


def _reusing(budget: Budget, result: TableResult, run: str) -> Budget:
    """The budget for a run: a run that several rows of a table share is trained only once, even
    with `overwrite`."""
    done = any(o.run == run for row in result.rows for o in row.outcomes)
    return replace(budget, overwrite=False) if done else budget


def _add_baselines(result: TableResult, scored: Evaluation) -> None:
    result.baselines = [
        ResultRow(name, label, {}, outcomes=[_with_scores(Outcome("", name), scored)])
        for name, label in BASELINES.items()
        if name in scored.scores
    ]
    _add_facts(result, scored)


def _add_facts(result: TableResult, scored: Any) -> None:
    """scored: an Evaluation or a Sweep."""
    result.facts |= scored.facts
    result.warnings = list(scored.warnings)


def _missing_joints(budget: Budget, seeds: Sequence[int], result: TableResult) -> None:
    from la2ds_cli.experiments.robustness import PROBABILITIES, limb_sweep

    rows = [
        ResultRow(f"p{100 * p:g}", f"limb missing in {p:.0%}", _in_paper(MISSING, p))
        for p in PROBABILITIES
    ]
    keys = [("clean", f"{p:.0%} missing") for p in PROBABILITIES]

    def sweep(run: str) -> Any:
        config = budget.project.config(preset=budget.preset, overrides=budget.settings)
        return limb_sweep(
            budget.project, run=run, config=config, device=budget.device, progress=budget.progress
        )

    _sweep_rows(budget, seeds, result, rows, keys, sweep)


def _noisy_joints(budget: Budget, seeds: Sequence[int], result: TableResult) -> None:
    from la2ds_cli.experiments.robustness import noise_sweep

    rows = [
        ResultRow(f"{train}-to-{test}", f"{train} → {test}", _in_paper(NOISY, (train, test)))
        for train, test in NOISY
    ]

    def sweep(run: str) -> Any:
        config = budget.project.config(preset=budget.preset, overrides=budget.settings)
        return noise_sweep(
            budget.project,
            run=run,
            config=config,
            minutes=budget.minutes,
            noisy_run=run.replace(SHARED, "table8-noisy"),
            overwrite=budget.overwrite,
            device=budget.device,
            progress=budget.progress,
            clock=training_clock(budget.device),
        )

    _sweep_rows(budget, seeds, result, rows, list(NOISY), sweep)


def _in_paper(table: dict[Any, float], key: Any) -> dict[str, float]:
    return {"classification": table[key]} if key in table else {}


def _outcome(trained: Outcome, condition: Any, sweep: dict[str, Any]) -> Outcome:
    """The outcome of one condition; the run on noisy joints has separate steps and seconds."""
    outcome = replace(trained, scores=condition.scores, interval=condition.interval)
    if condition.train == "noisy":
        names = {"run": "noisy_run", "steps": "noisy_steps", "seconds": "noisy_seconds"}
        outcome = replace(outcome, **{name: sweep[key] for name, key in names.items()})
    return outcome


def _raw_pose(condition: Any) -> Outcome:
    return Outcome("", "raw_pose", condition.scores, condition.interval)


def _sweep_rows(
    budget: Budget,
    seeds: Sequence[int],
    result: TableResult,
    rows: Sequence[ResultRow],
    keys: Sequence[tuple[str, str]],
    sweep: Callable[[str], Any],
) -> None:
    """Train the full recipe for every seed and each treatment of missing joints, and add the
    conditions of its sweep to `rows`, which are repeated for each treatment. The raw pose in the
    same conditions, which has no seed, becomes the baselines."""
    from la2ds_cli.experiments.robustness import TREATMENTS

    treated = {missing: [_treated_row(row, missing) for row in rows] for missing in TREATMENTS}
    result.rows = [row for of_treatment in treated.values() for row in of_treatment]
    for seed, missing in itertools.product(seeds, TREATMENTS):
        run = run_name(SHARED, missing, seed)
        config = budget.config((f"model.missing={missing}",), seed)
        trained = Outcome(run, "model", seed=seed)
        conditions: dict[tuple[str, str, str], Any] = {}

        def work(
            run: str = run, config: Config = config, scored: dict[Any, Any] = conditions
        ) -> None:
            nonlocal trained
            trained = train_run(budget, run, config)
            measured = sweep(run)
            scored |= {(c.features, c.train, c.test): c for c in measured.conditions}
            _add_facts(result, measured)
            result.facts["sweep"] = measured.settings

        error = attempt(budget.project, run, work)
        if error:
            budget.progress.note(f"{run} failed: {error}")
        for row, key in zip(treated[missing], keys, strict=True):
            row.outcomes.append(
                replace(trained, error=error)
                if error
                else _outcome(trained, conditions["model", *key], result.facts["sweep"])
            )
        if conditions and not result.baselines:
            result.baselines = [
                ResultRow(
                    f"raw-pose-{row.name}",
                    f"raw pose, {row.label}",
                    {},
                    outcomes=[_raw_pose(conditions["raw_pose", *key])],
                )
                for row, key in zip(rows, keys, strict=True)
            ]
        _write(budget, result)


def _treated_row(row: ResultRow, missing: str) -> ResultRow:
    """The row of one treatment of missing joints. Each treatment is shown with the paper's figure,
    since the paper does not state its treatment."""
    return replace(row, name=f"{row.name}-{missing}", label=f"{row.label}, {missing}", outcomes=[])


PROTOCOL = "paper"


def compare_methods(
    project: Project, table: str, plan: Plan, progress: Progress | None = None
) -> BenchmarkResult:
    """A table of `benchmark` for one project, with the definitions of the paper.

    table: a name in METHOD_TABLES. Writes TABLE.md, .csv and .json to results/reproduce; the runs
    are those of `benchmark`.
    """
    return benchmark(
        [project],
        replace(plan, protocol=PROTOCOL),
        tasks=(METHOD_TABLES[table],),
        name=table,
        out=project.results_dir("reproduce"),
        progress=progress,
    )
