"""Two clips made ready for alignment: their joints, in one form, and by what they are compared."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.methods import get_method
from la2ds_cli.alignment.request import AlignRequest, FeatureChoice, choose_features, wants_3d
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.body_joints import as_skeleton, shared_skeleton
from la2ds_cli.features.pose_features import in_3d, known_in_3d
from la2ds_cli.features.resample import frame_period


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
    from la2ds_cli.poses.quality import note_weakness
    from la2ds_cli.video.reader import has_changed

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
    from la2ds_cli.poses.current import current_clip

    current = [current_clip(project, name, config) for name in names]
    known = [clip for clip in current if clip is not None]
    if len(known) == len(names):
        return known
    from la2ds_cli.poses.extract import ensure_poses

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
    return UserError(
        f"{names[0]} has the skeleton {a.skeleton} and {names[1]} has {b.skeleton}",
        hint="extract or import both with the same skeleton",
        exit_code=ExitCode.MISMATCH,
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
