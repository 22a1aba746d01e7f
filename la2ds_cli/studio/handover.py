"""Labels and corrections follow their clip when it is read differently.

They name frames of a clip's file. A clip that is trimmed or split gets another id, so they are
given the id of the clip that shows their frames now. What no clip shows any more is kept in the
project's folder `aside` under its old id, and comes back when a clip shows the frames again. So is
what contradicts that which people have set for the new clip itself, since it may have been a clip
of the project before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import Video, family
from la2ds_cli.core.corrections import Correction, read_corrections, write_corrections
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.phase_table import PhaseRow, PhaseTable, read_phase_table
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase
from la2ds_cli.core.video_list import VideoList


@dataclass(frozen=True)
class _Reading:
    """Which clips were replaced by which. gone: ids of clips that no longer exist; spans: first
    frame of each new clip and the one after its last; listed: ids in the project now."""

    gone: frozenset[str]
    spans: Mapping[str, tuple[int, int]]
    listed: frozenset[str]

    def concerns(self, video: str) -> bool:
        """Whether rows of a clip may belong to a new clip: it is gone, or was read from the same
        file earlier."""
        if video in self.gone or video in self.spans:
            return True
        families = {family(each) for each in (*self.gone, *self.spans)}
        return video not in self.listed and family(video) in families

    def shown(self, video: str) -> list[tuple[str, tuple[int, int]]]:
        """The new clips of the same person as an id, with their spans."""
        return [
            (new, span) for new, span in self.spans.items() if family(new)[1] == family(video)[1]
        ]


def hand_over(project: Project, gone: Sequence[Video], new: Sequence[str]) -> list[str]:
    """Hand over what people set for the clips `gone` to the clips `new` of the same file; return
    what to tell the user.

    Call it with the project locked, before `gone` are removed from the list.
    """
    spans = {}
    for video in new:
        frame = project.read_pose(video)[0].frame
        spans[video] = int(frame[0]), int(frame[-1]) + 1
    ids = frozenset(video.id for video in gone)
    reading = _Reading(ids, spans, frozenset(v.id for v in project.videos()) - ids)
    before = VideoList(project.root, [v for v in project.videos() if v.id not in spans])
    phases = _hand_over_phases(project, reading, before)
    joints = _hand_over_rows(
        project,
        project.corrections_path,
        reading,
        read_corrections,
        write_corrections,
        _divided_correction,
        _same_joint,
    )
    lost, found, beside = zip(phases, joints, strict=True)
    told = []
    if aside := words_of(*lost):
        told.append(
            f"no longer shown in full: {aside}; what is not shown is kept aside and comes back "
            "when the clip includes those frames again"
        )
    if others := words_of(*beside):
        told.append(f"kept aside, because the clip has others at the same place: {others}")
    if again := words_of(*found):
        told.append(f"restored from what was kept aside: {again}")
    return told


def set_aside(project: Project, video: str) -> dict[str, int]:
    """Number of rows of a clip's file that are kept aside, by kind."""
    mine = family(video)
    phases = read_phase_table(project.aside("phases.csv")).rows
    joints = read_corrections(project.aside("corrections.csv"))
    return {
        "phases": sum(family(row.video) == mine for row in phases),
        "joints": sum(family(clip) == mine for clip, _ in joints),
    }


def words_of(phases: int, joints: int) -> str:
    """`2 phases and 1 corrected joint`; empty for none."""
    named = (
        (phases, "phase", "phases"),
        (joints, "corrected joint", "corrected joints"),
    )
    said = [f"{n} {one if n == 1 else many}" for n, one, many in named if n]
    return " and ".join(filter(None, (", ".join(said[:-1]), *said[-1:])))


# --- phases -------------------------------------------------------------------------------------


def _hand_over_phases(
    project: Project, reading: _Reading, before: VideoList
) -> tuple[int, int, int]:
    """Number of rows that are set aside at least in part, of those that come back, and of those
    that are set aside because they overlap others of the same clip."""
    path = project.aside("phases.csv")
    table, kept = project.phase_table(), read_phase_table(path)
    rows = [replace(row, video=_id_of(row.video, before)) for row in table.rows]
    leaving = [(row, *_divided(row, reading)) for row in rows if row.video in reading.gone]
    stay = [old for old, row in zip(table.rows, rows, strict=True) if row.video not in reading.gone]
    own = [row for row in stay if row.video in reading.spans]
    # What nobody has checked gives way to what a person has set.
    firm = [row for row in own if row.checked]
    fitting = [one for row, shown, _ in leaving for one in _fitting(row, shown, firm)[0]]
    persons = [one for one in fitting if not one.phase.propagated]
    aside = [row for row in own if not row.checked and _overlapping(row, persons)]
    stay, own = ([row for row in some if row not in aside] for some in (stay, own))
    moved: list[PhaseRow] = []
    gone, back, beside = 0, 0, len(aside)
    for row, shown, hidden in leaving:
        new, clashing = _fitting(row, shown, own)
        moved += new
        aside += [*hidden, *clashing]
        gone += bool(hidden)
        beside += bool(clashing)
    for row in kept.rows:
        if not reading.concerns(row.video):
            aside.append(row)
            continue
        shown, hidden = _divided(row, reading)
        new, clashing = _fitting(row, shown, [*own, *moved])
        moved += new
        aside += [*hidden, *clashing]
        back += bool(new)
    if not moved and len(stay) == len(table.rows):
        return 0, 0, 0
    at = next((n for n, row in enumerate(table.rows) if row not in stay), len(stay))
    # Add first, then remove: a studio that is killed in between duplicates rows but loses none.
    _write_aside(path, PhaseTable((*kept.rows, *aside), kept.columns))
    project.write_phase_table(replace(table, rows=(*stay[:at], *_joined(moved), *stay[at:])))
    _write_aside(path, PhaseTable(tuple(_joined(aside)), kept.columns))
    return gone, back, beside


