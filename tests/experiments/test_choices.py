"""The rows that say where la2ds departs from the text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.config_sections import TrainConfig
from la2ds_cli.experiments import ablations as choices
from la2ds_cli.experiments.ablations import BUDGET, Row, changed_settings, choices_table
from la2ds_cli.training.loop import learning_rate

PAPER, DEFAULT = load_config(preset="paper-penn"), load_config(preset="default")


def _rows(base: Config) -> dict[str, Row]:
    return {row.name: row for row in choices_table(base).rows}


@pytest.mark.parametrize(("base", "other"), [(PAPER, DEFAULT), (DEFAULT, PAPER)])
def test_all_rows_together_make_one_preset_of_the_other(base: Config, other: Config) -> None:
    rows = _rows(base)
    together = load_config(preset=base.preset, overrides=rows["together"].settings)
    assert set(changed_settings(together, other)) <= BUDGET
    side = "default" if base is PAPER else "paper"
    single = [s for name, row in rows.items() if name.startswith(f"{side}-") for s in row.settings]
    assert tuple(single) == rows["together"].settings
    assert len(set(single)) == len(single) > 5


@pytest.mark.parametrize("base", [PAPER, DEFAULT, load_config(preset="paper-penn-casa")])
def test_every_row_changes_the_recipe_and_the_last_one_is_the_recipe(base: Config) -> None:
    rows = list(_rows(base).values())
    assert len(rows) == len(choices_table(base).rows)
    for row in rows:
        varied = load_config(preset=base.preset, overrides=row.settings)
        assert (varied == base) == row.full
    assert rows[-1].full


def test_what_the_text_prints_is_tried_on_the_default_one_by_one() -> None:
    rows = _rows(DEFAULT)
    printed = {
        "decay": ("train.weight_decay=0.5",),
        "schedule": ("train.schedule=halving",),
        "distance": ("heatmap.distance=printed",),
        "confidence": ("heatmap.confidence=one",),
        "sigma": ("heatmap.sigma=2.5", "heatmap.sigma_unit=pixels"),
    }
    assert {name: rows[f"paper-{name}"].settings for name in printed} == printed


def test_a_recipe_between_the_two_is_turned_group_by_group() -> None:
    model = replace(PAPER.model, temporal_position=DEFAULT.model.temporal_position)
    names = _rows(replace(PAPER, model=model)).keys()
    assert "paper-position" in names
    assert "default-trim" in names


def test_a_new_setting_of_the_default_gets_a_row_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heatmap = replace(DEFAULT.heatmap, channels="joints")
    model = replace(DEFAULT.model, pooling="cls", projection_head=False)
    other = replace(DEFAULT, heatmap=heatmap, model=model)
    configs = {"paper-penn": PAPER, "default": other}
    monkeypatch.setattr(choices, "load_config", lambda preset: configs[preset])
    rows = _rows(PAPER)
    assert rows["default-heatmap-other"].settings == ("heatmap.channels=joints",)
    added = {"model.pooling=cls", "model.projection_head=false"}
    assert added <= set(rows["default-model-other"].settings)


def test_halving_is_what_the_text_prints() -> None:
    config = TrainConfig(learning_rate=1.0, warmup=0, schedule="halving")
    rates = [learning_rate(config, 500, epoch / 24) for epoch in range(25)]
    assert rates == pytest.approx([0.5**epoch for epoch in range(25)])
    assert learning_rate(config, 500, 0.5 / 24) == 1.0
