"""A benchmark for a terminal and as Markdown, CSV, LaTeX, HTML and JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.table import LATEX_TEXT, Cell, Column, Row, Table, html, latex_widths, md
from la2ds_cli.core.table import latex as latex_table
from la2ds_cli.core.table import markdown as md_table
from la2ds_cli.experiments.benchmark_tables import (
    MEAN,
    PREFIX,
    Figure,
    TaskTable,
    all_notes,
    layout,
)
from la2ds_cli.experiments.benchmark_winners import Winner, how_to_read, winners
from la2ds_cli.experiments.result import SCHEMA_VERSION, BenchmarkResult, ProjectResult
from la2ds_cli.views.page import render_page

WIDTH = 80  # of a terminal
FEW = 3
SPLITS = {
    "test": "test clips",
    "all": "clips, no test split",
    "people": "people, each tested by networks that were trained on others",
}
GROUPS = 3  # groups of columns side by side on a page
HOW_TO_READ = (
    "Mean over seeds ± their standard deviation (n - 1); in brackets the 95 % interval of the mean "
    "over the scored clips and the seeds. Best method in bold, second underlined (Markdown: in "
    "italics); baselines are not ranked."
)


def page_table(part: TaskTable, paper: str = "paper {}") -> Table:
    """The table for a page: what each method reads, and below each figure its interval and the
    paper's figure.

    paper: format of the paper's figure.
    """

    def cell(figure: Figure) -> Cell:
        below = [figure.shown_interval()]
        below += [] if figure.paper is None else [paper.format(figure.shown_paper())]
        value, spread = figure.shown()
        return Cell(value, spread, tuple(line for line in below if line), figure.rank)

    columns = [Column("method", kind="name"), Column("input", kind="text")]
    columns += [Column(column.heading, column.group) for column in part.columns]
    rows = [
        Row([Cell(line.label), Cell(line.reads), *map(cell, line.cells)], line.baseline)
        for line in part.lines
    ]
    return Table(columns, rows)


def winners_table(known: Sequence[Winner]) -> Table:
    """Which row is best where, with one row per figure."""
    columns = ["data", "figure", "best", "best method", "not significantly worse"]
    rows = []
    for winner in known:
        tied = "; ".join(f"{one.label} {one.value}" for one in winner.tied())
        best = Cell(f"{winner.label} {winner.value}", rank=2 if winner.baseline else 1)
        figure = PREFIX.get(winner.table, "") + winner.heading
        method = winner.best_method()
        beside = f"{method.label} {method.value} (p = {method.adjusted:.2g})" if method else ""
        texts = (winner.group, figure, beside, tied or "none")
        group, name, second, others = map(Cell, texts)
        rows.append(Row([group, name, best, second, others]))
    return Table([Column(name, kind="text") for name in columns], rows)


def winner_sentences(known: Sequence[Winner]) -> list[str]:
    """The same for a terminal, with one line per figure."""
    return [
        f"{w.group}, {PREFIX.get(w.table, '')}{w.heading}: {w.label} {w.value}; not significantly "
        f"worse: {', '.join(one.label for one in w.tied()) or 'none'}"
        for w in known
    ]


def screen_tables(result: BenchmarkResult) -> list[tuple[str, Table]]:
    """Titles and tables for a terminal of 80 columns, with as many groups side by side as fit. For
    more than FEW projects, only the mean is shown."""
    tables = []
    for table in layout(result):
        names = [name for name, _ in table.groups()]
        if MEAN in names and len(result.projects) > FEW:
            names = names[len(result.projects) :]
        room = WIDTH - max(len(line.label) for line in table.lines)
        for part in table.fitting(names, room, _width):
            tables.append((table.title, _screen_table(part)))
    return tables


def _screen_table(part: TaskTable) -> Table:
    columns = [Column("", kind="name", wrap=True)]
    columns += [Column(column.heading, _short(column.group)) for column in part.columns]
    rows = [
        Row([Cell(line.label), *(Cell(*figure.shown()) for figure in line.cells)], line.baseline)
        for line in part.lines
    ]
    return Table(columns, rows)


def _width(group: TaskTable) -> int:
    """Characters that the columns of a group need, including the space before each."""
    table = _screen_table(group)
    return sum(
        2 + max(len(column.group), len(column.heading), *(len(str(r.cells[n])) for r in table.rows))
        for n, column in enumerate(table.columns)
        if column.group
    )


def _short(name: str) -> str:
    """A short name, so that the numbers and not the project's name determine the column width."""
    name = {MEAN: "mean"}.get(name, re.sub(r"^in the paper: ", "paper, ", name))
    return name if len(name) <= 13 else f"{name[:12]}…"


def facts(result: BenchmarkResult) -> list[tuple[str, str]]:
    """What the numbers refer to, as (name, text); the budget comes first."""
    shown = [(key, plain(value)) for key, value in result.facts.items() if value not in ([], None)]
    for project in result.projects:
        about = project.table.facts
        if about:
            phases = ", ".join(about["phases"]) or "none"
            clips = f"{about['clips']} {SPLITS[about['split']]}"
            text = f"{clips}; phases: {phases}; events: {about['events']}"
            shown.append((project.table.name, text))
        if project.rates:
            text = "; ".join(f"{name} {choice}" for name, choice in project.rates.items())
            shown.append((f"{project.table.name}, learning rates", text))
    return shown


