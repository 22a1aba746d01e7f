"""GTCC by loops; its mixtures, windows and drop function on cases whose answer is known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from la2ds_cli.core.config import load_config
from la2ds_cli.methods import gtcc
from la2ds_cli.methods.gtcc import Pair
from la2ds_cli.training.losses import add_head
from la2ds_cli.training.train import TrainOptions, train
from tests.method_batches import Given, batch_of
from tests.training.feature_pairs import (
    assert_gradients_are_those_of,
    errors,
    figures,
    random_clips,
    shares,
    small,
)


def _pair(first: Tensor, second: Tensor) -> Pair:
    """One pair of clips without padding."""
    real = [torch.ones(1, len(side), dtype=torch.bool) for side in (first, second)]
    return Pair(first[None], second[None], *real)


def _network(width: int, seed: int = 0) -> Given:
    """Gives embeddings as they are, and has a drop function in float64."""
    network = Given()
    config = load_config(preset="gtcc", overrides=[f"model.width={width}", "model.heads=1"])
    add_head(network, config)
    network.get_submodule("method_head").double()
    return network


# --- the equations by loops --------------------------------------------------------------------


def _gaussian(mean: float, variance: float, frames: int) -> list[float]:
    values = [math.exp(-((j - mean) ** 2) / (2 * variance)) for j in range(frames)]
    return [value / math.fsum(values) for value in values]


def _mixture(share: list[float]) -> list[tuple[float, list[float]]]:
    """(pi_k, g_k) after `STEPS` steps of expectation-maximisation."""
    frames, count = len(share), gtcc.COMPONENTS
    spacing = frames / count
    state = [
        (1 / count, (k + 0.5) * spacing - 0.5, max(spacing**2, gtcc.LEAST_VARIANCE))
        for k in range(count)
    ]
    for _ in range(gtcc.STEPS):
        joint = [[pi * g for g in _gaussian(mu, var, frames)] for pi, mu, var in state]
        total = [math.fsum(column) for column in zip(*joint, strict=True)]
        new = []
        for k, (_, mu, var) in enumerate(state):
            mine = [joint[k][j] / total[j] * share[j] for j in range(frames)]
            pi = math.fsum(mine)
            if pi > 1e-6:
                mu = math.fsum(w * j for j, w in enumerate(mine)) / pi
                var = math.fsum(w * (j - mu) ** 2 for j, w in enumerate(mine)) / pi
                var = max(var, gtcc.LEAST_VARIANCE)
            new.append((pi, mu, var))
        state = new
    return [(pi, _gaussian(mu, var, frames)) for pi, mu, var in state]


Mixtures = list[list[tuple[float, list[float]]]]


def _mixtures(first: Tensor, second: Tensor, divisor: float) -> Mixtures:
    return [_mixture(shares(frame, second.tolist(), divisor)) for frame in first.tolist()]


def _errors(
    first: Tensor, second: Tensor, divisor: float, *, before: bool, mixtures: Mixtures
) -> list[float]:
    """e_i of every frame, given its mixture."""
    x, y = first.tolist(), second.tolist()
    size = max(2, round(gtcc.WINDOW * len(x)))
    found = []
    for i in range(len(x)):
        start = i - size + 1 if before else i
        start = max(0, min(start, len(x) - size))
        inside = range(start, min(start + size, len(x)))
        total = 0.0
        for pi, g in mixtures[i]:
            neighbour = [
                math.fsum(w * frame[axis] for w, frame in zip(g, y, strict=True))
                for axis in range(len(y[0]))
            ]
            beta = shares(neighbour, [x[k] for k in inside], divisor)
            mu = math.fsum(b * k for b, k in zip(beta, inside, strict=True))
            total += pi * (i - mu) ** 2
        found.append(total)
    return found


def _keeps(first: Tensor, second: Tensor, drop: nn.Module) -> list[float]:
    weights = [
        math.fsum(column) / len(second) for column in zip(*drop(second).tolist(), strict=True)
    ]
    value = [
        math.fsum(a * w for a, w in zip(frame, weights, strict=True)) for frame in first.tolist()
    ]
    mean = math.fsum(value) / len(value)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in value) / len(value) + 1e-6)
    return [1 / (1 + math.exp(-(v - mean) / spread)) for v in value]


def test_loss_and_gradients_are_those_of_loops() -> None:
    """The mixtures are constants of the gradient, as they are in the loss."""
    config = load_config(preset="gtcc", overrides=["train.temperature=0.7"])
    first, second = random_clips(7, 4), random_clips(5, 8, seed=1)
    network, batch = _network(3), batch_of(first, second)
    drop = network.get_submodule("method_head")
    divisor = 0.7 * 3
    before = torch.rand(2, generator=torch.Generator().manual_seed(2)) < 0.5
    other = torch.Generator().manual_seed(2)
    befores = [(torch.rand(2, generator=other) < 0.5).tolist() for _ in range(2)]
    assert befores[0] == before.tolist()
    ways = [
        (side, n, x, y)
        for side, clips in enumerate(((first, second), (second, first)))
        for n, (x, y) in enumerate(zip(*clips, strict=True))
    ]
    mixtures = [_mixtures(x.detach(), y.detach(), divisor) for _, _, x, y in ways]
    floor = gtcc.DECAY  # at the first step

    def slow() -> float:
        values = []
        for (side, n, x, y), fitted in zip(ways, mixtures, strict=True):
            found = _errors(x, y, divisor, before=befores[side][n], mixtures=fitted)
            for error, keep in zip(found, _keeps(x, y, drop), strict=True):
                b = floor + (1 - floor) * keep
                values.append(b * error + (1 - b) / (error + 1 / 12))
        return math.fsum(values) / len(values)

    loss = gtcc.loss(network, batch, config, torch.Generator().manual_seed(2))
    assert float(loss.detach()) == pytest.approx(slow(), rel=1e-9)
    assert_gradients_are_those_of(slow, loss, [*first, *second])


# --- cases whose answer is known ---------------------------------------------------------------


def test_clips_that_match_come_back_and_those_that_are_all_alike_to_the_middle() -> None:
    corners = 10 * torch.eye(12)
    both = torch.tensor([False])
    assert float(gtcc.cycle_error(_pair(corners, corners), 0.1, both).max()) < 0.5
    same = torch.ones(12, 12)
    found = gtcc.cycle_error(_pair(same, same), 0.1, both)[0]
    # The window of a frame begins there and is 6 frames long, until the end of the clip stops it.
    middle = [min(i, 6) + 2.5 for i in range(12)]
    expected = [(i - m) ** 2 for i, m in enumerate(middle)]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


def test_a_mixture_finds_both_performances_of_a_pose_that_comes_twice() -> None:
    share = torch.zeros(1, 1, 40)
    share[0, 0, 8], share[0, 0, 29] = 0.75, 0.25
    weight, component = gtcc.mixture(share, torch.ones(1, 40, dtype=torch.bool))
    whole = (weight[..., None] * component)[0, 0].sum(dim=0)
    assert float(whole[6:11].sum()) == pytest.approx(0.75, abs=0.01)
    assert float(whole[27:32].sum()) == pytest.approx(0.25, abs=0.01)
    assert float(whole[12:26].sum()) < 0.01  # nobody in between


def test_a_window_begins_or_ends_at_its_frame_and_stays_in_the_clip() -> None:
    mask = torch.arange(12)[None] < torch.tensor([10, 10])[:, None]
    inside = gtcc.window(mask, torch.tensor([True, False]))
    assert (inside.sum(dim=2) == 5).all()
    assert not inside[:, :, 10:].any()
    assert inside[0, 7].nonzero()[:, 0].tolist() == [3, 4, 5, 6, 7]
    assert inside[1, 2].nonzero()[:, 0].tolist() == [2, 3, 4, 5, 6]
    assert inside[0, 1].nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert inside[1, 9].nonzero()[:, 0].tolist() == [5, 6, 7, 8, 9]


def test_all_frames_count_at_first_and_hardly_any_must_at_the_end() -> None:
    assert gtcc.least_keep(0) == pytest.approx(0.95)
    assert gtcc.least_keep(0.5) == pytest.approx(0.95**25.5)
    assert gtcc.least_keep(1) == gtcc.least_keep(1.2) == pytest.approx(0.95**50)


@pytest.mark.parametrize(
    ("steps", "minutes", "shares"),
    [(4, None, [0, 0.25, 0.5, 0.75]), (50, 1.0, [0, 1 / 3, 2 / 3])],
    ids=["few clips", "a time limit"],
)
def test_the_drop_function_follows_the_run_to_its_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    minutes: float | None,
    shares: list[float],
) -> None:
    """Eight clips fill no batch of 256, and every batch is smaller; the clock shows 20 seconds more
    at every step."""
    seen: list[float] = []
    real = gtcc.least_keep

    def watched(done: float) -> float:
        seen.append(done)
        return real(done)

    monkeypatch.setattr(gtcc, "least_keep", watched)
    config = small("gtcc", f"train.steps={steps}", "train.batch_size=256")
    ticks = iter(range(0, 10_000, 20))
    train(
        figures(tmp_path / "p"),
        config=config,
        options=TrainOptions("cpu", minutes, clock=lambda: float(next(ticks))),
    )
    assert list(dict.fromkeys(seen)) == pytest.approx(shares)


# As TCC's it depends on the seed and the divisor what cycles learn; whole clips, since a cycle that
# may end in half of the clip alone tells less from a trimmed one.
LEARNS = [
    "augment.flip_probability=0",
    "augment.trim=0.0",
    "train.scaling=plain",
    "train.steps=150",
]


def test_it_learns_what_corresponds(tmp_path: Path) -> None:
    trained, untrained = errors(figures(tmp_path / "p"), small("gtcc", *LEARNS))
    assert untrained > 10
    assert trained < 0.8 * untrained
