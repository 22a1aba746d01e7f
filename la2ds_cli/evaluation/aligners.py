"""How the evaluation aligns two clips: by given features, or as `align` does, in the nearest
view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from la2ds_cli.alignment.consensus import (
    PairwisePath,
    consensus,
    direct_match,
    pairwise_paths,
)
from la2ds_cli.alignment.viewpoint import choose_view
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.viewpoint import movements, possible_views, seen


class Aligner(Protocol):
    """prepare: computes what is needed of one clip, once for all its pairs. match: from that, the
    position (N,) float64 of each frame of A among B's frames, NaN = no counterpart."""

    def prepare(self, clip: Any) -> Any: ...

    def match(self, a: Any, b: Any) -> FloatArray: ...


class Direct:
    """By the method of `config`; clips are features (T, D)."""

    def __init__(self, config: AlignConfig) -> None:
        self.config = config

    def prepare(self, clip: FloatArray) -> FloatArray:
        return clip

    def match(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return direct_match(a, b, self.config)[1]


class ThroughClips:
    """Directly and through reference clips, which are computed when first needed; clips are
    features (T, D)."""

    def __init__(self, references: Callable[[], Sequence[FloatArray]], config: AlignConfig) -> None:
        self._compute = references
        self.config = config

    @cached_property
    def _references(self) -> Sequence[FloatArray]:
        return self._compute()

    def prepare(self, clip: FloatArray) -> tuple[FloatArray, list[PairwisePath]]:
        return clip, pairwise_paths(clip, self._references, self.config)

    def match(
        self, a: tuple[FloatArray, list[PairwisePath]], b: tuple[FloatArray, list[PairwisePath]]
    ) -> FloatArray:
        (own, paths_a), (other, paths_b) = a, b
        return consensus(own, paths_a, other, paths_b, self.config)[0]


class SeenClip:
    """A clip, and its features in any view, each computed when first needed.

    compute: features (T, D) of poses.
    """

    def __init__(self, pose: PoseSequence, compute: Callable[[PoseSequence], FloatArray]) -> None:
        self.pose = pose
        self._compute = compute
        self._known: dict[View, FloatArray] = {}

    @cached_property
    def _moving(self) -> Mapping[View, FloatArray]:
        views: tuple[View, ...] = ("filmed", "mirrored", "other")
        return movements(self.pose, views[:2] if self.pose.spatial else views)

    def view(self, towards: SeenClip) -> View:
        """The view that is nearest to another clip."""
        moving = dict(self._moving)
        if "turned" in possible_views(self.pose, towards.pose):
            moving |= movements(self.pose, ("turned",), towards.pose)
        return choose_view(towards._moving["filmed"], moving).view

    def features(self, view: View = "filmed", towards: SeenClip | None = None) -> FloatArray:
        """Features (T, D) in a view."""
        if view == "turned":
            return self._compute(seen(self.pose, view, towards and towards.pose))
        if view not in self._known:
            self._known[view] = self._compute(seen(self.pose, view))
        return self._known[view]


class InNearestView:
    """As `align`: B in the view that is nearest to A; clips are SeenClips."""

    def __init__(self, config: AlignConfig) -> None:
        self.config = config

    def prepare(self, clip: SeenClip) -> SeenClip:
        return clip

    def match(self, a: SeenClip, b: SeenClip) -> FloatArray:
        other = b.features(b.view(a), a)
        return direct_match(a.features(), other, self.config)[1]


class InOneView(ThroughClips):
    """As `align` with reference clips; clips are SeenClips, each in the view that is nearest to the
    first reference."""

    def __init__(self, references: Callable[[], Sequence[SeenClip]], config: AlignConfig) -> None:
        super().__init__(lambda: [self._seen(clip) for clip in self._clips], config)
        self._list = references

    @cached_property
    def _clips(self) -> Sequence[SeenClip]:
        return self._list()

    def _seen(self, clip: SeenClip) -> FloatArray:
        first = self._clips[0]
        return clip.features() if clip is first else clip.features(clip.view(first), first)

    def prepare(self, clip: Any) -> tuple[FloatArray, list[PairwisePath]]:
        return super().prepare(np.asarray(self._seen(clip)))
