"""One page for a trainee: sentences, pictures of both clips at the key frames, both skeletons on
top of each other, angles over time, and tempo."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.compare.findings import WHOLE_MOVEMENT, JointSpan, in_episodes
from la2ds_cli.compare.result import (
    HOW_TO_READ,
    CompareResult,
    durations,
    finding_lines,
    joint_name,
    tempo_sentence,
)
from la2ds_cli.compare.tempo import Tempo
from la2ds_cli.core.project import Project
from la2ds_cli.features.resample import frame_edges
from la2ds_cli.views import compare_pictures
from la2ds_cli.views.compare_pictures import (
    DPI,
    HEIGHT,
    LEFT,
    OTHER,
    REFERENCE,
    RIGHT,
    WIDTH,
    KeyFrame,
    Row,
    axes_at,
    fitted,
    heading,
    key_frames,
)
from la2ds_cli.views.figure import BLUE, GREY, RED, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SENTENCES, _TEMPOS = 5, 3  # lines
_LINE = 0.2  # inches
_WRAP = 104  # letters of a sentence of 9 points in a line
_SMALL_WRAP, _SMALL_LINE = 127, 0.16  # letters and inches of a line of the small print
_COLOURS = "In the map, pale: noise, camera or timing may explain it; grey: not judged."
_ROW = 0.19  # inches per joint
_MOST_JOINTS = 12
_FULL = 45.0  # degrees of the strongest colour
_NAMES = 1.25  # inches for the names of joints
_BARS = 1.75
_TEMPO_ROW = 0.26
_TEMPO_REST = 0.55  # inches of the tempo's panel beside its rows
_LEAST_PICTURES = 2.0  # inches for the key frames, which come before the tempo of many parts
_UNSURE = "#dedede"
_LETTERS = 62  # that fit above the map
_PALE = 0.22  # of the colour of a difference that may be explained


def draw(project: Project, result: CompareResult, *, privacy: bool = False) -> Figure:
    """The page, A4 upright. privacy: drawn joints instead of pictures from the videos."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    top = _title(figure, result)
    shown = key_frames(result)
    small = [*_unjudged_lines(result), f"{HOW_TO_READ} {_COLOURS}"]
    small = [line for text in small for line in textwrap.wrap(text, _SMALL_WRAP)]
    foot = 0.28 + _SMALL_LINE * len(small)
    angles = _map_height(result)
    parts = _tempos_that_fit(result, top - foot - angles - _LEAST_PICTURES)
    tempo = _TEMPO_REST + _TEMPO_ROW * len(parts)
    middle = top - foot - tempo - angles
    upper = Row(top - middle, middle)
    compare_pictures.draw(figure, upper, project, result, shown, privacy=privacy)
    top -= middle
    _angle_map(figure, Row(top - angles, angles), result, shown)
    _tempo(figure, Row(foot, tempo), result, parts)
    for n, line in enumerate(small):
        y = foot - 0.18 - _SMALL_LINE * n
        _text(figure, printable(line, 200), y, fontsize=8, color=GREY)
    return figure


def _title(figure: Figure, result: CompareResult) -> float:
    """Title, warnings and sentences; returns the remaining height below, in inches."""
    a, b = (printable(video.name, 40) for video in (result.aligned.a, result.aligned.b))
    y = HEIGHT - 0.38
    title = f"{b}  compared with  {a}"
    size = fitted(title, 14, RIGHT - LEFT, "bold")
    _text(figure, title, y, fontsize=size, fontweight="bold")
    y -= 0.3
    for note in result.notes:
        y = _wrapped(figure, f"Note: {note}", y, fontsize=9, color="#8a4b00")
    tempos = [tempo_sentence(row) for row in result.tempo if row.verdict in ("slower", "faster")]
    for line in finding_lines(result, _SENTENCES) + tempos[:_TEMPOS]:
        y = _wrapped(figure, line, y, fontsize=10.5, color="black")
    return y + 0.05


def _text(figure: Figure, text: str, y: float, **style: Any) -> None:
    figure.text(LEFT / WIDTH, y / HEIGHT, text, va="center", **style)


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


# --- the lower panels ------------------------------------------------------------------------


def _shown_joints(result: CompareResult) -> list[JointSpan]:
    """Joints of the map, from the top: the row for the whole movement of each, the clearest
    first."""
    rows = [row for row in result.joints if row.span == WHOLE_MOVEMENT]
    return rows[:_MOST_JOINTS]


def _map_height(result: CompareResult) -> float:
    """Inches."""
    return 0.95 + _ROW * max(len(_shown_joints(result)), 1)


def _tempos_that_fit(result: CompareResult, room: float) -> list[Tempo]:
    """The parts whose tempo is shown in so many inches, in order; if not all fit, those that are
    slower or faster come first, then those that have a tempo."""
    most = max(int((room - _TEMPO_REST) / _TEMPO_ROW), 1)
    clearest = sorted(
        result.tempo, key=lambda row: (row.verdict not in ("slower", "faster"), bool(row.cut))
    )
    return [row for row in result.tempo if row in clearest[:most]]


