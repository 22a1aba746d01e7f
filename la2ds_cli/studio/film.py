"""The film of a clip: the pictures of its frames for the studio's players, exact to the frame.

A browser seeks in a video by time, which is not exact
(docs/decisions/0010-pages-of-single-pictures.md). So the server decodes the clip with its options
and sends single JPEGs in chunks, one picture for each row of its joints. They are made once, on
request, and kept in the project's `film` folder, whose size is limited. The video stays open for
the next chunks.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
from collections import OrderedDict
from collections.abc import Generator, Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import Unreadable, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import IntArray
from la2ds_cli.video.reader import Image, VideoFile, video_file

CHUNK = 16  # pictures
HEIGHT = 720  # pixels, at most
OPEN = 16  # videos, as many as the Timeline page plays
BUDGET = 2_000_000_000  # bytes of all films of a project: about 40,000 pictures
_QUALITY = 85  # of JPEG
_FORM = 1  # version of the files; raise it when the pictures change
_SUFFIX = ".film"


class Films:
    """The films of a project. budget: bytes of all films on disk."""

    def __init__(self, project: StoredProject, budget: int = BUDGET) -> None:
        self.project = project
        self.budget = budget
        self._reels: OrderedDict[str, _Reel] = OrderedDict()
        self._lock = Lock()

    def facts(self, video: Video, frame: IntArray) -> dict[str, Any] | None:
        """Return what a player needs; None if the video is gone or has no pictures.

        address: of a chunk, without its number. count: T. chunk: pictures in each chunk.

        Parameters
        ----------
        frame: (T,) frame numbers of the clip's joints.
        """
        reel = self._reel(video, frame)
        if reel is None:
            return None
        address = f"/film/{quote(video.id, safe='')}/{reel.key}"
        return {"address": address, "count": len(frame), "chunk": CHUNK}

    def chunk(self, name: str, key: str, number: int) -> bytes:
        """Return a chunk of a clip: the number of pictures (uint32, little-endian), the bytes of
        each (uint32; 0 = the video no longer has this frame), and the pictures.

        Raises UserError (exit 3) if there is no such film, and whatever reading the video raises.
        """
        video = self.project.find(name)
        frame = self.project.read_pose(video.id)[0].frame if video else None
        reel = self._reel(video, frame) if video and frame is not None else None
        if reel is None or reel.key != key or not 0 <= number < reel.chunks:
            raise Unreadable(
                f"{name} has changed, so this picture no longer exists", hint="reload the page"
            )
        return self._swept(reel.chunk(number))

    def picture(self, video: Video, frame: IntArray, row: int) -> Image | None:
        """Return the picture of a row, RGB; None if the video is gone or no longer has the frame.

        frame: as in `facts`. Raises whatever reading the video raises.
        """
        from PIL import Image as Pillow

        reel = self._reel(video, frame)
        if reel is None:
            return None
        picture = unpacked(self._swept(reel.chunk(row // CHUNK)))[row % CHUNK]
        if not picture:
            return None
        return np.asarray(Pillow.open(io.BytesIO(picture)).convert("RGB"))

    def forget(self, videos: Iterable[str]) -> None:
        """Delete the pictures of removed clips; raise UserError (exit 7) if that fails."""
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

    def _reel(self, video: Video, frame: IntArray) -> _Reel | None:
        source = video_file(self.project, video)
        if source is None:
            return None
        facts = f"{_FORM} {HEIGHT} {CHUNK} {video.sha256} {video.options}"
        key = hashlib.sha256(facts.encode() + frame.tobytes()).hexdigest()[:16]
        with self._lock:
            reel = self._reels.get(video.id)
            if reel is None or reel.key != key or reel.source.path != source.path:
                folder = self.project.film_dir(video.id)
                for old in folder.glob("*"):  # of earlier versions of the clip
                    if old.name != key:
                        shutil.rmtree(old, ignore_errors=True)
                place = self.project.film_dir(video.id, key)
                reel = self._reels[video.id] = _Reel(place, key, source, frame)
            self._reels.move_to_end(video.id)
            oldest = self._reels.popitem(last=False)[1] if len(self._reels) > OPEN else None
        if oldest is not None:
            oldest.close()
        return reel

    def close(self) -> None:
        """Stop making pictures when the studio ends."""
        for reel in list(self._reels.values()):
            reel.close()

    def _swept(self, content: bytes) -> bytes:
        """Return this chunk, and delete the least recently used ones if all exceed `budget`."""
        with self._lock:
            if sum(reel.written for reel in self._reels.values()) < self.budget / 20:
                return content
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
        return content


class _Reel:
    """The film of one clip. written: bytes since the last sweep."""

    def __init__(self, folder: Path, key: str, source: VideoFile, frame: IntArray) -> None:
        self.folder, self.key, self.source = folder, key, source
        self.row_of = {int(number): row for row, number in enumerate(frame)}
        self.count = len(frame)
        self.chunks = -(-self.count // CHUNK)
        self.written = 0
        self._making = Lock()
        self._decoding: Generator[tuple[int, list[bytes] | None]] | None = None
        self._next = 0  # number of the next chunk from `_decoding`
        self._closed = False

    def close(self) -> None:
        """Stop making pictures for good."""
        self._closed = True
        with self._making:
            self._rest()

    def _rest(self) -> None:
        if self._decoding is not None:
            self._decoding.close()
            self._decoding = None

    def path(self, number: int) -> Path:
        return self.folder / f"{number}{_SUFFIX}"

    def chunk(self, number: int) -> bytes:
        content = self._kept(number)
        if content is None:
            with self._making:
                # Another request may have made it meanwhile.
                content = self._kept(number) or self._make(number)
        return content

    def _kept(self, number: int) -> bytes | None:
        """Return a chunk from disk; None if it has not been made, or has been swept."""
        path = self.path(number)
        with suppress(OSError):
            content = regular_file.content(path)
            os.utime(path)
            return content
        return None

    def _make(self, number: int) -> bytes:
        """Make the chunks up to a number, from the video's current position or its beginning."""
        if self._next > number:
            self._rest()
        decoding, self._decoding = self._decoding, None  # stays None after an error
        if decoding is None:
            decoding = self._decoded()
        for made, pictures in decoding:
            self._next = made + 1
            if pictures is None:
                continue
            content = packed(pictures)
            self.source.verify()  # the file must still be the one that the key names
            artifact.write_bytes(self.path(made), content)
            self.written += len(content)
            if made == number:
                self._decoding = decoding
                return content
        return self._make(number)  # it was on disk when its turn came

    def _decoded(self) -> Generator[tuple[int, list[bytes] | None]]:
        """Yield each chunk with its pictures, which are empty if the video ends early; None for a
        chunk that was already on disk."""
        number = 0
        pictures = self._blank(0)
        for frame in self.source.frames():
            row = self.row_of.get(frame.source)
            if self._closed:
                raise UserError(f"the clip of {self.source.path.name} has been removed")
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
        """Return empty pictures for a chunk; None if it is on disk."""
        if self.path(number).exists():
            return None
        return [b""] * min(CHUNK, self.count - number * CHUNK)


