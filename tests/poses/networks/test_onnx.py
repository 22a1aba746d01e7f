"""Pose networks and detectors as ONNX files: what they find, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, load, save
from typer.testing import CliRunner

from la2ds_cli.commands.app import app
from la2ds_cli.core.artifact import file_digest
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.networks import pose_identities, resolve_pose
from la2ds_cli.poses.networks import resolve_detector as _resolve_detector
from tests.poses.grey_people import film
from tests.poses.onnx_models import write_constant, write_detector, write_pose
from tests.processes import invoke
from tests.told import refused

BOX = np.array([[20, 10, 68, 74.0]])  # 48 x 64, the aspect of the tiny network
BLACK = np.zeros((32, 32, 3), np.uint8)
POSE: Any = None  # a detector of boxes does not ask for joints


def resolve_detector(path: Path, device: Any = "cpu") -> Any:
    return _resolve_detector(str(path), device, POSE)


def dot(x: int, y: int) -> np.ndarray:
    """Black image (H, W, 3) with a white 3 x 3 dot around (x, y)."""
    image = np.zeros((100, 120, 3), np.uint8)
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


# --- pose networks ------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, "n"])
def test_a_dot_is_found_in_batches_of_any_size(tmp_path: Path, batch: int | str) -> None:
    path = str(write_pose(tmp_path / "p.onnx", batch=batch, black=1.9))
    places = [(40, 30), (50, 50), (33, 61)]
    images = [dot(x, y) for x, y in places]
    xy, score, world = resolve_pose(path, "cpu").estimate(images, np.repeat(BOX, 3, axis=0))
    assert (xy.shape, score.shape, world.shape) == ((3, 17, 2), (3, 17), (3, 0, 3))
    assert xy.dtype == score.dtype == np.float32
    # A cell is four input pixels, five image pixels with the padding of the crop.
    np.testing.assert_allclose(xy[:, 0], np.array(places), atol=4)
    np.testing.assert_array_equal(xy, np.repeat(xy[:, :1], 17, axis=1))
    parts = resolve_pose(path, "cpu", PosesConfig(batch_size=2))
    again = parts.estimate(images, np.repeat(BOX, 3, axis=0))
    np.testing.assert_allclose(again[0], xy)
    none = [value.shape for value in parts.estimate([], BOX[:0])]
    assert none == [(0, 17, 2), (0, 17), (0, 0, 3)]


def test_joints_are_never_guessed_from_their_number(tmp_path: Path) -> None:
    path = write_pose(tmp_path / "p.onnx", joints=13)
    with refused(ExitCode.MISMATCH, "17 joints of coco17"):
        resolve_pose(str(path), "cpu")
    named = write_pose(tmp_path / "q.onnx", joints=13, metadata={"skeleton": "penn13"})
    assert resolve_pose(str(named), "cpu").skeleton == "penn13"


def test_weights_in_a_file_of_their_own_are_part_of_the_identity(tmp_path: Path) -> None:
    path = tmp_path / "pose.onnx"
    identities, graphs = set(), set()
    for black in (0.0, 1.0):  # as torch exports it
        model = load(str(write_pose(path, black=black)))
        weights = tmp_path / "pose.onnx.data"
        weights.unlink(missing_ok=True)
        save(model, str(path), save_as_external_data=True, location=weights.name, size_threshold=0)
        resolve_pose(str(path), "cpu").estimate([dot(40, 30)], BOX)
        graphs.add(path.read_bytes())
        identities |= set(pose_identities(str(path)))
        assert file_digest(path) in pose_identities(str(path))[0]
    assert (len(graphs), len(identities)) == (1, 2)


# --- detectors ----------------------------------------------------------------------------------


def test_people_come_back_in_pixels_of_the_image(tmp_path: Path) -> None:
    """64 x 32 shrinks to 32 x 16 and stands 8 rows down, so y loses 8 and both double."""
    rows = [[4, 10, 12, 20, 0.9, 0], [0, 0, 8, 8, 0.9, 3]]  # the second is no person
    path = write_detector(tmp_path / "d.onnx", rows)
    (found,) = resolve_detector(path).detect([np.zeros((32, 64, 3), np.uint8)])
    np.testing.assert_allclose(found, [[8, 4, 24, 24, 0.9]], rtol=1e-6)
    assert found.dtype == np.float32


def test_boxes_that_are_none_are_left_out_and_their_number_is_bounded(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    good = [1.0, 2, 20, 30, 0.9, 0]
    odd = [[nan, 2, 20, 30, 0.9, 0], [1, 2, inf, 30, 0.9, 0], [1, 2, 20, 30, nan, 0]]
    path = write_detector(tmp_path / "a.onnx", [*odd, good, [1e30, 2, 1e31, 30, 0.5, 0]])
    (boxes,) = resolve_detector(path).detect([BLACK])
    np.testing.assert_allclose(boxes, [good[:5]], rtol=1e-6)
    many = [[1.0, 2, 20, 30, n / 50_000, 0] for n in range(50_000)]
    (boxes,) = resolve_detector(write_detector(tmp_path / "b.onnx", many)).detect([BLACK])
    assert len(boxes) == 300
    assert boxes[:, 4].min() > 0.99


# --- what is refused ----------------------------------------------------------------------------


MAPS, ROWS = np.zeros((1, 17, 16, 12)), np.zeros((1, 1, 6))
CROP: list[int | str] = [1, 3, 64, 48]
FREE: dict[str, Any] = {"declared": ["b", "k", "h", "w"]}
HALF: dict[str, Any] = {"kind": TensorProto.FLOAT16}
ODD_POSE: dict[str, tuple[list[int | str], np.ndarray, dict[str, Any]]] = {
    "float16": (CROP, MAPS, HALF),
    "one channel": ([1, 1, 64, 48], MAPS, {}),
    "batch 2": ([2, 3, 64, 48], np.zeros((2, 17, 16, 12)), {}),
    "two inputs": (CROP, MAPS, {"inputs": 2}),
    "a vast input": ([1, 3, 100_000, 100_000], MAPS, {}),
    "boxes": (CROP, ROWS, {}),
    "other joints": (CROP, MAPS[:, :5], FREE),
    "no cells": (CROP, MAPS[..., :0], FREE),
    "two answers": (CROP, np.tile(MAPS, (2, 1, 1, 1)), FREE),
    "NaN": (CROP, MAPS + np.nan, {}),
}
SQUARE: list[int | str] = [1, 3, 32, 32]
ODD_DETECTOR: dict[str, tuple[list[int | str], np.ndarray, dict[str, Any]]] = {
    "float16": (SQUARE, ROWS, HALF),
    "two answers": (SQUARE, np.zeros((2, 1, 6)), {"declared": ["b", "n", 6]}),
    "columns": (SQUARE, np.zeros((1, 1, 5)), {"declared": ["b", "n", "c"]}),
}


@pytest.mark.parametrize(
    ("resolve", "odd"),
    [
        *((resolve_pose, odd) for odd in ODD_POSE.values()),
        *((resolve_detector, odd) for odd in ODD_DETECTOR.values()),
    ],
)
def test_odd_networks_are_refused(tmp_path: Path, resolve: Any, odd: Any) -> None:
    given, answer, more = odd
    path = write_constant(tmp_path / "odd.onnx", given, answer, **more)
    with refused(ExitCode.MISMATCH, r"odd.onnx has .*expected"):
        resolve(str(path), "cpu")


def test_cuda_is_never_replaced_in_silence(tmp_path: Path, monkeypatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    path = write_detector(tmp_path / "d.onnx", [[0, 0, 1, 1, 0.5, 0]])
    with refused(ExitCode.ENVIRONMENT, "CUDA"):
        resolve_detector(path, "cuda")


@pytest.mark.parametrize("name", ["two answers", "one channel"])
def test_a_network_that_never_worked_is_not_kept_in_the_project(tmp_path: Path, name: str) -> None:
    """And one that works finds the person as what is bright."""
    person = (100, 40, 140, 130)
    scenes: list[dict[int, tuple[int, int, int, int]]] = [{250: person}] * 12
    film(tmp_path / "clip.mp4", scenes)
    given, answer, more = ODD_POSE[name]
    odd = write_constant(tmp_path / "odd.onnx", given, answer, **more)
    boxes = write_detector(tmp_path / "boxes.onnx", [[*person, 0.9, 0]], size=(160, 240))
    project = StoredProject.create(tmp_path / "p")
    before = (project.root / "project.toml").read_bytes()
    command = ["extract-poses", str(tmp_path / "clip.mp4"), "--project", str(project.root)]
    command += ["--detector", str(boxes), "--device", "cpu", "--pose"]
    done = CliRunner().invoke(app, [*command, str(odd)])
    assert done.exit_code in (ExitCode.UNUSABLE, ExitCode.MISMATCH), done.output
    assert "odd.onnx has" in done.output
    assert (project.root / "project.toml").read_bytes() == before
    good = write_pose(tmp_path / "good.onnx", batch="batch")
    invoke(*command, good)
    project = StoredProject.open(project.root)
    assert project.config().poses == PosesConfig(detector=str(boxes), pose=str(good))
    pose, _ = project.read_pose(project.videos()[0].id)
    assert (pose.xy.shape, pose.skeleton) == ((12, 17, 2), "coco17")
    assert np.all((pose.xy >= np.array(person[:2]) - 2) & (pose.xy <= np.array(person[2:]) + 2))
    assert np.all(pose.score > 0.5)
