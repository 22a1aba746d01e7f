"""Batches for losses of training methods, and how well a method learns from movement whose truth is
known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from la2ds_cli.core.config import Config
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network.embedder import Embedder
from la2ds_cli.network.load_network import load_embedder, untrained_embedder
from la2ds_cli.network.torch_network import ClipBatch
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.losses import add_head, get_method
from la2ds_cli.training.train import TrainOptions, train
from la2ds_cli.training.validate import nearest_frame_error
from la2ds_models.sequence_network import SequenceNetwork
from tests.movement import sequence, warped_phase

JUNK = 50.0  # what the padding of embeddings holds


class Given(SequenceNetwork):
    """The joints are the embeddings; padding is full of junk."""

    def encode(self, maps, joints, mask, generator=None):
        assert joints is not None
        laid = torch.full((*mask.shape, joints.shape[-1]), JUNK, dtype=joints.dtype)
        laid[mask] = joints
        return laid


def batch_of(
    first: Sequence[torch.Tensor], second: Sequence[torch.Tensor], padding: int = 0
) -> PairBatch:
    """Pairs of clips with embeddings (T, D), with `padding` more frames than the longest needs.
    Every other frame of the first clip is in the second one."""
    original, augmented = _side(first, padding), _side(second, padding)
    truth = torch.zeros(augmented.mask.shape)
    for row, clip in enumerate(second):
        truth[row, : len(clip)] = 2.0 * torch.arange(len(clip))
    frames = (sum(map(len, first)), sum(map(len, second)))
    positions = tuple(range(len(first)))
    return PairBatch(original, augmented, truth, [str(n) for n in positions], positions, frames)


def _side(clips: Sequence[torch.Tensor], padding: int) -> ClipBatch:
    length = torch.tensor([len(clip) for clip in clips])
    mask = torch.arange(int(length.max()) + padding)[None] < length[:, None]
    return ClipBatch(None, torch.cat(list(clips)), mask)


def random_clips(lengths: Sequence[int], width: int, seed: int) -> list[torch.Tensor]:
    """Smooth random curves (T, D) float32 that ask for gradients."""
    random = torch.Generator().manual_seed(seed)
    return [
        (0.5 * torch.randn(n, width, generator=random)).cumsum(dim=0).requires_grad_()
        for n in lengths
    ]


def value_of(
    config: Config, first: Sequence[torch.Tensor], second: Sequence[torch.Tensor], padding: int = 0
) -> torch.Tensor:
    """The loss of the method of `config` on given embeddings; seeded."""
    network, generator = Given(), torch.Generator().manual_seed(0)
    add_head(network, config)
    batch = batch_of(first, second, padding)
    return get_method(config.train.method).loss(network, batch, config, generator)


def assert_padding_changes_nothing(value: Callable[..., torch.Tensor]) -> None:
    """Neither a loss nor its gradient. value: of two lists of clips, and with `padding`."""
    first, second = random_clips([14, 20], 5, 3), random_clips([12, 7], 5, 4)
    one, two = value(first, second), value(first, second, padding=6)
    torch.testing.assert_close(one, two)
    leaves = [*first, *second]
    for a, b in zip(
        torch.autograd.grad(one, leaves), torch.autograd.grad(two, leaves), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4 * float(a.abs().max()))


def assert_alike(
    value: torch.Tensor, expected: torch.Tensor, leaves: Sequence[torch.Tensor], **within: Any
) -> None:
    """Two values, and the gradients of a product of each with random numbers."""
    torch.testing.assert_close(value, expected, **within)
    pull = torch.rand(value.shape, generator=torch.Generator().manual_seed(1)) + 0.5
    found, wanted = (torch.autograd.grad((x * pull).sum(), leaves) for x in (value, expected))
    assert max(float(gradient.abs().max()) for gradient in wanted) > 100 * within["atol"]
    for one, other in zip(found, wanted, strict=True):
        assert other.any()
        torch.testing.assert_close(one, other, **within)


@dataclass(frozen=True)
class Learned:
    """Error of nearest frames between unseen performances, % of the clip length."""

    trained: float
    untrained: float


def learn(project: StoredProject, method: str, overrides: Sequence[str]) -> Learned:
    """Train on the project and align performances of other bodies, cameras and speeds."""
    small = ["model.width=32", "model.heads=2", "model.temporal_layers=1", "train.threads=1"]
    settings = [*small, "train.precision=fp32", *overrides]
    config = project.config(preset=method, overrides=settings)
    train(project, config=config, options=TrainOptions("cpu"))
    return Learned(
        _error(load_embedder(project, device="cpu")),
        _error(untrained_embedder(config, "penn13", device="cpu")),
    )


def _error(embedder: Embedder) -> float:
    errors = []
    for seed in range(4):
        one, two = warped_phase(30, 100 + seed), warped_phase(38, 200 + seed)
        first, second = embedder(
            [sequence(one, tilt=-0.15), sequence(two, tilt=0.15 + 0.05 * seed, scale=80)]
        )
        truth = np.interp(two, one, np.arange(len(one)))
        errors.append(nearest_frame_error(first, second, truth))
    return float(np.mean(errors))
