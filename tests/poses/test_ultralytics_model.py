"""YOLO networks: settings, checkpoints that are refused, and what they find."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses import ultralytics_model
from la2ds_cli.poses.ultralytics_model import (
    import_part,
    load_model,
    model_identity,
    model_name,
    read_checkpoint,
    zoo_names,
)
from tests.poses.yolo_files import LAYERS, DetectionModel, write_checkpoint


@pytest.mark.parametrize(
    ("setting", "model"),
    [
        ("person.pt", "person.pt"),
        ("C:/models/Person.PT", "C:/models/Person.PT"),
        ("ultralytics", "yolo11n"),
        ("ultralytics:", "yolo11n"),
        ("ultralytics:yolo26n", "yolo26n"),
        ("ultralytics:a,b.pt", "a,b.pt"),
    ],
)
def test_settings(setting: str, model: str) -> None:
    assert model_name(setting, "yolo11n") == model


def test_identities(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"weights")
    digest = artifact.file_digest(path)
    assert model_identity(str(path)) == f"ultralytics:{digest}"
    assert model_identity("yolo11n").startswith("ultralytics:yolo11n:0ebbc80d")


def test_a_missing_file_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such model file: yolo11n\.pt") as caught:
        model_identity("yolo11n.pt")
    assert caught.value.exit_code == ExitCode.UNREADABLE


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="unknown YOLO network 'yolo5'") as caught:
        model_identity("yolo5")
    assert caught.value.exit_code == ExitCode.USAGE
    assert "yolo11n" in zoo_names()
    assert all(name in caught.value.hint for name in zoo_names())
    assert not any(name.startswith("hrnet") for name in zoo_names())


def test_a_missing_package_is_named_with_its_extra_and_licence(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(UserError, match="package ultralytics is not installed") as caught:
        load_model("yolo11n", "cpu", 1)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "pip install 'la2ds[ultralytics]'" in caught.value.hint
    assert "AGPL-3.0" in caught.value.hint
    assert list(tmp_path.iterdir()) == []  # nothing was downloaded for nothing


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is decided before ultralytics has anything to do."""
    monkeypatch.setattr(ultralytics_model, "import_part", lambda part: None)


@pytest.mark.usefixtures("no_package")
def test_missing_weights_are_explained(tmp_path: Path, monkeypatch) -> None:
    for variable in ("LA2DS_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    with pytest.raises(UserError, match="yolo11n") as caught:
        load_model("yolo11n", "cpu", 1)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "yolo11n.pt" in caught.value.hint


@pytest.mark.usefixtures("no_package")
@pytest.mark.parametrize(("names", "shown"), [({0: "cat", 1: "dog"}, "cat, dog"), ({}, "nothing")])
def test_a_network_without_people_is_refused(tmp_path, monkeypatch, names: Any, shown: str) -> None:
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, names=names)
    with pytest.raises(
        UserError, match=f"does not detect people; its classes are {shown}"
    ) as caught:
        load_model(str(path), "cpu", 1)
    assert caught.value.exit_code == ExitCode.MISMATCH


class TestWithThePackage:
    """Random weights: what comes out means nothing, but must be what ultralytics computes."""

    @pytest.fixture(autouse=True)
    def _package(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
        if importlib.util.find_spec("ultralytics") is None:
            pytest.skip("needs la2ds[ultralytics]")
        self.tasks = import_part("nn.tasks")

    def saved(self, folder: Path, name: str) -> tuple[Any, Path]:
        """A network of random weights and its file, written by torch as ultralytics does."""
        kind = self.tasks.PoseModel if "pose" in name else self.tasks.DetectionModel
        torch.manual_seed(0)
        network = kind(f"{name}.yaml", nc=1, verbose=False).eval()
        network.names = {0: "person"}
        network.args = {"task": network.yaml.get("kpt_shape", "detect")}
        path = folder / f"{name}.pt"
        torch.save({"model": copy.deepcopy(network), "ema": None, "train_args": {}}, path)
        return network, path

    @pytest.mark.parametrize("name", ["yolo11n", "yolo26n-pose"])
    def test_a_network_is_built_again(self, tmp_path: Path, name: str) -> None:
        network, path = self.saved(tmp_path, name)
        state = torch.get_rng_state()
        model = load_model(str(path), "cpu", 8)
        assert torch.equal(state, torch.get_rng_state())
        assert model.joints == ((17, 3) if "pose" in name else None)
        assert (model.device, model.batch_size, model.image_size) == ("cpu", 1, 640)
        feed = torch.rand(1, 3, 64, 96)
        with model.networks.borrow() as rebuilt, torch.inference_mode():
            torch.testing.assert_close(rebuilt(feed)[0], network(feed)[0], atol=1e-3, rtol=1e-3)

    def test_people_whatever_the_company_and_the_thread(self, tmp_path: Path) -> None:
        _, path = self.saved(tmp_path, "yolo11n-pose")
        model = load_model(str(path), "cpu", 1)
        random = np.random.default_rng(0)
        pictures = list(random.integers(0, 256, (3, 64, 96, 3), dtype=np.uint8))
        found = model.detect(pictures, 0.0)
        assert all(rows.shape[1] == 5 + 51 for rows in found)
        assert all(len(rows) for rows in found)
        wide = random.integers(0, 256, (96, 64, 3), dtype=np.uint8)
        with ThreadPoolExecutor(3) as threads:
            jobs = [threads.submit(model.detect, [p], 0.0) for p in (*pictures, wide, *pictures)]
            again = [job.result()[0] for job in jobs]
        for rows, once, twice in zip(found, again[:3], again[4:], strict=True):
            np.testing.assert_array_equal(rows, once)
            np.testing.assert_array_equal(rows, twice)

    def test_weights_that_do_not_fit_are_refused(self, tmp_path: Path, monkeypatch) -> None:
        layers = {**LAYERS, "head": [[[0, 1], 1, "Detect", ["nc"]]]}
        path = write_checkpoint(tmp_path / "a.pt", monkeypatch, layers=layers)
        with pytest.raises(UserError, match="does not fit the installed ultralytics") as caught:
            load_model(str(path), "cpu", 1)
        assert caught.value.exit_code == ExitCode.MISMATCH


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
    refused(path, "not a YOLO checkpoint")
    assert not folder.exists()


def test_newer_pickle_opcodes_are_refused(tmp_path: Path) -> None:
    folder, path = tmp_path / "made", tmp_path / "a.pt"
    torch.save({"model": Hostile(folder)}, path, pickle_protocol=4)
    refused(path, "not a YOLO checkpoint")
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", b"\x89PNG"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    refused(path, "not a YOLO checkpoint")


def test_weights_without_a_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(DetectionModel().state_dict(), path)
    refused(path, "it contains no network")


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
