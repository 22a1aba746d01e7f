"""The film of a clip: the pictures of its frames for the studio's players, exact to the frame.

A browser seeks in a video by time, which is not exact
(docs/decisions/0010-pages-of-single-pictures.md). So the server decodes the clip with its options
applied and sends single JPEGs in chunks, one picture for each row of its joints. A thread makes
them once, on request, and keeps them in the project's `film` folder, whose size is limited.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import Any
from urllib.parse import quote

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import IntArray
from la2ds_cli.video.reader import Image, VideoFile, video_file

CHUNK = 16  # pictures
HEIGHT = 720  # pixels, at most
BUDGET = 2_000_000_000  # bytes of all films of a project: about 40,000 pictures
AHEAD = 24  # chunks that are made before they are requested
_QUALITY = 85  # of JPEG
_IDLE = 20.0  # seconds that an open video waits for the next request
_PATIENCE = 60.0  # seconds to wait for one chunk, which may lie far ahead in a long video
_FORM = 1  # version of the files; another number for other pictures
_SUFFIX = ".film"


class Films:
    """The films of a project. budget: bytes of all films on disk."""

    def __init__(self, project: Project, budget: int = BUDGET) -> None:
        self.project = project
        self.budget = budget
        self._reels: dict[str, _Reel] = {}
        self._lock = Lock()

    def facts(self, video: Video, frame: IntArray) -> dict[str, Any] | None:
        """What a player needs; None if the video is gone or has no pictures.

        frame: (T,), frame numbers of the clip's joints. address: of a chunk, without its number.
        count: T. chunk: pictures in each chunk.
        """
        reel = self._reel(video, frame)
        if reel is None:
            return None
        address = f"/film/{quote(video.id, safe='')}/{reel.key}"
        return {"address": address, "count": len(frame), "chunk": CHUNK}

    def chunk(self, name: str, key: str, number: int) -> bytes:
        """A chunk of a clip: the number of pictures (uint32, little-endian), the bytes of each
        (uint32), 0 = the video no longer has this frame, and the pictures.

        Raises UserError (exit 3) if there is no such film, and whatever reading the video raises.
        """
        video = self.project.find(name)
        frame = self.project.read_pose(video.id)[0].frame if video else None
        reel = self._reel(video, frame) if video and frame is not None else None
        if reel is None or reel.key != key or not 0 <= number < reel.chunks:
            raise UserError(
                f"there is no such picture of {name}",
                hint="load the page again: the clip has changed",
                exit_code=ExitCode.UNREADABLE,
            )
        content = reel.chunk(number)
        self._sweep()
        return content

    def picture(self, video: Video, frame: IntArray, row: int) -> Image | None:
        """The film's picture of one row, RGB; None if the video is gone or no longer has the frame.

        frame: as in `facts`. Raises whatever reading the video raises.
        """
        from PIL import Image as Pillow

        reel = self._reel(video, frame)
        if reel is None:
            return None
        picture = unpacked(reel.chunk(row // CHUNK))[row % CHUNK]
        self._sweep()
        if not picture:
            return None
        return np.asarray(Pillow.open(io.BytesIO(picture)).convert("RGB"))

    def forget(self, videos: Iterable[str]) -> None:
        """Delete the pictures of clips that are no longer listed; if such a clip comes back, they
        are made again. Raises UserError (exit 7) if they cannot be deleted."""
        for video in videos:
            with self._lock:
                reel = self._reels.pop(video, None)
            if reel is not None:
                reel.close()
            folder = self.project.film_dir(video)
            try:
                if folder.exists():
                    shutil.rmtree(folder)
            except OSError as error:
                raise artifact.cannot_write(folder, error) from error

    def forget_unlisted(self) -> None:
        """Delete the pictures of clips that the project does not have, which a killed studio may
        leave behind."""
        folder = self.project.film_dir()
        if folder.is_dir():
            listed = {video.id for video in self.project.videos()}
            left = [path.name for path in folder.iterdir() if path.is_dir()]
            with suppress(UserError):  # the studio opens nevertheless
                self.forget(name for name in left if name not in listed)

    def _reel(self, video: Video, frame: IntArray) -> _Reel | None:
        source = video_file(self.project, video)
        if source is None:
            return None
        facts = f"{_FORM} {HEIGHT} {CHUNK} {video.sha256} {video.options}"
        key = hashlib.sha256(facts.encode() + frame.tobytes()).hexdigest()[:16]
        with self._lock:
            reel = self._reels.get(video.id)
            if reel is None or reel.key != key:
                folder = self.project.film_dir(video.id)
                for old in folder.glob("*"):  # of earlier versions of the clip
                    if old.name != key:
                        shutil.rmtree(old, ignore_errors=True)
                place = self.project.film_dir(video.id, key)
                reel = self._reels[video.id] = _Reel(place, key, source, frame)
            return reel

    def _sweep(self) -> None:
        """Delete the least recently used chunks if all together exceed `budget`."""
        with self._lock:
            if sum(reel.written for reel in self._reels.values()) < self.budget / 20:
                return
            for reel in self._reels.values():
                reel.written = 0
            files = []
            for path in self.project.film_dir().rglob(f"*{_SUFFIX}"):
                with suppress(OSError):
                    status = path.stat()
                    files.append((status.st_mtime, status.st_size, path))
            spent = sum(size for _, size, _ in files)
            for _, size, path in sorted(files):
                if spent <= 0.9 * self.budget:
                    break
                path.unlink(missing_ok=True)
                spent -= size


class _Reel:
    """The film of one clip. written: bytes since the last sweep."""

    def __init__(self, folder: Path, key: str, source: VideoFile, frame: IntArray) -> None:
        self.folder, self.key, self.source = folder, key, source
        self.row_of = {int(number): row for row, number in enumerate(frame)}
        self.count = len(frame)
        self.chunks = -(-self.count // CHUNK)
        self.written = 0
        self._changed = Condition()
        self._thread: Thread | None = None
        self._wanted = 0  # the chunk that was requested last
        self._next = 0  # the chunk that the thread makes next
        self._again = False  # an earlier chunk was requested: start over
        self._failed: UserError | None = None
        self._closed = False

    def close(self) -> None:
        """Stop making pictures; returns when the thread has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._thread is None, _PATIENCE)

    def path(self, number: int) -> Path:
        return self.folder / f"{number}{_SUFFIX}"

    def chunk(self, number: int) -> bytes:
        path = self.path(number)
        with self._changed:
            self._wanted = number
            self._changed.notify_all()
            while True:
                with suppress(OSError):  # not made yet, or swept
                    content = regular_file.content(path)
                    os.utime(path)
                    return content
                if self._closed:
                    raise UserError(f"the clip of {self.source.path.name} is gone")
                if self._failed is not None:
                    failed, self._failed = self._failed, None
                    raise failed
                if self._thread is None:
                    self._again, self._next = False, 0
                    self._thread = Thread(target=self._make, name="film", daemon=True)
                    self._thread.start()
                elif self._next > number:
                    self._again = True
                    self._changed.notify_all()
                if not self._changed.wait(_PATIENCE):
                    raise UserError(
                        f"the pictures of {self.source.path.name} take too long",
                        hint="try again later: they are still being made",
                    )

    @property
    def _stops(self) -> bool:
        return self._again or self._closed

    def _make(self) -> None:
        """Make the chunks, at most AHEAD beyond the requested one."""
        try:
            for number, pictures in self._decoded():
                if self._closed:
                    return
                if pictures is not None:
                    content = packed(pictures)
                    artifact.write_bytes(self.path(number), content)
                    self.written += len(content)
                with self._changed:
                    self._next = number + 1
                    self._changed.notify_all()
                    while not self._stops and self._next > self._wanted + AHEAD:
                        if not self._changed.wait(_IDLE):
                            return
                    if self._stops:
                        return
        except UserError as error:
            self._failed = error
        except Exception as error:  # or the request would start over again and again
            self._failed = UserError(f"{self.source.path.name} cannot be shown: {error}")
        finally:
            with self._changed:
                self._thread = None
                self._changed.notify_all()

    def _decoded(self) -> Iterator[tuple[int, list[bytes] | None]]:
        """Each chunk with its pictures, which are empty if the video ends early; None for a chunk
        that was on disk when its turn came, even if it has been swept since."""
        number = 0
        pictures = self._blank(0)
        for frame in self.source.frames():
            row = self.row_of.get(frame.source)
            if row is None:
                continue
            while row // CHUNK > number:
                yield number, pictures
                number += 1
                pictures = self._blank(number)
            if pictures is not None:
                pictures[row % CHUNK] = encoded(frame.image)
            if row == self.count - 1:
                break
        while number < self.chunks:
            yield number, pictures
            number += 1
            pictures = self._blank(number)

    def _blank(self, number: int) -> list[bytes] | None:
        """Empty pictures of a chunk; None if it is on disk."""
        if self.path(number).exists():
            return None
        return [b""] * min(CHUNK, self.count - number * CHUNK)


