"""Phases of labelled clips propagated along correspondences that are written down, and their vote,
worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.core.types import Phase
from la2ds_cli.labels import vote as votes
from la2ds_cli.labels.vote import (
    NOT_SHOWN,
    Boundary,
    PhaseRange,
    boundaries_along,
    labelled_ranges,
    vote,
)
from tests.alignments import matched, timed

A, B = Phase(0, 4, "a"), Phase(4, 10, "b")
NAN = float("nan")
BOTH = [PhaseRange("a", 0, 4), PhaseRange("b", 4, 10)]


def alignment(
    position: np.ndarray,
    length: int,
    sure: np.ndarray,
    reach: tuple[float, float] = (0, 0),
    fps: tuple[float, float] = (30, 30),
) -> Alignment:
    """Of a clip with one of `length` frames: intervals that reach so far below and above, NaN and
    0 without a counterpart. fps: of both."""
    low, high = (np.clip(position + away, 0, length - 1) for away in (-reach[0], reach[1]))
    clips = timed(np.arange(len(position)) / fps[0]), timed(np.arange(length) / fps[1])
    confidence = np.where(np.isnan(position), 0, sure)
    return matched(position, *clips, confidence=confidence, low=low, high=high)


def along(position: Sequence[float], length: int = 20, reach: float = 1.0) -> Alignment:
    """Confidence 0.1 at row 0, 0.2 at row 1 and so on."""
    return alignment(
        np.array(position), length, 0.1 * np.arange(1, len(position) + 1), (reach, reach)
    )


@pytest.mark.parametrize(
    ("frame", "phases", "spans"),
    [
        (np.arange(10), [B, A], BOTH),
        (
            np.arange(10),
            [A, Phase(4, 10, "a")],
            [PhaseRange("a", 0, 4), PhaseRange("a" + votes.AGAIN, 4, 10)],
        ),
        (
            np.arange(100, 120, 2),  # frame 105 lies between the rows 2 and 3
            [Phase(90, 105, "a"), Phase(105, 110, "b"), Phase(130, 140, "c")],
            [PhaseRange("a", 0, 2.5), PhaseRange("b", 2.5, 5)],
        ),
    ],
)
def test_phases_become_rows_of_the_clip(
    frame: np.ndarray, phases: list[Phase], spans: list[PhaseRange]
):
    assert labelled_ranges(frame, phases) == spans


def test_phases_that_overlap_are_refused():
    with pytest.raises(ValueError, match=r"'a' \(0 to 4\) and 'b' \(3 to 6\) overlap"):
        labelled_ranges(np.arange(10), [A, Phase(3, 6, "b")])


# Position in B of ten frames of A, with a until row 4 and b from there -> what is before, what is
# after, row, low, high, confidence of each boundary.
@pytest.mark.parametrize(
    ("position", "found"),
    [
        (
            [0, 1, 2, 3, 5.5, 7, 9, 11, 13, 15],
            [
                (NOT_SHOWN, "a", 0, 0, 1, 0.1),
                ("a", "b", 5.5, 4.5, 6.5, 0.5),
                ("b", NOT_SHOWN, 16, 15, 17, 1.0),
            ],
        ),
        (
            [NAN] * 6 + [0, 1, 2, 3],
            [(NOT_SHOWN, "b", 0, 0, 1, 0.7), ("b", NOT_SHOWN, 4, 3, 5, 1.0)],
        ),
        (
            [0, 1, 2, 3] + [NAN] * 6,
            [(NOT_SHOWN, "a", 0, 0, 1, 0.1), ("a", NOT_SHOWN, 4, 3, 5, 0.4)],
        ),
        (  # inside a gap: between its sides, without confidence
            [0, 1, 2, NAN, NAN, NAN, 10, 11, 12, 13],
            [
                (NOT_SHOWN, "a", 0, 0, 1, 0.1),
                ("a", "b", 6, 1, 11, 0.0),
                ("b", NOT_SHOWN, 14, 13, 15, 1.0),
            ],
        ),
        (  # at the side of a gap
            [0, 1, 2, NAN, 4, 5, 6, 7, 8, 9],
            [
                (NOT_SHOWN, "a", 0, 0, 1, 0.1),
                ("a", "b", 4, 3, 5, 0.5),
                ("b", NOT_SHOWN, 10, 9, 11, 1.0),
            ],
        ),
        (  # the two frames before, and the four behind, may belong to phases that go on in A
            [NAN, 2, 3, 4, 5, 6, 7, 15, NAN, NAN],
            [
                (NOT_SHOWN, "a", 0, 0, 3, 0.2),
                ("a", "b", 5, 4, 6, 0.5),
                ("b", NOT_SHOWN, 20, 15, 20, 0.8),
            ],
        ),
        ([NAN] * 10, []),
    ],
)
def test_boundaries_of_a_labelled_clip_in_b(position: Sequence[float], found: list[tuple]):
    boundaries = boundaries_along(BOTH, along(position))
    assert [(one.before, one.after) for one in boundaries] == [one[:2] for one in found]
    for one, (_, _, *expected) in zip(boundaries, found, strict=True):
        assert [one.row, one.low, one.high, one.confidence] == pytest.approx(expected)


def test_a_phase_lasts_through_the_longer_of_the_last_two_frames_that_match():
    """Of an A at a quarter of B's rate, the last frame lasts four frames of B, if B has them."""
    position = np.arange(10.0)
    for step, length, row in ((4.0, 40, 13), (1.0, 40, 10), (0.25, 40, 10), (4.0, 11, 11)):
        one = alignment(position, length, np.ones(10), fps=(30, 30 * step))
        assert boundaries_along(BOTH, one)[-1].row == row


