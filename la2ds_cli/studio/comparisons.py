"""Comparisons of two clips, and of several attempts with a reference, made by `la2ds compare`. The
studio shows its findings in words and offers its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.compare.compare_clips import document_sentences
from la2ds_cli.core import artifact
from la2ds_cli.core.annotations import ANCHOR, Between, ClipMoments, between
from la2ds_cli.core.clip import Video
from la2ds_cli.core.clip_names import ShownNames
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.result_names import result_name
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio.clips_page import posed_clip, requested_clip
from la2ds_cli.studio.jobs import Follow, Job
from la2ds_cli.studio.pages import posted, read_result
from la2ds_cli.studio.pair_page import PAIR, anchor_options, requested_pair
from la2ds_cli.studio.saving import version

FOLDER = "compare"  # below results/, where the command writes without --out
_ATTEMPTS = "--attempts"  # follows the reference in the names of their files
_AGAIN = "compare the clips again"


def _folder(project: StoredProject) -> Path:
    return project.results_dir(FOLDER)


def _found(
    project: StoredProject,
    names: Sequence[str],
    clips: Sequence[str],
    parse: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> Response:
    """Answer with the findings of the newest comparison of clips, or null if there is none.

    time: when it was made, in seconds since 1970. changed: what has changed since, in words.

    Parameters
    ----------
    names, clips: see `_newest`.
    parse: makes the answer from the document; its `clips` (ids) are not sent.
    """
    path = _newest(project, names, clips)
    if path is None:
        return JSONResponse(None)
    findings = read_result(path, "a comparison", _AGAIN, parse)
    changed = _changed(project, path, findings.pop("clips"))
    return JSONResponse(findings | {"time": path.stat().st_mtime, "changed": changed})


def _newest(project: StoredProject, names: Sequence[str], clips: Sequence[str]) -> Path | None:
    """Return the document of the newest comparison of clips.

    Parameters
    ----------
    names : possible names of its files: after the ids, as the studio writes them, and after the
        files of the clips, as the command does
    clips : ids of the reference, and of the clip compared with it if there is only one
    """
    existing = [path for name in names if (path := _folder(project) / f"{name}.json").is_file()]
    matching = [path for path in existing if _is_of(path, clips)]
    return max(matching, key=lambda path: path.stat().st_mtime_ns, default=None)


def _is_of(path: Path, clips: Sequence[str]) -> bool:
    """Return whether a document is of these clips, as far as it can be read: its name may be that
    of a comparison of other files."""
    document = artifact.read_document(path)
    sides = [document.get(side) for side in ("reference", "other")]
    found = [side.get("video") for side in sides if isinstance(side, dict)]
    return found in ([], list(clips))


# --- the inputs of a comparison -------------------------------------------------------------------


def comparison_inputs(project: StoredProject, clips: Sequence[str]) -> dict[str, str]:
    """Return the version of each input of a comparison, by its name in words.

    Parameters
    ----------
    clips: ids; corrected matches count only between two clips.
    """
    posed = [clip for clip in clips if project.pose_path(clip).exists()]
    phases = project.phases(propagated=True, skip_unclear=True)
    matches: list[Between] = []
    if len(clips) == len(posed) == 2:
        videos = [project.clip(clip) for clip in posed]
        a, b = (ClipMoments.of(v.id, v.options, project.read_pose(v.id)[0]) for v in videos)
        matches = between(project.annotations(), ANCHOR, a, b)
    return {
        "joints": version([(clip, project.pose_header(clip)[0].key) for clip in posed]),
        "phases": version([phases.get(clip) for clip in clips]),
        "corrected matches": version([match.frames for match in matches]),
    }


def _inputs_path(project: StoredProject, name: str) -> Path:
    return project.results_dir("studio") / f"{name}.inputs.json"


def _noting_inputs(project: StoredProject, name: str, clips: Sequence[str]) -> dict[str, Follow]:
    """Return the callbacks of a job that compares clips (see Job): they record its inputs."""
    inputs: dict[str, str] = {}

    def on_start(_: Job) -> None:  # before the command reads them
        inputs.update(comparison_inputs(project, clips))

    def on_success(_: Job) -> None:
        written = (_folder(project) / f"{name}.json").stat().st_mtime_ns
        content = json.dumps({"written": written, "inputs": inputs})
        artifact.write_text(_inputs_path(project, name), content)

    return {"on_start": on_start, "on_success": on_success}


def _changed(project: StoredProject, document: Path, clips: Sequence[str]) -> list[str]:
    """Return what has changed since a comparison was written, in words.

    For a comparison made on the command line, this is judged by the times of files.
    """
    recorded = artifact.read_document(_inputs_path(project, document.stem))
    status = document.stat()
    inputs = recorded.get("inputs")
    if recorded.get("written") == status.st_mtime_ns and isinstance(inputs, dict):
        now = comparison_inputs(project, clips)
        return [what for what in now if now[what] != inputs.get(what)]
    files = {
        "joints": [project.pose_path(clip) for clip in clips],
        "phases": [project.phases_path],
        "corrected matches": [project.annotations_path] if len(clips) == 2 else [],
    }
    return [
        what
        for what, paths in files.items()
        if any(path.exists() and path.stat().st_mtime > status.st_mtime for path in paths)
    ]


# --- two clips ------------------------------------------------------------------------------------


def _pair_found(request: Request) -> Response:
    """Answer with the findings of a pair, see `document_sentences` and `_found`."""
    a, b, *_ = requested_pair(request)
    project: StoredProject = request.app.state.studio.project
    names = f"{a.id}--{b.id}", result_name(project.videos(), a, b)
    clips = [a.id, b.id]

    def parse(document: Mapping[str, Any]) -> dict[str, Any]:
        return document_sentences(document) | {"clips": clips}

    return _found(project, names, clips, parse)


async def _compare(request: Request) -> Response:
    """Queue the comparison of a pair along the alignment that its page shows."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    content = await posted(request, **PAIR)
    a, b, *_ = requested = requested_pair(request, content)
    name = f"{a.id}--{b.id}"

    def shown() -> list[str]:
        return anchor_options(requested.held(studio.pairs))

    anchored = await studio.turns.pairs.run(request, shown)
    out = f"--out={_folder(project) / f'{name}.json'}"
    options = [*requested.options, *anchored, f"--project={project.root}", out]
    job = studio.jobs.add(
        f"comparing {b.title} with {a.title}",
        ["compare", *options, "--", a.id, b.id],
        **_noting_inputs(project, name, [a.id, b.id]),
    )
    return JSONResponse({"number": job.number})


