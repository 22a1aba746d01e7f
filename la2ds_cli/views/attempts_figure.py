"""The figure of several attempts: each series of differences from the reference over the attempts,
those with a trend first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.compare.attempts import AttemptsResult, Series, attempts_lines, ends, series_name
from la2ds_cli.views.figure import BLUE, GREY, ORANGE, only_left_and_bottom, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 8  # series; all are in the CSV
_COLUMNS = 2
_WIDTH, _HIGH, _HEAD = 11.0, 2.1, 0.9  # inches: of the figure, of a chart, above the charts


def draw(result: AttemptsResult) -> Figure:
    """A chart for each of the first MOST series; a sentence if there is none."""
    from matplotlib.figure import Figure

    shown = result.series[:MOST]
    rows = max(-(-len(shown) // _COLUMNS), 1)
    total = _HEAD + rows * _HIGH
    figure = Figure(figsize=(_WIDTH, total), dpi=150)
    count, name = len(result.attempts), printable(result.attempts[0].aligned.a.name)
    title = {"va": "center", "fontsize": 14, "fontweight": "bold"}
    figure.text(0.06, 1 - 0.35 / total, f"{count} attempts compared with {name}", **title)
    if not shown:
        figure.text(0.06, 0.5, attempts_lines(result)[0], fontsize=11)
        return figure
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.axis("off")
    for axes, series in zip(grid.flat, shown, strict=False):
        _chart(axes, series)
    figure.subplots_adjust(0.07, 0.5 / total, 0.98, 1 - _HEAD / total, wspace=0.18, hspace=0.7)
    return figure


def _chart(axes: Axes, series: Series) -> None:
    """The values over the attempts, the reference in grey and a trend in orange."""
    from matplotlib.ticker import MaxNLocator

    number = np.arange(1, len(series.value) + 1)
    known = np.flatnonzero(~np.isnan(series.value))
    tempo = series.kind == "tempo"
    axes.axhline(1.0 if tempo else 0.0, color=GREY, linewidth=1)
    axes.plot(number[known], series.value[known], "o-", color=BLUE, markersize=5)
    if series.trend.verdict in ("fades", "grows"):
        axes.plot(number[known[[0, -1]]], ends(series), color=ORANGE, linewidth=2.5)
    axes.set_title(series_name(series), fontsize=10.5, loc="left")
    axes.set_xlim(0.5, len(number) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter("{x:.2f}×" if tempo else "{x:+.0f}°")
    axes.margins(y=0.2)
    only_left_and_bottom(axes)
