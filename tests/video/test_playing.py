"""A file plays at its own pace and skips what comes too late; a camera gives its newest picture."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np
import pytest

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.video import playing
from la2ds_cli.video.playing import FilePlayer, open_player
from la2ds_cli.video.reader import probe, write_video
from tests.drawn_clips import grey_steps
from tests.told import refused

FPS = 20


class Clock:
    """Seconds that pass only while somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, grey_steps(30), FPS)
    return path


def played(
    clip: Path, seconds: float, *, every_frame: bool = False
) -> tuple[list[int], FilePlayer]:
    """Frames that are shown where each takes so many seconds of work."""
    clock = Clock()
    player = FilePlayer(str(clip), probe(clip), every_frame, clock, clock.sleep)
    shown = []
    for frame in player.frames():
        shown.append(frame.index)
        clock.now += seconds
    return shown, player


def test_who_keeps_up_sees_every_frame_when_it_is_due(clip: Path):
    clock = Clock()
    player = FilePlayer(str(clip), probe(clip), clock=clock, sleep=clock.sleep)
    due = [(frame.time, clock.now - 100.0) for frame in player.frames()]
    assert len(due) == 30
    assert player.skipped == 0
    assert all(at == pytest.approx(time, abs=1e-6) for time, at in due)


def test_who_is_too_slow_skips_frames_and_stays_with_the_clock(clip: Path):
    shown, player = played(clip, 2.5 / FPS)  # two and a half frames for each
    assert player.skipped == 30 - len(shown)
    assert 11 <= len(shown) <= 14
    assert max(np.diff(shown)) <= 3
    assert shown[-1] >= 27


def test_every_frame_is_shown_where_it_is_asked_for(clip: Path):
    shown, player = played(clip, 1.0, every_frame=True)
    assert shown == list(range(30))
    assert player.skipped == 0
    part = open_player(str(clip), ClipOptions(start=0.5, slowmo=2), every_frame=True).frames()
    assert [frame.time for frame in part] == pytest.approx(np.arange(10, 30) / FPS / 2)


class FakeCapture:
    """What cv2.VideoCapture is to the player: so many pictures, of which some come after `go`."""

    opens, pictures, waits = True, 5, 0

    def __init__(self, number: int) -> None:
        self.number, self.count, self.go = number, 0, Event()
        FakeCapture.last = self

    def isOpened(self) -> bool:
        return self.opens

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.count == self.waits:
            self.go.wait(2)
        if self.count >= self.pictures:
            return False, None
        self.count += 1
        return True, np.full((64, 96, 3), (10, 20, self.count), np.uint8)  # blue, green, red

    def release(self) -> None:
        self.opens = False


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[FakeCapture]:
    import cv2

    made = type("Capture", (FakeCapture,), {})
    monkeypatch.setattr(cv2, "VideoCapture", made)
    return made


def test_a_camera_gives_its_newest_picture_and_counts_the_others(camera: type[FakeCapture]):
    camera.pictures, camera.waits = 6, 1
    player = open_player("camera:2")
    frames = player.frames()
    first = next(frames)
    assert (first.index, first.time) == (0, 0.0)
    assert first.image[0, 0].tolist() == [1, 20, 10]  # RGB
    camera.last.go.set()
    rest = list(frames)
    assert rest[-1].index == 5
    assert rest[-1].time > 0
    assert player.skipped == 5 - len(rest)


@pytest.mark.parametrize(("opens", "pictures"), [(False, 5), (True, 0)])
def test_a_camera_without_pictures_is_one_sentence(
    camera: type[FakeCapture], opens: bool, pictures: int
):
    camera.opens, camera.pictures, camera.waits = opens, pictures, -1
    with refused(ExitCode.UNREADABLE, "camera 0", "V007"):
        list(open_player("camera:0").frames())


def test_a_camera_that_falls_silent_ends(
    camera: type[FakeCapture], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(playing, "_SILENT", 0.1)
    camera.pictures, camera.waits = 5, 3
    shown = [frame.index for frame in open_player("camera:0").frames()]
    assert shown[-1] == 2


@pytest.mark.parametrize("source", ["camera:", "camera:x", "camera:-1", "-", "rtsp://host/cam"])
def test_what_is_no_source_is_a_usage_error(source: str):
    with refused(ExitCode.USAGE):
        open_player(source)
    with pytest.raises(UserError, match="--every-frame"):  # a camera does not wait
        open_player("camera:0", every_frame=True)
