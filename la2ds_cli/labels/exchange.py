"""Phases of a project to label files of other tools, and back.

Files refer to videos, in seconds as a player shows them; clips refer to frames of a part of a
video. `labels/import_plan.py` decides which labels of several files a project takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.clip_names import nfc
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, Phase, PoseSequence
from la2ds_cli.formats.import_export import export_clips, posed, skip
from la2ds_cli.labels.files import (
    ClipKey,
    LabelError,
    LabelFile,
    TimedPhase,
    parser,
    tool_module,
    writer,
)


def file_edges(pose: PoseSequence, video: Video) -> FloatArray:
    """(T + 1,) seconds of the video file at which the frames of a clip begin, and the last one
    ends."""
    slowmo = ClipOptions.from_text(video.options).slowmo
    return pose.axis.bounds * slowmo


def frame_edges(pose: PoseSequence) -> np.ndarray:
    """(T + 1,) frames of the video file at which the rows of a clip begin, and the last one
    ends."""
    return np.append(pose.frame, pose.frame[-1] + 1)


# --- to files -----------------------------------------------------------------------------------


def export_labels(
    project: StoredProject,
    format_name: str,
    names: Sequence[str],
    out: Path | None = None,
    *,
    carried: bool = False,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Write the phases of clips to OUT/<id><suffix>, so that `import_labels` reads the same.

    Parameters
    ----------
    names: of the clips; none = all.
    carried: whether to write propagated phases, too.

    Returns
    -------
    One result for each clip. E002 means that it has no poses, which say when its frames are shown;
    E004 (skipped) that it has no phases; E005 (failed) that the format cannot hold them.

    Raises
    ------
    UserError: exit 2 for an unknown format; the rest as formats.import_export.export_clips.
    """
    _, suffix = writer(format_name)
    phases = project.phases(propagated=carried)

    def write(video: Video, path: Path) -> int:
        if not (own := phases.get(video.id)):
            hint = "label it in la2ds studio; --carried writes propagated labels"
            raise skip(f"{video.name} has no phases", hint, "E004")
        pose = posed(project, video)
        artifact.write_text(path, checked_text(project, format_name, video, pose, own))
        return len(pose)

    folder = out or project.results_dir(f"export/{format_name}")
    return export_clips(project, names, folder, suffix, write, overwrite, progress)


def checked_text(
    project: StoredProject,
    format_name: str,
    video: Video,
    pose: PoseSequence,
    phases: Sequence[Phase],
) -> str:
    """Return the text of a label file that is read as the same phases.

    Raises
    ------
    UserError: E005 if the format cannot hold them.
    """
    shown = shown_phases(pose, phases)
    text = writer(format_name)[0](timed_labels(project, video, pose, shown), video.id)
    try:
        (back,) = parser(format_name)(text, video.name, "")
        same = back if isinstance(back, LabelError) else phases_in(back, pose, video)[0]
    except LabelError as error:
        same = error
    if same == shown:
        return text
    lost = next((one for one in shown if isinstance(same, LabelError) or one not in same), shown[0])
    other = "via3" if format_name != "via3" else "boris"
    raise Mismatch(
        f"{tool_module(format_name).TOOL} cannot hold the label {lost.name[:40]!a} of the frames "
        f"{lost.start} to {lost.end} of {video.name} as it is",
        hint=f"change its name or its frames, or try the format {other}",
        code="E005",
    )


def shown_phases(pose: PoseSequence, phases: Sequence[Phase]) -> list[Phase]:
    """Those parts of phases that a clip shows, in time order, between borders of its frames."""
    edges, shown = frame_edges(pose), []
    for phase in sorted(phases, key=lambda phase: phase.start):
        first, last = np.searchsorted(pose.frame, [phase.start, phase.end])
        if first < last:
            ends = int(edges[first]), int(edges[last])
            shown.append(Phase(*ends, phase.name, phase.origins))
    return shown


def timed_labels(
    project: StoredProject, video: Video, pose: PoseSequence, shown: Sequence[Phase]
) -> LabelFile:
    """The `shown_phases` of a clip in seconds of its file."""
    edges, frames = file_edges(pose, video), frame_edges(pose)
    timed = []
    for phase in shown:
        start, end = edges[np.searchsorted(frames, [phase.start, phase.end])]
        timed.append(TimedPhase(float(start), float(end), phase.name, phase.origins))
    options = ClipOptions.from_text(video.options)
    name = project.video_list().name_of(video)
    key = ClipKey(video.sha256, options.part, video.person, name)
    media, fps = str(project.source(video)), pose.fps / options.slowmo
    return LabelFile(media, timed, fps, float(edges[-1]), key)


# --- from files ---------------------------------------------------------------------------------


def phases_in(
    labels: LabelFile, pose: PoseSequence, video: Video
) -> tuple[list[Phase], list[TimedPhase]]:
    """Return labels as frames of a clip, and those labels that are too short for it.

    Each end goes to the nearest border of two frames. What lies outside the clip is cut off; labels
    shorter than half a frame are too short. Phases are in time order.
    """
    edges, frames = file_edges(pose, video), frame_edges(pose)
    phases, short = [], []
    for one in sorted(labels.phases, key=lambda one: one.start):
        start, end = max(one.start, edges[0]), min(one.end, edges[-1])  # may be infinite
        if start >= end:  # outside
            continue
        first, last = (int(np.abs(edges - seconds).argmin()) for seconds in (start, end))
        if first < last:
            phases.append(Phase(int(frames[first]), int(frames[last]), one.name, one.origins))
        elif one.start >= edges[0] and one.end <= edges[-1]:
            short.append(one)
    return phases, short


def clips_of(project: StoredProject, labels: LabelFile, stem: str) -> list[Video]:
    """Return the clips that labels are of: of a file of la2ds the clip with its key, or else all
    clips of that film and person; of another file all clips of the first person in its video.

    Parameters
    ----------
    stem: of the label file, which names the video if the labels do not.

    Raises
    ------
    UserError: I005 if there is no such clip, or if several films fit.
    """
    listed = project.video_list()
    if labels.key is not None:
        found = _clips_with_key(listed.videos, labels.key, labels.name)
        if found:
            return found
    key_name = labels.key.name if labels.key else ""
    names = [key_name] if key_name else [labels.path, labels.name, stem]
    for name in filter(None, names):
        try:
            file = listed.file_of(name)
        except UserError as error:
            error.code, error.hint = "I005", f"{error.hint}; --clip takes such a name"
            raise
        if file is not None and (found := listed.of_file(file)):
            return found
    raise UserError(
        f"the project has no clip of {key_name or labels.name or stem}",
        hint="extract its poses first, or name the clip with --clip",
        code="I005",
    )


def _clips_with_key(videos: Sequence[Video], key: ClipKey, file_name: str) -> list[Video]:
    """The clip of this film, part and person, or else all of this film and person. Of several
    copies of the film, that of the same file name."""
    found = [video for video in videos if (video.sha256, video.person) == (key.sha256, key.person)]
    parts = [v for v in found if ClipOptions.from_text(v.options).part == key.part]
    found = parts or found
    if len({video.path for video in found}) > 1:
        named = [v for v in found if nfc(Path(v.path).name) == nfc(file_name)]
        found = named or found
    if len({video.path for video in found}) > 1:
        paths = ", ".join(sorted({video.path for video in found})[:3])
        raise UserError(
            f"the project has copies of this film: {paths}",
            hint="name the clip with --clip",
            code="I005",
        )
    return found
