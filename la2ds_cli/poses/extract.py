"""The step `poses`: video files to pose sequences in the project, each written once and whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from la2ds_cli import artifact
from la2ds_cli.artifact import ArtifactError, Recipe
from la2ds_cli.batch import ItemResult
from la2ds_cli.config_sections import PosesConfig
from la2ds_cli.device import DeviceName
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.poses.backends import PoseBackend, backend_identity, resolve_backend
from la2ds_cli.poses.clip import pose_clip
from la2ds_cli.poses.detectors import (
    Detector,
    detector_identities,
    detector_name,
    resolve_detector,
)
from la2ds_cli.poses.overlay import refresh_overlay, refresh_sheet
from la2ds_cli.poses.report import item_result, write_report
from la2ds_cli.poses.sources import collect_sources
from la2ds_cli.progress import Progress
from la2ds_cli.project import Project, Video, video_id
from la2ds_cli.types import PoseSequence
from la2ds_cli.video import VideoInfo, probe

STEP = "poses"
VERSION = 1  # raised when the same settings give other joints
_COMPLETE = 0.97  # share of the declared frames and seconds; containers round both
_BATCH_ENDS_WITH = (ExitCode.USAGE, ExitCode.ENVIRONMENT, ExitCode.STORAGE)


@dataclass(frozen=True)
class _Source:
    """A video file that passed the probe."""

    name: str
    path: Path
    info: VideoInfo
    digest: str

    @property
    def id(self) -> str:
        return video_id(self.path, self.digest)


class _Extraction:
    """Settings of a run, and the networks, built when the first clip needs them."""

    def __init__(
        self,
        project: Project,
        config: PosesConfig,
        device: DeviceName,
        progress: Progress,
        overwrite: bool = False,
    ) -> None:
        self.project = project
        self.config = config
        self.device: DeviceName = device
        self.progress = progress
        self.overwrite = overwrite
        self.pose_identity = backend_identity(config.pose)
        self.detector_identities = detector_identities(config.detector)

    @cached_property
    def backend(self) -> PoseBackend:
        return resolve_backend(self.config.pose, self.device, self.config)

    @cached_property
    def detector_name(self) -> str:
        return detector_name(self.config.detector, self.device)

    @cached_property
    def detector(self) -> Detector:
        return resolve_detector(self.detector_name, self.device, self.backend, self.config)

    def recipe(self, detector_identity: str, digest: str) -> Recipe:
        return _recipe(self.config, self.pose_identity, detector_identity, digest)

    def current(self, video: str, digest: str) -> dict[str, Any] | None:
        """Facts of the poses of a video id where they need no work, else None.

        Poses that were imported are the user's own and always current.
        """
        path = self.project.pose_path(video)
        try:
            found, facts = artifact.read_header(path)
        except (FileNotFoundError, ArtifactError):
            return None
        if found.step != STEP:
            return facts
        wanted = {self.recipe(name, digest).key for name in self.detector_identities}
        return facts if found.key in wanted and not self.overwrite else None

    def twin(self, source: _Source) -> str | None:
        """Id of a video of the same content whose poses are current."""
        for video in self.project.videos():
            same = video.sha256 == source.digest and video.id != source.id
            if same and self.current(video.id, source.digest) is not None:
                return video.id
        return None

    def make(self, source: _Source) -> PoseSequence:
        """Poses of a source, written to the project together with its row."""
        twin = self.twin(source)
        if twin is not None:
            pose, recipe = self.project.read_pose(twin)
        else:
            name = Path(source.name).name
            frames = source.info.frames_declared
            self.progress.begin(name, 2 * frames if frames else None)
            pose = pose_clip(
                source.path, source.info, self.detector, self.backend, self.config, self.progress
            )
            pose = _with_facts(pose, source.info, self)
            identity = detector_identities(self.detector_name)[0]
            recipe = self.recipe(identity, source.digest)
            self.progress.end()
        self.project.write_pose(source.id, pose, recipe)
        self.add_row(source)
        return pose

    def imported(self, path: Path) -> str | None:
        """Id of the video whose poses were imported from the file `path`."""
        for video in self.project.videos():
            if self.project.source(video) == path.resolve():
                recipe, _ = artifact.read_header(self.project.pose_path(video.id))
                return video.id if recipe.step != STEP else None
        return None

    def add_row(self, source: _Source) -> None:
        """Insert or correct the row of a source whose poses were made here."""
        recipe, facts = artifact.read_header(self.project.pose_path(source.id))
        if recipe.step != STEP:
            return
        root = self.project.root
        inside = source.path.is_relative_to(root)
        row = Video(
            id=source.id,
            path=(source.path.relative_to(root) if inside else source.path).as_posix(),
            sha256=source.digest,
            frames=facts["info"]["frames"],
            fps=round(source.info.fps, 6),
            width=source.info.width,
            height=source.info.height,
        )
        old = {video.id: video for video in self.project.videos()}.get(row.id)
        if old is None or replace(old, split="", group="") != row:
            self.project.add_videos([row])


def pose_recipes(config: PosesConfig, digest: str) -> list[Recipe]:
    """Recipes of which current poses of a source have one: `auto` may mean several detectors.

    digest: sha256 of the source. UserError as `extract_poses` for the detector and pose network.
    """
    pose = backend_identity(config.pose)
    return [_recipe(config, pose, name, digest) for name in detector_identities(config.detector)]


def _recipe(config: PosesConfig, pose: str, detector: str, digest: str) -> Recipe:
    used = {
        "detector": detector,
        "pose": pose,
        "flip_test": config.flip_test,
        "decoder": config.decoder,
        "detect_threshold": config.detect_threshold,
        "joint_threshold": config.joint_threshold,
    }
    return Recipe(STEP, VERSION, used, {"video": digest})


def extract_poses(
    project: Project,
    paths: Sequence[str],
    config: PosesConfig,
    *,
    device: DeviceName = "auto",
    overlay: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Poses of video files, folders (recursive) and patterns; one result for each file.

    Every file is probed before a network is loaded. Clips whose poses are current are left alone;
    a finished clip is on disk with its row in videos.csv before the next begins, so a killed run
    loses one clip at most. A file that cannot be used gets its row and does not end the batch.
    Writes results/extract/report.json and .csv, and with `overlay` results/overlay/.

    Raises UserError for what concerns the whole run: a URL or an unknown detector or pose network
    (exit 2), a missing model file (exit 3), weights or device (exit 6), the disk (exit 7).
    """
    run = _Extraction(project, config, device, progress or Progress(), overwrite)
    names = collect_sources(paths)
    run.progress.begin("checking files", len(names))
    probed = [_probe(name, run.progress) for name in names]
    run.progress.end()
    results, seconds = [], []
    for source in probed:
        start = time.perf_counter()
        result = _attempt(run, source) if isinstance(source, _Source) else source
        if overlay and result.usable:
            refresh_overlay(project, result)
        results.append(result)
        seconds.append(time.perf_counter() - start)
    if overlay:
        refresh_sheet(project, results)
    write_report(project, results, seconds)
    return results


