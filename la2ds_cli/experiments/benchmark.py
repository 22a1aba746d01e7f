"""Step: train and score methods on projects, seed by seed, with the same budget for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from la2ds_cli.core.config import Config, preset_names
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.ray_engine import ray_map
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.comparison import Result, Row, Rows
from la2ds_cli.experiments.printed_tables import paper_methods
from la2ds_cli.experiments.runner import ALONE, Bench, Plan, run_table, shared_facts
from la2ds_cli.experiments.scores import FOLDER, TASKS, Task, check_scored
from la2ds_cli.experiments.tables import checked_files
from la2ds_cli.training.losses import check_input, get_method, method_names, method_recipe

NAME = "benchmark"


def benchmark(
    projects: Sequence[StoredProject],
    plan: Plan,
    methods: Sequence[str] | None = None,
    *,
    task: Task | None = None,
    out: Path | None = None,
    engine: Literal["local", "ray"] = "local",
    progress: Progress = SILENT,
) -> Result:
    """Train every method on every project with every seed, and score all in the same way.

    Finished runs (`run_name`) are reused, interrupted ones resumed, and out/benchmark.md, .csv and
    .json are written after every run. A failing run does not stop the others. Call `check_projects`
    first.

    Parameters
    ----------
    methods: names from `shipped_methods`, presets or dotted paths; None = all shipped methods.
    task: make only this table, in files named by its number in the paper.
    out: folder, by default results/benchmark of the first project.
    engine: `ray` trains and scores in the actors of a Ray cluster that shares the projects'
        folders, one run each; the files are then written at the end.

    Raises
    ------
    UserError: exit 2 for missing or duplicate methods or seeds, an unknown name, a time limit of 0
        or an invalid setting; and as `check_scored`.
    """
    plan.check()
    out = projects[0].results_dir(FOLDER) if out is None else out
    names = shipped_methods() if methods is None else methods
    table = method_table(projects[0], names, plan)
    for project in projects:  # check all of them before any work
        check_scored(project, table.common(project), plan.protocol)
        for row in table.rows:
            check_input(row.recipe(project, plan.seeds[0]))
    result = Result(NAME, "Methods side by side", tuple(TASKS.values()), {})
    if task is not None:
        result = Result(f"table{task.number}", task.title, (task,), {})
    checked_files(projects[0], result.name, out)
    result.facts = shared_facts(projects[0], plan, table)
    benches = [
        Bench(label, project, table, plan, progress)
        for label, project in zip(_labels(projects), projects, strict=True)
    ]
    return run_table(result, benches, out, _spread(benches, names) if engine == "ray" else {})


def method_table(project: StoredProject, names: Sequence[str], plan: Plan) -> Rows:
    """Return the rows of the methods. Each distinct untrained network is scored once, with the
    first method that uses it; heads do not count, since they are not used to embed."""
    rows, networks = [], []
    for row in method_rows(names, plan.settings):
        config = row.recipe(project, plan.seeds[0])
        train = config.train
        network = (
            replace(config.model, projection_head=False),
            config.heatmap,
            *(train.fps, train.tempo, train.frames),
        )
        rows.append(replace(row, untrained="") if network in networks else row)
        networks.append(network)
    return Rows(NAME, rows, partial(common_config, settings=plan.settings))


def check_projects(projects: Sequence[StoredProject]) -> None:
    """Raise UserError (exit 2) if there is no project, or if one occurs twice."""
    roots = [project.root.resolve() for project in projects]
    if not roots or len(set(roots)) < len(roots):
        raise UserError(
            "a project is named twice" if roots else "no project is named",
            hint="give --project DIR once for each project",
        )


def _labels(projects: Sequence[StoredProject]) -> list[str]:
    """Return the names of the folders, with as many parents as needed to make them distinct."""
    paths = [project.root.parts for project in projects]
    deepest = max(map(len, paths))
    every = (["/".join(path[-n:]) for path in paths] for n in range(1, deepest + 1))
    return next(names for names in every if len(set(names)) == len(names))


# --- the methods ------------------------------------------------------------------------------


def method_config(
    preset: str | None,
    overrides: Sequence[str],
    settings: Sequence[str],
    project: StoredProject,
    seed: int,
) -> Config:
    """Return the settings of a method for training and scoring.

    They are those of its preset (None = that of the project), then its overrides, then the settings
    of the table. Steps, alignment and evaluation are those of the project, equal for all methods.
    """
    common = common_config(project, settings)
    if preset is None and project.config().preset in shipped_methods():
        preset = "default"  # the project's preset belongs to another method
    steps = f"train.steps={common.train.steps}"
    config = project.config(
        preset=preset, overrides=[steps, *overrides, *settings, f"train.seed={seed}"]
    )
    return replace(config, align=common.align, evaluate=common.evaluate)


def common_config(project: StoredProject, settings: Sequence[str]) -> Config:
    """Return the settings that all methods share."""
    return project.config(overrides=[*ALONE, *settings])


def shipped_methods() -> list[str]:
    """Return the names of all methods in the package: those of the paper in its order, then the
    others."""
    losses, presets = method_names(), preset_names()
    in_paper = [name for name in paper_methods() if name in losses or name in presets]
    return [*in_paper, *(name for name in losses if name not in in_paper)]


def method_rows(names: Sequence[str], settings: Sequence[str] = ()) -> list[Row]:
    """Return the rows of methods, named as in `benchmark`; settings: overrides for all of them.

    Raises UserError (exit 2) for an unknown name, a duplicate, or no name.
    """
    if not names or len(set(names)) < len(names):
        raise UserError(
            f"methods must be distinct names, not {', '.join(names) or 'none'}",
            hint=f"methods: {', '.join(shipped_methods())}, presets, or dotted paths of modules",
        )
    return [_method_row(name, settings) for name in names]


def _method_row(name: str, settings: Sequence[str]) -> Row:
    preset, overrides = method_recipe(name)
    own = name not in (*shipped_methods(), *preset_names())
    for part in ("PAIRS", "loss") if own else ():
        if not hasattr(get_method(name), part):
            raise UserError(
                f"{name} has no {part}", hint="docs/how-to/extend.md says what a method needs"
            )
    label = paper_methods()[name].label if name in paper_methods() else name
    recipe = partial(method_config, preset, overrides, settings)
    return Row(name, label, recipe, f"benchmark-{name}", f"untrained, {label}")


# --- over a cluster ---------------------------------------------------------------------------


def _spread(benches: Sequence[Bench], names: Sequence[str]) -> dict[tuple[int, str, int], str]:
    """Train and score all runs in the actors of a Ray cluster.

    Runs and scores stay in the projects, where `Bench.run` reads them. Returns the error of each
    run (empty if it succeeded) by the number of its project, its method and its seed.
    """
    plan, progress = benches[0].plan, benches[0].progress
    roots = [str(bench.project.root) for bench in benches]
    items = [
        (number, name, seed)
        for seed in plan.seeds
        for number in range(len(benches))
        for name in names
    ]
    errors: dict[tuple[int, str, int], str] = {}
    every = ray_map(RunWorker, (roots, names, plan), items, plan.device)
    for item, error in zip(progress.over("runs", items), every, strict=True):
        errors[item] = error
    return errors


class RunWorker:
    """Train and score one run after another; a call returns the run's error, empty if it
    succeeded."""

    def __init__(self, roots: Sequence[str], names: Sequence[str], plan: Plan) -> None:
        projects = [StoredProject.open(Path(root)) for root in roots]
        table = method_table(projects[0], names, plan)  # imports the named modules
        self._rows = {row.name: row for row in table.rows}
        self._benches = [
            Bench(project.root.name, project, table, plan, SILENT) for project in projects
        ]

    def __call__(self, item: tuple[int, str, int]) -> str:
        number, name, seed = item
        (entry, *_) = self._benches[number].run(self._rows[name], seed)
        return entry.error
