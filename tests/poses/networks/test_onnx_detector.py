from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.networks import detector_identities, resolve_detector
from la2ds_cli.poses.networks.onnx import letterbox
from tests.poses.onnx_models import write_detector, write_mean_detector, write_pose

POSE: Any = None  # a detector of boxes does not ask for joints


def test_boxes_come_back_in_pixels_of_the_image(tmp_path: Path) -> None:
    """64 x 32 shrinks to 32 x 16 and stands 8 rows down, so y loses 8 and both double."""
    path = write_detector(tmp_path / "d.onnx", [[4, 10, 12, 20, 0.9, 0]])
    (found,) = resolve_detector(str(path), "cpu", POSE).detect([np.zeros((32, 64, 3), np.uint8)])
    np.testing.assert_allclose(found, [[8, 4, 24, 24, 0.9]], rtol=1e-6)
    assert found.dtype == np.float32


def test_only_people_are_returned(tmp_path: Path) -> None:
    rows = [[0, 0, 8, 8, 0.9, 3], [1, 1, 9, 9, 0.4, 0]]
    path = write_detector(tmp_path / "d.onnx", rows)
    (found,) = resolve_detector(str(path), "cpu", POSE).detect([np.zeros((32, 32, 3), np.uint8)])
    np.testing.assert_allclose(found, [[1, 1, 9, 9, 0.4]], rtol=1e-6)


def test_every_image_gets_its_boxes(tmp_path: Path) -> None:
    path = write_mean_detector(tmp_path / "d.onnx")
    images = [np.full((32, 32, 3), value, np.uint8) for value in (0, 51, 255)]
    found = resolve_detector(str(path), "cpu", POSE).detect(images)
    np.testing.assert_allclose([f[0, 4] for f in found], [0, 0.2, 1], atol=1e-6)


def test_letterbox_keeps_the_aspect_and_pads_with_grey() -> None:
    canvas, scale, shift = letterbox(np.full((40, 20, 3), 255, np.uint8), (20, 20))
    assert scale.tolist() == [0.5, 0.5]
    assert shift.tolist() == [5, 0]
    assert (canvas[:, 5:15] == 255).all()
    assert (canvas[:, :5] == 114).all()
    assert (canvas[:, 15:] == 114).all()


def test_a_pose_network_is_refused_as_a_detector(tmp_path: Path) -> None:
    path = write_pose(tmp_path / "pose.onnx")
    with pytest.raises(UserError, match=r"\(1, N, 6\)") as caught:
        resolve_detector(str(path), "cpu", POSE)
    assert caught.value.exit_code == ExitCode.MISMATCH


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"broken\.onnx") as caught:
        resolve_detector(str(path), "cpu", POSE)
    assert caught.value.exit_code == ExitCode.UNREADABLE


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for call in (
        lambda name: resolve_detector(name, "cpu", POSE),
        detector_identities,
    ):
        with pytest.raises(UserError, match=r"none\.onnx") as caught:
            call(str(tmp_path / "none.onnx"))
        assert caught.value.exit_code == ExitCode.UNREADABLE


def test_identity_is_of_the_content(tmp_path: Path) -> None:
    one = write_detector(tmp_path / "a.onnx", [[0, 0, 1, 1, 0.5, 0]])
    other = write_detector(tmp_path / "b.onnx", [[0, 0, 1, 1, 0.6, 0]])
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(one.read_bytes())
    assert detector_identities(str(one)) == detector_identities(str(copy))
    assert detector_identities(str(one)) != detector_identities(str(other))


def test_cuda_is_never_replaced_in_silence(tmp_path: Path, monkeypatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    path = write_detector(tmp_path / "d.onnx", [[0, 0, 1, 1, 0.5, 0]])
    with pytest.raises(UserError, match="CUDA") as caught:
        resolve_detector(str(path), "cuda", POSE)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
