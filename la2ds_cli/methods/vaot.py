"""VAOT: fused Gromov-Wasserstein optimal transport between the frames of two clips.

Ali, Mahmood, Saeed, Konin, Zia, Tran, "Joint Self-Supervised Video Alignment and Action
Segmentation", ICCV 2025, sec. 4.1 and 4.2 (arXiv 2503.16832); of its two methods, the one for
alignment. With unit-length embeddings X and Y of the N and M frames:

* P_ij is the softmax over j of x_i . y_j / tau (eq. 6). The loss is the cross-entropy of P to a
  plan T, - sum_ij T_ij log P_ij, with rows of T scaled to sum to 1, mean over i (eq. 7). T is a
  pseudo-label: no gradient flows through it;
* T is the plan that minimises (1 - alpha) <T, C> + alpha GW(T) minus epsilon times its entropy,
  with uniform marginals (la2ds_models.transport);
* C_ij = 1 - x_i . y_j + rho |i/N - j/M|: corresponding frames look alike and lie at about the same
  share of their clips;
* GW(T) sums Cx_ik Cy_jl T_ij T_kl. Cx is 1/r for neighbours in X (frames at most r N apart) and 0
  for other frames and for a frame with itself. Cy is 0 for neighbours in Y and 1 for others.
  Neighbours map to neighbours, in any order of the actions;
* a virtual frame before each clip, at the cost zeta from all frames, takes the frames that have no
  counterpart.

This follows the abstract, the numbers of the two equations, and the authors' released code, which
refers to them; the paper's text was not available. tau, alpha, epsilon, rho, zeta, r and the number
of iterations are the defaults of that code. Deviations from the code:

* neighbours reach at least one frame: with the code's 20 frames r N is less than one, so no frame
  has a neighbour and the second term is 0. 1/r becomes the inverse of the share of the clip over
  which neighbours reach;
* a frame of Y is its own neighbour (Cy_jj = 0; 1 in the code): clips differ in length here, and two
  frames of the longer one may map to one frame of the other;
* the second term ignores the virtual frames (their rows and columns of Cx and Cy are 0), so that a
  frame between two aligned ones may map there; in the code they neighbour the first frames;
* each gradient has `INNER` Sinkhorn iterations instead of 1, which does not satisfy the marginals;
* pairs are augmented copies of two clips with up to `train.frames` frames in a row, read by a
  network that sees joints of two frames, half a second apart, instead of 20 frames sampled from a
  whole video and ResNet-50. Marginals are uniform and the virtual frame has one frame's mass, so
  the copies are not trimmed. The learning rate is that of the preset, not 1e-5, which suits a
  pre-trained network;
* later steps use the encoder's embeddings without L2 normalisation; they come from a layer
  normalisation, so their lengths differ little.
"""

from __future__ import annotations

import torch
from torch.nn.functional import normalize, pad

from la2ds_cli.core.config import Config
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.losses import projected_pair
from la2ds_models.sequence_network import SequenceNetwork
from la2ds_models.transport import Space, fused_gromov_wasserstein, uniform_weight

NAMES = ("vaot",)
PAIRS = "clips"
STRUCTURE = 0.3  # alpha, weight of the Gromov-Wasserstein term
ENTROPY = 0.07  # epsilon
PRIOR = 0.35  # rho, cost of two frames whose positions are a whole clip apart
SINGLE = 0.5  # zeta, cost of the virtual frame: 60 degrees, at the same position
RADIUS = 0.02  # r, share of the clip
ITERATIONS, INNER = 25, 5  # of the gradients, and of Sinkhorn for each


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Return the mean VAOT loss of the pairs of the batch; the batch's truth is unused."""
    masks = batch.original.mask, batch.augmented.mask
    pair = projected_pair(network, batch, generator)
    first, second = (normalize(side.float(), dim=-1) for side in pair)
    return vaot(first, second, masks[0], masks[1], config.train.temperature).mean()


def vaot(
    first: torch.Tensor,
    second: torch.Tensor,
    first_mask: torch.Tensor,
    second_mask: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """Return the loss of each pair (B,) of clips with embeddings (B, N, D) and (B, M, D) of unit
    length."""
    with torch.autocast(first.device.type, enabled=False):
        # Padding may hold any value, even NaN, and 0 times it must be 0.
        first = first.masked_fill(~first_mask[:, :, None], 0)
        second = second.masked_fill(~second_mask[:, :, None], 0)
        alike = first @ second.transpose(1, 2)
        with torch.no_grad():
            target = pseudo_labels(alike, first_mask, second_mask)
        other = ~second_mask[:, None, :]
        log_p = (alike / temperature).masked_fill(other, -torch.inf).log_softmax(dim=2)
        entropy = -(target * log_p.masked_fill(other, 0)).sum(dim=2)
        return entropy.sum(dim=1) / first_mask.sum(dim=1)


def pseudo_labels(
    alike: torch.Tensor, first_mask: torch.Tensor, second_mask: torch.Tensor
) -> torch.Tensor:
    """Return T (B, N, M) for cosines (B, N, M); rows sum to 1 minus the virtual frame's mass."""
    n, m = (mask.sum(dim=1).to(alike.dtype)[:, None, None] for mask in (first_mask, second_mask))
    i = torch.arange(alike.shape[1], device=alike.device)[None, :, None] / n
    j = torch.arange(alike.shape[2], device=alike.device)[None, None, :] / m
    cost = pad(1 - alike + PRIOR * (i - j).abs(), (1, 0, 1, 0), value=SINGLE)
    weights = (uniform_weight(pad(mask, (1, 0), value=True)) for mask in (first_mask, second_mask))
    first, second = map(Space, structures(first_mask, second_mask), weights)
    plan = fused_gromov_wasserstein(
        cost,
        first,
        second,
        alpha=STRUCTURE,
        epsilon=ENTROPY,
        iterations=ITERATIONS,
        inner_iterations=INNER,
    )
    return plan[:, 1:, 1:] * (n + 1)


def structures(
    first_mask: torch.Tensor, second_mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return Cx (B, 1 + N, 1 + N) and Cy (B, 1 + M, 1 + M) float32, virtual frames first."""
    near, shares = [], []
    for mask in (first_mask, second_mask):
        frames = mask.sum(dim=1).float()
        reach = (RADIUS * frames).floor().clamp(min=1)
        index = torch.arange(mask.shape[1], device=mask.device)
        near.append((index[:, None] - index).abs() <= reach[:, None, None])
        shares.append(reach / frames)
    itself = torch.eye(first_mask.shape[1], dtype=torch.bool, device=first_mask.device)
    within = (near[0] & ~itself) / shares[0][:, None, None]
    return pad(within, (1, 0, 1, 0)), pad((~near[1]).float(), (1, 0, 1, 0))
