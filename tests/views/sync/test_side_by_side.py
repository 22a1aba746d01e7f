"""What stands around the pictures of A and B, and that it says what is true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.types import Phase
from la2ds_cli.core.view import View
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.views.sync import side_by_side
from la2ds_cli.views.sync.side_by_side import (
    MIRRORED,
    NO_COUNTERPART,
    Side,
    SideBySide,
    greyed,
    make_panel,
    tempo_label,
)
from la2ds_cli.views.sync.timeline import Timeline, make_timeline
from tests.views.sync.synced import still_pose

NAN = np.nan
POSITION = np.array([NAN, NAN, 2, 3, 4, 6, 8, 8, NAN, 11])


@pytest.fixture
def timeline() -> Timeline:
    return make_timeline(np.arange(10) / 10, 10.0, POSITION, 12)


@pytest.fixture
def drawn(timeline: Timeline) -> SideBySide:
    return make(timeline)


def make(timeline: Timeline, *, phases: bool = True, view: View = "filmed") -> SideBySide:
    a, b = still_pose(10, 10.0), still_pose(12, 10.0, time=2 + np.arange(12) / 10)
    of_a = [Phase(0, 5, "down"), Phase(5, 10, "up")] if phases else []
    of_b = [Phase(0, 4, "down"), Phase(6, 12, "up")] if phases else []
    views: tuple[View, View] = ("filmed", view)
    sides = [
        Side(
            name,
            make_panel(pose, None, pose.size, 160, view=seen_in, skeleton=True),
            pose.time,
            phase_names(pose.frame, spans),
        )
        for name, pose, spans, seen_in in zip(
            ("anna.mp4", "ben with a long name.mp4"), (a, b), (of_a, of_b), views, strict=True
        )
    ]
    tempo = np.array([NAN, NAN, 1, 1, 1.5, 2, 1, 0, NAN, 1])
    confidence = np.where(np.isnan(POSITION), 0, np.linspace(0.1, 1, 10))
    certainty = [f"sure, to within {row} s" for row in range(10)]
    return SideBySide(sides[0], sides[1], timeline, tempo, confidence, certainty)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[float, float]]]:
    """Every text that is written, with its place."""
    said: list[tuple[str, tuple[float, float]]] = []
    real = side_by_side.write_text

    def write(image: Any, text: str, at: Any, *rest: Any, **options: Any) -> None:
        said.append((text, at))
        real(image, text, at, *rest, **options)

    monkeypatch.setattr(side_by_side, "write_text", write)
    return said


def test_frames_have_one_even_size(drawn: SideBySide):
    frames = list(drawn.frames())
    assert {frame.shape for frame in frames} == {(drawn.height, drawn.width, 3)}
    assert drawn.height % 2 == drawn.width % 2 == 0
    assert len(frames) == 10


def test_each_side_shows_its_row(drawn: SideBySide, timeline: Timeline):
    for k, frame in enumerate(drawn.frames()):
        a = drawn.a.panel.picture(int(timeline.row_a[k]), None)
        assert np.array_equal(frame[drawn.region(0)], a)
        b = drawn.b.panel.picture(int(timeline.row_b[k]), None)
        shown = frame[drawn.region(1)]
        if timeline.matched[k]:
            assert np.array_equal(shown, b)
        else:
            assert not np.array_equal(shown, b)
            assert np.array_equal(shown[:40], greyed(b)[:40])  # above the words


def test_times_phases_tempo_and_certainty_are_those_of_the_frame(
    drawn: SideBySide, words: list[tuple[str, tuple[float, float]]]
):
    frames = drawn.frames()
    said = []
    for _ in range(10):
        words.clear()
        next(frames)
        said.append([text for text, _ in words])
    assert said[0] == ["0.00 s", "down", "–", NO_COUNTERPART, ""]
    assert said[3] == ["0.30 s", "down", "2.30 s", "down", "same tempo", "sure, to within 3 s"]
    assert said[4] == ["0.40 s", "down", "2.40 s", "B 1.5× slower", "sure, to within 4 s"]
    assert said[5] == ["0.50 s", "up", "2.60 s", "up", "B 2.0× slower", "sure, to within 5 s"]
    assert said[8] == ["0.80 s", "up", "–", NO_COUNTERPART, ""]


def test_the_words_stand_on_their_sides(
    drawn: SideBySide, words: list[tuple[str, tuple[float, float]]]
):
    frames = drawn.frames()
    next(frames)
    place = dict(words)
    assert place["0.00 s"][0] <= drawn.left[1]
    assert place["–"][0] > drawn.left[1]
    assert place[NO_COUNTERPART][0] > drawn.left[1]


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.4, "B 1.4× slower"),
        (0.5, "B 2.0× faster"),
        (1.0, "same tempo"),
        (0.97, "same tempo"),
        (1.049, "same tempo"),
        (1.06, "B 1.1× slower"),
        (0.0, "B stands still"),
        (NAN, ""),
    ],
)
def test_tempo_in_words(ratio: float, words: str):
    assert tempo_label(ratio) == words


def test_the_bar_has_the_phases_of_both_clips_and_the_confidence(timeline: Timeline):
    drawn = make(timeline)
    base, band = drawn.base, max(round(0.6 * drawn.font), 4)
    curve = 2 * round(0.7 * drawn.font)
    bands = [drawn.bar_top + curve + side * band + band // 2 for side in (0, 1)]
    down, up = drawn.colours["down"], drawn.colours["up"]
    nothing, lost = side_by_side._EMPTY, side_by_side.GROUND
    # Rows of B along POSITION: 2 2 2 3 4 6 8 8 8 11, of which 4 has no label.
    wanted = {
        0: [down] * 5 + [up] * 5,
        1: [lost, lost, down, down, nothing, up, up, up, lost, up],
    }
    for k in range(10):
        x = drawn.bar_left + round((k + 0.5) / 10 * drawn.bar_width)
        for side, colours in wanted.items():
            assert tuple(base[bands[side], x]) == colours[k], (k, side)
        column = (base[drawn.bar_top : drawn.bar_top + curve, x] == side_by_side._SURE).all(axis=1)
        sure = 0 if not timeline.matched[k] else drawn.confidence[k]
        assert column.sum() == pytest.approx(sure * curve, abs=1)
        assert not column.any() or column[-1]  # grows from below


def test_the_mark_on_the_bar_moves_from_end_to_end(drawn: SideBySide):
    y = drawn.bar_top - 1
    places = []
    for frame in drawn.frames():
        white = np.flatnonzero((frame[y] == 255).all(axis=1))
        places.append(white.mean())
    ends = drawn.bar_left, drawn.bar_left + drawn.bar_width
    step = drawn.bar_width / 10
    assert np.allclose(np.diff(places), step, atol=1)
    assert places[0] == pytest.approx(ends[0] + step / 2, abs=2)
    assert places[-1] == pytest.approx(ends[1] - step / 2, abs=2)


def test_without_labels_there_is_no_room_for_them(timeline: Timeline):
    assert make(timeline, phases=False).height < make(timeline).height
    assert not make(timeline, phases=False).colours


def test_a_mirrored_clip_is_marked_in_every_frame(
    timeline: Timeline, words: list[tuple[str, tuple[float, float]]]
):
    list(make(timeline).frames())
    assert not [text for text, _ in words if MIRRORED in text]
    list(make(timeline, view="mirrored").frames())
    assert len([text for text, _ in words if text.endswith(MIRRORED)]) == 10


def test_names_leave_room_for_the_seconds(
    timeline: Timeline, words: list[tuple[str, tuple[float, float]]]
):
    drawn = make(timeline, view="mirrored")
    text, (x, _) = next((t, at) for t, at in words if t.startswith("ben"))
    ends = x + side_by_side.text_width(text, drawn.font)
    seconds = side_by_side.text_width("3.10 s", drawn.font)
    assert ends < drawn.left[1] + drawn.widths[1] - seconds


def test_a_small_picture_is_centred_beside_a_large_one(timeline: Timeline):
    large, small = make(timeline).a, make(timeline).b
    panel = make_panel(still_pose(12), None, (320, 240), 80, view="filmed", skeleton=True)
    both = SideBySide(
        large, replace(small, panel=panel), timeline, np.ones(10), np.ones(10), ["sure"] * 10
    )
    rows, columns = both.region(1)
    assert rows.stop - rows.start == 80
    assert rows.start - both.top == both.top + both.picture - rows.stop
    assert columns.start >= both.left[1]
    assert columns.stop <= both.width - both.gap
