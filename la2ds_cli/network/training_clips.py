"""Which clips of a project a run learns from, and which of them it holds out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.features.resample import evenly_spaced


def training_videos(project: Project) -> list[Video]:
    """Videos with poses to train on: those of the split `train` or, if there are none, all that are
    not in `test`."""
    return _to_train_on(project.posed_videos())


def some_training_videos(project: Project, most: int) -> list[Video]:
    """At most `most` of `training_videos`, evenly spaced by id if there are more.

    If all chosen clips have poses, the others are not examined, of which there may be 100,000.
    """
    chosen = _some(_to_train_on(project.videos()), most)
    if len(chosen) == most and all(project.pose_path(video.id).exists() for video in chosen):
        return chosen
    return _some(training_videos(project), most)


def _some(videos: list[Video], most: int) -> list[Video]:
    """At most `most` of the clips; if there are more, evenly spaced in the order of their ids."""
    if len(videos) <= most:
        return videos
    return evenly_spaced(sorted(videos, key=lambda video: video.id), most)


def _to_train_on(videos: list[Video]) -> list[Video]:
    return [v for v in videos if v.split == "train"] or [v for v in videos if v.split != "test"]


def held_out(videos: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """Ids of the clips that training holds out, and of all others: round(share * n) of them, chosen
    by a hash of the ids, but never all; none of fewer than 7 clips."""
    ordered = sorted(videos, key=lambda video: hashlib.sha256(video.encode()).hexdigest())
    most = len(videos) - 1
    count = min(round(share * len(videos)), most) if len(videos) >= 7 else 0
    return ordered[:count], ordered[count:]
