"""Finding clips among many: by name, by source and after changes, as one look at each would."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from la2ds_cli.core import video_list
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
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
def test_a_clip_is_found_by_its_names(tmp_path: Path, name: str, expected: str | None):
    videos = VideoList(tmp_path, ROWS)
    assert _answer(videos.find, name) == expected


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
    project = StoredProject.create(tmp_path)
    assert project.videos() == []
    project.add_videos(ROWS[:2])
    assert project.videos() == ROWS[:2]
    other = StoredProject.open(tmp_path)
    other.add_videos(ROWS[2:3])
    assert project.videos() == ROWS[:3]
    text = project.videos_path.read_text("utf-8")
    project.videos_path.write_text(text.replace("gym-anna", "gym-emma"), "utf-8")  # as long
    assert project.videos()[0].id == "gym-emma-00000001"
    project.videos_path.unlink()
    assert project.videos() == []


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch):
    project = StoredProject.create(tmp_path)
    project.add_videos(ROWS)
    os.utime(project.videos_path, (1, 1))
    first = project.video_list()
    assert project.video_list() is first
    rows = project.videos()
    rows.clear()  # the caller's own
    assert project.videos() == ROWS


HEADER = "id,path,sha256,frames,fps,width,height,split,group,person,options"
PLAIN = [
    "a-1,films/a.mp4,1,26,10.0,240,320,train,anna,1,",
    "b-2,films/b.mp4,2,30,12.5,240,320,,,2,",
]


def _table(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "videos.csv"
    text = "\n".join([header, *rows]) + "\n"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


@pytest.mark.parametrize("row", [PLAIN[0], 'a-1,"films/a.mp4",1,26,10,240,320,train,anna,,'])
def test_an_equal_row_is_the_same_clip(tmp_path: Path, row: str):
    path = _table(tmp_path, *PLAIN, row)
    assert [video.id for video in video_list.read_videos(path)] == ["a-1", "b-2"]


@pytest.mark.parametrize("row", ["a-1,films/other.mp4,1,,,,,,,,", 'a-1,"films/a.mp4",9,,,,,,,,'])
def test_a_second_clip_of_one_id_is_refused_and_stays_in_the_table(tmp_path: Path, row: str):
    project = StoredProject.create(tmp_path)
    before = _table(tmp_path, *PLAIN, row).read_bytes()
    with pytest.raises(UserError, match=r"line 4 .*: another line has the id 'a-1'") as caught:
        project.add_videos(ROWS[:1])
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert caught.value.hint.startswith("correct the line, or delete it")
    assert project.videos_path.read_bytes() == before


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("c-3,films/c.mp4,3,,,,,,,", "it has 10 fields, but the header has 11"),
        ("c-3,films/c.mp4,3,,,,,,,,,", "it has 12 fields"),
        ("c-3", "it has 1 field, but the header has 11"),
        ("c-3,,3,,,,,,,,", "the column 'path' is empty"),
        (",films/c.mp4,3,,,,,,,,", "the column 'id' is empty"),
        ("c-3,films/c.mp4,,,,,,,,,", "the column 'sha256' is empty"),
        ("c-3,a\0b,3,,,,,,,,", "null character"),
        ("c-3,file:a%00b,3,,,,,,,,", "null character"),
        ("../c,films/c.mp4,3,,,,,,,,", "the id '../c' is not valid"),
        (f"{'c' * 121},films/c.mp4,3,,,,,,,,", "is longer than 120 bytes"),
        ("c-3,films/c.mp4,3,-1,,,,,,,", "frames is '-1', not a whole number of at least 0"),
        ("c-3,films/c.mp4,3,2.5,,,,,,,", "frames is '2.5', not a whole number of at least 0"),
        ("c-3,films/c.mp4,3,,fast,,,,,,", "fps is 'fast', not a number of at least 0"),
        ("c-3,films/c.mp4,3,,nan,,,,,,", "fps is 'nan', not a number of at least 0"),
        ("c-3,films/c.mp4,3,,,,,trian,,,", "split is 'trian', write 'train'"),
        ("c-3,films/c.mp4,3,,,,, Test,,,", "split is ' Test', write 'test'"),
        ("c-3,films/c.mp4,3,,,,,,,,speed=2", "options are 'speed=2'"),
        (f"c-3,{'c' * 140_000},3,,,,,,,,", "field larger than field limit"),
        ("c-3,\udcff,3,,,,,,,,", "it is not UTF-8 text"),
    ],
)
def test_a_wrong_row_among_plain_ones_is_named_and_stays(tmp_path: Path, row: str, said: str):
    path = _table(tmp_path, *PLAIN, row, PLAIN[0])
    before = path.read_bytes()
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        video_list.read_videos(path)
    assert "videos.csv line " in caught.value.message
    assert caught.value.hint.startswith("correct the line, or delete it and extract or import")
    assert caught.value.hint.endswith(f"columns: {HEADER}")
    assert caught.value.exit_code == ExitCode.MISMATCH
    with pytest.raises(UserError):
        StoredProject.create(tmp_path).add_videos(ROWS[:1])
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "it is empty, without even column names"),
        ("id,path,frames", "the column 'sha256' is missing"),
        ("path,sha256", "the column 'id' is missing"),
        ("id,pth,sha256", "there is no column 'pth', write 'path'"),
        ("ID,path,sha256", "there is no column 'ID', write 'id'"),
        ("id,path,sha256, group", "there is no column ' group', write 'group'"),
        ("id,path,sha256,a,a", "the column 'a' appears twice; rename or delete one of them"),
        ("id;path;sha256", "its fields are separated by semicolons, not by commas"),
        ("id\tpath\tsha256", "its fields are separated by tabs, not by commas"),
    ],
)
def test_a_wrong_header_is_named(tmp_path: Path, header: str, said: str):
    with pytest.raises(UserError) as caught:
        video_list.read_videos(_table(tmp_path, "a" + header.count(",") * ",a", header=header))
    assert caught.value.message.endswith(f"videos.csv line 1 cannot be read: {said}")
    assert caught.value.exit_code == ExitCode.MISMATCH


def test_columns_may_be_few_and_cells_empty(tmp_path: Path):
    rows = ("1,a.mp4,,,,a,val,x", "", "2,b.mp4,7,12.5,2,b,,y")
    path = _table(tmp_path, *rows, header="sha256,path,frames,fps,person,id,split,notes")
    assert video_list.read_videos(path) == [
        Video("a", "a.mp4", "1", split="val"),
        Video("b", "b.mp4", "2", frames=7, fps=12.5, person=2),
    ]
