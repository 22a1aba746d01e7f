"""Pictures for checking poses: each clip with its skeleton drawn in, and contact sheets of clips.

A sheet has a row for each clip: facts about it, and frames with its joints.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.poses.quality import clip_facts
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.poses.verdict import verdict
from la2ds_cli.video.reader import Image, video_file, write_video
from la2ds_cli.views.figure import letters, printable
from la2ds_cli.views.film_strip import view_boxes
from la2ds_cli.views.pose_drawing import (
    LEFT,
    NOBODY,
    RIGHT,
    draw_pose,
    label,
    nobody,
    other_people,
    resize,
)

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

_SIDE = 720  # pixels of the longer side of an overlay video
_DRAWING = 3  # raised when the same poses are drawn in another way

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
ROWS = 12  # clips on a page of a sheet

# Of a sheet, pixels.
_CELL = 210, 260
_THICK = 2
_CAPTION, _GAP, _MARGIN = 24, 8, 16
_HEADER, _TEXT = 44, 320
_LINE = 18
# RGB.
_PAPER, _INK, _SOFT = (246, 246, 244), (30, 30, 30), (110, 110, 110)
_EMPTY, _RULE = (225, 225, 222), (205, 205, 202)
_GOOD, _BAD = (0, 120, 80), (190, 80, 0)


def overlay_path(project: Project, video: str) -> Path:
    """results/overlay/<id>.mp4"""
    return project.results_dir("overlay") / f"{video}.mp4"


def write_overlay(project: Project, video: str) -> Path:
    """The clip with its joints (pose_drawing.draw_pose), time and frame number; what it was drawn
    from is kept beside it. Raises UserError if poses or source are missing; no video is left
    then."""
    pose = with_trust(project.read_pose(video)[0])
    path = overlay_path(project, video)
    path.unlink(missing_ok=True)
    write_video(path, _drawn(project, video, pose), pose.fps)
    artifact.write_json(_note(project, video), _drawn_from(project, video))
    return path


def refresh_overlay(project: Project, result: ItemResult) -> None:
    """Draw the overlay of a usable result unless it already shows the project's current poses."""
    if not overlay_path(project, result.video).exists() or _is_stale(project, result.video):
        write_overlay(project, result.video)


def _note(project: Project, video: str) -> Path:
    return overlay_path(project, video).with_suffix(".json")


def _drawn_from(project: Project, video: str) -> dict[str, str | int]:
    poses = artifact.file_digest(project.pose_path(video))
    if (key := project.pose_header(video)[0].key) != artifact.read_header(project.pose_path(video))[
        0
    ].key:
        poses += f" {key}"  # with corrections
    return {"schema_version": 1, "poses": poses, "drawing": _DRAWING}


def _is_stale(project: Project, video: str) -> bool:
    return artifact.read_document(_note(project, video)) != _drawn_from(project, video)


def _drawn(project: Project, video: str, pose: PoseSequence) -> Iterator[Image]:
    for t, image in clip_frames(project, video, pose):
        scale = min(1.0, _SIDE / max(image.shape[:2]))
        yield label(draw_pose(resize(image, scale), pose, t, scale), pose, t)


def clip_frames(
    project: Project, video: str, pose: PoseSequence, last: int | None = None
) -> Iterator[tuple[int, Image]]:
    """(row, image) of every frame of a clip that has a row in its poses, up to row `last`, read as
    when the poses were made. Raises UserError (exit 3) if the source is gone."""
    file = video_file(project, _video(project, video))
    if file is None:
        raise UserError(
            f"the video of {video} is gone or has changed",
            hint="put the file back in its place, or run la2ds extract-poses on the new one",
            exit_code=ExitCode.UNREADABLE,
            code="V006",
        )
    row_of = {int(frame): t for t, frame in enumerate(pose.frame)}
    for frame in file.frames():
        t = row_of.get(frame.source)
        if t is not None:
            yield t, frame.image
            if t == last:
                return


def _video(project: Project, video: str) -> Video:
    return next(v for v in project.videos() if v.id == video)


@dataclass(frozen=True)
class _Row:
    """One clip of a sheet: its name, facts, and cells with their captions."""

    name: str
    facts: Mapping[str, Any]
    cells: list[tuple[Image, str, bool]]  # picture, caption, whether somebody is seen


