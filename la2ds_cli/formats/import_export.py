"""Import pose files into a project and export its poses: the steps `import` and `export`.

A clip that fails becomes a row with the reason, and the batch continues.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import Recipe, file_digest, staleness
from la2ds_cli.core.batch import ItemResult, error_row, unexpected
from la2ds_cli.core.clip import ClipOptions, Video, id_within, slug, video_id
from la2ds_cli.core.clip_names import nfc
from la2ds_cli.core.errors import ExitCode, Unreadable, Unusable, UserError
from la2ds_cli.core.output_paths import check_output, checked_outputs, is_output
from la2ds_cli.core.own_files import found_files
from la2ds_cli.core.phase_table import PhaseRow, in_time_order
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import IntArray, Phase, PoseSequence
from la2ds_cli.core.video_list import read_videos
from la2ds_cli.formats import READ, WRITTEN, load_format
from la2ds_cli.formats.file_clip import FileClip, SourceVideo, source_of, to_sequence
from la2ds_cli.formats.files import (
    FormatError,
    FramesError,
    ImportOptions,
    PoseFileError,
    VideoError,
    shown,
)
from la2ds_cli.poses.current import clip_named, follow_files, listed_as
from la2ds_cli.poses.quality import item_result
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.video.media_files import ordered
from la2ds_cli.video.source_version import SourceChanged, read_stamp

VERSION = 2  # raised when the same file gives different poses

Labels = dict[str, list[Phase]]  # by id of the clip
Read = Sequence[FileClip | PoseFileError]


def import_poses(
    project: StoredProject,
    format_name: str,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Import a file of a format, or all such files below a folder.

    Parameters
    ----------
    format_name
        A name of READ.
    root
        The file or the folder.
    options
        Facts that the files lack; None = take all from the files.

    Returns
    -------
    One result for each clip, as import_files.

    Raises
    ------
    UserError
        For an unknown format (exit 2), if there is no file (exit 3), and as import_files.
    """
    module = load_format(format_name, READ)
    find = getattr(module, "sources", None)
    paths = _files_of(project, root, module.SUFFIXES) if find is None else find(root)
    options = options or ImportOptions()
    return import_files(project, format_name, paths, module.read_clips, options, progress)


