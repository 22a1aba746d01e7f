"""The features by which a pair is matched, and those of its reference clips.

The movement of the joints decides which clips are mirrored and which rows of the pair are matched.
A run's embeddings are combined in one distance with those of the base model and with the movement
(one_distance.py). What several alignments to A share is kept in their AlignmentCache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.clip_features import (
    CLEARLY_NEARER,
    JointFeatures,
    joint_features,
    nearest_view,
    nearest_views,
    pose_feature,
    velocity_rate,
    views_of_b,
)
from la2ds_cli.alignment.consensus import MOST_CANDIDATES, AlignmentCache, choose_references
from la2ds_cli.alignment.gaps import (
    CLEAR,
    SharedRows,
    all_rows,
    frames_of_like_tempo,
    shared_rows,
)
from la2ds_cli.alignment.one_distance import OneDistance
from la2ds_cli.alignment.request import AlignRequest, PreparedPair
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.embed import ensure_embeddings, possible_embeddings
from la2ds_cli.embedding.trained import light_embedder
from la2ds_cli.features.body_joints import as_skeleton, holds
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.features.spatial import known_in_3d


class PairMovement(NamedTuple):
    """What the joints alone decide about a pair, whatever features match it. rate: `velocity_rate`.
    movement, mirrored: see _movement. rows: those that both clips show."""

    rate: float | None
    movement: list[FloatArray]
    mirrored: list[bool]
    rows: SharedRows


def pair_movement(
    pair: PreparedPair,
    references: Mapping[str, PoseSequence],
    settings: AlignConfig,
    cache: AlignmentCache,
) -> PairMovement:
    """The movement of the pair and of its reference clips."""
    rate = velocity_rate(pair.paced, pair.tempos)
    movement, mirrored = _movement(pair, references, rate, cache)
    rows = _rows(pair, movement, mirrored[1], settings)
    return PairMovement(rate, movement, mirrored, rows)


def reference_clips(
    project: Project, pair: PreparedPair, settings: AlignConfig, cache: AlignmentCache
) -> dict[str, PoseSequence]:
    """Poses of at most config.reference_clips clips that training uses, evenly spaced among their
    ids, excluding the pair; none for methods other than DTW and for a clip aligned with itself. A
    clip that cannot be read or compared is skipped. At most MOST_CANDIDATES clips are
    considered."""
    from la2ds_cli.training.data import some_training_videos

    a, b = pair.ids
    if not settings.uses_references or a == b:
        return {}
    listed = some_training_videos(project, MOST_CANDIDATES)
    names = sorted(video.id for video in listed if video.id not in pair.ids)
    skeleton, spatial = pair.poses[0].skeleton, pair.poses[0].spatial
    poses: dict[str, PoseSequence] = {}
    for video in names:
        if video in cache.usable:
            continue
        try:
            poses[video] = project.read_pose(video)[0]
            seen = not np.isnan(poses[video].xy).all() and holds(poses[video].skeleton, skeleton)
            cache.usable[video] = seen and (not spatial or known_in_3d(poses[video]))
        except UserError:
            cache.usable[video] = False
    chosen = choose_references([video for video in names if cache.usable[video]], settings)
    for video in chosen:  # poses of the other clips, which may be thousands, are not cached
        if video not in cache.poses:
            pose = poses[video] if video in poses else project.read_pose(video)[0]
            cache.poses[video] = replace(as_skeleton(pose, skeleton), spatial=spatial)
    return {video: cache.poses[video] for video in chosen}


def embedded_references(
    project: Project,
    pair: PreparedPair,
    request: AlignRequest,
    cache: AlignmentCache,
    progress: Progress,
) -> dict[str, PoseSequence]:
    """The reference clips. With a run, clips that it cannot embed, such as those without joints in
    3D, are left out, and the others are embedded, as is the pair if its clips are entire."""
    cached = cache.embeddings.setdefault(request.run, {})
    while True:
        references = reference_clips(project, pair, request.settings, cache)
        new = [video for video in references if video not in cached]
        if pair.choice.kind != "model" or not new:
            return references
        entire = () if pair.part else pair.ids
        wanted = [*(video for video in entire if video not in cached), *new]
        found, failed = possible_embeddings(project, request.run, wanted, request.device, progress)
        for video in pair.ids:
            if video in failed:
                raise failed[video]
        cached |= {video: found[video] for video in found if video != pair.ids[1]}
        cache.usable |= dict.fromkeys(failed, False)


def _embedded(
    project: Project,
    pair: PreparedPair,
    run: str,
    device: DeviceName,
    references: Sequence[str],
    progress: Progress,
    cache: AlignmentCache,
) -> list[FloatArray]:
    """Embeddings (T, D) of A, of B and of the references by a run's model."""
    videos = [*(() if pair.part else pair.ids), *references]
    cached = cache.embeddings.setdefault(run, {})
    new = [video for video in dict.fromkeys(videos) if video not in cached]
    computed = dict(zip(new, ensure_embeddings(project, run, new, device, progress), strict=True))
    embeddings = [(cached | computed)[video] for video in videos]
    cached |= {video: computed[video] for video in new if video != pair.ids[1]}
    if len({embedding.model for embedding in embeddings}) > 1:
        raise UserError(
            f"the embeddings of {pair.ids[0]} and {pair.ids[1]} come from different weights",
            hint=f"la2ds embed --run {run} --overwrite",
            exit_code=ExitCode.MISMATCH,
        )
    parts = light_embedder(project, run, device)(pair.poses) if pair.part else []
    return [*parts, *(embedding.value for embedding in embeddings)]


