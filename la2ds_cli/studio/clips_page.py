"""The Clips page: the clips with their quality, and pictures to judge them by. Changes are in
clip_changes.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.alignment.repetitions import cut_clip
from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.errors import Unusable, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.poses.clip_state import read_clip_state
from la2ds_cli.poses.current import PoseRecipes
from la2ds_cli.poses.quality import clip_facts, verdict
from la2ds_cli.poses.subjects import ranks, read_subjects, subject_of
from la2ds_cli.studio.film import encoded
from la2ds_cli.studio.jobs import with_hint
from la2ds_cli.studio.pages import page
from la2ds_cli.studio.saving import version
from la2ds_cli.video.media_files import is_image_folder, is_video_file, natural_order
from la2ds_cli.video.reader import Image, probe, read_frames, video_file
from la2ds_cli.video.source_version import read_stamp
from la2ds_cli.views.film_strip import resize, thumbnail

VIDEOS = "videos"  # the project's folder for copied files
THUMBNAIL = 216  # height in pixels, at least twice that on the page
STRIP = 16  # pictures of a whole file
STRIP_HEIGHT = 540  # pixels at most
STRIPS_KEPT = 8
FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}  # the address has the version


def show(request: Request) -> Response:
    """Return the Clips page; its script requests the clips."""
    return HTMLResponse(page("clips.html", "Clips", here="/"))


def list_clips(request: Request) -> Response:
    """Return all clips, and the copied files without joints."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    videos, recipes = project.videos(), PoseRecipes(project, project.config().poses)
    reasons = _file_problems([job.result for job in list(studio.jobs.jobs.values()) if job.result])
    return JSONResponse(
        {
            "clips": [about(project, video, recipes) for video in videos],
            "files": [
                {
                    "name": path.name,
                    "problem": reasons.get(str(path), ""),
                    "version": file_version(path),
                }
                for path in unused_files(project, videos)
            ],
        }
    )


def about(project: StoredProject, video: Video, recipes: PoseRecipes) -> dict[str, Any]:
    """Return what the page shows about a clip.

    lost: why its video cannot be shown, if so. stale: how its joints differ from those of the
    current settings, if so. pictures_key: changes with its joints, empty without. doubts:
    weaknesses of its joints, None without joints. versions: see clip_versions.
    """
    options = ClipOptions.from_text(video.options)
    state = read_clip_state(project, video, recipes)
    facts: dict[str, Any] = {
        "id": video.id,
        "name": video.title,
        "file": Path(video.path).name,
        "copied": is_copied(project, video),
        "split": video.split,
        "group": video.group,
        "options": options.to_json(),
        "lost": state.lost,
        "stale": state.joints if state.key and state.joints else "",
        "frames": video.frames,
        "seconds": video.frames / video.fps if video.fps else 0.0,
        "pictures_key": "",
        "versions": clip_versions(project, video, recipes.subjects),
        "doubts": None,
        "problem": "",
    }
    try:
        recipe, _ = project.pose_header(video.id)
        weaknesses = verdict(clip_facts(project, video.id))
    except UserError as error:
        facts["problem"] = str(error)
        return facts
    doubts = [
        {"code": weakness.code, "message": weakness.message, "hint": weakness.hint}
        for weakness in weaknesses
    ]
    return facts | {"pictures_key": recipe.key[:12], "doubts": doubts}


def clip_versions(
    project: StoredProject, video: Video, subjects: Mapping[str, str]
) -> dict[str, str]:
    """Return the versions of a clip's split, group and reading, each of which the page can change.

    The reading is the file, its options, whom to follow and the joints without corrections.
    subjects: see read_subjects.
    """
    state: tuple[object, ...] = ()
    with suppress(OSError):
        status = project.pose_path(video.id).stat()
        state = status.st_ino, status.st_size, status.st_mtime_ns
    return {
        "split": version(video.split),
        "group": version(video.group),
        "reading": version(video.path, video.options, subject_of(subjects, video), state),
    }


def file_version(path: Path) -> str:
    """Return the version of a copied file, which differs for another file of the same name; empty
    if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return version(status.st_ino, status.st_size, status.st_mtime_ns)


def _file_problems(results: list[Mapping[str, Any]]) -> dict[str, str]:
    """Return why files have no joints, by path, from the newest job that read each."""
    problems = {}
    for result in results:
        for item in result.get("items") or []:
            if item.get("status") in ("failed", "skipped"):
                path = item["path"]  # which the page shows by its name
                message = item["message"].replace(path, Path(path).name)
                problems[path] = with_hint(message, item["hint"])
    return problems


def is_copied(project: StoredProject, video: Video) -> bool:
    """Return whether the file of a clip is the project's own copy."""
    return project.source(video).parent == project.root / VIDEOS


