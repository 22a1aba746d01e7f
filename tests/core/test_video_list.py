"""Finding clips among many: by name, by source and after changes, as one look at each would."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.video_list import VideoList

ROWS = [
    Video("gym-anna-00000001", "gym/anna.mp4", "1"),
    Video("gym-ben-00000002", "gym/ben.mp4", "2"),
    Video("home-ben-00000003", "home/ben.mp4", "3"),
    Video("duo-00000004", "duo.mp4", "4"),
    Video("duo-00000004-p2", "duo.mp4", "4", person=2),
    Video("anna", "other/carl.mp4", "5"),
    Video("odd-00000006", "odd#2.mp4", "6"),
]


def _answer(find, name: str) -> str | None:
    try:
        video = find(name)
    except UserError as error:
        return error.message
    return video and video.id


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("anna", "anna"),  # the id before the stem of another
        ("anna.mp4", "gym-anna-00000001"),
        ("gym/ben.mp4", "gym-ben-00000002"),
        ("ben.mp4", "'ben.mp4' fits 2 videos of the project"),
        ("ben", "'ben' fits 2 videos of the project"),
        ("home-", "home-ben-00000003"),
        ("duo", "duo-00000004"),
        ("duo#2", "duo-00000004-p2"),
        ("duo.mp4#1", "duo-00000004"),
        ("duo#3", None),
        ("odd#2.mp4", "odd-00000006"),
        ("odd#2", None),  # the second person of a clip that has none
        ("nobody", None),
        ("", None),
    ],
)
def test_many_names_are_found_as_one_is(tmp_path: Path, name: str, expected: str | None):
    videos = VideoList(tmp_path, ROWS)
    assert _answer(videos.find, name) == expected
    assert _answer(lambda each: videos.find_each([each])[each], name) == expected


def test_a_source_is_found_under_every_name_of_its_file(tmp_path: Path, monkeypatch):
    (tmp_path / "gym").mkdir()
    (tmp_path / "gym" / "anna.mp4").write_bytes(b"film")
    (tmp_path / "duo.mp4").symlink_to(tmp_path / "gym" / "anna.mp4")
    (tmp_path / "hall").symlink_to(tmp_path / "gym", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    for built in (False, True):
        videos = VideoList(tmp_path.resolve(), ROWS)
        if built:
            videos.of_source(tmp_path / "duo.mp4")
        same = ["gym-anna-00000001", "duo-00000004", "duo-00000004-p2"]
        assert [v.id for v in videos.of_source(tmp_path / "hall" / "anna.mp4")] == same
        gone = videos.of_source(tmp_path / "hall" / "ben.mp4")  # no such file
        assert [v.id for v in gone] == ["gym-ben-00000002"]
        assert videos.of_source(tmp_path / "hall" / "carl.mp4") == []
        found = videos.find("hall/ben.mp4")
        assert found is not None
        assert found.id == "gym-ben-00000002"


def test_the_list_is_read_again_when_the_file_changes(tmp_path: Path):
    project = Project.create(tmp_path)
    assert project.videos() == []
    project.add_videos(ROWS[:2])
    assert project.videos() == ROWS[:2]
    other = Project.open(tmp_path)
    other.add_videos(ROWS[2:3])
    assert project.videos() == ROWS[:3]
    text = project.videos_path.read_text("utf-8")
    project.videos_path.write_text(text.replace("gym-anna", "gym-emma"), "utf-8")  # as long
    assert project.videos()[0].id == "gym-emma-00000001"
    project.videos_path.unlink()
    assert project.videos() == []


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch):
    project = Project.create(tmp_path)
    project.add_videos(ROWS)
    os.utime(project.videos_path, (1, 1))
    first = project.video_list()
    assert project.video_list() is first
    rows = project.videos()
    rows.clear()  # the caller's own
    assert project.videos() == ROWS
