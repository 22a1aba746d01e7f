"""A table for the terminal and for Markdown; CSV is in `csv_tables`.

A step returns numbers; its command or view builds one `Table` from them and picks the format. Text
is escaped in every format, since names of projects and methods may hold any character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

# Control characters, characters that change the direction of text or end a line, and bytes of file
# names that are not UTF-8: these could move the cursor, recolour or forge a line, or stop output.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return text of any origin for one line of a terminal: unsafe characters become escapes such
    as `\\x1b` or `\\n`."""
    return UNSAFE.sub(lambda match: _escape(match[0]), text)


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file name
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]


class Cell(NamedTuple):
    """A cell. below: lines below the text. mark: emphasis in Markdown, `**` or `*`; a row whose
    first cell has a mark is less important, such as a baseline, and dim in a terminal."""

    text: str
    below: Sequence[str] = ()
    mark: str = ""


class Column(NamedTuple):
    """A column. left: align left, not right like numbers. bold: in a terminal. wrap: text may take
    several lines in a terminal."""

    heading: str
    left: bool = False
    bold: bool = False
    wrap: bool = False


class Table(NamedTuple):
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


def terminal(table: Table) -> RichTable:
    """Return the table for rich. Numbers are never cut off."""
    from rich.table import Table as RichTable

    shown = RichTable(box=None, pad_edge=False)
    for column in table.columns:
        shown.add_column(
            _shown(column.heading.split("\n")),
            justify="left" if column.left else "right",
            style="bold" if column.bold else None,
            no_wrap=not column.wrap,
            overflow="fold",
            min_width=12 if column.wrap else None,
        )
    for row in table.rows:
        cells = (_shown([cell.text, *cell.below]) for cell in row)
        shown.add_row(*cells, style="dim" if row[0].mark else None)
    return shown


def _shown(lines: Sequence[str]) -> Text:
    from rich.text import Text  # a plain str would be markup: a name `[b]` would vanish

    return Text("\n".join(map(printable, lines)))


def md(text: str) -> str:
    """Escape plain text for Markdown; an underscore within a word needs no escape."""
    return re.sub(r"([\\`*|<>\[\]])", r"\\\1", " ".join(text.split()))


def markdown(table: Table) -> list[str]:
    """Return the lines of a pipe table; a mark is only on the text of a cell."""
    lines = [
        [md(column.heading) for column in table.columns],
        ["---" if column.left else "---:" for column in table.columns],
    ]
    for row in table.rows:
        lines.append(
            ["<br>".join([f"{c.mark}{md(c.text)}{c.mark}", *map(md, c.below)]) for c in row]
        )
    return [f"| {' | '.join(cells)} |" for cells in lines]
