"""Two clips as one video that shows the same moments at the same time, and as an edit list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.confidence import certainty_words, seconds_within, within_text
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core import artifact
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.output_paths import check_suffix, spare_project
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import BoolArray, IntArray, PoseSequence, View
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.video.reader import Image, VideoFile, probe, video_file
from la2ds_cli.video.writer import write_video
from la2ds_cli.views.sync.edit_list import Segment, csv_text, edit_segments
from la2ds_cli.views.sync.recording import RecordedClip, rerun_sdk, write_recording
from la2ds_cli.views.sync.side_by_side import (
    UPSCALED,
    Panel,
    Side,
    SideBySide,
    full_panel,
    make_panel,
)
from la2ds_cli.views.sync.timeline import Timeline, make_timeline, shown_of_b

VIDEOS = (".mp4", ".mov", ".mkv")
RECORDING = ".rrd"
HEIGHT = 480
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Appearance:
    """height: greatest height of the pictures side by side, in pixels. skeleton: whether joints are
    drawn. privacy: only joints are drawn, on a plain background, and no video is opened."""

    height: int = HEIGHT
    skeleton: bool = True
    privacy: bool = False


@dataclass(frozen=True)
class Targets:
    """Files to write, None = not this one; see write_sync. `out` may be a Rerun recording."""

    out: Path | None = None
    retimed: Path | None = None
    edit_list: Path | None = None

    @property
    def named(self) -> list[Path]:
        """The files to write."""
        return [path for path in (self.out, self.retimed, self.edit_list) if path]


@dataclass(frozen=True)
class SyncResult:
    """alignment: of the two clips. timeline: which frames are shown. segments: of the edit list,
    empty if none was requested. files: written, in order."""

    alignment: AlignResult
    timeline: Timeline
    appearance: Appearance
    segments: tuple[Segment, ...]
    files: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `--json`."""
        result, alignment = self.alignment, self.alignment.alignment
        return {
            "schema_version": SCHEMA_VERSION,
            **{
                side: {"video": video.id, "path": video.path}
                for side, video in (("a", result.a), ("b", result.b))
            },
            "features": alignment.features,
            "reason": result.reason,
            "run": result.run if alignment.features == "model" else None,
            "method": alignment.method,
            "mirrored": alignment.mirrored,
            "skeleton": self.appearance.skeleton,
            "privacy": self.appearance.privacy,
            "fps": self.timeline.fps,
            "frames": len(self.timeline),
            "frames_without_counterpart": int((~self.timeline.matched).sum()),
            "segments": len(self.segments),
            "files": [str(file) for file in self.files],
        }


def check_targets(targets: Targets, appearance: Appearance) -> None:
    """Raises UserError (exit 2) for a file with another suffix, for two files with the same name,
    and for privacy without skeletons; exit 6 for a recording without rerun-sdk."""
    if targets.out and targets.out.suffix.lower() == RECORDING:
        rerun_sdk()
    elif targets.out:
        check_suffix(targets.out, "a video", (*VIDEOS, RECORDING))
    if targets.retimed:
        check_suffix(targets.retimed, "a video", VIDEOS)
    if targets.edit_list:
        check_suffix(targets.edit_list, "an edit list", (".csv",))
    if len({path.resolve() for path in targets.named}) < len(targets.named):
        raise UserError("two outputs have the same name", hint="give each file its own name")
    if appearance.privacy and not appearance.skeleton:
        raise UserError(
            "nothing is left to show: --privacy leaves out the pictures, --no-skeleton the joints",
            hint="leave out one of the two options",
        )


def write_sync(
    project: Project,
    result: AlignResult,
    *,
    targets: Targets = Targets(),
    appearance: Appearance = Appearance(),
    progress: Progress | None = None,
) -> SyncResult:
    """Write two aligned clips on the time of A.

    targets.out: a video of both side by side, A at its own speed and B at that of A, or a recording
    (recording.py); in results/sync if no file is named at all. targets.retimed: a video of B alone
    with the timing of A, in its own resolution and without text. targets.edit_list: CSV, see
    edit_list. Existing files are replaced; each is written completely or not at all.

    Raises UserError: exit 2 for what check_targets refuses, for a target that is a clip or a table
    of the project, and for an edit list if B runs backwards in the alignment; 4 if no frame has a
    counterpart; and whatever reading the videos raises.
    """
    progress = progress or Progress()
    check_targets(targets, appearance)
    if not targets.named:
        folder = project.results_dir("sync")
        targets = Targets(out=folder / f"{result.a.id}--{result.b.id}.mp4")
    spare_project(project, targets.named)
    position = result.alignment.position
    if np.isnan(position).all():
        raise UserError(
            "no frame of A has a counterpart in B",
            hint="align clips of the same movement",
            exit_code=ExitCode.UNUSABLE,
        )
    timeline = make_timeline(result.pose_a.time, result.pose_a.fps, position, len(result.pose_b))
    segments = _segments(result) if targets.edit_list else []
    if targets.out and targets.out.suffix.lower() == RECORDING:
        a, b = _recorded(project, result, appearance)
        write_recording(targets.out, a, b, result.alignment, progress)
    elif targets.out:
        both = _side_by_side(project, result, timeline, appearance)
        _write(targets.out, both.frames(), timeline, "side by side", progress)
    if targets.retimed:
        frames = _retimed(project, result, appearance).pictures(timeline.row_b, timeline.matched)
        _write(targets.retimed, frames, timeline, "B with the timing of A", progress)
    if targets.edit_list:
        slowmo = [ClipOptions.from_text(video.options).slowmo for video in (result.a, result.b)]
        text = csv_text(segments, result.pose_a, result.pose_b, (slowmo[0], slowmo[1]))
        artifact.write_text(targets.edit_list, text)
    return SyncResult(result, timeline, appearance, tuple(segments), tuple(targets.named))


