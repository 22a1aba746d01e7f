"""A run of a second, exported."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.embedding.model_export import export_model
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, sequence, warped_phase
from tests.small_runs import TINY


def exported_project(root: Path) -> Project:
    """A trained run `swing` with its exported file; the last clip has three windows."""
    made = Project.create(root)
    for n, length in enumerate((20, 27, 70)):
        add_sequence(made, f"clip{n}", sequence(warped_phase(length, n)))
    settings = [*TINY, "model.input=joints", "model.motion=1.5"]
    train(made, run="swing", config=made.config(overrides=settings), options=TrainOptions("cpu"))
    export_model(made, run="swing")
    return made


def poses_of(project: Project) -> list[PoseSequence]:
    """The poses of its clips."""
    return [project.read_pose(video.id)[0] for video in project.videos()]
