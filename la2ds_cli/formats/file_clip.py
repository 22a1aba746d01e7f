"""A clip of a pose file (people, frames, times), its video, and the PoseSequence of its subject."""

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
_ALWAYS_FINE = 1000  # ... and this many frames in any case
_FAR = 1e6  # pixels: nowhere in or near a picture, so the joint is missing
_FAR_METRES = 1e4  # nowhere near a person, so the joint is missing
_PAUSE = 1.5  # times the usual step between two frames: more is a pause
_AGREES = 0.1  # largest relative difference between a declared rate and that of the times
_SLACK = 1  # frames by which a video and its poses may differ
_CORRECT = "correct the file, or add --fps N or --size WIDTHxHEIGHT"


@dataclass(frozen=True)
class FileClip:
    """One clip as stored in its file.

    name: of the clip.
    path: the file or folder.
    frames: the frames that are listed, and the people in them.
    order: how the joints fill a skeleton.
    complete: every frame of the video has a number, even those without people.
    first: number of the video's first frame, None = the lowest number of the file
        (`first_number` finds it where a film may be counted from 0 or from 1).
    part: the file may hold a part of its video, and begins with its lowest number.
    time: (F,) seconds of the listed frames, None if the file has none; it may hold a part, too.
    fps: 0 = unknown.
    size: (0, 0) = unknown.

    For clips of data sets:
    unique: no other clip has its name, which is thus enough for the id, without the folder's.
    sources: the files and folders that hold the poses, if not `path` alone.
    ending: of the names of the files that count, in folders.
    split, group: of the row.
    phases: in frames of the file, which may end after the poses.
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
    """The subject of a clip; frames that the file leaves out are NaN.

    info: frames, coverage, mean_score (of the joints that are seen), absent (frame numbers missing
    from a complete list), and with several people the facts of choose_people. Raises PoseFileError.
    """
    if not len(clip.frames.number):
        raise PoseFileError("it has no frames")
    size = _size(clip, options, video)
    with np.errstate(all="ignore"):  # of times and rates that are refused below
        number, frame, time, fps = _rows(clip, options, video)
    _check_range(time, fps, size)
    frames = clip.frames
    subject, facts = choose_people(frames, number, fps, size)
    there = np.flatnonzero(subject >= 0)
    box = np.full((len(subject), 4), np.nan)
    box[there] = frames.box[subject[there]]
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
    """Values (N, K, ...) of people as (T, J, ...) of the subject (T,) in the order of the skeleton;
    `otherwise` for missing people and joints."""
    column = np.array(order.column)
    filled = np.full((len(subject), len(column), *values.shape[2:]), otherwise)
    there, ours = np.flatnonzero(subject >= 0)[:, None], np.flatnonzero(column >= 0)
    filled[there, ours] = values[subject[there], column[ours]]
    return filled


def _near(values: FloatArray, most: float) -> FloatArray:
    """Points (..., n) with NaN where a coordinate is `most` or farther away."""
    with np.errstate(invalid="ignore"):
        values[~(np.abs(values) < most).all(axis=-1)] = np.nan
    return values


def _size(clip: FileClip, options: ImportOptions, video: SourceVideo | None) -> tuple[int, int]:
    known = min(clip.size) > 0
    if video is not None:
        if known and clip.size != video.size:
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
        said = f"its frame rate is {rate:g}, not above 0 and at most {MOST_FPS:,.0f}"
        raise PoseFileError(said, _CORRECT)
    if (span := time[-1] - time[0]) > MOST_SECONDS:
        said = f"its times span {span:.3g} s, more than {MOST_SECONDS:,.0f}"
        raise PoseFileError(said, _CORRECT)
    if not all(0 <= side <= MOST_PIXELS for side in size):
        said = f"its frames have {size[0]:g} x {size[1]:g} pixels, not 0 to {MOST_PIXELS:,}"
        raise PoseFileError(said, _CORRECT)


def _rows(
    clip: FileClip, options: ImportOptions, video: SourceVideo | None
) -> tuple[IntArray, IntArray, FloatArray, float]:
    """Of the sequence: frame numbers in the file (T,), -1 = missing; frame indices (T,); seconds
    (T,); and the rate."""
    number = clip.frames.number
    frame = number - (number[0] if clip.first is None else clip.first)
    begin = int(frame[0]) if clip.part or clip.time is not None else 0
    if video is not None and (begin <= _SLACK or not clip.complete):
        begin = 0
    # A file with times that lists every n-th frame leaves none out.
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
    """Number of frames of the sequence that fits a video from frame `begin` on; a VideoError gives
    both counts. A file that begins later, or has the times of the video, may hold a part of it."""
    there, end = len(video.time), begin + length
    too_short = clip.complete and not begin and end < there - _SLACK
    if too_short and clip.time is not None:
        too_short = abs(clip.time[-1] - video.time[end - 1]) > 1 / video.fps
    if too_short or begin >= there or end > there + _SLACK:
        said = f"its poses end with frame {end - 1}" if begin else f"it has poses for {end} frames"
        raise VideoError(f"{said}, but {video.path.name} has {there} frames")
    return (min(end, there) if clip.complete else there) - begin


def _rate_of(row: IntArray, time: FloatArray, declared: float) -> float:
    """Return the rows per second of the times of some rows: `declared`, which is more exact, where
    the times agree with it."""
    if len(time) < 2:
        if declared > 0:
            return declared
        raise FramesError("it has a single frame and therefore no frame rate", "add --fps N")
    steps = np.diff(time) / np.diff(row)
    steps = steps[steps <= _PAUSE * np.median(steps)]
    measured = float(1 / steps.mean())  # not the median, since times may be rounded
    return declared if abs(declared / measured - 1) < _AGREES else measured


def first_number(number: Sequence[int] | IntArray) -> int:
    """Return the number of a film's first frame, 0 or 1, given those of a file that may begin
    later: 1 if the lowest is 1."""
    return int(min(number, default=0) == 1)


# --- the video that a pose file was made from: its time stamps and its size -----------------------


@dataclass(frozen=True)
class SourceVideo:
    """A video file. version: as it was hashed before it was decoded. time: (V,) seconds of every
    frame that can be decoded, of the movement, which the video shows `slowmo` times slower; fps: of
    the movement, too."""

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
        """The video, taken to be slowed down this many times."""
        time, fps = self.time / slowmo, self.fps * slowmo
        return replace(self, time=time, fps=fps, slowmo=slowmo)

    def options(self, pose: PoseSequence) -> ClipOptions:
        """How the video is read to show the frames of a sequence."""
        first, after = int(pose.frame[0]), int(pose.frame[-1]) + 1
        stamp = np.round(self.time * self.slowmo, 6)  # of the file
        start = float(stamp[first]) if first else 0.0
        end = float(stamp[after]) if after + _SLACK < len(stamp) else inf
        return ClipOptions(start, end, slowmo=self.slowmo)


def source_of(video: Path | None, clip: str, *, only: bool) -> SourceVideo | None:
    """The video of a clip: the file `video`, or the file with this stem in the folder `video`,
    decoded once for its time stamps.

    Returns None without `video`. only: whether the import has no other clip, as required for a
    single video. Raises VideoError if the file does not exist, cannot be read, or is a single one
    for several clips, and SourceChanged if it changes each time while it is hashed.
    """
    if video is None:
        return None
    if video.is_dir():
        video = _video_called(clip, video)
    elif not only:
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
    """Return the one video in a folder that has the name of a clip; raises VideoError."""
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
