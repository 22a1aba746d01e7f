"""Read clips: the facts about a clip, and its upright frames with their times.

A clip is a video file, an animated GIF or PNG, or a folder of images. Frames come out in
presentation order, RGB, 8-bit sRGB (HDR tone-mapped), upright (display matrix or EXIF applied) and
with square pixels (sample aspect ratio applied). Times are presentation time stamps in seconds
from the start of the file, as a player shows them, made strictly increasing, and divided by the
slow-motion factor of the options.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.errors import Unusable, UserError, first_line
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import MOST_SECONDS
from la2ds_cli.video.container import (
    decode,
    frame_rate,
    open_container,
    stream_duration,
    usual_rate,
)
from la2ds_cli.video.container import write_video as write_video
from la2ds_cli.video.frame_conversion import FrameConverter, Image, hdr_name, turn
from la2ds_cli.video.media_files import (
    image_files,
    is_image_folder,
    is_video_file,
    read_images,
    refuse_url,
    require_fps,
    unreadable,
)
from la2ds_cli.video.source_version import (
    SourceChanged,
    SourceVersion,
    has_content,
    read_stamp,
)

_DEFAULTS = ClipOptions()
_TOLERANCE = 1e-6  # seconds; the time stamp of a frame at 1.2 s may be slightly smaller
_Stamped = Iterator[tuple[float, Image | None]]


@dataclass(frozen=True)
class VideoInfo:
    """Facts declared by the container, checked by decoding the first frame; options are applied.

    width, height: of the upright frames, in pixels. fps: nominal frames per second of the real
    movement. frames_declared: 0 = not declared; for a cut clip, an estimate from the mean rate.
    duration: seconds of the real movement, 0 = unknown. codec: FFmpeg's name. hdr: `PQ`, `HLG` or
    empty. start: time of the first frame in seconds, more than 0 if sound begins before the
    picture.
    """

    width: int
    height: int
    fps: float
    frames_declared: int
    duration: float
    codec: str
    hdr: str = ""
    start: float = 0.0


@dataclass(frozen=True)
class Frame:
    """A decoded frame.

    index: number of the frame in the cut clip, from 0. time: seconds. image: (H, W, 3) RGB. source:
    number of the frame in the complete file, in presentation order, from 0.
    """

    index: int
    time: float
    image: Image
    source: int = -1


def probe(path: str | os.PathLike[str], options: ClipOptions = _DEFAULTS) -> VideoInfo:
    """Return the facts about a clip, after decoding one frame to be sure that this is possible.

    Raises UserError: V001 not readable as a video, V002 no frame in it, V004 no video stream, V005
    unsupported codec, V006 no such file, V012 an image that cannot be read (all exit 3); V002
    (exit 4) if the clip ends before `options.start`; V010 a folder of images without a rate, or a
    URL (exit 2).
    """
    refuse_url(os.fspath(path))
    info = _probe_images(path, options) if is_image_folder(path) else _probe_video(path)
    return _with_options(path, info, options)


def read_frames(
    path: str | os.PathLike[str],
    options: ClipOptions = _DEFAULTS,
    wanted: Collection[int] | None = None,
) -> Iterator[Frame]:
    """Yield upright RGB frames in presentation order, one in memory at a time.

    A damaged or truncated clip yields the frames that can be decoded.

    Parameters
    ----------
    path
        A video file or a folder of images.
    options
        How the file is read.
    wanted
        Yield only these frames, by Frame.source; others are not converted to images, which takes
        about as long as decoding. None = all.

    Raises
    ------
    UserError
        As `probe`, V002 if no frame can be decoded, and V011 (exit 3) at an image of another size.
    """
    index, source, time = 0, -1, 0.0
    last = inf if wanted is None else max(wanted, default=-1)
    for source, (time, image) in enumerate(_stamped(path, options, wanted)):
        if time >= options.end - _TOLERANCE or source > last:
            break
        if image is not None and (wanted is None or source in wanted):
            image = turn(image, options.rotate, options.mirror)
            yield Frame(index, time / options.slowmo, image, source)
        index += time >= options.start - _TOLERANCE
    if source < 0:
        raise _empty(path)
    if index == 0 and source <= last:
        raise _nothing_left(path, options)


def _stamped(
    path: str | os.PathLike[str], options: ClipOptions, wanted: Collection[int] | None
) -> _Stamped:
    """Yield the seconds and images of all frames; None instead of an image before `options.start`,
    and for some unwanted frames."""
    refuse_url(os.fspath(path))
    start = options.start - _TOLERANCE
    if is_image_folder(path):
        return read_images(path, require_fps(path, options.fps), start)
    return _read_video(path, start, wanted)


def _read_video(
    path: str | os.PathLike[str], start: float, wanted: Collection[int] | None
) -> _Stamped:
    with open_container(path) as (container, stream):
        clock = FrameClock(frame_rate(stream))
        converter: FrameConverter | None = None
        for source, frame in enumerate(decode(container, stream, path)):
            converter = converter or FrameConverter(frame, stream.sample_aspect_ratio)
            time = clock.tick(_stamp(container, frame))
            shown = time >= start and (wanted is None or source in wanted)
            yield time, _image(converter, frame, path) if shown else None


def _stamp(container: Any, frame: Any) -> float | None:
    """Return the seconds of a frame from the start of the file; None without a time stamp."""
    offset = (container.start_time or 0) / 1e6  # in FFmpeg's AV_TIME_BASE, microseconds
    return None if frame.time is None else frame.time - offset


def _probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    with open_container(path) as (container, stream):
        first = next(decode(container, stream, path), None)
        if first is None:
            raise _empty(path)
        converter = FrameConverter(first, stream.sample_aspect_ratio)
        height, width = _image(converter, first, path).shape[:2]
        return VideoInfo(
            width=width,
            height=height,
            fps=usual_rate(container, stream),
            frames_declared=stream.frames,
            duration=stream_duration(container, stream),
            codec=stream.codec_context.name,
            hdr=hdr_name(first),
            start=max(_stamp(container, first) or 0.0, 0.0),
        )


def _image(converter: FrameConverter, frame: Any, path: str | os.PathLike[str]) -> Image:
    """Return the image of a frame. Raises UserError (V001) if pixels cannot be converted."""
    from av.error import FFmpegError

    try:
        return converter.image(frame)
    except (FFmpegError, MemoryError, ValueError) as error:
        raise unreadable(
            f"the pictures of {os.fspath(path)} cannot be converted ({first_line(error)})",
            "copy or export it again",
            "V001",
        ) from error


def _probe_images(path: str | os.PathLike[str], options: ClipOptions) -> VideoInfo:
    fps = require_fps(path, options.fps)
    files = image_files(Path(path))
    _, image = next(read_images(path, fps))
    assert image is not None  # every image is read from time 0 on
    height, width = image.shape[:2]
    suffix = files[0].suffix[1:].lower()
    return VideoInfo(width, height, fps, len(files), len(files) / fps, suffix)


def _with_options(path: str | os.PathLike[str], info: VideoInfo, options: ClipOptions) -> VideoInfo:
    seconds, frames = info.duration, info.frames_declared
    start = max(options.start, info.start)
    if options.is_cut and seconds:
        left = min(options.end, info.start + seconds) - start
        if left <= 0:
            raise _nothing_left(path, options, info)
        # Rounded down, since the time stamps around the cut are not yet known.
        frames, seconds = int(frames * left / seconds), left
    elif options.is_cut:
        frames = 0
    sideways = options.rotate % 180 != 0
    return replace(
        info,
        width=info.height if sideways else info.width,
        height=info.width if sideways else info.height,
        fps=info.fps * options.slowmo,
        frames_declared=frames,
        duration=seconds / options.slowmo,
        start=start / options.slowmo,
    )


def _empty(path: str | os.PathLike[str]) -> UserError:
    return unreadable(
        f"no frame of {os.fspath(path)} can be decoded", "copy or record the file again", "V002"
    )


def _nothing_left(
    path: str | os.PathLike[str], options: ClipOptions, info: VideoInfo | None = None
) -> UserError:
    part = f"from {options.start:g} s" + (f" to {options.end:g} s" if options.end < inf else " on")
    lasts = f", which lasts {info.duration:.2f} s" if info else ""
    if info and info.start > _TOLERANCE:
        end = info.start + info.duration
        lasts = f", whose picture lasts from {info.start:.2f} to {end:.2f} s"
    return Unusable(
        f"there is no frame {part} in {os.fspath(path)}{lasts}",
        hint="choose another part with la2ds extract-poses --time-range, in seconds as a player "
        "shows them",
        code="V002",
    )


# --- strictly increasing time stamps -------------------------------------------------------------


class FrameClock:
    """Makes time stamps strictly increasing, one frame at a time.

    A missing stamp becomes one frame after the last. A stamp that is repeated or slightly too early
    becomes half a frame after it, so that the next good stamp fits again, and a whole frame if it
    is repeated once more (one stamp for all). A jump back of more than a second (joined
    recordings), or ahead by more than a clip may last (damaged stamps), shifts all following
    stamps.
    """

    def __init__(self, fps: float) -> None:
        self.period = 1 / fps
        self.last: float | None = None
        self.stamp: float | None = None
        self.repeated = 0
        self.shift = 0.0

    def tick(self, stamp: float | None) -> float:
        """Return the seconds of the next frame from its stamp in seconds (None = no stamp)."""
        self.repeated = self.repeated + 1 if stamp is not None and stamp == self.stamp else 0
        self.stamp = stamp
        if self.last is None:
            self.last = 0.0 if stamp is None else stamp
            return self.last
        time = self.last + self.period if stamp is None else stamp + self.shift
        if not -1 <= time - self.last <= MOST_SECONDS:
            self.shift += self.last + self.period - time
            time = self.last + self.period
        if time <= self.last:
            time = self.last + self.period / (1 if self.repeated > 1 else 2)
        self.last = time
        return time


# --- the video of a clip in a project ------------------------------------------------------------


@dataclass(frozen=True)
class VideoFile:
    """A video file or a folder of images, and the options of its clip.

    Frame.source of its frames is the `frame` of a pose sequence; Frame.index is the row, unless the
    sequence was resampled. version: of the file when it was found, None = unknown.
    """

    path: Path
    options: ClipOptions = field(default_factory=ClipOptions)
    version: SourceVersion | None = None

    def frames(self, wanted: Collection[int] | None = None) -> Iterator[Frame]:
        """Yield upright frames of the clip, as read_frames."""
        return read_frames(self.path, self.options, wanted)

    def verify(self) -> None:
        """Check that the file has not changed since it was found, before pictures of it are stored.
        Raises SourceChanged."""
        if self.version is not None:
            self.version.verified()


def video_file(project: StoredProject, video: Video) -> VideoFile | None:
    """Return the file with a clip's frames; None if it no longer exists, has changed, or has no
    pictures, such as a file from which poses were imported."""
    path = project.source(video)
    if not (is_video_file(path) or is_image_folder(path)):
        return None
    try:
        version = SourceVersion(path, video.sha256, read_stamp(path))  # before the check
    except OSError:
        return None
    if has_changed(project, video):
        return None
    return VideoFile(path, ClipOptions.from_text(video.options), version)


def has_changed(
    project: StoredProject, video: Video, header: tuple[Recipe, Mapping[str, Any]] | None = None
) -> bool:
    """Return whether a clip's video exists with other content than its poses were made from.

    It is hashed only if its stamp differs from the one in the file of poses. header: of that file,
    None = not read yet.
    """
    try:
        recipe, facts = header or artifact.read_header(project.pose_path(video.id))
        if recipe.inputs.get("video") != video.sha256:
            return False  # imported: the digest may be that of the pose file
        stamp = str(facts.get("source", ""))
        return not has_content(project.source(video), video.sha256, stamp)
    except SourceChanged:
        return True
    except (OSError, UserError):  # reading the video will say what is wrong
        return False


# --- decoding in a thread while the consumer works -----------------------------------------------

Item = TypeVar("Item")


def read_ahead(frames: Iterator[Item], depth: int) -> Generator[Item, None, None]:
    """Yield the same frames, decoded by a thread up to `depth` frames ahead of the consumer."""
    waiting: Queue[Item | BaseException | None] = Queue(maxsize=depth)
    stop = Event()

    def offer(item: Item | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except Full:
                continue

    def work() -> None:
        try:
            for frame in frames:
                offer(frame)
                if stop.is_set():
                    return
            offer(None)
        except BaseException as error:  # raised again in the consumer's thread
            offer(error)

    worker = Thread(target=work, name="decode", daemon=True)
    worker.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        worker.join()
