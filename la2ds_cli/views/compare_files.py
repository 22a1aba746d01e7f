"""The files of a comparison: the figure, a page with figure, sentences and tables, CSV and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from la2ds_cli.compare.findings import span_at
from la2ds_cli.compare.result import (
    CompareResult,
    amount,
    durations,
    feature_name,
    finding_lines,
    joint_name,
    score_lines,
    sentence,
    stretches,
    tempo_lines,
    unjudged_line,
)
from la2ds_cli.compare.tempo import Tempo
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views import compare_sheet, figure
from la2ds_cli.views.compare_sheet import HOW_TO_READ
from la2ds_cli.views.page import base64_text, render_page

SUFFIXES = (*figure.SUFFIXES, ".html", ".csv", ".json")
COLUMNS = (
    *("index", "frame", "time", "other_time", "span", "joint", "reference", "other"),
    *("difference", "floor", "beyond", "trust", "confidence", "judged", "unusual"),
)
Row = tuple[str, Sequence[str]]  # class and cells of a table row; clear = reported, else pale


def write(
    project: Project,
    result: CompareResult,
    targets: Sequence[Path],
    progress: Progress,
    *,
    privacy: bool = False,
) -> CompareResult:
    """Write files by suffix (SUFFIXES); existing ones are replaced. Without targets a figure, a
    page and a JSON file go to results/compare. Returns the result with its `files`.

    privacy: draw the joints instead of showing pictures from the videos.
    """
    if not targets:
        name = f"{result.aligned.a.id}--{result.aligned.b.id}"
        folder = project.results_dir("compare")
        targets = [folder / f"{name}{kind}" for kind in (".png", ".html", ".json")]
    result = replace(result, files=tuple(targets))
    drawn = figure.drawn_once(
        lambda: compare_sheet.draw(project, result, privacy=privacy), progress
    )
    contents = {
        ".csv": lambda: csv_text(result),
        ".json": result.to_json,
        ".html": lambda: page(result, figure.render(drawn(), "png")),
    }
    figure.write_outputs(targets, contents, drawn)
    return result


def csv_text(result: CompareResult) -> str:
    """Columns as in docs/compare.md; an empty cell = not known."""
    angles, alignment = result.angles, result.aligned.alignment
    other_time = result.other_time
    anomaly = result.examples.anomaly if result.examples else None
    difference, trust, judged = angles.difference, angles.trust, angles.judged
    rows = []
    for n in range(len(angles.time)):
        for j, joint in enumerate(angles.names):
            rows.append(
                (
                    n,
                    int(alignment.frame_a[n]),
                    _number(alignment.time_a[n], 6),
                    _number(other_time[n], 6),
                    span_at(result.spans, n),
                    joint,
                    _number(angles.reference[n, j]),
                    _number(angles.other[n, j]),
                    _number(difference[n, j]),
                    _number(angles.floor[n, j]),
                    _number(angles.beyond[n, j]),
                    _number(trust[n, j], 3),
                    _number(alignment.confidence[n], 4),
                    int(judged[n, j]),
                    _number(anomaly.unusual[n, j]) if anomaly else "",
                )
            )
    return table_text(COLUMNS, rows)


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def page(result: CompareResult, picture: bytes) -> bytes:
    """The page as UTF-8 HTML; picture: the figure as PNG."""
    return render_page(
        "views/compare_page.html",
        f"{result.aligned.b.name} compared with {result.aligned.a.name}",
        styles=["views/compare_page.css"],
        notes=result.notes,
        differences=finding_lines(result, len(result.findings)),
        tempo=tempo_lines(result),
        score=score_lines(result),
        score_rows=_score_rows(result),
        unjudged=[f"{unjudged_line(row)}: {stretches(row)}" for row in result.unjudged],
        how_to_read=HOW_TO_READ,
        alternative=" ".join(finding_lines(result, 5)),
        picture=base64_text(picture),
        finding_rows=_finding_rows(result),
        no_finding=finding_lines(result, 0),
        joint_rows=_joint_rows(result),
        tempo_rows=[_tempo_row(row) for row in result.tempo],
    )


def _score_rows(result: CompareResult) -> list[Row]:
    anomaly = result.examples.anomaly if result.examples else None
    if anomaly is None:
        return []
    scores = [score if math.isfinite(score) else -1 for score in anomaly.by_feature]
    order = sorted(range(len(anomaly.features)), key=lambda k: -scores[k])
    return [("", (feature_name(anomaly.features[k]), _text(anomaly.by_feature[k]))) for k in order]


def _finding_rows(result: CompareResult) -> list[Row]:
    return [
        (
            "",
            (
                sentence(f),
                _degrees(f.reference),
                _degrees(f.other),
                f"{f.difference:+.0f}°",
                f"{abs(f.beyond):.0f}°",
                _text(f.start),
                _text(f.end),
                _text(f.other_time),
                _text(f.confidence),
            ),
        )
        for f in result.findings
    ]


def _joint_rows(result: CompareResult) -> list[Row]:
    rows: list[Row] = []
    for row in result.joints:
        clear = bool(row.beyond) and not result.no_findings
        cells = (
            row.span,
            joint_name(row.joint),
            _degrees(row.mean, "+"),
            _degrees(row.largest, "+"),
            _text(row.time),
            f"{row.share:.0%}",
            amount(row.joint, row.largest) if clear else "",
        )
        rows.append(("clear" if clear else "pale", cells))
    return rows


def _tempo_row(row: Tempo) -> Row:
    reference, other, ratio = durations(row)
    labelled = not math.isnan(row.labelled_other)
    between = f"{_text(row.low)} to {_text(row.high)}" if not (labelled or row.cut) else ""
    cells = (
        row.span,
        "labels" if labelled else "alignment",
        _text(reference),
        _text(other),
        _text(ratio),
        between,
        row.cut or row.verdict,
    )
    return ("clear" if row.verdict in ("slower", "faster") else "pale", cells)


def _text(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _degrees(value: float, sign: str = "") -> str:
    return f"{value:{sign}.0f}°" if math.isfinite(value) else "–"
