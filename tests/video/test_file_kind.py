"""What a file is, decided by its bytes before FFmpeg opens it."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.video.file_kind import LONGEST_HEAD, Kind, kind_of
from la2ds_cli.video.reader import probe, read_frames
from tests.drawn_clips import grey_steps
from tests.told import refused

# Lists that FFmpeg would follow to the file `inner.mp4` beside them; it is a pipe.
LISTS = {
    "concat": "ffconcat version 1.0\nfile inner.mp4\n",
    "concat-late": "ffconcat version 1.0\n" + "# more\n" * 500 + "file inner.mp4\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\ninner.mp4\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
    'profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period><AdaptationSet><Representation>'
    "<BaseURL>inner.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "vobsub": "# VobSub index file, v7 (do not modify this line!)\ntimestamp: 00:00:01:000\n",
    "imf": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/'
    '2067-3/2016"><Id>inner.mp4</Id></CompositionPlaylist>',
}
READ = """
import sys
from la2ds_cli.core.errors import UserError
from la2ds_cli.video.reader import probe
try:
    print(probe(sys.argv[1]))
except UserError as error:
    print(error.code, error)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "m3u8", "gif"])
@pytest.mark.parametrize("kind", LISTS)
def test_no_file_that_a_file_names_is_opened(tmp_path: Path, kind: str, suffix: str) -> None:
    """A list of a pipe ends in a sentence at once."""
    os.mkfifo(tmp_path / "inner.mp4")
    os.mkfifo(tmp_path / "outer.sub")
    path = tmp_path / f"outer.{suffix}"
    path.write_text(LISTS[kind])
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=10
    )
    assert done.stdout == f"V001 {path} is not a video but text or a list\n", done.stderr


CONTAINERS = {
    "mp4": "mpeg4", "mov": "mpeg4", "avi": "mpeg4", "mkv": "mpeg4", "webm": "libvpx",
    "mpg": "mpeg2video", "ts": "mpeg2video", "m2ts": "mpeg2video", "wmv": "wmv2", "flv": "flv1",
    "3gp": "h263", "ogv": "libtheora", "gif": "gif", "apng": "apng", "mxf": "mpeg2video",
    "nut": "mpeg4", "y4m": "wrapped_avframe", "m4v": "mpeg4", "dv": "dvvideo", "h264": "libx264",
    "m2v": "mpeg2video", "ivf": "libvpx", "asf": "wmv2",
}  # fmt: skip
SIZES = {"h263": (176, 144), "dvvideo": (720, 576)}
FORMATS = {"gif": "rgb8", "apng": "rgb24", "dvvideo": "yuv420p"}


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("renamed", [False, True])
def test_every_container_that_ffmpeg_writes_is_read(
    tmp_path: Path, suffix: str, renamed: bool
) -> None:
    codec, path = CONTAINERS[suffix], tmp_path / f"clip.{suffix}"
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    width, height = SIZES.get(codec, (64, 48))
    options = {"mpegts_m2ts_mode": "1"} if suffix == "m2ts" else {}
    kind = {"m4v": "mp4", "y4m": "yuv4mpegpipe", "m2v": "mpeg2video"}.get(suffix)
    with av.open(str(path), "w", format=kind, options=options) as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height = width, height
        stream.pix_fmt = FORMATS.get(codec, "yuv420p")
        stream.time_base = Fraction(1, 25)
        for t, grey in enumerate(grey_steps(6)):
            image = np.full((height, width, 3), grey[0, 0, 0], np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = t, Fraction(1, 25)
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
    if renamed:
        path = path.rename(tmp_path / "clip.bin")
    assert len(list(read_frames(path))) >= 5


@given(head=st.binary(max_size=LONGEST_HEAD))
def test_any_bytes_have_a_kind(head: bytes) -> None:
    kind, demuxer = kind_of(head)
    assert (demuxer != "") == (kind is Kind.VIDEO)


@given(before=st.text(max_size=200), kind=st.sampled_from(sorted(LISTS)))
def test_text_is_never_a_list_for_ffmpeg(before: str, kind: str) -> None:
    """Whatever a text begins with, no demuxer that opens other files gets it."""
    _, demuxer = kind_of((before + LISTS[kind]).encode())
    assert demuxer not in {"concat", "hls", "dash", "imf", "sdp", "vobsub", "image2"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with refused(ExitCode.UNREADABLE, "a pipe or a device, not a file", "V006"):
        probe(tmp_path / "a.mp4")


def test_a_picture_of_another_kind_is_not_given_to_other_programs(tmp_path: Path) -> None:
    """Pillow would run Ghostscript on PostScript with the suffix of an image."""
    folder = tmp_path / "images"
    folder.mkdir()
    PillowImage.new("RGB", (8, 8)).save(folder / "a.eps")
    (folder / "a.eps").rename(folder / "a.png")
    called = tmp_path / "called"
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {called}\n")
    (tmp_path / "gs").chmod(0o755)
    code = "import sys; from pathlib import Path; from la2ds_cli.video.media_files import "
    code += "read_image; print(read_image(Path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "a.png")],
        capture_output=True, text=True, timeout=20,
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert (done.stdout, called.exists()) == ("None\n", False), done.stderr
