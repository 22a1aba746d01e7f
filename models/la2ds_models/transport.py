"""Optimal transport between the frames of clips, by appearance and by the relations between frames.

Entropic transport in the log domain: Cuturi, "Sinkhorn Distances", NeurIPS 2013, with a prior
instead of the uniform plan. The plan minimises the cost plus epsilon times its divergence from the
prior.

Fused Gromov-Wasserstein: Vayer et al., "Optimal Transport for structured data with application on
graphs", ICML 2019, with the product as the loss of two structures, as in Xu and Gould, "Temporally
Consistent Unbalanced Optimal Transport for Unsupervised Action Segmentation", CVPR 2024. It is
solved by projected gradients (Peyré, Cuturi, Solomon, "Gromov-Wasserstein Averaging of Kernel and
Distance Matrices", ICML 2016): each step computes the entropic plan for the gradient at the
previous plan.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FORBIDDEN = -1e9  # log of a weight of 0; finite, so that gradients stay finite


def sinkhorn(
    cost: Tensor,
    first_weight: Tensor,
    second_weight: Tensor,
    *,
    epsilon: float,
    iterations: int,
    log_prior: Tensor | None = None,
) -> Tensor:
    """Return the plans (B, N, M) that minimise <plan, cost> + epsilon KL(plan || prior), given the
    marginals.

    The result satisfies the second marginal exactly and the first one up to convergence. Gradients
    flow through all iterations. float64 stays float64; any other type is computed in float32.

    Parameters
    ----------
    cost: (B, N, M).
    first_weight, second_weight: (B, N) and (B, M) marginals, with equal sums; 0 marks padding,
        which has mass 0 and whose cost and prior are ignored.
    epsilon: weight of the divergence; a smaller one needs more iterations.
    iterations: of Sinkhorn's algorithm.
    log_prior: (B, N, M), up to a constant for each pair; None = uniform.
    """
    with torch.autocast(cost.device.type, enabled=False):
        if cost.dtype != torch.float64:
            cost, first_weight, second_weight = (
                value.float() for value in (cost, first_weight, second_weight)
            )
        there = (first_weight > 0)[:, :, None] & (second_weight > 0)[:, None, :]
        kernel = -cost / epsilon
        if log_prior is not None:
            kernel = kernel + log_prior.to(kernel.dtype)
        kernel = kernel.masked_fill(~there, FORBIDDEN)
        first_log, second_log = _log(first_weight), _log(second_weight)
        v = torch.zeros_like(second_weight)
        u = torch.zeros_like(first_weight)
        for _ in range(iterations):
            u = first_log - (kernel + v[:, None, :]).logsumexp(dim=2)
            u = u.masked_fill(first_weight == 0, 0)
            v = second_log - (kernel + u[:, :, None]).logsumexp(dim=1)
            v = v.masked_fill(second_weight == 0, 0)
        return (kernel + u[:, :, None] + v[:, None, :]).exp() * there


def uniform_weight(mask: Tensor) -> Tensor:
    """Return the marginal (B, T) float32 that weights all real frames of a clip equally, sum 1."""
    return mask.float() / mask.sum(dim=1, keepdim=True)


def _log(weight: Tensor) -> Tensor:
    """Return the logarithm of weights, 0 where they are 0."""
    return weight.masked_fill(weight == 0, 1).log()


class Space(NamedTuple):
    """The frames of clips.

    structure: (B, N, N), symmetric relations. weight: (B, N); 0 marks padding, which has mass 0 and
    may have any finite value.
    """

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
    """Return plans T (B, N, M) with the weights as marginals, a stationary point of

    (1 - alpha) <T, cost> + alpha / 2 * sum_ijkl first_ik second_jl T_ij T_kl + epsilon KL(T),

    which need not be its minimum, because the second term is not convex. The search starts at the
    product of the marginals; KL is the divergence from it. The cost of mapping frames i and k to
    frames j and l is the product of the entries of the structures. float64 stays float64; any other
    type is computed in float32.

    Parameters
    ----------
    cost: (B, N, M).
    first, second: frames of both clips; their weights have equal sums.
    alpha: share of the structures.
    epsilon: weight of the divergence.
    iterations: gradient steps.
    inner_iterations: iterations of `sinkhorn` in each step.
    """
    with torch.autocast(cost.device.type, enabled=False):
        kind = torch.float64 if cost.dtype == torch.float64 else torch.float32
        cost, structure_a, structure_b, p, q = (
            value.to(kind)
            for value in (cost, first.structure, second.structure, first.weight, second.weight)
        )
        plan = p[:, :, None] * q[:, None, :] / p.sum(dim=1)[:, None, None]
        for _ in range(iterations):
            gradient = (1 - alpha) * cost + alpha * (structure_a @ plan @ structure_b)
            plan = sinkhorn(gradient, p, q, epsilon=epsilon, iterations=inner_iterations)
        return plan
