"""What a table compares, rows that are trained and baselines that are not, and its result.

The result is filled run by run: one entry for each run of a row on a project.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.measure import RESAMPLES
from la2ds_cli.experiments.corruption import CLEAN, Joints
from la2ds_cli.experiments.scores import Resamples, Scores, Task
from la2ds_cli.experiments.significance import Sample

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Row:
    """One recipe, trained once for each seed.

    recipe: its settings in a project, for a seed.
    run: the first part of the names of its runs (runner.run_name).
    untrained: label of the row of its network without training, empty = there is none.
    joints: on which it is trained and tested.
    """

    name: str
    label: str
    recipe: Callable[[Project, int], Config]
    run: str
    untrained: str = ""
    joints: Joints = CLEAN


@dataclass(frozen=True)
class Baseline:
    """A row without training. features: its feature set. joints: on which it is tested."""

    name: str
    label: str
    features: str
    joints: Joints = CLEAN


BASELINES = (
    Baseline("time_only", "time only", "time_only"),
    Baseline("raw_pose", "raw pose", "raw_pose"),
    Baseline("raw_pose_best", "best raw pose", "raw_pose_best"),
)


@dataclass(frozen=True)
class Rows:
    """All rows of a table. stem: of the names of runs of baselines. common: the settings of the
    baselines in a project."""

    stem: str
    rows: Sequence[Row]
    common: Callable[[Project], Config]
    baselines: Sequence[Baseline] = BASELINES


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


@dataclass
class DataSet:
    """The clips of a project. source: the data set of the paper that they come from, empty for
    others. facts: of their evaluation, empty before it."""

    name: str
    source: str
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


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
