"""The files of a comparison: the figure, the page, the table of all frames and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from la2ds_cli.compare.findings import span_at
from la2ds_cli.compare.result import CompareResult
from la2ds_cli.core.csv_tables import number_cell, table_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views import compare_sheet, figure
from la2ds_cli.views.report.pair import pair_images, pair_page

SUFFIXES = (*figure.SUFFIXES, ".html", ".csv", ".json")
COLUMNS = (
    *("index", "frame", "time", "other_time", "span", "joint", "reference", "other"),
    *("difference", "floor", "beyond", "trust", "confidence", "judged"),
)


def write(
    project: Project,
    result: CompareResult,
    targets: Sequence[Path],
    progress: Progress,
    *,
    privacy: bool = False,
) -> CompareResult:
    """Write files by suffix (SUFFIXES); existing ones are replaced. Without targets a figure, a
    page and a JSON file go to results/compare. Returns the result with its `files`.

    privacy: draw the joints instead of showing pictures from the videos.
    """
    if not targets:
        name = f"{result.aligned.a.id}--{result.aligned.b.id}"
        folder = project.results_dir("compare")
        targets = [folder / f"{name}{kind}" for kind in (".png", ".html", ".json")]
    result = replace(result, files=tuple(targets))
    drawn = figure.drawn_once(
        lambda: compare_sheet.draw(project, result, privacy=privacy), progress
    )
    contents = {
        ".csv": lambda: csv_text(result),
        ".json": result.to_json,
        ".html": lambda: pair_page(
            project,
            result.aligned,
            pair_images(project, result.aligned, progress, privacy=privacy),
            result,
            privacy=privacy,
        ),
    }
    figure.write_outputs(targets, contents, drawn)
    return result


def csv_text(result: CompareResult) -> str:
    """Columns as in docs/how-to/compare.md; an empty cell = not known."""
    angles, alignment = result.angles, result.aligned.alignment
    other_time = result.other_time
    difference, trust, judged = angles.difference, angles.trust, angles.judged
    rows = []
    for n in range(len(angles.time)):
        for j, joint in enumerate(angles.names):
            rows.append(
                (
                    n,
                    int(alignment.frame_a[n]),
                    number_cell(alignment.time_a[n], 6),
                    number_cell(other_time[n], 6),
                    span_at(result.spans, n),
                    joint,
                    number_cell(angles.reference[n, j], 2),
                    number_cell(angles.other[n, j], 2),
                    number_cell(difference[n, j], 2),
                    number_cell(angles.floor[n, j], 2),
                    number_cell(angles.beyond[n, j], 2),
                    number_cell(trust[n, j], 3),
                    number_cell(alignment.confidence[n], 4),
                    int(judged[n, j]),
                )
            )
    return table_text(COLUMNS, rows)
