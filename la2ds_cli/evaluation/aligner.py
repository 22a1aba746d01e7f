"""How the evaluation aligns two clips: by features of their frames, in the nearest view as `align`
does, directly or through reference clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from la2ds_cli.alignment.consensus import consensus, direct_match, pairwise_paths
from la2ds_cli.alignment.pair import choose_view
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.camera_views import movements, possible_views, seen


class SeenClip:
    """A clip, and its features in any view, each computed when first needed.

    compute: features (T, D) of poses. filmed: it is compared as filmed alone.
    """

    def __init__(
        self,
        pose: PoseSequence,
        compute: Callable[[PoseSequence], FloatArray],
        *,
        filmed: bool = False,
    ) -> None:
        self.pose, self.filmed = pose, filmed
        self._compute = compute
        self._known: dict[View, FloatArray] = {}

    @cached_property
    def _moving(self) -> Mapping[View, FloatArray]:
        views: tuple[View, ...] = ("filmed", "mirrored", "other")
        return movements(self.pose, views[:2] if self.pose.spatial else views)

    def features(self, view: View = "filmed", towards: SeenClip | None = None) -> FloatArray:
        """Features (T, D) in a view."""
        if view == "turned":
            return self._compute(seen(self.pose, view, towards and towards.pose))
        if view not in self._known:
            self._known[view] = self._compute(seen(self.pose, view))
        return self._known[view]

    def view(self, towards: SeenClip) -> View:
        """The view that is nearest to another clip."""
        moving = dict(self._moving)
        if "turned" in possible_views(self.pose, towards.pose):
            moving |= movements(self.pose, ("turned",), towards.pose)
        return choose_view(towards._moving["filmed"], moving).view

    def nearest(self, towards: SeenClip) -> FloatArray:
        """Features (T, D) in the view that is nearest to another clip."""
        if self.filmed or self is towards:
            return self.features()
        return self.features(self.view(towards), towards)


class Aligner(Protocol):
    """prepare: computes what is needed of clips, once for all their pairs. match: from that, the
    position (N,) float64 of each frame of A among B's frames, NaN = no counterpart."""

    def prepare(self, poses: Sequence[PoseSequence], /) -> Sequence[Any]: ...

    def match(self, a: Any, b: Any, /) -> FloatArray: ...


Clips = Callable[[Sequence[PoseSequence]], list[SeenClip]]


class Direct:
    """By the method of `config`, with B in the view that is nearest to A."""

    def __init__(self, clips: Clips, config: AlignConfig) -> None:
        self.prepare, self.config = clips, config

    def match(self, a: SeenClip, b: SeenClip) -> FloatArray:
        return direct_match(a.features(), b.nearest(a), self.config)[1]


class ThroughClips:
    """Directly and through reference clips; every clip in the view that is nearest to the first
    reference."""

    def __init__(
        self, clips: Clips, config: AlignConfig, references: Sequence[PoseSequence]
    ) -> None:
        self.clips, self.config, self._poses = clips, config, references

    @cached_property
    def _references(self) -> tuple[SeenClip, list[FloatArray]]:
        clips = self.clips(self._poses)
        return clips[0], [clip.nearest(clips[0]) for clip in clips]

    def prepare(self, poses: Sequence[PoseSequence]) -> list[Any]:
        first, others = self._references
        own = [clip.nearest(first) for clip in self.clips(poses)]
        return [(value, pairwise_paths(value, others, self.config)) for value in own]

    def match(self, a: Any, b: Any) -> FloatArray:
        (own, paths_a), (other, paths_b) = a, b
        return consensus(own, paths_a, other, paths_b, self.config)[0]
