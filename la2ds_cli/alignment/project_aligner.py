"""Align clips of a project: which joints, features and reference clips `align` gets.

Poses and embeddings that are missing are computed first. What pairs share is computed once; no
result depends on which pairs came before.
"""

from __future__ import annotations

import shlex
from collections import OrderedDict
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.align import Anchors, align, check_joints_seen
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.anchors import anchored_frames
from la2ds_cli.alignment.certificate import hidden_sentence
from la2ds_cli.alignment.clip_features import (
    ClipFeatures,
    Embedding,
    PosedClip,
    movement_features,
    network_features,
)
from la2ds_cli.alignment.methods import get_method
from la2ds_cli.alignment.nearest_view import IN_WORDS, check_view
from la2ds_cli.alignment.request import AlignRequest, FeatureChoice, choose_features, wants_3d
from la2ds_cli.alignment.same_movement import SameMovement, check_same_movement, doubt_sentence
from la2ds_cli.alignment.stored_embeddings import StoredEmbeddings
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.memo import Memo
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import as_skeleton, holds, is_body, shared_skeleton
from la2ds_cli.features.pose_features import in_3d, known_in_3d
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.network.load_network import light_base
from la2ds_cli.network.training_clips import some_training_videos
from la2ds_cli.poses.clip_state import read_clip_state
from la2ds_cli.poses.quality import note_weakness
from la2ds_cli.poses.ready import ensure_poses

MOST_CANDIDATES = 400  # clips among which reference clips are chosen; there may be 100,000
EXAMINED = 5  # candidates for each reference clip, since some may show another movement
MOST_POSES = 1024  # in memory


@dataclass(frozen=True)
class ClipPair:
    """Two clips of a project, reduced to the joints that both have.

    clips: rows of videos.csv. poses: of the clips, or of parts of them. names: of the clips as the
    user gave them, for messages. choice: features used to compare them.
    """

    clips: tuple[Video, Video]
    poses: tuple[PoseSequence, PoseSequence]
    names: tuple[str, str]
    choice: FeatureChoice

    @property
    def ids(self) -> tuple[str, str]:
        """Ids of the clips."""
        return self.clips[0].id, self.clips[1].id


def align_poses(a: PoseSequence, b: PoseSequence, request: AlignRequest) -> Alignment:
    """Align clips in memory, without a project and without reference clips.

    Raises UserError as `align` does, and (exit 5) for clips whose skeletons share no joints.
    """
    choice = choose_features(None, request.run, request.features)
    poses = [replace(pose, clip="", trust=None) for pose in (a, b)]
    names = "clip A", "clip B"
    poses = in_one_form(poses, names, deep=wants_3d(None, request, choice.kind), progress=SILENT)
    choice = choice.on(poses[0].skeleton, spatial=poses[0].spatial)
    if choice.kind == "pose":
        features = movement_features(choice.reason)
    else:
        base = light_base()
        network = Embedding(lambda clip: base([clip.seen()])[0], base.spread)
        features = network_features(
            network, request.settings, kind="base", run=BASE_RUN, reason=choice.reason
        )
    return align(poses[0], poses[1], (), features, request.settings, request.anchors, request.view)


