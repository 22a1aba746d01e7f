"""Step: which frame of one clip shows the same moment as which frame of another.

Read it from the top: both clips are prepared (request.py), their features computed, spans that only
one of them shows set aside (gaps.py), what is left aligned by a method (methods/) or, by several
paths through reference clips, by consensus (consensus.py), and every frame of A given its
confidence (confidence.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from la2ds_cli.alignment.clip_features import (
    CLEARLY_NEARER,
    JointFeatures,
    OneDistance,
    joint_features,
    nearest_view,
    pose_feature,
    velocity_rate,
    views_of_b,
)
from la2ds_cli.alignment.confidence import certainty
from la2ds_cli.alignment.consensus import (
    MOST_CANDIDATES,
    AlignmentCache,
    Consensus,
    Modalities,
    choose_references,
    consensus_position,
    path_through,
)
from la2ds_cli.alignment.distance import pair_distance
from la2ds_cli.alignment.gaps import (
    CLEAR,
    SharedRows,
    all_rows,
    frames_of_like_tempo,
    shared_rows,
)
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import is_monotone, smooth_match, speed_ratio
from la2ds_cli.alignment.request import (
    AlignRequest,
    PreparedPair,
    prepare_pair,
)
from la2ds_cli.alignment.result import AlignResult, Match
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, Project
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence
from la2ds_cli.embedding.embed import ensure_embeddings
from la2ds_cli.embedding.trained import load_embedder
from la2ds_cli.features.body_joints import as_skeleton, holds
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.features.spatial import known_in_3d


def find_alignment(
    project: Project,
    a: str,
    b: str,
    request: AlignRequest,
    progress: Progress | None = None,
    cache: AlignmentCache | None = None,
) -> AlignResult:
    """Align clip `b` to clip `a`; poses and embeddings that are missing are computed first.

    a, b: video files, or names of clips of the project. With raw poses B is also tried mirrored,
    and the nearer of the two is taken. cache: for several clips that are aligned to `a` by the same
    request; it saves time and changes nothing else.

    Raises UserError (exit 2) for an unknown method, (exit 4) for a clip without joints or a run
    without weights, (exit 5) for clips whose skeletons share none, and what extracting poses
    raises.
    """
    progress = progress or Progress()
    pair = prepare_pair(project, a, b, request, progress)
    return align_pair(project, pair, request, progress, cache)


def align_pair(
    project: Project,
    pair: PreparedPair,
    request: AlignRequest,
    progress: Progress | None = None,
    cache: AlignmentCache | None = None,
) -> AlignResult:
    """Align two prepared clips, or parts of them; see find_alignment."""
    progress = progress or Progress()
    request = replace(request, run=pair.choice.run(request.run))
    settings = request.settings
    if pair.choice.kind != "pose":
        match = match_by_model(project, pair, request, progress, cache)
    else:
        match = match_by_pose(project, pair, settings, cache)
    if match.mirrored:
        progress.note(f"{pair.names[1]} fits better mirrored (left and right swapped)")
    pose_a, pose_b = pair.poses
    alignment = Alignment(
        path=match.path,
        position=match.position,
        cost=pair_distance(match.a, match.b, match.path),
        confidence=match.certainty.confidence,
        low=match.certainty.low,
        high=match.certainty.high,
        time_a=pose_a.time,
        time_b=pose_b.time,
        frame_a=pose_a.frame,
        frame_b=pose_b.frame,
        features=pair.choice.kind,
        method=settings.method,
        mirrored=match.mirrored,
    )
    tempo = np.full(len(pose_a), np.nan)
    if is_monotone(match.path):
        tempo = speed_ratio(match.position, pose_a.time, pose_b.time)
    return AlignResult(
        *pair.clips, *pair.poses, alignment, match, tempo, request.run, pair.choice.reason, settings
    )


def match_by_pose(
    project: Project,
    pair: PreparedPair,
    settings: AlignConfig,
    cache: AlignmentCache | None = None,
) -> Match:
    """Match two clips by the movement of their joints; B as filmed, or mirrored where that is
    nearer. cache: of other alignments to clip A."""
    cache = _cache_for(cache, pair)
    references = _reference_clips(project, pair, settings, cache)
    movement, mirrored = _movement(pair, references, cache)
    modalities = [(value,) for value in movement]
    rows = _rows(pair, movement, mirrored[1], settings)
    match = _match(pair, modalities, list(references), settings, rows, cache)
    return replace(match, mirrored=mirrored[1])


def match_by_model(
    project: Project,
    pair: PreparedPair,
    request: AlignRequest,
    progress: Progress,
    cache: AlignmentCache | None = None,
) -> Match:
    """Match two clips by the embeddings of a run, computed first where they are missing, in one
    distance with those of the base model (`align.base`) and the movement of the joints
    (`align.movement`), which with `pool` has paths of its own through the references, too. Whether
    B is mirrored is decided by the movement; the embeddings are as filmed, since networks trained
    on flipped copies do not mind. cache: of other alignments to A.

    Raises UserError (exit 5) for embeddings of different weights.
    """
    settings = request.settings
    cache = _cache_for(cache, pair)
    references = _reference_clips(project, pair, settings, cache)
    movement, mirrored = _movement(pair, references, cache)
    features = _in_one_distance(project, pair, request, references, mirrored, progress, cache)
    modalities: list[Modalities] = [(value,) for value in features]
    if references and settings.pool:
        modalities = list(zip(features, movement, strict=True))
    rows = _rows(pair, movement, mirrored[1], settings)
    match = _match(pair, modalities, list(references), settings, rows, cache)
    return replace(match, mirrored=mirrored[1])


def _cache_for(cache: AlignmentCache | None, pair: PreparedPair) -> AlignmentCache:
    if cache is None:
        return AlignmentCache()
    form = pair.poses[0].skeleton, pair.poses[0].spatial
    return cache.for_clip(pair.ids[0], part=pair.part, form=form)


def _reference_clips(
    project: Project, pair: PreparedPair, settings: AlignConfig, cache: AlignmentCache
) -> dict[str, PoseSequence]:
    """Poses of at most config.reference_clips clips that training uses, evenly spaced among their
    ids, without the pair; none for other methods than DTW and for a clip with itself. A clip that
    cannot be read or compared is no reference. Of more than MOST_CANDIDATES clips only so many are
    looked at."""
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


def _embedded(
    project: Project,
    pair: PreparedPair,
    run: str,
    device: DeviceName,
    references: Sequence[str],
    progress: Progress,
    cache: AlignmentCache,
) -> list[FloatArray]:
    """Embeddings (T, D) by a run of A, of B and of the references."""
    videos = [*pair.ids, *references]
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
    values = [embedding.value for embedding in embeddings]
    if pair.part:
        values[:2] = load_embedder(project, run, device)(pair.poses)
    return values


def _in_one_distance(
    project: Project,
    pair: PreparedPair,
    request: AlignRequest,
    references: Mapping[str, PoseSequence],
    mirrored: Sequence[bool],
    progress: Progress,
    cache: AlignmentCache,
) -> list[FloatArray]:
    """Features (T, E) of A, of B and of the references: their embeddings and what is beside these
    in one distance, the joints as filmed or mirrored."""
    distance = OneDistance.of_run(project, request.run, pair.poses[0], request.settings)
    others = request.device, list(references), progress, cache
    embeddings = _embedded(project, pair, request.run, *others)
    base = _embedded(project, pair, BASE_RUN, *others) if distance.base else None
    poses = [*pair.poses, *references.values()]

    def joined(n: int) -> FloatArray:
        pose = mirror(poses[n]) if mirrored[n] else poses[n]
        return distance.features(pose, embeddings[n], None if base is None else base[n])

    shared = {0: pair.ids[0]} | dict(enumerate(references, start=2))  # all but B
    for n, video in shared.items():
        if (video, mirrored[n]) not in cache.joined:
            cache.joined[video, mirrored[n]] = joined(n)
    features = {n: cache.joined[video, mirrored[n]] for n, video in shared.items()}
    return [features[n] if n in features else joined(n) for n in range(len(poses))]


def _movement(
    pair: PreparedPair, references: Mapping[str, PoseSequence], cache: AlignmentCache
) -> tuple[list[FloatArray], list[bool]]:
    """Movement of A, of B and of the references, each as filmed or mirrored, whichever is nearer to
    A, and which are mirrored; for B the mirror image must be clearly nearer."""
    fps = velocity_rate(pair.poses)
    a = pose_feature(pair.poses[0], fps, pair.names[0])
    views = views_of_b(pair.poses[1], fps, pair.names[1])
    mirrored = [False, nearest_view(a, views, CLEARLY_NEARER) == 1]
    features = [a, views[mirrored[1]]]
    for video, pose in references.items():
        if (video, fps) not in cache.movements:
            views = views_of_b(pose, fps, "another clip")
            nearest = nearest_view(a, views)
            cache.movements[video, fps] = views[nearest], nearest == 1
        movement, flipped = cache.movements[video, fps]
        features.append(movement)
        mirrored.append(flipped)
    return features, mirrored


def _rows(
    pair: PreparedPair, movement: Sequence[FloatArray], mirrored: bool, settings: AlignConfig
) -> SharedRows:
    a = joint_features(pair.poses[0], movement[0], mirrored=False)
    b = joint_features(pair.poses[1], movement[1], mirrored=mirrored)
    return rows_to_align(a, b, settings)


def rows_to_align(a: JointFeatures, b: JointFeatures, settings: AlignConfig) -> SharedRows:
    """The rows that both clips show; all of them where the settings want no gaps.

    By their movement; and by the raw poses, since a foreign span may be so large that the rest
    seems to hardly move beside it.
    """
    if not settings.gaps or settings.method != "dtw":
        return all_rows(len(a.movement), len(b.movement))
    rates = a.rate, b.rate
    most = frames_of_like_tempo((len(a.movement), len(b.movement)), rates, (a.tempo, b.tempo))
    by_movement = shared_rows(a.movement, b.movement, rates, most=most)
    return by_movement.common(shared_rows(a.raw, b.raw, rates, CLEAR, most))


def _match(
    pair: PreparedPair,
    modalities: Sequence[Modalities],
    references: Sequence[str],
    settings: AlignConfig,
    rows: SharedRows,
    cache: AlignmentCache,
) -> Match:
    """modalities: of A, of B and of the reference clips, whose ids are `references`."""
    features_a, features_b, *others = modalities

    def estimates(a: Modalities, b: Modalities) -> FloatArray:
        consensus = Consensus(others, settings)
        key = (velocity_rate(pair.poses), rows.a.tobytes())
        by_id = dict(zip(references, others, strict=True))
        paths_a = cache.paths_from_a(a, by_id, key, settings)
        return consensus.estimates(a, paths_a, b, consensus.pairwise_paths(b))

    match = match_features(features_a, features_b, rows, settings, estimates if others else None)
    return replace(match, references=len(others))


def match_features(
    features_a: Modalities,
    features_b: Modalities,
    rows: SharedRows,
    settings: AlignConfig,
    estimates: Callable[[Modalities, Modalities], FloatArray] | None,
) -> Match:
    """Match the `rows` of two clips. estimates: those through reference clips for such rows of A
    and B (Consensus.estimates); None for a direct alignment."""
    a, b = tuple(x[rows.a] for x in features_a), tuple(x[rows.b] for x in features_b)
    if estimates is not None:
        positions = estimates(a, b)
        position = consensus_position(positions[0], positions, len(b[0]))
        path = path_through(position)
    else:
        path = align_features(settings.method, a[0], b[0], settings)
        position = smooth_match(path, len(a[0]))
    return Match(
        a=features_a[0],
        b=features_b[0],
        path=rows.path(path),
        position=rows.position(position),
        certainty=certainty(a[0], b[0], position).over(rows),
    )
