"""From the people of a pose file to the PoseSequence of its subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import FloatArray, IntArray, Phase, PoseSequence
from la2ds_cli.formats.importers._joints import JointOrder
from la2ds_cli.formats.importers._options import ImportOptions
from la2ds_cli.formats.importers._people import Person, choose_people
from la2ds_cli.formats.importers._problems import FramesError, PoseFileError, VideoError
from la2ds_cli.formats.importers._video import SourceVideo

_SPARSE = 20  # frame numbers may run over so many times the frames listed, and ...
_ALWAYS_FINE = 1000  # ... over so many in any case
_FAR = 1e6  # pixels: no place in or near a picture, so the joint is missing
_SLACK = 1  # frames by which a video and its poses may differ


@dataclass(frozen=True)
class FileClip:
    """One clip as its file has it.

    name: of the clip; path: the file or folder. people: frame number as in the file -> people.
    order: how the joints fill a skeleton. complete: every frame of the video has a number, also
    those without people. first: number of the video's first frame, None = the format does not
    tell. time: frame number -> seconds, empty when the file has none; with times, the frames are
    kept as they are numbered. fps: 0 = unknown. size: (0, 0) = unknown. unit: coordinates are
    shares of the size.

    Of clips of data sets: sources: the files and folders the poses are in, where that is not `path`
    alone. split, group: of the row. phases: in frames of the file, which may end after the poses.
    settings: choices that make other poses of the same files. info: further facts of the poses.
    problem: what is wrong with this clip alone, of several of one file.
    """

    name: str
    path: Path
    people: Mapping[int, Sequence[Person]]
    order: JointOrder
    complete: bool = True
    first: int | None = None
    time: Mapping[int, float] = field(default_factory=dict)
    fps: float = 0.0
    size: tuple[int, int] = (0, 0)
    unit: bool = False
    sources: tuple[Path, ...] = ()
    split: str = ""
    group: str = ""
    phases: tuple[Phase, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    problem: PoseFileError | None = None


@dataclass(frozen=True)
class _Rows:
    """Rows of the sequence: frame number in the file, or -1, and index, seconds, rate."""

    number: IntArray
    frame: IntArray
    time: FloatArray
    fps: float
    absent: int = 0  # numbers of a complete list that are not there


def to_sequence(clip: FileClip, options: ImportOptions, video: SourceVideo | None) -> PoseSequence:
    """The subject of a clip; frames that the file leaves out are NaN.

    info: frames, coverage, mean_score (of the joints that are seen), absent (frame numbers left
    out of a complete list), and with several people what choose_people says. Raises PoseFileError.
    """
    if not clip.people:
        raise PoseFileError("it holds no frames")
    size = _size(clip, options, video)
    rows = _rows(clip, options, video)
    people = [clip.people.get(int(n), ()) if n >= 0 else () for n in rows.number]
    scale = np.array(size, np.float64) if clip.unit else np.ones(2)
    people = [[_scaled(person, scale) for person in frame] for frame in people]
    subject, facts = choose_people(people, rows.fps, size)
    xy, score, box = _arrays(subject, clip.order)
    any_seen = np.isfinite(xy).reshape(len(xy), -1).any(axis=-1)
    if not any_seen.any():
        raise PoseFileError("no joint is seen in any frame")
    return PoseSequence(
        xy=xy,
        score=score,
        box=box,
        frame=rows.frame,
        time=rows.time,
        fps=rows.fps,
        size=size,
        skeleton=clip.order.skeleton,
        info={
            "frames": len(rows.frame),
            "coverage": round(float(any_seen.mean()), 4),
            "mean_score": round(float(score[np.isfinite(xy[..., 0])].mean()), 4),
            "absent": rows.absent,
            **facts,
            **clip.info,
        },
    )


def _size(clip: FileClip, options: ImportOptions, video: SourceVideo | None) -> tuple[int, int]:
    known = min(clip.size) > 0
    if video is not None:
        if known and clip.size != video.size:
            raise VideoError(
                f"the poses are in frames of {clip.size[0]}x{clip.size[1]} pixels, "
                f"{video.path.name} has {video.size[0]}x{video.size[1]}"
            )
        return video.size
    size = options.size or clip.size
    if clip.unit and not min(size) > 0:
        raise UserError(
            f"{clip.path}: its coordinates are shares of the frame, and it does not hold the size",
            hint="add --size WIDTHxHEIGHT, or --video FILE",
        )
    return size


def _rows(clip: FileClip, options: ImportOptions, video: SourceVideo | None) -> _Rows:
    number = np.array(sorted(clip.people), np.int64)
    if clip.time and video is None:
        if options.fps is not None:
            return _Rows(number, number, number / options.fps, options.fps)
        time = np.array([clip.time[int(n)] for n in number])
        return _Rows(number, number, _rising(time), clip.fps or _usual_rate(time))
    first = _first_number(clip, number, video)
    frame = number - first
    length = int(frame[-1]) + 1
    if length > max(_ALWAYS_FINE, _SPARSE * len(number)):
        raise FramesError(
            f"only {len(number)} of the frame numbers from {number[0]} to {number[-1]} are there"
        )
    if video is not None:
        length = _fitted(clip, length, video)
    filled = np.full(length, -1, np.int64)
    inside = frame < length
    filled[frame[inside]] = number[inside]
    absent = int((filled < 0).sum()) if clip.complete else 0
    index = np.arange(length)
    if video is not None:
        return _Rows(filled, index, video.time[:length], video.fps, absent)
    fps = options.fps or clip.fps
    if not fps > 0:
        raise UserError(
            f"{clip.path}: it does not hold the frame rate",
            hint="add --fps N, or --video FILE to take the times of the video",
        )
    return _Rows(filled, index, index / fps, fps, absent)


def _first_number(clip: FileClip, number: IntArray, video: SourceVideo | None) -> int:
    """The number of the video's first frame: 0, or 1 as in many names of images."""
    if clip.first is not None:
        return min(clip.first, int(number[0]))
    if clip.complete:
        return int(number[0])
    ends_late = video is not None and number[-1] == len(video)
    return 1 if number[0] == 1 or (ends_late and number[0] > 0) else 0


