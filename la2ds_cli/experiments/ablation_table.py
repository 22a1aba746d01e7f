"""A table of `reproduce` for a terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.core import artifact
from la2ds_cli.experiments.ablations import PAPER_DATA
from la2ds_cli.experiments.metrics import HEADLINE, METRICS, Metric
from la2ds_cli.experiments.result import Outcome, ResultRow, TableResult

if TYPE_CHECKING:
    from rich.console import RenderableType


THEIRS = "  in the paper"


def shown_metrics(result: TableResult) -> list[Metric]:
    """The metrics that some row has, or that the paper reports."""
    rows = [*result.rows, *result.baselines]
    return [m for m in METRICS if any(row.values(m.name) or m.name in row.paper for row in rows)]


def screen_table(result: TableResult) -> RenderableType:
    """For a terminal of 80 columns: a line for each row, below it the figures of the paper."""
    metrics = shown_metrics(result)
    lines: list[tuple[list[str], str]] = []
    for row in (*result.rows, *result.baselines):
        lines.append(([row.label, *_ours(row, metrics)], ""))
        if row.paper:
            lines.append(([THEIRS, *_printed(row, metrics)], "dim"))
    heading = [m.short for m in metrics]
    return narrow_table(["", heading[0], "95 %", *heading[1:]] if metrics else [""], lines)


def narrow_table(
    header: Sequence[str], lines: Iterable[tuple[Sequence[str], str]]
) -> RenderableType:
    """Numbers are kept whole, the words of the first column wrap. lines: cells and their style."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(header[0], overflow="fold", min_width=12)
    for heading in header[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    for cells, style in lines:
        table.add_row(*cells, style=style or None)
    return table


def _ours(row: ResultRow, metrics: Sequence[Metric]) -> list[str]:
    """Mean and deviation of every metric; after the first its interval, where one run has one."""
    values = [_spread(row.values(m.name), m.digits) for m in metrics]
    return [*values[:1], *([_interval(row)] if metrics else []), *values[1:]]


def _printed(row: ResultRow, metrics: Sequence[Metric]) -> list[str]:
    values = [_number(row.paper.get(m.name), m.digits) for m in metrics]
    return [*values[:1], "", *values[1:]]


def _interval(row: ResultRow) -> str:
    found = [o.interval for o in row.outcomes if o.interval is not None]
    if HEADLINE in row.intervals:
        found = [row.intervals[HEADLINE]]
    return f"{found[0][0]:.2f}–{found[0][1]:.2f}" if len(found) == 1 else ""


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ±{statistics.stdev(values):.{digits}f}"


def effort(result: TableResult) -> str:
    """Seeds, steps and seconds of the runs, as one line."""
    done = _trained(result)
    if not done:
        return "no run was trained"
    seeds = ", ".join(str(seed) for seed in sorted({o.seed for o in done if o.seed is not None}))
    steps = _range([o.steps for o in done])
    times = _range([None if o.seconds is None else round(o.seconds) for o in done])
    count = len({o.run for o in done})
    runs = "1 run" if count == 1 else f"{count} runs"
    return f"{runs}, seeds {seeds}: {steps} steps, {times} s of training"


def _trained(result: TableResult) -> list[Outcome]:
    return [o for row in result.rows for o in row.outcomes if o.seed is not None and not o.error]


def _range(values: Sequence[int | None]) -> str:
    known = sorted({value for value in values if value is not None})
    if not known:
        return "?"
    return str(known[0]) if len(known) == 1 else f"{known[0]}–{known[-1]}"


def notes(result: TableResult) -> list[str]:
    """What the table alone does not say: rows left out, runs that failed or collapsed, unequal
    budgets, warnings."""
    found = [f"{row.label}: {row.note}" for row in result.rows if row.note]
    found += [f"{o.run}: {o.error}" for o in result.failures()]
    found += result.collapses()
    if len({o.steps for o in _trained(result)}) > 1:
        found.append(
            "the runs had the same time and not the same number of steps; "
            "--set train.steps=N gives all of them N"
        )
    return [*found, *result.warnings]


def markdown(result: TableResult) -> str:
    """The table with the command's settings, its definitions and notes."""
    metrics = shown_metrics(result)
    lines = [f"# {_heading(result)}", ""]
    header = [m.label for m in metrics]
    lines += [_line(["", *header[:1], "95 %", *header[1:], "steps", "seconds"])]
    lines += [_line(["---"] * (len(header) + 4))]
    for row in (*result.rows, *result.baselines):
        done = [o for o in row.outcomes if o.seed is not None and not o.error]
        steps = _range([o.steps for o in done]) if done else ""
        times = _range([None if o.seconds is None else round(o.seconds) for o in done])
        lines.append(_line([row.label, *_ours(row, metrics), steps, times if done else ""]))
        if row.paper:
            lines.append(_line([f"*{THEIRS.strip()}*", *_printed(row, metrics), "", ""]))
    lines.append("")
    if any(row.paper for row in result.rows):
        lines += [
            f"In the paper: {PAPER_DATA}. Other data, other events: compare the rows of one "
            "source with each other.",
            "",
        ]
    lines += [
        f"± standard deviation over seeds; 95 %: of the {_label(HEADLINE)}, over the scored clips.",
        "",
    ]
    facts = {key: value for key, value in result.facts.items() if key != "protocol"}
    lines += [f"- {key}: {_plain(value)}" for key, value in facts.items()]
    lines += [f"- note: {text}" for text in notes(result)]
    lines += ["", *_definitions(result.facts.get("protocol", {}))]
    return "\n".join(lines).rstrip() + "\n"


def _definitions(protocol: Mapping[str, Any]) -> list[str]:
    """The words of the protocol; its single choices are in the JSON document."""
    words = {**protocol, **protocol.get("features", {})}
    found = [f"- {key}: {text}" for key, text in words.items() if isinstance(text, str)]
    return ["## Definitions", "", *found] if found else []


def _heading(result: TableResult) -> str:
    number = result.name.removeprefix("table")
    return result.title if number == result.name else f"{result.title} (paper, Table {number})"


def _label(name: str) -> str:
    return next(metric.label for metric in METRICS if metric.name == name)


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} = {_plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value)) or "none"
    return "none" if value is None else str(value)


def table_csv(result: TableResult) -> str:
    """One line per run: row, run, seed, steps, seconds, metrics, the interval of the headline, the
    paper's figures, error."""
    names = [metric.name for metric in METRICS]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    head = ["table", "row", "features", "run", "seed", "steps", "seconds", *names]
    ends = [f"{HEADLINE}_low", f"{HEADLINE}_high"]
    writer.writerow([*head, *ends, *(f"paper_{name}" for name in names), "error"])
    for row in (*result.rows, *result.baselines):
        paper = [row.paper.get(name) for name in names]
        for o in row.outcomes:
            seconds = None if o.seconds is None else round(o.seconds, 1)
            start = [result.name, row.name, o.features, o.run, o.seed, o.steps, seconds]
            found = [*(o.scores.get(n) for n in names), *(o.interval or (None, None))]
            writer.writerow([*start, *found, *paper, o.error])
    return buffer.getvalue()


def write_table(result: TableResult, folder: Path) -> list[Path]:
    """Write NAME.md, NAME.csv and NAME.json; returns their paths."""
    paths = [folder / f"{result.name}{suffix}" for suffix in (".md", ".csv", ".json")]
    artifact.write_text(paths[0], markdown(result))
    artifact.write_text(paths[1], table_csv(result))
    artifact.write_json(paths[2], result.to_json())
    return paths
