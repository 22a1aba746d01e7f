"""Phases as one number per frame, and the order of the phases of a movement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import IntArray, Phase

NO_PHASE = -1


def frame_phases(frame: IntArray, phases: Sequence[Phase], number: Mapping[str, int]) -> IntArray:
    """(T,) int64: number of the phase of each frame, NO_PHASE where there is none.

    frame: (T,) source frame numbers. number: of each phase name; phases of other names are left
    out. ValueError when two phases share a frame.
    """
    label = np.full(len(frame), NO_PHASE, dtype=np.int64)
    ordered = sorted(phases, key=lambda phase: phase.start)
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise ValueError(
                f"'{before.name}' ({before.start} to {before.end}) and '{after.name}' "
                f"({after.start} to {after.end}) overlap"
            )
    for phase in ordered:
        if phase.name in number:
            label[(frame >= phase.start) & (frame < phase.end)] = number[phase.name]
    return label


def phase_names(frame: IntArray, phases: Sequence[Phase]) -> list[str]:
    """The phase of each source frame (T,), empty where there is none; of two that share a frame
    the first."""
    names = [""] * len(frame)
    for phase in phases:
        for row in np.flatnonzero((frame >= phase.start) & (frame < phase.end)).tolist():
            names[row] = names[row] or phase.name
    return names


def phase_order(clips: Sequence[Sequence[Phase]]) -> tuple[str, ...]:
    """Names of all phases in the order in which the movement runs through them.

    A phase comes before another when it begins first in more of the clips that hold both (its
    first time counts); equals go by their mean place among the phases of a clip, then by name.
    """
    firsts = [_first_starts(phases) for phases in clips]
    names = sorted({name for first in firsts for name in first})
    wins = {name: 0.0 for name in names}
    for a in names:
        for b in names:
            leads = sum(np.sign(f[b] - f[a]) for f in firsts if a in f and b in f)
            wins[a] += float(np.sign(leads))
    places: dict[str, list[int]] = {name: [] for name in names}
    for first in firsts:
        for place, name in enumerate(sorted(first, key=lambda n: first[n])):
            places[name].append(place)
    return tuple(sorted(names, key=lambda n: (-wins[n], float(np.mean(places[n])), n)))


def _first_starts(phases: Sequence[Phase]) -> dict[str, int]:
    starts: dict[str, int] = {}
    for phase in phases:
        starts[phase.name] = min(phase.start, starts.get(phase.name, phase.start))
    return starts


def overlap_error(video: str, problem: ValueError) -> UserError:
    """The user's side of a frame that has two phases."""
    return UserError(
        f"phases.csv: of video {video}, {problem}",
        hint="a frame has one phase; correct the rows (the end of a phase is exclusive)",
        exit_code=ExitCode.MISMATCH,
    )
