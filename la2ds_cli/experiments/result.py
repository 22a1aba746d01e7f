"""Results of experiments, filled run by run: runs, rows and tables.

They are plain data, which `ablation_table` and `benchmark_tables` write to files.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.evaluation.measure import RESAMPLES
from la2ds_cli.experiments.methods import Source
from la2ds_cli.experiments.metrics import METRICS, Scores, Task
from la2ds_cli.experiments.scores import Resamples
from la2ds_cli.experiments.significance import Sample

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """One run of a row. features: the scored feature set. interval: 95 %, of the headline over the
    scored clips. seed, steps, seconds (of training): None if nothing was trained. reused: the run
    existed before. error: why it has no scores, else empty. collapse: how the embedding has
    collapsed, empty = it has not."""

    run: str
    features: str
    scores: Scores = field(default_factory=dict)
    interval: list[float] | None = None
    seed: int | None = None
    steps: int | None = None
    seconds: float | None = None
    reused: bool = False
    error: str = ""
    collapse: str = ""

    def figure(self, metric: str) -> float | None:
        """A score, or `steps` or `seconds` of training."""
        if metric in ("steps", "seconds"):
            cost = getattr(self, metric)
            return None if cost is None or self.error else float(cost)
        return self.scores.get(metric)


@dataclass
class ResultRow:
    """A row and its runs, one per seed. paper: metric -> the paper's figure. note: why there are
    no runs, or what is unusual about them."""

    name: str
    label: str
    paper: dict[str, float]
    settings: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    note: str = ""

    def values(self, metric: str) -> list[float]:
        """The value of the metric in every run that has it."""
        values = (outcome.scores.get(metric) for outcome in self.outcomes)
        return [value for value in values if value is not None]


@dataclass
class TableResult:
    """A table. facts: preset, overrides, minutes, seeds, machine, clips, events, protocol."""

    name: str
    title: str
    facts: dict[str, Any]
    rows: list[ResultRow] = field(default_factory=list)
    baselines: list[ResultRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def failures(self) -> list[Outcome]:
        return [o for row in (*self.rows, *self.baselines) for o in row.outcomes if o.error]

    def collapses(self) -> list[str]:
        """A sentence for each run whose embedding has collapsed."""
        collapsed = (o for row in self.rows for o in row.outcomes if o.collapse)
        sentences = (f"{o.run}: the embedding has collapsed, {o.collapse}" for o in collapsed)
        return list(dict.fromkeys(sentences))

    def exit_code(self) -> ExitCode:
        """0 when every run has scores, 8 when some have, 4 when none has."""
        return exit_code([outcome for row in self.rows for outcome in row.outcomes])

    def to_json(self) -> dict[str, Any]:
        """The JSON document: the rows, with mean and standard deviation over seeds."""
        document = {"schema_version": SCHEMA_VERSION, "table": self.name} | asdict(self)
        for kind in ("rows", "baselines"):
            for plain, row in zip(document[kind], getattr(self, kind), strict=True):
                values = {name: row.values(name) for name in _metrics(row)}
                plain["mean"] = {k: statistics.fmean(v) if v else None for k, v in values.items()}
                plain["spread"] = {
                    k: statistics.stdev(v) if len(v) > 1 else None for k, v in values.items()
                }
        return document


def exit_code(runs: Sequence[Outcome]) -> ExitCode:
    """0 when every run has scores, 8 when some have, 4 when none has."""
    failed = sum(bool(outcome.error) for outcome in runs)
    if runs and not failed:
        return ExitCode.OK
    return ExitCode.PARTIAL if failed < len(runs) else ExitCode.UNUSABLE


def _metrics(row: ResultRow) -> list[str]:
    """METRICS, and the other metrics of the row's runs."""
    scored = (name for outcome in row.outcomes for name in outcome.scores)
    return list(dict.fromkeys([*(metric.name for metric in METRICS), *scored]))


@dataclass(frozen=True)
class Choice:
    """The chosen learning rate of a method. errors: rate -> mean error of event transfer on
    held-out training clips, in % of the clip. failed: rate -> why there is none."""

    rate: float
    errors: dict[float, float]
    failed: dict[float, str] = field(default_factory=dict)

    def __str__(self) -> str:
        tried = [f"{rate:g}: {error:.2f} %" for rate, error in self.errors.items()]
        tried += [f"{rate:g}: failed" for rate in self.failed]
        return f"{self.rate:g} ({', '.join(tried)})"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; rates are no keys."""
        pairs = {"errors": self.errors, "failed": self.failed}
        return {"rate": self.rate} | {k: [list(one) for one in v.items()] for k, v in pairs.items()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Choice:
        """The inverse of to_json; ValueError and the like for anything else."""
        return cls(
            _positive(plain["rate"]),
            {_positive(rate): float(error) for rate, error in plain["errors"]},
            {_positive(rate): str(reason) for rate, reason in plain["failed"]},
        )


def _positive(rate: float) -> float:
    if not 0 < float(rate) < float("inf"):
        raise ValueError(f"a learning rate of {rate}")
    return float(rate)


@dataclass
class DataSet:
    """The clips of a project. source: where they come from. facts: of their evaluation, empty
    before it. rates: method -> its learning rate, if several were tried."""

    name: str
    source: Source
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    rates: dict[str, Choice] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One run of a row in one data set.

    row: name of a method or baseline.
    resampled: of the outcome's scores; those that are undefined are missing.
    clips: metric -> the number of clips behind it, without those that have no label for it.
    """

    data: str
    row: str
    label: str
    outcome: Outcome
    baseline: bool = False
    resampled: Resamples = field(default_factory=dict)
    clips: Mapping[str, int] = field(default_factory=dict)


@dataclass
class BenchmarkResult:
    """Runs of methods and baselines in one or several data sets.

    name: stem of its files.
    tasks: its tables.
    facts: budget, seeds, settings, machine.
    methods: name -> label, in the order of the rows.
    reads: method -> model.input.
    independent: whether every data set has clips and runs of its own; only then is there a mean.
    """

    name: str
    title: str
    tasks: tuple[Task, ...]
    facts: dict[str, Any]
    methods: dict[str, str] = field(default_factory=dict)
    reads: dict[str, str] = field(default_factory=dict)
    data: list[DataSet] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    independent: bool = True

    def rows(self) -> dict[str, str]:
        """Name -> label of the methods, then of the baselines."""
        return self.methods | {one.row: one.label for one in self.entries}

    def outcomes(self) -> list[Outcome]:
        """The runs of all methods."""
        return [one.outcome for one in self.entries if not one.baseline]

    def exit_code(self) -> ExitCode:
        """0 when every run has scores, 8 when some have, 4 when none has."""
        return exit_code(self.outcomes())

    def samples(self, row: str, data: Sequence[str], metric: str) -> list[Sample]:
        """The metric of a row in each of the data sets; empty if it is undefined in one of them."""
        found = [self._sample(row, name, metric) for name in data]
        return [one for one in found if one is not None] if None not in found else []

    def _sample(self, row: str, data: str, metric: str) -> Sample | None:
        runs = [
            (one, value)
            for one in self.entries
            if one.row == row and one.data == data
            if (value := one.outcome.figure(metric)) is not None
        ]
        if not runs:
            return None
        unknown = np.full(RESAMPLES, np.nan)
        return Sample(
            np.array([value for _, value in runs]),
            np.array([one.resampled.get(metric, unknown) for one, _ in runs]),
            min(one.clips.get(metric, 0) for one, _ in runs),
            tuple(one.outcome.seed for one, _ in runs),
        )
