from __future__ import annotations

import gc
import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.video import Frame, _Clock, orient, probe, read_ahead, read_frames, write_video

WIDTH, HEIGHT = 96, 64


def grey_steps(count: int) -> list[np.ndarray]:
    """Frames whose brightness is their index."""
    return [np.full((HEIGHT, WIDTH, 3), 8 * t, np.uint8) for t in range(count)]


def quadrants() -> np.ndarray:
    """Top left red, top right green, bottom left blue, bottom right white."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[: HEIGHT // 2, : WIDTH // 2, 0] = 255
    image[: HEIGHT // 2, WIDTH // 2 :, 1] = 255
    image[HEIGHT // 2 :, : WIDTH // 2, 2] = 255
    image[HEIGHT // 2 :, WIDTH // 2 :] = 255
    return image


def corner_colours(image: np.ndarray) -> list[tuple[bool, ...]]:
    """Top left, top right, bottom left, bottom right as (red, green, blue) on or off."""
    corners = [image[8, 8], image[8, -8], image[-8, 8], image[-8, -8]]
    return [tuple(bool(v > 128) for v in corner) for corner in corners]


RED, GREEN, BLUE, WHITE = (
    (True, False, False),
    (False, True, False),
    (False, False, True),
    (True, True, True),
)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, grey_steps(24), 25)
    return path


def error_of(path: Path | str) -> UserError:
    with pytest.raises(UserError) as caught:
        probe(path)
    return caught.value


def test_frames_come_in_order_with_their_times(clip: Path) -> None:
    frames = list(read_frames(clip))
    assert [frame.index for frame in frames] == list(range(24))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(24) / 25, atol=1e-6)
    brightness = np.array([frame.image.mean() for frame in frames])
    np.testing.assert_allclose(brightness, 8 * np.arange(24), atol=3)
    assert frames[0].image.shape == (HEIGHT, WIDTH, 3)
    assert frames[0].image.dtype == np.uint8


def test_frames_are_freed_as_they_go(clip: Path) -> None:
    """Without waiting for the garbage collector, which would let gigabytes pile up first."""
    gc.collect()
    gc.disable()
    try:
        for _ in read_frames(clip):
            pass
        alive = sum(type(found) is av.VideoFrame for found in gc.get_objects())
    finally:
        gc.enable()
    assert alive <= 2


def test_probe_tells_what_the_file_holds(clip: Path) -> None:
    info = probe(clip)
    assert (info.width, info.height, info.frames_declared) == (WIDTH, HEIGHT, 24)
    assert info.fps == pytest.approx(25)
    assert info.duration == pytest.approx(24 / 25, abs=1e-3)
    assert (info.rotation, info.codec, info.has_video) == (0, "h264", True)


def test_colours_are_rgb(tmp_path: Path) -> None:
    path = tmp_path / "colours.mp4"
    write_video(path, [quadrants()] * 3, 25)
    assert corner_colours(next(read_frames(path)).image) == [RED, GREEN, BLUE, WHITE]


def test_odd_sizes_and_strange_names_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "tänzerin мяч 01.mp4"
    write_video(path, [np.full((63, 95, 3), 100, np.uint8)] * 4, 29.97)
    assert (probe(path).width, probe(path).height) == (96, 64)
    assert probe(path).fps == pytest.approx(29.97, abs=0.01)
    assert len(list(read_frames(path))) == 4


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    def frames():
        yield from grey_steps(2)
        raise RuntimeError("the renderer broke")

    with pytest.raises(RuntimeError, match="renderer"):
        write_video(tmp_path / "half.mp4", frames(), 25)
    assert list(tmp_path.iterdir()) == []


def test_others_may_read_what_was_written(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    assert clip.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_writing_no_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frames"):
        write_video(tmp_path / "none.mp4", [], 25)


# --- rotation ---------------------------------------------------------------------------


def turned(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Set the display matrix of an mp4 by patching its track header (ISO/IEC 14496-12, tkhd)."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4  # version 0: 40 bytes of fields lie before the matrix
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", content, start + 40, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((1, 0, 0, 1), [RED, GREEN, BLUE, WHITE]),
        ((0, 1, -1, 0), [BLUE, RED, WHITE, GREEN]),  # a quarter turn clockwise
        ((-1, 0, 0, -1), [WHITE, BLUE, GREEN, RED]),
        ((0, -1, 1, 0), [GREEN, WHITE, RED, BLUE]),  # a quarter turn counter-clockwise
        ((-1, 0, 0, 1), [GREEN, RED, WHITE, BLUE]),  # mirrored, as selfie cameras do
    ],
)
def test_the_display_matrix_is_applied(tmp_path: Path, matrix, corners) -> None:
    path = tmp_path / "turned.mp4"
    write_video(path, [quadrants()] * 3, 25)
    turned(path, matrix)
    image = next(read_frames(path)).image
    assert corner_colours(image) == corners
    info = probe(path)
    assert (info.height, info.width) == image.shape[:2]
    sideways = matrix[0] == 0
    assert (info.width, info.height) == ((HEIGHT, WIDTH) if sideways else (WIDTH, HEIGHT))


def test_rotation_agrees_with_ffmpeg(tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    write_video(path, [quadrants()] * 3, 25)
    turned(path, (0, -1, 1, 0))
    assert probe(path).rotation == 90  # counter-clockwise
    with av.open(str(path)) as container:
        raw = next(container.decode(video=0)).to_ndarray(format="rgb24")
    np.testing.assert_array_equal(next(read_frames(path)).image, np.rot90(raw))


def test_orient_takes_the_nearest_quarter_turn() -> None:
    image = quadrants()
    slanted = orient(image, (3, -60000, 60000, -2))
    np.testing.assert_array_equal(slanted, np.rot90(image))


def test_non_square_pixels_are_stretched(tmp_path: Path) -> None:
    path = tmp_path / "anamorphic.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for image in [quadrants()] * 3:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    image = next(read_frames(path)).image
    assert image.shape == (HEIGHT, 2 * WIDTH, 3)
    assert (probe(path).width, probe(path).height) == (2 * WIDTH, HEIGHT)
    assert corner_colours(image) == [RED, GREEN, BLUE, WHITE]


# --- times ------------------------------------------------------------------------------


def ticks(stamps: list[float | None], fps: float = 10) -> list[float]:
    clock = _Clock(fps)
    return [round(clock.tick(stamp), 6) for stamp in stamps]


def test_good_stamps_are_kept() -> None:
    assert ticks([0.0, 0.1, 0.35, 0.4]) == [0.0, 0.1, 0.35, 0.4]


def test_missing_stamps_are_one_frame_on() -> None:
    assert ticks([None, None, 0.2, None]) == [0.0, 0.1, 0.2, 0.3]


def test_repeated_stamps_are_half_a_frame_on() -> None:
    assert ticks([0.0, 0.0, 0.1, 0.1, 0.2]) == [0.0, 0.05, 0.1, 0.15, 0.2]


def test_a_clock_that_starts_again_goes_on() -> None:
    assert ticks([5.0, 5.1, 0.0, 0.1]) == [5.0, 5.1, 5.2, 5.3]


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    path = tmp_path / "vfr.mkv"
    stamps = [0, 40, 80, 200, 240, 500]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for stamp, image in zip(stamps, grey_steps(len(stamps)), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert [round(f.time, 3) for f in read_frames(path)] == [s / 1000 for s in stamps]


def test_the_duration_is_that_of_the_picture(tmp_path: Path) -> None:
    """Two seconds of sound beside one second of picture; Matroska keeps the length in a tag."""
    path = tmp_path / "long sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=48000)
        for image in grey_steps(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 96000), np.float32), "fltp", "mono")
        samples.sample_rate = 48000
        container.mux(sound.encode(samples))
        container.mux([*stream.encode(None), *sound.encode(None)])
    assert probe(path).duration == pytest.approx(1, abs=0.05)


def test_times_start_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "late.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for t, image in enumerate(grey_steps(5)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = 90 * 25 + t
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    times = [frame.time for frame in read_frames(path)]
    np.testing.assert_allclose(times, np.arange(5) / 25, atol=1e-4)


# --- bad files --------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    error = error_of(tmp_path / "none.mp4")
    assert (error.code, error.exit_code) == ("V006", ExitCode.UNREADABLE)
    assert "none.mp4" in error.message


def test_folder_without_videos(tmp_path: Path) -> None:
    error = error_of(tmp_path)
    assert (error.code, error.exit_code) == ("V006", ExitCode.UNREADABLE)
    assert "folder" in error.message


@pytest.mark.parametrize("name", ["https://example.org/a.mp4", "rtsp://camera/1", "-"])
def test_urls_are_refused(name: str) -> None:
    error = error_of(name)
    assert error.exit_code == ExitCode.USAGE


def test_zero_bytes(tmp_path: Path) -> None:
    path = tmp_path / "zero.mp4"
    path.touch()
    error = error_of(path)
    assert (error.code, error.exit_code) == ("V002", ExitCode.UNREADABLE)


def test_text_renamed_to_mp4(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("this is no video\n" * 50)
    error = error_of(path)
    assert (error.code, error.exit_code) == ("V001", ExitCode.UNREADABLE)


def test_recording_without_its_index(clip: Path) -> None:
    content = clip.read_bytes()
    clip.write_bytes(content[: content.index(b"moov") - 4])
    error = error_of(clip)
    assert (error.code, error.exit_code) == ("V001", ExitCode.UNREADABLE)
    assert "moov" in error.message


def test_audio_only(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    error = error_of(path)
    assert (error.code, error.exit_code) == ("V004", ExitCode.UNREADABLE)
    assert "audio only" in error.message


def test_sound_with_a_cover_picture_is_audio_only(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=44100)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), "fltp", "mono")
        samples.sample_rate = 44100
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
        container.mux(cover.encode(av.VideoFrame.from_ndarray(quadrants(), format="rgb24")))
        container.mux(cover.encode(None))
    assert error_of(path).code == "V004"


def test_unknown_codec(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes().replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC"))
    error = error_of(clip)
    assert (error.code, error.exit_code) == ("V005", ExitCode.UNREADABLE)
    assert "ffmpeg -i clip.mp4" in error.hint


def test_truncated_stream_yields_what_is_there(tmp_path: Path) -> None:
    """A transport stream has no index, so half of the file holds about half of the frames."""
    path = tmp_path / "cut.ts"
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(60)]
    write_video(path, images, 25)
    whole = len(list(read_frames(path)))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    part = list(read_frames(path))
    assert whole == 60
    assert 20 <= len(part) <= 40
    assert np.all(np.diff([frame.time for frame in part]) > 0)


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "scratched.ts"
    rng = np.random.default_rng(0)
    write_video(path, [rng.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(60)], 25)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    frames = list(read_frames(path))
    assert len(frames) >= 30
    assert frames[-1].time > 2.0
    assert np.all(np.diff([frame.time for frame in frames]) > 0)


# --- reading ahead ----------------------------------------------------------------------


def test_read_ahead_changes_nothing(clip: Path) -> None:
    plain, ahead = list(read_frames(clip)), list(read_ahead(read_frames(clip), 4))
    assert [f.time for f in ahead] == [f.time for f in plain]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(plain, ahead, strict=True))


def test_read_ahead_is_bounded() -> None:
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


def test_read_ahead_passes_errors_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        list(read_ahead(read_frames(tmp_path / "none.mp4"), 2))
