"""people.csv: the places of the people of a film, by which they are recognised.

The number of a person in a film belongs to that person, and so does everything set for the number:
groups, phases, marks, corrected joints. When the film is read again, with another detector, other
options or another choice, the people are at the same places in the same frames.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import check_id
from la2ds_cli.core.csv_tables import read_rows, table_text
from la2ds_cli.core.types import FloatArray, IntArray

_COLUMNS = ("video", "subject", "places")
_CELL = re.compile(r"(?:\d{1,15}(?: -?\d{1,6}){4}(?:; (?=\d)|$))*")
_HINT = "delete the line; la2ds writes it again when the clip is extracted again"
_SCALE = 1000  # the table has thousandths of the picture
_PLACES = 40  # most places in the table
_OVERLAP = 0.3  # least IoU of two boxes of one person: detectors draw them differently
_AGREE = 0.7  # least share of common frames with such an overlap
_COMMON = 0.2  # least share of common frames of two readings of a person, of the shorter one


@dataclass(frozen=True)
class Places:
    """The places of a person in a film, however the film is rotated or mirrored when it is read.

    frame: (N,) numbers of frames of the file, ascending.
    box: (N, 4) x1 y1 x2 y2 as shares of the width and height of the picture in the file.
    """

    frame: IntArray
    box: FloatArray

    @classmethod
    def of(
        cls,
        frame: IntArray,
        box: FloatArray,
        size: tuple[int, int],
        *,
        rotate: int = 0,
        mirror: bool = False,
    ) -> Places:
        """Return the places of a person in a picture that was rotated and then mirrored.

        Parameters
        ----------
        frame
            (N,) numbers of frames of the file.
        box
            (N, 4) x1 y1 x2 y2 in pixels; NaN where the person is not seen.
        size
            Width and height of the picture as it was read, in pixels.
        rotate, mirror
            As in ClipOptions.
        """
        seen = np.isfinite(box).all(axis=1)
        x, y = np.moveaxis(box[seen].astype(np.float64).reshape(-1, 2, 2) / size, -1, 0)
        x = 1 - x if mirror else x
        x, y = {0: (x, y), 90: (y, 1 - x), 180: (1 - x, 1 - y), 270: (1 - y, x)}[rotate]
        low, high = (f(np.stack([x, y], axis=-1), axis=1) for f in (np.min, np.max))
        return cls(np.asarray(frame)[seen], np.concatenate([low, high], axis=1))

    def agreement(self, other: Places, first: int, last: int) -> float | None:
        """Return how clearly another reading shows the same person.

        other: a person in a reading of the frames `first` to `last` of the same film. Returns the
        number of frames in which both are at the same place; 0 for another person; None if this
        person is seen in none of the frames that were read, so that it cannot be known.
        """
        inside = (self.frame >= first) & (self.frame <= last)
        if not inside.any():
            return None
        _, i, j = np.intersect1d(self.frame[inside], other.frame, return_indices=True)
        least = _COMMON * min(np.count_nonzero(inside), len(other.frame))
        if len(i) < max(least, 1):
            return 0.0
        alike = _overlap(self.box[inside][i], other.box[j]) >= _OVERLAP
        return float(alike.sum()) if alike.mean() >= _AGREE else 0.0

    def to_text(self) -> str:
        """Return evenly chosen frames with boxes in thousandths: `12 250 100 480 900; ...`."""
        even = np.linspace(0, max(len(self.frame) - 1, 0), _PLACES).round().astype(int)
        rows = np.unique(even)[: len(self.frame)]
        sides = np.round(self.box[rows] * _SCALE).astype(int).tolist()
        frames = self.frame[rows].tolist()
        return "; ".join(
            " ".join(map(str, (frame, *box))) for frame, box in zip(frames, sides, strict=True)
        )

    @classmethod
    def from_text(cls, text: str) -> Places:
        """Return the places of `to_text`."""
        rows = [[int(cell) for cell in part.split()] for part in text.split(";") if part]
        table = np.array(rows, np.int64).reshape(-1, 5)
        return cls(table[:, 0], table[:, 1:] / _SCALE)


def _overlap(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the IoU (N,) of boxes (N, 4)."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    area = [np.prod(np.maximum(box[:, 2:] - box[:, :2], 0), axis=1) for box in (a, b)]
    return common / np.maximum(area[0] + area[1] - common, 1e-12)


@dataclass(frozen=True)
class PersonRow:
    """A row of people.csv.

    subject: the choice of the reading: `auto`, or a rank.
    cell: text of the places, parsed only when needed.
    """

    subject: str
    cell: str

    @property
    def places(self) -> Places:
        return Places.from_text(self.cell)


def read_people(path: Path) -> dict[str, PersonRow]:
    """Return the rows by id of the clip; none without the file. Raises UserError (exit 5) that
    names an unreadable line."""
    people: dict[str, PersonRow] = {}

    def keep(cells: dict[str, str]) -> None:
        check_id(cells["video"])
        if not _CELL.fullmatch(cells["places"]):
            text = cells["places"][:40]
            raise ValueError(f"places are {text!a}, not frames with four sides each")
        people[cells["video"]] = PersonRow(cells["subject"], cells["places"])

    if path.exists():
        read_rows(path, keep, _HINT)
    return people


def write_people(path: Path, new: Mapping[str, PersonRow]) -> None:
    """Put rows into people.csv, in place of rows of the same clips. Call it with the tables locked.
    Raises UserError (exit 5) as `read_people`, (exit 7) if it cannot be written."""
    before = read_people(path)
    rows = {**before, **new}
    if rows != before:
        cells = ((video, row.subject, row.cell) for video, row in rows.items())
        artifact.write_text(path, table_text(_COLUMNS, cells))