def encoded(image: Image) -> bytes:
    """The whole picture as JPEG, at most HEIGHT high."""
    from PIL import Image as Pillow

    picture = Pillow.fromarray(image)
    if picture.height > HEIGHT:
        width = max(round(picture.width * HEIGHT / picture.height), 1)
        picture = picture.resize((width, HEIGHT), Pillow.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def packed(pictures: list[bytes]) -> bytes:
    """A chunk; see Films.chunk."""
    sizes = [len(picture) for picture in pictures]
    return b"".join([struct.pack(f"<{len(sizes) + 1}I", len(sizes), *sizes), *pictures])


def unpacked(chunk: bytes) -> list[bytes]:
    """The pictures of a chunk; see Films.chunk."""
    (count,) = struct.unpack_from("<I", chunk)
    ends = np.cumsum([4 * (count + 1), *struct.unpack_from(f"<{count}I", chunk, 4)]).tolist()
    return [chunk[start:end] for start, end in pairwise(ends)]


def _chunk(request: Request) -> Response:
    asked = request.path_params
    films: Films = request.app.state.studio.films
    try:
        content = films.chunk(asked["video"], asked["key"], asked["number"])
    except UserError as error:
        return PlainTextResponse(f"{error.message}\n", 404)
    # The address contains a hash of the clip, so that another version has another address.
    kept = {"cache-control": "private, max-age=31536000, immutable"}
    return Response(content, media_type="application/octet-stream", headers=kept)


ROUTES = [Route("/film/{video}/{key}/{number:int}", _chunk)]
