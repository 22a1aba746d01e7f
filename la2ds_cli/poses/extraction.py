"""A run of the extraction: its settings, its networks, what is current and what must be done."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, Recipe
from la2ds_cli.core.batch import ItemResult, unexpected
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, available_cores
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.poses.backends import (
    AUTO,
    PoseBackend,
    automatic_backend,
    backend_identity,
    resolve_backend,
)
from la2ds_cli.poses.chunks import CLIP_MEMORY, Partial, Stopped
from la2ds_cli.poses.clip import ClipTask, pose_clip
from la2ds_cli.poses.current import STEP, networks_of, pose_recipe
from la2ds_cli.poses.detectors import (
    Detector,
    detector_identities,
    detector_name,
    resolve_detector,
)
from la2ds_cli.poses.sources import ClipSource
from la2ds_cli.poses.subjects import check_subject
from la2ds_cli.poses.threads import one_thread_each
from la2ds_cli.poses.verdict import item_result
from la2ds_cli.poses.weights import report_to

_COMPLETE = 0.97  # share of the declared frames and seconds; containers round both
_VARIABLE = 0.1  # of the usual frame time, by which frames of a variable rate differ
_MEMORY = 4 * CLIP_MEMORY  # for the decoded frames of all clips in progress
RUN_ENDS_WITH = (ExitCode.USAGE, ExitCode.ENVIRONMENT, ExitCode.STORAGE)


class Extraction:
    """Settings of a run, and its networks, built when the first clip needs them.

    workers: threads for one clip, 0 = as many as are useful. Its methods may be called from several
    threads, each with its own sources.
    """

    def __init__(
        self,
        project: Project,
        config: PosesConfig,
        device: DeviceName,
        progress: Progress,
        overwrite: bool = False,
        workers: int = 0,
    ) -> None:
        self.project = project
        self.config = config
        self.device: DeviceName = device
        self.progress = progress
        self.overwrite = overwrite
        self.stop = Event()
        self._workers = workers
        check_subject(config.subject)  # before anything is computed
        # Once in a run: the identity of a network is the digest of its file.
        self._made_by = networks_of(config)  # unknown names are an error of the run
        self._sources = 1  # that the networks were opened for

    @cached_property
    def pose_name(self) -> str:
        """The pose network. If `auto` leaves it open, it is that of the existing clips, since clips
        with different skeletons are compared only by the joints they share, and cannot be trained
        on."""
        if self.config.pose != "auto":
            return self.config.pose
        return _network_of(self.project) or automatic_backend(self.device)

    @cached_property
    def backend(self) -> PoseBackend:
        return resolve_backend(self.pose_name, self.device, self.config)

    @cached_property
    def detector_name(self) -> str:
        return detector_name(self.config.detector, self.device, self.pose_name)

    @cached_property
    def detector(self) -> Detector:
        return resolve_detector(self.detector_name, self.device, self.backend, self.config)

    def subject_of(self, source: ClipSource) -> str:
        """Whom a source follows: its own, otherwise that of the settings."""
        return source.subject or self.config.subject

    @contextmanager
    def networks(self, sources: Sequence[ClipSource]) -> Iterator[None]:
        """The networks that the sources need, built before the threads need them."""
        self._sources = len(sources)
        if self.config.pose == "auto":
            self.progress.note_once(
                f"joints by {self.pose_name}, people by {self.detector_name}; la2ds extract-poses "
                "--pose NAME chooses another network"
            )
        with report_to(self.progress):
            for network in (self.backend, self.detector):
                if notice := getattr(network, "notice", ""):
                    self.progress.note_once(notice)
        with one_thread_each(self.workers):
            yield

    @property
    def workers(self) -> int:
        """Threads that work on one clip: as many as requested, otherwise its share of the cores, or
        two to keep a GPU busy."""
        if self._workers:
            return self._workers
        if self.backend.device == "cuda":
            return 2
        return max(1, available_cores() // self._clips) if self._follows else available_cores()

    @property
    def clips_at_once(self) -> int:
        """Number of clips processed at once: one for each core if the joints of a clip are found
        frame after frame, otherwise so many that the end of one and the start of the next
        overlap."""
        if self._follows:
            return available_cores()
        return 4 if self.backend.device == "cuda" else 2

    @property
    def _follows(self) -> bool:
        """Whether joints are found one frame after the other."""
        return hasattr(self.backend, "tracker")

    @property
    def _clips(self) -> int:
        """Number of clips in progress at once."""
        return min(self._sources, self.clips_at_once)

    def recipe(self, networks: tuple[str, str], source: ClipSource, person: int = 1) -> Recipe:
        """The recipe of the poses of one person of a source. networks: identities of the pose
        network and the detector."""
        return pose_recipe(
            self.config,
            *networks,
            source.digest,
            options=source.options.to_text(),
            subject=source.subject,
            person=person,
        )

    def current(self, source: ClipSource) -> list[dict[str, Any]] | None:
        """The info of the poses of each person of a source if all are current, otherwise None.

        Imported poses are the user's own and always current.
        """
        infos: list[dict[str, Any]] = []
        while not infos or len(infos) < int(infos[0].get("persons", 1)):
            person = len(infos) + 1
            try:
                recipe, facts = artifact.read_header(self.project.pose_path(source.id(person)))
            except (FileNotFoundError, ArtifactError):
                return None
            keys = {self.recipe(networks, source, person).key for networks in self._made_by}
            if recipe.step == STEP and (recipe.key not in keys or self.overwrite):
                return None
            infos.append(facts["info"])
        return infos

    def is_imported(self, source: ClipSource) -> bool:
        """Whether the poses of a source, which exist, were not made by this step."""
        return artifact.read_header(self.project.pose_path(source.id()))[0].step != STEP

    def attempt(self, source: ClipSource) -> tuple[list[ItemResult], float]:
        """Extract the poses of a source: a result for each person, and the seconds it took.
        Problems of the clip, expected or not, become a result; errors that end the run are
        raised."""
        start = time.perf_counter()
        try:
            results = results_of(source, self.extract(source), cached=False)
        except UserError as error:
            if error.exit_code in RUN_ENDS_WITH:
                raise
            results = [failure(source.name, error)]
        except Stopped:
            raise
        except Exception as error:
            results = [unexpected(self.project, source.name, error)]
        return results, time.perf_counter() - start

    def extract(self, source: ClipSource) -> list[dict[str, Any]]:
        """Extract the poses of a source and write them to the project, the subject last; returns
        the info of each person."""
        made_by = self._networks
        partial = Partial(self.project.partial_poses(source.id()), self.recipe(made_by, source).key)
        task = ClipTask(
            path=source.path,
            video=source.info,
            config=self.config,
            partial=partial,
            options=source.options,
            subject=self.subject_of(source),
            persons=self.config.subjects,
            workers=self.workers,
            memory=min(CLIP_MEMORY, _MEMORY // self._clips),
            stop=self.stop,
        )
        poses = pose_clip(task, self.detector, self.backend, self.progress)
        names = {"detector": self.detector_name, "pose": self.pose_name}
        names |= {"device": self.backend.device}
        poses = [_with_facts(pose, source, names) for pose in poses]
        for person in range(len(poses), 0, -1):
            recipe = self.recipe(made_by, source, person)
            self.project.write_pose(source.id(person), poses[person - 1], recipe)
        partial.clear()
        return [dict(pose.info) for pose in poses]

    @cached_property
    def _networks(self) -> tuple[str, str]:
        """Identities of the pose network and the detector."""
        return backend_identity(self.pose_name), detector_identities(self.detector_name)[0]

    def add_rows(
        self, sources: Iterable[tuple[ClipSource, int]], order: Sequence[str] = ()
    ) -> None:
        """Add rows to videos.csv for sources that have poses, each with its number of persons; rows
        and poses of persons that are no longer kept are removed. order: ids of the whole list."""
        rows, removed = [], set()
        known = {video.id: video for video in self.project.videos()}
        for source, persons in sources:
            for person in range(1, persons + 1):
                recipe, facts = artifact.read_header(self.project.pose_path(source.id(person)))
                if recipe.step == STEP:
                    rows.append(source.row(self.project, person, facts["info"]["frames"]))
            further = map(source.id, itertools.count(persons + 1))
            removed |= set(itertools.takewhile(known.__contains__, further))
        changed = [row for row in rows if _differs(known.get(row.id), row)]
        if changed or removed:
            self.project.add_videos(changed, removed, order)
        for video in removed:
            self.project.pose_path(video).unlink(missing_ok=True)


def _network_of(project: Project) -> str:
    """The pose network that made the first clip of a project, among those that `auto` can mean;
    empty if there is none."""
    for video in project.videos():
        try:
            recipe, facts = artifact.read_header(project.pose_path(video.id))
        except (FileNotFoundError, ArtifactError):
            continue
        name = str(facts.get("info", {}).get("pose", ""))
        if recipe.step == STEP and name in AUTO.values():
            return name
    return ""


def _differs(old: Video | None, new: Video) -> bool:
    """Whether a row must be written; a split and a group that were not given are kept."""
    if old is None:
        return True
    as_before = {name: getattr(old, name) for name in ("split", "group") if not getattr(new, name)}
    return replace(new, **as_before) != old


def results_of(
    source: ClipSource, infos: Sequence[dict[str, Any]], *, cached: bool
) -> list[ItemResult]:
    """A result for each person of a source, by the info of its poses."""
    return [
        item_result(source.name, source.id(person), info, cached=cached)
        for person, info in enumerate(infos, start=1)
    ]


def failure(name: str, error: UserError) -> ItemResult:
    """The result of a file without poses."""
    status = "failed" if error.exit_code == ExitCode.UNREADABLE else "skipped"
    return ItemResult(name, "", status, code=error.code, message=error.message, hint=error.hint)


def _with_facts(pose: PoseSequence, source: ClipSource, names: dict[str, str]) -> PoseSequence:
    """The sequence with the facts of its file and of the networks that estimated it.

    names: detector, pose and device.
    """
    info, options = source.info, source.options
    steps = pose.time[1:] - pose.time[:-1] if len(pose) > 1 else np.array([1 / pose.fps])
    seconds = float(pose.time[-1] - pose.time[0] + 1 / pose.fps)
    # Edit lists leave declared frames out, sound may outlast the picture: both must be short.
    counted = info.frames_declared == 0 or len(pose) < _COMPLETE * info.frames_declared
    usual = float(sorted(steps)[len(steps) // 2])
    facts = {
        "frames": len(pose),
        "frames_declared": info.frames_declared,
        "seconds": round(seconds, 3),
        "seconds_declared": round(info.duration, 3),
        "truncated": counted and seconds < _COMPLETE * info.duration,
        "variable_rate": bool(steps.max() - steps.min() > _VARIABLE * usual),
        **names,
    }
    facts |= {"hdr": info.hdr} if info.hdr else {}
    facts |= {"rotate": options.rotate} if options.rotate else {}
    facts |= {"mirror": True} if options.mirror else {}
    return replace(pose, info={**facts, **pose.info})


def stored_options(project: Project, path: Path, digest: str) -> list[ClipOptions]:
    """How the project reads one of its files, for each of its parts in order; empty for a file that
    it does not know. digest: of its content; a file with new content is read as before."""
    listed = project.video_list()
    rows = listed.of_content(path, digest) or listed.of_source(path)
    return [ClipOptions.from_text(text) for text in dict.fromkeys(row.options for row in rows)]
