"""Step: train and score methods on projects, seed by seed, with the same budget for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.protocol import get_protocol
from la2ds_cli.experiments.benchmark_tables import write_benchmark
from la2ds_cli.experiments.methods import (
    Method,
    common_config,
    find_methods,
    find_source,
    shipped_methods,
)
from la2ds_cli.experiments.metrics import TASKS, Task
from la2ds_cli.experiments.result import BenchmarkResult, Choice, DataSet, Entry, Outcome
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
Made = TypeVar("Made")


@dataclass(frozen=True)
class Plan:
    """What to train and score.

    methods: names of methods.shipped_methods, presets or dotted paths; None = all that are shipped.
    minutes: longest training of each run; None = limited only by steps, which are the same for all
    methods.
    settings: overrides for all methods.
    tries: how many learning rates are tried for each method on held-out training clips of each
    project (`tries.choose_rate`); 1 = only that of its preset.
    rates: the learning rate of each method as chosen by an earlier benchmark (`tries.read_rates`),
    instead of tries.
    overwrite: train runs again that exist.
    engine: `ray` tries rates, trains and scores in the actors of a Ray cluster that shares the
    projects' folders, one run each; the files are written at the end.
    """

    methods: Sequence[str] | None = None
    seeds: Sequence[int] = (0,)
    minutes: float | None = None
    settings: Sequence[str] = ()
    protocol: str = "la2ds"
    tries: int = 1
    rates: Mapping[str, Choice] | None = None
    device: DeviceName = "auto"
    overwrite: bool = False
    engine: Literal["local", "ray"] = "local"

    def found_methods(self) -> list[Method]:
        return find_methods(shipped_methods() if self.methods is None else self.methods)


def benchmark(
    projects: Sequence[Project],
    plan: Plan,
    *,
    tasks: Sequence[Task] = tuple(TASKS.values()),
    name: str = NAME,
    out: Path | None = None,
    progress: Progress | None = None,
) -> BenchmarkResult:
    """Train every method on every project with every seed, and score all in the same way.

    Runs are named benchmark-METHOD-sSEED: a finished run is reused, an interrupted one is resumed,
    and out/NAME.md, .csv and .json are written after every run (out: by default results/benchmark
    of the first project). A failing run does not stop the others. Raises UserError (exit 2) for
    missing or duplicate projects, methods or seeds, an unknown name, an invalid setting, tries
    together with rates, and a method without a given rate.
    """
    check_seeds(plan.seeds)
    check_projects(projects)
    out = projects[0].results_dir(FOLDER) if out is None else out
    methods = plan.found_methods()
    check_rates(methods, plan.rates, plan.tries)
    configs = _check_settings(projects, plan, methods)  # refuse a bad setting before any work
    title = "Methods side by side" if len(tasks) > 1 else tasks[0].title
    result = BenchmarkResult(name, title, tuple(tasks), _facts(projects[0], plan, configs))
    result.methods = {method.name: method.label for method in methods}
    result.reads = {method.name: configs[method.name].model.input for method in methods}
    benches = [
        _Bench(label, project, plan, methods, progress or Progress())
        for label, project in zip(_labels(projects), projects, strict=True)
    ]
    result.data = [bench.data for bench in benches]
    for bench in benches:
        result.entries += bench.baselines()
        write_benchmark(result, out)
    finished = _spread(benches, plan, methods) if plan.engine == "ray" else {}
    for seed in plan.seeds:
        for number, bench in enumerate(benches):
            if len(benches) > 1:
                bench.budget.progress.note(f"{bench.data.name}, seed {seed}")
            for method in methods:
                result.entries += bench.run(method, seed, finished.get((number, method.name, seed)))
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


def _check_settings(
    projects: Sequence[Project], plan: Plan, methods: Sequence[Method]
) -> dict[str, Config]:
    """Method -> its settings in the first project; UserError if any project rejects them."""
    configs = {}
    for project in reversed(projects):
        get_protocol(plan.protocol, common_config(project, plan.settings).evaluate)
        for method in methods:
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


def _facts(project: Project, plan: Plan, configs: dict[str, Config]) -> dict[str, Any]:
    steps = common_config(project, plan.settings).train.steps
    budget = f"{steps} steps for every method"
    if plan.minutes is not None:
        budget = f"at most {plan.minutes:g} minutes of training and {steps} steps for every method"
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
        "steps": steps,
        "pairs of a step": {name: config.train.batch_size for name, config in configs.items()},
        "seeds": list(plan.seeds),
        "settings": list(plan.settings),
        "presets": {name: config.preset for name, config in configs.items()},
        "protocol": plan.protocol,
        "learning rates": tried,
        "alignment": asdict(next(iter(configs.values())).align),
        "machine": machine_facts(plan.device),
    }


class _Bench:
    """Trains and scores the runs of one project."""

    def __init__(
        self,
        name: str,
        project: Project,
        plan: Plan,
        methods: Sequence[Method],
        progress: Progress,
    ) -> None:
        self.plan = plan
        settings = tuple(plan.settings)
        self.budget = Budget(
            project, "", settings, plan.minutes, plan.device, plan.overwrite, progress
        )
        self.data = DataSet(name, find_source(project))
        if plan.rates is not None:
            self.data.rates = {method.name: plan.rates[method.name] for method in methods}
        # An untrained network is scored with the first run of the first method that has it.
        networks = []
        self._first = set()
        for method in methods:
            network = _network(method.config(project, settings, plan.seeds[0]))
            if network not in networks:
                networks.append(network)
                self._first.add(method.name)

    def baselines(self) -> list[Entry]:
        """Score the baselines that need no training."""
        run = f"{NAME}-baselines"
        config = common_config(self.budget.project, self.plan.settings)
        scored, error = self._attempt(run, lambda: self._score(run, tuple(BASELINES), config))
        if scored is None:
            failed = Outcome(run, "", error=error)
            return [
                Entry(self.data.name, name, label, failed, baseline=True)
                for name, label in BASELINES.items()
            ]
        return [self._baseline(name, label, name, scored) for name, label in BASELINES.items()]

    def run(
        self, method: Method, seed: int, finished: Mapping[str, Any] | None = None
    ) -> list[Entry]:
        """Train and score one run. finished: what a RunWorker said of it, if it has done it."""
        run = run_name(NAME, method.name, seed)
        if finished is not None and finished["error"]:
            made, error = None, finished["error"]
        else:
            made, error = self._attempt(run, lambda: self.trained(method, seed))
        if made is None:
            failed = Outcome(run, "model", seed=seed, error=error)
            return [Entry(self.data.name, method.name, method.label, failed)]
        outcome, scored = made
        if finished is not None:
            outcome = replace(outcome, reused=finished["reused"])
        outcome = replace(outcome, scores=scored.scores["model"])
        resampled = scored.resampled["model"]
        entries = [
            Entry(
                self.data.name,
                method.name,
                method.label,
                outcome,
                resampled=resampled,
                clips=scored.clips,
            )
        ]
        if UNTRAINED in scored.scores:
            name, label = f"{UNTRAINED}-{method.name}", f"untrained, {method.label}"
            entries.append(self._baseline(name, label, UNTRAINED, scored))
        return entries

    def trained(self, method: Method, seed: int) -> tuple[Outcome, Scored]:
        """Try learning rates if they have not been tried, train, and score."""
        settings, rates = self.budget.settings, self.data.rates
        if self.plan.tries > 1 and method.name not in rates:
            first, count = self.plan.seeds[0], self.plan.tries
            rates[method.name] = choose_rate(self.budget, method, first, count)
        if method.name in rates:
            settings += (f"train.learning_rate={rates[method.name].rate:g}",)
        config = method.config(self.budget.project, settings, seed)
        run = run_name(NAME, method.name, seed)
        outcome = train_run(self.budget, run, config)
        first = seed == self.plan.seeds[0] and method.name in self._first
        return outcome, self._score(run, ("model", UNTRAINED) if first else ("model",), config)

    def _attempt(self, run: str, work: Callable[[], Made]) -> tuple[Made | None, str]:
        made: list[Made] = []
        error = attempt(self.budget.project, run, lambda: made.append(work()))
        if error:
            self.budget.progress.note(f"{run} failed: {error}")
        return (made[0] if made else None), error

    def _baseline(self, name: str, label: str, features: str, scored: Scored) -> Entry:
        outcome = Outcome("", features, scored.scores[features])
        resampled = scored.resampled[features]
        return Entry(self.data.name, name, label, outcome, True, resampled, scored.clips)

    def _score(self, run: str, features: tuple[str, ...], config: Config) -> Scored:
        self.budget.progress.note(f"evaluating {run}")
        scored = cached_scores(
            self.budget.project,
            run,
            config,
            features,
            protocol=self.plan.protocol,
            device=self.budget.device,
            progress=self.budget.progress,
        )
        self.data.facts = self.data.facts or dict(scored.facts)
        if "model" in scored.uses:
            self.data.facts.setdefault("method_uses", scored.uses["model"])
        known = self.data.warnings
        known += [text for text in scored.warnings if text not in known]
        return scored


def _network(config: Config) -> Any:
    """What the embeddings of an untrained network depend on; its head is not used to embed."""
    model = replace(config.model, projection_head=False)
    train = config.train
    return model, config.heatmap, train.fps, train.tempo, train.frames


# --- over a cluster ---------------------------------------------------------------------------


def _spread(
    benches: Sequence[_Bench], plan: Plan, methods: Sequence[Method]
) -> dict[tuple[int, str, int], Mapping[str, Any]]:
    """Do the work of all runs in the actors of a Ray cluster. Runs and scores stay in the projects,
    where `_Bench.run` reads them. Returns what RunWorker says of each run, by the number of its
    project, its method and its seed, and adds the learning rates that were tried to the results."""
    from la2ds_cli.core.ray_engine import ray_map

    progress = benches[0].budget.progress
    roots = [str(bench.budget.project.root) for bench in benches]
    finished: dict[tuple[int, str, int], Mapping[str, Any]] = {}
    rounds = [plan.seeds]
    if plan.tries > 1:
        # The first run of a method tries its rates, for all of its seeds.
        rounds = [plan.seeds[:1], plan.seeds[1:]]
        for bench in benches:
            held_out_project(bench.budget.project)  # before several actors create it at once
    for seeds in rounds:
        items = []
        for seed in seeds:
            for number, bench in enumerate(benches):
                for name in (method.name for method in methods):
                    choice = bench.data.rates.get(name)
                    first = finished.get((number, name, plan.seeds[0]))
                    if choice is None and plan.tries > 1 and first is not None:
                        finished[number, name, seed] = first  # no rate could be tried
                        continue
                    plain = None if choice is None else choice.to_json()
                    items.append({"project": number, "method": name, "seed": seed, "rate": plain})
        progress.begin("runs", len(items))
        results = ray_map(RunWorker, (roots, plan), items, plan.device)
        for item, made in zip(items, results, strict=True):
            number, name = item["project"], item["method"]
            finished[number, name, item["seed"]] = made
            if made["rate"] is not None:
                benches[number].data.rates[name] = Choice.from_json(made["rate"])
            progress.advance()
        progress.end()
    for bench in benches:
        bench.budget = replace(bench.budget, overwrite=False)
    return finished


class RunWorker:
    """Trains and scores one run after another for `ray_map`: error, empty if there is none; reused:
    whether it had been trained before; rate: the choice of its learning rate, or None."""

    def __init__(self, roots: Sequence[str], plan: Plan) -> None:
        methods = plan.found_methods()  # trusts the named modules
        self._methods = {method.name: method for method in methods}
        projects = [Project.open(Path(root)) for root in roots]
        self._benches = [
            _Bench(project.root.name, project, plan, methods, Progress()) for project in projects
        ]

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        bench, method = self._benches[item["project"]], self._methods[item["method"]]
        if item["rate"] is not None:
            bench.data.rates[method.name] = Choice.from_json(item["rate"])
        (entry, *_) = bench.run(method, item["seed"])
        choice = bench.data.rates.get(method.name)
        return {
            "error": entry.outcome.error,
            "reused": entry.outcome.reused,
            "rate": None if choice is None else choice.to_json(),
        }
