"""Per-frame features used to compare clips.

Three features show which moment of the movement a frame belongs to, each with its own errors: a
run's embedding, the base model's embedding, and the movement of the joints. They are weighted and
concatenated, so that the squared distance of two frames is the weighted sum of three squared
distances. Which is best depends on the movement: on golf swings the base model, on squats a trained
network. Weights measured without labels gained nothing on events marked by people
(docs/decisions/0022-certainty.md).

`ClipFeatures` computes the features of a clip, in any view, once for all pairs that the clip is in.
Its cache never changes a result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from la2ds_cli.alignment.consensus import PairwisePath, pairwise_paths
from la2ds_cli.alignment.same_movement import (
    ClipDescription,
    SameMovement,
    compare_descriptions,
    describe,
)
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.memo import Memo
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.camera_views import movement_in_view, seen
from la2ds_cli.features.tempo import paced_movement

FeatureKind = Literal["model", "base", "pose"]
"""The embedding of a run, that of the base model, or the movement of the joints alone."""
MOVEMENT_SPREAD = 1.5
"""The counterpart of `Embedder.spread` for `paced_movement`, in its units."""


@dataclass(frozen=True)
class PosedClip:
    """A clip's joints and the view in which they are compared.

    towards: the clip that it is turned to, for the view `turned`.
    """

    pose: PoseSequence
    view: View = "filmed"
    towards: PoseSequence | None = None

    def seen(self) -> PoseSequence:
        """Return the joints as they look in the view."""
        return seen(self.pose, self.view, self.towards)

    @property
    def key(self) -> tuple[int, str, int]:
        """Identity in memory, valid as long as its poses are kept."""
        return id(self.pose), self.view, id(self.towards) if self.view == "turned" else 0


Embed = Callable[[PosedClip], FloatArray]
"""The embedding (T, D) float32 of a clip in a view, by some network."""


@dataclass(frozen=True)
class Embedding:
    """A network whose embeddings are part of the features.

    compute: returns the embedding of a clip in a view. spread: root mean square distance of its
    embeddings from the mean of their clip (`Embedder.spread`); 0 = unknown.
    """

    compute: Embed
    spread: float = 0.0


class ClipFeatures:
    """The features (T, E) of clips, each computed once.

    Parameters
    ----------
    compute: features (T, E) of a clip in a view; its second argument is this object, for the
        movement of the clip.
    kind: what the features are, for messages and results.
    run: name of the run, for results; empty unless kind is `model` or `base`.
    reason: sentence on why these features were chosen; empty if they were requested.
    memo: cache shared by several features of the same clips; None = its own.
    """

    def __init__(
        self,
        compute: Callable[[PosedClip, ClipFeatures], FloatArray],
        kind: FeatureKind = "pose",
        run: str = "",
        reason: str = "",
        memo: Memo | None = None,
    ) -> None:
        self._compute, self._memo = compute, memo or Memo()
        self.kind: FeatureKind = kind
        self.run, self.reason = run, reason

    def __call__(self, clip: PosedClip) -> FloatArray:
        """Return the features (T, E) float32 of a clip in a view."""
        return self._memo.once(
            ("features", id(self), clip.key),
            (self, clip),
            lambda: self._compute(clip, self).astype(np.float32),
        )

    def movement(self, clip: PosedClip) -> FloatArray:
        """Return the `paced_movement` (T, 8K) of a clip in a view."""
        if clip.view == "filmed":
            return self._memo.once(("movement", clip.key), clip, lambda: paced_movement(clip.pose))
        filmed = self.movement(PosedClip(clip.pose))
        return self._memo.once(
            ("movement", clip.key),
            clip,
            lambda: movement_in_view(filmed, clip.pose, clip.view, clip.towards),
        )

    def embedding(self, network: Embedding, clip: PosedClip) -> FloatArray:
        """Return the embedding (T, D) of a clip in its view by a network."""
        key = ("embedding", id(network), clip.key)
        return self._memo.once(key, (network, clip), lambda: network.compute(clip))

    def same_movement(self, a: PosedClip, b: PosedClip) -> SameMovement | None:
        """Return whether clips A and B show the same movement; None = it cannot be judged."""
        return self._memo.once(
            ("same movement", a.key, b.key),
            (a, b),
            lambda: compare_descriptions(self._description(a), self._description(b)),
        )

    def _description(self, clip: PosedClip) -> ClipDescription | None:
        return self._memo.once(("description", clip.key), clip, lambda: describe(clip.seen()))

    def paths(
        self, clip: PosedClip, others: Sequence[PosedClip], settings: AlignConfig
    ) -> list[PairwisePath]:
        """Return the DTW path between the features of a clip and of each of the others."""
        return self._memo.each(
            [("path", id(self), clip.key, other.key, settings) for other in others],
            [(self, clip, other) for other in others],
            lambda new: pairwise_paths(self(clip), [self(others[n]) for n in new], settings),
        )


def movement_features(reason: str = "", memo: Memo | None = None) -> ClipFeatures:
    """Return features that are the movement of the joints alone.

    Parameters
    ----------
    reason: sentence on why these features were chosen; empty if they were requested.
    memo: cache, see ClipFeatures.
    """
    return ClipFeatures(lambda clip, features: features.movement(clip), reason=reason, memo=memo)


def network_features(
    network: Embedding,
    settings: AlignConfig,
    base: Embedding | None = None,
    *,
    kind: FeatureKind = "model",
    run: str = "",
    reason: str = "",
    memo: Memo | None = None,
) -> ClipFeatures:
    """Return features that combine a network's embedding, the base model's and the movement.

    The squared distance of two frames is a sum of three squared distances: of the embedding, of the
    base model's embedding (times `settings.base`), both in units of their spread, and of the
    movement (times `settings.movement`). If the spread of the network is unknown, or both weights
    are 0, the features are the embedding itself.

    Parameters
    ----------
    network: computes the embedding.
    settings: weights of the base model and of the movement.
    base: the base model; None = not part of the features.
    kind, run, reason, memo: see ClipFeatures.
    """
    weight_base = settings.base if base is not None and base.spread and network.spread else 0.0
    weight_movement = settings.movement if network.spread else 0.0

    def compute(clip: PosedClip, features: ClipFeatures) -> FloatArray:
        embedding = features.embedding(network, clip)
        if not (weight_base or weight_movement):
            return embedding
        parts = [1 / network.spread * embedding]
        if weight_base and base is not None:
            parts.append(math.sqrt(weight_base) / base.spread * features.embedding(base, clip))
        if weight_movement:
            parts.append(math.sqrt(weight_movement) / MOVEMENT_SPREAD * features.movement(clip))
        return np.concatenate(parts, axis=1)

    return ClipFeatures(compute, kind, run, reason, memo)
