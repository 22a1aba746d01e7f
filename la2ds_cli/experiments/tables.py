"""The figures of an experiment, its tables for a terminal and as Markdown, one tidy CSV, and JSON.

All rows of a column are compared, also baselines and untrained networks: if one of them is best, no
method wins. The best row is chosen after seeing the figures, so comparing it with all others
amounts to as many tests as there are pairs of rows: Holm's correction is over all pairs of rows in
all columns of a table.

A figure would differ with other clips and with other seeds. Clips: the bootstrap of
`la2ds_cli.evaluation.measure`, whose resamples are the same for all rows, so that rows compare in
pairs. Seeds: the variance over the training runs of each row. 1,000 resamples cannot resolve p
below 0.002, and Holm's correction over some hundred comparisons needs less: p is therefore that of
Student's t, for the difference divided by its standard error. With three seeds, this is slightly
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
FEW = 3  # projects, of which a terminal shows each
HOW_TO_READ = (
    "Mean over seeds ± their standard deviation (n - 1); in brackets the 95 % interval of the mean "
    "over the scored clips and the seeds. The best row of a column, a method or a baseline, is "
    "bold; rows not significantly worse, or not tested, are in italics: paired difference of "
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
    best: whether the row is the best of its column.
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
    p: float | None = None
    adjusted: float | None = None

    @property
    def ties(self) -> bool:
        """Whether the row is not significantly worse than the best one, or could not be tested."""
        if self.best or self.task == COST_TASK.name:
            return False
        return self.adjusted is None or self.adjusted > LEVEL


def figures(result: Result) -> list[Figure]:
    """Every figure of every row, by task, data set and metric; undefined ones are left out."""
    found = [one for task in result.tasks for one in _of_task(result, task)]
    return found + _of_task(result, COST_TASK, compared=False)


def _of_task(result: Result, task: Task, compared: bool = True) -> list[Figure]:
    columns = [(name, metric) for name in result.groups() for metric in task.metrics]
    samples = {
        (name, metric.name): {
            row: found
            for row in result.rows()
            if (found := result.sample(row, name, metric.name)) is not None
        }
        for name, metric in columns
    }
    p = {
        (*column, *pair): found
        for column, rows in samples.items()
        for pair in itertools.combinations(rows if compared else (), 2)
        if not math.isnan(found := difference(rows[pair[0]], rows[pair[1]])[1])
    }
    adjusted = dict(zip(p, holm(list(p.values())), strict=True))
    found = []
    for name, metric in columns:
        rows = samples[name, metric.name]
        means = {row: float(one.values.mean()) for row, one in rows.items()}
        sign = 1 if metric.lower_is_better else -1
        best = min(means, key=lambda row: sign * means[row]) if means and compared else ""
        for row, one in rows.items():
            pairs = ((name, metric.name, *pair) for pair in ((row, best), (best, row)))
            key = next((pair for pair in pairs if pair in p), None)
            figure = Figure(
                task=task.name,
                data=name,
                metric=metric.name,
                row=row,
                value=means[row],
                spread=float(np.std(one.values, ddof=1)) if len(one.values) > 1 else None,
                interval=interval(nested_resamples(one.resampled)),
                seeds=len(one.values),
                paper=_in_paper(result, name, row, metric.name),
                best=row == best,
                p=p[key] if key else None,
                adjusted=adjusted[key] if key else None,
            )
            found.append(figure)
    return found


def _in_paper(result: Result, group: str, row: str, metric: str) -> float | None:
    """What the paper prints for a row; for a method, if all clips are of one of its data sets."""
    if row in result.paper:
        return result.paper[row].get(metric)
    (source, *others) = {data.source for data in result.data if group in (data.name, MEAN)}
    if others or not source:
        return None
    return paper_data()[source].figures.get(row, {}).get(metric)


def tables(
    result: Result, found: Sequence[Figure], *, full: bool = False
) -> list[tuple[str, Table]]:
    """Titles and tables: one for each task and data set, with what the paper prints below ours.

    full: for a page, with what each row reads, and intervals. Otherwise for a terminal of 80
    columns, where `*` marks the best row and `=` those that are not significantly worse; of more
    than FEW projects, it shows only the mean.
    """
    shown = result.groups() if full or len(result.data) <= FEW else [MEAN]
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
        cells += [_cell(known.get((name, metric.name)), metric, full) for metric in task.metrics]
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
        if one.error:
            yield f"{one.data}, {one.run}: {one.error}"
        elif one.collapse:
            yield f"{one.data}, {one.run}: the embedding has collapsed, {one.collapse}"


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
    by_input: dict[str, list[str]] = {}
    for name, reads in result.reads.items():
        paper = paper_methods().get(name)
        # Never the same for `rgb`: its base network is frozen, and the paper's methods fine-tune.
        same = paper is not None and (paper.input, reads) == ("2D heatmaps", "heatmap")
        if known and paper is not None and not same:
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
    seeds = result.facts["seeds"]
    if len(seeds) < 3:
        yield (
            f"{len(seeds)} of at least 3 seeds: intervals and p hardly include what another seed "
            "would change; --seeds 0,1,2"
        )


def _protocol_notes(result: Result) -> Iterator[str]:
    for data in result.data:
        if uses := data.facts.get("method_uses"):
            yield f"{data.name}: event transfer of a method = {uses}"
    if not any(result.facts["alignment"].get(part) for part in ("movement", "base")):
        yield (
            "event transfer of a method leaves out the joints' movement and the base model, which "
            "la2ds align uses (align.movement, align.base), so that they do not hide what a method "
            "learned"
        )


# --- what is more than chance ---------------------------------------------------------------------


def nested_resamples(runs: Sequence[FloatArray] | FloatArray) -> FloatArray:
    """(R,) the mean over training runs in each resample of the clips and of the runs.

    runs: (S, R), under the same resamples of the clips. Deviations of the drawn runs from their
    mean are scaled by the root of S / (S - 1), since a few resampled seeds spread less than seeds
    do (Rao and Wu 1988). For a single run, its resamples are returned.
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
    """The figure of one row minus that of another on the same clips, and its two-sided p.

    A row with one seed has no variance over seeds: p then covers only other clips. The variance
    over n resampled clips is multiplied by n / (n - 1), as that of seeds in `nested_resamples`; the
    degrees of freedom of the sum are those of Satterthwaite (1946). NaN for p if a variance is
    unknown.
    """
    from scipy import stats

    value = float(a.values.mean() - b.values.mean())
    paired = a.resampled.mean(axis=0) - b.resampled.mean(axis=0)
    paired = paired[~np.isnan(paired)]
    free = min(a.clips, b.clips) - 1
    if len(paired) < 2 or free < 1:
        return value, math.nan
    terms = [(paired.var(ddof=1) * (free + 1) / free, free)]  # variance, degrees of freedom
    runs = (one.values for one in (a, b) if len(one.values) > 1)
    terms += [(values.var(ddof=1) / len(values), len(values) - 1) for values in runs]
    variance, freedom = np.array(terms, np.float64).T
    total = float(variance.sum())
    if abs(value) <= _ROUNDING or total <= _ROUNDING**2:
        return value, float(abs(value) <= _ROUNDING)
    of_sum = total**2 / (variance**2 / freedom).sum()
    return value, float(2 * stats.t.sf(abs(value) / math.sqrt(total), of_sum))


