"""Result of a retrieval: query frames, their neighbours and the phases of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.view import View
from la2ds_cli.retrieval.search import Limits

SCHEMA_VERSION = 1
_IN_WORDS: Mapping[View, str] = {
    "filmed": "as filmed",
    "mirrored": "mirrored",
    "other": "from the other side",
}


def view_words(view: View, unsure: bool) -> str:
    """How a hit was compared, in words; empty for surely as filmed."""
    if unsure:
        return f"{_IN_WORDS[view]}, unsure"
    return "" if view == "filmed" else _IN_WORDS[view]


@dataclass(frozen=True)
class Hit:
    """A retrieved frame.

    project: name in the store, None without a store.
    video: id of its clip.
    index: row in the poses of the clip.
    time: seconds.
    distance: of the features from those of the query.
    phase: its label, None if it has none.
    same_phase: whether it equals the query's phase, None if either has no label.
    view: in which the query's clip was compared with this one.
    unsure: whether another view is about as near and finds another moment.
    """

    project: str | None
    video: str
    index: int
    time: float
    distance: float
    phase: str | None
    same_phase: bool | None
    view: View = "filmed"
    unsure: bool = False


@dataclass(frozen=True)
class Query:
    """A query frame and its hits, nearest first. alike: whether the nearest of them is as near as
    is usual between clips (search.usual_distance), None if that was not measured."""

    video: str
    index: int
    time: float
    phase: str | None
    alike: bool | None
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class SearchedStore:
    """The store that was searched instead of the project. The field names are the JSON keys.

    uri: as the user gave it.
    table: its name in the store.
    index: `exact` or `approximate`.
    project: the name of the project there.
    projects: number of projects in the table.
    changes: numbers of the project's clips that were `kept`, `added` and `dropped`.
    """

    uri: str
    table: str
    index: str
    project: str
    projects: int
    changes: Mapping[str, int]


@dataclass(frozen=True)
class RetrievalResult:
    """Result of `retrieve`.

    queries: one per query frame.
    frames, clips: numbers of those that were searched.
    features: `model`, `base` or `pose`.
    reason: why those are used, empty if they were requested or a trained run is used.
    left_out: video id -> why it was not searched.
    store: None unless several projects were searched.
    files: written, in order.
    """

    queries: tuple[Query, ...]
    limits: Limits
    frames: int
    clips: int
    features: str
    run: str
    reason: str
    left_out: Mapping[str, str]
    store: SearchedStore | None = None
    files: tuple[Path, ...] = ()

    @property
    def agreement(self) -> float | None:
        """Share of the labelled hits that have the same phase as their query; None without
        labels."""
        labelled = [h.same_phase for q in self.queries for h in q.hits if h.same_phase is not None]
        return float(np.mean(labelled)) if labelled else None

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "features": self.features,
            "reason": self.reason,
            "run": self.run if self.features == "model" else None,
            **asdict(self.limits),
            "searched": {"frames": self.frames, "clips": self.clips},
            "store": None if self.store is None else asdict(self.store),
            "phase_agreement": self.agreement,
            "left_out": dict(self.left_out),
            "queries": [asdict(query) for query in self.queries],
            "files": [str(file) for file in self.files],
        }
