"""The only decoder: what a video file holds, and its upright frames with their times.

Frames come out in presentation order, RGB, upright (display matrix applied) and with square
pixels (sample aspect ratio applied). Times are presentation time stamps in seconds from the start
of the file, as a player shows them, made strictly increasing.

It is longer than most files because decoding, orienting and timing of a frame belong together: the
order of rotation, pixel aspect and time repair is one fact, told once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.video_writer import write_video

if TYPE_CHECKING:
    import av

__all__ = [
    "VIDEO_SUFFIXES",
    "Frame",
    "Image",
    "VideoInfo",
    "orient",
    "probe",
    "read_ahead",
    "read_frames",
    "refuse_url",
    "write_video",
]

Image = NDArray[np.uint8]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
    | {".wmv", ".flv", ".3gp", ".ogv", ".gif"}
)
_FALLBACK_FPS = 25.0  # only where neither the container nor the codec names a rate
_CONVERT = "ffmpeg -i {name} -c:v libx264 -pix_fmt yuv420p converted.mp4"


@dataclass(frozen=True)
class VideoInfo:
    """What the container declares, checked by decoding the first frame.

    width, height: of the upright frames, in pixels. fps: nominal frames per second.
    frames_declared: 0 when the container does not say. duration: seconds, 0 = unknown.
    rotation: degrees counter-clockwise that the display matrix asks for. codec: FFmpeg's name.
    """

    width: int
    height: int
    fps: float
    frames_declared: int
    duration: float
    rotation: int
    codec: str
    has_video: bool


@dataclass(frozen=True)
class Frame:
    """One decoded frame. index: in presentation order. time: seconds. image: (H, W, 3) RGB."""

    index: int
    time: float
    image: Image


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Facts about a video file. Decodes one frame, so that what passes can be decoded.

    Raises UserError: V001 not readable as a video, V002 no frame in it, V004 no video stream,
    V005 unsupported codec, V006 no such file (all exit 3); a URL is a usage error (exit 2).
    """
    with _open(path) as (container, stream):
        first = next(_decode(container, stream), None)
        if first is None:
            raise _empty(path)
        height, width = _upright(first, stream, _display_matrix(first)).shape[:2]
        return VideoInfo(
            width=width,
            height=height,
            fps=_rate(stream),
            frames_declared=stream.frames,
            duration=_duration(container, stream),
            rotation=first.rotation,
            codec=stream.codec_context.name,
            has_video=True,
        )


def read_frames(path: str | os.PathLike[str]) -> Iterator[Frame]:
    """Upright RGB frames in presentation order, one in memory at a time.

    A damaged or truncated stream yields the frames that can be decoded. Raises UserError as
    `probe` does, V002 where not one frame can be decoded.
    """
    with _open(path) as (container, stream):
        clock = _Clock(_rate(stream))
        start = (container.start_time or 0) / 1e6  # in FFmpeg's AV_TIME_BASE, microseconds
        index, matrix = -1, (1, 0, 0, 1)
        for index, frame in enumerate(_decode(container, stream)):
            if index == 0:  # once: PyAV keeps every frame whose side data was asked for alive
                matrix = _display_matrix(frame)
            stamp = None if frame.time is None else frame.time - start
            yield Frame(index, clock.tick(stamp), _upright(frame, stream, matrix))
        if index < 0:
            raise _empty(path)


class _Clock:
    """Makes time stamps strictly increasing, one frame at a time.

    A missing stamp is one frame after the last; a repeated or slightly late one half a frame, so
    that the next good stamp fits again; a jump back of more than a second (joined recordings)
    shifts all that follow.
    """

    def __init__(self, fps: float) -> None:
        self.period = 1 / fps
        self.last: float | None = None
        self.shift = 0.0

    def tick(self, stamp: float | None) -> float:
        if self.last is None:
            self.last = 0.0 if stamp is None else stamp
            return self.last
        time = self.last + self.period if stamp is None else stamp + self.shift
        if time < self.last - 1:
            self.shift += self.last + self.period - time
            time = self.last + self.period
        if time <= self.last:
            time = self.last + self.period / 2
        self.last = time
        return time


def refuse_url(name: str) -> None:
    """UserError (exit 2) for a URL or `-`, which la2ds does not read."""
    if name == "-" or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name):
        raise UserError(
            f"'{name}' is not a file; streams and URLs are not supported",
            hint="download or record the video to a file first",
        )


@contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[tuple[Any, Any]]:
    """The container and its first real video stream, decoder ready."""
    import av
    from av.error import FFmpegError

    name = os.fspath(path)
    refuse_url(name)
    if not Path(name).is_file():
        folder = Path(name).is_dir()
        message = f"no video in the folder {name}" if folder else f"no such file: {name}"
        raise _unreadable(message, "check the spelling of the path", "V006")
    if Path(name).stat().st_size == 0:
        raise _unreadable(f"{name} is empty (0 bytes)", "copy or record the file again", "V002")
    try:
        container = av.open(name, metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        raise _unreadable(
            f"{name} is not a readable video: {_reason(Path(name), error)}",
            "copy or export it again from where it was recorded",
            "V001",
        ) from error
    with container:
        yield container, _video_stream(container, name)


def _video_stream(container: Any, name: str) -> Any:
    from av.stream import Disposition

    pictures = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
    streams = [s for s in container.streams.video if s not in pictures]
    if not streams:
        what = "audio only" if container.streams.audio else "no picture in the file"
        raise _unreadable(f"{name} has no video stream ({what})", "give a video file", "V004")
    stream = streams[0]
    if stream.codec_context is None:
        raise _unsupported(name, "")
    return stream


def _decode(container: Any, stream: Any) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded; damaged packets are passed over."""
    from av import error

    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except (error.DecoderNotFoundError, error.PatchWelcomeError) as cause:
                raise _unsupported(container.name, stream.codec_context.name) from cause
            except (error.InvalidDataError, error.EOFError):
                continue
    except (error.InvalidDataError, OSError):  # the container itself ends here
        yield from _flush(stream)


def _flush(stream: Any) -> Iterator[av.VideoFrame]:
    from av import error

    try:
        yield from stream.codec_context.decode(None)
    except error.FFmpegError:
        return


def _upright(frame: av.VideoFrame, stream: Any, matrix: tuple[int, int, int, int]) -> Image:
    """RGB pixels with square pixels and the display matrix applied."""
    aspect = stream.sample_aspect_ratio
    width = round(frame.width * aspect) if aspect else frame.width
    if width != frame.width:
        frame = frame.reformat(width=max(width, 1), height=frame.height, format="rgb24")
    image: Any = frame.to_ndarray(format="rgb24")
    return orient(image, matrix)


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """(a, b, c, d) of x' = a x + c y, y' = b x + d y in sign; identity when there is none."""
    side_data: Any = frame.side_data
    data = side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), dtype="<i4")[:5].tolist()
    return a, b, c, d


def orient(image: Image, matrix: tuple[int, int, int, int]) -> Image:
    """image (H, W, 3) turned and mirrored as a display matrix asks, to the nearest quarter turn.

    matrix: (a, b, c, d) with x' = a x + c y and y' = b x + d y (ISO/IEC 14496-12, x right, y
    down); only signs and the larger pair matter.
    """
    a, b, c, d = matrix
    if abs(b) > abs(a):
        image = image.transpose(1, 0, 2)
        across, down = c, b
    else:
        across, down = a, d
    if across < 0:
        image = image[:, ::-1]
    if down < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)


def _rate(stream: Any) -> float:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return float(rate) if rate else _FALLBACK_FPS


def _duration(container: Any, stream: Any) -> float:
    """Seconds of the video stream; 0 where only the length of all streams together is known."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))  # Matroska
    if tag:
        return 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3])
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0


def _reason(path: Path, error: Exception) -> str:
    """Why a file cannot be opened, in words a person can act on."""
    with path.open("rb") as handle:
        head = handle.read(12)
    if head[4:8] == b"ftyp":
        return "its index (moov) is missing, the recording was probably cut off"
    return getattr(error, "strerror", None) or str(error)


def _unreadable(message: str, hint: str, code: str) -> UserError:
    """The error of an input that cannot be read (exit 3)."""
    return UserError(message, hint=hint, exit_code=ExitCode.UNREADABLE, code=code)


def _empty(path: str | os.PathLike[str]) -> UserError:
    return _unreadable(
        f"no frame of {os.fspath(path)} can be decoded", "copy or record the file again", "V002"
    )


def _unsupported(name: str, codec: str) -> UserError:
    convert = _CONVERT.format(name=Path(name).name)
    return _unreadable(
        f"{name} uses the unsupported codec {codec}", f"convert it: {convert}", "V005"
    )


def read_ahead(frames: Iterator[Frame], depth: int) -> Generator[Frame, None, None]:
    """The same frames, decoded by a thread up to `depth` frames ahead of the consumer."""
    waiting: Queue[Frame | BaseException | None] = Queue(maxsize=depth)
    stop = Event()

    def offer(item: Frame | BaseException | None) -> None:
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
        except BaseException as error:  # raised again where the frames are consumed
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
