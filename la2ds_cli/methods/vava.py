"""VAVA: optimal transport between the frames of two clips, with priors on the plan.

Liu, Tekin, Coskun, Vineet, Fua, Pollefeys, "Learning to Align Sequential Actions in the Wild",
CVPR 2022, sec. 3, with the constants and the plan of the authors' public code. X and Y have N and M
frames; a virtual frame precedes each clip, and n = N + 1 and m = M + 1 count it. D_ij is the
squared distance of two frames, zeta that of a virtual frame to any; i and j count from 1:

* consistency: aligned frames lie at the same share of their clips, d_c = |i/n - j/m|;
* optimality: aligned frames are alike, even if out of order, d_o = |j/m - j_o(i)/m|, where j_o(i)
  is the frame of Y nearest to frame i, and the virtual frame for the virtual one;
* for a real and a virtual frame d_c = d_o = 1.5 * 2 * 5 / (n + m);
* with l = d / sqrt(1/n^2 + 1/m^2), the prior of the plan is
  Q = phi exp(-l_c^2 / 2 delta^2) + (1 - phi) exp(-l_o^2 / 2 delta^2), and the inverse difference
  moment that rewards mass S = phi / (d_c^2 + 1) + (1 - phi) / (d_o^2 + 1);
* phi = 0.999^floor(sqrt(step + 1)): nearest frames of an untrained network cannot be trusted;
* the plan T, with equal weights for all frames, minimises
  <T, D> - lambda1 (N + M) <T, S> + lambda2 N M / 4 KL(T || Q) (la2ds_models.transport), and the
  loss is <T, D>. The virtual frame has the weight of a frame: it takes 1 / (M + 1) of the mass of
  X. At 64 frames lambda2 N M / 4 is 102 and distances are at most 4, so the plan is close to its
  prior;
* intra-video: the mean over all pairs of frames of a clip of max(0, margin - D) if they are more
  than 15 frames apart, else of D / ((i - j)^2 + 1). Without it all frames collapse into one point;
* inter-video: a frame is nearer to the frame it is aligned with than to others of that clip.

Deviations:

* embeddings have unit length, and the margin applies to their squared distance; the public code
  leaves their length free, and takes the mean over features in the intra- and inter-video losses;
* that code divides <T, D> by (N + 1) (M + 1) and again by N M, so that it hardly counts next to the
  intra-video loss, and weights the inter-video loss by 0.0001. Here the weights are 1 and 0.1;
* the inter-video loss is the cross-entropy of softmax(-D / train.temperature) over the frames of
  the other clip; the target is the frame with the most mass in the plan. The public code compares
  the sums of the nearest and of the farthest distances of the two clips;
* the paper defines optimality from both clips, the public code and this one from the first only.
  That code counts the virtual frame in j but not in j_o, one frame too early; this one does not;
* the step is derived from the number of pairs shown;
* pairs are augmented copies of two clips, read by a network that sees joints of two frames, half a
  second apart, instead of ResNet-50. A network that sees the whole clip learns how far the clip has
  advanced, which the consistency prior rewards whatever the pose.
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import normalize, pad

from la2ds_cli.core.config import Config
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.losses import projected_pair
from la2ds_models.distance import squared_distance
from la2ds_models.sequence_network import SequenceNetwork
from la2ds_models.transport import sinkhorn, uniform_weight

NAMES = ("vava",)
PAIRS = "clips"
MOMENT = 1.0  # lambda1, weight of the inverse difference moment, of N + M
DIVERGENCE = 0.1  # lambda2, weight of the divergence from the prior, of N M / 4
ITERATIONS = 20
SPREAD = 2.0  # delta of the prior, in frames times sqrt(2) for clips of one length
VIRTUAL = 0.5  # zeta, distance to a virtual frame
AWAY = 15.0  # distance to a virtual frame in the prior and the moment, times 1 / (n + m)
DECAY, LEAST, MOST = 0.999, 0.001, 0.999  # of phi
WINDOW, MARGIN = 15, 2.0  # of the intra-video loss: frames, squared distance
INTRA, INTER = 0.5, 0.1  # weights of the contrastive losses


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Return the mean VAVA loss of the pairs of the batch; the batch's truth is unused."""
    masks = batch.original.mask, batch.augmented.mask
    pair = projected_pair(network, batch, generator)
    first, second = (normalize(side.float(), dim=-1) for side in pair)
    step = min(batch.positions) // config.train.batch_size
    temperature = config.train.temperature
    return vava(first, second, masks[0], masks[1], phi_of(step), temperature).mean()


def phi_of(step: int) -> float:
    """Return the share of consistency in the prior at a step, counted from 0."""
    return min(max(DECAY ** math.isqrt(step + 1), LEAST), MOST)


