"""Optimal transport between the frames of clips that also compares the relations between frames.

Fused Gromov-Wasserstein (Vayer et al., "Optimal Transport for structured data with application on
graphs", ICML 2019), with the product as the loss of two structures, as in Xu and Gould, "Temporally
Consistent Unbalanced Optimal Transport for Unsupervised Action Segmentation", CVPR 2024. It is
solved by projected gradients (Peyré, Cuturi, Solomon, "Gromov-Wasserstein Averaging of Kernel and
Distance Matrices", ICML 2016): each step computes the entropic plan for the gradient at the
previous plan.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from la2ds_models.sinkhorn import sinkhorn


class Space(NamedTuple):
    """The frames of clips. structure: (B, N, N), symmetric relations. weight: (B, N); 0 marks
    padding, which has mass 0 and may hold any finite number."""

    structure: Tensor
    weight: Tensor


def fused_gromov_wasserstein(
    cost: Tensor,
    first: Space,
    second: Space,
    *,
    alpha: float,
    epsilon: float,
    iterations: int,
    inner_iterations: int,
) -> Tensor:
    """Plans T (B, N, M) float32 with the given marginals, a stationary point of

    (1 - alpha) <T, cost> + alpha / 2 * sum_ijkl first_ik second_jl T_ij T_kl + epsilon KL(T),

    which need not be its minimum, because the second term is not convex. The search starts at the
    product of the marginals; KL is the divergence from it.

    cost: (B, N, M). The cost of mapping frames i and k to frames j and l is the product of the
    entries of the structures. The weights are the marginals, with equal sums. iterations: gradient
    steps; inner_iterations: iterations of `sinkhorn` in each. float64 stays float64; any other type
    is computed in float32.
    """
    with torch.autocast(cost.device.type, enabled=False):
        kind = torch.float64 if cost.dtype == torch.float64 else torch.float32
        cost, one, two, p, q = (
            value.to(kind)
            for value in (cost, first.structure, second.structure, first.weight, second.weight)
        )
        plan = p[:, :, None] * q[:, None, :] / p.sum(dim=1)[:, None, None]
        for _ in range(iterations):
            gradient = (1 - alpha) * cost + alpha * (one @ plan @ two)
            plan = sinkhorn(gradient, p, q, epsilon=epsilon, iterations=inner_iterations)
        return plan
