"""The tables of a benchmark as numbers: the layout of figures, shared by all formats.

A table has a group of columns for each project, one for their mean, and one for what the paper
reports on the data set of the projects. `all_notes` are the sentences below the tables: what
may not be compared, what failed, where a baseline is ahead.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from la2ds_cli.evaluation.measure import interval
from la2ds_cli.experiments.methods import departures, paper_data, paper_methods, same_input
from la2ds_cli.experiments.metrics import Metric, Task
from la2ds_cli.experiments.result import BenchmarkResult, Outcome, ProjectResult, ResultRow
from la2ds_cli.experiments.significance import nested_resamples

PREFIX = {"classification": "phases ", "transfer": "event transfer "}  # before a heading
_EARLY = 0.9  # of the minutes: a run that ended earlier had a smaller budget
MARK = "†"
MEAN = "mean over projects"


@dataclass(frozen=True)
class Figure:
    """value: mean over seeds, or None. spread: standard deviation over seeds (n - 1). interval:
    95 %, over the scored clips and the seeds. paper: the paper's figure, if it may be compared.
    runs: number of seeds. rank: 1 for the best method of the column, 2 for the second, else 0."""

    value: float | None = None
    spread: float | None = None
    interval: list[float] | None = None
    paper: float | None = None
    runs: int = 0
    rank: int = 0
    digits: int = 2

    def shown(self) -> tuple[str, str]:
        """`91.23` and `±0.40`, or a dash and an empty string."""
        if self.value is None:
            return "–", ""
        spread = "" if self.spread is None else f"±{self.spread:.{self.digits}f}"
        return f"{self.value:.{self.digits}f}", spread

    def shown_interval(self) -> str:
        """`[90.10, 92.00]`, or an empty string."""
        if self.value is None or self.interval is None:
            return ""
        low, high = self.interval
        return f"[{low:.{self.digits}f}, {high:.{self.digits}f}]"

    def shown_paper(self) -> str:
        """`92.63`, or an empty string."""
        return "" if self.paper is None else f"{self.paper:.{self.digits}f}"


@dataclass(frozen=True)
class Column:
    """group: a project, MEAN, or a data set of the paper. metric: name of its column in CSV."""

    group: str
    heading: str
    metric: str
    lower_is_better: bool = False


@dataclass(frozen=True)
class Line:
    """A method or a baseline. reads: what its network reads here."""

    name: str
    label: str
    reads: str
    baseline: bool
    cells: list[Figure]


@dataclass(frozen=True)
class TaskTable:
    """A table as it is shown. title: includes the number of the paper's table, if there is one."""

    name: str
    title: str
    columns: list[Column]
    lines: list[Line]

    def groups(self) -> list[tuple[str, int]]:
        """Groups of columns and how many columns each has."""
        counts: dict[str, int] = {}
        for column in self.columns:
            counts[column.group] = counts.get(column.group, 0) + 1
        return list(counts.items())

    def parts(self, most: int) -> list[TaskTable]:
        """The table in parts of at most `most` groups of columns, for pages that do not scroll."""
        names = [name for name, _ in self.groups()]
        return [self.only(names[start : start + most]) for start in range(0, len(names), most)]

    def fitting(
        self, names: Sequence[str], room: float, width: Callable[[TaskTable], float]
    ) -> Iterator[TaskTable]:
        """The groups `names` in parts that are no wider than `room`, with at least one group each.

        width: width of the columns of a table, in the unit of `room`.
        """
        widths = {name: width(self.only([name])) for name in names}
        chosen: list[str] = []
        for name in names:
            if chosen and sum(widths[n] for n in [*chosen, name]) > room:
                yield self.only(chosen)
                chosen = []
            chosen.append(name)
        yield self.only(chosen)

    def only(self, groups: Sequence[str]) -> TaskTable:
        """The columns of these groups."""
        chosen = [n for n, column in enumerate(self.columns) if column.group in groups]
        lines = [replace(line, cells=[line.cells[n] for n in chosen]) for line in self.lines]
        if all(MARK in group for group in groups):
            # The paper has none of our baselines, and its methods have the paper's input.
            lines = [
                replace(line, reads=paper_methods()[line.name].input)
                for line in lines
                if line.name in paper_methods()
            ]
        return replace(self, columns=[self.columns[n] for n in chosen], lines=lines)

    def to_json(self) -> dict[str, Any]:
        """Plain dict for the JSON document."""
        return asdict(self)


