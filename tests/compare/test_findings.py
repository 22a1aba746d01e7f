"""Parts of the movement and their tempo, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.compare.findings import WHOLE_MOVEMENT, Span, span_at, spans_of, whole_movement
from la2ds_cli.compare.tempo import tempo
from la2ds_cli.core.types import Alignment, Phase
from tests.compare.performers import performance, steady

CLIP = performance(steady(31))  # one second
ALL = np.ones(31, bool)


def test_labelled_phases_are_taken_in_order_and_repeated_names_numbered() -> None:
    phases = [Phase(20, 31, "up"), Phase(0, 10, "up"), Phase(10, 20, "down"), Phase(90, 95, "no")]
    found = spans_of(CLIP, phases, ALL)
    assert [(s.name, s.first, s.stop) for s in found] == [
        ("up (1)", 0, 10),
        ("down", 10, 20),
        ("up (2)", 20, 31),
    ]
    assert span_at(found, 9) == "up (1)"
    assert span_at(found, 31) == ""


def test_without_labels_the_matched_part_is_cut_into_thirds() -> None:
    matched = ALL.copy()
    matched[:6] = False
    found = spans_of(CLIP, [], matched)
    assert [(s.name, s.first, s.stop) for s in found] == [
        ("beginning", 6, 14),
        ("middle", 14, 22),
        ("end", 22, 31),
    ]
    assert whole_movement(matched) == Span(WHOLE_MOVEMENT, 6, 31, labelled=False)
    assert spans_of(CLIP, [], ~ALL) == []
    assert whole_movement(~ALL) is None


FPS_B = 25


def aligned(shown: np.ndarray, wide: float = 0.5, confidence: float = 1.0) -> Alignment:
    """A at 30 and B at 25 frames a second. shown: thirtieths of a second of B at which it shows
    each frame of A; wide: half an interval, in frames of B."""
    count, length = len(shown), 50 + len(shown)
    position = np.asarray(shown) * FPS_B / 30
    matched = np.flatnonzero(~np.isnan(position))
    return Alignment(
        path=np.stack([matched, np.rint(position[matched]).astype(int)], axis=1),
        position=position,
        cost=np.zeros(len(matched)),
        confidence=np.where(np.isnan(position), 0, confidence),
        low=position - wide,
        high=position + wide,
        time_a=np.arange(count) / 30,
        time_b=np.arange(length) / FPS_B,
        frame_a=np.arange(count),
        frame_b=np.arange(length),
        features="pose",
        method="dtw",
    )


SPANS = [Span("first", 0, 15, labelled=True), Span("second", 15, 31, labelled=True)]


def test_a_part_that_takes_twice_as_long() -> None:
    """Rows 0 to 15 last 0.5 s in both, rows 15 to 30 0.5 s and 1 s."""
    position = np.concatenate([np.arange(15.0), 15 + 2 * np.arange(16.0)])
    first, second = tempo(aligned(position), SPANS, {})
    assert (first.reference, first.other, first.verdict) == (0.5, pytest.approx(0.5), "same")
    assert (second.reference, second.other) == (pytest.approx(0.5), pytest.approx(1.0))
    assert (second.ratio, second.verdict) == (pytest.approx(2), "slower")
    # A moment is known to a frame of B: sqrt(2) frames to either side of 25.
    assert second.low == pytest.approx(2 - np.sqrt(2) / FPS_B / 0.5)
    assert second.high == pytest.approx(2 + np.sqrt(2) / FPS_B / 0.5)


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(1.08, "same"), (1.12, "slower"), (1 / 1.08, "same"), (1 / 1.12, "faster")],
)
def test_a_tempo_differs_from_a_tenth_on(ratio: float, verdict: str) -> None:
    """Of eight seconds, whose ends are known to 0.06 s together; and of labels, which are known."""
    span = Span("long", 0, 240, labelled=True)
    (row,) = tempo(aligned(ratio * np.arange(241)), [span], {})
    assert (row.ratio, row.verdict) == (pytest.approx(ratio), verdict)
    (row,) = tempo(aligned(np.arange(241.0)), [span], {"long": (2.0, 2.0 * ratio)})
    assert (row.ratio, row.verdict) == (pytest.approx(1), verdict)


@pytest.mark.parametrize(("wide", "verdict"), [(5, "same"), (7, "unclear")])
def test_a_tempo_is_the_same_only_where_no_other_is_likely(wide: float, verdict: str) -> None:
    """Of one second, sqrt(2) * wide / 25 to either side of 1: from 0.72 on, or from 0.60 on, which
    is below 1 / 1.5."""
    (row,) = tempo(aligned(np.arange(51.0), wide), [Span("long", 10, 40, labelled=True)], {})
    assert row.low == pytest.approx(1 - np.sqrt(2) * wide / FPS_B)
    assert row.verdict == verdict


def test_an_unsure_alignment_tells_no_tempo() -> None:
    position = np.concatenate([np.arange(15.0), 15 + 2 * np.arange(16.0)])
    doubted = tempo(aligned(position, confidence=0.3), SPANS, {})
    assert [row.verdict for row in doubted] == ["unclear", "unclear"]
    vague = tempo(aligned(position, wide=12), SPANS, {})
    assert [row.verdict for row in vague] == ["unclear", "unclear"]


def test_labels_of_both_decide() -> None:
    position = np.arange(31.0)
    first, second = tempo(aligned(position), SPANS, {"first": (0.5, 0.25)})
    assert (first.verdict, first.ratio) == ("faster", pytest.approx(1))
    assert (first.labelled_reference, first.labelled_other) == (0.5, 0.25)
    assert second.verdict == "same"


def test_a_part_that_the_other_clip_does_not_show() -> None:
    position = np.where(np.arange(31) < 20, np.arange(31.0), np.nan)
    first, second = tempo(aligned(position), SPANS, {})
    assert first.share == 1
    assert second.share == pytest.approx(4 / 15)
    assert second.ratio == pytest.approx(1)
    nothing = tempo(aligned(np.where(np.arange(31) < 15, position, np.nan)), SPANS, {})[1]
    assert (nothing.share, nothing.verdict) == (0, "unclear")
    assert np.isnan(nothing.ratio)


def test_parts_at_the_ends_are_marked() -> None:
    inner = [SPANS[0], Span("inner", 5, 20, labelled=True), SPANS[1]]
    assert [row.at_end for row in tempo(aligned(np.arange(31.0)), inner, {})] == [True, False, True]
    assert replace(SPANS[0], name="x").rows == slice(0, 15)
