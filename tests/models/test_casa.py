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
from la2ds_models.casa import CasaNetwork, build
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


def _pair(network: CasaNetwork, first: Any, second: Any) -> tuple[Tensor, Tensor]:
    return network.cross(network.encode(*first), network.encode(*second), first[2], second[2])


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


def test_position_code_of_an_odd_width_by_hand() -> None:
    network = _network(width=3, heads=1, temporal_layers=0, cross_layers=0)
    joints = _clip(4, 1)
    token = network.embedding(joints, torch.ones(1, 4, dtype=torch.bool))
    index = torch.arange(4.0)
    slow = index * 10000.0 ** (-2 / 4)
    code = torch.stack([index.sin(), index.cos(), slow.sin()], dim=-1)
    found = network.embed(None, joints, torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(found, token * 4**0.5 + code)


def test_a_learned_table_is_cut_to_what_training_showed() -> None:
    network = _network(temporal_position="learned")
    before = network.embed(*_batch(_clip(7, 1)))
    network.position.keep_shown(7)
    assert network.position.table is not None
    assert len(network.position.table) == 7
    torch.testing.assert_close(network.embed(*_batch(_clip(7, 1))), before)
    assert network.embed(*_batch(_clip(9, 1))).shape == (1, 9, 15)


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
