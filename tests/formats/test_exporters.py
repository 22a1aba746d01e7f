"""The batch around the exporters, and what the files look like to other tools."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import load_exporter
from la2ds_cli.formats.exporting import export_poses
from tests.formats.pose_samples import add, sample

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "project")
    add(made, "anna-1", sample())
    add(made, "ben-2", sample(frames=7))
    return made


def test_nothing_is_overwritten_unless_asked_for(project: Project, tmp_path: Path):
    out = tmp_path / "out"
    first = export_poses(project, "trc", [], out)
    assert [(r.status, Path(r.path).name, r.frames) for r in first] == [
        ("ok", "anna-1.trc", 12),
        ("ok", "ben-2.trc", 7),
    ]
    (out / "anna-1.trc").write_text("mine")
    again = export_poses(project, "trc", [], out)
    assert [(r.status, r.code) for r in again] == [("skipped", "E001")] * 2
    assert (out / "anna-1.trc").read_text() == "mine"
    export_poses(project, "trc", ["anna-1"], out, overwrite=True)
    assert (out / "anna-1.trc").read_text().startswith("PathFileType")


def test_an_openpose_folder_is_replaced_and_other_files_stay(project: Project, tmp_path: Path):
    (path,) = [Path(r.path) for r in export_poses(project, "openpose-json", ["anna"], tmp_path)]
    assert len(list(path.iterdir())) == 12
    (path / "notes.txt").write_text("mine")
    (path / "old_000000000099_keypoints.json").write_text("{}")
    export_poses(project, "openpose-json", ["anna"], tmp_path, overwrite=True)
    names = {p.name for p in path.iterdir()}
    assert len(names) == 13
    assert "notes.txt" in names
    assert "anna-1_000000000011_keypoints.json" in names
    assert not list(tmp_path.glob(".tmp-*"))


def test_clips_without_poses_do_not_stop_the_others(project: Project, tmp_path: Path):
    add(project, "cara-3", sample())
    project.pose_path("anna-1").unlink()
    project.pose_path("ben-2").write_bytes(b"no poses")
    results = export_poses(project, "wide-csv", [], tmp_path)
    assert [(r.status, r.code) for r in results] == [
        ("skipped", "E002"),
        ("failed", "E002"),
        ("ok", ""),
    ]


def test_hands_have_no_place_in_body25(project: Project, tmp_path: Path):
    add(project, "hand-3", sample("hand21"))
    (result,) = export_poses(project, "openpose-json", ["hand"], tmp_path)
    assert (result.status, result.code) == ("skipped", "E003")
    assert "hand21" in result.message


def test_unknown_clip_and_empty_project(project: Project, tmp_path: Path):
    with pytest.raises(UserError, match="no clip 'ana-1'") as caught:
        export_poses(project, "trc", ["ana-1"], tmp_path)
    assert "did you mean 'anna-1'" in caught.value.hint
    empty = Project.create(tmp_path / "empty")
    with pytest.raises(UserError, match="no clips") as caught:
        export_poses(empty, "trc", [])
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_default_folder(project: Project):
    (result,) = export_poses(project, "coco-json", ["anna"])
    assert Path(result.path) == project.root / "results" / "export" / "coco-json" / "anna-1.json"


def written(name: str, pose: PoseSequence, path: Path) -> str:
    load_exporter(name)[0](pose, "anna", path)
    return path.read_text()


def test_trc_as_opensim_checks_it(tmp_path: Path):
    """The rules of OpenSim's TRCFileAdapter: counts of keys, labels and cells, and blank rows."""
    pose = sample(frames=7, first=3)
    lines = written("trc", pose, tmp_path / "a.trc").splitlines()
    rows = [line.split("\t") for line in lines]
    assert lines[0] == "PathFileType\t4\t(X/Y/Z)\ta.trc"
    keys = (
        "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame "
        "OrigNumFrames"
    )
    assert rows[1] == keys.split()
    assert rows[2] == ["25.000000", "25.000000", "7", "17", "px", "25.000000", "4", "7"]
    labels = [cell for cell in rows[3] if cell]
    assert labels == ["Frame#", "Time", *get_skeleton("coco17").joints]
    assert rows[3].index("left_eye") == 5
    assert [cell for cell in rows[4] if cell][:4] == ["X1", "Y1", "Z1", "X2"]
    assert rows[4].index("X2") == rows[3].index("left_eye")
    assert lines[5] == ""
    assert len(lines) == 6 + 7
    for row in rows[6:]:
        assert len(row) == 2 + 3 * 17
        assert all(row)
    assert rows[6][0] == "4"
    assert float(rows[6][1]) == pose.time[0]
    np.testing.assert_allclose([float(v) for v in rows[6][2:5]], [*pose.xy[0, 0], 0], atol=6e-5)
    assert rows[8][5:8] == ["nan"] * 3


