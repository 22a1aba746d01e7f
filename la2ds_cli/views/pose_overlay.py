"""Pictures for checking poses: videos with the skeleton drawn in, and contact sheets.

A sheet has a row for each clip, with facts about it and frames with its joints.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import Unreadable
from la2ds_cli.core.output_paths import (
    check_derived,
    check_output,
    checked_outputs,
    write_derived,
    write_output,
)
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.poses.quality import clip_facts, verdict
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.video.reader import Image, VideoFile, video_file, write_video
from la2ds_cli.views.figure import letters, printable
from la2ds_cli.views.film_strip import (
    NOBODY,
    cut_out,
    draw_pose,
    label,
    nobody,
    other_people,
    resize,
    view_boxes,
)

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw


SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
A_SHEET = "a sheet", tuple(SUFFIXES)  # for checked_outputs
ROWS = 12  # clips on a page of a sheet
_COLUMNS = 8  # frames of a clip

# Sizes on a sheet, in pixels.
_CELL = np.array([210, 260])
_CAPTION, _GAP, _MARGIN = 24, 8, 16
_HEADER, _TEXT = 44, 320
_LEGEND = (
    "orange = left side, blue = right side     joints: dark = uncertain, hollow = not trusted     "
    "boxes: green = subject, grey = others"
)
# RGB.
_PAPER, _INK, _SOFT = (246, 246, 244), (30, 30, 30), (110, 110, 110)
_EMPTY, _RULE = (225, 225, 222), (205, 205, 202)
_GOOD, _BAD = (0, 120, 80), (190, 80, 0)


def overlay_path(project: StoredProject, video: str) -> Path:
    """Return results/overlay/<id>.mp4."""
    return project.results_dir("overlay") / f"{video}.mp4"


def write_overlay(project: StoredProject, video: str) -> Path:
    """Write the clip as a video with its joints, time and frame number, and return the file.

    Raises
    ------
    UserError: if poses are missing (exit 4) or the source is gone (exit 3); an older overlay is
        then removed.
    """
    pose = with_trust(project.read_pose(video)[0])
    path = overlay_path(project, video)
    check_output(project, path)
    path.unlink(missing_ok=True)
    file = video_file(project, _video(project, video))
    if file is None:
        raise Unreadable(
            f"the video of {video} is missing or has changed",
            hint="put the file back in its place, or run la2ds extract-poses on the new file",
            code="V006",
        )
    write_video(path, _drawn(file, pose), pose.fps, partial(check_output, project))
    return path


def refresh_overlay(project: StoredProject, result: ItemResult) -> None:
    """Write the overlay of a clip unless it is newer than the clip's joints and all corrections."""
    path = overlay_path(project, result.video)
    sources = (project.pose_path(result.video), project.annotations_path)
    newest = max(source.stat().st_mtime_ns for source in sources if source.exists())
    if not path.exists() or path.stat().st_mtime_ns <= newest:
        write_overlay(project, result.video)


def _drawn(file: VideoFile, pose: PoseSequence) -> Iterator[Image]:
    row_of = {int(frame): t for t, frame in enumerate(pose.frame)}
    for frame in file.frames(row_of):
        scale = min(1.0, 720 / max(frame.image.shape[:2]))
        t = row_of[frame.source]
        yield label(draw_pose(resize(frame.image, scale), pose, t, scale), pose, t)


def _video(project: StoredProject, video: str) -> Video:
    return next(v for v in project.videos() if v.id == video)


_Row = tuple[str, Mapping[str, Any], list[tuple[Image, str, bool]]]
"""A clip on a sheet: its name, facts, and cells (picture, caption, whether a person is seen)."""


def overlay_sheet(project: StoredProject, videos: Sequence[str], path: Path) -> list[Path]:
    """Write a contact sheet with a row for each clip, and return its pages.

    A row has name, verdict, facts, and evenly spaced frames. After ROWS clips a new page begins,
    named `path` with -2, -3, ... before its suffix; all paths are checked before any is written.

    Raises
    ------
    UserError: as `checked_pages` (exit 2), and if poses are missing (exit 4).
    """
    paths = checked_pages(project, path, len(videos))
    pages = [videos[start : start + ROWS] for start in range(0, len(videos), ROWS)]
    for number, (target, page) in enumerate(zip(paths, pages, strict=True), start=1):
        title = f"page {number} of {len(pages)}" if len(pages) > 1 else ""
        picture = _page([_row(project, video) for video in page], title)
        buffer = io.BytesIO()
        picture.save(buffer, SUFFIXES[path.suffix.lower()])
        write = write_output if number == 1 else write_derived
        write(project, target, buffer.getvalue())
    return paths


