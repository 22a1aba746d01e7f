"""What a person writes and draws on a pair: notes at moments, lines and angles on the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.core.annotations import (
    MOST_DRAWINGS,
    NOTE,
    NOTE_LONGEST,
    Annotation,
    Moment,
    drawing_value,
    now,
    points_of,
    turning_of,
)
from la2ds_cli.core.errors import UserError
from la2ds_cli.studio.held_pairs import HeldPair
from la2ds_cli.studio.pages import one_line, posted
from la2ds_cli.studio.pair import requested_pair
from la2ds_cli.views.report.pair_data import notes_json

Frames = tuple[int | None, int | None]


async def _note(request: Request) -> Response:
    """Write or remove a note: {"a", "b", "frames": [of A, of B or null], "text", "remove"}."""
    studio = request.app.state.studio
    content = await posted(request)
    requested = requested_pair(request, content)
    frames, text = _note_of(content)

    def work() -> dict[str, Any]:
        held = requested.held(studio.pairs)
        with held.lock:
            for frame, pose in zip(frames, held.pair.poses, strict=True):
                if frame is not None and frame not in pose.frame:
                    raise UserError("there is no such frame", hint="load the page again")
            with held.project.tables():
                there = [
                    one.row
                    for one in held.notes_set
                    if one.frames == frames and one.row.value == text
                ]
                _change_note(held, there, frames, text, remove=content.get("remove") is True)
            return {"written": notes_json(held.notes_set), "undo": len(held.undo)}

    return JSONResponse(await run_in_threadpool(work))


def _change_note(
    held: HeldPair, there: list[Annotation], frames: Frames, text: str, *, remove: bool
) -> None:
    """Write a note, or remove it. there: the same notes of these clips, of which either may be A.
    Raises UserError (exit 2) if it already exists, or does not exist to be removed."""
    if remove and not there:
        raise UserError("this note has already been removed", hint="load the page again")
    if there and not remove:
        raise UserError("this moment already has this note")
    a, b = (clip.at(frame) for clip, frame in zip(held.moments, frames, strict=True))
    held.change(there, [] if remove else [Annotation(NOTE, a, b, text, set=now())])


def _note_of(given: Mapping[str, Any]) -> tuple[Frames, str]:
    """The frames and the text of a note. Raises UserError (exit 2) for an invalid one."""
    frames, text = given.get("frames"), given.get("text")
    if not (isinstance(frames, list) and len(frames) == 2 and frames != [None, None]):
        raise UserError("a note must be at a frame of A, of B, or of both")
    if any(one is not None and (type(one) is not int or one < 0) for one in frames):
        raise UserError("a note must be at frames of the clips")
    if not (isinstance(text, str) and one_line(text)):
        raise UserError("a note must be one line of text")
    if len(text) > NOTE_LONGEST:
        raise UserError(f"a note can have at most {NOTE_LONGEST} characters")
    return (frames[0], frames[1]), text


async def _draw(request: Request) -> Response:
    """Change what is drawn on a clip: {"a", "b", "side": "a" or "b", "old": {"kind", "points"} or
    null, "new": the same, "turned": of the picture that the page shows}; without "old", "new" is
    added; without "new", "old" is removed."""
    studio = request.app.state.studio
    content = await posted(request)
    requested = requested_pair(request, content)
    side, old, new = (content.get(name) for name in ("side", "old", "new"))
    if side not in ("a", "b") or (old is None and new is None):
        raise UserError("a drawing must be on clip A or on clip B")

    def work() -> dict[str, Any]:
        held = requested.held(studio.pairs)
        at = "ab".index(side)
        with held.lock:
            pose = held.pair.poses[at]
            turned = turning_of(pose.info)
            if content.get("turned") not in (None, turned):
                raise UserError(
                    "the clip has been rotated or mirrored meanwhile", hint="load the page again"
                )
            clip = held.moments[at].at()
            gone, drawn = (
                [] if given is None else [_drawing(given, clip, turned)] for given in (old, new)
            )
            for one in drawn:
                check_inside(one, pose.size)
            with held.project.tables():
                _check_drawn(held.drawn(side), gone, drawn)
                held.change(gone, drawn)
            return {"drawings": held.drawings_json(), "undo": len(held.undo)}

    return JSONResponse(await run_in_threadpool(work))


def _check_drawn(there: list[Annotation], gone: list[Annotation], new: list[Annotation]) -> None:
    """Raise UserError (exit 2) if what goes is not there, what is new already is, or the clip has
    no room for it."""
    if any(one not in there for one in gone):
        raise UserError("this drawing has been changed or removed", hint="load the page again")
    if any(one in there for one in new):
        raise UserError("the clip already has this drawing")
    if not gone and len(there) >= MOST_DRAWINGS:
        raise UserError(
            f"a clip can have at most {MOST_DRAWINGS} drawings", hint="remove one first"
        )


def _drawing(given: Any, clip: Moment, turned: str) -> Annotation:
    """A drawing on a clip as it is turned now. Raises UserError (exit 2) for what is none."""
    kind, points = (given.get("kind"), given.get("points")) if isinstance(given, dict) else (0, 0)
    if not isinstance(kind, str) or not isinstance(points, list):
        raise UserError("a drawing needs a kind and points")
    for point in points:
        numbers = isinstance(point, list) and all(type(side) in (int, float) for side in point)
        if not numbers or len(point) != 2:
            raise UserError("a point of a drawing must be two numbers, in pixels")
    try:
        value = drawing_value(kind, points)
    except ValueError as error:
        raise UserError(f"this cannot be drawn: {error}") from error
    return Annotation(kind, clip, None, value, turned, now())


def check_inside(drawing: Annotation, size: tuple[int, int]) -> None:
    """Raise UserError (exit 2) for a drawing that leaves the picture. size: of the picture, in
    pixels, whose centres are whole; 0 = unknown."""
    for point in points_of(drawing):
        for side, length in zip(point, size, strict=True):
            if length and not -0.5 <= side <= length - 0.5:
                raise UserError("a drawing must lie within the picture")


ROUTES = [
    Route("/pair/note", _note, methods=["POST"]),
    Route("/pair/drawing", _draw, methods=["POST"]),
]
