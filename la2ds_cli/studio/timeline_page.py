"""The Timeline page: many clips on one timeline, made by `la2ds timeline`. Up to sixteen of them
play in step, and all can be compared with the reference (comparisons.py)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.alignment.request import features_name
from la2ds_cli.alignment.timeline_result import row_at
from la2ds_cli.core.csv_tables import read_rows
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.core.view import FLIPPED, VIEWS, View
from la2ds_cli.features.camera_views import shown
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.studio.clips_page import enough_clips, posed_clip
from la2ds_cli.studio.pages import page, posted, read_result
from la2ds_cli.studio.phases import clip_data
from la2ds_cli.views.alignment_files import FOLDER

_WRITTEN = (".json", ".csv", ".png")
_FILES = {"table": ".csv", "figure": ".png"}
PLAYED = 16  # clips at most
_AGAIN = "put the clips on one timeline again"


def _show(request: Request) -> Response:
    """Return the page with the named timeline, or else the newest, and the form for another."""
    project: StoredProject = request.app.state.studio.project
    timelines = _timelines(project)
    name = request.query_params.get("name", "") or next(iter(timelines), "")
    files = {}
    if name:
        path = _document(project, name)
        files = {kind: path.with_suffix(suffix).is_file() for kind, suffix in _FILES.items()}
    return HTMLResponse(
        page(
            "timeline.html",
            "Timeline",
            here="/timeline",
            clips=enough_clips(request, 2),
            chosen=set(request.query_params.getlist("clip")),
            listed=list(timelines),
            name=name,
            files=files,
        )
    )


def _timelines(project: StoredProject) -> dict[str, Path]:
    """Return the documents of all timelines by name, newest first."""
    paths = filter(Path.is_file, project.results_dir(FOLDER).glob("*.json"))
    newest = sorted(paths, key=lambda path: (-path.stat().st_mtime, path.name))
    return {path.stem: path for path in newest}


def _document(project: StoredProject, name: str) -> Path:
    """Return the document of a timeline; raise UserError (exit 2) for an unknown name."""
    path = _timelines(project).get(name)
    if path is None:
        raise UserError("there is no such timeline", hint=_AGAIN)
    return path


def _file(request: Request) -> Response:
    """Return a file of a timeline, as a download."""
    suffix = _FILES.get(request.path_params["kind"])
    path = _document(request.app.state.studio.project, request.path_params["name"])
    if suffix is None or not path.with_suffix(suffix).is_file():
        raise UserError("this timeline has no such file", hint=_AGAIN)
    path = path.with_suffix(suffix)
    return FileResponse(path, filename=path.name)


# --- what a timeline shows ------------------------------------------------------------------------


def _data(request: Request) -> Response:
    """Return a timeline for the page, see timeline_json."""
    studio = request.app.state.studio
    path = _document(studio.project, request.query_params.get("name", ""))
    return JSONResponse(timeline_json(studio, path))


def timeline_json(studio: Any, path: Path) -> dict[str, Any]:
    """Return what the page shows of a timeline; path: of its document.

    about: a sentence. order: ids of all clips. left_out: name -> why. clips: at most PLAYED, the
    reference first, others evenly spaced in their order; besides clip_data each has rows, one for
    each frame of the reference (None where it does not show the moment), remarks in words, and
    doubtful: whether it may show another movement. more: how many clips are not shown. changed: ids
    of clips that have changed since they were placed.

    Raises UserError (exit 5) if the document or its table cannot be read, or if the reference has
    changed.
    """
    document = read_result(path, "a timeline", _AGAIN, _parsed)
    reference, clips = document.pop("reference"), document.pop("placed")
    placed = _positions(path.with_suffix(".csv"))
    videos = {video.id: video for video in studio.project.posed_videos()}
    poses: dict[str, PoseSequence] = {}
    for name in clips:
        frame, position = placed.get(name, ([], []))
        if name in videos and not np.isnan(position).all():
            pose = studio.project.read_pose(name)[0]
            if np.array_equal(frame, pose.frame):
                poses[name] = pose
    if reference not in poses:
        raise _unreadable("the reference of this timeline has changed since it was made")
    clock = np.array(placed[reference][1])
    rows = {name: row_at(np.array(placed[name][1]), clock) for name in poses}
    others = [name for name in poses if name != reference and not np.isnan(rows[name]).all()]
    picked = [reference, *evenly_spaced(others, PLAYED - 1)]
    views: dict[object, View] = {view: view for view in VIEWS}
    played = []
    for name in picked:
        view, about = views.get(clips[name].get("view"), "filmed"), clips[name]
        data = clip_data(studio, videos[name], shown(poses[name], view), flipped=view in FLIPPED)
        shows = [None if math.isnan(row) else int(row) for row in np.rint(rows[name]).tolist()]
        remarks = {"remarks": _remarks(about), "doubtful": bool(about.get("doubtful"))}
        played.append(data | {"rows": shows} | remarks)
    changed = sorted(name for name in clips if name not in poses)
    return document | {"clips": played, "more": len(poses) - len(picked), "changed": changed}


def _parsed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contents of a document as in timeline_json, the reference's id, and `placed`: the
    entries of all clips by id."""
    reference, clips = document["reference"], document["clips"]
    how = "named" if reference["named"] else "the most typical of a sample"
    by = features_name(document["features"], document["run"] or "")
    clock = Path(str(reference["path"])).name
    return {
        "about": f"{len(clips)} clips on the timeline of {clock} ({how}), aligned on {by}",
        "order": [str(clip["video"]) for clip in clips],
        "left_out": dict(document["left_out"]),
        "angle_note": str(document["angles"].get("note", "")),
        "reference": str(reference["video"]),
        "placed": {str(clip["video"]): dict(clip) for clip in clips},
    }


