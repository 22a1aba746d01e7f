"""Which methods are compared, how each is trained, and what the paper reports about them.

The paper's Tables 1 to 3 are in paper.toml; `departures` says whether our figures may be compared
with them.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import resources
from pathlib import PurePath
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config, preset_names
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.plugins import trust
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.rows import Row
from la2ds_cli.training.losses import get_method, method_names, method_recipe

RECORDS = "casa-npy"  # the import format with the splits and labels of the paper


@dataclass(frozen=True)
class PaperMethod:
    """A method of the paper. input: its input there, `RGB frames`, `3D joints` or `2D heatmaps`."""

    name: str
    label: str
    input: str


@dataclass(frozen=True)
class PaperData:
    """A data set of the paper. records: stems of the CASA files over which the figures are
    averaged. format: of `la2ds import`. figures: method -> metric -> figure."""

    name: str
    label: str
    format: str
    records: tuple[str, ...]
    figures: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Source:
    """Where the clips of a project come from. data: name of a data set of the paper, empty for
    others. record: the CASA file that they, with their labels, come from; empty for others."""

    data: str = ""
    record: str = ""


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(
        (resources.files("la2ds_cli.experiments") / "paper.toml").read_text("utf-8")
    )


def paper_methods() -> dict[str, PaperMethod]:
    """The methods of the paper by name, in the order of its tables."""
    return {row["name"]: PaperMethod(**row) for row in _file()["methods"]}


def paper_data() -> dict[str, PaperData]:
    """The data sets of the paper by name."""
    return {name: _data(name, row) for name, row in _file()["data"].items()}


def _data(name: str, row: dict[str, Any]) -> PaperData:
    figures = {
        method: {
            column: value
            for column, value in zip(_file()["columns"], values, strict=True)
            if not math.isnan(value)
        }
        for method, values in row["figures"].items()
    }
    return PaperData(name, row["label"], row["format"], tuple(row["records"]), figures)


def find_source(project: Project) -> Source:
    """The source of the project's clips, from the recipes of the poses. If two clips differ, it is
    no data set of the paper."""
    sources = set()
    for video in project.videos():
        if not project.pose_path(video.id).exists():
            continue
        recipe = artifact.read_header(project.pose_path(video.id))[0]
        sources.add(_source_of(str(recipe.config.get("format", "")), video.path))
    return sources.pop() if len(sources) == 1 else Source()


def _source_of(pose_format: str, path: str) -> Source:
    stem = re.sub(r"_(train|val|test)$", "", PurePath(path).stem)
    for data in paper_data().values():
        if pose_format == RECORDS and stem in data.records:
            return Source(data.name, stem)
        if pose_format == data.format:
            return Source(data.name)
    return Source()


def departures(sources: Sequence[Source], protocol: str) -> list[str]:
    """Why figures of these projects, or their mean, cannot be compared with those of the paper;
    empty if they can, apart from the input of a method (`same_input`)."""
    names = {source.data for source in sources}
    if len(names) != 1 or "" in names:
        return ["these are other data"]
    data = paper_data()[names.pop()]
    reasons = []
    if any(not source.record for source in sources):
        reasons.append(
            "its splits and labels are those of CASA's records, which the paper uses; where the "
            f"labels in phases.csv come from is unknown (la2ds import {RECORDS} has CASA's), and "
            "phases derived from the joints by rule favour methods that read joints"
        )
    actions = {source.record for source in sources}
    if len(sources) != len(data.records) or (all(actions) and actions != set(data.records)):
        many = ", ".join(data.records) if len(data.records) == 1 else f"{len(data.records)} actions"
        reasons.append(f"its figures are the mean over {many}, with a network for each")
    if protocol != "paper":
        reasons.append(f"ours use the protocol {protocol} (--protocol paper has its definitions)")
    return reasons


def same_input(method: str, reads: str) -> bool:
    """Whether the method's input here (model.input) is the same as in the paper.

    It never is for `rgb`: its base network is frozen, and the paper's RGB methods fine-tune theirs.
    """
    known = paper_methods().get(method)
    return known is not None and known.input == "2D heatmaps" and reads == "heatmap"


# The joints' movement and the base model, if combined with an embedding, hide what was learned.
ALONE = ("align.movement=0", "align.base=0")


def method_config(
    preset: str | None,
    overrides: Sequence[str],
    settings: Sequence[str],
    project: Project,
    seed: int,
) -> Config:
    """The settings of a method for training and scoring: its preset (None = that of the project)
    with its overrides, and above them the settings of the table.

    Steps, alignment and evaluation are those of the project, the same for all methods.
    """
    common = common_config(project, settings)
    if preset is None and project.config().preset in shipped_methods():
        preset = "default"  # the project's preset belongs to another method
    steps = f"train.steps={common.train.steps}"
    config = project.config(
        preset=preset, overrides=[steps, *overrides, *settings, f"train.seed={seed}"]
    )
    return replace(config, align=common.align, evaluate=common.evaluate)


def common_config(project: Project, settings: Sequence[str]) -> Config:
    """The settings that all methods share."""
    return project.config(overrides=[*ALONE, *settings])


def shipped_methods() -> list[str]:
    """Names of all methods of the package: those of the paper in its order, then the others."""
    losses, presets = method_names(), preset_names()
    known = [name for name in paper_methods() if name in losses or name in presets]
    return [*known, *(name for name in losses if name not in known)]


def method_rows(names: Sequence[str], settings: Sequence[str] = ()) -> list[Row]:
    """The methods with these names: of `shipped_methods`, presets, or dotted paths of modules.
    settings: overrides for all of them.

    Raises UserError (exit 2) for an unknown name, a duplicate, or no name.
    """
    if not names or len(set(names)) < len(names):
        raise UserError(
            f"the methods must be different names, got {', '.join(names) or 'none'}",
            hint=f"methods: {', '.join(shipped_methods())}, presets, or dotted paths of modules",
        )
    return [_method_row(name, settings) for name in names]


def _method_row(name: str, settings: Sequence[str]) -> Row:
    if name not in (*shipped_methods(), *preset_names()):
        trust(name)  # the user has named it
        _check_module(name)
    preset, overrides = method_recipe(name)
    label = paper_methods()[name].label if name in paper_methods() else name
    recipe = partial(method_config, preset, overrides, settings)
    return Row(name, label, recipe, f"benchmark-{name}", f"untrained, {label}")


def _check_module(name: str) -> None:
    """Raise UserError (exit 2) for a dotted path that is not a method, before any training."""
    try:
        module = get_method(name)
    except UserError:
        raise
    except Exception as error:  # code of a plugin
        raise UserError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    for part in ("PAIRS", "loss"):
        if not hasattr(module, part):
            raise UserError(
                f"{name} has no {part}", hint="docs/how-to/extend.md says what it needs"
            )
