"""The result of an evaluation as a table with its definitions and a verdict in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from la2ds_cli.evaluation.phase_table import (
    LABELS,
    add_row,
    cell,
    feature_columns,
    figures,
    missing_notes,
    phase_notes,
    phase_table,
    phase_title,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

ENOUGH_RUNS = 3  # fewer tell nothing of the spread over seeds
_TRANSFER = (  # heading, key, digits
    ("median %", "median_percent", 2),
    ("mean %", "mean_percent", 2),
    ("90th centile %", "p90_percent", 2),
    ("median s", "median_seconds", 3),
)
TAU_NEAR = 0.05  # tau this close to time only says little about the movement


def evaluation_table(result: Mapping[str, Any]) -> RenderableType:
    """Rich renderable of the document that `evaluate` returns."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    if "event_transfer" in result["protocol"]:
        parts += [Text(_title(result), style="italic"), _transfer_table(result), Text()]
    phases = phase_table(result)
    if phases is not None:
        parts += [Text(phase_title(result), style="italic"), phases, Text()]
    parts += [Text(line) for line in verdict(result)]
    parts += [Text(f"note: {text}", style="yellow") for text in _notes(result)]
    parts += [Text(), *(Text(line, style="dim") for line in _definitions(result))]
    return Group(*parts)


def _transfer_table(result: Mapping[str, Any]) -> Table:
    table = feature_columns(result)
    rows = result["features"].values()
    for heading, key, digits in _TRANSFER:
        table.add_row(heading, *(cell(_entry(row["event_transfer"], key), digits) for row in rows))
    add_row(table, "tau", [row["kendalls_tau"] for row in rows])
    return table


def _entry(transfer: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A figure of event transfer; the median alone has an interval, and a spread over runs."""
    if key != "median_percent":
        return {"value": transfer[key]}
    interval, spread = transfer["interval_percent"], transfer.get("spread")
    return {"value": transfer[key], "interval": interval, "spread": spread}


def verdict(result: Mapping[str, Any]) -> list[str]:
    """Plain sentences: what beats what, by the median error of event transfer."""
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
    verb = "beats" if mine < theirs else "loses to"
    low, high = sorted((mine, theirs))
    factor = f" by {high / low:.1f}x" if low > 0 else ""
    spread = comparison["interval_percent"]
    chance = ""
    if spread is not None and spread[0] <= 0 <= spread[1]:
        chance = (
            f"; difference {mine - theirs:+.2f}, 95 % interval {spread[0]:+.2f} to "
            f"{spread[1]:+.2f}: may be chance"
        )
    return f"The {who} {verb} {whom}{factor} {medians}{chance})."


def _notes(result: Mapping[str, Any]) -> list[str]:
    notes = list(result["warnings"])
    if "model" in result["features"] and len(result["runs"]) < ENOUGH_RUNS:
        notes.append(
            f"{len(result['runs'])} of at least {ENOUGH_RUNS} training runs: what another seed "
            "would change is not in the intervals; la2ds train --run NAME --set train.seed=N, "
            "then la2ds evaluate --runs A,B,C"
        )
    rows = result["features"]
    shown = figures(result)
    if "event_transfer" in result["protocol"]:
        shown = [("event transfer", "event_transfer", ""), ("tau", "kendalls_tau", ""), *shown]
    notes += missing_notes(rows, shown)
    notes += phase_notes(result)
    clock = rows.get("time_only", {}).get("kendalls_tau", {}).get("value")
    tau = rows.get("model", {}).get("kendalls_tau", {}).get("value")
    if clock is not None and tau is not None and tau > clock - TAU_NEAR:
        notes.append(
            f"tau of the model ({tau:.3f}) is close to that of time only ({clock:.3f}): a clock "
            "scores as well, so this tau says little; judge by event transfer"
        )
    return notes


def _title(result: Mapping[str, Any]) -> str:
    split = "test clips" if result["split"] == "test" else "clips, no test split"
    return f"Event transfer on trimmed pairs, run {result['run']}, {result['clips']} {split}"


def _definitions(result: Mapping[str, Any]) -> list[str]:
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
        row = result["features"][name]
        chosen = f" (here: {row['variant']})" if "variants" in row else ""
        lines.append(f"{LABELS[name]}: {text}{chosen}.")
    return lines
