"""What is printed: whole numbers on 80 columns, deviations, unequal budgets."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from la2ds_cli.core.table import terminal
from la2ds_cli.experiments.ablation_table import effort, markdown, notes, shown_table
from la2ds_cli.experiments.ablations import ABLATIONS
from la2ds_cli.experiments.metrics import METRICS
from la2ds_cli.experiments.result import Outcome, ResultRow, TableResult

SCORES: dict[str, float | None] = {
    "event_transfer_median": 12.345,
    "event_transfer_mean": 13.5,
    "kendalls_tau": 0.98765,
    "classification": 91.234,
    "progression": -0.4567,
    "precision_at_10": 88.888,
}


def _outcome(seed: int = 0, steps: int = 300, shift: float = 0.0, **more: Any) -> Outcome:
    scores = {name: None if v is None else v + shift for name, v in SCORES.items()}
    return Outcome(f"run-s{seed}", "model", scores, [11.111, 14.0], seed, steps, 61.4, **more)


def _result(*outcomes: Outcome) -> TableResult:
    rows = [
        ResultRow(row.name, row.label, row.paper, outcomes=list(outcomes))
        for row in ABLATIONS["table4"].rows
    ]
    return TableResult("table4", "Components of the model", {"seeds": [0]}, rows)


def _screen(result: TableResult, width: int) -> list[str]:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(terminal(shown_table(result)))
    return capture.get().splitlines()


def test_eighty_columns_hold_every_number_whole() -> None:
    lines = _screen(_result(_outcome()), 80)
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if "12.35" in line)
    assert row.split()[-7:] == [
        *("12.35", "11.11–14.00", "13.50", "0.9877", "91.23", "-0.4567", "88.89")
    ]
    paper = next(line for line in lines if "in the paper" in line)
    assert paper.split()[-3:] == ["0.9548", "68.47", "0.9039"]
    assert not any("…" in line for line in lines)


def test_the_figures_of_the_paper_stand_under_the_same_metric() -> None:
    lines = _screen(_result(_outcome()), 120)
    ours, paper = lines[2], lines[3]
    for mine, theirs in (("0.9877", "0.9548"), ("91.23", "68.47"), ("-0.4567", "0.9039")):
        assert ours.index(mine) + len(mine) == paper.index(theirs) + len(theirs)


def test_seeds_give_a_deviation_in_place_of_an_interval() -> None:
    result = _result(_outcome(0), _outcome(1, shift=0.2))
    page = markdown(result)
    assert "12.45 ±0.14" in page
    assert "11.11" not in page
    assert effort(result) == "2 runs, seeds 0, 1: 300 steps, 61 s of training"


def test_the_definitions_are_a_list_of_sentences() -> None:
    result = _result(_outcome())
    result.facts["protocol"] = {
        "name": "la2ds",
        "features": {"raw_pose": "joints"},
        "choices": {"tau_stride": 1},
        "seed": 0,
    }
    page = markdown(result)
    assert page.endswith("## Definitions\n\n- name: la2ds\n- raw_pose: joints\n")
    assert "protocol" not in page


def test_a_failed_run_and_unequal_steps_are_told() -> None:
    result = _result(_outcome(0), _outcome(1, steps=120), _outcome(2, error="out of memory"))
    text = "\n".join(notes(result))
    assert "run-s2: out of memory" in text
    assert "--set train.steps=N" in text
    assert "120–300 steps" in effort(result)
    assert "--set" not in "\n".join(notes(_result(_outcome(0), _outcome(1))))


def test_a_collapsed_run_is_told_once() -> None:
    flat = _outcome(1, collapse="all frames have the same embedding")
    text = notes(_result(_outcome(0), flat, flat))
    assert (
        text.count("run-s1: the embedding has collapsed, all frames have the same embedding") == 1
    )
    assert not any("run-s0" in line for line in text)


def test_what_no_run_has_is_a_dash_and_what_nobody_has_no_column() -> None:
    unknown = {name: None for name in SCORES}
    result = TableResult("choices", "Choices", {}, [ResultRow("a", "a", {})])
    result.rows.append(
        ResultRow("b", "b", {}, outcomes=[Outcome("b", "model", {**unknown, "kendalls_tau": 1.0})])
    )
    page = markdown(result)
    assert "| a | – |" in page
    assert METRICS[0].label not in page.partition("\n\n")[2].partition("\n")[0]
    assert page.startswith("# Choices\n")
