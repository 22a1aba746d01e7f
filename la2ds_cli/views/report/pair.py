"""The page of a pair: both clips side by side, locked by their alignment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.confidence import NEAR, NOMINAL
from la2ds_cli.alignment.request import features_name
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core import artifact
from la2ds_cli.core.annotations import NOTE, Between, ClipMoments, between
from la2ds_cli.core.clip import Video
from la2ds_cli.core.progress import Progress, duration
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.video.reader import video_file
from la2ds_cli.views.page import base64_text, render_page
from la2ds_cli.views.report.frame_images import FrameImages, encode_frames
from la2ds_cli.views.report.pair_data import (
    Baseline,
    PageClip,
    baselines,
    notes_json,
    page_clip,
    pair_json,
)

FOLDER = "report"  # of results/
SUFFIX = ".html"
PAGE = "a page", (SUFFIX,)  # for checked_outputs
_STYLES = ("page.css", "pair.css")
_SCRIPTS = (
    *("elements.js", "film.js", "keys.js", "player.js", "stage.js", "clips.js", "tracks.js"),
    *("matrix.js", "pair.js", "offline.js"),
)
_HERE = "views/report/"
_SAME = 0.005  # seconds, which two digits show as 0
_CURVES = {  # name -> label, stroke, dashes, as matrix.js draws them
    "path": ("the alignment", "#ffa41b", ""),
    "pose": ("raw poses", "#ffb3e6", "6 4"),
    "clock": ("constant speed", "#ffffff", "2 3"),
}


@dataclass(frozen=True)
class PairReport:
    """A page that was written. result: what it shows. images: of the frames of A and B, None if
    only joints are drawn. file, bytes: the page."""

    result: AlignResult
    images: tuple[FrameImages | None, FrameImages | None]
    baselines: list[Baseline]
    file: Path
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `--json`."""
        sides = zip("ab", (self.result.a, self.result.b), self.images, strict=True)
        return {
            "file": str(self.file),
            "bytes": self.bytes,
            **{
                side: {
                    "video": video.id,
                    "pictures": len(images.pictures) if images else 0,
                    "every": images.every if images else None,
                    "height": images.size[1] if images else None,
                }
                for side, video, images in sides
            },
            "features": self.result.alignment.features,
            "mirrored": self.result.alignment.mirrored,
            "baselines": {
                b.kind: {"mean_seconds": b.mean, "worst_seconds": b.worst} for b in self.baselines
            },
        }


def write_pair(
    project: Project,
    result: AlignResult,
    *,
    out: Path | None = None,
    privacy: bool = False,
    progress: Progress | None = None,
) -> PairReport:
    """Write the page of an alignment.

    out: the file, by default results/report/<a>--<b>.html; an existing one is replaced. privacy:
    only the joints, no pictures from the videos and no notes.
    """
    progress = progress or Progress()
    mirrored = result.alignment.mirrored
    poses = result.pose_a, result.shown_b
    phases = project.phases()
    clips = (
        page_clip(project, "A", result.a, poses[0], phases.get(result.a.id, [])),
        page_clip(project, "B", result.b, poses[1], phases.get(result.b.id, [])),
    )
    images = (
        None if privacy else _images(project, result.a, poses[0], progress),
        None if privacy else _images(project, result.b, poses[1], progress, mirrored=mirrored),
    )
    beside = baselines(project, result)
    moments = [ClipMoments.of(clip.video.id, clip.video.options, clip.pose) for clip in clips]
    notes = [] if privacy else between(project.annotations(), NOTE, *moments)
    content = pair_page(result, clips, images, beside, notes, privacy=privacy)
    target = out or project.results_dir(FOLDER) / f"{result.a.id}--{result.b.id}{SUFFIX}"
    artifact.write_bytes(target, content)
    return PairReport(result, images, beside, target, len(content))


def _images(
    project: Project,
    video: Video,
    pose: PoseSequence,
    progress: Progress,
    *,
    mirrored: bool = False,
) -> FrameImages | None:
    source = video_file(project, video)
    # In a mirrored clip of unknown width, the joints have no position in the picture.
    if source is None or (mirrored and not all(pose.size)):
        return None
    images = encode_frames(source, pose, progress, mirrored=mirrored)
    return images if images.pictures else None


