"""Votes of several labelled clips, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.labels.carry import Carried, CarriedSpan, Edge, PhaseKey
from la2ds_cli.labels.vote import isotonic, vote, weighted_median

LENGTH = 100


def carried(*spans: tuple[str, float, float], sure: float = 0.5, outside: str = "") -> Carried:
    """Phases (name, start, end) in B, from a labelled clip of the same times; neighbours touch."""

    def edge(row: float) -> Edge:
        return Edge(row, row - 4, row + 6, sure, row, cut=False)

    return Carried(
        tuple(CarriedSpan(PhaseKey(name), edge(start), edge(end)) for name, start, end in spans),
        tuple(map(PhaseKey, outside)),
    )


def rows(clips: list[Carried]) -> list[tuple[str, float, float]]:
    return [
        (str(phase.key), phase.start.row, phase.end.row) for phase in vote(clips, LENGTH).phases
    ]


@pytest.mark.parametrize(
    ("values", "weights", "median"),
    [
        ([3.0], [0.2], 3),
        ([1, 2, 9], [1, 1, 1], 2),
        ([9, 1], [1, 1], 5),
        ([9, 1], [1, 1.1], 1),
        ([1, 2, 9], [1, 1, 3], 9),
        ([1, 2, 9], [1, 1, 2], 5.5),
        ([1, 2, 3, 4], [0.1, 0.1, 0.1, 0.1], 2.5),
    ],
)
def test_weighted_median(values: list[float], weights: list[float], median: float):
    assert weighted_median(values, weights) == median


def test_one_clip_decides_alone():
    (phase,) = vote([carried(("a", 10, 30))], LENGTH).phases
    assert (phase.start.row, phase.start.low, phase.start.high) == (10, 6, 16)
    assert (phase.start.confidence, phase.start.votes, phase.start.spread) == (0.5, 1, None)


def test_one_of_three_gone_astray_moves_nothing_but_costs_confidence():
    clips = [carried(("a", 0, row), ("b", row, 90)) for row in (30, 32, 80)]
    a, b = vote(clips, LENGTH).phases
    assert a.end == b.start
    assert (a.end.row, a.end.low, a.end.high) == (32, 28, 38)
    assert a.end.votes == 3
    assert a.end.confidence == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert a.end.spread == pytest.approx((2 + 0 + 48) / 3)


def test_the_surer_clip_has_more_weight():
    clips = [carried(("a", 10, 30), sure=0.2), carried(("a", 20, 40), sure=0.9)]
    assert rows(clips) == [("a", 20, 40)]


def test_votes_without_confidence_still_count_where_there_are_no_others():
    clips = [carried(("a", 10, 30), sure=0), carried(("a", 20, 40), sure=0)]
    assert rows(clips) == [("a", 15, 35)]
    assert vote(clips, LENGTH).phases[0].start.confidence == 0


def test_a_phase_that_most_clips_lack_is_left_out_and_said_so():
    plain = carried(("a", 0, 30), ("b", 30, 60))
    extra = carried(("a", 0, 20), ("waggle", 20, 30), ("b", 30, 60))
    found = vote([plain, plain, extra], LENGTH)
    assert [str(phase.key) for phase in found.phases] == ["a", "b"]
    assert found.left_out == {"waggle": "missing in 2 of 3 labelled clips"}


def test_a_clip_that_lacks_a_phase_has_no_vote_on_its_boundaries():
    """The plain clip's a ends where its b begins, which is not where a ends and waggle begins."""
    plain = carried(("a", 0, 50), ("b", 50, 90))
    extra = [carried(("a", 0, x), ("waggle", x, x + 10), ("b", x + 10, 90)) for x in (20, 22)]
    assert rows([plain, *extra]) == [("a", 0, 21), ("waggle", 21, 31), ("b", 31, 90)]


def test_a_phase_without_counterpart_counts_against_it():
    beyond = carried(("a", 0, 90), outside="b")
    found = vote([beyond, beyond, carried(("a", 0, 80), ("b", 80, 90))], LENGTH)
    assert [str(phase.key) for phase in found.phases] == ["a"]
    assert found.left_out == {"b": "no counterpart by 2 of 3 labelled clips"}


def test_half_of_the_clips_are_enough():
    clips = [carried(("a", 0, 30)), carried(("a", 0, 30), ("b", 30, 60))]
    assert [name for name, _, _ in rows(clips)] == ["a", "b"]


def test_a_gap_between_phases_stays_where_most_clips_have_one():
    clips = [carried(("a", 0, 20), ("b", 30 + n, 60)) for n in (0, 1, 5)]
    assert rows(clips) == [("a", 0, 20), ("b", 31, 60)]


def test_phases_keep_their_order():
    """Half of the clips say a then b; their times say that b begins before a ends."""
    clips = [carried(("a", 0, 60), ("b", 70, 90)), carried(("a", 0, 64)), carried(("b", 30, 90))]
    found = rows([*clips, carried(("b", 30, 90))])
    assert [name for name, _, _ in found] == ["a", "b"]
    flat = [row for _, start, end in found for row in (start, end)]
    assert flat == sorted(flat)


def test_a_cut_counts_only_where_most_are_cut():
    def clip(row: float, cut: bool) -> Carried:
        start = Edge(row, row - 1, row + 1, 0.5, row, cut)
        end = Edge(50, 49, 51, 0.5, 50, cut=False)
        return Carried((CarriedSpan(PhaseKey("a"), start, end),), ())

    seen = vote([clip(10, False), clip(12, False), clip(0, True)], LENGTH).phases[0].start
    assert (seen.row, seen.cut, seen.votes) == (11, False, 2)
    cut = vote([clip(10, True), clip(12, True), clip(30, False)], LENGTH).phases[0].start
    assert (cut.row, cut.cut) == (11, True)


@pytest.mark.parametrize(("low", "row"), [(0.2, 0), (3, 8)])
def test_a_cut_phase_lasts_to_the_end_of_the_clip_where_that_is_within_its_interval(low, row):
    start = Edge(8, low, 9, 0.5, 0, cut=True)
    end = Edge(50, 49, 51, 0.5, 50, cut=False)
    found = vote([Carried((CarriedSpan(PhaseKey("a"), start, end),), ())], LENGTH)
    assert found.phases[0].start.row == row


@pytest.mark.parametrize(("high", "row"), [(99.8, 100), (95, 92)])
def test_the_same_at_the_other_end(high, row):
    start = Edge(8, 7, 9, 0.5, 0, cut=False)
    end = Edge(92, 90, high, 0.5, 50, cut=True)
    found = vote([Carried((CarriedSpan(PhaseKey("a"), start, end),), ())], LENGTH)
    assert found.phases[0].end.row == row


def test_no_phase_at_all():
    found = vote([carried(outside="ab"), carried(outside="a")], LENGTH)
    assert found.phases == ()
    assert found.left_out == {
        "a": "no counterpart by 2 of 2 labelled clips",
        "b": "no counterpart by 1 of 2 and missing in 1 of 2 labelled clips",
    }


def test_isotonic_regression_pools_what_steps_back():
    found = isotonic(np.array([1.0, 5, 3, 2, 7]), np.array([1.0, 1, 1, 2, 1]))
    assert found.tolist() == [1, 3, 3, 3, 7]
