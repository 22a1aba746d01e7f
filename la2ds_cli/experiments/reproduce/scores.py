"""The metrics of a run: the one place where tables meet `la2ds_cli.evaluation`.

A metric that `evaluate` adds to its document becomes a column of every table by one line in
METRICS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Metric:
    """name: column in CSV and JSON. label: heading in full; short: of at most 6 letters a line, for
    a terminal. path: keys below features.NAME in the document of `evaluate`. digits: shown.
    factor: of the value there to the unit of the column."""

    name: str
    label: str
    short: str
    path: tuple[str, ...]
    digits: int
    factor: float = 1.0

    @property
    def lower_is_better(self) -> bool:
        return self.path[0] == _TRANSFER

    def value(self, row: Mapping[str, Any]) -> float | None:
        """Out of the row of a feature set; None for a metric that this evaluation does not offer,
        or that is undefined."""
        found: Any = row
        for key in self.path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return None if found is None else self.factor * float(found)


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
HEADLINE = METRICS[0].name  # its interval is kept


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
class Evaluation:
    """scores: feature set -> metric -> value, None where it is undefined. intervals: feature set
    -> 95 % bootstrap interval of HEADLINE over the scored clips. facts: what the numbers refer to
    (split, clips, events, protocol). warnings: of the evaluation."""

    scores: dict[str, Scores]
    intervals: dict[str, list[float] | None]
    facts: dict[str, Any]
    warnings: list[str]


def evaluate_run(
    project: Project,
    run: str,
    config: Config,
    features: Sequence[str],
    *,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """Score feature sets (`model` is the network of `run`) with the settings of `config`."""
    from la2ds_cli.evaluation.evaluate import evaluate

    document = evaluate(
        project, run=run, config=config, device=device, features=features, progress=progress
    )
    scores = {
        name: {metric.name: metric.value(row) for metric in METRICS}
        for name, row in document["features"].items()
    }
    intervals = {
        name: row.get("event_transfer", {}).get("interval_percent")
        for name, row in document["features"].items()
    }
    facts = {key: document[key] for key in ("split", "clips", "events", "protocol")}
    return Evaluation(scores, intervals, facts, list(document["warnings"]))
