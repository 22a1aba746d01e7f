"""A project of six clips, and settings with which a run of the paper's recipe takes a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from la2ds_cli.artifact import write_text
from la2ds_cli.project import Project
from tests.movement import add_sequence, sequence, warped_phase

TINY = [
    "model.width=16",
    "model.heads=2",
    "model.spatial_layers=1",
    "model.temporal_layers=1",
    "model.max_frames=64",
    "train.steps=2",
    "train.batch_size=2",
    "train.frames=16",
    "train.validate_every=2",
    "train.threads=1",
    "train.precision=fp32",
    "evaluate.trim_draws=1",
    "evaluate.pairs=10",
]


def six_clips(root: Path, *, labels: bool = True) -> Project:
    """Three clips to train on and three to test, with phases that begin at thirds."""
    project = Project.create(root)
    rows = ["video,start,end,phase"]
    for n in range(6):
        phase = warped_phase(30 + 3 * n, seed=n)
        split = "test" if n % 2 else "train"
        add_sequence(project, f"clip{n}", sequence(phase, scale=50.0 + 5 * n), split)
        first, second = (int(np.abs(phase - share).argmin()) for share in (0.35, 0.65))
        bounds = zip((0, first, second), (first, second, len(phase)), strict=True)
        for (start, end), name in zip(bounds, ("begin", "middle", "end"), strict=True):
            rows.append(f"clip{n},{start},{end},{name}")
    if labels:
        write_text(project.phases_path, "\n".join(rows) + "\n")
    return Project.open(project.root)
