"""Two clips made ready for alignment: their joints, in one form, by what they are compared, and in
which view: as filmed, mirrored, from the other side, turned.

DTW matches any two clips, and with the camera on the other side it matches a left step with a right
one, half a stride too late. Every view of clip B is therefore aligned with A by the movement of the
joints, with closed ends, and the nearest one is taken. The view as filmed has the advantage that
another must be clearly nearer (MARGIN). A view that is about as near as the chosen one (RIVAL) is a
rival; where rivals match other moments, nobody knows which is right.

The numbers were chosen on rendered performers from eight sides, walkers from 24 sides, golfers and
their mirror images, and training clips of Penn Action; docs/results/camera.md has the errors.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.methods import get_method
from la2ds_cli.alignment.methods.dtw import align_each
from la2ds_cli.alignment.path import mean_pair_squared
from la2ds_cli.alignment.request import AlignRequest, FeatureChoice, choose_features, wants_3d
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import AlignConfig, PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View, ViewName
from la2ds_cli.features.body_joints import as_skeleton, shared_skeleton
from la2ds_cli.features.camera_views import movements, possible_views
from la2ds_cli.features.pose_features import in_3d, known_in_3d
from la2ds_cli.features.resample import frame_period
from la2ds_cli.poses.current import current_clip
from la2ds_cli.poses.extract import ensure_poses
from la2ds_cli.poses.quality import note_weakness
from la2ds_cli.video.reader import has_changed


@dataclass(frozen=True)
class PreparedPair:
    """Two clips with what is needed to align them. clips: rows of videos.csv. names: of the clips
    as the user gave them, for messages. part: the poses are parts of the clips, and are embedded
    without the rest."""

    clips: tuple[Video, Video]
    poses: tuple[PoseSequence, PoseSequence]
    names: tuple[str, str]
    choice: FeatureChoice
    part: bool = False

    @property
    def ids(self) -> tuple[str, str]:
        """Ids of both clips."""
        return self.clips[0].id, self.clips[1].id


def prepare_pair(
    project: Project, a: str, b: str, request: AlignRequest, progress: Progress
) -> PreparedPair:
    """Choose the features and extract the poses that are missing.

    a, b: video files, or names of clips of the project. Raises as find_alignment does.
    """
    get_method(request.settings.method)
    choice = choose_features(project, request.run, request.features)
    ids = with_poses(project, (a, b), request.config.poses, request.device, progress)
    clips = [project.clip(video) for video in ids]
    poses = [project.read_pose(video)[0] for video in ids]
    for name, clip, pose in zip((a, b), clips, poses, strict=True):
        note_weakness(progress, name, pose.info)
        if has_changed(project, clip):
            file = project.source(clip)
            progress.note(
                f"{name}: {file.name} has changed since its joints were found, so they are drawn "
                f"without pictures; la2ds extract-poses {shlex.quote(str(file))} makes a new clip"
            )
    pair = PreparedPair((clips[0], clips[1]), (poses[0], poses[1]), (a, b), choice)
    return in_one_form(pair, wants_3d(project, request, choice.kind), progress)


def in_one_form(pair: PreparedPair, deep: bool, progress: Progress) -> PreparedPair:
    """The pair by the joints that both clips have; messages say what is left out of them.

    deep: compare the joints in metres, if both clips have them. Raises UserError (exit 5) if no
    skeleton holds what the clips share.
    """
    poses = in_one_skeleton(pair.poses, pair.names, progress)
    if deep:
        poses = in_3d(poses)
        if not poses[0].spatial:
            flat = next(n for n, p in zip(pair.names, poses, strict=True) if not known_in_3d(p))
            progress.note(f"{flat} has no joints in 3D: aligned by the joints in the image")
    choice = pair.choice.on(poses[0].skeleton, spatial=poses[0].spatial)
    return replace(pair, poses=(poses[0], poses[1]), choice=choice)


def with_poses(
    project: Project,
    names: Sequence[str],
    config: PosesConfig,
    device: DeviceName,
    progress: Progress,
) -> list[str]:
    """Ids of clips with current poses, which are extracted first if necessary."""
    current = [current_clip(project, name, config) for name in names]
    known = [clip for clip in current if clip is not None]
    if len(known) == len(names):
        return known

    return ensure_poses(project, names, config, device, progress)


def in_one_skeleton(
    poses: Sequence[PoseSequence], names: tuple[str, str], progress: Progress
) -> list[PoseSequence]:
    """Two clips reduced to the joints that both have; a message says so if their skeletons differ.

    Raises UserError (exit 5) if no skeleton holds what they share.
    """
    a, b = poses
    if a.skeleton == b.skeleton:
        return [a, b]
    shared = shared_skeleton({a.skeleton, b.skeleton})
    if shared is None:
        raise _different(a, b, names)
    progress.note(
        f"{names[0]} has the skeleton {a.skeleton} and {names[1]} has {b.skeleton}: aligned by the "
        f"{len(get_skeleton(shared).joints)} joints of {shared}, which both have"
    )
    return [as_skeleton(a, shared), as_skeleton(b, shared)]


def check_skeletons(a: PoseSequence, b: PoseSequence, names: tuple[str, str]) -> None:
    """Raises UserError (exit 5) if two clips have different skeletons."""
    if a.skeleton != b.skeleton:
        raise _different(a, b, names)


def _different(a: PoseSequence, b: PoseSequence, names: tuple[str, str]) -> UserError:
    return Mismatch(
        f"{names[0]} has the skeleton {a.skeleton} and {names[1]} has {b.skeleton}",
        hint="extract or import both with the same skeleton",
    )


def anchored_frames(
    anchors: Sequence[tuple[float, float]], pair: PreparedPair
) -> list[tuple[int, int]]:
    """The frames of A and of B nearest to the anchored seconds, in order.

    Raises UserError (exit 2) for seconds outside a clip, and for anchors that run backwards.
    """
    frames = []
    for seconds in sorted(anchors):
        both = zip(seconds, pair.poses, pair.names, strict=True)
        frames.append(tuple(_frame_at(at, pose, name) for at, pose, name in both))
    frames = list(dict.fromkeys(frames))  # duplicates count once
    for before, after in itertools.pairwise(frames):
        if not (before[0] < after[0] and before[1] < after[1]):
            raise UserError(
                "the anchors contradict each other: a later moment of A must meet a later one of B",
                hint="leave one of them out",
            )
    return [(int(i), int(j)) for i, j in frames]


def _frame_at(seconds: float, pose: PoseSequence, name: str) -> int:
    period = frame_period(pose.time, pose.fps)
    if not pose.time[0] - period <= seconds <= pose.time[-1] + period:
        raise UserError(
            f"the anchor at {seconds:g} s lies outside {name}, which shows {pose.time[0]:.2f} to "
            f"{pose.time[-1]:.2f} s",
            hint="--anchor A=B takes seconds of A and of B, such as --anchor 1.20=0.85",
        )
    return int(np.abs(pose.time - seconds).argmin())


# --- the view of B ------------------------------------------------------------------------------

MARGIN: Mapping[View, float] = {"filmed": 1.0, "mirrored": 0.77, "other": 0.88, "turned": 0.8}
"""Share of the distance as filmed below which a view is taken instead."""
RIVAL = 1.3
"""Ratio of distances below which another view may be the right one: of 2,700 pairs of walkers whose
views match other moments, 1 in 1,000 of those beyond it was wrong, and 1 in 15 of those below."""
_CLOSED = AlignConfig(method="dtw", open_ends=False)


class ViewChoice(NamedTuple):
    """view: the nearest one. rivals: views that are about as near, the nearest first."""

    view: View = "filmed"
    rivals: tuple[View, ...] = ()


def compared_views(
    pair: PreparedPair, movement: FloatArray, wanted: ViewName = "auto"
) -> tuple[ViewChoice, Mapping[View, FloatArray]]:
    """The nearest view of B, or the wanted one, and the `paced_movement` (M, 8K) of B in each view
    in which it may be compared. movement: (N, 8K) that of A.

    Raises UserError (exit 5) for a wanted view that the clips cannot be compared in.
    """
    pose_a, pose_b = pair.poses
    possible = possible_views(pose_b, pose_a)
    if wanted == "auto":
        if pair.ids[0] == pair.ids[1]:  # a clip, or parts of it, by one camera
            return ViewChoice(), movements(pose_b, ("filmed",))
        views = movements(pose_b, possible, pose_a)
        return choose_view(movement, views), views
    if wanted not in possible:
        raise Mismatch(
            f"{pair.names[1]} cannot be compared {IN_WORDS[wanted]}",
            hint="turning needs joints in metres of both clips, and by joints in metres "
            "(align.joints) only --view filmed and mirrored differ",
        )
    return ViewChoice(wanted), movements(pose_b, (wanted,), pose_a)


def choose_view(a: FloatArray, views: Mapping[View, FloatArray]) -> ViewChoice:
    """The view of a clip that is nearest to clip A.

    a: (N, D) movement of A. views: (M, D) movement of the other clip in each view.
    """
    return choose_views(a, [views])[0]


def choose_views(a: FloatArray, clips: Sequence[Mapping[View, FloatArray]]) -> list[ViewChoice]:
    """`choose_view` of several clips.

    The ends are closed here: with open ends the mean would favour the view that leaves out more
    frames.
    """
    every = [value for views in clips for value in views.values()]
    paths = align_each(a, every, _CLOSED)
    found = iter(
        mean_pair_squared(a, value, path) for value, path in zip(every, paths, strict=True)
    )
    return [_nearest({view: next(found) for view in views}) for views in clips]


def _nearest(distance: Mapping[View, float]) -> ViewChoice:
    """The choice by the mean squared distances of the views."""
    weighed: dict[View, float] = {view: value / MARGIN[view] for view, value in distance.items()}
    order = sorted(weighed.items(), key=lambda item: item[1])  # stable: the first among equals
    best, least = order[0]
    return ViewChoice(best, tuple(view for view, value in order[1:] if value < RIVAL * least))


IN_WORDS: Mapping[View, str] = {
    "filmed": "as filmed",
    "mirrored": "as the mirrored person (left and right exchanged)",
    "other": "as seen from the other side",
    "turned": "turned to the camera of the other clip",
}


def unclear_view(name: str, view: View, rivals: Sequence[View]) -> str:
    """A sentence that says in which views a clip may have to be compared; empty if that is clear.

    name: of the clip. view: the chosen one. rivals: others that match other moments.
    """
    if not rivals:
        return ""
    ways = [IN_WORDS[one] for one in (view, *rivals)]
    options = " or ".join(f"--view {one}" for one in (view, *rivals))
    return (
        f"no match is sure, since {name} may have to be compared {', '.join(ways[:-1])} or "
        f"{ways[-1]}: {options} says which"
    )
