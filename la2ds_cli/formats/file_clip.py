"""From a clip of a pose file (people, frames, times) to the PoseSequence of its subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import file_digest
from la2ds_cli.core.clip import VIDEO_SUFFIXES
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import (
    MOST_FPS,
    MOST_PIXELS,
    MOST_SECONDS,
    FloatArray,
    IntArray,
    Phase,
    PoseSequence,
)
from la2ds_cli.formats.checks import FramesError, MissingFactError, PoseFileError, VideoError
from la2ds_cli.formats.joints import JointOrder
from la2ds_cli.poses.subjects import AMBIGUOUS_MARGIN, choose_subject, follow_cuts, rank_people
from la2ds_cli.poses.tracking import link_detections
from la2ds_cli.poses.tracks import LEAST_PIECE, MAX_GAP
from la2ds_cli.video.reader import probe, read_frames

_SPARSE = 20  # frame numbers may span this many times the number of listed frames ...
_ALWAYS_FINE = 1000  # ... and this many frames in any case
_FAR = 1e6  # pixels: nowhere in or near a picture, so the joint is missing
_FAR_METRES = 1e4  # nowhere near a person, so the joint is missing
_SLACK = 1  # frames by which a video and its poses may differ


@dataclass(frozen=True)
class ImportOptions:
    """Facts that a pose file may lack, given by the user; None = take them from the file.

    fps: frames per second. size: (width, height). skeleton: a name of core.skeleton. video: the
    video file, or a folder with one video for each clip, with the same name. renamed: their joint
    name -> ours.
    """

    fps: float | None = None
    size: tuple[int, int] | None = None
    skeleton: str | None = None
    video: Path | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise UserError for contradictory options (exit 2) and a missing video (exit 3)."""
        if self.video is not None and (self.fps is not None or self.size is not None):
            option = "--fps" if self.fps is not None else "--size"
            raise UserError(
                f"{option} and --video cannot be given together",
                hint=f"leave {option} out: the video has its own frame rate and size",
            )
        if self.video is not None and not self.video.exists():
            raise UserError(
                f"there is no video {self.video}",
                hint="check the path given with --video",
                exit_code=ExitCode.UNREADABLE,
            )


# --- people of a frame, and which of them is the subject -----------------------------------------


@dataclass(frozen=True)
class Person:
    """One person of one frame, in the pixels and the joint order of the file.

    xy: (K, 2), NaN = missing. score: (K,) as in the file. box: (4,) xyxy, NaN = not given.
    confidence: of the detection, None = not given. track: the identity, None = not given. world:
    (K, 3) metres, x right, y down, z away from the camera, None = not given.
    """

    xy: FloatArray
    score: FloatArray
    box: FloatArray
    confidence: float | None = None
    track: str | None = None
    world: FloatArray | None = None


def no_box() -> FloatArray:
    """The box (4,) of a person without a box in the file."""
    return np.full(4, np.nan)


PIXELS = 200.0  # of a metre in 3D joints that no camera saw, so that a person is some 300 tall


def person_in_space(world: FloatArray) -> Person:
    """The person for joints (K, 3) in metres that no camera saw, NaN = missing. The joints in the
    image are an orthographic view along z, PIXELS to the metre."""
    score = np.where(np.isfinite(world).all(axis=1), 1.0, 0.0)
    return Person(PIXELS * world[:, :2], score, no_box(), world=world)


def missing_where_zero(xy: FloatArray, score: FloatArray) -> FloatArray:
    """xy (K, 2) with NaN where x, y and score are all 0, as many tools write a missing joint."""
    zero = (xy == 0).all(axis=1) & (score == 0)
    return np.where(zero[:, None], np.nan, xy)


