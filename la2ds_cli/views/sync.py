"""Two clips as one video that shows the same moments at the same time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.confidence import certainty_words, seconds_within, within_text
from la2ds_cli.alignment.path import nearest_rows
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.video.container import write_video
from la2ds_cli.video.reader import video_file
from la2ds_cli.views.side_by_side import SideBySide, make_panel

SUFFIXES = (".mp4", ".mov", ".mkv")
HEIGHT = 480
SCHEMA_VERSION = 1
SLOWEST, FASTEST = 1.0, 240.0  # frames per second that a written video may have
_ROUNDING = 1e-9  # seconds
_EVEN = 0.25  # of a frame: how far a frame may lie from its place in a clip of even steps


def write_sync(
    project: Project,
    result: AlignResult,
    progress: Progress,
    *,
    out: Path | None = None,
    height: int = HEIGHT,
    skeleton: bool = True,
    privacy: bool = False,
) -> dict[str, Any]:
    """Write two aligned clips side by side, A at its own speed and B at that of A.

    out: the video; None = one in results/sync. An existing file is replaced; it is written
    completely or not at all. height: greatest height of the pictures, in pixels. skeleton: whether
    joints are drawn. privacy: only joints are drawn, on a plain background, and no video is opened.

    Returns the document for `--json`. Raises UserError: exit 2 for an alignment that runs back in
    B; 4 if no frame has a counterpart; and whatever reading the videos raises.
    """
    alignment = result.alignment
    out = out or project.results_dir("sync") / f"{result.a.id}--{result.b.id}.mp4"
    fps, row_a, row_b = timeline(result)
    both = side_by_side(project, result, (row_a, row_b), height, skeleton=skeleton, privacy=privacy)
    progress.begin("side by side", len(row_a))
    write_video(out, both.frames(progress), fps)
    progress.end()
    return {
        "schema_version": SCHEMA_VERSION,
        "a": {"video": result.a.id, "path": result.a.path},
        "b": {"video": result.b.id, "path": result.b.path},
        "features": alignment.features,
        "reason": result.reason,
        "run": result.run if alignment.features == "model" else None,
        "method": alignment.method,
        "mirrored": alignment.mirrored,
        "skeleton": skeleton,
        "privacy": privacy,
        "fps": fps,
        "frames": len(row_a),
        "frames_without_counterpart": int((~alignment.matched_a[row_a]).sum()),
        "files": [str(out)],
    }


# --- which frames are shown ----------------------------------------------------------------------


def timeline(result: AlignResult) -> tuple[float, IntArray, IntArray]:
    """The rate of the video, and the rows of A and of B (F,) that are shown.

    Where a frame of A has no counterpart, B shows that of the frame of A nearest in time that has
    one. Raises UserError as write_sync.
    """
    time, position = result.pose_a.time, result.alignment.position
    known, row_b = nearest_rows(position, len(result.pose_b))
    if not known.any():
        raise UserError(
            "no frame of A has a counterpart in B",
            hint="align clips of the same movement",
            exit_code=ExitCode.UNUSABLE,
        )
    fps, row_a = clock(time, result.pose_a.fps)
    row_b = row_b[nearest_known(time, known)][row_a]
    if (np.diff(row_b) < 0).any():
        raise UserError(
            "this alignment runs back and forth in B, which a video cannot follow",
            hint="use a method that keeps the order: --method dtw",
        )
    return fps, row_a, row_b


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
    known."""
    rows = np.flatnonzero(known)
    after = np.searchsorted(rows, np.arange(len(time)))
    before = rows[np.maximum(after - 1, 0)]
    after = rows[np.minimum(after, len(rows) - 1)]
    later = np.abs(time[after] - time) < np.abs(time - time[before]) - _ROUNDING
    return np.where(later, after, before)


# --- both clips -----------------------------------------------------------------------------------


def side_by_side(
    project: Project,
    result: AlignResult,
    rows: tuple[IntArray, IntArray],
    height: int = HEIGHT,
    *,
    skeleton: bool = True,
    privacy: bool = False,
) -> SideBySide:
    """The frames of the video. rows: (F,) rows of A and of B that are shown; the rest as in
    write_sync."""
    phases = project.phases()
    pairs: tuple[tuple[str, Video, PoseSequence, View], ...] = (
        ("A", result.a, result.pose_a, "filmed"),
        ("B", result.b, result.pose_b, result.alignment.view),
    )
    panels = [
        make_panel(
            f"{letter}  {video.name}",
            pose,
            None if privacy else video_file(project, video),
            height,
            view=view,
            skeleton=skeleton,
            phase=phase_names(pose.frame, phases.get(video.id, [])),
        )
        for letter, video, pose, view in pairs
    ]
    alignment, (row_a, row_b) = result.alignment, rows
    matched = alignment.matched_a[row_a]
    words, within = certainty_words(alignment), seconds_within(alignment)
    below = [
        (
            tempo_label(float(result.speed_ratio[row])),
            f"{words[row]}, {within_text(float(within[row]))}",
        )
        if known
        else ("", "")
        for row, known in zip(row_a.tolist(), matched.tolist(), strict=True)
    ]
    shown = (row_a, np.ones(len(row_a), bool)), (row_b, matched)
    return SideBySide(panels, shown, below)


def tempo_label(ratio: float) -> str:
    """`B 1.4× slower` for seconds of B per second of A; empty for NaN."""
    if np.isnan(ratio):
        return ""
    if ratio < 0.05:
        return "B stands still"
    factor, direction = (ratio, "slower") if ratio > 1 else (1 / ratio, "faster")
    return f"B {factor:.1f}× {direction}" if factor >= 1.05 else "same tempo"
