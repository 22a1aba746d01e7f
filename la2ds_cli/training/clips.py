"""Which clips of a project a run learns from, whether they are enough, and their identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import Mismatch, Unusable
from la2ds_cli.core.project import Project
from la2ds_cli.features.resample import evenly_spaced

FEW_CLIPS = 10  # with fewer clips the user is warned
SMALL_SET = 20  # up to this many nobody can say beforehand whether training helps

Outlook = Literal["impossible", "unlikely", "possible", "likely"]


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


def training_skeleton(skeletons: Sequence[str]) -> str:
    """The skeleton of all training clips. skeletons: that of each clip.

    Raises UserError for fewer than 2 clips (exit 4) and for different skeletons (exit 5).
    """
    if len(skeletons) < 2:
        raise Unusable(
            f"training needs at least 2 clips with poses, found {len(skeletons)}",
            hint="la2ds extract-poses FOLDER; two clips align on raw poses without any training",
        )
    names = sorted(set(skeletons))
    if len(names) > 1:
        raise Mismatch(
            f"the training clips mix the skeletons {', '.join(names)}",
            hint="use one pose model, or one data set, per project",
        )
    return names[0]


def outlook(clips: int) -> tuple[Outlook, str]:
    """Whether training on this many clips is likely to help, and a sentence that says so."""
    if clips < 2:
        return "impossible", "training needs at least 2 clips with joints"
    if clips < FEW_CLIPS:
        said = f"only {clips} clips to learn from: training is unlikely to help"
        return "unlikely", f"{said}, and the clips can be aligned without it"
    if clips <= SMALL_SET:
        said = f"only {clips} clips to learn from: training may or may not help"
        return "possible", f"{said}; the verdict of the run says which, an evaluation measures it"
    said = f"{clips} clips are enough to learn from"
    return "likely", f"{said}; the verdict of the run says whether it is better than the base model"


def clips_digest(keys: Mapping[str, str]) -> str:
    """Identity of a set of training clips. keys: key of each clip's pose recipe, by video id."""
    pairs = sorted(f"{video}:{key}" for video, key in keys.items())
    return hashlib.sha256("\n".join(pairs).encode()).hexdigest()


def held_out(videos: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """Ids of the clips that training holds out, and of all others: round(share * n) of them, chosen
    by a hash of the ids, but never all; none of fewer than 7 clips."""
    ordered = sorted(videos, key=lambda video: hashlib.sha256(video.encode()).hexdigest())
    most = len(videos) - 1
    count = min(round(share * len(videos)), most) if len(videos) >= 7 else 0
    return ordered[:count], ordered[count:]
