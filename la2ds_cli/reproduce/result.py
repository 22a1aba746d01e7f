"""A table as it grows, and its three files: Markdown for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from la2ds_cli import artifact
from la2ds_cli.errors import ExitCode
from la2ds_cli.reproduce.rows import PAPER_DATA
from la2ds_cli.reproduce.scores import METRICS, Metric, Scores

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """One run of a row. features: what was scored. seed, steps, seconds (of training): None for
    what is not trained. reused: the run was there before. error: why it has no scores, else
    empty."""

    run: str
    features: str
    scores: Scores = field(default_factory=dict)
    seed: int | None = None
    steps: int | None = None
    seconds: float | None = None
    reused: bool = False
    error: str = ""


@dataclass
class ResultRow:
    """A row and its runs, one per seed. paper: metric -> the paper's figure. note: why there are
    no runs, or what is odd about them."""

    name: str
    label: str
    paper: dict[str, float]
    settings: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    note: str = ""

    def values(self, metric: str) -> list[float]:
        """The metric of every run that has it."""
        found = (outcome.scores.get(metric) for outcome in self.outcomes)
        return [value for value in found if value is not None]


@dataclass
class TableResult:
    """facts: preset, overrides, minutes, seeds, machine, clips, events, protocol."""

    name: str
    title: str
    facts: dict[str, Any]
    rows: list[ResultRow] = field(default_factory=list)
    baselines: list[ResultRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def failures(self) -> list[Outcome]:
        return [o for row in (*self.rows, *self.baselines) for o in row.outcomes if o.error]

    def exit_code(self) -> ExitCode:
        """0 when every run has scores, 8 when some have, 4 when none has."""
        runs = [outcome for row in self.rows for outcome in row.outcomes]
        failed = sum(bool(outcome.error) for outcome in runs)
        if runs and not failed:
            return ExitCode.OK
        return ExitCode.PARTIAL if failed < len(runs) else ExitCode.UNUSABLE

    def to_json(self) -> dict[str, Any]:
        """The JSON document: the rows, with mean and standard deviation over seeds."""
        document = {"schema_version": SCHEMA_VERSION, "table": self.name} | asdict(self)
        for kind in ("rows", "baselines"):
            for plain, row in zip(document[kind], getattr(self, kind), strict=True):
                found = {m.name: row.values(m.name) for m in METRICS}
                plain["mean"] = {k: statistics.fmean(v) if v else None for k, v in found.items()}
                plain["spread"] = {
                    k: statistics.stdev(v) if len(v) > 1 else None for k, v in found.items()
                }
        return document

    def write(self, folder: Path) -> list[Path]:
        """Write NAME.md, NAME.csv and NAME.json; returns their paths."""
        paths = [folder / f"{self.name}{suffix}" for suffix in (".md", ".csv", ".json")]
        artifact.write_text(paths[0], markdown(self))
        artifact.write_text(paths[1], table_csv(self))
        artifact.write_json(paths[2], self.to_json())
        return paths


def shown_metrics(result: TableResult) -> list[Metric]:
    """The metrics that some row has, or that the paper reports."""
    rows = [*result.rows, *result.baselines]
    return [m for m in METRICS if any(row.values(m.name) or m.name in row.paper for row in rows)]


def cells(result: TableResult) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table for people: mean and standard deviation over seeds, the
    paper's figures, training time."""
    metrics = shown_metrics(result)
    printed = [m for m in metrics if any(m.name in row.paper for row in result.rows)]
    header = ["", *(m.label for m in metrics), *(f"paper: {m.label}" for m in printed)]
    body = []
    for row in (*result.rows, *result.baselines):
        ours = [_spread(row.values(m.name), m.digits) for m in metrics]
        theirs = [_number(row.paper.get(m.name), m.digits) for m in printed]
        body.append([row.label, *ours, *theirs, *_effort(row.outcomes)])
    return [*header, "seeds", "steps", "seconds"], body


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def _effort(outcomes: Sequence[Outcome]) -> list[str]:
    """Seeds, steps and seconds of the runs that were trained; a range where they differ."""
    done = [o for o in outcomes if o.seed is not None and not o.error]
    steps = sorted({o.steps for o in done if o.steps is not None})
    times = sorted({round(o.seconds) for o in done if o.seconds is not None})
    ranges = [str(v[0]) if len(v) == 1 else f"{v[0]}–{v[-1]}" for v in (steps, times) if v]
    return [", ".join(str(o.seed) for o in done), *(ranges or ["", ""])]


def notes(result: TableResult) -> list[str]:
    """What the table alone does not say: rows left out, failed runs, warnings."""
    found = [f"{row.label}: {row.note}" for row in result.rows if row.note]
    found += [f"{o.run}: {o.error}" for o in result.failures()]
    return [*found, *result.warnings]


def markdown(result: TableResult) -> str:
    """The table with the command's settings, its definitions and notes."""
    header, body = cells(result)
    lines = [f"# {result.title} (paper, {result.name.replace('table', 'Table ')})", ""]
    lines += [_line(header), _line(["---"] * len(header)), *map(_line, body), ""]
    lines += [f"The paper's figures: {PAPER_DATA}.", "Mean ± standard deviation over seeds.", ""]
    lines += [f"- {key}: {_plain(value)}" for key, value in result.facts.items()]
    lines += ["", *(f"- note: {text}" for text in notes(result))]
    return "\n".join(lines).rstrip() + "\n"


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} = {_plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value)) or "none"
    return "none" if value is None else str(value)


def table_csv(result: TableResult) -> str:
    """One line per run: row, run, seed, steps, seconds, metrics, the paper's figures, error."""
    names = [metric.name for metric in METRICS]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    head = ["table", "row", "features", "run", "seed", "steps", "seconds"]
    writer.writerow([*head, *names, *(f"paper_{name}" for name in names), "error"])
    for row in (*result.rows, *result.baselines):
        paper = [row.paper.get(name) for name in names]
        for o in row.outcomes:
            seconds = None if o.seconds is None else round(o.seconds, 1)
            start = [result.name, row.name, o.features, o.run, o.seed, o.steps, seconds]
            writer.writerow([*start, *(o.scores.get(n) for n in names), *paper, o.error])
    return buffer.getvalue()
