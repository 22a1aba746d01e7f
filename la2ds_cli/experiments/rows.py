"""What a table compares: rows that are trained, and baselines that are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from la2ds_cli.core.config import Config
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.corruption import CLEAN, Joints


@dataclass(frozen=True)
class Row:
    """One recipe, trained once for each seed.

    recipe: its settings in a project, for a seed.
    run: its runs are called RUN-sSEED.
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
