"""The files of an embedding plot: the figure (one colour per clip, opacity by time, phases, start
and end) and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.alignment.request import features_name
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views import figure
from la2ds_cli.views.embedding_plot import EmbeddingPlot, PlottedClip, all_phases
from la2ds_cli.views.figure import GREY, axes_at, heading, only_left_and_bottom, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (*figure.SUFFIXES, ".json")
_WIDTH, _DPI = 12.0, 150  # inches; shown 1200 pixels wide, the small print is 12 pixels high
_LEFT, _AXES, _SIDE = 0.85, 7.9, 9.0  # inches: left edge and width of the axes, the legend
_TOP, _BOTTOM = 0.95, 0.65
_LOWEST, _HIGHEST = 3.8, 7.2  # of the axes
_ROW = 0.245  # of the legend
_SIGNS = ("D", "^", "v", "P", "X", "*", "<", ">", "p", "h")  # of phases
_LABELS = {"pca": "PCA", "tsne": "t-SNE"}


def write(
    project: Project, result: EmbeddingPlot, targets: Sequence[Path], progress: Progress
) -> EmbeddingPlot:
    """Write files by suffix (SUFFIXES); existing ones are replaced. Without targets a picture goes
    to results/plot-embeddings. Returns the result with its `files`."""
    if not targets:
        first, second = result.clips[0].video, result.clips[1].video
        more = len(result.clips) - 2
        name = f"{first}--{second}" + (f"--and-{more}-more" if more else "") + f"-{result.method}"
        targets = figure.default_files(project, "plot-embeddings", name, (".png",))
    return figure.write_result(result, targets, draw, progress)


def draw(result: EmbeddingPlot) -> Figure:
    """The plot as a figure. The points of a clip are the collection with the gid `points VIDEO`."""
    from matplotlib.figure import Figure

    signs = {name: _SIGNS[n % len(_SIGNS)] for n, name in enumerate(all_phases(result.clips))}
    high = _axes_height(result, signs)
    total = _TOP + high + _BOTTOM
    figure = Figure(figsize=(_WIDTH, total), dpi=_DPI)
    axes = axes_at(figure, _LEFT, _BOTTOM, _AXES, high)
    for clip in result.clips:
        _trajectory(axes, clip)
    for clip in result.clips:  # above every line
        _marks(axes, clip, signs)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    only_left_and_bottom(axes)
    labels = axis_labels(result)
    axes.set_xlabel(labels[0], fontsize=10.5)
    axes.set_ylabel(labels[1], fontsize=10.5)
    if result.explained is None:  # numbers of these axes mean nothing
        axes.tick_params(labelbottom=False, labelleft=False, length=0)
    heading(
        figure, 0.24, f"frames of {len(result.clips)} clips in the feature space", summary(result)
    )
    _legend(figure, result, signs)
    return figure


def _axes_height(result: EmbeddingPlot, signs: dict[str, str]) -> float:
    """Inches: by the aspect of the points, and at least the height of the legend."""
    width, height = np.ptp(np.concatenate([clip.point for clip in result.clips]), axis=0)
    wanted = _AXES * float(height / width) if width > 0 else _HIGHEST
    rows = len(result.clips) + 2 + len(signs)
    return max(float(np.clip(wanted, _LOWEST, _HIGHEST)), rows * _ROW)


def axis_labels(result: EmbeddingPlot) -> tuple[str, str]:
    """`component 1 (43 % of the variance)` for PCA, plain names otherwise."""
    shares = result.explained
    if shares is None:
        return "t-SNE, first axis", "t-SNE, second axis"
    first, second = (
        f"component {n} ({share:.0%} of the variance)" for n, share in enumerate(shares, start=1)
    )
    return first.replace("%", " %"), second.replace("%", " %")


def summary(result: EmbeddingPlot) -> str:
    """One line: what was projected, and how."""
    by = features_name(result.features, result.run)
    missing = " (no trained model)" if result.reason else ""
    frames = sum(len(clip.time) for clip in result.clips)
    return f"{by}{missing}   ·   {_LABELS[result.method]}, fitted on all {frames} frames together"


def _trajectory(axes: Axes, clip: PlottedClip) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    colour = np.column_stack([np.tile(to_rgb(clip.colour), (len(clip.time), 1)), clip.opacity])
    segments = np.stack([clip.point[:-1], clip.point[1:]], axis=1)
    lines = LineCollection(list(segments), colors=colour[1:], linewidths=1.2)
    lines.set(linestyle=clip.dash)
    lines.set_zorder(2)
    axes.add_collection(lines)
    axes.scatter(*clip.point.T, s=26, c=colour, linewidths=0, zorder=3, gid=f"points {clip.video}")


def _marks(axes: Axes, clip: PlottedClip, signs: dict[str, str]) -> None:
    """Where phases begin; a ring at the first frame and a square at the last."""
    for row, name in clip.phase_starts:
        style = _mark(signs[name], clip.colour)
        axes.plot(*clip.point[row], **style, zorder=5, gid=f"phase {clip.video} {row}")
    first, last = _ends(clip.colour)
    axes.plot(*clip.point[0], **first, zorder=6, gid=f"start {clip.video}")
    axes.plot(*clip.point[-1], **last, zorder=6, gid=f"end {clip.video}")


def _mark(sign: str, colour: str) -> dict[str, Any]:
    size = 13 if sign == "*" else 9
    edge = {"markeredgecolor": "black", "markeredgewidth": 0.9}
    return {"marker": sign, "ms": size, "color": colour, "linestyle": "none", **edge}


def _ends(colour: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hollow, so that the mark of a phase that begins there shows inside."""
    common = {"mfc": "none", "mec": colour, "mew": 2.4, "linestyle": "none"}
    return {"marker": "o", "ms": 15, **common}, {"marker": "s", "ms": 14, **common}


def _legend(figure: Figure, result: EmbeddingPlot, signs: dict[str, str]) -> None:
    """Everything drawn beside the axes, in one column."""
    from matplotlib.lines import Line2D

    rows = []
    for clip in result.clips:
        line = Line2D([], [], color=clip.colour, marker="o", ms=6, lw=2)
        line.set(linestyle=clip.dash)
        rows.append((line, clip.name))
    first, last = (Line2D([], [], **{**style, "ms": 9, "mew": 2}) for style in _ends(GREY))
    rows += [(first, "start, pale"), (last, "end")]
    rows += [(Line2D([], [], **_mark(s, GREY)), f"{n} begins") for n, s in signs.items()]
    handles, labels = zip(*rows, strict=True)
    top = 1 - _TOP / float(figure.get_figheight())
    figure.legend(
        handles,
        [printable(label, 30) for label in labels],
        loc="upper left",
        bbox_to_anchor=(_SIDE / _WIDTH, top),
        fontsize=9.5,
        frameon=False,
        borderaxespad=0,
        labelspacing=0.55,
        handlelength=2.6,
    )
