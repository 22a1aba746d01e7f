"""LAV: its equations by loops and enumerated paths, padding, collapse, what it learns."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from la2ds_cli.core.config import load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.training.losses import lav
from la2ds_cli.training.network import build_network
from la2ds_cli.training.validate import relative_variance
from la2ds_models.contrastive_idm import contrastive_idm
from tests.models.test_soft_dtw import enumerated
from tests.training.feature_pairs import (
    PHASES,
    assert_gradients_are_those_of,
    bf16_beside_fp32,
    embeddings,
    errors,
    figures,
    loss_of,
    random_clips,
    small,
    trained_network,
)


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
    first, second = random_clips(6, 2, 4), random_clips(3, 5, 4, seed=1)

    def slow() -> float:
        total = 0.0
        for one, two in zip(first, second, strict=True):
            a, b = unit(one), unit(two)
            cost = torch.tensor([[square(x, y) for y in b] for x in a], dtype=torch.float64)
            apart = idm_by_loops(a, 2, lav.MARGIN) + idm_by_loops(b, 2, lav.MARGIN)
            value = enumerated(cost, 0.3)[0] + lav.REGULARISATION * apart
            total += value / ((len(a) + len(b)) / 2)
        return total / len(first)

    loss = loss_of(config, first, second)
    assert float(loss.detach()) == pytest.approx(slow(), rel=1e-6)
    assert_gradients_are_those_of(slow, loss, [*first, *second])


@pytest.mark.parametrize("filler", [0.0, 50.0, math.nan])
def test_whatever_padding_holds_the_idm_is_as_it_is_without(filler: float) -> None:
    (clip,) = random_clips(7)
    padded = torch.full((1, 9, 3), filler, dtype=torch.float64)
    padded[0, :7] = clip.detach()
    padded.requires_grad_()
    value = contrastive_idm(padded, torch.arange(9)[None] < 7, 3, 2.0)
    value.sum().backward()
    assert float(value.detach()) == pytest.approx(idm_by_loops(clip.tolist(), 3, 2.0))
    alone = contrastive_idm(clip[None], torch.ones(1, 7, dtype=torch.bool), 3, 2.0)
    alone.sum().backward()
    assert padded.grad is not None
    assert clip.grad is not None
    torch.testing.assert_close(padded.grad[0, :7], clip.grad)
    assert not padded.grad[0, 7:].any()


def test_a_pair_is_as_it_is_alone_in_a_batch_of_other_lengths() -> None:
    config = load_config(preset="lav")
    first, second = random_clips(16, 3), random_clips(2, 17, seed=1)
    alone = [loss_of(config, [one], [two]) for one, two in zip(first, second, strict=True)]
    torch.testing.assert_close(loss_of(config, first, second), torch.stack(alone).mean())


def test_frames_that_are_all_alike_have_a_finite_gradient() -> None:
    config = load_config(preset="lav")
    for clip in (torch.ones(30, 4), torch.zeros(30, 4)):
        clips = [clip.clone().requires_grad_(), clip.clone().requires_grad_()]
        loss = loss_of(config, clips[:1], clips[1:])
        loss.backward()
        assert torch.isfinite(loss)
        assert all(clip.grad is not None and torch.isfinite(clip.grad).all() for clip in clips)


def test_bfloat16_changes_little(tmp_path: Path) -> None:
    (plain, gradients), (rounded, others) = bf16_beside_fp32(small("lav"), figures(tmp_path / "p"))
    assert rounded.dtype == torch.float32
    assert float(rounded) == pytest.approx(float(plain), rel=0.05)
    one, two = (torch.cat([g.flatten() for g in side]) for side in (gradients, others))
    assert float(torch.nn.functional.cosine_similarity(one, two, dim=0)) > 0.9


def test_it_learns_what_corresponds(tmp_path: Path) -> None:
    settings = "train.steps=60", "train.seed=1"  # the least good of the seeds 0, 1, 2
    trained, untrained = errors(figures(tmp_path / "p"), small("lav", *settings))
    assert untrained > 10
    assert trained < 0.7 * untrained


def test_the_regularisation_keeps_frames_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = []
    for run, weight in (("with", lav.REGULARISATION), ("without", 0.0)):
        monkeypatch.setattr(lav, "REGULARISATION", weight)
        config = small("lav", "train.steps=30")
        value = embeddings(trained_network(figures(tmp_path / run), config), config, PHASES)
        spread.append(min(relative_variance(clip) for clip in value))
    assert spread[0] > 0.2
    assert spread[1] < 0.02


def test_vivit_lav_trains_all_of_a_network_that_reads_heatmaps(tmp_path: Path) -> None:
    config = small("vivit-lav", "model.max_frames=64")
    (plain, gradients), (rounded, _) = bf16_beside_fp32(config, figures(tmp_path / "p"))
    network = build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)
    assert config.model.input == "heatmap"
    assert len(gradients) == len(list(network.parameters()))
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    assert float(rounded) == pytest.approx(float(plain), rel=0.05)
