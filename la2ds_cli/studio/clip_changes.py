"""What the page of the clips changes: files that come in, how a file is read and whom to follow,
the marks of a clip, and clips that go, which come back until the studio ends.

Joints are found by `extract-poses` as a piece of work (jobs.py). It runs as the only part of its
list (`--shard 1/1`), so that it holds the project for moments alone, and clips can be marked
meanwhile.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import SPLITS, ClipOptions, Video
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.poses.sources import stands_for_clips
from la2ds_cli.poses.subjects import ClipSubjects
from la2ds_cli.studio import earlier
from la2ds_cli.studio.clips import VIDEOS, clip_of, is_copied, spans_of_repetitions
from la2ds_cli.studio.handover import hand_over
from la2ds_cli.studio.jobs import ENDED, Job
from la2ds_cli.studio.pages import posted
from la2ds_cli.video.media_files import VIDEO_SUFFIXES, refuse_url

MOST_BYTES = 8 << 30  # of a file that is sent
LONGEST_NAME = 100  # bytes, without the ending
WAIT = 5.0  # seconds for another command to finish with the tables
SUFFIXES = VIDEO_SUFFIXES | {".webp"}
_READ_BY = ("start", "end", "rotate", "mirror", "slowmo", "fps")


# --- files that come in -------------------------------------------------------------------------


def clean_name(name: str) -> str:
    """A file name that means a file of its folder on every system, with the ending it had.

    Raises UserError for an ending that is not that of a video.
    """
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    stem, suffix = Path(last).stem, Path(last).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{last or 'a file without a name'} is not a video that la2ds reads",
            hint=f"videos end in {', '.join(sorted(SUFFIXES))}; a folder of pictures can be named "
            "by its path",
        )
    plain = "".join(c if c.isprintable() and c not in '<>:"|?*' else "-" for c in stem)
    short = plain.encode("utf-8", "replace")[:LONGEST_NAME].decode("utf-8", "ignore")
    return (short.strip(" .-") or "clip") + suffix


async def upload(request: Request) -> Response:
    """Take a file into the project's folder: the body as it is, of at most MOST_BYTES."""
    project: Project = request.app.state.studio.project
    name = clean_name(request.path_params["name"])
    folder = videos_folder(project)
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    _check_size(name, size)
    artifact.check_space(project.root, size)
    try:
        with artifact.temporary_beside(folder / name) as temporary:
            with temporary.open("wb") as stream:
                size = 0
                async for part in request.stream():
                    size += len(part)
                    _check_size(name, size)
                    stream.write(part)
            if not size:
                raise UserError(f"{name} is empty", hint="copy or record the file again")
            kept = await run_in_threadpool(_keep, temporary, folder, name)
    except OSError as error:
        raise artifact.cannot_write(folder / name, error) from error
    return JSONResponse({"name": kept})


def _check_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise UserError(
            f"{name} has more than {MOST_BYTES >> 30} GB",
            hint="name it by its path instead of copying it, or cut it first",
        )


def videos_folder(project: Project) -> Path:
    """The folder of copied files, which need not exist. UserError (exit 5) for a link."""
    folder = project.root / VIDEOS
    if folder.is_symlink():
        raise UserError(
            f"{folder} is a link; the studio copies files into the project alone",
            hint="put a folder in its place, or name the files by their path",
            exit_code=ExitCode.MISMATCH,
        )
    return folder


def _keep(temporary: Path, folder: Path, name: str) -> str:
    """Give a received file the first name that is free, or that is the same file already."""
    digest = artifact.file_digest(temporary)
    for number in count(1):
        path = folder / (name if number == 1 else f"{Path(name).stem}-{number}{Path(name).suffix}")
        try:
            path.open("xb").close()  # nobody else's from now on
        except FileExistsError:
            if path.is_file() and artifact.file_digest(path) == digest:
                return path.name
            continue
        artifact.replace_by(temporary, path)
        return path.name
    raise AssertionError("numbers do not end")


async def extract(request: Request) -> Response:
    """Find the joints of files of the project's folder: {"names": [...]}."""
    studio = request.app.state.studio
    names = [str(name) for name in list((await posted(request)).get("names") or [])]
    folder = videos_folder(studio.project)
    for name in names:
        if name != clean_name(name) or not (folder / name).is_file():
            raise UserError(f"the project has no file {name}", hint="load the page again")
    if not names:
        raise UserError("no file was chosen")
    return _started(request, names, [str(folder / name) for name in names])


