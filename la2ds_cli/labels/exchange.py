"""Phases of a project to label files of other tools, and back.

Files refer to videos, in seconds as a player shows them; clips refer to frames of a part of a
video. Imported labels go to every clip of the video, and each clip takes those that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import cannot_read
from la2ds_cli.core.batch import ItemResult, error_row, unexpected
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import PhaseRow
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, Phase, PoseSequence
from la2ds_cli.formats.import_export import export_clips, posed, skip
from la2ds_cli.labels.files import LabelError, LabelFile, Read, Span, reader, writer


def file_edges(pose: PoseSequence, video: Video) -> FloatArray:
    """(T + 1,) seconds of the video file at which the frames of a clip begin, and the last one
    ends."""
    slowmo = ClipOptions.from_text(video.options).slowmo
    return pose.axis.bounds * slowmo


# --- to files -----------------------------------------------------------------------------------


def export_labels(
    project: Project,
    format_name: str,
    names: Sequence[str],
    out: Path | None = None,
    *,
    carried: bool = False,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Write the phases of the named clips, or of all, to OUT/<id><suffix>; one result each.

    carried: include propagated phases that nobody has checked. E004 (skipped) means that the clip
    has no phases, E002 that it has no poses, which say when its frames are shown. Raises UserError
    for an unknown format (exit 2); the rest as formats.import_export.export_clips.
    """
    write_labels, suffix = writer(format_name)
    phases = project.phases(propagated=carried)

    def write(video: Video, path: Path) -> int:
        if not (mine := phases.get(video.id)):
            hint = "label it in la2ds studio; --carried writes propagated labels"
            raise skip(f"{video.name} has no phases", hint, "E004")
        pose = posed(project, video)
        write_labels(labels_of(project, video, pose, mine), path)
        return len(pose)

    folder = out or project.results_dir(f"export/{format_name}")
    return export_clips(project, names, folder, suffix, write, overwrite, progress)


def labels_of(
    project: Project, video: Video, pose: PoseSequence, phases: Sequence[Phase]
) -> LabelFile:
    """Phases of a clip in seconds of its file; parts of phases outside its frames are cut off."""
    edges = file_edges(pose, video)
    spans = []
    for phase in sorted(phases, key=lambda phase: phase.start):
        first, last = np.searchsorted(pose.frame, [phase.start, phase.end])
        if first < last:
            ends = float(edges[first]), float(edges[last])
            spans.append(Span(*ends, phase.name, phase.propagated))
    fps = pose.fps / ClipOptions.from_text(video.options).slowmo
    return LabelFile(str(project.source(video)), spans, fps, float(edges[-1]))


# --- from files ---------------------------------------------------------------------------------


