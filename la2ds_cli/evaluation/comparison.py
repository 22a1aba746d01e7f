"""Whether one feature set beats another, judged on the same pairs and the same resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from la2ds_cli.evaluation.bootstrap import interval
from la2ds_cli.evaluation.event_transfer import TransferError, bootstrap_medians

_OPPONENTS = ("time_only", "raw_pose_best", "untrained")


def compare(
    errors: Mapping[str, Sequence[TransferError]], videos: int, seed: int
) -> list[dict[str, Any]]:
    """The model, or the best raw pose where there is no model, against the other baselines.

    errors: of each feature set, from the same trims and pairs. JSON-able rows: `ratio` is the
    opponent's median error over the subject's (None when the subject's is 0),
    `difference_percent` the subject's median less the opponent's, `interval_percent` its 95 %
    bootstrap interval over videos.
    """
    subject = "model" if "model" in errors else "raw_pose_best"
    if not errors.get(subject):
        return []
    mine = _median(errors[subject])
    resampled = bootstrap_medians(errors[subject], videos, seed)
    rows = []
    for other in _OPPONENTS:
        if other != subject and errors.get(other):
            theirs = _median(errors[other])
            spread = interval(resampled - bootstrap_medians(errors[other], videos, seed))
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


def _median(errors: Sequence[TransferError]) -> float:
    return float(np.median([error.percent for error in errors]))
