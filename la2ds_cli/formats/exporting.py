"""The step `export`: clips of a project to files of another format, each written atomically."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from la2ds_cli.core.batch import ItemResult, unexpected
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.formats import Export, load_exporter
from la2ds_cli.formats.checks import FormatError


def export_poses(
    project: Project,
    format_name: str,
    names: Sequence[str],
    out: Path | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Write the poses of the named clips, or of all, to OUT/<id><suffix>; one result each.

    names: as Project.find understands them. out: default results/export/<format> of the project.
    `path` of a result is the file or folder. Item codes: E001 (skipped) the file exists and
    `overwrite` is not set; E002 (skipped or failed) the clip has no poses, or damaged ones; E003
    (skipped) the format cannot hold them. Raises UserError for an unknown format or clip (exit 2),
    for a project without clips (exit 4), and if the disk cannot be written (exit 7).
    """
    export, suffix = load_exporter(format_name)
    videos = chosen_clips(project, names)
    folder = out or project.results_dir(f"export/{format_name.rpartition('.')[2]}")
    progress = progress or Progress()
    progress.begin(f"exporting {format_name}", len(videos))
    results = []
    for video in videos:
        path = folder / f"{video.id}{suffix}"
        results.append(_export_one(project, video.id, path, export, overwrite))
        progress.advance()
    progress.end()
    return results


def chosen_clips(project: Project, names: Sequence[str]) -> list[Video]:
    """The named clips, as Project.find understands them, each once; all where none is named."""
    if names:
        return list(
            {video.id: video for video in (_find(project, name) for name in names)}.values()
        )
    videos = project.videos()
    if not videos:
        raise UserError(
            "the project has no clips",
            hint="la2ds extract-poses CLIPS, or la2ds import",
            exit_code=ExitCode.UNUSABLE,
        )
    return videos


def _find(project: Project, name: str) -> Video:
    video = project.find(name)
    if video is None:
        known = [label for v in project.videos() for label in (v.id, Path(v.path).name)]
        near = get_close_matches(name, known, n=1)
        raise UserError(
            f"there is no clip '{name}' in the project",
            hint=f"did you mean '{near[0]}'?" if near else "videos.csv lists the clips",
        )
    return video


def _export_one(
    project: Project, video: str, path: Path, export: Export, overwrite: bool
) -> ItemResult:
    if path.exists() and not overwrite:
        return ItemResult(
            str(path),
            video,
            "skipped",
            code="E001",
            message=f"{path} exists already",
            hint="add --overwrite, or choose another folder with --out",
        )
    try:
        pose, _ = project.read_pose(video)
    except UserError as error:
        status = "failed" if error.exit_code == ExitCode.UNREADABLE else "skipped"
        return ItemResult(
            str(path), video, status, code="E002", message=error.message, hint=error.hint
        )
    try:
        export(pose, video, path)
    except FormatError as error:
        return ItemResult(
            str(path),
            video,
            "skipped",
            code="E003",
            message=str(error),
            hint="choose another format, such as wide-csv, which holds every skeleton",
        )
    except UserError:
        raise
    except Exception as error:
        return unexpected(project, str(path), error, video)
    return ItemResult(str(path), video, "ok", len(pose))
