"""The page of a comparison: a card with players for each joint that differs, the angles of all
joints over time, tempo, what could not be judged, and the numbers as tables.

One self-contained file. Its short script moves the players; without it, and in print, every card
shows the moment of its finding.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.compare.findings import WHOLE_MOVEMENT, Finding, by_joint, in_episodes, runs_of
from la2ds_cli.compare.result import (
    HOW_TO_READ,
    CompareResult,
    amount,
    durations,
    finding_lines,
    joint_name,
    sentence,
    stretches,
)
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.core.view import View
from la2ds_cli.features.joint_angles import angle_triples
from la2ds_cli.features.pose_features import body_frame
from la2ds_cli.features.resample import frame_edges
from la2ds_cli.video.reader import Image, video_file
from la2ds_cli.views.compare_pictures import picture_points
from la2ds_cli.views.film_strip import pictures
from la2ds_cli.views.page import base64_text, render_page

STYLES, SCRIPTS = ("views/compare_page.css",), ("views/compare_page.js",)
Place = Callable[[float], float]  # of a value in a chart
_CARDS = 6  # joints with players; all findings are in the table
_HEIGHT = 360  # pixels of a picture
_FRAMES = 9  # of a player
_AROUND = 0.3  # seconds before and after an episode
_QUALITY = 72  # of WebP
_CHART = (420, 220)  # size of a chart in its own units; its text is 12 high
_LEFT, _TOP, _FOOT = 34, 18, 18  # units of a chart beside its curves
_STRONG, _MEDIUM = 40.0, 20.0  # degrees of the stronger colours of the map


@dataclass(frozen=True)
class Cell:
    """A cell of a table. label: heading of its column, shown beside it on a narrow screen."""

    label: str
    text: str
    number: bool = False

    @property
    def kind(self) -> str:
        """Its classes: `n` = a number, `none` = empty, left out on a narrow screen."""
        return " ".join(["n"] * self.number + ["none"] * (self.text in ("", "–")))


@dataclass(frozen=True)
class TableRow:
    """kind: `clear` if the difference is stated, else `pale`. head: the first cell."""

    kind: str
    head: str
    cells: tuple[Cell, ...]


def page(
    project: Project, result: CompareResult, progress: Progress, *, privacy: bool = False
) -> bytes:
    """The page as UTF-8 HTML. privacy: draw the joints instead of pictures from the videos."""
    groups = list(by_joint(result.findings).values())
    progress.begin("pictures")
    cards = _cards(project, result, groups[:_CARDS], privacy=privacy)
    progress.end()
    return render_page(
        "views/compare_page.html",
        f"{result.aligned.b.name} compared with {result.aligned.a.name}",
        styles=STYLES,
        scripts=SCRIPTS,
        summary=_summary(result, len(groups)),
        notes=result.notes,
        no_finding="" if groups else finding_lines(result, 0)[0],
        cards=cards,
        more_joints=[joint_name(group[0].joint) for group in groups[_CARDS:]],
        players=[card["frames"] for card in cards],
        map_rows=_map_rows(result),
        parts=_parts(result),
        axis=_axis(result.angles.time),
        tempo_rows=_tempo_rows(result),
        bars=_bars(result),
        unjudged_rows=_unjudged_rows(result),
        finding_rows=[_finding_row(finding) for finding in result.findings],
        joint_rows=_joint_rows(result),
        how_to_read=HOW_TO_READ,
    )


def _summary(result: CompareResult, joints: int) -> str:
    tempos = sum(row.verdict in ("slower", "faster") for row in result.tempo)
    unjudged = sum(bool(row.joint) for row in result.unjudged)
    lines = [
        f"{joints} {plural('joint', joints)} {'differs' if joints == 1 else 'differ'}",
        f"{tempos} {plural('part', tempos)} {'has' if tempos == 1 else 'have'} a different tempo",
    ]
    if unjudged:
        lines.append(f"{unjudged} {plural('joint', unjudged)} could not be judged throughout")
    return f"{', '.join(lines)}. {result.aligned.sureness}."


def plural(noun: str, count: int) -> str:
    """The noun, with an s unless the count is 1."""
    return noun if count == 1 else f"{noun}s"


# --- cards with players ------------------------------------------------------------------------


def _cards(
    project: Project, result: CompareResult, groups: Sequence[Sequence[Finding]], *, privacy: bool
) -> list[dict]:
    """What the template and the script need for each joint's card: its clearest finding."""
    if not groups:
        return []
    aligned, position = result.aligned, result.aligned.alignment.position
    views: tuple[View, View] = ("filmed", aligned.alignment.view)
    rows = [_player_rows(result, group[0]) for group in groups]
    wanted = np.concatenate(rows)
    shown: list[dict[int, Image]] = []
    for video, pose, of_clip, view in zip(
        (aligned.a, aligned.b),
        (aligned.pose_a, aligned.pose_b),
        (wanted, np.rint(position[wanted]).astype(np.int64)),
        views,
        strict=True,
    ):
        source = None if privacy else video_file(project, video)
        unique = sorted(set(of_clip.tolist()))
        images = pictures(source, pose, unique, _HEIGHT, view=view)
        shown.append(dict(zip(unique, images, strict=True)))
    return [
        _card(result, group, of_player, shown)
        for group, of_player in zip(groups, rows, strict=True)
    ]


