"""annotations.csv: matches, notes, drawings and joints that the user set for moments of files.

A row names a file, a person in it and seconds of the file. It holds for every clip that shows this
person at these seconds, however the clip is cut, and for no other. Only the user changes the table.
Phases have a table of their own (phase_table.py), which other tools also write.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import ClipOptions, check_id, family
from la2ds_cli.core.csv_tables import read_rows, table_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import MOST_PIXELS, IntArray, PoseSequence

ANCHOR, NOTE, JOINT = "anchor", "note", "joint"
# Kind of a drawing -> the least and the most points that it has.
POINTS = {
    **{"line": (2, 2), "angle": (3, 3), "circle": (2, 2), "arrow": (2, 2), "freehand": (2, 500)},
    **{"scale": (2, 2), "watch": (1, 1)},
}
MOST_DRAWINGS = 100  # of a clip
METRES = 0.001, 10_000.0  # the least and the most of a scale
NOTE_LONGEST = 500  # letters of a note
COLUMNS = (
    *("file", "person", "seconds", "with_file", "with_person", "with_seconds"),
    *("kind", "value", "reading", "set"),
)
_DIGITS = 2  # of a position in a picture, in pixels
_LATEST = 1e9  # seconds
_ROUNDED = 1e-6  # of seconds, in the table
_PERSON = re.compile(r"[1-9][0-9]{0,5}")
_HINT = f"correct the line, or delete it; columns: {','.join(COLUMNS)}"

Point = tuple[float, float]


class Moment(NamedTuple):
    """A person in a file at some second of it.

    file: id of the clip that shows the first person in the whole file (clip.family).
    person: from 1.
    seconds: as a player shows them, to the microsecond; None = no moment.
    """

    file: str
    person: int
    seconds: float | None = None


@dataclass(frozen=True)
class Annotation:
    """A row of the table.

    kind: `anchor` (`at` is the same moment as `other`), `note` (on `at` and `other`, of which one
        may be without seconds), `joint` (corrected at `at`), or a drawing of POINTS: on all
        pictures of `at` if it has no seconds, or else on that of `at`, or on those from `at` to
        `other`.
    value: text of a note; the joint, see `joint_of`; points of a drawing, see `points_of`.
    reading: how the picture was turned when it was drawn on, see turning_of; for a joint see
        is_of_reading.
    set: time when it was set, UTC, ISO 8601; not compared.
    """

    kind: str
    at: Moment
    other: Moment | None = None
    value: str = ""
    reading: str = ""
    set: str = field(default="", compare=False)


def now() -> str:
    """Return the current time for `set`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


# --- the table ------------------------------------------------------------------------------------


def read_annotations(path: Path) -> list[Annotation]:
    """Read the rows; none without the file. Raises UserError (exit 5) that names a line."""
    return read_rows(path, _parse, _HINT) if path.exists() else []


def write_annotations(path: Path, rows: Iterable[Annotation]) -> None:
    """Write the table. Raises UserError (exit 7) if it cannot be written."""
    cells = [
        (*_cells(row.at), *_cells(row.other), row.kind, row.value, row.reading, row.set)
        for row in rows
    ]
    artifact.write_text(path, table_text(COLUMNS, cells))


def changed(
    rows: Sequence[Annotation], gone: Collection[Annotation], new: Sequence[Annotation]
) -> list[Annotation]:
    """Return the rows with `new` in place of `gone`; rows that exist are not added again."""
    left = [row for row in rows if row not in gone]
    place = next((n for n, row in enumerate(rows) if row in gone), len(left))
    left[place:place] = [row for row in new if row not in left]
    return left


def _cells(moment: Moment | None) -> tuple[str, str, str]:
    if moment is None:
        return "", "", ""
    seconds = "" if moment.seconds is None else f"{moment.seconds:.6f}"
    return moment.file, str(moment.person), seconds


