"""Whether one feature set beats another, judged on the same pairs and the same resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.evaluation.bootstrap import interval
from la2ds_cli.evaluation.event_transfer import TransferError, bootstrap_medians

_OPPONENTS = ("time_only", "raw_pose_best", "untrained")


def compare(
    errors: Mapping[str, Sequence[Sequence[TransferError]]], videos: int, seed: int
) -> list[dict[str, Any]]:
    """The model, or the best raw pose where there is no model, against the other baselines.

    errors: of each feature set, one list for each of its runs, from the same trims and pairs; the
    median of several runs is the mean of their medians. JSON-able rows: `ratio` is the
    opponent's median error over the subject's (None when the subject's is 0),
    `difference_percent` the subject's median less the opponent's, `interval_percent` its 95 %
    bootstrap interval over videos.
    """
    subject = "model" if "model" in errors else "raw_pose_best"
    if not _complete(errors, subject):
        return []
    mine = _median(errors[subject])
    resampled = _resampled(errors[subject], videos, seed)
    rows = []
    for other in _OPPONENTS:
        if other != subject and _complete(errors, other):
            theirs = _median(errors[other])
            spread = interval(resampled - _resampled(errors[other], videos, seed))
            rows.append(
                {
                    "features": subject,
                    "against": other,
                    "ratio": theirs / mine if mine > 0 else None,
                    "difference_percent": mine - theirs,
                    "interval_percent": list(spread) if spread else None,
                }
            )
    return rows


def _complete(errors: Mapping[str, Sequence[Sequence[TransferError]]], name: str) -> bool:
    return bool(errors.get(name)) and all(errors[name])


def _median(runs: Sequence[Sequence[TransferError]]) -> float:
    return float(np.mean([np.median([error.percent for error in run]) for run in runs]))


def _resampled(runs: Sequence[Sequence[TransferError]], videos: int, seed: int) -> FloatArray:
    return np.mean([bootstrap_medians(run, videos, seed) for run in runs], axis=0)
