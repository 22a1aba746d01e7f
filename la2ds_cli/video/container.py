"""Open, decode and write video files by FFmpeg, with clear errors."""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from la2ds_cli.core import regular_file
from la2ds_cli.core.artifact import cannot_write, replace_by, temporary_beside
from la2ds_cli.core.errors import UserError
from la2ds_cli.video.file_kind import LONGEST_HEAD, Kind, kind_of
from la2ds_cli.video.media_files import MOST_PIXELS, is_video_file, unreadable

if TYPE_CHECKING:
    import av

# Errors of a disk or of a connection to it; no known demuxer raises them for a damaged file.
_OF_THE_DISK = frozenset(
    {errno.EIO, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT, errno.ENOTCONN, errno.EACCES}
    | ({errno.ESTALE} if hasattr(errno, "ESTALE") else set())
)
_FALLBACK_FPS = 25.0  # only if neither the container nor the codec gives a rate
_CONVERT = "ffmpeg -i {name} -c:v libx264 -pix_fmt yuv420p converted.mp4"
# Without "file:" a colon in the name would be read as a protocol. By FFmpeg's own default, media
# that a QuickTime file refers to elsewhere are not opened.
_ACCESS = {"protocol_whitelist": "file"}
# FFmpeg's messages about files that are not videos -> clearer ones.
_CLEARER = {
    "End of file": "it holds no frames",
    "Invalid data found when processing input": "it is not a video, or its start is damaged",
}
_BT709, _LIMITED = 1, 1  # FFmpeg's codes


@contextmanager
def open_container(path: str | os.PathLike[str]) -> Iterator[tuple[Any, Any]]:
    """Open a video, and yield its container and its first real video stream with the decoder ready.

    The bytes of the file decide which demuxer reads it (file_kind.py), and no other file is opened.
    Raises UserError (exit 3): V001 not readable as a video, V002 empty, V004 no video stream, V005
    unsupported codec, V006 no such file.
    """
    import av
    from av.error import FFmpegError

    name = os.fspath(path)
    _check_file(Path(name))
    demuxer = _demuxer_of(name)
    try:
        container = av.open(
            f"file:{name}", format=demuxer, options=_ACCESS, **_metadata_errors(av.__version__)
        )
    except (FFmpegError, MemoryError, OSError, ValueError) as error:
        raise _not_readable(name, _reason(Path(name), error)) from error
    with container:
        yield container, _video_stream(container, name)


def _metadata_errors(version: str) -> dict[str, Any]:
    """Return options of av.open that accept titles in any encoding, as PyAV does from 19 on."""
    return {"metadata_errors": "surrogateescape"} if int(version.split(".")[0]) < 19 else {}


def _demuxer_of(name: str) -> str:
    """Return FFmpeg's demuxer for a file. Raises UserError (exit 3) as `open_container`."""
    try:
        with regular_file.opened(name, most=None, links=True) as stream:
            head = stream.read(LONGEST_HEAD)
    except OSError as error:
        raise _not_readable(name, error.strerror or str(error)) from error
    kind, demuxer = kind_of(head)
    if kind is Kind.VIDEO:
        return demuxer
    if kind is Kind.TEXT:
        message = f"{name} is not a video but text or a list"
        raise unreadable(message, "give a video file", "V001")
    if kind is Kind.IMAGE:
        hint = "give the folder of images to la2ds extract-poses, and their rate with --fps N"
        raise unreadable(f"{name} is an image, not a video", hint, "V004")
    if kind is Kind.SOUND:
        message = f"{name} has no video stream (audio only)"
        raise unreadable(message, "give a video file", "V004")
    pdf = kind is Kind.PDF
    reason = "it is a PDF" if pdf else "it is not a video, or its start is damaged"
    raise _not_readable(name, reason)


def _not_readable(name: str, reason: str) -> UserError:
    hint = "copy or export it again from the device that recorded it"
    return unreadable(f"{name} is not a readable video: {reason}", hint, "V001")


