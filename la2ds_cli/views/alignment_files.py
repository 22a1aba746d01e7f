"""Alignments as files: the figure, JSON and CSV of two clips, or of the repetitions of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.alignment.result import AlignResult, csv_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from la2ds_cli.alignment.aligned_repetitions import RepetitionsResult

AN_ALIGNMENT = "an alignment", (*figure.SUFFIXES, ".csv", ".json")  # for checked_outputs
_KINDS = (".png", ".json")


def write_alignment(
    project: Project,
    result: AlignResult,
    targets: Sequence[Path],
    progress: Progress,
    part: str = "",
) -> AlignResult:
    """Write an alignment by the suffixes of `targets`, and return it with its files.

    Existing files are replaced. Without targets a figure and a JSON file go to results/align; part:
    the end of their names.
    """

    def drawn(result: AlignResult) -> Figure:
        from la2ds_cli.views import alignment_figure

        return alignment_figure.draw(project, result)

    name = f"{result.a.id}--{result.b.id}{part}"
    targets = targets or figure.default_files(project, "align", name, _KINDS)
    contents = {".csv": lambda result: csv_text(result.alignment)}
    return figure.write_result(result, targets, drawn, progress, contents)


def write_repetitions(
    project: Project, result: RepetitionsResult, targets: Sequence[Path], progress: Progress
) -> RepetitionsResult:
    """As write_alignment, for the repetitions of a clip: the figure shows them on B's timeline."""

    def drawn(result: RepetitionsResult) -> Figure:
        from la2ds_cli.views import repetitions_figure

        return repetitions_figure.draw(project, result)

    name = f"{result.a.id}--{result.b.id}-repetitions"
    targets = targets or figure.default_files(project, "align", name, _KINDS)
    contents = {".csv": lambda result: result.csv_text()}
    return figure.write_result(result, targets, drawn, progress, contents)
