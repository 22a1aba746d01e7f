"""MoveNet: decoding, crops, and files of both kinds that the tests make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.poses.backends import backend_identity, resolve_backend
from la2ds_cli.poses.backends.movenet import decode
from la2ds_cli.poses.rotated_crop import Region
from tests.poses.onnx_models import write_constant
from tests.tflite_models import write_constant_model

SIZE = 64


def answer(score: float = 0.7) -> np.ndarray:
    """The nose in the middle, the others on a line that ends in the middle of the lower side."""
    rows = np.zeros((1, 1, 17, 3))
    rows[0, 0, :, 0] = np.linspace(0, 1, 17)  # y
    rows[0, 0, :, 1] = np.linspace(0, 0.5, 17)  # x
    rows[0, 0, :, 2] = score
    rows[0, 0, 0, :2] = 0.5
    return rows


@pytest.fixture(params=["onnx", "onnx uint8", "tflite", "tflite float"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    kind, _, dtype = request.param.partition(" ")
    path = tmp_path / f"net.{kind}"
    if kind == "onnx":
        return write_constant(path, [1, SIZE, SIZE, 3], answer(), dtype or "int32")
    given = np.float32 if dtype else np.int32
    return write_constant_model(path, (1, SIZE, SIZE, 3), [answer()], given)


def test_rows_are_y_x_and_score() -> None:
    rows = np.zeros((1, 17, 3))
    rows[0, get_skeleton("coco17").index("left_wrist")] = [0.25, 0.75, 1.2]
    xy, score = decode(rows, Region(100, 50, 40), 256)
    np.testing.assert_allclose(xy[9], [80 + 30, 30 + 10])
    assert score[9] == 1
    np.testing.assert_allclose(xy[0], [80, 30])


def test_joints_come_back_to_the_image(model: Path) -> None:
    backend = resolve_backend(f"movenet:{model}", "cpu")
    assert (backend.skeleton, backend.device) == ("coco17", "cpu")
    images = [np.zeros((120, 160, 3), np.uint8)] * 2
    box = np.array([[40, 20, 80, 100], [100, 30, 140, 50.0]])
    xy, score = backend.estimate(images, box)
    assert xy.shape == (2, 17, 2)
    assert xy.dtype == score.dtype == np.float32
    # Squares of 1.25 times the longer side of the box, around its middle.
    np.testing.assert_allclose(xy[:, 0], [[60, 60], [120, 40]], atol=1e-4)
    np.testing.assert_allclose(xy[:, 16], [[60, 110], [120, 65]], atol=1e-4)
    np.testing.assert_allclose(score, 0.7, rtol=1e-6)
    xy, score = backend.estimate([], np.zeros((0, 4)))
    assert (xy.shape, score.shape) == ((0, 17, 2), (0, 17))


def test_the_identity_is_that_of_the_file(tmp_path: Path) -> None:
    one = write_constant(tmp_path / "one.onnx", [1, SIZE, SIZE, 3], answer(), "int32")
    two = write_constant(tmp_path / "two.onnx", [1, SIZE, SIZE, 3], answer(0.6), "int32")
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(one.read_bytes())
    assert backend_identity(f"movenet:{one}") == backend_identity(f"movenet:{copy}")
    assert backend_identity(f"movenet:{one}") != backend_identity(f"movenet:{two}")
    assert backend_identity("movenet-thunder") == "movenet-thunder:3dca9f6e:1"


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    several = write_constant(tmp_path / "m.onnx", [1, 64, 64, 3], np.zeros((1, 6, 56)), "int32")
    nchw = write_constant(tmp_path / "c.onnx", [1, 3, 64, 64], answer(), "int32")
    lite = write_constant_model(tmp_path / "m.tflite", (1, 64, 64, 3), [np.zeros((1, 6, 56))])
    for path in (several, nchw, lite):
        with pytest.raises(UserError) as caught:
            resolve_backend(f"movenet:{path}", "cpu")
        assert caught.value.exit_code == ExitCode.MISMATCH
    with pytest.raises(UserError, match="no such model file") as caught:
        resolve_backend("movenet:nothing.onnx", "cpu")
    assert caught.value.exit_code == ExitCode.UNREADABLE


def test_what_it_cannot_do_is_refused(tmp_path: Path) -> None:
    path = write_constant_model(tmp_path / "m.tflite", (1, 64, 64, 3), [answer()])
    with pytest.raises(UserError, match="a kind of network"):
        resolve_backend("movenet", "cpu")
    with pytest.raises(UserError, match="a kind of network"):
        backend_identity("movenet")
    with pytest.raises(UserError, match="no flip test"):
        resolve_backend(f"movenet:{path}", "cpu", PosesConfig(flip_test=True))
    with pytest.raises(UserError, match="only on the CPU"):
        resolve_backend(f"movenet:{path}", "cuda")
