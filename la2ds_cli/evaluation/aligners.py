"""Ways to align two clips under evaluation: by their own features, or through reference clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

from la2ds_cli.alignment.clip_features import nearest_view
from la2ds_cli.alignment.consensus import Consensus, Modalities, PairwisePath
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray

Views = tuple[FloatArray, ...]
"""Features (T, D) of one clip. `Direct` takes them as several ways to see the clip (mirrored): A by
the first, B by any. `ByConsensus` takes them as modalities that are used together."""
PathFunction = Callable[[FloatArray, Views], IntArray]
"""Path (P, 2) from the first view of A (N, D) to the views of B, each (M, D)."""


class Aligner(Protocol):
    """prepare: what is needed of one clip, computed once for all its pairs. match: (N,) float64
    where among B's frames each frame of A lies, NaN = no counterpart, from what was prepared."""

    def prepare(self, clip: Views) -> Any: ...

    def match(self, a: Any, b: Any) -> FloatArray: ...


class Direct:
    """The path between the two clips, smoothed to fractions of a frame."""

    def __init__(self, path: PathFunction) -> None:
        self.path = path

    def prepare(self, clip: Views) -> Views:
        return clip

    def match(self, a: Views, b: Views) -> FloatArray:
        return smooth_match(self.path(a[0], b), len(a[0]))


class ByConsensus:
    """The direct path and paths through reference clips, which are asked for when first needed."""

    def __init__(self, references: Callable[[], Sequence[Modalities]], config: AlignConfig) -> None:
        self._references = references
        self._config = config

    @cached_property
    def _consensus(self) -> Consensus:
        return Consensus(self._references(), self._config)

    def prepare(self, clip: Views) -> tuple[Views, list[list[PairwisePath]]]:
        return clip, self._consensus.pairwise_paths(clip)

    def match(
        self, a: tuple[Views, list[list[PairwisePath]]], b: tuple[Views, list[list[PairwisePath]]]
    ) -> FloatArray:
        return self._consensus.match(*a, *b)


def align_views(config: AlignConfig) -> Direct:
    """Path by the method of `config`, to the nearest of several views of B."""

    def path(a: FloatArray, views: Views) -> IntArray:
        b = views[0] if len(views) == 1 else views[nearest_view(a, views)]
        return align_features(config.method, a, b, config)

    return Direct(path)
