"""The Pair page: two clips played in step along their alignment, the files about them, and what a
person sets on them: corrected matches, notes at moments, drawings on the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.alignment.alignment import Alignment, rounded
from la2ds_cli.core.annotations import (
    ANCHOR,
    NOTE,
    NOTE_LONGEST,
    Annotation,
    between,
    now,
)
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.result_names import result_name
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.clip_state import read_clip_state
from la2ds_cli.studio.clips_page import enough_clips, posed_clip
from la2ds_cli.studio.drawings import SHAPE, ClipCanvas, Item
from la2ds_cli.studio.film import Films
from la2ds_cli.studio.held_pairs import HeldPair, HeldPairs, How
from la2ds_cli.studio.pages import one_line, page, posted, with_names
from la2ds_cli.studio.saving import WAIT, Saves, known_version, refuse_changed
from la2ds_cli.views.report.pair_data import match_json, pair_json, windows

VIEWS: dict[How, str] = {
    "auto": "view: find out",
    "filmed": "as filmed",
    "mirrored": "mirrored",
    "other": "seen from the other side",
    "performance": "same performance",
}
"""How B was filmed, seen from A, or that both filmed one performance -> in words."""


PAIR = {"a": str, "b": str, "view": (None, str), "force": (None, str)}  # in what a page sends
_AGAIN = "load the page again"
_AT_FRAMES = {"kind": str, "frames": [(None, int)], "text": (None, str), "points": None}
_ON_A_PICTURE = {"side": str, **SHAPE}
Frames = tuple[int | None, int | None]


class RequestedPair(NamedTuple):
    """A pair that a page asks for. view: of VIEWS. force: align it even if its clips show different
    movements."""

    a: Video
    b: Video
    view: How = "auto"
    force: bool = False

    @property
    def options(self) -> list[str]:
        """Of the commands that align it. --force: the page already shows the alignment and its
        doubts, so the command need not ask."""
        if self.view == "performance":
            return ["--force", "--same-performance"]
        return ["--force", *([f"--view={self.view}"] if self.view != "auto" else [])]

    def held(self, pairs: HeldPairs) -> HeldPair:
        """The pair, aligned. Raises what HeldPairs.get raises."""
        return pairs.get(self.a.id, self.b.id, self.view, force=self.force)


def requested_pair(request: Request, content: Mapping[str, Any] | None = None) -> RequestedPair:
    """The pair that the address or `content` names. Raises UserError (exit 2) if it is not a pair
    of clips or there is no such view, (exit 4) if a clip has no joints."""
    project: StoredProject = request.app.state.studio.project
    given = request.query_params if content is None else content
    views: dict[str, How] = {known: known for known in VIEWS}
    view = given.get("view") or "auto"
    if view not in views:
        raise UserError(f"unknown view {view[:40]!a}", hint=f"one of {', '.join(VIEWS)}")
    a, b = (posed_clip(project, given.get(side) or "") for side in "ab")
    if a.id == b.id:
        raise UserError("a pair needs two different clips", hint="choose another clip for B")
    return RequestedPair(a, b, views[view], given.get("force") == "1")


def _show(request: Request) -> Response:
    """The page of the named pair, or else of the first two clips."""
    clips = enough_clips(request, 2)
    asked = dict(request.query_params)
    others = (clip.id for clip in clips if clip.id not in asked.values())
    requested = requested_pair(
        request, asked | {side: asked.get(side) or next(others, "") for side in "ab"}
    )
    return HTMLResponse(
        page(
            "pair.html",
            f"{requested.a.title} and {requested.b.title}",
            here="/pair",
            clips=clips,
            a=requested.a,
            b=requested.b,
            views=VIEWS,
            view=requested.view,
            force="1" if requested.force else "",
        )
    )


async def _data(request: Request) -> Response:
    """Everything that the page of a pair shows."""
    studio = request.app.state.studio

    def work() -> dict[str, Any]:
        return pair_data(requested_pair(request).held(studio.pairs), studio.films)

    return JSONResponse(await studio.turns.pairs.run(request, work))


def pair_data(held: HeldPair, films: Films) -> dict[str, Any]:
    """pair_json of the alignment with its anchors, and what the studio shows in addition to a
    report.

    warnings: sentences that are shown above everything else.

    For each clip: pictures, see Films.facts; window: (T, 4), the part of each frame that is shown,
    in pixels; size: of the picture.
    """
    result, problem = _aligned(held)
    project, plain = held.project, held.plain
    data = pair_json(result, project.phases(propagated=True, skip_unclear=True)) | held.set_json()
    poses = result.pose_a, result.shown_b
    for side, clip, pose in zip("ab", held.pair.clips, poses, strict=True):
        data[side] |= {
            # Without a size, the joints have no place in the picture.
            "pictures": films.facts(clip, pose.frame) if all(pose.size) else None,
            "window": [rounded(row, 2) for row in windows(pose)],
            "size": list(pose.size),
        }
    notes = [note for note in held.notes if note != plain.reason]  # the page shows it elsewhere
    if held.by_clock:  # they say the lag, which comes first
        data["sureness"] = " ".join([*(f"{note}." for note in notes), data["sureness"]])
        notes = []
    notes += [problem] if problem else []
    lost = [
        f"{found[0].upper()}{found[1:]}: the joints are drawn without pictures."
        for clip in held.pair.clips
        if (found := read_clip_state(project, clip).lost)
    ]
    return data | {
        "recorded": held.recorded,
        "warnings": held.warnings + lost,
        "notes": with_names(notes, held.pair.clips),
        "reason": plain.reason,
    }


# --- exports ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Export:
    """A command that writes a file about a pair. name: shown to the user. suffix: of the file.
    by_clock: whether it shows recordings of one performance, too."""

    command: str
    name: str
    suffix: str
    options: tuple[str, ...] = ()
    by_clock: bool = False


EXPORTS = {
    "video": _Export("sync", "video side by side", ".mp4", ("--height", "720"), by_clock=True),
    "picture": _Export("align", "picture", ".png"),
    "table": _Export("align", "table of frames", ".csv"),
    "sheet": _Export("compare", "key positions", ".sheet.png"),
    "page": _Export("report", "offline page", ".html", by_clock=True),
}


def _export_path(project: StoredProject, requested: RequestedPair, kind: str) -> Path:
    export = EXPORTS.get(kind)
    if export is None:
        raise UserError(f"unknown kind of export: {kind[:40]!a}")
    if requested.view == "performance" and not export.by_clock:
        raise UserError(f"recordings of one performance have no {export.name}")
    return project.results_dir("studio") / f"{requested.a.id}--{requested.b.id}{export.suffix}"


def anchor_options(held: HeldPair) -> list[str]:
    """Return the options of a command that aligns a pair with its corrected matches."""
    anchors = held.seconds(held.anchors)
    if not anchors:
        return []
    return [f"--features={held.plain.features}", *(f"--anchor={a!r}={b!r}" for a, b in anchors)]


def export_arguments(held: HeldPair, requested: RequestedPair, kind: str) -> list[str]:
    """The command that writes what the page shows, with its anchors."""
    export, project = EXPORTS[kind], held.project
    options = [*export.options, *requested.options, *anchor_options(held)]
    options.append(f"--project={project.root}")
    options.append(f"--out={_export_path(project, requested, kind)}")
    return [export.command, *options, "--", requested.a.id, requested.b.id]


async def _export(request: Request) -> Response:
    """Queue the command that writes a file about the pair."""
    studio = request.app.state.studio
    content = await posted(request, **PAIR, kind=str)
    requested, kind = requested_pair(request, content), content["kind"]
    _export_path(studio.project, requested, kind)

    def arguments() -> list[str]:
        return export_arguments(requested.held(studio.pairs), requested, kind)

    title = f"{EXPORTS[kind].name} of {requested.a.title} and {requested.b.title}"
    job = studio.jobs.add(title, await studio.turns.pairs.run(request, arguments))
    return JSONResponse({"number": job.number})


def _exported(request: Request) -> Response:
    project: StoredProject = request.app.state.studio.project
    requested = requested_pair(request)
    path = _export_path(project, requested, request.path_params["kind"])
    if not path.is_file():
        raise UserError("this has not been exported yet", hint="export it on the Pair page")
    name = result_name(project.videos(), requested.a, requested.b)
    return FileResponse(path, filename=name + EXPORTS[request.path_params["kind"]].suffix)


async def _set(request: Request) -> Response:
    """What a person has set now, and the alignment with it; as the answer to a change."""
    studio = request.app.state.studio

    def work() -> dict[str, Any]:
        held = requested_pair(request).held(studio.pairs)
        return match_json(_aligned(held)[0]) | held.set_json()

    return JSONResponse(await studio.turns.pairs.run(request, work))


def _aligned(held: HeldPair) -> tuple[Alignment, str]:
    """The alignment with the corrected matches; if they do not fit, without, and why."""
    try:
        return held.aligned(held.anchors), ""
    except UserError as error:  # the anchors were set in another version of the clips
        return held.plain, f"{error.message}; {error.hint}"


async def _change(request: Request) -> Response:
    """Put items in the place of others: {"a", "b", "old": items, "new": items}. Returns what has
    been set then, and the alignment if that has changed.

    An item is an `anchor` or a `note`, {"kind", "frames": [of A, of B], "text"}, of which a note
    may be at one frame alone; or a drawing, see drawings.py, with its "side", "a" or "b".
    """
    studio = request.app.state.studio
    items = [(_ON_A_PICTURE, _AT_FRAMES)]
    content = await posted(request, **PAIR, old=items, new=items)
    requested, known = requested_pair(request, content), known_version(request)

    def work() -> dict[str, Any]:
        held = requested.held(studio.pairs)
        with held.project.tables(wait=WAIT):
            names = " and ".join(held.pair.names)
            refuse_changed(known, held.set_json()["version"], f"the marks on {names}")
            gone, new = _wanted(held, content["old"], content["new"])
            return held.change(gone, new) | held.set_json()

    return JSONResponse(await run_in_threadpool(work))


def _wanted(
    held: HeldPair, old: Sequence[Item], new: Sequence[Item]
) -> tuple[list[Annotation], list[Annotation]]:
    """The rows that go and those that come. Raises UserError (exit 2) for an invalid item, for an
    `old` that is not there, and for a `new` that is there already."""
    rows = held.project.annotations()
    gone: list[Annotation] = []
    for item in old:
        clip = _drawn_clip(held, item)
        same = clip.found(rows, item) if clip else _read(held, item)[1]
        if not same:
            raise UserError("this has been changed or removed", hint=_AGAIN)
        gone += same
    added = []
    for item in new:
        if clip := _drawn_clip(held, item):
            added.append(clip.replaced(rows, gone, clip.read(item)))
            continue
        row, same = _read(held, item)
        if any(one not in gone for one in same):
            raise UserError("this is already there")
        added.append(row)
    return gone, added


def _drawn_clip(held: HeldPair, item: Item) -> ClipCanvas | None:
    """The clip that an item is drawn on; None for an anchor or a note."""
    if "points" not in item:
        return None
    if item["side"] not in ("a", "b"):
        raise UserError("a drawing lies on clip A or B")
    return held.drawn_clip(item["side"])


def _read(held: HeldPair, item: Item) -> tuple[Annotation, list[Annotation]]:
    """An anchor or a note of a page, and the rows that say the same, whichever clip was A then."""
    kind, rows = item["kind"], held.project.annotations()
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


ROUTES = [
    Route("/pair", _show),
    Route("/pair/data", _data),
    Route("/pair/export", _export, methods=["POST"]),
    Route("/pair/exported/{kind}", _exported),
    Route("/pair/set", _set),
    Saves("/pair/change", _change),
]
