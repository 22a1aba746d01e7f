"""Step: one table of the paper on a project's clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.ablations import (
    ABLATIONS,
    PAPER_DATA,
    TITLES,
    TREATMENTS,
    TableName,
    Variant,
    conditions,
    left_out,
    recipe_facts,
    treated,
)
from la2ds_cli.experiments.benchmark import benchmark
from la2ds_cli.experiments.metrics import METHOD_TABLES, ablation_task
from la2ds_cli.experiments.result import Result
from la2ds_cli.experiments.rows import BASELINES, Baseline, Row, Rows
from la2ds_cli.experiments.runner import Bench, run_table, shared_facts
from la2ds_cli.experiments.runs import Plan, check_seeds

DEFAULT_PRESET = "paper-penn-casa"  # paper-penn, which follows the text literally, does not learn
PROTOCOL = "paper"  # of Tables 1 to 3


def reproduce(
    project: Project,
    table: TableName,
    plan: Plan,
    *,
    preset: str = DEFAULT_PRESET,
    progress: Progress | None = None,
) -> Result:
    """Train and evaluate every row of a table of the paper, with each of the seeds.

    A finished run is reused, an interrupted one is resumed, and the files
    results/reproduce/TABLE.{md,csv,json} are written after every run, so you can interrupt a table
    at any time. A failing run does not stop the others. Raises UserError (exit 2) for no seed or an
    invalid setting, and (exit 5) for worse joints with a recipe that reads video frames.
    """
    check_seeds(plan.seeds)
    variants, baselines = _variants(project, table, preset, plan)
    rows = Rows(
        f"reproduce-{preset}",
        [_row(table, one, preset, plan.settings) for one in variants],
        partial(_config, preset, plan.settings, ()),
        baselines,
    )
    base = rows.common(project)
    result = Result(table, TITLES[table], (ablation_task(table, TITLES[table]),), {})
    result.facts = shared_facts(project, plan, rows) | recipe_facts(preset, base)
    result.facts["in the paper"] = PAPER_DATA
    result.paper = {one.name: one.paper for one in variants}
    for one, row in zip(variants, rows.rows, strict=True):
        if reason := left_out(one, base, row.recipe(project, base.train.seed)):
            result.left_out[one.label] = reason
    shown = [row for row in rows.rows if row.label not in result.left_out]
    bench = Bench(
        project.root.name, project, replace(rows, rows=shown), plan, progress or Progress()
    )
    return run_table(result, [bench], project.results_dir("reproduce"))


def _variants(
    project: Project, table: str, preset: str, plan: Plan
) -> tuple[list[Variant], Sequence[Baseline]]:
    """The rows of a table, and its baselines: the raw pose in each condition of Tables 7 and 8."""
    if table in ABLATIONS:
        return list(ABLATIONS[table]), BASELINES
    config = _config(preset, plan.settings, (), project)
    if config.model.input == "rgb":
        raise UserError(
            "the recipe reads video frames (model.input=rgb), so worse joints do not affect it",
            hint="name a preset that reads joints or heatmaps",
            exit_code=ExitCode.MISMATCH,
        )
    every = conditions(table, config)
    baselines = [
        Baseline(f"raw-pose-{one.name}", f"raw pose, {one.label}", "raw_pose", one.joints)
        for one in every
    ]
    return [treated(one, missing) for missing in TREATMENTS for one in every], baselines


def _row(table: str, variant: Variant, preset: str, settings: Sequence[str]) -> Row:
    recipe = partial(_config, preset, settings, variant.settings)
    run = variant.run or f"{table}-{variant.name}"
    untrained = "untrained network" if variant.full else ""
    return Row(variant.name, variant.label, recipe, run, untrained, variant.joints)


def _config(
    preset: str,
    settings: Sequence[str],
    more: Sequence[str],
    project: Project,
    seed: int | None = None,
) -> Config:
    """The recipe with more settings; the last one given wins."""
    seeds = [] if seed is None else [f"train.seed={seed}"]
    return project.config(preset=preset, overrides=[*settings, *more, *seeds])


def compare_methods(
    project: Project, table: str, plan: Plan, progress: Progress | None = None
) -> Result:
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
