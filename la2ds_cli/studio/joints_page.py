"""The Joints page: correct a clip's joints by dragging them, or mark them as not trusted.

Corrections are stored in annotations.csv (core/annotations.py), apart from the joints that the
network found. Drawings on the picture are those of the Pair page.
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
    turning_of,
)
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.studio.clips_page import posed_clip, requested_clip
from la2ds_cli.studio.drawings import SHAPE, ClipCanvas
from la2ds_cli.studio.pages import page, posted
from la2ds_cli.studio.phases import clip_data
from la2ds_cli.studio.saving import WAIT, Saves, known_version, refuse_changed, version

_BEYOND = 1.0  # how far a joint may lie outside the picture, in side lengths of the picture


def _show(request: Request) -> Response:
    """Return the page of a clip's joints."""
    clip = requested_clip(request)
    return HTMLResponse(page("joints.html", f"Joints of {clip.title}", here="/", clip=clip))


def _data(request: Request) -> Response:
    """Return the clip with the joints found by the network, and the corrections."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    clip = requested_clip(request)
    pose, recipe = project.read_pose(clip.id, with_corrections=False)
    return JSONResponse(
        clip_data(studio, clip, pose)
        | {
            "joints": list(get_skeleton(pose.skeleton).joints),
        }
        | _set_json(
            joints=_corrections_json(pose, _corrections(project, clip, pose, recipe)),
            drawings=_drawings_json(pose, _drawings(project, clip, pose)),
        )
    )


Corrections = dict[tuple[int, str], tuple[Annotation, Point | None]]
"""The corrections of a clip, by frame and joint."""


def _drawings(project: StoredProject, clip: Video, pose: PoseSequence) -> list[dict[str, Any]]:
    """Return the drawings on the pictures of a clip."""
    canvas = ClipCanvas(ClipMoments.of(clip.id, clip.options, pose), pose)
    return [canvas.item(row) for row in canvas.drawn(project.annotations())]


def _corrections_json(pose: PoseSequence, corrections: Corrections) -> dict[str, Any]:
    """Return the corrections of a clip (frame, joint, position or None = not trusted, and time),
    and the version of them and of the clip's pictures."""
    rows = [
        {"frame": frame, "joint": joint, "at": at, "set": row.set}
        for (frame, joint), (row, at) in sorted(corrections.items(), key=lambda item: item[0])
    ]
    return {"corrections": rows, "version": _version(pose, rows)}


def _drawings_json(pose: PoseSequence, drawings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the drawings on a clip, and the version of them and of the clip's pictures."""
    return {"drawings": drawings, "version": _version(pose, drawings)}


def _version(pose: PoseSequence, shown: Sequence[Mapping[str, Any]]) -> str:
    return version(turning_of(pose.info), pose.frame.tobytes(), shown)


def _set_json(**parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has been set, with a version for each part, so that a change of one does not
    refuse a change of the other."""
    said: dict[str, Any] = {"versions": {name: part["version"] for name, part in parts.items()}}
    for part in parts.values():
        said |= {name: value for name, value in part.items() if name != "version"}
    return said


def _corrections(
    project: StoredProject, clip: Video, pose: PoseSequence, recipe: Recipe
) -> Corrections:
    """Return the corrections of a clip by frame and joint; the last one if there are several."""
    moments = ClipMoments.of(clip.id, clip.options, pose)
    corrections = {}
    for row in project.annotations():
        if row.kind == JOINT and is_of_reading(row, recipe, pose.info):
            frame, (joint, at) = moments.frame_at(row.at), joint_of(row.value)
            if frame is not None:
                corrections[frame, joint] = row, at
    return corrections


async def _save(request: Request) -> Response:
    """Change corrections of a clip: {"clip", "changes": [{"frame", "joint", "at": [x, y] or null,
    or "remove": true}]}. Either all changes are made or none."""
    project: StoredProject = request.app.state.studio.project
    change_shape = {"frame": int, "joint": str, "at": (None, [float]), "remove": (None, bool)}
    content = await posted(request, clip=str, changes=[change_shape])
    known = known_version(request)

    def work() -> dict[str, Any]:
        return change(project, posed_clip(project, content["clip"]), content["changes"], known)

    return JSONResponse(await run_in_threadpool(work))


def change(
    project: StoredProject, clip: Video, changes: Sequence[Mapping[str, Any]], known: str
) -> dict[str, Any]:
    """Change corrections of a clip, and return all of them with their version.

    Parameters
    ----------
    changes: as in `_save`.
    known: the version of the corrections that the page shows.

    Raises
    ------
    UserError: (exit 2) for an invalid change; (exit 5) if the corrections have changed meanwhile,
        or the clip is read differently now.
    """
    pose, recipe = project.read_pose(clip.id, with_corrections=False)
    moments, time = ClipMoments.of(clip.id, clip.options, pose), now()
    turned = turning_of(pose.info)
    new = {}
    for item in changes:
        frame, joint, at = _checked(item, pose)
        value = joint_value(joint, at)
        row = Annotation(JOINT, moments.at(frame), None, value, turned, time)
        new[frame, joint] = None if item.get("remove") else row
    with project.tables(wait=WAIT):
        current = _corrections(project, clip, pose, recipe)
        now_version = _corrections_json(pose, current)["version"]
        refuse_changed(known, now_version, f"the joints of {clip.title}")
        gone = [current[key][0] for key in new if key in current]
        project.change_annotations(gone, [row for row in new.values() if row is not None])
        after = _corrections(project, clip, pose, recipe)
        return _set_json(joints=_corrections_json(pose, after))


async def _draw(request: Request) -> Response:
    """Replace drawings: {"clip", "old": items, "new": items}, see drawings.py. Return the clip's
    drawings and their version."""
    project: StoredProject = request.app.state.studio.project
    content = await posted(request, clip=str, old=[SHAPE], new=[SHAPE])
    known = known_version(request)

    def work() -> dict[str, Any]:
        clip = posed_clip(project, content["clip"])
        pose, _ = project.read_pose(clip.id, with_corrections=False)
        canvas = ClipCanvas(ClipMoments.of(clip.id, clip.options, pose), pose)
        with project.tables(wait=WAIT):
            now_version = _drawings_json(pose, _drawings(project, clip, pose))["version"]
            refuse_changed(known, now_version, f"the drawings on {clip.title}")
            gone, new = canvas.wanted(project.annotations(), content["old"], content["new"])
            project.change_annotations(gone, new)
            return _set_json(drawings=_drawings_json(pose, _drawings(project, clip, pose)))

    return JSONResponse(await run_in_threadpool(work))


def _checked(item: Mapping[str, Any], pose: PoseSequence) -> tuple[int, str, Point | None]:
    """Return the frame, joint and position of a change; raise UserError if they are invalid."""
    frame, joint, at = item["frame"], item["joint"], item.get("at")
    if frame not in pose.frame or joint not in get_skeleton(pose.skeleton).joints:
        raise UserError("there is no such frame or joint", hint="reload the page")
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
    Saves("/joints/save", _save),
    Saves("/joints/draw", _draw),
]
