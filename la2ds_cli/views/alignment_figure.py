"""The alignment figure: film strips joined by lines (paper Fig. 4), the distance matrix with the
path, local speed ratio and confidence; everything in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.core.project import Project
from la2ds_cli.views import alignment_panels as panels
from la2ds_cli.views.alignment_clip import DrawnClip, drawn_clip
from la2ds_cli.views.figure import phase_colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from la2ds_cli.alignment.align_result import AlignResult


_LONGEST = 140  # characters that fit in one line at the usual size


def draw(project: Project, result: AlignResult) -> Figure:
    """The figure of an alignment."""
    from matplotlib.figure import Figure

    phases = project.phases()
    a, b = (
        drawn_clip(project, letter, video, pose, matched, phases.get(video.id, []))
        for letter, video, pose, matched in (
            ("A", result.a, result.pose_a, result.alignment.matched_a),
            ("B", result.b, result.pose_b, result.alignment.matched_b),
        )
    )
    colours = phase_colours(name for clip in (a, b) for _, _, name in clip.phases)
    heights = {
        "title": 0.8,
        "times of A": 0.4,
        "strip A": panels.picture_height(a),
        "lines": 1.3,
        "strip B": panels.picture_height(b),
        "times of B": 0.85,
        "matrix and curves": 4.2,
        "foot": 0.95 if colours else 0.6,
    }
    total = sum(heights.values())
    figure = Figure(figsize=(panels.WIDTH, total), dpi=panels.DPI)
    rows: dict[str, panels.Row] = {}
    top = total
    for name, height in heights.items():
        top -= height
        rows[name] = (top, height)
    _title(figure, result, a, b)
    panels.strip(figure, rows["strip A"], a, colours, above=True)
    panels.lines(figure, rows["lines"], result.alignment, a, b)
    panels.strip(figure, rows["strip B"], b, colours, above=False)
    panels.matrix(figure, rows["matrix and curves"], result, a, b)
    bottom, height = rows["matrix and curves"]
    middle = bottom + height / 2
    panels.speed(figure, (middle + 0.14, height / 2 - 0.14), result, a, colours)
    panels.confidence(figure, (bottom, height / 2 - 0.24), result.alignment, a, colours)
    panels.legend(figure, colours)
    return figure


def _title(figure: Figure, result: AlignResult, a: DrawnClip, b: DrawnClip) -> None:
    height = float(figure.get_figheight())

    def line(text: str, down: float, **style: Any) -> None:
        figure.text(panels.LEFT / panels.WIDTH, 1 - down / height, text, va="center", **style)

    line(f"A  {a.name}     B  {b.name}", 0.25, fontsize=14, fontweight="bold")
    text = summary(result)
    line(text, 0.55, fontsize=10.5 * min(1, _LONGEST / len(text)), color="#404040")


def summary(result: AlignResult) -> str:
    """One line: how it was aligned, how sure it is, how the tempos compare."""
    found = result.alignment
    by = f"model, run {result.run}" if found.features == "model" else "raw poses"
    missing = " (no trained model)" if result.reason else ""
    parts = [f"{found.method} on {by}{missing}"]
    if found.mirrored:
        parts.append("B compared as its mirror image")
    if result.others:
        parts.append(f"with {result.others} other clips")
    parts.append(f"mean confidence {result.mean_confidence:.2f}")
    ratio = result.overall_ratio
    if np.isfinite(ratio):
        parts.append(f"B takes {ratio:.2f} × the time of A")
    return "   ·   ".join(parts)
