"""Clips that go wrong in every way there is: each function writes one and returns its path.

Names are those of the rows in tests/commands/bad_inputs.json. People are drawn, so that the
networks of tests.poses.grey_people find them.
"""

from __future__ import annotations

import wave
from collections.abc import Callable, Sequence
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
from tests.poses.grey_people import SIZE, film, scene, walk

Maker = Callable[[Path], Path]
_PERSON = {200: (60, 30, 110, 140)}
_DUET = {100: (40, 40, 80, 130), 200: (160, 40, 200, 130)}
_LEAVES = [{200: (120 + 4 * t, 40, 160 + 4 * t, 130)} for t in range(30)]  # over the right border


def filmed(path: Path, scenes: Sequence[Any]) -> Path:
    film(path, scenes)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def duet(folder: Path) -> Path:
    return filmed(folder / "duet.mp4", [_DUET] * FRAMES)


def cut(folder: Path) -> Path:
    light = [np.maximum(image, 45) for image in pictures(25)]
    dark = [scene({200: (150, 20, 200, 130)}) for _ in range(25)]
    noise = np.random.default_rng(1).integers(0, 70, (2, SIZE[1], SIZE[0], 3), np.uint8)
    images = [np.maximum(i, noise[0]) for i in light] + [np.maximum(i, noise[1]) for i in dark]
    return encode(folder / "cut.mp4", "libx264", "yuv420p", images)


def no_moov(folder: Path) -> Path:
    content = good(folder / "no-moov.mp4").read_bytes()
    return written(folder / "no-moov.mp4", content[: content.index(b"moov") - 4])


def zero_frames(folder: Path) -> Path:
    with av.open(str(folder / "frameless.mkv"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        container.start_encoding()
    return folder / "frameless.mkv"


def audio(folder: Path) -> Path:
    with wave.open(str(folder / "sound.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    return folder / "sound.mp4"


def codec(folder: Path) -> Path:
    content = good(folder / "codec.mp4").read_bytes()
    return written(
        folder / "codec.mp4", content.replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC")
    )


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def variable(folder: Path) -> Path:
    write_stamped(folder / "vfr.mkv", pictures(), np.cumsum([0.02, 0.06] * (FRAMES // 2)))
    return folder / "vfr.mkv"


def rotated(folder: Path) -> Path:
    stored = [np.ascontiguousarray(np.rot90(image)) for image in pictures()]
    path = encode(folder / "phone.mp4", "libx264", "yuv420p", stored)
    turned(path, (0, 1, -1, 0))
    return path


def hdr(folder: Path) -> Path:
    bt2020, pq = 9, 16  # numbers of ITU-T H.273
    tags = {"colorspace": bt2020, "color_primaries": bt2020, "color_trc": pq, "color_range": 1}
    images = [np.where(image > 0, 160, 0).astype(np.uint8) for image in pictures()]
    quiet = {"x265-params": "log-level=none"}
    return encode(folder / "hdr.mp4", "libx265", "yuv420p10le", images, quiet, **tags)


def odd(folder: Path) -> Path:
    images = [np.pad(image, ((0, 1), (0, 1), (0, 0))) for image in pictures()]
    return encode(folder / "odd.mkv", "ffv1", "bgr0", images)


def line(folder: Path) -> Path:
    images = [np.ascontiguousarray(image[:, :1]) for image in pictures()]
    return encode(folder / "line.avi", "png", "rgb24", images)


def anamorphic(folder: Path) -> Path:
    images = [np.ascontiguousarray(image[:, ::2]) for image in pictures()]
    return encode(folder / "dv.mkv", "libx264", "yuv420p", images, sample_aspect_ratio=Fraction(2))


def long_path(folder: Path) -> Path:
    for letter in "abcdef":
        folder = folder / (letter * 200)
    return good(folder / "deep.mp4", start=52)  # a film of its own


def link(folder: Path) -> Path:
    outside = folder.parent.with_name("outside")  # of the folder that is searched
    outside.mkdir()
    (folder / "link.mp4").symlink_to(good(outside / "original.mp4", start=44))
    return folder / "link.mp4"


def dangling(folder: Path) -> Path:
    (folder / "dangling.mp4").symlink_to(folder / "nothing.mp4")
    return folder / "dangling.mp4"


def gif(folder: Path) -> Path:
    frames = [PillowImage.fromarray(image) for image in pictures()]
    delays = [40, 80] * (FRAMES // 2)
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:], duration=delays)
    return folder / "a.gif"


def read_only(folder: Path) -> Path:
    path = good(folder / "clip.mp4", start=48)
    path.chmod(0o444)
    folder.chmod(0o555)
    return path


def mixed(folder: Path) -> Path:
    return images(folder / "mixed", [*pictures(9), np.zeros((80, 120, 3), np.uint8)])


def broken(folder: Path) -> Path:
    path = images(folder / "broken", pictures(9))
    written(path / "0.png", b"\x89PNG, but no more")
    return path


# Makers get a folder of their own.
ROWS: dict[str, Maker] = {
    # people
    "no person in any frame": lambda f: filmed(f / "nobody.mp4", [{}] * FRAMES),
    "no person in some frames": lambda f: filmed(
        f / "seldom.mp4", [*walk(12), *[{}] * 60, *walk(12)]
    ),
    "several people": duet,
    "a person of a few pixels": lambda f: filmed(
        f / "far.mp4", [{200: (60 + t, 60, 85 + t, 110)} for t in range(FRAMES)]
    ),
    "subject leaves and returns": lambda f: filmed(
        f / "away.mp4", [*_LEAVES, *[{}] * 30, *_LEAVES[::-1]]
    ),
    "cut in the edit": cut,
    # files that are no good videos
    "corrupt, no moov": no_moov,
    "truncated mid-stream": lambda f: shortened(noisy(f / "truncated.mkv", 40), 0.5),
    # The encoder's threads make files of different lengths; here always four frames are left.
    "truncated, too little left": lambda f: shortened(noisy(f / "stump.mkv", 40), 0.11),
    "zero bytes": lambda f: written(f / "zero.mp4", b""),
    "zero frames": zero_frames,
    "fewer than 8 frames": lambda f: filmed(f / "short.mp4", walk(5)),
    "audio only": audio,
    "image renamed mp4": lambda f: written(
        f / "photo.mp4", cv2.imencode(".png", scene(_PERSON))[1].tobytes()
    ),
    "PDF renamed mp4": lambda f: written(f / "report.mp4", b"%PDF-1.4\n" + bytes(range(256)) * 20),
    "unsupported codec": codec,
    "missing file": lambda f: f / "missing.mp4",
    "folder without videos": empty_folder,
    # unusual, and fine
    "variable frame rate": variable,
    "rotation metadata": rotated,
    "HDR, 10-bit": hdr,
    "odd sides": odd,
    "one pixel wide": line,
    "non-square pixels": anamorphic,
    "non-ASCII name with spaces": lambda f: good(f / "Übung №1 – 跳躍 (2).mp4"),
    "very long path": long_path,
    "name longer than the system allows": lambda f: f / f"{'x' * 300}.mp4",
    "symlink": link,
    "dangling symlink": dangling,
    "GIF": gif,
    "read-only source": read_only,
    # folders of images
    "folder of images": lambda f: images(f / "stills", pictures(12)),
    "images of two sizes": mixed,
    "unreadable image": broken,
}
