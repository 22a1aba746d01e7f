"""Phases of labelled clips propagated along correspondences that are written down, and their vote,
worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from la2ds_cli.core.types import Phase
from la2ds_cli.labels.vote import (
    BoundaryEstimate,
    Correspondence,
    PhaseKey,
    PropagatedSpan,
    PropagatedSpans,
    labelled_spans,
    propagate_spans,
    vote,
)

A, B = Phase(0, 4, "a"), Phase(4, 10, "b")
NAN = float("nan")


def along(position: Sequence[float], length: int = 20, reach: float = 1.0) -> Correspondence:
    """Confidence 0.1 at row 0, 0.2 at row 1 and so on."""
    row = np.array(position)
    sure = np.where(np.isnan(row), 0, 0.1 * np.arange(1, len(row) + 1))
    low, high = np.clip(row - reach, 0, length - 1), np.clip(row + reach, 0, length - 1)
    return Correspondence(row, low, high, sure, length)


def test_phases_become_rows_and_know_where_the_clip_cuts_them_off():
    first, second = labelled_spans(np.arange(10), [B, A])
    assert (first.key, first.start, first.end) == (PhaseKey("a"), 0, 4)
    assert (first.starts, first.ends) == (False, True)
    assert (second.start, second.end) == (4, 10)
    assert (second.starts, second.ends) == (True, False)


def test_rows_of_a_part_of_a_file_count_from_its_first_frame():
    """Frames 100 to 118, every other one: frame 105 lies between the rows 2 and 3."""
    frame = np.arange(100, 120, 2)
    spans = labelled_spans(frame, [Phase(90, 105, "a"), Phase(105, 110, "b"), Phase(130, 140, "c")])
    assert [(span.start, span.end) for span in spans] == [(0, 2.5), (2.5, 5)]
    assert not spans[0].starts


def test_a_repeated_phase_is_numbered():
    spans = labelled_spans(np.arange(10), [A, Phase(4, 6, "b"), Phase(6, 10, "a")])
    assert [str(span.key) for span in spans] == ["a", "b", "a#2"]


def test_phases_that_overlap_are_refused():
    with pytest.raises(ValueError, match=r"'a' \(0 to 4\) and 'b' \(3 to 6\) overlap"):
        labelled_spans(np.arange(10), [A, Phase(3, 6, "b")])


def test_a_boundary_lands_between_frames_with_the_confidence_that_is_there():
    position = [0, 1, 2, 3, 5.5, 7, 9, 11, 13, 15]
    a, b = propagate_spans(labelled_spans(np.arange(10), [A, B]), along(position)).spans
    assert a.end == b.start
    assert (a.end.row, a.end.low, a.end.high) == (5.5, 4.5, 6.5)
    assert a.end.confidence == pytest.approx(0.5)
    assert not a.end.cut


def test_what_the_labelled_clip_cuts_off_is_marked_and_lasts_through_its_last_frame():
    position = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    a, b = propagate_spans(labelled_spans(np.arange(10), [A, B]), along(position)).spans
    assert (a.start.row, a.start.cut) == (2, True)
    assert (b.end.row, b.end.cut) == (12, True)
    assert (b.end.low, b.end.high) == (11, 13)


def test_a_phase_without_counterpart_is_outside_and_its_neighbour_is_cut():
    position = [NAN] * 6 + [0, 1, 2, 3]
    propagated = propagate_spans(labelled_spans(np.arange(10), [A, B]), along(position))
    assert propagated.outside == (PhaseKey("a"),)
    (b,) = propagated.spans
    assert (b.start.row, b.start.cut) == (0, True)
    assert b.start.source == 6


def test_a_phase_that_begins_at_the_first_row_without_counterpart_is_outside():
    position = [0, 1, 2, 3] + [NAN] * 6
    propagated = propagate_spans(labelled_spans(np.arange(10), [A, B]), along(position))
    assert propagated.outside == (PhaseKey("b"),)
    assert (propagated.spans[0].end.row, propagated.spans[0].end.cut) == (4, True)


def test_a_boundary_inside_a_gap_lies_between_its_sides_without_confidence():
    position = [0, 1, 2, NAN, NAN, NAN, 10, 11, 12, 13]
    a, _ = propagate_spans(labelled_spans(np.arange(10), [A, B]), along(position)).spans
    assert a.end.row == pytest.approx(6)
    assert (a.end.low, a.end.high) == (1, 11)
    assert a.end.confidence == 0


def test_a_boundary_at_the_side_of_a_gap_keeps_its_own_confidence():
    position = [0, 1, 2, NAN, 4, 5, 6, 7, 8, 9]
    a, _ = propagate_spans(labelled_spans(np.arange(10), [A, B]), along(position)).spans
    assert (a.end.row, a.end.confidence) == (4, pytest.approx(0.5))


def test_what_a_phase_goes_on_for_in_the_labelled_clip_it_may_go_on_for_twice_as_long():
    """Of ten rows the first one and the last two have no counterpart: two frames before frame 5 of
    B, and four behind frame 11, may belong to the phases at the ends. B has 20 frames."""
    position = [NAN, 5, 6, 7, 8, 9, 10, 11, NAN, NAN]
    spans = labelled_spans(np.arange(10), [A, B])
    first, second = propagate_spans(spans, along(position, reach=0.5)).spans
    assert (first.start.row, first.start.low) == (5, 3)
    assert (second.end.row, second.end.high) == (12, 16)


def test_at_unequal_rates_a_phase_goes_on_for_as_many_seconds():
    """A at 30 and at 240 frames a second beside B at 60: 0.1 s at A's start and 0.2 s at its end
    have no counterpart, so 0.2 s before second 0.5 of B and 0.4 s behind second 1 may belong."""
    for fps_a in (30, 240):
        time = np.arange(round(0.8 * fps_a)) / fps_a
        matched = (time > 0.1 - 1e-9) & (time < 0.6 - 1e-9)
        position = np.where(matched, 60 * (time + 0.4), NAN)
        half = Phase(0, len(time) // 2, "a"), Phase(len(time) // 2, len(time), "b")
        bounds = position - 0.5, position + 0.5, matched.astype(float)
        along = Correspondence(position, *bounds, length=120, step=60 / fps_a)
        first, second = propagate_spans(labelled_spans(np.arange(len(time)), half), along).spans
        assert (first.start.row, first.start.low) == (pytest.approx(30), pytest.approx(18))
        # The last frame of A is that of 0.6 s less one frame, and B's own frames last 1/60 s.
        assert second.end.row == pytest.approx(60, abs=0.8)
        assert second.end.high == pytest.approx(84, abs=0.8)


def test_a_phase_lasts_through_the_longer_of_the_last_two_frames_that_match():
    """Of an A at a quarter of B's rate, the last frame lasts four frames of B."""
    position = np.arange(10.0)
    spans = labelled_spans(np.arange(10), [A, B])
    for step, row in ((4.0, 13), (1.0, 10), (0.25, 10)):
        along = Correspondence(position, position, position, np.ones(10), length=20, step=step)
        assert propagate_spans(spans, along).spans[1].end.row == row


