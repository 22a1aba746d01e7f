"""The one distance between frames: a run's embedding, the base model's, and the joints' movement.

Each part says which moment of the movement a frame shows, with an error. How large it is depends on
the movement: on golf swings the base model errs least, on squats a trained network. Weights that
were measured without labels gained nothing on events that people set
(docs/decisions/0018-measured-weights.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.trained import run_header
from la2ds_cli.features.body_joints import is_body
from la2ds_cli.features.tempo import paced_movement

MOVEMENT_SPREAD = 1.5  # the counterpart of Embedder.spread for paced_movement, in its units


@dataclass(frozen=True)
class OneDistance:
    """The parts of the distance between two frames: the embeddings of a network, those of the base
    model, and the movement of the joints. Where one of them is wrong, the others mostly are not.

    spread: `Embedder.spread` of the network; if it is unknown (0), only the embeddings are used.
    movement, base: weights of the parts beside that of the embedding, 1; without both (0) the
    embedding is left as it is. base_spread: `Embedder.spread` of the base model.
    """

    spread: float
    movement: float = 0.0
    base: float = 0.0
    base_spread: float = 1.0

    @classmethod
    def of(cls, spread: float, settings: AlignConfig, base_spread: float = 0.0) -> OneDistance:
        """The distance that the settings ask for; base_spread: 0 = no base model."""
        if not spread:
            return cls(0.0)
        if not base_spread:
            return cls(spread, settings.movement)
        return cls(spread, settings.movement, settings.base, base_spread)

    @classmethod
    def of_run(
        cls, project: Project | None, run: str, pose: PoseSequence, settings: AlignConfig
    ) -> OneDistance:
        """The distance that the settings ask for, with a run's embeddings of clips like `pose`. The
        base model is left out if it is the run itself, if it does not read the skeleton, and if
        joints are compared in 3D, since it reads joints in the image."""
        with_base = settings.base and run != BASE_RUN and is_body(pose.skeleton)
        with_base = with_base and not pose.spatial
        base_spread = run_header(project, BASE_RUN).spread if with_base else 0.0
        return cls.of(run_header(project, run).spread, settings, base_spread)

    def features(
        self, pose: PoseSequence, embedding: FloatArray, base: FloatArray | None = None
    ) -> FloatArray:
        """Features (T, E) float32 whose squared distance is the sum of three: that of `embedding`
        (T, D) in units of its spread, `self.base` times that of the base model's embedding `base`
        in units of its own spread, and `self.movement` times that of the `paced_movement` of
        `pose`. Without the other two parts, the embedding itself. Raises ValueError if `base` is
        missing."""
        return self.joined(paced_movement(pose) if self.movement else None, embedding, base)

    def joined(
        self, moving: FloatArray | None, embedding: FloatArray, base: FloatArray | None = None
    ) -> FloatArray:
        """`features` of a clip whose `paced_movement` is known."""
        if not (self.movement or self.base):
            return embedding
        parts = [1 / self.spread * embedding]
        if self.base:
            if base is None:
                raise ValueError("the base model's embedding is part of this distance")
            parts.append(math.sqrt(self.base) / self.base_spread * base)
        if self.movement:
            if moving is None:
                raise ValueError("the movement is part of this distance")
            parts.append(math.sqrt(self.movement) / MOVEMENT_SPREAD * moving)
        return np.concatenate(parts, axis=1).astype(np.float32)
