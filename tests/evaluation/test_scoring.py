"""Of several variants every figure takes its best, and feature sets compare on the same pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.clip_features import ClipFeatures
from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.evaluate import MEDIAN, Inputs, Scored, score
from la2ds_cli.evaluation.evaluation_table import verdict
from la2ds_cli.evaluation.event_transfer import Draw, TransferError, compare, measure_transfer
from la2ds_cli.evaluation.events import EvaluationClip
from la2ds_cli.evaluation.features import OPEN, FeatureSet, FeatureVariant
from la2ds_cli.evaluation.measure import Measure, mean_over_runs
from la2ds_cli.evaluation.protocol import get_protocol
from tests.alignments import matched
from tests.movement import sequence

LENGTHS, FPS = (100, 200), (20.0, 30.0)
EVENTS = {"first": 20, "second": 40, "third": 60}


@dataclass(frozen=True)
class Sends(FeatureVariant):
    """Sends frame n of A to frame to[n] of B, and no other frame anywhere."""

    to: dict[int, int] = field(default_factory=dict)

    def align(self, a: PoseSequence, b: PoseSequence) -> Alignment:
        position = np.full(len(a), np.nan)
        position[list(self.to)] = list(self.to.values())
        return matched(position, a, b)


def source_frames(poses: Sequence[PoseSequence]) -> list[FloatArray]:
    return [pose.frame[:, None].astype(float) for pose in poses]


def variant(name: str, *errors: int) -> FeatureVariant:
    """Errors of the three events, in frames of B (200 frames): half of them in percent."""
    to = {frame: frame + error for frame, error in zip(EVENTS.values(), errors, strict=True)}
    unused = ClipFeatures(lambda clip, features: pytest.fail("no features are needed"))
    return Sends(name, "frames", "frames", unused, source_frames, OPEN, to=to)


def scored(*variants: FeatureVariant) -> Scored:
    clips = [
        EvaluationClip(name, sequence(np.linspace(0, 1, length), fps=fps), EVENTS)
        for name, length, fps in zip("ab", LENGTHS, FPS, strict=True)
    ]
    config = Config()
    cuts = range(100), range(200)
    draw = Draw(0, cuts, np.array([[0, 1]]), [clip.pose for clip in clips])
    protocol = get_protocol("la2ds", config.evaluate)
    inputs = Inputs(clips, [draw], "phases", [], [], "all", None, protocol, config)
    return score(FeatureSet("raw_pose_best", variants), inputs, Progress())


STEADY = variant("steady", 10, 10, 12)  # median 5 %, mean 5.33 %, 90th centile 5.8 %
MOSTLY = variant("mostly", 4, 4, 100)  # median 2 %, mean 18 %
WORSE = variant("worse", 20, 20, 20)


@pytest.fixture(scope="module")
def best() -> Scored:
    return scored(WORSE, STEADY, MOSTLY)


@pytest.mark.parametrize(
    ("figure", "value", "variant"),
    [
        ("median_percent", 2.0, "mostly"),
        ("mean_percent", 16 / 3, "steady"),
        ("p90_percent", 5.8, "steady"),
        ("median_seconds", 4 / 30, "mostly"),
    ],
)
def test_each_figure_is_of_the_variant_that_is_best_by_it(
    best: Scored, figure: str, value: float, variant: str
) -> None:
    entry = best.row()["event_transfer"][figure]
    assert (entry["value"], entry["variant"]) == (pytest.approx(value), variant)


def test_errors_and_alignment_are_those_of_the_lowest_median(best: Scored) -> None:
    assert best.row()["variant"] == "mostly"
    assert [error.frames for error in best.errors] == [4, 4, 100]


# --- feature sets on the same pairs ---------------------------------------------------------------

VIDEOS = 10
HARD = np.random.default_rng(0).uniform(1, 20, VIDEOS * (VIDEOS - 1))
"""Errors that differ far more between pairs than between features."""


def median_of(values: Sequence[float] | FloatArray) -> Measure:
    pairs = [(a, b) for a in range(VIDEOS) for b in range(VIDEOS) if a != b]
    errors = [
        TransferError(0, a, b, "top", v, v, v, False)
        for (a, b), v in zip(pairs, list(values), strict=False)
    ]
    return measure_transfer(errors, VIDEOS, 0)["median_percent"]


def test_a_model_is_compared_with_the_lowest_median(best: Scored) -> None:
    """Its median of 3 % beats the 5 % of the variant with the lowest mean, and loses to 2 %."""
    model = scored(variant("model", 6, 6, 6)).measures[MEDIAN]
    (row,) = compare({"model": model, "raw_pose_best": best.measures[MEDIAN]})
    assert row["ratio"] == pytest.approx(2 / 3)
    assert row["difference_percent"] == pytest.approx(1.0)
    assert row["interval_percent"] is None  # of one pair of clips


def against(model: Measure, other: Measure) -> dict[str, Any]:
    (row,) = compare({"model": model, "time_only": other})
    return row


def test_a_lead_on_one_pair_of_clips_may_be_chance() -> None:
    medians = {"model": median_of([1.0]), "time_only": median_of([20.0])}
    features = {
        name: {"event_transfer": {"median_percent": one.row()}} for name, one in medians.items()
    }
    assert verdict({"comparisons": compare(medians), "features": features}) == [
        "The model beats time only by 20.0x (median error 1.00 % against 20.00 %; this may be "
        "chance, with too few clips for an interval)."
    ]


def test_a_lead_is_judged_on_the_pairs_that_both_share() -> None:
    row = against(median_of(HARD), median_of(HARD + 0.5))  # small, but constant
    assert row["difference_percent"] == pytest.approx(-0.5)
    assert row["interval_percent"] == pytest.approx([-0.5, -0.5])
    assert row["ratio"] == pytest.approx((np.median(HARD) + 0.5) / np.median(HARD))
    halved = against(median_of(HARD / 2), median_of(HARD))
    assert halved["gain_interval"] == pytest.approx([50, 50])  # in each resample
    assert against(median_of(HARD), median_of(0 * HARD))["gain_interval"] is None
    shuffled = median_of(np.random.default_rng(1).permutation(HARD))
    assert against(median_of(HARD), shuffled)["gain_interval"][1] < 100  # no error below none
    low, high = against(median_of(HARD), shuffled)["interval_percent"]
    assert low < 0 < high


def test_what_is_compared_with_what() -> None:
    hard = median_of(HARD)
    (row,) = compare({"raw_pose_best": hard, "time_only": median_of(2 * HARD)})
    assert (row["features"], row["against"]) == ("raw_pose_best", "time_only")
    assert row["ratio"] == pytest.approx(2.0)
    assert against(median_of(0 * HARD), hard)["ratio"] is None
    assert compare({"model": median_of([]), "time_only": hard}) == []
    assert compare({"raw_pose": hard}) == []


def test_several_runs_count_by_the_mean_of_their_medians() -> None:
    runs = {"a": median_of(HARD), "b": median_of(HARD + 2.0)}
    clock = median_of(HARD + 3.0)
    row = against(mean_over_runs(runs), clock)
    assert row["difference_percent"] == pytest.approx(-2.0)
    assert row["interval_percent"] == pytest.approx([-2.0, -2.0])
    broken = mean_over_runs(runs | {"c": median_of([])})
    assert compare({"model": broken, "time_only": clock}) == []
