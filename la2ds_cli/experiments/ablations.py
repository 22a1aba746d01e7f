"""The rows of Tables 4 to 6 with the figures of the paper, and a row for every choice of la2ds.

`choices_table` has a row for every point where la2ds departs from the text of the paper, one at a
time: where the presets `default` and `paper-penn`, which follows the text to the letter, differ;
and readings of the text that neither follows (PRINTED). docs/method-card.md gives the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from la2ds_cli.core.config import Config, load_config

TableName = Literal["table4", "table5", "table6", "table7", "table8", "choices"]
PAPER_DATA = "H2O, phase classification with all labels, progression, Kendall's tau"


@dataclass(frozen=True)
class Row:
    """One variant of the recipe.

    name: part of the run's name. settings: overrides of the recipe. paper: metric (names of
    metrics.METRICS) -> the paper's figure, empty if the paper has no such row. reads_maps: the row
    has no meaning for a network that reads only joints. full: the unchanged recipe; every other row
    must differ from it.
    """

    name: str
    label: str
    settings: tuple[str, ...] = ()
    paper: dict[str, float] = field(default_factory=dict)
    reads_maps: bool = False
    full: bool = False


@dataclass(frozen=True)
class Table:
    """An ablation of the paper or our own. title: its subject."""

    name: str
    title: str
    rows: tuple[Row, ...]

    def by_need(self) -> list[int]:
        """Numbers of the rows, the full recipe first, with which the others are compared."""
        return sorted(range(len(self.rows)), key=lambda row: not self.rows[row].full)


def _paper(classification: float, progression: float, tau: float) -> dict[str, float]:
    return {"classification": classification, "progression": progression, "kendalls_tau": tau}


_FULL = _paper(70.12, 0.9280, 0.9670)
_NO_TEMPORAL = ("augment.drop=0.0", "augment.warp=0.0")
_NO_POSITION = ("augment.position_probability=0.0",)
_NO_ORIENTATION = ("augment.orientation_probability=0.0",)
_NO_FLIP = ("augment.flip_probability=0.0",)
_NO_ADDED = ("augment.trim=0.0", "augment.geometry=0.0", "augment.missing_probability=0.0")
_NO_CAMERA = ("augment.turn=0.0", "augment.tilt=0.0")  # added as well, for joints3d alone
_NONE = (*_NO_TEMPORAL, *_NO_ORIENTATION, *_NO_POSITION, *_NO_FLIP, *_NO_ADDED)


def _alone(name: str, off: tuple[str, ...]) -> Row:
    """Only the augmentation that `off` turns off; the paper has no such row."""
    return Row(f"{name}-alone", f"{name} alone", tuple(s for s in _NONE if s not in off))


ABLATIONS = {
    table.name: table
    for table in (
        Table(
            "table4",
            "Components of the model",
            (
                Row(
                    "no-spatial",
                    "w/o spatial transformer",
                    ("model.spatial_layers=0",),
                    _paper(68.47, 0.9039, 0.9548),
                    reads_maps=True,
                ),
                Row(
                    "no-temporal",
                    "w/o temporal transformer",
                    ("model.temporal_layers=0",),
                    _paper(64.40, 0.9149, 0.9566),
                ),
                Row(
                    "no-cross",
                    "w/o cross-attention",
                    ("model.cross_layers=0",),
                    _paper(67.83, 0.9198, 0.9590),
                ),
                Row(
                    "no-position",
                    "w/o position codes",
                    ("model.spatial_position=none", "model.temporal_position=none"),
                    _paper(67.80, 0.9196, 0.9615),
                ),
                Row(
                    "no-head",
                    "w/o projection head",
                    ("model.projection_head=false",),
                    _paper(66.53, 0.9169, 0.9590),
                ),
                Row("all", "all", (), _FULL, full=True),
            ),
        ),
        Table(
            "table5",
            "Heatmaps",
            (
                Row(
                    "limbs",
                    "limbs",
                    ("heatmap.channels=limbs",),
                    _paper(67.72, 0.9099, 0.9614),
                    reads_maps=True,
                ),
                Row(
                    "joints",
                    "joints",
                    ("heatmap.channels=joints",),
                    _paper(66.09, 0.9101, 0.9646),
                    reads_maps=True,
                ),
                Row("both", "limbs + joints", ("heatmap.channels=joints+limbs",), _FULL, full=True),
            ),
        ),
        Table(
            "table6",
            "Augmentations",
            (
                Row(
                    "none",
                    "no augmentation",
                    _NONE,
                    _paper(63.12, 0.9080, 0.9350),
                ),
                Row("no-temporal", "w/o temporal", _NO_TEMPORAL, _paper(64.82, 0.9194, 0.9551)),
                Row(
                    "no-orientation",
                    "w/o orientation",
                    _NO_ORIENTATION,
                    _paper(67.40, 0.9203, 0.9603),
                ),
                Row("no-position", "w/o position", _NO_POSITION, _paper(69.18, 0.9228, 0.9626)),
                Row("no-flip", "w/o horizontal flip", _NO_FLIP, _paper(67.93, 0.9193, 0.9642)),
                _alone("temporal", _NO_TEMPORAL),
                _alone("orientation", _NO_ORIENTATION),
                _alone("position", _NO_POSITION),
                _alone("flip", _NO_FLIP),
                Row("no-added", "w/o additions", _NO_ADDED),
                Row("smooth", "smooth noise", ("augment.noise=smooth",)),
                Row("all", "all", (), _FULL, full=True),
            ),
        ),
    )
}
MISSING = {  # Table 7: probability of a missing finger -> classification of LA2DS
    0.0: 70.12,
    0.25: 69.54,
    0.5: 69.02,
    1.0: 68.94,
}
NOISY = {  # Table 8: joints in training, in test -> classification of LA2DS
    ("clean", "clean"): 70.12,
    ("clean", "noisy"): 68.59,
    ("noisy", "clean"): 68.75,
    ("noisy", "noisy"): 68.23,
}


def ablation(name: str, base: Config) -> Table:
    """The table of ABLATIONS for the recipe `base`: if it reads joints in metres, rows without
    additions have no turn and tilt of the camera either."""
    table = ABLATIONS[name]
    if base.model.input != "joints3d":
        return table
    rows = [
        replace(row, settings=(*row.settings, *_NO_CAMERA))
        if set(_NO_ADDED) <= set(row.settings)
        else row
        for row in table.rows
    ]
    return replace(table, rows=tuple(rows))


def left_out(row: Row, base: Config, varied: Config) -> str:
    """Why a row would only repeat the full recipe; empty if it is a variant of it.

    base, varied: the settings without and with those of the row, with the same seed.
    """
    if row.reads_maps and base.model.input in ("joints", "joints3d"):
        return "the recipe reads joints, not heatmaps"
    if row.full or replace(varied, preset=base.preset) != base:
        return ""
    return "the recipe already does this"


PRINTED = (
    Row("flip", "", ("augment.flip_swap=false",)),  # sec. 3.2 can be read as CASA's flip
)
TOGETHER = {  # settings that only make sense together
    "crop": ("heatmap.crop", "heatmap.aspect", "heatmap.padding"),
    "trim": ("augment.trim",),
    "gate": ("augment.temporal_probability",),
    "position": ("model.temporal_position",),
    "cross": ("model.cross_layers", "model.embed_at"),
    "input": ("model.input",),
    "spatial": ("model.spatial_layers",),
    "heads": ("model.heads",),
    "motion": ("model.motion",),
    "schedule": ("train.schedule",),
    "decay": ("train.weight_decay",),
    "scaling": ("train.scaling",),
    "sigma": ("heatmap.sigma", "heatmap.sigma_unit"),
    "distance": ("heatmap.distance",),
    "confidence": ("heatmap.confidence",),
}
SECTIONS = ("heatmap", "augment", "model", "train", "align")
# How long a run is trained, and on how much data, is the budget of a table, not a choice it tests.
BUDGET = {
    f"train.{key}"
    for key in (
        *("steps", "batch_size", "frames", "learning_rate", "warmup", "fps", "validate_every"),
        *("validation_share", "threads", "compile", "bucket"),
    )
}


def choices_table(base: Config) -> Table:
    """The rows for the recipe `base`, which is `paper-penn`, `default` or similar to one of them.

    Each group of settings in which the two presets differ is one row: with the values of `default`
    if the recipe has those of `paper-penn`, otherwise with those of `paper-penn`.
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
            Row("all", "the recipe", full=True),
        ),
    )


def changed_settings(base: Config, other: Config) -> dict[str, str]:
    """Setting -> override with the value of `other`, where the two differ; presets are ignored."""
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
    """Name of a row -> its settings; settings that TOGETHER does not name form one row per
    section."""
    group_of = {key: name for name, keys in TOGETHER.items() for key in keys}
    groups: dict[str, list[str]] = {}
    for key in settings:
        groups.setdefault(group_of.get(key, f"{key.partition('.')[0]}-other"), []).append(key)
    return groups


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
