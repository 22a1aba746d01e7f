"""The script that puts the methods beside each other on labels of people, and its page."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.experiments.benchmark_tables import (
    MEAN,
    document,
    figures,
    markdown,
    tables,
)
from la2ds_cli.experiments.methods import find_methods
from la2ds_cli.experiments.tries import read_rates
from tests.experiments.test_human_labels import made_set
from tests.small_runs import TINY

ROOT = Path(__file__).parents[2]
NAMES = ("methods", "methods_people", "human_labels", "page")
FACTS = {
    "budget": "2 steps",
    "minutes": 1.0,
    "steps": 2,
    "seeds": [0, 1],
    "protocol": "la2ds",
    "alignment": {},
}


@pytest.fixture
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The files of benchmarks/ as modules."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
        for name in NAMES:
            sys.modules.pop(name, None)


@pytest.fixture
def people(scripts: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """methods_people on ski jumps of four athletes, two of them in either half."""
    module = scripts["methods_people"]
    data = made_set(scripts["human_labels"], tmp_path / "data", people=4)
    monkeypatch.setattr(module, "DATA", data)
    return module


def _runs(module: Any, methods: tuple[str, ...]) -> Any:
    settings = (*TINY, "model.input=joints", "align.reference_clips=0")
    return module.Runs(methods, (0, 1), settings, 1.0, 1)


def test_rows_are_those_of_the_labels_of_people(people: Any, tmp_path: Path) -> None:
    runs = _runs(people, ("la2ds", "casa-compat"))
    runs = people.Runs(runs.methods, runs.seeds, (*runs.settings, "model.heads=2"), 1.0, 1)
    result = people.result(tmp_path / "data", tmp_path / "work", runs, FACTS)
    assert result.methods["casa-compat"] == "casa-compat"
    assert result.rows()["time_only"] == "clock"
    found = [one for one in figures(result) if one.metric == "event_transfer_median"]
    by_row = {one.row: one for one in found}
    for name in result.methods:
        low, high = by_row[name].interval or (1, 0)
        assert low <= by_row[name].value <= high
        assert by_row[name].seeds == 2
    assert by_row["raw_pose_best"].value == 0.0
    assert {one.row for one in found if one.best} <= {"raw_pose", "raw_pose_best"}
    page = markdown(result, figures(result))
    assert "4 people, each tested by networks that were trained on others" in page
    assert "### Event transfer" not in page  # headings are one level below the title


def test_a_run_that_fails_is_told_and_the_others_stay(
    people: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = people.train_run

    def fails(budget: Any, run: str, config: Any) -> Any:
        if run == "benchmark-tcc-s1":
            raise UserError("no")
        return real(budget, run, config)

    monkeypatch.setattr(people, "train_run", fails)
    runs = _runs(people, ("la2ds", "tcc"))
    result = people.result(tmp_path / "data", tmp_path / "work", runs, FACTS)
    found = figures(result)
    assert {one.seeds for one in found if (one.row, one.task) == ("tcc", "transfer")} == {1}
    assert [outcome.error for outcome in result.outcomes()].count("no; no") == 1
    assert document(result, found)["notes"][0].endswith("benchmark-tcc-s1: no; no")


def test_kinds_of_pairs_have_no_mean_and_one_cost(
    people: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their clips and trainings are the same."""

    def even(a: Any, b: Any) -> str:
        return "near" if int(a["video"][4:]) % 2 == int(b["video"][4:]) % 2 else "far"

    data = people.DATA.__class__(**{**vars(people.DATA), "pair": even, "kinds": ("near", "far")})
    monkeypatch.setattr(people, "DATA", data)
    result = people.result(
        tmp_path / "data", tmp_path / "work", _runs(people, ("tcc",)), {**FACTS, "seeds": [0]}
    )
    titles = [title for title, _ in tables(result, figures(result))]
    assert [title.partition(": ")[2] for title in titles] == [
        "ski jump, near",
        "ski jump, far",
        "ski jump, near",
    ]
    assert titles[2].startswith("Cost")
    assert MEAN not in " ".join(titles)


def test_every_row_of_the_plan_exists(scripts: dict[str, ModuleType]) -> None:
    assert len(find_methods(scripts["methods"].METHODS)) == 14


def test_a_page_becomes_a_part_of_another(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = scripts["page"].BEGIN, scripts["page"].END
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n", "utf-8")
    part = scripts["page"].below("Two minutes", "# Title\n\nBudget.\n\n## Cost\n\n| # |\n")
    assert part == "### Two minutes\n\nBudget.\n\n#### Cost\n\n| # |"
    scripts["page"].put_into(page, part)
    assert page.read_text("utf-8") == f"before\n{begin}\n\n{part}\n\n{end}\nafter\n"


def test_rates_of_an_earlier_benchmark_are_those_of_both_halves(
    people: Any, tmp_path: Path
) -> None:
    rates = read_rates(ROOT / "benchmarks" / "golf_rates.json")
    settings = (*TINY, "model.input=joints", "align.reference_clips=0")
    runs = people.Runs(("casa",), (0,), settings, 1.0, 1, rates)
    (data,) = people.result(tmp_path / "data", tmp_path / "work", runs, FACTS).data
    assert data.rates == {f"casa, half {n}": rates["casa"] for n in (1, 2)}
    for fold in people.folds(tmp_path / "data", tmp_path / "work"):
        written = fold.project.run_dir("benchmark-casa-s0") / "config.toml"
        assert "learning_rate = 0.0009" in written.read_text()
    with pytest.raises(UserError, match="none for la2ds"):
        people.Runs(("la2ds", "casa"), (0,), settings, 1.0, 1, {"casa": rates["casa"]})


def test_the_rates_on_file_are_of_all_methods(scripts: dict[str, ModuleType]) -> None:
    rates = read_rates(ROOT / "benchmarks" / "golf_rates.json")
    assert set(rates) == set(scripts["methods"].METHODS)
    for choice in rates.values():
        assert choice.errors[choice.rate] == min(choice.errors.values())
