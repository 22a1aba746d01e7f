"""The files of a comparison: a sheet of paper with sentences, pictures of both clips at the key
frames and angles over time; an HTML page; a table of all frames; and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from la2ds_cli.compare.compare_clips import (
    HOW_TO_READ,
    CompareResult,
    document_sentences,
)
from la2ds_cli.compare.differences import LEAST
from la2ds_cli.compare.findings import Finding, clearest_joints, in_episodes, span_at
from la2ds_cli.compare.key_positions import KeyPosition
from la2ds_cli.compare.words import joint_name, value_text
from la2ds_cli.core.csv_tables import number_cell, table_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.result_names import result_name
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import body_joints
from la2ds_cli.features.body_quantities import DEGREES, Quantity
from la2ds_cli.features.pose_features import angle_triples
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.video.reader import Image, video_file
from la2ds_cli.views import figure as figures
from la2ds_cli.views.figure import (
    BLUE,
    GREEN,
    GREY,
    RED,
    axes_at,
    fitted,
    line_at,
    phase_colours,
    printable,
    stacked,
)
from la2ds_cli.views.film_strip import aspect, pictures, view_boxes
from la2ds_cli.views.report.pair import pair_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (*figures.SUFFIXES, ".html", ".csv", ".json")
A_COMPARISON = "a comparison", SUFFIXES  # for checked_outputs
COLUMNS = (
    *("index", "frame", "time", "other_time", "span", "joint", "reference", "other"),
    *("difference", "floor", "beyond", "trust", "confidence", "judged", "unit"),
)
WIDTH = 8.27  # inches, of A4 upright
DPI = 150
# Not blue or orange, which mark the sides of the body in drawn pictures.
REFERENCE, OTHER = "#4a4a4a", GREEN
MOST = 3  # key frames
_LEFT, _RIGHT = 0.5, 7.77
_SENTENCES, _UNJUDGED = 5, 3  # lines
_LINE = 0.2  # inches
_WRAP = 94  # letters of a sentence in a line
_SMALL_WRAP, _SMALL_LINE = 127, 0.16  # letters and inches of a line of the small print
_COLOURS = (
    "In the map, blue is straighter, further out, higher or a larger lean, orange the reverse. "
    "Pale differences may come from noise, camera or timing. Grey was not judged."
)
_NAMES = 1.25  # inches for the names of joints
_ROW = 0.19  # inches per joint
_MOST_JOINTS = 12
_NAMED = 6  # parts of the movement named above the map
_PALE = 0.22  # strength of the colour of a difference that noise, camera or timing may explain
_PER_FRAME = 2  # findings reported at one key frame
_HEAD = 0.3  # inches
_MOST_POSITIONS, _POSITION_TALL = 4, 1.3  # key positions drawn, inches of their pictures
_GAP, _BETWEEN = 0.25, 0.06  # inches between key frames, and between the two pictures of one
_POSITION_WIDE = (_RIGHT - _LEFT - _NAMES) / _MOST_POSITIONS  # inches of both pictures
_POSITION_HALF = (_POSITION_WIDE - 0.1 - _BETWEEN) / 2  # of one
_HEADING: dict[str, Any] = {"fontsize": 10.5, "fontweight": "bold"}


def write(
    project: StoredProject,
    result: CompareResult,
    targets: Sequence[Path],
    progress: Progress,
    *,
    privacy: bool = False,
) -> CompareResult:
    """Write files in the formats of their suffixes (SUFFIXES), and return the result with `files`.

    Existing files are replaced.

    Parameters
    ----------
    targets: the files; none = a figure, a page and a JSON file in results/compare.
    privacy: draw the joints instead of showing pictures from the videos.
    """
    name = result_name(project.videos(), result.aligned.a, result.aligned.b)
    kinds = (".png", ".html", ".json")
    targets = targets or figures.default_files(project, "compare", name, kinds)

    def drawn(result: CompareResult) -> Figure:
        return draw(project, result, privacy=privacy)

    def page(result: CompareResult) -> bytes:
        return pair_page(project, result.aligned, progress, result, privacy=privacy)

    contents = {".csv": csv_text, ".html": page}
    return figures.write_result(project, result, targets, drawn, progress, contents)


def csv_text(result: CompareResult) -> str:
    """Return the table of docs/how-to/compare.md; unknown values are empty."""
    angles, alignment = result.angles, result.aligned
    other_time = result.other_time
    difference, trust, judged = angles.difference, angles.trust, angles.judged
    rows = []
    for n in range(len(angles.time)):
        times = number_cell(alignment.time_a[n], 6), number_cell(other_time[n], 6)
        moment = n, int(alignment.frame_a[n]), *times, span_at(result.spans, n)
        sure = number_cell(alignment.confidence[n], 4)
        for j, joint in enumerate(angles.names):
            values = angles.reference, angles.other, difference, angles.floor, angles.beyond
            cells = [number_cell(value[n, j], 2) for value in values]
            quantity = angles.quantity(joint)
            unit = quantity.unit if quantity else DEGREES
            judgement = number_cell(trust[n, j], 3), sure, int(judged[n, j]), unit
            rows.append((*moment, joint, *cells, *judgement))
    return table_text(COLUMNS, rows)


# --- the sheet -------------------------------------------------------------------------------


def draw(project: StoredProject, result: CompareResult, *, privacy: bool = False) -> Figure:
    """Return the sheet, as wide as A4.

    Parameters
    ----------
    privacy: draw the joints instead of showing pictures from the videos.
    """
    from matplotlib.figure import Figure

    shown, positions = key_frames(result), _drawn_positions(result)
    lines, small = _sheet_lines(result)
    joints = [result.angles.names[j] for j in clearest_joints(result.angles)][:_MOST_JOINTS]
    pictures = _fit_pictures(result, shown)
    rows = stacked(
        {
            "title": 0.55,
            "sentences": _LINE * len(lines) + 0.1,
            "pictures": _HEAD + pictures.captions + pictures.tall + 0.25,
            "map": 0.95 + _ROW * max(len(joints), 1),
            "keys": _positions_height(result, positions),
            "small": 0.1 + _SMALL_LINE * len(small),
        }
    )
    top = {name: bottom + height for name, (bottom, height) in rows.items()}
    figure = Figure(figsize=(WIDTH, top["title"]), dpi=DPI)
    a, b = (printable(video.name, 40) for video in (result.aligned.a, result.aligned.b))
    title = f"{b}  compared with  {a}"
    font = fitted(title, 14, 0.85 * (_RIGHT - _LEFT))  # bold
    line_at(figure, title, _LEFT, top["title"] - 0.35, fontsize=font, fontweight="bold")
    for n, (line, ink) in enumerate(lines):
        y = top["sentences"] - _LINE * (n + 0.5)
        line_at(figure, printable(line, 200), _LEFT, y, fontsize=10, color=ink)
    _draw_key_frames(figure, top["pictures"], project, result, shown, pictures, privacy=privacy)
    _angle_map(figure, top["map"], result, joints, shown)
    _draw_positions(figure, top["keys"], project, result, positions, privacy=privacy)
    for n, line in enumerate(small):
        y = top["small"] - _SMALL_LINE * (n + 0.5)
        line_at(figure, printable(line, 200), _LEFT, y, fontsize=8, color=GREY)
    return figure


def _sheet_lines(result: CompareResult) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the lines of the sentences, each with its colour, and those of the small print."""
    sentences = document_sentences(result.to_json(), _SENTENCES)
    lines = [(f"Note: {note}", "#8a4b00") for note in sentences["notes"]]
    lines += [(line["text"], "black") for line in sentences["differs"]]
    lines += [(line, "black") for line in sentences["tempo"]]
    small = [*sentences["unjudged"][:_UNJUDGED], f"{HOW_TO_READ} {_COLOURS}"]
    return (
        [(line, ink) for text, ink in lines for line in textwrap.wrap(text, _WRAP)],
        [line for text in small for line in textwrap.wrap(text, _SMALL_WRAP)],
    )


