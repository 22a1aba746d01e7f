"""The alignment network: padding, symmetry, every component, and the loss by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from la2ds_models.alignment_network import (
    AlignmentNetwork,
    contrastive_regression,
    expected_index,
    match_probability,
)
from tests.models.small_networks import clip, mask_of, small_network

MAPS: dict[str, Any] = dict(channels=5, size=6, patch=3, pooling="mean", spatial_position=True)
MAPS |= dict(cross_layers=1, temporal_position="rotary")


def _network(**changes: Any) -> AlignmentNetwork:
    return small_network("vivit", **(MAPS | changes))


def _clip(length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    maps = torch.rand(length, 5, 6, 6, generator=torch.Generator().manual_seed(seed))
    return maps, clip(length, seed)


def _encoded(network: AlignmentNetwork, maps: torch.Tensor, joints: torch.Tensor, mask: Any):
    return network.encode(network.read(maps), joints, mask)


def _batch(*clips: tuple[torch.Tensor, torch.Tensor]):
    maps, joints = (torch.cat(parts) for parts in zip(*clips, strict=True))
    return maps, joints, mask_of(*(len(one) for one, _ in clips))


@pytest.mark.parametrize("context", [0, 3])
def test_a_frame_without_a_temporal_transformer_sees_itself_and_one_earlier_frame(
    context: int,
) -> None:
    """Padded or not: which frames of the input a frame of the output depends on."""
    network = _network(temporal_layers=0, cross_layers=0, context=context, embed_at="temporal")
    before = network.embed(*_batch(_clip(5, 1), _clip(9, 2)))[1]
    for changed in range(9):
        maps, joints = _clip(9, 2)
        joints[changed] += 1
        after = network.embed(*_batch(_clip(5, 1), (maps, joints)))[1]
        found = set((after != before).any(dim=-1).nonzero()[:, 0].tolist())
        seen_by = {t for t in range(9) if changed in (t, max(t - context, 0))}
        assert found == seen_by


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": 0},
        {"joint_width": 0},
        {"spatial_layers": 0},
        {"temporal_layers": 0},
        {"cross_layers": 0},
        {"spatial_position": False},
        {"temporal_position": "none"},
        {"temporal_position": "offset"},
        {"temporal_position": "sinusoid"},
        {"pooling": "cls"},
        {"projection_head": False},
        {"embed_at": "temporal"},
        {"context": 2},
    ],
    ids=str,
)
def test_every_component_has_a_switch_that_matters(changes: dict[str, Any]) -> None:
    whole, part = _network(), _network(**changes)
    count = sum(p.numel() for p in whole.parameters()), sum(p.numel() for p in part.parameters())
    changed_size = count[0] != count[1]
    maps, joints, mask = _batch(_clip(6, 3))
    output = part.embed(maps, joints, mask)
    assert output.shape == (1, 6, 24)
    assert torch.isfinite(output).all()
    assert changed_size or not torch.allclose(output, whole.embed(maps, joints, mask))


def test_without_cross_attention_the_other_clip_has_no_influence() -> None:
    u, v = _batch(_clip(5, 1)), _batch(_clip(7, 2))
    for layers, others in ((0, False), (1, True)):
        network = _network(cross_layers=layers)
        maps = v[0].clone().requires_grad_(True)
        first, _ = network.cross(
            _encoded(network, *u), _encoded(network, maps, v[1], v[2]), u[2], v[2]
        )
        (gradient,) = torch.autograd.grad(first.sum(), maps, allow_unused=True)
        assert (gradient is not None and bool(gradient.abs().sum() > 0)) == others


def test_no_input_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="heatmaps, joints or both"):
        _network(channels=0, joint_width=0)
    with pytest.raises(ValueError, match="got none"):
        _network().embed(None, torch.zeros(3, 8), torch.ones(1, 3, dtype=torch.bool))


def test_matching_probability_by_hand() -> None:
    first = torch.tensor([[[0.0], [1.0], [5.0]]])
    second = torch.tensor([[[0.0]]])
    mask = torch.tensor([[True, True, False]])
    found = match_probability(first, second, mask, 0.5, "plain")[0, :, 0]
    weight = math.exp(-1 / 0.5)  # distances 0 and 1, the third frame is padding
    expected = torch.tensor([1 / (1 + weight), weight / (1 + weight), 0.0])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(expected_index(found[None, :, None])[0], expected[1:2])


def test_bfloat16_around_the_loss_does_not_change_it() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 100, 16), torch.randn(2, 80, 16)
    masks = torch.ones(2, 100).bool(), torch.ones(2, 80).bool()
    truth = torch.rand(2, 80) * 99
    settings: dict[str, Any] = dict(temperature=0.1, scaling="casa", normalised=False)
    plain = contrastive_regression((first, second), masks, truth, **settings)
    with torch.autocast("cpu", torch.bfloat16):
        probability = match_probability(first, second, masks[0], 0.1, "casa")
        assert expected_index(probability).dtype == torch.float32
        rounded = contrastive_regression((first, second), masks, truth, **settings)
    torch.testing.assert_close(rounded, plain)


def test_casa_scaling_divides_by_width_to_the_power_of_three_halves() -> None:
    torch.manual_seed(0)
    first, second, mask = torch.randn(1, 6, 4), torch.randn(1, 5, 4), torch.ones(1, 6).bool()
    casa = match_probability(first, second, mask, 0.1, "casa")
    plain = match_probability(first, second, mask, 0.1 * 4**1.5, "plain")
    torch.testing.assert_close(casa, plain)


def test_loss_by_hand_counts_real_frames_only() -> None:
    """Far apart features match exactly; errors are then differences of indices."""
    first = torch.tensor([[[0.0], [100.0], [200.0], [0.0]]])
    second = torch.tensor([[[0.0], [200.0], [7.0]]])
    first_mask = torch.tensor([[True, True, True, False]])
    second_mask = torch.tensor([[True, True, False]])
    truth = torch.tensor([[1.0, 2.0, 99.0]])
    settings: dict[str, Any] = dict(temperature=0.1, scaling="plain")
    loss = contrastive_regression(
        (first, second), (first_mask, second_mask), truth, normalised=False, **settings
    )
    assert float(loss) == pytest.approx((1.0 + 0.0) / 2)
    loss = contrastive_regression(
        (first, second), (first_mask, second_mask), truth, normalised=True, **settings
    )
    assert float(loss) == pytest.approx((1 / 9 + 0.0) / 2)