def _player_rows(result: CompareResult, finding: Finding) -> IntArray:
    """At most _FRAMES rows of the reference around an episode, including that of the finding."""
    time, position = result.angles.time, result.aligned.alignment.position
    first, stop = np.searchsorted(time, [finding.start - _AROUND, finding.end + _AROUND])
    known = np.flatnonzero(~np.isnan(position[first:stop])) + first
    spread = known[np.linspace(0, len(known) - 1, min(len(known), _FRAMES)).round().astype(int)]
    spread[np.abs(spread - finding.row).argmin()] = finding.row
    return np.unique(spread)


def _card(
    result: CompareResult,
    group: Sequence[Finding],
    rows: IntArray,
    shown: Sequence[dict[int, Image]],
) -> dict:
    finding = group[0]
    aligned, angles = result.aligned, result.angles
    j = angles.names.index(finding.joint)
    skeleton = get_skeleton(aligned.pose_a.skeleton)
    triple = angle_triples(skeleton)[finding.joint]
    poses = (aligned.pose_a, aligned.shown_b)
    other_rows = np.rint(aligned.alignment.position[rows]).astype(np.int64)
    bodies = [np.where(np.isnan(pose.xy), np.nan, body_frame(pose)[0]) for pose in poses]
    sizes = [
        (image.shape[1], image.shape[0])
        for image in (shown[0][int(rows[0])], shown[1][int(other_rows[0])])
    ]
    both = np.concatenate([bodies[0][rows], bodies[1][other_rows]])
    view, scale = _overlay_view(both, sizes[0][0] / sizes[0][1])
    frames = []
    for row, other_row in zip(rows.tolist(), other_rows.tolist(), strict=True):
        frame: dict[str, str] = {}
        for side, at, pose in (("a", row, poses[0]), ("b", other_row, poses[1])):
            image = shown[side == "b"][at]
            points = picture_points(pose, at, triple, image)
            value = (angles.reference if side == "a" else angles.other)[row, j]
            frame |= _marks(side, points, image.shape[1], value)
            frame[f"{side}-image"] = data_url(image)
            frame[f"{side}-time"] = f"{pose.time[at]:.2f} s"
            body = (bodies[side == "b"][at] - view[:2]) * scale
            frame[f"{side}-body"] = _path(body, skeleton.limbs)
            frame[f"{side}-strong"] = _path(body, limbs_of(triple))
        frame["cursor"] = f"{_chart_x(angles.time, float(angles.time[row])):.1f}"
        frames.append(frame)
    at = int(np.flatnonzero(rows == finding.row)[0])
    first = dict(frames[at])
    for side in ("a", "b"):  # the template has these already
        frames[at][f"{side}-image"] = ""
    again = len(group) - 1
    size = (view[2:] - view[:2]) * scale
    return {
        "sentence": sentence(finding),
        "more": f"and {again} more {plural('time', again)}" if again else "",
        "angles": f"{finding.reference:.0f}° in the reference, {finding.other:.0f}° in the other",
        "first": first,
        "at": at,
        "frames": frames,
        "sizes": sizes,
        "wide": sizes[0][0] > sizes[0][1],
        "overlay": [f"{side:.0f}" for side in size],
        "chart": _chart(result, j, group),
    }


