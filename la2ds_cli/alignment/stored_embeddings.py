"""The embeddings of a project's clips, for comparing them.

Embeddings of whole clips as filmed are read from the project, or computed and stored there.
Embeddings of other views and of parts of clips are computed from the joints each time. A network
that reads video frames sees every clip as filmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from la2ds_cli.alignment.clip_features import PosedClip
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import EmbeddingSequence, FloatArray, PoseSequence
from la2ds_cli.features.camera_views import seen
from la2ds_cli.network.embed import possible_embeddings, trained_meanwhile
from la2ds_cli.network.embedder import Embedder
from la2ds_cli.network.load_network import light_embedder, run_header

MOST_KEPT = 512  # embeddings in memory; a project may have 100,000 clips


class StoredEmbeddings:
    """The embeddings of clips of a project by one run, or by the base model."""

    def __init__(self, project: StoredProject, run: str, device: DeviceName = "auto") -> None:
        self._project, self._run = project, run
        self._device: DeviceName = device
        header = run_header(project, run)
        self.spread = header.spread
        self._sees_frames = header.input == "rgb"
        self._stored: dict[str, EmbeddingSequence] = {}
        self._embedder: Embedder | None = None
        self._whole = lru_cache(16)(lambda clip: project.read_pose(clip)[0])

    def load(self, clips: Sequence[str], progress: Progress = SILENT) -> dict[str, UserError]:
        """Read or compute the embeddings of clips as filmed, and return errors by clip id.

        Raises UserError (exit 5) for embeddings of different weights, and as `possible_embeddings`
        does.
        """
        return self._read(clips, progress)[1]

    def _read(
        self, clips: Sequence[str], progress: Progress = SILENT
    ) -> tuple[dict[str, EmbeddingSequence], dict[str, UserError]]:
        """Return the embeddings of clips as filmed, and errors, both by clip id; see `load`."""
        found = {clip: self._stored[clip] for clip in clips if clip in self._stored}
        new = [clip for clip in clips if clip not in found]
        if not new:
            return found, {}
        added, failed = possible_embeddings(self._project, self._run, new, self._device, progress)
        self._stored |= added
        for clip in list(self._stored)[: -max(MOST_KEPT, len(added))]:
            del self._stored[clip]
        if len({embedding.model for embedding in self._stored.values()}) > 1:
            raise trained_meanwhile(self._run)
        return found | added, failed

    def __call__(self, clip: PosedClip) -> FloatArray:
        """Return the embedding (T, D) float32 of a clip in a view."""
        pose = clip.pose
        as_filmed = clip.view == "filmed" or self._sees_frames
        if self.is_whole(pose):
            if as_filmed:
                found, failed = self._read([pose.clip])
                for error in failed.values():
                    raise error
                return found[pose.clip].value
            pose = self._whole(pose.clip)  # `clip` may have fewer joints
        if self._embedder is None:
            self._embedder = light_embedder(self._project, self._run, self._device)
        return self._embedder([pose if as_filmed else seen(pose, clip.view, clip.towards)])[0]

    def is_whole(self, pose: PoseSequence) -> bool:
        """Return whether `pose` has all frames of a clip of the project."""
        return bool(pose.clip) and np.array_equal(self._whole(pose.clip).frame, pose.frame)
