"""The Search page: the same moment in other clips, found as `la2ds retrieve` finds it.

A request is answered at once unless more than two clips have to be embedded first; then the command
does so as a job.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.alignment.request import features_name
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.retrieval.frame_search import Limits
from la2ds_cli.retrieval.retrieve import RetrievalRequest, RetrievalResult, retrieve, view_words
from la2ds_cli.studio.clips_page import (
    FOR_EVER,
    THUMBNAIL,
    clip_of,
    enough_clips,
    posed_clip,
    requested_or_first_clip,
)
from la2ds_cli.studio.film import Films
from la2ds_cli.studio.pages import Notes, page, posted, with_names
from la2ds_cli.views.film_strip import aspect, cut_out, small_webp, view_boxes, with_joints

MOST, EACH = 24, 2  # frames in an answer, and per clip
_KIND = "search"  # kind of its jobs


class _TakesLong(Exception):
    """A request needs more than a search."""


class _Quick(Notes):
    """Raise _TakesLong when a task begins."""

    def begin(self, label: str, total: float | None = None, done: float = 0.0) -> None:
        raise _TakesLong(label)


def _show(request: Request) -> Response:
    """Return the page of the named clip, or else of the first."""
    clip, clips = requested_or_first_clip(request), enough_clips(request)
    return HTMLResponse(page("search.html", "Search", here="/search", clip=clip, clips=clips))


# --- the request ----------------------------------------------------------------------------------


async def _near(request: Request) -> Response:
    """Return `found` (see found_json), or the `number` of the job that embeds missing clips, after
    which the page should ask again."""
    studio = request.app.state.studio
    content = await posted(request, clip=str, row=int)

    def work() -> tuple[dict[str, Any] | None, str]:
        project: StoredProject = studio.project
        clip = posed_clip(project, content["clip"])
        query = f"{clip.id}@{_second(project.read_pose(clip.id)[0], content['row'])!r}"
        others = len(project.posed_videos()) - 1
        limits = Limits(max(min(MOST, EACH * others), 1), EACH)
        progress = _Quick()
        try:
            result = retrieve(project, RetrievalRequest(query, limits), progress)
        except _TakesLong:
            return None, query
        return found_json(project, result, progress.notes), query

    found, query = await studio.turns.searches.run(request, work)
    if found is not None:
        return JSONResponse({"found": found})
    jobs, root = studio.jobs, studio.project.root
    job = jobs.under_way(_KIND)
    if job is None:
        arguments = ["retrieve", f"--query={query}", f"--project={root}"]
        job = jobs.add("preparing the clips for the search", arguments, about={"kind": _KIND})
    return JSONResponse({"number": job.number})


def _second(pose: PoseSequence, row: int) -> float:
    """Return the time of a clip's row, in seconds."""
    if not 0 <= row < len(pose):
        raise UserError("there is no such frame", hint="reload the page")
    return float(pose.time[row])


def found_json(
    project: StoredProject, result: RetrievalResult, notes: Sequence[str]
) -> dict[str, Any]:
    """Return what the page shows of a search.

    clip, row, phase: of the query. hits: each with id and name of the clip, row, seconds, distance,
    phase, whether it is the query's phase, the view in words, and the address of its picture.
    features: in words. frames, clips: how many were searched.
    """
    (query,) = result.queries
    clips = {video.id: video for video in project.posed_videos()}
    hits = []
    for hit in query.hits:
        video = clips.get(hit.video)
        if video is None:  # removed since
            continue
        version = project.pose_header(video.id)[0].key[:12]
        hits.append(
            {
                "clip": video.id,
                "name": video.title,
                "row": hit.index,
                "seconds": round(hit.time, 4),
                "distance": hit.distance,
                "phase": hit.phase,
                "same_phase": hit.same_phase,
                "view": view_words(hit.view, hit.unsure),
                "picture": f"/search/picture/{quote(video.id, safe='')}/{hit.index}?v={version}",
            }
        )
    return {
        "clip": query.video,
        "row": query.index,
        "phase": query.phase,
        "hits": hits,
        "features": features_name(result.features, result.run),
        "frames": result.frames,
        "clips": result.clips,
        "left_out": len(result.left_out),
        "notes": with_names(notes, clips.values()),
    }


# --- pictures -------------------------------------------------------------------------------------


def _picture(request: Request) -> Response:
    """Return a picture of a frame with its joints, as on the Clips page."""
    studio = request.app.state.studio
    clip = clip_of(request)
    pose = studio.project.read_pose(clip.id)[0]
    row = request.path_params["row"]
    if row >= len(pose):
        raise UserError("there is no such frame", hint="reload the page")
    content = frame_picture(studio.films, clip, pose, row, THUMBNAIL)
    return Response(content, media_type="image/webp", headers=FOR_EVER)


def frame_picture(films: Films, clip: Video, pose: PoseSequence, row: int, height: int) -> bytes:
    """Return a row of a clip as WebP: its part of the picture (film_strip.view_boxes) with joints;
    the joints alone if there is no picture."""
    whole = films.picture(clip, pose.frame, row) if all(pose.size) else None
    image = None
    if whole is not None:
        scale = whole.shape[0] / pose.size[1]
        box = (view_boxes(pose)[row] + 0.5) * scale - 0.5  # pixel centres are integers
        image = cut_out(whole, box, max(round(height * aspect(pose)), 1), height)
    return small_webp(with_joints(pose, row, height, image))


ROUTES = [
    Route("/search", _show),
    Route("/search/near", _near, methods=["POST"]),
    Route("/search/picture/{id}/{row:int}", _picture),
]
