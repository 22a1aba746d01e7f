"""A clip of a pose file (people, frames, times), its video, and the poses of its subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.clip import VIDEO_SUFFIXES, ClipOptions
from la2ds_cli.core.clip_names import nfc
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import (
    MOST_FPS,
    MOST_PIXELS,
    MOST_SECONDS,
    FloatArray,
    IntArray,
    Phase,
    PoseSequence,
)
from la2ds_cli.formats.file_people import Frames, JointOrder, choose_people
from la2ds_cli.formats.files import (
    FramesError,
    ImportOptions,
    MissingFactError,
    PoseFileError,
    VideoError,
)
from la2ds_cli.video.reader import probe, read_frames
from la2ds_cli.video.source_version import SourceChanged, SourceVersion, read_version

_SPARSE = 20  # frame numbers may span this many times the number of listed frames ...
_ALWAYS_FINE = 1000  # ... or this many frames
_FAR = 1e6  # pixels; farther is nowhere near a picture, so the joint is missing
_FAR_METRES = 1e4  # farther is nowhere near a person, so the joint is missing
_PAUSE = 1.5  # times the usual step between two frames; more is a pause
_AGREES = 0.1  # largest relative difference between a declared rate and that of the times
_SLACK = 1  # frames by which a video and its poses may differ
_CORRECT = "correct the file, or add --fps N or --size WIDTHxHEIGHT"


@dataclass(frozen=True)
class FileClip:
    """A clip as stored in its file.

    name: of the clip.
    path: the file or folder.
    frames: the listed frames, and the people in them.
    order: how the joints fill a skeleton.
    complete: whether every frame of the video has a number, even those without people.
    first: number of the video's first frame, None = the lowest number of the file
        (`first_number` finds it for formats that count from 0 or from 1).
    part: whether the file may hold a part of its video, which begins with the lowest number.
    time: (F,) seconds of the listed frames, None if the file has none; with times, it may hold a
        part, too.
    fps: 0 = unknown.
    size: (0, 0) = unknown.

    For clips of data sets:
    unique: whether the name is unique in the data set, so that the id needs no more than it.
    sources: the files and folders that hold the poses, if not `path` alone.
    ending: ending of the files that count, in folders.
    split, group: of the row in videos.csv.
    phases: in frames of the file; may end after the poses.
    info: further facts of the poses.
    """

    name: str
    path: Path
    frames: Frames
    order: JointOrder
    complete: bool = True
    first: int | None = None
    part: bool = False
    time: FloatArray | None = None
    fps: float = 0.0
    size: tuple[int, int] = (0, 0)
    unique: bool = False
    sources: tuple[Path, ...] = ()
    ending: str = ".json"
    split: str = ""
    group: str = ""
    phases: tuple[Phase, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


def to_sequence(
    clip: FileClip, options: ImportOptions, video: SourceVideo | None = None
) -> PoseSequence:
    """Return the poses of the subject of a clip; frames that the file leaves out are NaN.

    Parameters
    ----------
    clip
        The clip in its file.
    options
        Facts of the user, in place of those of the file.
    video
        Its times and its size replace those of the file and the options.

    Returns
    -------
    The poses. info: frames, coverage, mean_score (of the joints that are seen), absent (frame
    numbers missing from a complete list), and with several people the facts of choose_people.

    Raises
    ------
    PoseFileError
        If the frames, times or joints of the file cannot be used.
    """
    if not len(clip.frames.number):
        raise PoseFileError("it has no frames")
    size = _size(clip, options, video)
    with np.errstate(all="ignore"):  # invalid times and rates are refused below
        number, frame, time, fps = _rows(clip, options, video)
    _check_range(time, fps, size)
    frames = clip.frames
    subject, facts = choose_people(frames, number, fps, size)
    present = np.flatnonzero(subject >= 0)
    box = np.full((len(subject), 4), np.nan)
    box[present] = frames.box[subject[present]]
    xy = _near(_filled(frames.xy, subject, clip.order), _FAR)
    score = _filled(frames.score, subject, clip.order, otherwise=0.0)
    score = np.clip(np.nan_to_num(score, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
    any_seen = np.isfinite(xy).any(axis=(1, 2))
    if not any_seen.any():
        raise PoseFileError("no joint is seen in any frame")
    world = None
    if frames.world is not None:
        world = _near(_filled(frames.world, subject, clip.order), _FAR_METRES)
    return PoseSequence(
        xy=xy,
        score=score,
        box=_near(box, _FAR),
        frame=frame,
        time=time,
        fps=fps,
        size=size,
        skeleton=clip.order.skeleton,
        world=world,
        info={
            "frames": len(frame),
            "coverage": round(float(any_seen.mean()), 4),
            "mean_score": round(float(score[np.isfinite(xy[..., 0])].mean()), 4),
            "absent": int((number < 0).sum()) if clip.complete else 0,
            **facts,
            **clip.info,
        },
    )


def _filled(
    values: FloatArray, subject: IntArray, order: JointOrder, otherwise: float = np.nan
) -> FloatArray:
    """Return the values (T, J, ...) of the subject in the order of the skeleton.

    values: (N, K, ...) of all people. subject: (T,) person in each frame. otherwise: value of
    missing people and joints.
    """
    column = np.array(order.column)
    filled = np.full((len(subject), len(column), *values.shape[2:]), otherwise)
    rows, joints = np.flatnonzero(subject >= 0)[:, None], np.flatnonzero(column >= 0)
    filled[rows, joints] = values[subject[rows], column[joints]]
    return filled


def _near(values: FloatArray, most: float) -> FloatArray:
    """Set points (..., n) to NaN where a coordinate is `most` or farther away, and return them."""
    with np.errstate(invalid="ignore"):
        values[~(np.abs(values) < most).all(axis=-1)] = np.nan
    return values


def _size(clip: FileClip, options: ImportOptions, video: SourceVideo | None) -> tuple[int, int]:
    has_size = min(clip.size) > 0
    if video is not None:
        if has_size and clip.size != video.size:
            raise VideoError(
                f"the poses are in frames of {clip.size[0]}x{clip.size[1]} pixels, but "
                f"{video.path.name} has {video.size[0]}x{video.size[1]}"
            )
        return video.size
    return options.size or clip.size


def _check_range(time: FloatArray, rate: float, size: tuple[int, int]) -> None:
    """Raise PoseFileError for values that no PoseSequence may have."""
    if not np.isfinite(time).all() or (np.diff(time) <= 0).any():
        raise FramesError("the times of its frames do not increase", _CORRECT)
    if not 0 < rate <= MOST_FPS:
        message = f"its frame rate is {rate:g}, not above 0 and at most {MOST_FPS:,.0f}"
        raise PoseFileError(message, _CORRECT)
    if (span := time[-1] - time[0]) > MOST_SECONDS:
        message = f"its times span {span:.3g} s, more than {MOST_SECONDS:,.0f}"
        raise PoseFileError(message, _CORRECT)
    if not all(0 <= side <= MOST_PIXELS for side in size):
        message = f"its frames have {size[0]:g} x {size[1]:g} pixels, not 0 to {MOST_PIXELS:,}"
        raise PoseFileError(message, _CORRECT)


def _rows(
    clip: FileClip, options: ImportOptions, video: SourceVideo | None
) -> tuple[IntArray, IntArray, FloatArray, float]:
    """Return, for the T rows of the sequence, frame numbers in the file (T,), -1 = missing; frame
    indices (T,); seconds (T,); and the rate."""
    number = clip.frames.number
    frame = number - (number[0] if clip.first is None else clip.first)
    begin = int(frame[0]) if clip.part or clip.time is not None else 0
    if video is not None and (begin <= _SLACK or not clip.complete):
        begin = 0
    # A file with times that lists every n-th frame is complete.
    regular = clip.time is not None and video is None and len(frame) > 1
    step = int(np.gcd.reduce(np.diff(frame))) if regular else 1
    row = (frame - begin) // step
    length = int(row[-1]) + 1
    if length > max(_ALWAYS_FINE, _SPARSE * len(number)):
        raise FramesError(
            f"only {len(number)} of the frame numbers from {number[0]} to {number[-1]} are present"
        )
    if video is not None:
        length = _fitted(clip, begin, length, video)
    filled = np.full(length, -1, np.int64)
    inside = row < length
    filled[row[inside]] = number[inside]
    index = begin + step * np.arange(length)
    if video is not None:
        return filled, index, video.time[index], video.fps
    if clip.time is not None and options.fps is None:
        time = np.interp(index, frame, clip.time)
        return filled, index, time, _rate_of(row, clip.time, clip.fps / step)
    fps = options.fps or clip.fps
    if not fps > 0:
        raise MissingFactError(
            "the frame rate is not in the file",
            "add --fps N, or --video FILE to take the times of the video",
        )
    return filled, index, index / fps, fps / step


def _fitted(clip: FileClip, begin: int, length: int, video: SourceVideo) -> int:
    """Return the number of frames of the sequence that fit a video from frame `begin` on.

    Raises VideoError, with both counts, if the poses do not fit. A file that begins later, or has
    the times of the video, may hold a part of it.
    """
    frames, end = len(video.time), begin + length
    too_short = clip.complete and not begin and end < frames - _SLACK
    if too_short and clip.time is not None:
        too_short = abs(clip.time[-1] - video.time[end - 1]) > 1 / video.fps
    if too_short or begin >= frames or end > frames + _SLACK:
        poses = f"its poses end with frame {end - 1}" if begin else f"it has poses for {end} frames"
        raise VideoError(f"{poses}, but {video.path.name} has {frames} frames")
    return (min(end, frames) if clip.complete else frames) - begin


def _rate_of(row: IntArray, time: FloatArray, declared: float) -> float:
    """Return the rows per second by the times of some rows; `declared`, which is more exact, if the
    times agree with it."""
    if len(time) < 2:
        if declared > 0:
            return declared
        raise FramesError("it has a single frame and therefore no frame rate", "add --fps N")
    steps = np.diff(time) / np.diff(row)
    steps = steps[steps <= _PAUSE * np.median(steps)]
    measured = float(1 / steps.mean())  # not the median, since times may be rounded
    return declared if abs(declared / measured - 1) < _AGREES else measured


def first_number(number: Sequence[int] | IntArray) -> int:
    """Return the number of a film's first frame: 1 if the lowest number of the file is 1, else 0,
    since the file may begin later."""
    return int(min(number, default=0) == 1)


# --- the video that a pose file was made from: its time stamps and its size -----------------------


@dataclass(frozen=True)
class SourceVideo:
    """A video file.

    version: the file when it was hashed, before it was decoded. time: (V,) seconds of every frame
    that can be decoded. Both time and fps are those of the movement, which the video shows `slowmo`
    times slower.
    """

    version: SourceVersion
    time: FloatArray
    fps: float
    size: tuple[int, int]
    slowmo: float = 1.0

    @property
    def path(self) -> Path:
        """The file, with links resolved."""
        return self.version.path

    @property
    def digest(self) -> str:
        """SHA-256 of the content of the file."""
        return self.version.digest

    def slowed(self, slowmo: float) -> SourceVideo:
        """Return the video as one that is slowed down this many times."""
        time, fps = self.time / slowmo, self.fps * slowmo
        return replace(self, time=time, fps=fps, slowmo=slowmo)

    def options(self, pose: PoseSequence) -> ClipOptions:
        """Return the options that read the frames of a sequence from the video."""
        first, after = int(pose.frame[0]), int(pose.frame[-1]) + 1
        stamp = np.round(self.time * self.slowmo, 6)  # seconds of the file
        start = float(stamp[first]) if first else 0.0
        end = float(stamp[after]) if after + _SLACK < len(stamp) else inf
        return ClipOptions(start, end, slowmo=self.slowmo)


def source_of(video: Path | None, clip: str, *, is_only: bool) -> SourceVideo | None:
    """Return the video of a clip, decoded once for its time stamps; None without `video`.

    Parameters
    ----------
    video
        The file, or a folder in which the stem of the file is the name of the clip.
    clip
        Name of the clip.
    is_only
        Whether the import has no other clip, as required if `video` is a file.

    Raises
    ------
    VideoError
        If the file does not exist, cannot be read, or is one file for several clips.
    SourceChanged
        If the file changes each time while it is hashed.
    """
    if video is None:
        return None
    if video.is_dir():
        video = _video_called(clip, video)
    elif not is_only:
        raise VideoError(
            f"one video, {video.name}, was given for several clips",
            "give --video a folder with one video for each clip, with the clip's name",
        )
    try:
        version = read_version(video)
        info = probe(video)
        time = np.array([frame.time for frame in read_frames(video)])
    except OSError as error:
        message = f"the video {video} cannot be read: {error.strerror or error}"
        raise VideoError(message, "check that you may read it") from error
    except SourceChanged:
        raise
    except UserError as error:
        raise VideoError(error.message, error.hint) from error
    size = info.width, info.height
    return SourceVideo(version, time, info.fps, size)


def _video_called(clip: str, folder: Path) -> Path:
    """Return the only video in a folder with the name of a clip. Raises VideoError."""
    files = [
        path
        for path in sorted(folder.iterdir())
        if nfc(path.stem) == nfc(clip) and path.suffix.lower() in VIDEO_SUFFIXES
    ]
    if not files:
        raise VideoError(
            f"there is no video called {clip} in {folder}",
            f"name it {clip}.mp4, or import this clip without --video",
        )
    if len(files) > 1:
        names = ", ".join(path.name for path in files)
        raise VideoError(
            f"there are several videos called {clip} in {folder}: {names}",
            "keep one of them there, or import this clip alone with --video FILE",
        )
    return files[0]
