"""What the exporters write: it comes back as it was, and other tools understand it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import SKELETONS, get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats import READ, WRITTEN, load_format, openpose_json, trc
from la2ds_cli.formats.file_people import PIXELS
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import export_poses, import_poses
from tests.any_values import poses
from tests.formats.conftest import Read
from tests.formats.pose_samples import SIZE, add, person_in_metres, sample
from tests.told import refused


@dataclass(frozen=True)
class Kept:
    """What a format keeps, and what the importer has to be told because of it."""

    score: bool = True
    time: bool = True
    size: bool = True


KEPT = {
    "coco-json": Kept(),
    "wide-csv": Kept(size=False),
    "dlc-csv": Kept(time=False, size=False),
    "trc": Kept(score=False, size=False),
}
PRECISION = 6e-5  # files hold four decimals, float32 a little less at 600 pixels
ALL = pytest.mark.parametrize("name", KEPT)


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def round_trip(name: str, pose: PoseSequence, folder: Path, **told: Any) -> PoseSequence:
    source = StoredProject.create(folder / "from")
    add(source, "clip-1", pose)
    (written,) = export_poses(source, name, [], folder / "out")
    assert written.status == "ok", written
    kept = KEPT.get(name, Kept(time=False, size=False))
    options = ImportOptions(
        fps=None if kept.time else pose.fps, size=None if kept.size else SIZE, **told
    )
    target = StoredProject.create(folder / "to")
    (read,) = import_poses(target, name, Path(written.path), options)
    assert read.usable, read
    return target.read_pose(read.video)[0]


def assert_same(back: PoseSequence, pose: PoseSequence, kept: Kept) -> None:
    assert (back.skeleton, back.size) == (pose.skeleton, pose.size)
    assert back.frame.tolist() == pose.frame.tolist()
    np.testing.assert_array_equal(np.isnan(back.xy), np.isnan(pose.xy))
    np.testing.assert_allclose(back.xy, pose.xy, atol=PRECISION, rtol=2e-7)
    seen = (~np.isnan(pose.xy[..., 0])).astype(np.float32)
    np.testing.assert_allclose(back.score, pose.score if kept.score else seen, atol=PRECISION)
    time = pose.time if kept.time else pose.frame / pose.fps
    np.testing.assert_allclose(back.time, time, rtol=0 if kept.time else 1e-7)


OPENPOSE = "openpose-json"  # for one skeleton alone


def test_every_exporter_has_an_importer_of_its_name():
    assert {*KEPT, OPENPOSE} == set(WRITTEN) < set(READ)


@ALL
@pytest.mark.parametrize("first", [40, 5400])
def test_a_part_of_a_film_keeps_its_numbers_and_empty_ends(name: str, first: int, tmp_path: Path):
    pose = sample(first=first)
    xy, score = pose.xy.copy(), pose.score.copy()
    xy[[0, 1, -2, -1]], score[[0, 1, -2, -1]] = np.nan, 0
    pose = replace(pose, xy=xy, score=score)
    assert_same(round_trip(name, pose, tmp_path), pose, KEPT[name])


@ALL
@given(data=st.data())
def test_poses_come_back_whatever_their_values(name: str, data: st.DataObject):
    kept = KEPT[name]
    first = 10**6 if kept.time else 0  # without times, a clip begins with its first frame
    pose = data.draw(
        poses(farthest=2.0**19, skeletons=tuple(sorted(SKELETONS)), first=first, plain=True)
    )
    if name == "trc":  # which holds the joints in the image of no other clip
        pose = replace(pose, world=None)
    with TemporaryDirectory() as folder:
        back = round_trip(name, pose, Path(folder), skeleton=pose.skeleton)
    assert_same(back, pose if kept.size else replace(pose, size=SIZE), kept)


@ALL
@given(pose=poses())
def test_poses_at_the_limits_are_written(name: str, pose: PoseSequence):
    """Of pixels up to 2**100, frame numbers of 64 bits, and the smallest rate that there is."""
    module = load_format(name, WRITTEN)
    with TemporaryDirectory() as folder:
        module.write_clip(pose, "a", Path(folder, f"a{module.SUFFIX}"))
        assert [entry.name for entry in Path(folder).iterdir()] == [f"a{module.SUFFIX}"]


# --- joints in metres -----------------------------------------------------------------------------


def deep(frames: int = 12) -> tuple[PoseSequence, FloatArray]:
    world = np.array(person_in_metres(frames))
    world[3, 4] = world[6] = np.nan
    return replace(sample(frames=frames), world=world), world


def test_wide_csv_holds_metres_beside_the_joints(tmp_path: Path):
    pose, world = deep()
    back = round_trip("wide-csv", pose, tmp_path)
    assert_same(back, pose, KEPT["wide-csv"])
    assert back.world is not None
    np.testing.assert_allclose(back.world, world, atol=1e-4)


@pytest.mark.parametrize(("units", "metres"), [("m", 1), ("cm", 0.01), ("mm", 0.001)])
def test_trc_is_y_up_and_in_metres(tmp_path: Path, read: Read, units: str, metres: float):
    pose, world = deep()
    path = tmp_path / "clip.trc"
    trc.write_clip(pose, "clip", path)
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    first = np.array([float(cell) for cell in rows[6][2:]]).reshape(17, 3)
    joints = get_skeleton("coco17")
    assert rows[2][4] == "m"
    assert first[joints.index("nose"), 1] > 1.4 > 0.3 > first[joints.index("left_ankle"), 1]
    path.write_text(path.read_text().replace("\tm\t", f"\t{units}\t"))
    back = read("trc", path, fps=None)
    assert back.world is not None
    np.testing.assert_allclose(back.world, metres * world, atol=1e-4 * metres)
    np.testing.assert_allclose(back.xy, PIXELS * back.world[..., :2], rtol=1e-5)
    np.testing.assert_allclose(back.time, pose.time)
    assert (back.score > 0).tolist() == np.isfinite(world[..., 0]).tolist()
    trc.write_clip(pose.cut(0, 1), "clip", path)
    assert len(read("trc", path)) == 1


# --- what other tools find ------------------------------------------------------------------------


def written(name: str, pose: PoseSequence, path: Path) -> str:
    load_format(name, WRITTEN).write_clip(pose, "anna", path)
    return path.read_text()


def test_openpose_neck_and_hips_are_middles(tmp_path: Path):
    pose = sample("coco17")
    openpose_json.write_clip(pose, "anna", tmp_path / "anna")
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


def test_an_openpose_folder_is_replaced_and_other_files_stay(tmp_path: Path):
    project = StoredProject.create(tmp_path / "project")
    add(project, "anna", sample())
    add(project, "hand", sample("hand21"))
    done, left = export_poses(project, "openpose-json", [], tmp_path / "out")
    assert (done.status, left.status, left.code) == ("ok", "skipped", "E003")
    assert "hand21" in left.message
    path = Path(done.path)
    count = len(list(path.iterdir()))
    (path / "notes.txt").write_text("mine")
    (path / "old_000000000099_keypoints.json").write_text("{}")
    export_poses(project, "openpose-json", ["anna"], tmp_path / "out", overwrite=True)
    names = {file.name for file in path.iterdir()}
    assert len(names) == count + 1
    assert {"notes.txt", "anna_000000000000_keypoints.json"} < names
    assert not list((tmp_path / "out").glob(".tmp-*"))


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
    assert [cell for cell in rows[4] if cell][:4] == ["X1", "Y1", "Z1", "X2"]
    assert rows[4].index("X2") == rows[3].index("left_eye") == 5
    assert (lines[5], len(lines)) == ("", 6 + 7)
    assert all(len(row) == 2 + 3 * 17 and all(row) for row in rows[6:])
    assert (rows[6][0], float(rows[6][1])) == ("4", pose.time[0])
    np.testing.assert_allclose([float(v) for v in rows[6][2:5]], [*pose.xy[0, 0], 0], atol=6e-5)
    assert rows[8][5:8] == ["nan"] * 3


def test_coco_document(tmp_path: Path):
    document = json.loads(written("coco-json", sample(), tmp_path / "a.json"))
    (category,) = document["categories"]
    assert category["keypoints"] == list(get_skeleton("coco17").joints)
    assert [16, 14] in category["skeleton"] or [14, 16] in category["skeleton"]  # 1-based
    assert len(document["images"]) == len(document["annotations"]) + 1  # frame 5 shows nobody
    item = document["annotations"][2]
    assert (item["keypoints"][3:6], item["num_keypoints"]) == ([0, 0, 0], 16)
    x, y, width, height = item["bbox"]
    np.testing.assert_allclose([x, y, x + width, y + height], sample().box[2], atol=2e-4)


# --- the batch ------------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> StoredProject:
    made = StoredProject.create(tmp_path / "two")
    add(made, "anna-1", sample())
    add(made, "ben-2", sample(frames=7))
    return made


def test_clips_without_poses_do_not_stop_the_others(two: StoredProject, tmp_path: Path):
    add(two, "cara-3", sample())
    two.pose_path("anna-1").unlink()
    two.pose_path("ben-2").write_bytes(b"no poses")
    results = export_poses(two, "wide-csv", [], tmp_path)
    said = [("skipped", "E002"), ("failed", "E002"), ("ok", "")]
    assert [(r.status, r.code) for r in results] == said


def test_unknown_clip_empty_project_and_a_folder_that_is_a_file(two: StoredProject, tmp_path: Path):
    with pytest.raises(UserError, match="no clip 'ana-1'") as caught:
        export_poses(two, "trc", ["ana-1"], tmp_path)
    assert "did you mean 'anna-1'" in caught.value.hint
    with refused(ExitCode.USAGE, "poses belongs to the project"):
        export_poses(two, "trc", [], two.root / "poses")
    with refused(ExitCode.UNUSABLE, "no clips"):
        export_poses(StoredProject.create(tmp_path / "empty"), "trc", [])
    (tmp_path / "file").write_text("")
    with refused(ExitCode.STORAGE):
        export_poses(two, "trc", ["anna"], tmp_path / "file" / "out")
