"""The figures of the paper's Tables 1 to 3 (paper.toml), and the clips of its data sets."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.stored_project import StoredProject

RECORDS = "casa-npy"  # the import format with the splits and labels of the paper


@dataclass(frozen=True)
class PaperMethod:
    """A method of the paper. input: as in the paper: `RGB frames`, `3D joints` or `2D heatmaps`."""

    label: str
    input: str


@dataclass(frozen=True)
class PaperData:
    """A data set of the paper. format: of `la2ds import`. records: stems of the CASA files over
    which figures are averaged. figures: method -> metric -> figure."""

    name: str
    label: str
    format: str
    records: tuple[str, ...]
    figures: dict[str, dict[str, float]]


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(
        (resources.files("la2ds_cli.experiments") / "paper.toml").read_text("utf-8")
    )


def paper_methods() -> dict[str, PaperMethod]:
    """Return the methods of the paper by name, in the order of its tables."""
    return {row["name"]: PaperMethod(row["label"], row["input"]) for row in _file()["methods"]}


def paper_data() -> dict[str, PaperData]:
    """Return the data sets of the paper by name."""
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


def find_source(project: StoredProject) -> str:
    """Return the data set of the paper that the project's clips come from, judged by the recipes of
    their poses; empty for others, and if clips differ."""
    sources = set()
    for video in project.posed_videos():
        kind = artifact.read_header(project.pose_path(video.id))[0].config.get("format")
        stem = re.sub(r"_(train|val|test)$", "", PurePath(video.path).stem)
        matching = (
            data.name
            for data in paper_data().values()
            if kind == data.format or (kind == RECORDS and stem in data.records)
        )
        sources.add(next(matching, ""))
    return sources.pop() if len(sources) == 1 else ""
