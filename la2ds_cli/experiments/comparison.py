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
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray
from la2ds_cli.evaluation.measure import RESAMPLES
from la2ds_cli.experiments.corruption import CLEAN, Joints
from la2ds_cli.experiments.scores import COST, Resamples, Scores, Task

MEAN = "mean over projects"


@dataclass(frozen=True)
class ScoreSample:
    """A figure of a row in one data set.

    values: (S,) of its training runs, one if nothing is trained.
    resampled: (S, R) of each run in the same resamples of the clips, NaN where undefined.
    clips: how many contribute to the figure; a clip without a label for it is no observation.
    """

    values: FloatArray
    resampled: FloatArray
    clips: int


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
    recipe: Callable[[StoredProject, int], Config]
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
    common: Callable[[StoredProject], Config]
    baselines: Sequence[Baseline] = BASELINES


@dataclass
class DataSet:
    """The clips of a project. source: the data set of the paper that they come from, empty for
    others. facts: of their evaluation, empty before it."""

    name: str
    source: str
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunEntry:
    """One run of a row in one data set.

    row: its name. run: empty for a baseline. features: the scored feature set.
    seed, steps, seconds (of training): None if nothing was trained. reused: the run existed before.
    error: why it has no scores, else empty. collapse: how the embedding has collapsed, empty = it
    has not.
    resampled: of the scores; those that are undefined are missing.
    clips: metric -> the number of clips behind it, without those that have no label for it.
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
        """A score, or `steps` or `seconds` of training."""
        if metric in COST:
            cost = getattr(self, metric)
            return None if cost is None or self.error else float(cost)
        return self.scores.get(metric)


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
    entries: list[RunEntry] = field(default_factory=list)

    def rows(self) -> dict[str, str]:
        """Name -> label of the rows, then of the baselines."""
        return self.labels | {one.row: one.label for one in self.entries}

    def runs(self) -> list[RunEntry]:
        """The runs of all rows but the baselines."""
        return [one for one in self.entries if not one.baseline]

    def exit_code(self) -> ExitCode:
        """0 when every run has scores, 8 when some have, 4 when none has."""
        failed = sum(bool(one.error) for one in self.runs())
        if self.runs() and not failed:
            return ExitCode.OK
        return ExitCode.PARTIAL if failed < len(self.runs()) else ExitCode.UNUSABLE

    def groups(self) -> list[str]:
        """Names of the data sets, and MEAN if there are several."""
        names = [data.name for data in self.data]
        return [*names, MEAN] if len(names) > 1 else names

    def sample(self, row: str, data: str, metric: str) -> ScoreSample | None:
        """The metric of a row in a data set; None if it is undefined. MEAN: over all data sets,
        whose clips are drawn independently; None if one of them lacks a run."""
        if data == MEAN:
            found = [self.sample(row, one.name, metric) for one in self.data]
            known = [one for one in found if one is not None]
            if len(known) < len(found) or len({len(one.values) for one in known}) > 1:
                return None
            # Data sets of equally many clips have the same draws in the same order: shuffle them.
            shuffled = [
                np.random.default_rng(n).permutation(one.resampled, axis=1)
                for n, one in enumerate(known)
            ]
            values, resampled = (
                np.mean(each, axis=0) for each in ([one.values for one in known], shuffled)
            )
            return ScoreSample(values, resampled, min(one.clips for one in known))
        runs = [
            (one, value)
            for one in self.entries
            if one.row == row and one.data == data
            if (value := one.figure(metric)) is not None
        ]
        if not runs:
            return None
        unknown = np.full(RESAMPLES, np.nan)
        return ScoreSample(
            np.array([value for _, value in runs]),
            np.array([one.resampled.get(metric, unknown) for one, _ in runs]),
            min(one.clips.get(metric, 0) for one, _ in runs),
        )
