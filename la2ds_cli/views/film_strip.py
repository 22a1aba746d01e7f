"""Pictures of single frames, cut from the video or drawn from the joints.

Also: joints and text drawn on them, the moments of two aligned clips to show, and thumbnails.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.features.camera_views import shown
from la2ds_cli.features.heatmaps import clip_box
from la2ds_cli.features.tempo import travel
from la2ds_cli.poses.trust import trusted, with_trust
from la2ds_cli.video.reader import Image, VideoFile
from la2ds_cli.views.figure import letters

Colour = tuple[int, int, int]

# RGB; the two sides differ in hue and in lightness, so that they read without colour vision.
LEFT, RIGHT, MIDDLE = (255, 140, 0), (0, 170, 255), (235, 235, 235)
NOBODY = (220, 60, 60)
_BOX, _OTHER = (120, 220, 120), (170, 170, 170)
_FOLLOW = 1.7  # the view follows the body if the clip's box is larger than it by this factor
_NARROWEST, _WIDEST = 0.55, 1.5  # width / height of a picture
_PAPER = (246, 246, 244)
PLAIN = (32, 38, 43)  # behind joints without a picture
_RESTS = 0.25  # share of pictures spaced by time, so that rests show; the others go by movement


Step = tuple[int | None, int | None]


def draw_pose(
    image: Image,
    pose: PoseSequence,
    t: int,
    scale: float = 1.0,
    corner: tuple[float, float] = (0.0, 0.0),
    thick: int | None = None,
) -> Image:
    """Draw row t of a sequence into image (H, W, 3) RGB, in place.

    Left limbs are orange, right ones blue; darker joints are less certain. Joints that are
    interpolated (score 0) or not trusted (poses.trust) are hollow, and their limbs thin. The
    subject's box is green, the mean boxes of other people in the clip thin and grey.

    Parameters
    ----------
    pose: use `with_trust` first to draw many rows fast.
    scale: pixels of the image per pixel of the video.
    corner: the video's pixel at the upper left of the image.
    thick: width of the limbs in pixels, by default from the image's size.
    """
    import cv2

    skeleton = get_skeleton(pose.skeleton)
    thick = thick or max(1, round(max(image.shape[:2]) / 240))
    for other in other_people(pose, t):
        _rectangle(image, _to_image(other, scale, corner), _OTHER, 1)
    if np.isfinite(pose.box[t]).all():
        _rectangle(image, _to_image(pose.box[t], scale, corner), _BOX, max(1, thick // 2))
    xy = _to_image(pose.xy[t].ravel(), scale, corner).reshape(-1, 2)
    shown = np.asarray(np.isfinite(xy).all(axis=1))
    sure = (pose.score[t] > 0) & trusted(pose)[t]
    for a, b in skeleton.limbs:
        if shown[a] and shown[b]:
            width = thick if sure[a] and sure[b] else max(1, thick // 2)
            sides = {_colour(skeleton.joints[end]) for end in (a, b)} - {MIDDLE}
            colour = sides.pop() if len(sides) == 1 else MIDDLE
            cv2.line(image, _point(xy[a]), _point(xy[b]), colour, width, cv2.LINE_AA)
    for k in np.flatnonzero(shown):
        at, colour = _point(xy[k]), _colour(skeleton.joints[k])
        if sure[k]:
            shade = tuple(int(c * float(pose.score[t, k])) for c in colour)
            cv2.circle(image, at, thick + 1, shade, -1, cv2.LINE_AA)
            cv2.circle(image, at, thick + 1, (0, 0, 0), 1, cv2.LINE_AA)
        else:
            cv2.circle(image, at, thick + 2, colour, max(1, thick // 2), cv2.LINE_AA)
    return image


def other_people(pose: PoseSequence, t: int) -> list[FloatArray]:
    """Return the mean boxes (4,) of other people in the picture at row t: info["candidates"]
    without number info["person"]."""
    people: list[dict[str, Any]] = list(pose.info.get("candidates") or [])
    shown = int(pose.info.get("person", 1)) - 1
    present = [
        person
        for number, person in enumerate(people)
        if number != shown and person.get("first", 0) <= t <= person.get("last", t)
    ]
    return [np.asarray(person["box"], np.float64) for person in present]


def label(image: Image, pose: PoseSequence, t: int) -> Image:
    """Write time and frame number at the bottom left, in place; in red if no joint is seen."""
    absent = nobody(pose, t)
    text = f"{pose.time[t]:.2f} s  #{pose.frame[t]}" + ("  nobody" if absent else "")
    size = max(round(image.shape[0] / 22), 13)
    image[-2 * size :, : round(letters(size).getlength(text)) + 12] //= 3
    at = 6, image.shape[0] - size
    write_text(image, text, at, size, NOBODY if absent else MIDDLE)
    return image


def write_text(
    image: Image, text: str, at: tuple[float, float], size: int, colour: Colour, anchor: str = "lm"
) -> None:
    """Write one line on an image (H, W, 3) in place; text that does not fit is cut off.

    Parameters
    ----------
    at: x and the middle of the line's height, in pixels.
    size: of the font in pixels.
    anchor: whether the text begins (`lm`), has its middle (`mm`) or ends (`rm`) at x.
    """
    from PIL import Image as Pictures
    from PIL import ImageDraw

    rows = slice(max(round(at[1]) - size, 0), max(round(at[1]) + size, 0))
    line = Pictures.fromarray(image[rows])
    place = at[0], at[1] - rows.start
    ImageDraw.Draw(line).text(place, text, fill=colour, font=letters(size), anchor=anchor)
    image[rows] = np.asarray(line)


def nobody(pose: PoseSequence, t: int) -> bool:
    """Return whether no joint is seen at row t."""
    return not np.isfinite(pose.xy[t]).all(axis=1).any()


def resize(image: Image, scale: float) -> Image:
    """Return a resized copy, averaged when it gets smaller."""
    import cv2

    if scale == 1:
        return image.copy()
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _to_image(xy: FloatArray, scale: float, corner: tuple[float, float]) -> FloatArray:
    """Convert video coordinates (flat pairs) to the image; both count from pixel centres."""
    corners = np.resize(np.asarray(corner, np.float64), xy.shape)
    return (xy - corners + 0.5) * scale - 0.5


def _rectangle(image: Image, box: FloatArray, colour: Colour, width: int) -> None:
    import cv2

    cv2.rectangle(image, _point(box[:2]), _point(box[2:]), colour, width)


def _colour(joint: str) -> Colour:
    return LEFT if joint.startswith("left_") else RIGHT if joint.startswith("right_") else MIDDLE


def _point(xy: FloatArray) -> tuple[int, int]:
    # OpenCV fails on coordinates beyond 16 bits.
    x, y = np.clip(xy, -30000, 30000)
    return round(float(x)), round(float(y))


def view_boxes(pose: PoseSequence) -> FloatArray:
    """Return (T, 4) float64 xyxy in pixels: the part of each frame to show, one size per clip.

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
    side = np.maximum(side, 16.0)  # pixels; the box of a single point has no size
    side = side + 2 * 0.12 * max(side)  # a margin around the body
    width = float(np.clip(side[0], _NARROWEST * side[1], None))
    height = max(float(side[1]), width / _WIDEST)
    half = np.array([width, height]) / 2
    if pose.size[0] and pose.size[1]:  # keep the window inside the picture
        frame = np.array(pose.size, dtype=np.float64)
        inside = np.clip(centre, half, frame - half)
        centre = np.where(frame >= 2 * half, inside, frame / 2)
    return np.column_stack([centre - half, centre + half])


