"""The figures of an experiment, and its tables for a terminal, as Markdown, tidy CSV and JSON.

All rows of a column are compared, including baselines and untrained networks: if one of them is
best, no method wins. The best row is chosen after seeing the figures, so comparing it with all
others amounts to testing all pairs of rows; Holm's correction is over all pairs of rows in all
columns of a table.

A figure would differ with other clips and with other seeds. Clips are covered by the bootstrap of
`la2ds_cli.evaluation.measure`, whose resamples are the same for all rows, so that rows are compared
in pairs; seeds by the variance over the training runs of each row. 1,000 resamples cannot resolve p
below 0.002, and Holm's correction over some hundred comparisons needs smaller p, so p comes from
Student's t for the difference divided by its standard error. With three seeds, this is slightly
anticonservative: of tables without any true difference, 9 in 100 then show one, not 5.
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
from la2ds_cli.core.output_paths import check_derived, write_derived
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.table import Cell, Column, Table, md
from la2ds_cli.core.table import markdown as md_table
from la2ds_cli.core.types import FloatArray
from la2ds_cli.evaluation.measure import interval
from la2ds_cli.experiments.comparison import MEAN, Result, ScoreSample
from la2ds_cli.experiments.printed_tables import RECORDS, paper_data, paper_methods
from la2ds_cli.experiments.scores import COST_TASK, Metric, Task

MARK = "†"
LEVEL = 0.05  # of significance, after the correction
_ROUNDING = 1e-9  # of figures in per cent
FEW = 3  # projects; a terminal shows the tables of at most so many
HOW_TO_READ = (
    "Mean over seeds ± standard deviation (n - 1); in brackets the 95 % interval of the mean over "
    "the scored clips and the seeds. The best row of a column (a method or a baseline) is bold; "
    "rows that are not significantly worse, or were not tested, are in italics. Test: paired "
    "difference of two rows over the same clips, with the variance over the seeds of both; "
    "two-sided p of Student's t, Holm's correction over all pairs of rows in all columns of a "
    f"task, level {LEVEL:g}. The best raw pose is chosen on these clips, so a user cannot have it."
)


@dataclass(frozen=True)
class Figure:
    """A figure of a row in a data set, or in MEAN.

    value: mean over seeds. spread: standard deviation over seeds (n - 1). interval: 95 %, over the
    scored clips and the seeds. seeds: their number. paper: the paper's figure, if comparable.
    best: whether the row is the best of its column.
    p: that it does not differ from the best row. adjusted: p after Holm's correction over the task.
    Both are None for the best row, or if unknown.
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
    p: float | None = None
    adjusted: float | None = None

    @property
    def ties(self) -> bool:
        """Return whether the row is not significantly worse than the best, or was not tested."""
        if self.best or self.task == COST_TASK.name:
            return False
        return self.adjusted is None or self.adjusted > LEVEL


def figures(result: Result) -> list[Figure]:
    """Return all defined figures, by task, data set, metric and row."""
    compared = [figure for task in result.tasks for figure in _of_task(result, task)]
    return compared + _of_task(result, COST_TASK, compared=False)


def _of_task(result: Result, task: Task, compared: bool = True) -> list[Figure]:
    columns = [(name, metric) for name in result.groups() for metric in task.metrics]
    samples = {
        (name, metric.name): {
            row: sample
            for row in result.rows()
            if (sample := result.sample(row, name, metric.name)) is not None
        }
        for name, metric in columns
    }
    p = {
        (*column, *pair): chance
        for column, rows in samples.items()
        for pair in itertools.combinations(rows if compared else (), 2)
        if not math.isnan(chance := difference(rows[pair[0]], rows[pair[1]])[1])
    }
    adjusted = dict(zip(p, holm(list(p.values())), strict=True))
    rows_of_task = []
    for name, metric in columns:
        rows = samples[name, metric.name]
        means = {row: float(sample.values.mean()) for row, sample in rows.items()}
        sign = 1 if metric.lower_is_better else -1
        best = min(means, key=lambda row: sign * means[row]) if means and compared else ""
        for row, sample in rows.items():
            pairs = ((name, metric.name, *pair) for pair in ((row, best), (best, row)))
            key = next((pair for pair in pairs if pair in p), None)
            figure = Figure(
                task=task.name,
                data=name,
                metric=metric.name,
                row=row,
                value=means[row],
                spread=float(np.std(sample.values, ddof=1)) if len(sample.values) > 1 else None,
                interval=interval(nested_resamples(sample.resampled)),
                seeds=len(sample.values),
                paper=_in_paper(result, name, row, metric.name),
                best=row == best,
                p=p[key] if key else None,
                adjusted=adjusted[key] if key else None,
            )
            rows_of_task.append(figure)
    return rows_of_task


