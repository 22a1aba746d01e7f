"""Clips that go wrong in every way there is: each function writes one and returns its path.

Names are those of the rows in tests/commands/bad_inputs.json. People are drawn, so that the
networks of tests.poses.grey_people find them.
"""

from __future__ import annotations

import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image as PillowImage

from tests.commands.bad_input_drawing import (
    FRAMES,
    encode,
    good,
    images,
    noisy,
    pictures,
    shortened,
)
from tests.drawn_clips import turned, write_stamped
from tests.poses.grey_people import SIZE, film, scene
from tests.poses.test_extract import walk

Maker = Callable[[Path], Path]
ROWS: dict[str, Maker] = {}
_PERSON = {200: (60, 30, 110, 140)}


def row(name: str) -> Callable[[Maker], Maker]:
    """Enter a maker under the name of its row; makers get a folder of their own."""

    def enter(make: Maker) -> Maker:
        ROWS[name] = make
        return make

    return enter


# --- people ------------------------------------------------------------------------------------


@row("no person in any frame")
def nobody(folder: Path) -> Path:
    film(folder / "nobody.mp4", [{}] * FRAMES)
    return folder / "nobody.mp4"


@row("no person in some frames")
def seldom(folder: Path) -> Path:
    film(folder / "seldom.mp4", [*walk(12), *[{}] * 60, *walk(12)])
    return folder / "seldom.mp4"


@row("several people")
def duet(folder: Path) -> Path:
    film(folder / "duet.mp4", [{100: (40, 40, 80, 130), 200: (160, 40, 200, 130)}] * FRAMES)
    return folder / "duet.mp4"


@row("a person of a few pixels")
def far(folder: Path) -> Path:
    film(folder / "far.mp4", [{200: (60 + t, 60, 85 + t, 110)} for t in range(FRAMES)])
    return folder / "far.mp4"


@row("subject leaves and returns")
def away(folder: Path) -> Path:
    out = [{200: (120 + 4 * t, 40, 160 + 4 * t, 130)} for t in range(30)]  # over the right border
    film(folder / "away.mp4", [*out, *[{}] * 30, *out[::-1]])
    return folder / "away.mp4"


@row("cut in the edit")
def cut(folder: Path) -> Path:
    light = [np.maximum(image, 45) for image in pictures(25)]
    dark = [scene({200: (150, 20, 200, 130)}) for _ in range(25)]
    noise = np.random.default_rng(1).integers(0, 70, (2, SIZE[1], SIZE[0], 3), np.uint8)
    images = [np.maximum(i, noise[0]) for i in light] + [np.maximum(i, noise[1]) for i in dark]
    return encode(folder / "cut.mp4", "libx264", "yuv420p", images)


# --- files that are no good videos ------------------------------------------------------------


@row("corrupt, no moov")
def no_moov(folder: Path) -> Path:
    path = good(folder / "no-moov.mp4")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])
    return path


@row("truncated mid-stream")
def truncated(folder: Path) -> Path:
    return shortened(noisy(folder / "truncated.mkv", 40), 0.5)


@row("truncated, too little left")
def stump(folder: Path) -> Path:
    # The encoder's threads make files of different lengths; here always four frames are left.
    return shortened(noisy(folder / "stump.mkv", 40), 0.11)


@row("zero bytes")
def zero_bytes(folder: Path) -> Path:
    (folder / "zero.mp4").touch()
    return folder / "zero.mp4"


