"""VAVA against loops: its priors, its plan, its contrastive losses; and what it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.core.project import Project
from la2ds_cli.training.losses import vava
from tests.method_batches import Given, batch_of, learn, random_clips

CONFIG = load_config(preset="vava")


def _mask(lengths: list[int], frames: int) -> torch.Tensor:
    return torch.arange(frames)[None] < torch.tensor(lengths)[:, None]


def _value(first: list[torch.Tensor], second: list[torch.Tensor], padding: int = 0) -> torch.Tensor:
    batch = batch_of(first, second, padding)
    return vava.loss(Given(), batch, CONFIG, torch.Generator().manual_seed(0))


def _prior(
    n: int, m: int, i: int, j: int, i_best: int, j_best: int, phi: float
) -> tuple[float, float]:
    """Q and S of one pair of frames, counted from 1."""
    unit = math.sqrt(1 / n**2 + 1 / m**2)
    consistency = abs(i / n - j / m) / unit
    optimality = (abs(i / n - i_best / n) + abs(j / m - j_best / m)) / (2 * unit)
    q = phi * math.exp(-(consistency**2) / (2 * vava.SPREAD**2))
    q += (1 - phi) * math.exp(-(optimality**2) / (2 * vava.SPREAD**2))
    away = ((i - i_best) / n) ** 2 + ((j - j_best) / m) ** 2
    return q, phi / ((i / n - j / m) ** 2 + 1) + (1 - phi) / (away / 2 + 1)


@pytest.mark.parametrize("phi", [1.0, 0.7, 0.5])
def test_priors_are_those_of_a_loop_over_pairs_of_frames(phi: float) -> None:
    lengths = [(7, 5), (4, 9)]
    plan = torch.rand(2, 7, 9, generator=torch.Generator().manual_seed(0))
    masks = _mask([7, 4], 7), _mask([5, 9], 9)
    plan = plan * (masks[0][:, :, None] & masks[1][:, None, :])
    log_prior, moment = vava.priors(plan, *masks, phi)
    for row, (n, m) in enumerate(lengths):
        part = plan[row, :n, :m].numpy()
        for i in range(n):
            for j in range(m):
                i_best, j_best = int(part[:, j].argmax()) + 1, int(part[i].argmax()) + 1
                q, s = _prior(n, m, i + 1, j + 1, i_best, j_best, phi)
                assert float(log_prior[row, i, j].exp()) == pytest.approx(q, rel=1e-4, abs=1e-30)
                assert float(moment[row, i, j]) == pytest.approx(s, rel=1e-5)


def _sinkhorn(kernel: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Matrix scaling as printed, not in the log domain."""
    v = np.ones(len(b))
    for _ in range(vava.ITERATIONS):
        u = a / (kernel @ v)
        v = b / (kernel.T @ u)
    return u[:, None] * kernel * v[None]


def _slow(first: torch.Tensor, second: torch.Tensor, phi: float, temperature: float) -> float:
    """The loss of one pair of clips (N, D), (M, D), in float64 and loops."""
    x, y = (side.detach().double().numpy() for side in (first, second))
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
    n, m = len(x), len(y)
    d = np.array([[((p - q) ** 2).sum() for q in y] for p in x])
    free = _sinkhorn(np.exp(-d / vava.DIVERGENCE), np.full(n, 1 / n), np.full(m, 1 / m))
    cost = np.full((n + 1, m + 1), vava.VIRTUAL)
    cost[1:, 1:] = d
    kernel = np.full((n + 1, m + 1), 0.0)
    for i in range(n + 1):
        for j in range(m + 1):
            q, s = vava.SINGLE, 1.0
            if i and j:
                best = int(free[:, j - 1].argmax()) + 1, int(free[i - 1].argmax()) + 1
                q, s = _prior(n, m, i, j, *best, phi)
            kernel[i, j] = q * math.exp((vava.MOMENT * s - cost[i, j]) / vava.DIVERGENCE)
    a = np.array([m, *[1] * n]) * 2 / (n + m)
    b = np.array([n, *[1] * m]) * 2 / (n + m)
    plan = _sinkhorn(kernel, a, b)
    value = (plan * cost).sum()
    for side in (x, y):
        total = weights = 0.0
        for i in range(len(side)):
            for j in range(len(side)):
                weight = (i - j) ** 2 + 1
                apart = ((side[i] - side[j]) ** 2).sum()
                far = abs(i - j) > vava.WINDOW
                total += weight * max(0, vava.MARGIN - apart) if far else apart / weight
                weights += weight
        value += vava.INTRA * total / weights
    entropies = []
    for logits, mass in ((-d, plan[1:]), (-d.T, plan[:, 1:].T)):
        for logit, row in zip(logits / temperature, mass, strict=True):
            if row.argmax() > 0:
                entropies.append(np.log(np.exp(logit).sum()) - logit[row.argmax() - 1])
    assert 0 < len(entropies) < n + m  # some frames have a counterpart and some have none
    return value + vava.INTER * float(np.mean(entropies))