def _check_file(path: Path) -> None:
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:  # a name longer than the system allows
        raise unreadable(f"cannot open {path}: {error.strerror}", "rename it", "V006") from error
    if is_folder:
        try:
            videos = sorted(filter(is_video_file, path.iterdir()))
        except OSError as error:
            message = f"cannot open the folder {path}: {error.strerror}"
            raise unreadable(message, "check that you may read it", "V006") from error
        if videos:
            message = f"{path} is a folder of videos, where one clip is needed"
            raise unreadable(message, f"name one of them, such as {videos[0]}", "V006")
        message = f"no video and no images in the folder {path}"
        raise unreadable(message, "check the spelling of the path", "V006")
    if not is_file and glob.has_magic(str(path)):
        raise unreadable(f"nothing matches {path}", "check the pattern, and quote it", "V006")
    if not is_file and path.exists():
        message = f"{path} is a pipe or a device, not a file"
        raise unreadable(message, "give a video file", "V006")
    if not is_file:
        raise unreadable(f"no such file: {path}", "check the spelling of the path", "V006")
    if path.stat().st_size == 0:
        raise unreadable(f"{path} is empty (0 bytes)", "copy or record the file again", "V002")


def _video_stream(container: Any, name: str) -> Any:
    from av.stream import Disposition

    pictures = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
    streams = [s for s in container.streams.video if s not in pictures]
    if not streams:
        what = "audio only" if container.streams.audio else "no picture in the file"
        raise unreadable(f"{name} has no video stream ({what})", "give a video file", "V004")
    stream = streams[0]
    if stream.codec_context is None:
        raise _unsupported(name, "")
    if stream.codec_context.width * stream.codec_context.height > MOST_PIXELS:
        raise _too_large(name)
    # The size may change inside the stream.
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    return stream


def decode(container: Any, stream: Any, path: str | os.PathLike[str]) -> Iterator[av.VideoFrame]:
    """Yield every frame that can be decoded; damaged packets are skipped, whatever the error.

    Raises UserError (exit 3): V001 if frames need more memory than is available or the file cannot
    be read, V005 for a codec that is not supported.
    """
    from av import error

    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except (error.DecoderNotFoundError, error.PatchWelcomeError) as cause:
                raise _unsupported(os.fspath(path), stream.codec_context.name) from cause
            except MemoryError as cause:  # FFmpeg's own memory error is a subclass
                raise _too_large(os.fspath(path)) from cause
            except (error.FFmpegError, OSError, ValueError):
                continue
    except (error.FFmpegError, OSError, ValueError) as cause:  # the container cannot be read on
        if getattr(cause, "errno", None) in _OF_THE_DISK:
            # The file may be complete, so a shorter clip must not be stored in its place.
            message = f"{os.fspath(path)} cannot be read: {os.strerror(cause.errno)}"  # pyright: ignore
            hint = "check the disk or the connection to it, then run the same command again"
            raise unreadable(message, hint, "V001") from cause
        yield from _flush(stream)


def _flush(stream: Any) -> Iterator[av.VideoFrame]:
    from av import error

    try:
        yield from stream.codec_context.decode(None)
    except (error.FFmpegError, MemoryError, OSError, ValueError):
        return


USUAL = 240  # packets that measure the usual rate
_FEW = 8  # fewer steps do not show it
_OTHER_RATE = 0.1  # share by which the mean rate may differ from it, since times are rounded
_NEAR = 0.5  # share by which steps of one rate may differ


def usual_rate(container: Any, stream: Any) -> float:
    """Return the frames per second of most frames: the `frame_rate`, unless the times of the next
    frames show that the camera paused or lost frames. Reads on in the container, without decoding.
    """
    from av.error import FFmpegError

    times, rate = list[int](), frame_rate(stream)
    try:
        for packet in container.demux(stream):
            times += [] if packet.pts is None else [packet.pts]
            if len(times) >= USUAL:
                break
    except (FFmpegError, OSError, ValueError):
        pass  # damaged files are read as far as they go
    steps = np.diff(np.unique(times)) * float(stream.time_base or 0)
    if len(steps) < _FEW or not steps.all():
        return rate
    usual = np.median(steps)
    measured = 1 / float(steps[np.abs(steps - usual) <= _NEAR * usual].mean())
    return rate if abs(measured - rate) <= _OTHER_RATE * rate else measured


