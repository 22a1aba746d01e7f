"""Who wins where: for each figure of a benchmark, the best row and the rows not worse than it.

All rows are included, also baselines and untrained networks: if one of them is best, no method
wins. The best row is chosen after seeing the figures, so comparing it with all others amounts to as
many tests as there are pairs of rows: Holm's correction is over all pairs of rows in all columns of
a table.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from la2ds_cli.experiments.benchmark_tables import MARK, MEAN, TaskTable, layout
from la2ds_cli.experiments.result import BenchmarkResult, ProjectResult
from la2ds_cli.experiments.significance import (
    LEVEL,
    Difference,
    Sample,
    difference,
    holm,
    mean_difference,
)


@dataclass(frozen=True)
class Compared:
    """Another row compared with the best one. baseline: whether it is a baseline and not a trained
    method. difference: its figure minus that of the best. p: of no difference; adjusted: after
    Holm's correction over all comparisons of its table."""

    name: str
    label: str
    value: str
    baseline: bool
    difference: float
    p: float
    adjusted: float

    @property
    def ties(self) -> bool:
        """Whether it is not significantly worse."""
        return self.adjusted > LEVEL


@dataclass(frozen=True)
class Winner:
    """The best row of a column. table, title: of the task. value: as shown. baseline: whether it is
    a baseline and not a trained method. others: all other rows, the best first. comparisons: number
    in the entire table, for which p was corrected."""

    table: str
    title: str
    group: str
    heading: str
    metric: str
    name: str
    label: str
    value: str
    baseline: bool
    others: tuple[Compared, ...]
    comparisons: int

    def tied(self) -> list[Compared]:
        """The rows that are not significantly worse."""
        return [one for one in self.others if one.ties]

    def best_method(self) -> Compared | None:
        """The best method if a baseline wins, None if a method does."""
        methods = (one for one in self.others if not one.baseline)
        return next(methods, None) if self.baseline else None


def winners(result: BenchmarkResult) -> list[Winner]:
    """One for each of our columns that has resamples, in the order of the tables."""
    return [winner for table in layout(result) for winner in _of_table(result, table)]


def how_to_read(known: list[Winner]) -> str:
    """An explanation of the table of winners."""
    counts = {winner.title: winner.comparisons for winner in known}
    many = ", ".join(f"{count} in {title}" for title, count in counts.items())
    return (
        "The best row of each column, a method or (in italics) a baseline, and all rows that are "
        "not significantly worse: paired difference of two rows over the same clips, with the "
        "variance over seeds of both; two-sided p of Student's t, Holm's "
        f"correction over all pairs of rows in all columns of a table ({many}), level {LEVEL:g}. "
        "Where a baseline is best, the best method is shown beside it with its corrected p. The "
        "best raw pose is not available to a user: it is chosen on these clips."
    )


def _of_table(result: BenchmarkResult, table: TaskTable) -> Iterator[Winner]:
    pairs: list[tuple[int, str, str]] = []  # column, and two rows
    p: list[float] = []
    found: dict[tuple[int, str, str], Difference] = {}
    for n, column in enumerate(table.columns):
        if MARK in column.group:
            continue
        known = [line.name for line in table.lines if line.cells[n].value is not None]
        for pair, one in _differences(result, column.group, column.metric, known).items():
            found[(n, *pair)] = one
            pairs.append((n, *pair))
            p.append(one.p)
    adjusted = dict(zip(pairs, holm(p), strict=True))
    for n in dict.fromkeys(pair[0] for pair in pairs):
        yield _winner(table, n, found, adjusted)


def _winner(
    table: TaskTable,
    n: int,
    found: dict[tuple[int, str, str], Difference],
    adjusted: dict[tuple[int, str, str], float],
) -> Winner:
    column = table.columns[n]
    rows = {name for pair in found if pair[0] == n for name in pair[1:]}
    lines = [line for line in table.lines if line.name in rows]
    sign = 1 if column.lower_is_better else -1
    lines.sort(key=lambda line: sign * (line.cells[n].value or 0.0))
    best, *others = lines
    compared = []
    for line in others:
        key = (n, best.name, line.name)
        key, turn = (key, -1) if key in found else ((n, line.name, best.name), 1)
        one = found[key]
        compared.append(
            Compared(
                *(line.name, line.label, line.cells[n].shown()[0], line.baseline),
                *(turn * one.value, one.p, adjusted[key]),
            )
        )
    return Winner(
        *(table.name, table.title, column.group, column.heading, column.metric),
        *(best.name, best.label, best.cells[n].shown()[0], best.baseline),
        *(tuple(compared), len(adjusted)),
    )


def _differences(
    result: BenchmarkResult, group: str, metric: str, names: list[str]
) -> dict[tuple[str, str], Difference]:
    """The differences of all pairs of the rows `names` that have resamples of the metric and a
    p."""
    projects = [p for p in result.projects if group in (MEAN, p.table.name)]
    by_project = [_samples(project, metric, names) for project in projects]
    known = [name for name in names if all(name in samples for samples in by_project)]
    differences = {}
    for first, second in itertools.combinations(known, 2):
        each = [
            difference(samples[first], samples[second], project.clips_behind(metric))
            for samples, project in zip(by_project, projects, strict=True)
        ]
        one = mean_difference(each)
        if not math.isnan(one.p):
            differences[first, second] = one
    return differences


def _samples(project: ProjectResult, metric: str, names: list[str]) -> dict[str, Sample]:
    samples = {}
    for name in names:
        row = project.row(name)
        runs = [run[metric] for run in project.resampled.get(name, []) if metric in run]
        if row is not None and runs and (values := row.values(metric)):
            samples[name] = Sample.of(values, runs)
    return samples
