"""Alignments as files: the figure, JSON and CSV of two clips, or of the repetitions of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.alignment.result import AlignResult, csv_text
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from la2ds_cli.alignment.aligned_repetitions import RepetitionsResult

SUFFIXES = (*figure.SUFFIXES, ".csv", ".json")


def alignment_targets(project: Project, out: Iterable[Path]) -> list[Path]:
    """The files to write, checked before any work is done.

    Raises UserError (exit 2) for an unknown suffix and for a file of the project.
    """
    return checked_outputs(project, map(Path, out), "an alignment", SUFFIXES)


def write_alignment(
    project: Project, result: AlignResult, targets: Sequence[Path], progress: Progress
) -> AlignResult:
    """Write an alignment by the suffixes of `targets`, and return it with its files.

    Existing files are replaced. Without targets a figure and a JSON file go to results/align.
    """
    if not targets:
        name = f"{result.a.id}--{result.b.id}"
        targets = [project.results_dir("align") / f"{name}{kind}" for kind in (".png", ".json")]
    result = replace(result, files=tuple(targets))

    def drawn() -> Figure:
        from la2ds_cli.views import alignment_figure

        return alignment_figure.draw(project, result)

    contents = {".csv": lambda: csv_text(result.alignment), ".json": result.to_json}
    draw = figure.drawn_once(drawn, progress)
    figure.write_outputs(targets, contents, draw)
    return result


def write_repetitions(
    project: Project, result: RepetitionsResult, targets: Sequence[Path], progress: Progress
) -> RepetitionsResult:
    """As write_alignment, for the repetitions of a clip: with `all`, the figure shows them on B's
    timeline."""
    from la2ds_cli.alignment.aligned_repetitions import ALL

    every = result.wanted == ALL
    if not targets:
        chosen = "repetitions" if every else f"repetition-{result.chosen[0].number}"
        name = f"{result.a.id}--{result.b.id}-{chosen}"
        targets = [project.results_dir("align") / f"{name}{kind}" for kind in (".png", ".json")]
    result = replace(result, files=tuple(targets))

    def drawn() -> Figure:
        from la2ds_cli.views import alignment_figure, repetitions_figure

        if every:
            return repetitions_figure.draw(project, result)
        (one,) = result.chosen
        if one.part is None:
            raise ValueError(f"repetition {one.number} was not aligned")
        return alignment_figure.draw(project, one.part)

    contents = {".csv": result.csv_text, ".json": result.to_json}
    figure.write_outputs(targets, contents, figure.drawn_once(drawn, progress))
    return result
