"""Export a clip's labels as files of other tools, and import them, by the commands `export-labels`
and `import-labels` as jobs."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.labels.files import WRITERS
from la2ds_cli.studio.clips import posed_clip, requested_clip
from la2ds_cli.studio.jobs import Job
from la2ds_cli.studio.pages import named_to_command, posted

MOST_BYTES = 50 << 20  # of an imported file
_FORMATS = {
    **{".eaf": "elan", ".json": "via3", ".kva": "kinovea"},
    **dict.fromkeys((".boris", ".csv", ".tsv"), "boris"),
}


def _path(project: Project, clip: Video, format_name: str) -> Path:
    """Where the labels of a clip are written. Raises UserError (exit 2) for an unknown format."""
    if format_name not in WRITERS:
        raise UserError(f"unknown format of label files: {format_name[:40]!a}")
    folder = project.results_dir(f"studio/labels/{format_name}")
    return folder / f"{clip.id}{WRITERS[format_name][2]}"


async def _export(request: Request) -> Response:
    """Write the labels of a clip: {"clip", "format"}."""
    studio = request.app.state.studio
    project: Project = studio.project
    said = await posted(request)
    clip = posed_clip(project, str(said.get("clip", "")))
    format_name = str(said.get("format", ""))
    folder = _path(project, clip, format_name).parent
    options = [f"--out={folder}", "--overwrite", f"--project={project.root}"]
    arguments = ["export-labels", format_name, *named_to_command([clip.id], ""), *options]
    job = studio.jobs.add(f"labels of {clip.title} for {format_name}", arguments)
    return JSONResponse({"number": job.number})


def _exports(request: Request) -> Response:
    """Label files written for a clip: format, file and time in seconds since 1970."""
    project: Project = request.app.state.studio.project
    clip = requested_clip(request)
    found = []
    for name in WRITERS:
        path = _path(project, clip, name)
        if path.is_file():
            found.append({"format": name, "file": path.name, "time": path.stat().st_mtime})
    return JSONResponse(found)


def _exported(request: Request) -> Response:
    project: Project = request.app.state.studio.project
    clip = requested_clip(request)
    path = _path(project, clip, request.path_params["format"])
    if not path.is_file():
        raise UserError("this has not been exported yet", hint="export it on the Phases page")
    return FileResponse(path, filename=path.name, media_type="application/octet-stream")


async def _import(request: Request) -> Response:
    """Import a file's labels for a clip: the request body is the file, and its name gives the
    format. ?overwrite=1 replaces labels that a person has set."""
    studio = request.app.state.studio
    project: Project = studio.project
    clip = requested_clip(request)
    suffix = Path(request.path_params["name"]).suffix.lower()
    format_name = _FORMATS.get(suffix)
    if format_name is None:
        raise UserError(
            "this is not a label file that la2ds reads",
            hint=f"label files end in {', '.join(_FORMATS)}",
        )
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise UserError(f"the file has more than {MOST_BYTES >> 20} MB, too much for labels")
    # A name of its own: another file for this clip may wait for its turn.
    path = project.results_dir("studio/incoming") / f"{clip.id}-{token_hex(4)}{suffix}"
    await run_in_threadpool(artifact.write_bytes, path, content)

    def on_end(_: Job) -> None:
        path.unlink(missing_ok=True)

    options = [f"--clip={clip.id}", f"--project={project.root}"]
    options += ["--overwrite"] if request.query_params.get("overwrite") else []
    if layer := request.query_params.get("layer", "").strip():
        options.append(f"--layer={layer}")
    about: dict[str, Any] = {"labels": clip.id}
    arguments = ["import-labels", format_name, str(path), *options]
    title = f"labels of {clip.title} from {format_name}"
    job = studio.jobs.add(title, arguments, about=about, on_end=on_end)
    return JSONResponse({"number": job.number})


ROUTES = [
    Route("/phases/files/export", _export, methods=["POST"]),
    Route("/phases/files", _exports),
    Route("/phases/files/import/{name}", _import, methods=["PUT"]),
    Route("/phases/files/{format}", _exported),
]