async def refer(request: Request) -> Response:
    """Find the joints of files that stay where they are: {"path": ...}, a file or a folder."""
    typed = str((await posted(request)).get("path", "")).strip().strip("\"'")
    refuse_url(typed)
    path = Path(typed).expanduser()
    if not path.is_absolute():
        raise UserError(
            f"'{typed}' is not a whole path", hint=f"write it from its beginning, as {Path.home()}"
        )
    if not await run_in_threadpool(_holds_clips, path):
        raise UserError(
            f"there is no video at {path}", hint="check the spelling; it names a video or a folder"
        )
    return _started(request, [path.name], [str(path)])


def _holds_clips(path: Path) -> bool:
    return path.exists() and stands_for_clips(str(path))


def _started(request: Request, names: Sequence[str], paths: Sequence[str]) -> Response:
    studio = request.app.state.studio
    what = names[0] if len(names) == 1 else f"{len(names)} files"
    arguments = [*_extraction(studio.project), *paths]
    job = studio.jobs.add(f"joints of {what}", arguments, about={"files": list(names)})
    return JSONResponse(job.to_json())


def _extraction(project: Project) -> list[str]:
    return ["extract-poses", "--project", str(project.root), "--shard", "1/1"]


# --- how a file is read, and whom to follow -----------------------------------------------------


async def read_again(request: Request) -> Response:
    """Find the joints of a clip anew, read in another way: {"options": {...}}, those that are not
    given being the defaults, or by another person: {"rank": N, "box": [...]}.

    The new clip takes the place of the old one, with its marks and what was set of its frames; the
    joints that it had are kept (earlier.py), and are its joints again where this fails.
    """
    studio = request.app.state.studio
    project: Project = studio.project
    video, said = clip_of(request), await posted(request)
    options = ClipOptions.from_text(video.options)
    if "options" in said:
        options = _options(said["options"], options)
    subject, box = _person(said)
    row = await run_in_threadpool(_row, project, video, options, subject)
    listed = earlier.read_together(project, video)
    was = ClipSubjects.read(project).own(listed[0].id)

    def then(job: Job) -> None:
        new = _usable(job)
        if box:
            _check_followed(project, new[0], box, video.name)
        job.told += _replace(studio, video, new)

    def otherwise(job: Job) -> None:
        earlier.as_before(project, listed, job.about["kept"], was)

    title = f"joints of {video.name}"
    return await _from_manifest(request, title, video, [row], then, otherwise)


def _person(said: Mapping[str, Any]) -> tuple[str | None, list[float]]:
    """The rank of the person who was clicked, and the box; None and [] where nobody was."""
    try:
        box = [float(side) for side in said.get("box") or []]
        rank = str(int(said["rank"])) if "rank" in said else None
    except (TypeError, ValueError) as error:
        raise UserError(f"the box of the person does not consist of numbers: {error}") from error
    return rank, box if len(box) == 4 else []


def _options(said: Mapping[str, Any], old: ClipOptions) -> ClipOptions:
    """Options that a page sends; the rate of a folder of images stays. UserError for wrong ones."""
    try:
        end = said.get("end")
        return ClipOptions(
            start=float(said.get("start") or 0.0),
            end=float(end) if end is not None else float("inf"),
            rotate=int(said.get("rotate") or 0),
            mirror=bool(said.get("mirror")),
            slowmo=float(said.get("slowmo") or 1.0),
            fps=old.fps,
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"the options of the clip must be numbers: {error}") from error


def _row(
    project: Project, video: Video, options: ClipOptions, subject: str | None
) -> dict[str, str]:
    """A row of a manifest that reads the file of a clip anew; what is not said stays."""
    source = project.source(video)
    if not source.exists():
        raise UserError(f"{source} is gone", hint="put it back, then find the joints again")
    values = options.to_json()
    row = {name: str(values[name]).lower() for name in _READ_BY if name in values}
    chosen = subject if subject is not None else ClipSubjects.read(project).of(video)
    split = video.split if video.split in SPLITS else ""
    return {"path": str(source), **row, "subject": chosen, "group": video.group, "split": split}


async def split(request: Request) -> Response:
    """Make each repetition of a clip a clip of its own, in its place."""
    studio = request.app.state.studio
    project: Project = studio.project
    video = clip_of(request)
    spans = await run_in_threadpool(spans_of_repetitions, project, video)
    options = ClipOptions.from_text(video.options)
    rows = []
    for span in spans:
        part = ClipOptions(**{**vars_of(options), **span})
        rows.append(await run_in_threadpool(_row, project, video, part, None))

    def then(job: Job) -> None:
        job.told += _replace(studio, video, _usable(job))

    title = f"{len(rows)} repetitions of {video.name}"
    return await _from_manifest(request, title, video, rows, then)