def _in_paper(result: Result, group: str, row: str, metric: str) -> float | None:
    """Return the paper's figure for a row; for a method, only if all clips are from one of the
    paper's data sets."""
    if row in result.paper:
        return result.paper[row].get(metric)
    (source, *others) = {data.source for data in result.data if group in (data.name, MEAN)}
    if others or not source:
        return None
    return paper_data()[source].figures.get(row, {}).get(metric)


def tables(
    result: Result, found: Sequence[Figure], *, full: bool = False
) -> list[tuple[str, Table]]:
    """Return title and table for each task and data set, with the paper's figures below ours.

    Parameters
    ----------
    found: from `figures`.
    full: for a page, with intervals and the input of each row. Otherwise for a terminal of 80
        columns, where `*` marks the best row and `=` rows that are not significantly worse; for
        more than FEW projects, only the mean.
    """
    shown = result.groups() if full or len(result.data) <= FEW else [MEAN]
    made = []
    for task in (*result.tasks, COST_TASK):
        title = f"{task.title} (the paper's Table {task.number})" if task.number else task.title
        for name in shown:
            own = {(f.row, f.metric): f for f in found if (f.task, f.data) == (task.name, name)}
            if own:
                made.append((f"{title}: {name}", _table(result, task, own, full)))
    return made


def _table(result: Result, task: Task, own: dict[tuple[str, str], Figure], full: bool) -> Table:
    columns = [Column("method" if full else "", left=True, wrap=True)]
    columns += [Column("input", left=True)] * full
    columns += [Column(text) for text in task.headings.values()]
    with_figures = {row for row, _ in own}
    rows = []
    for name, label in result.rows().items():
        baseline = name not in result.labels
        if baseline and name not in with_figures:
            continue
        cells = [Cell(label, mark="*" * baseline)] + [Cell(result.reads.get(name, ""))] * full
        cells += [_cell(own.get((name, metric.name)), metric, full) for metric in task.metrics]
        rows.append(cells)
    return Table(columns, rows)


def _cell(figure: Figure | None, metric: Metric, full: bool) -> Cell:
    if figure is None:
        return Cell("–")
    digits = metric.digits
    rank = 1 if figure.best else 2 if figure.ties else 0
    text = f"{('', '*', '=')[0 if full else rank]}{figure.value:.{digits}f}"
    below = [] if figure.spread is None else [f"±{figure.spread:.{digits}f}"]
    if full:
        text, below = " ".join([text, *below]), []
        if figure.interval:
            below.append("[{:.{d}f}, {:.{d}f}]".format(*figure.interval, d=digits))
    below += [] if figure.paper is None else [f"{MARK} {figure.paper:.{digits}f}"]
    return Cell(text, below, ("", "**", "*")[rank] if full else "")


# --- notes --------------------------------------------------------------------------------------


def all_notes(result: Result, found: Sequence[Figure]) -> list[str]:
    """Return the notes below the tables, the most important ones first."""
    texts = [
        *_failures(result),
        *(f"{label} was not run: {reason}" for label, reason in result.left_out.items()),
        *_paper_notes(result),
        *_baselines_ahead(result, found),
        *_budget_notes(result),
        *_protocol_notes(result),
        *(f"{data.name}: {text}" for data in result.data for text in data.warnings),
    ]
    return list(dict.fromkeys(texts))


def _failures(result: Result) -> Iterator[str]:
    """Yield notes on failed runs, and on runs whose embedding has collapsed."""
    for entry in result.entries:
        if entry.error:
            yield f"{entry.data}, {entry.run}: {entry.error}"
        elif entry.collapse:
            yield f"{entry.data}, {entry.run}: the embedding has collapsed, {entry.collapse}"


