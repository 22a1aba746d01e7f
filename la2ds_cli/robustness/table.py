"""The result of a sweep as a table, a CSV and a JSON document."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from la2ds_cli import artifact
from la2ds_cli.reproduce.scores import METRICS
from la2ds_cli.robustness.sweep import Sweep


def cells(sweep: Sweep) -> tuple[list[str], list[list[str]]]:
    """Header and rows for people; `growth` is the median error over that of the clean joints."""
    shown = [m for m in METRICS if any(c.scores.get(m.name) is not None for c in sweep.conditions)]
    rows = []
    for c in sweep.conditions:
        values = [(c.scores.get(m.name), m.digits) for m in shown]
        text = ["–" if value is None else f"{value:.{digits}f}" for value, digits in values]
        growth = "–" if c.ratio is None else f"{c.ratio:.2f}"
        rows.append([c.features, c.train, c.test, *text, growth])
    return ["features", "train", "test", *(m.label for m in shown), "growth"], rows


def sweep_csv(sweep: Sweep) -> str:
    """One line per condition with every metric, empty where it is undefined."""
    names = [metric.name for metric in METRICS]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["kind", "run", "features", "train", "test", *names, "ratio"])
    for c in sweep.conditions:
        start = [sweep.kind, sweep.run, c.features, c.train, c.test]
        writer.writerow([*start, *(c.scores.get(name) for name in names), c.ratio])
    return buffer.getvalue()


def write(sweep: Sweep, folder: Path, name: str) -> list[Path]:
    """Write NAME.csv and NAME.json; returns their paths."""
    paths = [folder / f"{name}.csv", folder / f"{name}.json"]
    artifact.write_text(paths[0], sweep_csv(sweep))
    artifact.write_json(paths[1], sweep.to_json())
    return paths
