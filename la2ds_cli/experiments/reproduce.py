"""Step: a table of the paper on a project's clips.

Tables 4 to 8 are defined here, with the figures of the paper; Tables 1 to 3 are benchmarks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import MissingJoints
from la2ds_cli.core.errors import Mismatch, Unusable
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.comparison import BASELINES, Baseline, Result, Row, Rows
from la2ds_cli.experiments.corruption import CLEAN, DroppedLimb, JointNoise, Joints
from la2ds_cli.experiments.runner import ALONE, Bench, Plan, run_table, shared_facts
from la2ds_cli.experiments.scores import ablation_task

DEFAULT_PRESET = "paper-penn-casa"  # paper-penn, which follows the text literally, does not learn
TableName = Literal["table4", "table5", "table6", "table7", "table8"]
PAPER_DATA = "H2O, phase classification with all labels, progression, Kendall's tau"
TREATMENTS: tuple[MissingJoints, ...] = ("zero", "imputed")  # the same for heatmaps and joints
TITLES: dict[str, str] = {
    "table4": "Components of the model",
    "table5": "Heatmaps",
    "table6": "Augmentations",
    "table7": "Robustness against missing joints",
    "table8": "Robustness against noisy joints",
}


@dataclass(frozen=True)
class Ablation:
    """A variant of the recipe.

    name: of the row. settings: overrides of the recipe. paper: metric -> the paper's figure.
    reads_maps: the row makes sense only for a network that reads heatmaps. joints: for training and
    testing.
    """

    name: str
    label: str
    settings: tuple[str, ...] = ()
    paper: Mapping[str, float] = field(default_factory=dict)
    reads_maps: bool = False
    joints: Joints = CLEAN

    @property
    def full(self) -> bool:
        """Return whether it is the unchanged recipe."""
        return not self.settings


def _paper(classification: float, progression: float, tau: float) -> dict[str, float]:
    return {"classification": classification, "progression": progression, "kendalls_tau": tau}


_FULL = _paper(70.12, 0.9280, 0.9670)
_TEMPORAL = ("augment.drop=0.0", "augment.warp=0.0")
_POSITION = ("augment.position_probability=0.0",)
_ORIENTATION = ("augment.orientation_probability=0.0",)
_FLIP = ("augment.flip_probability=0.0",)
_ADDED = ("trim", "geometry", "missing_probability", "turn", "tilt")  # not in the paper
_NONE = (*_TEMPORAL, *_ORIENTATION, *_POSITION, *_FLIP, *(f"augment.{a}=0.0" for a in _ADDED))
_CODES = ("model.spatial_position=none", "model.temporal_position=none")
_SPATIAL = ("model.spatial_layers=0",)
_LIMBS = ("heatmap.channels=limbs",)
_JOINTS = ("heatmap.channels=joints",)
_ALL = Ablation("all", "all", (), _FULL)


def _without(part: str, settings: tuple[str, ...], *paper: float, maps: bool = False) -> Ablation:
    return Ablation(f"no-{part.split()[0]}", f"w/o {part}", settings, _paper(*paper), maps)


ABLATIONS = {
    "table4": (
        _without("spatial transformer", _SPATIAL, 68.47, 0.9039, 0.9548, maps=True),
        _without("temporal transformer", ("model.temporal_layers=0",), 64.40, 0.9149, 0.9566),
        _without("cross-attention", ("model.cross_layers=0",), 67.83, 0.9198, 0.9590),
        _without("position codes", _CODES, 67.80, 0.9196, 0.9615),
        _without("projection head", ("model.projection_head=false",), 66.53, 0.9169, 0.9590),
        _ALL,
    ),
    "table5": (
        Ablation("limbs", "limbs", _LIMBS, _paper(67.72, 0.9099, 0.9614), reads_maps=True),
        Ablation("joints", "joints", _JOINTS, _paper(66.09, 0.9101, 0.9646), reads_maps=True),
        replace(_ALL, name="both", label="limbs + joints"),
    ),
    "table6": (
        Ablation("none", "no augmentation", _NONE, _paper(63.12, 0.9080, 0.9350)),
        _without("temporal", _TEMPORAL, 64.82, 0.9194, 0.9551),
        _without("orientation", _ORIENTATION, 67.40, 0.9203, 0.9603),
        _without("position", _POSITION, 69.18, 0.9228, 0.9626),
        _without("flip", _FLIP, 67.93, 0.9193, 0.9642),
        Ablation("smooth", "smooth noise", ("augment.noise=smooth",)),  # tried in sec. 3.2
        _ALL,
    ),
}
# Classification accuracy of LA2DS: in Table 7 by the probability of a missing finger, in Table 8 by
# the joints in training and in test.
MISSING = {0.0: 70.12, 0.25: 69.54, 0.5: 69.02, 0.75: None, 1.0: 68.94}
NOISY = {
    ("clean", "clean"): 70.12,
    ("clean", "noisy"): 68.59,
    ("noisy", "clean"): 68.75,
    ("noisy", "noisy"): 68.23,
}


def conditions(table: str, config: Config) -> list[Ablation]:
    """Return the rows of Table 7 or 8, before they are multiplied by TREATMENTS."""
    seed = config.evaluate.seed
    if table == "table7":
        return [
            Ablation(
                f"p{100 * share:g}",
                f"limb missing in {share:.0%}",
                paper={} if figure is None else {"classification": figure},
                joints=Joints(f"missing-{100 * share:g}", test=DroppedLimb(share, seed)),
            )
            for share, figure in MISSING.items()
        ]
    corruption = {"clean": None, "noisy": JointNoise(1.0, seed, config.heatmap)}
    return [
        Ablation(
            f"{train}-to-{test}",
            f"{train} → {test}",
            paper={"classification": figure},
            joints=Joints(f"{train}-to-{test}", corruption[train], corruption[test]),
        )
        for (train, test), figure in NOISY.items()
    ]


def left_out(variant: Ablation, base: Config, varied: Config) -> str:
    """Return why a row is left out since it would only repeat the full recipe; empty if it is kept.

    Tables 7 and 8 keep all rows, to show each treatment of missing joints.

    Parameters
    ----------
    base, varied: the settings without and with those of the row, with the same seed.
    """
    if variant.reads_maps and base.model.input in ("joints", "joints3d"):
        return "the recipe reads joints, not heatmaps"
    if variant.full or variant.joints is not CLEAN or varied != base:
        return ""
    return "the recipe already does this"


def reproduce(
    project: StoredProject,
    table: TableName,
    plan: Plan,
    *,
    preset: str = DEFAULT_PRESET,
    progress: Progress = SILENT,
) -> Result:
    """Train and evaluate every row of a table of the paper with each seed.

    Finished runs are reused, interrupted ones resumed, and results/reproduce/TABLE.{md,csv,json}
    are written after every run, so a table can be interrupted at any time. A failing run does not
    stop the others.

    Raises
    ------
    UserError: exit 2 for no seed, a time limit of 0 or an invalid setting; for Tables 7 and 8 also
        4 without labels, and 5 for a recipe that reads video frames.
    """
    plan.check()
    variants, baselines = _variants(project, table, preset, plan)
    rows = Rows(
        f"reproduce-{preset}",
        [_row(variant, preset, plan.settings) for variant in variants],
        partial(_config, preset, plan.settings, ()),
        baselines,
    )
    base = rows.common(project)
    result = Result(table, TITLES[table], (ablation_task(table, TITLES[table]),), {})
    result.facts = shared_facts(project, plan, rows)
    result.facts["in the paper"] = PAPER_DATA
    result.paper = {variant.name: variant.paper for variant in variants}
    for variant, row in zip(variants, rows.rows, strict=True):
        if reason := left_out(variant, base, row.recipe(project, base.train.seed)):
            result.left_out[variant.label] = reason
    shown = [row for row in rows.rows if row.label not in result.left_out]
    bench = Bench(project.root.name, project, replace(rows, rows=shown), plan, progress)
    return run_table(result, [bench], project.results_dir("reproduce"), {})


def _variants(
    project: StoredProject, table: str, preset: str, plan: Plan
) -> tuple[list[Ablation], Sequence[Baseline]]:
    """Return the rows of a table and its baselines, in Tables 7 and 8 raw pose in each
    condition."""
    if table in ABLATIONS:
        return list(ABLATIONS[table]), BASELINES
    config = _config(preset, plan.settings, (), project)
    if config.model.input == "rgb":
        raise Mismatch(
            "the recipe reads video frames (model.input=rgb), so corrupted joints do not affect it",
            hint="choose a preset that reads joints or heatmaps",
        )
    if not project.phases():
        raise Unusable(
            "Tables 7 and 8 need labels, since events detected in corrupted joints are unreliable",
            hint="add the phases of the clips to phases.csv (video,start,end,phase)",
        )
    variants = conditions(table, config)
    baselines = [
        Baseline(f"raw-pose-{each.name}", f"raw pose, {each.label}", "raw_pose", each.joints)
        for each in variants
    ]
    # The paper does not state how it treats unseen joints, so both treatments are shown.
    rows = [
        replace(
            each,
            name=f"{each.name}-{missing}",
            label=f"{each.label}, {missing}",
            settings=(f"model.missing={missing}",),
        )
        for missing in TREATMENTS
        for each in variants
    ]
    return rows, baselines


def _row(variant: Ablation, preset: str, settings: Sequence[str]) -> Row:
    recipe = partial(_config, preset, settings, variant.settings)
    untrained = "untrained network" if variant.full else ""
    # Rows that differ only in the tested joints share their runs.
    shared = variant.full or variant.joints is not CLEAN
    run = "reproduce" if shared else f"reproduce-{variant.name}"
    return Row(variant.name, variant.label, recipe, run, untrained, variant.joints)


def _config(
    preset: str,
    settings: Sequence[str],
    more: Sequence[str],
    project: StoredProject,
    seed: int | None = None,
) -> Config:
    """Return the recipe (scored by its embedding alone) with more settings, the last of which
    win."""
    seeds = [] if seed is None else [f"train.seed={seed}"]
    return project.config(preset=preset, overrides=[*ALONE, *settings, *more, *seeds])