def limbs_of(triple: tuple[int, int, int]) -> list[tuple[int, int]]:
    """The two limbs of an angle."""
    before, at, after = triple
    return [(before, at), (at, after)]


def _marks(side: str, points: FloatArray, width: int, angle: float) -> dict[str, str]:
    """The limbs of the angle in a picture, its ring, and where to write its degrees; empty if a
    joint is missing."""
    if np.isnan(points).any():
        return {f"{side}-{name}": "" for name in ("limb", "x", "y", "text-x", "text-y", "angle")}
    x, y = points[1]
    right = x < width * 0.6
    return {
        f"{side}-limb": " ".join(f"{px:.0f},{py:.0f}" for px, py in points),
        f"{side}-x": f"{x:.0f}",
        f"{side}-y": f"{y:.0f}",
        f"{side}-text-x": f"{x + 18 if right else max(x - 62, 2):.0f}",
        f"{side}-text-y": f"{min(max(y + 8, 22), _HEIGHT - 6):.0f}",
        f"{side}-angle": f"{angle:.0f}°" if math.isfinite(angle) else "",
    }


def data_url(image: Image) -> str:
    """A picture as a data URL."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "WEBP", quality=_QUALITY, method=2)
    return f"data:image/webp;base64,{base64_text(buffer.getvalue())}"


def _overlay_view(bodies: FloatArray, aspect: float) -> tuple[FloatArray, float]:
    """(4,) left, top, right, bottom around all joints (F, K, 2), in torso lengths, with the aspect
    of the pictures beside it; and units per torso length."""
    points = bodies.reshape(-1, 2)
    points = points[~np.isnan(points).any(axis=1)]
    low, high = points.min(axis=0) - 0.15, points.max(axis=0) + 0.15
    middle, half = (low + high) / 2, (high - low) / 2
    half = np.array([max(half[0], half[1] * aspect), max(half[1], half[0] / aspect)])
    return np.concatenate([middle - half, middle + half]), _HEIGHT / (2 * float(half[1]))


def _path(joints: FloatArray, limbs: Sequence[tuple[int, int]]) -> str:
    """An SVG path of limbs between joints (K, 2)."""
    lines = []
    for first, second in limbs:
        if not np.isnan(joints[[first, second]]).any():
            (x, y), (u, v) = joints[first], joints[second]
            lines.append(f"M{x:.0f} {y:.0f}L{u:.0f} {v:.0f}")
    return "".join(lines)


# --- charts ------------------------------------------------------------------------------------


def _chart_x(time: FloatArray, second: float) -> float:
    first, last = float(time[0]), float(time[-1])
    return _LEFT + (_CHART[0] - _LEFT - 6) * (second - first) / max(last - first, 1e-9)


def curve(time: FloatArray, value: FloatArray, x: Place, y: Place) -> str:
    """The path of value (T,) over time (T,) in an SVG, interrupted where it is NaN."""
    pieces, pen = [], "M"
    for second, of in zip(time.tolist(), value.tolist(), strict=True):
        if math.isnan(of):
            pen = "M"
            continue
        pieces.append(f"{pen}{x(second):.1f} {y(of):.1f}")
        pen = "L"
    return "".join(pieces)


def _chart(result: CompareResult, j: int, group: Sequence[Finding]) -> dict:
    """The angle of a joint in both clips over the reference's time."""
    angles, time = result.angles, result.angles.time
    values = np.concatenate([angles.reference[:, j], angles.other[:, j]])
    low = math.floor(float(np.nanmin(values)) / 30) * 30
    high = max(math.ceil(float(np.nanmax(values)) / 30) * 30, low + 30)
    bottom = _CHART[1] - _FOOT

    def y(angle: float) -> float:
        return bottom - (bottom - _TOP) * (angle - low) / (high - low)

    def line(value: FloatArray) -> str:
        return curve(time, value, lambda second: _chart_x(time, second), y)

    unjudged = runs_of(~angles.judged[:, j])
    edges = frame_edges(time, result.aligned.pose_a.fps)

    def box(start: float, end: float) -> tuple[str, str]:
        left, right = _chart_x(time, start), _chart_x(time, end)
        right = min(right, _CHART[0] - 6.0)
        return f"{max(left, _LEFT):.1f}", f"{max(right - max(left, _LEFT), 1):.1f}"

    return {
        "width": _CHART[0],
        "height": _CHART[1],
        "left": _LEFT,
        "top": _TOP,
        "bottom": bottom,
        "right": _CHART[0] - 6,
        "reference": line(angles.reference[:, j]),
        "other": line(angles.other[:, j]),
        "episodes": [box(finding.start, finding.end) for finding in group],
        "unjudged": [box(edges[first], edges[stop]) for first, stop in unjudged],
        "ticks": [(f"{y(angle):.1f}", f"{angle:.0f}°") for angle in (low, (low + high) / 2, high)],
        "borders": [f"{_chart_x(time, time[span.first]):.1f}" for span in result.spans],
        "parts": [
            (
                str(n),
                f"{(_chart_x(time, edges[span.first]) + _chart_x(time, edges[span.stop])) / 2:.1f}",
            )
            for n, span in enumerate(result.spans, start=1)
        ],
        "ends": (f"{time[0]:.2f} s", f"{time[-1]:.2f} s"),
    }