def _files_of(project: StoredProject, root: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the file `root`, or all files below it with one of the suffixes, in natural order.

    Files of la2ds in a project, and those that it wrote elsewhere for this one, are left out.
    Raises UserError (exit 3) if there is no file.
    """
    if root.is_file():
        return [root]
    paths = [p for p in found_files(root) if p.suffix.lower() in suffixes and p.is_file()]
    if paths := [path for path in paths if not is_output(project, path)]:
        return ordered(paths)
    message = f"there is no {' or '.join(suffixes)} file in {root}"
    raise Unreadable(
        message if root.exists() else f"no such file: {root}",
        hint="name a file of the format, or a folder that holds some",
    )


def import_files(
    project: StoredProject,
    name: str,
    paths: Sequence[Path],
    read: Callable[[Path, ImportOptions], Read],
    options: ImportOptions,
    progress: Progress,
) -> list[ItemResult]:
    """Import the clips of files, and return one result for each.

    A clip that cannot be read becomes a failed row and the others are imported; the error of a
    single clip is raised. The poses of a clip with a video get the id that extraction would give
    them, so that every command finds them by the video.

    Parameters
    ----------
    name
        Name of the format, part of the recipe.
    paths
        The files or folders.
    read
        Reads the clips at a path; an error among them stands for one clip that failed.
    options
        Facts that the files lack.

    Raises
    ------
    UserError
        If the video does not exist (exit 3); the error of a single clip.
    """
    if options.video is not None and not options.video.exists():
        raise Unreadable(
            f"there is no video {options.video}", hint="check the path given with --video"
        )
    run = _Import(project, name, options, progress)
    for path in progress.over(f"importing {name}", paths):
        # Each file is written before the next is read: a data set need not fit in memory.
        clips: Read = ()
        with run.guard(path, is_only=len(paths) == 1):
            run.stamp = read_stamp(path, below=True)
            clips = read(path, options)
        is_only = len(clips) == 1 and len(paths) == 1
        for clip in clips:
            with run.guard(path, is_only):
                run.add(path, clip, is_only)
    if note := follow_files(project, list(run.files.items())):
        progress.note(note)
    project.add_videos(run.videos)
    if run.labels:
        merge_phases(project, run.labels, progress)
    return run.results


class _Import:
    """A run of the import: its settings and its results so far."""

    def __init__(
        self, project: StoredProject, name: str, options: ImportOptions, progress: Progress
    ) -> None:
        self.project = project
        self.format = name
        self.options = options
        self.progress = progress
        self.stamp = ""  # of the file, taken before it is read
        self.results: list[ItemResult] = []
        self.videos: list[Video] = []
        self.labels: Labels = {}
        self.files: dict[Path, str] = {}  # files of the clips, with their digests
        rows = [*read_videos(project.aside("videos.csv")), *project.videos()]
        self._known = {row.id: row for row in rows}
        self._digests: dict[Path, str] = {}
        self._taken: dict[str, Path] = {}  # file of each clip, by id
        self._names: dict[tuple[Path, str], str] = {}  # names of clips by file and id

    @contextmanager
    def guard(self, path: Path, is_only: bool) -> Iterator[None]:
        """Turn an error of one path into a row, or into a UserError if the clip is the only one. An
        unexpected error always becomes a row."""
        try:
            try:
                yield
            except OSError as error:
                raise PoseFileError(f"it cannot be read: {error.strerror or error}") from error
        except PoseFileError as error:
            if is_only:
                raise error.user_error(path) from error
            self.results.append(error.item(path))
        except SourceChanged as error:
            if is_only:
                raise
            self.results.append(error_row(str(path), error))
        except UserError:
            raise
        except Exception as error:
            self.results.append(unexpected(self.project, str(path), error))

    def add(self, path: Path, clip: FileClip | PoseFileError, is_only: bool) -> None:
        """Write the poses of a clip that was read at `path`, and collect its row. Raises
        SourceChanged if its file or its video has changed since it was read."""
        if isinstance(clip, PoseFileError):
            raise clip
        video = source_of(self.options.video, clip.name, is_only=is_only)
        name = self._file_id(clip, video)
        if video is not None:
            video = video.slowed(self._slowmo(name))
        pose = to_sequence(clip, self.options, video)
        row = self._row(clip, name, pose, video)
        other = self._taken.get(row.id)  # its poses would be replaced
        if other == clip.path:
            message = f"several of its clips have the name {shown(clip.name)}"
            raise PoseFileError(message, "give one of them another name")
        if other is not None and video is not None:
            message = f"its video, {video.path.name}, already has the poses of {other}"
            raise VideoError(message, "import only one of the two files")
        self._taken[row.id] = clip.path
        end = int(pose.frame[-1]) + 1 if clip.complete else None
        phases, labelled = fitted_phases(clip.phases, end)
        recipe = self._recipe(clip, row, video)
        current = staleness(self.project.pose_path(row.id), recipe) is None
        stamp = video.version.verified().stamp if video is not None else ""
        if read_stamp(path, below=True) != self.stamp:  # after its digest was taken, too
            raise SourceChanged(path)
        if not current:
            self.project.write_pose(row.id, with_trust(pose), recipe, stamp)
        self.videos.append(row)
        if phases:
            self.labels[row.id] = phases
        if note := clip.order.note():
            self.progress.note(f"{clip.name}: {note}")
        self.results.append(_result(clip, row.id, pose, current, labelled))

    def _recipe(self, clip: FileClip, row: Video, video: SourceVideo | None) -> Recipe:
        config = {
            "format": self.format,
            "clip": clip.name,
            "fps": self.options.fps,
            "size": list(self.options.size) if self.options.size else None,
            "skeleton": clip.order.skeleton,
            "column": list(clip.order.column),
        }
        config |= {"options": row.options} if row.options else {}
        inputs = {"poses": self._digest_of(clip)}
        if video is not None:
            inputs["video"] = video.digest
        return Recipe("import", VERSION, config, inputs)

    def _file_id(self, clip: FileClip, video: SourceVideo | None) -> str:
        """Return the id that a clip would have if it showed all of its file."""
        path = video.path if video is not None else clip.path.resolve()
        digest = video.digest if video is not None else self._digest_of(clip)
        self.files[path] = digest
        if video is None and (clip.name != clip.path.stem or clip.unique):
            return self._id_in_file(clip, digest)
        return listed_as(self.project, path, digest) or video_id(path, digest)

    def _id_in_file(self, clip: FileClip, digest: str) -> str:
        """Return the id of one of several clips of a file. Names with the same slug, such as two
        without ASCII letters, are distinguished by a digest of the name."""
        plain = f"{slug(clip.name)}-{digest[:8]}"
        if self._names.setdefault((clip.path, plain), clip.name) == clip.name:
            return plain
        own = hashlib.sha256(nfc(clip.name).encode()).hexdigest()
        return f"{slug(clip.name)}-{own[:6]}-{digest[:8]}"

    def _slowmo(self, name: str) -> float:
        """Return how many times slower than life a file is, as the project reads it."""
        rows = self.project.video_list().of_file((name, "1"))
        return next((ClipOptions.from_text(row.options).slowmo for row in rows), 1.0)

    def _row(
        self, clip: FileClip, name: str, pose: PoseSequence, video: SourceVideo | None
    ) -> Video:
        digest = video.digest if video is not None else self._digest_of(clip)
        path = video.path if video is not None else clip.path.resolve()
        options = video.options(pose) if video is not None else ClipOptions()
        name = id_within(name, options.part)
        before = self._known.get(name)  # split and group set by the user stay
        old = ClipOptions.from_text(before.options if before else "")
        if lost := ClipOptions(rotate=old.rotate, mirror=old.mirror).to_text():
            reason = "no longer holds: joints from a file fit its video as it is"
            self.progress.note(f"{clip.name}: {lost} {reason}")
        return Video(
            id=name,
            path=self.project.path_cell(path),
            sha256=digest,
            frames=len(pose),
            fps=round(pose.fps, 6),
            width=pose.size[0],
            height=pose.size[1],
            split=(before and before.split) or clip.split,
            group=(before and before.group) or clip.group,
            options=options.to_text(),
        )

    def _digest_of(self, clip: FileClip) -> str:
        """Return the digest of the files that hold a clip."""
        for path in (sources := clip.sources or (clip.path,)):
            if path not in self._digests:
                is_folder = path.is_dir()
                digest = _folder_digest(path, clip.ending) if is_folder else file_digest(path)
                self._digests[path] = digest
        digests = [self._digests[path] for path in sources]
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _folder_digest(folder: Path, ending: str) -> str:
    """Return the SHA-256 of the names and contents of the files of a folder with an ending."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() == ending and p.is_file()):
        total.update(os.fsencode(f"{path.name}\0{file_digest(path)}\n"))
    return total.hexdigest()


def _result(
    clip: FileClip, video: str, pose: PoseSequence, current: bool, labelled: int
) -> ItemResult:
    """Return the row of a clip. labelled: frames that the phases need if the clip has fewer, else
    0."""
    result = item_result(str(clip.path), video, pose.info, cached=current)
    absent = pose.info["absent"]
    if absent:
        message = f"{absent} of {len(pose)} frame numbers are missing; they count as frames "
        message += "without a person"
    elif labelled:
        message = f"its phases were cut: they end at frame {labelled - 1}, and its poses end at "
        message += f"frame {pose.frame[-1]}"
    else:
        return result
    return replace(
        result,
        status="cached" if current else "degraded",
        code=FramesError.code,
        message=message,
        hint="copy the missing files if these frames should have poses",
    )


# --- phase labels that come with clips: merged into phases.csv, where labels of the user stay -----


def fitted_phases(phases: Sequence[Phase], end: int | None) -> tuple[list[Phase], int]:
    """Sort phases by time and cut them at frame `end` (None = not cut); return them, and the number
    of frames they would need.

    The second value is 0 if they reach at most one frame beyond the end, which data sets do not
    handle consistently. Raises FramesError if two phases share a frame.
    """
    try:
        ordered = in_time_order(phases)
    except ValueError as error:
        hint = "a frame has one phase; correct the labels of the data set"
        raise FramesError(f"its phases {error}", hint) from error
    if end is None:
        return ordered, 0
    needed = max((phase.end for phase in ordered), default=0)
    cut = [replace(phase, end=min(phase.end, end)) for phase in ordered if phase.start < end]
    return cut, needed if needed > end + 1 else 0


def phases_of_labels(labels: IntArray, background: int | None = None) -> list[Phase]:
    """Return runs of equal labels (T,) as phases `phase N`; negative labels have no phase.

    background: the label of the phase `background`, which the protocols leave out.
    """
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return [
        Phase(start, end, "background" if labels[start] == background else f"phase {labels[start]}")
        for start, end in pairwise(edges)
        if labels[start] >= 0
    ]


def merge_phases(project: StoredProject, labels: Labels, progress: Progress) -> None:
    """Write the labels of a data set into the project's phases.csv.

    Only clips without labels of the user get them; they replace propagated labels that nobody has
    checked. All other rows stay as they are; a note says how many clips keep other labels, which
    may be those of an earlier import, corrected since.
    """
    with project.tables():
        phases = project.clip_phases()
        kept = {
            name: rows
            for name, rows in phases.by_clip.items()
            if name in labels and any(row.phase.is_placed for row in rows)
        }
        new = {
            name: [PhaseRow(name, p) for p in sorted(labels[name], key=lambda p: p.start)]
            for name in sorted(labels.keys() - kept.keys())
        }
        if new:
            project.write_phase_table(phases.replaced(new))
    other = [
        name for name in sorted(kept) if _spans(labels[name]) != _spans(r.phase for r in kept[name])
    ]
    if other:
        progress.note(
            f"clips that keep other labels than the imported ones: {len(other)}, such as "
            f"{other[0]}; to take the imported ones, delete their rows in phases.csv and import "
            "again"
        )


def _spans(phases: Iterable[Phase]) -> set[tuple[int, int, str]]:
    return {(phase.start, phase.end, phase.name) for phase in phases}


# --- clips of a project to files; `export-labels` uses it, too ------------------------------------


def export_poses(
    project: StoredProject,
    format_name: str,
    names: Sequence[str],
    out: Path | None = None,
    *,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Write the poses of the named clips, or of all, to OUT/<id><suffix>; return one result each.

    out: default results/export/<format> of the project. E003 (skipped) means that the format cannot
    hold the poses. Raises UserError for an unknown format (exit 2), and as export_clips.
    """
    module = load_format(format_name, WRITTEN)

    def write(video: Video, path: Path) -> int:
        pose = posed(project, video)
        try:
            module.write_clip(pose, video.id, path)
        except FormatError as error:
            hint = "choose another format, such as wide-csv, which holds every skeleton"
            raise skip(str(error), hint, "E003") from error
        return len(pose)

    folder = out or project.results_dir(f"export/{format_name}")
    return export_clips(project, names, folder, module.SUFFIX, write, overwrite, progress)


def export_clips(
    project: StoredProject,
    names: Sequence[str],
    folder: Path,
    suffix: str,
    write: Callable[[Video, Path], int],
    overwrite: bool,
    progress: Progress,
) -> list[ItemResult]:
    """Write FOLDER/<id><suffix> for each named clip, or for all; return one result each.

    Parameters
    ----------
    names
        Names of clips, as for `find_clip`; none = all clips.
    folder, suffix
        Place and ending of the files.
    write
        Writes a clip to a path and returns its number of frames. A UserError with a code becomes
        the row of its clip, one without a code ends the batch.
    overwrite
        Replace existing files; otherwise they are skipped (E001).

    Raises
    ------
    UserError
        As `checked_outputs` (exit 2), for an unknown clip (exit 3), for a project without clips
        (exit 4), and if the disk cannot be written (exit 7).
    """
    videos = chosen_clips(project, names)
    paths = [folder / f"{video.id}{suffix}" for video in videos]
    checked_outputs(project, paths, "a file", {path.suffix.lower() for path in paths})
    results = []
    for video, path in zip(progress.over("exporting", videos), paths, strict=True):
        try:
            if path.exists() and not overwrite:
                hint = "add --overwrite, or choose another folder with --out"
                raise skip(f"{path} already exists", hint, "E001")
            check_output(project, path)
            result = ItemResult(str(path), video.id, "ok", write(video, path))
        except UserError as error:
            if not error.code or error.exit_code == ExitCode.STORAGE:
                raise
            result = error_row(str(path), error, video.id)
            if error.exit_code == ExitCode.UNUSABLE:
                result = replace(result, status="skipped")
        except Exception as error:
            result = unexpected(project, str(path), error, video.id)
        results.append(result)
    return results


def posed(project: StoredProject, video: Video) -> PoseSequence:
    """Return the poses of a clip to export. Raises UserError with E002 if there are none, or they
    are damaged."""
    try:
        return project.read_pose(video.id)[0]
    except UserError as error:
        error.code = "E002"
        raise


def skip(message: str, hint: str, code: str) -> UserError:
    """Return the error for a clip that is skipped."""
    return Unusable(message, hint=hint, code=code)


def chosen_clips(project: StoredProject, names: Sequence[str]) -> list[Video]:
    """Return the named clips, as for `find_clip`, each once; all if none is named."""
    if names:
        named = [clip_named(project, name) for name in names]
        return list({video.id: video for video in named}.values())
    videos = project.videos()
    if not videos:
        raise Unusable(
            "the project has no clips", hint="la2ds extract-poses CLIPS, or la2ds import"
        )
    return videos
