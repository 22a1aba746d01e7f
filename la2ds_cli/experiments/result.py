"""The result of an experiment, filled run by run: one entry for each run of a row on a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.evaluation.measure import RESAMPLES
from la2ds_cli.experiments.methods import Source
from la2ds_cli.experiments.metrics import Scores, Task
from la2ds_cli.experiments.scores import Resamples
from la2ds_cli.experiments.significance import Sample

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """One run of a row. features: the scored feature set. seed, steps, seconds (of training): None
    if nothing was trained. reused: the run existed before. error: why it has no scores, else empty.
    collapse: how the embedding has collapsed, empty = it has not."""

    run: str
    features: str
    scores: Scores = field(default_factory=dict)
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


@dataclass(frozen=True)
class Choice:
    """The chosen learning rate of a row. errors: pairs of a rate and the mean error of event
    transfer on held-out training clips, in % of the clip, None if the try failed."""

    rate: float
    errors: Sequence[tuple[float, float | None]]

    def __str__(self) -> str:
        tried = (f"{r:g}: {'failed' if e is None else f'{e:.2f} %'}" for r, e in self.errors)
        return f"{self.rate:g} ({', '.join(tried)})"

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Choice:
        """From the fields as JSON has them; ValueError and the like for anything else."""
        pairs = [(float(rate), None if e is None else float(e)) for rate, e in plain["errors"]]
        if not 0 < float(plain["rate"]) < float("inf"):
            raise ValueError(f"a learning rate of {plain['rate']}")
        return cls(float(plain["rate"]), pairs)


@dataclass
class DataSet:
    """The clips of a project. source: where they come from. facts: of their evaluation, empty
    before it. rates: row -> its learning rate, if several were tried."""

    name: str
    source: Source
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    rates: dict[str, Choice] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One run of a row in one data set.

    row: its name. resampled: of the outcome's scores; those that are undefined are missing.
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
class Result:
    """Runs of rows and baselines in one or several data sets.

    name: stem of its files.
    tasks: its tables.
    facts: budget, seeds, settings, machine.
    labels: name of a row, but no baseline -> its label, in their order.
    reads: row -> model.input.
    paper: row -> metric -> the paper's figure, for rows that are no methods.
    left_out: label of a row -> why it has no runs.
    independent: whether every data set has clips and runs of its own; only then is there a mean.
    """

    name: str
    title: str
    tasks: tuple[Task, ...]
    facts: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)
    reads: dict[str, str] = field(default_factory=dict)
    paper: dict[str, Mapping[str, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    data: list[DataSet] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    independent: bool = True

    def rows(self) -> dict[str, str]:
        """Name -> label of the rows, then of the baselines."""
        return self.labels | {one.row: one.label for one in self.entries}

    def outcomes(self) -> list[Outcome]:
        """The runs of all rows but the baselines."""
        return [one.outcome for one in self.entries if not one.baseline]

    def exit_code(self) -> ExitCode:
        """0 when every run has scores, 8 when some have, 4 when none has."""
        failed = sum(bool(outcome.error) for outcome in self.outcomes())
        if self.outcomes() and not failed:
            return ExitCode.OK
        return ExitCode.PARTIAL if failed < len(self.outcomes()) else ExitCode.UNUSABLE

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
