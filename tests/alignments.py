"""An alignment with the files it writes, as the command makes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.aligned_repetitions import (
    RepetitionsResult,
    align_repetitions,
    hint_of_repetitions,
)
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core.config import Config
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views.alignment_files import AN_ALIGNMENT, write_alignment, write_repetitions


def align(
    project: Project,
    a: str,
    b: str,
    *,
    config: Config,
    out: Iterable[Path] = (),
    progress: Progress | None = None,
    **options: Any,
) -> AlignResult:
    """Align clip `b` to clip `a` and write the files; options: of AlignRequest."""
    progress = progress or Progress()
    targets = checked_outputs(project, out, *AN_ALIGNMENT)
    result = find_alignment(project, a, b, AlignRequest(config, **options), progress)
    hint = hint_of_repetitions((result.pose_a, result.pose_b), (a, b))
    if hint:
        progress.note(hint)
    return write_alignment(project, result, targets, progress)


def align_each_repetition(
    project: Project,
    a: str,
    b: str,
    *,
    config: Config,
    repetition: str,
    out: Iterable[Path] = (),
    progress: Progress | None = None,
    **options: Any,
) -> RepetitionsResult:
    """The same for the repetitions of a clip."""
    progress = progress or Progress()
    targets = checked_outputs(project, out, *AN_ALIGNMENT)
    request = AlignRequest(config, **options)
    result = align_repetitions(project, a, b, request, repetition, progress)
    return write_repetitions(project, result, targets, progress)
