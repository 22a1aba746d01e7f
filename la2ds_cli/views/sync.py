"""Two clips side by side in a video that shows matching moments at the same time, as frames or as
joints on a plain background."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import within_text
from la2ds_cli.alignment.path import nearest_rows
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import Unusable, UserError
from la2ds_cli.core.output_paths import check_output, remember_output
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.result_names import result_name
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.features.camera_views import shown
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.video.reader import Image, VideoFile, probe, video_file, write_video
from la2ds_cli.views.figure import letters, printable
from la2ds_cli.views.film_strip import PLAIN, Colour, draw_pose, view_boxes, write_text

_WIDEST = 2.4  # width / height; wider pictures are made smaller
NO_COUNTERPART, MIRRORED = "no counterpart", "mirrored"
# RGB.
_GROUND: Colour = (20, 20, 23)
_INK, _SOFT = (240, 240, 240), (165, 165, 170)
SUFFIXES = (".mp4", ".mov", ".mkv")
HEIGHT = 480
SLOWEST, FASTEST = 1.0, 240.0  # frames per second of a written video
MOST_TIMES = 4  # a tempo beyond is not told more exactly, as in figures and on pages
_EVEN = 0.25  # frames that a clip of constant rate may deviate from its rate


class Panel(NamedTuple):
    """A clip, and how its frames are shown.

    pose: as drawn, flipped if `mirrored`. phase: (T,) names, empty if nothing is labelled. source:
    the video, None = draw only the joints. width, height: of the picture in pixels. scale: pixels
    of the picture per pixel of the video. corner: (T, 2) pixel of the video at the picture's upper
    left. skeleton: whether joints are drawn (always without a source).
    """

    name: str
    pose: PoseSequence
    phase: Sequence[str]
    source: VideoFile | None
    width: int
    height: int
    scale: float
    corner: FloatArray
    mirrored: bool
    skeleton: bool

    def pictures(self, row: IntArray, matched: BoolArray) -> Iterator[Image]:
        """Yield (height, width, 3) RGB for each of row (F,), greyed where matched (F,) is False."""
        images: Iterator[Image | None] = iter([None] * len(row))
        if self.source is not None:
            images = shown_frames(self.source, self.pose.frame[row])
        for t, has_counterpart, image in zip(row.tolist(), matched.tolist(), images, strict=True):
            picture = self.picture(t, image)
            yield picture if has_counterpart else greyed(picture)

    def picture(self, t: int, image: Image | None) -> Image:
        """Return row t, drawn over the frame `image` of the video or on a plain background."""
        import cv2

        if image is None:
            shown = np.full((self.height, self.width, 3), PLAIN, np.uint8)
        else:
            method = cv2.INTER_AREA if self.height < image.shape[0] else cv2.INTER_CUBIC
            shown = cv2.resize(image, (self.width, self.height), interpolation=method)
            shown = np.array(shown[:, ::-1] if self.mirrored else shown, np.uint8)
        if self.skeleton or image is None:
            x, y = self.corner[t].tolist()
            thick = max(2, round(min(self.width, self.height) / 140))  # of the limbs
            draw_pose(shown, self.pose, t, self.scale, (x, y), thick)
        return shown

    def caption(self, row: int) -> str:
        """Return the text above the picture: its seconds and phase."""
        phase = self.phase[row] if self.phase else ""
        return f"{self.pose.time[row]:.2f} s" + (f" · {phase}" if phase else "")


def make_panel(
    name: str,
    pose: PoseSequence,
    source: VideoFile | None,
    height: int,
    *,
    view: View = "filmed",
    skeleton: bool = True,
    phase: Sequence[str] = (),
) -> Panel:
    """Return a panel of at most `height` pixels; without a source, its picture follows the body."""
    trusted = with_trust(pose)  # needs `info`, which is emptied below
    drawn = replace(shown(trusted, view), box=np.full_like(pose.box, np.nan), info={})
    if source is None:
        box = view_boxes(drawn)
        corner, (wide, high) = box[:, :2], (box[0, 2:] - box[0, :2]).tolist()
    else:
        info = None if all(pose.size) else probe(source.path, source.options)
        wide, high = pose.size if info is None else (info.width, info.height)
        corner = np.zeros((len(pose), 2))
    scale = min(height / high, _WIDEST * height / wide)
    wide, high = max(round(wide * scale), 1), max(round(high * scale), 1)
    return Panel(name, drawn, phase, source, wide, high, scale, corner, view in FLIPPED, skeleton)


def shown_frames(file: VideoFile, number: IntArray) -> Iterator[Image]:
    """Yield the frames with the numbers (F,) (Frame.source), which must not decrease.

    The file is read in one pass with one frame in memory; a repeated frame is the same array. If
    the file ends early, its last frame is repeated.

    Raises
    ------
    UserError: if the file cannot be read.
    """
    frames = file.frames()
    shown = next(frames)
    for wanted in number.tolist():
        while shown.source < wanted:
            following = next(frames, None)
            if following is None:
                break
            shown = following
        yield shown.image


def greyed(image: Image) -> Image:
    """Return a dim grey copy of a picture, for moments without a counterpart."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.repeat((grey[..., None] * 0.35 + 55).astype(np.uint8), 3, axis=2)


