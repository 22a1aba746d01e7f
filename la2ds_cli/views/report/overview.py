"""The page of a project: its clips, training runs and results, with links to the pages of pairs."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from la2ds_cli.alignment.request import features_name
from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress, duration
from la2ds_cli.core.project import Project
from la2ds_cli.core.table import Cell, Column, Row, Table, html
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.evaluation.table import (
    feature_columns,
    figure_rows,
    figures,
    transfer_rows,
    transfer_uses,
    verdict,
)
from la2ds_cli.health.status import ProjectStatus, project_status
from la2ds_cli.poses.quality import clip_facts
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.poses.verdict import Verdict
from la2ds_cli.poses.verdict import verdict as joints_verdict
from la2ds_cli.video.reader import Image, VideoFile, video_file
from la2ds_cli.views.figure import phase_colours
from la2ds_cli.views.film_strip import pictures, view_boxes
from la2ds_cli.views.page import base64_text, render_page
from la2ds_cli.views.pose_drawing import draw_pose
from la2ds_cli.views.report.pair import FOLDER, SUFFIX
from la2ds_cli.views.timeline_figure import FOLDER as TIMELINES

INDEX = "index.html"
_HERE = "views/report/"
_HEIGHT = 84  # pixels of a thumbnail
_PNG = b"\x89PNG\r\n\x1a\n"
_LATEST = 10.0  # seconds: of longer clips, what is decoded for a thumbnail
_GROUND = (32, 38, 43)
_BAR = 220  # pixels of a phase bar
_TRANSFER = ("median error, %", "mean error, %", "90th centile, %", "median error, s")
_DEFINED = {  # heading -> key of the protocol
    "Event transfer": "event_transfer",
    "Events": "events",
    "Tau": "kendalls_tau",
    "SVM": "phase_classification",
    "Progress": "phase_progression",
    "AP@K": "retrieval",
    "Small figures below": "interval",
}


@dataclass(frozen=True)
class ProjectReport:
    """A page that was written. clips: in its table. pairs: pages that it links to."""

    file: Path
    bytes: int
    clips: int
    pairs: int

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `--json`."""
        return {
            "file": str(self.file),
            "bytes": self.bytes,
            "clips": self.clips,
            "pairs": self.pairs,
        }


def write_overview(
    project: Project,
    *,
    out: Path | None = None,
    privacy: bool = False,
    progress: Progress | None = None,
) -> ProjectReport:
    """Write the page of a project; nothing else is written or changed.

    out: the file, by default results/report/index.html; an existing one is replaced. privacy:
    drawings of joints instead of pictures.
    """
    progress = progress or Progress()
    target = project.results_dir(FOLDER) / INDEX if out is None else out
    status = project_status(project, project.config())
    clips = clip_rows(project, privacy=privacy, progress=progress)
    pairs = pair_pages(project)
    content = render_page(
        f"{_HERE}overview.html",
        f"{project.root.name} · la2ds",
        styles=[f"{_HERE}page.css", f"{_HERE}overview.css"],
        heading=project.root.name,
        preset=status.preset,
        facts=_facts(status),
        pairs=_links(project, pairs, target),
        runs=status.runs,
        evaluations=evaluations(project),
        timelines=timelines(project),
        clips=clips,
        colours=phase_colours(phase.name for clip in clips for phase in clip.phases),
        thumbnail_height=_HEIGHT,
        bar_width=_BAR,
    )
    artifact.write_bytes(target, content)
    return ProjectReport(target, len(content), len(clips), len(pairs))


def _facts(status: ProjectStatus) -> list[str]:
    count = "1 clip" if status.videos == 1 else f"{status.videos} clips"
    splits = ", ".join(f"{n} {name or 'in no split'}" for name, n in status.splits.items())
    lines = [f"{count}{f' ({splits})' if splits else ''}, {status.labelled} with phases"]
    for step in status.steps:
        # Only poses can be missing: what else there is, is made when it is needed.
        behind = {"stale": step.stale, "missing": step.missing if step.step == "poses" else []}
        counts = [f"{len(rows)} {kind}" for kind, rows in behind.items() if rows]
        if counts:
            lines.append(f"{step.step} {step.run}".strip() + ": " + ", ".join(counts))
    return lines


def pair_pages(project: Project) -> list[tuple[Path, tuple[str, str]]]:
    """Pages of pairs in results/report, with the ids of both clips, in the order of the names."""
    ids = {video.id for video in project.videos()}
    pages = []
    for path in sorted(project.results_dir(FOLDER).glob(f"*--*{SUFFIX}")):
        # An id may itself hold "--": take the split at which both sides are clips.
        parts = path.stem.split("--")
        for k in range(1, len(parts)):
            pair = ("--".join(parts[:k]), "--".join(parts[k:]))
            if set(pair) <= ids:
                pages.append((path, pair))
                break
    return pages


