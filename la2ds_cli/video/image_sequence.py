"""Clips without a video file: folders of images.

Images are decoded from bytes by OpenCV, so that any path works on any system; EXIF orientation is
applied. All images of a folder must have the same size.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.errors import UserError
from la2ds_cli.video.media_files import MOST_PIXELS, image_files, unreadable
from la2ds_cli.video.orientation import EXIF_MATRICES, IDENTITY, Image, Matrix, orient, swaps_sides

_EXIF_ORIENTATION = 0x0112
_TIFF = (b"II*\0", b"MM\0*")
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def require_fps(folder: str | os.PathLike[str], fps: float) -> float:
    """fps, if the user gave it; raises UserError V010 (exit 2) otherwise."""
    if not fps:
        raise UserError(
            f"{os.fspath(folder)} is a folder of images, and their rate is unknown",
            hint="give the rate of the camera that took them, for example --fps 30",
            code="V010",
        )
    return fps


def image_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an upright image from its header; None if it cannot be read."""
    header = _header(path)
    if header is None:
        return None
    (width, height), matrix = header
    return (height, width) if swaps_sides(matrix) else (width, height)


def check_sizes(folder: str | os.PathLike[str]) -> None:
    """Raise UserError V011 (exit 3) if the images of a folder differ in size; reads headers."""
    first: tuple[Path, tuple[int, int]] | None = None
    for path in image_files(Path(folder)):
        size = image_size(path)
        if size is None:
            continue
        if first is not None and size != first[1]:
            raise _mixed(first[0], first[1], path, size)
        first = first or (path, size)


def read_images(
    folder: str | os.PathLike[str], fps: float, start: float = 0.0
) -> Iterator[tuple[float, Image | None]]:
    """Seconds and images (H, W, 3) RGB of a folder; None instead of an image before `start`.

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
            raise _mixed(first[0], first[1].shape[1::-1], path, image.shape[1::-1])
        yield time, image


def read_image(path: Path) -> Image | None:
    """Upright image (H, W, 3) uint8 RGB of a file; None if it cannot be decoded, or has more than
    MOST_PIXELS."""
    import cv2

    content = np.frombuffer(path.read_bytes(), np.uint8)
    size = image_size(path)
    if not len(content) or (size is not None and math.prod(size) > MOST_PIXELS):
        return None
    # OpenCV always turns TIFF images, and others depending on its version, unless this flag is set.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(content, flags)
    except cv2.error:
        return None
    if image is None:
        return None
    header = None if bytes(content[:4]) in _TIFF else _header(path)
    rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    return orient(rgb, header[1] if header else IDENTITY)


def _header(path: Path) -> tuple[tuple[int, int], Matrix] | None:
    """Stored width and height, and the display matrix of the EXIF orientation, or None."""
    from PIL import Image as PillowImage

    try:
        with PillowImage.open(path) as image:
            matrix = EXIF_MATRICES.get(image.getexif().get(_EXIF_ORIENTATION, 1), IDENTITY)
            if image.format != "TIFF":
                return image.size, matrix
            tags: Any = getattr(image, "tag_v2")  # noqa: B009 (a TIFF alone has them)
            # Some versions of Pillow give the size of a TIFF after turning it.
            return (tags[_TIFF_WIDTH], tags[_TIFF_HEIGHT]), matrix
    except (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError, MemoryError):
        return None  # Pillow does not know this image format, or finds it damaged


def _mixed(one: Path, size: tuple[int, ...], other: Path, other_size: tuple[int, ...]) -> UserError:
    return unreadable(
        f"all images of a clip must have the same size, but {one} is {size[0]}x{size[1]} and "
        f"{other} is {other_size[0]}x{other_size[1]}",
        "put the images of each clip into its own folder",
        "V011",
    )
