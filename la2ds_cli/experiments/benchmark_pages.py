"""A benchmark for a terminal and as Markdown, CSV, LaTeX, HTML and JSON, with its notes."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.core import artifact
from la2ds_cli.experiments.ablation_table import narrow_table
from la2ds_cli.experiments.benchmark_tables import (
    MEAN,
    Cell,
    Column,
    Line,
    TaskTable,
    all_notes,
    layout,
)
from la2ds_cli.experiments.result import SCHEMA_VERSION, BenchmarkResult
from la2ds_cli.views.report.page import Html, items, page
from la2ds_cli.views.report.page import text as escape

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


# Points, in Computer Modern: the text of an article of one column, a sign of \footnotesize and of
# \scriptsize, and the space beside a column.
TEXT = 345.0
_SIGN, _SMALL_SIGN, _SEP = 4.4, 3.9, 4.0

_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "–": "--",
    "−": "$-$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≈": r"$\approx$",
}


def tex(text: str) -> str:
    """Plain text in LaTeX, on one line."""
    return "".join(_SIGNS.get(sign, sign) for sign in " ".join(text.split()))


def latex(result: BenchmarkResult) -> str:
    """One table environment for each task, in parts of as many groups of columns as fit."""
    lines = ["% \\usepackage{booktabs}", f"% {result.title}; {result.facts['budget']}"]
    lines = [" ".join(line.split()) for line in lines]
    for table in layout(result):
        for number, part in enumerate(_parts(table)):
            lines += ["", *_table(result, part, number)]
    lines += ["", "% Notes:", *(f"% - {' '.join(text.split())}" for text in all_notes(result))]
    return "\n".join(lines) + "\n"


def _parts(table: TaskTable) -> Iterator[TaskTable]:
    """Parts of a table that are no wider than TEXT, of one group of columns or more."""
    room = TEXT - sum(
        2 * _SEP + _SIGN * max(map(len, words))
        for words in (
            ["method", *(line.label for line in table.lines)],
            ["input", *(line.reads for line in table.lines)],
        )
    )
    names = [name for name, _ in table.groups()]
    return table.fitting(names, room, lambda group: sum(_widths(group)))


def _widths(part: TaskTable) -> list[float]:
    """Points that each column takes with the space beside it; the names above it do not count."""
    return [
        2 * _SEP
        + max(
            _SIGN * len(column.heading),
            *(_points(line.cells[n]) for line in part.lines),
        )
        for n, column in enumerate(part.columns)
    ]


def _points(cell: Cell) -> float:
    value, spread = _figure(cell)
    return max(_SIGN * len(value) + _SMALL_SIGN * len(spread), _SMALL_SIGN * len(_below(cell)))


def _table(result: BenchmarkResult, part: TaskTable, number: int) -> list[str]:
    label = f"tab:{result.name}-{part.name}" + (f"-{number + 1}" if number else "")
    caption = f"{tex(part.title)}. {tex(result.facts['budget'])}."
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        r"\medskip",
        r"\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{_SEP:g}pt}}",
        # In a box of the width of the text, in the middle of which a wider table stands as well.
        rf"\makebox[\linewidth]{{\begin{{tabular}}{{ll{'r' * len(part.columns)}}}",
        r"\toprule",
        *_head(part),
        r"\midrule",
    ]
    baselines = False
    for n, line in enumerate(part.lines):
        if line.baseline and not baselines:
            baselines = True
            lines.append(r"\midrule")
        elif n:
            lines.append(r"\addlinespace[2pt]")
        lines.append(_row([tex(line.label), tex(line.reads), *map(_cell, line.cells)]))
        small = [_small(_below(cell)) for cell in line.cells]
        if any(small):
            lines.append(_row(["", "", *small]))
    return [*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}"]


def _head(part: TaskTable) -> list[str]:
    """Names of the groups above the headings of their columns, with a rule below each group."""
    groups, rules, place = ["", ""], [], 3
    widths = _widths(part)
    for name, count in part.groups():
        room = sum(widths[place - 3 : place - 3 + count]) - 2 * _SEP
        groups.append(rf"\multicolumn{{{count}}}{{c}}{{{_stacked(name, room)}}}")
        rules.append(rf"\cmidrule(lr){{{place}-{place + count - 1}}}")
        place += count
    headings = ["method", "input", *(tex(column.heading) for column in part.columns)]
    return [_row(groups), " ".join(rules), _row(headings)]


def _stacked(name: str, room: float) -> str:
    """A name in lines of at most `room` points where it has spaces, so that it widens no column."""
    lines = textwrap.wrap(name, max(int(room / _SIGN), 1), break_long_words=False)
    stack = r" \\ ".join(map(tex, lines))
    return rf"\shortstack{{{stack}}}" if len(lines) > 1 else stack


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    mark = ("", r"\textbf", r"\underline")[cell.rank]
    value, spread = _figure(cell)
    figure = f"{mark}{{{tex(value)}}}" if mark else tex(value)
    return f"{figure} {_small(spread)}" if spread else figure


def _figure(cell: Cell) -> tuple[str, str]:
    """`91.23` and `±0.40`."""
    value, _, spread = cell.shown().partition(" ")
    return value, spread


def _below(cell: Cell) -> str:
    """Interval and the paper's figure, which stand on the line below."""
    return " ".join(part for part in (cell.shown_interval(), cell.shown_paper()) if part)


