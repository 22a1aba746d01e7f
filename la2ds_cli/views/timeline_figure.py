"""The mean movement of many clips on one timeline, and the files of such a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.alignment.request import features_name
from la2ds_cli.alignment.timeline_result import GRID, TimelineResult
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.views import figure as figures
from la2ds_cli.views.alignment_figure import (
    DPI,
    LEFT,
    RIGHT,
    WIDTH,
    drawn_clip,
    picture_count,
    strip,
)
from la2ds_cli.views.figure import (
    BLUE,
    ORANGE,
    PURPLE,
    only_left_and_bottom,
    printable,
)
from la2ds_cli.views.film_strip import aspect

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

A_TIMELINE = "a timeline", (*figures.SUFFIXES, ".csv", ".json")  # for checked_outputs
FOLDER = "timeline"  # below results/
MOST_JOINTS = 4  # panels of angles
MOST_LINES = 40  # single clips in a panel, evenly spaced among all
FEWEST = 3  # clips that a mean needs to be drawn
_SIDES = {"left": ORANGE, "right": BLUE, "": PURPLE}  # left and right as joints are drawn elsewhere
_PERCENT = 100 * GRID


def write_timeline(
    project: Project, result: TimelineResult, targets: Sequence[Path], progress: Progress
) -> TimelineResult:
    """Write a timeline by the suffixes of `targets`, and return it with its files; existing ones
    are replaced. Without targets a figure, the table and a JSON file go to results/timeline."""
    targets = targets or figures.default_files(project, FOLDER, FOLDER, (".png", ".csv", ".json"))
    contents = {".csv": TimelineResult.csv_text}
    return figures.write_result(
        result, targets, lambda result: draw(project, result), progress, contents
    )


def draw(project: Project, result: TimelineResult) -> Figure:
    """The figure: the reference at some moments; then, for each kind of joint, its angle over the
    timeline in every clip, with mean and standard deviation."""
    from matplotlib.figure import Figure

    joints = _panels(result)
    rows = max(-(-len(joints) // 2), 1)
    height = 2.75 + 2.9 * rows
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    _title(figure, result)
    _pictures(figure, project, result, height)
    grid = figure.add_gridspec(
        rows, 2, left=0.06, right=0.985, bottom=0.6 / height, top=1 - 2.75 / height,
        hspace=0.32, wspace=0.12,
    )  # fmt: skip
    for number, kind in enumerate(joints):
        axes = figure.add_subplot(grid[number // 2, number % 2])
        _angle_panel(axes, result, kind, joints[kind])
        axes.set_ylabel("degrees" if number % 2 == 0 else "", fontsize=9)
    position = f"position on the timeline of {printable(result.clock.video.name)}, %"
    figures.line_at(figure, position, (LEFT + RIGHT) / 2, 0.2, ha="center", fontsize=9.5)
    return figure


def _title(figure: Figure, result: TimelineResult) -> None:
    count = len(result.clips)
    lines = f"thin lines: {'every clip' if count <= MOST_LINES else f'{MOST_LINES} of them'}"
    about = (
        f"aligned on {features_name(result.features, result.run)}   ·   line: mean   ·   "
        f"band: ± 1 standard deviation   ·   {lines}"
    )
    if result.left_out:
        about += f"   ·   {len(result.left_out)} more left out"
    figures.heading(figure, LEFT, f"{count} clips on one timeline", about)


def _panels(result: TimelineResult) -> dict[str, dict[str, int]]:
    """Kind of joint -> side -> number of its angle, for those whose mean moves most, in body
    order."""
    mean, _, _ = result.bands()
    kinds: dict[str, dict[str, int]] = {}
    for number, name in enumerate(result.joints):
        if np.isnan(mean[:, number]).all():
            continue
        side, _, rest = name.partition("_")
        if side not in ("left", "right"):
            side, rest = "", name
        kinds.setdefault(rest, {})[side] = number

    def moved(kind: str) -> float:
        values = mean[:, list(kinds[kind].values())]
        return float(np.nanmax(np.nanmax(values, axis=0) - np.nanmin(values, axis=0)))

    most = sorted(kinds, key=moved, reverse=True)[:MOST_JOINTS]
    return {kind: sides for kind, sides in kinds.items() if kind in most}


def _angle_panel(axes: Axes, result: TimelineResult, kind: str, sides: dict[str, int]) -> None:
    mean, spread, count = result.bands()
    thin = max(0.1, min(0.5, 4 / len(result.clips)))
    few = min(FEWEST, len(result.clips))
    for side, number in sides.items():
        colour = _SIDES[side]
        for clip in evenly_spaced(result.clips, MOST_LINES):
            axes.plot(_PERCENT, clip.angles[:, number], color=colour, linewidth=0.6, alpha=thin)
        shown = count[:, number] >= few
        middle, wide = (np.where(shown, value[:, number], np.nan) for value in (mean, spread))
        axes.fill_between(
            _PERCENT, middle - wide, middle + wide, color=colour, alpha=0.22, linewidth=0
        )
        axes.plot(_PERCENT, middle, color=colour, linewidth=2.2, label=side or None)
    _finish(axes, kind.replace("_", " "))
    # Limits that show the bands, with room for most single clips.
    columns, room = list(sides.values()), 2.2 * np.nan_to_num(spread)
    low, high = (
        float(edge(mean[:, columns] + by * room[:, columns]))
        for edge, by in ((np.nanmin, -1), (np.nanmax, 1))
    )
    axes.set_ylim(max(low - 4, 0), min(high + 4, 185))
    if len(sides) > 1:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0.42, 0.97), ncols=2, frameon=False, fontsize=9,
            handlelength=1.4, columnspacing=1.2, borderaxespad=0.2,
        )  # fmt: skip


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10.5, loc="left")
    axes.set_xlim(0, 100)
    axes.tick_params(labelsize=9)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    only_left_and_bottom(axes)


def _pictures(figure: Figure, project: Project, result: TimelineResult, height: float) -> None:
    """The reference in the middles of equal parts of the timeline."""
    video, pose = result.clock.video, project.read_pose(result.clock.video.id)[0]
    clip = drawn_clip(project, "", video, pose, np.ones(len(pose), bool), [])
    count = picture_count(clip)
    place = (np.arange(count) + 0.5) / count
    rows = np.rint(result.clock.row_at(place)).astype(int).tolist()
    high = (RIGHT - LEFT) / count / aspect(pose)
    strip(figure, (height - 0.8 - high, high), clip, rows, [f"{100 * p:.0f} %" for p in place])
