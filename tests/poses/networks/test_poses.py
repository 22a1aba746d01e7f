"""What every pose backend promises, and how one is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.plugins import plugin_names
from la2ds_cli.poses.networks import paper, pose_identities, resolve_pose
from la2ds_cli.poses.top_down import TopDownBackend
from la2ds_models.weight_files import zoo
from tests.poses.onnx_models import write_detector, write_pose

BOX = np.array([[20, 10, 68, 74.0]])  # 48 x 64, the aspect of the tiny network


def dot(x: int, y: int, size: tuple[int, int] = (100, 120)) -> np.ndarray:
    """Black image (H, W, 3) with a white 3 x 3 dot around (x, y)."""
    image = np.zeros((*size, 3), np.uint8)
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


def test_the_shipped_backends() -> None:
    assert {"hrnet-demo", "hrnet-w32", "hrnet-w48-384", "hrnet-w48-v0"} <= set(
        plugin_names("la2ds_cli.poses.networks", "POSES")
    )


@pytest.mark.parametrize("name", paper.POSES)
def test_identities_name_the_weights(name: str) -> None:
    identity = pose_identities(name)[0]
    assert identity.startswith(f"{name}:")
    assert len(identity.split(":")[1]) >= 8


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="openpose") as caught:
        resolve_pose("openpose", "cpu")
    assert caught.value.exit_code == ExitCode.USAGE
    for text in (*plugin_names("la2ds_cli.poses.networks", "POSES"), "--pose FILE.onnx"):
        assert text in caught.value.hint


def test_missing_weights_are_explained_and_the_demo_is_no_substitute(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    with pytest.raises(UserError, match="hrnet-w32") as caught:
        resolve_pose("hrnet-w32", "cpu")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    entry = zoo()["hrnet-w32"]
    for text in (entry.file, entry.sha256, entry.urls[0], str(tmp_path), "--pose FILE.onnx"):
        assert text in caught.value.hint


@pytest.mark.parametrize("batch", [1, "n"])
def test_an_onnx_file_finds_a_dot(tmp_path: Path, batch: int | str) -> None:
    backend = resolve_pose(str(write_pose(tmp_path / "p.onnx", batch=batch, black=1.9)), "cpu")
    places = [(40, 30), (50, 50), (33, 61)]
    images = [dot(x, y) for x, y in places]
    xy, score, _ = backend.estimate(images, np.repeat(BOX, 3, axis=0))
    assert xy.shape == (3, 17, 2)
    assert score.shape == (3, 17)
    assert xy.dtype == score.dtype == np.float32
    # A cell is four input pixels, five image pixels with the padding of the crop.
    np.testing.assert_allclose(xy[:, 0], np.array(places), atol=4)
    np.testing.assert_array_equal(xy, np.repeat(xy[:, :1], 17, axis=1))


def test_batches_change_nothing(tmp_path: Path) -> None:
    path = str(write_pose(tmp_path / "p.onnx", batch="n"))
    images = [dot(30 + 3 * i, 40) for i in range(7)]
    whole = resolve_pose(path, "cpu", PosesConfig(batch_size=16)).estimate(
        images, np.repeat(BOX, 7, axis=0)
    )
    parts = resolve_pose(path, "cpu", PosesConfig(batch_size=3)).estimate(
        images, np.repeat(BOX, 7, axis=0)
    )
    np.testing.assert_allclose(whole[0], parts[0])
    np.testing.assert_allclose(whole[1], parts[1])


def test_no_boxes_give_no_joints(tmp_path: Path) -> None:
    xy, score, _ = resolve_pose(str(write_pose(tmp_path / "p.onnx")), "cpu").estimate(
        [], np.zeros((0, 4))
    )
    assert xy.shape == (0, 17, 2)
    assert score.shape == (0, 17)


def test_joints_are_never_guessed_from_their_number(tmp_path: Path) -> None:
    path = write_pose(tmp_path / "p.onnx", joints=13)
    with pytest.raises(UserError, match="17 joints of coco17") as caught:
        resolve_pose(str(path), "cpu")
    assert caught.value.exit_code == ExitCode.MISMATCH
    named = write_pose(tmp_path / "q.onnx", joints=13, metadata={"skeleton": "penn13"})
    assert resolve_pose(str(named), "cpu").skeleton == "penn13"


def test_a_detector_is_refused_as_a_pose_network(tmp_path: Path) -> None:
    path = write_detector(tmp_path / "d.onnx", [[0, 0, 1, 1, 0.5, 0]])
    with pytest.raises(UserError, match="heatmaps") as caught:
        resolve_pose(str(path), "cpu")
    assert caught.value.exit_code == ExitCode.MISMATCH


def test_crops_are_normalised_rgb() -> None:
    fed = []

    def forward(crop: np.ndarray) -> np.ndarray:
        fed.append(crop)
        return np.zeros((len(crop), 17, 16, 12), np.float32)

    image = np.zeros((100, 120, 3), np.uint8)
    image[:, :, 0] = 255
    TopDownBackend(forward, (64, 48), "coco17", "cpu", batch_size=1).estimate([image], BOX)
    red, green, blue = fed[0][0, :, 32, 24]
    assert fed[0].shape == (1, 3, 64, 48)
    assert red == pytest.approx((1 - 0.485) / 0.229, abs=1e-5)
    assert green == pytest.approx(-0.456 / 0.224, abs=1e-5)
    assert blue == pytest.approx(-0.406 / 0.225, abs=1e-5)
