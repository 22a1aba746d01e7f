"""Whom extraction follows when it is told, and clips that give several people."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.missing_poses import ensure_pose
from la2ds_cli.poses.subjects import read_subjects
from la2ds_cli.views.pose_overlay import overlay_sheet, refresh_overlay
from tests.poses.grey_people import CONFIG, DUET, film
from tests.told import refused

TWO = replace(CONFIG, subjects=2)


@pytest.fixture
def duet(tmp_path: Path) -> str:
    film(tmp_path / "duet.mp4", DUET)
    return str(tmp_path / "duet.mp4")


def left_edge(project: StoredProject, video: str) -> float:
    """Where the first joint is in the first frame."""
    return float(project.read_pose(video)[0].xy[0, 0, 0])


def test_a_person_chosen_for_one_clip_is_kept_for_that_clip(
    project: StoredProject, duet: str, tmp_path: Path
) -> None:
    film(tmp_path / "solo.mp4", [{200: (60 + t, 20, 110 + t, 150)} for t in range(30)])
    (solo,) = extract_poses(project, [str(tmp_path / "solo.mp4")], CONFIG)
    (result,) = extract_poses(project, [duet], CONFIG, ExtractOptions(subject="2"))
    assert left_edge(project, result.video) == pytest.approx(180, abs=2)
    assert ensure_pose(project, duet, CONFIG) == result.video
    assert left_edge(project, result.video) == pytest.approx(180, abs=2)
    again = extract_poses(project, [str(tmp_path)], CONFIG)
    assert {r.video: r.status for r in again} == {result.video: "cached", solo.video: "cached"}
    extract_poses(project, [duet], CONFIG, ExtractOptions(subject="auto"))
    assert left_edge(project, result.video) == pytest.approx(60, abs=2)
    assert read_subjects(project) == {}
    project.subjects_path.write_text(f"video,subject\n{result.video},2\n")
    (again,) = extract_poses(project, [duet], CONFIG)
    assert (again.status != "cached", again.video) == (True, result.video)
    assert left_edge(project, result.video) == pytest.approx(180, abs=2)


def test_a_person_who_is_not_there(project: StoredProject, duet: str) -> None:
    (result,) = extract_poses(project, [duet], replace(CONFIG, subject="3"))
    assert (result.status, result.code) == ("skipped", "V026")
    with refused(ExitCode.UNUSABLE, r"^duet\.mp4: the clip shows 2 people", "V026"):
        ensure_pose(project, duet, replace(CONFIG, subject="3"))


def test_two_people_become_two_clips(project: StoredProject, duet: str) -> None:
    result, second = extract_poses(project, [duet], TWO)
    one, two = project.videos()
    assert (one.id, one.person) == (result.video, 1)
    assert (two.id, two.person) == (second.video, 2) == (f"{result.video}-p2", 2)
    assert (one.name, two.name) == ("duet.mp4", "duet.mp4#2")
    assert (second.status, second.code) == ("degraded", "V027")  # 50 pixels tall
    assert left_edge(project, one.id) == pytest.approx(60, abs=2)
    assert left_edge(project, two.id) == pytest.approx(180, abs=2)
    assert project.read_pose(two.id)[0].info["person"] == 2
    assert [r.status for r in extract_poses(project, [duet], TWO)] == ["cached", "cached"]


def test_every_person_is_reported_and_drawn(
    project: StoredProject, duet: str, tmp_path: Path
) -> None:
    results = extract_poses(project, [duet], TWO, on_clip=partial(refresh_overlay, project))
    overlay_sheet(project, [each.video for each in results], tmp_path / "sheet.png")
    with (project.results_dir("extract") / "report.csv").open(newline="") as handle:
        one, two = csv.DictReader(handle)
    assert [one["video"], two["video"]] == [r.video for r in results]
    assert float(two["person_height"]) < float(one["person_height"])
    films = {path.stem for path in project.results_dir("overlay").glob("*.mp4")}
    assert films == {r.video for r in results}
    with Image.open(tmp_path / "sheet.png") as two_rows:
        high = two_rows.height
    one = extract_poses(project, [duet], CONFIG)
    overlay_sheet(project, [each.video for each in one], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as one_row:
        assert one_row.height < high


def test_the_second_person_by_name(project: StoredProject, duet: str) -> None:
    extract_poses(project, [duet], TWO)
    one, two = project.videos()
    assert project.find(f"{duet}#2") == project.find(f"{one.id}#2") == two
    assert ensure_pose(project, "duet#2", TWO) == two.id
    # Made anew when it is gone.
    project.pose_path(two.id).unlink()
    assert ensure_pose(project, "duet#2", TWO) == two.id
    assert left_edge(project, two.id) == pytest.approx(180, abs=2)


def test_a_person_no_longer_kept_is_removed(project: StoredProject, duet: str) -> None:
    extract_poses(project, [duet], TWO)
    (result,) = extract_poses(project, [duet], CONFIG)
    assert [video.id for video in project.videos()] == [result.video]
    assert not project.pose_path(f"{result.video}-p2").exists()
