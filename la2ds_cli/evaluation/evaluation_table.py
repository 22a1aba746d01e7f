"""The result of an evaluation as tables, with a verdict in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from la2ds_cli.alignment.run_verdict import Gain
from la2ds_cli.core.table import Cell, Column, Table, terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

ENOUGH_RUNS = 3  # fewer do not show the spread over seeds
_WHERE_DEFINED = "docs/explanation/metrics.md explains the figures"
TAU_NEAR = 0.05  # a tau this close to that of time only says little about the movement
LABELS = {
    "model": "model",
    "base": "base model",
    "raw_pose": "raw pose",
    "raw_pose_best": "best raw pose",
    "time_only": "time only",
    "untrained": "untrained network",
    "whole_time": "time of whole clip",
}


def label_of(name: str) -> str:
    """Return the words for a feature set; another person's method has its own name."""
    return LABELS.get(name, name)


def subject_of(name: str) -> str:
    """Return the words for a feature set at the beginning of a sentence."""
    return f"The {LABELS[name]}" if name in LABELS else name


@dataclass(frozen=True)
class Shown:
    """A figure to show for every feature set. metric, part: its keys in the document."""

    heading: str
    metric: str
    part: str = ""
    digits: int = 3

    def of(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the entry of the figure in the row of a feature set."""
        return row[self.metric][self.part] if self.part else row[self.metric]


TRANSFER = (
    Shown("median %", "event_transfer", "median_percent", 2),
    Shown("mean %", "event_transfer", "mean_percent", 2),
    Shown("90th centile %", "event_transfer", "p90_percent", 2),
    Shown("median s", "event_transfer", "median_seconds"),
)
TAU = Shown("tau", "kendalls_tau")
MEDIAN = TRANSFER[0]


def evaluation_parts(result: Mapping[str, Any]) -> list[tuple[str, Table, list[str]]]:
    """Return title, table and footnotes of event transfer and of the phase metrics, where the
    document of `evaluate` has them."""
    parts = []
    run = f", run {result['run']}" if "model" in result["features"] else ""
    if result["protocol"]["event_transfer"]:
        split = "test clips" if result["split"] == "test" else "clips, no test split"
        title = f"Event transfer on trimmed pairs{run}, {result['clips']} {split}"
        parts.append((title, _table(result, (*TRANSFER, TAU)), transfer_uses(result)))
    if shown := phase_figures(result):
        fitted = f"fitted on {result['training_clips']} clips, scored on {result['labelled_clips']}"
        title = f"Phases, protocol {result['protocol']['name']}{run}, {fitted}"
        parts.append((title, _table(result, shown), []))
    return parts


def evaluation_table(result: Mapping[str, Any]) -> RenderableType:
    """Return the document of `evaluate` as a Rich renderable."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for title, table, lines in evaluation_parts(result):
        parts += [Text(title, style="italic"), terminal(table)]
        parts += [*map(Text, lines), Text()]
    parts += [Text(line) for line in verdict(result)]
    parts += [Text(f"note: {text}", style="yellow") for text in notes(result)]
    return Group(*parts, Text(), Text(_WHERE_DEFINED, style="dim"))


def _table(result: Mapping[str, Any], shown: Sequence[Shown]) -> Table:
    """Return a table with a column for each feature set and a row for each figure, followed by a
    row with undefined pairs if there are any."""
    columns = [Column("", left=True)]
    for name in result["features"]:
        label = label_of(name)
        # Five columns and their spread have to fit a terminal of 80 columns.
        heading = label.replace(" ", "\n", 1) if len(label) > 9 else label
        columns.append(Column(heading, bold=name == "model"))
    rows = []
    for figure in shown:
        entries = [figure.of(row) for row in result["features"].values()]
        rows.append([Cell(figure.heading), *(_cell(entry, figure.digits) for entry in entries)])
        if any(entry.get("nan") and entry.get("pairs") for entry in entries):
            counts = (f"{e['nan']}/{e['pairs']}" if e.get("pairs") else "–" for e in entries)
            rows.append([Cell("  undefined"), *map(Cell, counts)])
    return Table(columns, rows)


def _cell(entry: Mapping[str, Any], digits: int) -> Cell:
    """Return the value with its spread over runs and the interval below it; * marks clipping."""
    if entry["value"] is None:
        return Cell("–")
    text = f"{entry['value']:.{digits}f}"
    if (spread := entry.get("spread")) is not None:
        text += f" ±{spread:.{digits}f}"
    text += "*" if entry.get("clipped") else ""
    ends = entry["interval"]
    return Cell(text, ["{:.2f}–{:.2f}".format(*ends)] if ends else [])


def phase_figures(result: Mapping[str, Any]) -> list[Shown]:
    """Return the phase metrics to show, and tau if there is no table of event transfer."""
    row = next(iter(result["features"].values()))
    svm = result["protocol"]["classifier"] == "svm"
    classifier = "SVM" if svm else "logistic"
    shown = [
        Shown(f"{classifier}, {part}", "phase_classification", part)
        for part in row.get("phase_classification", {})
    ]
    shown += [Shown("progress", "phase_progression")] * ("phase_progression" in row)
    shown += [TAU] * ("event_transfer" not in row)
    shown += [Shown(f"AP@{part}", "precision_at_k", part) for part in row.get("precision_at_k", {})]
    return shown


def transfer_uses(result: Mapping[str, Any]) -> list[str]:
    """Return what each column of event transfer uses, except time only and plain raw pose."""
    return [
        f"{label_of(name)} = {row['uses']}"
        for name, row in result["features"].items()
        if name not in ("raw_pose", "time_only") and row.get("uses")
    ]


def verdict(result: Mapping[str, Any]) -> list[str]:
    """Return sentences on which features beat which, by the median error of event transfer."""
    return [_sentence(comparison, result["features"]) for comparison in result["comparisons"]]


def _sentence(comparison: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    mine, theirs = (MEDIAN.of(rows[comparison[side]])["value"] for side in ("features", "against"))
    who, whom = subject_of(comparison["features"]), label_of(comparison["against"])
    medians = f"(median error {mine:.2f} % against {theirs:.2f} %"
    if mine == theirs:
        return f"{who} ties with {whom} {medians})."
    spread, saved = comparison["interval_percent"], comparison["gain_interval"]
    if comparison["against"] == "base" and saved is not None and theirs > 0:
        gain = Gain(100 * (1 - mine / theirs), *saved)
        return f"{who} is {gain.words} {medians})."
    if spread is not None and spread[0] <= 0 <= spread[1]:
        return (
            f"{who} and {whom} do not differ significantly on these clips {medians}; "
            f"difference {mine - theirs:+.2f}, 95 % interval {spread[0]:+.2f} to "
            f"{spread[1]:+.2f})."
        )
    verb = "beats" if mine < theirs else "loses to"
    low, high = sorted((mine, theirs))
    factor = f" by {high / low:.1f}x" if low > 0 else ""
    chance = (
        "" if spread is not None else "; this may be chance, with too few clips for an interval"
    )
    return f"{who} {verb} {whom}{factor} {medians}{chance})."


def notes(result: Mapping[str, Any]) -> list[str]:
    """Return notes on the figures: warnings, why figures are missing, baselines that do as well."""
    rows, lines = result["features"], list(result["warnings"])
    if "model" in rows and len(result["runs"]) < ENOUGH_RUNS:
        lines.append(
            "the intervals do not show what another training seed would change: train at least "
            f"{ENOUGH_RUNS} runs (la2ds train --run NAME --set train.seed=N), then "
            "la2ds evaluate --run A,B,C"
        )
    phases = phase_figures(result)
    transfer = [Shown("event transfer", MEDIAN.metric, MEDIAN.part), TAU]
    lines += _missing(rows, [*(transfer if result["protocol"]["event_transfer"] else []), *phases])
    lines += _baselines_ahead(rows, phases)
    lines += _clipped(rows)
    clock, tau = (
        rows.get(name, {}).get(TAU.metric, {}).get("value") for name in ("time_only", "model")
    )
    if clock is not None and tau is not None and tau > clock - TAU_NEAR:
        lines.append(
            f"tau of the model ({tau:.3f}) is little better than that of time only ({clock:.3f}), "
            "so it says little about the movement; judge by event transfer"
        )
    return lines


def _missing(rows: Mapping[str, Mapping[str, Any]], shown: Sequence[Shown]) -> Iterator[str]:
    """Yield why figures are missing or based on fewer pairs, each reason once."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for name, row in rows.items():
        for figure in shown:
            entry = figure.of(row)
            if entry["reason"]:
                who = label_of(name)
                if entry.get("pairs") and entry.get("nan"):
                    who += f" ({entry['nan']} of {entry['pairs']})"
                by_feature = by_reason.setdefault(entry["reason"], {})
                by_feature.setdefault(who, []).append(figure.heading)
    for reason, by_feature in by_reason.items():
        same: dict[str, list[str]] = {}
        for who, headings in by_feature.items():
            same.setdefault(", ".join(headings), []).append(who)
        for headings, names in same.items():
            yield f"{headings}, {', '.join(names)}: {reason}"


def _baselines_ahead(
    rows: Mapping[str, Mapping[str, Any]], shown: Sequence[Shown]
) -> Iterator[str]:
    """Yield the baselines that do at least as well as the model, or as another person's method, in
    phase metrics."""
    for subject in (name for name in rows if name == "model" or name not in LABELS):
        for name in ("time_only", "raw_pose_best", "base", "untrained"):
            if name not in rows:
                continue
            ahead = []
            for figure in shown:
                model, baseline = (figure.of(rows[n])["value"] for n in (subject, name))
                if None not in (model, baseline) and baseline >= model:
                    ahead.append(figure.heading)
            if ahead:
                whom = "the model" if subject == "model" else subject
                yield f"{label_of(name)} does at least as well as {whom} in: {', '.join(ahead)}"


def _clipped(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, row in rows.items():
        entry = row.get("phase_progression", {})
        if entry.get("clipped"):
            runs = " (all runs together)" if "by_run" in entry else ""
            yield (
                f"{label_of(name)}, progress: * number of phases whose R squared was raised to the "
                f"floor: {entry['clipped']}{runs}"
            )
