"""Thumbnails of clips, and small pictures with joints, as the studio shows them."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace

import numpy as np

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.video.reader import Image, VideoFile
from la2ds_cli.views.film_strip import pictures, view_boxes
from la2ds_cli.views.pose_drawing import draw_pose

_LATEST = 10.0  # seconds: of longer clips, what is decoded for a thumbnail
_GROUND = (32, 38, 43)


def thumbnail(source: VideoFile | None, pose: PoseSequence, height: int) -> bytes:
    """A WebP picture of the middle of the clip, or of its first seconds, with its joints; only the
    joints if there is no file or it cannot be read."""
    latest = int(np.searchsorted(pose.time, pose.time[0] + _LATEST))
    row = min(len(pose) // 2, latest, len(pose) - 1)
    image = None
    if source is not None:
        with suppress(UserError):  # a file that has been damaged since
            image = pictures(source, pose, [row], height)[0]
    return small_webp(with_joints(pose, row, height, image))


def small_webp(image: Image) -> bytes:
    """A thumbnail as a file."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "WEBP", quality=70)
    return buffer.getvalue()


def with_joints(pose: PoseSequence, row: int, height: int, image: Image | None) -> Image:
    """The joints of a row as the page of a pair draws them, on its dark background or over `image`,
    which shows view_boxes(pose)[row] and is `height` pixels high."""
    box = view_boxes(pose)[row]
    scale = height / float(box[3] - box[1])
    if image is None:
        image = np.empty((height, max(round(scale * float(box[2] - box[0])), 1), 3), np.uint8)
        image[:] = _GROUND
    alone = replace(with_trust(pose), box=np.full_like(pose.box, np.nan), info={})
    thick = max(2, round(height / 90))
    return draw_pose(image, alone, row, scale, (float(box[0]), float(box[1])), thick=thick)
