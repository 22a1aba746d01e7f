"""Networks that read joints in metres, from training to alignment of clips seen from two sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.evaluation.clips import select_clips
from la2ds_cli.features.pose_features import facing_joints
from la2ds_cli.network.embed import ensure_embeddings
from la2ds_cli.network.load_network import load_embedder
from la2ds_cli.training.data import draw_copy, draw_pair, load_training_set, to_clip
from la2ds_cli.training.train import TrainOptions, train
from la2ds_cli.training.validate import nearest_frame_error, validation_pairs
from tests.alignments import align
from tests.movement import add_sequence, in_space, sequence, warped_phase
from tests.small_runs import JOINTS, TINY
from tests.told import Notes, refused

IN_3D = [*JOINTS, "model.input=joints3d"]
PENN = get_skeleton("penn13")
LENGTHS = (24, 30, 36, 28, 33, 26, 40, 31)


@pytest.fixture
def seen(tmp_path: Path) -> StoredProject:
    """Clips of unequal lengths and rates, each from another side."""
    project = StoredProject.create(tmp_path / "seen")
    for n, length in enumerate(LENGTHS):
        fps = 20.0 if n % 2 else 25.0
        add_sequence(project, f"clip{n}", in_space(warped_phase(length, n), turn=0.4 * n, fps=fps))
    return project


def test_clips_face_the_camera_and_keep_their_3d_in_copies(seen: StoredProject) -> None:
    config = load_config(overrides=IN_3D)
    clips = load_training_set(seen, config).train
    for clip in clips:
        assert clip.world is not None
        assert clip.world.shape == (len(clip.xy), 13, 3)
    clip = replace(clips[0], video="long")
    rows = np.arange(0, len(clip.xy), 2)
    part = clip.rows(rows).world
    assert part is not None
    assert clip.world is not None
    np.testing.assert_array_equal(part, clip.world[rows])
    rng = np.random.default_rng(0)
    original, copy, source = draw_pair(clip, PENN, config, rng)
    assert original.joints is not None
    assert copy.joints is not None
    assert copy.joints.shape == (len(source), original.joints.shape[1])


def test_copies_of_a_2d_network_are_what_they_were_without_3d() -> None:
    pose = in_space(warped_phase(30, 1))
    config = load_config(overrides=JOINTS)
    both = [to_clip("v", p, 20.0) for p in (pose, replace(pose, world=None))]
    copies = [draw_copy(clip, PENN, config, np.random.default_rng(4))[1] for clip in both]
    np.testing.assert_array_equal(copies[0].xy, copies[1].xy)
    assert copies[0].world is None


def test_the_warp_error_of_raw_poses_is_theirs_in_space(seen: StoredProject) -> None:
    config = load_config(overrides=[*IN_3D, "augment.turn=1.0"])
    clips = load_training_set(seen, config).train
    assert 0 < validation_pairs(clips, PENN, config).raw_pose_error() < 50


def test_training_learns_to_align_what_two_sides_show(seen: StoredProject) -> None:
    config = seen.config(overrides=[*IN_3D, "model.width=48", "train.steps=120"])
    train(seen, run="deep", config=config, options=TrainOptions("cpu"))
    first, second = warped_phase(30, 100), warped_phase(41, 101)
    poses = [in_space(first, turn=-0.5), in_space(second, turn=0.6, fps=30.0)]
    embed = load_embedder(seen, "deep", device="cpu")
    truth = np.interp(second, first, np.arange(30))
    one, other = embed(poses)
    assert (len(one), len(other)) == (30, 41)
    assert nearest_frame_error(one, other, truth) < 6


def test_a_run_in_3d_aligns_by_3d(seen: StoredProject) -> None:
    train(
        seen, run="deep", config=seen.config(overrides=[*TINY, *IN_3D]), options=TrainOptions("cpu")
    )
    add_sequence(seen, "front", in_space(warped_phase(33, 50)))
    add_sequence(seen, "side", in_space(warped_phase(52, 51), turn=1.2, fps=30.0))
    result = align(seen, "front", "side", config=load_config(), run="deep", features="model")
    assert [pose.spatial for pose in (result.pose_a, result.pose_b)] == [True, True]
    i, j = result.path.T
    assert np.abs(warped_phase(33, 50)[i] - warped_phase(52, 51)[j]).max() < 0.12
    flat = load_config(overrides=['align.joints="2d"'])
    result = align(seen, "front", "side", config=flat, run="deep", features="model")
    assert not result.pose_a.spatial


def test_a_clip_without_3d_is_named(seen: StoredProject) -> None:
    config = seen.config(overrides=[*TINY, *IN_3D])
    train(seen, run="deep", config=config, options=TrainOptions("cpu"))
    add_sequence(seen, "flat", sequence(warped_phase(30, 60)))
    with refused(ExitCode.MISMATCH, r"^flat has no joints in 3D"):
        ensure_embeddings(seen, "deep", ["flat"], device="cpu")
    with pytest.raises(UserError, match="has no joints in 3D"):
        train(seen, run="other", config=config, options=TrainOptions("cpu"))


def test_raw_poses_in_3d_where_they_were_asked_for(seen: StoredProject) -> None:
    first, second = warped_phase(33, 50), warped_phase(52, 51)
    add_sequence(seen, "front", in_space(first))
    add_sequence(seen, "side", in_space(second, turn=1.4, fps=30.0))
    add_sequence(seen, "flat", sequence(second))
    asked = load_config(overrides=['align.joints="3d"'])

    def error(config) -> float:
        result = align(seen, "front", "side", config=config, features="pose")
        i, j = result.path.T
        return float(np.abs(first[i] - second[j]).mean())

    assert error(asked) < 0.02
    assert error(asked) < error(load_config())
    progress = Notes()
    result = align(seen, "front", "flat", config=asked, features="pose", progress=progress)
    assert progress.lines == ["flat has no joints in 3D: aligned by the joints in the image"]
    assert not result.pose_b.spatial


@pytest.mark.parametrize("preset", ["casa", "stgcn-casa"])
def test_casa_reads_joints_in_metres(seen: StoredProject, preset: str) -> None:
    small = ["train.steps=2", "train.validate_every=2", "model.temporal_layers=1"]
    small += ["model.cross_layers=1", "train.threads=1", "train.batch_size=2"]
    config = load_config(preset=preset, overrides=[*small, "model.input=joints3d"])
    train(seen, run="casa", config=config, options=TrainOptions("cpu"))
    pose = in_space(warped_phase(30, 3), turn=0.7)
    embed = load_embedder(seen, "casa", device="cpu")
    torch.manual_seed(0)
    turned = replace(pose, world=facing_joints(pose))
    np.testing.assert_allclose(embed([turned])[0], embed([pose])[0], atol=1e-3)


def test_evaluation_compares_in_3d_too(seen: StoredProject) -> None:
    asked, warnings = load_config(overrides=['align.joints="3d"']), []
    selection = select_clips(seen, asked, warnings)
    assert all(pose.spatial for pose in selection.test.values())
    add_sequence(seen, "flat", sequence(warped_phase(30, 60)))
    mixed = select_clips(seen, asked, warnings)
    assert not any(pose.spatial for pose in mixed.test.values())
    assert "some clips have no 3D joints: raw poses use the joints in the image" in warnings
