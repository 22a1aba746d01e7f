"""YOLO networks by name and file; with the package installed, built again and run."""

from __future__ import annotations

import copy
import importlib.util
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
    Setting,
    import_part,
    load_model,
    model_identity,
    parse_setting,
    zoo_names,
)
from tests.poses.yolo_files import LAYERS, write_checkpoint


@pytest.mark.parametrize(
    ("setting", "model", "tracker"),
    [
        ("person.pt", "person.pt", ""),
        ("C:/models/Person.PT", "C:/models/Person.PT", ""),
        ("ultralytics", "yolo11n", ""),
        ("ultralytics:", "yolo11n", ""),
        ("ultralytics:yolo26n", "yolo26n", ""),
        ("ultralytics:a/b.pt", "a/b.pt", ""),
        ("ultralytics:a,b.pt", "a,b.pt", ""),
        ("ultralytics:yolo11n,bytetrack", "yolo11n", "bytetrack"),
        ("ultralytics:a/b.pt,botsort", "a/b.pt", "botsort"),
        ("ultralytics:,botsort", "yolo11n", "botsort"),
    ],
)
def test_settings(setting: str, model: str, tracker: str) -> None:
    assert parse_setting(setting, "yolo11n") == Setting(model, tracker)


def test_an_unknown_tracker_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="unknown tracker 'sort'") as caught:
        parse_setting("ultralytics:yolo11n,sort", "yolo11n")
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.hint == "known: bytetrack, botsort"


def test_identities(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"weights")
    digest = artifact.file_digest(path)
    assert model_identity(Setting(str(path))) == f"ultralytics:{digest}"
    assert model_identity(Setting("yolo11n")).startswith("ultralytics:yolo11n:0ebbc80d")


def test_a_missing_file_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such model file: yolo11n\.pt") as caught:
        model_identity(Setting("yolo11n.pt"))
    assert caught.value.exit_code == ExitCode.UNREADABLE


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="unknown YOLO network 'yolo5'") as caught:
        model_identity(Setting("yolo5"))
    assert caught.value.exit_code == ExitCode.USAGE
    assert "yolo11n" in zoo_names()
    assert all(name in caught.value.hint for name in zoo_names())
    assert not any(name.startswith("hrnet") for name in zoo_names())


def test_a_missing_package_is_named_with_its_extra_and_licence(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(UserError, match="package ultralytics is not installed") as caught:
        load_model(Setting("yolo11n"), "cpu", 1)
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
        load_model(Setting("yolo11n"), "cpu", 1)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "yolo11n.pt" in caught.value.hint


@pytest.mark.usefixtures("no_package")
@pytest.mark.parametrize(("names", "shown"), [({0: "cat", 1: "dog"}, "cat, dog"), ({}, "nothing")])
def test_a_network_without_people_is_refused(tmp_path, monkeypatch, names: Any, shown: str) -> None:
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, names=names)
    with pytest.raises(UserError, match=f"finds no people: its classes are {shown}") as caught:
        load_model(Setting(str(path)), "cpu", 1)
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
        model = load_model(Setting(str(path)), "cpu", 8)
        assert torch.equal(state, torch.get_rng_state())
        assert model.joints == ((17, 3) if "pose" in name else None)
        assert (model.device, model.batch_size, model.image_size) == ("cpu", 1, 640)
        feed = torch.rand(1, 3, 64, 96)
        with model.networks.borrow() as rebuilt, torch.inference_mode():
            torch.testing.assert_close(rebuilt(feed)[0], network(feed)[0], atol=1e-3, rtol=1e-3)

    def test_people_whatever_the_company_and_the_thread(self, tmp_path: Path) -> None:
        _, path = self.saved(tmp_path, "yolo11n-pose")
        model = load_model(Setting(str(path)), "cpu", 1)
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
            load_model(Setting(str(path)), "cpu", 1)
        assert caught.value.exit_code == ExitCode.MISMATCH
