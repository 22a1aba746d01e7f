"""The result of an evaluation as a table with its definitions and a verdict in plain sentences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from la2ds_cli.alignment.run_verdict import Gain
from la2ds_cli.core.table import Cell, Column, Row, Table, terminal
from la2ds_cli.evaluation.features import Uses

if TYPE_CHECKING:
    from rich.console import RenderableType

ENOUGH_RUNS = 3  # fewer do not show the spread over seeds
TRANSFER = {"median_percent": 2, "mean_percent": 2, "p90_percent": 2, "median_seconds": 3}
"""Key of a figure of event transfer -> digits that are shown."""
_WHERE_DEFINED = "what the figures mean: la2ds evaluate --explain"
_HEADINGS = ("median %", "mean %", "90th centile %", "median s")
TAU_NEAR = 0.05  # tau this close to time only says little about the movement


@dataclass(frozen=True)
class Part:
    """A table of an evaluation with its title and the lines below it."""

    title: str
    table: Table
    lines: Sequence[str] = ()


def evaluation_parts(result: Mapping[str, Any]) -> list[Part]:
    """The tables of the document that `evaluate` returns: of event transfer and of phases, if it
    has them."""
    parts = []
    if "event_transfer" in result["protocol"]:
        rows = transfer_rows(result, _HEADINGS)
        rows += figure_rows("tau", result, "kendalls_tau")
        table = Table(feature_columns(result), rows)
        parts.append(Part(_title(result), table, transfer_uses(result)))
    rows = [row for shown in figures(result) for row in figure_rows(shown[0], result, *shown[1:])]
    if rows:
        parts.append(Part(phase_title(result), Table(feature_columns(result), rows)))
    return parts


def evaluation_table(result: Mapping[str, Any], *, explain: bool = False) -> RenderableType:
    """Rich renderable of the document that `evaluate` returns. explain: show the definitions of its
    figures; otherwise a line says where they are."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for part in evaluation_parts(result):
        parts += [Text(part.title, style="italic"), terminal(part.table)]
        parts += [*(Text(line) for line in part.lines), Text()]
    parts += [Text(line) for line in verdict(result)]
    parts += [Text(f"note: {text}", style="yellow") for text in notes(result)]
    lines = definitions(result) if explain else [_WHERE_DEFINED]
    parts += [Text(), *(Text(line, style="dim") for line in lines)]
    return Group(*parts)


def feature_columns(result: Mapping[str, Any]) -> list[Column]:
    """A column for the headings of the rows and one for each feature set."""
    columns = [Column("figure", kind="name", hidden=True)]
    for name in result["features"]:
        label = str(LABELS.get(name, name))
        # Five columns and their spread have to fit a terminal of 80 columns.
        heading = label.replace(" ", "\n", 1) if len(label) > 9 else label
        columns.append(Column(heading, bold=name in ("embeddings", "model")))
    return columns


def transfer_rows(result: Mapping[str, Any], headings: Sequence[str]) -> list[Row]:
    """A row with its heading for each figure of TRANSFER; only the median has an interval and a
    spread over runs."""
    rows = []
    for heading, (key, digits) in zip(headings, TRANSFER.items(), strict=True):
        cells = [Cell(heading)]
        for row in result["features"].values():
            transfer = row["event_transfer"]
            entry = {"value": transfer[key]}
            if key == "median_percent":
                entry["interval"] = transfer["interval_percent"]
                entry["spread"] = transfer.get("spread")
            cells.append(figure_cell(entry, digits))
        rows.append(Row(cells))
    return rows


def figure_rows(heading: str, result: Mapping[str, Any], metric: str, part: str = "") -> list[Row]:
    """A row with a figure of every feature set, and below it a row with undefined pairs if there
    are any."""
    entries = [figure(row, metric, part) for row in result["features"].values()]
    rows = [Row([Cell(heading), *map(figure_cell, entries)])]
    if any(entry.get("nan") and entry.get("pairs") for entry in entries):
        counts = (f"{e['nan']}/{e['pairs']}" if e.get("pairs") else "–" for e in entries)
        rows.append(Row([Cell("  undefined"), *map(Cell, counts)]))
    return rows


def figure_cell(entry: Mapping[str, Any], digits: int = 3) -> Cell:
    """Value with its spread over runs, and the interval below it; * if it was clipped."""
    if entry["value"] is None:
        return Cell("–")
    text, spread = f"{entry['value']:.{digits}f}", entry.get("spread")
    star = "*" if entry.get("clipped") else ""
    low_high = entry.get("interval")
    return Cell(
        text + (star if spread is None else ""),
        "" if spread is None else f"±{spread:.{digits}f}{star}",
        ("{:.2f}–{:.2f}".format(*low_high),) if low_high else (),
    )


