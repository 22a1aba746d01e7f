"""VAOT: fused Gromov-Wasserstein optimal transport between the frames of two clips.

Ali, Mahmood, Saeed, Konin, Zia, Tran, "Joint Self-Supervised Video Alignment and Action
Segmentation", ICCV 2025, sec. 4.1 and 4.2 (arXiv 2503.16832); of its two methods the one that
aligns. With X and Y embeddings of unit length of the N and M frames:

* P_ij is the softmax over j of x_i . y_j / tau (eq. 6); the loss is the cross-entropy of P to a
  plan T, - sum_ij T_ij log P_ij, rows of T scaled to sum to 1, mean over i (eq. 7). T is a
  pseudo-label: no gradient flows through it;
* T is the plan of least (1 - alpha) <T, C> + alpha GW(T), less epsilon times its entropy, with
  even marginals (la2ds_models.gromov_wasserstein);
* C_ij = 1 - x_i . y_j + rho |i/N - j/M|: what corresponds is alike, and has passed about the same
  share of its clip;
* GW(T) sums Cx_ik Cy_jl T_ij T_kl, where Cx is 1/r for neighbours in X, frames at most r N apart,
  and 0 for others and for a frame with itself, Cy 0 for neighbours in Y and 1 for others:
  neighbours go to neighbours, in any order of the actions;
* a virtual frame before each clip, at the cost zeta from all frames, takes what has no counterpart.

At hand were the abstract, the two equations by their numbers, and the authors' released code,
which names what it computes by them; not the paper's text. tau, alpha, epsilon, rho, zeta, r and
the number of iterations are the defaults of that code. Deviations:

* neighbours are at least one frame apart: with the 20 frames of the released code r N is less than
  one, so that no frame has a neighbour and the second term is 0. 1/r is the share of the clip that
  the neighbours make up, turned over;
* a frame of Y is its own neighbour (Cy_jj = 0, 1 there): clips differ in length here, and two
  frames of the longer one may go to one of the other;
* the second term leaves the virtual frames out (their rows and columns of Cx and Cy are 0), so
  that a frame between two that are aligned may go there; there they neighbour the first frames;
* `INNER` iterations of Sinkhorn for each gradient instead of 1, which leaves the marginals unmet;
* pairs are augmented copies of two clips with up to `train.frames` frames in a row, read by a
  network that sees joints of two frames, half a second apart, instead of 20 frames sampled from a
  whole video and ResNet-50. Marginals are even and the virtual frame takes one frame's mass, so the
  copies are not trimmed. The learning rate is that of the preset, not 1e-5, which suits a
  pre-trained network;
* later steps use the embeddings as the encoder gives them, not L2-normalised: they leave a layer
  normalisation, so that their lengths differ little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from la2ds_cli.core.config import Config
from la2ds_cli.training.losses import projected_pair
from la2ds_cli.training.network import PairBatch

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork

NAMES = ("vaot",)
PAIRS = "clips"
STRUCTURE = 0.3  # alpha, weight of the Gromov-Wasserstein term
ENTROPY = 0.07  # epsilon
PRIOR = 0.35  # rho, cost of a whole clip between the positions of two frames
SINGLE = 0.5  # zeta, cost of the virtual frame: 60 degrees, at the same position
RADIUS = 0.02  # r, share of the clip
ITERATIONS, INNER = 25, 5  # of the gradients, and of Sinkhorn for each


def loss(
    network: SequenceNetwork, batch: PairBatch, config: Config, generator: torch.Generator
) -> torch.Tensor:
    """Mean VAOT loss of the pairs of the batch. The truth of the batch is unused."""
    from torch.nn.functional import normalize

    masks = batch.original.mask, batch.augmented.mask
    pair = projected_pair(network, batch, generator)
    first, second = (normalize(side.float(), dim=-1) for side in pair)
    return vaot(first, second, *masks, config.train.temperature).mean()


def vaot(
    first: torch.Tensor,
    second: torch.Tensor,
    first_mask: torch.Tensor,
    second_mask: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """Loss of each pair (B,) of clips with embeddings (B, N, D) and (B, M, D) of unit length."""
    import torch

    with torch.autocast(first.device.type, enabled=False):
        # Padding may hold anything, and 0 times anything must be 0.
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
    """T (B, N, M) for cosines (B, N, M): rows sum to 1 less what goes to the virtual frame."""
    import torch
    from torch.nn.functional import pad

    from la2ds_models.gromov_wasserstein import fused_gromov_wasserstein
    from la2ds_models.sinkhorn import uniform_weight

    n, m = (mask.sum(dim=1).to(alike.dtype)[:, None, None] for mask in (first_mask, second_mask))
    i = torch.arange(alike.shape[1], device=alike.device)[None, :, None] / n
    j = torch.arange(alike.shape[2], device=alike.device)[None, None, :] / m
    cost = pad(1 - alike + PRIOR * (i - j).abs(), (1, 0, 1, 0), value=SINGLE)
    plan = fused_gromov_wasserstein(
        cost,
        *structures(first_mask, second_mask),
        *(uniform_weight(pad(mask, (1, 0), value=True)) for mask in (first_mask, second_mask)),
        alpha=STRUCTURE,
        epsilon=ENTROPY,
        iterations=ITERATIONS,
        inner_iterations=INNER,
    )
    return plan[:, 1:, 1:] * (n + 1)


def structures(
    first_mask: torch.Tensor, second_mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cx (B, 1 + N, 1 + N) and Cy (B, 1 + M, 1 + M) float32, the virtual frames first."""
    import torch
    from torch.nn.functional import pad

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
