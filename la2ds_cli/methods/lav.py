"""LAV (Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021).

L(X, Y) = L_align(X, Y) + alpha (I(X) + I(Y)). Soft-DTW of the squared distances between the
L2-normalised embeddings of two clips pulls corresponding frames together. Contrastive-IDM of each
clip pushes apart frames that are more than `WINDOW` frames apart; without it all frames collapse
into one point. `train.temperature` is the softness gamma of soft-DTW (0.1). alpha, window and
margin are those of the authors' released configuration.

Differs from the paper:
* the loss of a pair is divided by the mean number of frames of its clips (in the released code by
  the 20 that it samples), so that long pairs do not outweigh short ones;
* W = (i - j)^2 + 1 as printed, where i and j count frames of the copy; the released code divides
  both by the length of the video, and its weight of near pairs is 1;
* the clips are augmented copies with up to `train.frames` frames in a row, read by a network that
  sees joints of two frames, half a second apart, instead of 20 frames sampled from a whole video
  and ResNet-50. The learning rate is that of the preset, not 1e-4, which suits a pre-trained
  network;
* later steps use the encoder's embeddings without L2 normalisation; they come from a layer
  normalisation, so their lengths differ little.
"""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from la2ds_cli.core.config import Config
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.losses import projected_pair
from la2ds_models.distance import squared_distance
from la2ds_models.sequence_network import SequenceNetwork
from la2ds_models.soft_dtw import soft_dtw

NAMES = ("lav",)
PAIRS = "clips"
REGULARISATION = 0.5  # alpha
WINDOW = 10  # frames; sigma
MARGIN = 2.0  # squared distance on the unit sphere: at right angles


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Return the mean LAV loss of the pairs of the batch; the batch's truth is unused."""
    masks = batch.original.mask, batch.augmented.mask
    pair = projected_pair(network, batch, generator)
    first, second = (normalize(side.float(), dim=-1) for side in pair)
    frames = [mask.sum(dim=1) for mask in masks]
    gamma = config.train.temperature
    aligned = soft_dtw(squared_distance(first, second), frames[0], frames[1], gamma)
    apart = contrastive_idm(first, masks[0]) + contrastive_idm(second, masks[1])
    total = aligned + REGULARISATION * apart
    return (2 * total / (frames[0] + frames[1])).mean()


def contrastive_idm(features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return (B,) the sum over all pairs of frames i, j of a clip, with W = (i - j)^2 + 1 and D
    their squared distance: W * max(0, MARGIN - D) if |i - j| > WINDOW, and D / W otherwise.

    Parameters
    ----------
    features: (B, T, D).
    mask: (B, T), True = a real frame; padding has no effect.
    """
    features = features.masked_fill(~mask[:, :, None], 0)
    distance = squared_distance(features, features)
    index = torch.arange(mask.shape[1], dtype=distance.dtype, device=mask.device)
    gap = (index[:, None] - index[None, :]).abs()
    weight = gap**2 + 1
    value = torch.where(gap > WINDOW, weight * (MARGIN - distance).clamp(min=0), distance / weight)
    return (value * (mask[:, :, None] & mask[:, None, :])).sum(dim=(1, 2))
