"""Rows for every place where la2ds departs from the text of the paper, one at a time.

Two kinds: what the text prints and no preset does, because the text contradicts itself or its
sources (PRINTED); and what the presets `default` and `paper-penn` do differently, as they are
shipped. docs/method-card.md gives the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.experiments.reproduce.rows import Row, Table

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
    "input": ("model.input",),
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


def choices_table(base: Config) -> Table:
    """The rows for the recipe `base`, which is `paper-penn`, `default` or lies near one of them.

    Each group of settings in which the two presets differ is one row: as in `default` where the
    recipe has the values of `paper-penn`, else as in `paper-penn`.
    """
    paper, default = load_config(preset="paper-penn"), load_config(preset="default")
    ours, theirs = changed_settings(paper, default), changed_settings(default, paper)
    rows = [Row(row.name, ", ".join(row.settings), row.settings) for row in PRINTED]
    turned: list[str] = []
    for name, keys in _groups(key for key in ours if _is_choice(key)).items():
        printed = all(key not in changed_settings(paper, base) for key in keys)
        settings = tuple((ours if printed else theirs)[key] for key in keys)
        side = "default" if printed else "paper"
        rows.append(Row(f"{side}-{name}", ", ".join(settings), settings))
        turned += settings
    return Table(
        "choices",
        "Where la2ds departs from the text",
        (
            *rows,
            Row("together", f"the last {len(rows) - len(PRINTED)} together", tuple(turned)),
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


def _groups(settings: Iterable[str]) -> dict[str, list[str]]:
    """Name of a row -> its settings; one that TOGETHER does not name goes with the other such
    settings of its section."""
    group_of = {key: name for name, keys in TOGETHER.items() for key in keys}
    groups: dict[str, list[str]] = {}
    for key in settings:
        groups.setdefault(group_of.get(key, f"{key.partition('.')[0]}-other"), []).append(key)
    return groups


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
