"""What every detector promises, and how one is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.plugins import plugin_names
from la2ds_cli.poses.networks import (
    detector_identities,
    detector_name,
    resolve_detector,
)
from la2ds_cli.poses.networks.paper import FasterRcnnDetector, build_fasterrcnn
from la2ds_models.weight_files import zoo

POSE: Any = None
ROOT = Path(__file__).parents[3]
SHIPPED = ("fasterrcnn", "fasterrcnn-mobilenet", "full-frame", "blazepose", "ultralytics")


def test_the_shipped_detectors() -> None:
    assert set(SHIPPED) <= set(plugin_names("la2ds_cli.poses.networks", "DETECTORS"))


@pytest.mark.parametrize("name", SHIPPED)
def test_identities_tell_detectors_apart(name: str) -> None:
    (identity,) = detector_identities(name)
    assert identity.startswith(f"{name}:")
    assert identity.split(":")[1]


def test_listing_imports_no_plugin() -> None:
    code = (
        "import sys; sys.path[:0] = ['.', 'models']\n"
        "from la2ds_cli.core.plugins import plugin_names\n"
        "from la2ds_cli.poses.networks import __name__ as folder\n"
        "assert plugin_names(folder, 'POSES') and plugin_names(folder, 'DETECTORS')\n"
        "names = ('torch', 'torchvision', 'cv2', 'onnxruntime', 'la2ds_cli.poses.networks.paper')\n"
        "print(*[name for name in names if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ended.stdout.split() == []


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="yolo") as caught:
        resolve_detector("yolo", "cpu", POSE)
    assert caught.value.exit_code == ExitCode.USAGE
    for text in ("fasterrcnn-mobilenet", "full-frame", "--detector FILE.onnx"):
        assert text in caught.value.hint


def test_auto_goes_by_the_device_and_accepts_the_other(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert detector_name("auto", "auto", "hrnet-w32") == "fasterrcnn-mobilenet"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert detector_name("auto", "auto", "hrnet-w32") == "fasterrcnn"
    assert detector_name("auto", "cpu", "hrnet-w32") == "fasterrcnn-mobilenet"
    assert detector_name("full-frame", "auto", "hrnet-w32") == "full-frame"
    assert detector_name("auto", "auto", "blazepose-lite") == "blazepose"
    assert detector_name("fasterrcnn", "auto", "blazepose") == "fasterrcnn"
    both = detector_identities("fasterrcnn") + detector_identities("fasterrcnn-mobilenet")
    assert set(detector_identities("auto")) == {*both, *detector_identities("blazepose")}


def test_missing_weights_are_explained(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    with pytest.raises(UserError, match="fasterrcnn-mobilenet") as caught:
        resolve_detector("fasterrcnn-mobilenet", "cpu", POSE)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    entry = zoo()["fasterrcnn-mobilenet"]
    for text in (entry.file, entry.sha256, entry.urls[0], str(tmp_path), "--detector FILE.onnx"):
        assert text in caught.value.hint


def test_fasterrcnn_returns_people_alone() -> None:
    class Network:
        def __call__(self, batch: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            assert [tuple(image.shape) for image in batch] == [(3, 20, 30)]
            assert float(batch[0].max()) == 1.0
            return [
                {
                    "boxes": torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8.0]]),
                    "labels": torch.tensor([18, 1]),
                    "scores": torch.tensor([0.9, 0.7]),
                }
            ]

    detector = FasterRcnnDetector(Network(), torch.device("cpu"))
    found = detector.detect([np.full((20, 30, 3), 255, np.uint8)] * 2)
    assert len(found) == 2
    np.testing.assert_allclose(found[0], [[5, 6, 7, 8, 0.7]], rtol=1e-6)
    assert found[0].dtype == np.float32


def test_fasterrcnn_runs_on_an_image() -> None:
    torch.manual_seed(0)
    network = build_fasterrcnn("fasterrcnn-mobilenet").eval()
    (found,) = FasterRcnnDetector(network, torch.device("cpu")).detect(
        [np.zeros((48, 64, 3), np.uint8)]
    )
    assert found.shape[1] == 5
    assert np.isfinite(found).all()
