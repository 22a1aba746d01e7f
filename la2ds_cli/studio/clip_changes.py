"""Changes made on the Clips page: adding files, how a file is read and whom to follow, the split
and group of a clip, and removing clips.

Joints are found by `extract-poses` as a job (jobs.py). It runs with `--shard 1/1`, which locks the
project only briefly, so that clips can be marked meanwhile.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import SPLITS, VIDEO_SUFFIXES, ClipOptions, Video, cell_of_path
from la2ds_cli.core.csv_tables import table_of
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.output_paths import write_output
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.current import STEP
from la2ds_cli.poses.sources import stands_for_clips
from la2ds_cli.poses.subjects import check_subject, read_subjects, subject_of
from la2ds_cli.studio.clips_page import (
    VIDEOS,
    clip_of,
    clip_versions,
    file_version,
    spans_of_repetitions,
    unused_files,
)
from la2ds_cli.studio.jobs import ENDED, Job
from la2ds_cli.studio.pages import posted
from la2ds_cli.studio.saving import Saves, known_version, refuse_changed
from la2ds_cli.video.media_files import is_video_file, refuse_url

LONGEST_NAME = 100  # bytes, without the file extension
WAIT = 5.0  # seconds to wait for another command that holds the project
SUFFIXES = VIDEO_SUFFIXES | {".webp"}
# Names that Windows reserves for devices, with any file extension.
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
_OPTIONS = {
    **dict.fromkeys(("start", "end", "slowmo"), (None, float)),
    "rotate": (None, int),
    "mirror": (None, bool),
}
_READ_BY = ("start", "end", "rotate", "mirror", "slowmo", "fps")


# --- added files --------------------------------------------------------------------------------


def clean_name(name: str) -> str:
    """Return a plain file name that is valid on every system, with the original file extension.

    Raises UserError for an extension that is not that of a video.
    """
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    stem, suffix = Path(last).stem, Path(last).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{last or 'a file without a name'} is not a video that la2ds can read",
            hint=f"video names end in {', '.join(sorted(SUFFIXES))}; add a folder of pictures by "
            "its path",
        )
    plain = "".join(c if c.isprintable() and c not in '<>:"|?*' else "-" for c in stem)
    short = plain.encode("utf-8", "replace")[:LONGEST_NAME].decode("utf-8", "ignore")
    short = short.strip(" .-") or "clip"
    return ("clip-" if _DEVICE.match(short) else "") + short + suffix


async def upload(request: Request) -> Response:
    """Store an uploaded file (the request body) in the project's folder."""
    project: StoredProject = request.app.state.studio.project
    name = clean_name(request.path_params["name"])
    folder = videos_folder(project)
    try:
        with artifact.temporary_beside(folder / name) as temporary:
            with temporary.open("wb") as stream:
                async for part in request.stream():
                    stream.write(part)
            if not temporary.stat().st_size:
                raise UserError(f"{name} is empty", hint="copy or record the file again")
            kept = await run_in_threadpool(_keep, temporary, folder, name)
    except OSError as error:
        raise artifact.cannot_write(folder / name, error) from error
    return JSONResponse({"name": kept})


def videos_folder(project: StoredProject) -> Path:
    """Return the folder of copied files, which need not exist; raise UserError (exit 5) if it is a
    link."""
    folder = project.root / VIDEOS
    if folder.is_symlink():
        raise Mismatch(
            f"{folder} is a link, but the studio copies files only into the project itself",
            hint="replace the link with a folder, or add the files by their path",
        )
    return folder


def _keep(temporary: Path, folder: Path, name: str) -> str:
    """Give a received file the first free name, and return it; if the folder already has the same
    video, return the name of that file."""
    size, digest = temporary.stat().st_size, artifact.file_digest(temporary)
    for path in folder.iterdir():
        alike = is_video_file(path) and path.stat().st_size == size
        if alike and artifact.file_digest(path) == digest:
            return path.name
    for number in count(1):
        path = folder / (name if number == 1 else f"{Path(name).stem}-{number}{Path(name).suffix}")
        try:
            path.open("xb").close()  # reserves the name
        except FileExistsError:
            continue
        artifact.replace_by(temporary, path)
        return path.name
    raise AssertionError("count never ends")


async def extract(request: Request) -> Response:
    """Find the joints of files of the project's folder: {"names": [...]}."""
    studio = request.app.state.studio
    names = (await posted(request, names=[str]))["names"]
    folder = videos_folder(studio.project)
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in names:
        if name not in there or not (folder / name).is_file():
            raise UserError(f"the project has no file {name}", hint="reload the page")
    if not names:
        raise UserError("no file was chosen")
    return _started(request, names, [str(folder / name) for name in names])