def _write(
    path: Path, frames: Iterator[Image], timeline: Timeline, label: str, progress: Progress
) -> None:
    def counted() -> Iterator[Image]:
        for frame in frames:
            yield frame
            progress.advance()

    progress.begin(label, len(timeline))
    write_video(path, counted(), timeline.fps)
    progress.end()


def _segments(result: AlignResult) -> list[Segment]:
    try:
        return edit_segments(result.pose_a, result.pose_b, result.alignment.position)
    except ValueError as error:
        raise UserError(
            f"this alignment has no edit list: {error}",
            hint="use a method that keeps the order: --method dtw",
        ) from error


def _source(project: Project, video: Video, appearance: Appearance) -> VideoFile | None:
    return None if appearance.privacy else video_file(project, video)


def frame_size(pose: PoseSequence, source: VideoFile | None) -> tuple[int, int]:
    """(width, height) of the clip's frames in the pixels of its joints, (0, 0) if unknown."""
    if source is None or all(pose.size):
        return pose.size
    info = probe(source.path, source.options)
    return info.width, info.height


def _side_by_side(
    project: Project, result: AlignResult, timeline: Timeline, appearance: Appearance
) -> SideBySide:
    pairs: tuple[tuple[Video, PoseSequence, View], ...] = (
        (result.a, result.pose_a, "filmed"),
        (result.b, result.pose_b, result.alignment.view),
    )
    sources = [_source(project, video, appearance) for video, _, _ in pairs]
    sizes = [frame_size(pose, s) for (_, pose, _), s in zip(pairs, sources, strict=True)]
    tallest = [
        appearance.height if source is None else UPSCALED * size[1]
        for source, size in zip(sources, sizes, strict=True)
    ]
    height = 2 * round(min(appearance.height, max(tallest)) / 2)
    phases = project.phases()
    a, b = (
        Side(
            video.name,
            make_panel(pose, source, size, height, view=view, skeleton=appearance.skeleton),
            pose.time,
            phase_names(pose.frame, phases.get(video.id, [])),
        )
        for (video, pose, view), source, size in zip(pairs, sources, sizes, strict=True)
    )
    alignment = result.alignment
    said = [
        f"{word}, {within_text(seconds)}"
        for word, seconds in zip(certainty_words(alignment), seconds_within(alignment), strict=True)
    ]
    return SideBySide(a, b, timeline, result.speed_ratio, alignment.confidence, said)


def _recorded(
    project: Project, result: AlignResult, appearance: Appearance
) -> tuple[RecordedClip, RecordedClip]:
    """Both clips at every frame of A, in the resolution of their films; the viewer draws the
    joints."""
    pose_a, position = result.pose_a, result.alignment.position
    row_b, matched = shown_of_b(pose_a.time, position, len(result.pose_b))
    phases = project.phases()

    def recorded(
        video: Video, pose: PoseSequence, row: IntArray, matched: BoolArray, view: View
    ) -> RecordedClip:
        source = _source(project, video, appearance)
        size = frame_size(pose, source)
        panel = full_panel(pose, source, size, view=view, skeleton=False)
        phase = phase_names(pose.frame, phases.get(video.id, []))
        return RecordedClip(video.id, panel, row, matched, phase)

    rows = np.arange(len(pose_a))
    every = np.ones(len(pose_a), bool)
    return (
        recorded(result.a, pose_a, rows, every, "filmed"),
        recorded(result.b, result.pose_b, row_b, matched, result.alignment.view),
    )


def _retimed(project: Project, result: AlignResult, appearance: Appearance) -> Panel:
    source = _source(project, result.b, appearance)
    size = frame_size(result.pose_b, source)
    view = result.alignment.view
    return full_panel(result.pose_b, source, size, view=view, skeleton=appearance.skeleton)