def _parse(cells: dict[str, str]) -> Annotation:
    kind, value = cells["kind"].strip(), cells["value"]
    other = _moment(cells, "with_") if cells["with_file"] else None
    at, reading = _moment(cells), cells.get("reading", "").strip()
    timed = [moment for moment in (at, other) if moment and moment.seconds is not None]
    if kind in POINTS:
        value = drawing_value(kind, points_of(value), metres_of(value))
        check_lifetime(kind, at, other)
    elif kind == JOINT:
        if at.seconds is None:
            raise ValueError("a corrected joint needs the seconds of its file")
        value = joint_value(*joint_of(value))
    elif kind not in (ANCHOR, NOTE):
        raise ValueError(f"{kind[:40]!a} is not a kind of annotation")
    elif other is None or len(timed) < (2 if kind == ANCHOR else 1):
        raise ValueError(f"a row of kind '{kind}' needs the seconds of two files")
    return Annotation(kind, at, other, value, reading, cells.get("set", ""))


def _moment(cells: dict[str, str], prefix: str = "") -> Moment:
    file, person, text = (cells[prefix + name].strip() for name in ("file", "person", "seconds"))
    check_id(file)
    if not _PERSON.fullmatch(person):
        raise ValueError(f"{prefix}person is {person[:40]!a}, not a number from 1 on")
    seconds = float(text) if text else None
    if seconds is not None and not abs(seconds) <= _LATEST:  # NaN too
        raise ValueError(f"{prefix}seconds are {text[:40]!a}, not seconds of a file")
    return Moment(file, int(person), seconds)


# --- drawings -------------------------------------------------------------------------------------


def drawing_value(kind: str, points: Sequence[Sequence[float]], metres: float | None = None) -> str:
    """Return the value of a drawing.

    Parameters
    ----------
    kind: `line`, from end to end; `angle`: end, vertex, end; `circle`: its centre and a point of
        its rim; `arrow`, from tail to head; `freehand`: along the stroke; `scale`: the ends of a
        known length; `watch`: where the seconds stand that have passed since its first picture.
    points: x, y in pixels of the upright picture.
    metres: the known length, of a scale alone.

    Raises
    ------
    ValueError: for one that cannot be drawn.
    """
    if kind not in POINTS:
        raise ValueError(f"{kind[:40]!a} is none of {', '.join(POINTS)}")
    least, most = POINTS[kind]
    if not least <= len(points) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise ValueError(f"its number of points must be {wanted}, not {len(points)}")
    if not all(abs(side) <= MOST_PIXELS for point in points for side in point):  # NaN too
        raise ValueError("a point does not lie in a picture")
    if (metres is not None) != (kind == "scale"):
        raise ValueError("a scale, and nothing else, has a known length")
    if metres is not None and not METRES[0] <= metres <= METRES[1]:  # NaN too
        raise ValueError(f"a known length is {METRES[0]:g} to {METRES[1]:g} metres")
    written = [" ".join(f"{float(side):.{_DIGITS}f}" for side in point) for point in points]
    if any(before == after for before, after in pairwise(written)):
        raise ValueError("two points that follow each other are the same")
    return " ".join(written if metres is None else [*written, f"{float(metres):.6g}m"])


def points_of(value: str) -> list[Point]:
    """Return the points x, y of the value of a drawing; ValueError for another text."""
    sides = [float(side) for side in value.split() if not side.endswith("m")]
    if len(sides) % 2:
        raise ValueError("x and y of a point are given together")
    return list(zip(sides[::2], sides[1::2], strict=True))


def metres_of(value: str) -> float | None:
    """Return the known length in the value of a scale; None in that of another drawing."""
    _, _, last = value.strip().rpartition(" ")
    return float(last[:-1]) if last.endswith("m") else None


def check_lifetime(kind: str, at: Moment, other: Moment | None) -> None:
    """Raise ValueError if a drawing of this kind cannot be shown from `at` to `other`."""
    if kind == "scale" and at.seconds is not None:
        raise ValueError("a scale holds for all pictures of its clip")
    if kind == "watch" and at.seconds is None:
        raise ValueError("a watch begins at some moment")
    if other is None:
        return
    if other[:2] != at[:2] or at.seconds is None or other.seconds is None:
        raise ValueError("a drawing is shown between two moments of one file and person")
    if other.seconds < at.seconds:
        raise ValueError("a drawing cannot end before it begins")


