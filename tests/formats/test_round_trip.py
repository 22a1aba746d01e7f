"""Every exporter that has an importer of the same name: poses come back as they were."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import SKELETONS
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import format_names, load_importer
from la2ds_cli.formats.exporting import export_poses
from la2ds_cli.formats.file_clip import ImportOptions
from tests.formats.pose_samples import SIZE, add, sample


@dataclass(frozen=True)
class Kept:
    """What a format keeps, and what the importer has to be told because of it."""

    score: bool = True
    time: bool = True
    size: bool = True


KEPT = {
    "coco_json": Kept(),
    "openpose_json": Kept(time=False, size=False),
    "wide_csv": Kept(size=False),
    "dlc_csv": Kept(time=False, size=False),
    "trc": Kept(score=False, size=False),
    "sleap": Kept(time=False),
}
PRECISION = 6e-5  # files hold four decimals, float32 a little less at 600 pixels
BODIES = [name for name in SKELETONS if "hand" not in name]


def pairs() -> list[str]:
    return sorted(set(format_names("write_clip")) & set(format_names("read_clips")))


def skip_without(name: str) -> None:
    if name == "sleap" and importlib.util.find_spec("sleap_io") is None:
        pytest.skip("SLEAP files need the optional package sleap-io (la2ds[sleap])")


def round_trip(name: str, pose: PoseSequence, folder: Path, **told: Any) -> PoseSequence:
    skip_without(name)
    source = Project.create(folder / "from")
    add(source, "clip-1", pose)
    (written,) = export_poses(source, name, [], folder / "out")
    assert written.status == "ok", written
    kept = KEPT[name]
    options = ImportOptions(
        fps=None if kept.time else pose.fps, size=None if kept.size else SIZE, **told
    )
    target = Project.create(folder / "to")
    (read,) = load_importer(name)(target, Path(written.path), options)
    assert read.usable, read
    back, recipe = target.read_pose(read.video)
    assert recipe.step == "import"
    return back


def assert_same(back: PoseSequence, pose: PoseSequence, kept: Kept) -> None:
    assert back.skeleton == pose.skeleton
    assert back.size == pose.size
    assert back.frame.tolist() == pose.frame.tolist()
    np.testing.assert_array_equal(np.isnan(back.xy), np.isnan(pose.xy))
    np.testing.assert_allclose(back.xy, pose.xy, atol=PRECISION, rtol=1e-7)
    if kept.score:
        np.testing.assert_allclose(back.score, pose.score, atol=PRECISION)
    else:
        np.testing.assert_array_equal(back.score, (~np.isnan(pose.xy[..., 0])).astype(np.float32))
    if kept.time:
        np.testing.assert_array_equal(back.time, pose.time)
    else:
        np.testing.assert_allclose(back.time, pose.frame / pose.fps)


def test_every_exporter_has_an_importer_of_its_name():
    assert pairs() == format_names("write_clip") == sorted(KEPT)


@pytest.mark.parametrize("name", pairs())
def test_poses_come_back(name: str, tmp_path: Path):
    skeleton = "body25" if name == "openpose_json" else "coco17"
    pose = sample(skeleton)
    assert_same(round_trip(name, pose, tmp_path), pose, KEPT[name])


@pytest.mark.parametrize("skeleton", sorted(SKELETONS))
@pytest.mark.parametrize("name", ["coco_json", "wide_csv", "dlc_csv", "trc", "sleap"])
def test_skeletons_are_found_by_the_names_of_their_joints(name: str, skeleton: str, tmp_path: Path):
    pose = sample(skeleton, 7)
    assert_same(round_trip(name, pose, tmp_path), pose, KEPT[name])


def test_body25_holds_coco17(tmp_path: Path):
    pose = sample("coco17")
    back = round_trip("openpose_json", pose, tmp_path, skeleton="coco17")
    assert_same(back, pose, KEPT["openpose_json"])


@pytest.mark.parametrize("first", [40, 5400])
@pytest.mark.parametrize("name", pairs())
def test_a_clip_cut_from_a_longer_one_keeps_its_frame_numbers(
    name: str, first: int, tmp_path: Path
):
    """But for OpenPose, whose folders count from their lowest number."""
    pose = sample("body25" if name == "openpose_json" else "coco17", first=first)
    back = round_trip(name, pose, tmp_path)
    if name == "openpose_json":
        pose = replace(pose, frame=pose.frame - first, time=pose.time - first / pose.fps)
    assert_same(back, pose, KEPT[name])


@pytest.mark.parametrize("name", pairs())
def test_frames_without_joints_at_the_ends_stay(name: str, tmp_path: Path):
    pose = sample("body25" if name == "openpose_json" else "coco17", first=40)
    xy = pose.xy.copy()
    xy[[0, 1, -2, -1]] = np.nan
    pose = replace(pose, xy=xy)
    back = round_trip(name, pose, tmp_path)
    assert len(back) == len(pose)
    np.testing.assert_array_equal(np.isnan(back.xy), np.isnan(pose.xy))


def test_a_box_comes_back_where_the_format_has_one(tmp_path: Path):
    pose = sample()
    back = round_trip("coco_json", pose, tmp_path)
    seen = ~np.isnan(pose.box[:, 0])
    np.testing.assert_allclose(back.box[seen], pose.box[seen], atol=2e-4)
    assert np.isnan(back.box[~seen]).all()