def layout(result: BenchmarkResult) -> list[TaskTable]:
    """The tables of the tasks that this evaluation provides, and the cost."""
    tables = [_task_table(result, task) for task in result.tasks]
    return [table for table in tables if table is not None] + [_cost_table(result)]


def _task_table(result: BenchmarkResult, task: Task) -> TaskTable | None:
    heads = list(zip(task.metrics, task.headings, strict=True))
    rows = _rows(result)
    if result.outcomes() and not any(
        row.values(metric.name)
        for project in result.projects
        for row in (*project.table.rows, *project.table.baselines)
        for metric in task.metrics
    ):
        return None  # the protocol has no such metric, or there are no labels
    columns, cells = [], {name: [] for name, _ in rows}

    def add(group: str, metric: Metric, heading: str, figures: dict[str, Figure]) -> None:
        columns.append(Column(group, heading, metric.name, metric.lower_is_better))
        ranked = _ranked(figures, {name for name, baseline in rows if not baseline}, metric)
        for name in cells:
            cells[name].append(ranked[name])

    names = [name for name, _ in rows]
    for project in result.projects:
        for metric, heading in heads:
            figures = {name: _project_figure(result, project, name, metric) for name in names}
            add(project.table.name, metric, heading, figures)
    if len(result.projects) > 1 and not any(p.shares_runs for p in result.projects):
        for metric, heading in heads:
            add(MEAN, metric, heading, {name: _mean_figure(result, name, metric) for name in names})
    for data in _data_sets(result) if task.number else ():
        label = f"in the paper: {paper_data()[data].label} {MARK}"
        for metric, heading in heads:
            add(label, metric, heading, {name: _paper_figure(data, name, metric) for name in names})
    lines = [
        Line(name, _label(result, name), result.reads.get(name, ""), baseline, cells[name])
        for name, baseline in rows
    ]
    number = f" (the paper's Table {task.number})" if task.number else ""
    return TaskTable(task.name, task.title + number, columns, lines)


def _rows(result: BenchmarkResult) -> list[tuple[str, bool]]:
    """Names of the methods and baselines of all projects, and whether each is a baseline."""
    rows = {row.name: False for p in result.projects for row in p.table.rows}
    rows |= {row.name: True for p in result.projects for row in p.table.baselines}
    return list(rows.items())


def _label(result: BenchmarkResult, name: str) -> str:
    rows = (project.row(name) for project in result.projects)
    return next(row.label for row in rows if row is not None)


def _project_figure(
    result: BenchmarkResult, project: ProjectResult, name: str, metric: Metric
) -> Figure:
    row = project.row(name)
    if row is None:
        return Figure(digits=metric.digits)
    values = row.values(metric.name)
    paper = None
    if not departures([project.source], result.facts["protocol"]):
        paper = _comparable(result, row, metric)
    return _summary(values, row.intervals.get(metric.name), paper, metric)


def _summary(
    values: Sequence[float], interval: list[float] | None, paper: float | None, metric: Metric
) -> Figure:
    return Figure(
        statistics.fmean(values) if values else None,
        statistics.stdev(values) if len(values) > 1 else None,
        interval,
        paper,
        len(values),
        digits=metric.digits,
    )


def _comparable(result: BenchmarkResult, row: ResultRow, metric: Metric) -> float | None:
    """The paper's figure of a method, if its input is the same here as in the paper."""
    reads = result.reads.get(row.name, "")
    return row.paper.get(metric.name) if same_input(row.name, reads) else None


def _mean_figure(result: BenchmarkResult, name: str, metric: Metric) -> Figure:
    """Mean over projects of their means; empty if one of them lacks the figure. The spread is over
    the seeds that every project has."""
    rows = [project.row(name) for project in result.projects]
    per_project = [row.values(metric.name) if row else [] for row in rows]
    if not all(per_project):
        return Figure(digits=metric.digits)
    by_seed = [
        {o.seed: o.scores.get(metric.name) for o in row.outcomes} for row in rows if row is not None
    ]
    seeds = [s for s in by_seed[0] if all(scores.get(s) is not None for scores in by_seed)]
    means = [statistics.fmean([scores[s] or 0.0 for scores in by_seed]) for s in seeds]
    paper = None
    if not departures([p.source for p in result.projects], result.facts["protocol"]):
        paper = _comparable(result, next(row for row in rows if row), metric)
    return Figure(
        statistics.fmean(map(statistics.fmean, per_project)),
        statistics.stdev(means) if len(means) > 1 else None,
        _interval_of_projects(result, name, metric),
        paper,
        len(seeds),
        digits=metric.digits,
    )


