from pickle import UnpicklingError
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from la2ds_models.pose import DEMO_WEIGHTS, POSE_VARIANTS, build_pose_network, load_pose_weights


@pytest.fixture(scope="module")
def w32():
    torch.manual_seed(0)
    network = build_pose_network("hrnet-w32").eval()
    # Norms as a trained network has them: random weights and running statistics.
    for name, value in network.state_dict().items():
        if "running_var" in name:
            value.uniform_(0.5, 1.5)
        elif "running_mean" in name:
            value.normal_(0, 0.1)
    return network


def _official(state):
    """The naming of pose_hrnet_w32_256x192.pth."""
    return {name.removeprefix("backbone."): value.clone() for name, value in state.items()}


def _same(first, second):
    first, second = first.state_dict(), second.state_dict()
    return all(torch.equal(value, second[name]) for name, value in first.items())


def _of_a_classifier(state):
    """The official naming, with what a classifier leaves."""
    left = {"incre_modules.0.0.conv1.weight": (32, 32, 1, 1), "classifier.weight": (1000, 2048)}
    return _official(state) | {name: torch.zeros(shape) for name, shape in left.items()}


@pytest.mark.parametrize(
    "named",
    [_of_a_classifier, lambda state: {"model": _official(state), "task": "pose"}],
    ids=["official", "another code"],
)
def test_checkpoints_of_every_naming_load(w32, tmp_path, named):
    torch.save(named(w32.state_dict()), tmp_path / "some.pth")
    network = build_pose_network("hrnet-w32")
    assert not _same(network, w32)
    load_pose_weights(network, tmp_path / "some.pth")
    assert _same(network, w32)


@pytest.mark.parametrize("package", ["numpy._core", "numpy.core"])
def test_openmmlab_meta_with_numpy_arrays_loads(w32, tmp_path, package):
    """MMPose 1.x stores its data set's statistics beside the weights, as arrays of numpy 1."""
    meta = {"sigmas": np.linspace(0, 1, 17), "scale": np.float32(0.25)}
    kept = {n: v for n, v in w32.state_dict().items() if not n.endswith("num_batches_tracked")}
    state = {f"head.{n}" if n.startswith("final") else n: v for n, v in kept.items()}
    torch.save({"meta": meta, "state_dict": state}, tmp_path / "saved.pth")
    with ZipFile(tmp_path / "saved.pth") as saved, ZipFile(tmp_path / "mm.pth", "w") as renamed:
        for name in saved.namelist():
            content = saved.read(name)
            if name.endswith("data.pkl"):
                content = content.replace(b"numpy._core.", package.encode() + b".")
            renamed.writestr(name, content)
    network = build_pose_network("hrnet-w32")
    load_pose_weights(network, tmp_path / "mm.pth")
    assert _same(network, w32)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (print, ("this must never run",))

    torch.save({"state_dict": {}, "meta": Hostile()}, tmp_path / "hostile.pth")
    with pytest.raises(UnpicklingError):
        load_pose_weights(build_pose_network("hrnet-demo"), tmp_path / "hostile.pth")


def test_half_precision_safetensors_load_as_float32(tmp_path):
    source, network = build_pose_network("hrnet-demo"), build_pose_network("hrnet-demo")
    half = {
        name: value.half() if value.is_floating_point() else value
        for name, value in source.state_dict().items()
    }
    save_file(half, tmp_path / "half.safetensors")
    load_pose_weights(network, tmp_path / "half.safetensors")
    for name, value in network.state_dict().items():
        assert value.dtype == source.state_dict()[name].dtype
        torch.testing.assert_close(value, source.state_dict()[name], rtol=1e-3, atol=1e-5)


def test_what_does_not_fit_is_named(tmp_path):
    network = build_pose_network("hrnet-demo")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = _official(before) | {"final_layer.weight": torch.zeros(17, 32, 1, 1)}
    del state["final_layer.bias"]
    state["surprise.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(ValueError, match=r"odd\.pth does not fit .*: 3 of its tensors") as error:
        load_pose_weights(network, tmp_path / "odd.pth")
    for text in (
        "final_layer.bias: file None, network (17,)",
        "surprise.weight: file (1,), network None",
        "final_layer.weight: file (17, 32, 1, 1), network (17, 16, 1, 1)",
    ):
        assert text in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_file_that_is_no_state_dict_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="contains a list, not a state dict"):
        load_pose_weights(build_pose_network("hrnet-demo"), tmp_path / "list.pth")


def test_unknown_variant_names_the_known_ones():
    with pytest.raises(ValueError, match=r"hrnet-w64.*hrnet-w32, hrnet-w48, .*hrnet-demo"):
        build_pose_network("hrnet-w64")


def test_variants_ask_for_what_their_weights_were_published_with():
    """OpenMMLab's configurations: sigma 2 at 256 x 192 and 3 at 384 x 288."""
    for name, variant in POSE_VARIANTS.items():
        if name != "hrnet-demo":
            large = "-384" in name
            assert variant.input_size == ((384, 288) if large else (256, 192))
            assert variant.sigma == (3.0 if large else 2.0)
            assert variant.architecture == name[:9].replace("-", "_")


def test_demo_network_is_small_and_its_output_fits_its_variant():
    variant = POSE_VARIANTS["hrnet-demo"]
    height, width = variant.input_size
    network = build_pose_network("hrnet-demo", joints=5).eval()
    with torch.inference_mode():
        heatmap = network(torch.zeros(2, 3, height, width))
    assert heatmap.shape == (2, 5, height // variant.stride, width // variant.stride)
    assert sum(value.numel() for value in network.parameters()) < 1.3e6
    assert DEMO_WEIGHTS.stat().st_size < 5e6
