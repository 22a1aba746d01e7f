"""The phases of one clip carried to another along a correspondence that is written down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from la2ds_cli.core.types import Phase
from la2ds_cli.labels.carry import (
    Correspondence,
    PhaseKey,
    carry,
    labelled_spans,
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
    a, b = carry(labelled_spans(np.arange(10), [A, B]), along(position)).spans
    assert a.end == b.start
    assert (a.end.row, a.end.low, a.end.high) == (5.5, 4.5, 6.5)
    assert a.end.confidence == pytest.approx(0.5)
    assert not a.end.cut


def test_what_the_labelled_clip_cuts_off_is_marked_and_lasts_through_its_last_frame():
    position = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    a, b = carry(labelled_spans(np.arange(10), [A, B]), along(position)).spans
    assert (a.start.row, a.start.cut) == (2, True)
    assert (b.end.row, b.end.cut) == (12, True)
    assert (b.end.low, b.end.high) == (11, 13)


def test_a_phase_without_counterpart_is_outside_and_its_neighbour_is_cut():
    position = [NAN] * 6 + [0, 1, 2, 3]
    carried = carry(labelled_spans(np.arange(10), [A, B]), along(position))
    assert carried.outside == (PhaseKey("a"),)
    (b,) = carried.spans
    assert (b.start.row, b.start.cut) == (0, True)
    assert b.start.source == 6


def test_a_phase_that_begins_at_the_first_row_without_counterpart_is_outside():
    position = [0, 1, 2, 3] + [NAN] * 6
    carried = carry(labelled_spans(np.arange(10), [A, B]), along(position))
    assert carried.outside == (PhaseKey("b"),)
    assert (carried.spans[0].end.row, carried.spans[0].end.cut) == (4, True)


def test_a_boundary_inside_a_gap_lies_between_its_sides_without_confidence():
    position = [0, 1, 2, NAN, NAN, NAN, 10, 11, 12, 13]
    a, _ = carry(labelled_spans(np.arange(10), [A, B]), along(position)).spans
    assert a.end.row == pytest.approx(6)
    assert (a.end.low, a.end.high) == (1, 11)
    assert a.end.confidence == 0


def test_a_boundary_at_the_side_of_a_gap_keeps_its_own_confidence():
    position = [0, 1, 2, NAN, 4, 5, 6, 7, 8, 9]
    a, _ = carry(labelled_spans(np.arange(10), [A, B]), along(position)).spans
    assert (a.end.row, a.end.confidence) == (4, pytest.approx(0.5))


def test_nothing_matched_leaves_all_phases_outside():
    carried = carry(labelled_spans(np.arange(10), [A, B]), along([NAN] * 10))
    assert carried.spans == ()
    assert carried.outside == (PhaseKey("a"), PhaseKey("b"))


def test_the_end_never_lies_behind_the_clip():
    position = [10, 11, 12, 13, 14, 15, 16, 17, 18, 18.6]
    _, b = carry(labelled_spans(np.arange(10), [A, B]), along(position, 19)).spans
    assert b.end.row == 19
