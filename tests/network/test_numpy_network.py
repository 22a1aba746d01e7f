"""The network by numpy: equal to torch's, for the networks that it knows and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.features.network_input import NetworkInput, joint_width, network_input
from la2ds_cli.network import load_network as trained
from la2ds_cli.network.embed import embed, ensure_embeddings
from la2ds_cli.network.numpy_network import numpy_forward
from la2ds_cli.network.run_weights import checkpoint_path
from la2ds_cli.network.torch_network import build_network, embed_input
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import sequence, warped_phase
from tests.small_runs import JOINTS, clips
from tests.told import refused

PENN = get_skeleton("penn13")


def random_clip(length: int, config: Config) -> NetworkInput:
    """The network input of a body with random, drifting joints."""
    random = np.random.default_rng(length)
    drift = random.normal(0, 4, (length, 13, 2)).cumsum(axis=0)
    xy, score = random.normal(0, 60, (1, 13, 2)) + drift, random.random((length, 13))
    return network_input(xy, score, PENN, config.heatmap, config.model)


def both(config: Config, drop: str = ""):
    """The network of random weights by torch, and by numpy without the weight `drop`."""
    network = build_network(config.model, config.heatmap, PENN, seed=3).eval()
    weights = {name: value.numpy() for name, value in network.state_dict().items() if name != drop}
    return network, numpy_forward(config.model, joint_width(PENN, config.model), weights)


KNOWN = [
    *("model.temporal_position=none", "model.heads=1", "model.temporal_layers=1"),
    *("model.projection_head=false", "model.mlp_ratio=2", "model.joints=movement"),
]


@pytest.mark.parametrize(
    ("preset", "length", "settings"),
    [
        *((preset, length, []) for preset in ("default", "base") for length in (1, 2, 63, 128)),
        *(("default", 40, [setting]) for setting in KNOWN),
    ],
)
def test_it_equals_torch(preset: str, length: int, settings: list[str]) -> None:
    config = load_config({"preset": preset}, overrides=settings)
    network, forward = both(config)
    assert forward is not None
    clip = random_clip(length, config)
    expected = embed_input(network, clip, torch.device("cpu"))
    value = forward(clip)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, expected, atol=2e-5 * max(1, float(np.abs(expected).max())))


@pytest.mark.parametrize(
    "setting",
    [
        *("model.input=both", "model.input=heatmap", "model.cross_layers=1", "model.context=3"),
        *("model.temporal_position=learned", "model.temporal_position=sinusoid"),
    ],
)
def test_other_networks_are_left_to_torch(setting: str) -> None:
    assert both(load_config({"preset": "default"}, overrides=[setting]))[1] is None


def test_weights_of_another_network_are_left_to_torch() -> None:
    config = load_config({"preset": "default"})
    assert both(config, drop="temporal.3.norm_mlp.bias")[1] is None
    network = both(config)[0]
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    width = joint_width(PENN, config.model)
    assert numpy_forward(config.model, width + 1, weights) is None
    more = weights | {"temporal.4.norm_mlp.bias": weights["norm.bias"]}
    assert numpy_forward(config.model, width, more) is None


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    made = clips(tmp_path / "project", count=3)
    train(made, config=made.config(overrides=JOINTS), options=TrainOptions("cpu"))
    return made


@pytest.mark.parametrize("run", ["default", BASE_RUN])
def test_a_light_embedder_is_the_embedder(project: StoredProject, run: str) -> None:
    """Clips of other lengths and rates than those of training, one of them of several windows."""
    light = trained.light_embedder(project, run)
    exact = trained.load_embedder(project, run, "cpu")
    assert "numpy" in light.forward.__module__
    assert "numpy" not in getattr(exact.forward, "__module__", "")
    for name in ("key", "spread", "skeleton", "config"):
        assert getattr(light, name) == getattr(exact, name)
    poses = [sequence(warped_phase(300, 5), fps=25), sequence(warped_phase(31, 6), fps=12)]
    for one, other in zip(light(poses), exact(poses), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=1e-4 * max(1, float(np.abs(other).max())))


def test_where_numpy_does_not_know_the_network_torch_computes(project: StoredProject) -> None:
    config = project.config(overrides=[*JOINTS, "model.temporal_position=learned"])
    train(project, run="learned", config=config, options=TrainOptions("cpu"))
    light = trained.light_embedder(project, "learned", "cpu")
    exact = trained.load_embedder(project, "learned", "cpu")
    pose = sequence(warped_phase(30, 1))
    np.testing.assert_array_equal(light([pose])[0], exact([pose])[0])
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained, "load_embedder", lambda *given: asked.append(given))
        trained.light_embedder(project, "default", "cuda")
    assert asked == [(project, "default", "cuda")]


def _without(project: StoredProject, path: Path) -> None:
    path.unlink()


def _cut(project: StoredProject, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _of_poses(project: StoredProject, path: Path) -> None:
    path.write_bytes(project.pose_path("clip0").read_bytes())


def _of_other_settings(project: StoredProject, path: Path) -> None:
    arrays, recipe, facts = artifact.read_arrays(path)
    other = replace(recipe, config={**recipe.config, "model.temporal_layers": 3})
    artifact.write_arrays(path, arrays, other, facts)


@pytest.mark.parametrize(
    ("spoil", "said", "code"),
    [
        (_without, "no trained model", ExitCode.UNUSABLE),
        (_cut, "not a usable checkpoint", ExitCode.UNREADABLE),
        (_of_poses, "not a checkpoint but the output of step 'import'", ExitCode.MISMATCH),
        (_of_other_settings, "does not fit the network", ExitCode.MISMATCH),
    ],
)
def test_what_is_wrong_with_a_run_is_said_with_torch_or_without(
    project: StoredProject, spoil: Callable[[StoredProject, Path], None], said: str, code: ExitCode
) -> None:
    spoil(project, checkpoint_path(project, "default"))
    for load in (trained.light_embedder, trained.load_embedder):
        with refused(code, said):
            load(project)


def test_stored_embeddings_are_read_without_a_network(project: StoredProject) -> None:
    """Whoever computed them; and those of other weights or poses are computed anew."""
    embed(project, device="cpu")
    expected = [project.read_embedding("default", f"clip{n}")[0].value for n in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("la2ds_cli.network.embed.light_embedder")
        found = ensure_embeddings(project, "default", ["clip2", "clip0"])
    np.testing.assert_array_equal(found[0].value, expected[2])
    np.testing.assert_array_equal(found[1].value, expected[0])
    path = project.embedding_path("default", "clip1")
    path.write_bytes(path.read_bytes()[:-8])
    (again,) = ensure_embeddings(project, "default", ["clip1"])
    np.testing.assert_allclose(again.value, expected[1], atol=1e-4)
    assert {r.status for r in embed(project, device="cpu")} == {"cached"}
    moved = sequence(warped_phase(50, 9))
    project.write_pose("clip0", moved, artifact.Recipe("import", 1, {}, {"labels": "changed"}))
    (changed,) = ensure_embeddings(project, "default", ["clip0"])
    assert len(changed) == 50
