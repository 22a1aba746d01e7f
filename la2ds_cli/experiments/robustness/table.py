"""The result of a sweep as a table, a CSV and a JSON document."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.core import artifact
from la2ds_cli.experiments.reproduce.scores import HEADLINE, METRICS
from la2ds_cli.experiments.reproduce.text import narrow_table
from la2ds_cli.experiments.robustness.sweep import Condition, Sweep

if TYPE_CHECKING:
    from rich.console import RenderableType


def screen_table(sweep: Sweep) -> RenderableType:
    """For a terminal; `growth` is the median error over that of the clean joints."""
    shown = [m for m in METRICS if any(c.scores.get(m.name) is not None for c in sweep.conditions)]
    lines = []
    for c in sweep.conditions:
        values = [(c.scores.get(m.name), m.digits) for m in shown]
        text = ["–" if value is None else f"{value:.{digits}f}" for value, digits in values]
        growth = "–" if c.ratio is None else f"{c.ratio:.2f}"
        lines.append(([_words(c), *text[:1], _interval(c), growth, *text[1:]], ""))
    heading = [m.short for m in shown]
    return narrow_table(["", *heading[:1], "95 %", "growth", *heading[1:]], lines)


def _words(condition: Condition) -> str:
    name = condition.features.replace("_", " ")
    if "missing" in condition.test:
        return f"{name}, {condition.test}"
    return f"{name}, {condition.train} → {condition.test}"


def _interval(condition: Condition) -> str:
    found = condition.interval
    return "" if found is None else f"{found[0]:.2f}–{found[1]:.2f}"


def sweep_csv(sweep: Sweep) -> str:
    """One line per condition with every metric, empty where it is undefined."""
    names = [metric.name for metric in METRICS]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    ends = [f"{HEADLINE}_low", f"{HEADLINE}_high"]
    writer.writerow(["kind", "run", "features", "train", "test", *names, *ends, "ratio"])
    for c in sweep.conditions:
        start = [sweep.kind, sweep.run, c.features, c.train, c.test]
        ends = c.interval or (None, None)
        writer.writerow([*start, *(c.scores.get(name) for name in names), *ends, c.ratio])
    return buffer.getvalue()


def write(sweep: Sweep, folder: Path, name: str) -> list[Path]:
    """Write NAME.csv and NAME.json; returns their paths."""
    paths = [folder / f"{name}.csv", folder / f"{name}.json"]
    artifact.write_text(paths[0], sweep_csv(sweep))
    artifact.write_json(paths[1], sweep.to_json())
    return paths
