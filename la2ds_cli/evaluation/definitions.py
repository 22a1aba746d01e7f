"""The definitions behind the numbers, as sentences that are printed and stored beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.evaluation.features import FeatureSet
from la2ds_cli.evaluation.measure import RESAMPLES, said_of_runs
from la2ds_cli.evaluation.protocol import Protocol

_EVENTS = {
    "phases": "starts of the labelled phases (phases.csv) but the first of each clip",
    "kinematic": "hips lowest, wrist highest and wrist fastest, found in the joints by rule where "
    "the extremum is clear; no human labels",
    None: "none",
}
_CLASSIFIER = {
    "svm": "an SVM (RBF kernel, C = 1, gamma = 1 / (D var), one against one)",
    "logistic": "logistic regression (multinomial, C = 1)",
}
_MISSING = {
    "copy": "a clip without the phase takes the target of the phase before or, for the last "
    "boundary, its own length",
    "exclude": "clips without the phase are left out of its regression and score",
}


def describe(
    protocol: Protocol, config: EvaluateConfig, sets: Sequence[FeatureSet], events: str | None
) -> dict[str, Any]:
    """The definitions and the settings that fix the random choices, as plain JSON types."""
    stride = protocol.tau_stride
    every = "every frame" if stride == 1 else f"one frame in {stride}"
    document: dict[str, Any] = {
        "name": protocol.name,
        "source": protocol.source,
        "phase_classification": _classification(protocol),
        "phase_progression": _progression(protocol),
        "kendalls_tau": (
            "tau-b of the index of each frame's nearest frame (smallest squared Euclidean "
            f"distance) against time, {every}, untrimmed clips, "
            "mean over all ordered pairs; undefined pairs are counted, not scored"
        ),
        "retrieval": _retrieval(protocol),
        "frames": "frames without a phase are left out, and those of the phase "
        f"'{config.background}'",
        "interval": (
            f"95 % percentile bootstrap over test videos, {RESAMPLES} resamples; a pair counts as "
            "often as both its videos were drawn, a draw of training videos as often as it was"
        ),
        "features": _features(sets, protocol.event_transfer),
        "choices": asdict(protocol)
        | {
            "subsets": [asdict(subset) for subset in protocol.subsets],
            "neighbours": list(protocol.neighbours),
        },
        "seed": config.seed,
    }
    if protocol.event_transfer:
        document |= _transfer(config, events)
    return document


def _transfer(config: EvaluateConfig, events: str | None) -> dict[str, Any]:
    return {
        "event_transfer": (
            f"each clip loses 0 to {config.max_trim:.0%} of its length at its start and as much at "
            "its end, independently; features are computed on the trimmed clips; every event that "
            "lies inside both clips of an ordered pair is transferred from A to B along the "
            "alignment, smoothed to fractions of a frame; error in percent of the untrimmed length "
            "of B, and in seconds of B"
        ),
        "events": _EVENTS[events],
        "max_trim": config.max_trim,
        "pairs_per_draw": config.pairs,
        "draws": config.trim_draws,
    }


def _classification(protocol: Protocol) -> str:
    names = ", ".join(subset.name for subset in protocol.subsets)
    drawn = sorted({subset.draws for subset in protocol.subsets if subset.draws})
    if drawn:
        how = f"mean over up to {drawn[-1]} seeded draws of the videos"
    else:
        how = "the first ones in the order of videos.csv"
    return (
        f"{_CLASSIFIER[protocol.classifier]} on features as they are, fitted on all frames of "
        f"{names} of the training videos ({how}); share of all test frames classified correctly"
    )


def _progression(protocol: Protocol) -> str:
    floor = protocol.r2_floor
    return (
        "one linear regression for the end of every phase but the last, target (frame - last "
        "frame of the phase) / length; mean of the R squared over all test frames"
        + ("" if floor is None else f", each counted as {floor:g} where it is lower")
        + f"; {_MISSING[protocol.missing_phase]}"
    )


def _retrieval(protocol: Protocol) -> str | None:
    if not protocol.neighbours:
        return None
    mean = (
        "mean over all frames"
        if protocol.average == "frames"
        else "mean over the frames of each video, then over videos"
    )
    return (
        "as the papers use the name, precision: share of the K nearest frames with the query's "
        f"phase, taken from all other test videos, every frame a query; {mean}"
    )


def _features(sets: Sequence[FeatureSet], aligned: bool) -> dict[str, str]:
    """Description of each set and how it aligns; one of several runs is described once."""
    descriptions = {}
    for feature_set in sets:
        text, alignment = feature_set.description, feature_set.alignment
        runs = {one.run: one.alignment for one in sets if one.name == feature_set.name}
        if len(runs) > 1:
            alignment = said_of_runs(runs)
            text = (
                f"mean over the networks of the runs {', '.join(runs)}; ± is the standard "
                f"deviation over runs (n - 1)"
            )
        descriptions[feature_set.name] = f"{text}; {alignment}" if aligned else text
    return descriptions
