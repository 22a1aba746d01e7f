"""Step: two clips as one video in which the same moments are shown at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.request import AlignRequest, FeatureKind
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core import artifact
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.output_paths import check_suffix, spare_project
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.video.reader import Image, probe
from la2ds_cli.video.video_file import VideoFile, video_file
from la2ds_cli.video.writer import write_video
from la2ds_cli.views.sync.edit_list import Segment, csv_text, edit_segments
from la2ds_cli.views.sync.panel import UPSCALED, Panel, full_panel, make_panel
from la2ds_cli.views.sync.side_by_side import Side, SideBySide
from la2ds_cli.views.sync.timeline import Timeline, make_timeline

VIDEOS = (".mp4", ".mov", ".mkv")
HEIGHT = 480
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Look:
    """height: of the pictures side by side, pixels, at most. skeleton: whether joints are drawn.
    privacy: only joints are, on plain ground; no video is opened."""

    height: int = HEIGHT
    skeleton: bool = True
    privacy: bool = False


@dataclass(frozen=True)
class Targets:
    """Files to write, None = not this one; see sync."""

    out: Path | None = None
    retimed: Path | None = None
    edit_list: Path | None = None

    @property
    def named(self) -> list[Path]:
        """Those that are to be written."""
        return [path for path in (self.out, self.retimed, self.edit_list) if path]


@dataclass(frozen=True)
class SyncResult:
    """alignment: what was found. timeline: which frames are shown. segments: of the edit list,
    empty where none was asked for. files: written, in order."""

    alignment: AlignResult
    timeline: Timeline
    look: Look
    segments: tuple[Segment, ...]
    files: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `--json`."""
        found = self.alignment
        return {
            "schema_version": SCHEMA_VERSION,
            **{
                side: {"video": video.id, "path": video.path}
                for side, video in (("a", found.a), ("b", found.b))
            },
            "features": found.alignment.features,
            "reason": found.reason,
            "run": found.run if found.alignment.features == "model" else None,
            "method": found.alignment.method,
            "mirrored": found.alignment.mirrored,
            "skeleton": self.look.skeleton,
            "privacy": self.look.privacy,
            "fps": self.timeline.fps,
            "frames": len(self.timeline),
            "frames_without_counterpart": int((~self.timeline.found).sum()),
            "segments": len(self.segments),
            "files": [str(file) for file in self.files],
        }


