"""The Phases page: label a clip while it plays, propagate its phases to others, review them, and
give them to other tools.

Labels are rows of phases.csv. Each end of a label has an origin of its own (types.Origins): a
person who sets, moves or accepts one end says nothing about the other.
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
"""A label in what a page sends, see pages.posted; as row_json."""
_LONGEST = 80  # characters of a phase's name that a page gives


def phase_row(given: Mapping[str, Any], video: str, columns: Collection[str]) -> PhaseRow:
    """Return the row of phases.csv of a ROW, whose `origins` are those of its start and its end.

    Parameters
    ----------
    columns: further columns that the table may have.

    Raises
    ------
    UserError: exit 2 for an invalid label.
    """
    start, end = given["start"], given["end"]
    if not 0 <= start < end <= MOST_FRAMES:
        raise UserError("a label must begin before it ends, at frames of the clip")
    cells, origins = given.get("other") or {}, given["origins"]
    if not all(isinstance(text, str) for text in cells.values()):
        raise UserError("the other cells of a label must be texts")
    if len(origins) != 2 or not all(one.strip() == one != "" for one in origins):
        raise UserError("a label must say who placed its start and its end")
    other = {name: text for name, text in cells.items() if name in columns}
    return PhaseRow(video, Phase(start, end, given["phase"], Origins(*origins)), other)


def _at_edges(row: PhaseRow, ends: tuple[int, int]) -> PhaseRow:
    """A row of a whole film with CLIP_EDGE for propagated ends at the edges of the film, as older
    tables do not have it; nobody has to check them."""
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
    """Raise UserError (exit 2) for a name that a page may not give to a phase."""
    if not one_line(name):
        raise UserError("a phase needs a name")
    if len(name) > _LONGEST:
        raise UserError(f"the name of a phase can have at most {_LONGEST} characters")


def row_json(row: PhaseRow) -> dict[str, Any]:
    """A row for a page, with who placed its ends, whether it counts as truth and, in its other
    cells, where it comes from."""
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

    Empty cells do not count: a row has them only once it has been written to a file with these
    columns.
    """
    return version(
        *((row.phase, sorted(cell for cell in row.other.items() if cell[1])) for row in rows)
    )


@dataclass
class LabelStore:
    """The labels of a project, as changed on the page. phases.csv is backed up once, before the
    first change."""

    project: StoredProject
    _copied: bool = False
    _lock: Lock = field(default_factory=Lock)

    def save(
        self, video: Video, labels: Sequence[Mapping[str, Any]], known: str, ends: tuple[int, int]
    ) -> list[PhaseRow]:
        """Replace the labels of a clip; return its new rows in time order.

        labels: ROWs. known: labels_version of the rows that the page had. ends: frames at which the
        clip begins and ends.
        Raises UserError (exit 2) if a label is invalid, has a name of no use or overlaps another,
        (exit 5) if the labels have changed meanwhile or another process has been writing a table
        for more than WAIT seconds.
        """
        with self._lock, self.project.tables(wait=WAIT):
            phases = self.project.clip_phases()
            own = phases.by_clip.get(video.id, [])
            refuse_changed(known, labels_version(own), f"the labels of {video.title}")
            there = {row.phase.name for row in own}
            name = own[0].video if own else video.id
            columns = {*phases.table.columns, *_PROPAGATED_COLUMNS}
            columns -= {*PHASE_COLUMNS, *ORIGIN_COLUMNS}
            new = [phase_row(label, name, columns) for label in labels]
            if not is_part(video):
                new = [_at_edges(row, ends) for row in new]
            new.sort(key=lambda row: row.phase.start)
            for phase in (row.phase for row in new):
                if phase.name not in there:  # else the file has it, whoever wrote it
                    _check_name(phase.name)
            for before, after in pairwise(row.phase for row in new):
                if before.end > after.start:
                    raise UserError(f"{before.name} and {after.name} overlap")
            table = phases.replaced({video.id: new})
            self.project.write_phase_table(table, backup=not self._copied)
            self._copied = True
        return new


def end_confidence(row: PhaseRow) -> tuple[float | None, float | None]:
    """Of the start and of the end of a propagated phase, 0 to 1; None = unknown."""
    try:
        start, end = map(float, row.other.get(ORIGIN_CONFIDENCE, "").split())
    except ValueError:
        return None, None
    return (start, end) if 0 <= start <= 1 and 0 <= end <= 1 else (None, None)


def _show(request: Request) -> Response:
    """The page of the named clip, or else of the first."""
    clip = requested_or_first_clip(request)
    return HTMLResponse(page("phases.html", "Phases", here="/phases", clip=clip))


def _data(request: Request) -> Response:
    """A clip with its joints, its film and its labels."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    clip = requested_clip(request)
    pose = project.read_pose(clip.id)[0]
    rows = project.clip_phases().by_clip.get(clip.id, [])
    return JSONResponse(clip_data(studio, clip, pose) | {"ends": _ends(pose)} | _labels(rows))


def clip_data(
    studio: Any, clip: Video, pose: PoseSequence, *, flipped: bool = False
) -> dict[str, Any]:
    """What a page that plays one clip shows: the clip with its joints and film, see pair_data, and
    the limbs. flipped: its joints are mirrored, so its pictures must be mirrored too."""
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
    """Frames at which a clip begins and ends."""
    return int(pose.frame[0]), int(pose.frame[-1]) + 1


def _labels(rows: list[PhaseRow]) -> dict[str, Any]:
    return {"rows": [row_json(row) for row in rows], "version": labels_version(rows)}


async def _save(request: Request) -> Response:
    """Save the labels of a clip."""
    studio = request.app.state.studio
    given = await posted(request, clip=str, rows=[ROW])
    known = known_version(request)

    def work() -> dict[str, Any]:
        clip = posed_clip(studio.project, given["clip"])
        ends = _ends(studio.project.read_pose(clip.id)[0])
        return _labels(studio.labels.save(clip, given["rows"], known, ends))

    return JSONResponse(await run_in_threadpool(work))


def _overview(request: Request) -> Response:
    """Return what the page shows of all clips.

    clips: number of phases of each, and how many of them are not truth; names: of the phases, in
    order of appearance; palette: their colours, in the same order; queue: see review_queue.
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
    """The boundaries of propagated labels that nobody has checked, the least sure first.

    clip, name: of the clip; frame: where `after` begins, or where `before` ends if nothing follows
    directly; confidence: 0 to 1, None = unknown, sorted first.
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
    return sorted(queue, key=lambda one: -1 if one["confidence"] is None else one["confidence"])


async def _carry(request: Request) -> Response:
    """Propagate the labels of the clips that a person has labelled to all others."""
    studio = request.app.state.studio
    project: StoredProject = studio.project
    rows = await run_in_threadpool(lambda: project.clip_phases().by_clip)
    done = [clip for clip, own in rows.items() if all(row.phase.is_truth for row in own)]
    if not done:
        raise UserError(
            "no clip is labelled by a person yet", hint="label one, or accept propagated phases"
        )
    options = [f"--from={','.join(done)}", "--to=all", "--write", "--overwrite"]
    arguments = ["transfer-labels", *options, f"--project={project.root}"]
    job = studio.jobs.add("propagating the phases to the other clips", arguments)
    return JSONResponse({"number": job.number})


def _export(request: Request) -> Response:
    """The labels of a clip as a file of another tool."""
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
