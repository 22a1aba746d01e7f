"""A table of `reproduce` for a terminal, as Markdown and as CSV."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.table import Cell, Column, Row, Table, md
from la2ds_cli.core.table import markdown as md_table
from la2ds_cli.experiments.ablations import PAPER_DATA
from la2ds_cli.experiments.metrics import HEADLINE, METRICS, Metric
from la2ds_cli.experiments.result import Outcome, ResultRow, TableResult

THEIRS = "  in the paper"


def shown_metrics(result: TableResult) -> list[Metric]:
    """The metrics that at least one row has, or that the paper reports."""
    rows = [*result.rows, *result.baselines]
    return [m for m in METRICS if any(row.values(m.name) or m.name in row.paper for row in rows)]


def shown_table(result: TableResult, *, full: bool = False) -> Table:
    """A line for each row, with the figures of the paper below it; for a terminal of 80 columns.

    full: for a page, with long headings, steps and seconds.
    """
    metrics = shown_metrics(result)
    headings = [m.label if full else m.short for m in metrics]
    if metrics:
        headings.insert(1, "95 %")
    if full:
        headings += ["steps", "seconds"]
    rows = []
    for row in (*result.rows, *result.baselines):
        figures = [_mean(row.values(m.name), m.digits) for m in metrics]
        if metrics:
            figures.insert(1, _interval(row))
        rows.append(Row([Cell(text) for text in [row.label, *figures, *_cost(row)[: 2 * full]]]))
        if row.paper:
            figures = [m.shown(row.paper[m.name]) if m.name in row.paper else "" for m in metrics]
            texts = [THEIRS, *figures[:1], "", *figures[1:], *[""] * (2 * full)]
            rows.append(Row([Cell(text) for text in texts], quiet=True))
    return Table([Column("", kind="name", wrap=True), *map(Column, headings)], rows)


def _interval(row: ResultRow) -> str:
    """The interval of the headline, of the only run that has one."""
    known = [o.interval for o in row.outcomes if o.interval is not None]
    return f"{known[0][0]:.2f}–{known[0][1]:.2f}" if len(known) == 1 else ""


def _mean(values: Sequence[float], digits: int) -> str:
    """Mean over the runs with its standard deviation, or a dash."""
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ±{statistics.stdev(values):.{digits}f}"


def _cost(row: ResultRow) -> list[str]:
    """Steps and seconds of training, empty if nothing was trained."""
    done = [o for o in row.outcomes if o.seed is not None and not o.error]
    seconds = [None if o.seconds is None else round(o.seconds) for o in done]
    return [_range([o.steps for o in done]), _range(seconds)] if done else ["", ""]


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
    """What the table itself does not say: rows left out, runs that failed or collapsed, unequal
    budgets, warnings."""
    sentences = [f"{row.label}: {row.note}" for row in result.rows if row.note]
    sentences += [f"{o.run}: {o.error}" for o in result.failures()]
    sentences += result.collapses()
    if len({o.steps for o in _trained(result)}) > 1:
        sentences.append(
            "the runs had the same time but not the same number of steps; "
            "--set train.steps=N gives all of them N"
        )
    return [*sentences, *result.warnings]


def markdown(result: TableResult) -> str:
    """The table with the command's settings, its definitions and notes."""
    lines = [f"# {_heading(result)}", "", *md_table(shown_table(result, full=True))]
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
    lines += [f"- {key}: {plain(value)}" for key, value in facts.items()]
    lines += [f"- note: {text}" for text in notes(result)]
    lines += ["", *definitions(result.facts.get("protocol", {}))]
    return "\n".join(lines).rstrip() + "\n"


def definitions(protocol: Mapping[str, Any]) -> list[str]:
    """Sentences of the protocol; its individual choices are in the JSON document."""
    every = {**protocol, **protocol.get("features", {})}
    lines = [f"- {key}: {md(text)}" for key, text in every.items() if isinstance(text, str)]
    return ["## Definitions", "", *lines] if lines else []


def _heading(result: TableResult) -> str:
    number = result.name.removeprefix("table")
    return result.title if number == result.name else f"{result.title} (paper, Table {number})"


def _label(name: str) -> str:
    return next(metric.label for metric in METRICS if metric.name == name)


def plain(value: Any) -> str:
    """A setting or fact on one line."""
    if isinstance(value, dict):
        return "; ".join(f"{key} = {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value)) or "none"
    return "none" if value is None else str(value)


def table_csv(result: TableResult) -> str:
    """One line per run: row, run, seed, steps, seconds, metrics, the interval of the headline, the
    paper's figures, error."""
    names = [metric.name for metric in METRICS]
    head = ["table", "row", "features", "run", "seed", "steps", "seconds", *names]
    head += [f"{HEADLINE}_low", f"{HEADLINE}_high", *(f"paper_{name}" for name in names), "error"]
    lines = []
    for row in (*result.rows, *result.baselines):
        for o in row.outcomes:
            seconds = None if o.seconds is None else round(o.seconds, 1)
            line = [result.name, row.name, o.features, o.run, o.seed, o.steps, seconds]
            line += [*(o.scores.get(name) for name in names), *(o.interval or (None, None))]
            lines.append([*line, *(row.paper.get(name) for name in names), o.error])
    return table_text(head, lines)


def write_table(result: TableResult, folder: Path) -> list[Path]:
    """Write NAME.md, NAME.csv and NAME.json; returns their paths."""
    paths = [folder / f"{result.name}{suffix}" for suffix in (".md", ".csv", ".json")]
    artifact.write_text(paths[0], markdown(result))
    artifact.write_text(paths[1], table_csv(result))
    artifact.write_json(paths[2], result.to_json())
    return paths
