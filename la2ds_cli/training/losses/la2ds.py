"""LA2DS: contrastive regression between a sequence and its augmented copy (paper eq. 3-5)."""

from __future__ import annotations

import torch

from la2ds_cli.core.config import Config
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.losses import projected_pair
from la2ds_models.alignment_network import contrastive_regression
from la2ds_models.sequence_network import SequenceNetwork

NAMES = ("la2ds",)
PAIRS = "copies"


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Return mean squared error of the frame index in the original predicted for each frame of the
    copy.

    Deviations from the paper: train.scaling, train.index (docs/explanation/method-card.md).
    """
    train = config.train
    return contrastive_regression(
        projected_pair(network, batch, generator),
        (batch.original.mask, batch.augmented.mask),
        batch.truth,
        temperature=train.temperature,
        scaling=train.scaling,
        normalised=train.index == "normalised",
    )
