"""Extract the poses that another step needs, where they are missing or no longer current."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from la2ds_cli.core.batch import error_row
from la2ds_cli.core.clip import ClipOptions, family
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, Unusable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.current import find_clip, follow_files, is_current, moved_to
from la2ds_cli.poses.extraction import ClipResult, Extraction
from la2ds_cli.poses.extraction_record import ExtractionRecord
from la2ds_cli.poses.process_clips import process_clips
from la2ds_cli.poses.sources import ClipSource, load_single
from la2ds_cli.poses.subjects import NO_SUCH_PERSON, read_subjects
from la2ds_cli.video.media_files import missing_files


def ensure_poses(
    project: StoredProject,
    names: Sequence[str],
    config: PosesConfig,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
    left_out: dict[str, str] | None = None,
) -> list[str]:
    """Return the ids of clips with current poses, which are extracted first where necessary.

    All names are checked before the first clip is extracted. Two files with the same content are
    one clip. A clip whose source file is gone keeps its poses if these are current.

    Parameters
    ----------
    names
        Video files or names of clips, as for find_clip; `NAME#2` is the second person.
    config
        The section [poses] of the settings.
    device
        Where the networks run.
    left_out
        Receives the names that cannot be used, and why; their ids are missing from the result.
        None = such a name is an error.

    Raises
    ------
    UserError
        With the code and exit code of the problem: exit 5 if poses must be extracted while another
        command is writing to the project; missing weights; a full disk; and, without `left_out`,
        the problem of a name, such as exit 3 if it is neither a file nor a clip.
    """
    run = Extraction(project, config, device, progress)
    ids: dict[str, str] = {}
    missing: dict[str, ClipSource] = {}
    gone: dict[str, UserError] = {}  # names that mean neither a clip nor a file
    for name in dict.fromkeys(names):
        try:
            ids[name], source = _wanted(run, name)
        except UserError as error:
            if left_out is None and error.code == "V006" and not os.path.lexists(name):
                gone[name] = error
                continue
            if left_out is None or error.exit_code in (ExitCode.ENVIRONMENT, ExitCode.STORAGE):
                raise  # it concerns all clips
            left_out[name] = error.message
            continue
        if source is not None:
            missing[name] = source
    if gone:
        raise _all_gone(gone)
    if missing:
        with project.lock():
            _extract_missing(run, missing, ids, left_out)
    return [ids[name] for name in names if name in ids]


def _all_gone(errors: Mapping[str, UserError]) -> UserError:
    """Return one error that names all files that do not exist, made from the error of each."""
    if len(errors) == 1:
        return next(iter(errors.values()))
    problem = missing_files(list(errors))
    problem.hint = "; ".join(dict.fromkeys(error.hint for error in errors.values() if error.hint))
    return problem


def ensure_pose(
    project: StoredProject,
    path_or_id: str,
    config: PosesConfig,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> str:
    """Return the id of one clip with current poses, as `ensure_poses`."""
    return ensure_poses(project, [path_or_id], config, device, progress)[0]


def _wanted(run: Extraction, name: str) -> tuple[str, ClipSource | None]:
    """Return the id of a clip, empty if it is new, and its source if poses must be extracted."""
    project, config = run.project, run.config
    video, file = find_clip(project, name)
    path, options = name, ClipOptions()
    if video is not None:
        if place := moved_to(project, video, name):
            with project.lock():
                run.progress.note(follow_files(project, [(place, video.sha256)]))
        if is_current(project, config, video, file):
            return video.id, None
        path = str(place or project.source(video))
        options = ClipOptions.from_text(video.options)
    source = load_single(project, path, options, max_duration=config.max_duration)
    source = replace(source, subject=read_subjects(project).get(source.id(), ""))
    return video.id if video is not None else "", source


def _extract_missing(
    run: Extraction,
    sources: Mapping[str, ClipSource],
    ids: dict[str, str],
    left_out: dict[str, str] | None,
) -> None:
    """Extract and list sources by name, and set their ids; a source with the content of another
    one gets the same id. Those that fail move from `ids` to `left_out`, or raise without it."""
    record = ExtractionRecord(run)
    try:
        results = process_clips(run, list(sources.values()), list_results=record.write)
        for name, result in zip(sources, results, strict=True):
            if lost := _not_found_again(run.project, name, ids[name], result):
                result = replace(result, items=[error_row(name, lost)], error=lost)
            record.add(result)
            item = result.items[0]
            if isinstance(result.error, UserError) and left_out is not None:
                left_out[name] = result.error.message
                del ids[name]
            elif isinstance(result.error, UserError) and item.code.startswith("V"):
                raise result.error.about(Path(item.path).name)
            elif result.error:
                raise result.error
            elif ids[name] not in [each.video for each in result.items]:
                if result.source is None:
                    run.progress.note(f"{name} is {item.message}")
                ids[name] = item.video
    finally:
        record.write()
        run.progress.end()


def _not_found_again(
    project: StoredProject, name: str, wanted: str, result: ClipResult
) -> UserError | None:
    """Return an error if a new reading of a clip's film lacks its person; None otherwise.

    The new reading is then not kept, so that the clip stays. wanted: id of the clip, empty = new.
    """
    source, ids = result.source, [item.video for item in result.items if item.usable]
    if source is None or not ids or wanted in ids or family(wanted)[0] != source.file:
        return None
    for video in set(ids) - {video.id for video in project.videos()}:
        project.pose_path(video).unlink(missing_ok=True)
    return Unusable(
        f"{Path(name).name}: the person of this clip was not found again, but others were",
        hint=f"la2ds extract-poses {shlex.quote(source.name)} lists them; --subjects N keeps more "
        "people, --subject N chooses one",
        code=NO_SUCH_PERSON,
    )
