"""One table, shown in a terminal, as Markdown and as HTML; plain CSV is in `csv_tables`.

A step returns numbers; its command or view builds one `Table` from them and picks the format. Text
is escaped in every format, since names of projects and methods may hold any character.

The terminal uses rich. pandas' Styler was tried (docs/decisions): a name is markup in its HTML; a
cell has no second line; there is no terminal and no Markdown; and importing pandas takes a second.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from la2ds_cli.core.untrusted_text import printable

if TYPE_CHECKING:
    from markupsafe import Markup
    from rich.table import Table as RichTable
    from rich.text import Text


@dataclass(frozen=True)
class Cell:
    """One cell. text: a figure or a text. spread: follows the figure, in a smaller size if the
    format has sizes. below: smaller lines below it. rank: 1 for the best of its column, 2 for the
    second, 0 for the others."""

    text: str
    spread: str = ""
    below: tuple[str, ...] = ()
    rank: int = 0

    def __str__(self) -> str:
        return f"{self.text} {self.spread}" if self.spread else self.text


@dataclass(frozen=True)
class Column:
    """One column. group: a heading above adjacent columns that share it. kind: `name` heads the
    row, `text` is left-aligned, `number` right-aligned. bold: in a terminal. wrap: text may take
    several lines in a terminal. hidden: the heading is for screen readers alone."""

    heading: str
    group: str = ""
    kind: Literal["name", "text", "number"] = "number"
    bold: bool = False
    wrap: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class Row:
    """One row. quiet: less important, such as a baseline, and set apart."""

    cells: Sequence[Cell]
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    columns: Sequence[Column]
    rows: Sequence[Row]

    def groups(self) -> list[tuple[str, int]]:
        """Headings above the columns ("" = none), and the number of adjacent columns of each."""
        return [(name, len(list(same))) for name, same in groupby(c.group for c in self.columns)]


def terminal(table: Table) -> RichTable:
    """The table for rich. Numbers are never cut off; `below` is shown under the figure."""
    from rich.table import Table as RichTable

    shown = RichTable(box=None, pad_edge=False)
    for column in table.columns:
        heading = "" if column.hidden else column.heading
        if column.wrap:
            shown.add_column(_shown(heading), overflow="fold", min_width=12)
        else:
            shown.add_column(
                _shown(f"{column.group}\n{heading}" if column.group else heading),
                justify="right" if column.kind == "number" else "left",
                style="bold" if column.bold else None,
                no_wrap=True,
            )
    for row in table.rows:
        cells = (_shown("\n".join([printable(str(cell)), *cell.below])) for cell in row.cells)
        shown.add_row(*cells, style="dim" if row.quiet else None)
    return shown


def _shown(text: str) -> Text:
    from rich.text import Text  # a plain str would be markup: a name `[b]` would vanish

    return Text("\n".join(map(printable, text.split("\n"))))


def md(text: str) -> str:
    """Plain text escaped for Markdown; an underscore within a word needs no escape."""
    return re.sub(r"([\\`*|<>\[\]])", r"\\\1", " ".join(text.split()))


def markdown(table: Table) -> list[str]:
    """Lines of a pipe table; the best is bold, the second and quiet names are in italics."""
    head = ["" if c.hidden else md(c.heading) for c in table.columns]
    above = [f"{md(c.group)}<br>" if c.group else "" for c in table.columns]
    rule = ["---:" if c.kind == "number" else "---" for c in table.columns]
    lines = [[f"{group}{name}" for group, name in zip(above, head, strict=True)], rule]
    for row in table.rows:
        cells = []
        for column, cell in zip(table.columns, row.cells, strict=True):
            mark = "*" if row.quiet and column.kind == "name" else ("", "**", "*")[cell.rank]
            cells.append("<br>".join([f"{mark}{md(str(cell))}{mark}", *map(md, cell.below)]))
        lines.append(cells)
    return [f"| {' | '.join(cells)} |" for cells in lines]


def html(table: Table) -> Markup:
    """A table element, escaped, for a template. Columns without a group come first."""
    from markupsafe import Markup

    heads = [c for c in table.columns if not c.group]
    rows = 2 if len(heads) < len(table.columns) else 1
    span = ' rowspan="2"' if rows == 2 else ""
    top = "".join(
        f'<th{span} scope="col"{_class("number" * (c.kind == "number"))}>{_html_heading(c)}</th>'
        for c in heads
    )
    top += "".join(
        f'<th scope="colgroup" class="group" colspan="{count}">{escape(name)}</th>'
        for name, count in table.groups()
        if name
    )
    begins = _begins_group(table)
    below = "".join(
        f'<th scope="col" class="number{" first" * first}">{_html_heading(column)}</th>'
        for column, first in zip(table.columns, begins, strict=True)
        if column.group
    )
    body = "".join(
        f"<tr{_class('baseline' * row.quiet)}>"
        + "".join(map(_html_cell, table.columns, row.cells, begins))
        + "</tr>"
        for row in table.rows
    )
    head = f"<tr>{top}</tr>" + (f"<tr>{below}</tr>" if below else "")
    return Markup(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _html_heading(column: Column) -> str:
    heading = escape(" ".join(column.heading.split()))
    return f'<span class="hidden">{heading}</span>' if column.hidden else heading


def _begins_group(table: Table) -> list[bool]:
    """Whether each column is the first of a group."""
    return [n == 0 and bool(name) for name, count in table.groups() for n in range(count)]


def _html_cell(column: Column, cell: Cell, first: bool) -> str:
    shown = escape(str(cell))
    shown = (shown, f"<b>{shown}</b>", f"<u>{shown}</u>")[cell.rank]
    shown += "".join(f'<span class="hint">{escape(line)}</span>' for line in cell.below)
    if column.kind == "name":
        return f'<th scope="row">{shown}</th>'
    kind = "soft" if column.kind == "text" else "number" + " first" * first
    return f'<td class="{kind}">{shown}</td>'
