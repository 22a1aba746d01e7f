"""Entropic transport against an exact solver, fused Gromov-Wasserstein against POT's; what it
aligns, padding, gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from la2ds_models.transport import Space, fused_gromov_wasserstein, sinkhorn


def _problem(n: int, m: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cost (1, n, m) and unequal marginals (1, n), (1, m)."""
    random = torch.Generator().manual_seed(seed)
    cost = torch.rand(1, n, m, generator=random, dtype=torch.float64)
    first = 0.5 + torch.rand(1, n, generator=random, dtype=torch.float64)
    second = 0.5 + torch.rand(1, m, generator=random, dtype=torch.float64)
    return cost, first / first.sum(), second / second.sum()


def _constraints(n: int, m: int) -> np.ndarray:
    """Rows that sum a flattened plan to its two marginals."""
    rows = [np.kron(np.eye(n)[i], np.ones(m)) for i in range(n)]
    return np.array(rows + [np.kron(np.ones(n), np.eye(m)[j]) for j in range(m)])


@pytest.mark.parametrize("seed", range(5))
def test_small_epsilon_reaches_the_exact_plan(seed: int) -> None:
    cost, first, second = _problem(5, 7, seed)
    exact = linprog(
        cost[0].flatten().numpy(),
        A_eq=_constraints(5, 7),
        b_eq=torch.cat([first[0], second[0]]).numpy(),
    )
    plan = sinkhorn(cost, first, second, epsilon=1e-3, iterations=5000)
    assert float((plan * cost).sum()) == pytest.approx(exact.fun, abs=1e-4)
    if seed in (0, 2, 3):  # elsewhere a second vertex costs little more, and both have a share
        np.testing.assert_allclose(plan[0].numpy(), exact.x.reshape(5, 7), atol=2e-3)


def test_gradient_is_that_of_finite_differences_and_0_at_padding() -> None:
    cost, first, second = _problem(4, 3, 4)
    first = torch.cat([first, first.new_zeros(1, 1)], dim=1)
    cost = torch.cat([cost, cost.new_full((1, 1, 3), 7.0)], dim=1).requires_grad_()
    prior = torch.zeros_like(cost).detach().requires_grad_()

    def value(cost: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        plan = sinkhorn(cost, first, second, epsilon=0.3, iterations=15, log_prior=prior)
        return (plan**2).sum()

    assert torch.autograd.gradcheck(value, (cost, prior))
    value(cost, prior).backward()
    assert cost.grad is not None
    assert torch.isfinite(cost.grad).all()
    assert (cost.grad[:, 4] == 0).all()
    assert (cost.grad[:, :4] != 0).any()


def test_float32_survives_a_tiny_epsilon_and_autocast() -> None:
    """exp(-cost / epsilon) is 0 in float32 for every entry; the log domain does not mind."""
    cost, first, second = _problem(6, 6, 5)
    exact = sinkhorn(cost, first, second, epsilon=1e-3, iterations=3000)
    with torch.autocast("cpu", torch.bfloat16):
        plan = sinkhorn(
            cost.float() + 5, first.float(), second.float(), epsilon=1e-3, iterations=3000
        )
    assert plan.dtype == torch.float32
    assert float((5 + cost.float()).div(1e-3).neg().exp().max()) == 0
    torch.testing.assert_close(plan, exact.float(), atol=2e-3, rtol=0)


# --- fused Gromov-Wasserstein ---------------------------------------------------------------------

N, M = 6, 9
ALPHA = 0.4


@dataclass(frozen=True)
class Problem:
    """Tensors of `fused_gromov_wasserstein` in its order, batches of one, float64."""

    cost: torch.Tensor
    one: torch.Tensor
    two: torch.Tensor
    p: torch.Tensor
    q: torch.Tensor

    def plan(self, epsilon: float, *, alpha: float = ALPHA) -> torch.Tensor:
        """(N, M)."""
        return fused_gromov_wasserstein(
            self.cost,
            Space(self.one, self.p),
            Space(self.two, self.q),
            alpha=alpha,
            epsilon=epsilon,
            iterations=50,
            inner_iterations=50,
        )[0]

    def pot(self) -> dict[str, np.ndarray]:
        """The same problem in POT's terms, whose loss of two structures is (a - b)^2: with one
        marginal each its sum is a constant less 2 sum_ijkl a_ik b_jl T_ij T_kl. A quarter of the
        first structure with its sign turned makes of that half our sum."""
        c, one, two, p, q = (v[0].numpy() for v in (self.cost, self.one, self.two, self.p, self.q))
        return {"M": c, "C1": -one / 4, "C2": two, "p": p, "q": q}


def problem(seed: int, n: int = N, m: int = M) -> Problem:
    """Marginals and lengths differ; the structures have any sign."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(1, *shape, generator=random, dtype=torch.float64)

    one, two = draw(n, n) - 0.3, draw(m, m) - 0.3
    p, q = 0.5 + draw(n), 0.5 + draw(m)
    both = one + one.transpose(1, 2), two + two.transpose(1, 2)
    return Problem(draw(n, m), *both, p / p.sum(), q / q.sum())


@pytest.mark.parametrize("seed", range(4))
def test_plan_is_that_of_pots_entropic_solver(seed: int) -> None:
    POT = pytest.importorskip("ot", reason="POT is not installed")
    given = problem(seed)
    expected = POT.gromov.entropic_fused_gromov_wasserstein(
        **given.pot(),
        loss_fun="square_loss",
        epsilon=0.1,
        symmetric=True,
        alpha=ALPHA,
        max_iter=50,
        tol=1e-10,
        numItermax=1000,
        stopThr=1e-12,
    )
    np.testing.assert_allclose(given.plan(0.1).numpy(), expected, atol=1e-6)
    assert np.abs(given.plan(0.1, alpha=0.0).numpy() - expected).max() > 1e-3  # structures matter


def test_without_structures_it_is_sinkhorn() -> None:
    given = problem(1)
    expected = sinkhorn(given.cost, given.p, given.q, epsilon=0.1, iterations=200)[0]
    torch.testing.assert_close(given.plan(0.1, alpha=0.0), expected)


def test_a_pose_that_comes_twice_goes_where_its_neighbours_go() -> None:
    """Frames 0 and 3 look alike in both clips: the cost cannot tell which is which."""
    look = torch.tensor([0, 1, 2, 0, 3, 4, 5])
    cost = (look[:, None] != look).double()[None]
    near = (torch.arange(7)[:, None] - torch.arange(7)).abs() <= 1
    one = 7 * (near & ~torch.eye(7, dtype=torch.bool)).double()[None]
    even = torch.full((1, 7), 1 / 7, dtype=torch.float64)
    given = Problem(cost, one, (~near).double()[None], even, even)
    plain, fused = given.plan(0.1, alpha=0.0), given.plan(0.1)
    assert float(plain[0, 0]) == pytest.approx(float(plain[0, 3]))
    assert float(fused[0, 0]) > 10 * float(fused[0, 3])
    assert fused.argmax(dim=1).tolist() == list(range(7))
