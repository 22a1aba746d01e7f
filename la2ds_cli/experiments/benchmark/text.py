"""A benchmark in words: for a terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from la2ds_cli.experiments.benchmark.layout import MEAN, Cell, Column, Line, TaskTable, layout
from la2ds_cli.experiments.benchmark.notes import all_notes
from la2ds_cli.experiments.benchmark.result import BenchmarkResult
from la2ds_cli.experiments.reproduce.text import narrow_table

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 80  # of a terminal
FEW = 3
GROUPS = 3  # of columns that a page takes side by side
HOW_TO_READ = (
    "Mean over seeds ± their standard deviation (n - 1); in brackets the 95 % interval of the mean "
    "over the scored clips, which knows nothing of seeds. Best method in bold, second underlined "
    "(Markdown: in italics); baselines are not ranked."
)


def screen_tables(result: BenchmarkResult) -> list[tuple[str, RenderableType]]:
    """For a terminal of 80 columns: title and table, as many groups side by side as it takes. Of
    more than FEW projects the mean alone."""
    found = []
    for table in layout(result):
        names = [name for name, _ in table.groups()]
        if MEAN in names and len(result.projects) > FEW:
            names = names[len(result.projects) :]
        room = WIDTH - max(len(line.label) for line in table.lines)
        for part in table.fitting(names, room, _width):
            header = ["", *(f"{_short(c.group)}\n{c.heading}" for c in part.columns)]
            rows = [
                ([line.label, *(cell.shown() for cell in line.cells)], "dim" * line.baseline)
                for line in part.lines
            ]
            found.append((table.title, narrow_table(header, rows)))
    return found


def _width(group: TaskTable) -> int:
    """Characters that the columns of a group need, with the space before each."""
    return sum(
        2
        + max(
            len(_short(column.group)),
            len(column.heading),
            *(len(line.cells[n].shown()) for line in group.lines),
        )
        for n, column in enumerate(group.columns)
    )


def _short(name: str) -> str:
    """So that a number and not the name of its project decides the width of a column."""
    name = {MEAN: "mean"}.get(name, re.sub(r"^in the paper: ", "paper, ", name))
    return name if len(name) <= 13 else f"{name[:12]}…"


def facts(result: BenchmarkResult) -> list[tuple[str, str]]:
    """What the numbers refer to, as pairs of words; the budget comes first."""
    shown = [(key, plain(value)) for key, value in result.facts.items() if value not in ([], None)]
    for project in result.projects:
        about = project.table.facts
        if about:
            split = "test clips" if about["split"] == "test" else "clips, no test split"
            phases = ", ".join(about["phases"]) or "none"
            text = f"{about['clips']} {split}; phases: {phases}; events: {about['events']}"
            shown.append((project.table.name, text))
    return shown


def definitions(result: BenchmarkResult) -> list[tuple[str, str]]:
    """The words of the protocol, of the first project that was scored."""
    scored = (p.table.facts for p in result.projects if p.table.facts)
    protocol: Mapping[str, Any] = next(scored, {}).get("protocol", {})
    words = {**protocol, **protocol.get("features", {})}
    return [(key, text) for key, text in words.items() if isinstance(text, str)]


def plain(value: Any) -> str:
    """A setting or fact in one line."""
    if isinstance(value, dict):
        return "; ".join(f"{key} = {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def markdown(result: BenchmarkResult) -> str:
    """Tables, notes, facts and definitions."""
    lines = [f"# {md(result.title)}", "", f"Budget: {md(plain(result.facts['budget']))}.", ""]
    for table in layout(result):
        lines += [f"## {md(table.title)}", ""]
        for part in table.parts(GROUPS):
            lines += [*_md_table(part), ""]
    lines += [HOW_TO_READ, "", "## Notes", ""]
    lines += [f"- {md(text)}" for text in all_notes(result)]
    lines += ["", "## Facts", "", *(f"- {md(key)}: {md(text)}" for key, text in facts(result))]
    words = definitions(result)
    if words:
        lines += ["", "## Definitions", "", *(f"- {md(key)}: {md(text)}" for key, text in words)]
    return "\n".join(lines).rstrip() + "\n"


def md(text: str) -> str:
    """Plain text in Markdown; an underscore within a word needs no sign before it."""
    return re.sub(r"([\\`*|<>\[\]])", r"\\\1", " ".join(text.split()))


def _md_table(part: TaskTable) -> list[str]:
    head = ["method", "input", *(f"{md(c.group)}<br>{md(c.heading)}" for c in part.columns)]
    lines = [_md_line(head), _md_line(["---", "---", *["---:"] * len(part.columns)])]
    for line in part.lines:
        label = f"*{md(line.label)}*" if line.baseline else md(line.label)
        lines.append(_md_line([label, md(line.reads), *map(_md_cell, line.cells)]))
    return lines


def _md_line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _md_cell(cell: Cell) -> str:
    mark = ("", "**", "*")[cell.rank]
    parts = [f"{mark}{cell.shown()}{mark}", md(cell.shown_interval())]
    parts.append(f"({cell.shown_paper()})" if cell.paper is not None else "")
    return "<br>".join(part for part in parts if part)


def csv_table(result: BenchmarkResult) -> str:
    """One line for each figure, not rounded: its table, row and column, mean and spread over seeds,
    interval, number of seeds, and the paper's figure where it may be compared."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    head = ["table", "row", "label", "input", "baseline", "columns", "metric"]
    writer.writerow([*head, "mean", "spread", "low", "high", "runs", "paper"])
    for table in layout(result):
        for part in table.parts(1):
            for line in part.lines:
                for column, cell in zip(part.columns, line.cells, strict=True):
                    if cell.value is not None:
                        writer.writerow(_csv_line(table, line, column, cell))
    return buffer.getvalue()


def _csv_line(table: TaskTable, line: Line, column: Column, cell: Cell) -> list[Any]:
    start = [table.name, line.name, line.label, line.reads, int(line.baseline)]
    ends = cell.interval or (None, None)
    figures = [cell.value, cell.spread, *ends, cell.runs, cell.paper]
    return [*start, column.group, column.metric, *figures]
