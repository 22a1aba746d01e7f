"""The tables: one for each task, as in the paper, and our own."""

from __future__ import annotations

from dataclasses import dataclass

from la2ds_cli.experiments.reproduce.scores import ALL_METRICS, Metric


@dataclass(frozen=True)
class Task:
    """name: in files. number: of the paper's table, 0 for ours. headings: of its metrics, short."""

    name: str
    title: str
    number: int
    metrics: tuple[Metric, ...]
    headings: tuple[str, ...]


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
TABLES = {f"table{task.number}": task for task in TASKS.values() if task.number}
"""Name in `la2ds reproduce` -> task."""
