"""Propagated phases in whole frames, seconds, tables and probabilities of frames."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.labels.clip_labels import (
    BOUNDARY_COLUMNS,
    boundaries_csv,
    clip_labels,
)
from la2ds_cli.labels.vote import Boundary, PhaseConsensus, PhaseKey, PropagatedPhase
from tests.movement import sequence


def boundary(row: float, reach: float = 2.0, *, cut: bool = False) -> Boundary:
    return Boundary(row, row - reach, row + reach, 0.75, cut, 3, 1.0)


def pose(length: int = 20) -> PoseSequence:
    """20 frames per second, source frames 100, 102, ..."""
    return replace(sequence(np.linspace(0, 1, length)), frame=100 + 2 * np.arange(length))


SHARED = boundary(8.4)
CONSENSUS = PhaseConsensus(
    (
        PropagatedPhase(PhaseKey("down"), boundary(0, cut=True), SHARED),
        PropagatedPhase(PhaseKey("up"), SHARED, boundary(14)),
        PropagatedPhase(PhaseKey("down", 2), boundary(15), boundary(20, cut=True)),
    ),
    {"rest": "missing in 2 of 3 labelled clips"},
    3,
)


def test_phases_in_source_frames_end_exclusive_and_marked():
    labels = clip_labels("b", pose(), CONSENSUS)
    assert labels.phases == [
        Phase(100, 116, "down", propagated=True),
        Phase(116, 128, "up", propagated=True),
        Phase(130, 139, "down", propagated=True),
    ]
    assert labels.left_out == CONSENSUS.left_out


def test_a_phase_of_less_than_a_frame_is_left_out_and_said_so():
    tiny = PropagatedPhase(PhaseKey("top"), boundary(8.1), boundary(8.4))
    labels = clip_labels("b", pose(), PhaseConsensus((tiny,), {}, 1))
    assert labels.phases == []
    assert labels.left_out == {"top": "shorter than a frame here"}


def test_a_shared_boundary_is_one_row():
    rows = list(csv.DictReader(io.StringIO(boundaries_csv([clip_labels("b", pose(), CONSENSUS)]))))
    assert tuple(rows[0]) == BOUNDARY_COLUMNS
    sides = [(row["before"], row["after"], row["cut"]) for row in rows]
    assert sides == [
        ("", "down", "yes"),
        ("down", "up", ""),
        ("up", "", ""),
        ("", "down#2", ""),
        ("down#2", "", "yes"),
    ]
    shared = rows[1]
    assert (shared["frame"], shared["time"]) == ("116", "0.42")
    assert (float(shared["time_low"]), float(shared["time_high"])) == (0.32, 0.52)
    assert (shared["confidence"], shared["votes"], shared["labelled_clips"]) == ("0.75", "3", "3")
    assert float(shared["spread"]) == pytest.approx(0.05)
