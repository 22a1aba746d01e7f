"""What is no file of ours, or no longer, is refused by name and never run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.embedding.onnx_model import open_model, pack
from tests.exported_models import exported_project, poses_of
from tests.poses.onnx_models import write_pose

pytest.importorskip("onnxscript", reason="needs the extra `export`")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return exported_project(tmp_path_factory.mktemp("onnx") / "project")


@pytest.fixture
def model(project: Project, tmp_path: Path) -> Path:
    """The exported file, elsewhere."""
    return Path(shutil.copy(project.run_dir("swing") / "model.onnx", tmp_path / "swing.onnx"))


def _again(path: Path, **changes: Any) -> Path:
    """The file with other entries in its header, and a digest that fits."""
    loaded = onnx.load(path)
    header = json.loads(loaded.metadata_props[0].value)
    del loaded.metadata_props[:]
    path.write_bytes(pack(loaded, header | changes))
    return path


def _quantised(path: Path) -> Path:
    """A tool has changed the weights and kept the metadata."""
    loaded = onnx.load(path)
    weight = loaded.graph.initializer[-1]
    weight.raw_data = bytes(len(weight.raw_data))
    onnx.save(loaded, path)
    return path


def _without_entry(path: Path) -> Path:
    loaded = onnx.load(path)
    del loaded.metadata_props[:]
    onnx.save(loaded, path)
    return path


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:2000])
    return path


def _weights_outside(path: Path) -> Path:
    """Part of the weights lies in a file beside it."""
    (path.parent / "weights.bin").write_bytes(bytes(1000))
    loaded = onnx.load(path)
    header = json.loads(loaded.metadata_props[0].value)
    del loaded.metadata_props[:]
    bias = next(w for w in loaded.graph.initializer if w.name.endswith("bias"))
    bias.ClearField("raw_data")
    bias.data_location = TensorProto.EXTERNAL
    entry = bias.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    path.write_bytes(pack(loaded, header))
    return path


def _custom(path: Path) -> Path:
    """An operator of somebody's library."""
    node = helper.make_node("Run", ["joints"], ["embedding"], domain="their.library")
    value = helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["frames", 65])
    answer = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["frames", 16])
    graph = helper.make_graph([node], "custom", [value], [answer])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("their.library", 1)]
    foreign = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(pack(foreign, json.loads(onnx.load(path).metadata_props[0].value)))
    return path


_OTHER = {"name": "penn13", "joints": ["nose"], "limbs": []}
_UNKNOWN = {"name": "centaur", "joints": ["hoof"], "limbs": []}


@pytest.mark.parametrize(
    ("spoil", "code", "reason"),
    [
        (lambda path: path.with_name("gone.onnx"), ExitCode.UNREADABLE, "No such file"),
        (lambda path: path.parent, ExitCode.UNREADABLE, "cannot read"),
        (_cut, ExitCode.UNREADABLE, "not a usable ONNX model"),
        (_custom, ExitCode.UNREADABLE, "not a usable ONNX model.*their.library"),
        (_weights_outside, ExitCode.UNREADABLE, "External data"),
        (lambda path: write_pose(path, 13), ExitCode.MISMATCH, "la2ds did not export it"),
        (_without_entry, ExitCode.MISMATCH, "la2ds did not export it"),
        (_quantised, ExitCode.MISMATCH, "changed since la2ds exported it"),
        (lambda path: _again(path, schema=2), ExitCode.MISMATCH, "schema 2, expected 1"),
        (lambda path: _again(path, embedding=1), ExitCode.MISMATCH, "embeds differently"),
        (lambda path: _again(path, run=7), ExitCode.MISMATCH, "damaged"),
        (lambda path: _again(path, skeleton="penn13"), ExitCode.MISMATCH, "damaged"),
        (
            lambda path: _again(path, skeleton=_OTHER),
            ExitCode.MISMATCH,
            "skeleton penn13 does not match",
        ),
        (
            lambda path: _again(path, skeleton=_UNKNOWN),
            ExitCode.MISMATCH,
            "skeleton centaur does not match",
        ),
        (
            lambda path: _again(path, settings={"model": {"wings": 2}}),
            ExitCode.MISMATCH,
            "settings are unknown.*wings",
        ),
        (
            lambda path: _again(path, settings={"model": {"input": "heatmap"}}),
            ExitCode.MISMATCH,
            "its settings require {'maps'",
        ),
    ],
)
def test_what_is_not_ours_is_refused(
    model: Path, spoil: Any, code: ExitCode, reason: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(model.parent)
    with pytest.raises(UserError, match=reason) as caught:
        open_model(spoil(model))
    assert caught.value.exit_code == code
    assert caught.value.hint


def test_a_graph_that_answers_something_else_is_refused(model: Path, project: Project):
    loaded = onnx.load(model)
    header = json.loads(loaded.metadata_props[0].value)
    node = helper.make_node("ReduceMean", ["joints"], ["embedding"], keepdims=1)
    given = loaded.graph.input[0]
    answer = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 1])
    graph = helper.make_graph([node], "mean", [given], [answer])
    forged = helper.make_model(graph, opset_imports=loaded.opset_import, ir_version=8)
    model.write_bytes(pack(forged, header))
    with pytest.raises(UserError, match=r"returns \(1, 1\) for"):
        open_model(model).embedder()(poses_of(project)[:1])