def _angle_map(figure: Figure, band: Row, result: CompareResult, shown: list[KeyFrame]) -> None:
    """Differences of each joint over the reference's time: blue straighter or further out, red more
    bent or closer; pale where noise, camera or timing may explain it, grey where the alignment is
    unsure."""
    rows = _shown_joints(result)
    heading(figure, "Angles over time: other clip minus reference", LEFT, band.top)
    if not rows:
        return
    height = _ROW * len(rows)
    bottom = band.top - 0.55 - height
    width = RIGHT - LEFT - _NAMES - _BARS
    axes = axes_at(figure, LEFT + _NAMES, bottom, width, height)
    edges = frame_edges(result.angles.time, result.aligned.pose_a.fps)
    colour = map_colours(result, [row.joint for row in rows])
    axes.pcolormesh(edges, np.arange(len(rows) + 1), colour, rasterized=True)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(len(rows), 0))
    axes.set_yticks(np.arange(len(rows)) + 0.5, [joint_name(row.joint) for row in rows])
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.hlines(np.arange(1, len(rows)), *edges[[0, -1]], color="white", lw=1.5)
    axes.xaxis.set_major_formatter("{x:g} s")
    _span_names(axes, result, edges, len(rows))
    for n, frame in enumerate(shown):
        time = result.angles.time[frame.row]
        axes.vlines(time, 0, len(rows), color="black", lw=1, ls=(0, (2, 2)))
        axes.text(time, len(rows), str(n + 1), fontsize=8, ha="center", va="center", bbox=_BADGE)
    for spine in axes.spines.values():
        spine.set_color(GREY)
    _bars(axes_at(figure, RIGHT - _BARS + 0.1, bottom, _BARS - 0.1, height), rows, result)


_BADGE = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "lw": 0.8}


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


def _bars(axes: Axes, rows: list[JointSpan], result: CompareResult) -> None:
    """The largest stated difference of each joint. Differences that noise, camera or timing may
    explain are left out, because they would read like advice."""
    stated = np.array([row.largest if row.beyond else np.nan for row in rows])
    stated = np.where(bool(result.no_findings), np.nan, stated)
    reach = max(float(np.abs(np.nan_to_num(stated)).max(initial=0)), 20.0) * 1.75
    for at, (row, largest) in enumerate(zip(rows, stated.tolist(), strict=True)):
        if np.isnan(largest):
            text = "not judged" if np.isnan(row.largest) else "–"
            axes.text(0.04 * reach, at + 0.5, text, fontsize=8, va="center", color=GREY)
            continue
        right = largest >= 0
        axes.barh(at + 0.5, largest, 0.62, color=BLUE if right else RED)
        axes.text(
            largest + (0.03 if right else -0.03) * reach,
            at + 0.5,
            f"{largest:+.0f}°",
            fontsize=8.5,
            va="center",
            ha="left" if right else "right",
            fontweight="bold",
        )
    axes.axvline(0, color="black", lw=0.8)
    axes.set(xlim=(-reach, reach), ylim=(len(rows), 0), yticks=[], xticks=[])
    axes.set_title("largest", fontsize=8.5, pad=3)
    axes.text(
        0.02, -0.02, "bent, close", transform=axes.transAxes, fontsize=7.5, va="top", color=RED
    )
    axes.text(
        0.98, -0.02, "straight, far", transform=axes.transAxes, fontsize=7.5, va="top", ha="right",
        color=BLUE,
    )  # fmt: skip
    axes.axis("on")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _tempo(figure: Figure, band: Row, result: CompareResult, rows: list[Tempo]) -> None:
    """Seconds of each of these parts in both clips."""
    count = len(result.tempo)
    some = f" of {len(rows)} of {count} parts" if len(rows) < count else ""
    heading(figure, f"Tempo{some}", LEFT, band.top)
    if not rows:
        return
    height = _TEMPO_ROW * len(rows)
    bottom = band.top - 0.3 - height
    axes = axes_at(figure, LEFT + _NAMES, bottom, RIGHT - LEFT - _NAMES, height)
    seconds = [durations(row) for row in rows]
    longest = max([v for pair in seconds for v in pair[:2] if np.isfinite(v)], default=1.0)
    room = 1.6
    for n, (row, (reference, other, ratio)) in enumerate(zip(rows, seconds, strict=True)):
        clear = row.verdict in ("slower", "faster")
        alpha = 0.35 if row.verdict == "unclear" else 1.0
        text = _tempo_text(row, reference, other, ratio)
        start = np.nanmax([reference, other, 0]) + 0.015 * longest
        width = (RIGHT - LEFT - _NAMES) * (1 - start / (longest * room))
        axes.barh(n + 0.32, np.nan_to_num(reference), 0.3, color=REFERENCE, alpha=alpha)
        axes.barh(n + 0.66, np.nan_to_num(other), 0.3, color=OTHER, alpha=alpha)
        axes.text(
            start,
            n + 0.5,
            text,
            fontsize=fitted(text, 8.5, width, "bold" if clear else "normal"),
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
