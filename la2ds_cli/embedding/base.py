"""The base model at work: an alignment network that ships with la2ds (docs/base-model.md).

It needs no training by the user, and reads every skeleton of a body by the names of its joints.
"""

from __future__ import annotations

from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.embedder import Embedder
from la2ds_cli.features.body_joints import body_joints


class BaseEmbedder(Embedder):
    """Embeds poses of any skeleton of a body with the network of the base model; see Embedder."""

    def _embed(self, pose: PoseSequence) -> FloatArray:
        return super()._embed(body_joints(pose))
