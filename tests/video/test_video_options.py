"""Parts, turns and speeds of clips."""

from __future__ import annotations

from math import inf
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.video.frame_conversion import FrameConverter
from la2ds_cli.video.reader import Frame, probe, read_frames, write_video
from tests.drawn_clips import (
    BLUE,
    GREEN,
    HEIGHT,
    RED,
    WHITE,
    WIDTH,
    corner_colours,
    grey_steps,
    quadrants,
)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twenty frames at 10 frames per second."""
    path = tmp_path / "clip.mp4"
    write_video(path, grey_steps(20), 10)
    return path


def read(path: Path, **options: float) -> list[Frame]:
    return list(read_frames(path, ClipOptions(**options)))  # type: ignore[arg-type]


def times(frames: list[Frame]) -> list[float]:
    return [round(frame.time, 4) for frame in frames]


def test_a_part_keeps_the_times_of_the_file(clip: Path) -> None:
    part = read(clip, start=0.5, end=0.9)
    assert times(part) == [0.5, 0.6, 0.7, 0.8]
    assert [frame.index for frame in part] == [0, 1, 2, 3]
    assert [frame.source for frame in part] == [5, 6, 7, 8]
    whole = read(clip)
    assert [frame.source for frame in whole] == list(range(20))
    for frame in part:
        np.testing.assert_array_equal(frame.image, whole[frame.source].image)


def test_only_the_wanted_frames_are_converted(clip: Path, monkeypatch) -> None:
    whole = read(clip)
    converted = []
    original = FrameConverter.image
    monkeypatch.setattr(FrameConverter, "image", lambda *a: (converted.append(a), original(*a))[1])
    options = ClipOptions(start=0.5)
    chosen = list(read_frames(clip, options, {2, 7, 11, 40}))
    assert [(frame.source, frame.index) for frame in chosen] == [(7, 2), (11, 6)]
    assert len(converted) == 2
    for frame in chosen:
        np.testing.assert_array_equal(frame.image, whole[frame.source].image)
    assert list(read_frames(clip, options, ())) == list(read_frames(clip, options, {2})) == []


@pytest.mark.parametrize("first", range(1, 19))
def test_every_frame_can_be_the_first(clip: Path, first: int) -> None:
    """3 / 10 typed by a person and 3 / 10 counted by a container differ in the last bit."""
    part = read(clip, start=first / 10, end=(first + 1) / 10)
    assert [frame.source for frame in part] == [first]


def test_slow_motion_is_sped_up(clip: Path) -> None:
    whole = read(clip, slowmo=8)
    np.testing.assert_allclose(times(whole), np.arange(20) / 80, atol=1e-4)
    info = probe(clip, ClipOptions(slowmo=8))
    assert info.fps == pytest.approx(80)
    assert info.duration == pytest.approx(2 / 8)
    assert info.frames_declared == 20
    # Start and end are those of the player, whatever the slow motion.
    assert times(read(clip, slowmo=2, start=1, end=1.2)) == [0.5, 0.55]


def test_mirrored_after_the_turn(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, [quadrants()] * 3, 25)
    quarter = read(path, rotate=90)[0].image
    assert corner_colours(quarter) == [BLUE, RED, WHITE, GREEN]
    assert corner_colours(read(path, rotate=90, mirror=True)[0].image) == [RED, BLUE, GREEN, WHITE]
    info = probe(path, ClipOptions(rotate=270))
    assert (info.width, info.height) == (HEIGHT, WIDTH)


def test_probe_of_a_part_never_promises_too_much(clip: Path) -> None:
    for start, end in ((0.5, 0.9), (0.55, 1.25), (1.2, inf), (0, 0.31)):
        info = probe(clip, ClipOptions(start=start, end=end))
        frames = read(clip, start=start, end=end)
        assert info.duration == pytest.approx(min(end, 2) - start)
        assert len(frames) - 1 <= info.frames_declared <= len(frames)


@pytest.mark.parametrize("look", [probe, lambda *a: list(read_frames(*a))])
def test_a_part_outside_the_clip(clip: Path, look) -> None:
    with pytest.raises(UserError, match=r"no frame from 5 s to 6 s in .*clip\.mp4") as caught:
        look(clip, ClipOptions(start=5, end=6))
    assert (caught.value.code, caught.value.exit_code) == ("V002", ExitCode.UNUSABLE)
    assert "--time-range" in caught.value.hint