class ProjectAligner:
    """Aligns pairs of clips of a project by one request."""

    def __init__(
        self, project: StoredProject, request: AlignRequest, progress: Progress = SILENT
    ) -> None:
        self.project, self.request = project, request
        self.progress = progress
        self._poses: OrderedDict[tuple[str, ...], PoseSequence] = OrderedDict()
        self._features: dict[FeatureChoice, tuple[ClipFeatures, list[StoredEmbeddings]]] = {}
        self._networks: dict[str, StoredEmbeddings] = {}
        self._unusable: dict[tuple[str, bool], set[str]] = {}
        self._read: dict[tuple[str, str, bool], PoseSequence | None] = {}  # candidates, in a form
        self._memo = Memo()

    def silent(self) -> ProjectAligner:
        """Return an aligner that shares all that is computed, but adds no notes."""
        same = copy(self)
        same.progress = SILENT
        return same

    def align_names(self, a: str, b: str) -> Alignment:
        """Align clip `b` to clip `a`; missing poses and embeddings are computed first.

        Parameters
        ----------
        a, b: video files, or names of clips of the project.

        Raises
        ------
        UserError: as `align` does; exit 4 for a run without weights; 5 for clips whose skeletons
            share no joints; 10 with `same_only` for clips that clearly show different movements;
            and the errors of extracting poses.
        """
        pair = self.read_pair(a, b)
        result = self.align_pair(pair, self.request.anchors)
        self.judge(pair, result)
        return result

    def judge(self, pair: ClipPair, result: Alignment, offer: str = "") -> None:
        """Add notes on what is doubtful about an alignment; refuse it as `align_names` does.

        `offer` is a sentence on a part of the clips that fits better.
        """
        likely = hidden_sentence(pair.poses, pair.names), offer
        judge_movement(result.same_movement, pair.names, self.request, self.progress, likely)
        if offer:
            self.progress.note(offer)
        if result.unclear:
            self.progress.note(result.unclear)
        if slow := slow_motion_sentence(result, pair.names):
            self.progress.note(
                f"{slow} --slowmo of extract-poses, or --fps of import, gives its true times"
            )

    def read_pair(self, a: str, b: str) -> ClipPair:
        """Return two clips, reduced to the joints of both; missing poses are extracted first."""
        request, project, progress = self.request, self.project, self.progress
        pair = read_pair(project, a, b, request, progress)
        poses = [self._kept(pose) for pose in pair.poses]
        return replace(pair, poses=(poses[0], poses[1]))

    def align_pair(self, pair: ClipPair, anchors: Anchors = ()) -> Alignment:
        """Align two clips or parts of them; anchors are seconds of A and of B that must match."""
        settings = self.request.settings
        if pair.choice.reason:
            self.progress.note(pair.choice.reason)
        for pose, name in zip(pair.poses, pair.names, strict=True):
            check_joints_seen(pose, name)
        anchored_frames(anchors, *pair.poses, pair.names)
        check_view(*pair.poses, self.request.view, pair.names[1])
        features, networks = self._features_for(pair.poses[0], pair.choice)
        for network in networks:
            whole = [pose.clip for pose in pair.poses if network.is_whole(pose)]  # not repetitions
            for error in network.load(whole, self.progress).values():
                raise error
        candidates = self._candidates(pair, networks)
        result = align(*pair.poses, candidates, features, settings, anchors, self.request.view)
        if result.view != "filmed" and self.request.view == "auto":
            self.progress.note(f"{pair.names[1]} is compared {IN_WORDS[result.view]}")
        return replace(result, a=pair.clips[0], b=pair.clips[1])

    def features_of(self, poses: Sequence[PoseSequence], choice: FeatureChoice) -> list[FloatArray]:
        """Return the features (T, E) of clips as filmed.

        Parameters
        ----------
        poses: of the clips, all with the same joints.
        choice: the kind of features.

        Raises
        ------
        UserError: for the first clip that cannot be embedded.
        """
        features, networks = self._features_for(poses[0], choice)
        for network in networks:
            for error in network.load([pose.clip for pose in poses], self.progress).values():
                raise error
        return [features(PosedClip(self._kept(pose))) for pose in poses]

    def embed(self, clips: Sequence[str]) -> None:
        """Compute and store the embeddings of many clips in one batch, by the networks already in
        use. A clip that cannot be embedded raises its error when it is aligned."""
        for network in self._networks.values():
            network.load(clips, self.progress)

    def _features_for(
        self, pose: PoseSequence, choice: FeatureChoice
    ) -> tuple[ClipFeatures, list[StoredEmbeddings]]:
        """Return the features for clips with the joints of `pose`, and the networks they need."""
        request = self.request
        key = replace(choice, reads=f"{pose.skeleton} {pose.spatial}")
        if key not in self._features:
            run = choice.run(request.run)
            networks = [] if choice.kind == "pose" else [self._network(run)]
            if choice.kind == "pose":
                features = movement_features(choice.reason, self._memo)
            else:
                base = None
                readable = is_body(pose.skeleton) and not pose.spatial  # for the base model
                wanted = request.settings.base and networks[0].spread
                if run != BASE_RUN and readable and wanted:
                    networks.append(self._network(BASE_RUN))
                    base = Embedding(networks[1], networks[1].spread)
                features = network_features(
                    Embedding(networks[0], networks[0].spread),
                    request.settings,
                    base,
                    kind=choice.kind,
                    run=run,
                    reason=choice.reason,
                    memo=self._memo,
                )
            self._features[key] = features, networks
        return self._features[key]

    def _network(self, run: str) -> StoredEmbeddings:
        if run not in self._networks:
            self._networks[run] = StoredEmbeddings(self.project, run, self.request.device)
        return self._networks[run]

    def _candidates(
        self, pair: ClipPair, networks: Sequence[StoredEmbeddings]
    ) -> list[PoseSequence]:
        """Return candidates for reference clips: clips that training uses, without the pair.

        They are evenly spaced by id and have the joints of A. A clip that cannot be read, compared
        or embedded is replaced by another.
        """
        settings, pose = self.request.settings, pair.poses[0]
        if not settings.uses_references:
            return []
        unusable = self._unusable.setdefault((pose.skeleton, pose.spatial), set())
        listed = some_training_videos(self.project, MOST_CANDIDATES)
        names = sorted(video.id for video in listed if video.id not in pair.ids)
        while True:
            usable = [name for name in names if name not in unusable]
            chosen = evenly_spaced(usable, EXAMINED * settings.reference_clips)
            poses = {name: self._candidate(name, pose) for name in chosen}
            failed = {name for name, candidate in poses.items() if candidate is None}
            readable = [name for name in chosen if name not in failed]
            for network in networks:
                for clip, error in network.load(readable, self.progress).items():
                    self._leave_out(clip, error)
                    failed.add(clip)
            if not failed:
                return [candidate for candidate in poses.values() if candidate is not None]
            unusable |= failed

    def _candidate(self, clip: str, like: PoseSequence) -> PoseSequence | None:
        """Return the joints of a clip that `like` has, None if it cannot be compared.

        Its file is read once, for any number of pairs.
        """
        key = clip, like.skeleton, like.spatial
        if key not in self._read:
            self._read[key] = self._read_candidate(clip, like)
        return self._read[key]

    def _read_candidate(self, clip: str, like: PoseSequence) -> PoseSequence | None:
        try:
            pose = self.project.read_pose(clip)[0]
        except UserError as error:
            self._leave_out(clip, error)
            return None
        if np.isnan(pose.xy).all() or not holds(pose.skeleton, like.skeleton):
            return None
        if like.spatial and not known_in_3d(pose):
            return None
        return self._kept(replace(as_skeleton(pose, like.skeleton), spatial=like.spatial))

    def _leave_out(self, clip: str, error: UserError) -> None:
        """Say once why a clip cannot be a reference clip."""
        self.progress.note_once(f"{clip} is left out of the reference clips: {error.message}")

    def _kept(self, pose: PoseSequence) -> PoseSequence:
        """Return the same object for equal poses, so that their features are computed once."""
        earlier = self._poses.get(key := (pose.clip, pose.skeleton, str(pose.spatial)))
        if earlier is not None and _equal(earlier, pose):
            self._poses.move_to_end(key)
            return earlier
        self._poses[key] = pose
        while len(self._poses) > MOST_POSES:
            self._poses.popitem(last=False)
        return pose


