"""The network of CASA: padding, the order of a pair, its layers and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.training.network import build_network
from la2ds_models.alignment_network import contrastive_regression
from la2ds_models.casa import POSITIONS, CasaNetwork, build
from la2ds_models.sequence_network import NetworkSettings

SMALL: dict[str, Any] = dict(
    channels=0,
    joint_width=8,
    joint_count=2,
    joint_blocks=(2, 2),
    limbs=((0, 1),),
    width=15,
    heads=3,
    temporal_layers=2,
    cross_layers=2,
    mlp_ratio=2,
    temporal_position="sinusoid",
    max_frames=32,
    projection_head=True,
)


def _network(**changes: Any) -> CasaNetwork:
    torch.manual_seed(0)
    return build(NetworkSettings(**(SMALL | changes))).eval()


def _clip(length: int, seed: int) -> Tensor:
    return torch.randn(length, 8, generator=torch.Generator().manual_seed(seed))


def _batch(*clips: Tensor) -> tuple[None, Tensor, Tensor]:
    length = torch.tensor([len(clip) for clip in clips])
    return None, torch.cat(clips), torch.arange(int(length.max()))[None] < length[:, None]


@pytest.mark.parametrize("position", POSITIONS)
def test_padded_batch_equals_clips_one_by_one(position: str) -> None:
    network = _network(temporal_position=position)
    first, second = _clip(5, 1), _clip(11, 2)
    together = network.embed(*_batch(first, second))
    torch.testing.assert_close(together[0, :5], network.embed(*_batch(first))[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(together[1], network.embed(*_batch(second))[0], atol=1e-5, rtol=0)


def _pair(network: CasaNetwork, first: Any, second: Any) -> tuple[Tensor, Tensor]:
    return network.cross(network.encode(*first), network.encode(*second), first[2], second[2])


def test_a_padded_pair_equals_the_unpadded_one() -> None:
    network = _network()
    clips = [_clip(n, n) for n in (4, 9, 7, 6)]
    both = _pair(network, _batch(clips[0], clips[1]), _batch(clips[2], clips[3]))
    alone = _pair(network, _batch(clips[0]), _batch(clips[2]))
    torch.testing.assert_close(both[0][0, :4], alone[0][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(both[1][0, :7], alone[1][0], atol=1e-5, rtol=0)


def test_swapping_the_clips_swaps_the_features() -> None:
    network, first, second = _network(), _batch(_clip(4, 1)), _batch(_clip(7, 2))
    forth, back = _pair(network, first, second), _pair(network, second, first)
    torch.testing.assert_close(forth[0], back[1])
    torch.testing.assert_close(forth[1], back[0])


def test_the_embedding_is_the_clip_paired_with_itself() -> None:
    network, clip = _network(), _batch(_clip(6, 3))
    paired = _pair(network, clip, clip)
    torch.testing.assert_close(paired[0], paired[1])
    torch.testing.assert_close(network.embed(*clip), paired[0])
    other = _pair(network, clip, _batch(_clip(6, 4)))[0]
    assert (other - paired[0]).abs().max() > 0.01


@pytest.mark.parametrize(
    ("own", "between", "kinds"),
    [
        (2, 2, ["self", "cross", "self", "cross"]),
        (2, 1, ["self", "cross", "self"]),
        (0, 2, ["cross", "cross"]),
        (0, 0, []),
    ],
)
def test_layers_alternate(own: int, between: int, kinds: list[str]) -> None:
    network = _network(temporal_layers=own, cross_layers=between)
    assert network.kinds == kinds
    first, second = _batch(_clip(5, 1)), _batch(_clip(7, 2))
    joints = second[1].clone().requires_grad_()
    found = _pair(network, first, (None, joints, second[2]))[0]
    (gradient,) = torch.autograd.grad(found.sum(), joints, allow_unused=True)
    assert (gradient is not None and bool(gradient.abs().sum() > 0)) == (between > 0)


def test_without_layers_a_frame_knows_itself_alone() -> None:
    for layers, others in ((0, False), (1, True)):
        network = _network(temporal_layers=layers, cross_layers=0)
        joints = _clip(6, 3).requires_grad_()
        features = network.embed(None, joints, torch.ones(1, 6, dtype=torch.bool))
        value = features[0, 2] @ torch.arange(15.0)
        (gradient,) = torch.autograd.grad(value, joints)
        assert (gradient.abs().sum(dim=1) > 0).tolist() == [others or t == 2 for t in range(6)]


def test_position_code_of_an_odd_width_by_hand() -> None:
    network = _network(width=3, heads=1, temporal_layers=0, cross_layers=0)
    joints = _clip(4, 1)
    token = network.embedding(joints, torch.ones(1, 4, dtype=torch.bool))
    index = torch.arange(4.0)
    slow = index * 10000.0 ** (-2 / 4)
    code = torch.stack([index.sin(), index.cos(), slow.sin()], dim=-1)
    found = network.embed(None, joints, torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(found, token * 4**0.5 + code)


@pytest.mark.parametrize(("width", "factor"), [(75, 76**0.5), (76, 76**0.5), (64, 8.0)])
def test_tokens_grow_by_the_root_of_the_width_or_of_the_next_even_one(
    width: int, factor: float
) -> None:
    """CASA's code for Penn Action is 75 wide, and multiplies by sqrt(76)."""
    network = _network(width=width, heads=1, temporal_layers=0, cross_layers=0)
    joints, mask = _clip(4, 1), torch.ones(1, 4, dtype=torch.bool)
    token = network.embedding(joints, mask)
    code = network.embed(None, joints, mask) - factor * token
    found = code[0, 0]  # frame 0: sines are 0 and cosines 1
    torch.testing.assert_close(found, torch.arange(width) % 2 * 1.0)


