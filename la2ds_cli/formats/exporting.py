"""Clips of a project to files of another format, each written atomically: the step `export`, and
the batch that it shares with `export-labels`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from la2ds_cli.core.batch import ItemResult, unexpected
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import load_exporter
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

    out: default results/export/<format> of the project. E003 (skipped) means that the format cannot
    hold the poses. Raises UserError for an unknown format (exit 2); the rest as export_clips.
    """
    export, suffix = load_exporter(format_name)

    def write(video: Video, path: Path) -> int:
        pose = posed(project, video)
        try:
            export(pose, video.id, path)
        except FormatError as error:
            hint = "choose another format, such as wide-csv, which holds every skeleton"
            raise skip(str(error), hint, "E003") from error
        return len(pose)

    folder = out or project.results_dir(f"export/{format_name.rpartition('.')[2]}")
    return export_clips(project, names, folder, suffix, write, overwrite, progress)


def export_clips(
    project: Project,
    names: Sequence[str],
    folder: Path,
    suffix: str,
    write: Callable[[Video, Path], int],
    overwrite: bool,
    progress: Progress | None,
) -> list[ItemResult]:
    """Let `write` make FOLDER/<id><suffix> of each named clip, or of all; one result each.

    names: as Project.find understands them. write: returns the number of frames; a UserError with a
    code becomes the row of its clip, one without a code ends the batch. `path` of a result is the
    file or folder. Item codes: E001 (skipped) the file exists and `overwrite` is not set; those of
    `write`, such as E002 of `posed`; X001 (failed) an unexpected error. Raises UserError for an
    unknown clip (exit 3), for a project without clips (exit 4), and if the disk cannot be written
    (exit 7).
    """
    videos = chosen_clips(project, names)
    progress = progress or Progress()
    progress.begin("exporting", len(videos))
    results = []
    for video in videos:
        path = folder / f"{video.id}{suffix}"
        results.append(_export_one(project, video, path, write, overwrite))
        progress.advance()
    progress.end()
    return results


def posed(project: Project, video: Video) -> PoseSequence:
    """The poses of a clip to export. Raises UserError with E002: it has none, or damaged ones."""
    try:
        return project.read_pose(video.id)[0]
    except UserError as error:
        raise UserError(
            error.message, hint=error.hint, exit_code=error.exit_code, code="E002"
        ) from error


def skip(message: str, hint: str, code: str) -> UserError:
    """The error for a clip with nothing to export."""
    return UserError(message, hint=hint, exit_code=ExitCode.UNUSABLE, code=code)


def chosen_clips(project: Project, names: Sequence[str]) -> list[Video]:
    """The named clips, as Project.find understands them, each once; all if none is named."""
    if names:
        return list({video.id: video for video in map(project.clip, names)}.values())
    videos = project.videos()
    if not videos:
        raise UserError(
            "the project has no clips",
            hint="la2ds extract-poses CLIPS, or la2ds import",
            exit_code=ExitCode.UNUSABLE,
        )
    return videos


def _export_one(
    project: Project,
    video: Video,
    path: Path,
    write: Callable[[Video, Path], int],
    overwrite: bool,
) -> ItemResult:
    try:
        if path.exists() and not overwrite:
            hint = "add --overwrite, or choose another folder with --out"
            raise skip(f"{path} already exists", hint, "E001")
        return ItemResult(str(path), video.id, "ok", write(video, path))
    except UserError as error:
        if not error.code or error.exit_code == ExitCode.STORAGE:
            raise
        status = "skipped" if error.exit_code == ExitCode.UNUSABLE else "failed"
        return ItemResult(
            str(path), video.id, status, code=error.code, message=error.message, hint=error.hint
        )
    except Exception as error:
        return unexpected(project, str(path), error, video.id)
