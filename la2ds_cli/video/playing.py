"""A video that plays: a file in real time, or a camera. Frames that come too late are skipped."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

import numpy as np

from la2ds_cli.core.errors import UserError
from la2ds_cli.video.media_files import unreadable
from la2ds_cli.video.reader import Frame, Image, VideoInfo, probe, read_ahead, read_frames

_AHEAD = 8  # frames decoded before they are due
_COMPLETE = 0.97  # share of the declared seconds; containers round
_SILENT = 5.0  # seconds without a picture after which a camera counts as gone


def open_player(source: str, *, every_frame: bool = False) -> Player:
    """A player of a video file, a folder of images, or `camera:N`. every_frame: play every frame of
    a file, each as soon as the previous one is done, not in real time.

    Raises UserError: exit 2 for a URL or a camera without a number, exit 3 for a camera that cannot
    be opened, and as `probe` for files.
    """
    if not source.startswith("camera:"):
        return FilePlayer(source, probe(source), every_frame=every_frame)
    number = source.removeprefix("camera:")
    if not re.fullmatch(r"[0-9]{1,3}", number):
        raise UserError(
            f"'{source}' does not name a camera", hint="camera:0 is the first, camera:1 the next"
        )
    if every_frame:
        raise UserError(
            "--every-frame works only with files, since a camera does not wait", hint="leave it out"
        )
    return CameraPlayer(int(number))


@dataclass
class FilePlayer:
    """Plays a file; clock and sleep are those of `time`, and are replaced in tests.

    skipped: frames that were skipped because earlier ones took too long. cut_off: a sentence if the
    file ended before its declared end, otherwise empty.
    """

    path: str
    info: VideoInfo
    every_frame: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    skipped: int = 0
    cut_off: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright frames, pixels."""
        return self.info.width, self.info.height

    @property
    def fps(self) -> float:
        """Nominal frames per second."""
        return self.info.fps

    def frames(self) -> Generator[Frame, None, None]:
        """A frame is skipped if the next one is already due. Raises UserError as read_frames."""
        begun = first = last = None
        with closing(read_ahead(read_frames(self.path), _AHEAD)) as decoded:
            for frame in decoded:
                last = frame.time
                if begun is None or first is None:
                    begun, first = self.clock(), frame.time
                late = self.clock() - begun - (frame.time - first)
                if not self.every_frame and late > 1 / self.info.fps:
                    self.skipped += 1
                    continue
                if not self.every_frame and late < 0:
                    self.sleep(-late)
                yield frame
        if first is not None and last is not None:
            self._note_end(last - first + 1 / self.info.fps)

    def _note_end(self, seconds: float) -> None:
        if seconds < _COMPLETE * self.info.duration - 1 / self.info.fps:
            self.cut_off = (
                f"{self.path} ended after {seconds:.1f} of its declared {self.info.duration:.1f} "
                "seconds"
            )


class CameraPlayer:
    """Plays a camera through OpenCV: always the newest picture. Attributes as of FilePlayer."""

    cut_off = ""

    def __init__(self, number: int) -> None:
        """Raises UserError (exit 3) for a camera that cannot be opened."""
        import cv2

        with suppress(AttributeError):  # it would say in lines of its own what is said below
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            self._capture.release()
            raise _no_camera(number, "cannot be opened")
        self.number = number
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or 30.0
        width, height = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        self.size = int(self._capture.get(width)), int(self._capture.get(height))
        self.skipped = 0

    def frames(self) -> Generator[Frame, None, None]:
        """Frames until the camera stops. Raises UserError (exit 3) if it gives no pictures at all,
        or none for _SILENT seconds."""
        newest = _Newest()
        reader = Thread(target=self._read, args=(newest,), name="camera", daemon=True)
        reader.start()
        shown, begun = -1, 0.0
        try:
            while (taken := newest.after(shown, _SILENT)) is not None:
                count, at, image = taken
                begun = at if shown < 0 else begun
                self.skipped += count - shown - 1
                shown = count
                yield Frame(count, at - begun, image, count)
            if shown < 0:
                raise _no_camera(self.number, "gives no pictures")
        finally:
            newest.stopped = True
            reader.join(timeout=_SILENT)
            self._capture.release()

    def _read(self, newest: _Newest) -> None:
        import cv2

        count = 0
        while not newest.stopped:
            good, image = self._capture.read()
            if not good:
                break
            rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            newest.put(count, time.monotonic(), rgb)
            count += 1
        newest.end()


Player = FilePlayer | CameraPlayer


@dataclass
class _Newest:
    """The newest picture of a camera, passed from the reading thread to the working thread."""

    stopped: bool = False
    _picture: tuple[int, float, Image] | None = None
    _ended: bool = False
    _changed: Condition = field(default_factory=Condition)

    def put(self, count: int, at: float, image: Image) -> None:
        with self._changed:
            self._picture = count, at, image
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def after(self, count: int, seconds: float) -> tuple[int, float, Image] | None:
        """The newest picture with a higher number; None at the end, or if none comes in time."""

        def ready() -> Any:
            return self._ended or (self._picture is not None and self._picture[0] > count)

        with self._changed:
            self._changed.wait_for(ready, timeout=seconds)
            picture = self._picture
        return picture if picture is not None and picture[0] > count else None


def _no_camera(number: int, what: str) -> UserError:
    return unreadable(
        f"camera {number} {what}",
        "check that it is plugged in, that no other program uses it, and that you may read it; "
        "camera:1 is the next one",
        "V007",
    )
