"""The rows of a table (trained rows and untrained baselines), and its result, which grows by an
entry for each run of a row on a project.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray
from la2ds_cli.evaluation.measure import RESAMPLES
from la2ds_cli.experiments.corruption import CLEAN, Joints
from la2ds_cli.experiments.scores import COST, Resamples, Scores, Task

MEAN = "mean over projects"


@dataclass(frozen=True)
class ScoreSample:
    """The values of a metric for a row in one data set.

    values: (S,) of its training runs; a single value if nothing is trained.
    resampled: (S, R) of each run in the same resamples of the clips, NaN where undefined.
    clips: how many clips contribute; clips without the needed labels do not.
    """

    values: FloatArray
    resampled: FloatArray
    clips: int


@dataclass(frozen=True)
class Row:
    """A recipe that is trained once for each seed.

    recipe: returns its settings in a project, for a seed.
    run: the first part of the names of its runs (runner.run_name).
    untrained: label of the row for its untrained network, empty = no such row.
    joints: for training and testing.
    """

    name: str
    label: str
    recipe: Callable[[StoredProject, int], Config]
    run: str
    untrained: str = ""
    joints: Joints = CLEAN


@dataclass(frozen=True)
class Baseline:
    """A row without training. features: its feature set. joints: for testing."""

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
    """All rows of a table. stem: first part of the names of baseline runs. common: returns the
    settings of the baselines in a project."""

    stem: str
    rows: Sequence[Row]
    common: Callable[[StoredProject], Config]
    baselines: Sequence[Baseline] = BASELINES


@dataclass
class DataSet:
    """The clips of a project. source: the data set of the paper they come from, empty for others.
    facts: about their evaluation, empty before it."""

    name: str
    source: str
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunEntry:
    """A run of a row in one data set.

    row: its name. run: empty for a baseline. features: the scored feature set.
    seed, steps, seconds (of training): None if nothing was trained. reused: whether the run existed
    before. error: why it has no scores, else empty. collapse: how the embedding has collapsed, else
    empty.
    resampled: of the scores, without undefined ones.
    clips: metric -> number of clips that contribute to it.
    """

    data: str
    row: str
    label: str
    run: str
    features: str
    baseline: bool = False
    seed: int | None = None
    steps: int | None = None
    seconds: float | None = None
    reused: bool = False
    error: str = ""
    collapse: str = ""
    scores: Scores = field(default_factory=dict)
    resampled: Resamples = field(default_factory=dict)
    clips: Mapping[str, int] = field(default_factory=dict)

    def figure(self, metric: str) -> float | None:
        """Return a score, or `steps` or `seconds` of training."""
        if metric in COST:
            cost = getattr(self, metric)
            return None if cost is None or self.error else float(cost)
        return self.scores.get(metric)


@dataclass
class Result:
    """The runs of rows and baselines in one or more data sets.

    name: stem of its files.
    tasks: its tables.
    facts: budget, seeds, settings, machine.
    labels: name -> label of each row except baselines, in order.
    reads: row -> model.input.
    paper: row -> metric -> the paper's figure, for rows that are not methods.
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
    entries: list[RunEntry] = field(default_factory=list)

    def rows(self) -> dict[str, str]:
        """Return name -> label of the rows, then of the baselines."""
        return self.labels | {entry.row: entry.label for entry in self.entries}

    def runs(self) -> list[RunEntry]:
        """Return the runs of all rows except baselines."""
        return [entry for entry in self.entries if not entry.baseline]

    def exit_code(self) -> ExitCode:
        """Return 0 if all runs have scores, 8 if some have, 4 if none has."""
        failed = sum(bool(entry.error) for entry in self.runs())
        if self.runs() and not failed:
            return ExitCode.OK
        return ExitCode.PARTIAL if failed < len(self.runs()) else ExitCode.UNUSABLE

    def groups(self) -> list[str]:
        """Return the names of the data sets, and MEAN if there are several."""
        names = [data.name for data in self.data]
        return [*names, MEAN] if len(names) > 1 else names

    def sample(self, row: str, data: str, metric: str) -> ScoreSample | None:
        """Return the metric of a row in a data set, None if it is undefined.

        MEAN stands for the mean over all data sets, whose clips are drawn independently; None if
        one of them lacks a run.
        """
        if data == MEAN:
            by_data = [self.sample(row, each.name, metric) for each in self.data]
            samples = [sample for sample in by_data if sample is not None]
            seeds = {len(sample.values) for sample in samples}
            if len(samples) < len(by_data) or len(seeds) > 1:
                return None
            # Data sets of equal size have the same draws in the same order, so shuffle them.
            shuffled = [
                np.random.default_rng(n).permutation(sample.resampled, axis=1)
                for n, sample in enumerate(samples)
            ]
            values = np.mean([sample.values for sample in samples], axis=0)
            resampled = np.mean(shuffled, axis=0)
            return ScoreSample(values, resampled, min(sample.clips for sample in samples))
        runs = [
            (entry, value)
            for entry in self.entries
            if entry.row == row and entry.data == data
            if (value := entry.figure(metric)) is not None
        ]
        if not runs:
            return None
        undefined = np.full(RESAMPLES, np.nan)
        return ScoreSample(
            np.array([value for _, value in runs]),
            np.array([entry.resampled.get(metric, undefined) for entry, _ in runs]),
            min(entry.clips.get(metric, 0) for entry, _ in runs),
        )
