"""The Phases page: label a clip while it plays, propagate its phases to other clips, review them,
and export them to other tools.

Labels are rows of phases.csv. Each end of a label has its own origin (types.Origins): setting,
moving or accepting one end leaves the other as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from threading import Lock
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.alignment.alignment import rounded
from la2ds_cli.core.clip import MOST_FRAMES, Video
from la2ds_cli.core.clip_names import is_part
from la2ds_cli.core.errors import Unreadable, UserError
from la2ds_cli.core.phase_table import (
    ORIGIN_CLIPS,
    ORIGIN_COLUMNS,
    ORIGIN_CONFIDENCE,
    ORIGIN_TIME,
    PHASE_COLUMNS,
    PhaseRow,
)
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import CLIP_EDGE, PROPAGATED, Origins, Phase, PoseSequence
from la2ds_cli.labels.exchange import export_labels
from la2ds_cli.labels.files import writer
from la2ds_cli.studio.clips_page import posed_clip, requested_clip, requested_or_first_clip
from la2ds_cli.studio.pages import one_line, page, posted
from la2ds_cli.studio.saving import WAIT, Saves, known_version, refuse_changed, version
from la2ds_cli.views.figure import PHASE_COLOURS
from la2ds_cli.views.report.pair_data import clip_json, skeleton_json, windows

_PROPAGATED_COLUMNS = (ORIGIN_CLIPS, ORIGIN_TIME, ORIGIN_CONFIDENCE)
ROW = {"start": int, "end": int, "phase": str, "origins": [str], "other": (None, dict)}
"""Shape of a label in a request (see pages.posted); as row_json."""
_LONGEST = 80  # characters of a new phase name


def phase_row(label: Mapping[str, Any], video: str, columns: Collection[str]) -> PhaseRow:
    """Return a row of phases.csv from a label that a page has sent.

    Parameters
    ----------
    label: see ROW; its `origins` are those of its start and its end.
    video: the clip's name in the table.
    columns: further columns that the table may have.

    Raises
    ------
    UserError: exit 2 for an invalid label.
    """
    start, end = label["start"], label["end"]
    if not 0 <= start < end <= MOST_FRAMES:
        raise UserError("a label must start before it ends, within the clip")
    cells, origins = label.get("other") or {}, label["origins"]
    if not all(isinstance(text, str) for text in cells.values()):
        raise UserError("the other cells of a label must be text")
    if len(origins) != 2 or not all(origin.strip() == origin != "" for origin in origins):
        raise UserError("a label must name the origin of its start and of its end")
    other = {name: text for name, text in cells.items() if name in columns}
    return PhaseRow(video, Phase(start, end, label["phase"], Origins(*origins)), other)


def _at_edges(row: PhaseRow, ends: tuple[int, int]) -> PhaseRow:
    """Return a row of a whole film with CLIP_EDGE as the origin of propagated ends at its edges,
    which need no review. Older tables lack it."""
    origins = Origins(
        *(
            CLIP_EDGE if origin == PROPAGATED and outside else origin
            for origin, outside in zip(
                row.phase.origins,
                (row.phase.start <= ends[0], row.phase.end >= ends[1]),
                strict=True,
            )
        )
    )
    return replace(row, phase=replace(row.phase, origins=origins))


def _check_name(name: str) -> None:
    """Raise UserError (exit 2) for an invalid name of a new phase."""
    if not one_line(name):
        raise UserError("a phase needs a name")
    if len(name) > _LONGEST:
        raise UserError(f"the name of a phase can have at most {_LONGEST} characters")


def row_json(row: PhaseRow) -> dict[str, Any]:
    """Return a row for a page: its frames, name, the origins of its ends, whether it counts as
    truth, and its other cells."""
    return {
        "start": row.phase.start,
        "end": row.phase.end,
        "phase": row.phase.name,
        "origins": list(row.phase.origins),
        "truth": row.phase.is_truth,
        "other": dict(row.other),
    }


def labels_version(rows: Sequence[PhaseRow]) -> str:
    """Return the version of the labels of a clip.

    Empty cells are ignored, since they depend on the columns of the file.
    """
    return version(
        *((row.phase, sorted(cell for cell in row.other.items() if cell[1])) for row in rows)
    )


@dataclass
class LabelStore:
    """The labels of a project, as changed on the page. phases.csv is backed up before the first
    change."""

    project: StoredProject
    _copied: bool = False
    _lock: Lock = field(default_factory=Lock)

    def save(
        self, video: Video, labels: Sequence[Mapping[str, Any]], known: str, ends: tuple[int, int]
    ) -> list[PhaseRow]:
        """Replace the labels of a clip, and return its new rows in time order.

        Parameters
        ----------
        labels: see ROW.
        known: labels_version of the rows that the page shows.
        ends: frames at which the clip begins and ends.

        Raises
        ------
        UserError: (exit 2) if a label is invalid or overlaps another; (exit 5) if the labels have
            changed meanwhile, or another process has been writing a table for WAIT seconds.
        """
        with self._lock, self.project.tables(wait=WAIT):
            phases = self.project.clip_phases()
            own = phases.by_clip.get(video.id, [])
            refuse_changed(known, labels_version(own), f"the labels of {video.title}")
            existing = {row.phase.name for row in own}
            name = own[0].video if own else video.id
            columns = {*phases.table.columns, *_PROPAGATED_COLUMNS}
            columns -= {*PHASE_COLUMNS, *ORIGIN_COLUMNS}
            new = [phase_row(label, name, columns) for label in labels]
            if not is_part(video):
                new = [_at_edges(row, ends) for row in new]
            new.sort(key=lambda row: row.phase.start)
            for phase in (row.phase for row in new):
                if phase.name not in existing:  # names already in the file are accepted
                    _check_name(phase.name)
            for before, after in pairwise(row.phase for row in new):
                if before.end > after.start:
                    raise UserError(f"{before.name} and {after.name} overlap")
            table = phases.replaced({video.id: new})
            self.project.write_phase_table(table, backup=not self._copied)
            self._copied = True
        return new


def end_confidence(row: PhaseRow) -> tuple[float | None, float | None]:
    """Return the confidence of the start and of the end of a propagated phase, 0 to 1; None =
    unknown."""
    try:
        start, end = map(float, row.other.get(ORIGIN_CONFIDENCE, "").split())
    except ValueError:
        return None, None
    return (start, end) if 0 <= start <= 1 and 0 <= end <= 1 else (None, None)


def _show(request: Request) -> Response:
    """Return the page of the named clip, or else of the first."""
    clip = requested_or_first_clip(request)
    return HTMLResponse(page("phases.html", "Phases", here="/phases", clip=clip))


def _data(request: Request) -> Response:
    """Return a clip with its joints, film and labels."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    clip = requested_clip(request)
    pose = project.read_pose(clip.id)[0]
    rows = project.clip_phases().by_clip.get(clip.id, [])
    return JSONResponse(clip_data(studio, clip, pose) | {"ends": _ends(pose)} | _labels(rows))


