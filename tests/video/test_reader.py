from __future__ import annotations

import gc
import os
from fractions import Fraction
from math import inf
from pathlib import Path

import av
import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.video.container import open_container, stream_duration
from la2ds_cli.video.media_files import content_digest
from la2ds_cli.video.reader import (
    Frame,
    FrameClock,
    probe,
    read_ahead,
    read_frames,
    video_file,
    write_video,
)
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
    write_stamped,
)
from tests.movement import PAUSED, SLOWER, sequence
from tests.told import refused


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, grey_steps(24), 25)
    return path


def test_frames_come_in_order_with_their_times(clip: Path) -> None:
    frames = list(read_frames(clip))
    assert [frame.index for frame in frames] == list(range(24))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(24) / 25, atol=1e-6)
    brightness = np.array([frame.image.mean() for frame in frames])
    np.testing.assert_allclose(brightness, 8 * np.arange(24), atol=3)
    assert frames[0].image.shape == (HEIGHT, WIDTH, 3)
    assert frames[0].image.dtype == np.uint8
    info = probe(clip)
    assert (info.width, info.height, info.frames_declared) == (WIDTH, HEIGHT, 24)
    assert (info.fps, info.duration) == pytest.approx((25, 24 / 25), abs=1e-3)
    assert info.codec == "h264"


