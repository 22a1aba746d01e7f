"""The files of several attempts: a figure of their differences from the reference, a table of every
series and attempt, and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.compare.attempts import AttemptsResult, Series, attempts_lines, series_name
from la2ds_cli.compare.words import directions
from la2ds_cli.core.csv_tables import number_cell, table_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.result_names import result_name
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features.body_quantities import DEGREES
from la2ds_cli.views import figure
from la2ds_cli.views.figure import (
    ABOUT,
    BLUE,
    GREY,
    heading,
    line_at,
    only_left_and_bottom,
    printable,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (*figure.SUFFIXES, ".csv", ".json")
ATTEMPTS = "attempts", SUFFIXES  # for checked_outputs
COLUMNS = ("attempt", "video", "kind", "joint", "part", "start", "end", "value")
MOST = 8  # series in the figure; all are in the table
_COLUMNS = 2
_WIDTH, _HIGH, _HEAD = 11.0, 2.1, 1.15  # inches: of the figure, of a chart, above the charts


def write(
    project: StoredProject, result: AttemptsResult, targets: Sequence[Path], progress: Progress
) -> AttemptsResult:
    """Write files in the formats of their suffixes (SUFFIXES), replacing existing ones, and return
    the result with `files`. Without targets, a figure, a table and JSON go to results/compare."""
    reference = result.attempts[0].aligned.a
    name = f"{result_name(project.videos(), reference)}--attempts"
    kinds = (".png", ".json", ".csv")
    targets = targets or figure.default_files(project, "compare", name, kinds)
    return figure.write_result(project, result, targets, draw, progress, {".csv": csv_text})


def csv_text(result: AttemptsResult) -> str:
    """Return the table of docs/how-to/compare.md, a row for each series and attempt; unknown values
    are empty. The value of a tempo is how many times as long the part takes."""
    rows = []
    for series in result.series:
        start, end = number_cell(series.start, 4), number_cell(series.end, 4)
        about = series.kind, series.joint, series.span, start, end
        for number, (attempt, value) in enumerate(zip(result.attempts, series.value, strict=True)):
            cell = number_cell(float(value), 4)
            rows.append((number + 1, attempt.aligned.b.id, *about, cell))
    return table_text(COLUMNS, rows)


def draw(result: AttemptsResult) -> Figure:
    """Return a figure with a chart for each of the first MOST series, or a sentence if there are
    none."""
    from matplotlib.figure import Figure

    shown = result.series[:MOST]
    rows = max(-(-len(shown) // _COLUMNS), 1)
    total = _HEAD + rows * _HIGH
    figure = Figure(figsize=(_WIDTH, total), dpi=150)
    count, name = len(result.attempts), printable(result.attempts[0].aligned.a.name)
    names = [printable(attempt.aligned.b.name, 24) for attempt in result.attempts]
    # Non-breaking spaces, so that a name is left out whole or not at all.
    numbered = " ·\u00a0".join(f"{n}\u00a0{each}" for n, each in enumerate(names, start=1))
    about = (
        textwrap.shorten(numbered, 140, placeholder=" …") if shown else attempts_lines(result)[0]
    )
    heading(figure, 0.09 * _WIDTH, f"{count} attempts compared with {name}", about)
    if not shown:
        return figure
    if more := len(result.series) - len(shown):
        right = {"ha": "right", **ABOUT}
        line_at(figure, f"{more} more in the CSV file", 0.98 * _WIDTH, total - 0.28, **right)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.axis("off")
    for axes, series in zip(grid.flat, shown, strict=False):
        _chart(axes, series)
    figure.subplots_adjust(0.09, 0.5 / total, 0.98, 1 - _HEAD / total, wspace=0.2, hspace=0.5)
    return figure


def _chart(axes: Axes, series: Series) -> None:
    """Draw the values over the attempts, with the reference in grey."""
    from matplotlib.ticker import MaxNLocator

    number = np.arange(1, len(series.value) + 1)
    tempo = series.kind == "tempo"
    lengths = series.quantity is not None and series.quantity.unit != DEGREES
    axes.axhline(1.0 if tempo else 0.0, color=GREY, linewidth=1)
    axes.plot(number, series.value, "o-", color=BLUE, markersize=5)
    axes.set_title(series_name(series), fontsize=10.5, loc="left")
    axes.set_xlim(0.5, len(number) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter("{x:g}×" if tempo else "{x:g}" if lengths else "{x:g}°")
    sign = "times as long\nas the reference" if tempo else "+ {}\n− {}"
    axes.set_ylabel(sign.format(*directions(series.joint, series.quantity)), fontsize=8)
    axes.margins(y=0.2)
    only_left_and_bottom(axes)
