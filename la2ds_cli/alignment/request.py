"""The options of an alignment, and two clips prepared for it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from la2ds_cli.alignment.methods import get_method
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import AlignConfig, PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.plugins import trust
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import BASE_RUN, DEFAULT_RUN, Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import MOST_FPS, PoseSequence
from la2ds_cli.core.view import VIEWS, ViewName
from la2ds_cli.features.body_joints import as_skeleton, is_body, shared_skeleton
from la2ds_cli.features.spatial import in_3d, known_in_3d
from la2ds_cli.features.tempo import peak_speed
from la2ds_cli.video.reader import has_changed

ChosenKind = Literal["model", "base", "pose"]
FeatureKind = Literal["auto", "model", "base", "pose"]
MOST_TEMPO = 100.0
ON_BASE = "aligned on the base model"


def parsed_anchor(text: str) -> tuple[float, float]:
    """Seconds of A and of B from "A=B". Raises UserError (exit 2) for anything else."""
    parts = text.split("=")
    try:
        a, b = (float(part) for part in parts)
    except ValueError:
        a = b = math.nan
    if not (math.isfinite(a) and math.isfinite(b)):
        raise UserError(
            f"an anchor is two times in seconds, got '{text}'",
            hint="--anchor 1.20=0.85 says that 1.20 s of A is 0.85 s of B",
        )
    return a, b


def parsed_anchors(texts: Sequence[str] | None) -> tuple[tuple[float, float], ...]:
    """The anchors of an option that may be repeated; see parsed_anchor."""
    return tuple(parsed_anchor(text) for text in texts or ())


def features_name(features: str, run: str) -> str:
    """The features of a result for people. features: of ChosenKind."""
    return {"model": f"model of run {run}", "base": "base model"}.get(features, "raw poses")


@dataclass(frozen=True)
class AlignRequest:
    """How clips are aligned: the options of `la2ds align`, for any number of pairs.

    features: see choose_features. method, gaps: override config.align. tempo: how many times as
    long B takes for the same movement, None = as filmed. anchors: seconds of A and of B that must
    match. view: in which B is compared, `auto` = the nearest. same_only: reject clips that clearly
    show different movements. device: where the pose network and the embedding network run.
    """

    config: Config
    run: str = DEFAULT_RUN
    features: FeatureKind = "auto"
    method: str | None = None
    device: DeviceName = "auto"
    gaps: bool | None = None
    tempo: float | None = None
    anchors: tuple[tuple[float, float], ...] = ()
    view: ViewName = "auto"
    same_only: bool = False

    def __post_init__(self) -> None:
        trust(self.method)
        if self.view not in ("auto", *VIEWS):
            raise UserError(f"unknown view '{self.view}'", hint=f"views: auto, {', '.join(VIEWS)}")
        if self.tempo is not None and not 0 < self.tempo <= MOST_TEMPO:
            raise UserError(
                f"the tempo must be above 0 and at most {MOST_TEMPO:g}, got {self.tempo:g}",
                hint="--tempo 4 says that B shows in four seconds what A shows in one",
            )

    @property
    def settings(self) -> AlignConfig:
        """The settings of the alignment, with the requested method and gaps."""
        own = self.config.align
        gaps = own.gaps if self.gaps is None else self.gaps
        return replace(own, method=self.method or own.method, gaps=gaps)


@dataclass(frozen=True)
class FeatureChoice:
    """The kind of features by which clips are compared. reason: a sentence for the user on why the
    base model or raw poses are used; empty if they were requested or if a run is used."""

    kind: ChosenKind
    reason: str

    def on(self, skeleton: str, *, spatial: bool) -> FeatureChoice:
        """The choice for clips of this skeleton: raw poses where the base model, unless it was
        requested, cannot read their joints. spatial: whether joints are compared in 3D."""
        if self.kind != "base" or not self.reason or (is_body(skeleton) and not spatial):
            return self
        joints = "joints in 3D" if spatial else f"the joints of {skeleton}"
        raw = f"aligned on raw poses, since the base model does not read {joints}"
        return FeatureChoice("pose", self.reason.replace(ON_BASE, raw))

    def run(self, run: str) -> str:
        """The run whose embeddings are used: `run`, or BASE_RUN for the base model."""
        return BASE_RUN if self.kind == "base" else run


@dataclass(frozen=True)
class PreparedPair:
    """Two clips with what is needed to align them. clips: rows of videos.csv. names: of the clips
    as the user gave them, for messages. part: the poses are parts of the clips, and are embedded
    without the rest. tempo: of the request, 1 = as filmed."""

    clips: tuple[Video, Video]
    poses: tuple[PoseSequence, PoseSequence]
    names: tuple[str, str]
    choice: FeatureChoice
    part: bool = False
    tempo: float = 1.0

    @property
    def paced(self) -> tuple[PoseSequence, PoseSequence]:
        """The poses as they are compared: B at its tempo."""
        a, b = self.poses
        if self.tempo == 1:
            return a, b
        return a, replace(b, time=b.time / self.tempo, fps=min(b.fps * self.tempo, MOST_FPS))

    @cached_property
    def tempos(self) -> tuple[float, float]:
        """The `peak_speed` of the poses as they are compared."""
        a, b = self.paced
        return peak_speed(a), peak_speed(b)

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
    from la2ds_cli.poses.verdict import note_weakness

    get_method(request.settings.method)
    choice = choose_features(project, request.run, request.features)
    poses_config, device = request.config.poses, request.device
    ids = with_poses(project, (a, b), poses_config, device, progress)
    clips = [clip_of(project, video) for video in ids]
    poses = [project.read_pose(video)[0] for video in ids]
    for name, clip, pose in zip((a, b), clips, poses, strict=True):
        note_weakness(progress, name, pose.info)
        if has_changed(project, clip):
            file = project.source(clip)
            progress.note(
                f"{name}: {file.name} has changed since its joints were found, so they are drawn "
                f"without pictures; la2ds extract-poses {shlex.quote(str(file))} makes a new clip"
            )
    poses = in_one_skeleton(poses, (a, b), progress)
    if wants_3d(project, request, choice.kind):
        poses = in_3d(poses)
        if not poses[0].spatial:
            flat = next(n for n, p in zip((a, b), poses, strict=True) if not known_in_3d(p))
            progress.note(f"{flat} has no joints in 3D: aligned by the joints in the image")
    choice = choice.on(poses[0].skeleton, spatial=poses[0].spatial)
    return PreparedPair(
        (clips[0], clips[1]), (poses[0], poses[1]), (a, b), choice, tempo=request.tempo or 1.0
    )


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


def clip_of(project: Project, video_id: str) -> Video:
    """The row of a clip in videos.csv. Raises UserError (exit 5) if it has none."""
    clip = project.find(video_id)
    if clip is None:
        raise UserError(
            f"videos.csv does not list {video_id}",
            hint="extract or import the clip again",
            exit_code=ExitCode.MISMATCH,
        )
    return clip


def choose_features(project: Project, run: str, wanted: FeatureKind) -> FeatureChoice:
    """The features that `wanted` means, for clips that they can read (FeatureChoice.on). `auto`
    uses a run that was named, or the default run if its verdict says that it is better than the
    base model, and otherwise the base model.

    Raises UserError (exit 4) for a missing model that was requested, and for a run other than the
    default one that does not exist.
    """
    from la2ds_cli.alignment.run_verdict import read_verdict
    from la2ds_cli.embedding.trained import has_model

    if wanted in ("pose", "base"):
        return FeatureChoice(wanted, "")
    if has_model(project, run):
        if wanted == "model" or run != DEFAULT_RUN:
            return FeatureChoice("model", "")
        verdict = read_verdict(project, run)
        if verdict is None:
            return FeatureChoice(
                "base", f"run {run} was not compared with the base model (la2ds train): {ON_BASE}"
            )
        if verdict.outcome == "better":
            return FeatureChoice("model", "")
        return FeatureChoice(
            "base", f"run {run} is {verdict.words}: {ON_BASE}; --features model uses the run"
        )
    if wanted == "model" or run != DEFAULT_RUN:
        raise UserError(
            f"run '{run}' has no trained model",
            hint=f"la2ds train --run {run} trains it; --features base needs no training",
            exit_code=ExitCode.UNUSABLE,
        )
    return FeatureChoice("base", f"no trained model: {ON_BASE}")


def wants_3d(project: Project, request: AlignRequest, kind: ChosenKind) -> bool:
    """Whether clips are to be compared by their joints in metres, provided all have them
    (`align.joints`). kind: of the features."""
    from la2ds_cli.embedding.trained import run_header

    wanted = request.settings.joints
    return wanted == "3d" or (
        wanted == "auto"
        and kind == "model"
        and run_header(project, request.run).input == "joints3d"
    )


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