def choose_people(
    people: Sequence[Sequence[Person]], fps: float, size: tuple[int, int]
) -> tuple[list[Person | None], dict[str, Any]]:
    """The subject in each of the T frames (None = absent), and facts about the choice.

    People are tracked by the identities of the file and, if it has none, by their boxes; one of
    them is chosen for the entire clip, as in pose extraction. facts: people, margin, ambiguous,
    cuts; empty if no frame has more than one person.
    """
    if all(len(frame) <= 1 for frame in people):
        return [frame[0] if frame else None for frame in people], {}
    located = [[(p, box) for p in frame if (box := _extent(p)) is not None] for frame in people]
    boxes = [box for frame in located for _, box in frame]
    if not boxes:
        return [None] * len(people), {}
    frame_size = size if min(size) > 0 else _reach(boxes)
    max_gap, least = (max(1, round(seconds * fps)) for seconds in (MAX_GAP, LEAST_PIECE))
    # The tool that wrote the file has applied its own threshold.
    tracks = link_detections(_detections(located), threshold=0.0, max_gap=max_gap, size=frame_size)
    first = choose_subject(tracks, frame_size, len(people))
    subject, cuts = follow_cuts(first.index, tracks, least=least)
    chosen: list[Person | None] = [None] * len(people)
    for t, box in zip(subject.frame, subject.box, strict=True):
        chosen[t] = next(person for person, extent in located[t] if np.array_equal(extent, box))
    return chosen, {
        "people": len(rank_people(tracks, frame_size, len(people))),
        "margin": round(first.margin, 3),
        "ambiguous": first.margin < AMBIGUOUS_MARGIN,
        "cuts": cuts,
    }


def _extent(person: Person) -> FloatArray | None:
    """The box (4,) of a person, otherwise the one around the joints; None if it has no area."""
    box = person.box
    if not np.isfinite(box).all():
        seen = person.xy[np.isfinite(person.xy).all(axis=1)]
        if not len(seen):
            return None
        box = np.concatenate([seen.min(axis=0), seen.max(axis=0)])
    return box if (box[2:] > box[:2]).all() else None


def _confidence(person: Person) -> float:
    if person.confidence is not None:
        return float(np.clip(person.confidence, 0, 1))
    return float(np.clip(np.nan_to_num(person.score), 0, 1).mean()) if person.score.size else 0.0


def _detections(located: Sequence[Sequence[tuple[Person, FloatArray]]]) -> list[FloatArray]:
    """Rows (n_t, 6) of each frame for link_detections: box, confidence, identity number or -1."""
    identities: dict[str, int] = {}
    detections = []
    for frame in located:
        rows = []
        for person, box in frame:
            known = person.track is not None
            identity = identities.setdefault(str(person.track), len(identities)) if known else -1
            rows.append([*box, _confidence(person), identity])
        detections.append(np.array(rows, np.float64).reshape(-1, 6))
    return detections


def _reach(boxes: Sequence[FloatArray]) -> tuple[int, int]:
    """The smallest frame size (width, height) that contains all boxes."""
    corner = np.ceil(np.max(boxes, axis=0)[2:])
    return max(1, int(corner[0])), max(1, int(corner[1]))


# --- a clip as stored in its file, and its PoseSequence -------------------------------------------


@dataclass(frozen=True)
class FileClip:
    """One clip as stored in its file.

    name: of the clip; path: the file or folder. people: frame number as in the file -> people.
    order: how the joints fill a skeleton. complete: every frame of the video has a number, even
    those without people. first: number of the video's first frame, None = not fixed by the format.
    part: the file may hold a part of its video, and begins with its lowest number. frames: of the
    video, 0 = unknown. time: frame number -> seconds, empty if the file has none; with times, the
    frames keep their numbers. fps: 0 = unknown. size: (0, 0) = unknown. unit: coordinates are
    shares of the size.

    For clips of data sets: sources: the files and folders that hold the poses, if not `path` alone.
    split, group: of the row. phases: in frames of the file, which may end after the poses.
    settings: choices on which the poses depend, for the recipe. info: further facts of the poses.
    problem: the error of this clip alone, if the file holds several.
    """

    name: str
    path: Path
    people: Mapping[int, Sequence[Person]]
    order: JointOrder
    complete: bool = True
    first: int | None = None
    part: bool = False
    frames: int = 0
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
    """Rows of the sequence: frame number in the file (-1 = missing), frame index, seconds, rate."""

    number: IntArray
    frame: IntArray
    time: FloatArray
    fps: float
    absent: int = 0  # frame numbers missing from a complete list