def holm(p: Sequence[float]) -> list[float]:
    """p after Holm's step-down correction (1979): the smallest is multiplied by their number, the
    next by one less, and so on; none is below the previous one or above 1.

    If those up to a level are called significant, the probability that any of them is wrong is at
    most that level.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    factors = np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p)[order]), 1)
    return adjusted.tolist()


# --- files --------------------------------------------------------------------------------------


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    """What the numbers refer to, as (name, text); the budget comes first."""
    for key, value in result.facts.items():
        if value not in ([], None):
            yield key, plain(value)
    for data in result.data:
        about = [(key, data.facts.get(key)) for key in ("clips", "split", "phases", "events")]
        yield data.name, plain(dict(about))


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
        reads = result.reads.get(one.row)
        start = [one.data, one.row, one.label, reads, int(one.baseline), one.run, one.seed]
        start += [result.facts["protocol"], splits[one.data]]
        if one.error:
            lines.append([*start, None, None, None, None, one.error])
        for metric in metrics:
            if (value := one.figure(metric)) is not None:
                sample = one.resampled.get(metric)
                ends = (interval(sample) if sample is not None else None) or (None, None)
                lines.append([*start, metric, value, *ends, None])
    return table_text([*head, "metric", "value", "low", "high", "error"], lines)


def document(result: Result, found: Sequence[Figure]) -> dict[str, Any]:
    """The JSON document: runs, figures with their p, and notes."""
    return {
        "schema_version": 1,
        "table": result.name,
        "title": result.title,
        "facts": result.facts,
        "data": {data.name: data.facts for data in result.data},
        "runs": [
            {k: value for k, value in vars(one).items() if k not in ("label", "resampled", "clips")}
            for one in result.entries
        ],
        "figures": [asdict(one) for one in found],
        "notes": all_notes(result, found),
    }


def checked_files(project: StoredProject, name: str, folder: Path) -> list[Path]:
    """Check the files of a table, NAME.md, .csv and .json, and return their paths. Raises UserError
    (exit 2) as `check_derived`."""
    paths = [folder / f"{name}{end}" for end in (".md", ".csv", ".json")]
    for path in paths:
        check_derived(project, path)
    return paths


def write_result(project: StoredProject, result: Result, folder: Path) -> list[Path]:
    """Write the files of a table and return their paths. Raises UserError as `checked_files`."""
    found = figures(result)
    paths = checked_files(project, result.name, folder)
    write_derived(project, paths[0], markdown(result, found))
    write_derived(project, paths[1], csv_table(result))
    write_derived(project, paths[2], artifact.json_text(document(result, found)))
    return paths