def _interval_of_projects(result: BenchmarkResult, name: str, metric: Metric) -> list[float] | None:
    """95 % interval of the mean over projects, whose clips are drawn independently."""
    samples = []
    for number, project in enumerate(result.projects):
        runs = [run[metric.name] for run in project.resampled.get(name, []) if metric.name in run]
        if not runs:
            return None
        # Projects with equally many clips have the same draws in the same order: shuffle them.
        order = np.random.default_rng(number).permutation(len(runs[0]))
        samples.append(nested_resamples(runs, seed=number)[order])
    ends = interval(np.mean(samples, axis=0)) if samples else None
    return list(ends) if ends else None


def _data_sets(result: BenchmarkResult) -> list[str]:
    """Data sets of the paper among the projects; none if no method is from the paper."""
    if not any(name in paper_methods() for name, _ in _rows(result)):
        return []
    return list(dict.fromkeys(p.source.data for p in result.projects if p.source.data))


def _paper_figure(data: str, name: str, metric: Metric) -> Figure:
    figure = paper_data()[data].figures.get(name, {}).get(metric.name)
    return Figure(figure, runs=int(figure is not None), digits=metric.digits)


def _ranked(figures: dict[str, Figure], methods: set[str], metric: Metric) -> dict[str, Figure]:
    """Mark the best and the second method, as the paper does; equal figures share a rank."""
    sign = 1 if metric.lower_is_better else -1
    shown = {
        name: sign * round(figure.value, figure.digits)
        for name, figure in figures.items()
        if name in methods and figure.value is not None
    }
    if len(shown) < 2:
        return figures
    places = sorted(set(shown.values()))[:2]
    return {
        name: replace(figure, rank=places.index(shown[name]) + 1)
        if shown.get(name) in places
        else figure
        for name, figure in figures.items()
    }


def _cost_table(result: BenchmarkResult) -> TaskTable:
    """Steps and seconds of training of each method in each project."""
    columns, lines = [], []
    projects = [project for project in result.projects if not project.shares_runs]
    for project in projects:
        columns += [
            Column(project.table.name, "steps", "steps", True),
            Column(project.table.name, "seconds", "seconds", True),
        ]
    for name, baseline in _rows(result):
        if baseline:
            continue
        cells = []
        for project in projects:
            row = project.row(name)
            runs = [o for o in row.outcomes if o.steps is not None] if row else []
            for values, digits in (([o.steps for o in runs], 0), ([o.seconds for o in runs], 0)):
                known = [float(value) for value in values if value is not None]
                mean = statistics.fmean(known) if known else None
                spread = statistics.stdev(known) if len(set(known)) > 1 else None
                cells.append(Figure(mean, spread, runs=len(known), digits=digits))
        lines.append(Line(name, _label(result, name), result.reads.get(name, ""), False, cells))
    return TaskTable("cost", "Cost of training", columns, lines)


def all_notes(result: BenchmarkResult) -> list[str]:
    """The notes below the tables, the most important ones first."""
    return list(
        dict.fromkeys(
            [
                *_failures(result),
                *_paper_notes(result),
                *_baselines_ahead(layout(result)),
                *_budget_notes(result),
                *_protocol_notes(result),
                *(
                    f"{project.table.name}: {text}"
                    for project in result.projects
                    for text in project.table.warnings
                ),
            ]
        )
    )


def _failures(result: BenchmarkResult) -> Iterator[str]:
    """Runs without figures, and runs whose network has collapsed."""
    for project in result.projects:
        for outcome in project.table.failures():
            yield f"{project.table.name}, {outcome.run}: {outcome.error}"
        for text in project.table.collapses():
            yield f"{project.table.name}, {text}"


def _paper_notes(result: BenchmarkResult) -> Iterator[str]:
    protocol = result.facts["protocol"]
    data = _data_sets(result)
    others = [p.table.name for p in result.projects if not p.source.data]
    for name in data:
        sources = [p.source for p in result.projects if p.source.data == name]
        reasons = departures(sources, protocol)
        label = f"{MARK} {paper_data()[name].label} in the paper"
        if reasons:
            yield f"{label} is not the same experiment: {'; '.join(reasons)}"
        else:
            yield f"{label}: the same clips, labels and definitions; its figures stand beside ours"
    if others:
        names = ", ".join(others)
        yield f"{names}: data that the paper does not have, so it has no figures to compare with"
    if data:
        yield from _inputs(result)


