"""Clips without a video file: folders of images.

Images are decoded by Pillow; EXIF orientation is applied. All images of a folder must have the same
size.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from la2ds_cli.core.errors import UserError
from la2ds_cli.video.frame_conversion import Image
from la2ds_cli.video.media_files import MOST_PIXELS, image_files, unreadable


def require_fps(folder: str | os.PathLike[str], fps: float) -> float:
    """fps, if the user gave it; raises UserError V010 (exit 2) otherwise."""
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
            sizes = ["x".join(map(str, each.shape[1::-1])) for each in (first[1], image)]
            raise unreadable(
                f"all images of a clip must have the same size, but {first[0]} is {sizes[0]} and "
                f"{path} is {sizes[1]}",
                "put the images of each clip into its own folder",
                "V011",
            )
        yield time, image


def read_image(path: Path) -> Image | None:
    """Upright image (H, W, 3) uint8 RGB of a file; None if it cannot be decoded, or has more than
    MOST_PIXELS."""
    from PIL import Image as PillowImage
    from PIL import ImageOps

    try:
        with PillowImage.open(path) as stored:
            if math.prod(stored.size) > MOST_PIXELS:
                return None
            image = ImageOps.exif_transpose(stored)
            if image.mode.startswith("I;16"):  # Pillow would cut the values off
                image = PillowImage.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return np.array(image.convert("RGB"))
    except Exception:  # whatever Pillow's many decoders raise for damaged files
        return None