def unused_files(project: StoredProject, videos: list[Video]) -> list[Path]:
    """Return the videos in the project's folder that belong to no clip."""
    folder = project.root / VIDEOS
    if folder.is_symlink() or not folder.is_dir():
        return []
    used = {project.source(video) for video in videos}
    names = natural_order(path.name for path in folder.iterdir() if is_video_file(path))
    return [folder / name for name in names if folder / name not in used]


def clip_of(request: Request) -> Video:
    """Return the clip named in the address; raise UserError if there is none."""
    name = request.path_params["id"]
    videos = request.app.state.studio.project.videos()
    clip = next((video for video in videos if video.id == name), None)
    if clip is None:
        raise UserError(f"the project has no clip {name}", hint="reload the page")
    return clip


def posed_clip(project: StoredProject, name: str) -> Video:
    """Return a clip by id; raise UserError (exit 2) if there is none, (exit 4) if it has no
    joints."""
    clip = project.video_list().find(name) if name else None
    if clip is None:
        raise UserError("choose a clip of the project")
    if not project.pose_path(clip.id).exists():
        raise Unusable(f"{clip.title} has no joints yet", hint="find its joints on the Clips page")
    return clip


def requested_clip(request: Request, parameter: str = "clip") -> Video:
    """Return the clip that the address of a request names; raise as posed_clip."""
    name = request.query_params.get(parameter, "")
    return posed_clip(request.app.state.studio.project, name)


def enough_clips(request: Request, least: int = 1) -> list[Video]:
    """Return the clips with joints; raise UserError (exit 4) if there are fewer than `least`."""
    clips = request.app.state.studio.project.posed_videos()
    if len(clips) < least:
        needed = "a clip" if least == 1 else f"{least} clips"
        raise Unusable(
            f"this page needs {needed} with joints; the project has {len(clips) or 'none'}",
            hint="add clips on the Clips page",
        )
    return clips


def requested_or_first_clip(request: Request) -> Video:
    """Return the clip that the address names, or else the first; raise as enough_clips."""
    first = enough_clips(request)[0]
    return requested_clip(request) if request.query_params.get("clip") else first


# --- pictures -----------------------------------------------------------------------------------


def picture(request: Request) -> Response:
    """Return the thumbnail of a clip, created once for each version of its joints."""
    project: StoredProject = request.app.state.studio.project
    video = clip_of(request)
    recipe, _ = project.pose_header(video.id)
    folder = project.results_dir("studio/thumbnails")
    path = folder / f"{video.id}.{recipe.key[:12]}.webp"
    try:
        content = regular_file.content(path)
    except FileNotFoundError:
        pose, _ = project.read_pose(video.id)
        source = video_file(project, video)
        content = thumbnail(source, pose, THUMBNAIL)
        if source is not None:
            source.verify()
        artifact.write_bytes(path, content)
        for old in folder.glob(f"{escape(video.id)}.*.webp"):
            if old != path:  # which another request may be reading
                old.unlink(missing_ok=True)
    return Response(content, media_type="image/webp", headers=FOR_EVER)


Strip = tuple[list[bytes], list[float], tuple[int, int], float]
"""Pictures of a whole file, rotated and mirrored as in its clip: JPEGs, their times in seconds of
the file, (W, H) of the frames, and the duration of the file."""


@lru_cache(STRIPS_KEPT)
def _strip(path: Path, options: ClipOptions, _: str) -> Strip:
    """Return STRIP to twice as many pictures of a file.

    Every n-th frame is kept, and n doubles whenever there are too many, since the length may be
    unknown. The last argument, a stamp, changes with the file.
    """
    info = probe(path, options)
    scale = min(1.0, STRIP_HEIGHT / info.height)
    step = max(1, math.ceil(info.frames_declared / STRIP))
    kept: list[tuple[float, Image]] = []
    time = 0.0
    for frame in read_frames(path, options):
        time = frame.time
        if frame.index % step == 0:
            kept.append((time, resize(frame.image, scale)))
        if len(kept) > 2 * STRIP:
            kept, step = kept[::2], 2 * step
    pictures = [encoded(image) for _, image in kept]
    return pictures, [t for t, _ in kept], (info.width, info.height), time + 1 / info.fps