# --- which frames ----------------------------------------------------------------------------


class KeyFrame(NamedTuple):
    """A row of the reference, its match in the other clip, and the differences there, if any."""

    row: int
    other_row: int
    findings: tuple[Finding, ...]


def key_frames(result: CompareResult) -> list[KeyFrame]:
    """Return at most MOST key frames in time order: the clearest differences or, without any, the
    middle of each part. Differences closer than 8 % of the reference, or 0.15 s, share a frame."""
    time, position = result.angles.time, result.aligned.position
    apart = max(0.08 * float(time[-1] - time[0]), 0.15)
    groups: list[list[Finding]] = []
    for finding in result.findings:
        near = next((group for group in groups if abs(group[0].time - finding.time) < apart), None)
        if near is None and len(groups) < MOST:
            groups.append([finding])
        elif near and len(near) < _PER_FRAME and finding.joint not in {f.joint for f in near}:
            near.append(finding)
    chosen = [(group[0].row, tuple(group)) for group in groups]
    chosen = chosen or [(row, ()) for row in _middles(result)]
    frames = [KeyFrame(row, round(float(position[row])), findings) for row, findings in chosen]
    return sorted(frames, key=lambda frame: frame.row)


def _middles(result: CompareResult) -> list[int]:
    """Return the middle row of at most MOST parts, among the rows that can be judged (or, if there
    are none, that are aligned)."""
    matched = ~np.isnan(result.aligned.position)
    usable = result.angles.sure if result.angles.sure.any() else matched
    parts = [span.first + np.flatnonzero(usable[span.first : span.stop]) for span in result.spans]
    rows = [int(part[len(part) // 2]) for part in parts if len(part)]
    return evenly_spaced(rows, MOST)


# --- pictures --------------------------------------------------------------------------------


class _Pictures(NamedTuple):
    """Inches of the pictures of key frames: the width of a pair, the width and the height of one
    picture, and the height of the captions above them."""

    wide: float
    half: float
    tall: float
    captions: float


def _fit_pictures(result: CompareResult, shown: Sequence[KeyFrame]) -> _Pictures:
    wide = (_RIGHT - _LEFT - (len(shown) - 1) * _GAP) / max(len(shown), 1)
    half = (wide - _BETWEEN) / 2
    shapes = [aspect(pose) for pose in (result.aligned.pose_a, result.aligned.pose_b)]
    tall = min(3.6, half / min(shapes))
    captions = 0.19 + 0.165 * max((len(frame.findings) for frame in shown), default=0)
    return _Pictures(wide, min(half, tall * max(shapes)), tall, captions)


def _draw_key_frames(
    figure: Figure,
    top: float,
    project: StoredProject,
    result: CompareResult,
    shown: list[KeyFrame],
    fit: _Pictures,
    *,
    privacy: bool,
) -> None:
    """Draw both clips beside each other at each key frame, below what differs there."""
    line_at(figure, _moments_title(result), _LEFT, top - 0.12, **_HEADING)
    for text, colour, x in (("reference", REFERENCE, 6.1), ("other clip", OTHER, 6.95)):
        line_at(figure, "■", x, top - 0.12, fontsize=11, color=colour)
        line_at(figure, text, x + 0.15, top - 0.12, fontsize=9)
    images = key_images(project, result, shown, round(fit.tall * DPI * 1.5), privacy=privacy)
    for n, (frame, pair) in enumerate(zip(shown, images, strict=True)):
        left, y = _LEFT + n * (fit.wide + _GAP), top - _HEAD
        differ = [f"{f.label}: {f.amount}" for f in frame.findings]
        for line, text in enumerate([f"{n + 1}   {_moment(result, frame)}", *differ]):
            weight, size = ("normal", 8.0) if line else ("bold", 9.5)
            style = {"fontweight": weight, "fontsize": fitted(text, size, fit.wide)}
            line_at(figure, text, left, y - 0.05 - 0.165 * line, **style)
        seconds = result.angles.time[frame.row], result.aligned.pose_b.time[frame.other_row]
        for side, (image, angles) in enumerate(pair):
            across = left + side * (fit.half + _BETWEEN)
            place = across, y - fit.captions - fit.tall, fit.half, fit.tall
            colour = (REFERENCE, OTHER)[side]
            _picture(axes_at(figure, *place), image, angles, colour, f"{seconds[side]:.2f} s")


def _moments_title(result: CompareResult) -> str:
    if result.findings:
        return "Moments of the clearest differences"
    return "Matching moments" if result.angles.sure.any() else "Possibly matching moments"


def _moment(result: CompareResult, frame: KeyFrame) -> str:
    span = span_at(result.spans, frame.row)
    return f"{result.angles.time[frame.row]:.2f} s" + (f", {printable(span, 24)}" if span else "")


def key_images(
    project: StoredProject,
    result: CompareResult,
    shown: list[KeyFrame],
    height: int,
    *,
    privacy: bool,
) -> list[list[tuple[Image, list[FloatArray]]]]:
    """Return, for each key frame, the picture and what differs in both clips: for each angle (3, 2)
    points in pixels of the picture, one end, the joint, the other end; for each quantity the (2, 2)
    ends of its line.
    """
    aligned = result.aligned
    columns: list[list[tuple[Image, list[FloatArray]]]] = [[] for _ in shown]
    for side, video in enumerate((aligned.a, aligned.b)):
        filmed, drawn = ((aligned.pose_a,) * 2, (aligned.pose_b, aligned.shown_b))[side]
        rows = [(frame.row, frame.other_row)[side] for frame in shown]
        view = aligned.view if side else "filmed"
        source = None if privacy else video_file(project, video)
        images = pictures(source, filmed, rows, height, view=view)
        box = view_boxes(drawn)
        for column, frame, row, image in zip(columns, shown, rows, images, strict=True):
            scale = height / (box[row, 3] - box[row, 1])
            lines = [
                (_line(drawn, row, f.joint, result.angles.quantity(f.joint)) - box[row, :2]) * scale
                for f in frame.findings
            ]
            column.append((image, lines))
    return columns


def _line(pose: PoseSequence, row: int, joint: str, quantity: Quantity | None) -> FloatArray:
    """Return the (3, 2) points of an angle, or the (2, 2) ends of a quantity's line, in pixels."""
    if quantity is None:
        triple = angle_triples(get_skeleton(pose.skeleton))[joint]
        return np.asarray(pose.xy[row][list(triple)], np.float64)
    body = body_joints(pose)
    index = get_skeleton(body.skeleton).index
    ends = [
        np.mean([body.xy[row, index(name)] for name in group], axis=0) for group in quantity.line
    ]
    return np.asarray(ends, np.float64)


def _picture(
    axes: Axes, image: Image, angles: Sequence[FloatArray], colour: str, label: str
) -> None:
    axes.imshow(image, aspect="equal")
    for ink, thick in (("white", 2.5), ("#b00020", 1.3)):
        for angle in angles:
            axes.plot(*angle.T, color=ink, lw=thick)
            axes.plot(*angle[len(angle) // 2], "o", ms=9, mfc="none", mec=ink, mew=thick)
    axes.set(
        xticks=[], yticks=[], xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5)
    )
    box = {"facecolor": colour, "edgecolor": "none", "pad": 2}
    if label:
        axes.text(0.045, 0.03, label, transform=axes.transAxes, fontsize=8, color="white", bbox=box)
    axes.spines[:].set(color=colour, linewidth=2)


# --- key positions -----------------------------------------------------------------------------


def _drawn_positions(result: CompareResult) -> list[KeyPosition]:
    """Return at most _MOST_POSITIONS key positions that the other clip shows, the first and the
    last among them."""
    shown = [n for n, one in enumerate(result.key_positions) if not np.isnan(one.other_time)]
    return [result.key_positions[n] for n in evenly_spaced(shown, _MOST_POSITIONS)]


def _positions_height(result: CompareResult, positions: Sequence[KeyPosition]) -> float:
    if not positions:
        return 0.0
    return 0.85 + _position_tall(result) + _SMALL_LINE * len(positions[0].values) + 0.25


def _position_tall(result: CompareResult) -> float:
    """Return the height in inches of the tallest picture of a key position."""
    shapes = [aspect(pose) for pose in (result.aligned.pose_a, result.aligned.pose_b)]
    return min(_POSITION_TALL, _POSITION_HALF / min(shapes))


def _draw_positions(
    figure: Figure,
    top: float,
    project: StoredProject,
    result: CompareResult,
    positions: Sequence[KeyPosition],
    *,
    privacy: bool,
) -> None:
    """Draw both clips beside each other at each key position, and their values below: a reported
    difference bold, what is not judged grey."""
    if not positions:
        return
    line_at(figure, "Key positions: reference → other clip", _LEFT, top - 0.12, **_HEADING)
    shown = [
        KeyFrame(one.row, round(float(result.aligned.position[one.row])), ()) for one in positions
    ]
    high = round(_POSITION_TALL * DPI * 1.5)
    images = key_images(project, result, shown, high, privacy=privacy)
    table = top - 0.85 - _position_tall(result)
    for n, value in enumerate(positions[0].values):
        line_at(figure, value.label, _LEFT, table - _SMALL_LINE * n, fontsize=8)
    for column, (one, pair) in enumerate(zip(positions, images, strict=True)):
        left = _LEFT + _NAMES + column * _POSITION_WIDE
        name = printable(one.name, 28)
        bold = {"fontweight": "bold", "fontsize": fitted(name, 9, _POSITION_WIDE - 0.1)}
        line_at(figure, name, left, top - 0.37, **bold)
        times = f"{one.time:.2f} s, {one.other_time:.2f} s"
        line_at(figure, times, left, top - 0.54, fontsize=8, color=GREY)
        for side, (image, _) in enumerate(pair):
            tall = min(_POSITION_TALL, _POSITION_HALF * image.shape[0] / image.shape[1])
            across = left + side * (_POSITION_HALF + _BETWEEN)
            place = across, top - 0.65 - tall, _POSITION_HALF, tall
            _picture(axes_at(figure, *place), image, [], (REFERENCE, OTHER)[side], "")
        for n, value in enumerate(one.values):
            style = {"fontweight": "bold" if value.stated else "normal", "fontsize": 8}
            ink = "black" if value.judged else GREY
            text = value_text(value.reference, value.other, value.unit)
            line_at(figure, text, left, table - _SMALL_LINE * n, color=ink, **style)


# --- the map ---------------------------------------------------------------------------------


def _angle_map(
    figure: Figure, top: float, result: CompareResult, joints: list[str], shown: list[KeyFrame]
) -> None:
    """Draw the differences of each joint over the reference's time, the clearest joints first."""
    title = "Angles and quantities over time: other clip minus reference"
    line_at(figure, title, _LEFT, top - 0.12, **_HEADING)
    if not joints:
        return
    rows, height = len(joints), _ROW * len(joints)
    width = _RIGHT - _LEFT - _NAMES
    axes = axes_at(figure, _LEFT + _NAMES, top - 0.55 - height, width, height)
    edges = result.aligned.pose_a.axis.edges
    axes.pcolormesh(edges, np.arange(rows + 1), map_colours(result, joints), rasterized=True)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(rows, 0))
    axes.set_yticks(np.arange(rows) + 0.5, [joint_name(joint) for joint in joints])
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.hlines(np.arange(1, rows), *edges[[0, -1]], color="white", lw=1.5)
    axes.xaxis.set_major_formatter("{x:g} s")
    _parts(axes, result, edges)
    badge = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "lw": 0.8}
    for n, frame in enumerate(shown):
        time = result.angles.time[frame.row]
        axes.vlines(time, 0, rows, color="black", lw=1, ls=(0, (2, 2)))
        axes.text(time, rows, str(n + 1), fontsize=8, ha="center", va="center", bbox=badge)
    axes.spines[:].set_color(GREY)


def map_colours(result: CompareResult, joints: list[str]) -> np.ndarray:
    """Return (J, N, 3) colours in [0, 1] of the map's cells."""
    from matplotlib.colors import to_rgb

    angles = result.angles
    at = [angles.names.index(joint) for joint in joints]
    difference = angles.difference[:, at].T
    size = np.abs(difference) * (LEAST / angles.least[at])[:, None]
    strength = np.clip(size / 45.0, 0, 1)  # 45 degrees: the full colour
    reported = in_episodes(angles)[:, at].T & (not result.no_findings)
    strength = np.where(reported, 0.35 + 0.65 * strength, _PALE * strength)[..., None]
    ink = np.where((difference > 0)[..., None], to_rgb(BLUE), to_rgb(RED))
    cell = 1 - strength * (1 - ink)
    unknown = ~angles.judged[:, at].T
    return np.where(unknown[..., None], to_rgb("#dedede"), cell)


def _parts(axes: Axes, result: CompareResult, edges: FloatArray) -> None:
    """Draw a band with the parts of the movement above the map, and their names."""
    from matplotlib.patches import Patch

    colours = phase_colours(span.name for span in result.spans)
    high = 1 + 0.42 / axes.get_ylim()[0]
    for span in result.spans:
        start, end = edges[[span.first, span.stop]]
        axes.axvspan(start, end, 1, high, color=colours[span.name], linewidth=0, clip_on=False)
    named = list(colours)[:_NAMED]
    longest = 44 if len("".join(named)) <= 11 * _NAMED else 11
    names = [Patch(color=colours[name], label=printable(name, longest)) for name in named]
    style: dict[str, Any] = {"fontsize": 8, "frameon": False, "handlelength": 1, "columnspacing": 1}
    place = {"loc": "lower left", "bbox_to_anchor": (0, high), "borderaxespad": 0}
    axes.legend(handles=names, ncols=_NAMED, **place, **style)
