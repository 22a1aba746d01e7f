"""Metrics of a run as columns of a table, and the tables that compare methods, one for each task.

One line in METRICS makes a metric of the document of `evaluate` available to every table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Metric:
    """name: in CSV and JSON. path: keys below features.NAME in the document of `evaluate`. digits:
    shown. factor: from the value there to the unit of the column."""

    name: str
    path: tuple[str, ...]
    digits: int = 2
    factor: float = 1.0

    @property
    def lower_is_better(self) -> bool:
        return self.path[:1] == ("event_transfer",)

    def value(self, row: Mapping[str, Any]) -> float | None:
        """The metric from the row of a feature set; None if this evaluation does not provide it, or
        if it is undefined."""
        value: Any = row
        for key in self.path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return None if value is None else self.factor * float(value)

    def clips(self, row: Mapping[str, Any]) -> int:
        """The number of clips behind the metric, from a row that has it."""
        entry: Any = row
        for key in self.path[:-1]:
            entry = entry[key]
        return int(entry["clips"])

    def shown(self, value: float | None) -> str:
        """The value with the digits of the metric, or a dash."""
        return "–" if value is None else f"{value:.{self.digits}f}"


METRICS = {
    metric.name: metric
    for metric in (
        Metric("event_transfer_median", ("event_transfer", "median_percent", "value")),
        Metric("event_transfer_mean", ("event_transfer", "mean_percent", "value")),
        Metric("kendalls_tau", ("kendalls_tau", "value"), 4),
        Metric("classification_10", ("phase_classification", "10 %", "value"), factor=100),
        Metric("classification_50", ("phase_classification", "50 %", "value"), factor=100),
        Metric("classification", ("phase_classification", "100 %", "value"), factor=100),
        Metric("progression", ("phase_progression", "value"), 4),
        Metric("precision_at_5", ("precision_at_k", "5", "value"), factor=100),
        Metric("precision_at_10", ("precision_at_k", "10", "value"), factor=100),
        Metric("precision_at_15", ("precision_at_k", "15", "value"), factor=100),
    )
}
COST = (Metric("steps", (), 0), Metric("seconds", (), 0))


@dataclass(frozen=True)
class Task:
    """A table. name: in files. number: of the paper's table, 0 for ours. headings: name of a metric
    -> heading of its column."""

    name: str
    title: str
    number: int
    headings: Mapping[str, str]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        known = METRICS | {metric.name: metric for metric in COST}
        return tuple(known[name] for name in self.headings)


TASKS = {
    task.name: task
    for task in (
        Task(
            "classification",
            "Phase classification, % of frames",
            1,
            {"classification_10": "10 %", "classification_50": "50 %", "classification": "100 %"},
        ),
        Task(
            "progression",
            "Phase progression and Kendall's tau",
            2,
            {"progression": "progress", "kendalls_tau": "tau"},
        ),
        Task(
            "retrieval",
            "Fine-grained frame retrieval, %",
            3,
            {"precision_at_5": "AP@5", "precision_at_10": "AP@10", "precision_at_15": "AP@15"},
        ),
        Task(
            "transfer",
            "Event transfer on trimmed pairs, error in % of the clip",
            0,
            {"event_transfer_median": "median", "event_transfer_mean": "mean"},
        ),
    )
}
COST_TASK = Task("cost", "Cost of training", 0, {"steps": "steps", "seconds": "seconds"})
METHOD_TABLES = {f"table{task.number}": task for task in TASKS.values() if task.number}
"""Name in `la2ds reproduce` -> task."""


def ablation_task(name: str, title: str) -> Task:
    """The table of an ablation: one column for each metric, at most 6 letters a line wide."""
    headings = {
        "event_transfer_median": "median\n%",
        "event_transfer_mean": "mean\n%",
        "kendalls_tau": "tau",
        "classification": "phase\n%",
        "progression": "progr.",
        "precision_at_10": "AP@10\n%",
    }
    return Task(name, title, int(name.removeprefix("table")), headings)