def _equal(a: PoseSequence, b: PoseSequence) -> bool:
    """Return whether all arrays of two poses are equal."""
    first, second = a.to_arrays()[0], b.to_arrays()[0]
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name], equal_nan=True) for name in first
    )


# --- reading a pair -------------------------------------------------------------------------------


def read_pair(
    project: StoredProject, a: str, b: str, request: AlignRequest, progress: Progress
) -> ClipPair:
    """Return two clips, reduced to the joints that both have, and the features to compare them by.

    Missing poses are extracted first; notes name their weaknesses.

    Parameters
    ----------
    a, b: video files, or names of clips of the project.
    request: the options of the alignment.

    Raises
    ------
    UserError: as ProjectAligner.align_names.
    """
    get_method(request.settings.method)
    choice = choose_features(project, request.run, request.features)
    ids = ensure_poses(project, (a, b), request.config.poses, request.device, progress)
    clips = [project.clip(video) for video in ids]
    poses = [project.read_pose(video)[0] for video in ids]
    for name, clip, pose in zip((a, b), clips, poses, strict=True):
        note_weakness(progress, name, pose.info)
        state = read_clip_state(project, clip)
        if state.lost:
            file = shlex.quote(str(project.source(clip)))
            remedy = f"; la2ds extract-poses {file} makes a new clip" * (state.video == "changed")
            progress.note(f"{name}: {state.lost}, so they are drawn without pictures{remedy}")
    deep = wants_3d(project, request, choice.kind)
    poses = in_one_form(poses, (a, b), deep=deep, progress=progress)
    choice = choice.on(poses[0].skeleton, spatial=poses[0].spatial)
    return ClipPair((clips[0], clips[1]), (poses[0], poses[1]), (a, b), choice)


