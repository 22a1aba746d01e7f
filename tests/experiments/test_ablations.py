"""The rows of the paper's tables: their figures, and what each one switches."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.experiments.corruption import Joints
from la2ds_cli.experiments.reproduce import ABLATIONS, MISSING, NOISY, Ablation, left_out
from la2ds_cli.experiments.scores import METRICS

PAPER = load_config(preset="paper-penn-casa")


def _changed(
    row: Ablation, base: Config = PAPER, preset: str = "paper-penn-casa"
) -> dict[str, object]:
    """Settings that the row changes, `section.key` -> value."""
    varied = load_config(preset=preset, overrides=row.settings)
    return {
        f"{section}.{key}": value
        for section, values in asdict(varied).items()
        if isinstance(values, dict)
        for key, value in values.items()
        if value != asdict(base)[section][key]
    }


def _rows(table: str) -> dict[str, Ablation]:
    return {row.name: row for row in ABLATIONS[table]}


@pytest.mark.parametrize(
    ("table", "row", "changed"),
    [
        ("table4", "no-spatial", {"model.spatial_layers": 0}),
        ("table4", "no-temporal", {"model.temporal_layers": 0}),
        ("table4", "no-cross-attention", {"model.cross_layers": 0}),
        (
            "table4",
            "no-position",
            {"model.spatial_position": "none", "model.temporal_position": "none"},
        ),
        ("table4", "no-projection", {"model.projection_head": False}),
        ("table4", "all", {}),
        ("table5", "limbs", {"heatmap.channels": "limbs"}),
        ("table5", "joints", {"heatmap.channels": "joints"}),
        ("table5", "both", {}),
        ("table6", "no-temporal", {"augment.drop": 0.0}),
        ("table6", "no-orientation", {"augment.orientation_probability": 0.0}),
        ("table6", "no-position", {"augment.position_probability": 0.0}),
        ("table6", "no-flip", {"augment.flip_probability": 0.0}),
        ("table6", "smooth", {"augment.noise": "smooth"}),
        ("table6", "all", {}),
    ],
)
def test_each_row_switches_exactly_what_it_says(
    table: str, row: str, changed: dict[str, object]
) -> None:
    assert _changed(_rows(table)[row]) == changed


def test_no_augmentation_leaves_the_clip_as_it_is() -> None:
    import numpy as np

    from la2ds_cli.core.skeleton import get_skeleton
    from la2ds_cli.features.augment import augment
    from tests.movement import figure

    settings = _rows("table6")["none"].settings
    xy = figure(np.linspace(0, 1, 30))
    for preset in ("paper-penn", "paper-penn-casa", "default", "demo"):
        config = load_config(preset=preset, overrides=settings).augment
        for seed in range(5):
            rng = np.random.default_rng(seed)
            copy = augment(xy, np.ones(xy.shape[:2]), get_skeleton("penn13"), 5.0, config, rng)
            np.testing.assert_allclose(copy.xy, xy, rtol=1e-6)
        assert (config.turn, config.tilt) == (0.0, 0.0)  # of joints in metres


def test_the_figures_are_those_the_paper_prints() -> None:
    printed = {
        "table4": [
            (68.47, 0.9039, 0.9548),
            (64.40, 0.9149, 0.9566),
            (67.83, 0.9198, 0.9590),
            (67.80, 0.9196, 0.9615),
            (66.53, 0.9169, 0.9590),
            (70.12, 0.9280, 0.9670),
        ],
        "table5": [(67.72, 0.9099, 0.9614), (66.09, 0.9101, 0.9646), (70.12, 0.9280, 0.9670)],
        "table6": [
            (63.12, 0.9080, 0.9350),
            (64.82, 0.9194, 0.9551),
            (67.40, 0.9203, 0.9603),
            (69.18, 0.9228, 0.9626),
            (67.93, 0.9193, 0.9642),
            (70.12, 0.9280, 0.9670),
        ],
    }
    names = ("classification", "progression", "kendalls_tau")
    assert set(names) <= set(METRICS)
    for table, figures in printed.items():
        rows = [row.paper for row in ABLATIONS[table] if row.paper]
        assert [tuple(paper[name] for name in names) for paper in rows] == figures
    assert list(MISSING.values()) == [70.12, 69.54, 69.02, None, 68.94]
    assert list(NOISY.values()) == [70.12, 68.59, 68.75, 68.23]


def test_a_row_that_changes_nothing_is_left_out_with_its_reason() -> None:
    def reason(row: Ablation, *overrides: str) -> str:
        base = load_config(preset="paper-penn-casa", overrides=overrides)
        varied = load_config(preset="paper-penn-casa", overrides=(*overrides, *row.settings))
        return left_out(row, base, varied)

    components, heatmaps, augmentations = (_rows(f"table{n}") for n in (4, 5, 6))
    assert reason(components["no-cross-attention"]) == ""
    assert (
        reason(components["no-cross-attention"], "model.cross_layers=0")
        == "the recipe already does this"
    )
    assert reason(augmentations["no-flip"]) == ""
    assert "reads joints" in reason(heatmaps["limbs"], "model.input=joints")
    assert "reads joints" in reason(components["no-spatial"], "model.input=joints")
    assert reason(components["all"], "model.input=joints") == ""
    treated = Ablation("p0-zero", "", ("model.missing=zero",), joints=Joints("missing-0"))
    assert reason(treated, "model.missing=zero") == ""