@pytest.mark.parametrize("phi", [1.0, 0.6])
def test_loss_is_that_of_loops_in_float64(phi: float) -> None:
    first, second = random_clips([14], 5, 3)[0], random_clips([12], 5, 4)[0]
    unit = [side / side.norm(dim=1, keepdim=True) for side in (first, second)]
    value = vava.vava(unit[0][None], unit[1][None], _mask([14], 14), _mask([12], 12), phi, 0.1)
    assert value.item() == pytest.approx(_slow(first, second, phi, 0.1), rel=1e-4)


def test_loss_of_a_batch_is_the_mean_of_its_pairs_at_the_start() -> None:
    first, second = random_clips([14, 20], 5, 3), random_clips([12, 7], 5, 4)
    slow = [_slow(a, b, 1.0, CONFIG.train.temperature) for a, b in zip(first, second, strict=True)]
    assert _value(first, second).item() == pytest.approx(sum(slow) / 2, rel=1e-4)


def test_gradient_is_that_of_finite_differences() -> None:
    first, second = random_clips([8], 4, 3), random_clips([6], 4, 4)
    inputs = [side[0].detach().double()[None].requires_grad_() for side in (first, second)]
    masks = _mask([8], 8), _mask([6], 6)

    def value(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x, y = (torch.nn.functional.normalize(side, dim=-1) for side in (x, y))
        return vava.vava(x, y, *masks, 0.6, 0.1)

    assert torch.autograd.gradcheck(value, inputs, atol=1e-4, rtol=1e-3)


def test_padding_never_changes_the_loss_nor_its_gradient() -> None:
    first, second = random_clips([14, 20], 5, 3), random_clips([12, 7], 5, 4)
    one, two = _value(first, second), _value(first, second, padding=6)
    torch.testing.assert_close(one, two)
    leaves = [*first, *second]
    for a, b in zip(
        torch.autograd.grad(one, leaves), torch.autograd.grad(two, leaves), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_frames_without_a_counterpart_go_to_the_virtual_frame_and_the_others_to_theirs() -> None:
    """The second clip shows the first one, but for 4 frames in the middle that show something
    else."""
    curve = torch.eye(16)[:12]
    foreign = torch.eye(16)[12:]
    other = torch.cat([curve[:4], foreign, curve[8:]])
    d = ((curve[:, None] - other[None]) ** 2).sum(dim=2)[None]
    plan = vava.transport(d, _mask([12], 12), _mask([12], 12), 0.5)[0][0]
    kept = [0, 1, 2, 3, 8, 9, 10, 11]
    assert plan[1:].argmax(dim=1)[kept].tolist() == [k + 1 for k in kept]
    assert (plan[1:].argmax(dim=1)[4:8] == 0).all()
    assert (plan[:, 1:].argmax(dim=0)[4:8] == 0).all()


def test_aligned_out_of_order_once_the_plan_without_priors_is_trusted() -> None:
    """Halves in another order: consistency alone finds the diagonal, the mixture what is alike."""
    curve = torch.eye(12)
    other = torch.cat([curve[6:], curve[:6]])
    d = 0.2 * ((curve[:, None] - other[None]) ** 2).sum(dim=2)[None]
    order = [*range(7, 13), *range(1, 7)]
    mixed = vava.transport(d, _mask([12], 12), _mask([12], 12), 0.5)[0][0]
    assert mixed[1:].argmax(dim=1).tolist() == order
    strict = vava.transport(d, _mask([12], 12), _mask([12], 12), 1.0)[0][0]
    there = [float(plan[1:][range(12), order].sum()) for plan in (strict, mixed)]
    assert there[0] < 0.3 < 0.7 < there[1]


def test_bfloat16_around_the_loss_does_not_change_it() -> None:
    first, second = random_clips([14], 5, 3), random_clips([12], 5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        value = _value(first, second)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, _value(first, second))


def test_learns_to_align_where_the_encoder_sees_frames_alone(project: Project) -> None:
    """Whole clips and no context. With context it learns the share of the clip that has passed,
    which the consistency prior rewards."""
    found = learn(
        project, "vava", ["train.steps=200", "model.temporal_layers=0", "augment.trim=0.0"]
    )
    assert found.trained < 0.8 * found.untrained