def frame_rate(stream: Any) -> float:
    """Return the nominal frames per second: the mean rate of the container or, if all frames have
    about one time, the rate of the stream."""
    rate = stream.codec_context.framerate or stream.guessed_rate or stream.base_rate
    rate = rate or _FALLBACK_FPS
    lasts = float((stream.duration or 0) * (stream.time_base or 0))
    if stream.frames > 2 and 0 < lasts * rate < 1.5:
        return float(rate)
    return float(stream.average_rate or rate)


def stream_duration(container: Any, stream: Any) -> float:
    """Return the seconds of the video stream; 0 if only the length of all streams is known."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(
        r"(\d{1,9}):(\d{1,9}):(\d{1,9}(?:\.\d*)?)", stream.metadata.get("DURATION", "")
    )  # Matroska
    if tag:
        seconds = 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3])
        # FFmpeg stores the end time. mkvmerge stores the length, with other statistics.
        if any(name.startswith("_STATISTICS") for name in stream.metadata):
            return seconds
        return max(seconds - float((stream.start_time or 0) * (stream.time_base or 0)), 0.0)
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0


def _reason(path: Path, error: Exception) -> str:
    """Return the reason why a file cannot be opened, for the user."""
    try:
        with path.open("rb") as handle:
            head = handle.read(12)
    except OSError as cause:
        return cause.strerror or str(cause)
    if head[4:8] == b"ftyp":
        return "its index (moov) is missing, the recording was probably cut off"
    message = getattr(error, "strerror", None) or str(error)
    return _CLEARER.get(message, message)


def _too_large(name: str) -> UserError:
    return unreadable(
        f"{name} declares pictures that need more memory than is available",
        "copy it again, or convert it to smaller pictures",
        "V001",
    )


def _unsupported(name: str, codec: str) -> UserError:
    convert = _CONVERT.format(name=Path(name).name)
    return unreadable(
        f"{name} uses {f'the codec {codec}, which' if codec else 'a codec that'} is not supported",
        f"convert it: {convert}",
        "V005",
    )


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[NDArray[np.uint8]],
    fps: float,
    check: Callable[[Path], None] = lambda _: None,
) -> None:
    """Write RGB frames (H, W, 3) as H.264, or as MPEG-4 part 2 if H.264 is not built in.

    The file is written atomically; the same frames give the same bytes. Odd sides get one black row
    or column, which 4:2:0 colour needs.

    Parameters
    ----------
    path, frames, fps
        The file, its frames (H, W, 3) uint8 RGB of one size, and frames per second.
    check
        Called with the path just before a file there is replaced; raises to keep that file.

    Raises
    ------
    ValueError
        Without frames.
    UserError
        Exit 7 if the file cannot be written.
    """
    target = Path(path)
    try:
        with temporary_beside(target) as temporary:
            _encode(str(temporary), frames, fps)
            check(target)
            replace_by(temporary, target)
    except OSError as error:
        raise cannot_write(target, error) from error


def _encode(name: str, frames: Iterable[NDArray[np.uint8]], fps: float) -> None:
    import av

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    options = {"qscale": "5"}
    if codec == "libx264":
        options = {"crf": "23", "preset": "veryfast", "x264-params": "cpu-independent=1"}
    with av.open(name, "w") as container:
        stream: Any = None
        for image in frames:
            padded = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)))
            if stream is None:
                rate = Fraction(fps).limit_denominator(1001)
                stream = container.add_stream(codec, rate=rate, options=options)
                stream.height, stream.width = padded.shape[:2]
                stream.pix_fmt = "yuv420p"
                # Players guess the colours of an untagged stream by its size.
                context = stream.codec_context
                context.thread_count = 1  # with more threads, the bytes vary
                context.colorspace = context.color_primaries = context.color_trc = _BT709
                context.color_range = _LIMITED
            picture = av.VideoFrame.from_ndarray(padded, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED, threads=1
            )
            container.mux(stream.encode(picture))
        if stream is None:
            raise ValueError("write_video: no frames")
        container.mux(stream.encode(None))