# --- corrected joints -----------------------------------------------------------------------------


def joint_value(joint: str, at: Point | None) -> str:
    """Return the value of a corrected joint. Raises ValueError for a position in no picture.

    at: x, y in pixels of the upright picture; None = unreliable, which counts as not seen.
    """
    if at is None:
        return joint
    if not all(abs(side) <= MOST_PIXELS for side in at):  # NaN too
        raise ValueError(f"{at[0]}, {at[1]} is not a position in a picture")
    return f"{joint} {at[0]:.{_DIGITS}f} {at[1]:.{_DIGITS}f}"


def joint_of(value: str) -> tuple[str, Point | None]:
    """Return the name and position of a corrected joint, as in joint_value. Raises ValueError for
    other text."""
    name, *sides = value.split() or [""]
    if not name or len(sides) not in (0, 2):
        raise ValueError("a corrected joint is a name, with x and y or without both")
    return name, (float(sides[0]), float(sides[1])) if sides else None


# --- moments of a clip ----------------------------------------------------------------------------


@dataclass(frozen=True)
class ClipMoments:
    """The frames of a clip as moments of its file.

    file, person: as in Moment.
    frame: (T,) numbers of the frames, as in the clip's poses.
    axis: times of the frames, in seconds of the file.
    """

    file: str
    person: int
    frame: IntArray
    axis: TimeAxis

    @classmethod
    def of(cls, video: str, options: str, pose: PoseSequence) -> ClipMoments:
        """Return the moments of a clip. video: its id. options: as in videos.csv."""
        file, person = family(video)
        slowmo = ClipOptions.from_text(options).slowmo
        axis = TimeAxis(pose.time * slowmo, pose.fps / slowmo)
        return cls(file, int(person), pose.frame, axis)

    def at(self, frame: int | None = None) -> Moment:
        """Return the moment of a frame; None = the person without a moment."""
        if frame is None:
            return Moment(self.file, self.person)
        row = int(np.searchsorted(self.frame, frame))
        return Moment(self.file, self.person, round(float(self.axis.seconds[row]), 6))

    def row(self, moment: Moment) -> int | None:
        """Return the row of the clip that shows a moment; None if there is none."""
        if moment.seconds is None or moment[:2] != (self.file, self.person):
            return None
        return self.axis.row_of(moment.seconds, _ROUNDED)

    def shows(self, moment: Moment) -> bool:
        """Return whether a moment is of this person and, with seconds, at a frame of the clip."""
        if moment.seconds is None:
            return moment[:2] == (self.file, self.person)
        return self.row(moment) is not None

    def rows_between(self, first: Moment, last: Moment) -> tuple[int, int] | None:
        """Return the first and the last row of the clip that lie between two moments of its file;
        None if there is none."""
        if first[:2] != (self.file, self.person) or first.seconds is None or last.seconds is None:
            return None
        if first == last:
            row = self.row(first)
            return None if row is None else (row, row)
        seconds = self.axis.seconds
        low = int(np.searchsorted(seconds, first.seconds - _ROUNDED))
        high = int(np.searchsorted(seconds, last.seconds + _ROUNDED, "right")) - 1
        return (low, high) if low <= high else None

    def frame_at(self, moment: Moment) -> int | None:
        """Return the number of the frame that shows a moment; None if there is none."""
        row = self.row(moment)
        return None if row is None else int(self.frame[row])


class Between(NamedTuple):
    """An annotation of two clips, and the frame of each; None = the clip has no such moment."""

    row: Annotation
    frames: tuple[int | None, int | None]


def between(rows: Iterable[Annotation], kind: str, a: ClipMoments, b: ClipMoments) -> list[Between]:
    """Return the annotations of this kind that two clips show, in the order of A's frames,
    whichever clip was A when they were set."""
    shown = []
    for row in rows:
        if row.kind != kind or row.other is None:
            continue
        for first, second in ((row.at, row.other), (row.other, row.at)):
            if a.shows(first) and b.shows(second):
                shown.append(Between(row, (a.frame_at(first), b.frame_at(second))))
                break
    return sorted(shown, key=lambda each: (each.frames[0] is None, each.frames[0] or 0))


