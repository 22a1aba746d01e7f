"""Timelines of the studio: four clips, and how the command puts them on one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.alignment.timeline_result import TimelineResult
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.views.alignment_files import write_timeline
from tests.movement import add_sequence, sequence, warped_phase
from tests.views.report.conftest import two_filmed


def four_clips(tmp_path: Path) -> StoredProject:
    """a and b are filmed, of 36 frames at 20 per second and 30 at 25; c and d have no film."""
    project = two_filmed(tmp_path)
    add_sequence(project, "c", sequence(warped_phase(24, 5), fps=15.0))
    add_sequence(project, "d", sequence(warped_phase(50, 7), fps=30.0))
    return project


def placed(
    project: StoredProject, name: str = "timeline", clips: Sequence[str] = "abcd", **options: Any
) -> TimelineResult:
    """A timeline made and written as the command does, without its figure."""
    request = AlignRequest(project.config())
    result = align_all(project, list(clips), request, **options)
    folder = project.results_dir("timeline")
    targets = [folder / f"{name}.csv", folder / f"{name}.json"]
    return write_timeline(project, result, targets, Progress())
