"""Training pairs: seeded, correctly labelled, split without leaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network.torch_network import build_network
from la2ds_cli.network.training_clips import some_training_videos, training_videos
from la2ds_cli.training import data as tested
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.losses import get_method
from tests.movement import add_sequence, figure, sequence, warped_phase
from tests.small_runs import UNCHANGED

CPU = torch.device("cpu")
JOINTS = load_config(overrides=["model.input=joints", "train.batch_size=4", "train.frames=32"])
CUT = ["augment.trim=0.5", "augment.drop=0.5", "heatmap.crop=smallest"]
NO_AUGMENT = load_config(overrides=["model.input=joints", *CUT, *UNCHANGED])
PENN = get_skeleton("penn13")


def _clips(count: int, length: int = 40) -> list[tested.Clip]:
    return [
        tested.to_clip(f"v{n}", sequence(warped_phase(length, n)), JOINTS.train.fps)
        for n in range(count)
    ]


def test_a_batch_is_a_function_of_its_step() -> None:
    clips = _clips(6)
    first, again = (tested.draw_batch(clips, PENN, JOINTS, 3, CPU) for _ in range(2))
    other = tested.draw_batch(clips, PENN, JOINTS, 4, CPU)
    assert first.augmented.joints is not None
    assert again.augmented.joints is not None
    torch.testing.assert_close(first.augmented.joints, again.augmented.joints)
    torch.testing.assert_close(first.truth, again.truth)
    assert first.truth.shape != other.truth.shape or not torch.equal(first.truth, other.truth)


@pytest.mark.parametrize(("aspect", "sides"), [("stretch", [2.0, 8.0]), ("keep", [8.0, 8.0])])
def test_position_noise_is_one_cell_along_each_axis(aspect: str, sides: list[float]) -> None:
    settings = [f"heatmap.aspect={aspect}", "heatmap.crop=smallest", "heatmap.padding=0.0"]
    augment = ["trim=0.0", "drop=0.0", "geometry=0.0", "flip_probability=0.0"]
    augment += ["orientation_probability=0.0", "position_probability=1.0"]
    config = load_config(overrides=[*settings, *(f"augment.{one}" for one in augment)])
    xy = np.random.default_rng(1).uniform([0, 0], [60, 240], (60, 13, 2))
    xy[0, :2] = [0, 0], [60, 240]  # a crop of 30 cells of 2 x 8 pixels, if it is stretched
    clip = tested.Clip("tall", xy, np.ones((60, 13)))
    original, copy = tested.draw_copy(clip, PENN, config, np.random.default_rng(0))
    moved = (copy.xy - original.xy).std(axis=(0, 1))
    np.testing.assert_allclose(moved, sides, rtol=0.1)


def test_truth_points_at_the_same_pose_of_the_original() -> None:
    """With geometry untouched, root-centred joints of S' equal those of S at the true index."""
    batch = tested.draw_batch(_clips(3), PENN, NO_AUGMENT, 0, CPU)
    original, copy = batch.original.joints, batch.augmented.joints
    assert original is not None
    assert copy is not None
    about_root = slice(26, 52)
    start_original = start_copy = 0
    for row in range(len(batch.truth)):
        count = int(batch.augmented.mask[row].sum())
        index = start_original + batch.truth[row, :count].long()
        # the scale is the clip's own median torso, so compare directions
        first = original[index, about_root]
        second = copy[start_copy : start_copy + count, about_root]
        cosine = torch.nn.functional.cosine_similarity(first, second)
        torch.testing.assert_close(cosine, torch.ones(count), atol=1e-4, rtol=0)
        start_original += int(batch.original.mask[row].sum())
        start_copy += count


def test_long_clips_are_thinned_within_bounds() -> None:
    clip = tested.Clip("v", figure(np.linspace(0, 1, 500)), np.ones((500, 13)))
    for seed in range(5):
        short = tested.limit_frames(clip, 64, np.random.default_rng(seed))
        assert len(short.xy) == 64
    assert tested.limit_frames(clip, 500, np.random.default_rng(0)) is clip


def test_training_ignores_test_clips_and_holds_out_validation(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    for n in range(12):
        split = "test" if n >= 10 else "train"
        add_sequence(project, f"clip{n}", sequence(warped_phase(30, n)), split)
    data = tested.load_training_set(project, project.config())
    trained, held_out = ({c.video for c in part} for part in (data.train, data.validation))
    assert len(trained) == 8
    assert len(held_out) == 2
    assert not trained & held_out
    assert not {"clip10", "clip11"} & (trained | held_out)
    assert len(training_videos(project)) == 10


@pytest.mark.parametrize("without_poses", [(), ("clip00",), ("clip04",)])
def test_some_training_clips_are_evenly_spaced_and_have_poses(
    tmp_path: Path, without_poses: tuple[str, ...]
) -> None:
    project = StoredProject.create(tmp_path)
    for n in range(12):
        split = "test" if n >= 9 else "train"
        add_sequence(project, f"clip{n:02}", sequence(warped_phase(30, n)), split)
    for video in without_poses:
        project.pose_path(video).unlink()
    usable = [f"clip{n:02}" for n in range(9) if f"clip{n:02}" not in without_poses]
    assert [video.id for video in some_training_videos(project, 9)] == usable
    middle = usable[round((len(usable) - 1) / 2)]
    some = [video.id for video in some_training_videos(project, 3)]
    assert some == [usable[0], middle, usable[-1]]


def test_too_few_clips_and_mixed_skeletons_are_refused(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    with pytest.raises(UserError, match="at least 2 clips"):
        tested.load_training_set(project, project.config())
    add_sequence(project, "a", sequence(warped_phase(30, 0)))
    pose = sequence(warped_phase(30, 1))
    add_sequence(project, "b", pose)
    xy = np.zeros((30, 17, 2))
    other = replace(pose, xy=xy, score=np.ones((30, 17)), skeleton="coco17")
    add_sequence(project, "c", other)
    with pytest.raises(UserError, match="mix the skeletons coco17, penn13"):
        tested.load_training_set(project, project.config())


@pytest.mark.parametrize("preset", ["paper-penn-casa", "joints-heatmaps"])
def test_a_frame_that_occurs_twice_is_read_once(preset: str) -> None:
    """The loss and its gradients are those of every frame drawn and read by itself."""
    small = ["spatial_layers=1", "temporal_layers=1", "width=24"]
    config = load_config(preset=preset, overrides=[f"model.{one}" for one in small])
    clips = _clips(2)
    network = build_network(config.model, config.heatmap, PENN, 0)

    def value(batch: PairBatch) -> tuple[torch.Tensor, torch.Tensor]:
        loss = get_method("la2ds").loss(network, batch, config, torch.Generator())
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        return loss, torch.cat([gradient.flatten() for gradient in gradients])

    batch = tested.draw_batch(clips, PENN, config, 0, CPU)
    frames = []
    for side in (0, 1):
        for place in batch.positions:
            random = tested.pair_rng(0, len(batch.positions), place)
            pair = tested.draw_pair(clips[tested.clip_at(0, 2, place)], PENN, config, random)
            frames += list(torch.from_numpy((pair[0], pair[1])[side].maps))
    assert sum(map(len, batch.maps)) < len(frames)
    one_by_one = replace(batch, maps=[frame[None] for frame in frames])
    one_by_one = replace(one_by_one, rows=torch.arange(len(frames)))
    found, wanted = value(batch.read_by(network)), value(one_by_one.read_by(network))
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-5, atol=0)
    assert (found[1] - wanted[1]).norm() < 1e-4 * wanted[1].norm()
