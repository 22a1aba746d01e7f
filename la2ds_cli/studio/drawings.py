"""Drawings on the pictures of a clip, as the pages of the studio send and show them.

An item is {"kind", "points", "frames", "metres"}: `frames` are the first and the last frame of the
clip that show it, null = all; `metres` is the known length of a scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from la2ds_cli.core.annotations import (
    MOST_DRAWINGS,
    Annotation,
    ClipMoments,
    check_lifetime,
    drawing_value,
    drawings_on,
    lifetime_on,
    metres_of,
    now,
    points_of,
    turning_of,
)
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import PoseSequence

SHAPE = {"kind": str, "points": [[float]], "frames": (None, [int]), "metres": (None, float)}
_AGAIN = "reload the page"
Item = Mapping[str, Any]


@dataclass(frozen=True)
class ClipCanvas:
    """A clip to draw on, with its current joints and rotation."""

    moments: ClipMoments
    pose: PoseSequence

    def drawn(self, rows: Sequence[Annotation]) -> list[Annotation]:
        """Return the drawings that the clip shows."""
        return drawings_on(rows, self.moments, turning_of(self.pose.info))

    def item(self, row: Annotation) -> dict[str, Any]:
        """Return a drawing as a page shows it."""
        found = {
            "kind": row.kind,
            "points": [list(point) for point in points_of(row.value)],
            "frames": lifetime_on(row, self.moments),
            "metres": metres_of(row.value),
        }
        return {name: value for name, value in found.items() if value is not None}

    def read(self, given: Item) -> Annotation:
        """Return the drawing that a page sends. Raises UserError (exit 2) for one that cannot be
        drawn on the clip."""
        points, (at, other) = given["points"], self._lifetime(given.get("frames"))
        if any(len(point) != 2 for point in points):
            raise UserError("a drawing needs points of two numbers each")
        try:
            value = drawing_value(given["kind"], points, given.get("metres"))
            check_lifetime(given["kind"], at, other)
        except ValueError as error:
            raise UserError(f"this cannot be drawn: {error}") from error
        for point in points_of(value):
            for one, length in zip(point, self.pose.size, strict=True):
                if length and not -0.5 <= one <= length - 0.5:  # pixel centres are integers
                    raise UserError("a drawing must lie within the picture")
        return Annotation(given["kind"], at, other, value, turning_of(self.pose.info), now())

    def same(self, rows: Sequence[Annotation], row: Annotation) -> list[Annotation]:
        """Return the drawings that look on this clip as one does, also where they are shown longer
        than the clip."""
        wanted = self.item(row)
        return [one for one in self.drawn(rows) if self.item(one) == wanted]

    def wanted(
        self, rows: Sequence[Annotation], old: Sequence[Item], new: Sequence[Item]
    ) -> tuple[list[Annotation], list[Annotation]]:
        """Return the rows to remove and to add, see `replaced`. Raises UserError (exit 2)
        as `read`, for an `old` one that does not exist, and for a `new` one that already exists
        or is one too many."""
        gone = [row for item in old for row in self.found(rows, item)]
        added = [self.replaced(rows, gone, self.read(item)) for item in new]
        return gone, added

    def found(self, rows: Sequence[Annotation], item: Item) -> list[Annotation]:
        """Return the rows that a page shows as this item; UserError (exit 2) if there are none."""
        same = self.same(rows, self.read(item))
        if not same:
            raise UserError("this item has been changed or removed", hint=_AGAIN)
        return same

    def replaced(
        self, rows: Sequence[Annotation], gone: Sequence[Annotation], row: Annotation
    ) -> Annotation:
        """Return a drawing that takes the place of what goes. If that is one drawing of the same
        frames, it also keeps its lifetime beyond the clip."""
        if any(one not in gone for one in self.same(rows, row)):
            raise UserError("this item already exists")
        left = [one for one in self.drawn(rows) if one not in gone]
        if not gone and len(left) >= MOST_DRAWINGS:
            raise UserError(
                f"a clip can have at most {MOST_DRAWINGS} drawings", hint="remove one first"
            )
        if row.kind == "scale" and any(one.kind == "scale" for one in left):
            raise UserError("a clip has one known length", hint="remove the other one first")
        if len(gone) == 1 and lifetime_on(gone[0], self.moments) == lifetime_on(row, self.moments):
            row = replace(row, at=gone[0].at, other=gone[0].other)
        return row

    def _lifetime(self, frames: Sequence[int] | None) -> tuple[Any, Any]:
        """Return the moments of the first and the last frame."""
        if frames is None:
            return self.moments.at(), None
        if len(frames) != 2 or any(frame not in self.pose.frame for frame in frames):
            raise UserError("there is no such frame", hint=_AGAIN)
        first, last = (self.moments.at(frame) for frame in frames)
        return first, None if first == last else last
