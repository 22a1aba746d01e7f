"""Small pictures of single frames: cut from the video or, without one, drawn from the joints;
which moments of two aligned clips they show; and the thumbnails of the studio."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence
from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.features.crop import clip_box
from la2ds_cli.features.tempo import travel
from la2ds_cli.features.viewpoint import shown
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.video.reader import Image, VideoFile
from la2ds_cli.views.pose_drawing import draw_pose

_PADDING = 0.12  # margin around the body, share of its longer side
_FOLLOW = 1.7  # the view follows the body when the clip's box is that many times larger than it
_LEAST = 16.0  # pixels, the least side of a view
_NARROWEST, _WIDEST = 0.55, 1.5  # width / height of a picture
_PAPER = (246, 246, 244)
PLAIN = (32, 38, 43)  # behind joints without a picture
_RESTS = 0.25  # of the pictures go by time, so that a rest is shown too; the others by movement
_LATEST = 10.0  # seconds: of longer clips, what is decoded for a thumbnail


Step = tuple[int | None, int | None]


def view_boxes(pose: PoseSequence) -> FloatArray:
    """(T, 4) float64 xyxy in pixels: what the picture of each frame shows; one size per clip.

    It is the whole range of the movement or, if the body moves far across the picture (a run, a
    panning camera), a window that follows it. The aspect stays within _NARROWEST.._WIDEST.
    """
    box = clip_box(pose.xy, "robust")
    if np.isnan(box).any():
        box = np.array([0.0, 0.0, max(pose.size[0], 1), max(pose.size[1], 1)])
    side = box[2:] - box[:2]
    seen = ~np.isnan(pose.xy).all(axis=(1, 2))
    centre = np.repeat([(box[:2] + box[2:]) / 2], len(pose), axis=0)
    if seen.any():
        low, high = np.nanmin(pose.xy[seen], axis=1), np.nanmax(pose.xy[seen], axis=1)
        body = np.percentile(high - low, 95, axis=0)
        if max(side) > _FOLLOW * max(body):
            side = body
            rows = np.flatnonzero(seen)
            middle = (low + high) / 2
            clock = np.arange(len(pose))
            centre = np.column_stack([np.interp(clock, rows, middle[:, k]) for k in (0, 1)])
    side = np.maximum(side, _LEAST)  # joints on one point have no side at all
    side = side + 2 * _PADDING * max(side)
    width = float(np.clip(side[0], _NARROWEST * side[1], None))
    height = max(float(side[1]), width / _WIDEST)
    half = np.array([width, height]) / 2
    if pose.size[0] and pose.size[1]:  # show what the picture has rather than paper beside it
        frame = np.array(pose.size, dtype=np.float64)
        inside = np.clip(centre, half, frame - half)
        centre = np.where(frame >= 2 * half, inside, frame / 2)
    return np.column_stack([centre - half, centre + half])


def aspect(pose: PoseSequence) -> float:
    """Width / height of the clip's pictures."""
    box = view_boxes(pose)[0]
    return float((box[2] - box[0]) / (box[3] - box[1]))


def pictures(
    source: VideoFile | None,
    pose: PoseSequence,
    rows: Sequence[int],
    height: int,
    *,
    view: View = "filmed",
) -> list[Image]:
    """One RGB picture (height, W, 3) for each row of `pose`, all with the clip's aspect.

    pose: as filmed; view: in which the clip is compared, so that the pictures may be flipped, and
    drawn joints have the colours of the sides that they are compared as. source: the video, read
    once up to the last requested frame, or None for the joints alone. A frame that is no longer in
    the file is drawn, too.
    """
    flip, boxes = view in FLIPPED, view_boxes(pose)
    drawn = shown(with_trust(pose), view)
    width = max(round(height * aspect(pose)), 1)
    wanted = {int(pose.frame[row]) for row in rows}
    cut: dict[int, Image] = {}
    if source is not None and wanted:
        row_of = {int(frame): row for row, frame in enumerate(pose.frame)}
        for frame in source.frames(wanted):
            image = cut_out(frame.image, boxes[row_of[frame.source]], width, height)
            cut[frame.source] = np.ascontiguousarray(image[:, ::-1]) if flip else image
    return [
        cut[int(pose.frame[row])]
        if int(pose.frame[row]) in cut
        else with_joints(drawn, row, height)
        for row in rows
    ]


def cut_out(image: Image, box: FloatArray, width: int, height: int) -> Image:
    """The part of an image inside box (4,) xyxy, resized; outside the image it is
    paper-coloured."""
    import cv2

    scale = height / (box[3] - box[1])
    # Pixel centres are integers, so a picture of scale s starts half a pixel before the box.
    matrix = np.array(
        [
            [scale, 0, -box[0] * scale + (scale - 1) / 2],
            [0, scale, -box[1] * scale + (scale - 1) / 2],
        ]
    )
    if scale < 1:  # warpAffine does not average: blur what would alias
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 / scale), np.uint8)
    warped = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_PAPER,
    )
    return np.asarray(warped, np.uint8)


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


def with_joints(pose: PoseSequence, row: int, height: int, image: Image | None = None) -> Image:
    """The joints of a row as the page of a pair draws them, on its dark background or over `image`,
    which shows view_boxes(pose)[row] and is `height` pixels high."""
    box = view_boxes(pose)[row]
    scale = height / float(box[3] - box[1])
    if image is None:
        image = np.empty((height, max(round(scale * float(box[2] - box[0])), 1), 3), np.uint8)
        image[:] = PLAIN
    alone = replace(with_trust(pose), box=np.full_like(pose.box, np.nan), info={})
    thick = max(2, round(height / 90))
    return draw_pose(image, alone, row, scale, (float(box[0]), float(box[1])), thick=thick)


# --- which moments of two aligned clips ----------------------------------------------------------


def moments(alignment: Alignment, a: PoseSequence, b: PoseSequence, count: int) -> list[Step]:
    """`count` pairs of rows of A and of B in time order; None = no counterpart.

    Between two of them, the clips move equally far. Rows of B without a counterpart are left out if
    the path runs back and forth.
    """
    steps = _steps(alignment)
    share = np.zeros(len(steps))
    for clip, pose in enumerate((a, b)):
        of = _share(pose)
        shown = -1
        for n, step in enumerate(steps):
            row = step[clip]
            if row is not None and row != shown:
                share[n] += of[row]
                shown = row
    middle = np.cumsum(share) - share / 2
    wanted = (np.arange(count) + 0.5) / count * share.sum()
    return [steps[int(np.abs(middle - at).argmin())] for at in wanted]


def _steps(alignment: Alignment) -> list[Step]:
    """The pairs of the path, and between them the rows without a counterpart, A's before B's."""
    i, j = alignment.path.T
    placed: list[tuple[float, Step]] = [
        (float(n), (int(p), int(q))) for n, (p, q) in enumerate(alignment.path)
    ]
    alone_a, alone_b = (np.flatnonzero(~m) for m in (alignment.matched_a, alignment.matched_b))
    placed += [(float(np.searchsorted(i, row)) - 0.7, (int(row), None)) for row in alone_a]
    placed += [(float(np.searchsorted(j, row)) - 0.3, (None, int(row))) for row in alone_b]
    return [step for _, step in sorted(placed, key=lambda one: one[0])]


def _share(pose: PoseSequence) -> FloatArray:
    """(T,) the share of the clip's pictures that a frame deserves, sum 1."""
    lasts = np.full(len(pose), 1 / len(pose))
    moved = travel(pose)
    if not moved.sum() > 0:
        return lasts
    return _RESTS * lasts + (1 - _RESTS) * moved / moved.sum()