def vars_of(options: ClipOptions) -> dict[str, Any]:
    """All values of the options of a clip, by name."""
    return {name: getattr(options, name) for name in _READ_BY}


async def _from_manifest(
    request: Request,
    title: str,
    video: Video,
    rows: Sequence[Mapping[str, str]],
    then: Callable[[Job], None],
    otherwise: Callable[[Job], None] | None = None,
) -> Response:
    studio = request.app.state.studio
    project: Project = studio.project
    _check_free(studio.jobs.jobs.values(), video)
    columns = ("path", *_READ_BY, "subject", "group", "split")
    table = table_text(columns, ([row.get(name, "") for name in columns] for row in rows))
    manifest = project.results_dir("studio") / f"{video.id}.csv"
    await run_in_threadpool(artifact.write_text, manifest, table)
    # An option that is given, so that the rows' defaults are not what the project read before.
    arguments = [*_extraction(project), "--rotate", "0", str(manifest)]
    about = {"clip": video.id, "kept": await run_in_threadpool(earlier.keep, project, video)}
    job = studio.jobs.add(title, arguments, about=about, then=then, otherwise=otherwise)
    return JSONResponse(job.to_json())


def _check_free(jobs: Any, video: Video) -> None:
    for job in jobs:
        if job.about.get("clip") == video.id and job.state not in ENDED:
            raise UserError(
                f"{video.name} is being worked on",
                hint="wait until that is done, or cancel it",
                exit_code=ExitCode.MISMATCH,
            )


def _usable(job: Job) -> list[str]:
    """Ids of the clips that a piece of work gave; UserError where one of them is of no use."""
    items = (job.result or {}).get("items") or []
    for item in items:
        if not item.get("video"):
            raise UserError(item["message"], hint=item["hint"])
    return [item["video"] for item in items]


def _replace(studio: Any, old: Video, new: Sequence[str]) -> list[str]:
    """Let the clips `new` take the place of `old`, and of others kept of the same part of its file,
    with what people have set of their frames; what is to be told of that."""
    project: Project = studio.project
    with project.lock(wait=WAIT), project.tables():
        gone = [video for video in earlier.read_together(project, old) if video.id not in new]
        if old.id in new or not gone:
            return []
        told = hand_over(project, gone, new)
        project.replace_videos([video.id for video in gone], new)
        for video in gone:
            for path in [*project.files_of(video.id), *_made_of(project, video.id)]:
                path.unlink(missing_ok=True)
    studio.films.forget(video.id for video in gone)
    return told


def _made_of(project: Project, video: str) -> list[Path]:
    """What the studio has made of a clip beside its film: its thumbnails, and how it was read."""
    folder = project.results_dir("studio")
    return [*(folder / "thumbnails").glob(f"{escape(video)}.*.webp"), folder / f"{video}.csv"]


