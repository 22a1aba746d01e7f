"""What holds for every network: padding, the order of a pair and of frames, its head, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from la2ds_models import alignment_network, casa, stgcn
from la2ds_models.alignment_network import contrastive_regression
from la2ds_models.sequence_network import NetworkSettings, SequenceNetwork

BUILD = {"vivit": alignment_network.build, "casa": casa.build, "stgcn": stgcn.build}
SMALL: dict[str, Any] = dict(
    joint_width=8,
    joint_count=2,
    joint_blocks=(2, 2),
    limbs=((0, 1),),
    width=24,
    heads=3,
    spatial_layers=1,
    temporal_layers=2,
    cross_layers=2,
    mlp_ratio=2,
    temporal_position="sinusoid",
    max_frames=32,
    projection_head=True,
    embed_at="cross",
)
POSITIONS = [("vivit", "rotary")]
POSITIONS += [(kind, position) for kind in ("vivit", "casa") for position in casa.POSITIONS]
Batch = tuple[None, Tensor, Tensor]


def _network(kind: str, **changes: Any) -> SequenceNetwork:
    torch.manual_seed(0)
    return BUILD[kind](NetworkSettings(**(SMALL | changes))).eval()


def _clip(length: int, seed: int) -> Tensor:
    return torch.randn(length, 8, generator=torch.Generator().manual_seed(seed))


def _batch(*clips: Tensor) -> Batch:
    length = torch.tensor([len(clip) for clip in clips])
    return None, torch.cat(clips), torch.arange(int(length.max()))[None] < length[:, None]


def _pair(network: SequenceNetwork, first: Batch, second: Batch) -> tuple[Tensor, Tensor]:
    return network.cross(network.encode(*first), network.encode(*second), first[2], second[2])


@pytest.mark.parametrize(("kind", "position"), [*POSITIONS, ("stgcn", "sinusoid")])
@pytest.mark.parametrize("embed_at", ["temporal", "cross"])
def test_padded_batch_equals_clips_one_by_one(kind: str, position: str, embed_at: str) -> None:
    network = _network(kind, temporal_position=position, embed_at=embed_at)
    first, second = _clip(5, 1), _clip(17, 2)
    together = network.embed(*_batch(first, second))
    torch.testing.assert_close(together[0, :5], network.embed(*_batch(first))[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(together[1], network.embed(*_batch(second))[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", BUILD)
def test_a_padded_pair_equals_the_unpadded_one_in_either_order(kind: str) -> None:
    network, clips = _network(kind), [_clip(n, n) for n in (4, 9, 7, 6)]
    both = _pair(network, _batch(clips[0], clips[1]), _batch(clips[2], clips[3]))
    back = _pair(network, _batch(clips[2]), _batch(clips[0]))
    torch.testing.assert_close(both[0][0, :4], back[1][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(both[1][0, :7], back[0][0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("kind", "position"), POSITIONS)
@pytest.mark.parametrize("cross_layers", [0, 1])
def test_without_a_position_code_the_order_of_frames_has_no_influence(
    kind: str, position: str, cross_layers: int
) -> None:
    network = _network(kind, temporal_position=position, cross_layers=cross_layers)
    clip, order = _clip(7, 3), torch.tensor([4, 0, 6, 2, 1, 5, 3])
    straight, shuffled = network.embed(*_batch(clip))[0], network.embed(*_batch(clip[order]))[0]
    assert torch.allclose(shuffled, straight[order], atol=1e-5) == (position == "none")


@pytest.mark.parametrize("kind", BUILD)
def test_without_the_projection_head_the_loss_sees_the_features(kind: str) -> None:
    features = torch.randn(1, 4, 24)
    assert _network(kind, projection_head=False).project(features) is features
    assert not torch.allclose(_network(kind).project(features), features)


@pytest.mark.parametrize("kind", BUILD)
def test_all_parameters_receive_gradient(kind: str) -> None:
    network = _network(kind, temporal_position="learned").train()
    u, v = _batch(_clip(5, 1), _clip(7, 2)), _batch(_clip(4, 3), _clip(6, 4))
    first, second = map(network.project, _pair(network, u, v))
    truth = torch.arange(6.0).expand(2, 6)
    loss = contrastive_regression(
        (first, second), (u[2], v[2]), truth, temperature=1.0, scaling="casa", normalised=False
    )
    (loss + first.square().sum() - second.square().sum()).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().any()]
    assert not silent
