"""What becomes of a clip's pictures, labels, anchors and joints when it goes or is read anew."""

from __future__ import annotations

import threading
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from la2ds_cli.core.annotations import ANCHOR, NOTE
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extract import extract_poses
from la2ds_cli.poses.subjects import read_subjects, set_subjects, subject_of
from la2ds_cli.studio import clip_changes
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import finished
from tests.studio.marks import LINE, draw, drawn, put, shown, spans
from tests.studio.test_clips_page import clips, video

WRIST = 9  # of coco17, the skeleton of drawn people


@pytest.fixture
def other(project: StoredProject, two: str) -> None:
    """Another clip, of 40 frames at 20 per second."""
    add_sequence(project, "other", sequence(warped_phase(40, 3), fps=20.0))


def read(page: TestClient, clip: str, **said: Any) -> dict[str, Any]:
    return finished(page, page.post(f"/clips/{clip}/read", json=said))


# --- pictures ---------------------------------------------------------------------------------


def pictures(project: StoredProject) -> list[Path]:
    folders = project.film_dir(), project.results_dir("studio/thumbnails")
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def film_of(page: TestClient, clip: str) -> str:
    return page.get("/phases/data", params={"clip": clip}).json()["clip"]["pictures"]["address"]


def test_the_pictures_of_a_clip_go_with_it(
    page: TestClient, project: StoredProject, two: str
) -> None:
    address = film_of(page, two)
    assert page.get(f"{address}/0").status_code == 200
    page.get(f"/clips/{two}/picture")
    assert len(pictures(project)) >= 2
    gone = page.delete(f"/clips/{two}")
    assert pictures(project) == []
    assert gone.headers["clear-site-data"] == '"cache"'
    assert page.get(f"{address}/0").status_code == 404
    assert pictures(project) == []


# --- phases and anchors -------------------------------------------------------------------------