def test_nothing_matched_leaves_all_phases_outside():
    propagated = propagate_spans(labelled_spans(np.arange(10), [A, B]), along([NAN] * 10))
    assert propagated.spans == ()
    assert propagated.outside == (PhaseKey("a"), PhaseKey("b"))


def test_the_end_never_lies_behind_the_clip():
    position = [10, 11, 12, 13, 14, 15, 16, 17, 18, 18.6]
    _, b = propagate_spans(labelled_spans(np.arange(10), [A, B]), along(position, 19)).spans
    assert b.end.row == 19


# --- votes of several labelled clips ------------------------------------------------------------

LENGTH = 100


def propagated(
    *spans: tuple[str, float, float], sure: float = 0.5, outside: str = ""
) -> PropagatedSpans:
    """Phases (name, start, end) in B, from a labelled clip of the same times; neighbours touch."""

    def estimate(row: float) -> BoundaryEstimate:
        return BoundaryEstimate(row, row - 4, row + 6, sure, row, cut=False)

    return PropagatedSpans(
        tuple(
            PropagatedSpan(PhaseKey(name), estimate(start), estimate(end))
            for name, start, end in spans
        ),
        tuple(map(PhaseKey, outside)),
    )


def rows(clips: list[PropagatedSpans]) -> list[tuple[str, float, float]]:
    return [
        (str(phase.key), phase.start.row, phase.end.row) for phase in vote(clips, LENGTH).phases
    ]


def test_one_clip_decides_alone():
    (phase,) = vote([propagated(("a", 10, 30))], LENGTH).phases
    assert (phase.start.row, phase.start.low, phase.start.high) == (10, 6, 16)
    assert (phase.start.confidence, phase.start.votes, phase.start.spread) == (0.5, 1, None)


def test_one_of_three_gone_astray_moves_nothing_but_costs_confidence():
    clips = [propagated(("a", 0, row), ("b", row, 90)) for row in (30, 32, 80)]
    a, b = vote(clips, LENGTH).phases
    assert a.end == b.start
    assert (a.end.row, a.end.low, a.end.high) == (32, 28, 38)
    assert a.end.votes == 3
    assert a.end.confidence == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert a.end.spread == pytest.approx((2 + 0 + 48) / 3)


