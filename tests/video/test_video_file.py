from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.project import Project
from la2ds_cli.video.media_files import content_digest
from la2ds_cli.video.reader import video_file, write_video
from tests.movement import sequence


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


def test_a_file_that_was_replaced_has_no_pictures_of_the_clip(tmp_path: Path) -> None:
    """Nor if it was moved there with an older time; a copy of the same content has them."""
    project = Project.create(tmp_path / "project")
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
