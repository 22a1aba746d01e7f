"""Recognise videos, images and folders of images, sort them, and read images.

Images are decoded by Pillow; EXIF orientation is applied. All images of a folder must have the same
size.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import VIDEO_SUFFIXES
from la2ds_cli.core.errors import Unreadable, UserError
from la2ds_cli.video.frame_conversion import Image

MOST_PIXELS = 1 << 27  # per frame: 16384 x 8192, 400 MB as RGB; four times an 8K video
_ANIMATED = {".webp", ".png"}  # still or animated; FFmpeg decodes animated ones
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")  # not PostScript, which runs Ghostscript
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})


def is_video_file(path: Path) -> bool:
    """Return whether a path is a video: by its suffix, or an animated WebP or PNG."""
    suffix = path.suffix.lower()
    if path.name.startswith(".") or suffix not in VIDEO_SUFFIXES | _ANIMATED:
        return False
    return path.is_file() and (suffix not in _ANIMATED or is_animation(path))


def is_image_file(path: Path) -> bool:
    """Return whether a path is a still image."""
    suffix = path.suffix.lower()
    if path.name.startswith(".") or suffix not in IMAGE_SUFFIXES:
        return False
    return path.is_file() and not (suffix in _ANIMATED and is_animation(path))


def is_animation(path: Path) -> bool:
    """Return whether a file is an animated WebP (by its flag) or PNG (by a chunk acTL before the
    first picture), whatever its suffix."""
    try:
        with path.open("rb") as handle:
            head = handle.read(1 << 12)
    except OSError:
        return False
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"acTL" in head.partition(b"IDAT")[0]
    extended = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > 20
    return extended and bool(head[20] & 2)


def image_files(folder: Path) -> list[Path]:
    """Return the images directly in a folder, in natural order."""
    names = [entry.name for entry in folder.iterdir() if is_image_file(entry)]
    return [folder / name for name in natural_order(names)]


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of a folder of images."""
    if path.is_file():
        return artifact.file_digest(path)
    digest = hashlib.sha256()
    for file in image_files(path):
        digest.update(os.fsencode(f"{file.name}\0{artifact.file_digest(file)}\0"))
    return digest.hexdigest()


def is_image_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder directly contains images and no video."""
    try:
        entries = list(Path(path).iterdir())
    except OSError:  # not a folder, or not readable
        return False
    return any(map(is_image_file, entries)) and not any(map(is_video_file, entries))


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names with numbers by value: clip2 before clip10. Names that differ only in case or
    zeros are sorted by their characters, so that the order is always the same."""

    def key(name: str) -> tuple[list[tuple[bool, int, str]], str]:
        parts = re.findall(r"\d+|\D+", name)
        values = [(False, int(p), "") if p.isdecimal() else (True, 0, p.lower()) for p in parts]
        return values, name

    return sorted(names, key=key)


def ordered(paths: Iterable[Path]) -> list[Path]:
    """Sort paths in natural order."""
    return [Path(name) for name in natural_order(map(str, paths))]


def refuse_url(name: str) -> None:
    """Raise UserError (exit 2) for a URL, a camera or `-`, which la2ds does not read."""
    if (
        name == "-"
        or name.startswith("/dev/video")
        or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name)
    ):
        raise UserError(
            f"'{name}' is not a file; streams and URLs are not supported",
            hint="download or record the video to a file first",
        )


def unreadable(message: str, hint: str, code: str) -> UserError:
    """Return the error for an input that cannot be read (exit 3)."""
    return Unreadable(message, hint=hint, code=code)


def missing_files(names: Sequence[str], also: str = "") -> UserError:
    """Return the error (exit 3) that names all files that do not exist. also: added to the hint."""
    distinct = list(dict.fromkeys(names))
    what = "no such file" if len(distinct) == 1 else "no such files"
    hint = "; ".join(filter(None, ["check the spelling of the path", also]))
    return unreadable(f"{what}: {', '.join(distinct)}", hint, "V006")


def require_fps(folder: str | os.PathLike[str], fps: float) -> float:
    """Return fps if it is set. Raises UserError V010 (exit 2) for 0."""
    if not fps:
        raise UserError(
            f"{os.fspath(folder)} is a folder of images, and their rate is unknown",
            hint="give the rate of the camera that took them, for example --fps 30",
            code="V010",
        )
    return fps


def read_images(
    folder: str | os.PathLike[str], fps: float, start: float = 0.0
) -> Iterator[tuple[float, Image | None]]:
    """Yield the seconds and images (H, W, 3) RGB of a folder; None for images before `start`.

    Ends before the first image that cannot be decoded. Raises UserError (exit 3): V012 if that is
    the first one, V011 at the first image of a different size.
    """
    first: tuple[Path, Image] | None = None
    for index, path in enumerate(image_files(Path(folder))):
        time = index / fps
        if time < start:
            yield time, None
            continue
        image = read_image(path)
        if image is None and first is None:
            raise unreadable(f"{path} is not a readable image", "copy it again", "V012")
        if image is None:
            return
        first = first or (path, image)
        if image.shape != first[1].shape:
            sizes = ["x".join(map(str, each.shape[1::-1])) for each in (first[1], image)]
            raise unreadable(
                f"all images of a clip must have the same size, but {first[0]} is {sizes[0]} and "
                f"{path} is {sizes[1]}",
                "put the images of each clip into its own folder",
                "V011",
            )
        yield time, image


def read_image(path: Path) -> Image | None:
    """Read the upright image (H, W, 3) uint8 RGB of a file; None if it cannot be decoded, or has
    more than MOST_PIXELS."""
    from PIL import Image as PillowImage
    from PIL import ImageOps

    try:
        with PillowImage.open(path, formats=_FORMATS) as stored:
            if math.prod(stored.size) > MOST_PIXELS:
                return None
            image = ImageOps.exif_transpose(stored)
            if image.mode.startswith("I;16"):  # Pillow would clip the values
                image = PillowImage.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return np.array(image.convert("RGB"))
    except Exception:  # Pillow's decoders raise errors of every kind for damaged files
        return None