def _map_rows(result: CompareResult) -> list[dict]:
    """A strip for each joint, those that differ most first: where it is straighter or more bent,
    pale where noise, camera or timing may explain it, grey where it is not judged. Positions in
    percent."""
    angles = result.angles
    edges = frame_edges(angles.time, result.aligned.pose_a.fps)
    place = 100 * (edges - edges[0]) / (edges[-1] - edges[0])
    reported = in_episodes(angles) & (not result.no_findings)
    difference = angles.difference
    rows = []
    for row in (row for row in result.joints if row.span == WHOLE_MOVEMENT):
        j = angles.names.index(row.joint)
        by = np.abs(np.nan_to_num(difference[:, j]))
        strength = np.where(by >= _STRONG, 3, np.where(by >= _MEDIUM, 2, 1))
        strength = np.where(reported[:, j], strength, 0)
        sign = np.where(np.nan_to_num(difference[:, j]) > 0, 1, -1)
        kind = np.where(angles.judged[:, j], sign * strength, 9)
        starts = np.flatnonzero(np.diff(kind, prepend=kind[0] + 1))
        stops = [*starts[1:], len(kind)]
        cells = [
            (_KINDS[int(kind[first])], f"{place[first]:.3f}", f"{place[stop] - place[first]:.3f}")
            for first, stop in zip(starts, stops, strict=True)
            if kind[first] != 0
        ]
        stated = bool(row.beyond) and not result.no_findings
        rows.append(
            {
                "name": joint_name(row.joint),
                "cells": cells,
                # What may be explained is in the tables; beside the strips it reads like advice.
                "largest": degrees(row.largest, "+") if stated else "–",
                "kind": "clear" if stated else "pale",
            }
        )
    return rows


_KINDS = {9: "unjudged"} | {
    sign * strength: f"{'more' if sign > 0 else 'less'}{strength}"
    for sign in (1, -1)
    for strength in (1, 2, 3)
}


def _parts(result: CompareResult) -> list[dict]:
    """Numbers and borders of the parts, in percent of the map's width."""
    edges = frame_edges(result.angles.time, result.aligned.pose_a.fps)
    place = 100 * (edges - edges[0]) / (edges[-1] - edges[0])
    return [
        {
            "number": n,
            "name": span.name,
            "x": f"{place[span.first]:.3f}",
            "width": f"{place[span.stop] - place[span.first]:.3f}",
            "middle": f"{(place[span.first] + place[span.stop]) / 2:.3f}",
        }
        for n, span in enumerate(result.spans, start=1)
    ]