async def refer(request: Request) -> Response:
    """Find the joints of files that stay where they are: {"path": ...}, a file or a folder."""
    typed = (await posted(request, path=str))["path"].strip().strip("\"'")
    refuse_url(typed)
    path = Path(typed)
    with suppress(RuntimeError):  # the home folder of an unknown user
        path = path.expanduser()
    if not path.is_absolute():
        raise UserError(
            f"'{typed}' is not a full path", hint=f"type the full path, such as {Path.home()}"
        )
    if not await run_in_threadpool(_holds_clips, path):
        raise UserError(
            f"there is no video at {path}", hint="check the path of the video or folder"
        )
    return _started(request, [path.name], [str(path)])


def _holds_clips(path: Path) -> bool:
    try:
        return path.exists() and stands_for_clips(str(path))
    except OSError:  # a name that is too long, or a folder that may not be read
        return False


def _started(request: Request, names: Sequence[str], paths: Sequence[str]) -> Response:
    studio = request.app.state.studio
    what = names[0] if len(names) == 1 else f"{len(names)} files"
    arguments = [*_extraction(studio.project), *paths]
    job = studio.jobs.add(f"joints of {what}", arguments, about={"files": list(names)})
    return JSONResponse(job.to_json())


def _extraction(project: StoredProject) -> list[str]:
    return ["extract-poses", "--project", str(project.root), "--shard", "1/1"]


# --- how a file is read, and whom to follow -----------------------------------------------------


async def read_again(request: Request) -> Response:
    """Find the joints of a clip again, with other options ({"options": {...}}, with defaults for
    missing ones) or for another person ({"rank": N}).

    The new clip replaces the old one and takes over its split and group if it shows the same
    person. If this fails, the clip and the choice of whom to follow stay as they are.
    """
    studio = request.app.state.studio
    project: StoredProject = studio.project
    content = await posted(request, options=(None, _OPTIONS), rank=(None, int))
    video, rank = clip_of(request), content["rank"]
    refuse_read_differently(project, video, known_version(request))
    options = ClipOptions.from_text(video.options)
    if content["options"] is not None:
        options = _options(content["options"], options)
    subject = None if rank is None else str(rank)
    if subject is not None:
        check_subject(subject)
    row = await run_in_threadpool(_row, project, video, options, subject)
    return await _from_manifest(request, f"joints of {video.title}", video, [row])


def refuse_read_differently(project: StoredProject, video: Video, known: str) -> None:
    """Refuse to replace joints that have changed since the page was loaded.

    Parameters
    ----------
    known: the version that the page has.

    Raises
    ------
    Mismatch: (exit 5) if the clip is now read differently, or is gone.
    """
    listed = project.video_list().find(video.id)
    now = (
        clip_versions(project, listed, read_subjects(project))["reading"]
        if listed is not None
        else ""
    )
    refuse_changed(known, now, f"the joints of {video.title}")


def _read_together(project: StoredProject, video: Video) -> list[Video]:
    """Return the clips of all persons that were read together from a file."""
    reading = (video.path, video.options)
    return [each for each in project.videos() if (each.path, each.options) == reading]


def _options(content: Mapping[str, Any], old: ClipOptions) -> ClipOptions:
    """Return the options that a page has sent, with the frame rate of an image folder.

    Raises UserError for invalid values.
    """
    given = {name: content[name] for name in _OPTIONS if content.get(name) is not None}
    try:
        return ClipOptions(**given, fps=old.fps)
    except ValueError as error:
        raise UserError(f"the clip cannot be read with these options: {error}") from error


def _row(
    project: StoredProject, video: Video, options: ClipOptions, subject: str | None
) -> dict[str, str]:
    """Return a manifest row that reads the file of a clip again; a subject of None is unchanged."""
    source = project.source(video)
    if not source.exists():
        raise UserError(
            f"{source} no longer exists", hint="put it back, then find the joints again"
        )
    recipe, _ = project.pose_header(video.id)
    if recipe.step != STEP:
        raise UserError(
            f"the joints of {video.title} were imported and would be lost",
            hint="remove the clip and add its video file instead",
        )
    values = {"start": 0, "rotate": 0, "mirror": False, "slowmo": 1} | options.to_json()
    row = {name: str(values[name]).lower() for name in _READ_BY if name in values}
    chosen = subject if subject is not None else subject_of(read_subjects(project), video)
    return {"path": cell_of_path(str(source)), **row, "subject": chosen}


async def split(request: Request) -> Response:
    """Replace a clip with one clip for each of its repetitions."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    video = clip_of(request)
    refuse_read_differently(project, video, known_version(request))
    spans = await run_in_threadpool(spans_of_repetitions, project, video)
    options = ClipOptions.from_text(video.options)
    rows = []
    for span in spans:
        rows.append(await run_in_threadpool(_row, project, video, replace(options, **span), None))

    return await _from_manifest(request, f"{len(rows)} repetitions of {video.title}", video, rows)


async def _from_manifest(
    request: Request,
    title: str,
    video: Video,
    rows: Sequence[Mapping[str, str]],
) -> Response:
    """Read the file of a clip with a manifest of `rows`; the resulting clips replace it."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    _check_free(studio.jobs.jobs.values(), video)
    columns = ("path", *_READ_BY, "subject")
    table = table_of(columns, rows)
    manifest = project.results_dir("studio") / f"{video.id}.csv"
    await run_in_threadpool(write_output, project, manifest, table)
    arguments = [*_extraction(project), str(manifest)]

    known = known_version(request)

    def on_start(_: Job) -> None:  # the clip may have changed while the job was waiting
        with project.tables(wait=WAIT):
            refuse_read_differently(project, video, known)

    def on_success(job: Job) -> None:
        _replace(studio, video, known, _usable(job))

    job = studio.jobs.add(
        title,
        arguments,
        about={"clip": video.id},
        on_start=on_start,
        on_success=on_success,
    )
    return JSONResponse(job.to_json())


