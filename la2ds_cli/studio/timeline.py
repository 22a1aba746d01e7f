"""The Timeline page: many clips on one timeline, made by `la2ds timeline`; up to sixteen of them
play in step."""

from __future__ import annotations

import hashlib
import math
import re
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
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.core.view import FLIPPED, VIEWS, View
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.features.viewpoint import shown
from la2ds_cli.studio.clips import posed_clip
from la2ds_cli.studio.pages import named_to_command, page, posted, read_result
from la2ds_cli.studio.phases import clip_data
from la2ds_cli.views.timeline_figure import FOLDER

_KIND = "timeline"  # kind of its jobs
_ALL = "timeline"  # the command's name for the timeline of all clips
_WRITTEN = (".json", ".csv", ".png")
_FILES = {"table": ".csv", "figure": ".png"}
PLAYED = 16  # clips at most
_AGAIN = "put the clips on one timeline again"


def _show(request: Request) -> Response:
    """The page: the named timeline, or else the newest, and the form to make another."""
    project: Project = request.app.state.studio.project
    clips = project.posed_videos()
    listed = _listed(project)
    name = request.query_params.get("name", "")
    path = _document(project, name) if name else (listed[0] if listed else None)
    files = {}
    if path is not None:
        files = {kind: path.with_suffix(suffix).is_file() for kind, suffix in _FILES.items()}
    return HTMLResponse(
        page(
            "timeline.html",
            "Timeline",
            here="/timeline",
            clips=clips,
            groups=sorted({clip.group for clip in clips if clip.group}),
            chosen=set(request.query_params.getlist("clip")),
            listed=[one.stem for one in listed],
            timeline=None if path is None else told(path),
            files=files,
        )
    )


def _listed(project: Project) -> list[Path]:
    """The documents of all timelines, newest first."""
    paths = project.results_dir(FOLDER).glob("*.json")
    return sorted(paths, key=lambda path: (-path.stat().st_mtime, path.name))


def _document(project: Project, name: str) -> Path:
    """The document of a timeline. Raises UserError (exit 2) if there is none of this name."""
    for path in project.results_dir(FOLDER).glob("*.json"):
        if path.stem == name:
            return path
    raise UserError("there is no such timeline", hint=_AGAIN)


def told(path: Path) -> dict[str, Any]:
    """What the page says about a timeline: its name, a line about it, its clips, what was left out
    and why; or the problem with its document."""
    try:
        said = read_result(path, "a timeline", _AGAIN, _told)
    except UserError as error:
        said = {"problem": error.message}
    return {"name": path.stem, "problem": "", **said}


def _told(document: Mapping[str, Any]) -> dict[str, Any]:
    reference, clips = document["reference"], document["clips"]
    how = "named" if reference["named"] else "the most typical of a sample"
    by = features_name(document["features"], document["run"] or "")
    clock = Path(str(reference["path"])).name
    rows = []
    for clip in clips:
        numbers = (clip["times_as_long"], clip["mean_confidence"])
        rows.append(
            (
                str(clip["video"]),
                f"{clip['matched_frames']} of {clip['frames']}",
                f"{clip['start']:.2f} to {clip['end']:.2f}",
                *("–" if number is None else f"{number:.2f}" for number in numbers),
                _remarks(clip),
            )
        )
    return {
        "about": f"{len(clips)} clips on the timeline of {clock} ({how}), aligned on {by}",
        "rows": rows,
        "left_out": [(str(name), str(why)) for name, why in document["left_out"].items()],
    }


def _file(request: Request) -> Response:
    """A file of a timeline, as a download."""
    suffix = _FILES.get(request.path_params["kind"])
    project: Project = request.app.state.studio.project
    path = _document(project, request.path_params["name"])
    if suffix is None or not path.with_suffix(suffix).is_file():
        raise UserError("this timeline has no such file", hint=_AGAIN)
    path = path.with_suffix(suffix)
    return FileResponse(path, filename=path.name)


# --- players --------------------------------------------------------------------------------------


def _data(request: Request) -> Response:
    """The clips of a timeline for the players, see players_json."""
    studio = request.app.state.studio
    path = _document(studio.project, request.query_params.get("name", ""))
    return JSONResponse(players_json(studio, path))


