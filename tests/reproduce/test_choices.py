"""The rows that say where la2ds departs from the text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from la2ds_cli.config import load_config
from la2ds_cli.config_sections import TrainConfig
from la2ds_cli.reproduce import choices
from la2ds_cli.reproduce.choices import BUDGET, changed_settings, choices_table
from la2ds_cli.training.step import learning_rate

PAPER, DEFAULT = load_config(preset="paper-penn"), load_config(preset="default")


def test_all_rows_of_the_default_together_make_the_default() -> None:
    rows = {row.name: row for row in choices_table().rows}
    together = load_config(preset="paper-penn", overrides=rows["default-all"].settings)
    left = set(changed_settings(together, DEFAULT))
    assert left <= BUDGET
    single = [
        setting
        for name, row in rows.items()
        if name.startswith("default-") and name != "default-all"
        for setting in row.settings
    ]
    assert tuple(single) == rows["default-all"].settings
    assert len(set(single)) == len(single) > 5


def test_every_row_changes_the_recipe_and_the_last_one_is_the_recipe() -> None:
    rows = choices_table().rows
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        varied = load_config(preset="paper-penn", overrides=row.settings)
        assert (varied == PAPER) == row.whole
    assert rows[-1].whole


def test_a_new_setting_of_the_default_gets_a_row_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heatmap = replace(DEFAULT.heatmap, sigma=0.9)
    model = replace(DEFAULT.model, pooling="cls", projection_head=False)
    other = replace(DEFAULT, heatmap=heatmap, model=model)
    configs = {"paper-penn": PAPER, "default": other}
    monkeypatch.setattr(choices, "load_config", lambda preset: configs[preset])
    rows = {row.name: row.settings for row in choices_table().rows}
    assert rows["default-heatmap-other"] == ("heatmap.sigma=0.9",)
    added = {"model.pooling=cls", "model.projection_head=false"}
    assert added <= set(rows["default-model-other"])


def test_halving_is_what_the_text_prints() -> None:
    config = TrainConfig(learning_rate=1.0, warmup=0, schedule="halving")
    rates = [learning_rate(config, 500, epoch / 24) for epoch in range(25)]
    assert rates == pytest.approx([0.5**epoch for epoch in range(25)])
    assert learning_rate(config, 500, 0.5 / 24) == 1.0
