"""The overview of a clip's repetitions: where they are on its timeline, how long each takes, and
how close each is to A."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.alignment.aligned_repetitions import count_of
from la2ds_cli.core.project import Project
from la2ds_cli.views.alignment_figure import (
    DPI,
    LEFT,
    RIGHT,
    WIDTH,
    drawn_clip,
    even_moments,
    picture_count,
    strip,
    time_bar,
)
from la2ds_cli.views.figure import (
    BLUE,
    GREEN,
    ORANGE,
    SKY,
    axes_at,
    heading,
    only_left_and_bottom,
    printable,
    stacked,
)
from la2ds_cli.views.film_strip import aspect

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from la2ds_cli.alignment.aligned_repetitions import RepetitionsResult

_MANY = 16  # repetitions above which only the numbers are written


def draw(project: Project, result: RepetitionsResult) -> Figure:
    """The figure: pictures of B; below them, a bar for each repetition at its place, as high as its
    seconds, and another as its cost."""
    from matplotlib.figure import Figure

    matched = np.zeros(len(result.pose_b), bool)
    for each in result.repetitions:
        matched[each.span.start : each.span.stop] = True
    clip = drawn_clip(project, "B", result.b, result.pose_b, matched, [])
    count = picture_count(clip)
    heights = {
        "title": 0.85,
        "strip": (RIGHT - LEFT) / count / aspect(clip.pose),
        "bar": 0.16,
        "times": 0.95,
        "seconds": 1.5,
        "middle": 0.6,
        "cost": 1.5,
        "foot": 0.6,
    }
    figure = Figure(figsize=(WIDTH, sum(heights.values())), dpi=DPI)
    rows = stacked(heights)
    number, of = result.of_a
    which = f", repetition {number} of {of}" if of > 1 else ""
    about = f"each aligned with A  {printable(result.a.name)}{which}"
    name = f"B  {printable(result.b.name)}: {count_of(len(result.repetitions))}"
    heading(figure, LEFT, name, about)
    shown = even_moments(clip, count)
    strip(figure, rows["strip"], clip, shown)
    time_bar(figure, rows["bar"], clip, shown, {}, above=False)
    seconds, cost = (
        axes_at(figure, LEFT, rows[row][0], RIGHT - LEFT, rows[row][1])
        for row in ("seconds", "cost")
    )
    usual = result.usual_seconds
    _bars(seconds, result, [each.seconds for each in result.repetitions], "{:.1f} s")
    seconds.set_title(f"seconds of each (line: median, {usual:.2f} s)", fontsize=10.5, loc="left")
    seconds.axhline(usual, color=ORANGE, linewidth=1.6)
    _bars(cost, result, [each.cost for each in result.repetitions], "{:.2f}")
    cost.set_title("distance from A (green: nearest)", fontsize=10.5, loc="left")
    for axes in (seconds, cost):
        axes.set_xlim(clip.limits)
        axes.xaxis.set_major_formatter("{x:g} s")
    return figure


def _bars(axes: Axes, result: RepetitionsResult, height: list[float], shown: str) -> None:
    """A bar for each repetition, above its position, with its number and value: green for the one
    nearest to A, in turn for the others, so that neighbours differ."""
    few, nearest = len(result.repetitions) <= _MANY, result.best
    for each, value in zip(result.repetitions, height, strict=True):
        colour = GREEN if each is nearest else (BLUE, SKY)[each.number % 2]
        bar = axes.bar((each.start + each.end) / 2, value, 0.97 * each.seconds, color=colour)
        label = f"{each.number}:  {shown.format(value)}" if few else str(each.number)
        axes.bar_label(bar, [label], fontsize=9 if few else 6, color="#333333")
    axes.set_ylim(0, 1.25 * max(*height, 1e-9))
    axes.grid(axis="y", color="#e0e0e0", linewidth=0.7)
    only_left_and_bottom(axes)
