"""Files that are no good videos, and what is said about them."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.video.reader import probe, read_frames, write_video
from tests.drawn_clips import HEIGHT, WIDTH, grey_steps, quadrants
from tests.told import refused


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, grey_steps(24), 25)
    return path


PDF = b"%PDF-1.4\n" + bytes(range(256)) * 20
LIST = "text or a list"


@pytest.mark.parametrize(
    ("name", "content", "code", "text"),
    [
        ("none.mp4", None, "V006", "none.mp4"),
        (".", None, "V006", "a folder of videos, where one clip is needed"),
        (f"{'x' * 300}.mp4", None, "V006", "too long"),
        ("zero.mp4", b"", "V002", "zero.mp4"),
        ("text.mp4", b"this is no video\n" * 50, "V001", "text.mp4"),
        ("report.pdf", PDF, "V001", "PDF"),
        ("report.mp4", PDF, "V001", "PDF"),
        ("notes.txt", b"FFmpeg can draw this text as a video.\n" * 50, "V001", LIST),
        ("list.mp4", b"ffconcat version 1.0\nfile clip.mp4\n", "V001", LIST),
        (
            "live.m3u8",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.mp4\n#EXT-X-ENDLIST\n",
            *("V001", LIST),
        ),
    ],
)
@pytest.mark.usefixtures("clip")
def test_what_is_no_video(
    tmp_path: Path, name: str, content: bytes | None, code: str, text: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with refused(ExitCode.UNREADABLE, text, code):
        probe(path)


@pytest.mark.parametrize("name", ["https://example.org/a.mp4", "rtsp://camera/1", "-"])
def test_urls_are_refused(name: str) -> None:
    with refused(ExitCode.USAGE):
        probe(name)


def test_recording_without_its_index(clip: Path) -> None:
    content = clip.read_bytes()
    clip.write_bytes(content[: content.index(b"moov") - 4])
    with refused(ExitCode.UNREADABLE, "moov", "V001"):
        probe(clip)


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
    with refused(ExitCode.UNREADABLE, "audio only", "V004"):
        probe(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp"])
@pytest.mark.parametrize("renamed", [False, True])
def test_an_image_is_no_video(tmp_path: Path, suffix: str, renamed: bool) -> None:
    path = tmp_path / f"photo%03d{suffix}"
    assert cv2.imwrite(str(path), quadrants())
    if renamed:
        path = path.rename(tmp_path / "photo.mp4")
    with refused(ExitCode.UNREADABLE, f"^{path} is an image, not a video$", "V004") as caught:
        probe(path)
    assert "--fps" in caught.value.hint


def test_unknown_codec(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes().replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC"))
    with refused(ExitCode.UNREADABLE, None, "V005") as caught:
        probe(clip)
    assert "ffmpeg -i clip.mp4" in caught.value.hint


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_title_in_another_encoding_is_no_obstacle(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"titled{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Tanzstunde"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(quadrants(), format="rgb24")))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    assert content.count(b"Tanzstunde") == 1
    path.write_bytes(content.replace(b"Tanzstunde", "Übungsraum".encode("latin-1")))
    assert len(list(read_frames(path))) == 1


@pytest.mark.parametrize(("start", "stop", "frames"), [(0.5, 1, (20, 40)), (0.5, 0.52, (30, 60))])
def test_damage_and_a_missing_end_are_passed_over(
    tmp_path: Path, start: float, stop: float, frames: tuple[int, int]
) -> None:
    """A transport stream has no index, so half of the file holds about half of the frames."""
    path = tmp_path / "scratched.ts"
    rng = np.random.default_rng(0)
    write_video(path, [rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(60)], 25)
    assert len(list(read_frames(path))) == 60
    content = path.read_bytes()
    first, last = int(start * len(content)), int(stop * len(content))
    path.write_bytes(content[:first] + bytes(last - first) * (stop < 1) + content[last:])
    left = [frame.time for frame in read_frames(path)]
    assert frames[0] <= len(left) <= frames[1]
    assert np.all(np.diff(left) > 0)
    assert (left[-1] > 2) == (stop < 1)
