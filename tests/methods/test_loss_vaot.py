"""VAOT against loops: its plan, its cross-entropy and gradient; what it aligns and learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.methods import vaot
from tests.method_batches import random_clips, value_of
from tests.models.small_networks import mask_of

CONFIG = load_config(preset="vaot")


def _unit(clip: torch.Tensor) -> np.ndarray:
    value = clip.detach().double().numpy()
    return value / np.linalg.norm(value, axis=1, keepdims=True)


def _structure(frames: int, *, within: bool) -> np.ndarray:
    """Cx or Cy, with the virtual frame at 0."""
    reach = max(1, math.floor(vaot.RADIUS * frames))
    table = np.zeros((frames + 1, frames + 1))
    for i in range(1, frames + 1):
        for k in range(1, frames + 1):
            near = abs(i - k) <= reach
            if within and near and i != k:
                table[i, k] = frames / reach
            if not within and not near:
                table[i, k] = 1.0
    return table


def _slow_plan(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """T (1 + N, 1 + M), rows of sum 1, by matrix scaling as printed, not in the log domain."""
    n, m = len(x), len(y)
    cost = np.full((n + 1, m + 1), vaot.SINGLE)
    for i in range(n):
        for j in range(m):
            cost[i + 1, j + 1] = 1 - x[i] @ y[j] + vaot.PRIOR * abs(i / n - j / m)
    one, two = _structure(n, within=True), _structure(m, within=False)
    plan = np.full((n + 1, m + 1), 1 / (n + 1) / (m + 1))
    for _ in range(vaot.ITERATIONS):
        slope = (1 - vaot.STRUCTURE) * cost + vaot.STRUCTURE * one @ plan @ two
        kernel = np.exp(-slope / vaot.ENTROPY)
        v = np.ones(m + 1)
        for _ in range(vaot.INNER):
            u = 1 / (n + 1) / (kernel @ v)
            v = 1 / (m + 1) / (kernel.T @ u)
        plan = u[:, None] * kernel * v
    return plan * (n + 1)


def _slow(first: torch.Tensor, second: torch.Tensor) -> float:
    """The loss of one pair of clips, by loops over pairs of frames."""
    x, y = _unit(first), _unit(second)
    plan = _slow_plan(x, y)
    total = 0.0
    for i in range(len(x)):
        score = [math.exp(float(x[i] @ frame) / CONFIG.train.temperature) for frame in y]
        for j in range(len(y)):
            total -= plan[i + 1, j + 1] * math.log(score[j] / sum(score))
    return total / len(x)


def test_loss_is_that_of_loops_in_float64() -> None:
    first, second = random_clips([14, 60], 5, 3), random_clips([12, 107], 5, 4)  # reach 1, 1, 1, 2
    slow = [_slow(a, b) for a, b in zip(first, second, strict=True)]
    assert value_of(CONFIG, first, second).item() == pytest.approx(sum(slow) / 2, rel=1e-4)


def test_gradient_is_that_of_finite_differences_while_the_plan_stays() -> None:
    clips = random_clips([6], 4, 3)[0], random_clips([5], 4, 4)[0]
    target = torch.from_numpy(_slow_plan(*map(_unit, clips))[1:, 1:])
    masks = mask_of(6), mask_of(5)
    unit = [
        torch.nn.functional.normalize(clip.detach().double(), dim=1).requires_grad_()
        for clip in clips
    ]

    def entropy(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return -(target * (x @ y.T / 0.1).log_softmax(dim=1)).sum() / len(x)

    assert torch.autograd.gradcheck(entropy, unit)
    value = vaot.vaot(unit[0][None], unit[1][None], *masks, 0.1).sum()
    expected = torch.autograd.grad(entropy(*unit), unit)
    for one, two in zip(torch.autograd.grad(value, unit), expected, strict=True):
        torch.testing.assert_close(one, two)


def test_clips_that_match_cost_little_and_those_that_do_not_much() -> None:
    curve = torch.eye(12)
    assert float(value_of(CONFIG, [curve], [curve])) < 0.05
    # All frames alike: P is even, and T is what goes to real frames, 1 at most.
    same = torch.ones(12, 12)
    assert 0.9 * math.log(12) < float(value_of(CONFIG, [same], [same])) < math.log(12)


def test_a_frame_without_a_counterpart_goes_to_the_virtual_frame_and_the_others_to_theirs() -> None:
    """Frame 6 shows something else in each of the clips."""
    one = torch.eye(14)[:12]
    other = torch.cat([one[:6], torch.eye(14)[13:], one[7:]])
    masks = mask_of(12), mask_of(12)
    plan = vaot.pseudo_labels(one @ other.T[None], *masks)[0]
    shares = plan.sum(dim=1)
    kept = [n for n in range(12) if n != 6]
    assert plan.argmax(dim=1)[kept].tolist() == kept
    assert float(shares[6]) < 0.2
    assert float(shares[kept].min()) > 0.9