# --- clips beside each other ---------------------------------------------------------------------


class SideBySide:
    """Draw the F frames of a video of two clips in step.

    panels: of the clips. rows: for each clip, the row (F,) in each frame, and whether the clip
    shows that moment (F,). below: text at the left and right below the pictures, for each frame.
    """

    def __init__(
        self,
        panels: Sequence[Panel],
        rows: Sequence[tuple[IntArray, BoolArray]],
        below: Sequence[tuple[str, str]],
    ) -> None:
        self.panels, self.rows, self.below = panels, rows, below
        self.tallest = max(panel.height for panel in panels)
        self.font = max(round(self.tallest / 27), 14)
        self.line = 2 * round(0.85 * self.font)  # of text
        self.gap = 2 * max(round(self.tallest / 100), 4)
        # Wide enough for the text.
        self.widths = [max(14 * self.font, panel.width) for panel in panels]
        self.lefts = [self.gap, 2 * self.gap + self.widths[0]]
        self.end = self.lefts[1] + self.widths[1]
        height, width = 2 * self.line + self.tallest + self.gap, self.end + self.gap
        self.base = np.full((height + height % 2, width + width % 2, 3), _GROUND, np.uint8)
        for number, panel in enumerate(panels):
            self._name(number, panel)

    def frames(self, progress: Progress) -> Iterator[Image]:
        """Yield (H, W, 3) RGB."""
        pictures = [
            panel.pictures(*rows) for panel, rows in zip(self.panels, self.rows, strict=True)
        ]
        for k, images in enumerate(zip(*pictures, strict=True)):
            frame = self.base.copy()
            for number, image in enumerate(images):
                self._draw(frame, number, image, k)
            middle = self.line * 1.5 + self.tallest
            left, right = self.below[k]
            write_text(frame, left, (self.gap, middle), self.font, _INK)
            write_text(frame, right, (self.end, middle), self.font, _INK, "rm")
            yield frame
            progress.advance()

    def region(self, number: int) -> tuple[slice, slice]:
        """Return the rows and columns of a frame that a clip's picture occupies."""
        panel = self.panels[number]
        top = self.line + (self.tallest - panel.height) // 2
        left = self.lefts[number] + (self.widths[number] - panel.width) // 2
        return slice(top, top + panel.height), slice(left, left + panel.width)

    def _name(self, number: int, panel: Panel) -> None:
        """Write the name of a clip, shortened to leave room for the time and the longest phase."""
        phase = max(panel.phase, key=len, default="")
        beside = letters(self.font).getlength(f"{panel.pose.time[-1]:.2f} s · {phase}")
        room = self.widths[number] - beside
        name = printable(panel.name, max(int(room / (0.55 * self.font)), 3)).replace(r"\$", "$")
        write_text(self.base, name, (self.lefts[number], self.line / 2), self.font, _SOFT)

    def _draw(self, frame: Image, number: int, image: Image, k: int) -> None:
        panel, (row, matched) = self.panels[number], self.rows[number]
        caption = panel.caption(int(row[k])) if matched[k] else "–"
        place = self.lefts[number] + self.widths[number], self.line / 2
        write_text(frame, caption, place, self.font, _INK, "rm")
        region = frame[self.region(number)]
        region[:] = image
        if not matched[k]:
            self._tag(region, NO_COUNTERPART, region.shape[0] / 2)
        if panel.mirrored:
            self._tag(region, MIRRORED, region.shape[0] - self.line / 2)

    def _tag(self, region: Image, text: str, middle: float) -> None:
        """Write text over a picture (h, w, 3), on a dark band."""
        top = max(round(middle - self.line / 2), 0)
        region[top : top + self.line] //= 3
        write_text(region, text, (region.shape[1] / 2, middle), self.font, _INK, "mm")