def _small(words: str) -> str:
    # In braces: a line of a table that begins with a bracket is taken for a length.
    return rf"{{\scriptsize {tex(words)}}}" if words else ""


def html_page(result: BenchmarkResult) -> bytes:
    """Tables, notes, facts and definitions; every name is text in it."""
    tables = layout(result)
    return page(
        "benchmark.html",
        f"{result.title} · la2ds",
        styles=["benchmark.css"],
        package=__package__ or "la2ds_cli.experiments",
        heading=escape(result.title),
        budget=escape(f"Budget: {result.facts['budget']}."),
        links=" · ".join(f'<a href="#{escape(t.name)}">{escape(t.title)}</a>' for t in tables),
        tables="".join(map(_html_section, tables)),
        how=escape(HOW_TO_READ.replace(" (Markdown: in italics)", "")),
        notes=items([escape(note) for note in all_notes(result)]),
        facts=_pairs(facts(result)),
        definitions=_pairs(definitions(result)),
    )


def _html_section(table: TaskTable) -> Html:
    name = escape(table.name)
    return (
        f'<section class="card" aria-labelledby="{name}"><h2 id="{name}">{escape(table.title)}</h2>'
        f'<div class="wide" tabindex="0" role="region" aria-labelledby="{name}">'
        f"{_html_table(table)}</div></section>"
    )


def _html_table(table: TaskTable) -> Html:
    first = _first_columns(table)
    groups = "".join(
        f'<th scope="colgroup" class="group" colspan="{width}">{escape(name)}</th>'
        for name, width in table.groups()
    )
    headings = "".join(
        f'<th scope="col" class="number{" first" * first[n]}">{escape(column.heading)}</th>'
        for n, column in enumerate(table.columns)
    )
    body = "".join(_html_line(line, first) for line in table.lines)
    return (
        '<table><thead><tr><th rowspan="2" scope="col">method</th>'
        f'<th rowspan="2" scope="col">input</th>{groups}</tr><tr>{headings}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _first_columns(table: TaskTable) -> list[bool]:
    """Which columns begin a group."""
    return [first for _, width in table.groups() for first in (True, *[False] * (width - 1))]


def _html_line(line: Line, first: list[bool]) -> Html:
    cells = "".join(
        _html_cell(cell, begins) for cell, begins in zip(line.cells, first, strict=True)
    )
    kind = ' class="baseline"' if line.baseline else ""
    head = f'<th scope="row">{escape(line.label)}</th><td class="soft">{escape(line.reads)}</td>'
    return f"<tr{kind}>{head}{cells}</tr>"


def _html_cell(cell: Cell, first: bool) -> Html:
    shown = escape(cell.shown())
    shown = (shown, f"<b>{shown}</b>", f"<u>{shown}</u>")[cell.rank]
    small = "".join(
        f'<span class="hint">{escape(words)}</span>'
        for words in (cell.shown_interval(), cell.shown_paper())
        if words
    )
    return f'<td class="number{" first" * first}">{shown}{small}</td>'


def _pairs(pairs: Iterable[tuple[str, str]]) -> Html:
    found = "".join(f"<dt>{escape(key)}</dt><dd>{escape(words)}</dd>" for key, words in pairs)
    return f"<dl>{found}</dl>" if found else ""


def document(result: BenchmarkResult) -> dict[str, Any]:
    """The JSON document: rows and runs of every project, and the tables as they are shown."""
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": result.name,
        "title": result.title,
        "facts": result.facts,
        "projects": [p.table.to_json() for p in result.projects],
        "tables": [table.to_json() for table in layout(result)],
        "notes": all_notes(result),
    }


def write_benchmark(result: BenchmarkResult, folder: Path) -> list[Path]:
    """Write NAME.md, .csv, .tex, .html and .json; returns their paths."""
    paths = [folder / f"{result.name}{end}" for end in (".md", ".csv", ".tex", ".html", ".json")]
    artifact.write_text(paths[0], markdown(result))
    artifact.write_text(paths[1], csv_table(result))
    artifact.write_text(paths[2], latex(result))
    artifact.write_bytes(paths[3], html_page(result))
    artifact.write_json(paths[4], document(result))
    return paths
