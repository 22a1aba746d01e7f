"""What holds for every network: padding, the order of a pair and of frames, its head, gradients."""

from __future__ import annotations

import pytest
import torch

from la2ds_models import casa
from la2ds_models.alignment_network import contrastive_regression
from tests.models.small_networks import BUILD, batch, clip, pair, small_network

POSITIONS = [("vivit", "rotary")]
POSITIONS += [(kind, position) for kind in ("vivit", "casa") for position in casa.POSITIONS]


@pytest.mark.parametrize(("kind", "position"), [*POSITIONS, ("stgcn", "sinusoid")])
@pytest.mark.parametrize("embed_at", ["temporal", "cross"])
def test_padded_batch_equals_clips_one_by_one(kind: str, position: str, embed_at: str) -> None:
    network = small_network(kind, temporal_position=position, embed_at=embed_at)
    first, second = clip(5, 1), clip(17, 2)
    together = network.embed(*batch(first, second))
    torch.testing.assert_close(together[0, :5], network.embed(*batch(first))[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(together[1], network.embed(*batch(second))[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", BUILD)
def test_a_padded_pair_equals_the_unpadded_one_in_either_order(kind: str) -> None:
    network, clips = small_network(kind), [clip(n, n) for n in (4, 9, 7, 6)]
    both = pair(network, batch(clips[0], clips[1]), batch(clips[2], clips[3]))
    back = pair(network, batch(clips[2]), batch(clips[0]))
    torch.testing.assert_close(both[0][0, :4], back[1][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(both[1][0, :7], back[0][0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("kind", "position"), POSITIONS)
@pytest.mark.parametrize("cross_layers", [0, 1])
def test_without_a_position_code_the_order_of_frames_has_no_influence(
    kind: str, position: str, cross_layers: int
) -> None:
    network = small_network(kind, temporal_position=position, cross_layers=cross_layers)
    one, order = clip(7, 3), torch.tensor([4, 0, 6, 2, 1, 5, 3])
    straight, shuffled = network.embed(*batch(one))[0], network.embed(*batch(one[order]))[0]
    assert torch.allclose(shuffled, straight[order], atol=1e-5) == (position == "none")


@pytest.mark.parametrize("kind", BUILD)
def test_without_the_projection_head_the_loss_sees_the_features(kind: str) -> None:
    features = torch.randn(1, 4, 24)
    assert small_network(kind, projection_head=False).project(features) is features
    assert not torch.allclose(small_network(kind).project(features), features)


@pytest.mark.parametrize("kind", BUILD)
def test_all_parameters_receive_gradient(kind: str) -> None:
    network = small_network(kind, temporal_position="learned").train()
    u, v = batch(clip(5, 1), clip(7, 2)), batch(clip(4, 3), clip(6, 4))
    first, second = map(network.project, pair(network, u, v))
    truth = torch.arange(6.0).expand(2, 6)
    loss = contrastive_regression(
        (first, second), (u[2], v[2]), truth, temperature=1.0, scaling="casa", normalised=False
    )
    (loss + first.square().sum() - second.square().sum()).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().any()]
    assert not silent