def test_at_unequal_rates_a_phase_goes_on_for_as_many_seconds():
    """A, at 30 and at 240 frames a second, has no counterpart for 0.1 s at its start: up to 0.2 s
    of B, at 60, may belong to its first phase."""
    for fps in (30, 240):
        time = np.arange(round(0.8 * fps)) / fps
        for before, row in ((0.15, 0), (0.25, 15)):
            position = np.where(time > 0.1 - 1e-9, 60 * (time - 0.1 + before), NAN)
            one = alignment(position, 120, np.ones(len(time)), fps=(fps, 60))
            (first, _) = boundaries_along([PhaseRange("a", 0, len(time))], one)
            assert first.row == pytest.approx(row)


# --- votes of several labelled clips ------------------------------------------------------------

LENGTH = 100


def clip(
    *spans: tuple[str, float, float], sure: float = 0.5, shows: float = LENGTH
) -> list[Boundary]:
    """Phases (name, start, end) in B, from a labelled clip of the same times, which shows B until
    a row."""
    row = np.arange(shows)
    one = alignment(row, LENGTH, np.full(len(row), sure), (4, 6))
    return boundaries_along([PhaseRange(*span) for span in spans], one)


def phases(clips: list[list[Boundary]]) -> list[tuple[str, float, float]]:
    boundaries = vote(clips, LENGTH)
    return [(one.after, one.row, end.row) for one, end in pairwise(boundaries) if one.after]


EXTRA = [clip(("a", 0, x), ("waggle", x, x + 10), ("b", x + 10, 90)) for x in (20, 22)]


@pytest.mark.parametrize(
    ("clips", "found"),
    [
        ([clip(("a", 10, 30))], [("a", 10, 30)]),
        (  # one of three gone astray moves nothing
            [clip(("a", 0, row), ("b", row, 90)) for row in (30, 32, 80)],
            [("a", 0, 32), ("b", 32, 90)],
        ),
        (  # two who agree on the phases: in the middle
            [clip(("a", 10, 30)), clip(("a", 20, 40), sure=0.9)],
            [("a", 15, 35)],
        ),
        (  # a phase that most lack
            [*2 * [clip(("a", 0, 30), ("b", 30, 60))], EXTRA[0]],
            [("a", 0, 30), ("b", 30, 60)],
        ),
        (  # one that lacks a phase has no say on its ends
            [clip(("a", 0, 50), ("b", 50, 90)), *EXTRA],
            [("a", 0, 21), ("waggle", 21, 31), ("b", 31, 90)],
        ),
        (  # two of three do not show the moments
            [*2 * [clip(("a", 0, 80), shows=80)], clip(("a", 0, 80), ("b", 80, 90))],
            [("a", 0, 80)],
        ),
        ([clip(("a", 0, 30)), clip(("a", 0, 30), ("b", 30, 60))], [("a", 0, 30), ("b", 30, 60)]),
        (  # a gap stays where most have one
            [clip(("a", 0, 20), ("b", 30 + n, 60)) for n in (0, 1, 5)],
            [("a", 0, 20), ("b", 31, 60)],
        ),
        (  # the same phase twice
            [clip(("a", 0, 20), ("b", 20, 40), ("a", 40, 60))],
            [("a", 0, 20), ("b", 20, 40), ("a", 40, 60)],
        ),
        ([clip(("a", 0, 20), ("a" + votes.AGAIN, 20, 40))], [("a", 0, 20), ("a", 20, 40)]),
        ([clip(), clip()], []),
    ],
)
def test_the_phase_of_a_frame_is_that_of_most_clips(
    clips: list[list[Boundary]], found: list[tuple]
):
    assert phases(clips) == found


@pytest.mark.parametrize(("first", "second"), [(0.2, 0.9), (0.9, 0.2)])
def test_of_two_that_contradict_each_other_the_surer_one_is_right(first: float, second: float):
    clips = [clip(("a", 0, 50), sure=first), clip(("b", 0, 50), sure=second)]
    assert phases(clips) == [("b" if second > first else "a", 0, 50)]


def test_a_boundary_has_the_interval_and_the_confidence_of_those_who_have_it():
    clips = [clip(("a", 0, row), ("b", row, 90)) for row in (30, 32, 80)]
    found = vote(clips, LENGTH)[1]
    assert found == Boundary("a", "b", 32, 28, 38, (0.5 + 0.5 + 0) / 3, 3)
    assert not found.cut


def test_boundaries_never_go_back_in_time():
    generator = np.random.default_rng(0)
    for _ in range(50):
        clips = []
        for _ in range(generator.integers(2, 6)):
            rows = np.sort(generator.choice(100, 4, replace=False)).tolist()
            names = generator.permutation(list("abc"))
            clips.append(
                clip(
                    *[(n, *ends) for n, ends in zip(names, pairwise(rows), strict=True)],
                    sure=generator.random(),
                )
            )
        rows = [one.row for one in vote(clips, LENGTH)]
        assert rows == sorted(rows)
        assert all(round(a) < round(b) for _, a, b in phases(clips))
