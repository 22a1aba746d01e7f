"""The project directory: ids, the video list, names people type, labels and the lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe, file_digest
from la2ds_cli.core.clip import Video, slug, video_id
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import read_phase_table
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import EmbeddingSequence, Phase, PoseSequence

ROOT = Path(__file__).parents[2]
RECIPE = Recipe("poses", 1, {}, {})


@pytest.fixture
def project(tmp_path):
    return Project.create(tmp_path / "p")


def clip(tmp_path: Path, folder: str, content: bytes = b"same") -> Path:
    path = tmp_path / folder / "clip.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def row(path: Path, **values) -> Video:
    digest = file_digest(path)
    return Video(video_id(path, digest), str(path), digest, **values)


# --- ids ---------------------------------------------------------------------------------


def test_two_clips_of_one_name_get_two_ids(tmp_path):
    same_content = [clip(tmp_path, "tom"), clip(tmp_path, "ann")]
    same_folder = [clip(tmp_path, "x/day"), clip(tmp_path, "y/day", b"other")]
    ids = [video_id(path, file_digest(path)) for path in same_content + same_folder]
    assert len(set(ids)) == 4
    assert ids[0].startswith("tom-clip-")


def test_id_stays_when_the_working_directory_changes(tmp_path, monkeypatch):
    path = clip(tmp_path, "tom")
    absolute = video_id(path, file_digest(path))
    monkeypatch.chdir(path.parent)
    assert video_id(Path("clip.mp4"), file_digest(path)) == absolute


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Été à la Plage (2).MP4", "ete-a-la-plage-2-mp4"),
        ("../../etc", "etc"),
        ("深蹲", "clip"),
        ("", "clip"),
        ("a" * 80, "a" * 60),
        ("a" * 59 + " b", "a" * 59),
    ],
)
def test_slug(text, expected):
    assert slug(text) == expected


# --- opening -----------------------------------------------------------------------------


def test_create_then_open(tmp_path):
    created = Project.create(tmp_path / "p", {"preset": "paper-penn"})
    opened = Project.open(tmp_path / "p")
    assert opened.settings == {"preset": "paper-penn"} == created.settings
    assert opened.config().heatmap.crop == "smallest"
    assert opened.config(overrides=["heatmap.crop=robust"]).heatmap.crop == "robust"
    # Creating again opens what is there.
    assert Project.create(tmp_path / "p", {"preset": "demo"}).settings["preset"] == "paper-penn"


def test_create_refuses_bad_settings_before_it_writes(tmp_path):
    with pytest.raises(UserError, match="unknown section"):
        Project.create(tmp_path / "p", {"nonsense": {}})
    assert not (tmp_path / "p").exists()


def test_open_what_is_no_project(tmp_path):
    with pytest.raises(UserError, match="not a la2ds project") as caught:
        Project.open(tmp_path)
    assert "la2ds init" in caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE
    (tmp_path / "project.toml").write_text("preset = ")
    with pytest.raises(UserError, match="not valid TOML"):
        Project.open(tmp_path)


def test_folder_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write") as caught:
        Project.create(tmp_path / "file" / "p")
    assert caught.value.exit_code == ExitCode.STORAGE


def test_run_names(project):
    assert project.run_dir("night-2.b") == project.root / "checkpoints" / "night-2.b"
    for name in ("", "..", "../x", "a/b", ".hidden"):
        with pytest.raises(UserError, match="not a run name"):
            project.run_dir(name)
        with pytest.raises(UserError, match="not a run name"):
            project.embedding_path(name, "v")


# --- videos.csv --------------------------------------------------------------------------


def test_videos_round_trip(project, tmp_path):
    assert project.videos() == []
    rows = [
        row(clip(tmp_path, "tom"), frames=12, fps=29.97, width=640, height=360, group='a, "b"'),
        row(clip(tmp_path, "ann"), split="test"),
    ]
    project.add_videos(rows)
    assert project.videos() == rows


def test_added_row_replaces_but_keeps_what_the_user_filled_in(project):
    project.add_videos(
        [Video("a", "a.mp4", "1", split="test", group="tom"), Video("b", "b.mp4", "2")]
    )
    project.add_videos([Video("a", "a.mp4", "3", frames=9), Video("c", "c.mp4", "4")])
    assert project.videos() == [
        Video("a", "a.mp4", "3", frames=9, split="test", group="tom"),
        Video("b", "b.mp4", "2"),
        Video("c", "c.mp4", "4"),
    ]
    project.add_videos([Video("a", "a.mp4", "3", split="train")])
    assert project.videos()[0].split == "train"


@pytest.mark.parametrize(
    ("listed", "added", "order", "then"),
    [
        ("", "ab", None, "ab"),
        ("ac", "b", "abc", "abc"),
        ("bc", "abcd", None, "abcd"),
        ("xcb", "abcd", None, "xcabd"),
        ("ab", "c", None, "abc"),
        ("ab", "c", "xyz", "abc"),
        ("ba", "dc", "bcda", "bcda"),
        ("ab", "ac", None, "abc"),
        ("ab", "ab", None, "ab"),
    ],
)
def test_a_new_clip_stands_where_the_list_has_it(
    tmp_path: Path, listed: str, added: str, order: str | None, then: str
):
    """So that a clip that failed at first leaves no trace once it did not."""
    project = Project.create(tmp_path)
    project.add_videos([Video(name, f"{name}.mp4", "1") for name in listed])
    new = [Video(name, f"{name}.mp4", "2") for name in added]
    project.add_videos(new, order=order and list(order))
    assert "".join(video.id for video in project.videos()) == then


def test_video_list_edited_by_hand(project):
    text = "path,id,sha256,notes\na.mp4,a,1,blurred\n"
    (project.root / "videos.csv").write_text(text)
    assert project.videos() == [Video("a", "a.mp4", "1")]


def own_columns(project: Project) -> tuple[list[str], dict[str, list[str]]]:
    """What the table has beside la2ds's own columns, as it is in the file, by id of the clip."""
    rows = Project.open(project.root).videos()
    filled = {row.id: list(row.own.values()) for row in rows if any(row.own.values())}
    return list(rows[0].own), filled


