"""Differences between two clips, and between several attempts and a reference, as found by `la2ds
compare`. Its findings are shown in words, and its files are offered as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.compare.compare import told
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.studio.clips import posed_clip, requested_clip
from la2ds_cli.studio.pages import named_to_command, page, posted, read_result
from la2ds_cli.studio.pair import PAIR, requested_pair

FOLDER = "compare"  # below results/, where the command writes without --out
_ATTEMPTS = "--attempts"  # behind the reference, in the name of their files
_AGAIN = "compare them again"


def _folder(project: Project) -> Path:
    return project.results_dir(FOLDER)


def _read(path: Path, parse: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    return read_result(path, "a comparison", _AGAIN, parse)


def _made(project: Project, path: Path, clips: Sequence[str]) -> dict[str, Any]:
    """When a comparison was made, in seconds since 1970, and whether joints of its clips are
    newer."""
    time = path.stat().st_mtime
    poses = [project.pose_path(clip) for clip in clips]
    newer = any(pose.exists() and pose.stat().st_mtime > time for pose in poses)
    return {"time": time, "stale": newer}


# --- two clips ------------------------------------------------------------------------------------


def _found(request: Request) -> Response:
    """The findings of a pair, see `told`; null if it has not been compared."""
    project: Project = request.app.state.studio.project
    a, b, *_ = requested_pair(request)
    path = _folder(project) / f"{a.id}--{b.id}.json"
    if not path.is_file():
        return JSONResponse(None)
    return JSONResponse(_read(path, told) | _made(project, path, (a.id, b.id)))


async def _compare(request: Request) -> Response:
    """Put the comparison of a pair in the queue."""
    studio = request.app.state.studio
    content = await posted(request, **PAIR)
    a, b, *_ = requested = requested_pair(request, content)
    ids = named_to_command([a.id, b.id])
    out = f"--out={_folder(studio.project) / f'{a.id}--{b.id}.json'}"
    arguments = ["compare", *ids, *requested.options, f"--project={studio.project.root}", out]
    job = studio.jobs.add(f"comparing {b.title} with {a.title}", arguments)
    return JSONResponse({"number": job.number})


# --- attempts -------------------------------------------------------------------------------------


def _show(request: Request) -> Response:
    """The Attempts page: of the reference named in the address, else the latest comparison."""
    project: Project = request.app.state.studio.project
    clips = project.posed_videos()
    names = {clip.id: clip.title for clip in clips}
    compared = [one for one in _compared(project) if one in names]
    reference = request.query_params.get("reference", "")
    if reference:
        reference = posed_clip(project, reference).id
    shown = reference or (compared[0] if compared else "")
    result, problem = None, ""
    if shown in compared:
        path = _folder(project) / f"{shown}{_ATTEMPTS}.json"
        try:
            result = _read(path, attempts)
            made = _made(project, path, [shown, *(one["video"] for one in result["attempts"])])
            made["time"] = datetime.fromtimestamp(made["time"], UTC).strftime("%Y-%m-%d %H:%M UTC")
            result |= made | {"reference": names[shown]}
            for one in result["attempts"]:
                one["name"] = names.get(one["video"], one["video"])
        except UserError as error:
            problem = f"{error.message}; {error.hint}"
    return HTMLResponse(
        page(
            "attempts.html",
            "Attempts",
            here="/attempts",
            clips=clips,
            names=names,
            compared=compared,
            shown=shown,
            result=result,
            problem=problem,
        )
    )


def _compared(project: Project) -> list[str]:
    """Ids of the references whose attempts have been compared, newest first."""
    paths = _folder(project).glob(f"*{_ATTEMPTS}.json")
    newest = sorted(paths, key=lambda path: (-path.stat().st_mtime, path.name))
    return [path.name.removesuffix(f"{_ATTEMPTS}.json") for path in newest]


def attempts(document: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a comparison of attempts, for attempts.html: a sentence for each series, the
    attempts, and what is left out."""
    return {
        "sentences": [str(one["sentence"]) for one in document["series"]],
        "attempts": [dict(one) for one in document["attempts"]],
        "left_out": dict(document["left_out"]),
    }


async def _compare_attempts(request: Request) -> Response:
    """Compare attempts, in the given order, with a reference."""
    studio = request.app.state.studio
    asked = await posted(request, reference=str, attempts=[str])
    reference = posed_clip(studio.project, asked["reference"])
    clips = [posed_clip(studio.project, one) for one in dict.fromkeys(asked["attempts"])]
    if len(clips) < 2 or any(clip.id == reference.id for clip in clips):
        raise UserError("choose at least two attempts, without the reference")
    first, *ids = named_to_command([reference.id, *(clip.id for clip in clips)])
    options = [f"--project={studio.project.root}"]
    arguments = ["compare", first, f"--attempts={','.join(ids)}", *options]
    job = studio.jobs.add(f"comparing {len(ids)} attempts with {reference.title}", arguments)
    return JSONResponse({"number": job.number})


def _attempts_file(request: Request) -> Response:
    reference = requested_clip(request, "reference")
    suffix = {"table": ".csv", "figure": ".png"}.get(request.path_params["kind"], "")
    folder = _folder(request.app.state.studio.project)
    path = folder / f"{reference.id}{_ATTEMPTS}{suffix}"
    if not suffix or not path.is_file():
        raise UserError("this file does not exist", hint=_AGAIN)
    return FileResponse(path, filename=path.name)


ROUTES = [
    Route("/compare", _compare, methods=["POST"]),
    Route("/compare/found", _found),
    Route("/attempts", _show),
    Route("/attempts/compare", _compare_attempts, methods=["POST"]),
    Route("/attempts/{kind}", _attempts_file),
]
