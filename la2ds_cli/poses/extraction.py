"""A run of the extraction: its settings, its networks, and the extraction of a single clip."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from threading import Event
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, Recipe
from la2ds_cli.core.batch import ItemResult, error_row, unexpected
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, available_cores
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.poses.chunks import CLIP_MEMORY, Stopped, ordered_map
from la2ds_cli.poses.current import STEP, networks_of, pose_recipe
from la2ds_cli.poses.known_people import KnownPeople, kept_numbers
from la2ds_cli.poses.networks import (
    AUTO_POSE,
    Detector,
    PoseBackend,
    detector_identities,
    detector_name,
    pose_identities,
    pose_name,
    resolve_detector,
    resolve_pose,
)
from la2ds_cli.poses.pose_clip import ClipTask, pose_clip
from la2ds_cli.poses.quality import item_result
from la2ds_cli.poses.sources import ClipSource
from la2ds_cli.poses.subjects import NO_SUCH_PERSON, check_subject
from la2ds_cli.poses.weights import report_to
from la2ds_cli.video.source_version import SourceVersion

_COMPLETE = 0.97  # share of the declared frames and seconds; containers round both
_MEMORY = 4 * CLIP_MEMORY  # bytes for the decoded frames of all clips in progress
_NO_FACTS = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
_RUN_ENDS_WITH = (ExitCode.USAGE, ExitCode.ENVIRONMENT, ExitCode.STORAGE)


@dataclass(frozen=True)
class ClipResult:
    """The outcome of one clip of a list.

    source: None for a file without a clip of its own: unreadable, or the film of an earlier clip.
    items: the row of each person kept, the subject first, or that of the problem.
    seconds: the time it took.
    error: why there are no poses, if an error was raised.
    """

    source: ClipSource | None
    items: Sequence[ItemResult]
    seconds: float = 0.0
    error: Exception | None = None


@dataclass(frozen=True)
class Extraction:
    """The settings of a run, and its networks, built when the first clip needs them.

    Its methods may be called from several threads, each with its own sources. stop: set when the
    run must end early. Raises UserError (exit 2) for an unknown subject, detector or pose network.
    """

    project: StoredProject
    config: PosesConfig
    device: DeviceName
    progress: Progress
    overwrite: bool = False
    stop: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        check_subject(self.config.subject)
        _ = self._made_by

    @cached_property
    def known(self) -> KnownPeople:
        """The people of the project's films before the run."""
        return KnownPeople(self.project)

    @cached_property
    def _made_by(self) -> list[tuple[str, str]]:
        """Networks of current poses; computed once, since their files are hashed."""
        return networks_of(self.config)

    @cached_property
    def pose_name(self) -> str:
        """The pose network. `auto` means that of the existing clips, since clips with different
        skeletons are compared only by the joints they share, and cannot be trained on."""
        existing = _network_of(self.project) if self.config.pose == "auto" else ""
        return existing or pose_name(self.config.pose, self.device)

    @cached_property
    def backend(self) -> PoseBackend:
        return resolve_pose(self.pose_name, self.device, self.config)

    @cached_property
    def detector_name(self) -> str:
        return detector_name(self.config.detector, self.device, self.pose_name)

    @cached_property
    def detector(self) -> Detector:
        return resolve_detector(self.detector_name, self.device, self.backend, self.config)

    def open_networks(self) -> None:
        """Build the networks, before the threads need them."""
        if self.config.pose == "auto":
            self.progress.note_once(
                f"joints by {self.pose_name}, people by {self.detector_name}; la2ds extract-poses "
                "--pose NAME chooses another network"
            )
        with report_to(self.progress):
            for network in (self.backend, self.detector):
                if notice := getattr(network, "notice", ""):
                    self.progress.note_once(notice)

    def shares(self, sources: int) -> tuple[int, int]:
        """Return how many sources are processed at once, and by how many threads each.

        Up to four clips with two threads each keep a GPU busy. If joints are found one frame after
        another, each clip has a core. Otherwise all cores work on one clip, and its end overlaps
        with the start of the next.
        """
        cores = available_cores()
        if self.backend.device == "cuda":
            return min(sources, 4), 2
        if hasattr(self.backend, "tracker"):
            clips = min(sources, cores)
            return clips, cores // clips
        return min(sources, 2), cores

    def run(self, sources: Sequence[ClipSource]) -> Iterator[ClipResult]:
        """Yield the result of each of one or more sources, in order."""
        self.open_networks()
        clips, workers = self.shares(len(sources))
        work = partial(self.attempt, workers=workers, memory=min(CLIP_MEMORY, _MEMORY // clips))
        yield from ordered_map(work, sources, clips, self.stop)

    def recipe(self, networks: tuple[str, str], source: ClipSource, person: int = 1) -> Recipe:
        """Return the recipe of the poses of one person of a source, by number. networks: identities
        of the pose network and the detector."""
        reading = {"options": source.options.to_text(), "subject": source.subject, "person": person}
        return pose_recipe(self.config, *networks, source.digest, **reading)

    def cached(self, source: ClipSource) -> ClipResult | None:
        """Return the result of a source if the poses of all its people are current, else None.

        Imported poses are the user's own and always current. Facts that the extraction would not
        write are ignored.
        """
        numbers = self.known.numbers_of(source.file)
        for number in range(1, max(numbers, default=0) + self.config.subjects + 1):
            if (info := self._current(source, number)) is None:
                continue
            with suppress(*_NO_FACTS):
                kept = kept_numbers(info)
                infos = {person: self._current(source, person) for person in kept}
                current = {n: info for n, info in infos.items() if info is not None}
                if current and len(current) == len(kept):
                    return ClipResult(source, _items(source, current, cached=True))
        return None

    def _current(self, source: ClipSource, number: int) -> dict[str, Any] | None:
        """Return the facts of a person's poses if they are current or imported, else None."""
        try:
            recipe, facts = artifact.read_header(self.project.pose_path(source.id(number)))
            keys = {self.recipe(made_by, source, number).key for made_by in self._made_by}
            if recipe.step == STEP and (recipe.key not in keys or self.overwrite):
                return None
            return facts["info"]
        except (ArtifactError, *_NO_FACTS):
            return None

    def attempt(
        self, source: ClipSource, workers: int = 1, memory: int = CLIP_MEMORY
    ) -> ClipResult:
        """Extract the poses of a source. Problems of the clip, expected or not, become a result;
        errors that end the run are raised."""
        start = time.perf_counter()
        error: Exception | None = None
        try:
            items = _items(source, self._extract(source, workers, memory), cached=False)
        except UserError as cause:
            if cause.exit_code in _RUN_ENDS_WITH:
                raise
            items, error = [failure(source.name, cause)], cause
        except Stopped:
            raise
        except Exception as cause:
            items, error = [unexpected(self.project, source.name, cause)], cause
        return ClipResult(source, items, time.perf_counter() - start, error)

    def _extract(self, source: ClipSource, workers: int, memory: int) -> dict[int, dict[str, Any]]:
        """Extract the poses of a source and write them to the project, the subject last.

        Returns the info of each person by number, the subject first. Raises SourceChanged if the
        content of the file is no longer the one that was hashed.
        """
        made_by, folder = self._networks, self.project.partial_poses(source.id())
        key = self.recipe(made_by, source).key
        task = ClipTask(source, self.config, folder, key, workers, memory, self.stop)
        try:
            poses, version = self._read_unchanged(task)
        except UserError as error:
            if error.code == NO_SUCH_PERSON:  # no later run resumes this choice
                shutil.rmtree(folder, ignore_errors=True)
            raise
        names = {"detector": self.detector_name, "pose": self.pose_name}
        names |= {"device": self.backend.device}
        places = [task.places(pose.frame, pose.box) for pose in poses]
        span = int(poses[0].frame[0]), int(poses[0].frame[-1])
        numbers = source.people.numbers(places, span)
        names |= {"kept": numbers}
        people = {n: _with_facts(p, source, names) for n, p in zip(numbers, poses, strict=True)}
        for number, pose in reversed(people.items()):
            recipe = self.recipe(made_by, source, number)
            self.project.write_pose(source.id(number), pose, recipe, version.stamp)
        shutil.rmtree(folder, ignore_errors=True)
        return {number: dict(pose.info) for number, pose in people.items()}

    def _read_unchanged(self, task: ClipTask) -> tuple[list[PoseSequence], SourceVersion]:
        """Return the poses of a task, and the version of its file after reading.

        Raises SourceChanged if the file changed meanwhile, whatever else that caused.
        """
        version = task.source.version.verified()
        try:
            poses = pose_clip(task, self.detector, self.backend, self.progress)
        except Stopped:
            raise
        except Exception:
            version.verified()
            raise
        return poses, version.verified()

    @cached_property
    def _networks(self) -> tuple[str, str]:
        """Identities of the pose network and the detector."""
        return pose_identities(self.pose_name)[0], detector_identities(self.detector_name)[0]


def _network_of(project: StoredProject) -> str:
    """Return the pose network of the first clip of a project that was extracted with one of those
    that `auto` can mean; empty if there is none."""
    for video in project.videos():
        try:
            recipe, facts = artifact.read_header(project.pose_path(video.id))
        except ArtifactError:
            continue
        name = str(facts.get("info", {}).get("pose", ""))
        if recipe.step == STEP and name in AUTO_POSE.values():
            return name
    return ""


def _items(
    source: ClipSource, infos: Mapping[int, dict[str, Any]], *, cached: bool
) -> list[ItemResult]:
    """Return a row for each person of a source, from the info of the poses by number."""
    return [
        item_result(source.name, source.id(number), info, cached=cached)
        for number, info in infos.items()
    ]


def failure(name: str, error: UserError) -> ItemResult:
    """Return the result of a file without poses."""
    row = error_row(name, error)
    return row if error.exit_code == ExitCode.UNREADABLE else replace(row, status="skipped")


def _with_facts(pose: PoseSequence, source: ClipSource, names: dict[str, Any]) -> PoseSequence:
    """Return the sequence with the facts of its file and of the networks that estimated it.

    names: detector, pose and device; kept: numbers of the people, the subject first.
    """
    info, options = source.info, source.options
    seconds = pose.axis.duration
    # Edit lists leave declared frames out, and sound may outlast the picture: a file is truncated
    # only if both frames and seconds are missing.
    counted = info.frames_declared == 0 or len(pose) < _COMPLETE * info.frames_declared
    facts = {
        "frames": len(pose),
        "frames_declared": info.frames_declared,
        "seconds": round(seconds, 3),
        "seconds_declared": round(info.duration, 3),
        "truncated": counted and seconds < _COMPLETE * info.duration,
        **names,
    }
    read = {"hdr": info.hdr, "rotate": options.rotate, "mirror": options.mirror}
    facts |= {name: value for name, value in read.items() if value}
    return replace(pose, info={**facts, **pose.info})
