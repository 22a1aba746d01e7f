"""Alignments as files: the figure, JSON and CSV of two clips, or of the repetitions of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.alignment.result import AlignResult, csv_text
from la2ds_cli.core import artifact
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
    """As write_alignment, for the repetitions of a clip.

    With `all`, the figure shows the repetitions on B's timeline, and each alignment also has its
    own figure, with its number at the end of the name.
    """
    from la2ds_cli.alignment.aligned_repetitions import ALL
    from la2ds_cli.views import repetitions_figure

    if not targets:
        chosen = "repetitions" if result.wanted == ALL else f"repetition-{result.chosen[0].number}"
        name = f"{result.a.id}--{result.b.id}-{chosen}"
        targets = [project.results_dir("align") / f"{name}{kind}" for kind in (".png", ".json")]
    drawn = [path for path in targets if path.suffix.lower() in figure.SUFFIXES]
    figures = _figures(project, result, progress) if drawn else {}
    overview = repetitions_figure.draw(project, result) if drawn and result.wanted == ALL else None
    files = []
    for path in targets:
        files.append(path)
        if path in drawn and overview is not None:
            files += [_numbered(path, number) for number in figures]
    result = replace(result, files=tuple(files))
    for path in targets:
        kind = path.suffix.lower()
        if kind == ".csv":
            artifact.write_text(path, result.csv_text())
        elif kind == ".json":
            artifact.write_json(path, result.to_json())
        elif overview is None:
            artifact.write_bytes(path, figure.render(figures[result.chosen[0].number], kind[1:]))
        else:
            artifact.write_bytes(path, figure.render(overview, kind[1:]))
            for number, single in figures.items():
                artifact.write_bytes(_numbered(path, number), figure.render(single, kind[1:]))
    return result


def _figures(project: Project, result: RepetitionsResult, progress: Progress) -> dict[int, Figure]:
    """The figure of each requested alignment, by the number of its repetition."""
    from la2ds_cli.views import alignment_figure

    figures = {}
    progress.begin("drawing", len(result.chosen))
    for each in result.chosen:
        if each.part is None:
            raise ValueError(f"repetition {each.number} was not aligned")
        figures[each.number] = alignment_figure.draw(project, each.part)
        progress.advance()
    progress.end()
    return figures


def _numbered(path: Path, number: int) -> Path:
    """ab.png -> ab-2.png."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}")