def sync(
    project: Project,
    a: str,
    b: str,
    *,
    config: Config,
    run: str = DEFAULT_RUN,
    features: FeatureKind = "auto",
    method: str | None = None,
    targets: Targets = Targets(),
    look: Look = Look(),
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> SyncResult:
    """Align clip `b` to clip `a` (find_alignment) and write the two of them on the clock of A.

    targets.out: a video of both beside each other, A at its own speed, B at that of A; in
    results/sync where no file is named at all. targets.retimed: a video of B alone on the clock of
    A, in its own resolution and without words. targets.edit_list: CSV, see edit_list. Files that
    exist are replaced; each is written whole or not at all.

    UserError: exit 2 for another suffix, for a target that is a clip or a table of the project,
    for privacy without skeletons and for an edit list of an alignment in which B runs backwards;
    4 where no frame has a counterpart; whatever finding the alignment and reading the videos raise.
    """
    progress = progress or Progress()
    _check(targets, look)
    request = AlignRequest(config, run, features, method, device)
    found = find_alignment(project, a, b, request, progress)
    if not targets.named:
        folder = project.results_dir("sync")
        targets = Targets(out=folder / f"{found.a.id}--{found.b.id}.mp4")
    spare_project(project, targets.named)  # clips that were new until now among them
    position = found.alignment.position
    if np.isnan(position).all():
        raise UserError(
            "no frame of A has a counterpart in B",
            hint="align clips of the same movement",
            exit_code=ExitCode.UNUSABLE,
        )
    timeline = make_timeline(found.pose_a.time, found.pose_a.fps, position, len(found.pose_b))
    segments = _segments(found) if targets.edit_list else ()
    files = []
    if targets.out:
        drawn = _side_by_side(project, found, timeline, look)
        _write(targets.out, drawn.frames(), timeline, "side by side", progress)
        files.append(targets.out)
    if targets.retimed:
        shown = _retimed(project, found, look).pictures(timeline.row_b, timeline.found)
        _write(targets.retimed, shown, timeline, "B on the clock of A", progress)
        files.append(targets.retimed)
    if targets.edit_list:
        slow = [ClipOptions.from_text(video.options).slowmo for video in (found.a, found.b)]
        text = csv_text(segments, found.pose_a, found.pose_b, (slow[0], slow[1]))
        artifact.write_text(targets.edit_list, text)
        files.append(targets.edit_list)
    return SyncResult(found, timeline, look, tuple(segments), tuple(files))


def _check(targets: Targets, look: Look) -> None:
    for path in filter(None, (targets.out, targets.retimed)):
        check_suffix(path, "a video", VIDEOS)
    if targets.edit_list:
        check_suffix(targets.edit_list, "an edit list", (".csv",))
    if len({path.resolve() for path in targets.named}) < len(targets.named):
        raise UserError("two outputs have the same name", hint="give each file a name of its own")
    if look.privacy and not look.skeleton:
        raise UserError(
            "nothing would be left to show: --privacy leaves the pictures out, --no-skeleton "
            "the joints",
            hint="leave one of the two options out",
        )


def _write(
    path: Path, frames: Iterator[Image], timeline: Timeline, label: str, progress: Progress
) -> None:
    def told() -> Iterator[Image]:
        for frame in frames:
            yield frame
            progress.advance()

    progress.begin(label, len(timeline))
    write_video(path, told(), timeline.fps)
    progress.end()


def _segments(found: AlignResult) -> list[Segment]:
    try:
        return edit_segments(found.pose_a, found.pose_b, found.alignment.position)
    except ValueError as error:
        raise UserError(
            f"there is no edit list of this alignment: {error}",
            hint="align by a method that keeps the order: --method dtw",
        ) from error


def _source(project: Project, video: Video, look: Look) -> VideoFile | None:
    return None if look.privacy else video_file(project, video)


def _size(pose: PoseSequence, source: VideoFile | None) -> tuple[int, int]:
    """(width, height) of the clip's frames in the pixels of its joints, (0, 0) where unknown."""
    if source is None or all(pose.size):
        return pose.size
    info = probe(source.path, source.options)
    return info.width, info.height


def _side_by_side(
    project: Project, found: AlignResult, timeline: Timeline, look: Look
) -> SideBySide:
    pairs = ((found.a, found.pose_a, False), (found.b, found.pose_b, found.alignment.mirrored))
    sources = [_source(project, video, look) for video, _, _ in pairs]
    sizes = [_size(pose, s) for (_, pose, _), s in zip(pairs, sources, strict=True)]
    tallest = [
        look.height if source is None else UPSCALED * size[1]
        for source, size in zip(sources, sizes, strict=True)
    ]
    height = 2 * round(min(look.height, max(tallest)) / 2)
    phases = project.phases()
    a, b = (
        Side(
            video.name,
            make_panel(pose, source, size, height, mirrored=mirrored, skeleton=look.skeleton),
            pose.time,
            phase_names(pose.frame, phases.get(video.id, [])),
        )
        for (video, pose, mirrored), source, size in zip(pairs, sources, sizes, strict=True)
    )
    return SideBySide(a, b, timeline, found.speed_ratio, found.alignment.confidence)


def _retimed(project: Project, found: AlignResult, look: Look) -> Panel:
    source = _source(project, found.b, look)
    size = _size(found.pose_b, source)
    mirrored = found.alignment.mirrored
    return full_panel(found.pose_b, source, size, mirrored=mirrored, skeleton=look.skeleton)
