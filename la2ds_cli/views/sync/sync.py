"""Two clips as one video that shows the same moments at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.confidence import certainty_words, seconds_within, within_text
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.output_paths import check_suffix, spare_project
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import BoolArray, IntArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.video.reader import Image, VideoFile, probe, video_file
from la2ds_cli.video.writer import write_video
from la2ds_cli.views.sync.recording import RecordedClip, rerun_sdk, write_recording
from la2ds_cli.views.sync.side_by_side import (
    UPSCALED,
    Cell,
    Grid,
    full_panel,
    make_panel,
    tempo_label,
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
class SyncResult:
    """alignment: of the two clips. timeline: which frames are shown. file: written."""

    alignment: AlignResult
    timeline: Timeline
    appearance: Appearance
    file: Path

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
            "files": [str(self.file)],
        }


def check_output(out: Path | None, appearance: Appearance) -> None:
    """Raises UserError (exit 2) for a file with another suffix and for privacy without skeletons;
    exit 6 for a recording without rerun-sdk."""
    if out and out.suffix.lower() == RECORDING:
        rerun_sdk()
    elif out:
        check_suffix(out, "a video", (*VIDEOS, RECORDING))
    if appearance.privacy and not appearance.skeleton:
        raise UserError(
            "nothing is left to show: --privacy leaves out the pictures, --no-skeleton the joints",
            hint="leave out one of the two options",
        )


def write_sync(
    project: Project,
    result: AlignResult,
    *,
    out: Path | None = None,
    appearance: Appearance = Appearance(),
    progress: Progress | None = None,
) -> SyncResult:
    """Write two aligned clips on the time of A.

    out: a video of both side by side, A at its own speed and B at that of A, or a recording
    (recording.py); None = a video in results/sync. An existing file is replaced; it is written
    completely or not at all.

    Raises UserError: exit 2 for what check_output refuses and for a clip or a table of the project;
    4 if no frame has a counterpart; and whatever reading the videos raises.
    """
    progress = progress or Progress()
    check_output(out, appearance)
    out = out or project.results_dir("sync") / f"{result.a.id}--{result.b.id}.mp4"
    spare_project(project, [out])
    position = result.alignment.position
    if np.isnan(position).all():
        raise UserError(
            "no frame of A has a counterpart in B",
            hint="align clips of the same movement",
            exit_code=ExitCode.UNUSABLE,
        )
    timeline = make_timeline(result.pose_a.time, result.pose_a.fps, position, len(result.pose_b))
    if out.suffix.lower() == RECORDING:
        a, b = _recorded(project, result, appearance)
        write_recording(out, a, b, result.alignment, progress)
    else:
        both = _side_by_side(project, result, timeline, appearance)
        _write(out, both.frames(), timeline, progress)
    return SyncResult(result, timeline, appearance, out)


def _write(path: Path, frames: Iterator[Image], timeline: Timeline, progress: Progress) -> None:
    def counted() -> Iterator[Image]:
        for frame in frames:
            yield frame
            progress.advance()

    progress.begin("side by side", len(timeline))
    write_video(path, counted(), timeline.fps)
    progress.end()


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
) -> Grid:
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
    every = np.ones(len(timeline), bool)
    shown = (timeline.row_a, every), (timeline.row_b, timeline.matched)
    cells = [
        Cell(
            f"{letter}  {video.name}",
            make_panel(pose, source, size, height, view=view, skeleton=appearance.skeleton),
            pose.time,
            row,
            matched,
            phase_names(pose.frame, phases.get(video.id, [])),
        )
        for letter, (video, pose, view), source, size, (row, matched) in zip(
            "AB", pairs, sources, sizes, shown, strict=True
        )
    ]
    alignment = result.alignment
    words, within = certainty_words(alignment), seconds_within(alignment)

    def below(k: int) -> tuple[str, str]:
        if not timeline.matched[k]:
            return "", ""
        row = int(timeline.row_a[k])
        return tempo_label(result.speed_ratio[row]), f"{words[row]}, {within_text(within[row])}"

    sure = alignment.confidence[timeline.row_a]
    return Grid(cells, 2, below, np.where(timeline.matched, sure, np.nan))


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
