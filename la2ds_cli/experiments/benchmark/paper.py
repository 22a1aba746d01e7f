"""The paper's Tables 1 to 3 (paper.toml), and whether a figure of ours may stand beside theirs."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.project import Project

RECORDS = "casa-npy"  # the import format whose splits and labels are the paper's


@dataclass(frozen=True)
class PaperMethod:
    """input: what it reads in the paper, `RGB frames`, `3D joints` or `2D heatmaps`."""

    name: str
    label: str
    input: str


@dataclass(frozen=True)
class PaperData:
    """A data set of the paper. records: stems of the files of CASA that the figures are the mean
    over. format: of `la2ds import`. figures: method -> metric -> figure."""

    name: str
    label: str
    format: str
    records: tuple[str, ...]
    figures: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Source:
    """Where the clips of a project come from. data: name of a data set of the paper, empty for
    others. record: the file of CASA they are, labels included; empty for others."""

    data: str = ""
    record: str = ""


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(
        (resources.files("la2ds_cli.experiments.benchmark") / "paper.toml").read_text("utf-8")
    )


def paper_methods() -> dict[str, PaperMethod]:
    """By name, in the order of the paper's tables."""
    return {row["name"]: PaperMethod(**row) for row in _file()["methods"]}


def paper_data() -> dict[str, PaperData]:
    """By name."""
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
    """By the recipes of the poses; no data set of the paper as soon as two clips disagree."""
    found = set()
    for video in project.videos():
        if not project.pose_path(video.id).exists():
            continue
        recipe = artifact.read_header(project.pose_path(video.id))[0]
        found.add(_source_of(str(recipe.config.get("format", "")), video.path))
    return found.pop() if len(found) == 1 else Source()


def _source_of(pose_format: str, path: str) -> Source:
    stem = re.sub(r"_(train|val|test)$", "", PurePath(path).stem)
    for data in paper_data().values():
        if pose_format == RECORDS and stem in data.records:
            return Source(data.name, stem)
        if pose_format == data.format:
            return Source(data.name)
    return Source()


def departures(sources: Sequence[Source], protocol: str) -> list[str]:
    """Why figures of these projects, or their mean, are not those of the paper; empty where they
    may be compared but for what a method reads (`same_input`)."""
    names = {source.data for source in sources}
    if len(names) != 1 or "" in names:
        return ["these are other data"]
    data = paper_data()[names.pop()]
    found = []
    if any(not source.record for source in sources):
        found.append(
            "its splits and labels are those of CASA's records, which the paper uses; whose labels "
            f"phases.csv holds is not known (la2ds import {RECORDS} has theirs), and phases made "
            "from the joints by rule favour what reads joints"
        )
    actions = {source.record for source in sources}
    if len(sources) != len(data.records) or (all(actions) and actions != set(data.records)):
        many = ", ".join(data.records) if len(data.records) == 1 else f"{len(data.records)} actions"
        found.append(f"its figures are of {many}, the mean over them, with a network for each")
    if protocol != "paper":
        found.append(f"ours are by protocol {protocol} (--protocol paper has its definitions)")
    return found


def same_input(method: str, reads: str) -> bool:
    """Whether the method reads here (model.input) what it reads in the paper.

    `rgb` never is: its base network is frozen, those of the paper's RGB methods are fine-tuned.
    """
    known = paper_methods().get(method)
    return known is not None and known.input == "2D heatmaps" and reads == "heatmap"
