"""The Pair page: two clips played in step along their alignment, and the files about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.alignment.result import rounded
from la2ds_cli.core.annotations import turning_of
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.studio.clips import enough_clips, lost_file, posed_clip
from la2ds_cli.studio.film import Films
from la2ds_cli.studio.held_pairs import HeldPair, HeldPairs, How
from la2ds_cli.studio.pages import page, posted, with_names
from la2ds_cli.views.report.pair_data import pair_json, windows

VIEWS: dict[How, str] = {
    "auto": "view: find out",
    "filmed": "as filmed",
    "mirrored": "mirrored",
    "other": "seen from the other side",
    "performance": "same performance",
}
"""How B was filmed, seen from A, or that both filmed one performance -> in words."""


PAIR = {"a": str, "b": str, "view": (None, str), "force": (None, str)}  # in what a page sends


class ClipPair(NamedTuple):
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


def requested_pair(request: Request, content: Mapping[str, Any] | None = None) -> ClipPair:
    """The pair that the address or `content` names. Raises UserError (exit 2) if it is not a pair
    of clips or there is no such view, (exit 4) if a clip has no joints."""
    project: Project = request.app.state.studio.project
    given = request.query_params if content is None else content
    views: dict[str, How] = {known: known for known in VIEWS}
    view = given.get("view") or "auto"
    if view not in views:
        raise UserError(f"unknown view {view[:40]!a}", hint=f"one of {', '.join(VIEWS)}")
    a, b = (posed_clip(project, given.get(side) or "") for side in "ab")
    if a.id == b.id:
        raise UserError("a pair needs two different clips", hint="choose another clip for B")
    return ClipPair(a, b, views[view], given.get("force") == "1")


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


def _data(request: Request) -> Response:
    """Everything that the page of a pair shows."""
    studio = request.app.state.studio
    held = requested_pair(request).held(studio.pairs)
    return JSONResponse(pair_data(held, studio.films))


def pair_data(held: HeldPair, films: Films) -> dict[str, Any]:
    """pair_json of the alignment with its anchors, and what the studio shows in addition to a
    report.

    warnings: sentences that are shown above everything else.

    For each clip: pictures, see Films.facts; window: (T, 4), the part of each frame that is shown,
    in pixels; size: of the picture; turned: how the clip is read, see turning_of.
    """
    try:
        result, problem = held.aligned(held.anchors), ""
    except UserError as error:  # the anchors were set in another version of the clips
        result, problem = held.plain, f"{error.message}; {error.hint}"
    project, plain = held.project, held.plain
    data = pair_json(result, project.phases(propagated=True)) | held.set_json()
    poses = result.pose_a, result.shown_b
    for side, clip, pose in zip("ab", held.pair.clips, poses, strict=True):
        data[side] |= {
            # Without a size, the joints have no place in the picture.
            "pictures": films.facts(clip, pose.frame) if all(pose.size) else None,
            "window": [rounded(row, 2) for row in windows(pose)],
            "size": list(pose.size),
            "turned": turning_of(pose.info),
        }
    notes = [note for note in held.notes if note != plain.reason]  # the page shows it elsewhere
    if held.by_clock:  # they say the lag, which comes first
        data["sureness"] = " ".join([*(f"{note}." for note in notes), data["sureness"]])
        notes = []
    notes += [problem] if problem else []
    lost = [
        f"{found[0].upper()}{found[1:]}: the joints are drawn without pictures."
        for clip in held.pair.clips
        if (found := lost_file(project, clip))
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
    anchored: whether it uses the corrected matches. by_clock: whether it shows recordings of one
    performance, too."""

    command: str
    name: str
    suffix: str
    options: tuple[str, ...] = ()
    anchored: bool = True
    by_clock: bool = False


EXPORTS = {
    "video": _Export("sync", "video side by side", ".mp4", ("--height", "720"), by_clock=True),
    "picture": _Export("align", "picture", ".png"),
    "table": _Export("align", "table of frames", ".csv"),
    "sheet": _Export("compare", "key positions", ".sheet.png", anchored=False),
    "page": _Export("report", "offline page", ".html", by_clock=True),
}


def _export_path(project: Project, requested: ClipPair, kind: str) -> Path:
    export = EXPORTS.get(kind)
    if export is None:
        raise UserError(f"unknown kind of export: {kind[:40]!a}")
    if requested.view == "performance" and not export.by_clock:
        raise UserError(f"recordings of one performance have no {export.name}")
    return project.results_dir("studio") / f"{requested.a.id}--{requested.b.id}{export.suffix}"


def export_arguments(held: HeldPair, requested: ClipPair, kind: str) -> list[str]:
    """The command that writes what the page shows, with its anchors."""
    export, project = EXPORTS[kind], held.project
    options = [*export.options, *requested.options, f"--project={project.root}"]
    if export.anchored and (anchors := held.seconds(held.anchors)):
        options.append(f"--features={held.plain.alignment.features}")
        options += [f"--anchor={a!r}={b!r}" for a, b in anchors]
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
    job = studio.jobs.add(title, await run_in_threadpool(arguments))
    return JSONResponse({"number": job.number})


def _exported(request: Request) -> Response:
    project: Project = request.app.state.studio.project
    requested = requested_pair(request)
    path = _export_path(project, requested, request.path_params["kind"])
    if not path.is_file():
        raise UserError("this has not been exported yet", hint="export it on the Pair page")
    return FileResponse(path, filename=path.name)


ROUTES = [
    Route("/pair", _show),
    Route("/pair/data", _data),
    Route("/pair/export", _export, methods=["POST"]),
    Route("/pair/exported/{kind}", _exported),
]