def _links(
    project: Project, pairs: list[tuple[Path, tuple[str, str]]], target: Path
) -> list[dict[str, str]]:
    """Addresses of the pages of pairs, relative to the page at `target`."""
    names = {video.id: video.name for video in project.videos()}
    folder = target.resolve().parent
    return [
        {
            "link": quote(Path(os.path.relpath(path, folder)).as_posix()),
            "a": names[a],
            "b": names[b],
            "megabytes": f"{path.stat().st_size / 1e6:.1f}",
        }
        for path, (a, b) in pairs
    ]


# --- clips ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PhaseBar:
    """A phase on a clip's bar: left end and width in pixels."""

    phase: Phase
    x: float
    width: float


@dataclass(frozen=True)
class ClipRow:
    """video: its row of videos.csv. pose: None, with the reason in `problem`, if it cannot be read;
    there is then no verdict on the joints either. picture: WebP in base64, empty without poses.
    phases: of the clip."""

    video: Video
    pose: PoseSequence | None
    verdict: Verdict | None
    picture: str
    phases: list[Phase]
    problem: str = ""

    @property
    def length(self) -> str:
        """How long it lasts, the last frame included."""
        if self.pose is None:
            return ""
        return duration(float(self.pose.time[-1] - self.pose.time[0]) + 1 / self.pose.fps, 1)

    @property
    def fps(self) -> str:
        """Frames per second."""
        return f"{self.pose.fps:.4g}" if self.pose is not None else ""

    @property
    def groups(self) -> str:
        """Split and group, if the clip has them."""
        return " · ".join(part for part in (self.video.split, self.video.group) if part)

    @property
    def phase_names(self) -> str:
        """Each phase once, in the order of the labels."""
        return ", ".join(dict.fromkeys(phase.name for phase in self.phases))

    @property
    def bars(self) -> list[PhaseBar]:
        """The phases over the clip's frames."""
        if self.pose is None:
            return []
        first, last = int(self.pose.frame[0]), int(self.pose.frame[-1]) + 1
        bars = []
        for phase in self.phases:
            low, high = (
                _BAR * (min(max(at, first), last) - first) / (last - first)
                for at in (phase.start, phase.end)
            )
            bars.append(PhaseBar(phase, low, max(high - low - 0.8, 0.5)))
        return bars


def clip_rows(project: Project, *, privacy: bool, progress: Progress) -> list[ClipRow]:
    """A row for each clip of videos.csv, in its order."""
    phases = project.phases()
    videos = project.videos()
    rows = []
    progress.begin("clips", len(videos))
    for video in videos:
        rows.append(_row(project, video, phases.get(video.id, []), privacy=privacy))
        progress.advance()
    progress.end()
    return rows


def _row(project: Project, video: Video, phases: list[Phase], *, privacy: bool) -> ClipRow:
    try:
        pose, _ = project.read_pose(video.id)
    except UserError as error:
        return ClipRow(video, None, None, "", phases, error.message)
    source = None if privacy else video_file(project, video)
    judged = joints_verdict(clip_facts(project, video.id))
    return ClipRow(video, pose, judged, base64_text(thumbnail(source, pose)), phases)


