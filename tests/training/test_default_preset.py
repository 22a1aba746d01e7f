"""The default preset computes what it computed: its recipe, and one seeded training step.

A new switch must leave the default alone. A change meant to alter it replaces the two figures,
and says so where results are written.
"""

from __future__ import annotations

import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.network.torch_network import build_network
from la2ds_cli.training.data import draw_batch, to_clip
from la2ds_cli.training.losses import get_method
from tests.movement import sequence, warped_phase

CPU = torch.device("cpu")


def test_a_seeded_step_of_the_default_preset_gives_the_recorded_loss() -> None:
    """Loss and gradient norm of a batch of four pairs, float32."""
    config, skeleton = load_config(), get_skeleton("penn13")
    network = build_network(config.model, config.heatmap, skeleton, seed=0).train()
    poses = [sequence(warped_phase(30 + seed, seed)) for seed in range(4)]
    clips = [to_clip(f"v{n}", pose, config.train.fps) for n, pose in enumerate(poses)]
    batch = draw_batch(clips, skeleton, config, 0, CPU).read_by(network)
    loss = get_method(config.train.method).loss(network, batch, config, torch.Generator())
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1e9)
    assert float(loss.detach()) == pytest.approx(52.9427, rel=1e-4)
    assert float(norm) == pytest.approx(580.412, rel=1e-3)
