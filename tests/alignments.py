"""An alignment with the files it writes, as the command makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment import aligned_repetitions
from la2ds_cli.alignment import request as choices
from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.path import speed_ratio
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import EmbeddingSequence, FloatArray, PoseSequence
from la2ds_cli.network import embed
from la2ds_cli.views.alignment_files import AN_ALIGNMENT, write_alignment, write_repetitions
from tests.movement import figure, pose_of


def align(
    project: StoredProject,
    a: str,
    b: str,
    *,
    config: Config,
    out: Iterable[Path] = (),
    progress: Progress = SILENT,
    **options: Any,
) -> Alignment:
    """Align clip `b` to clip `a` and write the files; options: of AlignRequest."""
    targets = checked_outputs(project, out, *AN_ALIGNMENT)
    result = align_clips(project, a, b, AlignRequest(config, **options), progress)
    return write_alignment(project, result, targets, progress)


def align_each_repetition(
    project: StoredProject,
    a: str,
    b: str,
    *,
    config: Config,
    repetition: str,
    out: Iterable[Path] = (),
    progress: Progress = SILENT,
    **options: Any,
) -> aligned_repetitions.RepetitionsResult:
    """The same for the repetitions of a clip."""
    targets = checked_outputs(project, out, *AN_ALIGNMENT)
    request = AlignRequest(config, **options)
    result = aligned_repetitions.align_repetitions(project, a, b, request, repetition, progress)
    return write_repetitions(project, result, targets, progress)


def timed(time: FloatArray) -> PoseSequence:
    """A figure that stands still, seen at these seconds."""
    return pose_of(figure(np.zeros(len(time))), time=time)


def moving(time: FloatArray) -> PoseSequence:
    """A figure that moves up and down all the time, seen at these seconds."""
    return pose_of(figure(np.abs(time % 2 - 1)), time=time)


def matched(
    position: FloatArray, pose_a: PoseSequence, pose_b: PoseSequence, **fields: Any
) -> Alignment:
    """What is matched by these positions (N,) in B, NaN = no counterpart: each frame with the
    nearest one, surely and exactly, but for `fields`."""
    position = np.asarray(position, np.float64)
    rows = np.flatnonzero(~np.isnan(position))
    plain = {
        "path": np.stack([rows, np.rint(position[rows]).astype(int)], axis=1),
        "confidence": np.where(np.isnan(position), 0.0, 1.0),
        "low": position,
        "high": position,
        "another_end": np.zeros(len(position), bool),
        "unlike": np.zeros(len(position), bool),
        "speed_ratio": speed_ratio(position, pose_a.time, pose_b.time),
        "overall_ratio": 1.0,
        "compared": (np.zeros((len(pose_a), 1)), np.zeros((len(pose_b), 1))),
        "features": "pose",
        "run": "",
        "reason": "",
        "settings": AlignConfig(),
    }
    chosen = plain | fields
    cost = chosen.pop("cost", np.zeros(len(chosen["path"])))
    return Alignment(pose_a=pose_a, pose_b=pose_b, position=position, cost=cost, **chosen)


def stand_in_run(
    monkeypatch: pytest.MonkeyPatch, value: Callable[[str, PoseSequence], FloatArray]
) -> list[str]:
    """A run `tuned` whose embedding of a clip is value(clip, its poses); clips as they are asked
    for."""
    asked: list[str] = []

    def embeddings(project, run, videos) -> dict[str, EmbeddingSequence]:
        asked.extend(videos)
        poses = {video: project.read_pose(video)[0] for video in videos}
        return {
            video: EmbeddingSequence(value(video, pose), pose.frame, pose.time, "weights")
            for video, pose in poses.items()
        }

    monkeypatch.setattr(choices, "has_model", lambda project, run: run == "tuned")
    monkeypatch.setattr(embed, "_current_embeddings", embeddings)
    return asked
