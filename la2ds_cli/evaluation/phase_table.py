"""The metrics of phases as a table, and remarks on what beats the model in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

LABELS = {
    "model": "model",
    "raw_pose": "raw pose",
    "raw_pose_best": "best raw pose",
    "time_only": "time only",
    "untrained": "untrained network",
}
_RETRIEVAL = ("precision_at_k", "average_precision_at_k")  # a protocol has one of them


def figures(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(heading, metric, part) of each figure that the rows of the document hold; tau where it has
    no place in the table of event transfer."""
    row = next(iter(result["features"].values()))
    choices = result["protocol"]["choices"]
    classifier = "SVM" if choices["classifier"] == "svm" else "logistic"
    classifier += " F1" if choices["score"] == "weighted_f1" else ""
    found = [
        (f"{classifier}, {part}", "phase_classification", part)
        for part in row.get("phase_classification", {})
    ]
    if "phase_progression" in row:
        found.append(("progress", "phase_progression", ""))
    if "event_transfer" not in row:
        found.append(("tau", "kendalls_tau", ""))
    for metric in _RETRIEVAL:
        found += [(f"AP@{part}", metric, part) for part in row.get(metric, {})]
    return found


def phase_table(result: Mapping[str, Any]) -> Table | None:
    """Rich table, a row per figure with its 95 % interval below; None without any figure."""
    shown = figures(result)
    if not shown:
        return None
    table = feature_columns(_title(result), result)
    for heading, metric, part in shown:
        cells = [cell(figure(row, metric, part)) for row in result["features"].values()]
        table.add_row(heading, *cells)
    return table


def feature_columns(title: str, result: Mapping[str, Any]) -> Table:
    """Empty table with a column for the headings of its rows and one for each feature set."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in result["features"]:
        table.add_column(LABELS[name], justify="right", style="bold" if name == "model" else None)
    return table


def figure(row: Mapping[str, Any], metric: str, part: str) -> Mapping[str, Any]:
    """The entry of one metric in the row of a feature set."""
    return row[metric][part] if part else row[metric]


def _title(result: Mapping[str, Any]) -> str:
    fitted = f"fitted on {result['training_clips']} clips, scored on {result['labelled_clips']}"
    return f"Phases, protocol {result['protocol']['name']}, run {result['run']}, {fitted}"


def cell(entry: Mapping[str, Any], digits: int = 3) -> str:
    """Value with its spread over runs, below it the interval and the number of undefined pairs."""
    lines = ["–"]
    if entry["value"] is not None:
        lines = [f"{entry['value']:.{digits}f}"]
        if entry.get("spread") is not None:
            lines[0] += f" ±{entry['spread']:.{digits}f}"
        if entry.get("clipped"):
            lines[0] += "*"
        if entry.get("interval"):
            lines.append("{:.2f}–{:.2f}".format(*entry["interval"]))
    if entry.get("pairs") and entry.get("nan"):
        lines.append(f"{entry['nan']} undefined")
    return "\n".join(lines)


def phase_notes(result: Mapping[str, Any]) -> Iterator[str]:
    """Remarks: baselines that do as well as the model, clipped and undefined figures."""
    rows, shown = result["features"], figures(result)
    for name in ("time_only", "raw_pose_best", "untrained"):
        ahead = [
            heading
            for heading, metric, part in shown
            if "model" in rows and name in rows and _beaten(rows["model"], rows[name], metric, part)
        ]
        if ahead:
            yield f"{LABELS[name]} does as well as the model or better in: {', '.join(ahead)}"
    yield from _clipped(result)
    seen: dict[str, list[str]] = {}
    for name, row in rows.items():
        for heading, metric, part in shown:
            reason = figure(row, metric, part)["reason"]
            if reason:
                seen.setdefault(f"{heading}: {reason}", []).append(LABELS[name])
    for text, names in seen.items():
        yield f"{', '.join(names)}, {text}"


def _beaten(model: Mapping[str, Any], other: Mapping[str, Any], metric: str, part: str) -> bool:
    mine, theirs = (figure(row, metric, part)["value"] for row in (model, other))
    return mine is not None and theirs is not None and theirs >= mine


def _clipped(result: Mapping[str, Any]) -> Iterator[str]:
    for name, row in result["features"].items():
        entry = row.get("phase_progression", {})
        if entry.get("clipped"):
            yield (
                f"{LABELS[name]}, progress: * R squared of {entry['clipped']} phases is counted as "
                f"the floor; unclipped the mean is {entry['mean_unclipped']:.3g}"
            )
        elif entry.get("value") is not None and entry["value"] < -1:
            yield (
                f"{LABELS[name]}, progress: far below 0, so worse than the mean target for every "
                "frame; a single phase can cause it (this protocol does not clip)"
            )