def vava(
    first: torch.Tensor,
    second: torch.Tensor,
    first_mask: torch.Tensor,
    second_mask: torch.Tensor,
    phi: float,
    temperature: float,
) -> torch.Tensor:
    """Return the loss of each pair (B,) of clips with embeddings (B, N, D) and (B, M, D)."""
    with torch.autocast(first.device.type, enabled=False):
        # Padding may hold any value, even NaN, and 0 times it must be 0.
        first = first.masked_fill(~first_mask[:, :, None], 0)
        second = second.masked_fill(~second_mask[:, :, None], 0)
        distance = squared_distance(first, second)
        plan, cost = transport(distance, first_mask, second_mask, phi)
        apart = intra_video(first, first_mask) + intra_video(second, second_mask)
        inter = inter_video(distance, plan.detach(), first_mask, second_mask, temperature)
        return (plan * cost).sum(dim=(1, 2)) + INTRA * apart + INTER * inter


def transport(
    distance: torch.Tensor, first_mask: torch.Tensor, second_mask: torch.Tensor, phi: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the plan and its distances, both (B, 1 + N, 1 + M), for distance (B, N, M).

    The plan has mass 1 for each pair. Row and column 0 are the virtual frames.
    """
    with torch.no_grad():
        log_prior, moment = priors(distance, first_mask, second_mask, phi)
    cost = pad(distance, (1, 0, 1, 0), value=VIRTUAL)
    n, m = (mask.sum(dim=1).float()[:, None, None] for mask in (first_mask, second_mask))
    plan = sinkhorn(
        (cost - MOMENT * (n + m) * moment) / (DIVERGENCE * n * m / 4),
        *(uniform_weight(pad(mask, (1, 0), value=True)) for mask in (first_mask, second_mask)),
        epsilon=1.0,
        iterations=ITERATIONS,
        log_prior=log_prior,
    )
    return plan, cost


def priors(
    distance: torch.Tensor, first_mask: torch.Tensor, second_mask: torch.Tensor, phi: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (log Q, S), both (B, 1 + N, 1 + M), for distance (B, N, M): the log of the prior, at
    most 0, and the inverse difference moment."""
    n, m = (1.0 + mask.sum(dim=1)[:, None, None] for mask in (first_mask, second_mask))
    i = torch.arange(1, distance.shape[1] + 2, device=distance.device)[None, :, None] / n
    j = torch.arange(1, distance.shape[2] + 2, device=distance.device)[None, None, :] / m
    nearest = distance.masked_fill(~second_mask[:, None, :], float("inf")).argmin(dim=2)
    best = pad(nearest + 2, (1, 0), value=1)[:, :, None] / m  # of each i
    virtual = torch.zeros_like(distance[:1], dtype=torch.bool)
    virtual = pad(virtual, (1, 0, 1, 0), value=True)
    virtual[:, 0, 0] = False
    apart = [torch.where(virtual, AWAY / (n + m), d) for d in ((i - j).abs(), (j - best).abs())]
    unit = (1 / n**2 + 1 / m**2).sqrt()
    shares = torch.tensor([phi, 1 - phi])
    logs = [
        share.log() - (d / unit) ** 2 / (2 * SPREAD**2)
        for share, d in zip(shares, apart, strict=True)
    ]
    moment = phi / (apart[0] ** 2 + 1) + (1 - phi) / (apart[1] ** 2 + 1)
    return torch.logaddexp(logs[0], logs[1]), moment


def intra_video(features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return (B,) the mean over all pairs of real frames i, j of a clip (B, T, D), i = j included,
    of max(0, MARGIN - D) if |i - j| > WINDOW and of D / ((i - j)^2 + 1) otherwise."""
    distance = squared_distance(features, features)
    index = torch.arange(mask.shape[1], device=mask.device)
    gap = (index[:, None] - index[None, :]).abs()
    value = torch.where(gap > WINDOW, (MARGIN - distance).clamp(min=0), distance / (gap**2 + 1)) * (
        mask[:, :, None] & mask[:, None, :]
    )
    return value.sum(dim=(1, 2)) / mask.sum(dim=1) ** 2


def inter_video(
    distance: torch.Tensor,
    plan: torch.Tensor,
    first_mask: torch.Tensor,
    second_mask: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """Return (B,) the mean cross-entropy, over the frames of both clips, of softmax(-distance /
    temperature) over the frames of the other clip. The target is the frame with the most mass in
    the plan (B, 1 + N, 1 + M), without virtual frames."""
    total = distance.new_zeros(len(distance))
    mass = plan[:, 1:, 1:]
    for here, there, d, t in (
        (first_mask, second_mask, distance, mass),
        (second_mask, first_mask, distance.mT, mass.mT),
    ):
        logit = (-d / temperature).masked_fill(~there[:, None, :], float("-inf"))
        entropy = -logit.log_softmax(dim=2).gather(2, t.argmax(dim=2)[:, :, None])[..., 0]
        total = total + torch.where(here, entropy, 0).sum(dim=1)
    return total / (first_mask.sum(dim=1) + second_mask.sum(dim=1))
