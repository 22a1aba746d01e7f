"""The frozen base network of `model.input=rgb`: what it taps, how it reads a frame, its weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import ResNet, resnet50
from torchvision.transforms import functional

from la2ds_cli.features.network_input import FRAME_FEATURE_WIDTH
from la2ds_models.resnet import load_resnet, prepare

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def whole() -> ResNet:
    """ResNet-50 of torchvision with random weights and statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resnet50(weights=None).eval()
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
    return network


@pytest.fixture(scope="module")
def path(whole: ResNet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("resnet") / "resnet50.pth"
    torch.save(whole.state_dict(), path)
    yield path
    path.unlink()  # 100 MB


def frame(seed: int = 0, height: int = 90, width: int = 160) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_the_features_are_those_of_conv4c(whole: ResNet, path: Path) -> None:
    image = prepare([frame(), frame(1)], CPU)
    tapped = []
    handle = whole.layer3[2].register_forward_hook(lambda *call: tapped.append(call[-1]))
    with torch.inference_mode():
        whole(image)
        found = load_resnet(path)(image)
    handle.remove()
    assert tapped[0].shape == (2, FRAME_FEATURE_WIDTH, 14, 14)
    torch.testing.assert_close(found, tapped[0].mean(dim=(2, 3)), rtol=1e-3, atol=1e-4)
    assert (found[0] - found[1]).abs().max() > 0.01


def test_frames_are_read_as_torchvision_would() -> None:
    """Normalisation and a smooth change of size, by torchvision's own functions."""
    image = frame(2, 300, 200)
    tensor = functional.to_tensor(image)
    resized = functional.resize(tensor, [224, 224], antialias=True)
    expected = functional.normalize(resized, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(prepare([image], CPU)[0], expected)


def test_a_mirrored_frame_is_the_mirror_of_the_frame() -> None:
    image = frame(3)
    mirrored = prepare([image[:, ::-1]], CPU)
    torch.testing.assert_close(prepare([image], CPU).flip(-1), mirrored, rtol=0, atol=1e-4)


def test_safetensors_are_read_as_well(path: Path, tmp_path: Path) -> None:
    content = torch.load(path, weights_only=True)
    other = tmp_path / "resnet.safetensors"
    # As old files of torchvision are, without the step counters.
    save_file({k: v for k, v in content.items() if not k.endswith("_tracked")}, other)
    image = prepare([frame()], CPU)
    with torch.inference_mode():
        torch.testing.assert_close(load_resnet(other)(image), load_resnet(path)(image))


def test_a_file_of_another_network_is_refused(path: Path, tmp_path: Path) -> None:
    content = torch.load(path, weights_only=True)
    other = tmp_path / "other.pth"
    torch.save({k: v for k, v in content.items() if not k.startswith("layer3.2")}, other)
    with pytest.raises(ValueError, match=r"layer3\.2\.\w+\.\w+: file None"):
        load_resnet(other)
    torch.save(content | {"conv1.weight": torch.zeros(32, 3, 7, 7)}, other)
    with pytest.raises(ValueError, match=r"conv1\.weight: file \(32, 3, 7, 7\)"):
        load_resnet(other)
