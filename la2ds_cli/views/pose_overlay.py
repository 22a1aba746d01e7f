"""Pictures to check poses by: each clip with its skeleton drawn in, and sheets of all clips."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.video.reader import Image, write_video
from la2ds_cli.views.pose_drawing import draw_pose, label, resize
from la2ds_cli.views.pose_sheet import clip_frames, overlay_sheet

_SIDE = 720  # pixels of the longer side of an overlay video
_DRAWING = 2  # raised when the same poses are drawn in another way


def overlay_path(project: Project, video: str) -> Path:
    """results/overlay/<id>.mp4"""
    return project.results_dir("overlay") / f"{video}.mp4"


def write_overlay(project: Project, video: str) -> Path:
    """The clip with its joints (pose_drawing.draw_pose), time and frame number; what it was drawn
    from is kept beside it. UserError where poses or source are missing; then no video is left."""
    pose, _ = project.read_pose(video)
    path = overlay_path(project, video)
    path.unlink(missing_ok=True)
    write_video(path, _drawn(project, video, pose), pose.fps)
    artifact.write_json(_note(project, video), _drawn_from(project, video))
    return path


def refresh_overlay(project: Project, result: ItemResult) -> None:
    """Draw the overlay of a usable result unless it shows the poses that the project has now."""
    if not overlay_path(project, result.video).exists() or _is_stale(project, result.video):
        write_overlay(project, result.video)


def refresh_sheet(
    project: Project,
    results: Sequence[ItemResult],
    path: Path,
    *,
    alone: bool = True,
) -> list[Path]:
    """Contact sheet of the usable results at `path`, further pages beside it, and, unless other
    runs write to the project as well (`alone`), the same pages as results/overlay/sheet.png. The
    files written; none where no result is usable."""
    videos = [result.video for result in results if result.usable]
    if not alone:
        return overlay_sheet(project, videos, path) if videos else []
    folder = project.results_dir("overlay")
    for old in folder.glob("sheet*.png"):
        old.unlink()
    if not videos:
        return []
    return overlay_sheet(project, videos, folder / "sheet.png", also=[path])


def _note(project: Project, video: str) -> Path:
    return overlay_path(project, video).with_suffix(".json")


def _drawn_from(project: Project, video: str) -> dict[str, str | int]:
    poses = artifact.file_digest(project.pose_path(video))
    return {"schema_version": 1, "poses": poses, "drawing": _DRAWING}


def _is_stale(project: Project, video: str) -> bool:
    try:
        note = json.loads(_note(project, video).read_text("utf-8"))
    except (OSError, ValueError):
        return True
    return note != _drawn_from(project, video)


def _drawn(project: Project, video: str, pose: PoseSequence) -> Iterator[Image]:
    for t, image in clip_frames(project, video, pose):
        scale = min(1.0, _SIDE / max(image.shape[:2]))
        yield label(draw_pose(resize(image, scale), pose, t, scale), pose, t)
