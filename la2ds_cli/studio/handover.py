"""What people have set of a clip follows its frames when the clip is read in another way.

Phases, anchors and notes name frames of a clip's file. A clip that is trimmed or split has another
id, so they are given the id of the clip that shows their frames now. What no clip shows any more is
kept in the project's folder `aside`, under the id that it had, and comes back with its frames.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import Video
from la2ds_cli.core.corrections import read_corrections, write_corrections
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.notes import Note, read_notes, write_notes
from la2ds_cli.core.phase_table import PhaseRow, PhaseTable, read_phase_table
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase
from la2ds_cli.core.video_list import VideoList
from la2ds_cli.studio.anchors import Anchor, read_anchors, write_table

# An id of clip.video_id: the file, the seconds that are taken of it, the person.
_ID = re.compile(r"(.+-[0-9a-f]{8})(?:-t[0-9.e+]*-[0-9.e+]*)?(?:-p([1-9]\d*))?")


def family(video: str) -> tuple[str, str]:
    """The file and the person of an id: the same for a clip that is read in another way. An id of
    somebody's own is a family of itself."""
    match = _ID.fullmatch(video)
    return (match[1], match[2] or "1") if match else (video, "1")


@dataclass(frozen=True)
class _Reading:
    """How clips were read, and how they are now. gone: ids of clips that are no more; spans: the
    first frame of each new clip and the one behind its last; listed: ids of the project now."""

    gone: frozenset[str]
    spans: Mapping[str, tuple[int, int]]
    listed: frozenset[str]

    def concerns(self, video: str) -> bool:
        """Whether what was set of a clip may be of one of the new ones: it is gone, or was read
        of the same file before."""
        if video in self.gone or video in self.spans:
            return True
        families = {family(each) for each in (*self.gone, *self.spans)}
        return video not in self.listed and family(video) in families

    def shown(self, video: str) -> list[tuple[str, tuple[int, int]]]:
        """The new clips of the person of an id, with their spans."""
        return [
            (new, span) for new, span in self.spans.items() if family(new)[1] == family(video)[1]
        ]


def hand_over(project: Project, gone: Sequence[Video], new: Sequence[str]) -> list[str]:
    """Let what people have set of the clips `gone` be of the clips `new`, which show the same file;
    what is to be told, in words. Call it before `gone` are taken off the list, with the project
    locked."""
    spans = {}
    for video in new:
        frame = project.read_pose(video)[0].frame
        spans[video] = int(frame[0]), int(frame[-1]) + 1
    ids = frozenset(video.id for video in gone)
    reading = _Reading(ids, spans, frozenset(v.id for v in project.videos()) - ids)
    before = VideoList(project.root, [v for v in project.videos() if v.id not in spans])
    phases = _hand_over_phases(project, reading, before)
    anchors = _hand_over_matches(
        project.anchors_path, project.aside("anchors.csv"), reading, read_anchors, write_table
    )
    joints = _hand_over_joints(project, reading)
    notes = _hand_over_matches(
        project.notes_path, project.aside("notes.csv"), reading, read_notes, write_notes
    )
    lost, found = zip(phases, anchors, joints, notes, strict=True)
    told = []
    if aside := words_of(*lost):
        told.append(
            f"not shown, or not whole, by what is read now: {aside}; the rest is kept aside and "
            "comes back when the clip is read that far again"
        )
    if again := words_of(*found):
        told.append(f"back from what was kept aside: {again}")
    return told


def set_aside(project: Project, video: str) -> dict[str, int]:
    """How many rows of a clip's file are kept aside, by kind."""
    mine = family(video)
    phases = read_phase_table(project.aside("phases.csv")).rows
    anchors = read_anchors(project.aside("anchors.csv"))
    joints = read_corrections(project.aside("corrections.csv"))
    notes = read_notes(project.aside("notes.csv"))
    return {
        "phases": sum(family(row.video) == mine for row in phases),
        "anchors": sum(mine in (family(a), family(b)) for a, b, _ in anchors),
        "joints": sum(family(clip) == mine for clip, _ in joints),
        "notes": sum(mine in (family(a), family(b)) for a, b, _ in notes),
    }


def words_of(phases: int, anchors: int, joints: int, notes: int) -> str:
    """`2 phases and 1 corrected match`; empty for none."""
    named = (
        (phases, "phase", "phases"),
        (anchors, "corrected match", "corrected matches"),
        (joints, "corrected joint", "corrected joints"),
        (notes, "note", "notes"),
    )
    said = [f"{n} {one if n == 1 else many}" for n, one, many in named if n]
    return " and ".join(filter(None, (", ".join(said[:-1]), *said[-1:])))


# --- phases -------------------------------------------------------------------------------------


def _hand_over_phases(project: Project, reading: _Reading, before: VideoList) -> tuple[int, int]:
    """How many rows go aside at least in part, and how many come back."""
    path = project.aside("phases.csv")
    table, kept = project.phase_table(), read_phase_table(path)
    stay: list[PhaseRow] = []
    moved: list[PhaseRow] = []
    aside: list[PhaseRow] = []
    gone = back = 0
    for row in table.rows:
        video = _id_of(row.video, before)
        if video not in reading.gone:
            stay.append(row)
            continue
        shown, hidden = _divided(replace(row, video=video), reading)
        moved += shown
        aside += hidden
        gone += bool(hidden)
    for row in kept.rows:
        if not reading.concerns(row.video):
            aside.append(row)
            continue
        shown, hidden = _divided(row, reading)
        moved += shown
        aside += hidden
        back += bool(shown)
    if not moved and len(stay) == len(table.rows):
        return 0, 0
    at = next((n for n, row in enumerate(table.rows) if row not in stay), len(stay))
    rows = (*stay[:at], *_joined(moved), *stay[at:])
    # First what is added, then what is taken away: a killed studio has rows twice, not never.
    _write_aside(path, PhaseTable((*kept.rows, *aside), kept.columns))
    project.write_phase_table(replace(table, rows=rows))
    _write_aside(path, PhaseTable(tuple(_joined(aside)), kept.columns))
    return gone, back


