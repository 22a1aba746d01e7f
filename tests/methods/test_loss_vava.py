"""VAVA against loops and by hand: its priors, its plan, its contrastive losses; what it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.methods import vava
from tests.method_batches import random_clips, value_of
from tests.models.small_networks import mask_of

CONFIG = load_config(preset="vava")


def _prior(n: int, m: int, i: int, j: int, best: int, phi: float) -> tuple[float, float]:
    """Q and S of frames i of n and j of m, counted from 1, which is virtual."""
    consistency, optimality = abs(i / n - j / m), abs(j / m - best / m)
    if (i == 1) != (j == 1):
        consistency = optimality = 1.5 * 2 * 5 / (n + m)
    unit = math.sqrt(1 / n**2 + 1 / m**2)
    q = phi * math.exp(-((consistency / unit) ** 2) / (2 * 2.0**2))
    q += (1 - phi) * math.exp(-((optimality / unit) ** 2) / (2 * 2.0**2))
    return q, phi / (consistency**2 + 1) + (1 - phi) / (optimality**2 + 1)


def _nearest(distances: np.ndarray, i: int) -> int:
    """The frame of the other clip that frame i, counted with the virtual one from 1, is nearest
    to, counted likewise."""
    return 1 if i == 1 else int(distances[i - 2].argmin()) + 2


def _plan(distances: np.ndarray, phi: float) -> tuple[np.ndarray, np.ndarray]:
    """The plan and its distances, in loops and matrix scaling as printed, not in the log domain."""
    n, m = (count + 1 for count in distances.shape)
    frames = (n - 1) * (m - 1)
    cost, kernel = np.full((n, m), 0.5), np.zeros((n, m))
    cost[1:, 1:] = distances
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            q, s = _prior(n, m, i, j, _nearest(distances, i), phi)
            reward = 1.0 * (n - 1 + m - 1) * s - cost[i - 1, j - 1]
            kernel[i - 1, j - 1] = q * math.exp(reward / (0.1 * frames / 4))
    v = np.ones(m)
    for _ in range(20):
        u = 1 / n / (kernel @ v)
        v = 1 / m / (kernel.T @ u)
    return u[:, None] * kernel * v[None], cost


def _slow(first: torch.Tensor, second: torch.Tensor, phi: float, temperature: float) -> float:
    """The loss of one pair of clips (N, D), (M, D), in float64 and loops."""
    x, y = (side.detach().double().numpy() for side in (first, second))
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
    d = np.array([[((p - q) ** 2).sum() for q in y] for p in x])
    plan, cost = _plan(d, phi)
    value = (plan * cost).sum()
    for side in (x, y):
        total = 0.0
        for i in range(len(side)):
            for j in range(len(side)):
                apart = ((side[i] - side[j]) ** 2).sum()
                far = abs(i - j) > 15
                total += max(0, 2 - apart) if far else apart / ((i - j) ** 2 + 1)
        value += 0.5 * total / len(side) ** 2
    entropies = []
    for logits, mass in ((-d, plan[1:, 1:]), (-d.T, plan[1:, 1:].T)):
        for logit, row in zip(logits / temperature, mass, strict=True):
            entropies.append(np.log(np.exp(logit).sum()) - logit[row.argmax()])
    return value + 0.1 * float(np.mean(entropies))


def _random_distances(frames: tuple[int, int], seed: int) -> torch.Tensor:
    """(1, N, M) squared distances of random unit vectors, nearly all at right angles."""
    random = torch.Generator().manual_seed(seed)
    first, second = (
        torch.nn.functional.normalize(torch.randn(n, 192, generator=random), dim=-1) for n in frames
    )
    return ((first[:, None] - second[None]) ** 2).sum(dim=-1)[None]


@pytest.mark.parametrize("frames", [(64, 64), (40, 64), (20, 11)])
@pytest.mark.parametrize("phi", [0.999, 0.9, 0.5])
def test_plan_is_that_of_loops_and_gives_a_virtual_frame_no_more_than_a_frames_share(
    frames: tuple[int, int], phi: float
) -> None:
    """Random clips: of the mass of the real frames at most 1 / N or 1 / M goes to a virtual one,
    which would take all of it if it weighed as much as a clip."""
    n, m = frames
    distance = _random_distances(frames, 0)
    plan = vava.transport(distance, mask_of(n), mask_of(m), phi)[0][0]
    slow, _ = _plan(distance[0].double().numpy(), phi)
    np.testing.assert_allclose(plan.numpy(), slow, rtol=1e-3, atol=1e-7)
    assert float(plan.sum()) == pytest.approx(1, abs=1e-4)
    lost = float(plan[1:, 0].sum() / plan[1:].sum()), float(plan[0, 1:].sum() / plan[:, 1:].sum())
    assert 0 < lost[0] <= (1 / (m + 1)) / (n / (n + 1)) + 1e-4
    assert 0 < lost[1] <= (1 / (n + 1)) / (m / (m + 1)) + 1e-4


def test_phi_falls_with_the_root_of_the_step() -> None:
    """0.999 to the power of the whole part of sqrt(step + 1), at most 0.999 and at least 0.001."""
    expected = {0: 0.999, 2: 0.999, 3: 0.999**2, 1199: 0.999**34, 9999: 0.999**100}
    for step, phi in expected.items():
        assert vava.phi_of(step) == pytest.approx(phi)
    assert vava.phi_of(10**9) == 0.001


@pytest.mark.parametrize("phi", [1.0, 0.6])
def test_loss_is_that_of_loops_in_float64(phi: float) -> None:
    first, second = random_clips([24], 5, 3)[0], random_clips([12], 5, 4)[0]
    unit = [side / side.norm(dim=1, keepdim=True) for side in (first, second)]
    value = vava.vava(unit[0][None], unit[1][None], mask_of(24), mask_of(12), phi, 0.1)
    assert value.item() == pytest.approx(_slow(first, second, phi, 0.1), rel=1e-4)


def test_loss_of_a_batch_is_the_mean_of_its_pairs_at_the_start() -> None:
    first, second = random_clips([14, 20], 5, 3), random_clips([12, 7], 5, 4)
    slow = [
        _slow(a, b, 0.999, CONFIG.train.temperature) for a, b in zip(first, second, strict=True)
    ]
    assert value_of(CONFIG, first, second).item() == pytest.approx(sum(slow) / 2, rel=1e-4)


def test_gradient_is_that_of_finite_differences() -> None:
    first, second = random_clips([8], 4, 3), random_clips([6], 4, 4)
    inputs = [side[0].detach().double()[None].requires_grad_() for side in (first, second)]
    masks = mask_of(8), mask_of(6)

    def value(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x, y = (torch.nn.functional.normalize(side, dim=-1) for side in (x, y))
        return vava.vava(x, y, *masks, 0.6, 0.1)

    assert torch.autograd.gradcheck(value, inputs, atol=1e-4, rtol=1e-3)


def test_frames_without_a_counterpart_give_the_virtual_frame_more() -> None:
    """The second clip shows the first one, but for 4 frames in the middle that show something
    else."""
    curve = torch.eye(16)[:12]
    foreign = torch.eye(16)[12:]
    other = torch.cat([curve[:4], foreign, curve[8:]])
    masks = mask_of(12), mask_of(12)
    plans = []
    for second in (curve, other):
        d = ((curve[:, None] - second[None]) ** 2).sum(dim=2)[None]
        plans.append(vava.transport(d, *masks, 0.999)[0][0])
    same, cut = plans
    for more in (cut[1:, 0] / same[1:, 0], cut[0, 1:] / same[0, 1:]):
        assert more[4:8].min() > 1.05 > 1.01 > more[[*range(4), *range(8, 12)]].max()


def test_aligned_out_of_order_as_far_as_nearest_frames_are_trusted() -> None:
    """Halves in another order: consistency alone finds the diagonal, optimality what is alike."""
    curve = torch.eye(12)
    other = torch.cat([curve[6:], curve[:6]])
    d = 0.2 * ((curve[:, None] - other[None]) ** 2).sum(dim=2)[None]
    order = [*range(7, 13), *range(1, 7)]
    masks = mask_of(12), mask_of(12)
    early, late = (vava.transport(d, *masks, phi)[0][0] for phi in (0.999, 0.001))
    away = [float(plan[1:][range(12), order].sum()) for plan in (early, late)]
    assert away[0] < 0.01 < 0.2 < away[1]
    assert late[1:].argmax(dim=1).tolist() == order
