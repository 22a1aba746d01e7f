"""The rows of Tables 4-6: what is switched in each, and what the paper reports for it on H2O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from la2ds_cli.core.config import Config

TableName = Literal["table4", "table5", "table6", "table7", "table8", "choices"]
PAPER_DATA = "H2O, phase classification with all labels, progression, Kendall's tau"


@dataclass(frozen=True)
class Row:
    """One variant of the recipe.

    name: part of the run's name. settings: overrides of the recipe. paper: metric (names of
    scores.METRICS) -> the paper's figure, empty where it has no such row.
    reads_maps: the row says nothing of a network that reads joints alone. whole: the recipe as it
    is; every other row must differ from it.
    """

    name: str
    label: str
    settings: tuple[str, ...] = ()
    paper: dict[str, float] = field(default_factory=dict)
    reads_maps: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Table:
    """An ablation, of the paper or our own. title: what it is about."""

    name: str
    title: str
    rows: tuple[Row, ...]

    def by_need(self) -> list[int]:
        """Places of the rows, the whole recipe first: the others are read against it."""
        return sorted(range(len(self.rows)), key=lambda place: not self.rows[place].whole)


def _paper(classification: float, progression: float, tau: float) -> dict[str, float]:
    return {"classification": classification, "progression": progression, "kendalls_tau": tau}


_WHOLE = _paper(70.12, 0.9280, 0.9670)
_NO_TEMPORAL = ("augment.drop=0.0", "augment.warp=0.0")
_NO_POSITION = ("augment.position_probability=0.0",)
_NO_ORIENTATION = ("augment.orientation_probability=0.0",)
_NO_FLIP = ("augment.flip_probability=0.0",)
_NO_ADDED = ("augment.trim=0.0", "augment.geometry=0.0", "augment.missing_probability=0.0")
_NONE = (*_NO_TEMPORAL, *_NO_ORIENTATION, *_NO_POSITION, *_NO_FLIP, *_NO_ADDED)


def _alone(name: str, off: tuple[str, ...]) -> Row:
    """No augmentation but the one whose absence is `off`; the paper has no such row."""
    return Row(f"{name}-alone", f"{name} alone", tuple(s for s in _NONE if s not in off))


TABLES = {
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
                Row("all", "all", (), _WHOLE, whole=True),
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
                Row(
                    "both", "limbs + joints", ("heatmap.channels=joints+limbs",), _WHOLE, whole=True
                ),
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
                Row("all", "all", (), _WHOLE, whole=True),
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


def left_out(row: Row, base: Config, varied: Config) -> str:
    """Why a row would repeat the whole recipe, an empty string when it is a variant of it.

    base, varied: the settings without and with those of the row, of one seed.
    """
    if row.reads_maps and base.model.input == "joints":
        return "the recipe reads joints, no heatmaps"
    if row.whole or replace(varied, preset=base.preset) != base:
        return ""
    return "the recipe is like that"
