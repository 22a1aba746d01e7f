"""Step: train and score methods on projects, seed by seed, with the same budget for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.protocol import get_protocol
from la2ds_cli.experiments.benchmark_pages import write_benchmark
from la2ds_cli.experiments.methods import (
    Method,
    common_config,
    find_methods,
    find_source,
    paper_data,
    shipped_methods,
)
from la2ds_cli.experiments.metrics import TASKS, Task
from la2ds_cli.experiments.result import (
    BenchmarkResult,
    Choice,
    Outcome,
    ProjectResult,
    ResultRow,
    TableResult,
)
from la2ds_cli.experiments.runs import (
    Budget,
    attempt,
    check_seeds,
    machine_facts,
    run_name,
    train_run,
)
from la2ds_cli.experiments.scores import FOLDER, Scored, cached_scores
from la2ds_cli.experiments.tries import check_rates, choose_rate, held_out_project
from la2ds_cli.training.losses import check_input

NAME = "benchmark"
BASELINES = {"time_only": "time only", "raw_pose": "raw pose", "raw_pose_best": "best raw pose"}
UNTRAINED = "untrained"


@dataclass(frozen=True)
class _Plan:
    """What to train and score, and where the files go."""

    methods: list[Method]
    seeds: tuple[int, ...]
    settings: tuple[str, ...]
    protocol: str
    tries: int
    rates: Mapping[str, Choice]
    out: Path


def benchmark(
    projects: Sequence[Project],
    *,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = (0,),
    minutes: float | None = None,
    settings: Sequence[str] = (),
    protocol: str = "la2ds",
    tries: int = 1,
    rates: Mapping[str, Choice] | None = None,
    tasks: Sequence[Task] = tuple(TASKS.values()),
    name: str = NAME,
    title: str = "Methods side by side",
    out: Path | None = None,
    device: DeviceName = "auto",
    overwrite: bool = False,
    engine: Literal["local", "ray"] = "local",
    progress: Progress | None = None,
) -> BenchmarkResult:
    """Train every method on every project with every seed, and score all in the same way.

    methods: names of methods.shipped_methods, presets or dotted paths, None = all that are shipped.
    minutes: longest training of each run, None = limited only by steps, which are the same for all
    methods. settings: overrides for all methods. tries: how many learning rates are tried for each
    method on held-out training clips of each project (`tries.choose_rate`); 1 = only that of its
    preset. rates: the learning rate of each method as chosen by an earlier benchmark
    (`tries.read_rates`), instead of tries. Runs are named benchmark-METHOD-sSEED: a finished run is
    reused, an interrupted one is resumed, and out/NAME.md, .csv, .tex, .html and .json are written
    after every run (out: by default results/benchmark of the first project). A failing run does not
    stop the others. engine: `ray` tries rates, trains and scores in the actors of a Ray cluster
    that shares the projects' folders, one run each; the files are written at the end. Raises
    UserError (exit 2) for missing or duplicate projects, methods or seeds, an unknown name, an
    invalid setting, tries together with rates, and a method without a given rate.
    """
    check_seeds(seeds)
    check_projects(projects)
    out = projects[0].results_dir(FOLDER) if out is None else out
    chosen = find_methods(shipped_methods() if methods is None else methods)
    check_rates(chosen, rates, tries)
    plan = _Plan(chosen, tuple(seeds), tuple(settings), protocol, tries, rates or {}, out)
    configs = _check_settings(projects, plan)  # refuse a bad setting before any work
    facts = _facts(projects, plan, configs, minutes, device)
    result = BenchmarkResult(name, title, tuple(tasks), facts)
    result.reads = {method.name: configs[method.name].model.input for method in chosen}
    budgets = []
    for label, project in zip(_labels(projects), projects, strict=True):
        budgets.append(
            Budget(project, "", plan.settings, minutes, device, overwrite, progress or Progress())
        )
        result.projects.append(_empty(label, project, plan))
    for budget, into in zip(budgets, result.projects, strict=True):
        _baselines(budget, plan, into)
        write_benchmark(result, out)
    finished: dict[tuple[int, str], Outcome] = {}
    if engine == "ray":
        finished = _spread(budgets, plan, result.projects, methods)
        budgets = [replace(budget, overwrite=False) for budget in budgets]
    for seed in plan.seeds:
        for number, (budget, into) in enumerate(zip(budgets, result.projects, strict=True)):
            if len(budgets) > 1:
                budget.progress.note(f"{into.table.name}, seed {seed}")
            for method in plan.methods:
                there = finished.get((number, run_name(NAME, method.name, seed)))
                _one_run(budget, plan, method, seed, into, there)
                write_benchmark(result, out)
    return result


def check_projects(projects: Sequence[Project]) -> None:
    """Raise UserError (exit 2) if there is no project, or if one occurs twice."""
    roots = [project.root.resolve() for project in projects]
    if not roots or len(set(roots)) < len(roots):
        raise UserError(
            "a project is named twice" if roots else "no project",
            hint="give --project DIR once for each",
        )


def _check_settings(projects: Sequence[Project], plan: _Plan) -> dict[str, Config]:
    """Method -> its settings in the first project; UserError if any project rejects them."""
    configs = {}
    for project in reversed(projects):
        get_protocol(plan.protocol, common_config(project, plan.settings).evaluate)
        for method in plan.methods:
            config = method.config(project, plan.settings, plan.seeds[0])
            check_input(config)
            configs[method.name] = config
    return configs


def _labels(projects: Sequence[Project]) -> list[str]:
    """Names of the folders, with the parent folder if two names are equal."""
    names = [project.root.name for project in projects]
    if len(set(names)) < len(names):
        return [f"{project.root.parent.name}/{project.root.name}" for project in projects]
    return names


def _facts(
    projects: Sequence[Project],
    plan: _Plan,
    configs: dict[str, Config],
    minutes: float | None,
    device: DeviceName,
) -> dict[str, Any]:
    steps = common_config(projects[0], plan.settings).train.steps
    budget = f"{steps} steps for every method"
    if minutes is not None:
        budget = f"at most {minutes:g} minutes of training and {steps} steps for every method"
    return {
        "budget": budget,
        "minutes": minutes,
        "steps": steps,
        "pairs of a step": {name: config.train.batch_size for name, config in configs.items()},
        "seeds": list(plan.seeds),
        "settings": list(plan.settings),
        "presets": {name: config.preset for name, config in configs.items()},
        "protocol": plan.protocol,
        "learning rates": _tried(plan),
        "alignment": asdict(next(iter(configs.values())).align),
        "machine": machine_facts(device),
    }


def _tried(plan: _Plan) -> str | None:
    if plan.rates:
        return "those that an earlier benchmark chose, on held-out training clips of its own"
    if plan.tries == 1:
        return None
    return (
        f"the best of {plan.tries} for each method by the mean error of event transfer between "
        "held-out training clips, one seed each"
    )


def _empty(label: str, project: Project, plan: _Plan) -> ProjectResult:
    source = find_source(project)
    data = paper_data().get(source.data)
    figures = data.figures if data else {}
    rows = [
        ResultRow(m.name, m.label, figures.get(m.name, {}), list(m.overrides)) for m in plan.methods
    ]
    rates = {method.name: plan.rates[method.name] for method in plan.methods if plan.rates}
    return ProjectResult(TableResult(label, label, {}, rows), source, rates=rates)


def _baselines(budget: Budget, plan: _Plan, into: ProjectResult) -> None:
    """Score the baselines that need no training."""
    run = f"{NAME}-baselines"

    def work() -> None:
        scored = _score(budget, plan, run, tuple(BASELINES), common_config(project, plan.settings))
        for name, label in BASELINES.items():
            _add_baseline(into, name, label, name, scored)
        into.table.facts = dict(scored.facts)
        into.table.warnings = list(scored.warnings)

    project = budget.project
    error = attempt(project, run, work)
    if error:
        budget.progress.note(f"{run} failed: {error}")
        into.table.baselines = [
            ResultRow(name, label, {}, outcomes=[Outcome(run, name, error=error)])
            for name, label in BASELINES.items()
        ]


def _add_baseline(
    into: ProjectResult, name: str, label: str, features: str, scored: Scored
) -> None:
    row = ResultRow(name, label, {}, outcomes=[Outcome("", features, scored.scores[features])])
    into.table.baselines.append(row)
    into.add_sample(row, scored.resampled[features], scored.clips)


def _one_run(
    budget: Budget,
    plan: _Plan,
    method: Method,
    seed: int,
    into: ProjectResult,
    finished: Outcome | None = None,
) -> None:
    """Train and score one run and add it to the row of its method. finished: its outcome if it has
    been trained and scored earlier in this benchmark."""
    run = run_name(NAME, method.name, seed)
    row = into.row(method.name)
    assert row is not None
    if finished is not None and finished.error:
        budget.progress.note(f"{run} failed: {finished.error}")
        row.outcomes.append(finished)
        return
    outcome = Outcome(run, "model", seed=seed)

    def work() -> None:
        nonlocal outcome
        settings = plan.settings
        if plan.tries > 1 and method.name not in into.rates:
            into.rates[method.name] = choose_rate(budget, method, plan.seeds[0], plan.tries)
        if method.name in into.rates:
            settings += (f"train.learning_rate={into.rates[method.name].rate:g}",)
        config = method.config(budget.project, settings, seed)
        outcome = train_run(budget, run, config)
        if finished is not None:
            outcome = replace(outcome, reused=finished.reused)
        first = _network(config) not in into.networks
        features = ("model", UNTRAINED) if first else ("model",)
        scored = _score(budget, plan, run, features, config)
        outcome = replace(outcome, scores=scored.scores["model"])
        if first:
            into.networks.append(_network(config))
            name, label = f"{UNTRAINED}-{method.name}", f"untrained, {method.label}"
            _add_baseline(into, name, label, UNTRAINED, scored)
        into.add_sample(row, scored.resampled["model"], scored.clips)
        _add_news(into, scored)

    error = attempt(budget.project, run, work)
    if error:
        budget.progress.note(f"{run} failed: {error}")
    row.outcomes.append(replace(outcome, error=error))


# --- over a cluster ---------------------------------------------------------------------------


def _spread(
    budgets: Sequence[Budget],
    plan: _Plan,
    into: Sequence[ProjectResult],
    methods: Sequence[str] | None,
) -> dict[tuple[int, str], Outcome]:
    """Do the work of all runs in the actors of a Ray cluster. Runs and scores stay in the projects,
    where `_one_run` reads them. Returns the outcome of each run by the number of its project and
    its name, and adds the learning rates that were tried to the results."""
    from la2ds_cli.core.ray_engine import ray_map

    shared = replace(budgets[0], progress=Progress())
    roots = tuple(str(budget.project.root) for budget in budgets)
    arguments = (roots, shared.minutes, shared.device, shared.overwrite, plan, methods)
    progress = budgets[0].progress
    each = [(n, method.name) for n in range(len(budgets)) for method in plan.methods]
    failed: dict[tuple[int, str], str] = {}
    if plan.tries > 1:
        for budget in budgets:
            held_out_project(budget.project)  # before several actors create it at once
        items = [{"project": n, "method": name} for n, name in each]
        progress.begin("learning rates", len(items))
        for (n, name), made in zip(
            each, ray_map(RunWorker, arguments, items, shared.device), strict=True
        ):
            progress.advance()
            if made["error"]:
                failed[n, name] = made["error"]
                continue
            choice = made["choice"]
            tried = {float(rate): error for rate, error in choice["errors"].items()}
            broken = {float(rate): why for rate, why in choice["failed"].items()}
            into[n].rates[name] = Choice(choice["rate"], tried, broken)
        progress.end()
    runs = [(n, name, seed) for seed in plan.seeds for n, name in each if (n, name) not in failed]
    first = _first_of_their_networks(budgets, plan, runs)
    items = [
        {
            **{"project": n, "method": name, "seed": seed},
            "rate": into[n].rates[name].rate if name in into[n].rates else None,
            "untrained": (n, name, seed) in first,
        }
        for n, name, seed in runs
    ]
    finished = {
        (n, run := run_name(NAME, name, seed)): Outcome(run, "model", seed=seed, error=error)
        for (n, name), error in failed.items()
        for seed in plan.seeds
    }
    progress.begin("runs", len(items))
    for (n, name, seed), made in zip(
        runs, ray_map(RunWorker, arguments, items, shared.device), strict=True
    ):
        finished[n, run_name(NAME, name, seed)] = Outcome(**made["outcome"])
        progress.advance()
    progress.end()
    return finished


def _first_of_their_networks(
    budgets: Sequence[Budget], plan: _Plan, runs: Sequence[tuple[int, str, int]]
) -> set[tuple[int, str, int]]:
    """The runs for which `_one_run` also scores the untrained network, if none of them fails."""
    by_name = {method.name: method for method in plan.methods}
    known: list[tuple[int, Any]] = []
    first = set()
    for n, name, seed in runs:
        config = by_name[name].config(budgets[n].project, plan.settings, seed)
        if (n, _network(config)) not in known:
            known.append((n, _network(config)))
            first.add((n, name, seed))
    return first


class RunWorker:
    """Trains and scores one run after another, or tries the learning rates of one method after
    another, for `ray_map`."""

    def __init__(
        self,
        roots: Sequence[str],
        minutes: float | None,
        device: DeviceName,
        overwrite: bool,
        plan: _Plan,
        methods: Sequence[str] | None,
    ) -> None:
        find_methods(shipped_methods() if methods is None else methods)  # trusts the named modules
        self._plan = plan
        self._budgets = [
            Budget(
                Project.open(Path(root)), "", plan.settings, minutes, device, overwrite, Progress()
            )
            for root in roots
        ]

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        budget = self._budgets[item["project"]]
        method = next(one for one in self._plan.methods if one.name == item["method"])
        if "seed" in item:
            return {"outcome": asdict(self._run(budget, method, item))}
        choice: Choice | None = None

        def work() -> None:
            nonlocal choice
            choice = choose_rate(budget, method, self._plan.seeds[0], self._plan.tries)

        error = attempt(budget.project, run_name("try", method.name, self._plan.seeds[0]), work)
        return {"choice": None if choice is None else asdict(choice), "error": error}

    def _run(self, budget: Budget, method: Method, item: Mapping[str, Any]) -> Outcome:
        run = run_name(NAME, method.name, item["seed"])
        outcome = Outcome(run, "model", seed=item["seed"])

        def work() -> None:
            nonlocal outcome
            settings = self._plan.settings
            if item["rate"] is not None:
                settings += (f"train.learning_rate={item['rate']:g}",)
            config = method.config(budget.project, settings, item["seed"])
            outcome = train_run(budget, run, config)
            features = ("model", UNTRAINED) if item["untrained"] else ("model",)
            _score(budget, self._plan, run, features, config)

        error = attempt(budget.project, run, work)
        return replace(outcome, error=error)


def _score(
    budget: Budget, plan: _Plan, run: str, features: tuple[str, ...], config: Config
) -> Scored:
    budget.progress.note(f"evaluating {run}")
    return cached_scores(
        budget.project,
        run,
        config,
        features,
        protocol=plan.protocol,
        device=budget.device,
        progress=budget.progress,
    )


def _network(config: Config) -> Any:
    """What the embeddings of an untrained network depend on; its head is not used to embed."""
    model = replace(config.model, projection_head=False)
    train = config.train
    return model, config.heatmap, train.fps, train.tempo, train.frames


def _add_news(into: ProjectResult, scored: Scored) -> None:
    """Add new warnings, facts if the baselines had none, and what the event transfer of a method
    uses."""
    into.table.facts = into.table.facts or dict(scored.facts)
    if "model" in scored.uses:
        into.table.facts.setdefault("method_uses", scored.uses["model"])
    known = into.table.warnings
    known += [text for text in scored.warnings if text not in known]