def write_sync(
    project: StoredProject,
    result: Alignment,
    progress: Progress,
    *,
    out: Path | None = None,
    height: int = HEIGHT,
    skeleton: bool = True,
    privacy: bool = False,
) -> dict[str, Any]:
    """Write a video of two aligned clips side by side, with B in the tempo of A.

    Returns the document for `--json`.

    Parameters
    ----------
    out: the video, by default in results/sync. An existing file is replaced unless `check_output`
        refuses; the file is written completely or not at all.
    height: greatest height of the pictures, in pixels.
    skeleton: draw the joints on the pictures.
    privacy: draw only joints on a plain background, without opening a video.

    Raises
    ------
    UserError: exit 2 for an alignment that runs back in B; 4 if no frame has a counterpart; and
        whatever reading the videos raises.
    """
    name = result_name(project.videos(), result.a, result.b)
    out = out or project.results_dir("sync") / f"{name}.mp4"
    check_output(project, out)
    fps, row_a, row_b = timeline(result)
    both = side_by_side(project, result, (row_a, row_b), height, skeleton=skeleton, privacy=privacy)
    progress.begin("side by side", len(row_a))
    write_video(out, both.frames(progress), fps, partial(check_output, project))
    remember_output(project, out)
    progress.end()
    return {
        "schema_version": 1,
        "a": {"video": result.a.id, "path": result.a.path},
        "b": {"video": result.b.id, "path": result.b.path},
        "features": result.features,
        "reason": result.reason,
        "run": result.run if result.features == "model" else None,
        "method": result.method,
        "mirrored": result.mirrored,
        "skeleton": skeleton,
        "privacy": privacy,
        "fps": fps,
        "frames": len(row_a),
        "frames_without_counterpart": int((~result.matched_a[row_a]).sum()),
        "files": [str(out)],
    }


# --- which frames are shown ----------------------------------------------------------------------


def timeline(result: Alignment) -> tuple[float, IntArray, IntArray]:
    """Return the frame rate of the video, and the rows of A and B (F,) to show.

    Where a frame of A has no counterpart, B stays at that of the nearest frame that has one.

    Raises
    ------
    UserError: as write_sync.
    """
    time, position = result.pose_a.time, result.position
    matched, row_b = nearest_rows(position, len(result.pose_b))
    if not matched.any():
        raise Unusable(
            "no frame of A has a counterpart in B", hint="align clips of the same movement"
        )
    fps, row_a = clock(time, result.pose_a.fps)
    row_b = row_b[result.pose_a.axis.nearest_known(matched)][row_a]
    if (np.diff(row_b) < 0).any():
        raise UserError(
            "this alignment runs back and forth in B, which a video cannot follow",
            hint="use a method that keeps the order: --method dtw",
        )
    return fps, row_a, row_b


def clock(time: FloatArray, fps: float) -> tuple[float, IntArray]:
    """Return a constant frame rate for a clip, and the rows (F,) to show at this rate.

    An evenly sampled clip keeps its rate, and each frame is shown once. Otherwise the rate comes
    from the median step, and each output frame shows the row that is current in its middle.
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


# --- both clips -----------------------------------------------------------------------------------


def side_by_side(
    project: StoredProject,
    result: Alignment,
    rows: tuple[IntArray, IntArray],
    height: int = HEIGHT,
    *,
    skeleton: bool = True,
    privacy: bool = False,
) -> SideBySide:
    """Return the drawing of both clips side by side; options as in write_sync.

    Parameters
    ----------
    rows: (F,) rows of A and of B to show.
    """
    phases = project.phases(skip_unclear=True)
    pairs: tuple[tuple[str, Video, PoseSequence, View], ...] = (
        ("A", result.a, result.pose_a, "filmed"),
        ("B", result.b, result.pose_b, result.view),
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
    alignment, (row_a, row_b) = result, rows
    matched = alignment.matched_a[row_a]
    words, within, rests = alignment.certainty, alignment.within, alignment.rests
    below = [
        (
            "at rest" if rests[row] else tempo_label(float(result.speed_ratio[row])),
            f"{words[row]}, {within_text(float(within[row]))}",
        )
        if has_counterpart
        else ("", "")
        for row, has_counterpart in zip(row_a.tolist(), matched.tolist(), strict=True)
    ]
    shown = (row_a, np.ones(len(row_a), bool)), (row_b, matched)
    return SideBySide(panels, shown, below)


def tempo_label(ratio: float) -> str:
    """Return, for example, `B 1.4× slower` from seconds of B per second of A; empty for NaN."""
    if np.isnan(ratio):
        return ""
    if ratio < 0.05:
        return "B stands still"
    factor, direction = (ratio, "slower") if ratio > 1 else (1 / ratio, "faster")
    if factor > MOST_TIMES:
        return f"B over {MOST_TIMES}× {direction}"
    return f"B {factor:.1f}× {direction}" if factor >= 1.05 else "same tempo"
