"""The page of a pair in one file: both clips side by side, in step along their alignment, and the
findings of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.compare.compare_clips import CompareResult, document_sentences
from la2ds_cli.core import artifact
from la2ds_cli.core.annotations import NOTE, ClipMoments, between
from la2ds_cli.core.clip import Video
from la2ds_cli.core.output_paths import write_output
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.result_names import result_name
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats.c3d import SUFFIXES, read_recorded
from la2ds_cli.formats.files import PoseFileError
from la2ds_cli.offset.find_offsets import METHOD
from la2ds_cli.poses.quality import clip_facts, verdict
from la2ds_cli.video.reader import video_file
from la2ds_cli.views.page import base64_text, render_page
from la2ds_cli.views.report.pair_data import (
    FrameImages,
    compared_angles,
    encode_frames,
    notes_json,
    pair_json,
    recorded_json,
)

FOLDER = "report"  # of results/
SUFFIX = ".html"
PAGE = "a page", (SUFFIX,)  # for checked_outputs
SCRIPTS = (
    *("elements.js", "film.js", "keys.js", "player.js", "stage.js", "clips.js", "tracks.js"),
    *("matrix.js", "over.js", "words.js", "pair.js", "offline.js"),
)
_HERE = "views/report/"


def write_pair(
    project: StoredProject,
    result: Alignment,
    *,
    out: Path | None = None,
    privacy: bool = False,
    progress: Progress = SILENT,
) -> Path:
    """Write the page of an alignment, and return the file.

    Parameters
    ----------
    out: the file, by default in results/report (core/result_names.py); an existing one is replaced.
    privacy: show only the joints, without pictures from the videos and without notes.
    """
    content = pair_page(project, result, progress, privacy=privacy)
    name = result_name(project.videos(), result.a, result.b)
    target = out or project.results_dir(FOLDER) / f"{name}{SUFFIX}"
    write_output(project, target, content)
    return target


def _images(
    project: StoredProject, video: Video, pose: PoseSequence, progress: Progress, *, mirrored: bool
) -> FrameImages | None:
    source = video_file(project, video)
    # Without the picture's width, mirrored joints cannot be placed on it.
    if source is None or (mirrored and not all(pose.size)):
        return None
    images = encode_frames(source, pose, progress, mirrored=mirrored)
    return images if images.pictures else None


def pair_page(
    project: StoredProject,
    result: Alignment,
    progress: Progress,
    comparison: CompareResult | None = None,
    *,
    privacy: bool,
) -> bytes:
    """Return the page as UTF-8 HTML.

    Parameters
    ----------
    comparison: of the same two clips, to be shown with it.
    privacy: leave out pictures from the videos and people's notes.
    """
    flipped = result.mirrored
    sides = (result.a, result.pose_a, False), (result.b, result.shown_b, flipped)
    images = [
        None if privacy else _images(project, video, pose, progress, mirrored=mirrored)
        for video, pose, mirrored in sides
    ]
    a, b = (ClipMoments.of(video.id, video.options, pose) for video, pose, _ in sides)
    notes = [] if privacy else between(project.annotations(), NOTE, a, b)
    data = pair_json(result, project.phases(skip_unclear=True))
    data |= {"written": notes_json(notes), "warnings": []}
    data["recorded"], lost = recorded_beside(project, result)
    data["notes"] = [
        *picture_notes(result, images, privacy=privacy),
        *weaknesses(project, result),
        *lost,
    ]
    if comparison is not None:
        data["comparison"] = document_sentences(comparison.to_json())
        data["angles"] = compared_angles(comparison)
    names = result.a.title, result.b.title
    return render_page(
        f"{_HERE}pair.html",
        f"{' and '.join(names)} · la2ds",
        styles=[_HERE + name for name in ("page.css", "pair.css")],
        scripts=[_HERE + name for name in SCRIPTS],
        layout="views/page.html",
        heading=" and ".join(names),
        name_a=names[0],
        name_b=names[1],
        data=data,
        images_a=_images_json(images[0]),
        images_b=_images_json(images[1]),
    )


def picture_notes(
    result: Alignment, images: Sequence[FrameImages | None], *, privacy: bool
) -> list[str]:
    """Return notes on frames without a picture, and why; none if all frames have one.

    Parameters
    ----------
    images: of A and of B, None if joints are drawn instead.
    """
    if privacy:
        return ["This page was made with --privacy and shows only joints, without pictures."]
    notes = []
    for letter, pose, shown in zip("AB", (result.pose_a, result.pose_b), images, strict=True):
        if shown is None:
            notes.append(f"{letter}: the video is not available, so only joints are shown.")
        elif shown.every > 1:
            rate = pose.fps / shown.every
            notes.append(
                f"{letter}: to keep the page small, only one frame in {shown.every} has a picture "
                f"({rate:.1f} per second, {shown.size[1]} pixels high). Positions and curves use "
                "all frames."
            )
        elif len(shown.pictures) < len(pose):
            missing = len(pose) - len(shown.pictures)
            notes.append(f"{letter}: frames that are no longer in the video: {missing}.")
    return notes


def recorded_beside(
    project: StoredProject, result: Alignment
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return `recorded_json` of the motion capture among two recordings of one performance (None if
    there is none), and notes on what cannot be read."""
    if result.method != METHOD:
        return None, []
    for side, video, pose in (("b", result.b, result.pose_b), ("a", result.a, result.pose_a)):
        path = project.source(video)
        if path.suffix.lower() not in SUFFIXES:
            continue
        try:
            if artifact.file_digest(path) != video.sha256:
                raise PoseFileError("the file has changed since it was imported")
            data = recorded_json(result, read_recorded(path, pose.fps), side)
        except (OSError, PoseFileError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            return None, [f"{side.upper()}: forces and events of {path.name} not shown: {reason}"]
        return (data if data["force"] or data["events"] else None), []
    return None, []


def weaknesses(project: StoredProject, result: Alignment) -> list[str]:
    """Return the weaknesses of both clips' joints, the most serious first, each with its hint."""
    return [
        f"{letter}: {weakness.message} ({weakness.code}): {weakness.hint}"
        for letter, video in (("A", result.a), ("B", result.b))
        for weakness in verdict(clip_facts(project, video.id))
    ]


def _images_json(images: FrameImages | None) -> dict[str, Any] | None:
    if images is None:
        return None
    return {"rows": images.row, "pictures": [base64_text(picture) for picture in images.pictures]}
