"""Joints in metres that files bring and take: axes, units, missing joints, round trips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats import load_exporter
from la2ds_cli.formats.h2o import import_h2o
from la2ds_cli.formats.people import PIXELS
from tests.formats.data_set_samples import hands, write_h2o
from tests.formats.pose_samples import person_in_metres, sample

Read = Callable[..., PoseSequence]
COCO = get_skeleton("coco17")


def deep(frames: int = 12) -> PoseSequence:
    pose = sample(frames=frames)
    world = np.array(person_in_metres(frames))
    world[3, 4] = world[6] = np.nan
    return replace(pose, world=world)


def world_of(pose: PoseSequence) -> FloatArray:
    assert pose.world is not None
    return pose.world


@pytest.mark.parametrize("name", ["wide-csv", "coco-json"])
def test_metres_come_back_beside_the_joints(tmp_path: Path, read: Read, name: str):
    pose = deep()
    _, suffix = load_exporter(name)
    load_exporter(name)[0](pose, "clip", tmp_path / f"clip{suffix}")
    back = read(name, tmp_path / f"clip{suffix}", fps=None)
    np.testing.assert_allclose(back.xy, pose.xy, atol=1e-4)
    expected = world_of(pose)
    if name == "coco-json":  # nobody is listed in a frame without joints in the image
        unseen = np.asarray(np.isnan(pose.xy).all(axis=(1, 2)))
        expected = np.where(unseen[:, None, None], np.nan, expected)
    np.testing.assert_allclose(world_of(back), expected, atol=1e-4)


def test_trc_in_metres_is_y_up_and_comes_back(tmp_path: Path, read: Read):
    pose = deep()
    load_exporter("trc")[0](pose, "clip", tmp_path / "clip.trc")
    lines = (tmp_path / "clip.trc").read_text().splitlines()
    first = np.array([float(cell) for cell in lines[6].split("\t")[2:]]).reshape(17, 3)
    assert lines[2].split("\t")[4] == "m"
    assert first[COCO.index("nose"), 1] > 1.4 > 0.3 > first[COCO.index("left_ankle"), 1]
    back = read("trc", tmp_path / "clip.trc", fps=None)
    np.testing.assert_allclose(world_of(back), world_of(pose), atol=1e-4)
    np.testing.assert_allclose(back.xy, PIXELS * world_of(back)[..., :2], rtol=1e-5)
    np.testing.assert_allclose(back.time, pose.time)
    assert (back.score > 0).tolist() == np.isfinite(world_of(pose)[..., 0]).tolist()


def test_trc_in_other_lengths(tmp_path: Path, read: Read):
    load_exporter("trc")[0](deep(), "clip", tmp_path / "clip.trc")
    text = (tmp_path / "clip.trc").read_text().replace("\tm\t", "\tmm\t")
    (tmp_path / "small.trc").write_text(text)
    small = world_of(read("trc", tmp_path / "small.trc", fps=None))
    np.testing.assert_allclose(small, world_of(deep()) / 1000, atol=1e-6)


def test_h2o_keeps_the_hands_in_the_camera_frame(tmp_path: Path, project: Project):
    write_h2o(tmp_path / "h2o", "subject1/h1/1")
    import_h2o(project, tmp_path / "h2o")
    pose, _ = project.read_pose(project.videos()[0].id)
    np.testing.assert_allclose(world_of(pose)[5], hands(5).reshape(-1, 3), atol=1e-6)
