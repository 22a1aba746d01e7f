"""Sentences below the tables: what may not be compared, what failed, where a baseline is ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from la2ds_cli.experiments.benchmark.layout import MARK, TaskTable, layout
from la2ds_cli.experiments.benchmark.paper import departures, paper_data, paper_methods, same_input
from la2ds_cli.experiments.benchmark.result import BenchmarkResult
from la2ds_cli.experiments.reproduce.result import Outcome

_SAID = {"classification": "phases ", "transfer": "event transfer "}  # before a heading
_EARLY = 0.9  # of the minutes: a run that ended before was given less


def all_notes(result: BenchmarkResult) -> list[str]:
    """In the order of how much they change what the tables say."""
    return list(
        dict.fromkeys(
            [
                *_failures(result),
                *_paper_notes(result),
                *_baselines_ahead(layout(result)),
                *_budget_notes(result),
                *_protocol_notes(result),
                *(
                    f"{project.table.name}: {text}"
                    for project in result.projects
                    for text in project.table.warnings
                ),
            ]
        )
    )


def _failures(result: BenchmarkResult) -> Iterator[str]:
    """Runs without figures, and those whose figures are of a network that tells nothing apart."""
    for project in result.projects:
        for outcome in project.table.failures():
            yield f"{project.table.name}, {outcome.run}: {outcome.error}"
        for text in project.table.collapses():
            yield f"{project.table.name}, {text}"


def _paper_notes(result: BenchmarkResult) -> Iterator[str]:
    protocol = result.facts["protocol"]
    data = {p.source.data: p for p in result.projects if p.source.data}
    others = [p.table.name for p in result.projects if not p.source.data]
    for name in data:
        sources = [p.source for p in result.projects if p.source.data == name]
        reasons = departures(sources, protocol)
        label = f"{MARK} {paper_data()[name].label} in the paper"
        if reasons:
            yield f"{label} is not the same experiment: {'; '.join(reasons)}"
        else:
            yield f"{label}: the same clips, labels and definitions; its figures stand beside ours"
    if others:
        names = ", ".join(others)
        yield f"{names}: data that the paper does not have, so none of its figures stands beside"
    if data:
        yield from _inputs(result)


def _inputs(result: BenchmarkResult) -> Iterator[str]:
    """Which methods read something else in the paper, by what they read there."""
    found: dict[str, list[str]] = {}
    for name, reads in result.reads.items():
        known = paper_methods().get(name)
        if known is not None and not same_input(name, reads):
            found.setdefault(known.input, []).append(known.label)
    if found:
        theirs = "; ".join(f"{', '.join(names)} {kind}" for kind, names in found.items())
        ours = []
        if joints := sorted(set(result.reads.values()) - {"rgb"}):
            ours.append(f"2D joints ({', '.join(joints)})")
        if "rgb" in result.reads.values():
            ours.append("RGB frames through a network that is not trained (rgb)")
        here = " and ".join(ours)
        yield f"{MARK} in the paper these read something else: {theirs}; here {here}"


def _baselines_ahead(tables: Sequence[TaskTable]) -> Iterator[str]:
    """Where a baseline does as well as the best method, by baseline."""
    found: dict[str, list[str]] = {}
    for table in tables:
        headings = dict.fromkeys(column.heading for column in table.columns)
        for heading in headings:
            columns = [
                (n, column)
                for n, column in enumerate(table.columns)
                if column.heading == heading and MARK not in column.group
            ]
            ahead: dict[str, list[str]] = {}
            for n, column in columns:
                for label in _ahead(table, n):
                    ahead.setdefault(label, []).append(column.group)
            for label, groups in ahead.items():
                where = "" if len(groups) == len(columns) else f" ({', '.join(groups)})"
                found.setdefault(label, []).append(f"{_SAID.get(table.name, '')}{heading}{where}")
    for label, columns in found.items():
        yield f"{label} does as well as the best method, or better, in: {', '.join(columns)}"


def _ahead(table: TaskTable, n: int) -> list[str]:
    """Labels of the baselines that are no worse than the best method in column `n`."""
    sign = 1 if table.columns[n].lower_is_better else -1
    values = [
        (line.label, line.baseline, sign * value)
        for line in table.lines
        if (value := line.cells[n].value) is not None
    ]
    best = min((value for _, baseline, value in values if not baseline), default=None)
    if best is None:
        return []
    return [label for label, baseline, value in values if baseline and value <= best]


def _budget_notes(result: BenchmarkResult) -> Iterator[str]:
    done = [o for o in result.outcomes() if o.steps is not None and not o.error]
    if len({o.steps for o in done}) > 1:
        yield (
            "the runs did not make the same number of steps; without --minutes, or with "
            "--set train.steps=N small enough, they do"
        )
    minutes, steps = result.facts["minutes"], result.facts["steps"]
    for outcome in done:
        if _was_given_less(outcome, minutes, steps):
            yield (
                f"{outcome.run} was trained before, with less than this budget "
                f"({outcome.steps} steps, {outcome.seconds:.0f} s); --overwrite trains it again"
            )
    seeds = result.facts["seeds"]
    if len(seeds) < 3:
        yield (
            f"{len(seeds)} of at least 3 seeds: what another seed would change is not in the "
            "intervals; --seeds 0,1,2"
        )


def _was_given_less(outcome: Outcome, minutes: float | None, steps: int) -> bool:
    if not outcome.reused or outcome.steps is None or outcome.seconds is None:
        return False
    return outcome.steps < steps and (minutes is None or outcome.seconds < _EARLY * 60 * minutes)


def _protocol_notes(result: BenchmarkResult) -> Iterator[str]:
    if not result.facts["alignment"]["pool"]:
        yield (
            "event transfer aligns by the embedding alone (align.pool=false), so that the joints' "
            "own movement, which votes in la2ds align, does not hide what a method learned"
        )
    if result.facts["protocol"] != "la2ds" and any(task.number == 0 for task in result.tasks):
        yield f"protocol {result.facts['protocol']} has no event transfer; --protocol la2ds has"
