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
from la2ds_cli.features.camera_views import shown
from la2ds_cli.video.reader import Frame, VideoFile
from la2ds_cli.views import sync
from la2ds_cli.views.film_strip import LEFT, RIGHT
from la2ds_cli.views.sync import (
    NO_COUNTERPART,
    PLAIN,
    Panel,
    SideBySide,
    greyed,
    make_panel,
    shown_frames,
    tempo_label,
)
from tests.views.synced import still_pose

NAN = np.nan
POSITION = np.array([NAN, NAN, 2, 3, 4, 6, 8, 8, NAN, 11])
MATCHED = ~np.isnan(POSITION)
ROW_B = np.array([2, 2, 2, 3, 4, 6, 8, 8, 8, 11])
Words = list[tuple[str, tuple[float, float]]]


def make(view: View = "filmed", high: int = 160) -> SideBySide:
    a, b = still_pose(10, 10.0), still_pose(12, 10.0, time=2 + np.arange(12) / 10)
    of_a = phase_names(a.frame, [Phase(0, 5, "down"), Phase(5, 10, "up")])
    panels = [
        make_panel("anna.mp4", a, None, 160, phase=of_a),
        make_panel("ben with a long name.mp4", b, None, high, view=view),
    ]
    rows = (np.arange(10), np.ones(10, bool)), (ROW_B, MATCHED)
    return SideBySide(panels, rows, [(f"left {k}", f"right {k}") for k in range(10)])


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Words:
    """Every text that is written, with its place."""
    said: Words = []
    real = sync.write_text

    def write(image: Any, text: str, at: Any, *rest: Any, **options: Any) -> None:
        said.append((text, at))
        real(image, text, at, *rest, **options)

    monkeypatch.setattr(sync, "write_text", write)
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


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.4, "B 1.4× slower"),
        (0.5, "B 2.0× faster"),
        (1.0, "same tempo"),
        (0.97, "same tempo"),
        (1.049, "same tempo"),
        (1.06, "B 1.1× slower"),
        (11.2, "B over 4× slower"),
        (1 / 11.2, "B over 4× faster"),
        (0.0, "B stands still"),
        (NAN, ""),
    ],
)
def test_tempo_in_words(ratio: float, words: str) -> None:
    assert tempo_label(ratio) == words


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
    [((1920, 1080), (853, 480)), ((1080, 1920), (270, 480)), ((320, 240), (640, 480)),
     ((3000, 300), (1152, 115))],  # no wider than a screen
)  # fmt: skip
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