def _strip_of(project: StoredProject, video: Video) -> Strip | None:
    """Return the strip of a clip, None if it has no video or image folder; raise UserError if it
    cannot be read."""
    path = project.source(video)
    if not (is_video_file(path) or is_image_folder(path)):
        return None
    options = ClipOptions.from_text(video.options)
    whole = replace(options, start=0.0, end=math.inf, slowmo=1.0)
    return _strip(path, whole, read_stamp(path))


async def strip_picture(request: Request) -> Response:
    """Return a picture of the strip of a clip."""
    studio = request.app.state.studio
    strip = await studio.turns.strips.run(
        request, lambda: _strip_of(studio.project, clip_of(request))
    )
    number = request.path_params["number"]
    if strip is None or number >= len(strip[0]):
        raise UserError("there is no such picture")
    return Response(strip[0][number], media_type="image/jpeg", headers=FOR_EVER)


# --- one clip -----------------------------------------------------------------------------------


async def detail(request: Request) -> Response:
    """Return the details of a clip, see detail_json."""
    studio = request.app.state.studio
    details = await studio.turns.strips.run(
        request, lambda: detail_json(studio.project, clip_of(request))
    )
    return JSONResponse(details)


def detail_json(project: StoredProject, video: Video) -> dict[str, Any]:
    """Return `about` of a clip, with pictures over its whole file and the people in each."""
    subject = subject_of(read_subjects(project), video) or project.config().poses.subject
    facts = about(project, video, PoseRecipes(project, project.config().poses))
    nothing: Strip = [], [], (video.width, video.height), 0.0
    try:
        _, times, size, seconds = _strip_of(project, video) or nothing
    except UserError as error:  # the clip can still be marked and removed
        _, times, size, seconds = nothing
        facts["problem"] = facts["problem"] or f"{error.message}: {error.hint}"
    try:
        pose, _ = project.read_pose(video.id)
    except UserError:
        pose = None
    pictures: list[dict[str, Any]] = [{"time": time} for time in times]
    if pose is not None:
        slowmo = ClipOptions.from_text(video.options).slowmo
        for shown in pictures:
            shown["people"] = people(pose, shown["time"] / slowmo, subject)
    return facts | {"pictures": pictures, "size": size, "file_seconds": seconds}


def people(pose: PoseSequence, time: float, subject: str) -> list[dict[str, Any]]:
    """Return the people in the picture at a moment of the clip; none outside the clip's time range.

    rank: as for `--subject`. box: xyxy in pixels, of the nearest frame for the followed person, the
    mean box for others. followed: whether the joints are those of this person.
    """
    row = pose.axis.row_of(time, 0.0)
    if row is None:
        return []
    persons = list(pose.info.get("candidates") or [])
    followed = int(pose.info.get("person", 1)) - 1
    shown = []
    by_rank = zip(persons, ranks(len(persons), subject), strict=True)
    for number, (person, rank) in enumerate(by_rank):
        is_followed = number == followed
        box = pose.box[row] if is_followed else np.asarray(person["box"], np.float64)
        present = is_followed or person["first"] <= row <= person["last"]
        if present and np.isfinite(box).all():
            sides = [round(float(side), 1) for side in box]
            shown.append(
                {"rank": person.get("rank") or rank, "box": sides, "followed": is_followed}
            )
    return shown


def repetitions(request: Request) -> Response:
    """Return the repetitions of a clip, in seconds of its file."""
    project: StoredProject = request.app.state.studio.project
    video = clip_of(request)
    return JSONResponse(spans_of_repetitions(project, video))


def spans_of_repetitions(project: StoredProject, video: Video) -> list[dict[str, float]]:
    """Return `start` and `end` of each repetition in seconds of the file, to the millisecond, as
    for `--time-range`. Raises UserError (exit 4) for a clip without repetitions."""
    pose, _ = project.read_pose(video.id)
    slowmo = ClipOptions.from_text(video.options).slowmo
    spans = cut_clip(pose)
    if len(spans) < 2:
        raise Unusable(
            f"no repetitions were found in {video.title}",
            hint="trim it by dragging the ends of its strip",
        )
    ends = pose.axis.bounds
    return [
        {
            "start": math.floor(1000 * float(ends[span.start]) * slowmo) / 1000,
            "end": math.floor(1000 * float(ends[span.stop]) * slowmo) / 1000,
        }
        for span in spans
    ]


ROUTES = [
    Route("/", show),
    Route("/clips", list_clips),
    Route("/clips/{id}", detail),
    Route("/clips/{id}/picture", picture),
    Route("/clips/{id}/strip/{number:int}", strip_picture),
    Route("/clips/{id}/repetitions", repetitions),
]
