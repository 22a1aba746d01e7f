"""YOLO checkpoints give up their tensors and layer lists, and run nothing."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.ultralytics_model import read_checkpoint
from tests.poses.yolo_files import LAYERS, DetectionModel, write_checkpoint


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.folder,)


def refused(path: Path, match: str) -> UserError:
    with pytest.raises(UserError, match=match) as caught:
        read_checkpoint(path)
    assert caught.value.exit_code == ExitCode.MISMATCH
    return caught.value


def test_tensors_and_layers_are_read(tmp_path: Path, monkeypatch) -> None:
    network = DetectionModel()
    network.register_buffer("scratch", torch.zeros(3), persistent=False)
    path = write_checkpoint(
        tmp_path / "a.pt", monkeypatch, network=network, train_args={"imgsz": 320}
    )
    read = read_checkpoint(path)
    expected = network.state_dict()
    assert set(read.tensor) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(read.tensor[name], tensor)
    assert read.layers == LAYERS
    assert read.classes == {0: "person", 1: "dog"}
    assert read.image_size == 320
    assert read.joints is None


def test_the_averaged_network_goes_first(tmp_path: Path, monkeypatch) -> None:
    average = DetectionModel()
    average.yaml, average.names = LAYERS, ["person"]
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, ema=average)
    read = read_checkpoint(path)
    assert torch.equal(read.tensor["model.0.weight"], average.state_dict()["model.0.weight"])
    assert read.classes == {0: "person"}
    assert read.image_size == 640


def test_the_joints_of_a_pose_network(tmp_path: Path, monkeypatch) -> None:
    layers = {**LAYERS, "kpt_shape": [17, 3], "head": [[[0, 1], 1, "Pose", ["nc", "kpt_shape"]]]}
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, layers=layers)
    assert read_checkpoint(path).joints == (17, 3)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    folder, path = tmp_path / "made", tmp_path / "a.pt"
    torch.save({"model": Hostile(folder)}, path)
    error = refused(path, r"a\.pt is refused: it names posix\.mkdir")
    assert "publisher" in error.hint
    assert not folder.exists()
    torch.load(path, weights_only=False)  # it would have
    assert folder.exists()


def test_what_others_declared_safe_counts_for_nothing_here(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "made"
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, extra=Hostile(folder))
    with torch.serialization.safe_globals([(os.mkdir, "posix.mkdir")]):
        refused(path, "it names posix")
        assert (os.mkdir, "posix.mkdir") in torch.serialization.get_safe_globals()
    assert not folder.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_bare_pickle_is_refused(tmp_path: Path, protocol: int) -> None:
    folder, path = tmp_path / "made", tmp_path / "a.pt"
    path.write_bytes(pickle.dumps({"model": Hostile(folder)}, protocol))
    refused(path, "no YOLO checkpoint")
    assert not folder.exists()


def test_newer_pickle_opcodes_are_refused(tmp_path: Path) -> None:
    folder, path = tmp_path / "made", tmp_path / "a.pt"
    torch.save({"model": Hostile(folder)}, path, pickle_protocol=4)
    refused(path, "no YOLO checkpoint")
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", b"\x89PNG"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    refused(path, "no YOLO checkpoint")


def test_weights_without_a_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(DetectionModel().state_dict(), path)
    refused(path, "it holds no network")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"head": [[-1, 1, "Segment", ["nc"]]]}, "its last layer is Segment"),
        ({"head": [[-1, 1, "Detect"]]}, "does not describe its layers"),
        ({"backbone": [[-1, 1, "TorchVision", [8, "vit"]]]}, "does not know its layer TorchVision"),
        ({"backbone": [[-1, 1, "nn.Module", []]]}, r"does not know its layer nn\.Module"),
        ({"activation": "__import__('os').mkdir('x')"}, "its activation is"),
        ({"channels": 4}, "not RGB"),
        ({"backbone": None, "head": None}, "does not describe its layers"),
    ],
)
def test_layers_that_might_do_more_than_compute(
    tmp_path: Path, monkeypatch, changed: dict[str, Any], reason: str
) -> None:
    layers = {**copy.deepcopy(LAYERS), **changed}
    refused(write_checkpoint(tmp_path / "a.pt", monkeypatch, layers=layers), reason)


def test_an_activation_of_torch_is_let_through(tmp_path: Path, monkeypatch) -> None:
    layers = {**LAYERS, "activation": "torch.nn.LeakyReLU(0.1)"}
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, layers=layers)
    assert read_checkpoint(path).layers["activation"] == "torch.nn.LeakyReLU(0.1)"


def test_a_network_inside_itself_is_refused(tmp_path: Path, monkeypatch) -> None:
    network = DetectionModel()
    network.model.add_module("2", network)
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, network=network)
    refused(path, "contains itself")
