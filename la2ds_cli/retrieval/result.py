"""What a retrieval found: query frames, their neighbours and the phases of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.types import Neighbour

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Hit:
    """A retrieved frame. phase: its label, None where there is none. same_phase: whether it is
    the query's, None when either has no label."""

    neighbour: Neighbour
    phase: str | None
    same_phase: bool | None


@dataclass(frozen=True)
class Query:
    """A frame that was searched for, and what was found, nearest first."""

    video: str
    index: int
    time: float
    phase: str | None
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Recall:
    """value: share of the k frames nearest to a query, by exact search and without the limits of
    a retrieval, that the inverted file finds. queries: frames it was measured on."""

    value: float
    k: int
    queries: int


@dataclass(frozen=True)
class Searched:
    """What was searched, and how.

    index: `exact` or `faiss`. frames, clips: in the index. kept, added, dropped: clips of it that
    stood in its file before, that were new or had changed, and that were gone. lists, nprobe: of
    faiss, and how many of them were looked through at least; recall: measured now. None for exact.
    """

    index: str
    frames: int
    clips: int
    kept: int
    added: int
    dropped: int
    lists: int | None = None
    nprobe: int | None = None
    recall: Recall | None = None


@dataclass(frozen=True)
class RetrievalResult:
    """queries: one per query frame. features: `model` or `pose`; reason: why raw poses were used,
    empty when they were asked for or a model was used. left_out: video id -> why it was not
    searched. min_gap: seconds. files: written, in order."""

    queries: tuple[Query, ...]
    k: int
    per_video: int
    min_gap: float
    searched: Searched
    features: str
    run: str
    reason: str
    left_out: Mapping[str, str]
    files: tuple[Path, ...] = ()

    @property
    def agreement(self) -> float | None:
        """Share of the labelled hits that have their query's phase; None without labels."""
        known = [h.same_phase for q in self.queries for h in q.hits if h.same_phase is not None]
        return float(np.mean(known)) if known else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""

        def hit(found: Hit) -> dict[str, Any]:
            flags = {"phase": found.phase, "same_phase": found.same_phase}
            return asdict(found.neighbour) | flags

        return {
            "schema_version": SCHEMA_VERSION,
            "features": self.features,
            "reason": self.reason,
            "run": self.run if self.features == "model" else None,
            "k": self.k,
            "per_video": self.per_video,
            "min_gap": self.min_gap,
            "searched": asdict(self.searched),
            "phase_agreement": self.agreement,
            "left_out": dict(self.left_out),
            "queries": [
                {
                    "video": query.video,
                    "index": query.index,
                    "time": query.time,
                    "phase": query.phase,
                    "hits": [hit(found) for found in query.hits],
                }
                for query in self.queries
            ],
            "files": [str(file) for file in self.files],
        }