def aspect(pose: PoseSequence) -> float:
    """Return width / height of the clip's pictures."""
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
    """Return one RGB picture (height, W, 3) for each row of `pose`, all with the clip's aspect.

    Parameters
    ----------
    source: the video, read once up to the last requested frame; None = draw the joints alone, as
        for frames that are no longer in the file.
    pose: as filmed.
    view: the view in which the clip is compared; pictures are flipped, and joints coloured, to fit.
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
    """Return the part of an image inside box (4,) xyxy, resized; paper-coloured outside it."""
    import cv2

    scale = height / (box[3] - box[1])
    # Pixel centres are integers, so a picture of scale s starts half a pixel before the box.
    matrix = np.array(
        [
            [scale, 0, -box[0] * scale + (scale - 1) / 2],
            [0, scale, -box[1] * scale + (scale - 1) / 2],
        ]
    )
    if scale < 1:  # warpAffine does not average, so blur against aliasing
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
    """Return a WebP picture with joints from the middle of the clip (within its first ten seconds);
    the joints alone if the video cannot be read."""
    latest = int(np.searchsorted(pose.time, pose.time[0] + 10))
    row = min(len(pose) // 2, latest, len(pose) - 1)
    image = None
    if source is not None:
        with suppress(UserError):  # the file has been damaged since
            image = pictures(source, pose, [row], height)[0]
    return small_webp(with_joints(pose, row, height, image))


def small_webp(image: Image, quality: int = 70, method: int = 4) -> bytes:
    """Return a picture as a WebP file; quality, method: as in Pillow, by default for thumbnails."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "WEBP", quality=quality, method=method)
    return buffer.getvalue()


def with_joints(pose: PoseSequence, row: int, height: int, image: Image | None = None) -> Image:
    """Return the joints of a row on a dark background or over `image`, which must show
    view_boxes(pose)[row] and be `height` pixels high."""
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
    """Return `count` pairs of rows of A and B in time order, with equal movement between them.

    None = no counterpart. Rows of B without a counterpart are left out if the path runs back and
    forth.
    """
    steps = _steps(alignment)
    share = np.zeros(len(steps))
    for clip, pose in enumerate((a, b)):
        share_of_row = _share(pose)
        shown = -1
        for n, step in enumerate(steps):
            row = step[clip]
            if row is not None and row != shown:
                share[n] += share_of_row[row]
                shown = row
    middle = np.cumsum(share) - share / 2
    wanted = (np.arange(count) + 0.5) / count * share.sum()
    return [steps[int(np.abs(middle - at).argmin())] for at in wanted]


def _steps(alignment: Alignment) -> list[Step]:
    """Return the pairs of the path and, between them, rows without a counterpart, A's first."""
    i, j = alignment.path.T
    placed: list[tuple[float, Step]] = [
        (float(n), (int(p), int(q))) for n, (p, q) in enumerate(alignment.path)
    ]
    alone_a, alone_b = (np.flatnonzero(~m) for m in (alignment.matched_a, alignment.matched_b))
    placed += [(float(np.searchsorted(i, row)) - 0.7, (int(row), None)) for row in alone_a]
    placed += [(float(np.searchsorted(j, row)) - 0.3, (None, int(row))) for row in alone_b]
    return [step for _, step in sorted(placed, key=lambda place: place[0])]


def _share(pose: PoseSequence) -> FloatArray:
    """Return (T,) the share of the clip's pictures due to each frame; the sum is 1."""
    lasts = np.full(len(pose), 1 / len(pose))
    moved = travel(pose)
    if not moved.sum() > 0:
        return lasts
    return _RESTS * lasts + (1 - _RESTS) * moved / moved.sum()
