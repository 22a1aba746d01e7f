"""How far an alignment of two demo clips lies from the truth they were rendered with."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from la2ds_cli.core.types import Alignment, FloatArray


def read_truth(path: Path) -> dict[str, FloatArray]:
    """Phase (T,) float64 in [0, 1] of every frame, by file name, from truth.csv."""
    phase: dict[str, list[float]] = {}
    with path.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            phase.setdefault(row["video"], []).append(float(row["phase_value"]))
    return {video: np.array(values) for video, values in phase.items()}


def frame_error(alignment: Alignment, phase_a: FloatArray, phase_b: FloatArray) -> FloatArray:
    """Error in frames of B for each frame of A that is matched and has a true counterpart.

    Frames of equal phase correspond; phases increase strictly, so the counterpart is found by
    interpolation. Frames of A whose phase B does not show have none and are left out.
    """
    return counterpart_error(
        alignment.position, phase_a[alignment.frame_a], phase_b[alignment.frame_b]
    )


def clock_error(alignment: Alignment, phase_a: FloatArray, phase_b: FloatArray) -> FloatArray:
    """The same error for a constant speed from the first to the last frame."""
    frame = np.linspace(0, len(alignment.time_b) - 1, len(alignment.time_a))
    return counterpart_error(frame, phase_a[alignment.frame_a], phase_b[alignment.frame_b])


def counterpart_error(frame: FloatArray, phase_a: FloatArray, phase_b: FloatArray) -> FloatArray:
    """|frame - truth| for positions `frame` (N,) in B, in frames, of frames of phase_a (N,).

    phase_b (M,), strictly increasing. NaN positions and phases that B does not show are left out.
    """
    truth = np.interp(phase_a, phase_b, np.arange(len(phase_b)))
    shown = (phase_a >= phase_b[0]) & (phase_a <= phase_b[-1]) & ~np.isnan(frame)
    return np.abs(frame - truth)[shown]
