"""ONNX networks that are no pose network or detector, or a broken one: refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, load, numpy_helper, save
from typer.testing import CliRunner

from la2ds_cli.core.artifact import file_digest
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.main import app
from la2ds_cli.poses.networks import pose_identities, resolve_detector, resolve_pose
from tests.poses.grey_people import film
from tests.poses.onnx_models import write_detector, write_pose

BOX = np.array([[10, 10, 50, 60]], np.float32)
IMAGE = np.full((80, 60, 3), 200, np.uint8)
FLOAT, FLOAT16, DOUBLE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
NAN, INF = float("nan"), float("inf")


def network(
    path: Path,
    given: list[int | str],
    answer: np.ndarray,
    *,
    declared: list[int | str] | None = None,
    kind: int = FLOAT,
    answer_kind: int = FLOAT,
    inputs: int = 1,
) -> Path:
    """A network that answers any input with the same array, declared with another shape or not."""
    names = [f"input{n}" for n in range(inputs)]
    nodes = [helper.make_node("Cast", [names[0]], ["float"], to=FLOAT)]
    nodes += [helper.make_node("ReduceSum", ["float"], ["sum"], keepdims=0)]
    nodes += [helper.make_node("Mul", ["sum", "zero"], ["nothing"])]
    nodes += [helper.make_node("Add", ["answer", "nothing"], ["floats"])]
    nodes += [helper.make_node("Cast", ["floats"], ["output"], to=answer_kind)]
    constants = [
        numpy_helper.from_array(answer.astype(np.float32), "answer"),
        numpy_helper.from_array(np.zeros((), np.float32), "zero"),
    ]
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info(name, kind, given) for name in names],
        [helper.make_tensor_value_info("output", answer_kind, declared or list(answer.shape))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    save(model, str(path))
    return path


MAPS = np.zeros((1, 17, 16, 12))
FREE: list[int | str] = ["b", "k", "h", "w"]
ODD_POSE = {
    "uint8": {"given": [1, 3, 64, 48], "answer": MAPS, "kind": TensorProto.UINT8},
    "channels last": {"given": [1, 64, 48, 3], "answer": MAPS},
    "one channel": {"given": [1, 1, 64, 48], "answer": MAPS},
    "batch 2": {"given": [2, 3, 64, 48], "answer": np.zeros((2, 17, 16, 12))},
    "batch 0": {"given": [0, 3, 64, 48], "answer": np.zeros((0, 17, 16, 12))},
    "two inputs": {"given": [1, 3, 64, 48], "answer": MAPS, "inputs": 2},
    "a vector": {"given": [3], "answer": MAPS},
    "a vast input": {"given": [1, 3, 100_000, 100_000], "answer": MAPS},
    "other joints": {"given": [1, 3, 64, 48], "answer": MAPS[:, :5], "declared": FREE},
    "no joints": {"given": [1, 3, 64, 48], "answer": MAPS[:, :0], "declared": FREE},
    "no cells": {"given": [1, 3, 64, 48], "answer": MAPS[..., :0], "declared": FREE},
    "two answers": {
        "given": [1, 3, 64, 48],
        "answer": np.tile(MAPS, (2, 1, 1, 1)),
        "declared": FREE,
    },
    "NaN": {"given": [1, 3, 64, 48], "answer": MAPS + NAN},
    "infinite": {"given": [1, 3, 64, 48], "answer": MAPS + INF},
}
ODD_DETECTOR = {
    "uint8": {"given": [1, 3, 32, 32], "answer": np.zeros((1, 1, 6)), "kind": TensorProto.UINT8},
    "channels last": {"given": [1, 32, 32, 3], "answer": np.zeros((1, 1, 6))},
    "two answers": {
        "given": [1, 3, 32, 32],
        "answer": np.zeros((2, 1, 6)),
        "declared": ["b", "n", 6],
    },
    "columns": {
        "given": [1, 3, 32, 32],
        "answer": np.zeros((1, 1, 5)),
        "declared": ["b", "n", "c"],
    },
    "two axes": {"given": [1, 3, 32, 32], "answer": np.zeros((1, 6))},
}


@pytest.mark.parametrize("name", ODD_POSE)
def test_odd_pose_networks_are_refused(tmp_path: Path, name: str):
    path = network(tmp_path / "odd.onnx", **ODD_POSE[name])
    with pytest.raises(UserError, match=r"odd.onnx has .*expected") as caught:
        resolve_pose(str(path), "cpu").estimate([IMAGE], BOX)
    assert caught.value.exit_code == ExitCode.MISMATCH


@pytest.mark.parametrize("kind", [FLOAT16, DOUBLE])
def test_networks_of_other_precision_are_run(tmp_path: Path, kind: int):
    maps = MAPS.copy()
    maps[..., 7, 5] = 1
    path = network(tmp_path / "a.onnx", [1, 3, 64, 48], maps, kind=kind, answer_kind=kind)
    same = network(tmp_path / "b.onnx", [1, 3, 64, 48], maps)
    xy, score, _ = resolve_pose(str(path), "cpu").estimate([IMAGE], BOX)
    expected, _, _ = resolve_pose(str(same), "cpu").estimate([IMAGE], BOX)
    np.testing.assert_array_equal(xy, expected)
    assert (score == 1).all()


@pytest.mark.parametrize("name", ODD_DETECTOR)
def test_odd_detectors_are_refused(tmp_path: Path, name: str):
    path = network(tmp_path / "odd.onnx", **ODD_DETECTOR[name])
    pose = resolve_pose(str(write_pose(tmp_path / "pose.onnx")), "cpu")
    with pytest.raises(UserError, match=r"odd.onnx has .*expected") as caught:
        resolve_detector(str(path), "cpu", pose).detect([IMAGE])
    assert caught.value.exit_code == ExitCode.MISMATCH


def test_boxes_that_are_none_are_left_out_and_their_number_is_bounded(tmp_path: Path):
    pose = resolve_pose(str(write_pose(tmp_path / "pose.onnx")), "cpu")
    good = [1.0, 2, 20, 30, 0.9, 0]
    odd = [[NAN, 2, 20, 30, 0.9, 0], [1, 2, INF, 30, 0.9, 0], [1, 2, 20, 30, NAN, 0]]
    path = write_detector(tmp_path / "a.onnx", [*odd, good, [1e30, 2, 1e31, 30, 0.5, 0]])
    (boxes,) = resolve_detector(str(path), "cpu", pose).detect([IMAGE])
    assert boxes.shape == (1, 5)
    assert boxes[0, 4] == pytest.approx(0.9)
    many = [[1.0, 2, 20, 30, n / 50_000, 0] for n in range(50_000)]
    path = write_detector(tmp_path / "b.onnx", many)
    (boxes,) = resolve_detector(str(path), "cpu", pose).detect([IMAGE])
    assert len(boxes) == 300
    assert boxes[:, 4].min() > 0.99


@pytest.mark.parametrize("name", ["two answers", "NaN", "one channel"])
def test_a_network_that_never_worked_is_not_kept_in_the_project(tmp_path: Path, name: str):
    film(tmp_path / "clip.mp4", [{250: (100, 40, 140, 130)}] * 12)
    odd = network(tmp_path / "odd.onnx", **ODD_POSE[name])
    boxes = write_detector(tmp_path / "boxes.onnx", [[100, 40, 140, 130, 0.9, 0]], size=(160, 240))
    project = Project.create(tmp_path / "p")
    before = (project.root / "project.toml").read_bytes()
    command = ["extract-poses", str(tmp_path / "clip.mp4"), "--project", str(project.root)]
    command += ["--detector", str(boxes), "--device", "cpu", "--pose"]
    done = CliRunner().invoke(app, [*command, str(odd)])
    assert done.exit_code in (ExitCode.UNUSABLE, ExitCode.MISMATCH), done.output
    assert "odd.onnx has" in done.output
    assert (project.root / "project.toml").read_bytes() == before
    good = write_pose(tmp_path / "good.onnx")
    assert CliRunner().invoke(app, [*command, str(good)]).exit_code == ExitCode.OK
    assert Project.open(project.root).config().poses == PosesConfig(
        detector=str(boxes), pose=str(good)
    )


def _with_weights_apart(path: Path, location: str, black: float) -> Path:
    """A pose network whose weights are in another file, as torch exports it."""
    model = load(str(write_pose(path, black=black)))
    save(model, str(path), save_as_external_data=True, location=location, size_threshold=0)
    return path


def test_weights_in_a_file_of_their_own_are_part_of_the_identity(tmp_path: Path):
    path, location = str(tmp_path / "pose.onnx"), "pose.onnx.data"
    _with_weights_apart(Path(path), location, 0.0)
    graph, identity = Path(path).read_bytes(), pose_identities(path)[0]
    resolve_pose(path, "cpu").estimate([IMAGE], BOX)
    (tmp_path / location).unlink()
    _with_weights_apart(Path(path), location, 1.0)
    assert Path(path).read_bytes() == graph
    assert pose_identities(path)[0] != identity
    assert file_digest(Path(path)) in identity
