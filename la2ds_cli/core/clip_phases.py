"""Which phases of phases.csv each clip shows, and how a clip's phases are changed.

A row names a file, by its name or by the id of any clip of it, and frames of that file. Each clip
of the same person shows the part that lies within its own frames, so nothing has to change when a
clip is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import inf

from la2ds_cli.core.clip import Video, family
from la2ds_cli.core.phase_table import PhaseRow, PhaseTable
from la2ds_cli.core.video_list import VideoList

File = tuple[str, str]  # and person, see clip.family
Frames = tuple[
    int, float
]  # the first frame of a file that a clip shows, and the one after its last


class ClipPhases:
    """The rows of a table by clip.

    table: of phases.csv.
    videos: of the project.
    frames: those of its file that a clip shows; None if that is not known.
    """

    def __init__(
        self, table: PhaseTable, videos: VideoList, frames: Callable[[Video], Frames | None]
    ) -> None:
        self.table = table
        self._videos = videos
        self._frames = frames
        self._file = {row.video: videos.file_of(row.video) for row in table.rows}

    @cached_property
    def by_clip(self) -> dict[str, list[PhaseRow]]:
        """The parts of rows that clips show, in time order, by id of the clip."""
        found: dict[str, list[PhaseRow]] = {}
        for file, rows in self._by_file.items():
            for video in self._videos.of_file(file):
                low, high = self._frames(video) or (0, 0)
                shown = [part for row in rows for part in _cut(row, low, high)]
                if shown:
                    found[video.id] = sorted(shown, key=_start)
        return found

    @cached_property
    def _by_file(self) -> dict[File, list[PhaseRow]]:
        rows: dict[File, list[PhaseRow]] = {}
        for row in self.table.rows:
            if (file := self._file[row.video]) is not None:
                rows.setdefault(file, []).append(row)
        return rows

    def replaced(self, new: Mapping[str, Sequence[PhaseRow]]) -> PhaseTable:
        """The table with these rows in place of all that clips show, by id of the clip. What their
        files have beyond their frames stays, and is one row with what it continues."""
        files: dict[File, list[PhaseRow]] = {}
        for clip, rows in new.items():
            file = family(clip)
            listed = [one for one in self._videos.of_file(file) if one.id == clip]
            low, high = (self._frames(listed[0]) or (0, 0)) if listed else (0, inf)
            left = files.get(file, self._by_file.get(file, []))
            left = [part for row in left for part in (*_cut(row, 0, low), *_cut(row, high, inf))]
            files[file] = _joined(sorted([*left, *rows], key=_start), (low, high))
        result: list[PhaseRow] = []
        for row in self.table.rows:
            file = self._file[row.video]
            if file is None or file not in files:
                result.append(row)
            else:  # all of them at the place of the first
                result += files[file]
                files[file] = []
        return replace(
            self.table, rows=(*result, *(row for rows in files.values() for row in rows))
        )


def _start(row: PhaseRow) -> int:
    return row.phase.start


def _cut(row: PhaseRow, low: float, high: float) -> list[PhaseRow]:
    """The part of a row from one frame to another, if there is any; the row itself if it is all."""
    start, end = max(row.phase.start, low), min(row.phase.end, high)
    if start >= end:
        return []
    return [replace(row, phase=replace(row.phase, start=int(start), end=int(end)))]


def _joined(rows: Iterable[PhaseRow], edges: Frames) -> list[PhaseRow]:
    """Rows in time order, with the parts of one phase on both sides of an edge joined."""
    found: list[PhaseRow] = []
    for row in rows:
        before = found[-1] if found else None
        if before and before.phase.end == row.phase.start in edges and _same(before, row):
            whole = replace(row.phase, start=before.phase.start)
            inner = row if row.phase.start == edges[0] else before  # which was set now
            found[-1] = replace(inner, phase=whole)
        else:
            found.append(row)
    return found


def _same(a: PhaseRow, b: PhaseRow) -> bool:
    return (a.phase.name, a.phase.propagated) == (b.phase.name, b.phase.propagated)