def test_what_is_set_for_moments_of_a_file_stays_however_it_is_cut(
    page: TestClient, project: StoredProject, two: str, other: None
) -> None:
    page.post(f"/clips/{two}/mark", json={"split": "train", "group": "anna"})
    rows = f"{two},0,3,down,x\ntwo.mp4,3,10,up,y\n{two},10,24,rest,z\nother,1,2,up,\n"
    project.phases_path.write_text(f"video,start,end,phase,note\n{rows}")
    for kind in (ANCHOR, NOTE):
        for at, there in ((2, 4), (8, 12), (20, 30)):
            put(project, kind, ("other", two), (there, at), "" if kind == ANCHOR else "x")
    put(project, NOTE, (two, "other"), (7, None), "only A")
    draw(project, two)
    draw(project, two, (1.0, 2.0), (3.0, 4.0), (5.0, 1.0))
    draw(project, "other")
    dragged = [{"frame": n, "joint": "left_wrist", "at": [100, 50]} for n in (2, 10)]
    page.post("/joints/save", json={"clip": two, "changes": dragged})
    tables = {path: path.read_bytes() for path in (project.phases_path, project.annotations_path)}

    options = {"start": 0.2, "end": 0.72}  # frames 5 to 17
    assert read(page, two, options=options)["state"] == "done"
    clip = clips(page)[0]
    cut = clip["id"]
    assert (cut != two, clip["options"], clip["frames"]) == (True, options, 13)
    assert (clip["split"], clip["group"]) == ("train", "anna")
    assert not project.pose_path(two).exists()
    assert spans(project, cut) == [(5, 10, "up"), (10, 18, "rest")]
    assert shown(project, ANCHOR, cut, "other") == [((8, 12), "")]
    assert shown(project, NOTE, cut, "other") == [((7, None), "only A"), ((8, 12), "x")]
    assert [kind for kind, _ in drawn(project, cut)] == ["line", "angle"]
    assert project.read_pose(cut)[0].xy[10 - 5, WRIST].tolist() == [100, 50]
    pictures = page.get(f"/clips/{cut}").json()["pictures"]  # of the whole file
    seen = [bool(picture["people"]) for picture in pictures]
    assert (seen[0], seen[len(seen) // 2]) == (False, True)

    turned = {"rotate": 180, "mirror": True, "slowmo": 4}
    assert read(page, cut, options=turned)["state"] == "done"
    assert (clips(page)[0]["id"], clips(page)[0]["options"]) == (two, turned)
    assert project.videos()[0].fps == 100
    assert spans(project, two) == [(0, 3, "down"), (3, 10, "up"), (10, 24, "rest")]
    assert shown(project, ANCHOR, two, "other") == [((2, 4), ""), ((8, 12), ""), ((20, 30), "")]
    data = page.get("/pair/data", params={"a": two, "b": "other"}).json()
    assert data["drawings"] == {"a": [], "b": [{"kind": "line", "points": [[1, 2], [3, 4]]}]}
    assert project.read_pose(two)[0].xy[10, WRIST].tolist() != [100, 50]  # of another picture

    assert read(page, two, options={})["state"] == "done"
    assert (clips(page)[0]["options"], clips(page)[0]["split"]) == ({}, "train")
    assert len(drawn(project, two)) == 2
    assert (
        "train" not in (project.results_dir("studio") / f"{two}.csv").read_text()
    )  # of one person
    assert project.read_pose(two)[0].xy[[2, 10], WRIST].tolist() == [[100, 50], [100, 50]]
    assert {path: path.read_bytes() for path in tables} == tables
    page.delete(f"/clips/{two}")
    tables[project.phases_path] = tables[project.phases_path].replace(
        b"two.mp4,", f"{two},".encode()
    )
    assert {path: path.read_bytes() for path in tables} == tables  # with its id, nobody else's


def test_repetitions_become_clips_with_their_phases_and_anchors(
    page: TestClient, project: StoredProject, tmp_path: Path
) -> None:
    scenes = []
    for t in range(72):  # three times down and up again, in 24 frames each
        low = round(30 * (1 - abs(1 - (t % 24) / 12)))
        scenes.append({200: (100, 20 + low, 140, 140)})
    path = video(project.root / "videos", "squats.mp4", scenes)
    extract_poses(project, [str(path)], project.config().poses)
    add_sequence(project, "other", sequence(warped_phase(40, 3), fps=20.0))
    (whole,) = [row.id for row in project.videos() if row.id != "other"]
    draw(project, whole)
    project.phases_path.write_text(f"video,start,end,phase\n{whole},0,36,down\n{whole},36,72,up\n")
    for frames in ((4, 4), (40, 20), (70, 39)):
        put(project, ANCHOR, (whole, "other"), frames)
    times = page.get(f"/clips/{whole}/repetitions").json()
    assert "no repetitions were found" in page.get("/clips/other/repetitions").json()["error"]
    assert finished(page, page.post(f"/clips/{whole}/split"))["state"] == "done"
    listed = [clip for clip in clips(page) if clip["id"] != "other"]
    parts = [clip["id"] for clip in listed]
    starts = [clip["options"].get("start", 0) for clip in listed]
    assert starts == pytest.approx([time["start"] for time in times])
    choice = page.get("/pair").text
    names = {clip["name"] for clip in listed if f">{clip['name']}</option>" in choice}
    assert (len(names), len(parts)) == (3, 3)
    labelled = [span for part in parts for span in spans(project, part)]
    assert [name for _, _, name in labelled] == ["down", "down", "up", "up"]
    assert (labelled[0][0], labelled[-1][1]) == (0, 72)
    assert all(a[1] == b[0] for a, b in pairwise(labelled))
    for part in parts:
        assert drawn(project, part) == [("line", list(LINE))]
        ((at, _),) = [one for one, _ in shown(project, ANCHOR, part, "other")]
        assert at in project.read_pose(part)[0].frame


# --- joints -------------------------------------------------------------------------------------


def test_a_reading_that_waited_replaces_nothing_that_has_changed_meanwhile(
    page: TestClient, project: StoredProject, two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [{"start": 0.0, "end": 0.4}, {"start": 0.4, "end": 0.8}]
    monkeypatch.setattr(clip_changes, "spans_of_repetitions", lambda *_: parts)
    jobs, may_go_on = page.app.state.studio.jobs, threading.Event()  # type: ignore[attr-defined]
    portal = page.portal
    assert portal is not None
    first = partial(jobs.add, "busy", ["status", f"--project={project.root}"])
    before = project.pose_path(two).read_bytes(), [clip["id"] for clip in clips(page)]
    for path, body in (("read", {"rank": 2}), ("read", {"options": {"rotate": 90}}), ("split", {})):
        may_go_on.clear()
        portal.call(partial(first, on_start=lambda _: may_go_on.wait(60)))
        begun = page.post(f"/clips/{two}/{path}", json=body)
        with project.tables():
            now = subject_of(read_subjects(project), project.clip(two))
            meanwhile = "2" if now != "2" else "1"
            set_subjects(project, {two: meanwhile})
        may_go_on.set()
        job = finished(page, begun)
        assert (job["state"], "changed meanwhile" in job["error"]) == ("failed", True), (path, job)
        assert subject_of(read_subjects(project), project.clip(two)) == meanwhile
        assert (project.pose_path(two).read_bytes(), [one["id"] for one in clips(page)]) == before


def test_joints_that_changed_while_they_were_read_again_stay(
    page: TestClient, project: StoredProject, two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*_: Any) -> list[str]:
        with project.tables():
            set_subjects(project, {two: "2"})
        return usable(*_)

    usable = clip_changes._usable
    monkeypatch.setattr(clip_changes, "_usable", meanwhile)
    job = read(page, two, options={"start": 0.4})
    assert (job["state"], "changed meanwhile" in job["error"]) == ("failed", True), job
    assert two in [clip["id"] for clip in clips(page)]
    assert project.pose_path(two).exists()


def test_a_reading_that_fails_leaves_joints_and_choice_as_they_were(
    page: TestClient, project: StoredProject, two: str
) -> None:
    before = project.pose_path(two).read_bytes(), project.videos_path.read_text()
    assert page.post(f"/clips/{two}/read", json={"rank": 0}).status_code == 400
    assert read(page, two, rank=9)["state"] == "failed"
    assert (project.pose_path(two).read_bytes(), project.videos_path.read_text()) == before
    assert two not in read_subjects(project)
    job = finished(page, page.post("/clips/extract", json={"names": ["two.mp4"]}))
    assert [item["status"] for item in job["items"]] == ["cached"]


def test_imported_joints_are_not_replaced(
    page: TestClient, project: StoredProject, other: None
) -> None:
    (project.root / "other.mat").touch()
    answer = page.post("/clips/other/read", json={"options": {}})
    assert answer.status_code == 400
    assert "imported and would be lost" in answer.json()["error"]
