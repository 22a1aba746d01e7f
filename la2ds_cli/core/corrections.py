"""corrections.csv: joints that a person has corrected, kept separate from the network's joints.

A row names a frame of the clip's file and a joint. Corrections are applied whenever the poses are
read, so they survive a new extraction. They apply only to the reading they were made for: the same
person, rotated and mirrored in the same way. In another reading they are not used, but stay in the
table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.csv_tables import read_rows, table_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import MOST_PIXELS, PoseSequence

COLUMNS = ("video", "frame", "joint", "x", "y", "reading", "set")
_HINT = f"correct the line, or delete it; columns: {','.join(COLUMNS)}"


@dataclass(frozen=True)
class Correction:
    """A joint of one frame. frame: of the clip's file, from 0. at: x, y in pixels of the upright
    picture; None = not to be trusted, which counts as not seen. reading: see reading_of. set: when,
    UTC, ISO 8601."""

    frame: int
    joint: str
    at: tuple[float, float] | None
    reading: str
    set: str = ""


Row = tuple[str, Correction]  # with the id of the clip


def reading_of(recipe: Recipe, info: Mapping[str, Any]) -> str:
    """Whom the poses follow and how their file was rotated and mirrored, such as `auto rotate=90`;
    this defines what a position in the picture means. info: facts of the poses."""
    return f"{recipe.config.get('subject', '')} {turning_of(info)}".strip()


def turning_of(info: Mapping[str, Any]) -> str:
    """How the file of poses was rotated and mirrored, such as `rotate=90 mirror=true`; empty: not
    at all. info: facts of the poses."""
    turned = [f"rotate={info['rotate']}"] if info.get("rotate") else []
    turned += ["mirror=true"] if info.get("mirror") else []
    return " ".join(turned)


def read_corrections(path: Path) -> list[Row]:
    """The rows of the table; none without the file. Raises UserError (exit 5) that names a line."""
    return read_rows(path, _parse, _HINT) if path.exists() else []


def write_corrections(path: Path, rows: Iterable[Row]) -> None:
    """Write the table; raises UserError (exit 7)."""
    cells = []
    for video, one in rows:
        x, y = ("", "") if one.at is None else (f"{side:.2f}" for side in one.at)
        cells.append((video, one.frame, one.joint, x, y, one.reading, one.set))
    artifact.write_text(path, table_text(COLUMNS, cells))


def _parse(cells: dict[str, str]) -> Row:
    frame, x, y = int(cells["frame"]), cells["x"].strip(), cells["y"].strip()
    if frame < 0:
        raise ValueError(f"{frame} is not a frame number")
    if bool(x) != bool(y):
        raise ValueError("x and y are given together, or neither")
    at = (float(x), float(y)) if x else None
    if at and not all(abs(side) <= MOST_PIXELS for side in at):  # NaN too
        raise ValueError(f"{x}, {y} is not a position in a picture")
    correction = Correction(frame, cells["joint"], at, cells["reading"], cells.get("set", ""))
    return cells["video"], correction


def corrected_recipe(recipe: Recipe, corrections: Sequence[Correction]) -> Recipe:
    """The recipe of poses with the corrections that apply to them, so that everything made from the
    uncorrected poses is stale. The recipe itself if there are none. If several correct the same
    joint of a frame, only the last counts, as in `corrected`."""
    if not corrections:
        return recipe
    last = {(one.frame, one.joint): one.at or () for one in corrections}
    said = sorted((*moment, at) for moment, at in last.items())
    digest = hashlib.sha256(repr(said).encode()).hexdigest()
    return replace(recipe, inputs={**recipe.inputs, "corrections": digest})


def corrected(pose: PoseSequence, corrections: Sequence[Correction]) -> PoseSequence:
    """Poses with corrections applied; corrections for frames and joints that they do not have are
    ignored. Of several for the same joint of a frame, the last counts.

    A corrected joint has score and trust 1; for one that is not to be trusted, both are 0 and the
    position is NaN. Its position in 3D, which came with the wrong one, is NaN in both cases.
    """
    joints = get_skeleton(pose.skeleton).joints
    xy, score = pose.xy.copy(), pose.score.copy()
    trust = None if pose.trust is None else pose.trust.copy()
    world = None if pose.world is None else pose.world.copy()
    for one in corrections:
        row = int(np.searchsorted(pose.frame, one.frame))
        if row == len(pose) or pose.frame[row] != one.frame or one.joint not in joints:
            continue
        at = row, joints.index(one.joint)
        xy[at] = np.nan if one.at is None else one.at
        score[at] = one.at is not None
        if trust is not None:
            trust[at] = one.at is not None
        if world is not None:
            world[at] = np.nan
    return replace(pose, xy=xy, score=score, trust=trust, world=world)
