"""Soft-DTW against the enumeration of all paths, its gradient against theirs and against finite
differences; padding, ends and types."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch

from la2ds_models.soft_dtw import soft_dtw


def all_paths(rows: int, columns: int) -> Iterator[list[tuple[int, int]]]:
    """Every monotone path from (0, 0) to the last cell."""
    if rows == columns == 1:
        yield [(0, 0)]
    for i, j in ((rows - 1, columns - 1), (rows - 1, columns), (rows, columns - 1)):
        if i and j:
            for path in all_paths(i, j):
                yield [*path, (rows - 1, columns - 1)]


def enumerated(cost: torch.Tensor, gamma: float) -> tuple[float, torch.Tensor]:
    """Value and gradient of soft-DTW of one matrix, by its definition as a sum over paths."""
    paths = list(all_paths(*cost.shape))
    costs = [math.fsum(float(cost[cell]) for cell in path) for path in paths]
    least = min(costs)
    weights = [math.exp(-(value - least) / gamma) for value in costs]
    gradient = torch.zeros_like(cost)
    for path, weight in zip(paths, weights, strict=True):
        for cell in path:
            gradient[cell] += weight / math.fsum(weights)
    return least - gamma * math.log(math.fsum(weights)), gradient


def lengths(*values: int) -> torch.Tensor:
    return torch.tensor(values)


def random_cost(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_paths_are_all_there() -> None:
    assert [len(list(all_paths(n, n))) for n in (1, 2, 3, 4)] == [1, 3, 13, 63]  # Delannoy numbers


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (2, 3), (4, 4), (5, 3), (4, 6)])
@pytest.mark.parametrize("gamma", [0.01, 0.3, 5.0])
def test_value_and_gradient_are_those_of_all_paths(shape: tuple[int, int], gamma: float) -> None:
    cost = random_cost(1, *shape).requires_grad_()
    value = soft_dtw(cost, lengths(shape[0]), lengths(shape[1]), gamma)
    value.sum().backward()
    expected, gradient = enumerated(cost.detach()[0], gamma)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert cost.grad is not None
    torch.testing.assert_close(cost.grad[0], gradient, rtol=1e-10, atol=1e-12)


def test_whatever_padding_holds_a_pair_is_as_it_is_alone() -> None:
    shapes = [(4, 6), (6, 2), (1, 1), (3, 3)]
    alone = [random_cost(1, *shape, seed=seed) for seed, shape in enumerate(shapes)]
    weight = torch.tensor([1.0, -2.0, 3.0, 0.5], dtype=torch.float64)
    for filler in (0.0, -1e6, math.inf, math.nan):
        padded = torch.full((4, 6, 6), filler, dtype=torch.float64)
        for row, cost in enumerate(alone):
            padded[row, : cost.shape[1], : cost.shape[2]] = cost[0]
        padded.requires_grad_()
        value = soft_dtw(padded, lengths(4, 6, 1, 3), lengths(6, 2, 1, 3), 0.1)
        (value * weight).sum().backward()
        assert padded.grad is not None
        for row, cost in enumerate(alone):
            expected, gradient = enumerated(cost[0], 0.1)
            assert float(value[row].detach()) == pytest.approx(expected, rel=1e-12)
            real = padded.grad[row, : cost.shape[1], : cost.shape[2]]
            torch.testing.assert_close(real, gradient * weight[row])
            assert torch.count_nonzero(padded.grad[row]) == torch.count_nonzero(real)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_long_clips_in_float32_agree_with_float64(scale: float) -> None:
    cost = scale * random_cost(2, 300, 200, seed=2)
    gradients, values = [], []
    for dtype in (torch.float32, torch.float64):
        copy = cost.to(dtype).requires_grad_()
        value = soft_dtw(copy, lengths(300, 120), lengths(200, 200), 0.1)
        value.sum().backward()
        assert value.dtype == dtype
        assert copy.grad is not None
        values.append(value.detach().double())
        gradients.append(copy.grad.double())
    torch.testing.assert_close(values[0], values[1], rtol=1e-5, atol=1e-3)
    assert float((gradients[0] - gradients[1]).abs().mean()) < 1e-4
    assert float(gradients[0].sum(dim=2)[0].min()) > 1 - 1e-3  # every path passes every row


def test_bfloat16_costs_are_computed_in_float32() -> None:
    cost = random_cost(2, 40, 30, seed=3).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = soft_dtw(cost, lengths(40, 30), lengths(30, 9), 0.1)
    value.sum().backward()
    exact = soft_dtw(cost.detach().double(), lengths(40, 30), lengths(30, 9), 0.1)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.detach().double(), exact, rtol=1e-5, atol=1e-4)
    assert cost.grad is not None
    assert torch.isfinite(cost.grad).all()


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives() -> None:
    cost = random_cost(3, 50, 40, seed=4)
    found = []
    for device in ("cpu", "cuda"):
        copy = cost.detach().to(device).requires_grad_()
        value = soft_dtw(copy, lengths(50, 7, 1), lengths(40, 40, 3), 0.1)
        value.sum().backward()
        assert copy.grad is not None
        found.append((value.detach().cpu(), copy.grad.cpu()))
    torch.testing.assert_close(found[0], found[1])
