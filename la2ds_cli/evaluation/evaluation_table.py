"""The result of an evaluation as a table with a verdict in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from la2ds_cli.alignment.run_verdict import Gain
from la2ds_cli.core.table import Cell, Column, Table, terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

ENOUGH_RUNS = 3  # fewer do not show the spread over seeds
_WHERE_DEFINED = "what the figures mean: docs/explanation/metrics.md"
TAU_NEAR = 0.05  # tau this close to time only says little about the movement
LABELS = {
    "model": "model",
    "base": "base model",
    "raw_pose": "raw pose",
    "raw_pose_best": "best raw pose",
    "time_only": "time only",
    "untrained": "untrained network",
}


@dataclass(frozen=True)
class Shown:
    """A figure of every row. metric, part: its keys in the row of a feature set."""

    heading: str
    metric: str
    part: str = ""
    digits: int = 3

    def of(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The entry of the figure in the row of a feature set."""
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
    """The tables of the document that `evaluate` returns, of event transfer and of phases, if it
    has them: the title of each, the table, and the lines below it."""
    parts = []
    if result["protocol"]["event_transfer"]:
        split = "test clips" if result["split"] == "test" else "clips, no test split"
        title = f"Event transfer on trimmed pairs, run {result['run']}, {result['clips']} {split}"
        parts.append((title, _table(result, (*TRANSFER, TAU)), transfer_uses(result)))
    if shown := phase_figures(result):
        fitted = f"fitted on {result['training_clips']} clips, scored on {result['labelled_clips']}"
        title = f"Phases, protocol {result['protocol']['name']}, run {result['run']}, {fitted}"
        parts.append((title, _table(result, shown), []))
    return parts


def evaluation_table(result: Mapping[str, Any]) -> RenderableType:
    """Rich renderable of the document that `evaluate` returns."""
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
    """A column for the headings of the rows and one for each feature set; a row with each figure,
    and below it one with undefined pairs if there are any."""
    columns = [Column("", left=True)]
    for name in result["features"]:
        label = str(LABELS.get(name, name))
        # Five columns and their spread have to fit a terminal of 80 columns.
        heading = label.replace(" ", "\n", 1) if len(label) > 9 else label
        columns.append(Column(heading, bold=name == "model"))
    rows = []
    for one in shown:
        entries = [one.of(row) for row in result["features"].values()]
        rows.append([Cell(one.heading), *(_cell(entry, one.digits) for entry in entries)])
        if any(entry.get("nan") and entry.get("pairs") for entry in entries):
            counts = (f"{e['nan']}/{e['pairs']}" if e.get("pairs") else "–" for e in entries)
            rows.append([Cell("  undefined"), *map(Cell, counts)])
    return Table(columns, rows)


def _cell(entry: Mapping[str, Any], digits: int) -> Cell:
    """Value with its spread over runs, and the interval below it; * if it was clipped."""
    if entry["value"] is None:
        return Cell("–")
    text = f"{entry['value']:.{digits}f}"
    if (spread := entry.get("spread")) is not None:
        text += f" ±{spread:.{digits}f}"
    text += "*" if entry.get("clipped") else ""
    ends = entry["interval"]
    return Cell(text, ["{:.2f}–{:.2f}".format(*ends)] if ends else [])


def phase_figures(result: Mapping[str, Any]) -> list[Shown]:
    """The figures of phases; tau only if there is no table of event transfer."""
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
    """What each column of event transfer uses, except time only and the plain raw pose."""
    return [
        f"{LABELS[name]} = {row['uses']}"
        for name, row in result["features"].items()
        if name not in ("raw_pose", "time_only") and row.get("uses")
    ]


def verdict(result: Mapping[str, Any]) -> list[str]:
    """Plain sentences: which features beat which, by the median error of event transfer."""
    return [_sentence(comparison, result["features"]) for comparison in result["comparisons"]]


def _sentence(comparison: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    mine, theirs = (MEDIAN.of(rows[comparison[side]])["value"] for side in ("features", "against"))
    who, whom = LABELS[comparison["features"]], LABELS[comparison["against"]]
    medians = f"(median error {mine:.2f} % against {theirs:.2f} %"
    if mine == theirs:
        return f"The {who} ties with {whom} {medians})."
    spread, saved = comparison["interval_percent"], comparison["gain_interval"]
    if comparison["against"] == "base" and saved is not None and theirs > 0:
        gain = Gain(100 * (1 - mine / theirs), *saved)
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
    rows, said = result["features"], list(result["warnings"])
    if "model" in rows and len(result["runs"]) < ENOUGH_RUNS:
        said.append(
            f"{len(result['runs'])} of at least {ENOUGH_RUNS} training runs: what another seed "
            "would change is not in the intervals; la2ds train --run NAME --set train.seed=N, "
            "then la2ds evaluate --run A,B,C"
        )
    phases = phase_figures(result)
    transfer = [Shown("event transfer", MEDIAN.metric, MEDIAN.part), TAU]
    said += _missing(rows, [*(transfer if result["protocol"]["event_transfer"] else []), *phases])
    said += _baselines_ahead(rows, phases)
    said += _clipped(rows)
    clock, tau = (
        rows.get(name, {}).get(TAU.metric, {}).get("value") for name in ("time_only", "model")
    )
    if clock is not None and tau is not None and tau > clock - TAU_NEAR:
        said.append(
            f"tau of the model ({tau:.3f}) is close to that of time only ({clock:.3f}): elapsed "
            "time scores as well, so this tau says little; judge by event transfer"
        )
    return said


def _missing(rows: Mapping[str, Mapping[str, Any]], shown: Sequence[Shown]) -> Iterator[str]:
    """Why figures are missing or based on fewer pairs; each reason once, with all its figures."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for name, row in rows.items():
        for one in shown:
            entry = one.of(row)
            if entry["reason"]:
                who = LABELS[name]
                if entry.get("pairs") and entry.get("nan"):
                    who += f" ({entry['nan']} of {entry['pairs']})"
                by_reason.setdefault(entry["reason"], {}).setdefault(who, []).append(one.heading)
    for reason, by_feature in by_reason.items():
        same: dict[str, list[str]] = {}
        for who, headings in by_feature.items():
            same.setdefault(", ".join(headings), []).append(who)
        for headings, names in same.items():
            yield f"{headings}, {', '.join(names)}: {reason}"


def _baselines_ahead(
    rows: Mapping[str, Mapping[str, Any]], shown: Sequence[Shown]
) -> Iterator[str]:
    """Baselines that do as well as the model in figures of phases."""
    for name in ("time_only", "raw_pose_best", "base", "untrained"):
        if "model" not in rows or name not in rows:
            continue
        both = [(one, [one.of(rows[n])["value"] for n in ("model", name)]) for one in shown]
        ahead = [
            one.heading for one, values in both if None not in values and values[1] >= values[0]
        ]
        if ahead:
            yield f"{LABELS[name]} does as well as the model or better in: {', '.join(ahead)}"


def _clipped(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, row in rows.items():
        entry = row.get("phase_progression", {})
        if entry.get("clipped"):
            runs = " (all runs together)" if "by_run" in entry else ""
            yield (
                f"{LABELS[name]}, progress: * phases whose R squared is counted as the floor: "
                f"{entry['clipped']}{runs}"
            )