def test_columns_of_the_user_stay_in_the_video_list(project):
    """Also one without a name, and cells that look like formulas or hold commas."""
    text = (
        'notes,path,id,sha256,,"seen, by"\n'
        '"dark, blurred",a.mp4,a,1,x,Eva\n'
        "=1+1,b.mp4,b,2,,\n"
        ",c.mp4,c,3,y,Tom\n"
    )
    project.videos_path.write_text(text)
    project.add_videos([Video("d", "d.mp4", "4")], removed=["c"])
    project.mark_video("b", split="test", group="")
    of_a, of_b = ["dark, blurred", "x", "Eva"], ["=1+1", "", ""]
    names, cells = own_columns(project)
    assert (names, cells) == (["notes", "", "seen, by"], {"a": of_a, "b": of_b})
    assert [video.id for video in project.videos()] == ["a", "b", "d"]
    # A clip that is read in another way keeps what a person wrote about it.
    project.replace_videos(["a"], ["d"])
    assert own_columns(project)[1] == {"d": of_a, "b": of_b}


def test_columns_may_be_few_and_cells_empty(project):
    (project.root / "videos.csv").write_text(
        "sha256,path,frames,fps,person,id\n1,a.mp4,,,,a\n\n2,b.mp4,7,12.5,2,b\n"
    )
    assert project.videos() == [
        Video("a", "a.mp4", "1"),
        Video("b", "b.mp4", "2", frames=7, fps=12.5, person=2),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("b,b.mp4,2,many,0", "frames is 'many', not a whole number of at least 0"),
        ("b,b.mp4,2,2.5,0", "frames is '2.5', not a whole number of at least 0"),
        ("b,b.mp4,2,-1,0", "frames is '-1', not a whole number of at least 0"),
        ("b,b.mp4,2,5,fast", "fps is 'fast', not a number of at least 0"),
        ("b,b.mp4,2,5,nan", "fps is 'nan', not a number of at least 0"),
        (",b.mp4,2,5,0", "the column 'id' is empty"),
        ("b,b.mp4,,5,0", "the column 'sha256' is empty"),
        ("b,b.mp4", "it has 2 fields, but the header has 5"),
        ("b", "it has 1 field, but the header has 5"),
        ("b,b.mp4,2,5,0,,x", "it has 7 fields, but the header has 5"),
    ],
)
def test_bad_row_of_the_video_list_is_named(project, line, said):
    (project.root / "videos.csv").write_text(f"id,path,sha256,frames,fps\na,a.mp4,1,5,0\n{line}\n")
    with pytest.raises(UserError) as caught:
        project.videos()
    assert caught.value.message.endswith(f"videos.csv line 3 cannot be read: {said}")
    assert caught.value.hint.startswith("correct the line, or delete it and extract or import")
    assert "columns: id,path,sha256,frames,fps,width" in caught.value.hint
    assert caught.value.exit_code == ExitCode.MISMATCH


