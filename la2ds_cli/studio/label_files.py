"""A clip's labels as a file of another tool, and such a file in place of its labels."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.labels.exchange import export_labels, import_labels
from la2ds_cli.labels.files import writer
from la2ds_cli.studio.clips import requested_clip
from la2ds_cli.studio.pages import body

MOST_BYTES = 50 << 20  # of an imported file
_FORMATS = {
    **{".eaf": "elan", ".json": "via3", ".kva": "kinovea"},
    **dict.fromkeys((".boris", ".csv", ".tsv"), "boris"),
}


def _checked(items: list[ItemResult], name: str = "") -> ItemResult:
    """The only result. Raises UserError if it failed. name: of the file, as the person knows it."""
    (item,) = items
    if item.status in ("failed", "skipped"):
        message = item.message.replace(Path(item.path).name, name) if name else item.message
        raise UserError(message, hint=item.hint, exit_code=ExitCode.UNREADABLE)
    return item


def _export(request: Request) -> Response:
    """The labels of a clip as a file of a format."""
    project: Project = request.app.state.studio.project
    clip, name = requested_clip(request), request.path_params["format"]
    suffix = writer(name)[1]
    folder = project.results_dir(f"studio/labels/{name}")
    _checked(export_labels(project, name, [clip.id], folder, overwrite=True))
    path = folder / f"{clip.id}{suffix}"
    return FileResponse(path, filename=path.name, media_type="application/octet-stream")


async def _import(request: Request) -> Response:
    """Import a file's labels for a clip: the request body is the file, and its name gives the
    format. ?overwrite=1 replaces labels that a person has set."""
    project: Project = request.app.state.studio.project
    clip, name = requested_clip(request), Path(request.path_params["name"]).name
    suffix = Path(name).suffix.lower()
    if suffix not in _FORMATS:
        raise UserError(
            "this is not a label file that la2ds reads",
            hint=f"label files end in {', '.join(_FORMATS)}",
        )
    content = await body(request, MOST_BYTES)

    def work() -> int:
        with artifact.temporary_beside(project.results_dir("studio") / f"labels{suffix}") as path:
            path.write_bytes(content)
            overwrite = bool(request.query_params.get("overwrite"))
            layer = request.query_params.get("layer", "").strip()
            items = import_labels(
                project, _FORMATS[suffix], [path], layer=layer, clip=clip.id, overwrite=overwrite
            )
            return _checked(items, name).frames

    return JSONResponse({"phases": await run_in_threadpool(work)})


ROUTES = [
    Route("/phases/files/{format}", _export),
    Route("/phases/files/{name}", _import, methods=["PUT"]),
]
