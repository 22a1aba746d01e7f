"""Temporal cycle-consistency: its equations by loops, padding, certain cycles, what it learns."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from la2ds_cli.core.config import load_config
from la2ds_cli.methods.tcc import LABEL_SMOOTHING, VARIANCE_WEIGHT, cycle_classification
from tests.method_batches import value_of
from tests.training import feature_pairs

SCALINGS = ["casa", "plain"]


def by_loops(first: Tensor, second: Tensor, divisor: float, *, classify: bool) -> list[float]:
    """The loss of every frame of `first`, as the paper's equations 1 to 4 say it."""
    u, v = first.tolist(), second.tolist()
    found = []
    for i, frame in enumerate(u):
        alpha = feature_pairs.shares(frame, v, divisor)
        neighbour = [
            math.fsum(a * frame[axis] for a, frame in zip(alpha, v, strict=True))
            for axis in range(len(frame))
        ]
        beta = feature_pairs.shares(neighbour, u, divisor)
        if classify:
            label = [LABEL_SMOOTHING / len(u)] * len(u)
            label[i] += 1 - LABEL_SMOOTHING
            found.append(-math.fsum(q * math.log(b) for q, b in zip(label, beta, strict=True)))
            continue
        mean = math.fsum(b * k for k, b in enumerate(beta))
        variance = math.fsum(b * (k - mean) ** 2 for k, b in enumerate(beta)) + 1 / 12
        found.append((i - mean) ** 2 / variance + VARIANCE_WEIGHT * math.log(math.sqrt(variance)))
    return found


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("method", ["tcc", "tcc-classification"])
def test_loss_and_gradients_are_those_of_the_equations(method: str, scaling: str) -> None:
    settings = [f'train.method="{method}"', f"train.scaling={scaling}", "train.temperature=0.7"]
    config = load_config(preset="tcc", overrides=settings)
    first, second = feature_pairs.random_clips(5, 2, 4), feature_pairs.random_clips(3, 6, 4, seed=1)
    divisor = 0.7 * (3 if scaling == "casa" else 1)

    def slow() -> float:
        value = []
        for one, other in zip(first, second, strict=True):
            value += by_loops(one, other, divisor, classify=method != "tcc")
            value += by_loops(other, one, divisor, classify=method != "tcc")
        return math.fsum(value) / len(value)

    loss = value_of(config, first, second)
    assert float(loss.detach()) == pytest.approx(slow(), rel=1e-9)
    feature_pairs.assert_gradients_are_those_of(slow, loss, [*first, *second])


def test_a_cycle_that_comes_back_costs_nothing_and_an_undecided_one_its_spread() -> None:
    config = load_config(preset="tcc", overrides=["train.method=tcc"])
    corners = 1e3 * torch.eye(6)
    floor = VARIANCE_WEIGHT * math.log(math.sqrt(1 / 12))
    assert float(value_of(config, [corners], [corners.flip(0)])) == pytest.approx(floor)
    same = torch.ones(6, 6)  # beta is even: mean 2.5, variance 35 / 12
    variance = 35 / 12 + 1 / 12
    spread = sum((i - 2.5) ** 2 for i in range(6)) / 6 / variance
    expected = spread + VARIANCE_WEIGHT * math.log(math.sqrt(variance))
    assert float(value_of(config, [same], [same])) == pytest.approx(expected)


def test_smoothed_labels_cost_least_where_the_cycle_arrives_by_them() -> None:
    """Four frames: 0.925 for the one it began at, 0.025 for each other; their entropy by hand."""
    assert LABEL_SMOOTHING == 0.1
    label = torch.full((4, 4), 0.025, dtype=torch.float64) + 0.9 * torch.eye(4)
    least = -(0.925 * math.log(0.925) + 3 * 0.025 * math.log(0.025))
    value = cycle_classification(label.log()[None], LABEL_SMOOTHING)
    assert value[0].tolist() == pytest.approx([least] * 4)
    surer = (torch.full((4, 4), 0.01, dtype=torch.float64) + 0.96 * torch.eye(4)).log()[None]
    assert (cycle_classification(surer, LABEL_SMOOTHING) > value).all()
    plain = cycle_classification(surer, 0.0)  # eq. 2 rewards it
    assert plain[0].tolist() == pytest.approx([-math.log(0.97)] * 4)


# A cycle may come back from a wrong place, so what is learnt depends on the seed. With the preset's
# divisor, 0.1 * D, the seeds 0 and 2 end at 43 and 44 % here, above chance; with 0.1 alone all of 0
# to 5 learn. No flips: these figures raise the left arm first, and a mirrored one looks like
# another moment.
SETTINGS = ["augment.flip_probability=0", "train.scaling=plain"]
REGRESSION = [*SETTINGS, "train.steps=300", "train.learning_rate=3e-3"]


def test_it_learns_what_corresponds(tmp_path: Path) -> None:
    config = feature_pairs.small(
        "tcc", *REGRESSION, "train.seed=2"
    )  # the least good of the seeds 0 to 5
    trained, untrained = feature_pairs.errors(feature_pairs.figures(tmp_path / "p"), config)
    assert untrained > 10
    assert trained < 0.8 * untrained
