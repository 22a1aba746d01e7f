"""The overview of a clip's repetitions: where they are on its timeline, how long each takes, and
how close each is to A."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.alignment.aligned_repetitions import count_of
from la2ds_cli.core.project import Project
from la2ds_cli.views.alignment_figure import (
    DPI,
    LEFT,
    RIGHT,
    WIDTH,
    DrawnClip,
    Row,
    drawn_clip,
    picture_width,
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
    """The figure: pictures of B, its numbered repetitions below, then seconds and cost of each."""
    from matplotlib.figure import Figure

    matched = np.zeros(len(result.pose_b), bool)
    for each in result.repetitions:
        matched[each.span.start : each.span.stop] = True
    clip = drawn_clip(project, "B", result.b, result.pose_b, matched, [])
    width = picture_width(clip)
    shown = _evenly_spaced(clip, round((RIGHT - LEFT) / width))
    heights = {
        "title": 0.85,
        "strip": width / aspect(clip.pose),
        "bar": 0.16,
        "times": 0.4,
        "numbers": 0.5,
        "gap": 0.55,
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
    strip(figure, rows["strip"], clip, shown)
    time_bar(figure, rows["bar"], clip, shown, {}, above=False)
    _numbers(_timeline(figure, rows["numbers"], clip), result)
    usual = result.usual_seconds
    axes = _timeline(figure, rows["seconds"], clip)
    seconds = [each.seconds for each in result.repetitions]
    _bars(axes, result, f"seconds of each (line: median, {usual:.2f} s)", seconds, "{:.1f} s")
    axes.axhline(usual, color=ORANGE, linewidth=1.6)
    axes = _timeline(figure, rows["cost"], clip)
    cost = [each.cost for each in result.repetitions]
    _bars(axes, result, "distance from A, mean over the pairs (green: nearest)", cost, "{:.2f}")
    axes.xaxis.set_major_formatter("{x:g} s")
    return figure


def _evenly_spaced(clip: DrawnClip, count: int) -> list[int]:
    """The frame in the middle of each of `count` equal parts of the clip, so that a picture stands
    above its time."""
    borders = np.linspace(*clip.limits, count + 1)
    middle = (borders[1:] + borders[:-1]) / 2
    return np.abs(clip.pose.time[None] - middle[:, None]).argmin(axis=1).tolist()


def _timeline(figure: Figure, row: Row, clip: DrawnClip) -> Axes:
    """Axes as wide as the strip, with its time scale."""
    axes = axes_at(figure, LEFT, row[0], RIGHT - LEFT, row[1])
    axes.set_xlim(clip.limits)
    only_left_and_bottom(axes)
    return axes


def _numbers(axes: Axes, result: RepetitionsResult) -> None:
    size = max(11 * min(1.0, 20 / len(result.repetitions)), 4)
    for each in result.repetitions:
        axes.axvspan(each.start, each.end, color=_colour(result, each.number), linewidth=0)
        text: dict[str, Any] = {"ha": "center", "va": "center", "color": "white", "weight": "bold"}
        axes.text((each.start + each.end) / 2, 0.5, str(each.number), fontsize=size, **text)
        if each.number > 1:
            axes.axvline(each.start, color="white", linewidth=1.5)
    axes.set(ylim=(0, 1))
    axes.axis("off")


def _bars(
    axes: Axes, result: RepetitionsResult, title: str, height: list[float], shown: str
) -> None:
    """A bar for each repetition, above its position, with its value."""
    few = len(result.repetitions) <= _MANY
    for each, value in zip(result.repetitions, height, strict=True):
        middle = (each.start + each.end) / 2
        axes.bar(middle, value, 0.9 * each.seconds, color=_colour(result, each.number))
        if few:
            text = shown.format(value)
            axes.text(middle, value, text, ha="center", va="bottom", fontsize=9, color="#333333")
    axes.set_title(title, fontsize=10.5, loc="left")
    axes.set_ylim(0, 1.25 * max(*height, 1e-9))
    axes.grid(axis="y", color="#e0e0e0", linewidth=0.7)


def _colour(result: RepetitionsResult, number: int) -> str:
    """Green for the one nearest to A; in turn for the others, so that neighbours differ."""
    return GREEN if number == result.best.number else (BLUE, SKY)[number % 2]
