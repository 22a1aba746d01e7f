"""Decide which clips are independent of each other, for every split, held-out set, verdict and
evaluation.

Two clips belong together if they have one of these in common:

* the source file, however its path is written: parts of a film and people in it;
* the content of the source (SHA-256): copies and renamed files;
* all joints of all frames: the same film in another container, which decodes to the same images;
* the performer (column `group` of videos.csv), if performers count.

This relation is transitive. A film that was encoded again has other images and joints; only its
`group` shows that it is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.types import PoseSequence

Source = Callable[[Video], Path]
"""The resolved source file of a clip (`StoredProject.source`)."""


def independent_groups(
    videos: Sequence[Video],
    source: Source,
    joints: Mapping[str, str] | None = None,
    *,
    performers: bool = True,
) -> list[list[Video]]:
    """Divide clips into groups that have no film and no performer in common.

    Parameters
    ----------
    videos
        The clips, each with an id of its own.
    source
        Resolves the source file of a clip.
    joints
        `joints_digest` by id, of the clips whose joints were read.
    performers
        Whether the clips of one performer belong together, too.

    Returns
    -------
    The groups in the order of their first clips, each in the order of `videos`.
    """
    joints = joints or {}
    parent = list(range(len(videos)))

    def root_of(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    first: dict[Hashable, int] = {}
    for number, video in enumerate(videos):
        for key in _marks(video, source, joints.get(video.id, ""), performers):
            low, high = sorted((root_of(number), root_of(first.setdefault(key, number))))
            parent[high] = low
    groups: dict[int, list[Video]] = {}
    for number, video in enumerate(videos):
        groups.setdefault(root_of(number), []).append(video)
    return list(groups.values())


def _marks(video: Video, source: Source, joints: str, performers: bool) -> Iterator[Hashable]:
    """Yield the marks of a clip; clips that share one belong together."""
    yield "file", source(video)
    yield "content", video.sha256
    if joints:
        yield "joints", joints
    if performers and video.group:
        yield "performer", video.group


def shared_film(
    some: Sequence[Video],
    others: Sequence[Video],
    source: Source,
    joints: Mapping[str, str] | None = None,
) -> tuple[Video, Video] | None:
    """Return a pair of clips, of `some` and of `others`, that show one film; None without one.

    It is the first such clip of `others`. A clip that is on both sides is returned twice.
    """
    either = {video.id: video for video in (*some, *others)}
    number = {
        video.id: n
        for n, group in enumerate(
            independent_groups(list(either.values()), source, joints, performers=False)
        )
        for video in group
    }
    by_id = {video.id: video for video in some}
    by_group: dict[int, Video] = {}
    for video in some:
        by_group.setdefault(number[video.id], video)
    for video in others:
        twin = by_id.get(video.id) or by_group.get(number[video.id])
        if twin is not None:
            return twin, video
    return None


def same_footage(videos: Sequence[Video], source: Source) -> dict[str, list[str]]:
    """Return the ids of other clips that show the same moments of a person, by id of a clip.

    They show one person of one film, and their parts of it overlap: a copy in another folder, or a
    part beside the whole. Clips without such others are left out.
    """
    same: dict[str, list[str]] = {}
    for group in independent_groups(videos, source, performers=False):
        parts = [(video, ClipOptions.from_text(video.options)) for video in group]
        for video, part in parts if len(parts) > 1 else ():
            ids = [
                other.id
                for other, shown in parts
                if other.id != video.id
                and other.person == video.person
                and max(part.start, shown.start) < min(part.end, shown.end)
            ]
            if ids:
                same[video.id] = ids
    return same


def joints_digest(pose: PoseSequence) -> str:
    """Return the SHA-256 of the joints of all frames, empty if none is ever seen."""
    if np.isnan(pose.xy).all():
        return ""
    return hashlib.sha256(np.ascontiguousarray(pose.xy).tobytes()).hexdigest()


def film_digests(videos: Iterable[Video], joints: Mapping[str, str]) -> list[str]:
    """Return all digests that identify the films of clips, also after the clips are gone."""
    digests = {digest for video in videos for digest in (video.sha256, joints.get(video.id, ""))}
    return sorted(digests - {""})
