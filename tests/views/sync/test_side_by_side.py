"""What stands around the pictures of clips in step, and that it says what is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.types import Phase
from la2ds_cli.core.view import View
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.views.sync import side_by_side
from la2ds_cli.views.sync.side_by_side import (
    NO_COUNTERPART,
    Cell,
    Grid,
    greyed,
    make_panel,
    tempo_label,
)
from la2ds_cli.views.sync.timeline import make_timeline
from tests.views.sync.synced import still_pose

NAN = np.nan
POSITION = np.array([NAN, NAN, 2, 3, 4, 6, 8, 8, NAN, 11])
TIMELINE = make_timeline(np.arange(10) / 10, 10.0, POSITION, 12)
LEVEL = np.where(np.isnan(POSITION), NAN, np.linspace(0.1, 1, 10))
Words = list[tuple[str, tuple[float, float]]]


def make(view: View = "filmed", high: int = 160, columns: int = 2) -> Grid:
    a, b = still_pose(10, 10.0), still_pose(12, 10.0, time=2 + np.arange(12) / 10)
    of_a = phase_names(a.frame, [Phase(0, 5, "down"), Phase(5, 10, "up")])
    panel_a = make_panel(a, None, a.size, 160, view="filmed", skeleton=True)
    panel_b = make_panel(b, None, b.size, high, view=view, skeleton=True)
    rows = TIMELINE.row_b, TIMELINE.matched
    cells = [
        Cell("anna.mp4", panel_a, a.time, TIMELINE.row_a, np.ones(10, bool), of_a),
        Cell("ben with a long name.mp4", panel_b, b.time, *rows),
    ]
    return Grid(cells, columns, lambda k: (f"left {k}", f"right {k}"), LEVEL)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Words:
    """Every text that is written, with its place."""
    said: Words = []
    real = side_by_side.write_text

    def write(image: Any, text: str, at: Any, *rest: Any, **options: Any) -> None:
        said.append((text, at))
        real(image, text, at, *rest, **options)

    monkeypatch.setattr(side_by_side, "write_text", write)
    return said


@pytest.mark.parametrize("grid", [make, lambda: make(high=80), lambda: make(columns=1)])
def test_each_clip_shows_its_row_in_its_place(grid: Callable[[], Grid]) -> None:
    drawn = grid()
    frames = list(drawn.frames())
    assert {frame.shape for frame in frames} == {drawn.base.shape}
    assert drawn.base.shape[0] % 2 == drawn.base.shape[1] % 2 == 0
    for k, frame in enumerate(frames):
        a, b = (cell.panel.picture(int(cell.row[k]), None) for cell in drawn.cells)
        assert np.array_equal(frame[drawn.region(0)], a)
        shown = frame[drawn.region(1)]
        if TIMELINE.matched[k]:
            assert np.array_equal(shown, b)
        else:
            assert not np.array_equal(shown, b)
            assert np.array_equal(shown[:20], greyed(b)[:20])  # above the words


def test_times_phases_and_what_stands_below_are_those_of_the_frame(words: Words) -> None:
    frames = make().frames()
    said = []
    for _ in range(10):
        words.clear()
        next(frames)
        said.append([text for text, _ in words])
    assert said[0][-5:] == ["0.00 s · down", "–", NO_COUNTERPART, "left 0", "right 0"]
    assert said[3] == ["0.30 s · down", "2.30 s", "left 3", "right 3"]
    assert said[5] == ["0.50 s · up", "2.60 s", "left 5", "right 5"]


def test_the_words_stand_on_their_sides_and_names_leave_room(words: Words) -> None:
    drawn = make()
    next(drawn.frames())
    place = dict(words)
    left = drawn.region(1)[1].start
    assert place["0.00 s · down"][0] <= left < place["–"][0]
    text, (x, _) = next((t, at) for t, at in words if t.startswith("ben"))
    ends = x + side_by_side.text_width(text, drawn.font)
    assert ends < place["–"][0] - side_by_side.text_width("3.10 s", drawn.font)


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
def test_tempo_in_words(ratio: float, words: str) -> None:
    assert tempo_label(ratio) == words


def test_the_bar_shows_how_sure_each_frame_is_and_where_it_is() -> None:
    drawn = make()
    bar = drawn.base[drawn.bar]
    wide = drawn.base.shape[1] - 2 * drawn.gap
    for k in range(10):
        x = drawn.gap + round((k + 0.5) / 10 * wide)
        column = (bar[:, x] == side_by_side._SURE).all(axis=1)
        assert column.sum() == pytest.approx(np.nan_to_num(LEVEL[k]) * len(bar), abs=1)
        assert not column.any() or column[-1]  # grows from below
        striped = (bar[:, x - 2 : x + 3] == side_by_side.GROUND).all(axis=2).any()
        assert striped == np.isnan(LEVEL[k])
    marks = [
        np.flatnonzero((frame[drawn.bar.start - 1] == 255).all(axis=1)).mean()
        for frame in drawn.frames()
    ]
    assert np.allclose(np.diff(marks), wide / 10, atol=1)
    assert marks[0] == pytest.approx(drawn.gap + wide / 20, abs=2)


@pytest.mark.parametrize(("view", "times"), [("filmed", 0), ("mirrored", 10)])
def test_a_mirrored_clip_is_marked_in_every_frame(view: View, times: int, words: Words) -> None:
    list(make(view).frames())
    assert [text for text, _ in words].count("mirrored") == times
