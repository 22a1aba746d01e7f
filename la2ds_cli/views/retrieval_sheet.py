"""The files of a retrieval: a contact sheet with a row for each query frame and its neighbours
(paper Fig. 8), and JSON.

Neighbours with the query's phase label have a green box, others a red dashed one; without labels
there are no boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.alignment.request import features_name
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.result_names import result_name
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.retrieval.retrieve import Hit, Query, RetrievalResult, view_words
from la2ds_cli.video.reader import Image, video_file
from la2ds_cli.views import figure
from la2ds_cli.views.figure import ABOUT, GREEN, axes_at, heading, line_at, printable
from la2ds_cli.views.film_strip import aspect, pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (*figure.SUFFIXES, ".json")
_WIDTH = 12.0  # inches
_DPI = 150
_MARGIN, _GAP = 0.15, 0.12
_PER_LINE = 10  # neighbours; more go on another line
_TITLE = 0.85
_CAPTION = 0.78
_LINE = 0.16  # of a caption
RED = "#c00018"
"""Not the vermilion of other figures, which looks orange; dashes also set it apart from GREEN."""


def write(
    project: StoredProject, result: RetrievalResult, targets: Sequence[Path], progress: Progress
) -> RetrievalResult:
    """Write files in the formats of their suffixes (SUFFIXES), replacing existing ones, and return
    the result with `files`.

    Without targets, a picture and a JSON file go to results/retrieve; for the search of a store,
    only the JSON file, since pictures of other projects' clips are not available.
    """
    if not targets:
        first = result.queries[0]
        name = result_name(project.videos(), project.clip(first.video))
        name += "" if len(result.queries) > 1 else f"@{first.time:.2f}"
        kinds = (".png", ".json") if result.store is None else (".json",)
        targets = figure.default_files(project, "retrieve", name, kinds)
    return figure.write_result(project, result, targets, partial(draw, project), progress)


def draw(project: StoredProject, result: RetrievalResult) -> Figure:
    """Return the contact sheet as a figure."""
    from matplotlib.figure import Figure

    images = _images(project, result)
    names = {
        video.id: Path(video.path).stem + (f"#{video.person}" if video.person > 1 else "")
        for video in project.videos()
    }
    columns = min(max((len(query.hits) for query in result.queries), default=0) or 1, _PER_LINE)
    width = min((_WIDTH - 3 * _MARGIN - columns * _GAP) / (columns + 1), 2.2)
    shapes = [image.shape[0] / image.shape[1] for image in images.values()]
    height = width * float(np.clip(np.median(shapes), 0.6, 1.8))
    lines = [-(-max(len(query.hits), 1) // columns) for query in result.queries]
    step = height + _CAPTION
    figure = Figure(figsize=(_WIDTH, _TITLE + sum(lines) * step + _MARGIN), dpi=_DPI)
    first = 2 * _MARGIN + width + _GAP
    _title(figure, result, first)
    y = _TITLE
    for query, count in zip(result.queries, lines, strict=True):
        image = images[query.video, query.index]
        _cell(figure, (_MARGIN, y, width, height), image, _lines(query, names))
        for n, hit in enumerate(query.hits):
            line, column = divmod(n, columns)
            place = first + column * (width + _GAP), y + line * step, width, height
            image = images[hit.video, hit.index]
            _cell(figure, place, image, _lines(hit, names), hit.same_phase)
        y += count * step
    return figure


def _images(project: StoredProject, result: RetrievalResult) -> dict[tuple[str, int], Image]:
    """Return pictures by (video, row); every video is read once."""
    wanted: dict[str, set[int]] = {}
    for query in result.queries:
        wanted.setdefault(query.video, set()).add(query.index)
        for hit in query.hits:
            wanted.setdefault(hit.video, set()).add(hit.index)
    images = {}
    for video in project.videos():
        rows = sorted(wanted.get(video.id, ()))
        if rows:
            pose, _ = project.read_pose(video.id)
            tall = round(1.6 * _DPI * max(1.0, 1 / aspect(pose)))
            shown = pictures(video_file(project, video), pose, rows, tall)
            images |= {(video.id, row): image for row, image in zip(rows, shown, strict=True)}
    return images


def _title(figure: Figure, result: RetrievalResult, first: float) -> None:
    """Write the title; first: left edge of the neighbours, in inches."""
    by = features_name(result.features, result.run)
    heading(figure, _MARGIN, f"nearest frames of other clips by {by}", "query")
    middle = float(figure.get_figheight()) - 0.58
    line_at(figure, "nearest first, d = distance", first, middle, **ABOUT)
    if result.agreement is not None:
        labelled = [h for q in result.queries for h in q.hits if h.same_phase is not None]
        right = sum(bool(hit.same_phase) for hit in labelled)
        text = f"green: same phase as the query ({right} of {len(labelled)});  red: another phase"
        line_at(figure, text, _WIDTH - _MARGIN, middle, ha="right", **ABOUT)


def _cell(
    figure: Figure,
    place: tuple[float, float, float, float],
    image: Image,
    lines: list[str],
    same: bool | None = None,
) -> None:
    """Draw a picture with its name, time and phase below.

    place: left, top, width and height in inches. same: whether its phase is the query's, None =
    unknown.
    """
    from matplotlib.patches import Rectangle

    x, y, width, height = place
    bottom = float(figure.get_figheight()) - y - height
    axes = axes_at(figure, x, bottom, width, height)
    axes.imshow(image)
    axes.axis("off")
    if same is not None:
        another = {"edgecolor": RED, "linewidth": 3.5, "linestyle": (0, (3, 1))}
        style = {"edgecolor": GREEN, "linewidth": 2} if same else another
        whole = {"transform": axes.transAxes, "clip_on": False, "fill": False}
        axes.add_patch(Rectangle((0, 0), 1, 1, **whole, **style))
    for n, text in enumerate(lines):
        wrong = same is False and n == len(lines) - 1
        ink = RED if wrong else "black" if n == 0 else "#555555"
        style = {"fontsize": 8.5, "color": ink, "fontweight": "bold" if wrong else "normal"}
        line_at(figure, text, x + width / 2, bottom - 0.12 - _LINE * n, ha="center", **style)


def _lines(frame: Query | Hit, names: dict[str, str]) -> list[str]:
    """Return name and time, distance and view for a neighbour, and the phase if known."""
    lines = [printable(names[frame.video], 20), f"{frame.time:.2f} s"]
    if isinstance(frame, Hit):
        lines[1] += f"   d {frame.distance:.2f}"
        lines += filter(None, [view_words(frame.view, frame.unsure)])
    return [*lines, printable(frame.phase, 20)] if frame.phase else lines
