"""Images of the frames of a clip for a page: single images, so that each is shown at exactly its
time (docs/decisions/0010-pages-of-single-pictures.md)."""

from __future__ import annotations

import io
from math import sqrt
from typing import NamedTuple

import numpy as np

from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.video.reader import Image, VideoFile
from la2ds_cli.views.film_strip import cut_out, view_boxes

HEIGHT = 440  # pixels of a picture: that of a player on a page of 1200 pixels
LEAST_HEIGHT = 240  # below, hands and faces are gone: then rather fewer pictures
BUDGET = 8_000_000  # bytes of the pictures of one clip; a third more in the page
_BYTES_PER_PIXEL = 0.09  # of WebP at _QUALITY: 0.03 to 0.12 on phone clips
_QUALITY, _METHOD = 72, 2  # Pillow's; slower methods save 4 % more for twice the time
_WIDER = 1.25  # than what film_strip shows: a club or a bar reaches beyond the joints
_LONGEST = 16383  # pixels, the limit of WebP


class FrameImages(NamedTuple):
    """size: width and height in pixels. row: the row of the pose sequence that each image shows,
    increasing. pictures: the images as WebP, one per row. every: at least one frame in so many has
    an image."""

    size: tuple[int, int]
    row: list[int]
    pictures: list[bytes]
    every: int


def windows(pose: PoseSequence) -> FloatArray:
    """(T, 4) float64 xyxy in pixels: what the page shows of each frame; one size per clip.

    As film_strip.view_boxes, but a quarter wider where the picture allows it.
    """
    box = view_boxes(pose)
    half = (box[0, 2:] - box[0, :2]) / 2 * _WIDER
    centre = (box[:, :2] + box[:, 2:]) / 2
    if all(pose.size):
        picture = np.array(pose.size, np.float64) / 2
        half = np.minimum(half, np.maximum(picture, half / _WIDER))
        inside = np.clip(centre, half - 0.5, 2 * picture - half - 0.5)
        centre = np.where(picture >= half, inside, picture - 0.5)
    return np.concatenate([centre - half, centre + half], axis=1)


def encode_frames(
    source: VideoFile,
    pose: PoseSequence,
    progress: Progress,
    *,
    mirrored: bool = False,
    budget: int = BUDGET,
) -> FrameImages:
    """The pictures of a clip in at most `budget` bytes; its video is read once.

    pose: as it is drawn, so that of the mirrored clip if `mirrored`. To fit, pictures get smaller
    down to LEAST_HEIGHT, then fewer: first by the usual size of such pictures, then by half
    whenever they turn out larger. Frames that are no longer in the file have no picture.
    """
    box = windows(pose)
    size, every = _plan(len(pose), box[0, 2:] - box[0, :2], budget)
    row_of = {int(frame): row for row, frame in enumerate(pose.frame)}
    row: list[int] = []
    pictures: list[bytes] = []
    spent = 0
    progress.begin("pictures", len(pose))
    for frame in source.frames(row_of):
        at, image = row_of[frame.source], frame.image
        progress.advance()
        if at % every:
            continue
        shown = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
        pictures.append(_encoded(cut_out(shown, box[at], *size)))
        row.append(at)
        spent += len(pictures[-1])
        while spent > budget and len(pictures) > 1:
            every *= 2
            left = [k for k, shown_row in enumerate(row) if shown_row % every == 0]
            row, pictures = [row[k] for k in left], [pictures[k] for k in left]
            spent = sum(map(len, pictures))
    progress.end()
    return FrameImages(size, row, pictures, every)


def _plan(count: int, window: FloatArray, budget: int) -> tuple[tuple[int, int], int]:
    """Width and height of the pictures, and the number of frames per picture."""
    aspect = float(window[0] / window[1])
    fitting = sqrt(budget / (count * _BYTES_PER_PIXEL * aspect))
    least = min(LEAST_HEIGHT, window[1])
    height = max(min(HEIGHT, window[1], max(fitting, least), _LONGEST / aspect), 1)
    size = max(round(height * aspect), 1), max(round(height), 1)
    needed = count * _BYTES_PER_PIXEL * size[0] * size[1]
    return size, max(int(needed / budget), 1)


def _encoded(image: Image) -> bytes:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "WEBP", quality=_QUALITY, method=_METHOD)
    return buffer.getvalue()
