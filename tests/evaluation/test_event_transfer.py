"""Event transfer on cases whose error is known by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.evaluation.event_transfer import (
    Cut,
    Draw,
    TransferError,
    draw_trims,
    shared_events,
    summarise,
    transfer_events,
)
from la2ds_cli.evaluation.events import EvaluationClip
from tests.movement import sequence, warped_phase

FPS = {"a": 20.0, "b": 25.0, "c": 30.0}


def clip(name: str, length: int, **events: int) -> EvaluationClip:
    return EvaluationClip(name, sequence(np.linspace(0, 1, length), fps=FPS[name]), events)


def source_frames(poses: Sequence[PoseSequence]) -> list[FloatArray]:
    """The source frame number as a feature: the true correspondence of clips of one movement, of
    which one may go on for longer."""
    return [pose.frame[:, None].astype(float) for pose in poses]


def shifted(offset: int) -> Callable[[FloatArray, FloatArray], IntArray]:
    """Sends source frame t of A to source frame t + offset of B, within the trimmed B."""

    def path(a: FloatArray, b: FloatArray) -> IntArray:
        wanted = a[:, 0] + offset - b[0, 0]
        j = np.clip(np.rint(wanted), 0, len(b) - 1)
        return np.column_stack([np.arange(len(a)), j]).astype(np.int64)

    return path


class ByPath:
    """Aligns by a given path."""

    def __init__(self, path: Callable[[FloatArray, FloatArray], IntArray]) -> None:
        self.path = path

    def prepare(self, clip: FloatArray) -> FloatArray:
        return clip

    def match(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return smooth_match(self.path(a, b), len(a))


def one_draw(*cuts: Cut) -> list[Draw]:
    return [Draw(0, cuts, np.array([[0, 1]]))]


def test_identical_clips_have_no_error_whatever_the_trims() -> None:
    pair = [clip("a", 60, top=25, end=35), clip("b", 55, top=25, end=35)]
    draws = draw_trims(pair, EvaluateConfig(trim_draws=5))
    errors = transfer_events(pair, draws, source_frames, ByPath(shifted(0)))
    assert len(errors) == 5 * 2 * 2
    assert {error.frames for error in errors} == {0.0}
    assert not any(error.unmatched for error in errors)


def test_a_constant_offset_gives_its_share_of_the_untrimmed_clip() -> None:
    pair = [clip("a", 60, top=30), clip("b", 75, top=30)]
    draws = draw_trims(pair, EvaluateConfig(trim_draws=4))
    assert any(cut != Cut(0, 60) for draw in draws for cut in draw.cuts)
    errors = transfer_events(pair, draws, source_frames, ByPath(shifted(3)))
    assert len(errors) == 8
    for error in errors:
        assert error.frames == 3
        assert error.percent == pytest.approx(100 * 3 / (60, 75)[error.b])
        assert error.seconds == pytest.approx(3 / (20, 25)[error.b])


def test_percent_is_of_clip_b() -> None:
    pair = [clip("a", 80, top=30), clip("b", 40, top=25)]
    errors = transfer_events(
        pair, one_draw(Cut(0, 80), Cut(5, 40)), source_frames, ByPath(shifted(-3))
    )
    assert errors[0].frames == 2  # 30 lands at 27, the event is at 25
    assert errors[0].percent == pytest.approx(5.0)


def test_events_outside_either_trimmed_clip_do_not_count() -> None:
    a, b = clip("a", 60, one=5, two=30, three=50, four=40), clip("b", 55, one=30, two=30, three=30)
    assert shared_events(a, Cut(5, 50), b, Cut(30, 31)) == ["one", "two"]
    assert shared_events(a, Cut(6, 51), b, Cut(30, 31)) == ["two", "three"]
    assert shared_events(a, Cut(0, 60), b, Cut(31, 55)) == []
    assert shared_events(a, Cut(0, 60), b, Cut(0, 30)) == []


def test_a_pair_without_a_shared_event_is_not_aligned() -> None:
    pair = [clip("a", 60, top=2), clip("b", 70, top=30)]

    def path(a: FloatArray, b: FloatArray) -> IntArray:
        raise AssertionError("no event to carry")

    steps = []
    errors = transfer_events(
        pair,
        one_draw(Cut(10, 60), Cut(0, 70)),
        source_frames,
        ByPath(path),
        lambda: steps.append(1),
    )
    assert errors == []
    assert len(steps) == 1


def test_an_unmatched_event_counts_with_its_nearest_matched_frame() -> None:
    pair = [clip("a", 60, early=4, top=30), clip("b", 65, early=4, top=30)]

    def skips_ten(a: FloatArray, b: FloatArray) -> IntArray:
        return np.column_stack([np.arange(10, 60), np.arange(10, 60)])

    errors = transfer_events(
        pair, one_draw(Cut(0, 60), Cut(0, 65)), source_frames, ByPath(skips_ten)
    )
    early, top = errors
    assert (early.event, early.unmatched, early.frames) == ("early", True, 6.0)
    assert (top.event, top.unmatched, top.frames) == ("top", False, 0.0)
    assert summarise(errors, 2, 0)["unmatched"] == 1


def test_several_matches_of_a_frame_are_averaged() -> None:
    pair = [clip("a", 20, top=10), clip("b", 30, top=10)]

    def path(a: FloatArray, b: FloatArray) -> IntArray:
        return np.array([[10, 10], [10, 11], [10, 12], [10, 13]])

    errors = transfer_events(pair, one_draw(Cut(0, 20), Cut(0, 30)), source_frames, ByPath(path))
    assert errors[0].frames == 1.5


def test_features_are_computed_once_per_trimmed_clip_and_on_nothing_else() -> None:
    trio = [clip(name, 60 + 5 * n, top=30) for n, name in enumerate("abc")]
    draws = draw_trims(trio, EvaluateConfig(trim_draws=2))
    seen = []

    def views(poses: Sequence[PoseSequence]) -> list[FloatArray]:
        seen.append([(int(p.frame[0]), int(p.frame[-1]) + 1) for p in poses])
        return source_frames(poses)

    transfer_events(trio, draws, views, ByPath(shifted(0)))
    assert seen == [[(cut.start, cut.stop) for cut in draw.cuts] for draw in draws]


def error(
    percent: float, *, draw: int = 0, a: int = 0, b: int = 1, event: str = "top"
) -> TransferError:
    return TransferError(draw, a, b, event, percent / 2, percent, percent / 100, False)


def test_statistics_by_hand() -> None:
    errors = [error(float(p), draw=p % 2) for p in range(1, 11)]
    found = summarise(errors, 2, 0)
    assert found["median_percent"] == 5.5
    assert found["mean_percent"] == 5.5
    assert found["p90_percent"] == pytest.approx(9.1)
    assert found["median_seconds"] == pytest.approx(0.055)
    assert found["mean_seconds"] == pytest.approx(0.055)
    assert found["draw_median_percent"] == [6.0, 5.0]  # even, then odd
    assert (found["events"], found["pairs"], found["reason"]) == (10, 2, None)


def test_statistics_of_each_event() -> None:
    errors = [error(1.0), error(2.0), error(6.0), error(8.0, event="impact")]
    assert summarise(errors, 2, 0)["by_event"] == {
        "impact": {"median_percent": 8.0, "mean_percent": 8.0, "events": 1},
        "top": {"median_percent": 2.0, "mean_percent": 3.0, "events": 3},
    }


def test_interval_contains_the_median_and_shrinks_with_agreement() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for spread in (0.0, 1.0, 4.0):
        errors = [
            error(10 + spread * float(rng.normal()), a=a, b=b)
            for a in range(12)
            for b in range(12)
            if a != b
        ]
        found = summarise(errors, 12, 0)
        low, high = found["interval_percent"]
        assert low <= found["median_percent"] <= high
        widths.append(high - low)
    assert widths[0] == 0
    assert widths[0] < widths[1] < widths[2]


def test_a_single_pair_of_clips_has_no_interval() -> None:
    both_ways = [error(1.0), error(9.0, draw=1), error(4.0, a=1, b=0)]
    assert summarise(both_ways, 10, 0)["interval_percent"] is None
    low, high = summarise([*both_ways, error(30.0, b=2)], 10, 0)["interval_percent"]
    assert low < high


def test_nothing_to_carry_is_null_with_a_reason() -> None:
    found = summarise([], 3, 0)
    for key in ("median_percent", "mean_percent", "p90_percent", "interval_percent"):
        assert found[key] is None
    assert found["events"] == 0
    assert "no event" in found["reason"]


def test_variable_frame_rate_counts_seconds_by_time_stamps() -> None:
    even, longer = (sequence(warped_phase(length, 0), fps=20.0) for length in (20, 25))
    uneven = PoseSequence(
        longer.xy,
        longer.score,
        longer.box,
        longer.frame,
        np.cumsum(np.where(np.arange(25) < 10, 0.05, 0.5)),
        20.0,
        longer.size,
        longer.skeleton,
    )
    pair = [EvaluationClip("a", even, {"top": 12}), EvaluationClip("b", uneven, {"top": 12})]
    errors = transfer_events(
        pair, one_draw(Cut(0, 20), Cut(0, 25)), source_frames, ByPath(shifted(2))
    )
    assert errors[0].seconds == pytest.approx(1.0)
    assert errors[0].percent == pytest.approx(8.0)
