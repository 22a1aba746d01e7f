"""Our HRNet is MMPose's: the same parameters, and on the same weights the same heatmaps.

The answers of MMPose are stored; the heavy test asks it again where it is installed.
"""

import os

import numpy as np
import pytest
import torch

from la2ds_models.pose import POSE_VARIANTS, build_pose_network, load_pose_weights
from tests.poses import mmpose_reference as reference

TOLERANCE = 1e-5  # absolute; the seeded networks answer with values from -4.5 to 4.2


@pytest.fixture(scope="module")
def stored():
    return reference.load_fixture()


def one_x(state):
    """mmpose 1.x: backbone.*, head.final_layer.*, beside meta data."""
    return {"meta": {"dataset_meta": {"sigmas": np.ones(17)}}, "state_dict": state}


def zero_x(state):
    """mmpose 0.x: keypoint_head.final_layer.*."""
    return {"state_dict": {name.replace("head.", "keypoint_head."): v for name, v in state.items()}}


def official(state):
    """pose_hrnet_w32_256x192.pth: no prefixes, nothing around."""
    return {name.removeprefix("head.").removeprefix("backbone."): v for name, v in state.items()}


def ours(variant, checkpoint, folder):
    """The network after the way of every checkpoint: a file, and the loader of the product."""
    path = folder / "checkpoint.pth"
    torch.save(checkpoint, path)
    network = build_pose_network(variant)
    load_pose_weights(network, path)
    os.truncate(path, 0)  # hundreds of megabytes that pytest would keep
    return network.eval()


@torch.inference_mode()
def heatmap(network, variant):
    return network(reference.seeded_crop(POSE_VARIANTS[variant].input_size)).numpy()


@pytest.mark.parametrize("width", ["hrnet-w32", "hrnet-w48"])
def test_the_parameters_are_those_of_mmpose(stored, width):
    shapes = stored[1][width]
    assert len(shapes) == 1754  # 1752 of the backbone, weight and bias of the head
    found = {
        name if name.startswith("backbone.") else f"head.{name}": tuple(value.shape)
        for name, value in build_pose_network(width).state_dict().items()
    }
    assert found == shapes


@pytest.mark.parametrize(
    ("variant", "naming"),
    [
        ("hrnet-w32", zero_x),
        ("hrnet-w32-384", official),
        ("hrnet-w48", official),
        ("hrnet-w48-384", one_x),
    ],
)
def test_the_heatmaps_are_those_that_mmpose_made(stored, tmp_path, variant, naming):
    arrays, shapes = stored
    state = reference.seeded_state(shapes[variant[:9]])
    found = heatmap(ours(variant, naming(state), tmp_path), variant)
    places = reference.sample_places(found.shape)
    assert np.ptp(arrays[f"heatmap.{variant}"]) > 3
    np.testing.assert_allclose(
        found.ravel()[places], arrays[f"heatmap.{variant}"], rtol=0, atol=TOLERANCE
    )


@pytest.mark.heavy
@pytest.mark.parametrize("variant", list(reference.CONFIGS))
def test_the_heatmaps_are_those_that_mmpose_makes(tmp_path, variant):
    pytest.importorskip("mmpose", reason="compares with MMPose: pip install 'la2ds[mmpose]'")
    theirs = reference.mmpose_network(reference.CONFIGS[variant])
    state = theirs.state_dict()
    theirs.load_state_dict(
        reference.seeded_state({name: tuple(value.shape) for name, value in state.items()})
    )
    expected = reference.mmpose_heatmap(
        theirs, reference.seeded_crop(POSE_VARIANTS[variant].input_size)
    )
    for naming in (one_x, zero_x, official):
        found = heatmap(ours(variant, naming(theirs.state_dict()), tmp_path), variant)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
