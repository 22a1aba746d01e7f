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
from la2ds_models.sequence_network import NetworkSettings

SMALL: dict[str, Any] = dict(
    channels=5,
    joint_width=8,
    size=6,
    patch=3,
    pooling="mean",
    width=24,
    heads=3,
    spatial_layers=1,
    temporal_layers=2,
    cross_layers=1,
    mlp_ratio=2,
    spatial_position=True,
    temporal_position="rotary",
    max_frames=32,
    projection_head=True,
    embed_at="cross",
)


def _network(**changes: Any) -> AlignmentNetwork:
    torch.manual_seed(0)
    return AlignmentNetwork(NetworkSettings(**(SMALL | changes))).eval()


def _clip(length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.rand(length, 5, 6, 6, generator=generator),
        torch.randn(length, 8, generator=generator),
    )


def _encoded(network: AlignmentNetwork, maps: torch.Tensor, joints: torch.Tensor, mask: Any):
    return network.encode(network.read(maps), joints, mask)


def _batch(*clips: tuple[torch.Tensor, torch.Tensor]):
    length = torch.tensor([len(maps) for maps, _ in clips])
    mask = torch.arange(int(length.max()))[None] < length[:, None]
    return torch.cat([c[0] for c in clips]), torch.cat([c[1] for c in clips]), mask


@pytest.mark.parametrize("position", ["rotary", "learned", "offset", "sinusoid", "none"])
@pytest.mark.parametrize("embed_at", ["temporal", "cross"])
def test_padded_batch_equals_clips_one_by_one(position: str, embed_at: str) -> None:
    network = _network(temporal_position=position, embed_at=embed_at)
    first, second = _clip(5, 1), _clip(11, 2)
    together = network.embed(*_batch(first, second))
    torch.testing.assert_close(together[0, :5], network.embed(*_batch(first))[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(together[1], network.embed(*_batch(second))[0], atol=1e-5, rtol=0)


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


def test_cross_attention_of_a_padded_pair_equals_the_unpadded_one() -> None:
    network = _network()
    clips = [_clip(n, n) for n in (4, 9, 7, 6)]
    u, v = _batch(clips[0], clips[1]), _batch(clips[2], clips[3])
    both = network.cross(_encoded(network, *u), _encoded(network, *v), u[2], v[2])
    u, v = _batch(clips[0]), _batch(clips[2])
    alone = network.cross(_encoded(network, *u), _encoded(network, *v), u[2], v[2])
    torch.testing.assert_close(both[0][0, :4], alone[0][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(both[1][0, :7], alone[1][0], atol=1e-5, rtol=0)


def test_swapping_the_clips_swaps_the_cross_features() -> None:
    network = _network(cross_layers=3)
    u, v = _batch(_clip(4, 1)), _batch(_clip(7, 2))
    first, second = _encoded(network, *u), _encoded(network, *v)
    forth = network.cross(first, second, u[2], v[2])
    back = network.cross(second, first, v[2], u[2])
    torch.testing.assert_close(forth[0], back[1])
    torch.testing.assert_close(forth[1], back[0])


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


@pytest.mark.parametrize("position", ["none", "rotary", "learned", "offset", "sinusoid"])
@pytest.mark.parametrize("cross_layers", [0, 1])
def test_without_a_position_code_the_order_of_frames_has_no_influence(
    position: str, cross_layers: int
) -> None:
    network = _network(temporal_position=position, cross_layers=cross_layers)
    maps, joints, mask = _batch(_clip(7, 3))
    order = torch.tensor([4, 0, 6, 2, 1, 5, 3])
    straight = network.embed(maps, joints, mask)[0]
    shuffled = network.embed(maps[order], joints[order], mask)[0]
    same = torch.allclose(shuffled, straight[order], atol=1e-5)
    assert same == (position == "none")


def test_without_the_temporal_transformer_a_frame_knows_itself_alone() -> None:
    maps, joints, mask = _batch(_clip(6, 3))
    maps.requires_grad_(True)
    for layers, others in ((0, False), (1, True)):
        network = _network(temporal_layers=layers, cross_layers=0, temporal_position="learned")
        # One feature: their sum is the same for every input after a layer norm.
        (gradient,) = torch.autograd.grad(network.embed(maps, joints, mask)[0, 2, 0], maps)
        reached = gradient.abs().sum(dim=(1, 2, 3)) > 0
        assert reached.tolist() == [others or t == 2 for t in range(6)]


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


def test_without_the_projection_head_the_loss_sees_the_embedding_itself() -> None:
    features = torch.randn(1, 4, 24)
    assert _network(projection_head=False).project(features) is features
    assert not torch.allclose(_network().project(features), features)


def test_without_spatial_layers_the_frame_token_is_linear_in_the_map() -> None:
    flat = _network(spatial_layers=0, joint_width=0)
    weights = dict(flat.frame.named_parameters())
    assert {name: tuple(w.shape) for name, w in weights.items()} == {
        "spatial.project.weight": (24, 5 * 36),
        "spatial.project.bias": (24,),
    }
    one, two = _clip(4, 1)[0], _clip(4, 2)[0]
    bias = weights["spatial.project.bias"]
    torch.testing.assert_close(flat.read(one + two), flat.read(one) + flat.read(two) - bias)


def test_no_input_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="heatmaps, joints or both"):
        _network(channels=0, joint_width=0)
    with pytest.raises(ValueError, match="none were given"):
        _network().embed(None, torch.zeros(3, 8), torch.ones(1, 3, dtype=torch.bool))


def test_all_parameters_receive_gradient() -> None:
    network = _network(temporal_position="learned").train()
    u, v = _batch(_clip(5, 1), _clip(7, 2)), _batch(_clip(4, 3), _clip(6, 4))
    first, second = network.cross(_encoded(network, *u), _encoded(network, *v), u[2], v[2])
    truth = torch.arange(6.0).expand(2, 6)
    contrastive_regression(
        (network.project(first), network.project(second)), (u[2], v[2]), truth,
        temperature=0.1, scaling="casa", normalised=False,
    ).backward()  # fmt: skip
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert not silent


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
    losses = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            probability = match_probability(first, second, masks[0], 0.1, "casa")
            assert expected_index(probability).dtype == torch.float32
            losses.append(
                contrastive_regression(
                    (first, second),
                    masks,
                    truth,
                    temperature=0.1,
                    scaling="casa",
                    normalised=False,
                )
            )
    torch.testing.assert_close(losses[1], losses[0])


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
