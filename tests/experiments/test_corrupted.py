"""A project seen through worse joints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.events import choose_events
from la2ds_cli.experiments.corruption import CorruptedProject, DroppedLimb, JointNoise
from tests.small_runs import six_clips

NOISE = JointNoise(1.0, 0, HeatmapConfig())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return six_clips(tmp_path / "project", labels=False)


def test_either_side_has_its_own_corruption_and_recipe(project: Project) -> None:
    seen = CorruptedProject(project, "x", train=NOISE, test=None)
    for video in project.videos():
        clean, before = project.read_pose(video.id)
        pose, after = seen.read_pose(video.id)
        changed = video.split == "train"
        assert np.array_equal(pose.xy, clean.xy) != changed
        assert (after.key != before.key) == changed
        assert seen.pose_header(video.id)[0].key == after.key
    again = CorruptedProject(project, "y", train=NOISE, test=None).read_pose("clip0")[0]
    np.testing.assert_array_equal(again.xy, seen.read_pose("clip0")[0].xy)


def test_every_setting_of_a_corruption_is_in_its_recipe() -> None:
    limbs = [
        DroppedLimb("left_arm", 0.5, 0),
        DroppedLimb("left_arm", 0.75, 0),
        DroppedLimb("left_leg", 0.5, 0),
        DroppedLimb("left_arm", 0.5, 1),
    ]
    noises = [NOISE, JointNoise(2.0, 0, HeatmapConfig()), JointNoise(1.0, 1, HeatmapConfig())]
    keys = [corruption.recipe("poses").key for corruption in (*limbs, *noises)]
    assert len(set(keys)) == len(keys)
    assert NOISE.recipe("poses").key != NOISE.recipe("other poses").key


def test_nothing_is_written_over_the_clean_project(project: Project) -> None:
    seen = CorruptedProject(project, "some-label", train=None, test=NOISE)
    assert seen.results_dir("evaluate") == project.root / "results" / "robustness" / "some-label"
    assert seen.run_dir("default") == project.run_dir("default")
    assert seen.pose_path("clip1") == project.pose_path("clip1")
    folder = project.root / "results" / "robustness" / "some-label"
    for video in project.videos():
        path, clean = (one.embedding_path("default", video.id) for one in (seen, project))
        inside = path.is_relative_to(folder)
        assert inside if video.split == "test" else path == clean


def test_events_without_labels_stay_those_of_the_clean_joints(project: Project) -> None:
    noise = JointNoise(3.0, 0, HeatmapConfig())
    seen = CorruptedProject(project, "x", train=noise, test=noise)
    test = [v.id for v in project.videos() if v.split == "test"]
    clean, kind, _ = choose_events({v: project.read_pose(v)[0] for v in test}, {})
    assert kind == "kinematic"
    found, kind, _ = choose_events({v: seen.read_pose(v)[0] for v in test}, seen.phases())
    assert kind == "phases"
    assert [dict(clip.events) for clip in found] == [dict(clip.events) for clip in clean]
    assert any(clip.events for clip in clean)


def test_labels_are_left_as_they_are(tmp_path: Path) -> None:
    project = six_clips(tmp_path / "labelled")
    assert CorruptedProject(project, "x", train=NOISE, test=NOISE).phases() == project.phases()
