from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.video.reader import Frame, read_ahead, read_frames, write_video
from tests.drawn_clips import grey_steps


def test_it_changes_nothing(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, grey_steps(24), 25)
    plain, ahead = list(read_frames(clip)), list(read_ahead(read_frames(clip), 4))
    assert [f.time for f in ahead] == [f.time for f in plain]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(plain, ahead, strict=True))


def test_it_is_bounded() -> None:
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


def test_it_passes_errors_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        list(read_ahead(read_frames(tmp_path / "none.mp4"), 2))