def pair_page(
    result: AlignResult,
    clips: tuple[PageClip, PageClip],
    images: tuple[FrameImages | None, FrameImages | None],
    beside: list[Baseline],
    notes: list[Between],
    *,
    privacy: bool,
) -> bytes:
    """The page as UTF-8 HTML; beside: the baselines; notes: a person's notes."""
    alignment = result.alignment
    by_model = alignment.features != "pose"
    first, last = alignment.path[0], alignment.path[-1]
    kinds = ("path", *(baseline.kind for baseline in beside))
    return render_page(
        f"{_HERE}pair.html",
        f"{result.a.title} and {result.b.title} · la2ds",
        styles=[_HERE + name for name in _STYLES],
        scripts=[_HERE + name for name in _SCRIPTS],
        name_a=result.a.title,
        name_b=result.b.title,
        method=alignment.method,
        by_model=by_model,
        features=("the " * by_model) + features_name(alignment.features, result.run),
        references=result.references,
        seconds_a=duration(float(alignment.time_a[last[0]] - alignment.time_a[first[0]]), 2),
        seconds_b=duration(float(alignment.time_b[last[1]] - alignment.time_b[first[1]]), 2),
        ratio=f"{result.overall_ratio:.2f}" if np.isfinite(result.overall_ratio) else None,
        sureness=result.sureness,
        near=f"{NEAR:.0%}",
        nominal=f"{NOMINAL:.0%}",
        reason=result.reason,
        unmatched=int(np.isnan(alignment.position).sum()),
        frames=len(alignment.position),
        mirrored=alignment.mirrored,
        picture_note=picture_note(clips, images, privacy=privacy),
        curves=[dict(zip(("name", "colour", "dash"), _CURVES[k], strict=True)) for k in kinds],
        both_have_phases=all(clip.phases for clip in clips),
        baselines=[_baseline_line(result, baseline) for baseline in beside],
        clips=clips,
        data=pair_json(result, clips, beside) | {"written": notes_json(notes)},
        images_a=_images_json(images[0]),
        images_b=_images_json(images[1]),
    )


def _baseline_line(result: AlignResult, baseline: Baseline) -> dict[str, Any]:
    """What the page says about a baseline; its distance from the alignment is not an error of
    either."""
    line: dict[str, Any] = {"name": _CURVES[baseline.kind][0], "mean": None}
    if baseline.mean is not None and baseline.worst is not None and baseline.at is not None:
        line |= {
            "same": baseline.worst < _SAME,
            "mean": duration(baseline.mean, 2),
            "worst": duration(baseline.worst, 2),
            "at": duration(float(result.alignment.time_a[baseline.at]), 2),
        }
    return line


def picture_note(
    clips: tuple[PageClip, PageClip],
    images: tuple[FrameImages | None, FrameImages | None],
    *,
    privacy: bool,
) -> str:
    """Which frames have no picture, and why; empty if all have one."""
    if privacy:
        return "Made with --privacy: the page shows only joints, no pictures from the videos."
    if images == (None, None):
        return "Neither clip has a video: their joints are drawn."
    notes: dict[str, list[str]] = {}  # note -> letters of its clips
    for clip, shown in zip(clips, images, strict=True):
        if shown is None:
            note = "no video: the joints are drawn"
        elif shown.every > 1:
            rate = clip.pose.fps / shown.every
            note = (
                f"to keep the page small, one frame in {shown.every} has a picture ({rate:.1f} "
                f"per second, {shown.size[1]} pixels high); positions and curves use all frames"
            )
        elif len(shown.pictures) < len(clip.pose):
            missing = len(clip.pose) - len(shown.pictures)
            note = f"{missing} of the frames are no longer in the video"
        else:
            continue
        notes.setdefault(note, []).append(clip.letter)
    return " ".join(f"{' and '.join(letters)}: {note}." for note, letters in notes.items())


def _images_json(images: FrameImages | None) -> dict[str, Any] | None:
    if images is None:
        return None
    return {"rows": images.row, "pictures": [base64_text(picture) for picture in images.pictures]}