def import_labels(
    project: Project,
    format_name: str,
    paths: Sequence[Path],
    *,
    layer: str = "",
    clip: str = "",
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Write the labels of files, or of the files of a folder, into phases.csv; one result for each
    clip that gets labels, and for each file that gives none.

    layer: the tier, subject or attribute to read. clip: the clip or video of a file that does not
    name it. Labels that a person has set are kept unless `overwrite`; the old phases.csv is saved.
    `frames` of a result: number of phases. Item codes: I001 (failed) the file is not what it should
    be; I003 (failed) its phases overlap; I005 (failed) no clip of the project fits it; I006
    (skipped) the clip has labels. Raises UserError (exit 2) for an unknown format.
    """
    read, suffixes = reader(format_name)
    files = _files(paths, suffixes)
    results = []
    for path in progress.over(f"importing {format_name}", files):
        try:
            results += _from_file(project, path, read, layer, clip, overwrite)
        except LabelError as error:
            hint = "write the file again, or name the right format"
            results.append(ItemResult(str(path), "", "failed", 0, "I001", str(error), hint))
        except UserError as error:
            if error.exit_code == ExitCode.STORAGE:
                raise
            results.append(error_row(str(path), error, code="I005"))
        except OSError as error:
            results.append(error_row(str(path), cannot_read(path, error), code="I001"))
        except Exception as error:
            results.append(unexpected(project, str(path), error))
    return results


def _files(paths: Sequence[Path], suffixes: tuple[str, ...]) -> list[Path]:
    files = []
    for path in paths:
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes) if (
            path.is_dir()
        ) else [path]  # fmt: skip
        files += inside
    if not files:
        raise UserError(
            f"no file of this format in {', '.join(map(str, paths))}",
            hint=f"its files end in {', '.join(suffixes)}",
        )
    return files


def _from_file(
    project: Project, path: Path, read: Read, layer: str, clip: str, overwrite: bool
) -> list[ItemResult]:
    results = []
    for labels in read(path, layer):
        for video in _clips(project, labels, path, clip):
            results += _taken(project, path, labels, video, overwrite)
    if not results:
        message = f"{path.name} has no labels for frames of clips"
        hint = "label phases with a beginning and an end"
        return [ItemResult(str(path), "", "failed", 0, "I001", message, hint)]
    return results


def _clips(project: Project, labels: LabelFile, path: Path, clip: str) -> list[Video]:
    """The clips that labels apply to: the named one, or all of the video with this name."""
    listed = project.video_list()
    for name in [clip] if clip else [labels.name, path.stem]:
        mine = [v for v in listed.videos if v.person == 1 and name in (Path(v.path).name, v.id)]
        if len({project.source(video) for video in mine}) > 1:
            raise UserError(
                f"the project has several videos called {name}",
                hint="name the clip with --clip, one file at a time",
                code="I005",
            )
        if mine:
            return mine
    if clip and (found := listed.find(clip)):
        return [found]
    raise UserError(
        f"the project has no clip of {clip or labels.name or path.name}",
        hint="extract its poses first, or name the clip with --clip",
        code="I005",
    )


def _taken(
    project: Project, path: Path, labels: LabelFile, video: Video, overwrite: bool
) -> list[ItemResult]:
    """The result for the labels of a clip; none if it shows nothing of them."""
    pose, _ = project.read_pose(video.id)
    phases = phases_of(labels, pose, video)
    if not phases:
        return []
    for before, after in pairwise(phases):
        if after.start < before.end:
            message = f"{before.name} and {after.name} overlap at frame {after.start}"
            hint = "a frame has one phase; read one tier or subject of the file with --layer"
            return [ItemResult(str(path), video.id, "failed", 0, "I003", message, hint)]
    if not _merged(project, video, phases, overwrite):
        message = f"{video.name} has labels that a person has set"
        hint = "--overwrite replaces them; the old phases.csv is saved"
        return [ItemResult(str(path), video.id, "skipped", 0, "I006", message, hint)]
    return [ItemResult(str(path), video.id, "ok", len(phases))]


def phases_of(labels: LabelFile, pose: PoseSequence, video: Video) -> list[Phase]:
    """The labels as frames of a clip, in time order: each end goes to the nearest border of two
    frames. Parts outside the clip are cut off, and labels shorter than half a frame left out."""
    edges = file_edges(pose, video)
    ends = np.append(pose.frame, pose.frame[-1] + 1)
    phases = []
    for span in sorted(labels.spans, key=lambda span: span.start):
        ends_at = min(span.end, edges[-1])  # may be infinite
        first, last = (int(np.abs(edges - t).argmin()) for t in (span.start, ends_at))
        name = "".join(c for c in span.name if c.isprintable()).strip()[:80]
        if first < last and name:
            phases.append(Phase(int(ends[first]), int(ends[last]), name))
    return phases


def _merged(project: Project, video: Video, new: Sequence[Phase], overwrite: bool) -> bool:
    """Make these the labels of a clip; False if a person has set others."""
    with project.tables():
        phases = project.clip_phases()
        if any(row.checked for row in phases.by_clip.get(video.id, ())) and not overwrite:
            return False
        rows = [PhaseRow(video.id, phase) for phase in new]
        project.write_phase_table(phases.replaced({video.id: rows}))
    return True