@pytest.mark.parametrize("sure", [(0.2, 0.9), (0, 0)])
def test_all_clips_have_the_same_weight(sure: tuple[float, float]):
    clips = [propagated(("a", 10, 30), sure=sure[0]), propagated(("a", 20, 40), sure=sure[1])]
    assert rows(clips) == [("a", 15, 35)]
    assert vote(clips, LENGTH).phases[0].start.confidence == pytest.approx(sum(sure) / 2)


def test_a_phase_that_most_clips_lack_is_left_out_and_reported():
    plain = propagated(("a", 0, 30), ("b", 30, 60))
    extra = propagated(("a", 0, 20), ("waggle", 20, 30), ("b", 30, 60))
    result = vote([plain, plain, extra], LENGTH)
    assert [str(phase.key) for phase in result.phases] == ["a", "b"]
    assert result.left_out == {"waggle": "missing in 2 of 3 labelled clips"}


def test_a_clip_that_lacks_a_phase_has_no_vote_on_its_boundaries():
    """The plain clip's a ends where its b begins, which is not where a ends and waggle begins."""
    plain = propagated(("a", 0, 50), ("b", 50, 90))
    extra = [propagated(("a", 0, x), ("waggle", x, x + 10), ("b", x + 10, 90)) for x in (20, 22)]
    assert rows([plain, *extra]) == [("a", 0, 21), ("waggle", 21, 31), ("b", 31, 90)]


def test_a_phase_without_counterpart_counts_against_it():
    beyond = propagated(("a", 0, 90), outside="b")
    result = vote([beyond, beyond, propagated(("a", 0, 80), ("b", 80, 90))], LENGTH)
    assert [str(phase.key) for phase in result.phases] == ["a"]
    assert result.left_out == {"b": "no counterpart by 2 of 3 labelled clips"}


def test_half_of_the_clips_are_enough():
    clips = [propagated(("a", 0, 30)), propagated(("a", 0, 30), ("b", 30, 60))]
    assert [name for name, _, _ in rows(clips)] == ["a", "b"]


def test_a_gap_between_phases_stays_where_most_clips_have_one():
    clips = [propagated(("a", 0, 20), ("b", 30 + n, 60)) for n in (0, 1, 5)]
    assert rows(clips) == [("a", 0, 20), ("b", 31, 60)]


def test_phases_keep_their_order():
    """Half of the clips say a then b; their times say that b begins before a ends."""
    clips = [
        propagated(("a", 0, 60), ("b", 70, 90)),
        propagated(("a", 0, 64)),
        propagated(("b", 30, 90)),
    ]
    result = rows([*clips, propagated(("b", 30, 90))])
    assert [name for name, _, _ in result] == ["a", "b"]
    flat = [row for _, start, end in result for row in (start, end)]
    assert flat == sorted(flat)


def test_a_cut_counts_only_where_most_are_cut():
    def clip(row: float, cut: bool) -> PropagatedSpans:
        start = BoundaryEstimate(row, row - 1, row + 1, 0.5, row, cut)
        end = BoundaryEstimate(50, 49, 51, 0.5, 50, cut=False)
        return PropagatedSpans((PropagatedSpan(PhaseKey("a"), start, end),), ())

    seen = vote([clip(10, False), clip(12, False), clip(0, True)], LENGTH).phases[0].start
    assert (seen.row, seen.cut, seen.votes) == (11, False, 2)
    cut = vote([clip(10, True), clip(12, True), clip(30, False)], LENGTH).phases[0].start
    assert (cut.row, cut.cut) == (11, True)


@pytest.mark.parametrize(("low", "row"), [(0.2, 0), (3, 8)])
def test_a_cut_phase_lasts_to_the_end_of_the_clip_where_that_is_within_its_interval(low, row):
    start = BoundaryEstimate(8, low, 9, 0.5, 0, cut=True)
    end = BoundaryEstimate(50, 49, 51, 0.5, 50, cut=False)
    result = vote([PropagatedSpans((PropagatedSpan(PhaseKey("a"), start, end),), ())], LENGTH)
    assert result.phases[0].start.row == row


@pytest.mark.parametrize(("high", "row"), [(99.8, 100), (95, 92)])
def test_the_same_at_the_other_end(high, row):
    start = BoundaryEstimate(8, 7, 9, 0.5, 0, cut=False)
    end = BoundaryEstimate(92, 90, high, 0.5, 50, cut=True)
    result = vote([PropagatedSpans((PropagatedSpan(PhaseKey("a"), start, end),), ())], LENGTH)
    assert result.phases[0].end.row == row


def test_no_phase_at_all():
    result = vote([propagated(outside="ab"), propagated(outside="a")], LENGTH)
    assert result.phases == ()
    assert result.left_out == {
        "a": "no counterpart by 2 of 2 labelled clips",
        "b": "no counterpart by 1 of 2 and missing in 1 of 2 labelled clips",
    }
