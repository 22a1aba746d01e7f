"""Step: train and score methods on projects, seed by seed, with the same budget for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.protocol import get_protocol
from la2ds_cli.experiments.methods import common_config, method_rows, shipped_methods
from la2ds_cli.experiments.metrics import TASKS, Task
from la2ds_cli.experiments.result import Choice, Result
from la2ds_cli.experiments.rows import Rows
from la2ds_cli.experiments.runner import Bench, run_table, shared_facts
from la2ds_cli.experiments.runs import Plan, check_seeds
from la2ds_cli.experiments.scores import FOLDER
from la2ds_cli.experiments.tries import check_rates, held_out_project
from la2ds_cli.training.losses import check_input

NAME = "benchmark"


def benchmark(
    projects: Sequence[Project],
    plan: Plan,
    methods: Sequence[str] | None = None,
    *,
    tasks: Sequence[Task] = tuple(TASKS.values()),
    name: str = NAME,
    out: Path | None = None,
    engine: Literal["local", "ray"] = "local",
    progress: Progress | None = None,
) -> Result:
    """Train every method on every project with every seed, and score all in the same way.

    methods: names of methods.shipped_methods, presets or dotted paths; None = all that are shipped.
    Runs are named benchmark-METHOD-sSEED: a finished run is reused, an interrupted one is resumed,
    and out/NAME.md, .csv and .json are written after every run (out: by default results/benchmark
    of the first project). A failing run does not stop the others. engine: `ray` tries rates, trains
    and scores in the actors of a Ray cluster that shares the projects' folders, one run each; the
    files are written at the end. Raises UserError (exit 2) for missing or duplicate projects,
    methods or seeds, an unknown name, an invalid setting, tries together with rates, and a method
    without a given rate.
    """
    check_seeds(plan.seeds)
    check_projects(projects)
    out = projects[0].results_dir(FOLDER) if out is None else out
    names = shipped_methods() if methods is None else methods
    _check(projects, names, plan)
    table = method_table(projects[0], names, plan)
    title = "Methods side by side" if len(tasks) > 1 else tasks[0].title
    result = Result(name, title, tuple(tasks), shared_facts(projects[0], plan, table))
    progress = progress or Progress()
    benches = [
        Bench(label, project, table, plan, progress)
        for label, project in zip(_labels(projects), projects, strict=True)
    ]
    finished = _spread(benches, names) if engine == "ray" else None
    if finished is not None:
        for bench in benches:
            bench.plan = replace(plan, overwrite=False)
    return run_table(result, benches, out, finished)


def method_table(project: Project, names: Sequence[str], plan: Plan) -> Rows:
    """The rows of the methods. An untrained network is scored with the first method that has it;
    its head is not used to embed."""
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

    def common(project: Project) -> Config:
        return common_config(project, plan.settings)

    return Rows(NAME, rows, common)


def check_projects(projects: Sequence[Project]) -> None:
    """Raise UserError (exit 2) if there is no project, or if one occurs twice."""
    roots = [project.root.resolve() for project in projects]
    if not roots or len(set(roots)) < len(roots):
        raise UserError(
            "a project is named twice" if roots else "no project",
            hint="give --project DIR once for each",
        )


def _check(projects: Sequence[Project], names: Sequence[str], plan: Plan) -> None:
    """UserError for what any project rejects, before any work."""
    rows = method_rows(names, plan.settings)
    check_rates(rows, plan)
    for project in projects:
        get_protocol(plan.protocol, common_config(project, plan.settings).evaluate)
        for row in rows:
            check_input(row.recipe(project, plan.seeds[0]))


def _labels(projects: Sequence[Project]) -> list[str]:
    """Names of the folders, with the parent folder if two names are equal."""
    names = [project.root.name for project in projects]
    if len(set(names)) < len(names):
        return [f"{project.root.parent.name}/{project.root.name}" for project in projects]
    return names


# --- over a cluster ---------------------------------------------------------------------------


def _spread(benches: Sequence[Bench], names: Sequence[str]) -> dict[tuple[int, str, int], str]:
    """Do the work of all runs in the actors of a Ray cluster. Runs and scores stay in the projects,
    where `Bench.run` reads them. Returns the error of each run, empty if there is none, by the
    number of its project, its method and its seed, and adds the learning rates that were tried to
    the data of the benches."""
    from la2ds_cli.core.ray_engine import ray_map

    plan, progress = benches[0].plan, benches[0].progress
    roots = [str(bench.project.root) for bench in benches]
    errors: dict[tuple[int, str, int], str] = {}
    rounds = [plan.seeds]
    if plan.tries > 1:
        # The first run of a method tries its rates, for all of its seeds.
        rounds = [plan.seeds[:1], plan.seeds[1:]]
        for bench in benches:
            held_out_project(bench.project)  # before several actors create it at once
    for seeds in rounds:
        items = []
        for seed in seeds:
            for number, bench in enumerate(benches):
                for name in names:
                    choice = bench.data.rates.get(name)
                    first = errors.get((number, name, plan.seeds[0]))
                    if choice is None and plan.tries > 1 and first is not None:
                        errors[number, name, seed] = first  # no rate could be tried
                        continue
                    plain = None if choice is None else asdict(choice)
                    items.append({"project": number, "row": name, "seed": seed, "rate": plain})
        progress.begin("runs", len(items))
        for item, made in zip(
            items, ray_map(RunWorker, (roots, names, plan), items, plan.device), strict=True
        ):
            number, name = item["project"], item["row"]
            errors[number, name, item["seed"]] = made["error"]
            if made["rate"] is not None:
                benches[number].data.rates[name] = Choice.from_json(made["rate"])
            progress.advance()
        progress.end()
    return errors


class RunWorker:
    """Trains and scores one run after another for `ray_map`: error, empty if there is none; rate:
    the choice of its learning rate, or None."""

    def __init__(self, roots: Sequence[str], names: Sequence[str], plan: Plan) -> None:
        projects = [Project.open(Path(root)) for root in roots]
        table = method_table(projects[0], names, plan)  # trusts the named modules
        self._rows = {row.name: row for row in table.rows}
        self._benches = [
            Bench(project.root.name, project, table, plan, Progress()) for project in projects
        ]

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        bench, name = self._benches[item["project"]], item["row"]
        if item["rate"] is not None:
            bench.data.rates[name] = Choice.from_json(item["rate"])
        (entry, *_) = bench.run(self._rows[name], item["seed"])
        choice = bench.data.rates.get(name)
        return {"error": entry.outcome.error, "rate": None if choice is None else asdict(choice)}
