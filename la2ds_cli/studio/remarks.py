"""What a person writes and draws on a pair: notes at moments, lines and angles on the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.core.corrections import turning_of
from la2ds_cli.core.drawings import Drawing, checked_drawing
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.notes import NOTE_LONGEST, Note
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.studio.held_pairs import frames_of
from la2ds_cli.studio.pages import one_line, posted
from la2ds_cli.studio.pair import requested_pair
from la2ds_cli.views.report.pair_data import notes_json


async def _note(request: Request) -> Response:
    """Write or remove a note: {"a", "b", "frames": [of A, of B or null], "text", "remove"}."""
    studio = request.app.state.studio
    content = await posted(request)
    requested = requested_pair(request, content)
    remove, note = content.get("remove") is True, note_from_json(content)

    def work() -> dict[str, Any]:
        held = requested.held(studio.pairs)
        with held.lock:
            for frame, pose in zip(frames_of(note), held.pair.poses, strict=True):
                if not remove and frame is not None and frame not in pose.frame:
                    raise UserError("there is no such frame", hint="load the page again")
            held.note(note, remove=remove)
            return {"written": notes_json(held.written), "undo": len(held.undo)}

    return JSONResponse(await run_in_threadpool(work))


def note_from_json(given: Mapping[str, Any]) -> Note:
    """Raises UserError (exit 2) for an invalid note."""
    frames, text = given.get("frames"), given.get("text")
    if not (isinstance(frames, list) and len(frames) == 2 and frames != [None, None]):
        raise UserError("a note must be at a frame of A, of B, or of both")
    if any(one is not None and (type(one) is not int or one < 0) for one in frames):
        raise UserError("a note must be at frames of the clips")
    if not (isinstance(text, str) and one_line(text)):
        raise UserError("a note must be one line of text")
    if len(text) > NOTE_LONGEST:
        raise UserError(f"a note can have at most {NOTE_LONGEST} characters")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Note(frames[0], frames[1], text, now)


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
        with held.lock:
            pose = held.pair.poses["ab".index(side)]
            if content.get("turned") not in (None, turning_of(pose.info)):
                raise UserError(
                    "the clip has been rotated or mirrored meanwhile", hint="load the page again"
                )
            was = None if old is None else drawing_from_json(old, pose)
            drawn = None if new is None else drawing_from_json(new, pose)
            if drawn is not None:
                check_inside(drawn, pose.size)
            held.draw(side, was, drawn)
            return {"drawings": held.drawings_json(), "undo": len(held.undo)}

    return JSONResponse(await run_in_threadpool(work))


def drawing_from_json(given: Any, pose: PoseSequence) -> Drawing:
    """A drawing on the picture of a clip as it is turned now. Raises UserError (exit 2) for what is
    none."""
    kind, points = (given.get("kind"), given.get("points")) if isinstance(given, dict) else (0, 0)
    if not isinstance(kind, str) or not isinstance(points, list):
        raise UserError("a drawing needs a kind and points")
    for point in points:
        numbers = isinstance(point, list) and all(type(side) in (int, float) for side in point)
        if not numbers or len(point) != 2:
            raise UserError("a point of a drawing must be two numbers, in pixels")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        return checked_drawing(kind, points, turning_of(pose.info), now)
    except ValueError as error:
        raise UserError(f"this cannot be drawn: {error}") from error


def check_inside(drawing: Drawing, size: tuple[int, int]) -> None:
    """Raise UserError (exit 2) for a drawing that leaves the picture. size: of the picture, in
    pixels, whose centres are whole; 0 = unknown."""
    for point in drawing.points:
        for side, length in zip(point, size, strict=True):
            if length and not -0.5 <= side <= length - 0.5:
                raise UserError("a drawing must lie within the picture")


ROUTES = [
    Route("/pair/note", _note, methods=["POST"]),
    Route("/pair/drawing", _draw, methods=["POST"]),
]
