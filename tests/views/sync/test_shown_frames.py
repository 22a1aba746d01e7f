"""Frames of a file in the order of a synchronised video."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.video.reader import Frame, VideoFile, write_video
from la2ds_cli.views.sync.timeline import shown_frames
from tests.views.sync.synced import grey_frames, number


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


def shown(file: VideoFile, wanted: list[int], **limits: int) -> list[int]:
    return [number(image) for image in shown_frames(file, np.array(wanted), **limits)]


def test_frames_come_as_often_as_they_are_shown(film: VideoFile):
    assert shown(film, [0, 0, 3, 4, 4, 4, 11]) == [0, 0, 3, 4, 4, 4, 11]


def test_frames_out_of_order_come_as_well(film: VideoFile):
    wanted = [5, 2, 9, 9, 0, 11]
    assert shown(film, wanted) == wanted


def test_a_file_that_ends_early_holds_its_last_frame(film: VideoFile):
    assert shown(film, [10, 11, 12, 30]) == [10, 11, 11, 11]
    assert shown(film, [12, 30, 2]) == [11, 11, 2]


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


def test_too_many_frames_out_of_order_are_refused_at_once():
    file = Counted(Path("long.mp4"))
    with pytest.raises(UserError, match=r"shows the frames of long\.mp4 out of order") as refused:
        next(shown_frames(file, np.arange(500)[::-1], limit=300 * 30000))
    assert refused.value.exit_code == ExitCode.USAGE
    assert "--method dtw" in refused.value.hint
    assert len(file.read) == 1
