"""Of several variants, every figure is that of the variant which is best by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from la2ds_cli.core.config import Config
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.event_transfer import Cut, Draw, compare
from la2ds_cli.evaluation.events import EvaluationClip
from la2ds_cli.evaluation.features import FeatureSet, Uses, Variant
from la2ds_cli.evaluation.protocol import get_protocol
from la2ds_cli.evaluation.scoring import Inputs, Scored, score
from la2ds_cli.evaluation.table import _chosen
from tests.movement import sequence

LENGTHS, FPS = (100, 200), (20.0, 30.0)
EVENTS = {"first": 20, "second": 40, "third": 60}


class Sends:
    """Sends frame n of A to frame to[n] of B, and no other frame anywhere."""

    def __init__(self, to: dict[int, int]) -> None:
        self.to = to

    def prepare(self, clip: FloatArray) -> FloatArray:
        return clip

    def match(self, a: FloatArray, b: FloatArray) -> FloatArray:
        position = np.full(len(a), np.nan)
        position[list(self.to)] = list(self.to.values())
        return position


def source_frames(poses: Sequence[PoseSequence]) -> list[FloatArray]:
    return [pose.frame[:, None].astype(float) for pose in poses]


def variant(name: str, *errors: int) -> Variant:
    """Errors of the three events, in frames of B (200 frames): half of them in percent."""
    events = zip(EVENTS.values(), errors, strict=True)
    aligner = Sends({frame: frame + error for frame, error in events})
    return Variant(name, source_frames, aligner, "frames", Uses("frames"), source_frames)


def scored(*variants: Variant) -> Scored:
    clips = [
        EvaluationClip(name, sequence(np.linspace(0, 1, length), fps=fps), EVENTS)
        for name, length, fps in zip("ab", LENGTHS, FPS, strict=True)
    ]
    config = Config()
    draw = Draw(0, (Cut(0, 100), Cut(0, 200)), np.array([[0, 1]]))
    protocol = get_protocol("la2ds", config.evaluate)
    inputs = Inputs(clips, [draw], True, [], [], False, None, protocol, config)
    return score(FeatureSet("raw_pose_best", "", "", variants), inputs, Progress())


STEADY = variant("steady", 10, 10, 12)  # median 5 %, mean 5.33 %, 90th centile 5.8 %
MOSTLY = variant("mostly", 4, 4, 100)  # median 2 %, mean 18 %
WORSE = variant("worse", 20, 20, 20)


@pytest.fixture(scope="module")
def best() -> Scored:
    return scored(WORSE, STEADY, MOSTLY)


def test_median_and_mean_are_each_of_the_variant_that_is_best_by_it(best: Scored) -> None:
    transfer = best.row["event_transfer"]
    assert transfer["median_percent"] == pytest.approx(2.0)
    assert transfer["mean_percent"] == pytest.approx(16 / 3)
    assert transfer["p90_percent"] == pytest.approx(5.8)
    assert transfer["median_seconds"] == pytest.approx(4 / 30)
    assert transfer["mean_seconds"] == pytest.approx(32 / 3 / 30)
    assert best.row["best_variants"] == {
        "median_percent": "mostly",
        "mean_percent": "steady",
        "p90_percent": "steady",
        "median_seconds": "mostly",
        "mean_seconds": "steady",
    }
    assert best.row["variants"]["worse"]["median_percent"] == pytest.approx(10.0)


def test_what_belongs_to_no_figure_goes_with_the_median(best: Scored) -> None:
    assert best.row["variant"] == "mostly"
    assert best.row["event_transfer"]["draw_median_percent"] == pytest.approx([2.0])
    assert [error.frames for error in best.errors] == [4, 4, 100]
    assert [error.frames for error in best.mean_errors] == [10, 10, 12]


def test_a_model_is_compared_with_the_lowest_median(best: Scored) -> None:
    """Its median of 3 % beats the 5 % of the variant with the lowest mean, and loses to 2 %."""
    model = scored(variant("model", 6, 6, 6))
    rows = compare({"model": [model.errors], "raw_pose_best": [best.errors]}, videos=2, seed=0)
    assert rows[0]["ratio"] == pytest.approx(2 / 3)
    assert rows[0]["difference_percent"] == pytest.approx(1.0)
    assert rows[0]["interval_percent"] is None  # of one pair of clips


def test_the_definitions_name_the_variant_of_each_figure(best: Scored) -> None:
    assert _chosen(best.row) == (
        " (here median %, median s: mostly; mean %, 90th centile %: steady)"
    )
    assert _chosen(scored(WORSE, STEADY).row) == " (here: steady)"
    assert _chosen(scored(STEADY).row) == ""


def test_what_a_row_is_made_of_is_said_in_words() -> None:
    assert str(Uses("network", True, 40)) == (
        "network + raw movement of the joints + 40 other clips"
    )
    assert str(Uses("network", other_clips=3)) == "network + 3 other clips"
    assert str(Uses("network")) == "network, no other clips"