def _paper_notes(result: Result) -> Iterator[str]:
    if printed := result.facts.get("in the paper"):
        yield (
            f"{MARK} in the paper: {printed}; since the data differ, compare rows only with rows "
            "of the same source"
        )
        return
    names = dict.fromkeys(data.source for data in result.data if data.source)
    printed_here = [
        name for name in names if not result.labels.keys().isdisjoint(paper_data()[name].figures)
    ]
    for data in map(paper_data().__getitem__, printed_here):
        yield (
            f"{MARK} {data.label} in the paper: the mean over a network for each of CASA's files, "
            f"with CASA's splits and labels (la2ds import {RECORDS}) and --protocol paper; figures "
            "from another setup cannot be compared with it"
        )
    by_input: dict[str, list[str]] = {}
    for name, reads in result.reads.items():
        paper = paper_methods().get(name)
        # `rgb` always differs: its base network is frozen, while the paper's methods fine-tune.
        same = paper is not None and (paper.input, reads) == ("2D heatmaps", "heatmap")
        if printed_here and paper is not None and not same:
            by_input.setdefault(f"{paper.input} there, {reads} here", []).append(paper.label)
    for kind, labels in by_input.items():
        yield f"{MARK} these methods have another input in the paper: {', '.join(labels)} ({kind})"


def _baselines_ahead(result: Result, found: Sequence[Figure]) -> Iterator[str]:
    """Yield, for each baseline, the columns in which it is best, so that no method wins."""
    headings = {
        metric: f"{task.name} {' '.join(text.split())}"
        for task in result.tasks
        for metric, text in task.headings.items()
    }
    labels, ahead = result.rows(), {}
    for figure in found:
        if figure.best and figure.row not in result.labels:
            column = f"{headings[figure.metric]} ({figure.data})"
            ahead.setdefault(labels[figure.row], []).append(column)
    for label, columns in ahead.items():
        yield f"no method wins where {label} is best: {', '.join(columns)}"


def _budget_notes(result: Result) -> Iterator[str]:
    seeds = result.facts["seeds"]
    if len(seeds) < 3:
        yield (
            "with fewer than 3 seeds, intervals and p hardly show what another seed would change; "
            "use --seeds 0,1,2"
        )


def _protocol_notes(result: Result) -> Iterator[str]:
    for data in result.data:
        if uses := data.facts.get("method_uses"):
            yield f"{data.name}: event transfer of a method = {uses}"
    if not any(result.facts["alignment"].get(part) for part in ("movement", "base")):
        yield (
            "event transfer of a method is computed without joint movement and base model, which "
            "la2ds align also uses (align.movement, align.base), to show what the method has "
            "learned"
        )


# --- significance ---------------------------------------------------------------------------------


def nested_resamples(runs: Sequence[FloatArray] | FloatArray) -> FloatArray:
    """Return (R,) the mean over training runs in each resample of the clips and of the runs.

    Deviations of the drawn runs from their mean are scaled by the root of S / (S - 1), since a few
    resampled seeds vary less than seeds do (Rao and Wu 1988). A single run keeps its resamples.

    Parameters
    ----------
    runs: (S, R), under the same resamples of the clips.
    """
    values = np.asarray(runs, np.float64)
    seeds, resamples = values.shape
    centre = values.mean(axis=0)
    if seeds < 2:
        return centre
    drawn = np.random.default_rng(0).integers(seeds, size=(seeds, resamples))
    picked = np.take_along_axis(values, drawn, axis=0).mean(axis=0)
    return centre + math.sqrt(seeds / (seeds - 1)) * (picked - centre)


def difference(a: ScoreSample, b: ScoreSample) -> tuple[float, float]:
    """Return the difference of two rows (a minus b) on the same clips, and its two-sided p.

    For a row with one seed, the variance over seeds is unknown, and p covers only other clips. The
    variance over n resampled clips is multiplied by n / (n - 1), as for seeds in
    `nested_resamples`; the degrees of freedom of the sum are those of Satterthwaite (1946). p is
    NaN if a variance is unknown.
    """
    from scipy import stats

    value = float(a.values.mean() - b.values.mean())
    paired = a.resampled.mean(axis=0) - b.resampled.mean(axis=0)
    paired = paired[~np.isnan(paired)]
    free = min(a.clips, b.clips) - 1
    if len(paired) < 2 or free < 1:
        return value, math.nan
    terms = [(paired.var(ddof=1) * (free + 1) / free, free)]  # variance, degrees of freedom
    runs = (sample.values for sample in (a, b) if len(sample.values) > 1)
    terms += [(values.var(ddof=1) / len(values), len(values) - 1) for values in runs]
    variance, freedom = np.array(terms, np.float64).T
    total = float(variance.sum())
    if abs(value) <= _ROUNDING or total <= _ROUNDING**2:
        return value, float(abs(value) <= _ROUNDING)
    of_sum = total**2 / (variance**2 / freedom).sum()
    return value, float(2 * stats.t.sf(abs(value) / math.sqrt(total), of_sum))


