"""The Phases page: label a clip while it plays, propagate its phases to others, review them, and
give them to other tools."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.alignment.result import rounded
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import END, START, PhaseRow
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.labels.exchange import export_labels
from la2ds_cli.labels.files import writer
from la2ds_cli.studio.clips import posed_clip, requested_clip, requested_or_first_clip
from la2ds_cli.studio.labels import ROW, end_confidence, row_json, version
from la2ds_cli.studio.pages import page, posted
from la2ds_cli.views.figure import PHASE_COLOURS
from la2ds_cli.views.report.frame_images import windows
from la2ds_cli.views.report.pair_data import clip_json, skeleton_json


def _show(request: Request) -> Response:
    """The page of the named clip, or else of the first."""
    clip = requested_or_first_clip(request)
    return HTMLResponse(page("phases.html", "Phases", here="/phases", clip=clip))


def _data(request: Request) -> Response:
    """A clip with its joints, its film and its labels."""
    studio = request.app.state.studio
    project: Project = studio.project
    clip = requested_clip(request)
    pose = project.read_pose(clip.id)[0]
    rows = project.clip_phases().by_clip.get(clip.id, [])
    return JSONResponse(clip_data(studio, clip, pose) | {"ends": _ends(pose)} | _labels(rows))


def clip_data(
    studio: Any, clip: Video, pose: PoseSequence, *, flipped: bool = False
) -> dict[str, Any]:
    """What a page that plays one clip shows: the clip with its joints and film, see pair_data, and
    the limbs. flipped: its joints are mirrored, so its pictures must be mirrored too."""
    film = studio.films.facts(clip, pose.frame)
    return {
        "id": clip.id,
        "clip": clip_json(clip, pose, [], flipped=flipped)
        | {
            "pictures": film if all(pose.size) else None,
            "window": [rounded(row, 2) for row in windows(pose)],
            "size": list(pose.size),
        },
        "skeleton": skeleton_json(get_skeleton(pose.skeleton)),
    }


def _ends(pose: PoseSequence) -> tuple[int, int]:
    """Frames at which a clip begins and ends."""
    return int(pose.frame[0]), int(pose.frame[-1]) + 1


def _labels(rows: list[PhaseRow]) -> dict[str, Any]:
    return {"rows": [row_json(row) for row in rows], "version": version(rows)}


async def _save(request: Request) -> Response:
    """Save the labels of a clip."""
    studio = request.app.state.studio
    given = await posted(request, clip=str, rows=[ROW], version=str)

    def work() -> dict[str, Any]:
        clip = posed_clip(studio.project, given["clip"])
        ends = _ends(studio.project.read_pose(clip.id)[0])
        return _labels(studio.labels.save(clip, given["rows"], given["version"], ends))

    return JSONResponse(await run_in_threadpool(work))


def _overview(request: Request) -> Response:
    """clips: number of phases of each, and how many are propagated; names: of the phases, in order
    of appearance; palette: their colours, in the same order; queue: see review_queue."""
    project: Project = request.app.state.studio.project
    phases = project.clip_phases()
    rows = phases.by_clip
    listed = project.posed_videos()
    clips = []
    for video in listed:
        own = rows.get(video.id, [])
        facts = {"id": video.id, "name": video.title, "phases": len(own)}
        clips.append(facts | {"carried": sum(row.phase.propagated for row in own)})
    names = list(dict.fromkeys(row.phase.name for row in phases.table.rows))
    return JSONResponse(
        {
            "clips": clips,
            "names": names,
            "palette": PHASE_COLOURS,
            "queue": review_queue(project, listed, rows),
        }
    )


def review_queue(
    project: Project, clips: list[Video], rows: dict[str, list[PhaseRow]]
) -> list[dict[str, Any]]:
    """The boundaries of propagated labels that nobody has checked, the least sure first.

    clip, name: of the clip; frame: where `after` begins, or where `before` ends if nothing follows
    directly; confidence: 0 to 1, None = unknown, sorted first.
    """
    queue = []
    for video in clips:
        borders: dict[int, list[str]] = {}
        confidence: dict[int, float | None] = {}
        carried = [row for row in rows.get(video.id, []) if row.phase.propagated]
        ends = _ends(project.read_pose(video.id)[0]) if carried else (0, 0)
        for row in carried:
            sides = (START, row.phase.start), (END, row.phase.end)
            for (side, frame), known in zip(sides, end_confidence(row), strict=True):
                inside = ends[0] < frame < ends[1]
                if inside and side not in row.checked:
                    names = borders.setdefault(frame, ["", ""])
                    names[side == START] = row.phase.name
                    confidence[frame] = known
        for frame, (before, after) in borders.items():
            queue.append(
                {
                    "clip": video.id,
                    "name": video.title,
                    "frame": frame,
                    "before": before,
                    "after": after,
                    "confidence": confidence[frame],
                }
            )
    return sorted(queue, key=lambda one: -1 if one["confidence"] is None else one["confidence"])


async def _carry(request: Request) -> Response:
    """Propagate the labels of the clips that a person has labelled to all others."""
    studio = request.app.state.studio
    project: Project = studio.project
    rows = await run_in_threadpool(lambda: project.clip_phases().by_clip)
    done = [clip for clip, own in rows.items() if not any(row.phase.propagated for row in own)]
    if not done:
        raise UserError(
            "no clip is labelled by a person yet", hint="label one, or accept propagated phases"
        )
    options = [f"--from={','.join(done)}", "--to=all", "--write", "--overwrite"]
    arguments = ["transfer-labels", *options, f"--project={project.root}"]
    job = studio.jobs.add("propagating the phases to the other clips", arguments)
    return JSONResponse({"number": job.number})


def _export(request: Request) -> Response:
    """The labels of a clip as a file of another tool."""
    project: Project = request.app.state.studio.project
    clip, name = requested_clip(request), request.path_params["format"]
    suffix = writer(name)[1]
    folder = project.results_dir(f"studio/labels/{name}")
    (item,) = export_labels(project, name, [clip.id], folder, overwrite=True)
    if item.status in ("failed", "skipped"):
        raise UserError(item.message, hint=item.hint, exit_code=ExitCode.UNREADABLE)
    path = folder / f"{clip.id}{suffix}"
    return FileResponse(path, filename=path.name, media_type="application/octet-stream")


ROUTES = [
    Route("/phases", _show),
    Route("/phases/data", _data),
    Route("/phases/overview", _overview),
    Route("/phases/save", _save, methods=["POST"]),
    Route("/phases/carry", _carry, methods=["POST"]),
    Route("/phases/files/{format}", _export),
]