def _fitted(clip: FileClip, length: int, video: SourceVideo) -> int:
    """Frames of the sequence that goes with a video, or VideoError with both counts."""
    short = clip.complete and length < len(video) - _SLACK
    if short or length > len(video) + _SLACK:
        raise VideoError(
            f"it has poses for {length} frames, {video.path.name} has {len(video)} frames"
        )
    return min(length, len(video)) if clip.complete else len(video)


def _rising(time: FloatArray) -> FloatArray:
    if not np.isfinite(time).all() or (np.diff(time) <= 0).any():
        raise FramesError("the times of its frames do not rise")
    return time


def _usual_rate(time: FloatArray) -> float:
    if len(time) < 2:
        raise FramesError("it has a single frame, so no frame rate", "add --fps N")
    return float(1 / np.median(np.diff(time)))


def _scaled(person: Person, scale: FloatArray) -> Person:
    if (scale == 1).all():
        return person
    box = person.box * np.tile(scale, 2)
    return Person(person.xy * scale, person.score, box, person.confidence, person.track)


def _arrays(
    subject: Sequence[Person | None], order: JointOrder
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """xy (T, K, 2), score (T, K) in [0, 1] and box (T, 4) in the order of the skeleton."""
    length, joints = len(subject), len(order.column)
    xy = np.full((length, joints, 2), np.nan)
    score = np.zeros((length, joints))
    box = np.full((length, 4), np.nan)
    column = np.array(order.column)
    ours, theirs = np.flatnonzero(column >= 0), column[column >= 0]
    for t, person in enumerate(subject):
        if person is not None:
            xy[t, ours] = person.xy[theirs]
            score[t, ours] = person.score[theirs]
            box[t] = person.box
    with np.errstate(invalid="ignore"):
        xy[~(np.abs(xy) < _FAR).all(axis=2)] = np.nan
        box[~(np.abs(box) < _FAR).all(axis=1)] = np.nan
    score = np.clip(np.nan_to_num(score, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
    return xy, score, box


def describe_joints(clip: FileClip) -> str:
    """One line on joints that found no counterpart; empty when all did."""
    parts: list[Any] = []
    if clip.order.unused:
        parts.append(f"not used: {', '.join(clip.order.unused)}")
    if clip.order.missing:
        parts.append(f"not in the file: {', '.join(clip.order.missing)}")
    return f"{clip.name}: {clip.order.skeleton}, joints {'; '.join(parts)}" if parts else ""
