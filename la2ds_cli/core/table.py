"""One table, shown in a terminal, as Markdown, as LaTeX and as HTML; plain CSV is in `csv_tables`.

A step returns numbers; its command or view builds one `Table` from them and picks the format. Text
is escaped in every format, since names of projects and methods may hold any character.

The terminal uses rich. pandas' Styler was tried (docs/decisions): it does not escape headings, so
that `10 %` comments out its line of LaTeX and a name is markup in HTML; a cell has no second line;
there is no terminal and no Markdown; and importing pandas takes a second.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from la2ds_cli.core.untrusted_text import printable

if TYPE_CHECKING:
    from markupsafe import Markup
    from rich.table import Table as RichTable
    from rich.text import Text

# Points, in Computer Modern: the text width of a one-column article, a character of \footnotesize
# and of \scriptsize, and the space beside a column.
LATEX_TEXT = 345.0
_CHAR, _SMALL_CHAR, _SEP = 4.4, 3.9, 4.0
_TEX = {
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


def tex(text: str) -> str:
    """Plain text escaped for LaTeX, on one line."""
    return "".join(_TEX.get(char, char) for char in " ".join(text.split()))


def latex_widths(table: Table) -> list[float]:
    """Width of each column in points, with the space beside it and without its group."""
    return [
        2 * _SEP
        + max(
            _CHAR * len(column.heading),
            *(_points(row.cells[n]) for row in table.rows),
        )
        for n, column in enumerate(table.columns)
    ]


def _points(cell: Cell) -> float:
    figure = _CHAR * len(cell.text) + _SMALL_CHAR * len(cell.spread)
    return max(figure, _SMALL_CHAR * len(" ".join(cell.below)))


def latex(table: Table, label: str, caption: str) -> list[str]:
    """Lines of a table environment, which needs booktabs; a rule precedes the quiet rows.

    label: without `tab:`. caption: plain text.
    """
    letters = "".join("r" if column.kind == "number" else "l" for column in table.columns)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{tex(caption)}}}",
        rf"\label{{tab:{label}}}",
        r"\medskip",
        r"\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{_SEP:g}pt}}",
        # In a box of the width of the text, so that a wider table is centred as well.
        rf"\makebox[\linewidth]{{\begin{{tabular}}{{{letters}}}",
        r"\toprule",
        *_latex_head(table),
        r"\midrule",
    ]
    quiet = False
    for n, row in enumerate(table.rows):
        if row.quiet and not quiet:
            quiet = True
            lines.append(r"\midrule")
        elif n:
            lines.append(r"\addlinespace[2pt]")
        lines.append(_latex_row(map(_latex_cell, row.cells)))
        below = [_small(" ".join(cell.below)) for cell in row.cells]
        if any(below):
            lines.append(_latex_row(below))
    return [*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}"]


def _latex_head(table: Table) -> list[str]:
    """Lines of the header: groups with a rule below each, then the headings of the columns."""
    groups, rules, column_index = [], [], 0
    widths = latex_widths(table)
    for name, count in table.groups():
        if name:
            width = sum(widths[column_index : column_index + count]) - 2 * _SEP
            groups.append(rf"\multicolumn{{{count}}}{{c}}{{{_stacked(name, width)}}}")
            rules.append(rf"\cmidrule(lr){{{column_index + 1}-{column_index + count}}}")
        else:
            groups += [""] * count
        column_index += count
    headings = _latex_row(tex(column.heading) for column in table.columns)
    return [_latex_row(groups), " ".join(rules), headings] if rules else [headings]


def _stacked(name: str, width: float) -> str:
    """A name wrapped at spaces to lines of at most `width` points, so that it widens no column."""
    lines = textwrap.wrap(name, max(int(width / _CHAR), 1), break_long_words=False)
    stack = r" \\ ".join(map(tex, lines))
    return rf"\shortstack{{{stack}}}" if len(lines) > 1 else stack


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_cell(cell: Cell) -> str:
    mark = ("", r"\textbf", r"\underline")[cell.rank]
    figure = f"{mark}{{{tex(cell.text)}}}" if mark else tex(cell.text)
    return f"{figure} {_small(cell.spread)}" if cell.spread else figure


def _small(text: str) -> str:
    # In braces, because a line of a table that begins with a bracket is read as a length.
    return rf"{{\scriptsize {tex(text)}}}" if text else ""