@pytest.mark.parametrize("text", ["Test", " test", "tset", "TRAIN", "trian"])
def test_a_misspelt_split_is_named_and_another_one_is_left_alone(project, text):
    project.videos_path.write_text(f"id,path,sha256,split\na,a.mp4,1,val\nb,b.mp4,2,{text}\n")
    with pytest.raises(UserError) as raised:
        project.videos()
    assert raised.value.exit_code == ExitCode.MISMATCH
    assert f"line 3 cannot be read: split is '{text}', write 't" in raised.value.message
    project.videos_path.write_text("id,path,sha256,split\na,a.mp4,1,val\nb,b.mp4,2,test\n")
    assert [video.split for video in project.videos()] == ["val", "test"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,path,frames", "the column 'sha256' is missing"),
        ("path,sha256", "the column 'id' is missing"),
        ("id,pth,sha256", "there is no column 'pth', write 'path'"),
        ("ID,path,sha256", "there is no column 'ID', write 'id'"),
        ("id,path,sha256,splt", "there is no column 'splt', write 'split'"),
        ("id,path,sha256, group", "there is no column ' group', write 'group'"),
        ("id;path;sha256", "its fields are separated by semicolons, not by commas"),
        ("id\tpath\tsha256", "its fields are separated by tabs, not by commas"),
    ],
)
def test_bad_header_of_the_video_list_is_named(project, header, said):
    count = header.count(",") + 1
    (project.root / "videos.csv").write_text(f"{header}\n{','.join(['a'] * count)}\n")
    with pytest.raises(UserError) as caught:
        project.videos()
    assert caught.value.message.endswith(f"videos.csv line 1 cannot be read: {said}")
    assert caught.value.exit_code == ExitCode.MISMATCH


def test_a_video_list_that_is_no_text_is_left_as_it_is(project):
    content = b"id,path,sha256\na,\xff\xfe.mp4,1\n"
    (project.root / "videos.csv").write_bytes(content)
    for call in (project.videos, lambda: project.add_videos([Video("b", "b.mp4", "2")])):
        with pytest.raises(UserError, match=r"videos\.csv line 1 .*: it is not UTF-8 text"):
            call()
    assert (project.root / "videos.csv").read_bytes() == content


# --- find --------------------------------------------------------------------------------


def test_find_by_id_prefix_path_name_and_stem(project, tmp_path, monkeypatch):
    path = clip(tmp_path, "tom")
    video = row(path)
    other = Video("run-1a2b", "/data/run.mp4", "x")
    project.add_videos([video, other])
    monkeypatch.chdir(path.parent)
    for name in (video.id, video.id[:6], str(path), "clip.mp4", "clip", "../tom/clip.mp4"):
        assert project.find(name) == video, name
    assert project.find("run") == other
    assert project.find("jump") is None


@pytest.mark.parametrize(
    ("options", "title"),
    [
        *(("", "run.mp4#2"), ("rotate=90", "run.mp4#2")),
        *(
            ("end=2.7 rotate=90", "run.mp4#2, 0.00 to 2.70 s"),
            ("start=8", "run.mp4#2, from 8.00 s"),
        ),
        ("start=2.7 end=61.056", "run.mp4#2, 2.70 to 61.06 s"),
    ],
)
def test_parts_of_a_file_have_titles_of_their_own(options, title):
    assert (
        Video("films-run-1a2b3c4d", "films/run.mp4", "x", person=2, options=options).title == title
    )


def test_find_prefers_the_exact_id(project):
    exact, longer = Video("a", "x/one.mp4", "1"), Video("a-b", "x/two.mp4", "2")
    project.add_videos([exact, longer])
    assert project.find("a") == exact
    assert project.find("a-") == longer


def test_find_refuses_a_name_that_fits_two(project, tmp_path):
    first, second = row(clip(tmp_path, "tom")), row(clip(tmp_path, "ann"))
    project.add_videos([first, second])
    for name in ("clip", "clip.mp4"):
        with pytest.raises(UserError, match=f"'{name}' fits 2 videos") as caught:
            project.find(name)
        assert first.id in caught.value.hint
        assert second.id in caught.value.hint
        assert caught.value.exit_code == ExitCode.MISMATCH


def test_source_is_relative_to_the_project(project):
    assert project.source(Video("a", "raw/a.mp4", "1")) == project.root / "raw" / "a.mp4"
    assert project.source(Video("a", "/data/a.mp4", "1")) == Path("/data/a.mp4")


# --- artifacts ---------------------------------------------------------------------------


def test_poses_and_embeddings_round_trip(project):
    pose = PoseSequence(
        xy=np.zeros((2, 13, 2)),
        score=np.ones((2, 13)),
        box=np.zeros((2, 4)),
        frame=np.arange(2),
        time=np.arange(2.0),
        fps=1.0,
        size=(4, 3),
        skeleton="penn13",
    )
    project.write_pose("a", pose, RECIPE)
    back, recipe = project.read_pose("a")
    np.testing.assert_array_equal(back.score, pose.score)
    assert recipe == RECIPE
    embedding = EmbeddingSequence(np.eye(2), np.arange(2), np.arange(2), "key")
    project.write_embedding("r", "a", embedding, RECIPE)
    read, _ = project.read_embedding("r", "a")
    np.testing.assert_array_equal(read.value, np.eye(2))


