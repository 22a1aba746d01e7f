"""The files of several attempts: the page, a table of every series and attempt, and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from la2ds_cli.compare.attempts import (
    BAND,
    AttemptsResult,
    Series,
    amount_text,
    attempts_lines,
    chance_text,
    ends,
    series_name,
    series_sentence,
)
from la2ds_cli.compare.result import HOW_TO_READ, joint_name
from la2ds_cli.compare.trend import CHANCE, LEAST_ATTEMPTS
from la2ds_cli.core.clip import Video
from la2ds_cli.core.csv_tables import number_cell, table_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.resample import frame_edges
from la2ds_cli.video.reader import video_file
from la2ds_cli.views import attempts_figure, figure
from la2ds_cli.views.compare_page import (
    STYLES,
    Cell,
    Place,
    TableRow,
    curve,
    data_url,
    degrees,
    plural,
    text_of,
)
from la2ds_cli.views.film_strip import aspect, pictures
from la2ds_cli.views.page import render_page

SUFFIXES = (*figure.SUFFIXES, ".html", ".csv", ".json")
COLUMNS = (
    *("attempt", "video", "kind", "joint", "part", "start", "end", "value"),
    *("slope", "p", "p_adjusted", "verdict"),
)
_CARDS = 8  # series with a chart; all are in the table
_MOST_PICTURES = 12  # attempts, evenly spread, in a strip
_HIGH = 200  # pixels of a picture
_WIDE, _TALL = 420, 190  # units of a chart
_LEFT, _TOP, _FOOT = 40, 12, 30
_LABEL = 16  # units between two labels, or one would lie over the other
_NUMBERED = 14  # attempts whose numbers fit below a chart


def write(
    project: Project,
    result: AttemptsResult,
    targets: Sequence[Path],
    progress: Progress,
    *,
    privacy: bool = False,
) -> AttemptsResult:
    """Write files by suffix (SUFFIXES); existing ones are replaced. Without targets a page, a table
    and JSON go to results/compare. Returns the result with its `files`. privacy: draw the joints on
    the page instead of showing pictures from the videos."""
    if not targets:
        folder = project.results_dir("compare")
        name = f"{result.attempts[0].aligned.a.id}--attempts"
        targets = [folder / f"{name}{kind}" for kind in (".html", ".json", ".csv")]
    result = replace(result, files=tuple(targets))
    contents = {
        ".html": lambda: page(project, result, progress, privacy=privacy),
        ".csv": lambda: csv_text(result),
        ".json": result.to_json,
    }
    draw = figure.drawn_once(lambda: attempts_figure.draw(result), progress)
    figure.write_outputs(targets, contents, draw)
    return result


def csv_text(result: AttemptsResult) -> str:
    """Columns as in docs/compare.md, one row for each series and attempt; an empty cell = not
    known. The value of a tempo is how many times as long the part takes; its slope is that of the
    logarithm."""
    rows = []
    for series in result.series:
        trend = series.trend
        for number, (attempt, value) in enumerate(
            zip(result.attempts, series.value, strict=True), start=1
        ):
            rows.append(
                (
                    number,
                    attempt.aligned.b.id,
                    series.kind,
                    series.joint,
                    series.span,
                    number_cell(series.start, 4),
                    number_cell(series.end, 4),
                    number_cell(float(value), 4),
                    number_cell(trend.slope, 4),
                    number_cell(trend.p, 6),
                    number_cell(trend.adjusted, 6),
                    trend.verdict,
                )
            )
    return table_text(COLUMNS, rows)


# --- the page ----------------------------------------------------------------------------------


def page(
    project: Project, result: AttemptsResult, progress: Progress, *, privacy: bool = False
) -> bytes:
    """The page as UTF-8 HTML."""
    count = len(result.attempts)
    reference = result.attempts[0].aligned.a.name
    shown = result.series[:_CARDS]
    progress.begin("pictures")
    strips = _strips(project, result, shown, privacy=privacy)
    progress.end()
    cards = [
        {
            "sentence": series_sentence(series, count),
            "kind": series.trend.verdict,
            "chart": trend_chart(series),
            "strip": strip,
            "wide": strip[0]["width"] > strip[0]["height"],
        }
        for series, strip in zip(shown, strips, strict=True)
    ]
    return render_page(
        "views/attempts_page.html",
        f"{count} attempts compared with {reference}",
        styles=STYLES,
        summary=_summary(result),
        left_out=[f"{name}: {why}" for name, why in result.left_out.items()],
        nothing="" if cards else attempts_lines(result)[0],
        cards=cards,
        bands=_band_charts(result),
        band=f"{BAND[0]:.0f} to {BAND[1]:.0f}",
        tempo_rows=_tempo_rows(result),
        series_rows=[series_row(series, count) for series in result.series],
        attempt_rows=_attempt_rows(result),
        parts=[(str(n), span.name) for n, span in enumerate(result.spans, start=1)],
        how_to_read=HOW_TO_READ,
        about_trends=(
            f"A trend needs {LEAST_ATTEMPTS} attempts. It is stated if fewer than {CHANCE:.0%} of "
            "random orders of the attempts would be as steady, over all series of this page "
            "together (Kendall's rank correlation, permutation, Holm), and if the change is "
            "large enough to matter. Fades: towards the reference; grows: away from it."
        ),
    )


def _summary(result: AttemptsResult) -> str:
    trends = [series.trend.verdict for series in result.series]
    fades, grows = trends.count("fades"), trends.count("grows")
    if len(result.attempts) < LEAST_ATTEMPTS:
        return f"{len(trends)} {plural('difference', len(trends))} found in two or more attempts."
    return (
        f"{len(trends)} {plural('difference', len(trends))} found in two or more attempts: "
        f"{fades} {'fades' if fades == 1 else 'fade'}, {grows} "
        f"{'grows' if grows == 1 else 'grow'}."
    )


def _strips(
    project: Project, result: AttemptsResult, shown: Sequence[Series], *, privacy: bool
) -> list[list[dict]]:
    """For each series, a picture of the reference and of every attempt at its middle moment."""
    if not shown:
        return []
    rows = [int(series.rows[len(series.rows) // 2]) for series in shown]
    first = result.attempts[0].aligned
    strips: list[list[dict]] = [[] for _ in shown]

    def add(
        video: Video, pose: PoseSequence, wanted: list[int | None], name: str, *, view: View
    ) -> None:
        source = None if privacy else video_file(project, video)
        known = sorted({row for row in wanted if row is not None})
        shown = pictures(source, pose, known, _HIGH, view=view)
        images = dict(zip(known, shown, strict=True))
        for strip, row in zip(strips, wanted, strict=True):
            if row is not None:
                strip.append(
                    {
                        "name": name,
                        "picture": data_url(images[row]),
                        "width": round(_HIGH * aspect(pose)),
                        "height": _HIGH,
                        "time": f"{pose.time[row]:.2f} s",
                    }
                )

    add(first.a, first.pose_a, list(rows), "reference", view="filmed")
    spread = np.linspace(0, len(result.attempts) - 1, min(len(result.attempts), _MOST_PICTURES))
    for n in np.unique(spread.round().astype(int)).tolist():
        aligned = result.attempts[n].aligned
        position = aligned.alignment.position[rows]
        wanted = [None if math.isnan(at) else round(float(at)) for at in position]
        add(aligned.b, aligned.pose_b, wanted, str(n + 1), view=aligned.alignment.view)
    return strips


# --- charts ------------------------------------------------------------------------------------


def trend_chart(series: Series) -> dict:
    """The values over the attempts, with the trend line and the reference."""
    value, count = series.value, len(series.value)
    zero = 1.0 if series.kind == "tempo" else 0.0
    known = value[~np.isnan(value)]
    low, high = float(min(known.min(), zero)), float(max(known.max(), zero))
    room = 0.1 * max(high - low, 0.2 if series.kind == "tempo" else 10.0)
    low, high = low - room, high + room
    bottom = _TALL - _FOOT

    def x(number: float) -> float:
        return _LEFT + (_WIDE - _LEFT - 14) * (number + 0.5) / count

    def y(of: float) -> float:
        return bottom - (bottom - _TOP) * (of - low) / (high - low)

    def label(of: float) -> str:
        return f"{of:.2f}×" if series.kind == "tempo" else degrees(of, "+" if round(of) else "")

    order = np.flatnonzero(~np.isnan(value)).tolist()
    line = []
    if series.trend.verdict in ("fades", "grows"):
        # A line of the logarithm is none of the tempo: drawn between its ends, which are near.
        line = [
            f"{x(at):.1f},{y(of):.1f}"
            for at, of in zip((order[0], order[-1]), ends(series), strict=True)
        ]
    every = max(1, math.ceil(count / _NUMBERED))
    ticks = [zero]
    for of in sorted((float(known.max()), float(known.min())), key=lambda of: -abs(of - zero)):
        if all(abs(y(of) - y(other)) > _LABEL for other in ticks):
            ticks.append(of)
    return {
        "width": _WIDE,
        "height": _TALL,
        "left": _LEFT,
        "right": _WIDE - 6,
        "zero": f"{y(zero):.1f}",
        "ticks": [(f"{y(of):.1f}", label(of)) for of in ticks],
        "points": [(f"{x(n):.1f}", f"{y(float(value[n])):.1f}", str(n + 1)) for n in order],
        "path": " ".join(f"{x(n):.1f},{y(float(value[n])):.1f}" for n in order),
        "line": " ".join(line),
        "numbers": [(f"{x(n):.1f}", str(n + 1)) for n in range(0, count, every)],
        "label": f"{series_name(series)} over the attempts",
    }


def _band_charts(result: AttemptsResult) -> list[dict]:
    """The reference's angle and the attempts' band over time, the joint that varies most first."""
    bands = result.bands
    time = bands.time
    edges = frame_edges(time, result.attempts[0].aligned.pose_a.fps)
    bottom = _TALL - _FOOT + 10
    span_x = max(float(time[-1] - time[0]), 1e-9)

    def x(second: float) -> float:
        return _LEFT + (_WIDE - _LEFT - 6) * (second - float(time[0])) / span_x

    charts = []
    order = np.argsort(-np.nan_to_num(bands.spread, nan=-1.0))
    for j in order.tolist():
        columns = [bands.reference[:, j], bands.low[:, j], bands.high[:, j]]
        if np.isnan(bands.median[:, j]).all():
            continue
        low = math.floor(float(np.nanmin(columns)) / 30) * 30
        high = max(math.ceil(float(np.nanmax(columns)) / 30) * 30, low + 30)

        def y(angle: float, low: float = low, high: float = high) -> float:
            return bottom - (bottom - _TOP - 8) * (angle - low) / (high - low)

        charts.append(
            {
                "name": joint_name(bands.names[j]),
                "spread": degrees(float(bands.spread[j])),
                "width": _WIDE,
                "height": _TALL,
                "left": _LEFT,
                "right": _WIDE - 6,
                "top": _TOP + 8,
                "bottom": bottom,
                "areas": _areas(time, bands.low[:, j], bands.high[:, j], x, y),
                "reference": curve(time, bands.reference[:, j], x, y),
                "median": curve(time, bands.median[:, j], x, y),
                "ticks": [(f"{y(a):.1f}", f"{a:.0f}°") for a in (low, (low + high) / 2, high)],
                "borders": [f"{x(time[span.first]):.1f}" for span in result.spans[1:]],
                "parts": [
                    (str(n), f"{x((edges[span.first] + edges[span.stop]) / 2):.1f}")
                    for n, span in enumerate(result.spans, start=1)
                ],
                "ends": (f"{time[0]:.2f} s", f"{time[-1]:.2f} s"),
            }
        )
    return charts


def _areas(time: FloatArray, low: FloatArray, high: FloatArray, x: Place, y: Place) -> list[str]:
    """Polygons between low and high over each stretch where both are known."""
    known = ~(np.isnan(low) | np.isnan(high))
    edges = np.flatnonzero(np.diff(known, prepend=False, append=False)).reshape(-1, 2)
    return [
        " ".join(
            [f"{x(time[n]):.1f},{y(high[n]):.1f}" for n in range(first, stop)]
            + [f"{x(time[n]):.1f},{y(low[n]):.1f}" for n in reversed(range(first, stop))]
        )
        for first, stop in edges.tolist()
    ]


# --- tables ------------------------------------------------------------------------------------


def series_row(series: Series, attempts: int) -> TableRow:
    trend = series.trend
    stated = trend.verdict in ("fades", "grows")
    first, last = ends(series)
    cells = (
        Cell("stated in", f"{series.stated} of {attempts}", number=True),
        Cell("median", amount_text(series, series.usual)),
        Cell("first", amount_text(series, first) if stated else "–"),
        Cell("last", amount_text(series, last) if stated else "–"),
        Cell("tau", text_of(trend.tau), number=True),
        Cell("p, all series", _chance(trend.adjusted), number=True),
        Cell("trend", {"few": "too few attempts"}.get(trend.verdict, trend.verdict)),
    )
    return TableRow("clear" if stated else "pale", series_name(series), cells)


def _chance(p: float) -> str:
    return chance_text(p).removeprefix("p ").removeprefix("= ") if math.isfinite(p) else "–"


def _tempo_rows(result: AttemptsResult) -> list[TableRow]:
    rows = []
    for name, value in result.tempo.items():
        known = value[~np.isnan(value)]
        low, middle, high = np.percentile(known, [BAND[0], 50, BAND[1]])
        cells = (
            Cell("median ratio", f"{middle:.2f}", number=True),
            Cell("band", f"{low:.2f} to {high:.2f}" if len(known) > 1 else "–", number=True),
            Cell("attempts", str(len(known)), number=True),
        )
        rows.append(TableRow("", name, cells))
    return rows


def _attempt_rows(result: AttemptsResult) -> list[TableRow]:
    return [
        TableRow(
            "",
            f"{number}  {attempt.aligned.b.name}",
            (
                Cell(
                    "joints that differ", str(len({f.joint for f in attempt.findings})), number=True
                ),
                Cell("confidence", text_of(attempt.aligned.mean_confidence), number=True),
                Cell("notes", " ".join([*attempt.notes, attempt.no_findings]).strip() or "–"),
            ),
        )
        for number, attempt in enumerate(result.attempts, start=1)
    ]
