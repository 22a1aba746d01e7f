"""CASA and ST-GCN + CASA as methods: their loss, their settings, what they learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.config_sections import AugmentConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.augment import augment
from la2ds_cli.features.network_input import joint_width
from la2ds_cli.features.pose_features import time_only
from la2ds_cli.network.load_network import load_embedder, untrained_embedder
from la2ds_cli.network.torch_network import ClipBatch, build_network
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.losses import get_method, method_recipe
from la2ds_cli.training.train import TrainOptions, train
from la2ds_models.sequence_network import SequenceNetwork
from tests.method_batches import assert_alike
from tests.models.small_networks import mask_of
from tests.movement import figure, sequence, warped_phase
from tests.small_runs import six_clips

METHODS = ("casa", "stgcn-casa")
PENN = get_skeleton("penn13")
SMALL = ["model.width=16", "model.heads=4", "model.spatial_layers=2", "model.temporal_layers=2"]
SMALL += ["model.cross_layers=2", "train.threads=1", "train.precision=fp32"]


def _config(method: str, *more: str) -> Config:
    preset, overrides = method_recipe(method)
    return load_config(preset=preset, overrides=[*overrides, *SMALL, *more])


def _network(config: Config) -> SequenceNetwork:
    return build_network(config.model, config.heatmap, PENN, 0)


def _clips(lengths: list[int], seed: int, config: Config) -> ClipBatch:
    generator = torch.Generator().manual_seed(seed)
    width = joint_width(PENN, config.model)
    joints = [torch.randn(n, width, generator=generator) for n in lengths]
    return ClipBatch(None, torch.cat(joints), mask_of(*lengths))


def _pairs(config: Config) -> PairBatch:
    """Two pairs of random clips: 7 and 9 frames, their copies with 4 and 6 of them; the truth of
    padding is to have no influence."""
    truth = torch.tensor([[0.0, 2, 3, 6, 99, 99], [1, 2, 4, 5, 7, 8]])
    first, second = _clips([7, 9], 1, config), _clips([4, 6], 2, config)
    return PairBatch(first, second, truth, ["a", "b"], (0, 1), (16, 10))


def _frame_by_frame(network: SequenceNetwork, batch: PairBatch, config: Config) -> torch.Tensor:
    """CASA's loss pair by pair and frame by frame, from clips that were never padded."""
    errors = []
    first_joints, second_joints = batch.original.joints, batch.augmented.joints
    assert first_joints is not None
    assert second_joints is not None
    firsts = first_joints.split(batch.original.mask.sum(dim=1).tolist())
    seconds = second_joints.split(batch.augmented.mask.sum(dim=1).tolist())
    for row, (a, b) in enumerate(zip(firsts, seconds, strict=True)):
        of_a, of_b = (torch.ones(1, len(x), dtype=torch.bool) for x in (a, b))
        features = network.cross(
            network.encode(None, a, of_a), network.encode(None, b, of_b), of_a, of_b
        )
        z, other = (network.project(x)[0] for x in features)
        width = z.shape[-1]
        for j in range(len(b)):
            # both scaled by the root of the width, their distance by the width and temperature
            distance = [
                (z[i] - other[j]).div(width**0.5).square().sum().sqrt() for i in range(len(a))
            ]
            weight = [(-d / (width * 0.1)).exp() for d in distance]
            predicted = sum(i * w for i, w in enumerate(weight)) / sum(weight)
            errors.append((predicted - batch.truth[row, j]) ** 2)
    assert config.train.temperature == 0.1
    return torch.stack(errors).mean()


@pytest.mark.parametrize("method", METHODS)
def test_loss_equals_casa_pair_by_pair_and_frame_by_frame(method: str) -> None:
    config = _config(method)
    network, batch = _network(config), _pairs(config)
    loss = get_method(config.train.method).loss(network, batch, config, torch.Generator())
    slow = _frame_by_frame(network, batch, config)
    torch.testing.assert_close(loss, slow, atol=0, rtol=1e-4)
    assert_alike(loss, slow, list(network.parameters()), atol=1e-4, rtol=1e-2)


def test_smooth_angle_noise_lets_limbs_drift_and_places_jump() -> None:
    xy, score = figure(np.linspace(0, 1, 200)), np.ones((200, 13))

    def steps(position: float, orientation: float) -> tuple[float, float]:
        """Root mean square change per frame of the noise, and its root mean square."""
        config = AugmentConfig(
            noise="smooth-angle", temporal_probability=0, trim=0, flip_probability=0,
            position_probability=position, orientation_probability=orientation,
        )  # fmt: skip
        copies = [
            augment(xy, score, PENN, 5.0, config, np.random.default_rng(n)).xy - xy
            for n in range(20)
        ]
        change = [np.diff(noise, axis=0) for noise in copies]
        return float(np.sqrt(np.mean(np.square(change)))), float(
            np.sqrt(np.mean(np.square(copies)))
        )

    jump, place = steps(1, 0)
    drift, angle = steps(0, 1)
    assert jump == pytest.approx(place * 2**0.5, rel=0.05)
    assert 0 < drift < 0.4 * angle


def _transfer_error(features: list[FloatArray], truth: FloatArray) -> float:
    """Mean error in % of the first clip of the nearest frame, where the truth is known."""
    distance = np.linalg.norm(features[0][:, None] - features[1][None], axis=-1)
    known = ~np.isnan(truth)
    return float(100 * np.abs(distance.argmin(axis=0) - truth)[known].mean() / len(features[0]))


@pytest.mark.parametrize("method", METHODS)
def test_learns_the_correspondences_of_trimmed_clips(method: str, tmp_path: Path) -> None:
    """Clips of the figure, each cut at one end: training takes the error, measured by their known
    phases, to less than two thirds of that of the untrained network, and below a clock's."""
    project = six_clips(tmp_path / "project")
    config = project.config(
        preset=method,
        overrides=[
            *SMALL, "model.width=32", "model.temporal_layers=1", "model.cross_layers=1",
            "train.steps=60", "train.validate_every=60",
            "train.batch_size=4", "train.learning_rate=3e-3", "augment.trim=0.5",
        ],
    )  # fmt: skip
    train(project, config=config, options=TrainOptions("cpu"))
    trained = load_embedder(project, device="cpu")
    untrained = untrained_embedder(config, "penn13", device="cpu")
    errors = []
    for seed in range(6):
        first, second = warped_phase(30, 100 + seed, 0, 0.75), warped_phase(36, 200 + seed, 0.25, 1)
        poses = [sequence(first), sequence(second, tilt=0.1, scale=70)]
        truth = np.interp(second, first, np.arange(30.0), right=np.nan)

        def clock(poses: list[PoseSequence]) -> list[FloatArray]:
            return [time_only(pose) for pose in poses]

        errors.append(
            [_transfer_error(embed(poses), truth) for embed in (trained, untrained, clock)]
        )
    mine, random, time = np.mean(errors, axis=0)
    assert mine < random * 2 / 3
    assert mine < time
