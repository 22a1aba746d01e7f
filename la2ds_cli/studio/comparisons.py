"""Differences between two clips, and between several attempts and a reference, as found by `la2ds
compare`. Its findings are shown in words, and its files are offered as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.compare.compare_clips import document_sentences
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.studio.clips_page import posed_clip, requested_clip
from la2ds_cli.studio.pages import posted, read_result
from la2ds_cli.studio.pair_page import PAIR, requested_pair

FOLDER = "compare"  # below results/, where the command writes without --out
_ATTEMPTS = "--attempts"  # behind the reference, in the name of their files
_AGAIN = "compare them again"


def _folder(project: Project) -> Path:
    return project.results_dir(FOLDER)


def _found(
    project: Project, name: str, parse: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Response:
    """What a comparison found, null if there is none. parse: its document, to which `clips` adds
    their ids. time: when it was made, in seconds since 1970. stale: whether joints of its clips
    are newer."""
    path = _folder(project) / name
    if not path.is_file():
        return JSONResponse(None)
    found, time = read_result(path, "a comparison", _AGAIN, parse), path.stat().st_mtime
    poses = [project.pose_path(clip) for clip in found.pop("clips")]
    stale = any(pose.exists() and pose.stat().st_mtime > time for pose in poses)
    return JSONResponse(found | {"time": time, "stale": stale})


# --- two clips ------------------------------------------------------------------------------------


def _pair_found(request: Request) -> Response:
    """The findings of a pair, see `document_sentences` and `_found`."""
    a, b, *_ = requested_pair(request)
    project: Project = request.app.state.studio.project
    return _found(
        project,
        f"{a.id}--{b.id}.json",
        lambda one: document_sentences(one) | {"clips": [a.id, b.id]},
    )


async def _compare(request: Request) -> Response:
    """Put the comparison of a pair in the queue."""
    studio = request.app.state.studio
    content = await posted(request, **PAIR)
    a, b, *_ = requested = requested_pair(request, content)
    out = f"--out={_folder(studio.project) / f'{a.id}--{b.id}.json'}"
    options = [*requested.options, f"--project={studio.project.root}", out]
    arguments = ["compare", *options, "--", a.id, b.id]
    job = studio.jobs.add(f"comparing {b.title} with {a.title}", arguments)
    return JSONResponse({"number": job.number})


# --- attempts -------------------------------------------------------------------------------------


def _attempts_found(request: Request) -> Response:
    """What the attempts at a reference have in common, see `_found`. sentences: one for each
    series; attempts, left_out: lines about them."""
    project: Project = request.app.state.studio.project
    reference = requested_clip(request, "reference").id
    names = {clip.id: clip.title for clip in project.posed_videos()}

    def parse(document: Mapping[str, Any]) -> dict[str, Any]:
        attempts = document["attempts"]
        clips = [str(one["video"]) for one in attempts]
        titles = [names.get(clip, clip) for clip in clips]
        return {
            "clips": [reference, *clips],
            "sentences": [str(one["sentence"]) for one in document["series"]],
            "attempts": [
                ": ".join([f"{one['number']}. {title}", *one["notes"]])
                for one, title in zip(attempts, titles, strict=True)
            ],
            "left_out": [f"{names.get(n, n)}: {why}" for n, why in document["left_out"].items()],
        }

    return _found(project, f"{reference}{_ATTEMPTS}.json", parse)


async def _compare_attempts(request: Request) -> Response:
    """Compare attempts, in the given order, with a reference."""
    studio = request.app.state.studio
    asked = await posted(request, reference=str, attempts=[str])
    reference = posed_clip(studio.project, asked["reference"])
    clips = [posed_clip(studio.project, one) for one in dict.fromkeys(asked["attempts"])]
    if len(clips) < 2 or any(clip.id == reference.id for clip in clips):
        raise UserError("a comparison needs at least two attempts, without the reference")
    options = [f"--attempts={','.join(clip.id for clip in clips)}"]
    options.append(f"--project={studio.project.root}")
    arguments = ["compare", *options, "--", reference.id]
    job = studio.jobs.add(f"comparing {len(clips)} attempts with {reference.title}", arguments)
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
    Route("/compare/found", _pair_found),
    Route("/attempts/compare", _compare_attempts, methods=["POST"]),
    Route("/attempts/found", _attempts_found),
    Route("/attempts/{kind}", _attempts_file),
]
