"""Training runs and evaluations of a project as tables, the baselines beside the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from la2ds_cli.core.project import Project
from la2ds_cli.core.table import Table, html
from la2ds_cli.evaluation.table import (
    feature_columns,
    figure_rows,
    figures,
    transfer_rows,
    verdict,
)
from la2ds_cli.health.status import RunStatus
from la2ds_cli.views.report.page import Html, items, text

_TRANSFER = ("median error, %", "mean error, %", "90th centile, %", "median error, s")

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
        return _evaluation(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        # The folder is the user's: a file of another kind or version must not end the page.
        reason = f"{type(error).__name__}: {error}"
        return f'<p><span class="warning">cannot be shown ({text(reason)})</span></p>'


def _evaluation(document: Mapping[str, Any]) -> Html:
    split = "test clips" if document["split"] == "test" else "clips, no test split"
    protocol = document["protocol"]
    about = f"run {document['run']}, {document['clips']} {split}, protocol {protocol['name']}"
    rows = []
    if "event_transfer" in protocol:
        rows += transfer_rows(document, [f"event transfer, {heading}" for heading in _TRANSFER])
        rows += figure_rows("Kendall’s tau", document, "kendalls_tau")[:1]
    for heading, metric, part in figures(document):
        rows += figure_rows(heading, document, metric, part)[:1]
    notes = [text(line) for line in document.get("warnings", [])]
    return (
        f'<p class="soft">{text(about)}</p>'
        + items([text(line) for line in verdict(document)], "plain")
        + str(html(Table(feature_columns(document), rows)))
        + items([f'<span class="warning">{note}</span>' for note in notes], "plain")
        + _definitions(protocol)
    )


def _definitions(protocol: Mapping[str, Any]) -> Html:
    """What the figures are, as the protocol defines them."""
    lines = [
        f"<b>{text(name)}</b>: {text(protocol[key])}."
        for name, key in _DEFINED.items()
        if protocol.get(key)
    ]
    return f"<details><summary>What these figures are</summary>{items(lines)}</details>"
