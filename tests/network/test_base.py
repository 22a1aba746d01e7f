"""The base model: joints by name, clips of any length and rate, the file that ships."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.skeleton import SKELETONS
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.features.body_joints import body_joints
from la2ds_cli.network import base_weights
from la2ds_cli.network.base_weights import base_path
from la2ds_cli.network.load_network import light_base, light_embedder, load_embedder
from tests.movement import in_skeleton, sequence, warped_phase
from tests.told import refused

BODIES = [name for name in SKELETONS if "hand" not in name and name != "penn13"]


@pytest.mark.parametrize("skeleton", BODIES)
def test_joints_are_taken_by_name_and_the_others_do_not_count(skeleton: str) -> None:
    pose = sequence(warped_phase(30, 1))
    other = in_skeleton(pose, skeleton)
    np.testing.assert_array_equal(body_joints(other).xy, pose.xy)
    assert body_joints(other).world is None
    deep = np.concatenate([other.xy, other.score[..., None]], axis=2)
    world = body_joints(replace(other, world=deep)).world
    assert world is not None
    np.testing.assert_array_equal(world[..., :2], pose.xy)
    embed = light_base()
    np.testing.assert_array_equal(embed([other])[0], embed([pose])[0])


@pytest.mark.parametrize("skeleton", ["hand21", "hands42"])
def test_a_hand_is_refused(skeleton: str) -> None:
    with refused(ExitCode.MISMATCH, f"the skeleton {skeleton} has . of its 13 joints"):
        light_base()([in_skeleton(sequence(warped_phase(20, 1)), skeleton, far=False)])


def test_clips_of_other_lengths_rates_bodies_and_places_align() -> None:
    """A frame of the first lies at the moment of the second that shows the same phase."""
    a, b = warped_phase(60, 3), warped_phase(110, 4)
    first = sequence(a, fps=25.0)
    second = sequence(b, fps=50.0, scale=35.0, tilt=0.1)
    one, other = light_base()([first, second])
    assert (len(one), len(other)) == (60, 110)
    config = AlignConfig(method="dtw")
    position = smooth_match(align_features("dtw", one, other, config), 60)
    truth = np.interp(a, b, np.arange(110))
    assert np.abs(position - truth).mean() < 0.04 * 110


def test_the_file_is_small_and_says_what_it_is() -> None:
    assert base_path().stat().st_size <= 10_000_000
    arrays, recipe, facts = artifact.read_arrays(base_path())
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}
    assert facts["skeleton"] == "penn13"
    assert {"data", "seed", "script", "step"} <= facts.keys()
    assert "Penn" not in facts["data"]
    assert recipe.config["train.seed"] == facts["seed"]


def test_its_centre_is_near_that_of_bodies_it_never_saw() -> None:
    clips = [sequence(warped_phase(n, n), fps=fps) for n, fps in ((40, 20), (90, 50))]
    value = np.concatenate(light_base()(clips))
    value = value[:, : value.shape[1] // 2]  # without the motion
    spread = np.sqrt(value.var(axis=0).sum())
    assert np.linalg.norm(value.mean(axis=0)) < 1.5 * spread
    centre = artifact.read_header(base_path())[1]["centre"]
    assert np.linalg.norm(centre) > 10 * spread  # what there is without it


def test_a_damaged_file_is_refused(tmp_path, monkeypatch) -> None:
    damaged = tmp_path / "base.safetensors"
    damaged.write_bytes(base_path().read_bytes()[:-1])
    monkeypatch.setattr(base_weights, "base_path", lambda: damaged)
    base_weights.base_key.cache_clear()
    try:
        with refused(ExitCode.UNREADABLE, "are damaged"):
            light_embedder(StoredProject.create(tmp_path / "project"), BASE_RUN)
    finally:
        base_weights.base_key.cache_clear()


def test_the_name_of_the_base_is_a_run_name(tmp_path) -> None:
    project = StoredProject.create(tmp_path)
    assert load_embedder(project, BASE_RUN, "cpu").key == base_weights.base_key()
