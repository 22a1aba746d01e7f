"""Where in clip B each frame of clip A lies: features of both, the direct path, other clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.clip_features import (
    check_skeletons,
    common_rate,
    nearest_view,
    pose_feature,
    views_of_b,
)
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.alignment.routes import Kinds, Routes, choose_others, path_through
from la2ds_cli.config_sections import AlignConfig
from la2ds_cli.device import DeviceName
from la2ds_cli.embedding import ensure_embeddings, load_embedder
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.progress import Progress
from la2ds_cli.project import Project
from la2ds_cli.types import FloatArray, IntArray, PoseSequence


@dataclass(frozen=True)
class Match:
    """a (N, D), b (M, D): features as they were compared. path: (P, 2) whole frames. position:
    (N,) frames of B, NaN = no counterpart. others: clips that had a say."""

    a: FloatArray
    b: FloatArray
    path: IntArray
    position: FloatArray
    mirrored: bool = False
    others: int = 0


@dataclass(frozen=True)
class Pair:
    """The clips to align. names: as the user gave them, for messages. part: the poses are parts of
    the clips, which are then embedded as they are, without the rest."""

    videos: tuple[str, str]
    poses: tuple[PoseSequence, PoseSequence]
    names: tuple[str, str]
    part: bool = False


def match_by_pose(project: Project, pair: Pair, settings: AlignConfig) -> Match:
    """By the movement of the joints; B as filmed, or mirrored where that is nearer."""
    others = _other_clips(project, pair, settings)
    (a, b, *rest), mirrored = _movement(pair, list(others.values()))
    return _match([(a,), (b,)], [(value,) for value in rest], settings, mirrored)


def match_by_model(
    project: Project,
    run: str,
    pair: Pair,
    settings: AlignConfig,
    device: DeviceName,
    progress: Progress,
) -> Match:
    """By the embeddings of a run, made first where they are missing; with `pool`, routes by the
    movement of the joints vote too. UserError (exit 5) for embeddings of different weights."""
    others = _other_clips(project, pair, settings)
    embeddings = ensure_embeddings(project, run, [*pair.videos, *others], device, progress)
    if len({embedding.model for embedding in embeddings}) > 1:
        raise UserError(
            f"the embeddings of {pair.videos[0]} and {pair.videos[1]} come from different weights",
            hint=f"la2ds embed --run {run} --overwrite",
            exit_code=ExitCode.MISMATCH,
        )
    kinds: list[Kinds] = [(embedding.value,) for embedding in embeddings]
    if pair.part:
        kinds[:2] = [(value,) for value in load_embedder(project, run, device)(pair.poses)]
    if others and settings.pool:
        movement, _ = _movement(pair, list(others.values()))
        kinds = [(*kind, value) for kind, value in zip(kinds, movement, strict=True)]
    return _match(kinds[:2], kinds[2:], settings, mirrored=False)


def _match(
    pair: Sequence[Kinds], others: Sequence[Kinds], settings: AlignConfig, mirrored: bool
) -> Match:
    a, b = pair
    if not others:
        path = align_features(settings.method, a[0], b[0], settings)
        return Match(a[0], b[0], path, smooth_match(path, len(a[0])), mirrored)
    routes = Routes(others, settings)
    position = routes.match(a, routes.legs(a), b, routes.legs(b))
    return Match(a[0], b[0], path_through(position), position, mirrored, len(others))


def _other_clips(project: Project, pair: Pair, settings: AlignConfig) -> dict[str, PoseSequence]:
    """Poses of at most `routes` clips that training uses, evenly spread over their ids, without
    the pair; none for other methods than DTW and for a clip with itself. A clip that cannot be
    read or compared has no say."""
    from la2ds_cli.training.data import training_videos

    a, b = pair.videos
    if not settings.by_routes or a == b:
        return {}
    found = {}
    for video in sorted(v.id for v in training_videos(project) if v.id not in pair.videos):
        try:
            pose = project.read_pose(video)[0]
            check_skeletons(pair.poses[0], pose, (pair.names[0], video))
        except UserError:
            continue
        if not np.isnan(pose.xy).all():
            found[video] = pose
    return {video: found[video] for video in choose_others(list(found), settings)}


def _movement(pair: Pair, others: Sequence[PoseSequence]) -> tuple[list[FloatArray], bool]:
    """Movement of A, of B and of the others, each as filmed or mirrored, whichever is nearer to A;
    and whether B was mirrored."""
    fps = common_rate(list(pair.poses))
    a = pose_feature(pair.poses[0], fps, pair.names[0])
    clips = [(pair.poses[1], pair.names[1])] + [(pose, "another clip") for pose in others]
    features, chosen = [a], []
    for pose, name in clips:
        views = views_of_b(pose, fps, name)
        chosen.append(nearest_view(a, views))
        features.append(views[chosen[-1]])
    return features, chosen[0] == 1
