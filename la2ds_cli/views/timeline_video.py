"""Many clips of one timeline as one video: a grid in which all show the same moment.

It follows the time of the reference. Each clip is decoded once, in order, with one of its frames in
memory; a clip without a video is drawn from its joints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.consensus import evenly_spaced
from la2ds_cli.alignment.timeline_result import PlacedClip, TimelineResult
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.video.reader import Image, VideoFile, video_file
from la2ds_cli.video.writer import write_video
from la2ds_cli.views.film_strip import aspect
from la2ds_cli.views.sync.side_by_side import (
    GROUND,
    NO_COUNTERPART,
    UPSCALED,
    Panel,
    make_panel,
    shortened,
    text_width,
    write_text,
)
from la2ds_cli.views.sync.sync import VIDEOS, frame_size
from la2ds_cli.views.sync.timeline import Timeline, make_timeline

GRID_CLIPS = 16
_WIDTH, _HEIGHT = 1920, 1080  # pixels of the whole, at most
_TALLEST = 480  # pixels of one picture
_FONT = 16  # pixels, the least; of large pictures a 25th of their height
_NARROWEST = 13 * _FONT  # pixels of a cell, for what is written above the picture
_GAP = 16
_INK, _SOFT, _REFERENCE = (240, 240, 240), (165, 165, 170), (240, 190, 90)


@dataclass(frozen=True)
class _Cell:
    """A clip in the grid. timeline: row_b is the row of it that is shown in each frame, matched
    whether it shows that moment."""

    clip: PlacedClip
    panel: Panel
    timeline: Timeline


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
    grid = _Grid(project, result, shown)

    def counted() -> Iterator[Image]:
        for frame in grid.frames():
            yield frame
            progress.advance()

    progress.begin("video", len(grid))
    write_video(target, counted(), grid.fps)
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


class _Grid:
    """Draws the frames: the picture of each clip, with its name and seconds above."""

    def __init__(
        self, project: Project, result: TimelineResult, shown: Sequence[PlacedClip]
    ) -> None:
        self.clock = clock = result.clock
        poses = [project.read_pose(clip.video.id)[0] for clip in shown]
        sources = [video_file(project, clip.video) for clip in shown]
        sizes = [frame_size(pose, source) for pose, source in zip(poses, sources, strict=True)]
        shapes = [
            size[0] / size[1] if source is not None and all(size) else aspect(pose)
            for pose, source, size in zip(poses, sources, sizes, strict=True)
        ]
        self.columns, self.width, self.height = _layout(shapes, sources, sizes)
        self.font = max(_FONT, round(self.height / 25))
        self.line = 2 * round(0.85 * self.font)
        self.cells = []
        for clip, pose, source, size, shape in zip(
            shown, poses, sources, sizes, shapes, strict=True
        ):
            high = 2 * int(min(self.height, self.width / shape) / 2)
            panel = make_panel(pose, source, size, high, view=clip.view, skeleton=True)
            rows = rows_of_clock(result, clip)
            timeline = make_timeline(clock.time, poses[0].fps, rows, len(pose))
            self.cells.append(_Cell(clip, panel, timeline))
        self.fps = self.cells[0].timeline.fps

    def __len__(self) -> int:
        return len(self.cells[0].timeline)

    def frames(self) -> Iterator[Image]:
        """(H, W, 3) RGB, one for each frame of the reference's clock."""
        base = self._base()
        pictures = [
            cell.panel.pictures(cell.timeline.row_b, cell.timeline.matched) for cell in self.cells
        ]
        for k, images in enumerate(zip(*pictures, strict=True)):
            frame = base.copy()
            for number, (cell, image) in enumerate(zip(self.cells, images, strict=True)):
                self._draw(frame, number, cell, image, k)
            self._progress(frame, k)
            yield frame

    def _corner(self, number: int) -> tuple[int, int]:
        """Top and left of a cell, text included."""
        row, column = divmod(number, self.columns)
        return (
            _GAP + row * (self.line + self.height + _GAP),
            _GAP + column * (self.width + _GAP),
        )

    def _base(self) -> Image:
        """What does not change: the background and the names."""
        rows = -(-len(self.cells) // self.columns)
        width = _GAP + self.columns * (self.width + _GAP)
        height = _GAP + rows * (self.line + self.height + _GAP) + self.line + _GAP
        image = np.full((height + height % 2, width + width % 2, 3), GROUND, np.uint8)
        for number, cell in enumerate(self.cells):
            top, left = self._corner(number)
            seconds = text_width(f"{cell.clip.time[-1]:.2f} s", self.font)
            name = shortened(cell.clip.video.name, self.font, self.width - seconds - self.font)
            ink = _REFERENCE if number == 0 else _INK
            write_text(image, name, (left, top + self.line / 2), self.font, ink)
        return image

    def _draw(self, frame: Image, number: int, cell: _Cell, image: Image, k: int) -> None:
        top, left = self._corner(number)
        middle, right = top + self.line / 2, left + self.width
        matched = bool(cell.timeline.matched[k])
        seconds = f"{cell.clip.time[cell.timeline.row_b[k]]:.2f} s" if matched else "–"
        write_text(frame, seconds, (right, middle), self.font, _SOFT, align=1)
        high, wide = image.shape[:2]
        y = top + self.line + (self.height - high) // 2
        x = left + (self.width - wide) // 2
        region = frame[y : y + high, x : x + wide]
        region[:] = image
        if not matched:
            self._tag(region, NO_COUNTERPART, high / 2)
        if cell.clip.mirrored:
            self._tag(region, "mirrored", high - self.line / 2)

    def _tag(self, region: Image, text: str, middle: float) -> None:
        """Write over a picture (h, w, 3), on a darker band."""
        top = max(round(middle - self.line / 2), 0)
        region[top : top + self.line] //= 3
        write_text(region, text, (region.shape[1] / 2, middle), self.font, _INK, align=0.5)

    def _progress(self, frame: Image, k: int) -> None:
        """Below the pictures: the position on the timeline, and whose time it is."""
        middle = frame.shape[0] - _GAP - self.line / 2
        passed = self.clock.position[self.cells[0].timeline.row_a[k]]
        text = f"{100 * passed:.0f} % of {self.clock.video.name}, the reference"
        text = shortened(text, self.font, frame.shape[1] - 2 * _GAP)
        write_text(frame, text, (_GAP, middle), self.font, _REFERENCE)
        frame[-_GAP // 2 :, : round(passed * frame.shape[1])] = _REFERENCE


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
    return columns, max(2 * int(high * shape / 2), _NARROWEST), 2 * int(high / 2)
