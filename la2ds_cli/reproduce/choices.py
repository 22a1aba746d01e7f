"""Rows for every place where la2ds departs from the text of the paper, one at a time.

Two kinds: what the text prints and `paper-penn` does not do, because the text contradicts itself or
its sources; and what the preset `default` does otherwise than `paper-penn`. docs/method-card.md
gives the reasons.
"""

from __future__ import annotations

from typing import Any

from la2ds_cli.config import Config, load_config
from la2ds_cli.reproduce.rows import Row, Table

PRINTED = (
    Row("decay", "", ("train.weight_decay=0.5",)),  # Table 9
    Row("halving", "", ("train.schedule=halving",)),  # sec. 4: at each of the 24 epochs
    Row("distance", "", ("heatmap.distance=printed",)),  # eq. 2: not squared
    Row("scaling", "", ("train.scaling=plain",)),  # eq. 3: divided by the temperature alone
    Row("flip", "", ("augment.flip_swap=false",)),  # sec. 3.2 can be read as CASA's flip
)
TOGETHER = {  # settings that say nothing apart
    "crop": ("heatmap.crop", "heatmap.aspect", "heatmap.padding"),
    "trim": ("augment.trim",),
    "gate": ("augment.temporal_probability",),
    "position": ("model.temporal_position",),
    "cross": ("model.cross_layers", "model.embed_at"),
    "input": ("model.input", "model.movement"),
    "spatial": ("model.spatial_layers",),
    "motion": ("model.motion",),
    "schedule": ("train.schedule",),
}
SECTIONS = ("heatmap", "augment", "model", "train", "align")
# How long and on how much a run learns is the budget of a table, not a choice it tests.
BUDGET = {
    f"train.{key}"
    for key in (
        *("steps", "batch_size", "frames", "learning_rate", "warmup", "fps", "validate_every"),
        *("threads", "compile", "bucket"),
    )
}


def choices_table() -> Table:
    """The recipe is `paper-penn`; `default` is read as it is shipped."""
    changed = changed_settings(load_config(preset="paper-penn"), load_config(preset="default"))
    groups = _groups({key: text for key, text in changed.items() if _is_choice(key)})
    ours = [Row(f"default-{name}", ", ".join(group), group) for name, group in groups.items()]
    everything = tuple(setting for group in groups.values() for setting in group)
    printed = [Row(row.name, ", ".join(row.settings), row.settings) for row in PRINTED]
    return Table(
        "choices",
        "Where la2ds departs from the text",
        (
            *printed,
            *ours,
            Row("default-all", "all of the preset default", everything),
            Row("all", "the recipe", whole=True),
        ),
    )


def changed_settings(base: Config, other: Config) -> dict[str, str]:
    """Setting -> override with the value of `other`, where the two differ; presets aside."""
    mine, theirs = base.to_dict(), other.to_dict()
    return {
        f"{section}.{key}": f"{section}.{key}={_toml(value)}"
        for section, values in theirs.items()
        if section != "preset"
        for key, value in values.items()
        if value != mine[section][key]
    }


def _is_choice(key: str) -> bool:
    return key.partition(".")[0] in SECTIONS and key not in BUDGET


def _groups(overrides: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Name of a row -> its overrides; a setting that TOGETHER does not name goes with the other
    such settings of its section."""
    group_of = {key: name for name, keys in TOGETHER.items() for key in keys}
    groups: dict[str, tuple[str, ...]] = {}
    for key, override in overrides.items():
        name = group_of.get(key, f"{key.partition('.')[0]}-other")
        groups[name] = (*groups.get(name, ()), override)
    return groups


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