def test_coco_document(tmp_path: Path):
    pose = sample()
    document = json.loads(written("coco-json", pose, tmp_path / "a.json"))
    (category,) = document["categories"]
    assert category["keypoints"] == list(get_skeleton("coco17").joints)
    assert [16, 14] in category["skeleton"] or [14, 16] in category["skeleton"]  # 1-based
    assert len(document["images"]) == 12
    assert len(document["annotations"]) == 11  # frame 5 shows nobody
    item = document["annotations"][2]
    assert item["keypoints"][3:6] == [0, 0, 0]
    assert item["num_keypoints"] == 16
    x, y, width, height = item["bbox"]
    np.testing.assert_allclose([x, y, x + width, y + height], pose.box[2], atol=2e-4)
    assert document["images"][3]["frame_id"] == 3
    assert len({a["id"] for a in document["annotations"]}) == 11


def test_openpose_neck_and_hips_are_middles(tmp_path: Path):
    pose = sample("coco17")
    load_exporter("openpose-json")[0](pose, "anna", tmp_path / "anna")
    path = tmp_path / "anna" / "anna_000000000002_keypoints.json"
    (person,) = json.loads(path.read_text())["people"]
    triple = np.reshape(person["pose_keypoints_2d"], (25, 3))
    shoulders = pose.xy[2, [5, 6]].mean(axis=0)
    np.testing.assert_allclose(triple[1, :2], shoulders, atol=1e-3)
    assert triple[1, 2] == pytest.approx(pose.score[2, [5, 6]].min(), abs=1e-4)
    assert triple[16].tolist() == [0, 0, 0]  # the left eye is missing in this frame
    assert triple[19].tolist() == [0, 0, 0]  # COCO has no toes
    empty = json.loads((tmp_path / "anna" / "anna_000000000005_keypoints.json").read_text())
    assert empty["people"] == []


def test_csv_headers(tmp_path: Path):
    wide = list(csv.reader(written("wide-csv", sample(), tmp_path / "w.csv").splitlines()))
    assert wide[0][:6] == ["frame", "time", "nose_x", "nose_y", "nose_score", "left_eye_x"]
    assert wide[3][5:8] == ["", "", "0.0000"]
    dlc = list(csv.reader(written("dlc-csv", sample(), tmp_path / "d.csv").splitlines()))
    assert [row[0] for row in dlc[:4]] == ["scorer", "bodyparts", "coords", "0"]
    assert dlc[1][1:5] == ["nose", "nose", "nose", "left_eye"]
    assert dlc[2][1:4] == ["x", "y", "likelihood"]


def test_a_folder_that_cannot_be_written(project: Project, tmp_path: Path):
    (tmp_path / "file").write_text("")
    for name in ("trc", "openpose-json"):
        with pytest.raises(UserError) as caught:
            export_poses(project, name, ["anna"], tmp_path / "file" / "out")
        assert caught.value.exit_code == ExitCode.STORAGE
