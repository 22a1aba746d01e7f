"""The pictures of clips in step, and that what stands around them says what is true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.progress import Progress
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import Phase
from la2ds_cli.core.view import VIEWS, View
from la2ds_cli.evaluation.phase_labels import phase_names
from la2ds_cli.features.viewpoint import shown
from la2ds_cli.video.reader import Frame, VideoFile
from la2ds_cli.views import side_by_side
from la2ds_cli.views.figure import letters
from la2ds_cli.views.pose_drawing import LEFT, RIGHT
from la2ds_cli.views.side_by_side import (
    NO_COUNTERPART,
    PLAIN,
    Panel,
    SideBySide,
    greyed,
    make_panel,
    shortened,
    shown_frames,
)
from la2ds_cli.views.sync import tempo_label
from tests.views.synced import still_pose

NAN = np.nan
POSITION = np.array([NAN, NAN, 2, 3, 4, 6, 8, 8, NAN, 11])
MATCHED = ~np.isnan(POSITION)
ROW_B = np.array([2, 2, 2, 3, 4, 6, 8, 8, 8, 11])
LEVEL = np.where(MATCHED, np.linspace(0.1, 1, 10), NAN)
Words = list[tuple[str, tuple[float, float]]]


def make(view: View = "filmed", high: int = 160) -> SideBySide:
    a, b = still_pose(10, 10.0), still_pose(12, 10.0, time=2 + np.arange(12) / 10)
    of_a = phase_names(a.frame, [Phase(0, 5, "down"), Phase(5, 10, "up")])
    panels = [
        make_panel("anna.mp4", a, None, 160, phase=of_a),
        make_panel("ben with a long name.mp4", b, None, high, view=view),
    ]
    rows = (np.arange(10), np.ones(10, bool)), (ROW_B, MATCHED)
    return SideBySide(panels, rows, [(f"left {k}", f"right {k}") for k in range(10)], LEVEL)


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


@pytest.mark.parametrize("high", [160, 80])
def test_each_clip_shows_its_row_in_its_place(high: int) -> None:
    drawn = make(high=high)
    frames = list(drawn.frames(Progress()))
    assert {frame.shape for frame in frames} == {drawn.base.shape}
    assert drawn.base.shape[0] % 2 == drawn.base.shape[1] % 2 == 0
    for k, frame in enumerate(frames):
        rows = (k, int(ROW_B[k]))
        a, b = (p.picture(t, None) for p, t in zip(drawn.panels, rows, strict=True))
        assert np.array_equal(frame[drawn.region(0)], a)
        shown = frame[drawn.region(1)]
        if MATCHED[k]:
            assert np.array_equal(shown, b)
        else:
            assert not np.array_equal(shown, b)
            assert np.array_equal(shown[:20], greyed(b)[:20])  # above the words


def test_times_phases_and_what_stands_below_are_those_of_the_frame(words: Words) -> None:
    frames = make().frames(Progress())
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
    next(drawn.frames(Progress()))
    place = dict(words)
    left = drawn.region(1)[1].start
    assert place["0.00 s · down"][0] <= left < place["–"][0]
    text, (x, _) = next((t, at) for t, at in words if t.startswith("ben"))
    ends = x + letters(drawn.font).getlength(text)
    assert ends < place["–"][0] - letters(drawn.font).getlength("3.10 s")


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
    bar = drawn.base[drawn.bar].astype(int)
    wide = drawn.base.shape[1] - 2 * drawn.gap
    for k in range(10):
        x = drawn.gap + round((k + 0.5) / 10 * wide)
        column = (bar[:, x] > 200).all(axis=-1)
        assert column.sum() == pytest.approx(np.nan_to_num(LEVEL[k]) * len(bar), abs=1)
        assert not column.any() or bool(bar[-1, x].min() > 200)  # grows from below
        striped = bool((bar[:, x - 2 : x + 3].max(axis=2) < 30).any())
        assert striped == np.isnan(LEVEL[k])
    marks = [
        np.flatnonzero((frame[drawn.bar.start - 1] == 255).all(axis=1)).mean()
        for frame in drawn.frames(Progress())
    ]
    assert np.allclose(np.diff(marks), wide / 10, atol=1)
    assert marks[0] == pytest.approx(drawn.gap + wide / 20, abs=2)


@pytest.mark.parametrize(("view", "times"), [("filmed", 0), ("mirrored", 10)])
def test_a_mirrored_clip_is_marked_in_every_frame(view: View, times: int, words: Words) -> None:
    list(make(view).frames(Progress()))
    assert [text for text, _ in words].count("mirrored") == times


# --- the picture of one clip ----------------------------------------------------------------------

FILE = VideoFile(Path("none.mp4"))


def filmed(size: tuple[int, int] = (320, 240), height: int = 240, **how: Any) -> Panel:
    pose = still_pose(3, trust=np.ones((3, 13)), size=size)
    return make_panel("clip", pose, FILE, height, **{"skeleton": False, **how})


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1920, 1080), (853, 480)),
        ((1080, 1920), (270, 480)),
        ((320, 240), (640, 480)),
        ((160, 120), (320, 240)),  # never more than twice its size
        ((3000, 300), (1152, 115)),  # nor wider than a screen
        ((853, 479), (855, 480)),
    ],
)
def test_size_of_the_picture(size: tuple[int, int], shape: tuple[int, int]):
    panel = filmed(size, 480)
    assert (panel.width, panel.height) == shape


def test_joints_lie_where_they_lie_in_the_video():
    panel = filmed(height=480, skeleton=True)
    picture = panel.picture(0, np.zeros((240, 320, 3), np.uint8))
    for joint, colour in (("left_wrist", LEFT), ("right_wrist", RIGHT)):
        x, y = panel.pose.xy[0, get_skeleton("penn13").index(joint)]
        assert tuple(picture[round(2 * y + 0.5), round(2 * x + 0.5)]) == colour


@pytest.mark.parametrize("view", VIEWS)
def test_a_frame_is_left_alone_or_flipped_with_its_joints_as_it_was_compared(view: View):
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    panel = filmed(view=view)
    picture = panel.picture(0, image)
    assert np.array_equal(picture, image[:, ::-1] if view in ("mirrored", "other") else image)
    assert not np.shares_memory(picture, image)
    known = still_pose(3, trust=np.ones((3, 13)))
    assert np.array_equal(panel.pose.xy, shown(known, view).xy)


def test_boxes_and_other_people_are_not_drawn():
    crowd = {"candidates": [{"box": [1, 1, 9, 9]}, {"box": [5, 5, 80, 80]}], "person": 1}
    pose = still_pose(3)
    boxed = replace(pose, box=np.tile([2.0, 2, 300, 200], (3, 1)), info=crowd)
    images = [make_panel("", p, None, 200).picture(1, None) for p in (pose, boxed)]
    assert np.array_equal(images[0], images[1])


def test_joints_alone_are_seen_whole_on_plain_ground():
    pose = still_pose(9, size=(0, 0))
    panel = make_panel("", pose, None, 200, skeleton=False)
    picture = panel.picture(4, None)
    assert picture.shape == (200, panel.width, 3)
    assert (picture[0] == PLAIN).all()
    assert (picture[:, 0] == PLAIN).all()
    place = (pose.xy[4] - panel.corner[4]) * panel.scale
    assert (place > 0).all()
    assert (place < [panel.width, 200]).all()
    blind = replace(pose, xy=np.full_like(pose.xy, NAN))
    assert (make_panel("", blind, None, 120).picture(0, None) == PLAIN).all()


def test_grey_has_no_colour_and_less_contrast():
    image = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    grey = greyed(image)
    assert (grey == grey[..., :1]).all()
    assert np.ptp(grey) < 0.4 * np.ptp(image)


def test_what_does_not_change_is_drawn_once():
    panel = make_panel("", still_pose(5), None, 120)
    row, found = np.array([0, 0, 1, 1, 1]), np.array([True, True, True, False, False])
    pictures = list(panel.pictures(row, found))
    assert pictures[0] is pictures[1]
    assert pictures[3] is pictures[4]
    assert not np.array_equal(pictures[2], pictures[3])


# --- reading --------------------------------------------------------------------------------------


class Counted(VideoFile):
    """A file of twelve frames that counts how many were decoded."""

    def frames(self) -> Iterator[Frame]:
        for index in range(12):
            self.read.append(index)
            yield Frame(index, index / 10, np.full((10, 10, 3), index, np.uint8), index)

    @property
    def read(self) -> list[int]:
        return self.__dict__.setdefault("_read", [])


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ([0, 0, 3, 4, 4, 4, 11], [0, 0, 3, 4, 4, 4, 11]),
        ([10, 11, 12, 30], [10, 11, 11, 11]),  # the file ends early
    ],
)
def test_frames_come_as_often_as_they_are_shown_and_none_before(wanted: list[int], seen: list[int]):
    file = Counted(Path("none.mp4"))
    for frame, image in zip(seen, shown_frames(file, np.array(wanted)), strict=True):
        assert image[0, 0, 0] == frame
        assert len(file.read) == frame + 1


# --- words ----------------------------------------------------------------------------------------


def written(text: str, anchor: str = "lm", at: float = 150, high: int = 40) -> np.ndarray:
    image = np.zeros((high, 300, 3), np.uint8)
    side_by_side.write_text(image, text, (at, high / 2), 20, (200, 100, 10), anchor)
    return image


@pytest.mark.parametrize("text", ["ä", "ß", "я", "λ", "…", "×"])
def test_letters_of_other_scripts_are_drawn_and_not_replaced(text: str):
    assert written(text).any()
    assert not any(np.array_equal(written(text), written(other)) for other in "?□ae\ufffd")


@pytest.mark.parametrize(("anchor", "low", "high"), [("lm", 150, 300), ("rm", 0, 150)])
def test_a_text_begins_or_ends_at_its_place_in_its_colour(anchor: str, low: int, high: int):
    image = written("words", anchor)
    columns = np.flatnonzero(image.any(axis=(0, 2)))
    assert low <= columns[0]
    assert columns[-1] <= high
    assert tuple(image.max(axis=(0, 1))) == (200, 100, 10)


def test_what_does_not_fit_is_cut_off():
    assert written("mmmmmm", at=-8, high=10).any()
    assert not written("mm", at=400).any()


def test_a_long_name_loses_its_middle_and_what_cannot_be_printed():
    name = "the-first-of-many-long-names-of-clips-2024-06-01.mp4"
    short = shortened(name, 18, 200)
    assert letters(18).getlength(short) <= 200
    assert (short[:4], short[-4:], "…" in short) == ("the-", ".mp4", True)
    assert shortened("a$1.mp4", 18, 200) == "a$1.mp4"
    assert shortened(name, 18, 1) == "…"
    assert shortened("a\x07b\n舞.mp4", 18, 400) == "a□b□□.mp4"
