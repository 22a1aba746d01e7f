"""What a person sets on a pair: corrected matches, notes at moments, lines and angles on the
pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.core.annotations import (
    ANCHOR,
    MOST_DRAWINGS,
    NOTE,
    NOTE_LONGEST,
    POINTS,
    Annotation,
    between,
    drawing_value,
    now,
    points_of,
    turning_of,
)
from la2ds_cli.core.errors import UserError
from la2ds_cli.studio.held_pairs import HeldPair
from la2ds_cli.studio.pages import one_line, posted
from la2ds_cli.studio.pair import PAIR, requested_pair

_AGAIN = "load the page again"
_AT_FRAMES = {"kind": str, "frames": [(None, int)], "text": (None, str)}
_ON_A_PICTURE = {"kind": str, "side": str, "points": [[float]], "turned": (None, str)}
Item = Mapping[str, Any]
Frames = tuple[int | None, int | None]


async def _change(request: Request) -> Response:
    """Put items in the place of others: {"a", "b", "old": items, "new": items}. Returns what has
    been set then, and the alignment if that has changed.

    An item is an `anchor` or a `note`, {"kind", "frames": [of A, of B], "text"}, of which a note
    may be at one frame alone; or a `line` or an `angle`, {"kind", "side": "a" or "b", "points",
    "turned": of the picture that the page shows}.
    """
    studio = request.app.state.studio
    items = [(_AT_FRAMES, _ON_A_PICTURE)]
    content = await posted(request, **PAIR, old=items, new=items)
    requested = requested_pair(request, content)

    def work() -> dict[str, Any]:
        held = requested.held(studio.pairs)
        with held.project.tables():
            gone, new = _wanted(held, content["old"], content["new"])
            return held.change(gone, new) | held.set_json()

    return JSONResponse(await run_in_threadpool(work))


def _wanted(
    held: HeldPair, old: Sequence[Item], new: Sequence[Item]
) -> tuple[list[Annotation], list[Annotation]]:
    """The rows that go and those that come. Raises UserError (exit 2) for an invalid item, for an
    `old` that is not there, and for a `new` that is there already."""
    gone: list[Annotation] = []
    for item in old:
        same = _read(held, item)[1]
        if not same:
            raise UserError("this has been changed or removed", hint=_AGAIN)
        gone += same
    added = []
    for item in new:
        row, same = _read(held, item)
        if any(one not in gone for one in same):
            raise UserError("this is already there")
        if row.kind in POINTS and not gone and len(held.drawn(item["side"])) >= MOST_DRAWINGS:
            raise UserError(
                f"a clip can have at most {MOST_DRAWINGS} drawings", hint="remove one first"
            )
        added.append(row)
    return gone, added


def _read(held: HeldPair, item: Item) -> tuple[Annotation, list[Annotation]]:
    """An item of a page, and the rows that say the same, whichever clip was A then."""
    kind, rows = item["kind"], held.project.annotations()
    if "points" in item:
        row = _drawing(held, item)
        return row, [one for one in held.drawn(item["side"]) if one == row]
    if kind not in (ANCHOR, NOTE):
        raise UserError(f"{kind[:40]!a} is neither an anchor nor a note")
    frames = _frames(held, item["frames"], kind)
    text = _text(item.get("text") or "") if kind == NOTE else ""
    a, b = (clip.at(frame) for clip, frame in zip(held.moments, frames, strict=True))
    same = [
        one.row
        for one in between(rows, kind, *held.moments)
        if one.frames == frames and one.row.value == text
    ]
    return Annotation(kind, a, b, text, set=now()), same


def _frames(held: HeldPair, frames: list[int | None], kind: str) -> Frames:
    known = [one for one in frames if one is not None]
    if len(frames) != 2 or len(known) < (2 if kind == ANCHOR else 1):
        needed = "a frame of A and one of B" if kind == ANCHOR else "a frame of A, of B, or of both"
        raise UserError(f"a {kind} needs {needed}")
    for frame, pose in zip(frames, held.pair.poses, strict=True):
        if frame is not None and frame not in pose.frame:
            raise UserError("there is no such frame", hint=_AGAIN)
    return frames[0], frames[1]


def _text(text: str) -> str:
    if not one_line(text):
        raise UserError("a note must be one line of text")
    if len(text) > NOTE_LONGEST:
        raise UserError(f"a note can have at most {NOTE_LONGEST} characters")
    return text


def _drawing(held: HeldPair, given: Item) -> Annotation:
    """A line or an angle, on a clip as it is turned now."""
    kind, side, points = given["kind"], given["side"], given["points"]
    if side not in ("a", "b") or any(len(point) != 2 for point in points):
        raise UserError("a drawing is points of clip A or B, each of two numbers")
    pose = held.pair.poses["ab".index(side)]
    turned = turning_of(pose.info)
    if given.get("turned") not in (None, turned):
        raise UserError("the clip has been rotated or mirrored meanwhile", hint=_AGAIN)
    try:
        value = drawing_value(kind, points)
    except ValueError as error:
        raise UserError(f"this cannot be drawn: {error}") from error
    row = Annotation(kind, held.moments["ab".index(side)].at(), None, value, turned, now())
    for point in points_of(row.value):
        for one, length in zip(point, pose.size, strict=True):  # pixel centres are whole numbers
            if length and not -0.5 <= one <= length - 0.5:
                raise UserError("a drawing must lie within the picture")
    return row


ROUTES = [
    Route("/pair/change", _change, methods=["POST"]),
]
