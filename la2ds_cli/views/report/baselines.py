"""What would have been matched without a model: by raw poses, and by a constant speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.align import match_by_pose
from la2ds_cli.alignment.path import matched_time
from la2ds_cli.alignment.request import FeatureChoice, PreparedPair
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray


@dataclass(frozen=True)
class Baseline:
    """kind: `pose` or `clock`. position: (N,) frames of B, NaN = no counterpart. mean, worst:
    seconds of B between it and the alignment, over frames of A that both match, None without
    any; at: row of A of the worst."""

    kind: str
    position: FloatArray
    mean: float | None
    worst: float | None
    at: int | None


def baselines(project: Project, result: AlignResult) -> list[Baseline]:
    """Those of an alignment: raw poses with the same settings unless it was made by them, and a
    constant speed from the first frames to the last."""
    found = result.alignment
    others: list[tuple[str, FloatArray]] = []
    if found.features == "model":
        pair = PreparedPair(
            (result.a, result.b),
            (result.pose_a, result.pose_b),
            (result.a.name, result.b.name),
            FeatureChoice("pose", ""),
        )
        others.append(("pose", match_by_pose(project, pair, result.settings).position))
    others.append(("clock", constant_speed(found.time_a, found.time_b)))
    return [_beside(kind, position, result) for kind, position in others]


def constant_speed(time_a: FloatArray, time_b: FloatArray) -> FloatArray:
    """(N,) float64 frames of B: A's first and last moment on B's, even seconds in between."""
    span = time_a[-1] - time_a[0]
    share = (time_a - time_a[0]) / span if span > 0 else np.zeros(len(time_a))
    seconds = time_b[0] + share * (time_b[-1] - time_b[0])
    return np.interp(seconds, time_b, np.arange(len(time_b)))


def _beside(kind: str, position: FloatArray, result: AlignResult) -> Baseline:
    found = result.alignment
    apart = np.abs(
        matched_time(position, found.time_b) - matched_time(found.position, found.time_b)
    )
    if np.isnan(apart).all():
        return Baseline(kind, position, None, None, None)
    at = int(np.nanargmax(apart))
    return Baseline(kind, position, float(np.nanmean(apart)), float(apart[at]), at)