def clip_data(
    studio: Any, clip: Video, pose: PoseSequence, *, flipped: bool = False
) -> dict[str, Any]:
    """Return what a page with a single clip shows: its joints and film (see pair_data), and the
    skeleton. flipped: its joints are mirrored, so its pictures must be mirrored, too."""
    film = studio.films.facts(clip, pose.frame)
    return {
        "id": clip.id,
        "clip": clip_json(clip, pose, [], flipped=flipped)
        | {
            "pictures": film if all(pose.size) else None,
            "window": [rounded(row, 2) for row in windows(pose)],
            "size": list(pose.size),
        },
        "skeleton": skeleton_json(get_skeleton(pose.skeleton)),
    }


def _ends(pose: PoseSequence) -> tuple[int, int]:
    """Return the frames at which a clip begins and ends."""
    return int(pose.frame[0]), int(pose.frame[-1]) + 1


def _labels(rows: list[PhaseRow]) -> dict[str, Any]:
    return {"rows": [row_json(row) for row in rows], "version": labels_version(rows)}


async def _save(request: Request) -> Response:
    """Save the labels of a clip."""
    studio = request.app.state.studio
    content = await posted(request, clip=str, rows=[ROW])
    known = known_version(request)

    def work() -> dict[str, Any]:
        clip = posed_clip(studio.project, content["clip"])
        ends = _ends(studio.project.read_pose(clip.id)[0])
        return _labels(studio.labels.save(clip, content["rows"], known, ends))

    return JSONResponse(await run_in_threadpool(work))