def definitions(result: BenchmarkResult) -> list[tuple[str, str]]:
    """Sentences of the protocol, from the first project that was scored."""
    scored = (p.table.facts for p in result.projects if p.table.facts)
    protocol: Mapping[str, Any] = next(scored, {}).get("protocol", {})
    sentences = {**protocol, **protocol.get("features", {})}
    return [(key, text) for key, text in sentences.items() if isinstance(text, str)]


def plain(value: Any) -> str:
    """A setting or fact on one line."""
    if isinstance(value, dict):
        return "; ".join(f"{key} = {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def markdown(result: BenchmarkResult) -> str:
    """Tables, winners, notes, facts and definitions."""
    lines = [f"# {md(result.title)}", "", f"Budget: {md(plain(result.facts['budget']))}.", ""]
    for table in layout(result):
        lines += [f"## {md(table.title)}", ""]
        for part in table.parts(GROUPS):
            lines += [*md_table(page_table(part, "(paper {})")), ""]
    lines += [HOW_TO_READ, ""]
    if won := winners(result):
        lines += ["## Who wins where", "", *md_table(winners_table(won)), "", how_to_read(won), ""]
    lines += ["## Notes", ""]
    lines += [f"- {md(text)}" for text in all_notes(result)]
    lines += ["", "## Facts", "", *(f"- {md(key)}: {md(text)}" for key, text in facts(result))]
    known = definitions(result)
    if known:
        lines += ["", "## Definitions", "", *(f"- {md(key)}: {md(text)}" for key, text in known)]
    return "\n".join(lines).rstrip() + "\n"


def csv_table(result: BenchmarkResult) -> str:
    """One line per unrounded figure: its table, row and column, mean and spread over seeds,
    interval, number of seeds, and the paper's figure if it may be compared."""
    head = ["table", "row", "label", "input", "baseline", "columns", "metric"]
    head += ["mean", "spread", "low", "high", "runs", "paper"]
    lines = []
    for table in layout(result):
        for part in table.parts(1):
            for line in part.lines:
                start = [table.name, line.name, line.label, line.reads, int(line.baseline)]
                for column, figure in zip(part.columns, line.cells, strict=True):
                    if figure.value is not None:
                        low, high = figure.interval or (None, None)
                        where = [*start, column.group, column.metric]
                        numbers = [figure.value, figure.spread, low, high]
                        lines.append([*where, *numbers, figure.runs, figure.paper])
    return table_text(head, lines)


def latex(result: BenchmarkResult) -> str:
    """A table environment for each task, in parts with as many groups of columns as fit the text
    width of the class article."""
    lines = ["% \\usepackage{booktabs}", f"% {result.title}; {result.facts['budget']}"]
    lines = [" ".join(line.split()) for line in lines]
    for table in layout(result):
        room = LATEX_TEXT - sum(latex_widths(page_table(table))[:2])
        names = [name for name, _ in table.groups()]
        for number, part in enumerate(table.fitting(names, room, _latex_width)):
            label = f"{result.name}-{part.name}" + (f"-{number + 1}" if number else "")
            caption = f"{part.title}. {result.facts['budget']}.{_caption(result, part)}"
            lines += ["", *latex_table(page_table(part), label, caption)]
    lines += ["", "% Notes:", *(f"% - {' '.join(text.split())}" for text in all_notes(result))]
    return "\n".join(lines) + "\n"


def _caption(result: BenchmarkResult, table: TaskTable) -> str:
    """What the figures of a printed table are, as a caption stands alone; empty for costs."""
    if table.name == "cost":
        return ""
    seeds = len(result.facts["seeds"])
    over = f"Mean and standard deviation (n - 1) over {seeds} seeds" if seeds > 1 else "One seed"
    inside = "clips and seeds" if seeds > 1 else "clips"
    return f" {over}; in brackets the 95 % interval over {inside}. Baselines are not ranked."


def _latex_width(group: TaskTable) -> float:
    return sum(latex_widths(page_table(group))[2:])


def html_page(result: BenchmarkResult) -> bytes:
    """Tables, winners, notes, facts and definitions; all names are escaped."""
    won = winners(result)
    return render_page(
        "experiments/benchmark.html",
        f"{result.title} · la2ds",
        styles=["experiments/benchmark.css"],
        result=result,
        tables=[(table, html(page_table(table))) for table in layout(result)],
        how=HOW_TO_READ.replace(" (Markdown: in italics)", ""),
        winners=html(winners_table(won)) if won else "",
        how_winners=how_to_read(won).replace("in italics", "underlined"),
        notes=all_notes(result),
        facts=facts(result),
        definitions=definitions(result),
    )


def document(result: BenchmarkResult) -> dict[str, Any]:
    """The JSON document: rows and runs of every project, and the tables as shown."""
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": result.name,
        "title": result.title,
        "facts": result.facts,
        "projects": [p.table.to_json() for p in result.projects],
        "tables": [table.to_json() for table in layout(result)],
        "winners": [asdict(winner) for winner in winners(result)],
        "notes": all_notes(result),
        "learning_rates": {p.table.name: _rates(p) for p in result.projects if p.rates},
    }


def _rates(project: ProjectResult) -> dict[str, Any]:
    return {
        name: {
            "rate": choice.rate,
            "errors": [[rate, error] for rate, error in choice.errors.items()],
            "failed": [[rate, reason] for rate, reason in choice.failed.items()],
        }
        for name, choice in project.rates.items()
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
