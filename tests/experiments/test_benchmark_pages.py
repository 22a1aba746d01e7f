"""The same numbers in all formats, and names that are text in each of them."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from la2ds_cli.core.table import terminal, tex
from la2ds_cli.experiments.benchmark_pages import (
    html_page,
    latex,
    markdown,
    screen_tables,
    write_benchmark,
)
from la2ds_cli.experiments.benchmark_tables import TaskTable, layout
from la2ds_cli.experiments.methods import Source
from la2ds_cli.experiments.metrics import ALL_METRICS, TASKS
from la2ds_cli.experiments.result import (
    BenchmarkResult,
    Outcome,
    ProjectResult,
    ResultRow,
    TableResult,
)

METHODS = ("la2ds", "my_package.a&b<i>")
PROJECTS = ("golf_swing", "50% <b>|$#{~^\\}")


def _result(projects: tuple[str, ...] = PROJECTS, seeds: int = 2) -> BenchmarkResult:
    rng = np.random.default_rng(0)
    facts = {
        "budget": "2 steps for every method",
        "minutes": None,
        "steps": 2,
        "seeds": list(range(seeds)),
        "protocol": "la2ds",
        "alignment": {},
        "settings": ["model.encoder=<x>"],
    }
    found = BenchmarkResult("benchmark", "Methods", tuple(TASKS.values()), facts)
    found.reads = dict.fromkeys(METHODS, "joints")
    for name in projects:
        rows = [
            ResultRow(method, method, {}, outcomes=[_outcome(rng, s) for s in range(seeds)])
            for method in METHODS
        ]
        rows[1].outcomes.append(Outcome("r", "model", seed=9, error="a|b <i> & 5 %"))
        clock = ResultRow("time_only", "time only", {}, outcomes=[_outcome(rng, None)])
        into = ProjectResult(TableResult(name, name, {}, rows, [clock]), Source("penn-action"))
        for row in (*rows, clock):
            for _ in row.outcomes:
                sample = {"kendalls_tau": rng.random(50), "classification": 100 * rng.random(50)}
                into.add_sample(row, sample)
        found.projects.append(into)
    return found


def _outcome(rng: np.random.Generator, seed: int | None) -> Outcome:
    scores = {m.name: float(m.factor * rng.random()) for m in ALL_METRICS}
    return Outcome("r", "model", {**scores}, None, seed, 2, 1.5 + float(rng.random()))


def _numbers(text: str) -> list[str]:
    """Figures with their spread, as they are shown."""
    return re.findall(r"-?\d+(?:\.\d+)?(?: ±\d+(?:\.\d+)?)?", text)


def _shown(tables: list[TaskTable]) -> dict[tuple[str, str], list[str]]:
    """(table, label) -> figures and bounds of its cells, in the order of the columns."""
    return {
        (table.name, line.label): [
            text
            for cell in line.cells
            for text in (*_numbers(" ".join(cell.shown())), *_numbers(cell.shown_interval()))
        ]
        for table in tables
        for line in table.lines
    }


class _Rows(HTMLParser):
    """Texts of the cells of all rows of all tables."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.elements: set[str] = set()
        self._in = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in = True
        if tag == "span" and self._in:
            self.tables[-1][-1][-1] += " "

    def handle_endtag(self, tag: str) -> None:
        self._in = self._in and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in:
            self.tables[-1][-1][-1] += data


def _from_html(page: str, tables: list[TaskTable]) -> dict[tuple[str, str], list[str]]:
    parser = _Rows()
    parser.feed(page)
    return {
        (table.name, row[0]): [n for cell in row[2:] for n in _numbers(cell)]
        for table, rows in zip(tables, parser.tables[: len(tables)], strict=True)
        for row in rows[2:]
    }


def _plain_md(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _from_markdown(page: str, tables: list[TaskTable]) -> dict[tuple[str, str], list[str]]:
    """Rows below the headings of the tables; parts of a table follow each other."""
    title = {table.title: table.name for table in tables}
    found: dict[tuple[str, str], list[str]] = {}
    name = ""
    for line in page.splitlines():
        if line.startswith("#"):
            name = title.get(_plain_md(line.lstrip("# ")), "")
        elif name and line.startswith("| ") and not line.startswith(("| method", "| ---")):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            label = _plain_md(cells[0].strip().strip("*"))
            numbers = [n for cell in cells[2:] for n in _numbers(cell.replace("*", ""))]
            found.setdefault((name, label), []).extend(numbers)
    return found


def _from_latex(page: str, tables: list[TaskTable]) -> dict[tuple[str, str], list[str]]:
    """Each row of figures and, interleaved cell by cell, the line of bounds below it."""
    labels = {tex(line.label): line.label for table in tables for line in table.lines}
    found: dict[tuple[str, str], list[str]] = {}
    name, rows = "", []
    for line in page.splitlines():
        if match := re.match(r"\\label\{tab:benchmark-([a-z]+)", line):
            name, last = match[1], None
        if not line.endswith(r"\\"):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]
        if cells[0] in labels:
            rows.append([(name, labels[cells[0]]), cells[2:], [""] * len(cells[2:])])
            last = rows[-1]
        elif cells[0] == "" and any("scriptsize" in cell for cell in cells):
            assert last is not None
            last[2] = cells[2:]
    for key, figures, bounds in rows:
        for figure, bound in zip(figures, bounds, strict=True):
            plain = re.sub(r"\\(textbf|underline|scriptsize)|[{}]", "", figure)
            texts = (re.sub(r" +\$\\pm\$", " ±", plain), bound)
            found.setdefault(key, []).extend(n for text in texts for n in _numbers(text))
    return found


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        (3, r"over 3 seeds; in brackets the 95 \% interval over clips and seeds"),
        (1, r"One seed; in brackets the 95 \% interval over clips."),
    ],
)
def test_a_caption_says_what_the_printed_figures_are(seeds: int, said: str) -> None:
    captions = re.findall(r"\\caption\{(.*)\}", latex(_result(seeds=seeds)))
    assert len(captions) > 2
    assert all(said in caption for caption in captions[:-1])
    assert "Cost of training" in captions[-1]
    assert "interval" not in captions[-1]


