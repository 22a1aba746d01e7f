"""The routes of the page of clips: what they say, take in and change, on drawn people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from la2ds_cli.core.annotations import ANCHOR
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses import current
from la2ds_cli.poses.subjects import read_subjects
from la2ds_cli.studio import clip_changes, clips_page
from la2ds_cli.studio.clip_changes import clean_name
from tests.movement import add_sequence, sequence, warped_phase
from tests.poses.grey_people import film
from tests.studio.browsing import asked, check_refused, finished
from tests.studio.conftest import TWO
from tests.studio.marks import put

ONE = [{200: (40 + 2 * t, 40, 80 + 2 * t, 130)} for t in range(24)]


def video(folder: Path, name: str, scenes: list[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    film(folder / name, scenes)
    return folder / name


def send(page: TestClient, path: Path, name: str = "") -> str:
    answer = page.put(f"/clips/files/{name or path.name}", content=path.read_bytes())
    assert answer.status_code == 200, answer.text
    return answer.json()["name"]


def extracted(page: TestClient, *names: str) -> dict[str, Any]:
    return finished(page, page.post("/clips/extract", json={"names": names}))


def clips(page: TestClient) -> list[dict[str, Any]]:
    return page.get("/clips").json()["clips"]


# --- files that come in -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("anna.mp4", "anna.mp4"),
        ("Anna 1.MOV", "Anna 1.mov"),
        ("../../etc/passwd.mp4", "passwd.mp4"),
        ("C:\\films\\ben.mp4", "ben.mp4"),
        ("..mp4", "clip.mp4"),
        (".hidden.mp4", "hidden.mp4"),
        ("a\nb\x00c<d>.mp4", "a-b-c-d.mp4"),
        ("-rf.mp4", "rf.mp4"),
        ("...mp4", "clip.mp4"),
        ("é" * 200 + ".mp4", "é" * 50 + ".mp4"),
        ("CON.mp4", "clip-CON.mp4"),
        ("lpt1.backup.MOV", "clip-lpt1.backup.mov"),
        ("nul .mp4", "clip-nul.mp4"),
        ("COM².mp4", "clip-COM².mp4"),
        ("console.mp4", "console.mp4"),
        ("notes.txt", None),
        ("video", None),
        ("", None),
    ],
)
def test_names_of_files_are_cleaned(name: str, clean: str | None):
    if clean is None:
        with pytest.raises(UserError, match="not a video"):
            clean_name(name)
    else:
        assert clean_name(name) == clean
        assert clean_name(clean) == clean


def test_a_file_is_copied_and_a_second_of_the_same_name_gets_another(
    page: TestClient, project: StoredProject, tmp_path: Path
):
    one = video(tmp_path, "one.mp4", ONE)
    two = video(tmp_path, "two.mp4", TWO)
    assert send(page, one, "clip.mp4") == "clip.mp4"
    assert send(page, one, "clip.mp4") == "clip.mp4"  # it is there already
    assert send(page, one, "copy.mp4") == "clip.mp4"  # and under another name, too
    assert send(page, two, "clip.mp4") == "clip-2.mp4"
    folder = project.root / "videos"
    assert (folder / "clip.mp4").read_bytes() == one.read_bytes()
    assert (folder / "clip-2.mp4").read_bytes() == two.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["clip-2.mp4", "clip.mp4"]
    listed = page.get("/clips").json()
    assert {file["name"] for file in listed["files"]} == {"clip.mp4", "clip-2.mp4"}


def test_nothing_is_copied_out_of_the_folder(
    page: TestClient, project: StoredProject, tmp_path: Path
):
    for name in ("..%2F..%2Fx.mp4", "%2e%2e/x.mp4", "/etc/x.mp4"):
        page.put(f"/clips/files/{name}", content=b"data")
    assert page.put("/clips/files/a.mp4", content=b"").json()["error"] == "a.mp4 is empty"
    assert {path.name for path in project.root.parent.iterdir()} == {"project"}
    assert [path.name for path in (project.root / "videos").iterdir()] == ["x.mp4"]
    (project.root / "videos").rename(tmp_path / "elsewhere")
    (project.root / "videos").symlink_to(tmp_path / "elsewhere")
    assert page.put("/clips/files/a.mp4", content=b"data").status_code == 409
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["x.mp4"]


def test_only_files_of_the_folder_and_paths_that_exist_can_be_named(page: TestClient):
    names = (["../x.mp4"], ["missing.mp4"], ["/etc/passwd"], [])
    check_refused(page, "/clips/extract", [({"names": one}, "") for one in names])
    paths = ("", "films", "/no/such/folder", "http://x/a.mp4", "/dev/video0", "~nobody-here/a")
    check_refused(page, "/clips/refer", [({"path": one}, "") for one in (*paths, "/x" * 3000)])
    assert page.get("/jobs").json() == []


# --- from files to clips ----------------------------------------------------------------------


def test_a_folder_is_referenced_where_it_is(
    page: TestClient, project: StoredProject, tmp_path: Path
):
    folder = video(tmp_path / "films", "ben.mp4", ONE).parent
    job = finished(page, page.post("/clips/refer", json={"path": f"'{folder}'"}))
    assert job["state"] == "done", job
    (clip,) = clips(page)
    assert not clip["copied"]
    assert project.source(project.videos()[0]) == folder / "ben.mp4"
    assert not (project.root / "videos").exists()
    page.delete(f"/clips/{clip['id']}")
    assert clips(page) == []
    assert (folder / "ben.mp4").exists()


def test_a_file_without_a_person_says_why_and_can_be_deleted(page: TestClient, tmp_path: Path):
    name = send(page, video(tmp_path, "empty.mp4", [{}] * 24))
    job = extracted(page, name)
    assert job["state"] == "failed"
    assert "no person found" in job["error"]
    (file,) = page.get("/clips").json()["files"]
    assert "no person found" in file["problem"]
    page.put("/clips/files/text.mp4", content=b"no film")
    extracted(page, "text.mp4")
    text = page.get("/clips").json()["files"][1]
    problem = "text.mp4 is not a video but text"  # by its name, not its path
    assert text["problem"].startswith(problem)
    assert page.delete("/clips/files/text.mp4").status_code == 200
    assert page.delete("/clips/files/empty.mp4").status_code == 200
    assert page.get("/clips").json()["files"] == []
    assert page.delete("/clips/files/empty.mp4").status_code == 400


# --- one clip ---------------------------------------------------------------------------------


def test_the_other_person_is_followed_after_a_click(
    page: TestClient, project: StoredProject, two: str
):
    shown = page.get(f"/clips/{two}").json()
    assert shown["size"] == [240, 160]
    assert 12 <= len(shown["pictures"]) <= 32
    assert shown["file_seconds"] == pytest.approx(24 / 25, abs=0.01)
    first = page.get(f"/clips/{two}/strip/0")
    assert first.content[:2] == b"\xff\xd8"
    followed, other = shown["pictures"][5]["people"]
    assert (followed["rank"], followed["followed"]) == (1, True)
    assert (other["rank"], other["followed"]) == (2, False)
    assert other["box"] == pytest.approx([180, 60, 210, 130], abs=4)

    job = finished(page, page.post(f"/clips/{two}/read", json={"rank": other["rank"]}))
    assert job["state"] == "done", job
    (clip,) = clips(page)
    assert clip["id"] == two
    assert read_subjects(project) == {two: "2"}
    assert clip["pictures_key"] != shown["pictures_key"]
    assert project.read_pose(clip["id"])[0].xy[..., 0].min() > 170


def test_wrong_ways_to_read_are_refused_in_words(page: TestClient, two: str):
    wrong: list[tuple[Any, str]] = [
        ({"start": 2, "end": 1}, "later than the start"),
        ({"rotate": 45}, "multiple of 90"),
        ({"slowmo": -1}, "above 0"),
    ]
    check_refused(page, f"/clips/{two}/read", [({"options": o}, said) for o, said in wrong])


def test_marks_are_set_and_taken_away_and_leave_what_was_set_meanwhile(
    page: TestClient, project: StoredProject, two: str
):
    at = f"/clips/{two}/mark"
    for mark in ({"split": "test", "group": " anna, 2nd "}, {"split": "", "group": ""}):
        page.post(at, json=mark)
        (clip,) = clips(page)
        assert (clip["split"], clip["group"]) == (mark["split"], mark["group"].strip())
    project.mark_video(two, split="", group="anna")
    page.post(at, json={"split": "test"})
    (clip,) = clips(page)
    assert (clip["split"], clip["group"]) == ("test", "anna")
    check_refused(page, at, [({"split": "other"}, "a clip can be for train or test")])


def test_a_clip_whose_video_is_damaged_can_be_opened_and_removed(
    page: TestClient, project: StoredProject, two: str
):
    (project.root / "videos" / "two.mp4").write_bytes(b"damaged")
    said = page.get(f"/clips/{two}").json()
    assert said["pictures"] == []
    assert "not a video but text" in said["problem"]
    page.delete(f"/clips/{two}")
    assert clips(page) == []


def test_only_a_removal_waits_for_a_command_that_holds_the_project(
    page: TestClient, project: StoredProject, two: str, monkeypatch: pytest.MonkeyPatch
):
    """An extraction from the command line may hold it for hours."""
    monkeypatch.setattr(clip_changes, "WAIT", 0.2)
    clip = two
    add_sequence(project, "other", sequence(warped_phase(30, 3), fps=20.0))
    label = {"start": 0, "end": 9, "phase": "up", "origins": ["person", "person"]}
    saved = {"clip": clip, "rows": [label]}
    with project.lock():
        marked = page.post(f"/clips/{clip}/mark", json={"split": "test", "group": "anna"})
        labelled = page.post("/phases/save", json=saved)
        put(project, ANCHOR, (clip, "other"), (3, 4))
        removed = page.delete(f"/clips/{clip}")
    assert removed.status_code == 409
    assert "another la2ds command is writing" in removed.json()["error"]
    assert (marked.status_code, labelled.status_code) == (200, 200)
    assert (project.videos()[0].split, project.videos()[0].group) == ("test", "anna")
    assert [phase.name for phase in project.phases()[clip]] == ["up"]


def test_a_clip_that_goes_leaves_its_copy_which_brings_it_back(
    page: TestClient, project: StoredProject, two: str
):
    page.post(f"/clips/{two}/mark", json={"split": "test", "group": "anna"})
    page.get(f"/clips/{two}/picture")
    (made := project.results_dir("align") / f"{two}.png").parent.mkdir(parents=True)
    made.touch()
    left = page.delete(f"/clips/{two}").json()["exported"]
    assert left == [made.relative_to(project.root).as_posix()]
    assert not project.pose_path(two).exists()
    assert page.delete(f"/clips/{two}").status_code == 400
    listed = page.get("/clips").json()
    assert (listed["clips"], [file["name"] for file in listed["files"]]) == ([], ["two.mp4"])
    assert extracted(page, "two.mp4")["state"] == "done"
    (clip,) = clips(page)
    assert (clip["id"], clip["split"], clip["group"]) == (two, "test", "anna")


def test_listing_many_clips_reads_whom_to_follow_once(
    filmed: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[StoredProject] = []

    def counted(project: StoredProject) -> dict[str, str]:
        seen.append(project)
        return read_subjects(project)

    for module in (clips_page, current):
        monkeypatch.setattr(module, "read_subjects", counted)
    with asked(filmed) as client:
        assert len(client.get("/clips").json()["clips"]) == 2
    assert len(seen) == 1
