"""Convert phases of a project to label files of other tools, and back.

Files refer to videos, in seconds as a player shows them; clips refer to frames of a part of a
video. `labels/import_plan.py` decides which labels of several files are imported.
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
    """Return the seconds (T + 1,) of the video file at which the frames of a clip begin, and the
    last frame ends."""
    slowmo = ClipOptions.from_text(video.options).slowmo
    return pose.axis.bounds * slowmo


def frame_edges(pose: PoseSequence) -> np.ndarray:
    """Return the frames (T + 1,) of the video file at which the rows of a clip begin, and the last
    row ends."""
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
    format_name: of the files.
    names: of the clips; none = all.
    out: folder; None = results/export of the project.
    carried: write propagated phases, too.
    overwrite: replace existing files.

    Returns
    -------
    list: a result for each clip. E002: it has no poses, which have the times of its frames. E004
        (skipped): it has no phases. E005 (failed): the format cannot hold its phases.

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
    """Return the text of a label file from which the same phases are read.

    Raises UserError (E005) if the format cannot hold them.
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
    lost = next(
        (phase for phase in shown if isinstance(same, LabelError) or phase not in same), shown[0]
    )
    other = "via3" if format_name != "via3" else "boris"
    raise Mismatch(
        f"{tool_module(format_name).TOOL} cannot represent the label {lost.name[:40]!a} of frames "
        f"{lost.start} to {lost.end} of {video.name}",
        hint=f"change its name or its frames, or try the format {other}",
        code="E005",
    )


def shown_phases(pose: PoseSequence, phases: Sequence[Phase]) -> list[Phase]:
    """Return the parts of phases that a clip shows, in time order, at borders of its frames."""
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
    """Return the `shown_phases` of a clip as labels in seconds of its file."""
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
    """Return labels as phases in frames of a clip, and the labels that are too short.

    Each end is rounded to the nearest border of two frames, and parts outside the clip are cut off;
    labels shorter than half a frame are too short. Phases are in time order.
    """
    edges, frames = file_edges(pose, video), frame_edges(pose)
    phases, short = [], []
    for label in sorted(labels.phases, key=lambda label: label.start):
        start, end = max(label.start, edges[0]), min(label.end, edges[-1])  # may be infinite
        if start >= end:  # outside
            continue
        first, last = (int(np.abs(edges - seconds).argmin()) for seconds in (start, end))
        if first < last:
            phases.append(Phase(int(frames[first]), int(frames[last]), label.name, label.origins))
        elif label.start >= edges[0] and label.end <= edges[-1]:
            short.append(label)
    return phases, short


def clips_of(project: StoredProject, labels: LabelFile, stem: str) -> list[Video]:
    """Return the clips that a label file is for.

    For a file written by la2ds, these are the clip with its key, or else all clips of that film and
    person; for another file, all clips of the first person in its video.

    Parameters
    ----------
    labels: content of the file.
    stem: name of the file without ending, which names the video if the labels do not.

    Raises
    ------
    UserError: I005 if there is no such clip, or if several films fit.
    """
    listed = project.video_list()
    if labels.key is not None:
        clips = _clips_with_key(listed.videos, labels.key, labels.name)
        if clips:
            return clips
    key_name = labels.key.name if labels.key else ""
    names = [key_name] if key_name else [labels.path, labels.name, stem]
    for name in filter(None, names):
        try:
            file = listed.file_of(name)
        except UserError as error:
            error.code, error.hint = "I005", f"{error.hint}; --clip takes such a name"
            raise
        if file is not None and (clips := listed.of_file(file)):
            return clips
    raise UserError(
        f"the project has no clip of {key_name or labels.name or stem}",
        hint="extract its poses first, or name the clip with --clip",
        code="I005",
    )


def _clips_with_key(videos: Sequence[Video], key: ClipKey, file_name: str) -> list[Video]:
    """Return the clip of this film, part and person, or else all clips of this film and person; of
    several copies of the film, the copy with this file name."""
    clips = [video for video in videos if (video.sha256, video.person) == (key.sha256, key.person)]
    parts = [v for v in clips if ClipOptions.from_text(v.options).part == key.part]
    clips = parts or clips
    if len({video.path for video in clips}) > 1:
        named = [v for v in clips if nfc(Path(v.path).name) == nfc(file_name)]
        clips = named or clips
    if len({video.path for video in clips}) > 1:
        paths = ", ".join(sorted({video.path for video in clips})[:3])
        raise UserError(
            f"the project has several copies of this film: {paths}",
            hint="name the clip with --clip",
            code="I005",
        )
    return clips
