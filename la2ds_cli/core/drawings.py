"""drawings.csv: lines and angles that a person has drawn on the picture of a clip.

A row names no frame: it is shown on every frame of its clip. Its positions hold for the way in
which the file was rotated and mirrored when it was drawn. Read in another way, the clip does not
show it, but it stays in the table. Only a person changes the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.csv_tables import read_rows, table_text
from la2ds_cli.core.types import MOST_PIXELS

POINTS = {"line": 2, "angle": 3}
MOST_DRAWINGS = 100  # of a clip
_SIDES = ("x1", "y1", "x2", "y2", "x3", "y3")
COLUMNS = ("video", "kind", *_SIDES, "turned", "set")
_DIGITS = 2  # of a position
_HINT = f"correct the line, or delete it; columns: {','.join(COLUMNS)}"

Point = tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """kind: `line`, from end to end, or `angle`: end, vertex, end. points: x, y in pixels of the
    upright picture, to 0.01. turned: see corrections.turning_of. set: when, UTC, ISO 8601, which
    makes no difference between two drawings."""

    kind: str
    points: tuple[Point, ...]
    turned: str = ""
    set: str = field(default="", compare=False)


Row = tuple[str, Drawing]  # with the id of the clip


def checked_drawing(
    kind: str, points: Sequence[Sequence[float]], turned: str = "", at: str = ""
) -> Drawing:
    """A drawing with its points rounded; `at` is its `set`. Raises ValueError for one that cannot
    be drawn."""
    if kind not in POINTS:
        raise ValueError(f"{kind[:40]!a} is neither a line nor an angle")
    if len(points) != POINTS[kind]:
        raise ValueError(f"its number of points must be {POINTS[kind]}, not {len(points)}")
    if not all(abs(side) <= MOST_PIXELS for point in points for side in point):  # NaN too
        raise ValueError("a point does not lie in a picture")
    rounded = tuple((round(float(x), _DIGITS), round(float(y), _DIGITS)) for x, y in points)
    if any(one == other for one, other in pairwise(rounded)):
        raise ValueError("two points that follow each other are the same")
    return Drawing(kind, rounded, turned, at)


def read_drawings(path: Path) -> list[Row]:
    """The rows of the table; none without the file. Raises UserError (exit 5) that names a line."""
    return read_rows(path, _parse, _HINT) if path.exists() else []


def write_drawings(path: Path, rows: Iterable[Row]) -> None:
    """Write the table; raises UserError (exit 7) if it cannot be written."""
    cells = []
    for video, one in rows:
        sides = [f"{side:.{_DIGITS}f}" for point in one.points for side in point]
        sides += [""] * (len(_SIDES) - len(sides))
        cells.append((video, one.kind, *sides, one.turned, one.set))
    artifact.write_text(path, table_text(COLUMNS, cells))


def drawings_of(path: Path, video: str, turned: str) -> list[Drawing]:
    """The drawings that a clip shows, in the order of the table. turned: as the clip is now. Raises
    UserError as read_drawings."""
    return [one for clip, one in read_drawings(path) if clip == video and one.turned == turned]


def _parse(cells: dict[str, str]) -> Row:
    sides = [float(text) for name in _SIDES if (text := cells[name].strip())]
    given = [bool(cells[name].strip()) for name in _SIDES]
    if given != sorted(given, reverse=True) or len(sides) % 2:
        raise ValueError("x and y of a point are given together, and points in their order")
    points = list(zip(sides[::2], sides[1::2], strict=True))
    drawing = checked_drawing(
        cells["kind"].strip(), points, cells.get("turned", "").strip(), cells.get("set", "")
    )
    return cells["video"], drawing
