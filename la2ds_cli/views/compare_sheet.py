"""One page for a trainee: sentences, pictures of both clips at the key frames, angles over time,
and tempo."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from la2ds_cli.compare.differences import SURE
from la2ds_cli.compare.findings import WHOLE_MOVEMENT, Finding, by_joint, in_episodes, span_at
from la2ds_cli.compare.result import (
    HOW_TO_READ,
    CompareResult,
    amount,
    durations,
    finding_lines,
    joint_name,
    tempo_sentence,
)
from la2ds_cli.compare.tempo import Tempo
from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.joint_angles import angle_triples
from la2ds_cli.features.resample import frame_edges
from la2ds_cli.video.reader import Image, video_file
from la2ds_cli.views.figure import BLUE, GREEN, GREY, RED, printable
from la2ds_cli.views.film_strip import aspect, pictures, view_boxes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 8.27, 11.69  # A4 upright
DPI = 150
# Blue and orange are the sides of the body in drawn pictures.
REFERENCE, OTHER = "#4a4a4a", GREEN
MOST = 3  # key frames
_LEFT, _RIGHT = 0.5, 7.77
_SENTENCES, _TEMPOS = 5, 3  # lines
_LINE = 0.2  # inches
_WRAP = 104  # letters of a sentence of 9 points in a line
_SMALL_WRAP, _SMALL_LINE = 127, 0.16  # letters and inches of a line of the small print
_COLOURS = (
    "In the map, blue: straighter, further out; red: more bent, closer; pale: noise, camera or "
    "timing may explain it; grey: not judged."
)
_NAMES = 1.25  # inches for the names of joints and parts
_ROW = 0.19  # inches per joint
_MOST_JOINTS = 12
_FULL = 45.0  # degrees of the strongest colour
_UNSURE = "#dedede"
_PALE = 0.22  # of the colour of a difference that may be explained
_LETTERS = 80  # that fit above the map
_TEMPO_ROW = 0.26
_TEMPO_REST = 0.55  # inches of the tempo's panel beside its rows
_PER_FRAME = 2  # findings reported at one key frame
_APART = 0.08  # of the reference's length, and at least:
_LEAST_APART = 0.15  # seconds
_RING = "#b00020"
_HEAD, _CAPTION = 0.3, 0.52  # inches
_GAP, _BETWEEN = 0.25, 0.06  # inches between key frames, and between the two pictures of one
_LEAST_PICTURES = 2.0  # inches for the key frames, which come before the tempo of many parts
_LEAST_HEIGHT = 0.4  # inches; where long notes leave less, there are no pictures
_BADGE = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "lw": 0.8}


def draw(project: Project, result: CompareResult, *, privacy: bool = False) -> Figure:
    """The page, A4 upright. privacy: drawn joints instead of pictures from the videos."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    top = _title(figure, result)
    shown = key_frames(result)
    small = [*_unjudged_lines(result), f"{HOW_TO_READ} {_COLOURS}"]
    small = [line for text in small for line in textwrap.wrap(text, _SMALL_WRAP)]
    foot = 0.28 + _SMALL_LINE * len(small)
    joints = [row.joint for row in result.joints if row.span == WHOLE_MOVEMENT][:_MOST_JOINTS]
    angles = 0.95 + _ROW * max(len(joints), 1)
    parts = _tempos_that_fit(result, top - foot - angles - _LEAST_PICTURES)
    tempo = _TEMPO_REST + _TEMPO_ROW * len(parts)
    _pictures(figure, (foot + tempo + angles, top), project, result, shown, privacy=privacy)
    _angle_map(figure, foot + tempo + angles, result, joints, shown)
    _tempo(figure, foot, result, parts)
    for n, line in enumerate(small):
        _text(figure, printable(line, 200), foot - 0.18 - _SMALL_LINE * n, fontsize=8, color=GREY)
    return figure


