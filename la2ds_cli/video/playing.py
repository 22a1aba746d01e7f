"""Play a video: a file in real time, or a camera. Frames that come too late are skipped."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Event, Thread

import numpy as np

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import UserError
from la2ds_cli.video.media_files import unreadable
from la2ds_cli.video.reader import Frame, Image, VideoInfo, probe, read_ahead, read_frames

_AHEAD = 8  # frames decoded before they are due
_AS_IT_IS = ClipOptions()
_SILENT = 5.0  # seconds without a picture after which a camera counts as gone


def open_player(
    source: str, options: ClipOptions = _AS_IT_IS, *, every_frame: bool = False
) -> Player:
    """Open a player of a video file, a folder of images, or `camera:N`.

    options: how a file is read. every_frame: play every frame of a file, each as soon as the
    previous one is done, not in real time. Raises UserError: exit 2 for a URL or a camera without a
    number, exit 3 for a camera that cannot be opened, and as `probe` for files.
    """
    if not source.startswith("camera:"):
        return FilePlayer(source, probe(source, options), every_frame, options=options)
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
    """Plays a file. clock, sleep: replaced in tests.

    skipped: frames that were skipped because earlier ones took too long.
    """

    path: str
    info: VideoInfo
    every_frame: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    skipped: int = 0
    options: ClipOptions = _AS_IT_IS

    def frames(self) -> Generator[Frame, None, None]:
        """Yield frames in time; a frame is skipped if the next one is already due. Raises UserError
        as read_frames."""
        begun, first = None, 0.0
        with closing(read_ahead(read_frames(self.path, self.options), _AHEAD)) as decoded:
            for frame in decoded:
                if begun is None:
                    begun, first = self.clock(), frame.time
                late = self.clock() - begun - (frame.time - first)
                if not self.every_frame and late > 1 / self.info.fps:
                    self.skipped += 1
                    continue
                if not self.every_frame and late < 0:
                    self.sleep(-late)
                yield frame


class CameraPlayer:
    """Plays a camera through OpenCV: always the newest picture. Attributes as in FilePlayer."""

    def __init__(self, number: int) -> None:
        """Open the camera. Raises UserError (exit 3) if it cannot be opened."""
        import cv2

        with suppress(AttributeError):  # the error below replaces the lines of OpenCV
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            self._capture.release()
            raise _no_camera(number, "cannot be opened")
        self.number = number
        self.skipped = 0

    def frames(self) -> Generator[Frame, None, None]:
        """Yield frames until the camera stops, or gives none for _SILENT seconds. Raises UserError
        (exit 3) if it gives no pictures at all."""
        newest: Queue[tuple[int, float, Image] | None] = Queue()
        stop = Event()
        reader = Thread(target=self._read, args=(newest, stop), name="camera", daemon=True)
        reader.start()
        shown, begun = -1, 0.0
        try:
            with suppress(Empty):
                while (taken := newest.get(timeout=_SILENT)) is not None:
                    count, at, image = taken
                    begun = at if shown < 0 else begun
                    self.skipped += count - shown - 1
                    shown = count
                    yield Frame(count, at - begun, image, count)
            if shown < 0:
                raise _no_camera(self.number, "gives no pictures")
        finally:
            stop.set()
            reader.join(timeout=_SILENT)
            self._capture.release()

    def _read(self, newest: Queue[tuple[int, float, Image] | None], stop: Event) -> None:
        """Put the newest picture in place of an older one in the queue, and None at the end."""
        import cv2

        for count in itertools.count():
            good, image = (False, None) if stop.is_set() else self._capture.read()
            if not good or image is None:
                break
            rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            with suppress(Empty):
                newest.get_nowait()
            newest.put((count, time.monotonic(), rgb))
        newest.put(None)


Player = FilePlayer | CameraPlayer


def _no_camera(number: int, what: str) -> UserError:
    return unreadable(
        f"camera {number} {what}",
        "check that it is plugged in, that no other program uses it, and that you may read it; "
        "camera:1 is the next one",
        "V007",
    )