def thumbnail(
    source: VideoFile | None, pose: PoseSequence, height: int = _HEIGHT, *, joints: bool = False
) -> bytes:
    """A WebP picture of the middle of the clip, or of its first seconds; the joints if there is no
    file or it cannot be read. joints: drawn over the picture as well."""
    latest = int(np.searchsorted(pose.time, pose.time[0] + _LATEST))
    row = min(len(pose) // 2, latest, len(pose) - 1)
    image = None
    if source is not None:
        with suppress(UserError):  # a file that has been damaged since
            image = pictures(source, pose, [row], height)[0]
    if image is None or joints:
        image = with_joints(pose, row, height, image)
    return small_webp(image)


def small_webp(image: Image) -> bytes:
    """A thumbnail as a file."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "WEBP", quality=70)
    return buffer.getvalue()


def with_joints(pose: PoseSequence, row: int, height: int, image: Image | None) -> Image:
    """The joints of a row as the page of a pair draws them, on its dark background or over `image`,
    which shows view_boxes(pose)[row] and is `height` pixels high."""
    box = view_boxes(pose)[row]
    scale = height / float(box[3] - box[1])
    if image is None:
        image = np.empty((height, max(round(scale * float(box[2] - box[0])), 1), 3), np.uint8)
        image[:] = _GROUND
    alone = replace(with_trust(pose), box=np.full_like(pose.box, np.nan), info={})
    thick = max(2, round(height / 90))
    return draw_pose(image, alone, row, scale, (float(box[0]), float(box[1])), thick=thick)


# --- timelines --------------------------------------------------------------------------------


def timelines(project: Project) -> list[dict[str, Any]]:
    """What the page says about every document in results/timeline."""
    return [timeline(path) for path in sorted(project.results_dir(TIMELINES).glob("*.json"))]


def timeline(path: Path) -> dict[str, Any]:
    """What views/report/timeline.html says about a document of `la2ds timeline`: its figure, if a
    PNG was written with it, and its clips; or the problem with it."""
    try:
        one = _timeline(path, json.loads(regular_file.text(path)))
    except artifact.FOREIGN as error:
        # As for evaluations: a file of another kind or version must not end the page.
        one = {"problem": f"{type(error).__name__}: {error}"}
    return {"name": path.stem, "problem": "", **one}


def _timeline(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    reference, clips = document["reference"], document["clips"]
    how = "named" if reference["named"] else "the most typical of a sample"
    by = features_name(document["features"], document["run"] or "")
    columns = [
        Column("clip", kind="name"),
        *(Column(name) for name in ("frames", "seconds", "times as long", "confidence")),
        Column("remarks", kind="text"),
    ]
    rows = []
    for clip in clips:
        texts = (
            str(clip["video"]),
            f"{clip['matched_frames']} of {clip['frames']}",
            f"{clip['start']:.2f} to {clip['end']:.2f}",
            _decimals(clip["times_as_long"]),
            _decimals(clip["mean_confidence"]),
            _remarks(clip),
        )
        rows.append(Row([Cell(text) for text in texts]))
    clock = Path(str(reference["path"])).name
    about = f"{len(clips)} clips on the timeline of {clock} ({how}), aligned on {by}"
    return {
        "about": about,
        "figure": _figure(path, document["files"]),
        "table": html(Table(columns, rows)),
        "left_out": [(str(name), str(why)) for name, why in document["left_out"].items()],
    }


def _decimals(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _remarks(clip: Mapping[str, Any]) -> str:
    several = clip["repetitions"]
    said = {
        "perhaps a different movement": clip["doubtful"],
        "mirrored": clip["mirrored"],
        f"the nearest of {several} repetitions": several > 1,
    }
    return ", ".join(text for text, true in said.items() if true)


def _figure(document: Path, files: Sequence[str]) -> str:
    """The picture that was written with a document, from the same folder, as base64; empty without
    one. Only names are taken from `files`, since a project may have been moved."""
    names = [Path(file).name for file in files]
    if document.name in names:
        for name in names:
            picture = document.with_name(name)
            if picture.suffix.lower() == ".png" and picture.is_file():
                content = regular_file.content(picture)
                return base64_text(content) if content.startswith(_PNG) else ""
    return ""


# --- evaluations ------------------------------------------------------------------------------


def evaluations(project: Project) -> list[dict[str, Any]]:
    """What the page says about every document in results/evaluate: its verdict and its table."""
    tables = []
    for path in sorted(project.results_dir("evaluate").glob("*.json")):
        try:
            table = _evaluation(json.loads(regular_file.text(path)))
        except artifact.FOREIGN as error:
            # The folder is the user's: a file of another kind or version must not end the page.
            table = {"problem": f"{type(error).__name__}: {error}"}
        tables.append({"name": path.stem, "problem": "", **table})
    return tables


def _evaluation(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says about one document; its table is HTML."""
    protocol = document["protocol"]
    split = "test clips" if document["split"] == "test" else "clips, no test split"
    definitions = {"Rows of event transfer": "; ".join(transfer_uses(document))}
    definitions |= {name: protocol.get(key) for name, key in _DEFINED.items()}
    rows = []
    if "event_transfer" in protocol:
        rows += transfer_rows(document, [f"event transfer, {heading}" for heading in _TRANSFER])
        rows += figure_rows("Kendall’s tau", document, "kendalls_tau")[:1]
    for heading, metric, part in figures(document):
        rows += figure_rows(heading, document, metric, part)[:1]
    return {
        "about": f"run {document['run']}, {document['clips']} {split}, protocol {protocol['name']}",
        "verdict": verdict(document),
        "table": html(Table(feature_columns(document), rows)),
        "warnings": [str(line) for line in document.get("warnings", [])],
        "definitions": [(name, str(text)) for name, text in definitions.items() if text],
    }
