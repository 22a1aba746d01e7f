"""A comparison as one HTML file that needs nothing beside it: the figure, sentences and tables."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape

from la2ds_cli.compare.result import CompareResult
from la2ds_cli.compare.tempo import Tempo
from la2ds_cli.compare.words import (
    amount,
    durations,
    feature_name,
    finding_lines,
    joint_name,
    score_lines,
    sentence,
    tempo_lines,
)
from la2ds_cli.views.compare_sheet import HOW_TO_READ

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; }
td.n, th.n { text-align: right; } td:first-child { min-width: 9rem; }
table.wide td:first-child { min-width: 19rem; }
.scroll { overflow-x: auto; }
@media (max-width: 62rem) { table.wide td:first-child { min-width: 11rem; }
  th, td { padding: .25rem .4rem; } }
tr.pale td { color: #757575; } tr.told td { font-weight: 600; }
.note { border-left: 4px solid #e69f00; padding: .2rem .8rem; background: #fff7e6; }
img { max-width: 100%; height: auto; border: 1px solid #ddd; }
.small { color: #595959; font-size: .9rem; }
@media print { h2 { break-after: avoid; } tr, img { break-inside: avoid; } }
"""


def html(result: CompareResult, picture: bytes) -> str:
    """The page; picture: the figure as PNG."""
    a, b = result.aligned.a.name, result.aligned.b.name
    title = f"{b} compared with {a}"
    image = base64.b64encode(picture).decode("ascii")
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="note">{escape(note)}</p>' for note in result.notes),
        "<h2>What differs</h2>",
        _items(finding_lines(result, len(result.findings))),
        "<h2>Tempo</h2>",
        _items(tempo_lines(result)),
        *_score(result),
        f'<p class="small">{escape(HOW_TO_READ)}</p>',
        f'<img alt="{escape(_alternative(result))}" src="data:image/png;base64,{image}">',
        "<h2>Differences in detail</h2>",
        _findings_table(result),
        "<h2>Every joint in every part</h2>",
        _joints_table(result),
        "<h2>Tempo in every part</h2>",
        _tempo_table(result),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _alternative(result: CompareResult) -> str:
    return "Figure of the comparison. " + " ".join(finding_lines(result, 5))


def _items(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _score(result: CompareResult) -> list[str]:
    lines = score_lines(result)
    if not lines:
        return []
    parts = ["<h2>Beside good examples</h2>", _items(lines)]
    found = result.examples.anomaly if result.examples else None
    if found is not None:
        order = sorted(range(len(found.features)), key=lambda k: -_or(found.by_feature[k], -1))
        rows = [("", [feature_name(found.features[k]), _text(found.by_feature[k])]) for k in order]
        parts.append(_table(("", "unusual (1 = most unusual good example)"), rows, numbers=1))
    return parts


def _findings_table(result: CompareResult) -> str:
    if not result.findings:
        return _items(finding_lines(result, 0))
    header = (
        *("", "reference", "other", "difference", "unexplained", "from (s)", "to (s)"),
        *("other clip (s)", "confidence"),
    )
    rows = [
        (
            "",
            [
                sentence(f),
                _degrees(f.reference),
                _degrees(f.other),
                f"{f.difference:+.0f}°",
                f"{abs(f.beyond):.0f}°",
                _text(f.start),
                _text(f.end),
                _text(f.other_time),
                _text(f.confidence),
            ],
        )
        for f in result.findings
    ]
    return _table(header, rows, numbers=1, wide=True)


def _joints_table(result: CompareResult) -> str:
    header = ("part", "joint", "mean", "largest", "at (s)", "share of the part", "")
    rows = []
    for row in result.joints:
        told = bool(row.beyond) and not result.no_findings
        rows.append(
            (
                "told" if told else "pale",
                [
                    row.span,
                    joint_name(row.joint),
                    _signed(row.mean),
                    _signed(row.largest),
                    _text(row.time),
                    f"{row.share:.0%}",
                    amount(row.joint, row.largest) if told else "",
                ],
            )
        )
    return _table(header, rows, numbers=2)


def _tempo_table(result: CompareResult) -> str:
    header = ("part", "by", "reference (s)", "other (s)", "ratio", "90 % interval", "")
    rows = [(_row_class(row), _tempo_cells(row)) for row in result.tempo]
    return _table(header, rows, numbers=2)


def _row_class(row: Tempo) -> str:
    return "told" if row.verdict in ("slower", "faster") else "pale"


def _tempo_cells(row: Tempo) -> list[str]:
    reference, other, ratio = durations(row)
    labelled = not math.isnan(row.labelled_other)
    between = f"{_text(row.low)} to {_text(row.high)}" if not labelled and row.share else ""
    return [
        row.span + ("*" if row.at_end else ""),
        "labels" if labelled else "alignment",
        _text(reference),
        _text(other),
        _text(ratio),
        between,
        row.verdict,
    ]


def _table(
    header: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
    *,
    numbers: int,
    wide: bool = False,
) -> str:
    """Rows are (class, cells); columns from `numbers` on stand right; the first one may be wide."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if n >= numbers else ''}>{escape(value)}</{tag}>"
            for n, value in enumerate(values)
        )

    body = "".join(f'<tr class="{name}">{cells("td", values)}</tr>' for name, values in rows)
    kind = ' class="wide"' if wide else ""
    return (
        f"<div class=scroll><table{kind}><thead><tr>{cells('th', header)}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _text(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _signed(value: float) -> str:
    return f"{value:+.0f}°" if math.isfinite(value) else "–"


def _degrees(value: float) -> str:
    return f"{value:.0f}°" if math.isfinite(value) else "–"


def _or(value: float, otherwise: float) -> float:
    return float(value) if math.isfinite(value) else otherwise
