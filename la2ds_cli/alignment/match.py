"""Where in clip B each frame of clip A lies: features of both, the direct path, other clips."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from la2ds_cli.alignment.clip_features import (
    check_skeletons,
    common_rate,
    nearest_view,
    pose_feature,
    views_of_b,
)
from la2ds_cli.alignment.confidence import Certainty, certainty
from la2ds_cli.alignment.gaps import CLEAR, SharedRows, all_rows, shared_rows
from la2ds_cli.alignment.kept import Kept
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.alignment.routes import (
    Kinds,
    Routes,
    agree,
    choose_others,
    disagreement,
    path_through,
)
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.embedding.embed import ensure_embeddings, load_embedder
from la2ds_cli.features.pose_features import mirror, raw_pose

# Symmetric movements are as near to their mirror image by chance; B is shown flipped if mirrored.
CLEARLY = 0.9


@dataclass(frozen=True)
class Match:
    """a (N, D), b (M, D): features as they were compared. path: (P, 2) whole frames. position:
    (N,) frames of B, NaN = no counterpart. certainty: of every frame of A. others: clips that had
    a say."""

    a: FloatArray
    b: FloatArray
    path: IntArray
    position: FloatArray
    certainty: Certainty
    mirrored: bool = False
    others: int = 0


@dataclass(frozen=True)
class Joints:
    """What a clip's joints say of it, as filmed or mirrored. movement (T, 8K); plain (T, F): raw
    pose; rate: frames per second."""

    movement: FloatArray
    plain: FloatArray
    rate: float


def joints_of(pose: PoseSequence, movement: FloatArray, *, mirrored: bool) -> Joints:
    """Of a clip whose `movement`, as filmed or mirrored, is known."""
    return Joints(movement, raw_pose(mirror(pose) if mirrored else pose), common_rate([pose]))


@dataclass(frozen=True)
class Pair:
    """The clips to align. names: as the user gave them, for messages. part: the poses are parts of
    the clips, which are then embedded as they are, without the rest."""

    videos: tuple[str, str]
    poses: tuple[PoseSequence, PoseSequence]
    names: tuple[str, str]
    part: bool = False


def match_by_pose(
    project: Project, pair: Pair, settings: AlignConfig, kept: Kept | None = None
) -> Match:
    """By the movement of the joints; B as filmed, or mirrored where that is nearer. kept: from
    other alignments to clip A."""
    kept = _kept(kept, pair)
    others = _other_clips(project, pair, settings, kept)
    movement, mirrored = _movement(pair, others, kept)
    kinds = [(value,) for value in movement]
    rows = _rows(pair, movement, mirrored, settings)
    return _match(pair, kinds, list(others), settings, "pose", rows, mirrored, kept)


def match_by_model(
    project: Project,
    run: str,
    pair: Pair,
    settings: AlignConfig,
    device: DeviceName,
    progress: Progress,
    kept: Kept | None = None,
) -> Match:
    """By the embeddings of a run, made first where they are missing; with `pool`, routes by the
    movement of the joints vote too. Whether B is mirrored is told by the movement; the embeddings
    are as filmed, since networks that saw flipped copies do not mind. kept: from other alignments
    to clip A. UserError (exit 5) for embeddings of different weights."""
    kept = _kept(kept, pair)
    others = _other_clips(project, pair, settings, kept)
    videos = [*pair.videos, *others]
    new = [video for video in dict.fromkeys(videos) if video not in kept.embeddings]
    found = dict(zip(new, ensure_embeddings(project, run, new, device, progress), strict=True))
    embeddings = [(kept.embeddings | found)[video] for video in videos]
    kept.embeddings |= {video: found[video] for video in new if video != pair.videos[1]}
    if len({embedding.model for embedding in embeddings}) > 1:
        raise UserError(
            f"the embeddings of {pair.videos[0]} and {pair.videos[1]} come from different weights",
            hint=f"la2ds embed --run {run} --overwrite",
            exit_code=ExitCode.MISMATCH,
        )
    kinds: list[Kinds] = [(embedding.value,) for embedding in embeddings]
    if pair.part:
        kinds[:2] = [(value,) for value in load_embedder(project, run, device)(pair.poses)]
    movement, mirrored = _movement(pair, others, kept)
    if others and settings.pool:
        kinds = [(*kind, value) for kind, value in zip(kinds, movement, strict=True)]
    rows = _rows(pair, movement, mirrored, settings)
    return _match(pair, kinds, list(others), settings, "model", rows, mirrored, kept)


def _kept(kept: Kept | None, pair: Pair) -> Kept:
    return Kept() if kept is None else kept.of(pair.videos[0], part=pair.part)


def _match(
    pair: Pair,
    kinds: Sequence[Kinds],
    names: Sequence[str],
    settings: AlignConfig,
    kind: Literal["model", "pose"],
    rows: SharedRows,
    mirrored: bool,
    kept: Kept,
) -> Match:
    """kinds: features of A, of B and of the other clips, whose ids are `names`."""
    whole_a, whole_b, *others = kinds

    def votes(a: Kinds, b: Kinds) -> FloatArray:
        routes = Routes(others, settings)
        place = (common_rate(list(pair.poses)), rows.a.tobytes())
        named = dict(zip(names, others, strict=True))
        legs_a = kept.legs_of_a(a, named, place, settings)
        return routes.votes(a, legs_a, b, routes.legs(b))

    found = match_features(whole_a, whole_b, rows, settings, kind, votes if others else None)
    return replace(found, mirrored=mirrored, others=len(others))


def match_features(
    whole_a: Kinds,
    whole_b: Kinds,
    rows: SharedRows,
    settings: AlignConfig,
    kind: Literal["model", "pose"],
    votes: Callable[[Kinds, Kinds], FloatArray] | None,
) -> Match:
    """The match of the `rows` of two clips. kind: what the first kind of their features is. votes:
    of the other clips on such rows of A and B (Routes.votes); None where they have no say."""
    a, b = tuple(x[rows.a] for x in whole_a), tuple(x[rows.b] for x in whole_b)
    spread = None
    if votes is not None:
        found = votes(a, b)
        position, spread = agree(found[0], found, len(b[0])), disagreement(found)
        path = path_through(position)
    else:
        path = align_features(settings.method, a[0], b[0], settings)
        position = smooth_match(path, len(a[0]))
    skip = settings.skip_cost if settings.open_ends and settings.method == "dtw" else math.inf
    sure = certainty(a[0], b[0], position, kind=kind, skip=skip, votes=spread)
    return Match(
        a=whole_a[0],
        b=whole_b[0],
        path=rows.path(path),
        position=rows.position(position),
        certainty=sure.over(rows),
    )


def rows_to_align(a: Joints, b: Joints, settings: AlignConfig) -> SharedRows:
    """What both clips show; all of them where the settings want no gaps.

    By their movement; and by the plain poses, since a foreign span may be so large that the rest
    seems to hardly move beside it.
    """
    if not settings.gaps or settings.method != "dtw":
        return all_rows(len(a.movement), len(b.movement))
    rates = a.rate, b.rate
    by_movement = shared_rows(a.movement, b.movement, rates)
    return by_movement.common(shared_rows(a.plain, b.plain, rates, CLEAR))


def _rows(
    pair: Pair, movement: Sequence[FloatArray], mirrored: bool, settings: AlignConfig
) -> SharedRows:
    pose_a, pose_b = pair.poses
    a = joints_of(pose_a, movement[0], mirrored=False)
    return rows_to_align(a, joints_of(pose_b, movement[1], mirrored=mirrored), settings)


def _other_clips(
    project: Project, pair: Pair, settings: AlignConfig, kept: Kept
) -> dict[str, PoseSequence]:
    """Poses of at most `routes` clips that training uses, evenly spread over their ids, without
    the pair; none for other methods than DTW and for a clip with itself. A clip that cannot be
    read or compared has no say."""
    from la2ds_cli.training.data import training_videos

    a, b = pair.videos
    if not settings.by_routes or a == b:
        return {}
    names = sorted(v.id for v in training_videos(project) if v.id not in pair.videos)
    read: dict[str, PoseSequence] = {}
    for video in names:
        if video in kept.usable:
            continue
        try:
            read[video] = project.read_pose(video)[0]
            check_skeletons(pair.poses[0], read[video], (pair.names[0], video))
            kept.usable[video] = not np.isnan(read[video].xy).all()
        except UserError:
            kept.usable[video] = False
    chosen = choose_others([video for video in names if kept.usable[video]], settings)
    for video in chosen:  # the poses of the others, which may be thousands, are not kept
        if video not in kept.poses:
            kept.poses[video] = read[video] if video in read else project.read_pose(video)[0]
    return {video: kept.poses[video] for video in chosen}


def _movement(
    pair: Pair, others: Mapping[str, PoseSequence], kept: Kept
) -> tuple[list[FloatArray], bool]:
    """Movement of A, of B and of the others, each as filmed or mirrored, whichever is nearer to A;
    and whether B was mirrored, for which it must be clearly nearer."""
    fps = common_rate(list(pair.poses))
    a = pose_feature(pair.poses[0], fps, pair.names[0])
    views = views_of_b(pair.poses[1], fps, pair.names[1])
    mirrored = nearest_view(a, views, CLEARLY) == 1
    features = [a, views[mirrored]]
    for video, pose in others.items():
        if (video, fps) not in kept.movements:
            views = views_of_b(pose, fps, "another clip")
            kept.movements[video, fps] = views[nearest_view(a, views)]
        features.append(kept.movements[video, fps])
    return features, mirrored
