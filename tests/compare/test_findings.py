"""Parts of the movement, their tempo, episodes and what is not judged, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.compare.differences import Differences
from la2ds_cli.compare.findings import (
    Span,
    find_differences,
    find_unjudged,
    in_episodes,
    labelled_seconds,
    span_at,
    spans_of,
    tempo,
)
from la2ds_cli.compare.judged_moments import slow_clip
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.core.types import BY_PROPAGATION, Phase
from tests.alignments import matched as with_positions
from tests.alignments import moving
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
    assert spans_of(CLIP, [], ~ALL) == []


FPS_B = 25
EARLIER = 10  # frames that B shows before A begins, and more after A ends


def aligned(shown: np.ndarray, wide: float = 0.5, confidence: float = 1.0) -> Alignment:
    """A at 30 and B at 25 frames a second. shown: thirtieths of a second of B, since it shows A's
    first frame, at which it shows each frame of A; wide: half an interval, in frames of B."""
    count, length = len(shown), 50 + 2 * len(shown)
    position = EARLIER + np.asarray(shown) * FPS_B / 30
    matched = np.flatnonzero(~np.isnan(position))
    nearest = np.rint(position[matched]).astype(int)
    pairs = [(matched[0], nearest[0])]
    for i, j in zip(matched[1:], nearest[1:], strict=True):  # time warping leaves no frame out
        pairs += [(i, k) for k in range(pairs[-1][1] + 1, j)] + [(i, j)]
    clips = moving(np.arange(count) / 30), moving(np.arange(length) / FPS_B)
    sure = np.where(np.isnan(position), 0, confidence)
    known = {"path": np.array(pairs), "low": position - wide, "high": position + wide}
    return with_positions(position, *clips, confidence=sure, **known)


# In a clip A of 41 frames both begin and end inside it, and last half a second each.
SPANS = [Span("first", 5, 20, labelled=True), Span("second", 20, 35, labelled=True)]
ROWS, ROWS60 = np.arange(41.0), np.arange(60.0)


def test_a_part_that_takes_twice_as_long() -> None:
    """Rows 5 to 20 last 0.5 s in both, rows 20 to 35 0.5 s and 1 s."""
    position = np.concatenate([np.arange(20.0), 20 + 2 * np.arange(21.0)])
    first, second = tempo(aligned(position), SPANS, {})
    assert (first.reference, first.other) == (pytest.approx(0.5), pytest.approx(0.5))
    assert (first.verdict, first.cut) == ("same", "")
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
    span = Span("long", 5, 245, labelled=True)
    (row,) = tempo(aligned(ratio * np.arange(251)), [span], {})
    assert (row.ratio, row.verdict) == (pytest.approx(ratio), verdict)
    (row,) = tempo(aligned(np.arange(251.0)), [span], {"long": (2.0, 2.0 * ratio)})
    assert (row.ratio, row.verdict) == (pytest.approx(ratio), verdict)


@pytest.mark.parametrize(("wide", "verdict"), [(5, "same"), (7, "unclear")])
def test_a_tempo_is_the_same_only_where_no_other_is_likely(wide: float, verdict: str) -> None:
    """Of one second, sqrt(2) * wide / 25 to either side of 1: from 0.72 on, or from 0.60 on, which
    is below 1 / 1.5."""
    (row,) = tempo(aligned(np.arange(51.0), wide), [Span("long", 10, 40, labelled=True)], {})
    assert row.low == pytest.approx(1 - np.sqrt(2) * wide / FPS_B)
    assert row.verdict == verdict


SLOW = np.concatenate([np.arange(20.0), 20 + 2 * np.arange(21.0)])
EDGES = [
    Span(name, first, stop, labelled=True)
    for name, first, stop in (("start", 0, 15), ("inner", 5, 20), ("end", 20, 41))
]
# B was cut later, so that A's first five seconds lie at its first frame: not "faster: 0.00 s
# instead of 5.00 s".
LATE = np.concatenate([np.zeros(180), np.arange(100.0)]) - EARLIER * 30 / FPS_B
SWING = [Span("setup", 30, 180, labelled=True), Span("swing", 180, 240, labelled=True)]
BEGINS, LACKS = "the other clip begins in it", "a part of it has no counterpart in the other clip"


@pytest.mark.parametrize(
    ("alignment", "spans", "found"),
    [
        (aligned(SLOW, confidence=0.3), SPANS, ["unclear", "unclear"]),
        (aligned(SLOW, wide=12), SPANS, ["unclear", "unclear"]),
        (aligned(LATE), SWING, [BEGINS, BEGINS]),  # the swing perhaps somewhat before it
        (aligned(LATE + 1.3), SWING, ["faster", "same"]),  # a frame of B and a bit
        (aligned(ROWS), EDGES, ["the reference begins in it", "same", "the reference ends in it"]),
        (aligned(np.where((ROWS > 24) & (ROWS < 30), np.nan, ROWS)), SPANS, ["same", LACKS]),
        (aligned(np.where(ROWS < 10, ROWS, ROWS + 15)), SPANS[:1], ["slower"]),  # 0.5 s more of B
    ],
)
def test_the_tempo_of_parts(alignment: Alignment, spans: list[Span], found: list[str]) -> None:
    assert [row.cut or row.verdict for row in tempo(alignment, spans, {})] == found


def test_labels_of_both_decide_unless_a_clip_cuts_the_part() -> None:
    position = np.where((ROWS > 8) & (ROWS < 14), np.nan, ROWS)  # the alignment has a gap
    first, second = tempo(aligned(position), SPANS, {"first": (0.5, 0.25)})
    assert (first.reference, first.other, first.ratio) == (0.5, 0.25, 0.5)
    assert (first.verdict, first.cut, first.sure) == ("faster", "", True)
    assert second.verdict == "same"
    cut, _ = tempo(aligned(ROWS), SPANS, {"first": (0.5, np.nan)})
    assert (cut.verdict, cut.cut) == ("cut", "one of the clips begins or ends in it")


def test_labels_of_people_count_where_both_clips_have_as_many_of_a_name() -> None:
    two, one = [Phase(2, 10, "step"), Phase(10, 25, "step")], [Phase(2, 10, "step")]
    seconds = (CLIP.time[25] - CLIP.time[10],) * 2
    assert labelled_seconds([(CLIP, two), (CLIP, two)])["step (2)"] == seconds
    for other in (one, [*one, replace(two[1], origins=BY_PROPAGATION)]):
        assert labelled_seconds([(CLIP, two), (CLIP, other)]) == {}


def measured(count: int, joints: int, **known: Any) -> Differences:
    """No difference between trusted angles at 30 frames a second, but for `known`."""
    value = np.full((count, joints), 100.0)
    plain = Differences(
        names=("left_knee", "right_knee", "left_hip")[:joints],
        axis=TimeAxis.even(count, 30),
        reference=value,
        other=value,
        floor=np.full((count, joints), 8.0),
        doubt=np.zeros(count, np.int64),
        trust_reference=np.ones((count, joints)),
        trust_other=np.ones((count, joints)),
    )
    return replace(plain, **known)


@pytest.mark.parametrize(
    ("fps", "frames", "stated"), [(60, 11, 11), (60, 9, 0), (120, 12, 0), (10, 3, 3), (10, 2, 0)]
)
def test_episodes_last_three_frames_and_a_sixth_of_a_second(
    fps: int, frames: int, stated: int
) -> None:
    other = np.full((60, 1), 100.0)
    other[20 : 20 + frames] += 23.0
    angles = measured(60, 1, other=other, axis=TimeAxis.even(60, fps))
    assert in_episodes(angles).sum() == stated


def shown(*differences: tuple[str, float], floor: float = 8.0) -> list[str]:
    """Joints of the findings where each joint differs by so much for a third of a second."""
    names, size = zip(*differences, strict=True)
    other = np.full((60, len(names)), 100.0)
    other[20:30] += size
    angles = measured(60, len(names), other=other)
    angles = replace(angles, names=names, floor=np.full(other.shape, floor))
    return [f.joint for f in find_differences(angles, aligned(np.arange(60.0)), [])]


def test_the_largest_comes_first_and_legs_before_arms_of_about_the_same_size() -> None:
    alike = ("left_elbow", 33.0), ("left_hip", -28.0), ("right_knee", 60.0)
    assert shown(*alike) == ["right_knee", "left_hip", "left_elbow"]
    assert shown(("left_elbow", 60.0), ("left_hip", -28.0)) == ["left_elbow", "left_hip"]


def test_a_difference_must_exceed_its_floor_on_average_over_its_clearest_sixth() -> None:
    assert shown(("left_knee", 21.0), floor=20.0) == ["left_knee"]
    assert shown(("left_knee", 19.0), floor=20.0) == []
    peak = np.full((60, 1), 100.0)
    peak[20:40] += 15.0
    peak[30] += 25.0  # a single frame of 40 degrees: (4 * 15 + 40) / 5 = 20 on average
    for floor, count in ((19.9, 1), (20.1, 0)):
        angles = measured(60, 1, other=peak, floor=np.full((60, 1), floor))
        assert len(find_differences(angles, aligned(np.arange(60.0)), [])) == count


@pytest.mark.parametrize(("fps", "frames"), [(30, 6), (60, 12), (25, 5)])
def test_frames_that_are_not_judged_beside_an_episode_take_no_evidence_away(
    fps: float, frames: int
) -> None:
    """A difference lasts a fifth of a second between frames that cannot be judged, and is clear in
    its last frame but two: the mean is that of the judged frames, of which half are enough."""
    trust = np.zeros((60, 1))
    trust[20 : 20 + frames] = 1
    other = np.full((60, 1), 100.0 + 19)
    other[20 + frames - frames // 3 :] = 100.0 + 28
    known = {"trust_other": trust, "axis": TimeAxis.even(60, fps), "floor": np.full((60, 1), 21.0)}
    assert len(find_differences(measured(60, 1, other=other, **known), aligned(ROWS60), [])) == 1
    lower = measured(60, 1, other=np.full((60, 1), 119.0), **known)
    assert find_differences(lower, aligned(ROWS60), []) == []


def test_opposite_directions_are_two_findings() -> None:
    other = np.full((60, 1), 100.0)
    other[10:20] += 30
    other[20:30] -= 30
    angles = measured(60, 1, other=other)
    found = find_differences(angles, aligned(np.arange(60.0)), [])
    assert sorted(f.difference for f in found) == [-30, 30]


def test_slow_motion_has_no_tempo() -> None:
    """B takes four times as long."""
    slow = replace(aligned(ROWS), overall_ratio=4.0)
    assert slow_clip(slow) == "other"
    assert {row.cut for row in tempo(slow, SPANS, {})} == {"one of the clips is in slow motion"}
    assert slow_clip(aligned(ROWS)) == ""


def test_what_cannot_be_judged_is_listed_with_its_seconds() -> None:
    trust, doubt = np.ones((50, 2)), np.zeros(50, np.int64)
    trust[10:20, 0] = 0.2
    trust[30:31, 1] = 0.0  # shorter than a sixth of a second
    doubt[40:] = 1
    angles = measured(50, 2, doubt=doubt, trust_other=trust, axis=TimeAxis.even(50, 25))
    body, knee = find_unjudged(angles)
    assert (body.joint, body.reason) == ("", "no counterpart in the other clip")
    assert body.seconds == pytest.approx(0.4)
    assert (knee.joint, knee.seconds) == ("left_knee", pytest.approx(0.4))
    assert knee.reason == "not seen well enough in the other clip"
    worse = replace(angles, trust_reference=np.where(trust < 0.5, 0, trust), trust_other=trust * 2)
    assert find_unjudged(worse)[1].reason == "not seen well enough in the reference"
