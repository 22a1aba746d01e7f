"""The figures of an experiment, its tables for a terminal and as Markdown, one tidy CSV, and JSON.

All rows of a column are compared, also baselines and untrained networks: if one of them is best, no
method wins. The best row is chosen after seeing the figures, so comparing it with all others
amounts to as many tests as there are pairs of rows: Holm's correction is over all pairs of rows in
all columns of a table.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.table import Cell, Column, Table, md
from la2ds_cli.core.table import markdown as md_table
from la2ds_cli.evaluation.measure import interval
from la2ds_cli.experiments.paper import RECORDS, paper_data, paper_methods, same_input
from la2ds_cli.experiments.result import SCHEMA_VERSION, DataSet, Result
from la2ds_cli.experiments.scores import COST_TASK, Metric, Task
from la2ds_cli.experiments.significance import LEVEL, by_seed, difference, holm, mean_interval

MARK = "†"
MEAN = "mean over projects"
FEW = 3  # projects, of which a terminal shows each, and columns beside which a spread has room
SPLITS = {"test": "test clips", "all": "clips, no test split"}
HOW_TO_READ = (
    "Mean over seeds ± their standard deviation (n - 1); in brackets the 95 % interval of the mean "
    "over the scored clips and the seeds. The best row of a column, a method or a baseline, is "
    "bold, and rows that are not significantly worse than it are in italics: paired difference of "
    "two rows over the same clips, with the variance over seeds of both; two-sided p of Student's "
    f"t, Holm's correction over all pairs of rows in all columns of a task, level {LEVEL:g}. The "
    "best raw pose is not available to a user: it is chosen on these clips."
)


@dataclass(frozen=True)
class Figure:
    """A figure of a row in one data set, or in MEAN.

    value: mean over seeds. spread: standard deviation over seeds (n - 1). interval: 95 %, over the
    scored clips and the seeds. seeds: their number. paper: the paper's figure, if it may be
    compared.
    best: whether the row is the best of its column; difference: its figure minus that of the best.
    p: of no difference to the best; adjusted: after Holm's correction over the task; None for the
    best, or if unknown.
    """

    task: str
    data: str
    metric: str
    row: str
    value: float
    spread: float | None
    interval: tuple[float, float] | None
    seeds: int
    paper: float | None
    best: bool = False
    difference: float | None = None
    p: float | None = None
    adjusted: float | None = None

    @property
    def ties(self) -> bool:
        """Whether the row is not significantly worse than the best one."""
        return self.adjusted is not None and self.adjusted > LEVEL


def figures(result: Result) -> list[Figure]:
    """Every figure of every row, by task, data set and metric; undefined ones are left out."""
    found = [one for task in result.tasks for one in _of_task(result, task)]
    return found + _of_task(result, COST_TASK, compared=False)


def groups(result: Result) -> dict[str, list[DataSet]]:
    """The data sets by name, and their mean if there are several."""
    by_name = {data.name: [data] for data in result.data}
    return by_name | ({MEAN: result.data} if len(by_name) > 1 else {})


def _of_task(result: Result, task: Task, compared: bool = True) -> list[Figure]:
    columns = [(name, metric) for name in groups(result) for metric in task.metrics]
    samples = {
        (name, metric.name): {
            row: found
            for row in result.rows()
            if (found := result.samples(row, _names(result, name), metric.name))
        }
        for name, metric in columns
    }
    differences = {
        (*column, *pair): difference(rows[pair[0]], rows[pair[1]])
        for column, rows in samples.items()
        for pair in itertools.combinations(rows if compared else (), 2)
    }
    differences = {key: one for key, one in differences.items() if not math.isnan(one[1])}
    adjusted = dict(zip(differences, holm([p for _, p in differences.values()]), strict=True))
    found = []
    for name, metric in columns:
        rows = samples[name, metric.name]
        means = {row: float(np.mean([s.values.mean() for s in each])) for row, each in rows.items()}
        sign = 1 if metric.lower_is_better else -1
        best = min(means, key=lambda row: sign * means[row]) if means and compared else ""
        for row, each in rows.items():
            over = by_seed(each)
            pairs = ((name, metric.name, *pair) for pair in ((row, best), (best, row)))
            key = next((pair for pair in pairs if pair in adjusted), None)
            found.append(
                Figure(
                    task.name,
                    name,
                    metric.name,
                    row,
                    means[row],
                    float(np.std(over, ddof=1)) if len(over) > 1 else None,
                    mean_interval(each),
                    len(over),
                    _in_paper(result, name, row, metric.name),
                    row == best,
                    means[row] - means[best] if best else None,
                    differences[key][1] if key else None,
                    adjusted[key] if key else None,
                )
            )
    return found


def _names(result: Result, group: str) -> list[str]:
    return [data.name for data in groups(result)[group]]


def _in_paper(result: Result, group: str, row: str, metric: str) -> float | None:
    """What the paper prints for a row; for a method, if all clips are of one of its data sets."""
    if row in result.paper:
        return result.paper[row].get(metric)
    (name, *others) = {data.source for data in groups(result)[group]}
    if others or not name:
        return None
    return paper_data()[name].figures.get(row, {}).get(metric)


def tables(
    result: Result, found: Sequence[Figure], *, full: bool = False
) -> list[tuple[str, Table]]:
    """Titles and tables: one for each task and data set, with what the paper prints below ours.

    full: for a page, with what each row reads, and intervals. Otherwise for a terminal of 80
    columns, where `*` marks the best row and `=` those that are not significantly worse; of more
    than FEW projects, it shows only the mean.
    """
    shown = list(groups(result))
    if not full and MEAN in shown and len(result.data) > FEW:
        shown = [MEAN]
    made = []
    for task in (*result.tasks, COST_TASK):
        title = f"{task.title} (the paper's Table {task.number})" if task.number else task.title
        for name in shown:
            known = {(f.row, f.metric): f for f in found if (f.task, f.data) == (task.name, name)}
            if known:
                made.append((f"{title}: {name}", _table(result, task, known, full)))
    return made


def _table(result: Result, task: Task, known: dict[tuple[str, str], Figure], full: bool) -> Table:
    columns = [Column("method" if full else "", left=True, wrap=True)]
    columns += [Column("input", left=True)] * full
    columns += [Column(text) for text in task.headings.values()]
    with_figures = {row for row, _ in known}
    rows = []
    for name, label in result.rows().items():
        baseline = name not in result.labels
        if baseline and name not in with_figures:
            continue
        cells = [Cell(label, mark="*" * baseline)] + [Cell(result.reads.get(name, ""))] * full
        figured = [(known.get((name, metric.name)), metric) for metric in task.metrics]
        cells += [_cell(figure, metric, full, len(figured) > FEW) for figure, metric in figured]
        rows.append(cells)
    return Table(columns, rows)


def _cell(figure: Figure | None, metric: Metric, full: bool, narrow: bool) -> Cell:
    if figure is None:
        return Cell("–")
    digits = metric.digits
    rank = 1 if figure.best else 2 if figure.ties else 0
    text = f"{('', '*', '=')[0 if full else rank]}{figure.value:.{digits}f}"
    spread = [] if figure.spread is None else [f"±{figure.spread:.{digits}f}"]
    if full or not narrow:
        text, spread = " ".join([text, *spread]), []
    ends = figure.interval if full else None
    interval = [f"[{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"] if ends else []
    paper = [] if figure.paper is None else [f"{MARK} {figure.paper:.{digits}f}"]
    return Cell(text, [*spread, *interval, *paper], ("", "**", "*")[rank] if full else "")


# --- notes --------------------------------------------------------------------------------------


def all_notes(result: Result, found: Sequence[Figure]) -> list[str]:
    """The notes below the tables, the most important ones first."""
    texts = [
        *_failures(result),
        *(f"{label} has no run: {reason}" for label, reason in result.left_out.items()),
        *_paper_notes(result),
        *_baselines_ahead(result, found),
        *_budget_notes(result),
        *_protocol_notes(result),
        *(f"{data.name}: {text}" for data in result.data for text in data.warnings),
    ]
    return list(dict.fromkeys(texts))


def _failures(result: Result) -> Iterator[str]:
    """Runs without figures, and runs whose network has collapsed."""
    for one in result.entries:
        run = f"{one.data}, {one.outcome.run}"
        if one.outcome.error:
            yield f"{run}: {one.outcome.error}"
        elif one.outcome.collapse:
            yield f"{run}: the embedding has collapsed, {one.outcome.collapse}"


def _paper_notes(result: Result) -> Iterator[str]:
    if printed := result.facts.get("in the paper"):
        yield f"{MARK} in the paper: {printed}; other data, so compare the rows of one source"
        return
    names = dict.fromkeys(data.source for data in result.data if data.source)
    known = [n for n in names if not result.labels.keys().isdisjoint(paper_data()[n].figures)]
    for data in map(paper_data().__getitem__, known):
        yield (
            f"{MARK} {data.label} in the paper: CASA's splits and labels (la2ds import {RECORDS}), "
            "the mean over a network for each of its files, --protocol paper; anything else is "
            "another experiment"
        )
    if others := ", ".join(data.name for data in result.data if not data.source):
        yield f"{others}: data that the paper does not have, so it has no figures to compare with"
    by_input: dict[str, list[str]] = {}
    for name, reads in result.reads.items():
        paper = paper_methods().get(name)
        if known and paper is not None and not same_input(name, reads):
            by_input.setdefault(f"{paper.input} there, {reads} here", []).append(paper.label)
    for kind, labels in by_input.items():
        yield f"{MARK} in the paper these read something else: {', '.join(labels)} ({kind})"


def _baselines_ahead(result: Result, found: Sequence[Figure]) -> Iterator[str]:
    """For each baseline, the columns in which it is best: no method wins there."""
    headings = {
        metric: f"{task.name} {' '.join(text.split())}"
        for task in result.tasks
        for metric, text in task.headings.items()
    }
    labels, ahead = result.rows(), {}
    for one in found:
        if one.best and one.row not in result.labels:
            ahead.setdefault(labels[one.row], []).append(f"{headings[one.metric]} ({one.data})")
    for label, columns in ahead.items():
        yield f"no method wins where {label} is best: {', '.join(columns)}"


def _budget_notes(result: Result) -> Iterator[str]:
    done = [o for o in result.outcomes() if o.steps is not None and not o.error]
    if len({o.steps for o in done}) > 1:
        yield (
            "the runs did not make the same number of steps; without --minutes, or with "
            "--set train.steps=N small enough, they do"
        )
    seeds = result.facts["seeds"]
    if len(seeds) < 3:
        yield (
            f"{len(seeds)} of at least 3 seeds: intervals and p hardly include what another seed "
            "would change; --seeds 0,1,2"
        )


def _protocol_notes(result: Result) -> Iterator[str]:
    by_uses: dict[str, list[str]] = {}
    for data in result.data:
        if uses := data.facts.get("method_uses"):
            by_uses.setdefault(uses, []).append(data.name)
    for uses, names in by_uses.items():
        where = "" if len(names) == len(result.data) else f" ({', '.join(names)})"
        yield f"event transfer of a method{where} = {uses}"
    if not any(result.facts["alignment"].get(part) for part in ("movement", "base")):
        yield (
            "event transfer of a method leaves out the joints' movement and the base model, which "
            "la2ds align uses (align.movement, align.base), so that they do not hide what a method "
            "learned"
        )
    if result.facts["protocol"] != "la2ds" and any(task.number == 0 for task in result.tasks):
        yield f"protocol {result.facts['protocol']} has no event transfer; --protocol la2ds has"


# --- files --------------------------------------------------------------------------------------


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    """What the numbers refer to, as (name, text); the budget comes first."""
    for key, value in result.facts.items():
        if value not in ([], None):
            yield key, plain(value)
    for data in result.data:
        if about := data.facts:
            phases = ", ".join(about["phases"]) or "none"
            clips = f"{about['clips']} {SPLITS[about['split']]}"
            yield data.name, f"{clips}; phases: {phases}; events: {about['events']}"


def markdown(result: Result, found: Sequence[Figure]) -> str:
    """Tables, notes and facts."""
    lines = [f"# {md(result.title)}", "", f"Budget: {md(result.facts['budget'])}.", ""]
    for title, table in tables(result, found, full=True):
        lines += [f"## {md(title)}", "", *md_table(table), ""]
    lines += [HOW_TO_READ, "", "## Notes", ""]
    lines += [f"- {md(text)}" for text in all_notes(result, found)]
    lines += ["", "## Facts", "", *(f"- {md(key)}: {md(text)}" for key, text in _facts(result))]
    return "\n".join(lines).rstrip() + "\n"


def plain(value: Any) -> str:
    """A setting or fact on one line."""
    if isinstance(value, dict):
        return "; ".join(f"{key} = {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value)) or "none"
    return "none" if value is None else str(value)


def csv_table(result: Result) -> str:
    """One line for each figure of each run, not rounded, with its 95 % interval over the clips; a
    run that failed has one line, with its error."""
    head = ["data", "row", "label", "input", "baseline", "run", "seed", "protocol", "split"]
    lines = []
    metrics = [m.name for task in (*result.tasks, COST_TASK) for m in task.metrics]
    splits = {data.name: data.facts.get("split") for data in result.data}
    for one in result.entries:
        o = one.outcome
        start = [one.data, one.row, one.label, result.reads.get(one.row), int(one.baseline), o.run]
        start += [o.seed, result.facts["protocol"], splits[one.data]]
        if o.error:
            lines.append([*start, None, None, None, None, o.error])
        for metric in metrics:
            if (value := o.figure(metric)) is not None:
                sample = one.resampled.get(metric)
                ends = (interval(sample) if sample is not None else None) or (None, None)
                lines.append([*start, metric, value, *ends, None])
    return table_text([*head, "metric", "value", "low", "high", "error"], lines)


def document(result: Result, found: Sequence[Figure]) -> dict[str, Any]:
    """The JSON document: runs, figures with their p, and notes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "table": result.name,
        "title": result.title,
        "facts": result.facts,
        "data": {data.name: data.facts for data in result.data},
        "runs": [
            {"data": one.data, "row": one.row, "baseline": one.baseline, **asdict(one.outcome)}
            for one in result.entries
        ],
        "figures": [asdict(one) for one in found],
        "notes": all_notes(result, found),
    }


def write_result(result: Result, folder: Path) -> list[Path]:
    """Write NAME.md, .csv and .json; returns their paths."""
    found = figures(result)
    paths = [folder / f"{result.name}{end}" for end in (".md", ".csv", ".json")]
    artifact.write_text(paths[0], markdown(result, found))
    artifact.write_text(paths[1], csv_table(result))
    artifact.write_json(paths[2], document(result, found))
    return paths