def check_sheet_path(path: Path) -> None:
    """Raises UserError (exit 2) if the name is not that of a picture."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"{path} is not the name of a picture",
            hint=f"use a name that ends in {', '.join(SUFFIXES)}",
        )


def overlay_sheet(
    project: Project,
    videos: Sequence[str],
    path: Path,
    columns: int = 8,
) -> list[Path]:
    """One row for each video id: name, verdict and facts, and `columns` evenly spaced frames.

    More than ROWS clips go on further pages, `path` with -2, -3, ... before its suffix. Returns the
    files written, page by page. Raises UserError for a suffix that is not a picture's (exit 2), and
    if poses are missing (exit 4).
    """
    check_sheet_path(path)
    pages = [videos[start : start + ROWS] for start in range(0, len(videos), ROWS)]
    written = []
    for number, page in enumerate(pages, start=1):
        title = f"page {number} of {len(pages)}" if len(pages) > 1 else ""
        picture = _page([_row(project, video, columns) for video in page], title, columns)
        buffer = io.BytesIO()
        picture.save(buffer, SUFFIXES[path.suffix.lower()])
        target = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        artifact.write_bytes(target, buffer.getvalue())
        written.append(target)
    return written


def _row(project: Project, video: str, columns: int) -> _Row:
    """The frames are read once, up to the last one shown."""
    pose = with_trust(project.read_pose(video)[0])
    facts = clip_facts(project, video)
    rows = np.unique(((np.arange(columns) + 0.5) / columns * len(pose)).astype(int)).tolist()
    shown: dict[int, Image] = {}
    box = _views(pose, [weakness.code for weakness in verdict(facts)])
    if video_file(project, _video(project, video)) is not None:
        for t, image in clip_frames(project, video, pose, rows[-1]):
            if t in rows:
                shown[t] = _cell(pose, t, box[t], image)
    cells = []
    for t in rows:
        absent = nobody(pose, t)
        caption = f"{pose.time[t]:.2f} s   #{pose.frame[t]}" + ("   nobody" if absent else "")
        picture = shown[t] if t in shown else _cell(pose, t, box[t], None)
        cells.append((picture, caption, not absent))
    return _Row(_video(project, video).name, facts, cells)


def _views(pose: PoseSequence, codes: Sequence[str]) -> FloatArray:
    """(T, 4) xyxy pixels of what the cells show, all of one size: where the movement is, including
    other people if it is uncertain that the right person was followed."""
    box = view_boxes(pose)
    if "V021" not in codes:
        return box
    others = [other for t in range(len(pose)) for other in other_people(pose, t)]
    every = np.concatenate([box, np.reshape(others, (-1, 4))])
    box[:] = [*every[:, :2].min(axis=0), *every[:, 2:].max(axis=0)]
    return box


def _cell(pose: PoseSequence, t: int, box: FloatArray, image: Image | None) -> Image:
    """The part of the frame in `box` with row t drawn in, at most as large as _CELL; without the
    frame, only the joints."""
    width, height = box[2:] - box[:2]
    scale = float(min(_CELL[0] / width, _CELL[1] / height))
    # What else of the frame fits into the cell is shown too.
    wide, tall = _CELL[0] / scale, _CELL[1] / scale
    low = (box[:2] + box[2:]) / 2 - [wide / 2, tall / 2]
    if image is None:
        blank = np.full((_CELL[1], _CELL[0], 3), _EMPTY, np.uint8)
        return draw_pose(blank, pose, t, scale, (float(low[0]), float(low[1])), _THICK)
    frame = np.array(image.shape[1::-1])
    low = np.clip(low, 0, np.maximum(frame - [wide, tall], 0)).astype(int)
    high = np.minimum(low + np.ceil([wide, tall]).astype(int), frame)
    part = image[low[1] : high[1], low[0] : high[0]]
    corner = float(low[0]), float(low[1])
    drawn = draw_pose(resize(part, scale), pose, t, scale, corner, _THICK)
    return drawn[: _CELL[1], : _CELL[0]]


def _page(rows: list[_Row], title: str, columns: int) -> Picture:
    from PIL import Image as Pictures
    from PIL import ImageDraw

    high = _CELL[1] + _CAPTION + _GAP
    width = _MARGIN + _TEXT + columns * (_CELL[0] + _GAP) + _MARGIN
    picture = Pictures.new("RGB", (width, _HEADER + len(rows) * high + _MARGIN // 2), _PAPER)
    pen = ImageDraw.Draw(picture)
    _legend(pen, width, title)
    for n, row in enumerate(rows):
        top = _HEADER + n * high
        pen.line((_MARGIN, top - _GAP // 2, width - _MARGIN, top - _GAP // 2), fill=_RULE)
        _describe(pen, row, top)
        for column, (image, caption, seen) in enumerate(row.cells):
            left = _MARGIN + _TEXT + column * (_CELL[0] + _GAP)
            _paste(picture, pen, image, (left, top), seen)
            ink = _SOFT if seen else NOBODY
            pen.text((left, top + _CELL[1] + 3), caption, font=letters(13), fill=ink)
    return picture


def _legend(pen: ImageDraw, width: int, title: str) -> None:
    x = _MARGIN
    for text, colour in (("left side", LEFT), ("right side", RIGHT)):
        pen.rounded_rectangle((x, 15, x + 26, 21), 3, fill=colour)
        pen.text((x + 34, 9), text, font=letters(14), fill=_INK)
        x += 34 + round(pen.textlength(text, font=letters(14))) + 24
    text = (
        "joints: dark = uncertain, hollow = not trusted     boxes: green = subject, grey = others"
    )
    pen.text((x, 9), text, font=letters(14), fill=_SOFT)
    if title:
        pen.text((width - _MARGIN, 9), title, font=letters(14), fill=_SOFT, anchor="ra")


def _paste(
    picture: Picture, pen: ImageDraw, image: Image, corner: tuple[int, int], seen: bool
) -> None:
    """A cell's picture in the middle of the cell, framed in red if nobody is seen."""
    from PIL import Image as Pictures

    left, top = corner
    cell = (left, top, left + _CELL[0] - 1, top + _CELL[1] - 1)
    pen.rectangle(cell, fill=_EMPTY)
    height, width = image.shape[:2]
    at = left + (_CELL[0] - width) // 2, top + (_CELL[1] - height) // 2
    picture.paste(Pictures.fromarray(image), at)
    if not seen:
        pen.rectangle(cell, outline=NOBODY, width=4)


