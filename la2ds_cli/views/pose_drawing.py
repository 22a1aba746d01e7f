"""Joints and words drawn into a picture of the clip they come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.poses.trust import trusted
from la2ds_cli.video.reader import Image
from la2ds_cli.views.figure import letters

Colour = tuple[int, int, int]

# RGB; the two sides differ in hue and in lightness, so that they read without colour vision.
LEFT, RIGHT, MIDDLE = (255, 140, 0), (0, 170, 255), (235, 235, 235)
NOBODY = (220, 60, 60)
_BOX, _OTHER = (120, 220, 120), (170, 170, 170)


def draw_pose(
    image: Image,
    pose: PoseSequence,
    t: int,
    scale: float = 1.0,
    corner: tuple[float, float] = (0.0, 0.0),
    thick: int | None = None,
) -> Image:
    """Draw row t of a sequence into image (H, W, 3) RGB, in place.

    scale: pixels of the image per pixel of the video; corner: the video's pixel at the upper left
    of the image; thick: width of the limbs in pixels, by default from the image's size. Left limbs
    are orange, right ones blue; darker joints are less certain. Joints that are interpolated (score
    0) or not trusted (poses.trust) are hollow, and their limbs thin. The subject's box is green,
    the mean boxes of other people in the clip thin and grey. Drawing many rows of a sequence
    without trust is slow: pass one `with_trust`.
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
            colour = _limb_colour(skeleton.joints[a], skeleton.joints[b])
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
    """Mean boxes (4,) of the other people who are in the picture at row t; from info["candidates"],
    without number info["person"], the one shown."""
    people: list[dict[str, Any]] = list(pose.info.get("candidates") or [])
    shown = int(pose.info.get("person", 1)) - 1
    present = [
        person
        for number, person in enumerate(people)
        if number != shown and person.get("first", 0) <= t <= person.get("last", t)
    ]
    return [np.asarray(person["box"], np.float64) for person in present]


def label(image: Image, pose: PoseSequence, t: int) -> Image:
    """Write time and frame number at the bottom left, in place; red if nobody is seen."""
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
    """Write one line into image (H, W, 3) in place; what does not fit is cut off.

    at: x and the middle of the line's height, in pixels; anchor: whether the text begins (`lm`),
    has its middle (`mm`) or ends (`rm`) at x. size: of the font in pixels.
    """
    from PIL import Image as Pictures
    from PIL import ImageDraw

    rows = slice(max(round(at[1]) - size, 0), max(round(at[1]) + size, 0))
    line = Pictures.fromarray(image[rows])
    place = at[0], at[1] - rows.start
    ImageDraw.Draw(line).text(place, text, fill=colour, font=letters(size), anchor=anchor)
    image[rows] = np.asarray(line)


def nobody(pose: PoseSequence, t: int) -> bool:
    """Whether row t shows no joint."""
    return not np.isfinite(pose.xy[t]).all(axis=1).any()


def resize(image: Image, scale: float) -> Image:
    """A copy of another size, averaged if it gets smaller."""
    import cv2

    if scale == 1:
        return image.copy()
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _to_image(xy: FloatArray, scale: float, corner: tuple[float, float]) -> FloatArray:
    """Video coordinates, as flat pairs, in the image; both count from the centre of a pixel."""
    corners = np.resize(np.asarray(corner, np.float64), xy.shape)
    return (xy - corners + 0.5) * scale - 0.5


def _rectangle(image: Image, box: FloatArray, colour: Colour, width: int) -> None:
    import cv2

    cv2.rectangle(image, _point(box[:2]), _point(box[2:]), colour, width)


def _limb_colour(a: str, b: str) -> Colour:
    sides = {_colour(a), _colour(b)} - {MIDDLE}
    return sides.pop() if len(sides) == 1 else MIDDLE


def _colour(joint: str) -> Colour:
    return LEFT if joint.startswith("left_") else RIGHT if joint.startswith("right_") else MIDDLE


def _point(xy: FloatArray) -> tuple[int, int]:
    # OpenCV takes no coordinate that does not fit into 16 bits before it clips.
    x, y = np.clip(xy, -30000, 30000)
    return round(float(x)), round(float(y))
