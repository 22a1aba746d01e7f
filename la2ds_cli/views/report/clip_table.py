"""The clips of a project as a table: picture, length, verdict on the joints, phases."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.poses.quality import clip_facts
from la2ds_cli.poses.verdict import Verdict, verdict
from la2ds_cli.video.reader import Image
from la2ds_cli.video.video_file import VideoFile, video_file
from la2ds_cli.views.figure import phase_colours
from la2ds_cli.views.film_strip import pictures, view_boxes
from la2ds_cli.views.pose_drawing import draw_pose
from la2ds_cli.views.report.clip_data import base64_text
from la2ds_cli.views.report.page import Html, items, text

_HEIGHT = 84  # pixels of a thumbnail
_LATEST = 10.0  # seconds: of longer clips, what is decoded for a thumbnail
_GROUND = (32, 38, 43)
_BAR = 220  # pixels of a phase bar


@dataclass(frozen=True)
class ClipRow:
    """video: its row. pose: None, with the reason in `problem`, where it cannot be read. picture:
    WebP, empty without poses. phases: of the clip."""

    video: Video
    pose: PoseSequence | None
    judged: Verdict | None
    picture: bytes
    phases: list[Phase]
    problem: str = ""


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
        return ClipRow(video, None, None, b"", phases, error.message)
    judged = verdict(clip_facts(project, video.id))
    source = None if privacy else video_file(project, video)
    return ClipRow(video, pose, judged, _thumbnail(source, pose), phases)


def _thumbnail(source: VideoFile | None, pose: PoseSequence) -> bytes:
    """The middle of the clip, or of its first seconds; the joints where the file fails."""
    from PIL import Image as Pillow

    latest = int(np.searchsorted(pose.time, pose.time[0] + _LATEST))
    row = min(len(pose) // 2, latest, len(pose) - 1)
    image = _drawn(pose, row)
    if source is not None:
        with suppress(UserError):  # a file that has been damaged since
            image = pictures(source, pose, [row], _HEIGHT)[0]
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "WEBP", quality=70)
    return buffer.getvalue()


def _drawn(pose: PoseSequence, row: int) -> Image:
    """The joints as the page of a pair draws them, on its dark ground."""
    box = view_boxes(pose)[row]
    scale = _HEIGHT / float(box[3] - box[1])
    image = np.empty((_HEIGHT, max(round(scale * float(box[2] - box[0])), 1), 3), np.uint8)
    image[:] = _GROUND
    alone = replace(pose, box=np.full_like(pose.box, np.nan), info={})
    return draw_pose(image, alone, row, scale, (float(box[0]), float(box[1])), thick=2)


def table(rows: Sequence[ClipRow]) -> Html:
    """HTML table, and the legend of the phases."""
    if not rows:
        return '<p class="soft">No clips yet: <code>la2ds extract-poses VIDEOS</code>.</p>'
    colours = phase_colours(phase.name for row in rows for phase in row.phases)
    heads = ("clip", "length", "joints", "split, group", "phases")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(_html(row, colours) for row in rows)
    legend = "".join(
        f'<li><svg width="14" height="14" aria-hidden="true"><rect width="14" height="14" rx="3" '
        f'fill="{colour}"/></svg> {text(name)}</li>'
        for name, colour in colours.items()
    )
    return (
        f'<ul class="legend">{legend}</ul><table class="clips"><thead><tr><th scope="col">'
        f'<span class="hidden">picture</span></th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _html(row: ClipRow, colours: dict[str, str]) -> Html:
    video = row.video
    picture = ""
    if row.picture:
        picture = (
            f'<img src="data:image/webp;base64,{base64_text(row.picture)}" height="{_HEIGHT}" '
            f'alt="{text(video.name)}">'
        )
    groups = " · ".join(part for part in (video.split, video.group) if part)
    cells = [
        f'<td class="picture">{picture}</td>',
        f'<th scope="row">{text(video.name)}<span class="hint">{text(video.id)}</span></th>',
        f"<td>{_length(row)}</td>",
        f'<td class="judged">{_judged(row)}</td>',
        f"<td>{text(groups) or '–'}</td>",
        f"<td>{_phases(row, colours)}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _length(row: ClipRow) -> Html:
    pose = row.pose
    if pose is None:
        return "–"
    seconds = float(pose.time[-1] - pose.time[0]) + 1 / pose.fps
    return (
        f'{seconds:.1f} s<span class="hint">{len(pose)} frames, {pose.fps:.4g} fps</span>'
        f'<span class="hint">{text(pose.skeleton)}</span>'
    )


def _judged(row: ClipRow) -> Html:
    if row.judged is None:
        return f'<span class="warning">{text(row.problem)}</span>'
    if row.judged.status == "ok":
        return '<span class="good">✓ no weakness found</span>'
    lines = [
        f'<span class="warning" title="{text(weakness.hint)}">{text(weakness.message)} '
        f"({text(weakness.code)})</span>"
        for weakness in row.judged.all
    ]
    return items(lines, "plain")


def _phases(row: ClipRow, colours: dict[str, str]) -> Html:
    """A bar over the clip's frames, and the names in words."""
    if row.pose is None or not row.phases:
        return "–"
    first, last = int(row.pose.frame[0]), int(row.pose.frame[-1]) + 1
    parts = []
    for phase in row.phases:
        low, high = (
            _BAR * (min(max(at, first), last) - first) / (last - first)
            for at in (phase.start, phase.end)
        )
        parts.append(
            f'<rect x="{low:.1f}" width="{max(high - low - 0.8, 0.5):.1f}" height="14" '
            f'fill="{colours[phase.name]}"><title>{text(phase.name)}: frames {phase.start} to '
            f"{phase.end - 1}</title></rect>"
        )
    names = ", ".join(dict.fromkeys(phase.name for phase in row.phases))
    return (
        f'<svg width="{_BAR}" height="14" role="img" aria-label="{text(names)}">'
        f'<rect width="{_BAR}" height="14" fill="#e4e7e9"/>{"".join(parts)}</svg>'
    )