def _fitting(
    row: PhaseRow, shown: Sequence[PhaseRow], others: Sequence[PhaseRow]
) -> tuple[list[PhaseRow], list[PhaseRow]]:
    """The parts of a row that clips can show beside `others`, and those that overlap them, with the
    id of the row. A part that says the same as one of the others is in neither."""
    new, clashing = [], []
    for one in shown:
        overlapping = _overlapping(one, others)
        if not overlapping:
            new.append(one)
        elif not any(_within(one, other) for other in overlapping):
            clashing.append(_part(row, row.video, one.phase.start, one.phase.end))
    return new, clashing


def _overlapping(row: PhaseRow, others: Iterable[PhaseRow]) -> list[PhaseRow]:
    start, end = row.phase.start, row.phase.end
    same = (one for one in others if one.video == row.video)
    return [one for one in same if start < one.phase.end and one.phase.start < end]


def _within(row: PhaseRow, other: PhaseRow) -> bool:
    """Whether a row is all or a part of another."""
    start, end = other.phase.start, other.phase.end
    part = _part(other, other.video, max(row.phase.start, start), min(row.phase.end, end))
    return row == part


def _id_of(name: str, videos: VideoList) -> str:
    """The id of a clip that a table names; the name itself if there is no such clip."""
    try:
        found = videos.find(name)
    except UserError:  # ambiguous: several clips match
        return name
    return found.id if found else name


def _divided(row: PhaseRow, reading: _Reading) -> tuple[list[PhaseRow], list[PhaseRow]]:
    """The parts of a row that new clips show, and the parts that none shows, with the old id."""
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
    """Rows in time order, with touching parts of one phase joined."""
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


# --- rows of one clip ---------------------------------------------------------------------------

_Row = TypeVar("_Row", bound=tuple[Any, ...])


def _hand_over_rows(
    project: Project,
    path: Path,
    reading: _Reading,
    read: Callable[[Path], list[_Row]],
    write: Callable[[Path, list[_Row]], None],
    divided: Callable[[_Row, _Reading], tuple[list[_Row], list[_Row]]],
    clash: Callable[[_Row, _Row], bool] = lambda _, __: False,
) -> tuple[int, int, int]:
    """For a table whose rows are the ids of one or two clips and what belongs to them: number of
    rows that are set aside because no clip shows them, of those that come back, and of those that
    are set aside because they clash with others.

    divided: as the row is now, the rows that clips show, and those that are set aside. clash:
    whether two rows cannot both be true.
    """
    aside_path = project.aside(path.name)
    table, kept = read(path), read(aside_path)
    stay, aside, moved = [], [], []
    own = [row for row in table if any(video in reading.spans for video in row[:-1])]
    gone = back = beside = 0
    for rows, was_aside in ((table, False), (kept, True)):
        concerned = reading.concerns if was_aside else reading.gone.__contains__
        for row in rows:
            if not any(concerned(video) for video in row[:-1]):
                (aside if was_aside else stay).append(row)
                continue
            shown, hidden = divided(row, reading)
            others = [*own, *moved] if was_aside else own
            new = [one for one in shown if one not in others]  # else it is there already
            if any(clash(one, other) for one in new for other in others):
                new, hidden = [], [row]
                beside += not was_aside
            else:
                gone += bool(hidden) and not was_aside
            stay += new
            moved += new
            aside += hidden
            back += bool(new) and was_aside
    if (stay, aside) == (table, kept):
        return 0, 0, 0
    if aside or aside_path.exists():
        write(aside_path, [*kept, *aside])
    write(path, stay)
    if aside or aside_path.exists():
        write(aside_path, aside)
    return gone, back, beside


def _divided_correction(
    row: tuple[str, Correction], reading: _Reading
) -> tuple[list[tuple[str, Correction]], list[tuple[str, Correction]]]:
    """Of a row that names a frame of one clip."""
    video, correction = row
    now, there = _shows(video, correction.frame, reading)
    return ([(now, correction)], []) if there else ([], [row])


def _same_joint(row: tuple[str, Correction], other: tuple[str, Correction]) -> bool:
    """Whether both correct one joint of one frame, in one reading of the clip."""

    def corrected(clip: str, one: Correction) -> tuple[str, int, str, str]:
        return clip, one.frame, one.joint, one.reading

    return corrected(*row) == corrected(*other)


def _shows(video: str, frame: int | None, reading: _Reading) -> tuple[str, bool]:
    """The clip that now shows a frame of a clip's file, else the old one, and whether any does.
    frame: None = any frame."""
    if not reading.concerns(video):
        return video, video in reading.listed
    found = [
        new for new, (first, end) in reading.shown(video) if frame is None or first <= frame < end
    ]
    return video if video in found or not found else found[0], bool(found)
