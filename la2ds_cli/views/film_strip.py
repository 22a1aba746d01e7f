"""Small pictures of single frames: cut from the video or, without one, drawn from the joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.skeleton import Skeleton, get_skeleton, joint_side
from la2ds_cli.core.types import BoolArray, FloatArray, PoseSequence
from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.features.crop import clip_box
from la2ds_cli.features.viewpoint import shown
from la2ds_cli.poses.trust import trusted
from la2ds_cli.video.reader import Image, VideoFile

_PADDING = 0.12  # margin around the body, share of its longer side
_FOLLOW = 1.7  # the view follows the body when the clip's box is that many times larger than it
_LEAST = 16.0  # pixels, the least side of a view
_NARROWEST, _WIDEST = 0.55, 1.5  # width / height of a picture
_PAPER = (246, 246, 244)
_INK = {"left": (213, 94, 0), "right": (0, 114, 178), "": (90, 90, 90)}


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
    once up to the last requested frame, or None for drawings of the joints. A frame that is no
    longer in the file is drawn, too.
    """
    flip, boxes = view in FLIPPED, view_boxes(pose)
    width = max(round(height * aspect(pose)), 1)
    wanted = {int(pose.frame[row]) for row in rows}
    cut: dict[int, Image] = {}
    if source is not None and wanted:
        row_of = {int(frame): row for row, frame in enumerate(pose.frame)}
        for frame in source.frames(wanted):
            image = cut_out(frame.image, boxes[row_of[frame.source]], width, height)
            cut[frame.source] = np.ascontiguousarray(image[:, ::-1]) if flip else image
    pose = shown(pose, view)
    boxes = view_boxes(pose)
    skeleton, sure = get_skeleton(pose.skeleton), trusted(pose)
    return [
        cut[int(pose.frame[row])]
        if int(pose.frame[row]) in cut
        else drawing(pose.xy[row], skeleton, boxes[row], width, height, sure[row])
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


def drawing(
    xy: FloatArray,
    skeleton: Skeleton,
    box: FloatArray,
    width: int,
    height: int,
    sure: BoolArray | None = None,
) -> Image:
    """The joints xy (K, 2) in pixels as a stick figure, (height, width, 3): left side orange, right
    side blue, as in pose_drawing.py. Joints that are NaN are left out; those that are not `sure`
    (K,) are hollow and their limbs thin."""
    import cv2

    image = np.empty((height, width, 3), np.uint8)
    image[:] = _PAPER
    place = (np.asarray(xy, np.float64) - box[:2]) * height / (box[3] - box[1])
    thick = max(round(height / 60), 1)
    known = np.ones(len(place), bool) if sure is None else sure

    def point(k: int) -> tuple[int, int]:
        # Four fractional bits, so that thin figures do not jump by whole pixels.
        x, y = np.clip(place[k] * 16, -(1 << 20), 1 << 20)
        return int(x), int(y)

    for first, second in skeleton.limbs:
        if not np.isnan(place[[first, second]]).any():
            sides = {joint_side(skeleton.joints[k]) for k in (first, second)}
            ink = _INK[sides.pop() if len(sides) == 1 else ""]
            wide = thick if known[first] and known[second] else max(thick // 2, 1)
            cv2.line(image, point(first), point(second), ink, wide, cv2.LINE_AA, 4)
    for k, joint in enumerate(skeleton.joints):
        if not np.isnan(place[k]).any():
            ink = _INK[joint_side(joint)]
            if known[k]:
                cv2.circle(image, point(k), thick * 16, ink, -1, cv2.LINE_AA, 4)
            else:
                cv2.circle(image, point(k), (thick + 1) * 16, _PAPER, -1, cv2.LINE_AA, 4)
                cv2.circle(image, point(k), (thick + 1) * 16, ink, 1, cv2.LINE_AA, 4)
    return image