def players_json(studio: Any, path: Path) -> dict[str, Any]:
    """clips: at most PLAYED, the reference first, others evenly spaced in their order. Each has,
    besides clip_data: rows, one for each frame of the reference, None where it does not show the
    moment; remarks, in words; doubtful, whether it may show another movement. more: how many clips
    are not shown. changed: ids of clips that have changed since they were placed.

    path: of the document. Raises UserError (exit 5) if the document or its table cannot be read, or
    if the reference has changed.
    """
    reference, clips = _read(path)
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
        raise _unreadable("the reference of this timeline has changed since")
    clock = np.array(placed[reference][1])
    rows = {name: row_at(np.array(placed[name][1]), clock) for name in poses}
    others = [name for name in poses if name != reference and not np.isnan(rows[name]).all()]
    picked = [reference, *evenly_spaced(others, PLAYED - 1)]
    views: dict[object, View] = {view: view for view in VIEWS}
    told = []
    for name in picked:
        view, about = views.get(clips[name].get("view"), "filmed"), clips[name]
        data = clip_data(studio, videos[name], shown(poses[name], view), flipped=view in FLIPPED)
        shows = [None if math.isnan(row) else int(row) for row in np.rint(rows[name]).tolist()]
        remarks = {"remarks": _remarks(about), "doubtful": bool(about.get("doubtful"))}
        told.append(data | {"rows": shows} | remarks)
    changed = sorted(name for name in clips if name not in poses)
    return {"clips": told, "more": len(poses) - len(picked), "changed": changed}


def _remarks(clip: Mapping[str, Any]) -> str:
    """What is to be said of a clip of a document."""
    said = {
        "perhaps another movement": clip.get("doubtful"),
        "mirrored": clip.get("mirrored"),
        "slow motion": clip.get("slow"),
        f"the nearest of {clip.get('repetitions')} repetitions": clip.get("repetitions", 1) > 1,
    }
    return ", ".join(text for text, true in said.items() if true)


def _read(path: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """The reference of a document, and its clips by id. Raises UserError (exit 5)."""

    def parse(document: Mapping[str, Any]) -> tuple[str, dict[str, dict[str, Any]]]:
        clips = {str(clip["video"]): dict(clip) for clip in document["clips"]}
        return str(document["reference"]["video"]), clips

    return read_result(path, "a timeline", _AGAIN, parse)


def _positions(table: Path) -> dict[str, tuple[list[int], list[float]]]:
    """The frames of each clip and their positions. Raises UserError (exit 5)."""
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
    return UserError(message, hint=_AGAIN, exit_code=ExitCode.MISMATCH)


# --- commands -------------------------------------------------------------------------------------


async def _make(request: Request) -> Response:
    """Put some clips, a group, or all clips on one timeline. clips: ids; group: a name; reference:
    an id, null = the most typical clip."""
    studio = request.app.state.studio
    names = (None, str)
    asked = await posted(request, clips=(None, [str]), group=names, reference=names)
    name, arguments = make_arguments(studio.project, asked)
    about = {"kind": _KIND, "name": name}
    job = studio.jobs.add(f"the timeline {name}", arguments, about=about)
    return JSONResponse({"number": job.number, "name": name})


def make_arguments(project: Project, asked: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The name of the requested timeline, and the command that makes it."""
    ids, group, first = asked.get("clips"), asked.get("group"), asked.get("reference")
    if ids is not None:
        if len(ids) < 2:
            raise UserError("a timeline needs at least two clips", hint="choose another clip")
        ids = named_to_command(posed_clip(project, one).id for one in ids)
        which, name = ids, f"clips-{_digest(*ids)}"
    elif group is not None:
        groups = [clip.group for clip in project.posed_videos() if clip.group]
        if group not in groups:
            raise UserError("there is no such group", hint="load the page again")
        which, name = [f"--group={group}"], f"group-{_plain(group)}"
    else:
        which, name = [], _ALL
    if first is not None:
        (first,) = named_to_command([posed_clip(project, first).id])
        which, name = [*which, f"--reference={first}"], f"{name}-by-{_digest(first)}"
    folder = project.results_dir(FOLDER)
    files = [f"--out={folder / f'{name}{suffix}'}" for suffix in _WRITTEN]
    return name, ["timeline", *which, *files, f"--project={project.root}"]


def _digest(*names: str) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]


def _plain(group: str) -> str:
    """A group as a unique part of a file name."""
    plain = re.sub(r"[^\w-]+", "-", group, flags=re.ASCII)[:40]
    return plain if plain == group else f"{plain}-{_digest(group)}"


ROUTES = [
    Route("/timeline", _show),
    Route("/timeline/data", _data),
    Route("/timeline/make", _make, methods=["POST"]),
    Route("/timeline/file/{name}/{kind}", _file),
]
