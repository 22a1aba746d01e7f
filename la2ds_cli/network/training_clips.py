"""Choose the clips of a project to train on, and the clips to hold out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from la2ds_cli.core.clip import Video, name_for_draws
from la2ds_cli.core.independence import Source, independent_groups
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features.resample import evenly_spaced

FEWEST_DIVIDED = 7  # with fewer clips, none is held out


def training_videos(project: StoredProject) -> list[Video]:
    """Return the clips with poses of the split `train` or, if there are none, all not in `test`."""
    return _to_train_on(project.posed_videos())


def some_training_videos(project: StoredProject, most: int) -> list[Video]:
    """Return at most `most` of `training_videos`, evenly spaced by id if there are more.

    If all chosen clips have poses, the others (there may be 100,000) are not examined.
    """
    chosen = _some(_to_train_on(project.videos()), most)
    if len(chosen) == most and all(project.pose_path(video.id).exists() for video in chosen):
        return chosen
    return _some(training_videos(project), most)


def _some(videos: list[Video], most: int) -> list[Video]:
    """Return at most `most` of the clips, evenly spaced in the order of their ids."""
    if len(videos) <= most:
        return videos
    return evenly_spaced(sorted(videos, key=lambda video: video.id), most)


def _to_train_on(videos: list[Video]) -> list[Video]:
    return [v for v in videos if v.split == "train"] or [v for v in videos if v.split != "test"]


@dataclass(frozen=True)
class HeldOut:
    """The division of clips for training.

    Attributes
    ----------
    held_out: ids of the clips that training never sees, for its validation.
    trained: ids of all others.
    new_performers: whether no performer of a held-out clip is in a trained clip, as far as
        videos.csv names performers.
    """

    held_out: list[str]
    trained: list[str]
    new_performers: bool = True


def hold_out(
    videos: Sequence[Video], share: float, source: Source, joints: Mapping[str, str] | None = None
) -> HeldOut:
    """Divide training clips so that no film is on both sides, and no performer if possible.

    Whole independent groups are held out in the order of a hash of the names of their clips
    (`name_for_draws`), up to round(share * n) clips; too large groups are passed over. If no
    performer can be held out with all clips within this share, as in a project with a single
    performer, only films are kept apart. At least one clip is left to train on, and nothing is held
    out of fewer than FEWEST_DIVIDED clips.

    Parameters
    ----------
    videos: the clips.
    share: of the clips to hold out.
    source, joints: as for `independent_groups`.
    """
    most = min(round(share * len(videos)), len(videos) - 1)
    if len(videos) < FEWEST_DIVIDED or most < 1:
        return HeldOut([], [video.id for video in videos])
    for performers in (True, False):
        groups = independent_groups(videos, source, joints, performers=performers)
        if held := _whole_groups(groups, most):
            break
    chosen = set(held)
    sides = [[v for v in videos if (v.id in chosen) == inside] for inside in (True, False)]
    names = [{video.group for video in side if video.group} for side in sides]
    others = [video.id for video in sides[1]]
    return HeldOut(held, sorted(others, key=_hash), names[0].isdisjoint(names[1]))


def _whole_groups(groups: Sequence[Sequence[Video]], most: int) -> list[str]:
    """Return the ids of whole groups with at most `most` clips in total, in the order of a hash."""
    hashed = [sorted((video.id for video in group), key=_hash) for group in groups]
    held: list[str] = []
    for group in sorted(hashed, key=lambda group: _hash(group[0])):
        if len(held) + len(group) <= most:
            held += group
    return held


def _hash(video: str) -> str:
    return hashlib.sha256(name_for_draws(video).encode()).hexdigest()
