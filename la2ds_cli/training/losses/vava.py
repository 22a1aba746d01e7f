"""VAVA: optimal transport between the frames of two clips, with priors on the plan.

Liu, Tekin, Coskun, Vineet, Fua, Pollefeys, "Learning to Align Sequential Actions in the Wild",
CVPR 2022, sec. 3. With D_ij the squared distance of frames i of X and j of Y and positions i / N,
j / M in the clips:

* consistency: what is aligned has passed the same share of its clip. Distance from the diagonal
  l_c = |i/N - j/M| / sqrt(1/N^2 + 1/M^2);
* optimality: what is aligned is what transport without priors aligns, however out of order.
  l_o = (|i/N - i_o/N| + |j/M - j_o/M|) / (2 sqrt(1/N^2 + 1/M^2)), where i_o is the frame most of
  frame j goes to in that plan and j_o the one most of frame i goes to;
* the prior Q is the mixture phi exp(-l_c^2 / 2 sigma^2) + (1 - phi) exp(-l_o^2 / 2 sigma^2), and
  the inverse difference moment S = phi / ((i/N - j/M)^2 + 1) + (1 - phi) / (d_o / 2 + 1) with
  d_o = ((i - i_o)/N)^2 + ((j - j_o)/M)^2 rewards mass near the same positions. phi falls from 1 to
  1/2 as training goes on, for early plans are not to be trusted;
* the plan T is the minimum of <T, D> - lambda1 <T, S> + lambda2 KL(T || Q) with given marginals
  (la2ds_models.sinkhorn); the loss is <T, D>;
* a virtual frame before each clip takes what has no counterpart;
* intra-video: contrastive IDM of each clip (as LAV); inter-video: each frame is nearer to the frame
  it is aligned with than to any other of that clip. Without them all frames fall into one point.

Written from knowledge of the paper, whose text was not at hand: equations are named, not numbered,
and more may differ than is listed. lambda1, lambda2, zeta and the number of iterations are the
defaults of a published implementation; sigma, `VIRTUAL` and the weights of the contrastive losses
are choices made here. Deviations:

* embeddings are of unit length, D squared;
* the virtual frame may take all frames of the other clip (its marginal is M or N times that of a
  frame), as here up to half of a copy is trimmed; its distance is `VIRTUAL`, its prior zeta times
  the highest. A frame thus stays single where its best weight falls below zeta times that of a pair
  on the diagonal at this distance;
* the inter-video loss is the cross-entropy of softmax(-D / train.temperature) over the frames of
  the other clip, the target being the frame that gets most of the plan; frames that go to the
  virtual frame are left out;
* the intra-video sum is divided by its weights, so that it does not grow with the clip;
* phi = max(0.999^step, 1/2), steps counted by the pairs shown;
* pairs are augmented copies of two clips, read by a network that sees joints of two frames, half a
  second apart, instead of ResNet-50. One that sees the whole clip learns the share of it that has
  passed, which the consistency prior rewards whatever the pose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from la2ds_cli.core.config import Config
from la2ds_cli.training.losses import projected_pair
from la2ds_cli.training.network import PairBatch

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork

NAMES = ("vava",)
PAIRS = "clips"
MOMENT = 1.0  # lambda1, weight of the inverse difference moment
DIVERGENCE = 0.1  # lambda2, weight of the divergence from the prior
ITERATIONS = 20
SPREAD = 2.0  # sigma of the prior, in frames times sqrt(2) for clips of one length
VIRTUAL = 1.0  # distance of the virtual frame: 60 degrees
SINGLE = 0.5  # zeta, its prior
DECAY, LEAST = 0.999, 0.5  # of phi
WINDOW, MARGIN = 10, 2.0  # frames, squared distance; of the intra-video loss, as LAV
INTRA, INTER = 0.5, 0.1  # weights of the contrastive losses


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Mean VAVA loss of the pairs of the batch. The truth of the batch is unused."""
    from torch.nn.functional import normalize

    masks = batch.original.mask, batch.augmented.mask
    pair = projected_pair(network, batch, generator)
    first, second = (normalize(side.float(), dim=-1) for side in pair)
    step = min(batch.positions) // config.train.batch_size
    return vava(first, second, *masks, max(DECAY**step, LEAST), config.train.temperature).mean()