def _remarks(clip: Mapping[str, Any]) -> str:
    """Return remarks on a clip of a document, in words."""
    remarks = {
        "perhaps another movement": clip.get("doubtful"),
        "mirrored": clip.get("mirrored"),
        f"the nearest of {clip.get('repetitions')} repetitions": clip.get("repetitions", 1) > 1,
    }
    return ", ".join(text for text, applies in remarks.items() if applies)


def _positions(table: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Return the frames of each clip and their positions; raise UserError (exit 5) if the table
    cannot be read."""
    if not table.is_file():
        raise _unreadable(f"the table of this timeline, {table.name}, is missing")
    placed: dict[str, tuple[list[int], list[float]]] = {}

    def parsed(cells: Mapping[str, str]) -> None:
        frames, positions = placed.setdefault(cells["clip"], ([], []))
        frames.append(int(cells["frame"]))
        positions.append(float(cells["position"] or "nan"))

    read_rows(table, parsed, _AGAIN)
    return placed


def _unreadable(message: str) -> UserError:
    return Mismatch(message, hint=_AGAIN)


# --- the command ----------------------------------------------------------------------------------


async def _make(request: Request) -> Response:
    """Queue a timeline: {"clips": ids, "reference": an id, null = the most typical clip}."""
    studio = request.app.state.studio
    content = await posted(request, clips=[str], reference=(None, str))
    name, arguments = make_arguments(studio.project, content)
    job = studio.jobs.add(f"the timeline {name}", arguments, about={"name": name})
    return JSONResponse({"number": job.number})


def make_arguments(project: StoredProject, content: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the name of a requested timeline, and the command that makes it; content: see
    _make."""
    ids, first = dict.fromkeys(content["clips"]), content["reference"]
    if len(ids) < 2:
        raise UserError("a timeline needs at least two clips", hint="choose another clip")
    clips = [posed_clip(project, clip).id for clip in ids]
    options = [] if first is None else [f"--reference={posed_clip(project, first).id}"]
    name = hashlib.sha256("\n".join([*clips, *options]).encode()).hexdigest()[:8]
    name = f"{len(clips)}-clips-{name}"
    folder = project.results_dir(FOLDER)
    files = [f"--out={folder / f'{name}{suffix}'}" for suffix in _WRITTEN]
    return name, ["timeline", *options, *files, f"--project={project.root}", "--", *clips]


ROUTES = [
    Route("/timeline", _show),
    Route("/timeline/data", _data),
    Route("/timeline/make", _make, methods=["POST"]),
    Route("/timeline/file/{name}/{kind}", _file),
]
