"""The people in each frame of a pose file, and which of them is the subject of the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.subjects import choose_subject, follow_cuts, rank_people
from la2ds_cli.poses.tracking import link_detections
from la2ds_cli.poses.tracks import LEAST_PIECE, MAX_GAP


@dataclass(frozen=True)
class Person:
    """One person of one frame, in the pixels and the joint order of the file.

    xy: (K, 2), NaN = missing. score: (K,) as in the file. box: (4,) xyxy, NaN = none given.
    confidence: of the whole person, None = none given. track: who it is, None = not told.
    """

    xy: FloatArray
    score: FloatArray
    box: FloatArray
    confidence: float | None = None
    track: str | None = None


def no_box() -> FloatArray:
    """The box (4,) of a person whose box the file does not hold."""
    return np.full(4, np.nan)


def missing_where_zero(xy: FloatArray, score: FloatArray) -> FloatArray:
    """xy (K, 2) with NaN where x, y and score are all 0, which is how many tools write missing."""
    zero = (xy == 0).all(axis=1) & (score == 0)
    return np.where(zero[:, None], np.nan, xy)


def choose_people(
    people: Sequence[Sequence[Person]], fps: float, size: tuple[int, int]
) -> tuple[list[Person | None], dict[str, Any]]:
    """The subject in each of the T frames (None = not there), and facts about the choice.

    People are followed by the identities of the file and, where it has none, by their boxes; one of
    them is chosen over the whole clip, as in pose extraction. facts: people, margin,
    ambiguous, cuts; empty when no frame has more than one person.
    """
    if all(len(frame) <= 1 for frame in people):
        return [frame[0] if frame else None for frame in people], {}
    located = [[(p, box) for p in frame if (box := _extent(p)) is not None] for frame in people]
    boxes = [box for frame in located for _, box in frame]
    if not boxes:
        return [None] * len(people), {}
    frame_size = size if min(size) > 0 else _reach(boxes)
    max_gap, least = (max(1, round(seconds * fps)) for seconds in (MAX_GAP, LEAST_PIECE))
    # The tool that wrote the file has applied its own threshold.
    tracks = link_detections(_detections(located), threshold=0.0, max_gap=max_gap, size=frame_size)
    first = choose_subject(tracks, frame_size, len(people))
    subject, cuts = follow_cuts(first.index, tracks, least=least)
    chosen: list[Person | None] = [None] * len(people)
    for t, box in zip(subject.frame, subject.box, strict=True):
        chosen[t] = next(p for p, found in located[t] if np.array_equal(found, box))
    return chosen, {
        "people": len(rank_people(tracks, frame_size, len(people))),
        "margin": round(first.margin, 3),
        "ambiguous": first.ambiguous,
        "cuts": cuts,
    }


def _extent(person: Person) -> FloatArray | None:
    """The box of a person, else the one around the joints; None when it has no area."""
    box = person.box
    if not np.isfinite(box).all():
        seen = person.xy[np.isfinite(person.xy).all(axis=1)]
        if not len(seen):
            return None
        box = np.concatenate([seen.min(axis=0), seen.max(axis=0)])
    return box if (box[2:] > box[:2]).all() else None


def _confidence(person: Person) -> float:
    if person.confidence is not None:
        return float(np.clip(person.confidence, 0, 1))
    return float(np.clip(np.nan_to_num(person.score), 0, 1).mean()) if person.score.size else 0.0


def _detections(located: Sequence[Sequence[tuple[Person, FloatArray]]]) -> list[FloatArray]:
    """(n_t, 6) of each frame for link_detections: box, confidence, number of the identity or -1."""
    identities: dict[str, int] = {}
    detections = []
    for frame in located:
        rows = []
        for person, box in frame:
            known = person.track is not None
            identity = identities.setdefault(str(person.track), len(identities)) if known else -1
            rows.append([*box, _confidence(person), identity])
        detections.append(np.array(rows, np.float64).reshape(-1, 6))
    return detections


def _reach(boxes: Sequence[FloatArray]) -> tuple[int, int]:
    """The size of the frame as far as the boxes tell."""
    corner = np.ceil(np.max(boxes, axis=0)[2:])
    return max(1, int(corner[0])), max(1, int(corner[1]))