def drawings_on(rows: Iterable[Annotation], clip: ClipMoments, turned: str) -> list[Annotation]:
    """The drawings that a clip shows, in the order of the table. turned: as the clip is now, see
    turning_of."""
    mine = (row for row in rows if row.kind in POINTS and _is_drawn_on(row, clip))
    return [row for row in mine if row.reading == turned]


def _is_drawn_on(row: Annotation, clip: ClipMoments) -> bool:
    return clip.shows(row.at) if row.at.seconds is None else lifetime_on(row, clip) is not None


def lifetime_on(row: Annotation, clip: ClipMoments) -> tuple[int, int] | None:
    """Return the first and the last frame of a clip on which a drawing is shown; None: on all, or
    on none, if it has seconds. A watch stays, with the time of its last frame."""
    rows = clip.rows_between(row.at, row.other or row.at)
    return None if rows is None else (int(clip.frame[rows[0]]), int(clip.frame[rows[1]]))


# --- corrected joints in poses --------------------------------------------------------------------

# They are applied whenever the poses are read, so they survive a new extraction. They belong to the
# person, and apply only if the picture is rotated and mirrored as before: otherwise they are not
# used, but stay in the table.


def reading_of(recipe: Recipe, info: Mapping[str, Any]) -> str:
    """Return whom the poses follow and how their file was rotated and mirrored, such as `auto
    rotate=90`; another reading may show somebody else. info: facts of the poses."""
    return f"{recipe.config.get('subject', '')} {turning_of(info)}".strip()


def is_of_reading(correction: Annotation, recipe: Recipe, info: Mapping[str, Any]) -> bool:
    """Return whether a correction was made on a picture that was turned as that of these poses.

    Older tables also say whom the poses followed, since the number of a person was a rank then.
    info: facts of the poses.
    """
    return correction.reading in (turning_of(info), reading_of(recipe, info))


def turning_of(info: Mapping[str, Any]) -> str:
    """Return how the file of poses was rotated and mirrored, such as `rotate=90 mirror=true`; empty
    = not at all. info: facts of the poses."""
    turned = [f"rotate={info['rotate']}"] if info.get("rotate") else []
    turned += ["mirror=true"] if info.get("mirror") else []
    return " ".join(turned)


def corrected_recipe(recipe: Recipe, corrections: Sequence[Annotation]) -> Recipe:
    """Return the recipe of poses with the corrections that apply to them, so that everything made
    from the uncorrected poses is stale. Of several corrections of a joint at a moment, only the
    last counts, as in `corrected`."""
    if not corrections:
        return recipe
    joints = [(each.at.seconds, *joint_of(each.value)) for each in corrections]
    last = {(seconds, joint): at or () for seconds, joint, at in joints}
    digest = hashlib.sha256(repr(sorted(last.items())).encode()).hexdigest()
    return replace(recipe, inputs={**recipe.inputs, "corrections": digest})


def corrected(
    pose: PoseSequence, moments: ClipMoments, corrections: Sequence[Annotation]
) -> PoseSequence:
    """Return the poses with corrections applied.

    A corrected joint has score and trust 1; an unreliable one has 0, and NaN as position. Its 3D
    position, which came with the wrong one, is NaN in both cases. Corrections for moments and
    joints that the poses lack are ignored. Of several for a joint of a frame, the last counts.
    moments: of the poses.
    """
    joints = get_skeleton(pose.skeleton).joints
    xy, score = pose.xy.copy(), pose.score.copy()
    trust = None if pose.trust is None else pose.trust.copy()
    world = None if pose.world is None else pose.world.copy()
    for correction in corrections:
        row, (joint, position) = moments.row(correction.at), joint_of(correction.value)
        if row is None or joint not in joints:
            continue
        at = row, joints.index(joint)
        xy[at] = np.nan if position is None else position
        score[at] = position is not None
        if trust is not None:
            trust[at] = position is not None
        if world is not None:
            world[at] = np.nan
    return replace(pose, xy=xy, score=score, trust=trust, world=world)