def ensure_pose(
    project: Project,
    path_or_id: str,
    config: PosesConfig,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> str:
    """Id of a video whose poses are current, made first where they are not.

    path_or_id: a video file, or any name that Project.find understands. A project video whose
    source file is gone keeps the poses it has, if these are current. Raises UserError with the
    code and exit code of what stands in the way; exit 3 for a name that is neither.
    """
    run = _Extraction(project, config, device, progress or Progress())
    if Path(path_or_id).is_file():
        imported = run.imported(Path(path_or_id))
        if imported is not None:
            return imported
    else:
        video = project.find(path_or_id)
        if video is not None:
            if run.current(video.id, video.sha256) is not None:
                return video.id
            path_or_id = str(project.source(video))
    source = _load(path_or_id)
    if run.current(source.id, source.digest) is None:
        run.make(source)
    else:
        run.add_row(source)
    return source.id


def _load(name: str) -> _Source:
    info = probe(name)
    path = Path(name).resolve()
    return _Source(name, path, info, artifact.file_digest(path))


def _probe(name: str, progress: Progress) -> _Source | ItemResult:
    try:
        return _load(name)
    except UserError as error:
        return _failure(name, error)
    finally:
        progress.advance()


def _attempt(run: _Extraction, source: _Source) -> ItemResult:
    facts = run.current(source.id, source.digest)
    if facts is not None:
        run.add_row(source)
        return item_result(source.name, source.id, facts["info"], cached=True)
    _ = run.detector  # a model that cannot be used ends the run, whatever the file
    try:
        pose = run.make(source)
    except UserError as error:
        if error.exit_code in _BATCH_ENDS_WITH:
            raise
        return _failure(source.name, error)
    return item_result(source.name, source.id, pose.info, cached=False)


def _failure(name: str, error: UserError) -> ItemResult:
    status = "failed" if error.exit_code == ExitCode.UNREADABLE else "skipped"
    return ItemResult(name, "", status, code=error.code, message=error.message, hint=error.hint)


def _with_facts(pose: PoseSequence, info: VideoInfo, run: _Extraction) -> PoseSequence:
    """The sequence with what a person wants to know about how it was made."""
    seconds = float(pose.time[-1] - pose.time[0] + 1 / pose.fps)
    # Edit lists leave declared frames out, sound may outlast the picture: both must be short.
    counted = info.frames_declared == 0 or len(pose) < _COMPLETE * info.frames_declared
    facts = {
        "frames": len(pose),
        "frames_declared": info.frames_declared,
        "seconds": round(seconds, 3),
        "seconds_declared": round(info.duration, 3),
        "truncated": counted and seconds < _COMPLETE * info.duration,
        "detector": run.detector_name,
        "pose": run.config.pose,
        "device": run.backend.device,
    }
    return replace(pose, info={**facts, **pose.info})