def in_one_form(
    poses: Sequence[PoseSequence], names: tuple[str, str], *, deep: bool, progress: Progress
) -> list[PoseSequence]:
    """Return the poses of two clips in one form; notes say what is left out.

    Parameters
    ----------
    poses: of A and B.
    names: of A and B, for messages.
    deep: compare the joints in metres, if both clips have them.

    Raises
    ------
    UserError: exit 5 if no skeleton holds the joints that the clips share.
    """
    poses = in_one_skeleton(poses, names, progress)
    if deep:
        poses = in_3d(poses)
        if not poses[0].spatial:
            flat = next(n for n, p in zip(names, poses, strict=True) if not known_in_3d(p))
            progress.note(f"{flat} has no joints in 3D: aligned by the joints in the image")
    return list(poses)


def in_one_skeleton(
    poses: Sequence[PoseSequence], names: tuple[str, str], progress: Progress
) -> list[PoseSequence]:
    """Return the poses of two clips, called `names`, reduced to the joints that both have.

    A note says if their skeletons differ. Raises UserError (exit 5) if no skeleton holds the joints
    that they share.
    """
    a, b = poses
    if a.skeleton == b.skeleton:
        return [a, b]
    shared = shared_skeleton({a.skeleton, b.skeleton})
    if shared is None:
        raise _different_skeletons(a, b, names)
    progress.note(
        f"{names[0]} has the skeleton {a.skeleton} and {names[1]} has {b.skeleton}: aligned by the "
        f"{len(get_skeleton(shared).joints)} joints of {shared}, which both have"
    )
    return [as_skeleton(a, shared), as_skeleton(b, shared)]


def check_skeletons(a: PoseSequence, b: PoseSequence, names: tuple[str, str]) -> None:
    """Raise UserError (exit 5) if two clips, called `names`, have different skeletons."""
    if a.skeleton != b.skeleton:
        raise _different_skeletons(a, b, names)


def _different_skeletons(a: PoseSequence, b: PoseSequence, names: tuple[str, str]) -> UserError:
    return Mismatch(
        f"{names[0]} has the skeleton {a.skeleton} and {names[1]} has {b.skeleton}",
        hint="extract or import both with the same skeleton",
    )


# --- notes on a pair ------------------------------------------------------------------------------


def judge_movement(
    same: SameMovement | None,
    names: tuple[str, str],
    request: AlignRequest,
    progress: Progress,
    likely: Sequence[str] = (),
) -> None:
    """Add a note if it is doubtful that two clips show the same movement.

    Parameters
    ----------
    same: whether they do; None = it cannot be judged.
    names: of the clips.
    request: with `same_only`, different movements are an error.
    likely: sentences on what may be the cause, for the error.

    Raises
    ------
    UserError: exit 10 with `same_only` for clips that clearly show different movements.
    """
    if request.same_only:
        check_same_movement(same, names, likely)
    if sentence := doubt_sentence(same, names):
        progress.note(sentence)


SLOW_MOTION = 2.5
"""Ratio of durations in motion. At real speed, 2 % of the pairs of golf swings differ by so much,
and 68 % of those of a swing at real speed and one in slow motion."""


def slow_motion_sentence(result: Alignment, names: tuple[str, str]) -> str:
    """Return the beginning of a sentence if one clip seems to be slow motion beside the other.

    Empty if the clip's options say so already.

    Parameters
    ----------
    result: alignment of the clips.
    names: of A and B.
    """
    usual = result.overall_ratio
    if not usual > 0:  # NaN if nothing moves
        return ""
    slow = 1 if usual > 1 else 0
    declared = ClipOptions.from_text((result.a, result.b)[slow].options).slowmo != 1
    if declared or 1 / SLOW_MOTION < usual < SLOW_MOTION:
        return ""
    than = f"{max(usual, 1 / usual):.1f} times slower than {names[1 - slow]}"
    return f"{names[slow]} moves {than}: if it was filmed in slow motion,"
