"""Parts of files, turned and slowed films, manifests, shards: what becomes of them in a project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.poses.missing_poses import ensure_pose
from tests.poses.grey_people import CONFIG, DUET, NAMES, film, same_poses, walk
from tests.processes import invoke


@pytest.fixture
def clip(tmp_path: Path) -> str:
    """50 frames at 25 fps."""
    film(tmp_path / "clip.mp4", walk(50, step=1))
    return str(tmp_path / "clip.mp4")


def test_a_part_of_a_file(project: StoredProject, clip: str) -> None:
    options = ClipOptions(start=0.4, end=1.2)
    (result,) = extract_poses(project, [clip], CONFIG, ExtractOptions(clip=options.to_json()))
    pose, _ = project.read_pose(result.video)
    assert result.video.endswith("-t0.4-1.2")
    np.testing.assert_array_equal(pose.frame, np.arange(10, 30))
    np.testing.assert_allclose(pose.time, np.arange(10, 30) / 25, atol=1e-6)
    np.testing.assert_allclose(pose.xy[0, 0], [50, 40], atol=1.6)
    assert not pose.info["truncated"]


def test_the_parts_of_a_file_are_made_anew_together(
    project: StoredProject, tmp_path: Path, clip: str
) -> None:
    """As `la2ds status` suggests, by the name of the file; the whole file is no clip of its own."""
    for options in (ClipOptions(end=0.8, mirror=True), ClipOptions(start=0.8)):
        extract_poses(project, [clip], CONFIG, ExtractOptions(clip=options.to_json()))
    parts = project.videos()
    changed = replace(CONFIG, detect_threshold=0.5)
    results = extract_poses(project, [clip], changed)
    assert [(r.status, r.video) for r in results] == [("ok", part.id) for part in parts]
    assert project.videos() == parts
    assert [r.status for r in extract_poses(project, [clip], changed)] == ["cached", "cached"]
    # Where a list names a part beside the file, the file is the whole of it.
    (tmp_path / "clips.csv").write_text("path,start\nclip.mp4,\nclip.mp4,0.8\n")
    whole, part = extract_poses(project, [str(tmp_path / "clips.csv")], changed)
    assert (whole.status, part.status, part.video) == ("ok", "cached", parts[1].id)
    assert len(project.videos()) == 3


def test_all_of_a_file_is_a_clip_beside_its_parts_when_its_time_range_is_given(
    project: StoredProject, clip: str
) -> None:
    networks = ("--detector", *NAMES, "--pose", *NAMES, "--project", str(project.root))
    for part in ("0:0.8", "0.8:"):
        invoke("extract-poses", clip, *networks, "--time-range", part, "--mirror", code=0)
    parts = project.videos()
    invoke("extract-poses", clip, *networks, code=0)
    assert project.videos() == parts
    invoke("extract-poses", clip, *networks, "--time-range", "0:", code=0)
    *before, whole = project.videos()
    assert (before, whole.frames, whole.options) == (parts, 50, "mirror=true")
    assert project.find("clip.mp4") == whole
    invoke("extract-poses", clip, *networks, code=0)
    assert project.videos() == [*parts, whole]


def test_later_steps_read_a_clip_the_same_way(project: StoredProject, clip: str) -> None:
    turned = {"rotate": 90, "slowmo": 2}
    (result,) = extract_poses(project, [clip], CONFIG, ExtractOptions(clip=turned))
    pose, _ = project.read_pose(result.video)
    assert pose.size == (160, 240)
    assert pose.time[-1] == pytest.approx(49 / 50)
    before = project.pose_path(result.video).stat().st_mtime_ns
    assert ensure_pose(project, clip, CONFIG) == result.video
    assert [r.status for r in extract_poses(project, [clip], CONFIG)] == ["cached"]
    assert project.pose_path(result.video).stat().st_mtime_ns == before
    ensure_pose(project, clip, replace(CONFIG, detect_threshold=0.5))
    assert project.read_pose(result.video)[0].size == (160, 240)
    whole = {"rotate": 0, "slowmo": 1}
    (back,) = extract_poses(project, [clip], CONFIG, ExtractOptions(clip=whole))
    assert back.video == result.video
    assert project.read_pose(result.video)[0].size == (240, 160)


def test_a_manifest(project: StoredProject, tmp_path: Path, clip: str) -> None:
    film(tmp_path / "duet.mp4", DUET)
    (tmp_path / "clips.csv").write_text(
        "path,start,end,subject,group,split\n"
        "clip.mp4,0,1,,anna,train\n"
        "clip.mp4,1,2,,anna,test\n"
        "duet.mp4,,,2,ben,\n"
        "gone.mp4,,,,,\n"
    )
    results = extract_poses(project, [str(tmp_path / "clips.csv")], CONFIG)
    assert [(r.status, r.code) for r in results[:2]] == [("ok", ""), ("ok", "")]
    assert results[3].code == "V006"
    rows = {row.id: row for row in project.videos()}
    assert [rows[r.video].split for r in results[:3]] == ["train", "test", ""]
    assert [rows[r.video].group for r in results[:3]] == ["anna", "anna", "ben"]
    pose, _ = project.read_pose(results[2].video)
    assert pose.xy[0, 0, 0] == pytest.approx(180, abs=2)
    # The choice of the manifest is kept where later steps look for it.
    assert ensure_pose(project, "duet", CONFIG) == results[2].video
    assert project.read_pose(results[2].video)[0].xy[0, 0, 0] == pytest.approx(180, abs=2)


def test_a_manifest_can_take_options_back(
    project: StoredProject, tmp_path: Path, clip: str
) -> None:
    """A row that says nothing reads the clip as before; `rotate` is 0 does say something."""
    extract_poses(project, [clip], CONFIG, ExtractOptions(clip={"rotate": 90, "slowmo": 2}))
    table = tmp_path / "clips.csv"
    sizes = []
    for cell in ("", "0"):
        table.write_text(f"path,rotate\nclip.mp4,{cell}\n")
        (result,) = extract_poses(project, [str(table)], CONFIG)
        sizes.append(project.read_pose(result.video)[0].size)
    assert sizes == [(160, 240), (240, 160)]
    assert [video.options for video in project.videos()] == ["slowmo=2"]


def test_shards_together_are_the_whole(tmp_path: Path) -> None:
    for number in range(5):
        film(tmp_path / "clips" / f"{number}.mp4", walk(12, start=20 + 10 * number))
    whole, parts = (
        StoredProject.create(tmp_path / "whole"),
        StoredProject.create(tmp_path / "parts"),
    )
    expected = extract_poses(whole, [str(tmp_path / "clips")], CONFIG)
    found = []
    for number in (1, 2):
        with parts.shard_lock(number, 2):
            found += extract_poses(
                parts, [str(tmp_path / "clips")], CONFIG, ExtractOptions(shard=(number, 2))
            )
    assert sorted(r.video for r in found) == sorted(r.video for r in expected)
    assert sorted(parts.videos(), key=lambda v: v.id) == sorted(whole.videos(), key=lambda v: v.id)
    same_poses(whole, parts, [result.video for result in expected])
    reports = sorted(parts.results_dir("extract").iterdir())
    assert [path.name for path in reports] == ["report-shard-1-of-2.csv", "report-shard-2-of-2.csv"]
    assert len(reports[1].read_text().splitlines()) == 1 + 2
