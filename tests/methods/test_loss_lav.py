"""LAV: its equations by loops and enumerated paths, padding, collapse, what it learns."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from la2ds_cli.core.config import load_config
from la2ds_cli.methods import lav
from la2ds_cli.training.validate import relative_variance
from tests.method_batches import value_of
from tests.models.test_soft_dtw import enumerated
from tests.training import feature_pairs


def square(a: list[float], b: list[float]) -> float:
    return math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def unit(clip: Tensor) -> list[list[float]]:
    return [[x / math.hypot(*frame) for x in frame] for frame in clip.tolist()]


def idm_by_loops(clip: list[list[float]], window: float, margin: float) -> float:
    """Contrastive-IDM of one clip, as the paper prints it."""
    value = 0.0
    for i, a in enumerate(clip):
        for j, b in enumerate(clip):
            weight = (i - j) ** 2 + 1
            far = abs(i - j) > window
            value += weight * max(0.0, margin - square(a, b)) if far else square(a, b) / weight
    return value


def test_loss_and_gradients_are_those_of_the_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lav, "WINDOW", 2)
    config = load_config(preset="lav", overrides=["train.temperature=0.3"])
    first, second = feature_pairs.random_clips(6, 2, 4), feature_pairs.random_clips(3, 5, 4, seed=1)

    def slow() -> float:
        total = 0.0
        for one, two in zip(first, second, strict=True):
            a, b = unit(one), unit(two)
            cost = torch.tensor([[square(x, y) for y in b] for x in a], dtype=torch.float64)
            apart = idm_by_loops(a, 2, lav.MARGIN) + idm_by_loops(b, 2, lav.MARGIN)
            value = enumerated(cost, 0.3)[0] + lav.REGULARISATION * apart
            total += value / ((len(a) + len(b)) / 2)
        return total / len(first)

    loss = value_of(config, first, second)
    assert float(loss.detach()) == pytest.approx(slow(), rel=1e-6)
    feature_pairs.assert_gradients_are_those_of(slow, loss, [*first, *second])


def test_the_regularisation_keeps_frames_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = []
    for run, weight in (("with", lav.REGULARISATION), ("without", 0.0)):
        monkeypatch.setattr(lav, "REGULARISATION", weight)
        config = feature_pairs.small("lav", "train.steps=30")
        value = feature_pairs.embeddings(
            feature_pairs.trained_network(feature_pairs.figures(tmp_path / run), config),
            config,
            feature_pairs.PHASES,
        )
        spread.append(min(relative_variance(clip) for clip in value))
    assert spread[0] > 0.2
    assert spread[1] < 0.02