def test_missing_and_damaged_artifacts(project):
    with pytest.raises(UserError, match="no poses for a") as caught:
        project.read_pose("a")
    assert caught.value.exit_code == ExitCode.UNUSABLE
    with pytest.raises(UserError, match="no embedding of a in run default"):
        project.read_embedding("default", "a")
    project.pose_path("a").parent.mkdir()
    project.pose_path("a").write_bytes(b"cut")
    with pytest.raises(UserError, match="damaged") as caught:
        project.read_pose("a")
    assert caught.value.exit_code == ExitCode.UNREADABLE


# --- phases.csv --------------------------------------------------------------------------


def test_phases_are_sorted_and_rows_of_other_videos_left_out(project):
    project.add_videos([Video("a-1234", "raw/a.mp4", "1"), Video("b-1234", "raw/b.mp4", "2")])
    assert project.phases() == {}
    project.phases_path.write_text(
        "video,start,end,phase\na,5,9,down\na.mp4,0,5,up\nb-1234,0,3,up\nzzz,0,3,up\n"
    )
    assert project.phases() == {
        "a-1234": [Phase(0, 5, "up"), Phase(5, 9, "down")],
        "b-1234": [Phase(0, 3, "up")],
    }


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("video,start,end,phase\na,0,5,up\na,five,9,down\n", 3, "five"),
        ("video,start,end,phase\na,5,5,up\n", 2, "start 5 must be before end 5"),
        ("video,start,end,phase\na,-1,5,up\n", 2, "start -1"),
        ("video,start,phase\na,0,up\n", 2, "end"),
        ("video,start,end,phase\na,0\n", 2, "cannot be read"),
    ],
)
def test_bad_phase_row_is_named(tmp_path, text, line, problem):
    path = tmp_path / "phases.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"line {line}.*{problem}") as caught:
        read_phase_table(path)
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert "video,start,end,phase" in caught.value.hint


# --- lock --------------------------------------------------------------------------------


def test_lock_is_refused_to_a_second_process_and_freed(project):
    code = (
        "import sys; from pathlib import Path; from la2ds_cli.core.project import Project\n"
        "from la2ds_cli.core.errors import UserError\n"
        "try:\n"
        "    with Project.open(Path(sys.argv[1])).lock(): pass\n"
        "except UserError as error:\n"
        "    print(error.message); sys.exit(int(error.exit_code))\n"
    )
    command = [sys.executable, "-c", code, str(project.root)]
    with project.lock():
        held = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert held.returncode == ExitCode.MISMATCH, held.stderr
    assert "another la2ds command is writing" in held.stdout
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_lock_of_a_killed_process_is_free(project):
    code = (
        "import os, sys; from pathlib import Path; from la2ds_cli.core.project import Project\n"
        "with Project.open(Path(sys.argv[1])).lock(): os._exit(9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(project.root)], cwd=ROOT, check=False)
    assert killed.returncode == 9
    with project.lock():
        pass


def test_lock_is_freed_after_an_error(project):
    with pytest.raises(RuntimeError), project.lock():
        raise RuntimeError
    with project.lock():
        pass


def test_a_project_that_cannot_be_written_ends_with_the_storage_code(tmp_path: Path) -> None:
    project = Project.create(tmp_path)
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot write") as caught, project.lock():
        pass
    assert caught.value.exit_code == ExitCode.STORAGE


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("swings-anna-1a2b3c4d", "swings/anna.mp4", "anna.mp4"),
        ("swings-anna-1a2b3c4d", "moved/anna.mp4", "anna.mp4"),
        ("swings-anna-1a2b3c4d-t1.5-4", "swings/anna.mp4", "anna.mp4"),
        ("0168-1a2b3c4d", "/data/Penn_Action/labels/0168.mat", "0168.mat"),
        ("by-hand", "swings/anna.mp4", "anna.mp4"),
        # of several clips of a file, and a folder that is called as those of all clips are
        ("first-1a2b3c4d", "data/all.json", "first"),
        ("subject1-h1-1-cam4-1a2b3c4d", "/data/subject1/h1/1/cam4", "subject1-h1-1-cam4"),
    ],
)
def test_the_short_name_tells_clips_apart_and_finds_them(project, name, path, expected):
    video = Video(id=name, path=path, sha256="x")
    assert video.name == expected
    project.add_videos([video, Video(id="other-99999999", path="data/other.mp4", sha256="y")])
    assert project.find(expected) == video
