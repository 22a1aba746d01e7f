"""`train --from base`: what a run begins with, and what its recipe says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features.network_input import network_input
from la2ds_cli.network.base_weights import base_key
from la2ds_cli.network.run_weights import read_weights
from la2ds_cli.network.torch_network import build_network, embed_input
from la2ds_cli.training.from_base import FIRST_LAYER, load_base, start_from_base
from la2ds_cli.training.train import TrainOptions, train
from la2ds_models.sequence_network import SequenceNetwork
from tests.movement import add_sequence, in_skeleton, sequence, warped_phase
from tests.told import refused

BASE = load_config(preset="base", overrides=["train.steps=1", "train.validate_every=1"])


def started(skeleton: str, config: Config = BASE) -> SequenceNetwork:
    one = get_skeleton(skeleton)
    network = build_network(config.model, config.heatmap, one, seed=1)
    start_from_base(network, config, one)
    return network.eval()


def test_the_preset_has_the_settings_of_the_weights() -> None:
    base = load_base()[1]
    assert base.model == BASE.model
    assert (base.train.scaling, base.train.tempo) == (BASE.train.scaling, BASE.train.tempo)


def test_penn13_starts_with_the_very_weights() -> None:
    weights, state = load_base()[0], started("penn13").state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[name], state[name]) for name in weights)


@pytest.mark.parametrize("skeleton", ["coco17", "mediapipe33"])
def test_joints_of_the_same_name_keep_their_weights(skeleton: str) -> None:
    """With joints that the base lacks silenced, the network gives what the base gives."""
    network = started(skeleton)
    pose = sequence(warped_phase(30, 1))
    other = in_skeleton(pose, skeleton)
    lacking = (other.xy[:, :, 0] == 1e4).all(axis=0)
    xy = other.xy.copy()
    xy[:, lacking] = pose.xy[:, :1]  # inside the body, so that crop and unit are those of the 13
    item = network_input(xy, other.score, get_skeleton(skeleton), BASE.heatmap, BASE.model)
    assert item.joints is not None
    with torch.no_grad():
        layer = network.state_dict()[FIRST_LAYER]
        random = build_network(BASE.model, BASE.heatmap, get_skeleton(skeleton), seed=1)
        small = 0.1 * random.state_dict()[FIRST_LAYER]
        new = (layer == small).all(dim=0)
        assert int(new.sum()) == 9 * int(lacking.sum())  # 2 + 2 + 1 + 2 + 2 features of a joint
        layer[:, new] = 0
    value = embed_input(network, item, torch.device("cpu"))
    plain = network_input(pose.xy, pose.score, get_skeleton("penn13"), BASE.heatmap, BASE.model)
    expected = embed_input(started("penn13"), plain, torch.device("cpu"))
    # The unit of movement is that of all joints, so the two differ by it alone.
    near = np.corrcoef(value.ravel(), expected.ravel())[0, 1]
    assert near > 0.9


def test_other_settings_and_hands_are_refused() -> None:
    wide = load_config(preset="base", overrides=["model.width=96"])
    with refused(ExitCode.MISMATCH, r"model\.width=96, not 192"):
        started("penn13", wide)
    with pytest.raises(UserError, match="of its 13 joints"):
        started("hand21")


def test_a_run_says_what_it_began_with(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    for n in range(3):
        add_sequence(project, f"clip{n}", sequence(warped_phase(40 + 7 * n, n), fps=20.0 + 5 * n))
    result = train(project, run="tuned", config=BASE, options=TrainOptions("cpu", from_base=True))
    recipe = read_weights(result.checkpoint)[1]
    assert recipe.inputs["start"] == base_key()
    with pytest.raises(UserError, match="input start changed"):
        train(project, run="tuned", config=BASE, options=TrainOptions("cpu"))
