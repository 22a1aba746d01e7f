"""One table, shown in a terminal and as Markdown; plain CSV is in `csv_tables`.

A step returns numbers; its command or view builds one `Table` from them and picks the format. Text
is escaped in every format, since names of projects and methods may hold any character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from la2ds_cli.core.untrusted_text import printable

if TYPE_CHECKING:
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
    several lines in a terminal."""

    heading: str
    group: str = ""
    kind: Literal["name", "text", "number"] = "number"
    bold: bool = False
    wrap: bool = False


@dataclass(frozen=True)
class Row:
    """One row. quiet: less important, such as a baseline, and set apart."""

    cells: Sequence[Cell]
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    columns: Sequence[Column]
    rows: Sequence[Row]


def terminal(table: Table) -> RichTable:
    """The table for rich. Numbers are never cut off; `below` is shown under the figure."""
    from rich.table import Table as RichTable

    shown = RichTable(box=None, pad_edge=False)
    for column in table.columns:
        if column.wrap:
            shown.add_column(_shown(column.heading), overflow="fold", min_width=12)
        else:
            shown.add_column(
                _shown("\n".join(filter(None, [column.group, column.heading]))),
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
    head = [md(c.heading) for c in table.columns]
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