def _inputs(result: BenchmarkResult) -> Iterator[str]:
    """Which methods have another input in the paper, grouped by that input."""
    by_input: dict[str, list[str]] = {}
    for name, reads in result.reads.items():
        known = paper_methods().get(name)
        if known is not None and not same_input(name, reads):
            by_input.setdefault(known.input, []).append(known.label)
    if by_input:
        theirs = "; ".join(f"{', '.join(names)} {kind}" for kind, names in by_input.items())
        ours = []
        if joints := sorted(set(result.reads.values()) - {"rgb"}):
            ours.append(f"2D joints ({', '.join(joints)})")
        if "rgb" in result.reads.values():
            ours.append("RGB frames through a network that is not trained (rgb)")
        here = " and ".join(ours)
        yield f"{MARK} in the paper these read something else: {theirs}; here {here}"


def _baselines_ahead(tables: Sequence[TaskTable]) -> Iterator[str]:
    """For each baseline, where it does as well as the best method."""
    by_label: dict[str, list[str]] = {}
    for table in tables:
        headings = dict.fromkeys(column.heading for column in table.columns)
        for heading in headings:
            columns = [
                (n, column)
                for n, column in enumerate(table.columns)
                if column.heading == heading and MARK not in column.group
            ]
            ahead: dict[str, list[str]] = {}
            for n, column in columns:
                for label in _ahead(table, n):
                    ahead.setdefault(label, []).append(column.group)
            for label, groups in ahead.items():
                where = "" if len(groups) == len(columns) else f" ({', '.join(groups)})"
                by_label.setdefault(label, []).append(
                    f"{PREFIX.get(table.name, '')}{heading}{where}"
                )
    for label, columns in by_label.items():
        yield f"{label} does as well as the best method, or better, in: {', '.join(columns)}"


def _ahead(table: TaskTable, n: int) -> list[str]:
    """Labels of the baselines that are no worse than the best method in column `n`."""
    sign = 1 if table.columns[n].lower_is_better else -1
    values = [
        (line.label, line.baseline, sign * value)
        for line in table.lines
        if (value := line.cells[n].value) is not None
    ]
    best = min((value for _, baseline, value in values if not baseline), default=None)
    if best is None:
        return []
    return [label for label, baseline, value in values if baseline and value <= best]


def _budget_notes(result: BenchmarkResult) -> Iterator[str]:
    done = [o for o in result.outcomes() if o.steps is not None and not o.error]
    if len({o.steps for o in done}) > 1:
        yield (
            "the runs did not make the same number of steps; without --minutes, or with "
            "--set train.steps=N small enough, they do"
        )
    minutes, steps = result.facts["minutes"], result.facts["steps"]
    for outcome in done:
        if _was_given_less(outcome, minutes, steps):
            yield (
                f"{outcome.run} was trained earlier with less than this budget "
                f"({outcome.steps} steps, {outcome.seconds:.0f} s); --overwrite trains it again"
            )
    seeds = result.facts["seeds"]
    if len(seeds) < 3:
        yield (
            f"{len(seeds)} of at least 3 seeds: intervals and p hardly include what another seed "
            "would change; --seeds 0,1,2"
        )


def _was_given_less(outcome: Outcome, minutes: float | None, steps: int) -> bool:
    if not outcome.reused or outcome.steps is None or outcome.seconds is None:
        return False
    return outcome.steps < steps and (minutes is None or outcome.seconds < _EARLY * 60 * minutes)


def _protocol_notes(result: BenchmarkResult) -> Iterator[str]:
    by_uses: dict[str, list[str]] = {}
    for project in result.projects:
        if uses := project.table.facts.get("method_uses"):
            by_uses.setdefault(uses, []).append(project.table.name)
    for uses, names in by_uses.items():
        where = "" if len(names) == len(result.projects) else f" ({', '.join(names)})"
        yield f"event transfer of a method{where} = {uses}"
    if not any(result.facts["alignment"].get(part) for part in ("movement", "base")):
        yield (
            "event transfer of a method leaves out the joints' movement and the base model, which "
            "la2ds align uses (align.movement, align.base), so that they do not hide what a method "
            "learned"
        )
    if result.facts["protocol"] != "la2ds" and any(task.number == 0 for task in result.tasks):
        yield f"protocol {result.facts['protocol']} has no event transfer; --protocol la2ds has"
