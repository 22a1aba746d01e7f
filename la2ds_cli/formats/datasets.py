"""The data sets of the papers: what they are, where to get them and how they are read.

The list is datasets.toml. Nothing is fetched: the authors give their data out on their own terms.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Place:
    """Where something of a data set is offered. label: what it is; url: its address."""

    label: str
    url: str


@dataclass(frozen=True)
class DataSet:
    """One entry of datasets.toml.

    name: as in the list. importer: the sub-command of `la2ds import` that reads it. example: a
    whole command. splits: as the papers use them. terms: what is known of them; terms_checked:
    whether somebody has read them on the authors' page for this list.
    """

    name: str
    title: str
    what: str
    get: tuple[Place, ...]
    terms: str
    terms_checked: bool
    importer: str
    example: str
    splits: str
    cite: str


def data_sets() -> list[DataSet]:
    """All entries, in the order of the list."""
    text = files("la2ds_cli.formats").joinpath("datasets.toml").read_text("utf-8")
    return [_entry(name, values) for name, values in tomllib.loads(text).items()]


def _entry(name: str, values: dict) -> DataSet:
    places = tuple(Place(label, url) for label, url in values.pop("get"))
    return DataSet(name, get=places, importer=values.pop("import"), **values)
