"""Metrics of a run as columns of a table, and the tables of a benchmark: one for each task.

One line in METRICS makes a metric of the document of `evaluate` a column of every table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Metric:
    """name: column in CSV and JSON. label: full heading; short: heading for a terminal, at most 6
    letters per line. path: keys below features.NAME in the document of `evaluate`. digits: shown.
    factor: from the value there to the unit of the column."""

    name: str
    label: str
    short: str
    path: tuple[str, ...]
    digits: int
    factor: float = 1.0

    @property
    def lower_is_better(self) -> bool:
        return _TRANSFER in self.path

    def value(self, row: Mapping[str, Any]) -> float | None:
        """The metric from the row of a feature set; None if this evaluation does not provide it, or
        if it is undefined."""
        value: Any = row
        for key in self.path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return None if value is None else self.factor * float(value)

    def clips(self, row: Mapping[str, Any]) -> int | None:
        """The number of clips behind the metric, from the row of a feature set; None if this
        evaluation does not provide the metric."""
        entry: Any = row
        for key in self.path[:-1]:
            entry = entry.get(key) if isinstance(entry, Mapping) else None
        return None if entry is None else int(entry["clips"])

    def shown(self, value: float | None) -> str:
        """The value with the digits of the metric, or a dash."""
        return "–" if value is None else f"{value:.{self.digits}f}"


_TRANSFER = "event_transfer"
METRICS = (
    Metric(
        f"{_TRANSFER}_median", "transfer median %", "median\n%", (_TRANSFER, "median_percent"), 2
    ),
    Metric(f"{_TRANSFER}_mean", "transfer mean %", "mean\n%", (_TRANSFER, "mean_percent"), 2),
    Metric("kendalls_tau", "tau", "tau", ("kendalls_tau", "value"), 4),
    Metric(
        "classification",
        "classification %",
        "phase\n%",
        ("phase_classification", "100 %", "value"),
        2,
        100,
    ),
    Metric("progression", "progression", "progr.", ("phase_progression", "value"), 4),
    Metric("precision_at_10", "AP@10 %", "AP@10\n%", ("precision_at_k", "10", "value"), 2, 100),
)
HEADLINE = METRICS[0].name  # the metric whose interval is shown


def _share(name: str, of: str, label: str, path: tuple[str, ...]) -> Metric:
    return Metric(name, f"{label} %", f"{of}\n%", (*path, "value"), 2, 100)


ALL_METRICS = (
    *METRICS,
    *(
        _share(f"classification_{n}", f"SVM {n}", f"classification, {n} % of the labels", path)
        for n in (10, 50)
        for path in [("phase_classification", f"{n} %")]
    ),
    *(
        _share(f"precision_at_{k}", f"AP@{k}", f"AP@{k}", ("precision_at_k", str(k)))
        for k in (5, 15)
    ),
)
"""METRICS, which an ablation shows, and those that only a comparison of methods shows."""


@dataclass(frozen=True)
class Task:
    """A table of a benchmark. name: in files. number: of the paper's table, 0 for ours. headings:
    short headings of its metrics."""

    name: str
    title: str
    number: int
    metrics: tuple[Metric, ...]
    headings: tuple[str, ...]

    def columns(self) -> list[tuple[str, str]]:
        """Name of each metric with its heading."""
        return list(zip((metric.name for metric in self.metrics), self.headings, strict=True))


def _task(name: str, title: str, number: int, **columns: str) -> Task:
    """columns: name of a metric -> its heading."""
    by_name = {metric.name: metric for metric in ALL_METRICS}
    metrics = tuple(by_name[column] for column in columns)
    return Task(name, title, number, metrics, tuple(columns.values()))


TASKS = {
    task.name: task
    for task in (
        _task(
            "classification",
            "Phase classification, % of frames",
            1,
            classification_10="10 %",
            classification_50="50 %",
            classification="100 %",
        ),
        _task(
            "progression",
            "Phase progression and Kendall's tau",
            2,
            progression="progress",
            kendalls_tau="tau",
        ),
        _task(
            "retrieval",
            "Fine-grained frame retrieval, %",
            3,
            precision_at_5="AP@5",
            precision_at_10="AP@10",
            precision_at_15="AP@15",
        ),
        _task(
            "transfer",
            "Event transfer on trimmed pairs, error in % of the clip",
            0,
            event_transfer_median="median",
            event_transfer_mean="mean",
        ),
    )
}
COST = Task(
    "cost",
    "Cost of training",
    0,
    (Metric("steps", "steps", "steps", (), 0), Metric("seconds", "seconds", "seconds", (), 0)),
    ("steps", "seconds"),
)
METHOD_TABLES = {f"table{task.number}": task for task in TASKS.values() if task.number}
"""Name in `la2ds reproduce` -> task."""