def _check_followed(project: Project, video: str, box: Sequence[float], name: str) -> None:
    """UserError where the person who was clicked is not the one whose joints came out."""
    pose, _ = project.read_pose(video)
    told = pose.info.get("candidates") or []
    if told and _overlap(told[0]["box"], box) < 0.3:
        raise UserError(
            f"in {name} a different person was followed from the one you chose",
            hint="cut the clip to where that person is alone or larger, then choose again",
        )


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes xyxy."""
    sides = [min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1)]
    both = max(sides[0], 0.0) * max(sides[1], 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return both / max(sum(areas) - both, 1e-9)


async def bring_back(request: Request) -> Response:
    """Let a clip have the joints of {number} again."""
    studio = request.app.state.studio
    project: Project = studio.project
    video = clip_of(request)
    _check_free(studio.jobs.jobs.values(), video)

    def swap() -> None:
        with project.lock(wait=WAIT):
            earlier.bring_back(project, video, request.path_params["number"])

    await run_in_threadpool(swap)
    return JSONResponse({"id": video.id})


# --- marks, and clips that go -------------------------------------------------------------------


async def mark(request: Request) -> Response:
    """Set the split and the group of a clip: {"split": "train", "group": "anna"}."""
    project: Project = request.app.state.studio.project
    video, said = clip_of(request), await posted(request)
    chosen, group = str(said.get("split", "")), str(said.get("group", "")).strip()
    if chosen not in ("", *SPLITS):
        raise UserError(f"a clip is for {' or '.join(SPLITS)}, or for both, not for '{chosen}'")

    await run_in_threadpool(project.mark_video, video.id, split=chosen, group=group)
    return JSONResponse({"id": video.id, "split": chosen, "group": group})


@dataclass(frozen=True)
class Deleted:
    """A clip that went. order: ids as they were listed; moved: (from, to) of its files."""

    video: Video
    order: list[str]
    moved: list[tuple[Path, Path]]


@dataclass
class Bin:
    """Clips that went while the studio is open, by number; emptied at its end."""

    deleted: dict[int, Deleted] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(1))

    @staticmethod
    def empty(project: Project) -> None:
        """Delete for good what is in the bin."""
        shutil.rmtree(_bin(project), ignore_errors=True)


def _bin(project: Project) -> Path:
    return project.results_dir("studio/deleted")


async def delete(request: Request) -> Response:
    """Take a clip out of the project: {"file": true} with the copied file, where no other clip
    reads it. `number` brings it back until the studio ends."""
    studio = request.app.state.studio
    project: Project = studio.project
    video, said = clip_of(request), await posted(request)
    _check_free(studio.jobs.jobs.values(), video)

    def move() -> int:
        number = next(studio.bin.numbers)
        with project.lock(wait=WAIT):
            order = [row.id for row in project.videos()]
            source = project.source(video)
            alone = sum(project.source(row) == source for row in project.videos()) == 1
            files = project.files_of(video.id)
            files += earlier.files_of(project, video.id)
            if said.get("file") and is_copied(project, video) and alone:
                files.append(source)
            folder = _bin(project) / str(number)
            moved = [(path, folder / path.relative_to(project.root)) for path in files]
            project.add_videos([], [video.id])
            _move(moved)
            for path in _made_of(project, video.id):
                path.unlink(missing_ok=True)
            studio.bin.deleted[number] = Deleted(video, order, moved)
        studio.films.forget([video.id])
        return number

    number = await run_in_threadpool(move)
    exported = await run_in_threadpool(_exported, project, video.id)
    # The browser forgets the pictures, too.
    headers = {"clear-site-data": '"cache"'}
    return JSONResponse({"number": number, "exported": exported}, headers=headers)


def _exported(project: Project, video: str) -> list[str]:
    """Files in `results` that were made to be taken away and show a clip, by their names."""
    folder = project.results_dir("studio").parent
    hidden = _bin(project)
    return sorted(
        path.relative_to(project.root).as_posix()
        for path in folder.rglob(f"*{escape(video)}*")
        if path.is_file() and not path.is_relative_to(hidden)
    )


async def delete_file(request: Request) -> Response:
    """Delete a copied file that is no clip, for good."""
    project: Project = request.app.state.studio.project
    name = request.path_params["name"]
    path = videos_folder(project) / name
    used = {project.source(video) for video in project.videos()}
    if name != clean_name(name) or not path.is_file() or path in used:
        raise UserError(
            f"the project has no file {name} without a clip", hint="load the page again"
        )
    path.unlink()
    return JSONResponse({"name": name})


async def undelete(request: Request) -> Response:
    """Bring a clip back."""
    studio = request.app.state.studio
    project: Project = studio.project
    deleted: Deleted | None = studio.bin.deleted.get(request.path_params["number"])
    if deleted is None:
        raise UserError("this clip cannot be brought back any more")

    def back() -> None:
        with project.lock(wait=WAIT):
            _move([(to, path) for path, to in deleted.moved if not path.exists()])
            project.add_videos([deleted.video], order=deleted.order)
        del studio.bin.deleted[request.path_params["number"]]

    await run_in_threadpool(back)
    return JSONResponse({"id": deleted.video.id})


def _move(moved: Sequence[tuple[Path, Path]]) -> None:
    for path, to in moved:
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            path.replace(to)
        except OSError as error:
            raise artifact.cannot_write(to, error) from error


ROUTES = [
    Route("/clips/files/{name:path}", upload, methods=["PUT"]),
    Route("/clips/files/{name:path}", delete_file, methods=["DELETE"]),
    Route("/clips/extract", extract, methods=["POST"]),
    Route("/clips/refer", refer, methods=["POST"]),
    Route("/clips/deleted/{number:int}", undelete, methods=["POST"]),
    Route("/clips/{id}/read", read_again, methods=["POST"]),
    Route("/clips/{id}/earlier/{number:int}", bring_back, methods=["POST"]),
    Route("/clips/{id}/split", split, methods=["POST"]),
    Route("/clips/{id}/mark", mark, methods=["POST"]),
    Route("/clips/{id}/delete", delete, methods=["POST"]),
]