def test_numbers_agree_in_all_formats(tmp_path: Path) -> None:
    result = _result()
    paths = {path.suffix: path for path in write_benchmark(result, tmp_path)}
    tables = layout(result)
    shown = _shown(tables)
    assert sum(map(len, shown.values())) > 100
    assert _from_html(paths[".html"].read_text(), tables) == shown
    assert _from_markdown(paths[".md"].read_text(), tables) == shown
    assert _from_latex(paths[".tex"].read_text(), tables) == shown
    rows = {
        (row["table"], row["label"], row["columns"], row["metric"]): row
        for row in csv.DictReader(io.StringIO(paths[".csv"].read_text()))
    }
    document = json.loads(paths[".json"].read_text())
    count = 0
    for table, plain in zip(tables, document["tables"], strict=True):
        for line, plain_line in zip(table.lines, plain["lines"], strict=True):
            for column, cell, stored in zip(
                table.columns, line.cells, plain_line["cells"], strict=True
            ):
                assert stored["value"] == cell.value
                assert stored["interval"] == cell.interval
                row = rows.get((table.name, line.label, column.group, column.metric))
                assert (row is None) == (cell.value is None)
                if row is not None:
                    count += 1
                    assert float(row["mean"]) == cell.value
                    assert row["spread"] == ("" if cell.spread is None else str(cell.spread))
                    assert row["low"] == ("" if cell.interval is None else str(cell.interval[0]))
    assert count == len(rows)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_mean_of_the_runs_is_what_is_shown(seeds: int) -> None:
    result = _result(seeds=seeds)
    row = result.projects[0].table.rows[0]
    tau = row.values("kendalls_tau")
    text = f"{np.mean(tau):.4f}" + (f" ±{np.std(tau, ddof=1):.4f}" if seeds > 1 else "")
    assert len(tau) == seeds
    for page in (markdown(result), html_page(result).decode()):
        assert text in page
    plain = re.sub(r"\\(textbf|underline|scriptsize)|[{}]", "", latex(result))
    assert text in re.sub(r" +\$\\pm\$", " ±", plain)


def test_names_are_text_in_html() -> None:
    page = html_page(_result()).decode()
    parser = _Rows()
    parser.feed(page)
    assert {"i", "x", "script"}.isdisjoint(parser.elements)
    assert any(cell == PROJECTS[1] for cell in parser.tables[0][0])
    assert any(row[0] == METHODS[1] for row in parser.tables[0])
    assert "://" not in page
    assert "default-src &#39;none&#39;" in page


def test_names_are_text_in_latex() -> None:
    page = latex(_result())
    assert (
        r"50\% \textless{}b\textgreater{}\textbar{}\$\#\{\textasciitilde{}\textasciicircum{}"
        in page
    )
    assert r"my\_package.a\&b\textless{}i\textgreater{}" in page
    lines = [line for line in page.splitlines() if not line.startswith("%")]
    width = 0
    for line in lines:
        assert re.search(r"(?<!\\)%", line) is None  # it would hide the rest of its line
        columns = re.search(r"\{tabular\}\{(l+r+)\}", line)
        width = len(columns[1]) if columns else width
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert len(re.findall(r"(?<!\\)&", line)) == width - 1
    opened, closed = (len(re.findall(rf"(?<!\\)\{sign}", "\n".join(lines))) for sign in "{}")
    assert opened == closed


def test_names_are_text_in_markdown() -> None:
    page = markdown(_result())
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert any(r"50% \<b\>\|$#{~^\\}" in line for line in tables)
    part = next(part for part in page.split("\n\n") if part.startswith("| method"))
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in part.splitlines()}) == 1
    assert r"a\|b \<i\>" in page


def test_many_projects_are_told_in_parts_and_a_terminal_is_80_wide() -> None:
    result = _result(tuple(f"action_number_{n}" for n in range(5)))
    page = latex(result)
    assert page.count(r"\label{tab:benchmark-classification") == 7  # 5, their mean, the paper
    assert r"\label{tab:benchmark-classification-2}" in page
    assert page.count(r"\label{tab:benchmark-cost") < 5  # narrow columns stand side by side
    for count in (1, 3, 5):
        few = _result(tuple(f"action_number_{n}" for n in range(count)))
        console = Console(width=200, highlight=False)
        with console.capture() as capture:
            for _, table in screen_tables(few):
                console.print(terminal(table))
        lines = capture.get().splitlines()
        assert max(len(line.rstrip()) for line in lines) <= 80
        assert any("±" in line for line in lines)
