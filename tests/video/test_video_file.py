from __future__ import annotations

from pathlib import Path

import numpy as np

from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.project import Project
from la2ds_cli.video.reader import video_file, write_video


def test_a_clip_is_read_as_its_row_says(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
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
    project = Project.create(tmp_path / "project")
    labels = tmp_path / "0001.mat"
    labels.write_bytes(b"labels")
    assert video_file(project, Video("labels", str(labels), "0" * 64)) is None
    assert video_file(project, Video("gone", str(tmp_path / "gone.mp4"), "0" * 64)) is None
