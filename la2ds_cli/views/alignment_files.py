"""Alignments as files: the figure, JSON and CSV of two clips, or of the repetitions of a clip.

The figure of repetitions shows where they are on the clip's timeline, how long each takes, and how
close each is to A.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.alignment.aligned_repetitions import count_of
from la2ds_cli.alignment.result import AlignResult, csv_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views import figure
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
from la2ds_cli.views.alignment_figure import (
    draw as draw_pair,
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

AN_ALIGNMENT = "an alignment", (*figure.SUFFIXES, ".csv", ".json")  # for checked_outputs
_KINDS = (".png", ".json")
_MANY = 16  # repetitions above which only the numbers are written


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
    name = f"{result.a.id}--{result.b.id}{part}"
    targets = targets or figure.default_files(project, "align", name, _KINDS)
    contents = {".csv": lambda result: csv_text(result.alignment)}
    return figure.write_result(result, targets, partial(draw_pair, project), progress, contents)


def write_repetitions(
    project: Project, result: RepetitionsResult, targets: Sequence[Path], progress: Progress
) -> RepetitionsResult:
    """As write_alignment, for the repetitions of a clip: the figure shows them on B's timeline."""
    name = f"{result.a.id}--{result.b.id}-repetitions"
    targets = targets or figure.default_files(project, "align", name, _KINDS)
    contents = {".csv": lambda result: result.csv_text()}
    return figure.write_result(
        result, targets, partial(draw_repetitions, project), progress, contents
    )


def draw_repetitions(project: Project, result: RepetitionsResult) -> Figure:
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
