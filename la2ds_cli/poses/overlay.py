"""Pictures to check poses by: the clip with its skeleton drawn in, and a sheet of all clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli import artifact
from la2ds_cli.batch import ItemResult
from la2ds_cli.project import Project
from la2ds_cli.skeleton import get_skeleton
from la2ds_cli.types import FloatArray, PoseSequence
from la2ds_cli.video import Image, read_frames, write_video

# RGB; the two sides differ in hue and in lightness, so that they read without colour vision.
_LEFT, _RIGHT, _MIDDLE = (255, 140, 0), (0, 170, 255), (235, 235, 235)
_BOX, _NOBODY = (120, 220, 120), (220, 60, 60)
_SIDE = 720  # pixels of the longer side of an overlay video
_SHEET_HEIGHT = 260


def overlay_path(project: Project, video: str) -> Path:
    """results/overlay/<id>.mp4"""
    return project.results_dir("overlay") / f"{video}.mp4"


def write_overlay(project: Project, video: str) -> Path:
    """The clip with limbs by side (left orange, right blue), joints the darker the less certain,
    box, time and frame number; UserError where poses or source are missing."""
    pose, _ = project.read_pose(video)
    path = overlay_path(project, video)
    write_video(path, _drawn(project, video, pose), pose.fps)
    return path


def refresh_overlay(project: Project, result: ItemResult) -> None:
    """Draw the overlay of a usable result where its poses are new or the video is missing."""
    if result.status != "cached" or not overlay_path(project, result.video).exists():
        write_overlay(project, result.video)


def refresh_sheet(project: Project, results: Sequence[ItemResult]) -> None:
    """results/overlay/sheet.png of the usable results; nothing where there is none."""
    videos = [result.video for result in results if result.usable]
    if videos:
        overlay_sheet(project, videos, project.results_dir("overlay") / "sheet.png")


def overlay_sheet(project: Project, videos: Sequence[str], path: Path, columns: int = 8) -> Path:
    """PNG contact sheet: one row of `columns` evenly spaced frames for each video id."""
    import cv2

    rows = [_strip(project, video, columns) for video in videos]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    encoded = cv2.imencode(".png", np.vstack(padded)[:, :, ::-1])[1]
    artifact.write_bytes(path, encoded.tobytes())
    return path


def _strip(project: Project, video: str, columns: int) -> Image:
    """Frames of one clip side by side, all cut to the place where the subject moves."""
    pose, _ = project.read_pose(video)
    wanted = np.linspace(0, len(pose) - 1, columns + 2).round().astype(int)[1:-1]
    source = _source(project, video)
    cells = []
    for frame in read_frames(source):
        if frame.index in wanted:
            x1, y1, x2, y2 = _stage(pose, frame.image)
            scale = _SHEET_HEIGHT / (y2 - y1)
            whole = draw_pose(_resize(frame.image, scale), pose, frame.index, scale, label=False)
            top, left = round(y1 * scale), round(x1 * scale)
            cell = whole[top : top + _SHEET_HEIGHT, left : left + round((x2 - x1) * scale)]
            cells.append(_label(np.ascontiguousarray(cell), pose, frame.index))
    return np.hstack(cells)


def _stage(pose: PoseSequence, image: Image) -> tuple[int, int, int, int]:
    """The part of the frame, xyxy, that holds the subject's boxes of the whole clip."""
    height, width = image.shape[:2]
    seen = pose.box[np.isfinite(pose.box).all(axis=1)]
    if not len(seen):
        return 0, 0, width, height
    x1, y1 = seen[:, :2].min(axis=0)
    x2, y2 = seen[:, 2:].max(axis=0)
    margin = 0.15 * max(x2 - x1, y2 - y1)
    low = np.maximum([x1 - margin, y1 - margin], 0).astype(int)
    high = np.minimum([x2 + margin + 1, y2 + margin + 1], [width, height]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _drawn(project: Project, video: str, pose: PoseSequence) -> Iterator[Image]:
    for frame in read_frames(_source(project, video)):
        if frame.index >= len(pose):
            return
        scale = min(1.0, _SIDE / max(frame.image.shape[:2]))
        yield draw_pose(_resize(frame.image, scale), pose, frame.index, scale)


def _source(project: Project, video: str) -> Path:
    return project.source(next(v for v in project.videos() if v.id == video))


def _resize(image: Image, scale: float) -> Image:
    import cv2

    if scale == 1:
        return image.copy()
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    resized: Any = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return resized


def draw_pose(
    image: Image, pose: PoseSequence, t: int, scale: float = 1.0, *, label: bool = True
) -> Image:
    """Draw row t of a sequence into image (H, W, 3) RGB, in place.

    scale: pixels of the image over pixels of the video. label: time and frame number too.
    """
    import cv2

    skeleton = get_skeleton(pose.skeleton)
    thick = max(1, round(max(image.shape[:2]) / 240))
    xy = pose.xy[t] * scale
    seen = np.isfinite(xy).all(axis=1)
    if np.isfinite(pose.box[t]).all():
        x1, y1, x2, y2 = (round(float(v)) for v in pose.box[t] * scale)
        cv2.rectangle(image, (x1, y1), (x2, y2), _BOX, max(1, thick // 2))
    for a, b in skeleton.limbs:
        if seen[a] and seen[b]:
            sides = {_side(skeleton.joints[a]), _side(skeleton.joints[b])} - {_MIDDLE}
            colour = sides.pop() if len(sides) == 1 else _MIDDLE
            cv2.line(image, _point(xy[a]), _point(xy[b]), colour, thick, cv2.LINE_AA)
    for k in np.flatnonzero(seen):
        shade = tuple(int(c * float(pose.score[t, k])) for c in _side(skeleton.joints[k]))
        cv2.circle(image, _point(xy[k]), thick + 1, shade, -1, cv2.LINE_AA)
        cv2.circle(image, _point(xy[k]), thick + 1, (0, 0, 0), 1, cv2.LINE_AA)
    return _label(image, pose, t) if label else image


def _label(image: Image, pose: PoseSequence, t: int) -> Image:
    """Time and frame number at the bottom left; red where nobody is seen."""
    import cv2

    nobody = not np.isfinite(pose.xy[t]).all(axis=1).any()
    text = f"{pose.time[t]:.2f} s  #{pose.frame[t]}" + ("  nobody" if nobody else "")
    size = min(0.9, 0.3 + image.shape[0] / 1600)
    font, colour = cv2.FONT_HERSHEY_SIMPLEX, _NOBODY if nobody else _MIDDLE
    (width, height), below = cv2.getTextSize(text, font, size, 1)
    top = image.shape[0] - height - below - 6
    image[top:, : width + 12] //= 3
    cv2.putText(image, text, (6, top + height + 2), font, size, colour, 1, cv2.LINE_AA)
    return image


def _side(joint: str) -> tuple[int, int, int]:
    return _LEFT if joint.startswith("left_") else _RIGHT if joint.startswith("right_") else _MIDDLE


def _point(xy: FloatArray) -> tuple[int, int]:
    return round(float(xy[0])), round(float(xy[1]))