def _check_free(jobs: Any, video: Video) -> None:
    for job in jobs:
        if job.about.get("clip") == video.id and job.state not in ENDED:
            raise Mismatch(
                f"{video.title} is being processed", hint="wait until it is done, or cancel the job"
            )


def _usable(job: Job) -> list[str]:
    """Return the ids of the clips that a job produced; raise UserError if an item failed."""
    items = (job.result or {}).get("items") or []
    for item in items:
        if not item.get("video"):
            raise UserError(item["message"], hint=item["hint"])
    return [item["video"] for item in items]


def _replace(studio: Any, old: Video, known: str, new: Sequence[str]) -> None:
    """Replace `old`, and other clips that were read together with it, by the clips `new`.

    Raises Mismatch (exit 5) if the reading of `old` is no longer the version `known`; then both
    stay.
    """
    project: StoredProject = studio.project
    with project.lock(wait=WAIT), project.tables():
        gone = [video for video in _read_together(project, old) if video.id not in new]
        if old.id in new or not gone:
            return
        refuse_read_differently(project, old, known)
        project.replace_videos([video.id for video in gone], new)
        for video in gone:
            for path in [*project.files_of(video.id), *project.pictures_of(video.id)]:
                path.unlink(missing_ok=True)
    studio.films.forget(video.id for video in gone)


# --- split and group, removed clips -------------------------------------------------------------


async def mark(request: Request) -> Response:
    """Set the split or group of a clip, or both: {"split": "train", "group": "anna"}.

    The request carries the versions of the values it sets; others stay as they are.
    """
    project: StoredProject = request.app.state.studio.project
    content = await posted(request, split=(None, str), group=(None, str))
    if content["split"] not in (None, "", *SPLITS):
        raise UserError(
            f"a clip can be for {' or '.join(SPLITS)}, or both, not for '{content['split']}'"
        )

    def work() -> dict[str, Any]:
        with project.tables():
            now = clip_of(request)
            subjects = read_subjects(project)
            versions = clip_versions(project, now, subjects)
            shown = " ".join(
                versions[name] for name in ("split", "group") if content[name] is not None
            )
            refuse_changed(known_version(request), shown, f"the split and group of {now.title}")
            chosen = now.split if content["split"] is None else content["split"]
            group = now.group if content["group"] is None else content["group"].strip()
            project.mark_video(now.id, split=chosen, group=group)
            versions = clip_versions(project, clip_of(request), subjects)
        return {"id": now.id, "split": chosen, "group": group, "versions": versions}

    return JSONResponse(await run_in_threadpool(work))


async def remove(request: Request) -> Response:
    """Remove a clip from the project. Its file stays, and so does everything that people have set
    for it; the answer lists exported files, which stay, too."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    video = clip_of(request)
    _check_free(studio.jobs.jobs.values(), video)

    def work() -> list[str]:
        with project.lock(wait=WAIT), project.tables():
            refuse_read_differently(project, clip_of(request), known_version(request))
            project.take_out([video.id])
        studio.films.forget([video.id])
        return project.exported(video)

    left = await run_in_threadpool(work)
    # The browser deletes the pictures, too.
    return JSONResponse({"exported": left}, headers={"clear-site-data": '"cache"'})


async def delete_file(request: Request) -> Response:
    """Delete a copied file that has no clip."""
    project: StoredProject = request.app.state.studio.project
    name = request.path_params["name"]
    videos_folder(project)  # raises for a link
    unused = {path.name: path for path in unused_files(project, project.videos())}
    if name not in unused:
        raise UserError(f"{name} does not exist or belongs to a clip", hint="reload the page")
    refuse_changed(known_version(request), file_version(unused[name]), f"the contents of {name}")
    unused[name].unlink()
    return JSONResponse({"name": name})


ROUTES = [
    Route("/clips/files/{name:path}", upload, methods=["PUT"]),
    Saves("/clips/files/{name:path}", delete_file, methods=["DELETE"]),
    Route("/clips/extract", extract, methods=["POST"]),
    Route("/clips/refer", refer, methods=["POST"]),
    Saves("/clips/{id}/read", read_again),
    Saves("/clips/{id}/split", split),
    Saves("/clips/{id}/mark", mark),
    Saves("/clips/{id}", remove, methods=["DELETE"]),
]