def in_one_distance(
    project: Project,
    pair: PreparedPair,
    request: AlignRequest,
    references: Mapping[str, PoseSequence],
    mirrored: Sequence[bool],
    progress: Progress,
    cache: AlignmentCache,
) -> list[FloatArray]:
    """Features (T, E) of A, of B and of the references: their embeddings combined in one distance
    with those of the base model and with the movement. mirrored: which of these clips are."""
    distance = OneDistance.of_run(project, request.run, pair.poses[0], request.settings)
    others = request.device, list(references), progress, cache
    poses = [*pair.paced, *references.values()]
    embeddings = _embedded(project, pair, request.run, *others)
    base = _embedded(project, pair, BASE_RUN, *others) if distance.base else None

    def joined(n: int) -> FloatArray:
        beside = None if base is None else base[n]
        pose = mirror(poses[n]) if mirrored[n] else poses[n]
        return distance.features(pose, embeddings[n], beside)

    shared = {0: pair.ids[0]} | dict(enumerate(references, start=2))  # all but B
    for n, video in shared.items():
        key = request.run, video, mirrored[n]
        if key not in cache.joined:
            cache.joined[key] = joined(n)
    features = {n: cache.joined[request.run, video, mirrored[n]] for n, video in shared.items()}
    return [features[n] if n in features else joined(n) for n in range(len(embeddings))]


def _movement(
    pair: PreparedPair,
    references: Mapping[str, PoseSequence],
    rate: float | None,
    cache: AlignmentCache,
) -> tuple[list[FloatArray], list[bool]]:
    """Movement of A, of B and of the references, each as filmed or mirrored, whichever is nearer to
    A, and which clips are mirrored. For B, the mirror image must be clearly nearer."""
    a = pose_feature(pair.paced[0], rate, pair.names[0])
    views = views_of_b(pair.paced[1], rate, pair.names[1])
    mirrored = [False, nearest_view(a, views, CLEARLY_NEARER) == 1]
    features = [a, views[mirrored[1]]]
    new = {
        video: views_of_b(pose, rate, "another clip")
        for video, pose in references.items()
        if (video, rate) not in cache.movements
    }
    nearest = nearest_views(a, list(new.values()))
    for (video, views), chosen in zip(new.items(), nearest, strict=True):
        cache.movements[video, rate] = views[chosen], chosen == 1
    for video in references:
        movement, flipped = cache.movements[video, rate]
        features.append(movement)
        mirrored.append(flipped)
    return features, mirrored


def _rows(
    pair: PreparedPair, movement: Sequence[FloatArray], mirrored: bool, settings: AlignConfig
) -> SharedRows:
    flipped = False, mirrored
    a, b = (
        joint_features(pose, moving, mirrored=flip, tempo=tempo)
        for pose, moving, flip, tempo in zip(
            pair.paced, movement[:2], flipped, pair.tempos, strict=True
        )
    )
    return rows_to_align(a, b, settings)


def rows_to_align(a: JointFeatures, b: JointFeatures, settings: AlignConfig) -> SharedRows:
    """The rows that both clips show; all rows if the settings turn gaps off.

    Gaps are found by the movement and by the raw poses, since a foreign span may move so much that
    the rest hardly seems to move in comparison.
    """
    if not settings.gaps or settings.method != "dtw":
        return all_rows(len(a.movement), len(b.movement))
    rates = a.rate, b.rate
    most = frames_of_like_tempo((len(a.movement), len(b.movement)), rates, (a.tempo, b.tempo))
    by_movement = shared_rows(a.movement, b.movement, rates, most=most)
    return by_movement.common(shared_rows(a.raw, b.raw, rates, CLEAR, most))
