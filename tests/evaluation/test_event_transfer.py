"""Event transfer on cases whose error is known by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.evaluation.event_transfer import (
    Draw,
    TransferError,
    draw_trims,
    measure_transfer,
    shared_events,
    transfer_events,
    trim,
)
from la2ds_cli.evaluation.events import EvaluationClip
from tests.alignments import matched
from tests.movement import sequence, warped_phase

FPS = {"a": 20.0, "b": 25.0, "c": 30.0}


def clip(name: str, length: int, **events: int) -> EvaluationClip:
    return EvaluationClip(name, sequence(np.linspace(0, 1, length), fps=FPS[name]), events)


def shifted(offset: int) -> Callable[[FloatArray, FloatArray], IntArray]:
    """Sends source frame t of A to source frame t + offset of B, within the trimmed B."""

    def path(a: FloatArray, b: FloatArray) -> IntArray:
        wanted = a[:, 0] + offset - b[0, 0]
        j = np.clip(np.rint(wanted), 0, len(b) - 1)
        return np.column_stack([np.arange(len(a)), j]).astype(np.int64)

    return path


class ByPath:
    """Aligns source frame numbers, the true correspondence of clips of one movement, by a path."""

    def __init__(self, path: Callable[[FloatArray, FloatArray], Any]) -> None:
        self.path = path
        self.aligned: list[tuple[PoseSequence, PoseSequence]] = []

    def __call__(self, a: PoseSequence, b: PoseSequence) -> Alignment:
        self.aligned.append((a, b))
        path = np.array(self.path(*(clip.frame[:, None].astype(float) for clip in (a, b))))
        return matched(smooth_match(path, len(a)), a, b)


def transferred(
    pair: list[EvaluationClip], path: Callable[[FloatArray, FloatArray], Any], *cuts: range
) -> list[TransferError]:
    """Events of the first clip in the second, both cut, or whole."""
    cuts = cuts or tuple(range(len(clip.pose)) for clip in pair)
    poses = [clip.pose.cut(cut.start, cut.stop) for clip, cut in zip(pair, cuts, strict=True)]
    return transfer_events(pair, [Draw(0, cuts, np.array([[0, 1]]), poses)], ByPath(path))


def test_a_constant_offset_gives_its_share_of_the_untrimmed_clip() -> None:
    pair = [clip("a", 60, top=30), clip("b", 75, top=30)]
    draws = draw_trims(pair, EvaluateConfig(trim_draws=4))
    assert any(draw.cuts[0] != range(60) for draw in draws)
    errors = transfer_events(pair, draws, ByPath(shifted(3)))
    assert len(errors) == 8
    for error in errors:
        assert error.frames == 3
        assert error.percent == pytest.approx(100 * 3 / (60, 75)[error.b])
        assert error.seconds == pytest.approx(3 / (20, 25)[error.b])


@pytest.mark.parametrize(
    ("cut_a", "cut_b", "events"),
    [
        (range(5, 50), range(30, 31), ["one", "two"]),
        (range(6, 51), range(30, 31), ["two", "three"]),
        (range(60), range(31, 55), []),
        (range(60), range(30), []),
    ],
)
def test_events_outside_either_trimmed_clip_do_not_count(
    cut_a: range, cut_b: range, events: list[str]
) -> None:
    a, b = clip("a", 60, one=5, two=30, three=50, four=40), clip("b", 55, one=30, two=30, three=30)
    assert shared_events(a, cut_a, b, cut_b) == events


def test_a_pair_without_a_shared_event_is_not_aligned() -> None:
    pair = [clip("a", 60, top=2), clip("b", 70, top=30)]
    assert transferred(pair, lambda a, b: 1 / 0, range(10, 60), range(70)) == []


def test_an_unmatched_event_counts_with_its_nearest_matched_frame() -> None:
    pair = [clip("a", 60, early=4, top=30), clip("b", 65, early=4, top=30)]

    errors = transferred(pair, lambda a, b: np.column_stack([np.arange(10, 60)] * 2))
    early, top = errors
    assert (early.event, early.unmatched, early.frames) == ("early", True, 6.0)
    assert (top.event, top.unmatched, top.frames) == ("top", False, 0.0)
    assert measure_transfer(errors, 2, 0)["median_percent"].facts["unmatched"] == 1


def held(name: str, *parts: tuple[int, float, float], **events: int) -> EvaluationClip:
    """A clip of parts of so many frames, each from one phase of the movement to another."""
    phase = np.concatenate([np.linspace(start, stop, count) for count, start, stop in parts])
    return EvaluationClip(name, sequence(phase, fps=FPS[name]), events)


@pytest.mark.parametrize(("offset", "outside"), [(-20, 1), (-5, 0), (0, 0), (5, 0), (30, 1)])
def test_an_error_at_a_rest_is_zero_within_it_and_else_the_distance_to_its_nearer_end(
    offset: int, outside: int
) -> None:
    a = held("a", (90, 0, 1), top=45)
    b = held("b", (35, 0, 0.5), (30, 0.5, 0.5), (40, 0.5, 1), top=45)
    rest = b.rest_of("top")
    assert 35 <= rest[0] <= 38
    assert 61 <= rest[-1] <= 64
    (found,) = transferred([a, b], shifted(offset))
    landed = 45 + offset
    frames = max(rest[0] - landed, landed - rest[-1], 0)
    assert (frames > 0) == bool(outside)
    assert found.frames == frames
    assert found.percent == pytest.approx(100 * frames / 105)
    assert found.seconds == pytest.approx(frames / 25)
    assert found.at_rest
    assert found.rest == pytest.approx(100 * len(rest) / 105)
    assert found.to_label == pytest.approx(100 * abs(offset) / 105)
    assert measure_transfer([found], 2, 0)["median_percent"].facts["at_rest"] == 1


def test_a_rest_of_a_alone_leaves_the_error_as_it_is() -> None:
    a = held("a", (30, 0, 0.5), (30, 0.5, 0.5), (30, 0.5, 1), top=45)
    b = held("b", (105, 0, 1), top=45)
    (found,) = transferred([a, b], shifted(5))
    assert (found.frames, found.at_rest, found.rest) == (5, True, 0.0)


def test_in_motion_the_error_is_the_distance_to_the_event() -> None:
    a = held("a", (90, 0, 1), top=20)
    b = held("b", (35, 0, 0.5), (30, 0.5, 0.5), (40, 0.5, 1), top=20)
    (found,) = transferred([a, b], shifted(5))
    assert (found.frames, found.at_rest, found.rest) == (5, False, 0.0)
    assert found.to_label == found.percent
    assert len(b.rest_of("top")) == 0


def test_two_events_in_one_rest_can_be_told_apart_so_that_neither_rests() -> None:
    a = held("a", (90, 0, 1), top=40, end=50)
    b = held("b", (35, 0, 0.5), (30, 0.5, 0.5), (40, 0.5, 1), top=40, end=60)
    for found in transferred([a, b], shifted(7)):
        assert (found.at_rest, found.rest) == (False, 0.0)
        assert found.frames == {"top": 7, "end": 3}[found.event]
    assert not len(b.rest_of("top"))
    alone = held("b", (35, 0, 0.5), (30, 0.5, 0.5), (40, 0.5, 1), top=40, end=90)
    assert 40 in alone.rest_of("top")


def test_the_trimmed_clips_are_aligned_and_nothing_else() -> None:
    """The same objects in all their pairs, so that the features of each are computed once."""
    trio = [clip(name, 60 + 5 * n, top=30) for n, name in enumerate("abc")]
    draws = draw_trims(trio, EvaluateConfig(trim_draws=2))
    aligner, steps = ByPath(shifted(0)), []
    transfer_events(trio, draws, aligner, lambda: steps.append(1))
    expected = [(draw.poses[a], draw.poses[b]) for draw in draws for a, b in draw.pair.tolist()]
    assert len(aligner.aligned) == len(expected) == len(steps) == 2 * 6
    for (a, b), (trimmed_a, trimmed_b) in zip(aligner.aligned, expected, strict=True):
        assert a is trimmed_a
        assert b is trimmed_b
    for draw in draws:
        for pose, cut in zip(draw.poses, draw.cuts, strict=True):
            assert (pose.frame[0], pose.frame[-1] + 1) == (cut.start, cut.stop)


def error(
    percent: float, *, draw: int = 0, a: int = 0, b: int = 1, event: str = "top"
) -> TransferError:
    return TransferError(draw, a, b, event, percent / 2, percent, percent / 100, False)


def test_statistics_by_hand() -> None:
    found = measure_transfer([error(float(p), draw=p % 2) for p in range(1, 11)], 2, 0)
    values = {name: one.value for name, one in found.items()}
    assert values == pytest.approx(
        {"median_percent": 5.5, "mean_percent": 5.5, "p90_percent": 9.1, "median_seconds": 0.055}
    )
    facts = found["median_percent"].facts
    assert (facts["events"], facts["pairs"], facts["reason"]) == (10, 2, None)
    errors = [error(1.0), error(2.0), error(6.0), error(8.0, event="impact")]
    facts = measure_transfer(errors, 2, 0)["median_percent"].facts
    assert facts["by_event"] == {"impact": 8.0, "top": 2.0}


def test_a_single_pair_of_clips_has_no_interval() -> None:
    both_ways = [error(1.0), error(9.0, draw=1), error(4.0, a=1, b=0)]
    for name in ("median_percent", "mean_percent"):
        assert measure_transfer(both_ways, 10, 0)[name].row()["interval"] is None
        low, high = measure_transfer([*both_ways, error(30.0, b=2)], 10, 0)[name].row()["interval"]
        assert low < high


def test_nothing_to_carry_is_null_with_a_reason() -> None:
    for measure in measure_transfer([], 3, 0).values():
        row = measure.row()
        assert (row["value"], row["interval"], row["clips"]) == (None, None, 0)
        assert "no event" in row["reason"]


def test_variable_frame_rate_counts_seconds_by_time_stamps() -> None:
    even, longer = (sequence(warped_phase(length, 0), fps=20.0) for length in (20, 25))
    uneven = replace(longer, time=np.cumsum(np.where(np.arange(25) < 10, 0.05, 0.1)))
    pair = [EvaluationClip("a", even, {"top": 12}), EvaluationClip("b", uneven, {"top": 12})]
    errors = transferred(pair, shifted(2))
    assert errors[0].seconds == pytest.approx(0.2)
    assert errors[0].percent == pytest.approx(8.0)


# --- trims and pairs ------------------------------------------------------------------------------


def equal_clips(*names: str) -> list[EvaluationClip]:
    pose = sequence(warped_phase(60, 0))
    return [EvaluationClip(name, pose, {"top": 30}) for name in names]


def test_trims_are_of_a_clip_and_a_seed_alone() -> None:
    config = EvaluateConfig(trim_draws=3, seed=5)
    few, many = (draw_trims(equal_clips(*names), config) for names in ("ac", "abc"))
    for first, second in zip(few, many, strict=True):
        assert first.cuts == [second.cuts[0], second.cuts[2]]
    alone = draw_trims(equal_clips("a", "c"), EvaluateConfig(trim_draws=1, seed=7))
    assert few[2].cuts == alone[0].cuts  # the draw of its own seed
    assert len({tuple(draw.cuts) for draw in few}) == 3


def test_the_two_ends_are_uniform_and_independent() -> None:
    length = 1000
    cuts = [trim(length, 0.3, f"clip{n}", seed=0) for n in range(2000)]
    start = np.array([cut.start for cut in cuts]) / length
    end = 1 - np.array([cut.stop for cut in cuts]) / length
    for share in (start, end):
        assert share.min() >= 0
        assert share.max() < 0.3
        np.testing.assert_allclose(
            np.quantile(share, [0.25, 0.5, 0.75]), [0.075, 0.15, 0.225], atol=0.01
        )
    assert abs(np.corrcoef(start, end)[0, 1]) < 0.05


def test_no_trim_keeps_all_and_the_shortest_clip_keeps_two_rows() -> None:
    assert trim(10, 0.0, "a", seed=0) == range(10)
    for seed in range(50):
        cut = trim(3, 0.49, "a", seed)
        assert cut.stop - cut.start >= 2


def test_all_pairs_are_used_when_few_and_a_sample_when_many() -> None:
    few = draw_trims(equal_clips("a", "b", "c"), EvaluateConfig(pairs=300, trim_draws=1))[0]
    assert {tuple(pair) for pair in few.pair} == {
        (i, j) for i in range(3) for j in range(3) if i != j
    }
    names = [f"clip{n}" for n in range(20)]
    first, second = draw_trims(equal_clips(*names), EvaluateConfig(pairs=50, trim_draws=2))
    assert len(np.unique(first.pair, axis=0)) == 50
    assert (first.pair[:, 0] != first.pair[:, 1]).all()
    assert (first.pair != second.pair).any()


def test_only_clips_that_share_an_event_are_paired() -> None:
    pose = sequence(warped_phase(60, 0))
    events = {"a": {"top": 30}, "b": {"impact": 30}, "c": {"impact": 30, "top": 20}, "d": {}}
    unlike = [EvaluationClip(name, pose, of) for name, of in events.items()]
    pair = draw_trims(unlike, EvaluateConfig(trim_draws=1))[0].pair
    assert {tuple(row) for row in pair} == {(0, 2), (2, 0), (1, 2), (2, 1)}


def test_pairs_that_the_filter_refuses_are_neither_drawn_nor_change_the_trims() -> None:
    names = [f"{person}{n}" for person in "abcd" for n in range(3)]

    def other_person(a: str, b: str) -> bool:
        return a[0] != b[0]

    plain = draw_trims(equal_clips(*names), EvaluateConfig(pairs=1000, trim_draws=1))[0]
    for most in (1000, 40):  # sampled among the pairs that are left, not before
        config = EvaluateConfig(pairs=most, trim_draws=1)
        draw = draw_trims(equal_clips(*names), config, other_person)[0]
        assert draw.cuts == plain.cuts
        assert len(draw.pair) == min(most, 12 * 9)
        assert all(other_person(names[a], names[b]) for a, b in draw.pair)
