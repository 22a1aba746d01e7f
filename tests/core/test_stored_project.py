"""The project directory: ids, the video list, names people type, labels and the lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.artifact import Recipe, file_digest
from la2ds_cli.core.clip import Video, slug, video_id
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from tests.processes import python

ROOT = Path(__file__).parents[2]
RECIPE = Recipe("poses", 1, {}, {})


@pytest.fixture
def project(tmp_path):
    return StoredProject.create(tmp_path / "p")


def clip(tmp_path: Path, folder: str, content: bytes = b"same") -> Path:
    path = tmp_path / folder / "clip.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- ids ---------------------------------------------------------------------------------


def test_ids_tell_content_and_folders_apart_wherever_one_is(tmp_path, monkeypatch):
    paths = [clip(tmp_path, "tom"), clip(tmp_path, "ann"), clip(tmp_path, "x/day")]
    paths.append(clip(tmp_path, "y/day", b"other"))
    ids = [video_id(path, file_digest(path)) for path in paths]
    assert len(set(ids)) == 4
    assert ids[0].startswith("tom-clip-")
    monkeypatch.chdir(paths[0].parent)
    assert video_id(Path("clip.mp4"), file_digest(paths[0])) == ids[0]


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
    created = StoredProject.create(tmp_path / "p", {"preset": "paper-penn"})
    opened = StoredProject.open(tmp_path / "p")
    assert opened.settings == {"preset": "paper-penn"} == created.settings
    assert opened.config().heatmap.crop == "smallest"
    assert opened.config(overrides=["heatmap.crop=robust"]).heatmap.crop == "robust"
    # Creating again opens what is there.
    assert (
        StoredProject.create(tmp_path / "p", {"preset": "demo"}).settings["preset"] == "paper-penn"
    )


def test_run_names(project):
    assert project.run_dir("night-2.b") == project.root / "checkpoints" / "night-2.b"
    for name in ("", "..", "../x", "a/b", ".hidden"):
        with pytest.raises(UserError, match="not a run name"):
            project.run_dir(name)
        with pytest.raises(UserError, match="not a run name"):
            project.embedding_path(name, "v")


# --- videos.csv --------------------------------------------------------------------------


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
    project = StoredProject.create(tmp_path)
    project.add_videos([Video(name, f"{name}.mp4", "1") for name in listed])
    new = [Video(name, f"{name}.mp4", "2") for name in added]
    project.add_videos(new, order=order and list(order))
    assert "".join(video.id for video in project.videos()) == then


def own_columns(project: StoredProject) -> tuple[list[str], dict[str, list[str]]]:
    """What the table has beside la2ds's own columns, as it is in the file, by id of the clip."""
    rows = StoredProject.open(project.root).videos()
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
    with pytest.raises(UserError, match="more than 100,000 letters"):
        project.mark_video("b", split="test", group="g" * 140_000)
    # A clip that is read in another way keeps what a person wrote about it.
    project.mark_video("a", split="train", group="eva")
    project.replace_videos(["a"], ["d"])
    assert (project.clip("d").split, project.clip("d").group) == ("train", "eva")
    assert own_columns(project)[1] == {"d": of_a, "b": of_b}


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


# --- lock --------------------------------------------------------------------------------


def test_lock_is_refused_to_a_second_process_and_freed(project):
    code = (
        "import sys; from pathlib import Path\n"
        "from la2ds_cli.core.stored_project import StoredProject\n"
        "from la2ds_cli.core.errors import UserError\n"
        "try:\n"
        "    with StoredProject.open(Path(sys.argv[1])).lock(): pass\n"
        "except UserError as error:\n"
        "    print(error.message); sys.exit(int(error.exit_code))\n"
    )
    command = ["-c", code, str(project.root)]
    with project.lock():
        held = python(*command, cwd=ROOT)
    assert held.returncode == ExitCode.MISMATCH, held.stderr
    assert "another la2ds command is writing" in held.stdout
    assert python(*command, cwd=ROOT).returncode == 0


def test_lock_of_a_killed_process_is_free(project):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from la2ds_cli.core.stored_project import StoredProject\n"
        "with StoredProject.open(Path(sys.argv[1])).lock(): os._exit(9)\n"
    )
    killed = python("-c", code, str(project.root), cwd=ROOT)
    assert killed.returncode == 9
    with project.lock():
        pass


def test_a_project_that_cannot_be_written_ends_with_the_storage_code(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot write") as caught, project.lock():
        pass
    assert caught.value.exit_code == ExitCode.STORAGE
    with pytest.raises(UserError, match="cannot write") as caught:
        StoredProject.create(tmp_path / "logs" / "p")
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


def test_clips_are_called_by_their_names_unless_several_have_one(project):
    videos = [
        Video(id="gym-anna-11111111", path="gym/anna.mp4", sha256="x"),
        Video(id="gym-anna-11111111-p2", path="gym/anna.mp4", sha256="x", person=2),
        Video(id="gym-ben-22222222", path="gym/ben.mp4", sha256="y"),
        Video(id="park-ben-33333333", path="park/ben.mp4", sha256="z"),
    ]
    project.add_videos(videos)
    names = project.clip_names()
    assert names == {
        "gym-anna-11111111": "anna.mp4",
        "gym-anna-11111111-p2": "anna.mp4#2",
        "gym-ben-22222222": "gym-ben-22222222",
        "park-ben-33333333": "park-ben-33333333",
    }
    assert [project.find(name).id for name in names.values()] == list(names)
