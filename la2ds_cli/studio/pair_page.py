"""The Pair page: two clips played in step along their alignment, exports, and what people add:
corrected matches, notes at moments, drawings on the pictures."""

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
    "auto": "view: automatic",
    "filmed": "as filmed",
    "mirrored": "mirrored",
    "other": "seen from the other side",
    "performance": "same performance",
}
"""How B was filmed relative to A, or that both show the same performance -> in words."""


PAIR = {"a": str, "b": str, "view": (None, str), "force": (None, str)}  # shape of a request
_AGAIN = "reload the page"
_AT_FRAMES = {"kind": str, "frames": [(None, int)], "text": (None, str), "points": None}
_ON_A_PICTURE = {"side": str, **SHAPE}
Frames = tuple[int | None, int | None]


class RequestedPair(NamedTuple):
    """A pair that a page requests. view: a key of VIEWS. force: align clips even if they show
    different movements."""

    a: Video
    b: Video
    view: How = "auto"
    force: bool = False

    @property
    def options(self) -> list[str]:
        """Return the options of commands that align the pair. They include --force, since the page
        has already shown any warning."""
        if self.view == "performance":
            return ["--force", "--same-performance"]
        return ["--force", *([f"--view={self.view}"] if self.view != "auto" else [])]

    def held(self, pairs: HeldPairs) -> HeldPair:
        """Return the aligned pair; raise what HeldPairs.get raises."""
        return pairs.get(self.a.id, self.b.id, self.view, force=self.force)


def requested_pair(request: Request, content: Mapping[str, Any] | None = None) -> RequestedPair:
    """Return the pair that the address or `content` names.

    Raises UserError (exit 2) unless it names two different clips and a view, (exit 4) if a clip has
    no joints.
    """
    project: StoredProject = request.app.state.studio.project
    names = request.query_params if content is None else content
    views: dict[str, How] = {name: name for name in VIEWS}
    view = names.get("view") or "auto"
    if view not in views:
        raise UserError(f"unknown view {view[:40]!a}", hint=f"choose one of {', '.join(VIEWS)}")
    a, b = (posed_clip(project, names.get(side) or "") for side in "ab")
    if a.id == b.id:
        raise UserError("a pair needs two different clips", hint="choose another clip for B")
    return RequestedPair(a, b, views[view], names.get("force") == "1")


def _show(request: Request) -> Response:
    """Return the page of the named pair, or else of the first two clips."""
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
    """Return everything that the page of a pair shows."""
    studio = request.app.state.studio

    def work() -> dict[str, Any]:
        return pair_data(requested_pair(request).held(studio.pairs), studio.films)

    return JSONResponse(await studio.turns.pairs.run(request, work))


def pair_data(held: HeldPair, films: Films) -> dict[str, Any]:
    """Return pair_json of the alignment with its anchors, and what only the studio shows.

    warnings: sentences to show at the top. For each clip: pictures, see Films.facts; window: (T, 4)
    the shown part of each frame in pixels; size: of the picture.
    """
    result, problem = _aligned(held)
    project, plain = held.project, held.plain
    data = pair_json(result, project.phases(propagated=True, skip_unclear=True)) | held.set_json()
    poses = result.pose_a, result.shown_b
    for side, clip, pose in zip("ab", held.pair.clips, poses, strict=True):
        data[side] |= {
            # Without a size, joints cannot be placed on the picture.
            "pictures": films.facts(clip, pose.frame) if all(pose.size) else None,
            "window": [rounded(row, 2) for row in windows(pose)],
            "size": list(pose.size),
        }
    notes = [note for note in held.notes if note != plain.reason]  # the page shows it elsewhere
    if held.by_clock:  # the notes name the offset, which comes first
        sentences = [*(f"{note}." for note in notes), data["certainty_text"]]
        data["certainty_text"] = " ".join(sentences)
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
    """A command that writes a file about a pair. name: shown to people. suffix: of the file.
    by_clock: whether it works for recordings of one performance, too."""

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
        raise UserError(f"recordings of the same performance cannot be exported as {export.name}")
    return project.results_dir("studio") / f"{requested.a.id}--{requested.b.id}{export.suffix}"


