"""By what clips are compared: their movement, or a network's embeddings, of any view of a clip.

A run's embedding, the base model's, and the joints' movement are one distance. Each says which
moment of the movement a frame shows, with an error. How large it is depends on the movement: on
golf swings the base model errs least, on squats a trained network. Weights that were measured
without labels gained nothing on events that people set (docs/decisions/0018-measured-weights.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Unusable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import EmbeddingSequence, FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.body_joints import is_body
from la2ds_cli.features.camera_views import seen
from la2ds_cli.network.embed import possible_embeddings, trained_meanwhile
from la2ds_cli.network.embedder import Embedder
from la2ds_cli.network.run_weights import run_header
from la2ds_cli.network.trained import light_base, light_embedder

ChosenKind = Literal["model", "base", "pose"]
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
        base = settings.base if spread and base_spread else 0.0
        return cls(spread, settings.movement if spread else 0.0, base, base_spread or 1.0)

    @classmethod
    def of_run(
        cls, project: Project | None, run: str, pose: PoseSequence, settings: AlignConfig
    ) -> OneDistance:
        """The distance that the settings ask for, with a run's embeddings of clips like `pose`. The
        base model is left out if it is the run itself, if it does not read the skeleton, and if
        joints are compared in 3D, since it reads joints in the image."""
        read = run != BASE_RUN and is_body(pose.skeleton) and not pose.spatial
        base_spread = run_header(project, BASE_RUN).spread if settings.base and read else 0.0
        return cls.of(run_header(project, run).spread, settings, base_spread)

    def features(
        self, moving: FloatArray, embedding: FloatArray, base: FloatArray | None = None
    ) -> FloatArray:
        """Features (T, E) float32 whose squared distance is the sum of three: that of `embedding`
        (T, D) in units of its spread, `self.base` times that of the base model's embedding `base`
        in units of its own spread, and `self.movement` times that of the `paced_movement` (T, 8K).
        Without the other two parts, the embedding itself. Raises ValueError if `base` is
        missing."""
        if not (self.movement or self.base):
            return embedding
        parts = [1 / self.spread * embedding]
        if self.base:
            if base is None:
                raise ValueError("the base model's embedding is part of this distance")
            parts.append(math.sqrt(self.base) / self.base_spread * base)
        if self.movement:
            parts.append(math.sqrt(self.movement) / MOVEMENT_SPREAD * moving)
        return np.concatenate(parts, axis=1).astype(np.float32)


def check_seen(pose: PoseSequence, name: str) -> None:
    """Raises UserError (exit 4) for a clip in which no joint was ever seen."""
    if np.isnan(pose.xy).all():
        raise Unusable(
            f"no joint was seen in {name}",
            hint="look at it with la2ds extract-poses --overlay sheet.png; a stronger --pose, or a "
            "lower joint_threshold under [poses] in project.toml, may see more",
        )


MOST_KEPT = 512  # embeddings in memory; a project may have 100,000 clips


class FeatureSource:
    """Features of clips: their movement, or for a network, its embeddings in one distance with
    those of the base model and with the movement.

    Embeddings of whole clips as filmed are read from the project, and stored there once computed.
    Those of other views are computed from the joints; a network that reads video frames sees every
    clip as filmed.
    """

    def __init__(
        self,
        project: Project | None,
        kind: ChosenKind,
        run: str,
        pose: PoseSequence,
        settings: AlignConfig,
        device: DeviceName = "auto",
    ) -> None:
        """project: None = clips in memory. kind: of the features. run: whose they are, if they are
        a run's. pose: any of the clips, all of which have its skeleton."""
        self.project, self.run = project, BASE_RUN if kind == "base" else run
        self.device: DeviceName = device
        self.distance = None
        if kind != "pose":
            self.distance = OneDistance.of_run(project, self.run, pose, settings)
        self._sees_frames = kind == "model" and run_header(project, self.run).input == "rgb"
        self._stored: dict[tuple[str, str], EmbeddingSequence] = {}
        self._embedders: dict[str, Embedder] = {}
        self._whole: PoseSequence | None = None  # the last clip with all its joints

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs whose embeddings are part of the features."""
        if self.distance is None:
            return ()
        return (self.run, BASE_RUN) if self.distance.base else (self.run,)

    def load(self, clips: Sequence[str], progress: Progress = SILENT) -> dict[str, UserError]:
        """Compute and keep the embeddings of clips as filmed; the errors of those that cannot be
        embedded, by id. Raises UserError (exit 5) for embeddings of different weights, and what
        `possible_embeddings` raises."""
        failed: dict[str, UserError] = {}
        for run in self.runs:
            new = [one for one in clips if one not in failed and (run, one) not in self._stored]
            if self.project is None or not new:
                continue
            found, problems = possible_embeddings(self.project, run, new, self.device, progress)
            failed |= problems
            self._stored |= {(run, one): value for one, value in found.items()}
            of_run = [key for key in self._stored if key[0] == run]
            for key in of_run[: -max(MOST_KEPT, len(found))]:
                del self._stored[key]
            if len({self._stored[key].model for key in of_run if key in self._stored}) > 1:
                raise trained_meanwhile(run)
        return failed

    def features(
        self,
        pose: PoseSequence,
        movement: FloatArray,
        view: View = "filmed",
        towards: PoseSequence | None = None,
        *,
        part: bool = False,
    ) -> FloatArray:
        """(T, E) float32 features of a clip in a view.

        movement: (T, 8K) its `paced_movement` in that view.
        towards: the clip that it is turned to (`seen`).
        part: the poses are a part of a clip, which is embedded without the rest.
        """
        if self.distance is None:
            return movement.astype(np.float32)
        embeddings = [self._embedding(run, pose, view, towards, part) for run in self.runs]
        base = embeddings[1] if len(embeddings) > 1 else None
        return self.distance.features(movement, embeddings[0], base).astype(np.float32)

    def _embedding(
        self, run: str, pose: PoseSequence, view: View, towards: PoseSequence | None, part: bool
    ) -> FloatArray:
        as_filmed = view == "filmed" or (self._sees_frames and run == self.run)
        if pose.clip and as_filmed and not part and self.project is not None:
            if (run, pose.clip) not in self._stored:
                for error in self.load([pose.clip]).values():
                    raise error
            return self._stored[run, pose.clip].value
        if run not in self._embedders:
            project = self.project
            self._embedders[run] = (
                light_base() if project is None else light_embedder(project, run, self.device)
            )
        if pose.clip and not part and self.project is not None:
            if self._whole is None or self._whole.clip != pose.clip:
                self._whole = self.project.read_pose(pose.clip)[0]
            pose = self._whole  # the joints given may be fewer
        return self._embedders[run]([pose if as_filmed else seen(pose, view, towards)])[0]
