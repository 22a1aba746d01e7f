"""Configuration: precedence, refusal of unknown keys and wrong types, presets."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from typing import Any

import pytest
import tomli_w

from la2ds_cli.core.config import Config, load_config, preset_names, read_preset
from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.errors import ExitCode, UserError

PAPER: dict[str, Any] = {
    "heatmap": {"channels": "joints+limbs", "distance": "printed", "confidence": "one", "size": 30}
    | {"sigma_unit": "pixels", "crop": "smallest", "aspect": "stretch", "padding": 0},
    # ViViT's factorised encoder is 12 + 4 layers deep and has 12 heads
    "model": {"spatial_layers": 12, "temporal_layers": 4, "heads": 12}
    | {"patch": 10, "width": 192, "pooling": "mean"},
    "train": {"scaling": "plain", "weight_decay": 0.5, "validation_share": 0, "warmup": 0}
    | {"schedule": "halving", "temperature": 0.1},
    "augment": {"trim": 0, "temporal_probability": 0.5, "position_probability": 0.3}
    | {"flip_probability": 0.3, "orientation_probability": 0.3}
    | {"orientation_std": 0.1, "position_std": 1.0},
}


@pytest.mark.parametrize(
    ("name", "fps", "batch_size", "learning_rate"),
    [("penn", 20, 64, 3e-3), ("h2o", 30, 32, 3e-4), ("ikea", 30, 4, 3e-2)],
)
def test_paper_presets_hold_what_the_paper_prints(name, fps, batch_size, learning_rate):
    """Sec. 3.1, 3.3, 4, A.1 and Table 9; the three differ in what Table 9 prints for each data set,
    in the frames of a step, which bound the memory of long clips, and in the steps of 24 epochs."""
    config = load_config(preset=f"paper-{name}")
    settings = config.to_dict()
    for section, values in PAPER.items():
        assert {key: settings[section][key] for key in values} == values
    found = (config.train.fps, config.train.batch_size, config.train.learning_rate)
    assert found == (fps, batch_size, learning_rate)
    penn = load_config(preset="paper-penn")
    train = replace(
        penn.train, fps=fps, batch_size=batch_size, learning_rate=learning_rate,
        frames=config.train.frames, steps=config.train.steps, validate_every=config.train.steps,
    )  # fmt: skip
    assert config == replace(penn, preset=config.preset, train=train)
    clips = {"penn": 87, "h2o": 27, "ikea": 61}[name]
    assert config.train.steps == pytest.approx(24 * 50 * clips / batch_size, rel=0.03)


def test_later_sources_win():
    settings = {"preset": "paper-penn-casa", "heatmap": {"sigma": 0.9, "padding": 0.3}}
    assert load_config(settings).heatmap == HeatmapConfig(
        sigma=0.9, padding=0.3, crop="smallest", aspect="stretch"
    )
    over = load_config(settings, overrides=["heatmap.padding=0.4", "heatmap.crop=robust"])
    assert (over.heatmap.padding, over.heatmap.crop) == (0.4, "robust")
    other = load_config(settings, preset="demo")
    assert (other.preset, other.heatmap.aspect, other.heatmap.sigma) == ("demo", "keep", 0.9)
    assert settings["preset"] == "paper-penn-casa"  # the caller's settings are left alone


def test_defaults_without_settings():
    config = load_config()
    assert config.preset == "default"
    expected = Config().to_dict()
    for section, values in read_preset("default").items():
        expected[section] |= values
    assert config.to_dict() == expected


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"heatmaps": {}}, "unknown section 'heatmaps'", "did you mean 'heatmap'?"),
        ({"heatmap": {"sigm": 1.0}}, r"\[heatmap\]: unknown setting 'sigm'", "'sigma'"),
        (
            {"align": {"pool": 3}},  # a setting of an older version
            r"\[align\]: unknown setting 'pool'; it may be misspelt, or removed",
            "delete it; known: base, joints, method",
        ),
        ({"heatmap": 3}, r"\[heatmap\] must be a table", ""),
        ({"heatmap": {"size": 30.0}}, "size: '30.0' is not a whole number", ""),
        ({"heatmap": {"size": True}}, "size: 'True' is not a whole number", ""),
        ({"heatmap": {"sigma": "big"}}, "sigma: 'big' is not a number", ""),
        ({"heatmap": {"sigma": False}}, "sigma: 'False' is not a number", ""),
        ({"heatmap": {"crop": "tight"}}, "crop: 'tight' is not allowed", "robust, smallest"),
        ({"heatmap": {"crop": ["robust"]}}, "is not allowed", "robust, smallest"),
        ({"align": {"open_ends": 1}}, "open_ends: '1' is not true or false", ""),
        ({"preset": "papers"}, "unknown preset 'papers'", "paper-penn"),
        ({"preset": "defualt"}, "unknown preset 'defualt'", "did you mean 'default'? known: "),
        ({"preset": ["default"]}, "preset must be a name in quotes, not", "paper-penn"),
        ({"preset": {"name": "default"}}, "preset must be a name in quotes, not", "paper-penn"),
        ({"preset": []}, "preset must be a name in quotes, not", "paper-penn"),
    ],
)
def test_bad_settings_are_named(settings, message, hint):
    with pytest.raises(UserError, match=message) as caught:
        load_config(settings)
    assert hint in caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("heatmap.sigma=0", "sigma must be more than 0, got 0"),
        ("heatmap.sigma=nan", "sigma must be more than 0, got nan"),
        ("heatmap.size=-1", "size must be more than 0, got -1"),
        ("augment.trim=1.5", "trim must be at least 0 and at most 1, got 1.5"),
        ("train.steps=0", "steps must be more than 0, got 0"),
        ("train.batch_size=0", "batch_size must be more than 0, got 0"),
        ("train.threads=0", "threads must be more than 0, got 0"),
        ("train.seed=-1", "seed must be at least 0, got -1"),
        ("evaluate.max_trim=0.5", "max_trim must be at least 0 and at most 0.49, got 0.5"),
        ("train.step=3", "--set: [train]: unknown setting 'step'"),
        ("trian.steps=3", "--set: unknown section 'trian'"),
        ("drop=0.25", "cannot read the setting 'drop=0.25'"),
        ("augment.drop", "cannot read the setting 'augment.drop'"),
    ],
)
def test_bad_overrides_are_named(override: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        load_config(overrides=[override])


def test_overrides_are_read_as_toml() -> None:
    texts = ["augment.drop=0.25", "augment.drop = 1", " augment.drop=2e-1", "poses.batch_size=0"]
    found = [load_config(overrides=[text]).augment.drop for text in texts[:3]]
    assert found == [0.25, 1.0, 0.2]
    assert isinstance(found[1], float)  # whole numbers serve as floats
    assert load_config(overrides=texts[3:]).poses.batch_size == 0


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_loads_and_is_written_and_read_again(name: str) -> None:
    config = load_config(preset=name, overrides=["train.steps=7", "model.projection_head=false"])
    assert config.preset == name
    assert load_config(tomllib.loads(tomli_w.dumps(config.to_dict()))) == config