def _title(figure: Figure, result: CompareResult) -> float:
    """Title, warnings and sentences; returns the remaining height below, in inches."""
    a, b = (printable(video.name, 40) for video in (result.aligned.a, result.aligned.b))
    y = HEIGHT - 0.38
    title = f"{b}  compared with  {a}"
    size = _fitted(title, 14, _RIGHT - _LEFT, "bold")
    _text(figure, title, y, fontsize=size, fontweight="bold")
    y -= 0.3
    for note in result.notes:
        y = _wrapped(figure, f"Note: {note}", y, fontsize=9, color="#8a4b00")
    tempos = [tempo_sentence(row) for row in result.tempo if row.verdict in ("slower", "faster")]
    for line in finding_lines(result, _SENTENCES) + tempos[:_TEMPOS]:
        y = _wrapped(figure, line, y, fontsize=10.5, color="black")
    return y + 0.05


def _text(figure: Figure, text: str, y: float, **style: Any) -> None:
    figure.text(_LEFT / WIDTH, y / HEIGHT, text, va="center", **style)


def _wrapped(figure: Figure, text: str, y: float, *, fontsize: float, color: str) -> float:
    for line in textwrap.wrap(text, round(_WRAP * 9 / fontsize)):
        _text(figure, printable(line, 200), y, fontsize=fontsize, color=color)
        y -= _LINE
    return y


def _unjudged_lines(result: CompareResult) -> list[str]:
    """What is not judged, and for how many seconds; the page and the JSON say why and when."""
    seconds: dict[str, float] = {}
    for row in result.unjudged:
        seconds[row.joint] = seconds.get(row.joint, 0.0) + row.seconds
    named = [
        f"{joint_name(joint) if joint else 'The whole body'} {total:.1f} s"
        for joint, total in seconds.items()
    ]
    return [f"Not judged: {', '.join(named)}."] if named else []


# --- which frames ----------------------------------------------------------------------------


class KeyFrame(NamedTuple):
    """The rows shown of the reference and of the other clip, and the differences there; none if the
    key frame stands for a part of the movement without differences."""

    row: int
    other_row: int
    findings: tuple[Finding, ...]


def key_frames(result: CompareResult) -> list[KeyFrame]:
    """At most MOST, in time order: the clearest differences, with those near in time as one;
    without differences, the middles of the parts of the movement."""
    position = result.aligned.alignment.position
    time = result.angles.time
    apart = max(_APART * float(time[-1] - time[0]), _LEAST_APART)
    groups: list[list[Finding]] = []
    joints = by_joint(result.findings).values()
    # The clearest of each joint comes before a second one of any.
    for finding in [group[0] for group in joints] + [f for group in joints for f in group[1:]]:
        near = [group for group in groups if abs(group[0].time - finding.time) < apart]
        if near:
            new = finding.joint not in {other.joint for other in near[0]}
            if new and len(near[0]) < _PER_FRAME:
                near[0].append(finding)
        elif len(groups) < MOST:
            groups.append([finding])
    chosen = [(group[0].row, tuple(group)) for group in groups]
    chosen = chosen or [(row, ()) for row in _middles(result)]
    frames = [KeyFrame(row, round(float(position[row])), findings) for row, findings in chosen]
    return sorted(frames, key=lambda frame: frame.row)