def transfer_uses(result: Mapping[str, Any]) -> list[str]:
    """What each column of event transfer uses, except time only and the plain raw pose. Empty for
    documents of versions that did not state it."""
    return [
        f"{LABELS[name]} = {Uses(**row['uses'])}"
        for name, row in result["features"].items()
        if name not in ("raw_pose", "time_only") and "uses" in row
    ]


def verdict(result: Mapping[str, Any]) -> list[str]:
    """Plain sentences: which features beat which, by the median error of event transfer."""
    return [_sentence(comparison, result["features"]) for comparison in result["comparisons"]]


def _sentence(comparison: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    mine, theirs = (
        rows[comparison[side]]["event_transfer"]["median_percent"]
        for side in ("features", "against")
    )
    who, whom = LABELS[comparison["features"]], LABELS[comparison["against"]]
    medians = f"(median error {mine:.2f} % against {theirs:.2f} %"
    if mine == theirs:
        return f"The {who} ties with {whom} {medians})."
    spread = comparison["interval_percent"]
    if comparison["against"] == "base" and spread is not None and theirs > 0:
        gain = Gain(*(-100 * value / theirs for value in (mine - theirs, spread[1], spread[0])))
        return f"The {who} is {gain.words} {medians})."
    if spread is not None and spread[0] <= 0 <= spread[1]:
        return (
            f"The {who} and {whom} cannot be told apart on these clips {medians}; difference "
            f"{mine - theirs:+.2f}, 95 % interval {spread[0]:+.2f} to {spread[1]:+.2f})."
        )
    verb = "beats" if mine < theirs else "loses to"
    low, high = sorted((mine, theirs))
    factor = f" by {high / low:.1f}x" if low > 0 else ""
    chance = "" if spread is not None else "; too few clips for an interval: it may be chance"
    return f"The {who} {verb} {whom}{factor} {medians}{chance})."


def notes(result: Mapping[str, Any]) -> list[str]:
    """Notes on the figures: warnings, missing figures and why, baselines that do as well."""
    said = list(result["warnings"])
    imported = result.get("embeddings", {})
    if 0 < len(imported) < ENOUGH_RUNS:
        said.append(
            f"imported embeddings of {len(imported)} of at least {ENOUGH_RUNS} training runs: what "
            "another seed would change is not in the intervals; give a folder for each run"
        )
    if "model" in result["features"] and len(result["runs"]) < ENOUGH_RUNS:
        said.append(
            f"{len(result['runs'])} of at least {ENOUGH_RUNS} training runs: what another seed "
            "would change is not in the intervals; la2ds train --run NAME --set train.seed=N, "
            "then la2ds evaluate --runs A,B,C"
        )
    rows = result["features"]
    shown = figures(result)
    if "event_transfer" in result["protocol"]:
        shown = [("event transfer", "event_transfer", ""), ("tau", "kendalls_tau", ""), *shown]
    said += missing_notes(rows, shown)
    said += phase_notes(result)
    clock = rows.get("time_only", {}).get("kendalls_tau", {}).get("value")
    for name in _judged(rows):
        tau = rows[name].get("kendalls_tau", {}).get("value")
        if clock is not None and tau is not None and tau > clock - TAU_NEAR:
            said.append(
                f"tau of the {LABELS[name]} ({tau:.3f}) is close to that of time only "
                f"({clock:.3f}): elapsed time scores as well, so this tau says little; judge by "
                "event transfer"
            )
    return said


def _judged(rows: Mapping[str, Any]) -> list[str]:
    """The rows that baselines are held against."""
    return [name for name in ("embeddings", "model") if name in rows]


def _title(result: Mapping[str, Any]) -> str:
    split = "test clips" if result["split"] == "test" else "clips, no test split"
    return f"Event transfer on trimmed pairs, {_evaluated(result)}, {result['clips']} {split}"


def _evaluated(result: Mapping[str, Any]) -> str:
    """What is evaluated: the run, or the folders of imported embeddings."""
    imported = ", ".join(result.get("embeddings", {}))
    runs = f"run {result['run']}" if "model" in result["features"] or not imported else ""
    return " and ".join(part for part in (imported and f"embeddings {imported}", runs) if part)


def definitions(result: Mapping[str, Any]) -> list[str]:
    """What the figures mean, one line each."""
    protocol = result["protocol"]
    lines = [f"Protocol {protocol['name']}: {protocol['source']}."]
    if "event_transfer" in protocol:
        lines += [
            f"Event transfer: {protocol['event_transfer']}. "
            f"{protocol['draws']} draws, at most {protocol['pairs_per_draw']} pairs each, "
            f"seed {protocol['seed']}.",
            f"Events: {protocol['events']}.",
        ]
    if result["phases"]:
        lines.append(f"Phases: {', '.join(result['phases'])}; {protocol['frames']}.")
        lines.append(f"Classification: {protocol['phase_classification']}.")
        lines.append(f"Progress: {protocol['phase_progression']}.")
        if protocol["retrieval"]:
            lines.append(f"AP@K: {protocol['retrieval']}.")
    lines += [f"Tau: {protocol['kendalls_tau']}.", f"95 %: {protocol['interval']}."]
    for name, text in protocol["features"].items():
        lines.append(f"{LABELS[name]}: {text}{_chosen(result['features'][name])}.")
    return lines


def _chosen(row: Mapping[str, Any]) -> str:
    """The variants behind the figures of event transfer, if there was a choice."""
    figures: dict[str, list[str]] = {}
    for key, heading in zip(TRANSFER, _HEADINGS, strict=True):
        if "best_variants" in row:
            figures.setdefault(row["best_variants"][key], []).append(heading)
    if len(figures) == 1:
        return f" (here: {next(iter(figures))})"
    texts = [f"{', '.join(headings)}: {name}" for name, headings in figures.items()]
    return f" (here {'; '.join(texts)})" if texts else ""


LABELS = {
    "embeddings": "imported embedding",
    "model": "model",
    "base": "base model",
    "raw_pose": "raw pose",
    "raw_pose_best": "best raw pose",
    "time_only": "time only",
    "untrained": "untrained network",
}
_RETRIEVAL = ("precision_at_k", "average_precision_at_k")  # a protocol has one of them


def figures(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(heading, metric, part) of each figure in the rows of the document; tau only if there is no
    table of event transfer."""
    row = next(iter(result["features"].values()))
    choices = result["protocol"]["choices"]
    classifier = "SVM" if choices["classifier"] == "svm" else "logistic"
    classifier += " F1" if choices["score"] == "weighted_f1" else ""
    headings = [
        (f"{classifier}, {part}", "phase_classification", part)
        for part in row.get("phase_classification", {})
    ]
    if "phase_progression" in row:
        headings.append(("progress", "phase_progression", ""))
    if "event_transfer" not in row:
        headings.append(("tau", "kendalls_tau", ""))
    for metric in _RETRIEVAL:
        headings += [(f"AP@{part}", metric, part) for part in row.get(metric, {})]
    return headings


def figure(row: Mapping[str, Any], metric: str, part: str) -> Mapping[str, Any]:
    """The entry of one metric in the row of a feature set."""
    return row[metric][part] if part else row[metric]


def phase_title(result: Mapping[str, Any]) -> str:
    """The title of the table of phases."""
    fitted = f"fitted on {result['training_clips']} clips, scored on {result['labelled_clips']}"
    return f"Phases, protocol {result['protocol']['name']}, {_evaluated(result)}, {fitted}"


def phase_notes(result: Mapping[str, Any]) -> Iterator[str]:
    """Notes: baselines that do as well as the model or the imported embedding, clipped figures."""
    rows, shown = result["features"], figures(result)
    baselines = [n for n in ("time_only", "raw_pose_best", "base", "untrained") if n in rows]
    for judged, name in itertools.product(_judged(rows), baselines):
        ahead = [
            heading
            for heading, metric, part in shown
            if _beaten(rows[judged], rows[name], metric, part)
        ]
        if ahead:
            what = f"{LABELS[name]} does as well as the {LABELS[judged]} or better"
            yield f"{what} in: {', '.join(ahead)}"
    yield from _clipped(result)


def missing_notes(
    rows: Mapping[str, Mapping[str, Any]], shown: Sequence[tuple[str, str, str]]
) -> Iterator[str]:
    """Why figures are missing or based on fewer pairs; each reason once, with all its figures."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for name, row in rows.items():
        for heading, metric, part in shown:
            entry = figure(row, metric, part)
            if entry["reason"]:
                who = LABELS[name]
                if entry.get("pairs") and entry.get("nan"):
                    who += f" ({entry['nan']} of {entry['pairs']})"
                by_reason.setdefault(entry["reason"], {}).setdefault(who, []).append(heading)
    for reason, by_feature in by_reason.items():
        same: dict[str, list[str]] = {}
        for who, headings in by_feature.items():
            same.setdefault(", ".join(headings), []).append(who)
        for headings, names in same.items():
            yield f"{headings}, {', '.join(names)}: {reason}"


def _beaten(model: Mapping[str, Any], other: Mapping[str, Any], metric: str, part: str) -> bool:
    mine, theirs = (figure(row, metric, part)["value"] for row in (model, other))
    return mine is not None and theirs is not None and theirs >= mine


def _clipped(result: Mapping[str, Any]) -> Iterator[str]:
    for name, row in result["features"].items():
        entry = row.get("phase_progression", {})
        if entry.get("clipped"):
            runs = " (all runs together)" if "by_run" in entry else ""
            yield (
                f"{LABELS[name]}, progress: * phases whose R squared is counted as the floor: "
                f"{entry['clipped']}{runs}; unclipped the mean is {entry['mean_unclipped']:.3g}"
            )
        elif entry.get("value") is not None and entry["value"] < -1:
            yield (
                f"{LABELS[name]}, progress: far below 0, so worse than predicting the mean target "
                "for every frame; a single phase can cause it (this protocol does not clip)"
            )
