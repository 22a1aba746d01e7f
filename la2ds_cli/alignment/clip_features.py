"""By what clips are compared: their movement, or a network's embeddings, of any view of a clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.alignment.one_distance import OneDistance
from la2ds_cli.alignment.request import AlignRequest, ChosenKind
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import EmbeddingSequence, FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.embedding.embed import possible_embeddings
from la2ds_cli.embedding.embedder import Embedder
from la2ds_cli.embedding.trained import light_base, light_embedder, run_header
from la2ds_cli.features.viewpoint import seen


def check_seen(pose: PoseSequence, name: str) -> None:
    """Raises UserError (exit 4) for a clip in which no joint was ever seen."""
    if np.isnan(pose.xy).all():
        raise UserError(
            f"no joint was seen in {name}",
            hint="look at it with la2ds extract-poses --overlay sheet.png; a stronger --pose, or a "
            "lower joint_threshold under [poses] in project.toml, may see more",
            exit_code=ExitCode.UNUSABLE,
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
        self, project: Project | None, request: AlignRequest, kind: ChosenKind, pose: PoseSequence
    ) -> None:
        """project: None = clips in memory. kind: of the features. pose: any of the clips, all of
        which have its skeleton."""
        self.project, self.run = project, BASE_RUN if kind == "base" else request.run
        self.device: DeviceName = request.device
        self.distance = None
        if kind != "pose":
            self.distance = OneDistance.of_run(project, self.run, pose, request.settings)
        self._sees_frames = kind == "model" and run_header(project, self.run).input == "rgb"
        self._stored: dict[tuple[str, str], EmbeddingSequence] = {}
        self._embedders: dict[str, Embedder] = {}
        self._last: PoseSequence | None = None

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs whose embeddings are part of the features."""
        if self.distance is None:
            return ()
        return (self.run, BASE_RUN) if self.distance.base else (self.run,)

    def load(self, clips: Sequence[str], progress: Progress | None = None) -> dict[str, UserError]:
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
                raise UserError(
                    f"the embeddings of run {run} come from different weights",
                    hint=f"la2ds embed --run {run} --overwrite",
                    exit_code=ExitCode.MISMATCH,
                )
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
        return self.distance.joined(movement, embeddings[0], base).astype(np.float32)

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
            pose = self._whole(self.project, pose.clip)
        return self._embedders[run]([pose if as_filmed else seen(pose, view, towards)])[0]

    def _whole(self, project: Project, clip: str) -> PoseSequence:
        """A clip with all of its joints, of which others may not have all. The last one is kept,
        since a pair is compared in several views."""
        if self._last is None or self._last.clip != clip:
            self._last = project.read_pose(clip)[0]
        return self._last