def _overview(request: Request) -> Response:
    """Return what the page shows of all clips.

    clips: number of phases of each, and how many of them are propagated. names: of the phases, in
    order of appearance. palette: their colours, in the same order. queue: see review_queue.
    """
    project: StoredProject = request.app.state.studio.project
    phases = project.clip_phases()
    rows = phases.by_clip
    listed = project.posed_videos()
    clips = []
    for video in listed:
        own = rows.get(video.id, [])
        facts = {"id": video.id, "name": video.title, "phases": len(own)}
        clips.append(facts | {"propagated": sum(not row.phase.is_truth for row in own)})
    names = list(dict.fromkeys(row.phase.name for row in phases.table.rows))
    return JSONResponse(
        {
            "clips": clips,
            "names": names,
            "palette": PHASE_COLOURS,
            "queue": review_queue(project, listed, rows),
        }
    )


def review_queue(
    project: StoredProject, clips: list[Video], rows: dict[str, list[PhaseRow]]
) -> list[dict[str, Any]]:
    """Return the propagated boundaries that nobody has checked, the least certain first.

    clip, name: of the clip. frame: where `after` begins, or where `before` ends if nothing follows
    directly. confidence: 0 to 1, None = unknown, sorted first.
    """
    queue = []
    for video in clips:
        borders: dict[int, list[str]] = {}
        confidence: dict[int, float | None] = {}
        unchecked = [row for row in rows.get(video.id, []) if PROPAGATED in row.phase.origins]
        ends = _ends(project.read_pose(video.id)[0]) if unchecked else (0, 0)
        for row in unchecked:
            frames = row.phase.start, row.phase.end
            each = zip(frames, row.phase.origins, end_confidence(row), strict=True)
            for side, (frame, origin, probability) in enumerate(each):
                if ends[0] < frame < ends[1] and origin == PROPAGATED:
                    names = borders.setdefault(frame, ["", ""])
                    names[1 - side] = row.phase.name
                    confidence[frame] = probability
        for frame, (before, after) in borders.items():
            queue.append(
                {
                    "clip": video.id,
                    "name": video.title,
                    "frame": frame,
                    "before": before,
                    "after": after,
                    "confidence": confidence[frame],
                }
            )
    return sorted(queue, key=lambda item: -1 if item["confidence"] is None else item["confidence"])


async def _carry(request: Request) -> Response:
    """Queue the propagation of labels from all clips that people have labelled to all others."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    rows = await run_in_threadpool(lambda: project.clip_phases().by_clip)
    done = [clip for clip, own in rows.items() if all(row.phase.is_truth for row in own)]
    if not done:
        raise UserError(
            "no clip has been labelled by hand", hint="label a clip, or accept propagated phases"
        )
    options = [f"--from={','.join(done)}", "--to=all", "--write", "--overwrite"]
    arguments = ["transfer-labels", *options, f"--project={project.root}"]
    job = studio.jobs.add("propagating the phases to the other clips", arguments)
    return JSONResponse({"number": job.number})


def _export(request: Request) -> Response:
    """Return the labels of a clip as a file for another tool."""
    project: StoredProject = request.app.state.studio.project
    clip, name = requested_clip(request), request.path_params["format"]
    suffix = writer(name)[1]
    folder = project.results_dir(f"studio/labels/{name}")
    (item,) = export_labels(project, name, [clip.id], folder, overwrite=True)
    if item.status in ("failed", "skipped"):
        raise Unreadable(item.message, hint=item.hint)
    path = folder / f"{clip.id}{suffix}"
    return FileResponse(path, filename=path.name, media_type="application/octet-stream")


ROUTES = [
    Route("/phases", _show),
    Route("/phases/data", _data),
    Route("/phases/overview", _overview),
    Saves("/phases/save", _save),
    Route("/phases/carry", _carry, methods=["POST"]),
    Route("/phases/files/{format}", _export),
]
