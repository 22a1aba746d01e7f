"""The definitions behind the numbers, in words, as they are printed and stored beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from la2ds_cli.config import EvaluateConfig
from la2ds_cli.evaluation.bootstrap import RESAMPLES
from la2ds_cli.evaluation.features import FeatureSet

_EVENTS = {
    "phases": "starts of the labelled phases (phases.csv) but the first of each clip",
    "kinematic": "hips lowest, wrist highest and wrist fastest, found in the joints by rule where "
    "the extremum is clear; no human labels",
    None: "none",
}


def describe(
    config: EvaluateConfig, sets: Sequence[FeatureSet], events: str | None
) -> dict[str, Any]:
    """JSON-able definitions and the settings that fix the random choices."""
    stride = "every frame" if config.tau_stride == 1 else f"one frame in {config.tau_stride}"
    return {
        "kendalls_tau": (
            "tau-b of the index of each frame's nearest frame (smallest squared Euclidean "
            f"distance) against time, {stride}, untrimmed clips, "
            "mean over all ordered pairs; undefined pairs are counted, not scored"
        ),
        "event_transfer": (
            f"each clip loses 0 to {config.max_trim:.0%} of its length at its start and as much at "
            "its end, independently; features are computed on the trimmed clips; every event that "
            "lies inside both clips of an ordered pair is carried from A to B along the "
            "alignment; error in percent of the untrimmed length of B, and in seconds of B"
        ),
        "events": _EVENTS[events],
        "interval": (
            f"95 % percentile bootstrap over videos, {RESAMPLES} resamples; a pair counts as "
            "often as both its videos were drawn"
        ),
        "features": {feature_set.name: feature_set.description for feature_set in sets},
        "tau_stride": config.tau_stride,
        "max_trim": config.max_trim,
        "pairs_per_draw": config.pairs,
        "draws": config.trim_draws,
        "seed": config.seed,
    }