def to_sequence(clip: FileClip, options: ImportOptions, video: SourceVideo | None) -> PoseSequence:
    """The subject of a clip; frames that the file leaves out are NaN.

    info: frames, coverage, mean_score (of the joints that are seen), absent (frame numbers missing
    from a complete list), and with several people the facts of choose_people. Raises PoseFileError.
    """
    if not clip.people:
        raise PoseFileError("it has no frames")
    size = _size(clip, options, video)
    with np.errstate(over="ignore"):  # of a rate near 0; what it leads to is refused
        rows = _rows(clip, options, video)
    _check_range(rows, size)
    people = [clip.people.get(int(n), ()) if n >= 0 else () for n in rows.number]
    scale = np.array(size, np.float64) if clip.unit else np.ones(2)
    people = [[_scaled(person, scale) for person in frame] for frame in people]
    subject, facts = choose_people(people, rows.fps, size)
    xy, score, box = _arrays(subject, clip.order)
    world = _world(subject, clip.order)
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
        world=world,
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
                f"the poses are in frames of {clip.size[0]}x{clip.size[1]} pixels, but "
                f"{video.path.name} has {video.size[0]}x{video.size[1]}"
            )
        return video.size
    size = options.size or clip.size
    if clip.unit and not min(size) > 0:
        raise MissingFactError(
            "its coordinates are shares of the frame, but the size is not in the file",
            "add --size WIDTHxHEIGHT, or --video FILE",
        )
    return size


def _check_range(rows: _Rows, size: tuple[int, int]) -> None:
    """Raise PoseFileError for values that no PoseSequence may have."""
    rate, (width, height) = rows.fps, size
    if not 0 < rate <= MOST_FPS:
        raise PoseFileError(
            f"its frame rate is {rate:g}, not above 0 and at most {MOST_FPS:,.0f}",
            "correct the file, or add --fps N",
        )
    if not np.isfinite(rows.time).all() or (np.diff(rows.time) <= 0).any():
        raise PoseFileError(
            f"at {rate:g} frames per second, the times of its frames are no numbers that increase",
            "correct the file, or add --fps N",
        )
    if rows.time[-1] - rows.time[0] > MOST_SECONDS:
        raise PoseFileError(
            f"its times span {rows.time[-1] - rows.time[0]:.3g} s, more than {MOST_SECONDS:,.0f}",
            "times are in seconds: correct the file, or add --fps N",
        )
    if not (0 <= width <= MOST_PIXELS and 0 <= height <= MOST_PIXELS):
        raise PoseFileError(
            f"its frames have {width:g} x {height:g} pixels, not 0 to {MOST_PIXELS:,}",
            "correct the file, or add --size WIDTHxHEIGHT",
        )