def _describe(pen: ImageDraw, row: _Row, top: int) -> None:
    judged = verdict(row.facts)
    y = top
    for line in _wrapped(printable(row.name, 64).replace(r"\$", "$"), 30, 2):
        pen.text((_MARGIN, y), line, font=letters(17, bold=True), fill=_INK)
        y += 23
    status = ["degraded", *(found.code for found in judged)] if judged else ["ok"]
    colour = _BAD if judged else _GOOD
    pen.text((_MARGIN, y + 2), " ".join(status), font=letters(15), fill=colour)
    y += 26
    for line in _wrapped(judged[0].message if judged else "", 42, 4):
        pen.text((_MARGIN, y), line, font=letters(13), fill=_BAD)
        y += _LINE
    y += 6
    for names, value in _key_facts(row.facts):
        pen.text((_MARGIN, y), names, font=letters(13), fill=_SOFT)
        pen.text((_MARGIN + 110, y), value, font=letters(13), fill=_INK)
        y += _LINE


def _key_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a row says about its clip: names and values, without unknown ones."""

    def shown(name: str, form: str) -> str:
        value = facts.get(name)
        return "" if value is None else form.format(value)

    lines = [
        ("seen in", shown("coverage", "{:.0%} of the frames")),
        ("mean score", shown("mean_score", "{:.2f}")),
        ("people", shown("people", "{}") + shown("margin", ", margin {:.2f}")),
        ("trembling", shown("jitter", "{:.1%} of the torso")),
        ("height", shown("person_height", "{:.0f} px")),
        ("length", shown("frames", "{} frames") + shown("seconds", ", {:.1f} s")),
    ]
    if facts.get("crop_share"):
        lines.append(("cut off", shown("crop_share", "{:.0%} of the frames")))
    return [(name, value) for name, value in lines if value]


def _wrapped(text: str, width: int, most: int) -> list[str]:
    return textwrap.wrap(text, width, max_lines=most, placeholder=" …") if text else []
