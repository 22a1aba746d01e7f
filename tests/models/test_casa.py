"""The network of CASA: padding, the order of a pair, its layers and what it refuses."""

from __future__ import annotations

import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.network.torch_network import build_network
from tests.models.small_networks import batch, clip, pair, small_network
from tests.told import refused


def test_the_embedding_is_the_clip_paired_with_itself() -> None:
    network, one = small_network("casa"), batch(clip(6, 3))
    paired = pair(network, one, one)
    torch.testing.assert_close(paired[0], paired[1])
    torch.testing.assert_close(network.embed(*one), paired[0])
    other = pair(network, one, batch(clip(6, 4)))[0]
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
    network = small_network("casa", temporal_layers=own, cross_layers=between)
    assert network.kinds == kinds
    first, second = batch(clip(5, 1)), batch(clip(7, 2))
    joints = second[1].clone().requires_grad_()
    found = pair(network, first, (None, joints, second[2]))[0]
    (gradient,) = torch.autograd.grad(found.sum(), joints, allow_unused=True)
    assert (gradient is not None and bool(gradient.abs().sum() > 0)) == (between > 0)


def test_position_code_of_an_odd_width_by_hand() -> None:
    network = small_network("casa", width=3, heads=1, temporal_layers=0, cross_layers=0)
    joints = clip(4, 1)
    token = network.embedding(joints, torch.ones(1, 4, dtype=torch.bool))
    index = torch.arange(4.0)
    slow = index * 10000.0 ** (-2 / 4)
    code = torch.stack([index.sin(), index.cos(), slow.sin()], dim=-1)
    found = network.embed(None, joints, torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(found, token * 4**0.5 + code)


def test_a_learned_table_is_cut_to_what_training_showed() -> None:
    network = small_network("casa", temporal_position="learned")
    before = network.embed(*batch(clip(7, 1)))
    network.position.keep_shown(7)
    assert network.position.table is not None
    assert len(network.position.table) == 7
    torch.testing.assert_close(network.embed(*batch(clip(7, 1))), before)
    assert network.embed(*batch(clip(9, 1))).shape == (1, 9, 24)


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
    with refused(ExitCode.USAGE, message):
        build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)


def test_heatmaps_alone_are_no_input() -> None:
    with pytest.raises(ValueError, match="got none"):
        small_network("casa").embed(
            torch.zeros(3, 1, 6, 6), None, torch.ones(1, 3, dtype=torch.bool)
        )
