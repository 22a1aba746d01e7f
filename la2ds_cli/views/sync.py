"""Two clips as one video that shows the same moments at the same time."""

from __future__ import annotations

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
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.video.reader import VideoFile, probe, video_file
from la2ds_cli.video.writer import write_video
from la2ds_cli.views.side_by_side import UPSCALED, Cell, Grid, make_panel, tempo_label

VIDEOS = (".mp4", ".mov", ".mkv")
HEIGHT = 480
SCHEMA_VERSION = 1
SLOWEST, FASTEST = 1.0, 240.0  # frames per second that a written video may have
_ROUNDING = 1e-9  # seconds
_EVEN = 0.25  # of a frame: how far a frame may lie from its place in a clip of even steps


@dataclass(frozen=True)
class Appearance:
    """height: greatest height of the pictures side by side, in pixels. skeleton: whether joints are
    drawn. privacy: only joints are drawn, on a plain background, and no video is opened."""

    height: int = HEIGHT
    skeleton: bool = True
    privacy: bool = False


@dataclass(frozen=True)
class Timeline:
    """F frames of output. fps: their rate. row_a, row_b: (F,) int64 rows of the pose sequences that
    are shown. matched: (F,) bool, whether the frame of A has a counterpart; if not, row_b is that
    of the frame of A nearest in time that has one."""

    fps: float
    row_a: IntArray
    row_b: IntArray
    matched: BoolArray

    def __len__(self) -> int:
        return len(self.row_a)


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
    """Raises UserError (exit 2) for a file with another suffix and for privacy without
    skeletons."""
    if out:
        check_suffix(out, "a video", VIDEOS)
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
    """Write two aligned clips side by side, A at its own speed and B at that of A.

    out: the video; None = one in results/sync. An existing file is replaced; it is written
    completely or not at all.

    Raises UserError: exit 2 for what check_output refuses, for a clip or a table of the project,
    and for an alignment that runs back in B; 4 if no frame has a counterpart; and whatever reading
    the videos raises.
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
    if (np.diff(timeline.row_b) < 0).any():
        raise UserError(
            "this alignment runs back and forth in B, which a video cannot follow",
            hint="use a method that keeps the order: --method dtw",
        )
    both = _side_by_side(project, result, timeline, appearance)
    progress.begin("side by side", len(timeline))
    write_video(out, both.frames(progress), timeline.fps)
    progress.end()
    return SyncResult(result, timeline, appearance, out)


# --- which frames are shown ----------------------------------------------------------------------


def make_timeline(
    time_a: FloatArray, fps_a: float, position: FloatArray, length_b: int
) -> Timeline:
    """The timeline of A at its own speed.

    time_a: (N,) seconds. fps_a: nominal rate of A. position: (N,) position of each frame of A among
    the `length_b` frames of B, NaN = no counterpart; the nearest frame is shown. Raises ValueError
    if no frame of A has a counterpart.
    """
    fps, row_a = clock(time_a, fps_a)
    matched = ~np.isnan(position)
    nearest = np.rint(position[nearest_known(time_a, matched)]).astype(np.int64)
    return Timeline(fps, row_a, np.clip(nearest, 0, length_b - 1)[row_a], matched[row_a])


def clock(time: FloatArray, fps: float) -> tuple[float, IntArray]:
    """A constant rate for a clip, and the rows (F,) shown at this rate.

    A clip with even steps keeps its rate, and each frame is shown once. For any other clip the rate
    is that of its median step, and each output frame shows what a player shows in its middle.
    """
    count = len(time)
    passed = np.asarray(time, np.float64) - time[0]
    if count == 1:
        return float(np.clip(fps, SLOWEST, FASTEST)), np.zeros(1, np.int64)
    rows = np.arange(count)
    for rate in (float(fps), float((count - 1) / passed[-1])):
        even = np.abs(passed * rate - rows).max() < _EVEN
        if even and SLOWEST <= rate <= FASTEST:
            return rate, rows
    rate = float(np.clip(1 / np.median(np.diff(passed)), SLOWEST, FASTEST))
    middle = (np.arange(round(passed[-1] * rate) + 1) + 0.5) / rate
    return rate, np.searchsorted(passed, middle, side="right") - 1


def nearest_known(time: FloatArray, known: BoolArray) -> IntArray:
    """(N,) int64: for each frame the nearest known one in time, the earlier of two; itself if it is
    known. Raises ValueError if none is known."""
    rows = np.flatnonzero(known)
    if not len(rows):
        raise ValueError("no frame of A has a counterpart")
    after = np.searchsorted(rows, np.arange(len(time)))
    before = rows[np.maximum(after - 1, 0)]
    after = rows[np.minimum(after, len(rows) - 1)]
    later = np.abs(time[after] - time) < np.abs(time - time[before]) - _ROUNDING
    return np.where(later, after, before)


# --- both clips -----------------------------------------------------------------------------------


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
    sources = [None if appearance.privacy else video_file(project, video) for video, _, _ in pairs]
    sizes = [frame_size(pose, s) for (_, pose, _), s in zip(pairs, sources, strict=True)]
    tallest = [
        appearance.height if source is None else UPSCALED * size[1]
        for source, size in zip(sources, sizes, strict=True)
    ]
    height = round(min(appearance.height, max(tallest)))
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