def checked_pages(
    project: StoredProject, path: Path, clips: int, inputs: Sequence[str | Path] = ()
) -> list[Path]:
    """Check the page paths of a sheet, and return them.

    Parameters
    ----------
    path: the first page, whose name the user typed.
    clips: the number of clips.
    inputs: as for `checked_outputs`.

    Raises
    ------
    UserError: exit 2, as `checked_outputs` for the first page and `check_derived` for the others.
    """
    checked_outputs(project, [path], *A_SHEET, inputs)
    pages = range(1, -(-clips // ROWS) + 1)
    paths = [path if n == 1 else path.with_stem(f"{path.stem}-{n}") for n in pages]
    for page in paths[1:]:
        check_derived(project, page, inputs)
    return paths


def _row(project: StoredProject, video: str) -> _Row:
    """Draw the row of a clip; its video is read once, up to the last frame shown."""
    pose = with_trust(project.read_pose(video)[0])
    facts = clip_facts(project, video)
    rows = np.unique(((np.arange(_COLUMNS) + 0.5) / _COLUMNS * len(pose)).astype(int)).tolist()
    shown: dict[int, Image] = {}
    box = _views(pose, [weakness.code for weakness in verdict(facts)])
    source = _video(project, video)
    if (file := video_file(project, source)) is not None:
        row_of = {int(pose.frame[t]): t for t in rows}
        for frame in file.frames(row_of):
            t = row_of[frame.source]
            shown[t] = _cell(pose, t, box[t], frame.image)
    cells = []
    for t in rows:
        absent = nobody(pose, t)
        caption = f"{pose.time[t]:.2f} s   #{pose.frame[t]}" + ("   nobody" if absent else "")
        picture = shown[t] if t in shown else _cell(pose, t, box[t], None)
        cells.append((picture, caption, not absent))
    return source.name, facts, cells


def _views(pose: PoseSequence, codes: Sequence[str]) -> FloatArray:
    """Return (T, 4) xyxy pixels of the part to show, all of one size: the range of the movement,
    and other people too if the wrong person may have been followed (V021)."""
    box = view_boxes(pose)
    if "V021" not in codes:
        return box
    others = [other for t in range(len(pose)) for other in other_people(pose, t)]
    every = np.concatenate([box, np.reshape(others, (-1, 4))])
    box[:] = [*every[:, :2].min(axis=0), *every[:, 2:].max(axis=0)]
    return box


def _cell(pose: PoseSequence, t: int, box: FloatArray, image: Image | None) -> Image:
    """Return the part of the frame around `box` with row t drawn in; without a frame, the joints
    alone."""
    scale = float(min(_CELL / (box[2:] - box[:2])))
    middle, half = (box[:2] + box[2:]) / 2, _CELL / scale / 2
    shown = np.concatenate([middle - half, middle + half])
    width, height = _CELL.tolist()
    if image is None:
        cell = np.full((height, width, 3), _EMPTY, np.uint8)
    else:
        cell = cut_out(image, shown, width, height)
    return draw_pose(cell, pose, t, scale, (float(shown[0]), float(shown[1])), thick=2)


def _page(rows: list[_Row], title: str) -> Picture:
    from PIL import Image as Pictures
    from PIL import ImageDraw

    wide, tall = _CELL.tolist()
    high = tall + _CAPTION + _GAP
    width = _MARGIN + _TEXT + _COLUMNS * (wide + _GAP) + _MARGIN
    picture = Pictures.new("RGB", (width, _HEADER + len(rows) * high + _MARGIN // 2), _PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN, 9), _LEGEND, font=letters(14), fill=_SOFT)
    pen.text((width - _MARGIN, 9), title, font=letters(14), fill=_SOFT, anchor="ra")
    for n, (name, facts, cells) in enumerate(rows):
        top = _HEADER + n * high
        pen.line((_MARGIN, top - _GAP // 2, width - _MARGIN, top - _GAP // 2), fill=_RULE)
        _describe(pen, name, facts, top)
        for column, (image, caption, seen) in enumerate(cells):
            left = _MARGIN + _TEXT + column * (wide + _GAP)
            picture.paste(Pictures.fromarray(image), (left, top))
            if not seen:
                cell = (left, top, left + wide - 1, top + tall - 1)
                pen.rectangle(cell, outline=NOBODY, width=4)
            ink = _SOFT if seen else NOBODY
            pen.text((left, top + tall + 3), caption, font=letters(13), fill=ink)
    return picture


def _describe(pen: ImageDraw, name: str, facts: Mapping[str, Any], top: int) -> None:
    """Write the clip's name, its verdict, and the share of frames in which the subject is seen."""
    weaknesses = verdict(facts)
    codes = ["degraded", *(weakness.code for weakness in weaknesses)] if weaknesses else ["ok"]
    lines = [(line, 17, _INK) for line in _wrapped(printable(name, 64), 30, 2)]
    lines += [(" ".join(codes), 15, _BAD if weaknesses else _GOOD)]
    for weakness in weaknesses[:1]:
        lines += [(line, 13, _BAD) for line in _wrapped(weakness.message, 42, 4)]
    if facts.get("coverage") is not None:
        lines.append((f"seen in {facts['coverage']:.0%} of the frames", 13, _SOFT))
    y = top
    for text, size, ink in lines:
        font = letters(size, bold=size == 17)
        pen.text((_MARGIN, y), text.replace(r"\$", "$"), font=font, fill=ink)
        y += size + 6


def _wrapped(text: str, width: int, most: int) -> list[str]:
    return textwrap.wrap(text, width, max_lines=most, placeholder=" …")
