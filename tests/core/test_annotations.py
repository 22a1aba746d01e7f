"""annotations.csv: matches, notes and drawings by file and seconds, whatever clips show of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core.annotations import (
    ANCHOR,
    COLUMNS,
    NOTE,
    Annotation,
    ClipMoments,
    Moment,
    between,
    changed,
    drawing_value,
    drawings_on,
    lifetime_on,
    metres_of,
    points_of,
    read_annotations,
    write_annotations,
)
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.time_axis import TimeAxis
from tests.movement import PAUSED, sequence, warped_phase

HEADER = ",".join(COLUMNS)
A, B = Moment("a", 1, 1.25), Moment("b", 2, 0.04)
ROWS = [
    Annotation(ANCHOR, A, B, set="2026-01-01T00:00:00+00:00"),
    Annotation(NOTE, A, B._replace(seconds=None), "hips first"),
    Annotation("line", Moment("a", 1), None, "12.50 -0.50 30.25 140.00"),
    Annotation("angle", Moment("a", 2), None, "1.00 2.00 3.00 4.00 5.00 1.00", "rotate=90"),
]


def clip(video: str, start: float, frames: int, *, fps: float = 20.0, slow: float = 1.0):
    """The moments of a clip that begins at a second of its file."""
    pose = sequence(warped_phase(frames, 1), fps=fps)
    first = round(start * fps / slow)
    pose = replace(pose, time=pose.time + start / slow, frame=pose.frame + first)
    return ClipMoments.of(video, f"slowmo={slow:g}", pose)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    assert read_annotations(path) == []
    write_annotations(path, ROWS)
    assert path.read_text().splitlines()[0] == HEADER
    assert read_annotations(path) == ROWS
    assert [row.set for row in read_annotations(path)] == [row.set for row in ROWS]


def test_a_change_takes_the_place_of_what_goes_and_doubles_nothing() -> None:
    first, second, third, fourth = ROWS
    assert changed(ROWS, [second], [replace(second, value="x")])[1].value == "x"
    assert changed(ROWS, [], [first]) == ROWS
    assert changed(ROWS, [first, third], []) == [second, fourth]
    assert changed([first], [second], [third]) == [first, third]  # gone meanwhile


def test_a_clip_shows_the_moments_of_its_file_that_lie_within_it() -> None:
    whole, part = clip("x-0123abcd", 0, 60), clip("x-0123abcd-t1-2", 1, 20)
    slow = clip("x-0123abcd", 0, 60, slow=4)
    for seconds, rows in ((0.6, [12, None, 3]), (1.4, [28, 8, 7]), (2.02, [40, None, 10])):
        moment = Moment("x-0123abcd", 1, seconds)
        assert [one.row(moment) for one in (whole, part, slow)] == rows
    assert whole.row(Moment("x-0123abcd", 2, 1.5)) is None
    assert whole.row(Moment("y-0123abcd", 1, 1.5)) is None
    assert part.at(25) == whole.at(25) == Moment("x-0123abcd", 1, 1.25)
    assert clip("x-0123abcd-t1-2-p3", 1, 20).at() == Moment("x-0123abcd", 3)


def test_each_frame_is_found_again_at_its_second() -> None:
    for fps in (23.976, 29.97, 240.0, 1e5):
        moments = clip("a", 0, 50, fps=fps, slow=8)
        assert [moments.frame_at(moments.at(n)) for n in range(50)] == list(range(50))
    uneven = replace(moments, axis=TimeAxis(np.cumsum(np.linspace(0.01, 0.2, 50)), 20.0))
    assert [uneven.frame_at(uneven.at(n)) for n in range(50)] == list(range(50))


def test_a_moment_belongs_to_one_part_of_a_film_with_a_pause() -> None:
    """30 frames a second, and a pause of 10 s: the rate that the file names is their mean."""
    pose = replace(sequence(warped_phase(120, 1), fps=10.2), time=PAUSED)
    for cut in (40, 60, 61, 80):
        first, second = (
            ClipMoments.of("a", "", part) for part in (pose.cut(0, cut), pose.cut(cut, 120))
        )
        for n in range(120):
            moment = Moment("a", 1, round(float(PAUSED[n]), 6))
            assert (first.shows(moment), second.shows(moment)) == (n < cut, n >= cut), (cut, n)


def test_two_clips_show_what_lies_in_both_in_either_order() -> None:
    a, b, other = clip("a", 0, 40), clip("b", 1, 40), clip("c", 0, 40)
    notes = [(0.5, None), (1.0, 1.5), (None, 2.0), (3.0, 1.5), (1.0, 0.5)]
    rows = [
        Annotation(NOTE, Moment("a", 1, at), Moment("b", 1, other), str(n))
        for n, (at, other) in enumerate(notes)
    ]
    rows[1] = replace(rows[1], at=rows[1].other, other=rows[1].at)
    found = [("0", (10, None)), ("1", (20, 30)), ("2", (None, 40))]
    assert [(one.row.value, one.frames) for one in between(rows, NOTE, a, b)] == found
    turned = [(one.row.value, one.frames) for one in between(rows, NOTE, b, a)]
    assert turned == [("1", (30, 20)), ("2", (40, None)), ("0", (None, 10))]
    assert between(rows, NOTE, a, other) == between(rows, ANCHOR, a, b) == []


@given(
    times=st.lists(st.integers(0, 400), min_size=2, max_size=2).map(sorted),
    start=st.integers(0, 100),
    count=st.integers(1, 80),
    fps=st.sampled_from([20.0, 23.976, 60.0]),
    slow=st.sampled_from([1, 4]),
)
def test_a_drawing_is_shown_on_the_frames_within_its_lifetime(
    times: list[int], start: int, count: int, fps: float, slow: int
) -> None:
    """However the clip is cut, and at whatever rate it is read."""
    shown = clip("a", start / 20, count, fps=fps, slow=slow)
    seconds = shown.axis.seconds
    low, high = (time / 40 for time in times)
    at, other = Moment("a", 1, low), Moment("a", 1, high)
    row = Annotation("circle", at, other if other != at else None, "1.00 2.00 3.00 4.00")
    within = shown.frame[(seconds >= low - 1e-6) & (seconds <= high + 1e-6)]
    if low == high:
        within = [frame for frame in [shown.frame_at(at)] if frame is not None]
    found = lifetime_on(row, shown)
    assert found == ((within[0], within[-1]) if len(within) else None)
    assert drawings_on([row], shown, "") == [row] * bool(len(within))


@pytest.mark.parametrize(
    ("kind", "points", "metres"),
    [
        ("circle", [(1, 2), (3.125, 4)], None),
        ("arrow", [(1, 2), (3, 4)], None),
        ("freehand", [(n, 2 * n) for n in range(500)], None),
        ("scale", [(1, 2), (3, 4)], 1.83),
        ("scale", [(1, 2), (3, 4)], 0.001),
        ("watch", [(-0.5, 2)], None),
    ],
)
def test_a_drawing_comes_back_from_its_table(
    tmp_path: Path, kind: str, points: list[tuple[float, float]], metres: float | None
) -> None:
    value = drawing_value(kind, points, metres)
    at = Moment("a", 1, 1.5 if kind == "watch" else None)
    write_annotations(tmp_path / "t.csv", [Annotation(kind, at, None, value)])
    (row,) = read_annotations(tmp_path / "t.csv")
    assert (row.kind, row.at, row.value) == (kind, at, value)
    assert metres_of(row.value) == metres
    assert np.array(points_of(row.value)) == pytest.approx(np.array(points), abs=0.006)


def test_a_clip_shows_its_own_that_were_drawn_as_it_is_turned() -> None:
    assert drawings_on(ROWS, clip("a", 0, 5), "") == [ROWS[2]]
    assert drawings_on(ROWS, clip("a", 0, 5), "rotate=90") == []
    second = replace(clip("a", 0, 5), person=2)
    assert drawings_on(ROWS, second, "rotate=90") == [ROWS[3]]
    assert points_of(ROWS[2].value) == [(12.5, -0.5), (30.25, 140.0)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a,1,x,b,1,2,note,hi,,", "could not convert"),
        ("a,1,nan,b,1,2,note,hi,,", "'nan', not seconds"),
        ("a,1,1e300,b,1,2,note,hi,,", "'1e300', not seconds"),
        ("a,1,1,b,1,inf,note,hi,,", "with_seconds are 'inf'"),
        ("a,0,1,b,1,2,note,hi,,", "person is '0'"),
        ("a,1,1,b," + "9" * 5000 + ",2,note,hi,,", "with_person is '9999"),
        ("../a,1,1,b,1,2,note,hi,,", "id '../a' is not valid"),
        (",1,1,b,1,2,note,hi,,", "id '' is not valid"),
        ("a,1,,b,1,,note,hi,,", "needs the seconds"),
        ("a,1,1,,,,note,hi,,", "needs the seconds"),
        ("a,1,1,b,1,,anchor,,,", "needs the seconds"),
        ("a,1,1,,,,square,1 2 3 4,,", "'square' is not a kind"),
        ("a,1,,,,,circle,1 2 3 4 5 6,,", "points must be 2, not 3"),
        ("a,1,,,,,freehand,1 2,,", "points must be 2 to 500, not 1"),
        ("a,1,,,,,scale,1 2 3 4,,", "has a known length"),
        ("a,1,,,,,line,1 2 3 4 1m,,", "has a known length"),
        *(
            (f"a,1,,,,,scale,1 2 3 4 {x}m,,", "a known length is")
            for x in ("0", "-1", "nan", "1e9")
        ),
        ("a,1,1,,,,scale,1 2 3 4 1m,,", "for all pictures"),
        ("a,1,,,,,watch,1 2,,", "begins at some moment"),
        ("a,1,2,a,1,1,line,1 2 3 4,,", "end before it begins"),
        ("a,1,1,b,1,2,line,1 2 3 4,,", "one file and person"),
        ("a,1,,a,1,2,line,1 2 3 4,,", "between two moments"),
        ("a,1,1,a,1,,line,1 2 3 4,,", "between two moments"),
        ("a,1,,,,,line,1 2 3 x,,", "could not convert"),
        ("a,1,,,,,line,1 2 3 nan,,", "not lie in a picture"),
        ("a,1,,,,,line,1 2 3 1e9,,", "not lie in a picture"),
        ("a,1,,,,,line,1 2,,", "points must be 2, not 1"),
        ("a,1,,,,,angle,1 2 3 4,,", "points must be 3, not 2"),
        ("a,1,,,,,line,1 2 3,,", "given together"),
        ("a,1,,,,,line,1 2 1.001 2,,", "are the same"),
        ("a,1,1,b,1,2,note", "fields"),
        *((f"a,1,0.2,,,,joint,{value},,", "a corrected joint is") for value in ("nose 1", "")),
        *((f"a,1,0.2,,,,joint,nose {x} 2,,", "position in a picture") for x in ("nan", "1e9")),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text(f"{HEADER}\na,1,1,b,1,2,note,fine,,\n{line}\n")
    with pytest.raises(UserError, match=why) as raised:
        read_annotations(path)
    assert raised.value.exit_code == ExitCode.MISMATCH
    assert "line 3" in raised.value.message


def test_a_table_by_hand_may_leave_out_the_last_columns(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text(f"{','.join(COLUMNS[:8])}\na,1,,,,,line,0.123456 2 3 4\n")
    (row,) = read_annotations(path)
    assert row.value == "0.12 2.00 3.00 4.00"
    path.write_text("file,person,seconds\na,1,2\n")
    with pytest.raises(UserError, match="column 'kind' is missing"):
        read_annotations(path)
