"""The data sets of the papers: their contents, sources and terms, and the command that reads each.

The list is datasets.toml. Nothing is downloaded: the authors distribute their data on their own
terms.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Link:
    """An address at which part of a data set is offered. label: which part."""

    label: str
    url: str


@dataclass(frozen=True)
class DataSet:
    """One entry of datasets.toml.

    name: as in the list. importer: the sub-command of `la2ds import` that reads it. example: a
    complete command. splits: as the papers use them. terms: as far as they are known;
    terms_checked: whether somebody has read them on the authors' page for this list.
    """

    name: str
    title: str
    what: str
    get: tuple[Link, ...]
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
    links = tuple(Link(label, url) for label, url in values.pop("get"))
    return DataSet(name, get=links, importer=values.pop("import"), **values)