@pytest.mark.parametrize("position", POSITIONS)
def test_without_a_position_code_the_order_of_frames_has_no_influence(position: str) -> None:
    network = _network(temporal_position=position)
    joints, mask = _clip(7, 3), torch.ones(1, 7, dtype=torch.bool)
    order = torch.tensor([4, 0, 6, 2, 1, 5, 3])
    straight = network.embed(None, joints, mask)[0]
    shuffled = network.embed(None, joints[order], mask)[0]
    assert torch.allclose(shuffled, straight[order], atol=1e-5) == (position == "none")


def test_a_learned_table_is_cut_to_what_training_showed() -> None:
    network = _network(temporal_position="learned")
    before = network.embed(*_batch(_clip(7, 1)))
    network.keep_shown_positions(7)
    assert network.position.table is not None
    assert len(network.position.table) == 7
    torch.testing.assert_close(network.embed(*_batch(_clip(7, 1))), before)
    assert network.embed(*_batch(_clip(9, 1))).shape == (1, 9, 15)


def test_all_parameters_receive_gradient() -> None:
    network = _network().train()
    u, v = _batch(_clip(5, 1), _clip(7, 2)), _batch(_clip(4, 3), _clip(6, 4))
    first, second = _pair(network, u, v)
    contrastive_regression(
        (network.project(first), network.project(second)), (u[2], v[2]),
        torch.arange(6.0).expand(2, 6), temperature=0.1, scaling="casa", normalised=False,
    ).backward()  # fmt: skip
    assert not [name for name, p in network.named_parameters() if p.grad is None]


def test_without_the_projection_head_the_loss_sees_the_features() -> None:
    features = torch.randn(1, 4, 15)
    assert _network(projection_head=False).project(features) is features
    assert not torch.allclose(_network().project(features), features)


@pytest.mark.parametrize("method", ["casa", "stgcn-casa"])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.temporal_position=rotary", "no position code 'rotary'"),
        ("model.heads=7", "must be a multiple of heads 7"),
        ("model.input=both", "model.input must be joints"),
        ("model.input=heatmap", "model.input must be joints"),
    ],
)
def test_settings_that_fit_no_network_are_refused(method: str, setting: str, message: str) -> None:
    config = load_config(preset=method, overrides=[setting])
    with pytest.raises(UserError, match=message) as caught:
        build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)
    assert caught.value.exit_code == ExitCode.USAGE


def test_heatmaps_alone_are_no_input() -> None:
    with pytest.raises(ValueError, match="none were given"):
        _network().embed(torch.zeros(3, 1, 6, 6), None, torch.ones(1, 3, dtype=torch.bool))
