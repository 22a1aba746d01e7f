"""Training runs and evaluations of a project as tables, the baselines beside the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.table import LABELS, cell, figure, figures, verdict
from la2ds_cli.health.status import RunStatus
from la2ds_cli.views.report.page import Html, items, text

_TRANSFER = (  # heading, key, digits
    ("median error, %", "median_percent", 2),
    ("mean error, %", "mean_percent", 2),
    ("90th centile, %", "p90_percent", 2),
    ("median error, s", "median_seconds", 3),
)

_DEFINED = {  # heading -> key of the protocol
    "Event transfer": "event_transfer",
    "Events": "events",
    "Tau": "kendalls_tau",
    "SVM": "phase_classification",
    "Progress": "phase_progression",
    "AP@K": "retrieval",
    "Small figures below": "interval",
}


def runs(found: Sequence[RunStatus]) -> Html:
    """A row for each run: how far it is, its validation error, what has changed since."""
    if not found:
        return '<p class="soft">None yet: <code>la2ds train</code> starts one.</p>'
    rows = []
    for run in found:
        error = "–" if run.validation_error is None else f"{run.validation_error:.2f}"
        remarks = [f"stale: {run.stale}"] if run.stale else []
        remarks += [f"settings of its own: {run.settings}"] if run.settings else []
        cells = "".join(f"<p>{text(remark)}</p>" for remark in remarks)
        rows.append(
            f'<tr><th scope="row">{text(run.run)}</th><td class="number">{run.step} of {run.steps}'
            f'</td><td class="number">{error}</td><td class="soft">{cells}</td></tr>'
        )
    head = (
        '<tr><th scope="col">run</th><th scope="col" class="number">steps</th><th scope="col" '
        'class="number">validation error, %</th><th scope="col">remarks</th></tr>'
    )
    return (
        f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
        '<p class="soft">Validation error: how far, in percent of the length of a clip, the run '
        "misplaces frames when it undoes synthetic warps of the clips themselves.</p>"
    )


def evaluations(project: Project) -> Html:
    """Every document of results/evaluate, its verdict above its table."""
    paths = sorted(project.results_dir("evaluate").glob("*.json"))
    if not paths:
        return '<p class="soft">None yet: <code>la2ds evaluate</code> makes one.</p>'
    return "".join(
        f"<section><h3>{text(path.stem)}</h3>{_document(path)}</section>" for path in paths
    )


def _document(path: Path) -> Html:
    try:
        found = json.loads(path.read_text("utf-8"))
        return _evaluation(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        # The folder is the user's: a file of another kind or version must not end the page.
        reason = f"{type(error).__name__}: {error}"
        return f'<p><span class="warning">cannot be shown ({text(reason)})</span></p>'


def _evaluation(found: Mapping[str, Any]) -> Html:
    split = "test clips" if found["split"] == "test" else "clips, no test split"
    about = f"run {found['run']}, {found['clips']} {split}, protocol {found['protocol']['name']}"
    rows = found["features"]
    head = "".join(
        f'<th scope="col" class="number">{text(LABELS.get(name, name))}</th>' for name in rows
    )
    body = [_line(*line) for line in _lines(found)]
    notes = [text(line) for line in found.get("warnings", [])]
    return (
        f'<p class="soft">{text(about)}</p>'
        + items([text(line) for line in verdict(found)], "plain")
        + f'<table><thead><tr><th scope="col"><span class="hidden">figure</span></th>{head}</tr>'
        f"</thead><tbody>{''.join(body)}</tbody></table>"
        + items([f'<span class="warning">{note}</span>' for note in notes], "plain")
        + _definitions(found["protocol"])
    )


def _definitions(protocol: Mapping[str, Any]) -> Html:
    """What the figures are, as the protocol defines them."""
    lines = [
        f"<b>{text(name)}</b>: {text(protocol[key])}."
        for name, key in _DEFINED.items()
        if protocol.get(key)
    ]
    return f"<details><summary>What these figures are</summary>{items(lines)}</details>"


def _lines(found: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Heading and cells of every figure."""
    rows = list(found["features"].values())
    lines = []
    if "event_transfer" in found["protocol"]:
        for heading, key, digits in _TRANSFER:
            lines.append(
                (f"event transfer, {heading}", [_transfer(row, key, digits) for row in rows])
            )
        lines.append(("Kendall’s tau", [cell(row["kendalls_tau"]) for row in rows]))
    for heading, metric, part in figures(found):
        lines.append((heading, [cell(figure(row, metric, part)) for row in rows]))
    return lines


def _transfer(row: Mapping[str, Any], key: str, digits: int) -> str:
    transfer = row["event_transfer"]
    entry: dict[str, Any] = {"value": transfer[key]}
    if key == "median_percent":
        entry |= {"interval": transfer["interval_percent"], "spread": transfer.get("spread")}
    return cell(entry, digits)


def _line(heading: str, cells: Sequence[str]) -> Html:
    shown = "".join(
        '<td class="number">{}{}</td>'.format(
            text(value.partition("\n")[0]),
            f'<span class="hint">{text(value.partition(chr(10))[2])}</span>'
            if "\n" in value
            else "",
        )
        for value in cells
    )
    return f'<tr><th scope="row">{text(heading)}</th>{shown}</tr>'