def holm(p: Sequence[float]) -> list[float]:
    """Return p after Holm's step-down correction (1979): the smallest is multiplied by their
    number, the next by one less, and so on; none is below the previous one or above 1.

    If all p up to a level are called significant, the probability of any false one is at most that
    level.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    factors = np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p)[order]), 1)
    return adjusted.tolist()


# --- files --------------------------------------------------------------------------------------


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    """Yield the facts on which the numbers depend, as (name, text); the budget comes first."""
    for key, value in result.facts.items():
        if value not in ([], None):
            yield key, plain(value)
    for data in result.data:
        about = [(key, data.facts.get(key)) for key in ("clips", "split", "phases", "events")]
        yield data.name, plain(dict(about))


def markdown(result: Result, found: Sequence[Figure]) -> str:
    """Return tables, notes and facts as a Markdown page."""
    lines = [f"# {md(result.title)}", "", f"Budget: {md(result.facts['budget'])}.", ""]
    for title, table in tables(result, found, full=True):
        lines += [f"## {md(title)}", "", *md_table(table), ""]
    lines += [HOW_TO_READ, "", "## Notes", ""]
    lines += [f"- {md(text)}" for text in all_notes(result, found)]
    lines += ["", "## Facts", "", *(f"- {md(key)}: {md(text)}" for key, text in _facts(result))]
    return "\n".join(lines).rstrip() + "\n"


def plain(value: Any) -> str:
    """Return a setting or fact on one line."""
    if isinstance(value, dict):
        return "; ".join(f"{key} = {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value)) or "none"
    return "none" if value is None else str(value)


def csv_table(result: Result) -> str:
    """Return CSV with a line for each figure of each run, not rounded, with its 95 % interval over
    the clips; a failed run has one line, with its error."""
    head = ["data", "row", "label", "input", "baseline", "run", "seed", "protocol", "split"]
    lines = []
    metrics = [m.name for task in (*result.tasks, COST_TASK) for m in task.metrics]
    splits = {data.name: data.facts.get("split") for data in result.data}
    for entry in result.entries:
        reads = result.reads.get(entry.row)
        start = [entry.data, entry.row, entry.label, reads, int(entry.baseline), entry.run]
        start += [entry.seed, result.facts["protocol"], splits[entry.data]]
        if entry.error:
            lines.append([*start, None, None, None, None, entry.error])
        for metric in metrics:
            if (value := entry.figure(metric)) is not None:
                sample = entry.resampled.get(metric)
                ends = (interval(sample) if sample is not None else None) or (None, None)
                lines.append([*start, metric, value, *ends, None])
    return table_text([*head, "metric", "value", "low", "high", "error"], lines)


def document(result: Result, found: Sequence[Figure]) -> dict[str, Any]:
    """Return the JSON document: runs, figures with their p, and notes."""
    return {
        "schema_version": 1,
        "table": result.name,
        "title": result.title,
        "facts": result.facts,
        "data": {data.name: data.facts for data in result.data},
        "runs": [
            {k: v for k, v in vars(entry).items() if k not in ("label", "resampled", "clips")}
            for entry in result.entries
        ],
        "figures": [asdict(figure) for figure in found],
        "notes": all_notes(result, found),
    }


def checked_files(project: StoredProject, name: str, folder: Path) -> list[Path]:
    """Check the files of a table, NAME.md, .csv and .json, and return their paths; raise UserError
    (exit 2) as `check_derived`."""
    paths = [folder / f"{name}{end}" for end in (".md", ".csv", ".json")]
    for path in paths:
        check_derived(project, path)
    return paths


def write_result(project: StoredProject, result: Result, folder: Path) -> list[Path]:
    """Write the files of a table, and return their paths; raise UserError as `checked_files`."""
    values = figures(result)
    paths = checked_files(project, result.name, folder)
    write_derived(project, paths[0], markdown(result, values))
    write_derived(project, paths[1], csv_table(result))
    write_derived(project, paths[2], artifact.json_text(document(result, values)))
    return paths
