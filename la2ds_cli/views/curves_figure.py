"""Figure of curves: for each quantity, mean and spread of each group over the percent of the
reference, with the stretches in which two groups differ, or in which it changes with a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.alignment.curve_groups import CurveGroups, CurveTest
from la2ds_cli.alignment.timeline_result import GRID, TimelineResult
from la2ds_cli.core.arrays import mean_and_deviation
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.body_quantities import unit_of
from la2ds_cli.views.alignment_figure import DPI, LEFT, RIGHT, WIDTH
from la2ds_cli.views.figure import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    heading,
    line_at,
    only_left_and_bottom,
    printable,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, GREY)
_STYLES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))  # for prints without colour
_COLUMNS, _HIGH = 3, 2.15  # panels in a row; inches of a row
_TOP, _FOOT = 0.95, 0.75  # inches
_PERCENT = 100 * GRID
_APART = 0.13  # least distance of two labels, as a share of the panel


def draw_curves(result: TimelineResult) -> Figure:
    """Return the figure of the groups of a timeline, or of all its clips as one group."""
    from matplotlib.figure import Figure

    groups = (result if result.groups else result.grouped()).groups
    assert groups is not None
    groups = groups.thirds() if groups.numbers else groups
    quantities = [name for name, values in groups.curves.items() if _is_seen(values)]
    columns = min(_COLUMNS, max(len(quantities), 1))
    rows = max(-(-len(quantities) // columns), 1)
    height = _TOP + _FOOT + _HIGH * rows
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    _title(figure, groups)
    grid = figure.add_gridspec(
        rows, columns, left=0.05, right=0.93, bottom=_FOOT / height, top=1 - _TOP / height,
        hspace=0.42, wspace=0.42,
    )  # fmt: skip
    tests = {test.quantity: test for test in groups.tests}
    for number, name in enumerate(quantities):
        axes = figure.add_subplot(grid[number // columns, number % columns])
        _panel(axes, groups, name, tests.get(name))
    clock = f"% of {printable(result.clock.video.name)}"
    line_at(figure, clock, (LEFT + RIGHT) / 2, 0.42, ha="center", fontsize=9.5)
    line_at(figure, _foot(groups), LEFT, 0.14, fontsize=8.5, color="#404040")
    return figure


def _is_seen(values: tuple[FloatArray, ...]) -> bool:
    return any(not np.isnan(each).all() for each in values)


def _title(figure: Figure, groups: CurveGroups) -> None:
    counts = [
        f"{printable(label, 24)} ({len(names)})"
        for label, names in zip(groups.labels, groups.names, strict=True)
    ]
    by = f" by {printable(groups.by)}" if groups.by else ""
    if groups.numbers:
        counts.append(f"a third of {len(groups.numbers)} each")
    heading(figure, LEFT, f"Curves{by}", "   ·   ".join((*counts, "line: mean, band: ± 1 SD")))


def _foot(groups: CurveGroups) -> str:
    """Return the line below the panels: what is marked, or why nothing is."""
    if not groups.by or not (groups.tested or groups.reason):
        return ""
    if groups.reason:
        return f"not tested: {groups.reason.split(';')[0]}"
    what = f"groups differ ({'paired t' if groups.paired else 'two-sample t'}"
    if groups.numbers:
        what = f"it changes with {printable(groups.by)} (regression of all {len(groups.numbers)}"
    return (
        f"bars: {what}, SPM; level of each quantity {groups.tested[0].alpha:.2g}); "
        "open bars: a shift in time would explain it"
    )


def _panel(axes: Axes, groups: CurveGroups, quantity: str, test: CurveTest | None) -> None:
    ends: list[tuple[float, str, str]] = []
    for number, values in enumerate(groups.curves[quantity]):
        colour = _COLOURS[number % len(_COLOURS)]
        style = _STYLES[number % len(_STYLES)]
        mean, spread = _mean_and_spread(values)
        axes.fill_between(
            _PERCENT, mean - spread, mean + spread, color=colour, alpha=0.18, linewidth=0
        )
        axes.plot(_PERCENT, mean, color=colour, linewidth=2, linestyle=style)
        if (seen := np.flatnonzero(~np.isnan(mean))).size:
            ends.append((float(mean[seen[-1]]), groups.labels[number], colour))
    axes.set_title(quantity.replace("_", " "), fontsize=10.5, loc="left")
    axes.set_title(unit_of(quantity), fontsize=8.5, loc="right", color="#404040")
    axes.set_xlim(0, 100)
    axes.tick_params(labelsize=9)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    only_left_and_bottom(axes)
    if test:
        _mark(axes, test)
    if len(groups.labels) > 1:
        _label(axes, ends)


def _mean_and_spread(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation (G,) of curves (N, G), where at least half of them, and
    two, are seen."""
    mean, spread, count = mean_and_deviation(values)
    enough = count >= max(2, len(values) / 2) if len(values) > 1 else count > 0
    return np.where(enough, mean, np.nan), np.where(enough, spread, np.nan)


def _mark(axes: Axes, test: CurveTest) -> None:
    """Draw a bar below the curves for each stretch in which the groups differ, and its p."""
    low, high = axes.get_ylim()
    room = 0.2 * (high - low)
    axes.set_ylim(low - room, high)
    for cluster in test.clusters:
        width = max(cluster.end - cluster.start, 0.8)
        face = "none" if cluster.timing else "#202020"
        if not cluster.timing:
            axes.axvspan(cluster.start, cluster.end, color="#000000", alpha=0.07, linewidth=0)
        axes.barh(
            low - 0.75 * room, width, 0.2 * room, cluster.start, color=face, edgecolor="#202020",
            linewidth=0.8, align="edge",
        )  # fmt: skip
        if not cluster.timing:
            middle = min(max((cluster.start + cluster.end) / 2, 14), 86)
            axes.text(
                middle, low - 0.5 * room, cluster.p_text, fontsize=7.5, ha="center", va="bottom"
            )


def _label(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Name each curve at its end, at least _APART from the other names, within the panel."""
    low, high = axes.get_ylim()
    places, place = list[float](), -np.inf
    for value, *_ in sorted(ends):
        place = max((value - low) / (high - low), place + _APART)
        places.append(place)
    down = max(place - 0.95, 0.0)
    for middle, (_, label, colour) in zip(places, sorted(ends), strict=True):
        axes.text(
            1.02, middle - down, printable(label, 12), transform=axes.transAxes, color=colour,
            fontsize=8.5, fontweight="bold", va="center", clip_on=False,
        )  # fmt: skip
