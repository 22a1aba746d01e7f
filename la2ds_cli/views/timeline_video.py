"""Many clips of one timeline as one video: a grid in which all show the same moment.

It follows the time of the reference. Each clip is decoded once, in order, with one of its frames in
memory; a clip without a video is drawn from its joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.timeline_result import PlacedClip, TimelineResult
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.video.reader import VideoFile, video_file
from la2ds_cli.video.writer import write_video
from la2ds_cli.views.film_strip import aspect
from la2ds_cli.views.side_by_side import UPSCALED, Cell, Grid, make_panel, shortened
from la2ds_cli.views.sync import VIDEOS, frame_size, make_timeline
from la2ds_cli.views.sync import clock as frame_clock

GRID_CLIPS = 16
_WIDTH, _HEIGHT = 1920, 1080  # pixels of the whole, at most
_TALLEST = 480  # pixels of one picture
_FONT = 16  # pixels
_NARROWEST = 13 * _FONT  # pixels of a cell, for what is written above the picture
_GAP = 16


def check_video(project: Project, video: Path | None) -> None:
    """Check the name of the video, if given, before any work is done.

    Raises UserError (exit 2) for an unknown suffix and for a file of the project.
    """
    checked_outputs(project, [video] if video else [], "a video", VIDEOS)


def write_grid(
    project: Project, result: TimelineResult, target: Path, progress: Progress
) -> TimelineResult:
    """Write the video of a timeline, and return the timeline with the video among its files.

    If there are more than GRID_CLIPS clips, it shows the reference and others, evenly spaced in
    their order. Raises whatever reading the videos raises, and UserError (exit 7) if it cannot be
    written.
    """
    shown = shown_clips(result)
    if len(shown) < len(result.clips):
        progress.note(
            f"the video shows {len(shown)} of {len(result.clips)} clips, the reference first"
        )
    grid = grid_of(project, result, shown)
    fps, _ = frame_clock(result.clock.time, project.read_pose(result.clock.video.id)[0].fps)
    progress.begin("video", len(grid.level))
    write_video(target, grid.frames(progress), fps)
    progress.end()
    return replace(result, files=(*result.files, target))


def shown_clips(result: TimelineResult) -> list[PlacedClip]:
    """The reference, and others that show a moment of one of its frames; at most GRID_CLIPS in
    all."""
    others = [
        clip
        for number, clip in enumerate(result.clips)
        if number != result.reference and not np.isnan(rows_of_clock(result, clip)).all()
    ]
    return [result.clock, *evenly_spaced(others, GRID_CLIPS - 1)]


def rows_of_clock(result: TimelineResult, clip: PlacedClip) -> np.ndarray:
    """(N,) rows of a clip that show the same moments as the N frames of the reference."""
    return clip.row_at(result.clock.position)


def grid_of(project: Project, result: TimelineResult, shown: Sequence[PlacedClip]) -> Grid:
    """The frames: the picture of each clip, with its name and seconds above; below, the position on
    the timeline."""
    clock = result.clock
    poses = [project.read_pose(clip.video.id)[0] for clip in shown]
    sources = [video_file(project, clip.video) for clip in shown]
    sizes = [frame_size(pose, source) for pose, source in zip(poses, sources, strict=True)]
    shapes = [
        size[0] / size[1] if source is not None and all(size) else aspect(pose)
        for pose, source, size in zip(poses, sources, sizes, strict=True)
    ]
    columns, width, height = _layout(shapes, sources, sizes)
    cells = []
    for clip, pose, source, size, shape in zip(shown, poses, sources, sizes, shapes, strict=True):
        high = int(min(height, width / shape))
        panel = make_panel(pose, source, size, high, view=clip.view, skeleton=True)
        rows = rows_of_clock(result, clip)
        timeline = make_timeline(clock.time, poses[0].fps, rows, len(pose))
        cells.append(Cell(clip.video.name, panel, clip.time, timeline.row_b, timeline.matched))
    _, row_a = frame_clock(clock.time, poses[0].fps)
    name = shortened(clock.video.name, _FONT, _WIDTH / 2)

    def below(k: int) -> tuple[str, str]:
        return f"{100 * clock.position[row_a[k]]:.0f} % of {name}, the reference", ""

    return Grid(cells, columns, below, np.zeros(len(row_a)))


def _layout(
    shapes: Sequence[float],
    sources: Sequence[VideoFile | None],
    sizes: Sequence[tuple[int, int]],
) -> tuple[int, int, int]:
    """Columns, and width and height of a picture in pixels, of the grid with the largest pictures.

    shapes: width over height of each clip.
    """
    shape = float(np.clip(np.median(shapes), 0.6, 1.8))
    tallest = max(
        _TALLEST if source is None else UPSCALED * size[1]
        for source, size in zip(sources, sizes, strict=True)
    )

    def height(columns: int) -> float:
        rows = -(-len(shapes) // columns)
        wide = (_WIDTH - _GAP) / columns - _GAP
        high = (_HEIGHT - 2 * _FONT - 2 * _GAP) / rows - 2 * _FONT - _GAP
        return min(wide / shape, high, _TALLEST, tallest) if wide >= _NARROWEST else 0.0

    columns = max(range(1, len(shapes) + 1), key=height)
    high = height(columns)
    return columns, max(int(high * shape), _NARROWEST), int(high)
