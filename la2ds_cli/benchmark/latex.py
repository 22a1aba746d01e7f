"""A benchmark as LaTeX tables; they need the package booktabs."""

from __future__ import annotations

from la2ds_cli.benchmark.layout import Cell, TaskTable, layout
from la2ds_cli.benchmark.notes import all_notes
from la2ds_cli.benchmark.result import BenchmarkResult
from la2ds_cli.benchmark.text import GROUPS

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
}


def tex(text: str) -> str:
    """Plain text in LaTeX, on one line."""
    return "".join(_SIGNS.get(sign, sign) for sign in " ".join(text.split()))


def latex(result: BenchmarkResult) -> str:
    """One table environment for each task, in parts of at most GROUPS projects."""
    lines = ["% \\usepackage{booktabs}", f"% {result.title}; {result.facts['budget']}"]
    lines = [" ".join(line.split()) for line in lines]
    for table in layout(result):
        for number, part in enumerate(table.parts(GROUPS)):
            lines += ["", *_table(result, part, number)]
    lines += ["", "% Notes:", *(f"% - {' '.join(text.split())}" for text in all_notes(result))]
    return "\n".join(lines) + "\n"


def _table(result: BenchmarkResult, part: TaskTable, number: int) -> list[str]:
    label = f"tab:{result.name}-{part.name}" + (f"-{number + 1}" if number else "")
    caption = f"{tex(part.title)}. {tex(result.facts['budget'])}."
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{ll{'r' * len(part.columns)}}}",
        r"\toprule",
        *_head(part),
        r"\midrule",
    ]
    baselines = False
    for line in part.lines:
        if line.baseline and not baselines:
            baselines = True
            lines.append(r"\midrule")
        lines.append(_row([tex(line.label), tex(line.reads), *map(_cell, line.cells)]))
        small = [_small(cell) for cell in line.cells]
        if any(small):
            lines.append(_row(["", "", *small]))
    return [*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]


def _head(part: TaskTable) -> list[str]:
    """Names of the groups above the headings of their columns, with a rule below each group."""
    groups, rules, place = ["", ""], [], 3
    for name, width in part.groups():
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{tex(name)}}}")
        rules.append(rf"\cmidrule(lr){{{place}-{place + width - 1}}}")
        place += width
    headings = ["method", "input", *(tex(column.heading) for column in part.columns)]
    return [_row(groups), " ".join(rules), _row(headings)]


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    mark = ("", r"\textbf", r"\underline")[cell.rank]
    return f"{mark}{{{tex(cell.shown())}}}" if mark else tex(cell.shown())


def _small(cell: Cell) -> str:
    """Interval and the paper's figure, on the line below."""
    words = " ".join(part for part in (cell.shown_interval(), cell.shown_paper()) if part)
    # In braces: a line of a table that begins with a bracket is taken for a length.
    return rf"{{\scriptsize {tex(words)}}}" if words else ""
