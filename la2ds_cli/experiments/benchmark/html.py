"""A benchmark as one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable

from la2ds_cli.experiments.benchmark.layout import Cell, Line, TaskTable, layout
from la2ds_cli.experiments.benchmark.notes import all_notes
from la2ds_cli.experiments.benchmark.result import BenchmarkResult
from la2ds_cli.experiments.benchmark.text import HOW_TO_READ, definitions, facts
from la2ds_cli.views.report.page import Html, items, page, text


def html_page(result: BenchmarkResult) -> bytes:
    """Tables, notes, facts and definitions; every name is text in it."""
    tables = layout(result)
    return page(
        "page.html",
        f"{result.title} · la2ds",
        styles=["page.css"],
        package=__package__ or "la2ds_cli.experiments.benchmark",
        heading=text(result.title),
        budget=text(f"Budget: {result.facts['budget']}."),
        links=" · ".join(f'<a href="#{text(t.name)}">{text(t.title)}</a>' for t in tables),
        tables="".join(map(_section, tables)),
        how=text(HOW_TO_READ.replace(" (Markdown: in italics)", "")),
        notes=items([text(note) for note in all_notes(result)]),
        facts=_pairs(facts(result)),
        definitions=_pairs(definitions(result)),
    )


def _section(table: TaskTable) -> Html:
    name = text(table.name)
    return (
        f'<section class="card" aria-labelledby="{name}"><h2 id="{name}">{text(table.title)}</h2>'
        f'<div class="wide" tabindex="0" role="region" aria-labelledby="{name}">{_table(table)}'
        "</div></section>"
    )


def _table(table: TaskTable) -> Html:
    first = _first_columns(table)
    groups = "".join(
        f'<th scope="colgroup" class="group" colspan="{width}">{text(name)}</th>'
        for name, width in table.groups()
    )
    headings = "".join(
        f'<th scope="col" class="number{" first" * first[n]}">{text(column.heading)}</th>'
        for n, column in enumerate(table.columns)
    )
    body = "".join(_line(line, first) for line in table.lines)
    return (
        '<table><thead><tr><th rowspan="2" scope="col">method</th>'
        f'<th rowspan="2" scope="col">input</th>{groups}</tr><tr>{headings}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _first_columns(table: TaskTable) -> list[bool]:
    """Which columns begin a group."""
    return [first for _, width in table.groups() for first in (True, *[False] * (width - 1))]


def _line(line: Line, first: list[bool]) -> Html:
    cells = "".join(_cell(cell, begins) for cell, begins in zip(line.cells, first, strict=True))
    kind = ' class="baseline"' if line.baseline else ""
    head = f'<th scope="row">{text(line.label)}</th><td class="soft">{text(line.reads)}</td>'
    return f"<tr{kind}>{head}{cells}</tr>"


def _cell(cell: Cell, first: bool) -> Html:
    shown = text(cell.shown())
    shown = (shown, f"<b>{shown}</b>", f"<u>{shown}</u>")[cell.rank]
    small = "".join(
        f'<span class="hint">{text(words)}</span>'
        for words in (cell.shown_interval(), cell.shown_paper())
        if words
    )
    return f'<td class="number{" first" * first}">{shown}{small}</td>'


def _pairs(pairs: Iterable[tuple[str, str]]) -> Html:
    found = "".join(f"<dt>{text(key)}</dt><dd>{text(words)}</dd>" for key, words in pairs)
    return f"<dl>{found}</dl>" if found else ""
