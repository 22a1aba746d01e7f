"""Manual correction of a clip's joints: dragged to their true position, or marked as not trusted.

Corrections are stored in annotations.csv (core/annotations.py), separate from the joints that the
network found, which this page shows as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.core.annotations import (
    JOINT,
    Annotation,
    ClipMoments,
    Point,
    is_of_reading,
    joint_of,
    joint_value,
    now,
    reading_of,
    turning_of,
)
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.studio.clips import posed_clip, requested_clip
from la2ds_cli.studio.pages import page, posted
from la2ds_cli.studio.phases import clip_data

_BEYOND = 1.0  # how far a joint may lie outside the picture, in side lengths of the picture


def _show(request: Request) -> Response:
    """The page of a clip's joints."""
    clip = requested_clip(request)
    return HTMLResponse(page("joints.html", f"Joints of {clip.title}", here="/", clip=clip))


def _data(request: Request) -> Response:
    """The clip with the joints found by the network, and the corrections."""
    studio = request.app.state.studio
    project: Project = studio.project
    clip = requested_clip(request)
    pose, recipe = project.read_pose(clip.id, with_corrections=False)
    reading = reading_of(recipe, pose.info)
    return JSONResponse(
        clip_data(studio, clip, pose)
        | {
            "reading": reading,
            "joints": list(get_skeleton(pose.skeleton).joints),
            "corrections": corrections_json(project, clip, pose, recipe),
        }
    )


def corrections_json(
    project: Project, clip: Video, pose: PoseSequence, recipe: Recipe
) -> list[dict[str, Any]]:
    """The corrections of a clip: frame, joint, position (None = not trusted) and when."""
    told = [
        {"frame": frame, "joint": joint, "at": at, "set": row.set}
        for (frame, joint), (row, at) in _corrections(project, clip, pose, recipe).items()
    ]
    return sorted(told, key=lambda one: (one["frame"], one["joint"]))


def _corrections(
    project: Project, clip: Video, pose: PoseSequence, recipe: Recipe
) -> dict[tuple[int, str], tuple[Annotation, Point | None]]:
    """The corrections of a clip by frame and joint, of several the last."""
    moments = ClipMoments.of(clip.id, clip.options, pose)
    found = {}
    for row in project.annotations():
        if row.kind == JOINT and is_of_reading(row, recipe, pose.info):
            frame, (joint, at) = moments.frame_at(row.at), joint_of(row.value)
            if frame is not None:
                found[frame, joint] = row, at
    return found


async def _save(request: Request) -> Response:
    """Change corrections of a clip: {"clip", "reading", "changes": [{"frame", "joint", "at": [x, y]
    or null, or "remove": true}]}. reading: that of the picture on which they were made; null = the
    current one. Either all changes are made or none."""
    project: Project = request.app.state.studio.project
    change_shape = {"frame": int, "joint": str, "at": (None, [float]), "remove": (None, bool)}
    given = await posted(request, clip=str, reading=(None, str), changes=[change_shape])

    def work() -> list[dict[str, Any]]:
        clip = posed_clip(project, given["clip"])
        return change(project, clip, given["changes"], given["reading"])

    return JSONResponse({"corrections": await run_in_threadpool(work)})


def change(
    project: Project, clip: Video, changes: Sequence[Mapping[str, Any]], known: str | None = None
) -> list[dict[str, Any]]:
    """Change corrections of a clip as in `_save`; return those that then apply to it. known: the
    reading that the page shows.

    Raises UserError (exit 2) for an invalid change, (exit 5) if the clip is read differently now.
    """
    pose, recipe = project.read_pose(clip.id, with_corrections=False)
    reading = reading_of(recipe, pose.info)
    if known not in (None, reading):
        raise Mismatch(f"{clip.title} is read in another way now", hint="load the page again")
    moments, time = ClipMoments.of(clip.id, clip.options, pose), now()
    turned = turning_of(pose.info)
    new = {}
    for one in changes:
        frame, joint, at = _checked(one, pose)
        value = joint_value(joint, at)
        row = Annotation(JOINT, moments.at(frame), None, value, turned, time)
        new[frame, joint] = None if one.get("remove") else row
    with project.tables():
        there = _corrections(project, clip, pose, recipe)
        gone = [there[key][0] for key in new if key in there]
        project.change_annotations(gone, [row for row in new.values() if row is not None])
    return corrections_json(project, clip, pose, recipe)


def _checked(said: Mapping[str, Any], pose: PoseSequence) -> tuple[int, str, Point | None]:
    """The frame, the joint and the position of a change."""
    frame, joint, at = said["frame"], said["joint"], said.get("at")
    if frame not in pose.frame or joint not in get_skeleton(pose.skeleton).joints:
        raise UserError("there is no such frame or joint", hint="load the page again")
    if at is None:
        return frame, joint, None
    if len(at) != 2:
        raise UserError("a position must be two numbers, in pixels")
    for side, length in zip(at, pose.size, strict=True):
        if length and not -_BEYOND * length <= side <= (1 + _BEYOND) * length:
            raise UserError("this position is far outside the picture")
    return frame, joint, (float(at[0]), float(at[1]))


ROUTES = [
    Route("/joints", _show),
    Route("/joints/data", _data),
    Route("/joints/save", _save, methods=["POST"]),
]
