"""LA2DS: contrastive regression between a sequence and its augmented copy (paper eq. 3-5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from la2ds_cli.config import Config
from la2ds_cli.training.data import PairBatch

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork

NAMES = ("la2ds",)
PAIRS = "copies"


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Mean squared error of the frame index in the original that is predicted for each frame of
    the copy. Deviations from the paper: train.scaling, train.index (docs/method-card.md)."""
    from la2ds_models.alignment_network import contrastive_regression

    train = config.train
    first = network.encode(
        batch.original.maps, batch.original.joints, batch.original.mask, generator
    )
    second = network.encode(
        batch.augmented.maps, batch.augmented.joints, batch.augmented.mask, generator
    )
    first, second = network.cross(
        first, second, batch.original.mask, batch.augmented.mask, generator
    )
    return contrastive_regression(
        network.project(first),
        network.project(second),
        batch.original.mask,
        batch.augmented.mask,
        batch.truth,
        temperature=train.temperature,
        scaling=train.scaling,
        normalised=train.index == "normalised",
    )