def _id_of(name: str, videos: VideoList) -> str:
    """The id of a clip as a table names it; the name where there is no such clip."""
    try:
        found = videos.find(name)
    except UserError:  # it fits several: what it means is not ours to say
        return name
    return found.id if found else name


def _divided(row: PhaseRow, reading: _Reading) -> tuple[list[PhaseRow], list[PhaseRow]]:
    """The parts of a row that new clips show, and those that none does, which keep the old id."""
    shown, at, end = [], row.phase.start, row.phase.end
    hidden = []
    for video, (first, last) in sorted(reading.shown(row.video), key=lambda one: one[1]):
        low, high = max(at, first), min(end, last)
        if low >= high:
            continue
        if at < low:
            hidden.append(_part(row, row.video, at, low))
        shown.append(_part(row, video, low, high))
        at = high
    if at < end:
        hidden.append(_part(row, row.video, at, end))
    return shown, hidden


def _part(row: PhaseRow, video: str, start: int, end: int) -> PhaseRow:
    phase = Phase(start, end, row.phase.name, row.phase.propagated)
    return PhaseRow(video, phase, row.other)


def _joined(rows: Iterable[PhaseRow]) -> list[PhaseRow]:
    """In time order, with the parts of one phase that touch again as one."""
    found: list[PhaseRow] = []
    for row in sorted(rows, key=lambda row: (row.video, row.phase.start)):
        last = found[-1] if found else None
        if last and (last.video, last.other) == (row.video, row.other) and _touch(last, row):
            found[-1] = _part(row, row.video, last.phase.start, max(last.phase.end, row.phase.end))
        else:
            found.append(row)
    return found


def _touch(a: PhaseRow, b: PhaseRow) -> bool:
    same = (a.phase.name, a.phase.propagated) == (b.phase.name, b.phase.propagated)
    return same and b.phase.start <= a.phase.end


def _write_aside(path: Path, table: PhaseTable) -> None:
    if table.rows or path.exists():
        artifact.write_text(path, table.text())


# --- anchors and notes --------------------------------------------------------------------------

_Row = TypeVar("_Row", tuple[str, str, Anchor], tuple[str, str, Note])


def _hand_over_matches(
    path: Path,
    aside_path: Path,
    reading: _Reading,
    read: Callable[[Path], list[_Row]],
    write: Callable[[Path, list[_Row]], None],
) -> tuple[int, int]:
    """Of a table whose rows name a frame of each of two clips: how many go aside, and how many
    come back."""
    table, kept = read(path), read(aside_path)
    stay, aside = [], []
    gone = back = 0
    for rows, was_aside in ((table, False), (kept, True)):
        for row in rows:
            a, b, match = row
            concerned = reading.concerns if was_aside else reading.gone.__contains__
            if not (concerned(a) or concerned(b)):
                (aside if was_aside else stay).append(row)
                continue
            new_a, a_there = _shows(a, match.frame_a, reading)
            new_b, b_there = _shows(b, match.frame_b, reading)
            there = a_there and b_there and new_a != new_b
            (stay if there else aside).append((new_a, new_b, match))
            gone += not there and not was_aside
            back += there and was_aside
    if (stay, aside) == (table, kept):
        return 0, 0
    if aside or aside_path.exists():
        write(aside_path, [*kept, *aside])
    write(path, stay)
    if aside or aside_path.exists():
        write(aside_path, aside)
    return gone, back


def _shows(video: str, frame: int | None, reading: _Reading) -> tuple[str, bool]:
    """The clip that shows a frame of a clip's file now, else the one that did; whether any does.
    frame: None = any of them."""
    if not reading.concerns(video):
        return video, video in reading.listed
    found = [
        new for new, (first, end) in reading.shown(video) if frame is None or first <= frame < end
    ]
    return video if video in found or not found else found[0], bool(found)


# --- corrected joints ---------------------------------------------------------------------------


def _hand_over_joints(project: Project, reading: _Reading) -> tuple[int, int]:
    """How many corrections go aside, and how many come back."""
    path = project.aside("corrections.csv")
    table, kept = read_corrections(project.corrections_path), read_corrections(path)
    stay, aside = [], []
    gone = back = 0
    for rows, was_aside in ((table, False), (kept, True)):
        for video, one in rows:
            concerned = reading.concerns(video) if was_aside else video in reading.gone
            if not concerned:
                (aside if was_aside else stay).append((video, one))
                continue
            now, there = _shows(video, one.frame, reading)
            (stay if there else aside).append((now, one))
            gone += not there and not was_aside
            back += there and was_aside
    if (stay, aside) != (table, kept):
        write_corrections(path, [*kept, *aside])
        write_corrections(project.corrections_path, stay)
        write_corrections(path, aside)
    return gone, back
