"""The default preset computes what it computed: its recipe, and one seeded training step.

A new switch must leave the default alone. A change meant to alter it replaces the two figures,
and says so where results are written.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.augment import augment
from la2ds_cli.features.crop import clip_box
from la2ds_cli.features.network_input import NetworkInput, network_input
from la2ds_cli.training.network import build_network, collate
from la2ds_models.alignment_network import contrastive_regression
from tests.movement import figure, warped_phase

PENN = get_skeleton("penn13")
CPU = torch.device("cpu")


def _pair(config: Config, seed: int) -> tuple[NetworkInput, NetworkInput, np.ndarray]:
    xy = figure(warped_phase(30 + seed, seed))
    score = np.ones(xy.shape[:2])
    box = clip_box(xy, config.heatmap.crop, config.heatmap.padding)
    cell = float(max(box[2] - box[0], box[3] - box[1])) / config.heatmap.size
    copy = augment(xy, score, PENN, cell, config.augment, np.random.default_rng(seed))
    original = network_input(xy, score, PENN, config.heatmap, config.model)
    changed = network_input(copy.xy, copy.score, PENN, config.heatmap, config.model)
    return original, changed, copy.source


def _step(config: Config) -> tuple[float, float]:
    """Loss and gradient norm of a batch of four pairs, float32."""
    network = build_network(config.model, config.heatmap, PENN, seed=0).train()
    pairs = [_pair(config, seed) for seed in range(4)]
    first = collate([pair[0] for pair in pairs], CPU)
    second = collate([pair[1] for pair in pairs], CPU)
    truth = torch.zeros(second.mask.shape)
    for row, pair in enumerate(pairs):
        truth[row, : len(pair[2])] = torch.from_numpy(pair[2].astype(np.float32))
    u = network.encode(first.maps, first.joints, first.mask)
    v = network.encode(second.maps, second.joints, second.mask)
    u, v = network.cross(u, v, first.mask, second.mask)
    loss = contrastive_regression(
        (network.project(u), network.project(v)),
        (first.mask, second.mask),
        truth,
        temperature=config.train.temperature,
        scaling=config.train.scaling,
        normalised=config.train.index == "normalised",
    )
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1e9)
    return float(loss.detach()), float(norm)


def test_a_seeded_step_of_the_default_preset_gives_the_recorded_loss() -> None:
    loss, norm = _step(load_config())
    assert loss == pytest.approx(47.3325, rel=1e-4)
    assert norm == pytest.approx(607.939, rel=1e-3)
