"""Clips of drawn people in any codec, whole or cut short, and folders of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from tests.poses.grey_people import SIZE, film, scene, walk

FRAMES = 20


def good(path: Path, start: int = 40) -> Path:
    """A clip without any fault."""
    film(path, walk(FRAMES, start=start))
    return path


def pictures(count: int = FRAMES) -> list[np.ndarray]:
    return [scene(people) for people in walk(count)]


def encode(
    path: Path,
    codec: str,
    pix_fmt: str,
    images: Sequence[np.ndarray],
    options: dict[str, str] | None = None,
    **tags: Any,
) -> Path:
    """Video in a codec and pixel format of choice; tags: attributes of the codec context."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options or {})
        stream.codec_context.thread_count = 1  # the bytes do not depend on the number of cores
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for image in images:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            for name, value in tags.items():
                if hasattr(frame, name):
                    setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def noisy(path: Path, count: int) -> Path:
    """Frames that cannot be compressed much, so that half of the file is half of the frames."""
    noise = np.random.default_rng(0).integers(0, 40, (count, SIZE[1], SIZE[0], 3), np.uint8)
    people = [scene(p) for p in walk(count, step=1)]
    images = [np.maximum(*pair) for pair in zip(people, noise, strict=True)]
    return encode(path, "libx264", "yuv420p", images)


def shortened(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


def images(folder: Path, contents: Sequence[np.ndarray]) -> Path:
    folder.mkdir()
    for number, image in enumerate(contents):
        (folder / f"{number}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return folder
