"""A training method with parameters of its own: trained, resumed exactly, not needed to embed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network.load_network import load_embedder
from la2ds_cli.network.run_weights import read_weights
from la2ds_cli.network.torch_network import build_network
from la2ds_cli.training import losses
from tests.movement import sequence, warped_phase
from tests.small_runs import JOINTS, resumed_run_equals_whole

METHOD = """
from torch import nn
PAIRS = "copies"
def loss(network, batch, config, generator):
    clips = batch.augmented
    value = network.encode(clips.maps, clips.joints, clips.mask, generator)
    told = network.get_submodule("method_head")(value)[clips.mask][:, 0]
    return ((told - batch.truth[clips.mask] / config.train.frames) ** 2).mean()
def head(config):
    return nn.Linear(config.model.width, 1)
"""


@pytest.fixture
def method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A method whose head learns to tell the place of a frame in its clip."""
    (tmp_path / "own_methods").mkdir()
    (tmp_path / "own_methods" / "place.py").write_text(METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_methods.place"


def test_head_is_trained_resumed_and_left_out_of_the_weights(
    project: StoredProject, method: str
) -> None:
    config = project.config(overrides=[*JOINTS, f"train.method={method}"])
    whole = resumed_run_equals_whole(project, config)

    fresh = build_network(config.model, config.heatmap, get_skeleton("penn13"), config.train.seed)
    losses.add_head(fresh, config)
    name = "method_head.weight"
    assert not torch.equal(whole["network"][name], fresh.state_dict()[name])

    weights = read_weights(project.run_dir("whole") / "best.safetensors")[0]
    assert whole["network"].keys() - weights.keys() == {name, "method_head.bias"}
    pose = sequence(warped_phase(24, 0))
    one, two = (load_embedder(project, run, "cpu")([pose])[0] for run in ("whole", "parts"))
    assert len(one) == 24
    np.testing.assert_array_equal(one, two)


def test_head_is_a_function_of_the_seed_alone(project: StoredProject, method: str) -> None:
    def weight(seed: int) -> torch.Tensor:
        config = project.config(overrides=[*JOINTS, f"train.method={method}", f"train.seed={seed}"])
        network = build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)
        losses.add_head(network, config)
        return network.state_dict()["method_head.weight"]

    torch.manual_seed(5)
    one, state = weight(0), torch.get_rng_state()
    torch.manual_seed(5)
    assert torch.equal(torch.get_rng_state(), state)  # the global state was left alone
    assert torch.equal(one, weight(0))
    assert not torch.equal(one, weight(1))


def test_a_method_without_parameters_adds_none(project: StoredProject) -> None:
    config = project.config(overrides=JOINTS)
    network = build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)
    before = set(network.state_dict())
    losses.add_head(network, config)
    assert set(network.state_dict()) == before