def _middles(result: CompareResult) -> list[int]:
    """Middles of the rows that can be judged, in at most MOST parts; of those that are surely
    aligned, or else aligned at all, if the clip has none."""
    matched = ~np.isnan(result.aligned.alignment.position)
    for known in (result.angles.sure, _surely_aligned(result), matched):
        if known.any():
            break
    rows = []
    for span in result.spans:
        part = span.first + np.flatnonzero(known[span.first : span.stop])
        if len(part):
            rows.append(int(part[len(part) // 2]))
    if len(rows) > MOST:
        rows = [rows[k] for k in np.linspace(0, len(rows) - 1, MOST).round().astype(int)]
    return rows


def _surely_aligned(result: CompareResult) -> BoolArray:
    found = result.aligned.alignment
    return np.asarray((found.confidence >= SURE) & ~np.isnan(found.position))


# --- pictures --------------------------------------------------------------------------------


def _pictures(
    figure: Figure,
    band: tuple[float, float],
    project: Project,
    result: CompareResult,
    shown: list[KeyFrame],
    *,
    privacy: bool,
) -> None:
    """One column per key frame: caption and both pictures. band: bottom and top, inches."""
    bottom, top = band
    title = (
        "The same moments in both" if _surely_aligned(result).any() else "Perhaps the same moments"
    )
    _heading(figure, "Moments of the clearest differences" if result.findings else title, top)
    for text, colour, x in (("reference", REFERENCE, 6.1), ("other clip", OTHER, 6.95)):
        style: dict[str, Any] = {"va": "center", "transform": figure.transFigure}
        y = (top - 0.12) / HEIGHT
        figure.text(x / WIDTH, y, "■", fontsize=11, color=colour, **style)
        figure.text((x + 0.15) / WIDTH, y, text, fontsize=9, **style)
    height = top - bottom - _HEAD - _CAPTION - 0.15
    if not shown or height < _LEAST_HEIGHT:
        return
    width = (_RIGHT - _LEFT - (len(shown) - 1) * _GAP) / len(shown)
    shapes = [aspect(pose) for pose in (result.aligned.pose_a, result.aligned.pose_b)]
    tall = min(height, (width - _BETWEEN) / 2 / min(shapes))
    half = min((width - _BETWEEN) / 2, tall * max(shapes))
    images = key_images(project, result, shown, round(tall * DPI * 1.5), privacy=privacy)
    for n, (frame, pair) in enumerate(zip(shown, images, strict=True)):
        left = _LEFT + n * (width + _GAP)
        _caption(figure, result, n + 1, frame, (left, top - _HEAD, width))
        seconds = (result.angles.time[frame.row], result.aligned.pose_b.time[frame.other_row])
        for side, (image, rings) in enumerate(pair):
            box = (left + side * (half + _BETWEEN), top - _HEAD - _CAPTION - tall, half, tall)
            axes = _axes_at(figure, *box)
            _picture(axes, image, rings, (REFERENCE, OTHER)[side], f"{seconds[side]:.2f} s")


def _caption(
    figure: Figure,
    result: CompareResult,
    number: int,
    frame: KeyFrame,
    place: tuple[float, float, float],
) -> None:
    """place: left, top and width, inches."""
    left, top, width = place
    span = span_at(result.spans, frame.row)
    lines = [
        f"{number}   {result.angles.time[frame.row]:.2f} s"
        + (f", {printable(span, 24)}" if span else "")
    ]
    lines += [f"{joint_name(f.joint)}: {amount(f.joint, f.difference)}" for f in frame.findings]
    for n, text in enumerate(lines):
        weight = "bold" if n == 0 else "normal"
        figure.text(
            left / WIDTH,
            (top - 0.05 - 0.165 * n) / HEIGHT,
            text,
            fontsize=_fitted(text, 9.5 if n == 0 else 8, width, weight),
            fontweight=weight,
            va="center",
        )


def key_images(
    project: Project, result: CompareResult, shown: list[KeyFrame], height: int, *, privacy: bool
) -> list[list[tuple[Image, FloatArray]]]:
    """For each key frame, the picture and the ringed joints (R, 2) of both clips, in pixels of the
    picture."""
    aligned = result.aligned
    columns: list[list[tuple[Image, FloatArray]]] = [[] for _ in shown]
    sides: list[tuple[Video, PoseSequence, PoseSequence, View, list[int]]] = [
        (aligned.a, aligned.pose_a, aligned.pose_a, "filmed", [frame.row for frame in shown]),
        (
            *(aligned.b, aligned.pose_b, aligned.shown_b, aligned.alignment.view),
            [frame.other_row for frame in shown],
        ),
    ]
    for video, pose, as_shown, view, rows in sides:
        source = None if privacy else video_file(project, video)
        images = pictures(source, pose, rows, height, view=view)
        for column, frame, row, image in zip(columns, shown, rows, images, strict=True):
            column.append((image, _rings(as_shown, row, frame, image)))
    return columns


def _rings(pose: PoseSequence, row: int, frame: KeyFrame, image: Image) -> FloatArray:
    """(R, 2) pixels of a picture of film_strip.pictures: positions of the joints that differ. pose:
    as it is shown."""
    triples = angle_triples(get_skeleton(pose.skeleton))
    joints = [triples[finding.joint][1] for finding in frame.findings]
    box = view_boxes(pose)[row]
    scale = image.shape[0] / (box[3] - box[1])
    return (pose.xy[row, joints].astype(np.float64) - box[:2]) * scale


def _picture(axes: Axes, image: Image, rings: FloatArray, colour: str, label: str) -> None:
    axes.imshow(image, aspect="equal")
    if len(rings):
        axes.plot(*rings.T, "o", ms=13, mfc="none", mec="white", mew=3.5)
        axes.plot(*rings.T, "o", ms=13, mfc="none", mec=_RING, mew=2)
    axes.set(
        xticks=[], yticks=[], xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5)
    )
    box = {"facecolor": colour, "edgecolor": "none", "pad": 2}
    axes.text(0.045, 0.03, label, transform=axes.transAxes, fontsize=8, color="white", bbox=box)
    for spine in axes.spines.values():
        spine.set_color(colour)
        spine.set_linewidth(2)


# --- the lower panels ------------------------------------------------------------------------


def _tempos_that_fit(result: CompareResult, room: float) -> list[Tempo]:
    """The parts whose tempo is shown in so many inches, in order; if not all fit, those that are
    slower or faster come first, then those that have a tempo."""
    most = max(int((room - _TEMPO_REST) / _TEMPO_ROW), 1)
    clearest = sorted(
        result.tempo, key=lambda row: (row.verdict not in ("slower", "faster"), bool(row.cut))
    )
    return [row for row in result.tempo if row in clearest[:most]]


def _angle_map(
    figure: Figure, top: float, result: CompareResult, joints: list[str], shown: list[KeyFrame]
) -> None:
    """Differences of each joint over the reference's time, those that differ most first."""
    _heading(figure, "Angles over time: other clip minus reference", top)
    if not joints:
        return
    rows, height = len(joints), _ROW * len(joints)
    width = _RIGHT - _LEFT - _NAMES
    axes = _axes_at(figure, _LEFT + _NAMES, top - 0.55 - height, width, height)
    edges = frame_edges(result.angles.time, result.aligned.pose_a.fps)
    axes.pcolormesh(edges, np.arange(rows + 1), map_colours(result, joints), rasterized=True)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(rows, 0))
    axes.set_yticks(np.arange(rows) + 0.5, [joint_name(joint) for joint in joints])
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.hlines(np.arange(1, rows), *edges[[0, -1]], color="white", lw=1.5)
    axes.xaxis.set_major_formatter("{x:g} s")
    _span_names(axes, result, edges, rows)
    for n, frame in enumerate(shown):
        time = result.angles.time[frame.row]
        axes.vlines(time, 0, rows, color="black", lw=1, ls=(0, (2, 2)))
        axes.text(time, rows, str(n + 1), fontsize=8, ha="center", va="center", bbox=_BADGE)
    for spine in axes.spines.values():
        spine.set_color(GREY)


def map_colours(result: CompareResult, joints: list[str]) -> np.ndarray:
    """(J, N, 3) colours in [0, 1] of the map's cells."""
    from matplotlib.colors import to_rgb

    angles = result.angles
    at = [angles.names.index(joint) for joint in joints]
    difference = angles.difference[:, at].T
    strength = np.clip(np.abs(difference) / _FULL, 0, 1)
    reported = in_episodes(angles)[:, at].T & (not result.no_findings)
    strength = np.where(reported, 0.35 + 0.65 * strength, _PALE * strength)[..., None]
    ink = np.where((difference > 0)[..., None], to_rgb(BLUE), to_rgb(RED))
    cell = 1 - strength * (1 - ink)
    unknown = ~angles.judged[:, at].T
    return np.where(unknown[..., None], to_rgb(_UNSURE), cell)


def _span_names(axes: Axes, result: CompareResult, edges: np.ndarray, rows: int) -> None:
    """Borders and names of the parts; a name wider than its part takes two lines."""
    width = np.array([edges[span.stop] - edges[span.first] for span in result.spans])
    letters = _LETTERS * width / (edges[-1] - edges[0])
    two_lines = any(len(s.name) > n for s, n in zip(result.spans, letters, strict=True))
    for n, span in enumerate(result.spans):
        start, end = edges[span.first], edges[span.stop]
        axes.vlines([start, end], -0.3, rows, color="#555555", lw=0.9, clip_on=False)
        # The neighbours' names stand in the other line; half of their place is that of this name,
        # the other half that of the next one in its line.
        beside = [letters[k] for k in (n - 1, n + 1) if 0 <= k < len(letters)]
        room = letters[n] + (min(beside, default=0) if two_lines else 0)
        axes.text(
            (start + end) / 2,
            -1.15 if two_lines and n % 2 else -0.35,
            printable(_shortened(span.name, max(int(room), 3))),
            fontsize=8,
            ha="center",
            va="bottom",
        )


def _shortened(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _tempo(figure: Figure, foot: float, result: CompareResult, rows: list[Tempo]) -> None:
    """Seconds of each of these parts in both clips."""
    count = len(result.tempo)
    some = f" of {len(rows)} of {count} parts" if len(rows) < count else ""
    _heading(figure, f"Tempo{some}", foot + _TEMPO_REST + _TEMPO_ROW * len(rows))
    if not rows:
        return
    height = _TEMPO_ROW * len(rows)
    bottom = foot + _TEMPO_REST - 0.3
    axes = _axes_at(figure, _LEFT + _NAMES, bottom, _RIGHT - _LEFT - _NAMES, height)
    seconds = [durations(row) for row in rows]
    longest = max([v for pair in seconds for v in pair[:2] if np.isfinite(v)], default=1.0)
    room = 1.6
    for n, (row, (reference, other, ratio)) in enumerate(zip(rows, seconds, strict=True)):
        clear = row.verdict in ("slower", "faster")
        alpha = 0.35 if row.verdict == "unclear" else 1.0
        text = _tempo_text(row, reference, other, ratio)
        start = np.nanmax([reference, other, 0]) + 0.015 * longest
        width = (_RIGHT - _LEFT - _NAMES) * (1 - start / (longest * room))
        axes.barh(n + 0.32, np.nan_to_num(reference), 0.3, color=REFERENCE, alpha=alpha)
        axes.barh(n + 0.66, np.nan_to_num(other), 0.3, color=OTHER, alpha=alpha)
        axes.text(
            start,
            n + 0.5,
            text,
            fontsize=_fitted(text, 8.5, width, "bold" if clear else "normal"),
            va="center",
            color="black" if clear else GREY,
            fontweight="bold" if clear else "normal",
        )
    names = [
        # The parts that are told together, in two lines.
        "\nto ".join(printable(name, 17) for name in row.span.split(" to ", 1))
        for row in rows
    ]
    axes.set_yticks(np.arange(len(rows)) + 0.5, names)
    axes.set(xlim=(0, longest * room), ylim=(len(rows), 0), xticks=[])
    axes.tick_params(axis="y", length=0, labelsize=9)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontsize(7.5 if "\n" in name else 9)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def _tempo_text(row: Tempo, reference: float, other: float, ratio: float) -> str:
    if row.cut:
        return f"no tempo: {row.cut}"
    shown = {"slower": f"{ratio:.2f}× as long", "faster": f"{ratio:.2f}× as long", "same": "same"}
    return f"{reference:.2f} s, {other:.2f} s: {shown.get(row.verdict, 'unclear')}"


# --- text and axes ---------------------------------------------------------------------------


def _axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes of this size at this position, in inches from the lower left corner."""
    axes = figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))
    axes.tick_params(labelsize=8)
    return axes


def _fitted(text: str, size: float, width: float, weight: str = "normal") -> float:
    """Font size, at most `size` points, at which `text` is at most `width` inches wide."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    drawn = TextPath((0, 0), text, size=size, prop=FontProperties(weight=weight))
    return size * min(1.0, 72 * width / max(float(drawn.get_extents().width), 1.0))


def _heading(figure: Figure, text: str, top: float) -> None:
    """A heading whose middle is a little below `top`."""
    _text(figure, text, top - 0.12, fontsize=10.5, fontweight="bold")
