"""Pairs of clips whose embeddings are given, and moving figures whose correspondence is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features.network_input import network_input
from la2ds_cli.network.load_network import load_network
from la2ds_cli.network.torch_network import build_network, embed_input
from la2ds_cli.training.train import TrainOptions, train
from la2ds_cli.training.validate import nearest_frame
from la2ds_models.sequence_network import SequenceNetwork
from tests.movement import add_sequence, figure, sequence, warped_phase

PENN = get_skeleton("penn13")
TILT = 0.5  # radians, of the outermost of the figures
PHASES = [warped_phase(36, 100 + n) for n in range(6)]  # of figures that no network has seen


def random_clips(*lengths: int, width: int = 3, seed: int = 0) -> list[Tensor]:
    """Embeddings (T, width) float64 of clips of these lengths, with gradients."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(length, width, generator=generator, dtype=torch.float64).requires_grad_()
        for length in lengths
    ]


def slopes(value, clip: Tensor, step: float = 1e-6) -> Tensor:
    """Central differences of value() by the entries of `clip`, which is changed in place."""
    found = torch.zeros_like(clip)
    with torch.no_grad():
        for place in np.ndindex(*clip.shape):
            kept = float(clip[place])
            clip[place] = kept + step
            above = float(value())
            clip[place] = kept - step
            found[place] = (above - float(value())) / (2 * step)
            clip[place] = kept
    return found


def assert_gradients_are_those_of(value, loss: Tensor, clips: Sequence[Tensor]) -> None:
    """Whether backward() of `loss` gives the slopes of the slow re-statement `value`."""
    loss.backward()
    for clip in clips:
        assert clip.grad is not None
        torch.testing.assert_close(clip.grad, slopes(value, clip.detach()), rtol=1e-5, atol=1e-7)


def shares(frame: list[float], clip: list[list[float]], divisor: float) -> list[float]:
    """exp(-|frame - v_j|^2 / divisor) over its sum."""
    far = [math.fsum((a - b) ** 2 for a, b in zip(frame, v, strict=True)) for v in clip]
    kernel = [math.exp(-value / divisor) for value in far]
    return [value / math.fsum(kernel) for value in kernel]


def figures(root: Path) -> StoredProject:
    """Eight figures that move alike at speeds of their own, tilted from -TILT to TILT."""
    project = StoredProject.create(root)
    for n in range(8):
        view = {"scale": 50.0 + 5 * n, "tilt": TILT * (n - 3.5) / 3.5}
        add_sequence(project, f"clip{n}", sequence(warped_phase(30 + 2 * n, n), **view))
    return project


def small(preset: str, *settings: str) -> Config:
    """The preset with a network that trains in seconds."""
    # No context: half a second is a third of these clips.
    size = ["width=32", "heads=2", "temporal_layers=1", "context=0"]
    steps = ["batch_size=4", "validate_every=1000", "threads=1", "precision=fp32"]
    named = [*(f"model.{text}" for text in size), *(f"train.{text}" for text in steps)]
    return load_config(preset=preset, overrides=[*named, *settings])


def trained_network(project: StoredProject, config: Config) -> SequenceNetwork:
    """The network trained on `project`, ready to embed."""
    train(project, run="trained", config=config, options=TrainOptions("cpu"))
    return load_network(project, "trained")[0].eval()


def errors(project: StoredProject, config: Config) -> tuple[float, float]:
    """Mean error of nearest frames between six unseen figures, in % of the movement: of a network
    trained on `project`, and of the same one before training."""
    untrained = build_network(config.model, config.heatmap, PENN, config.train.seed).eval()
    return _error(trained_network(project, config), config), _error(untrained, config)


def embeddings(
    network: SequenceNetwork, config: Config, phases: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """(T, D) of figures at these phases, tilted to either side."""
    found = []
    for n, phase in enumerate(phases):
        xy = figure(phase, tilt=TILT * (0.3 + 0.1 * n) * (-1) ** n)
        item = network_input(xy, np.ones(xy.shape[:2]), PENN, config.heatmap, config.model)
        found.append(embed_input(network, item, torch.device("cpu")))
    return found


def _error(network: SequenceNetwork, config: Config) -> float:
    value = embeddings(network, config, PHASES)
    wrong = [
        np.abs(PHASES[b][nearest_frame(value[b], value[a])] - PHASES[a]).mean()
        for a in range(6)
        for b in range(6)
        if a != b
    ]
    return float(100 * np.mean(wrong))