def _axis(time: FloatArray) -> tuple[str, str]:
    return f"{time[0]:.2f} s", f"{time[-1]:.2f} s"


# --- tables ------------------------------------------------------------------------------------


def _finding_row(finding: Finding) -> TableRow:
    return TableRow(
        "",
        joint_name(finding.joint),
        (
            Cell("part", finding.span or "–"),
            Cell("from (s)", text_of(finding.start), number=True),
            Cell("to (s)", text_of(finding.end), number=True),
            Cell("largest at (s)", text_of(finding.time), number=True),
            Cell("in the other (s)", text_of(finding.other_time), number=True),
            Cell("reference", degrees(finding.reference), number=True),
            Cell("other", degrees(finding.other), number=True),
            Cell("difference", degrees(finding.difference, "+"), number=True),
            Cell("unexplained", degrees(abs(finding.beyond)), number=True),
            Cell("trust", text_of(finding.trust), number=True),
        ),
    )


def _joint_rows(result: CompareResult) -> list[TableRow]:
    rows = []
    for row in result.joints:
        clear = bool(row.beyond) and not result.no_findings
        cells = (
            Cell("part", row.span),
            Cell("mean", degrees(row.mean, "+"), number=True),
            Cell("largest", degrees(row.largest, "+"), number=True),
            Cell("at (s)", text_of(row.time), number=True),
            Cell("share of the part", f"{row.share:.0%}" if clear else "–", number=True),
            Cell("stated", amount(row.joint, row.largest) if clear else ""),
        )
        rows.append(TableRow("clear" if clear else "pale", joint_name(row.joint), cells))
    return rows


_VERDICTS = {"slower": "slower", "faster": "faster", "same": "as long", "unclear": "unclear"}


def _tempo_rows(result: CompareResult) -> list[TableRow]:
    rows = []
    numbers = {span.name: n for n, span in enumerate(result.spans, start=1)}
    for row in result.tempo:
        reference, other, ratio = durations(row)
        by_label = not math.isnan(row.labelled_other)
        between = "" if by_label or row.cut else f"{text_of(row.low)} to {text_of(row.high)}"
        number = numbers.get(row.span)
        cells = (
            Cell("reference (s)", text_of(reference), number=True),
            Cell("other (s)", text_of(other), number=True),
            Cell("ratio", text_of(ratio), number=True),
            Cell("90 % interval", between or "–", number=True),
            Cell("by", "–" if row.cut else "labels" if by_label else "alignment"),
            Cell("tempo", f"none: {row.cut}" if row.cut else _VERDICTS[row.verdict]),
        )
        kind = "clear" if row.verdict in ("slower", "faster") else "pale"
        rows.append(TableRow(kind, f"{number}  {row.span}" if number else row.span, cells))
    return rows


def _bars(result: CompareResult) -> list[dict]:
    """Both durations of each part that has a tempo, in percent of the longest."""
    rows = [(row, *durations(row)[:2]) for row in result.tempo if not row.cut]
    longest = max((value for _, *pair in rows for value in pair if math.isfinite(value)), default=0)
    return [
        {
            "name": row.span,
            "pale": row.verdict == "unclear",
            "reference": f"{100 * reference / longest:.2f}",
            "other": f"{100 * other / longest:.2f}",
        }
        for row, reference, other in rows
        if longest > 0
    ]


def _unjudged_rows(result: CompareResult) -> list[TableRow]:
    return [
        TableRow(
            "",
            joint_name(row.joint) if row.joint else "The whole body",
            (
                Cell("seconds", text_of(row.seconds), number=True),
                Cell("when", stretches(row)),
                Cell("why", row.reason),
            ),
        )
        for row in result.unjudged
    ]


def text_of(value: float) -> str:
    """A number to two digits, `–` where it is not known."""
    return f"{value:.2f}" if math.isfinite(value) else "–"


def degrees(value: float, sign: str = "") -> str:
    """`+21°`, with a minus as wide as the plus."""
    return f"{value:{sign}.0f}°".replace("-", "−") if math.isfinite(value) else "–"