def encoded(image: Image) -> bytes:
    """Return the whole picture as JPEG, at most HEIGHT pixels high."""
    from PIL import Image as Pillow

    picture = Pillow.fromarray(image)
    if picture.height > HEIGHT:
        width = max(round(picture.width * HEIGHT / picture.height), 1)
        picture = picture.resize((width, HEIGHT), Pillow.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def packed(pictures: list[bytes]) -> bytes:
    """Pack pictures into a chunk; see Films.chunk."""
    sizes = [len(picture) for picture in pictures]
    return b"".join([struct.pack(f"<{len(sizes) + 1}I", len(sizes), *sizes), *pictures])


def unpacked(chunk: bytes) -> list[bytes]:
    """Unpack the pictures of a chunk; see Films.chunk."""
    (count,) = struct.unpack_from("<I", chunk)
    ends = np.cumsum([4 * (count + 1), *struct.unpack_from(f"<{count}I", chunk, 4)]).tolist()
    return [chunk[start:end] for start, end in pairwise(ends)]


async def _chunk(request: Request) -> Response:
    asked, studio = request.path_params, request.app.state.studio
    films: Films = studio.films

    def work() -> bytes:
        return films.chunk(asked["video"], asked["key"], asked["number"])

    try:
        content = await studio.turns.films.run(request, work)
    except UserError as error:
        return PlainTextResponse(f"{error.message}\n", 404)
    # The address contains a hash of the clip, so that it changes with the clip.
    kept = {"cache-control": "private, max-age=31536000, immutable"}
    return Response(content, media_type="application/octet-stream", headers=kept)


ROUTES = [Route("/film/{video}/{key}/{number:int}", _chunk)]
