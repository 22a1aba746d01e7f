"""One page for a trainee: sentences, pictures of both clips at the moments of greatest difference,
both skeletons over each other, angles over time, tempo, and the examples."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from la2ds_cli.compare.moments import moments
from la2ds_cli.compare.result import CompareResult
from la2ds_cli.compare.words import finding_lines, score_lines, tempo_sentence
from la2ds_cli.core.project import Project
from la2ds_cli.views import compare_moments as sheet_moments
from la2ds_cli.views import compare_panels as sheet_panels
from la2ds_cli.views.compare_layout import DPI, HEIGHT, LEFT, RIGHT, WIDTH, Place, fitted
from la2ds_cli.views.figure import GREY, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SENTENCES, _TEMPOS, _SCORES = 5, 3, 2  # lines
_LINE = 0.2  # inches
_WRAP = 104  # letters of the small print in a line
HOW_TO_READ = (
    "Angles are those of the picture, so both clips must be filmed from the same side. A "
    "difference is told where it exceeds what noise of the joints, a small turn of the camera and "
    "the alignment may explain; pale: it may be explained; grey: not judged, the alignment is not "
    "sure or the bodies are seen from different sides. Times are those of the reference."
)


def draw(project: Project, result: CompareResult, *, privacy: bool = False) -> Figure:
    """The page, A4 upright. privacy: drawn joints instead of pictures from the videos."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    top = _title(figure, result)
    shown = moments(result)
    foot = 0.72
    tempo_height = sheet_panels.tempo_height(result)
    map_height = sheet_panels.map_height(result)
    middle = top - foot - tempo_height - map_height
    sheet_moments.draw(figure, Place(top - middle, middle), project, result, shown, privacy=privacy)
    top -= middle
    sheet_panels.angle_map(figure, Place(top - map_height, map_height), result, shown)
    top -= map_height
    sheet_panels.tempo(figure, Place(foot, tempo_height), result)
    if result.examples is not None:
        sheet_panels.examples(figure, Place(foot, tempo_height), result)
    _small_print(figure, HOW_TO_READ, foot - 0.1)
    return figure


def _title(figure: Figure, result: CompareResult) -> float:
    """Title, warnings and sentences; returns the height that is left below, inches."""
    a, b = (printable(video.name, 40) for video in (result.aligned.a, result.aligned.b))
    y = HEIGHT - 0.38
    title = f"{b}  compared with  {a}"
    size = fitted(title, 14, RIGHT - LEFT, "bold")
    _text(figure, title, y, fontsize=size, fontweight="bold")
    y -= 0.3
    for note in result.notes:
        y = _wrapped(figure, f"Note: {note}", y, fontsize=9, color="#8a4b00")
    told = [tempo_sentence(row) for row in result.tempo if row.verdict in ("slower", "faster")]
    for line in finding_lines(result, _SENTENCES) + told[:_TEMPOS]:
        y = _wrapped(figure, line, y, fontsize=10.5, color="black")
    for line in score_lines(result)[:_SCORES]:
        y = _wrapped(figure, line, y, fontsize=9, color="#404040")
    return y + 0.05


def _text(figure: Figure, text: str, y: float, **style: Any) -> None:
    figure.text(LEFT / WIDTH, y / HEIGHT, text, va="center", **style)


def _wrapped(figure: Figure, text: str, y: float, *, fontsize: float, color: str) -> float:
    for line in textwrap.wrap(text, round(_WRAP * 9 / fontsize)):
        _text(figure, printable(line, 200), y, fontsize=fontsize, color=color)
        y -= _LINE
    return y


def _small_print(figure: Figure, text: str, top: float) -> None:
    for n, line in enumerate(textwrap.wrap(text, round((RIGHT - LEFT) * 17.5))):
        _text(figure, line, top - 0.08 - 0.16 * n, fontsize=8, color=GREY)