def anchor_options(held: HeldPair) -> list[str]:
    """Return the options of a command that aligns a pair with its corrected matches."""
    anchors = held.seconds(held.anchors)
    if not anchors:
        return []
    return [f"--features={held.plain.features}", *(f"--anchor={a!r}={b!r}" for a, b in anchors)]


def export_arguments(held: HeldPair, requested: RequestedPair, kind: str) -> list[str]:
    """Return the command that exports what the page shows, with its anchors."""
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
    """Return what people have set, and the alignment with it, as after a change."""
    studio = request.app.state.studio

    def work() -> dict[str, Any]:
        held = requested_pair(request).held(studio.pairs)
        return match_json(_aligned(held)[0]) | held.set_json()

    return JSONResponse(await studio.turns.pairs.run(request, work))


def _aligned(held: HeldPair) -> tuple[Alignment, str]:
    """Return the alignment with the corrected matches or, if they do not fit, without, and why."""
    try:
        return held.aligned(held.anchors), ""
    except UserError as error:  # the anchors were set in another version of the clips
        return held.plain, f"{error.message}; {error.hint}"


async def _change(request: Request) -> Response:
    """Replace items: {"a", "b", "old": items, "new": items}; return everything that is set then,
    and the alignment if it has changed.

    An item is an `anchor` or a `note`, {"kind", "frames": [of A, of B], "text"} (a note may have a
    single frame); or a drawing, see drawings.py, with its "side", "a" or "b".
    """
    studio = request.app.state.studio
    items = [(_ON_A_PICTURE, _AT_FRAMES)]
    content = await posted(request, **PAIR, old=items, new=items)
    requested, known = requested_pair(request, content), known_version(request)

    def work() -> dict[str, Any]:
        held = requested.held(studio.pairs)
        with held.project.tables(wait=WAIT):
            names = " and ".join(held.pair.names)
            what = f"the notes, drawings or matches of {names}"
            refuse_changed(known, held.set_json()["version"], what)
            gone, new = _wanted(held, content["old"], content["new"])
            return held.change(gone, new) | held.set_json()

    return JSONResponse(await run_in_threadpool(work))


def _wanted(
    held: HeldPair, old: Sequence[Item], new: Sequence[Item]
) -> tuple[list[Annotation], list[Annotation]]:
    """Return the rows to remove and to add.

    Raises UserError (exit 2) for an invalid item, an `old` one that does not exist, and a `new` one
    that already exists.
    """
    rows = held.project.annotations()
    gone: list[Annotation] = []
    for item in old:
        clip = _drawn_clip(held, item)
        same = clip.found(rows, item) if clip else _read(held, item)[1]
        if not same:
            raise UserError("this item has been changed or removed", hint=_AGAIN)
        gone += same
    added = []
    for item in new:
        if clip := _drawn_clip(held, item):
            added.append(clip.replaced(rows, gone, clip.read(item)))
            continue
        row, same = _read(held, item)
        if any(existing not in gone for existing in same):
            raise UserError("this item already exists")
        added.append(row)
    return gone, added


def _drawn_clip(held: HeldPair, item: Item) -> ClipCanvas | None:
    """Return the clip that an item is drawn on, or None for an anchor or a note."""
    if "points" not in item:
        return None
    if item["side"] not in ("a", "b"):
        raise UserError("a drawing needs points on clip A or B")
    return held.drawn_clip(item["side"])


def _read(held: HeldPair, item: Item) -> tuple[Annotation, list[Annotation]]:
    """Return the row of an anchor or note, and the equal rows of the project (also with A and B
    swapped)."""
    kind, rows = item["kind"], held.project.annotations()
    if kind not in (ANCHOR, NOTE):
        raise UserError(f"{kind[:40]!a} is neither an anchor nor a note")
    frames = _frames(held, item["frames"], kind)
    text = _text(item.get("text") or "") if kind == NOTE else ""
    a, b = (clip.at(frame) for clip, frame in zip(held.moments, frames, strict=True))
    same = [
        existing.row
        for existing in between(rows, kind, *held.moments)
        if existing.frames == frames and existing.row.value == text
    ]
    return Annotation(kind, a, b, text, set=now()), same


def _frames(held: HeldPair, frames: list[int | None], kind: str) -> Frames:
    count = sum(frame is not None for frame in frames)
    if len(frames) != 2 or count < (2 if kind == ANCHOR else 1):
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
