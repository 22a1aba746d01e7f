"""Which frames a synchronised video shows, and when, and how they are read."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.video.reader import Frame, VideoFile, write_video
from la2ds_cli.views.side_by_side import shown_frames
from la2ds_cli.views.sync import FASTEST, clock, make_timeline, nearest_known
from tests.views.sync.synced import grey_frames, number

NAN = np.nan


@pytest.mark.parametrize("fps", [10, 24, 25, 30000 / 1001, 60, 120])
def test_a_clip_of_even_steps_keeps_its_rate_and_shows_each_frame_once(fps: float):
    rate, rows = clock(3.7 + np.arange(500) / fps, fps)
    assert rate == fps
    assert rows.tolist() == list(range(500))


def test_stamps_rounded_to_milliseconds_are_even_steps():
    rate, rows = clock(np.round(np.arange(900) / 29.97, 3), 29.97)
    assert rate == 29.97
    assert len(rows) == 900


def test_a_wrong_nominal_rate_is_not_believed():
    rate, rows = clock(np.arange(300) / 24, 30.0)
    assert rate == pytest.approx(24)
    assert len(rows) == 300


@pytest.mark.parametrize("seed", range(5))
def test_uneven_frames_are_shown_as_a_player_shows_them(seed: int):
    rng = np.random.default_rng(seed)
    steps = rng.choice([1 / 60, 1 / 30, 1 / 30, 1 / 30, 0.4], 200)
    time = 1.0 + np.concatenate([[0], np.cumsum(steps)])
    rate, rows = clock(time, 27.0)
    assert rate == pytest.approx(30)
    middle = time[0] + (np.arange(len(rows)) + 0.5) / rate
    ends = np.append(time[1:], np.inf)
    assert (time[rows] <= middle + 1e-9).all()
    assert (middle < ends[rows] + 1e-9).all()
    assert len(rows) / rate == pytest.approx(time[-1] - time[0] + 1 / rate, abs=0.5 / rate)


def test_no_video_runs_faster_than_players_can():
    rate, rows = clock(np.arange(1000) / 1000, 1000)
    assert rate == FASTEST
    assert len(rows) == round(0.999 * FASTEST) + 1
    assert (np.diff(rows) > 0).all()


def test_one_frame_is_a_video_of_one_frame():
    found = make_timeline(np.array([2.0]), 25.0, np.array([3.4]), 9)
    assert (found.fps, found.row_a.tolist(), found.row_b.tolist()) == (25.0, [0], [3])


def test_of_two_frames_of_b_the_nearer_is_shown():
    position = np.array([-0.2, 0.4, 1.6, 2.49, 4.2])
    found = make_timeline(np.arange(5) / 10, 10.0, position, 4)
    assert found.row_b.tolist() == [0, 0, 2, 2, 3]
    assert found.matched.all()
    assert (np.diff(found.row_b) >= 0).all()


def test_without_a_counterpart_the_nearest_frame_is_held():
    position = np.array([NAN, NAN, 3, 4, NAN, NAN, NAN, 9, NAN])
    found = make_timeline(np.arange(9) / 10, 10.0, position, 20)
    assert found.row_b.tolist() == [3, 3, 3, 4, 4, 4, 9, 9, 9]
    assert found.matched.tolist() == [not np.isnan(p) for p in position]
    assert (np.diff(found.row_b) >= 0).all()


def test_next_in_time_not_in_frames():
    time = np.array([0, 0.1, 0.9, 1.0])
    known = np.array([True, False, False, True])
    assert nearest_known(time, known).tolist() == [0, 0, 3, 3]


def test_no_counterpart_at_all():
    with pytest.raises(ValueError, match="no frame of A"):
        make_timeline(np.arange(3) / 10, 10.0, np.full(3, NAN), 5)


class Counted(VideoFile):
    """A file of endless frames that counts how many were decoded."""

    def frames(self) -> Iterator[Frame]:
        for index in range(10**6):
            self.read.append(index)
            yield Frame(index, index / 10, np.full((100, 100, 3), index % 256, np.uint8), index)

    @property
    def read(self) -> list[int]:
        return self.__dict__.setdefault("_read", [])


@pytest.fixture
def film(tmp_path: Path) -> VideoFile:
    path = tmp_path / "film.mp4"
    write_video(path, grey_frames(12, (64, 48)), 10)
    return VideoFile(path)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ([0, 0, 3, 4, 4, 4, 11], [0, 0, 3, 4, 4, 4, 11]),
        ([10, 11, 12, 30], [10, 11, 11, 11]),  # the file ends early
    ],
)
def test_frames_come_as_often_as_they_are_shown(
    film: VideoFile, wanted: list[int], shown: list[int]
):
    assert [number(image) for image in shown_frames(film, np.array(wanted))] == shown


def test_no_frame_is_decoded_before_it_is_shown():
    file = Counted(Path("none.mp4"))
    images = shown_frames(file, np.array([0, 5, 5, 8]))
    for wanted in (0, 5, 5, 8):
        assert next(images)[0, 0, 0] == wanted
        assert len(file.read) == wanted + 1


def test_memory_does_not_grow_with_the_length():
    tracemalloc.start()
    for _ in shown_frames(Counted(Path("none.mp4")), np.arange(0, 3000, 3)):
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * 100 * 100 * 3
