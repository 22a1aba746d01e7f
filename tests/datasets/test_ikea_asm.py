"""IKEA ASM: scans, lists and segments in the layout of the data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.datasets.ikea_asm import import_ikea_asm
from tests.formats.data_set_samples import (
    ikea_person,
    rcnn_person,
    write_ikea,
    write_ikea_frame,
    write_segments,
)
from tests.formats.file_samples import joints, write_json
from tests.told import refused

FIRST = "Kallax_Shelf_Drawer/0001_black_table_02_01_2019_08_16_14_00"
SECOND = "Kallax_Shelf_Drawer/0001_oak_floor_05_02_2019_08_19_16_54"
BENCH = "Lack_TV_Bench/0007_white_floor_08_04_2019_08_28_10_47"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two shelves, train and test, with their actions, and a bench in neither."""
    root = tmp_path / "ikea"
    for scan in (FIRST, SECOND, BENCH):
        write_ikea(root, scan)
    first = {FIRST: [("NA", 0, 2), ("pick up panel", 2, 5), ("spin leg", 5, 7), ("NA", 7, 8)]}
    path = write_segments(root, first)
    document = json.loads(path.read_text())
    second = {SECOND: [("spin leg", 0, 3), ("pick up panel", 3, 8)]}
    other = json.loads(write_segments(root, second, "testing").read_text())
    document["database"] |= other["database"]
    (root / "indexing_files").mkdir()
    write_json(root / "indexing_files" / "gt_segments.json", document)
    path.unlink()
    return root


def folder_of(root: Path, scan: str = FIRST, network: str = "keypoint_rcnn_ft") -> Path:
    return root / scan / "dev3" / "predictions" / "pose2d" / network


def first_pose(project: StoredProject):
    return project.read_pose(project.videos()[0].id)[0]


def test_scans_become_poses_with_splits_and_half_open_phases(root: Path, project: StoredProject):
    results = import_ikea_asm(project, root)
    assert [(r.status, r.frames) for r in results] == [("ok", 8)] * 3
    videos = project.videos()
    assert [v.name for v in videos] == [s.split("/")[1] for s in (FIRST, SECOND, BENCH)]
    assert [v.split for v in videos] == ["train", "test", ""]
    pose = first_pose(project)
    assert (pose.skeleton, pose.fps, pose.size) == ("coco17", 30.0, (1920, 1080))
    for t in (0, 7):
        np.testing.assert_allclose(pose.xy[t], joints(t, at=900, scale=5))
        low, high = joints(t, at=900, scale=5).min(axis=0), joints(t, at=900, scale=5).max(axis=0)
        np.testing.assert_allclose(pose.box[t], [*low, *high])
    np.testing.assert_allclose(pose.score, 0.75)
    phases = project.phases()
    assert phases[videos[0].id] == [Phase(2, 5, "pick up panel"), Phase(5, 7, "spin leg")]
    assert phases[videos[1].id] == [Phase(0, 3, "spin leg"), Phase(3, 8, "pick up panel")]
    assert videos[2].id not in phases


@pytest.mark.parametrize(
    "name", ["kallax_shelf_drawer", "Kallax_Shelf_Drawer", "kallax shelf-drawer"]
)
def test_only_one_furniture(root: Path, project: StoredProject, name: str):
    assert len(import_ikea_asm(project, root, furniture=name)) == 2
    with refused(ExitCode.USAGE, "unknown furniture 'kalax'") as caught:
        import_ikea_asm(project, root, furniture="kalax")
    assert "Kallax_Shelf_Drawer, Lack_TV_Bench" in caught.value.hint


def test_a_frame_without_a_person_is_all_zeros_in_the_files(root: Path, project: StoredProject):
    nobody = ikea_person(np.zeros((17, 2)), 0.0, boxes=[0.0] * 4, score=0.0)
    write_ikea_frame(folder_of(root), 2, [nobody])
    write_ikea_frame(folder_of(root), 4, [])
    import_ikea_asm(project, root)
    pose = first_pose(project)
    assert np.isnan(pose.xy[[2, 4]]).all()
    assert np.isnan(pose.box[[2, 4]]).all()
    assert np.isfinite(pose.xy[[0, 1, 3, 5]]).all()


def test_of_several_people_the_best_scored_is_taken(root: Path, project: StoredProject):
    """In every frame anew, as the data set's code does."""
    for t in range(8):
        main, other = joints(t, at=900, scale=5), joints(0, at=100, scale=3)
        best = 0.95 if t == 4 else 0.3
        write_ikea_frame(folder_of(root), t, [rcnn_person(other, best), rcnn_person(main, 0.8)])
    import_ikea_asm(project, root)
    pose = first_pose(project)
    np.testing.assert_allclose(pose.xy[4], joints(0, at=100, scale=3))
    np.testing.assert_allclose(pose.xy[5], joints(5, at=900, scale=5))


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ([{"label": "spin", "segment": [5, 5]}], "should have a label, its first frame"),
        ([{"label": "spin", "segment": [5]}], "does not follow the format"),
        ([{"segment": [1, 4]}], "has no 'label'"),
        (7, "does not follow the format"),
        (
            [{"label": "spin", "segment": [0, 4]}, {"label": "pick up", "segment": [3, 6]}],
            "'spin' (0 to 4) and 'pick up' (3 to 6) overlap",
        ),
    ],
)
def test_a_scan_whose_segments_are_wrong_fails_alone(
    root: Path, project: StoredProject, annotation: object, said: str
):
    scan = annotation if isinstance(annotation, int) else {"annotation": annotation}
    write_json(root / "gt_segments.json", {"database": {SECOND: scan}})
    results = import_ikea_asm(project, root)
    assert [r.status for r in results] == ["ok", "failed", "ok"]
    assert said in results[1].message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is not JSON"),
        ('{"people": [{}]}', "has no 'pose_keypoints_2d'"),
        ('{"people": [{"pose_keypoints_2d": ["a"]}]}', "does not follow the format"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "different numbers of joints: [1, 17]"),
    ],
)
def test_a_file_that_is_wrong_fails_with_its_scan_alone(
    root: Path, project: StoredProject, content: str, said: str
):
    path = folder_of(root, SECOND) / "scan_video_000000000003_keypoints.json"
    path.write_text(content)
    results = import_ikea_asm(project, root)
    assert [r.status for r in results] == ["ok", "failed", "ok"]
    assert said in results[1].message
    assert path.name in results[1].message or "different" in said
    assert len(project.videos()) == 2
