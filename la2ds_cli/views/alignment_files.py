"""Alignments as files: figure, JSON, CSV, film and page of two clips; figure, JSON and CSV of the
repetitions in a clip and of many clips on one timeline.

The figure of repetitions shows where they are in the clip, how long each takes, and how close each
is to A; that of a timeline shows the mean movement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.alignment.aligned_repetitions import RepetitionsResult, count_of
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.curve_tests import arrays_file
from la2ds_cli.alignment.request import features_name
from la2ds_cli.alignment.timeline_result import GRID, TimelineResult
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.result_names import result_name
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.views import alignment_figure, curves_figure, figure, sync
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
    PURPLE,
    axes_at,
    heading,
    line_at,
    only_left_and_bottom,
    printable,
    stacked,
)
from la2ds_cli.views.film_strip import aspect
from la2ds_cli.views.report import pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# For checked_outputs.
_TABLES = ".csv", ".json"
_IN_STEP = (*sync.SUFFIXES, pair.SUFFIX)  # the film of `la2ds sync`, the page of `la2ds report`
AN_ALIGNMENT = "an alignment", (*figure.SUFFIXES, *_TABLES, *_IN_STEP)
REPETITIONS = "repetitions", (*figure.SUFFIXES, *_TABLES)
_KINDS = (".png", ".json")
_MANY = 16  # repetitions; with more, labels show only their numbers


def write_alignment(
    project: StoredProject,
    result: Alignment,
    targets: Sequence[Path],
    progress: Progress,
    part: str = "",
) -> Alignment:
    """Write an alignment to files in the formats of their suffixes, and return it with `files`.

    Existing files are replaced. Films and pages come last, since they take longest.

    Parameters
    ----------
    targets: the files; none = a figure and a JSON file in results/align.
    part: added to the default names.
    """
    name = result_name(project.videos(), result.a, result.b) + part
    targets = targets or figure.default_files(project, "align", name, _KINDS)
    contents = {".csv": Alignment.csv_text}

    def write_film(result: Alignment, path: Path) -> None:
        sync.write_sync(project, result, progress, out=path)

    def write_page(result: Alignment, path: Path) -> None:
        pair.write_pair(project, result, out=path, progress=progress)

    writers = dict.fromkeys(sync.SUFFIXES, write_film) | {pair.SUFFIX: write_page}
    draw = partial(alignment_figure.draw, project)
    return figure.write_result(project, result, targets, draw, progress, contents, writers)


def write_repetitions(
    project: StoredProject, result: RepetitionsResult, targets: Sequence[Path], progress: Progress
) -> RepetitionsResult:
    """Write the repetitions of a clip to files, as `write_alignment` does."""
    name = result_name(project.videos(), result.a, result.b) + "-repetitions"
    targets = targets or figure.default_files(project, "align", name, _KINDS)
    draw, contents = partial(draw_repetitions, project), {".csv": RepetitionsResult.csv_text}
    return figure.write_result(project, result, targets, draw, progress, contents)


def draw_repetitions(project: StoredProject, result: RepetitionsResult) -> Figure:
    """Return the figure: pictures of B and, below them, bars with the duration of each repetition
    and its distance from A."""
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
        "times": 0.75,
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
    strip(figure, rows["strip"], clip, even_moments(clip, count))
    time_bar(figure, rows["bar"], clip, (), {}, above=False)  # each picture is above its time
    (start, end), size = clip.limits, 8 if len(result.repetitions) <= _MANY else 6
    for each in result.repetitions:
        x = LEFT + (RIGHT - LEFT) * ((each.start + each.end) / 2 - start) / (end - start)
        line_at(figure, str(each.number), x, rows["bar"][0] + 0.08, ha="center", fontsize=size)
    seconds, cost = (
        axes_at(figure, LEFT, rows[row][0], RIGHT - LEFT, rows[row][1])
        for row in ("seconds", "cost")
    )
    usual = result.usual_seconds
    _bars(seconds, result, [each.seconds for each in result.repetitions], "{:.1f} s")
    seconds.set_title(f"duration (line: median, {usual:.2f} s)", fontsize=10.5, loc="left")
    seconds.axhline(usual, color=ORANGE, linewidth=1.6)
    _bars(cost, result, [each.cost for each in result.repetitions], "{:.2f}")
    cost.set_title("distance from A (green: nearest)", fontsize=10.5, loc="left")
    for axes in (seconds, cost):
        axes.set_xlim(clip.limits)
    return figure


def _bars(axes: Axes, result: RepetitionsResult, height: list[float], shown: str) -> None:
    """Draw a bar at the position of each repetition, with its number and value; green marks the one
    nearest to A."""
    few = len(result.repetitions) <= _MANY
    middle = [(each.start + each.end) / 2 for each in result.repetitions]
    wide = [0.97 * each.seconds for each in result.repetitions]
    colour = [GREEN if each is result.best else BLUE for each in result.repetitions]
    axes.bar(middle, height, wide, color=colour)
    labels = [
        f"{each.number}:  {shown.format(value)}" if few else str(each.number)
        for each, value in zip(result.repetitions, height, strict=True)
    ]
    axes.set_xticks(middle, labels, fontsize=9 if few else 6)
    axes.set_ylim(0, 1.05 * max(*height, 1e-9))
    axes.grid(axis="y", color="#e0e0e0", linewidth=0.7)
    only_left_and_bottom(axes)


CURVES, CLUSTERS, ARRAYS = ".curves.csv", ".clusters.csv", ".npz"
_CURVE_FIGURES = tuple(f".curves{kind}" for kind in figure.SUFFIXES)
OF_GROUPS = (".curves.png", CLUSTERS, ARRAYS)  # also written by default if clips are in groups
A_TIMELINE = "a timeline", (*figure.SUFFIXES, ".csv", ".json", ARRAYS)  # for checked_outputs
FOLDER = "timeline"  # below results/
MOST_JOINTS = 4  # panels of angles
MOST_LINES = 40  # single clips in a panel, evenly spaced among all
FEWEST = 3  # clips needed to draw a mean
_SIDES = {"left": ORANGE, "right": BLUE, "": PURPLE}  # the colours of joints in all pictures
_PERCENT = 100 * GRID


def write_timeline(
    project: StoredProject, result: TimelineResult, targets: Sequence[Path], progress: Progress
) -> TimelineResult:
    """Write a timeline to files, as `write_alignment` does; without targets, a figure, the tables
    and a JSON file go to results/timeline."""
    groups = result.groups
    two = OF_GROUPS if groups and groups.testable else OF_GROUPS[:1] if groups else ()
    targets = targets or figure.default_files(
        project, FOLDER, FOLDER, (".png", ".csv", CURVES, ".json", *two)
    )
    contents: dict[str, Callable[[TimelineResult], str | bytes]] = {
        kind: partial(_curve_figure, kind.rpartition(".")[2]) for kind in _CURVE_FIGURES
    }
    if groups:
        contents |= {
            CLUSTERS: lambda _: groups.clusters_text(),
            ARRAYS: lambda _: arrays_file(groups),
        }
    contents |= {CURVES: TimelineResult.curves_text, ".csv": TimelineResult.csv_text}
    draw = partial(draw_timeline, project)
    return figure.write_result(project, result, targets, draw, progress, contents)


def check_groups_named(targets: Sequence[Path], by: str | None) -> None:
    """Raise UserError (exit 2) for a file that only groups of clips have, without a column."""
    for path in targets:
        if not by and path.name.lower().endswith((CLUSTERS, ARRAYS)):
            raise UserError(
                f"{path} needs groups of clips",
                hint="--by COLUMN names the column of videos.csv that divides them",
            )


def _curve_figure(kind: str, result: TimelineResult) -> bytes:
    return figure.render(curves_figure.draw_curves(result), kind)


def draw_timeline(project: StoredProject, result: TimelineResult) -> Figure:
    """Return the figure: pictures of the reference and, for each kind of joint, its angle over the
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
    line_at(figure, position, (LEFT + RIGHT) / 2, 0.2, ha="center", fontsize=9.5)
    if note := result.angle_note():
        line_at(figure, f"angles are {note}", LEFT, 0.04, ha="left", fontsize=8.5)
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
    heading(figure, LEFT, f"{count} clips on one timeline", about)


def _panels(result: TimelineResult) -> dict[str, dict[str, int]]:
    """Return kind of joint -> side -> number of its angle, for the kinds whose mean changes most,
    in body order."""
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
    axes.set_title(kind.replace("_", " "), fontsize=10.5, loc="left")
    axes.set_xlim(0, 100)
    axes.tick_params(labelsize=9)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    only_left_and_bottom(axes)
    # The limits show the bands in full, with room for most single clips.
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


def _pictures(
    figure: Figure, project: StoredProject, result: TimelineResult, height: float
) -> None:
    """Draw the reference in the middle of equal parts of the timeline."""
    video, pose = result.clock.video, project.read_pose(result.clock.video.id)[0]
    clip = drawn_clip(project, "", video, pose, np.ones(len(pose), bool), [])
    count = picture_count(clip)
    place = (np.arange(count) + 0.5) / count
    rows = np.rint(result.clock.row_at(place)).astype(int).tolist()
    high = (RIGHT - LEFT) / count / aspect(pose)
    strip(figure, (height - 0.8 - high, high), clip, rows, [f"{100 * p:.0f} %" for p in place])
