from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as PillowImage

from la2ds_cli.video.media_files import (
    image_files,
    is_animation,
    is_image_file,
    is_video_file,
    natural_order,
)


def test_numbers_sort_by_value() -> None:
    assert natural_order(["a10", "a2", "B1", "a1b", "a1"]) == ["a1", "a1b", "a2", "a10", "B1"]
    assert natural_order(["10", "9", "x"]) == ["9", "10", "x"]
    for names in (["01", "1", "A", "a"], ["a", "A", "1", "01"]):  # as a folder may list them
        assert natural_order(names) == ["01", "1", "A", "a"]


def test_images_of_a_folder(tmp_path: Path) -> None:
    for name in ("10.PNG", "9.jpg", "11.tiff", ".8.png", "clip.mp4", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in image_files(tmp_path)] == ["9.jpg", "10.PNG", "11.tiff"]


@pytest.mark.parametrize("suffix", ["webp", "png"])
def test_some_images_are_videos_where_they_move(tmp_path: Path, suffix: str) -> None:
    still, moving = tmp_path / f"still.{suffix}", tmp_path / f"moving.{suffix}"
    frames = [PillowImage.new("RGB", (8, 8), (c, c, c)) for c in (0, 90, 180)]
    frames[0].save(still)
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    assert (is_video_file(still), is_image_file(still)) == (False, True)
    assert (is_video_file(moving), is_image_file(moving)) == (True, False)
    assert is_animation(moving.rename(tmp_path / "moving.mp4"))
    short = tmp_path / f"short.{suffix}"
    short.write_bytes((tmp_path / "moving.mp4").read_bytes()[:18])
    assert not is_animation(short)
    assert not is_animation(tmp_path / "gone.webp")
