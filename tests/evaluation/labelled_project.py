"""A project of labelled training and test clips whose phases the joints show clearly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.config import Config
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.evaluate import Request, evaluate
from tests.movement import add_sequence, sequence, warped_phase

BOUNDS = (0.35, 0.65)
NAMES = ("begin", "middle", "end")


def labelled_project(root: Path, *, train: int = 6, test: int = 4) -> Project:
    """Clips train0.., test0.. of one movement at known, different paces and frame rates; the phases
    begin at fixed shares of the movement, not of the clip."""
    project = Project.create(root)
    rows = ["video,start,end,phase"]
    for n in range(train + test):
        name = f"train{n}" if n < train else f"test{n - train}"
        phase = warped_phase(40 + 3 * n, seed=n)
        pose = sequence(phase, fps=(20.0, 25.0, 30.0)[n % 3], scale=50.0 + 5 * n)
        add_sequence(project, name, pose, name.rstrip("0123456789"))
        rows += label_rows(name, phase)
    write_text(project.phases_path, "\n".join(rows) + "\n")
    return project


def evaluated(project: Project, *runs: str, config: Config | None = None, **fields: Any) -> Any:
    """The document of an evaluation; fields: of the request."""
    return evaluate(Request(project, config or Config(), runs, **fields)).document


def label_rows(name: str, phase: np.ndarray) -> list[str]:
    """Rows of phases.csv of a clip with phase (T,)."""
    first, second = (int(np.abs(phase - share).argmin()) for share in BOUNDS)
    edges = (0, first, second, len(phase))
    return [f"{name},{edges[i]},{edges[i + 1]},{NAMES[i]}" for i in range(3)]


def relabel(project: Project, old: str, new: str) -> None:
    """Replace text in phases.csv."""
    path = project.phases_path
    text = path.read_text("utf-8")
    assert old in text
    write_text(path, text.replace(old, new))