def vava(
    first: torch.Tensor,
    second: torch.Tensor,
    first_mask: torch.Tensor,
    second_mask: torch.Tensor,
    phi: float,
    temperature: float,
) -> torch.Tensor:
    """Loss of each pair (B,) of clips with embeddings (B, N, D) and (B, M, D)."""
    import torch

    from la2ds_models.contrastive_idm import contrastive_idm
    from la2ds_models.distance import squared_distance

    with torch.autocast(first.device.type, enabled=False):
        # Padding may hold anything, and 0 times anything must be 0.
        first = first.masked_fill(~first_mask[:, :, None], 0)
        second = second.masked_fill(~second_mask[:, :, None], 0)
        distance = squared_distance(first, second)
        plan, cost = transport(distance, first_mask, second_mask, phi)
        apart = sum(
            contrastive_idm(side, mask, WINDOW, MARGIN) / moment_weight(mask)
            for side, mask in ((first, first_mask), (second, second_mask))
        )
        inter = inter_video(distance, plan.detach(), first_mask, second_mask, temperature)
        return (plan * cost).sum(dim=(1, 2)) + INTRA * apart + INTER * inter


def transport(
    distance: torch.Tensor, first_mask: torch.Tensor, second_mask: torch.Tensor, phi: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The plan (B, 1 + N, 1 + M), mass 2 for each pair, and the distances it moves over; row and
    column 0 are the virtual frames. distance: (B, N, M)."""
    import torch
    from torch.nn.functional import pad

    from la2ds_models.sinkhorn import sinkhorn, uniform_weight

    with torch.no_grad():
        free = sinkhorn(
            distance,
            uniform_weight(first_mask),
            uniform_weight(second_mask),
            epsilon=DIVERGENCE,
            iterations=ITERATIONS,
        )
        log_prior, moment = priors(free, first_mask, second_mask, phi)
    cost = pad(distance, (1, 0, 1, 0), value=VIRTUAL)
    log_prior = pad(log_prior, (1, 0, 1, 0), value=float(torch.tensor(SINGLE).log()))
    moment = pad(moment, (1, 0, 1, 0), value=1.0)
    n, m = (mask.sum(dim=1, keepdim=True).float() for mask in (first_mask, second_mask))
    plan = sinkhorn(
        cost - MOMENT * moment,
        2 * torch.cat([m, first_mask.float()], dim=1) / (n + m),
        2 * torch.cat([n, second_mask.float()], dim=1) / (n + m),
        epsilon=DIVERGENCE,
        iterations=ITERATIONS,
        log_prior=log_prior,
    )
    return plan, cost


def priors(
    plan: torch.Tensor, first_mask: torch.Tensor, second_mask: torch.Tensor, phi: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(log Q, S), both (B, N, M): the prior, 1 where it is highest, and the inverse difference
    moment. plan: (B, N, M), the one without priors."""
    import torch

    n, m = (mask.sum(dim=1).float()[:, None, None] for mask in (first_mask, second_mask))
    i = torch.arange(1, plan.shape[1] + 1, device=plan.device)[None, :, None] / n
    j = torch.arange(1, plan.shape[2] + 1, device=plan.device)[None, None, :] / m
    i_best = (plan.argmax(dim=1)[:, None, :] + 1) / n  # of each j
    j_best = (plan.argmax(dim=2)[:, :, None] + 1) / m  # of each i
    unit = (1 / n**2 + 1 / m**2).sqrt()
    consistency = (i - j).abs() / unit
    optimality = ((i - i_best).abs() + (j - j_best).abs()) / (2 * unit)
    logs = [
        weight - value**2 / (2 * SPREAD**2)
        for weight, value in zip(
            torch.tensor([phi, 1 - phi]).log().tolist(), (consistency, optimality), strict=True
        )
    ]
    offset = (i - i_best) ** 2 + (j - j_best) ** 2
    moment = phi / ((i - j) ** 2 + 1) + (1 - phi) / (offset / 2 + 1)
    return torch.logaddexp(*logs), moment


def inter_video(
    distance: torch.Tensor,
    plan: torch.Tensor,
    first_mask: torch.Tensor,
    second_mask: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """(B,): mean cross-entropy, over the frames of both clips that the plan (B, 1 + N, 1 + M) gives
    a counterpart, of softmax(-distance / temperature) over the frames of the other clip; 0 where
    none has one."""
    import torch

    total = distance.new_zeros(len(distance))
    count = distance.new_zeros(len(distance))
    for here, there, d, t in (
        (first_mask, second_mask, distance, plan[:, 1:]),
        (second_mask, first_mask, distance.mT, plan[:, :, 1:].mT),
    ):
        logit = (-d / temperature).masked_fill(~there[:, None, :], float("-inf"))
        best = t.argmax(dim=2)  # 0 = the virtual frame
        paired = here & (best > 0)
        entropy = -logit.log_softmax(dim=2).gather(2, (best - 1).clamp(min=0)[:, :, None])[..., 0]
        total = total + torch.where(paired, entropy, 0).sum(dim=1)
        count = count + paired.sum(dim=1)
    return total / count.clamp(min=1)


def moment_weight(mask: torch.Tensor) -> torch.Tensor:
    """(B,) sum of (i - j)^2 + 1 over all pairs of real frames."""
    n = mask.sum(dim=1).float()
    return n**2 + n**2 * (n**2 - 1) / 6