@row("zero frames")
def zero_frames(folder: Path) -> Path:
    with av.open(str(folder / "frameless.mkv"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        container.start_encoding()
    return folder / "frameless.mkv"


@row("fewer than 8 frames")
def short(folder: Path) -> Path:
    film(folder / "short.mp4", walk(5))
    return folder / "short.mp4"


@row("audio only")
def audio(folder: Path) -> Path:
    with wave.open(str(folder / "sound.mp4"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    return folder / "sound.mp4"


@row("image renamed mp4")
def photo(folder: Path) -> Path:
    (folder / "photo.mp4").write_bytes(cv2.imencode(".png", scene(_PERSON))[1].tobytes())
    return folder / "photo.mp4"


@row("PDF renamed mp4")
def document(folder: Path) -> Path:
    (folder / "report.mp4").write_bytes(b"%PDF-1.4\n" + bytes(range(256)) * 20)
    return folder / "report.mp4"


@row("unsupported codec")
def codec(folder: Path) -> Path:
    path = good(folder / "codec.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC"))
    return path


@row("missing file")
def missing(folder: Path) -> Path:
    return folder / "missing.mp4"


@row("folder without videos")
def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


# --- unusual, and fine ------------------------------------------------------------------------


@row("variable frame rate")
def variable(folder: Path) -> Path:
    write_stamped(folder / "vfr.mkv", pictures(), np.cumsum([0.02, 0.06] * (FRAMES // 2)))
    return folder / "vfr.mkv"


@row("rotation metadata")
def rotated(folder: Path) -> Path:
    stored = [np.ascontiguousarray(np.rot90(image)) for image in pictures()]
    path = encode(folder / "phone.mp4", "libx264", "yuv420p", stored)
    turned(path, (0, 1, -1, 0))
    return path


@row("HDR, 10-bit")
def hdr(folder: Path) -> Path:
    bt2020, pq = 9, 16  # numbers of ITU-T H.273
    tags = {"colorspace": bt2020, "color_primaries": bt2020, "color_trc": pq, "color_range": 1}
    images = [np.where(image > 0, 160, 0).astype(np.uint8) for image in pictures()]
    quiet = {"x265-params": "log-level=none"}
    return encode(folder / "hdr.mp4", "libx265", "yuv420p10le", images, quiet, **tags)


@row("odd sides")
def odd(folder: Path) -> Path:
    images = [np.pad(image, ((0, 1), (0, 1), (0, 0))) for image in pictures()]
    return encode(folder / "odd.mkv", "ffv1", "bgr0", images)


@row("one pixel wide")
def line(folder: Path) -> Path:
    images = [image[:, :1] for image in pictures()]
    return encode(folder / "line.avi", "png", "rgb24", [np.ascontiguousarray(i) for i in images])


@row("non-square pixels")
def anamorphic(folder: Path) -> Path:
    images = [np.ascontiguousarray(image[:, ::2]) for image in pictures()]
    return encode(folder / "dv.mkv", "libx264", "yuv420p", images, sample_aspect_ratio=Fraction(2))


@row("non-ASCII name with spaces")
def unicode(folder: Path) -> Path:
    return good(folder / "Übung №1 – 跳躍 (2).mp4")


@row("very long path")
def long_path(folder: Path) -> Path:
    for letter in "abcdef":
        folder = folder / (letter * 200)
    return good(folder / "deep.mp4", start=52)  # a film of its own


@row("name longer than the system allows")
def long_name(folder: Path) -> Path:
    return folder / f"{'x' * 300}.mp4"


@row("symlink")
def link(folder: Path) -> Path:
    outside = folder.parent.with_name("outside")  # of the folder that is searched
    outside.mkdir()
    (folder / "link.mp4").symlink_to(good(outside / "original.mp4", start=44))
    return folder / "link.mp4"


@row("dangling symlink")
def dangling(folder: Path) -> Path:
    (folder / "dangling.mp4").symlink_to(folder / "nothing.mp4")
    return folder / "dangling.mp4"


@row("GIF")
def gif(folder: Path) -> Path:
    frames = [PillowImage.fromarray(image) for image in pictures()]
    delays = [40, 80] * (FRAMES // 2)
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:], duration=delays)
    return folder / "a.gif"


@row("read-only source")
def read_only(folder: Path) -> Path:
    path = good(folder / "clip.mp4", start=48)
    path.chmod(0o444)
    folder.chmod(0o555)
    return path


# --- folders of images ------------------------------------------------------------------------


@row("folder of images")
def still(folder: Path) -> Path:
    return images(folder / "stills", pictures(12))


@row("images of two sizes")
def mixed(folder: Path) -> Path:
    other = np.zeros((80, 120, 3), np.uint8)
    return images(folder / "mixed", [*pictures(9), other])


@row("unreadable image")
def broken(folder: Path) -> Path:
    path = images(folder / "broken", pictures(9))
    (path / "0.png").write_bytes(b"\x89PNG, but no more")
    return path