def _rows(clip: FileClip, options: ImportOptions, video: SourceVideo | None) -> _Rows:
    number = np.array(sorted(clip.people), np.int64)
    if clip.time and video is None:
        if options.fps is not None:
            return _Rows(number, number, number / options.fps, options.fps)
        time = np.array([clip.time[int(n)] for n in number])
        return _Rows(number, number, _rising(time), clip.fps or _usual_rate(time))
    first = _first_number(clip, number, video)
    if (end := first + clip.frames - 1) > number[-1] and (
        video is not None or not _is_sparse(end - int(number[0]) + 1, len(number) + 1)
    ):
        number = np.append(number, end)
    frame = number - first
    begin = _begin(clip, frame) if video is None else 0
    length = int(frame[-1]) + 1 - begin
    if _is_sparse(length, len(number)):
        raise FramesError(
            f"only {len(number)} of the frame numbers from {number[0]} to {number[-1]} are present"
        )
    if video is not None:
        length = _fitted(clip, length, video)
    filled = np.full(length, -1, np.int64)
    inside = frame < begin + length
    filled[frame[inside] - begin] = number[inside]
    absent = int((filled < 0).sum()) if clip.complete else 0
    index = begin + np.arange(length)
    if video is not None:
        return _Rows(filled, index, video.time[:length], video.fps, absent)
    fps = options.fps or clip.fps
    if not fps > 0:
        raise MissingFactError(
            "the frame rate is not in the file",
            "add --fps N, or --video FILE to take the times of the video",
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


def _begin(clip: FileClip, frame: IntArray) -> int:
    """The first frame of a clip without a video. Other frames before those that are listed show
    nobody, unless they would be nearly all of the clip, which is then a part of a long film."""
    late = clip.part or _is_sparse(int(frame[-1]) + 1, len(frame))
    return int(frame[0]) if late else 0


def _is_sparse(span: int, listed: int) -> bool:
    return span > max(_ALWAYS_FINE, _SPARSE * listed)


def _fitted(clip: FileClip, length: int, video: SourceVideo) -> int:
    """Number of frames of the sequence that fits a video; a VideoError gives both counts."""
    short = clip.complete and length < len(video) - _SLACK
    if short or length > len(video) + _SLACK:
        raise VideoError(
            f"it has poses for {length} frames, but {video.path.name} has {len(video)} frames"
        )
    return min(length, len(video)) if clip.complete else len(video)


def _rising(time: FloatArray) -> FloatArray:
    if not np.isfinite(time).all() or (np.diff(time) <= 0).any():
        raise FramesError("the times of its frames do not increase")
    return time


def _usual_rate(time: FloatArray) -> float:
    if len(time) < 2:
        raise FramesError("it has a single frame and therefore no frame rate", "add --fps N")
    return float(1 / np.median(np.diff(time)))


def _scaled(person: Person, scale: FloatArray) -> Person:
    if (scale == 1).all():
        return person
    box = person.box * np.tile(scale, 2)
    return replace(person, xy=person.xy * scale, box=box)


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


def _world(subject: Sequence[Person | None], order: JointOrder) -> FloatArray | None:
    """Joints (T, K, 3) in metres in the order of the skeleton, None if the file has none."""
    if all(person is None or person.world is None for person in subject):
        return None
    column = np.array(order.column)
    ours, theirs = np.flatnonzero(column >= 0), column[column >= 0]
    world = np.full((len(subject), len(column), 3), np.nan)
    for t, person in enumerate(subject):
        if person is not None and person.world is not None:
            world[t, ours] = person.world[theirs]
    with np.errstate(invalid="ignore"):
        world[~(np.abs(world) < _FAR_METRES).all(axis=2)] = np.nan
    return world


def describe_joints(clip: FileClip) -> str:
    """One line on joints without a counterpart; empty if all have one."""
    parts: list[Any] = []
    if clip.order.unused:
        parts.append(f"not used: {', '.join(clip.order.unused)}")
    if clip.order.missing:
        parts.append(f"not in the file: {', '.join(clip.order.missing)}")
    return f"{clip.name}: {clip.order.skeleton}, joints {'; '.join(parts)}" if parts else ""


# --- the video that a pose file was made from: its time stamps and its size ----------------------


@dataclass(frozen=True)
class SourceVideo:
    """A video file. time: (V,) seconds of every frame that can be decoded."""

    path: Path
    digest: str
    time: FloatArray
    fps: float
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.time)


def read_source(path: Path) -> SourceVideo:
    """Decode a video once for its time stamps; raises UserError as la2ds_cli.video.reader.probe."""
    info = probe(path)
    time = np.array([frame.time for frame in read_frames(path)])
    return SourceVideo(path.resolve(), file_digest(path), time, info.fps, (info.width, info.height))


def source_of(video: Path | None, clip: str, *, only: bool) -> SourceVideo | None:
    """The video of a clip: the file `video`, or the file with this stem in the folder `video`.

    Returns None without `video`. only: whether the import has no other clip, as required for a
    single video. Raises VideoError if the file does not exist, cannot be read, or would serve two
    clips.
    """
    if video is None:
        return None
    if video.is_dir():
        files = [
            path
            for path in sorted(video.iterdir())
            if path.stem == clip and path.suffix.lower() in VIDEO_SUFFIXES
        ]
        if not files:
            raise VideoError(
                f"there is no video called {clip} in {video}",
                f"name it {clip}.mp4, or import this clip without --video",
            )
        video = files[0]
    elif not only:
        raise VideoError(
            f"one video, {video.name}, was given for several clips",
            "give --video a folder with one video for each clip, with the clip's name",
        )
    try:
        return read_source(video)
    except UserError as error:
        raise VideoError(error.message, error.hint) from error
