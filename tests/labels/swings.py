"""Clips of one movement whose phases begin at known moments."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.stored_project import StoredProject
from tests.evaluation.labelled_project import BOUNDS, label_rows
from tests.movement import add_sequence, sequence, warped_phase

HEADER = "video,start,end,phase"


def swings(root: Path, *, count: int = 7, labelled: int = 1) -> StoredProject:
    """clip0, clip1, ... of paces, lengths and frame rates of their own, the first `labelled`
    labelled."""
    project = StoredProject.create(root)
    rows = [HEADER]
    for n in range(count):
        phase = clip_phase(n)
        pose = sequence(phase, fps=(20.0, 25.0, 30.0)[n % 3], scale=50.0 + 5 * n)
        add_sequence(project, f"clip{n}", pose)
        if n < labelled:
            rows += label_rows(f"clip{n}", phase)
    write_text(project.phases_path, "\n".join(rows) + "\n")
    return StoredProject.open(project.root)


def clip_phase(n: int) -> np.ndarray:
    return warped_phase(40 + 3 * n, seed=n)


def true_starts(phase: np.ndarray) -> list[int]:
    """Rows at which the second and the third phase begin."""
    return [int(np.abs(phase - share).argmin()) for share in BOUNDS]
