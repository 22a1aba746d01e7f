"""A benchmark as LaTeX tables, which fit the text of the class article; they need booktabs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from la2ds_cli.experiments.benchmark.layout import Cell, TaskTable, layout
from la2ds_cli.experiments.benchmark.notes import all_notes
from la2ds_cli.experiments.benchmark.result import BenchmarkResult

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
