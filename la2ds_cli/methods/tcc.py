"""Temporal cycle-consistency (Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019).

A frame i of one clip maps to its soft nearest neighbour in another clip (eq. 1) and from there back
to a distribution beta over the frames of its own clip (eq. 3). `tcc` is cycle-back regression with
variance, |i - mu|^2 / sigma^2 + lambda log sigma (eq. 4). `tcc-classification` is cycle-back
classification, the cross-entropy of returning to i (eq. 2). The loss is the mean over all frames of
both clips, with cycles from either side. lambda is 0.001 (the paper's appendix).

Differs from the paper:
* labels of `tcc-classification` are smoothed by 0.1, as in the authors' released code: 0.9 for the
  frame i and 0.1 spread evenly over all frames of its clip. Eq. 2 has no smoothing;
* squared distances are divided by D * temperature, as in the authors' released code (temperature
  0.1 there, and in `train.temperature`). The printed equations have neither factor; for them set
  `train.scaling=plain`, which omits D, and a temperature of 1;
* sigma^2 is larger by 1/12 squared frames, the variance within a frame: as printed it is 0 for a
  cycle that surely returns to one frame;
* i counts frames; the released code divides it by the length of the clip, which changes the loss by
  a constant and leaves its gradient unchanged (except for the 1/12, which counts frames). The
  logarithm is that of sigma, as printed; the released code uses that of sigma^2;
* the clips are augmented copies with up to `train.frames` frames in a row, read by a network that
  sees joints of two frames, half a second apart, instead of 20 frames sampled from a whole video,
  each with one context frame, and ResNet-50. The learning rate is that of the preset, not 1e-4,
  which suits a pre-trained network;
* a pair is a clip and another one drawn at each step; the released code uses all pairs of videos in
  a batch.

A cycle that returns may have passed through a wrong frame, which no term penalises: compare several
seeds.
"""

from __future__ import annotations

import torch

from la2ds_cli.core.config import Config
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.losses import projected_pair
from la2ds_models.distance import squared_distance
from la2ds_models.sequence_network import SequenceNetwork

NAMES = ("tcc", "tcc-classification")
PAIRS = "clips"
VARIANCE_WEIGHT = 0.001  # lambda of eq. 4
WITHIN_A_FRAME = 1 / 12  # variance, in squared frames, of a time that is uniform within one frame
LABEL_SMOOTHING = 0.1  # of the classification, from the authors' code


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Return the mean cycle-back loss over all real frames of both clips; the batch's truth is
    unused."""
    masks = batch.original.mask, batch.augmented.mask
    sides = projected_pair(network, batch, generator)
    width = sides[0].shape[-1] if config.train.scaling == "casa" else 1
    divisor = config.train.temperature * width
    error = []
    for here, there in ((0, 1), (1, 0)):
        logit = cycle_back(sides[here], sides[there], masks[here], masks[there], divisor)
        if config.train.method == "tcc-classification":
            value = cycle_classification(logit, LABEL_SMOOTHING)
        else:
            value = cycle_regression(logit, VARIANCE_WEIGHT)
        error.append(value[masks[here]])
    return torch.cat(error).mean()


def cycle_back(
    first: torch.Tensor,
    second: torch.Tensor,
    first_mask: torch.Tensor,
    second_mask: torch.Tensor,
    divisor: float,
) -> torch.Tensor:
    """Return logits (B, N, N) that a cycle from frame i of `first` returns to its frame k (eq. 1
    and the exponents of eq. 3, both divided by `divisor`); -inf for padded k."""
    with torch.autocast(first.device.type, enabled=False):
        if first.dtype != torch.float64:
            first, second = first.float(), second.float()
        first = first.masked_fill(~first_mask[:, :, None], 0)
        second = second.masked_fill(~second_mask[:, :, None], 0)
        forth = -squared_distance(first, second) / divisor
        alpha = forth.masked_fill(~second_mask[:, None, :], -torch.inf).softmax(dim=-1)
        neighbour = alpha @ second  # (B, N, D), the soft nearest neighbours of eq. 1
        back = -squared_distance(neighbour, first) / divisor
        return back.masked_fill(~first_mask[:, None, :], -torch.inf)


def cycle_regression(logit: torch.Tensor, variance_weight: float) -> torch.Tensor:
    """Return (B, N) |i - mu|^2 / sigma^2 + variance_weight * log(sigma) of eq. 4, in frames.

    sigma^2 is the variance of a time that lies in frame k with probability beta_k, uniformly within
    the frame: the variance of eq. 4 plus 1/12. As printed it is 0 for a cycle that ends in a single
    frame, and neither its logarithm nor the quotient is finite.
    """
    beta = logit.softmax(dim=-1)
    index = torch.arange(logit.shape[-1], dtype=beta.dtype, device=beta.device)
    mean = (beta * index).sum(dim=-1)
    variance = (beta * (index - mean[..., None]) ** 2).sum(dim=-1) + WITHIN_A_FRAME
    return (index - mean) ** 2 / variance + variance_weight * 0.5 * variance.log()


def cycle_classification(logit: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Return (B, N) the cross-entropy of returning to the start of the cycle, eq. 2; 0 at padding.

    Parameters
    ----------
    smoothing: share of the label, in [0, 1], that is spread evenly over the real frames (-inf in
        `logit` marks padding), as in the released code; 0 = eq. 2.
    """
    chance = logit.log_softmax(dim=-1)
    real = logit != -torch.inf
    anywhere = chance.masked_fill(~real, 0).sum(dim=-1) / real.sum(dim=-1)
    began = chance.diagonal(dim1=1, dim2=2)
    value = (1 - smoothing) * began + smoothing * anywhere
    return -value.masked_fill(began == -torch.inf, 0)