# --- attempts -------------------------------------------------------------------------------------


def _attempts_found(request: Request) -> Response:
    """Answer with the findings on several attempts at a reference, see `_found`.

    sentences: one for each series. attempts, left_out: a line for each.
    """
    project: StoredProject = request.app.state.studio.project
    clip = requested_clip(request, "reference")
    reference = clip.id
    names = ShownNames((clip.id, clip.title) for clip in project.posed_videos())

    def parse(document: Mapping[str, Any]) -> dict[str, Any]:
        attempts = document["attempts"]
        clips = [str(attempt["video"]) for attempt in attempts]
        titles = [names[clip] for clip in clips]
        return {
            "clips": [reference, *clips],
            "sentences": [str(series["sentence"]) for series in document["series"]],
            "attempts": [
                ": ".join([f"{attempt['number']}. {title}", *attempt["notes"]])
                for attempt, title in zip(attempts, titles, strict=True)
            ],
            "left_out": [f"{names[n]}: {why}" for n, why in document["left_out"].items()],
        }

    return _found(project, _attempts_names(project, clip), [reference], parse)


def _attempts_names(project: StoredProject, reference: Video) -> tuple[str, str]:
    """Return the names that the files of attempts at a reference may have, see `_newest`."""
    name = result_name(project.videos(), reference)
    return f"{reference.id}{_ATTEMPTS}", f"{name}{_ATTEMPTS}"


async def _compare_attempts(request: Request) -> Response:
    """Queue the comparison of attempts, in the given order, with a reference."""
    studio = request.app.state.studio
    content = await posted(request, reference=str, attempts=[str])
    reference = posed_clip(studio.project, content["reference"])
    clips = [posed_clip(studio.project, clip) for clip in dict.fromkeys(content["attempts"])]
    if len(clips) < 2 or any(clip.id == reference.id for clip in clips):
        raise UserError("choose at least two attempts besides the reference")
    options = [f"--attempts={','.join(clip.id for clip in clips)}"]
    options.append(f"--project={studio.project.root}")
    name = f"{reference.id}{_ATTEMPTS}"
    options += [f"--out={_folder(studio.project) / name}{end}" for end in (".png", ".json", ".csv")]
    arguments = ["compare", *options, "--", reference.id]
    compared = [reference.id, *(clip.id for clip in clips)]
    job = studio.jobs.add(
        f"comparing {len(clips)} attempts with {reference.title}",
        arguments,
        **_noting_inputs(studio.project, name, compared),
    )
    return JSONResponse({"number": job.number})


def _attempts_file(request: Request) -> Response:
    reference = requested_clip(request, "reference")
    suffix = {"table": ".csv", "figure": ".png"}.get(request.path_params["kind"], "")
    project: StoredProject = request.app.state.studio.project
    names = _attempts_names(project, reference)
    document = _newest(project, names, [reference.id])
    path = document.with_suffix(suffix) if document and suffix else None
    if path is None or not path.is_file():
        raise UserError("this file does not exist", hint=_AGAIN)
    return FileResponse(path, filename=names[1] + suffix)


ROUTES = [
    Route("/compare", _compare, methods=["POST"]),
    Route("/compare/found", _pair_found),
    Route("/attempts/compare", _compare_attempts, methods=["POST"]),
    Route("/attempts/found", _attempts_found),
    Route("/attempts/{kind}", _attempts_file),
]