def test_frames_are_freed_as_they_go(clip: Path) -> None:
    """Without waiting for the garbage collector, which would let gigabytes pile up first."""

    def alive() -> int:
        return sum(type(found) is av.VideoFrame for found in gc.get_objects())

    gc.collect()
    gc.disable()
    before = alive()  # such as those of a test that failed
    try:
        for _ in read_frames(clip):
            pass
        assert alive() <= before + 2
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "name",
    [
        "12:30 a b.mp4",  # FFmpeg alone would take 12 for a protocol
        "take%03d #1?.mp4",
        "/".join(["längeres Verzeichnis мяч " * 4] * 8) + "/clip.mp4",
    ],
)
def test_paths_of_any_kind(tmp_path: Path, clip: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(clip.read_bytes())
    assert len(list(read_frames(path))) == 24


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    def frames():
        yield from grey_steps(2)
        raise RuntimeError("the renderer broke")

    for images, error in ((frames(), RuntimeError), ([], ValueError)):
        with pytest.raises(error, match=r"renderer|no frames"):
            write_video(tmp_path / "half.mp4", images, 25)
    assert list(tmp_path.iterdir()) == []


# --- times ------------------------------------------------------------------------------


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    path = tmp_path / "vfr.mkv"
    stamps = [0, 40, 80, 200, 240, 500]
    write_stamped(path, grey_steps(len(stamps)), [stamp / 1000 for stamp in stamps])
    assert [round(f.time, 3) for f in read_frames(path)] == [s / 1000 for s in stamps]


def test_a_pause_of_the_camera_does_not_change_its_rate(tmp_path: Path) -> None:
    """60 frames a second for a while and then 10 is 60: that of the first frames."""
    for name, stamps, rate in (
        ("paused.mkv", PAUSED, 30),
        ("slower.mkv", SLOWER, 60),
        ("even.mkv", np.arange(60) / 30, 30),
        ("paused.mp4", PAUSED, 30),
    ):
        images = [grey_steps(9)[n % 9] for n in range(len(stamps))]
        write_stamped(tmp_path / name, images, stamps)
        assert probe(tmp_path / name).fps == pytest.approx(rate, rel=0.02), name
        assert len(list(read_frames(tmp_path / name))) == len(stamps)


def test_times_start_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "late.ts"
    write_stamped(path, grey_steps(5), 90 + np.arange(5) / 25)
    times = [frame.time for frame in read_frames(path)]
    np.testing.assert_allclose(times, np.arange(5) / 25, atol=1e-4)


def late_picture(path: Path) -> Path:
    """Five seconds of sound, and from 2 s on three seconds of picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=48000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 240_000), np.float32), "fltp", "mono")
        samples.sample_rate, samples.pts, samples.time_base = 48000, 0, Fraction(1, 48000)
        packets = [*sound.encode(samples), *sound.encode(None)]
        for t in range(75):
            image = np.full((HEIGHT, WIDTH, 3), 3 * t, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = 50 + t
            packets += stream.encode(frame)
        packets += stream.encode(None)
        container.mux(sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])  # Matroska keeps the length in a tag
def test_a_picture_that_begins_after_the_sound(tmp_path: Path, suffix: str) -> None:
    path = late_picture(tmp_path / f"late{suffix}")
    info = probe(path)
    assert (info.start, info.duration) == pytest.approx((2, 3), abs=0.05)
    times = [frame.time for frame in read_frames(path)]
    assert (times[0], times[-1]) == pytest.approx((2, 4.96), abs=0.05)
    part = ClipOptions(start=3.2, end=4.8)
    assert probe(path, part).duration == pytest.approx(1.6)
    assert probe(path, ClipOptions(end=3, slowmo=2)).start == pytest.approx(1, abs=0.05)
    assert len(list(read_frames(path, part))) == 40
    message = r"no frame from 0 s to 1\.5 s in .*, whose picture lasts from 2\.\d\d to 5\.\d\d s"
    with pytest.raises(UserError, match=message):
        probe(path, ClipOptions(end=1.5))


def test_mkvmerge_stores_the_length_of_the_picture(tmp_path: Path) -> None:
    """And FFmpeg its end, under the same name."""
    path = late_picture(tmp_path / "late.mkv")
    with open_container(path) as (container, stream):
        end = stream_duration(container, stream)
        stream.metadata.update(_STATISTICS_TAGS="BPS DURATION", DURATION="00:00:03.000000000")
        assert (end, stream_duration(container, stream)) == pytest.approx((3, 3), abs=0.05)


@pytest.mark.parametrize("second", [(2 * WIDTH, 2 * HEIGHT), (WIDTH // 2, HEIGHT // 2)])
def test_every_frame_has_the_size_of_the_first(tmp_path: Path, second: tuple[int, int]) -> None:
    """Some recordings change their resolution on the way; joints are pixels of one picture."""
    parts = [tmp_path / "a.ts", tmp_path / "b.ts"]
    for number, (part, size) in enumerate(zip(parts, [(WIDTH, HEIGHT), second], strict=True)):
        write_stamped(part, [quadrants(*size)] * 8, (8 * number + np.arange(8)) / 25)
    path = tmp_path / "changes.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    images = [frame.image for frame in read_frames(path)]
    assert len(images) == 16
    assert {image.shape for image in images} == {(HEIGHT, WIDTH, 3)}
    for image in images:
        assert corner_colours(image) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        ([0.0, 0.1, 0.35, 0.4], [0.0, 0.1, 0.35, 0.4]),
        ([None, None, 0.2, None], [0.0, 0.1, 0.2, 0.3]),  # one frame on
        ([0.0, 0.0, 0.1, 0.1, 0.2], [0.0, 0.05, 0.1, 0.15, 0.2]),  # half a frame on
        ([0.0] * 6, [0.0, 0.05, 0.15, 0.25, 0.35, 0.45]),  # one stamp for all
        ([5.0, 5.1, 3e5, 3e5 + 0.1], [5.0, 5.1, 5.2, 5.3]),  # it jumps ahead by days
        ([0.0, 9e4, 9e4 + 0.1], [0.0, 9e4, 9e4 + 0.1]),  # a camera that sleeps for a day
        ([5.0, 5.1, 0.0, 0.1], [5.0, 5.1, 5.2, 5.3]),  # it starts again
    ],
)
def test_times_increase_whatever_the_stamps(
    stamps: list[float | None], seconds: list[float]
) -> None:
    clock = FrameClock(10)
    assert [round(clock.tick(stamp), 6) for stamp in stamps] == seconds


def test_reading_ahead_is_bounded() -> None:
    decoded = []

    def endless():
        for index in range(10**9):
            decoded.append(index)
            yield Frame(index, float(index), np.zeros((1, 1, 3), np.uint8))

    frames = read_ahead(endless(), 3)
    assert [next(frames).index for _ in range(5)] == [0, 1, 2, 3, 4]
    frames.close()
    # The queue holds three and the thread one more; after closing nothing goes on.
    assert len(decoded) <= 5 + 3 + 2


def test_reading_ahead_passes_errors_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        list(read_ahead(read_frames(tmp_path / "none.mp4"), 2))


# --- parts, turns and speeds --------------------------------------------------------------------


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """Twenty frames at 10 frames per second."""
    path = tmp_path / "clip.mp4"
    write_video(path, grey_steps(20), 10)
    return path


def read(path: Path, **options: float) -> list[Frame]:
    return list(read_frames(path, ClipOptions(**options)))  # type: ignore[arg-type]


def times(frames: list[Frame]) -> list[float]:
    return [round(frame.time, 4) for frame in frames]


def test_a_part_keeps_the_times_of_the_file(ten: Path) -> None:
    part = read(ten, start=0.5, end=0.9)
    assert times(part) == [0.5, 0.6, 0.7, 0.8]
    assert [frame.index for frame in part] == [0, 1, 2, 3]
    assert [frame.source for frame in part] == [5, 6, 7, 8]
    whole = read(ten)
    assert [frame.source for frame in whole] == list(range(20))
    for frame in part:
        np.testing.assert_array_equal(frame.image, whole[frame.source].image)


def test_only_the_wanted_frames_come(ten: Path) -> None:
    whole = read(ten)
    options = ClipOptions(start=0.5)
    chosen = list(read_frames(ten, options, {2, 7, 11, 40}))
    assert [(frame.source, frame.index) for frame in chosen] == [(7, 2), (11, 6)]
    for frame in chosen:
        np.testing.assert_array_equal(frame.image, whole[frame.source].image)
    assert list(read_frames(ten, options, ())) == list(read_frames(ten, options, {2})) == []


def test_every_frame_can_be_the_first(ten: Path) -> None:
    """3 / 10 typed by a person and 3 / 10 counted by a container differ in the last bit."""
    for first in range(1, 19):
        part = read(ten, start=first / 10, end=(first + 1) / 10)
        assert [frame.source for frame in part] == [first]


def test_slow_motion_is_sped_up(ten: Path) -> None:
    whole = read(ten, slowmo=8)
    np.testing.assert_allclose(times(whole), np.arange(20) / 80, atol=1e-4)
    info = probe(ten, ClipOptions(slowmo=8))
    assert info.fps == pytest.approx(80)
    assert info.duration == pytest.approx(2 / 8)
    assert info.frames_declared == 20
    # Start and end are those of the player, whatever the slow motion.
    assert times(read(ten, slowmo=2, start=1, end=1.2)) == [0.5, 0.55]


def test_probe_of_a_part_never_promises_too_much(ten: Path) -> None:
    for start, end in ((0.5, 0.9), (0.55, 1.25), (1.2, inf), (0, 0.31)):
        info = probe(ten, ClipOptions(start=start, end=end))
        frames = read(ten, start=start, end=end)
        assert info.duration == pytest.approx(min(end, 2) - start)
        assert len(frames) - 1 <= info.frames_declared <= len(frames)


@pytest.mark.parametrize("look", [probe, lambda *a: list(read_frames(*a))])
def test_a_part_outside_the_clip(ten: Path, look) -> None:
    with refused(ExitCode.UNUSABLE, r"no frame from 5 s to 6 s in .*clip\.mp4", "V002") as caught:
        look(ten, ClipOptions(start=5, end=6))
    assert "--time-range" in caught.value.hint


# --- the video of a clip of a project -----------------------------------------------------------


def test_a_clip_is_read_as_its_row_says(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "project")
    path = tmp_path / "clip.mp4"
    write_video(path, [np.full((64, 96, 3), 10 * t, np.uint8) for t in range(20)], 10)
    options = ClipOptions(start=0.5, end=1.5, rotate=90)
    found = video_file(project, Video("clip", str(path), "0" * 64, options=options.to_text()))
    assert found is not None
    frames = list(found.frames())
    assert [frame.index for frame in frames] == list(range(10))
    assert [frame.source for frame in frames] == list(range(5, 15))
    assert frames[0].image.shape == (96, 64, 3)


def test_a_clip_without_pictures_has_no_file(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "project")
    labels = tmp_path / "0001.mat"
    labels.write_bytes(b"labels")
    assert video_file(project, Video("labels", str(labels), "0" * 64)) is None
    assert video_file(project, Video("gone", str(tmp_path / "gone.mp4"), "0" * 64)) is None


def test_a_file_that_was_replaced_has_no_pictures_of_the_clip(tmp_path: Path) -> None:
    """Nor if it was moved there with an older time; a copy of the same content has them."""
    project = StoredProject.create(tmp_path / "project")
    path, other = tmp_path / "clip.mp4", tmp_path / "other.mp4"
    write_video(path, [np.full((64, 96, 3), 10, np.uint8)] * 9, 10)
    write_video(other, [np.full((64, 96, 3), 90, np.uint8)] * 9, 10)
    clip = Video("clip", str(path), content_digest(path))
    pose = sequence(np.linspace(0, 1, 9))
    project.write_pose("clip", pose, Recipe("poses", 1, {}, {"video": clip.sha256}))
    old = path.stat().st_mtime - 60
    os.utime(project.pose_path("clip"), (old, old))
    assert video_file(project, clip) is not None
    os.utime(other, (old - 60, old - 60))
    other.replace(path)
    assert video_file(project, clip) is None
