"""RF-DETR keypoint networks. Most tests need the package; the first ones do not."""

# pyright: reportMissingImports=false
# (rfdetr is an optional package)

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.backends import backend_identity, resolve_backend
from la2ds_cli.poses.backends.rfdetr import INSTALL, RfdetrBackend
from la2ds_cli.poses.boxes import iou

needs_rfdetr = pytest.mark.skipif(
    importlib.util.find_spec("rfdetr") is None, reason=f"rfdetr is not installed: {INSTALL}"
)
BOXES = np.array([[20, 10, 60, 90.0], [100, 40, 150, 60.0]])
IMAGE = np.zeros((100, 160, 3), np.uint8)
SIDE = 48
SMALL = {
    "resolution": SIDE,
    "positional_encoding_size": 4,
    "num_queries": 6,
    "num_select": 6,
    "dec_layers": 1,
    "hidden_dim": 32,
    "sa_nheads": 2,
    "ca_nheads": 2,
    "num_classes": 1,
}


class TwoPeople:
    """Stands for the network: in every crop somebody in the middle, somebody at the border, and
    an object of another class in the middle."""

    model_config = SimpleNamespace(resolution=SIDE)

    def __init__(self) -> None:
        self.crops: list[Any] = []

    def predict(self, crops: list[Any], *, threshold: float, include_source_image: bool) -> Any:
        assert not include_source_image
        self.crops += crops
        middle = [5, 5, 43, 43]
        box = np.array([[0, 0, 8, 8], middle, middle], np.float32)
        xy = np.tile(np.array([4, 24, 30], np.float32)[:, None, None], (1, 17, 2))
        return [
            SimpleNamespace(
                class_id=np.array([0, 0, 1]),
                data={"xyxy": box},
                xy=xy,
                keypoint_confidence=np.tile(np.array([[0.9], [0.8], [0.7]]), (1, 17)),
            )
            for _ in crops
        ]


def test_the_person_in_the_box_is_taken() -> None:
    network = TwoPeople()
    xy, score = RfdetrBackend(network, 0, "cpu", 4).estimate([IMAGE] * 2, BOXES)
    assert [crop.shape for crop in network.crops] == [(SIDE, SIDE, 3)] * 2
    # The middle of the crop is that of the box.
    np.testing.assert_allclose(xy[0], np.tile([40, 50], (17, 1)), atol=1e-4)
    np.testing.assert_allclose(xy[1], np.tile([125, 50], (17, 1)), atol=1e-4)
    assert np.unique(score).tolist() == [np.float32(0.8)]


def test_settings_without_a_file_and_files_that_are_not_there() -> None:
    with pytest.raises(UserError, match="needs a file") as caught:
        resolve_backend("rfdetr", "cpu")
    assert caught.value.exit_code == ExitCode.USAGE
    with pytest.raises(UserError, match=r"none\.pth") as caught:
        backend_identity("rfdetr:none.pth")
    assert caught.value.exit_code == ExitCode.UNREADABLE


def test_a_missing_package_and_a_flip_test_are_explained(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"weights")
    assert backend_identity(f"rfdetr:{path}").startswith("rfdetr:")
    with pytest.raises(UserError, match="no flip test"):
        resolve_backend(f"rfdetr:{path}", "cpu", PosesConfig(flip_test=True))
    monkeypatch.setitem(sys.modules, "rfdetr", None)
    with pytest.raises(UserError, match="rfdetr is not installed") as caught:
        resolve_backend(f"rfdetr:{path}", "cpu")
    assert (caught.value.exit_code, caught.value.hint) == (ExitCode.ENVIRONMENT, INSTALL)


def save_small(path: Path, **settings: Any) -> Path:
    """A small network of random weights, with boxes of the size of the picture, saved as the
    package saves a trained one."""
    from rfdetr._namespace import _namespace_from_configs
    from rfdetr.config import KeypointTrainConfig, RFDETRKeypointPreviewConfig
    from rfdetr.models import build_model

    torch.manual_seed(0)
    # A path, so that no weights of the backbone are fetched.
    given = {**SMALL, **settings}
    config = RFDETRKeypointPreviewConfig(pretrain_weights=str(path), device="cpu", **given)
    train = KeypointTrainConfig(dataset_dir=None, output_dir=str(path.parent))
    network = build_model(_namespace_from_configs(config, train))
    for last in (network.bbox_embed.layers[-1], network.keypoint_embed.layers[-1]):
        torch.nn.init.normal_(last.weight, std=0.3)
        torch.nn.init.normal_(last.bias, std=0.3)
    torch.nn.init.constant_(network.bbox_embed.layers[-1].bias[2:], 2.5)
    network.class_embed.bias.data = torch.tensor([1.0, -4.0])  # a person, nothing
    torch.save(
        {
            "model": network.state_dict(),
            "args": {"num_classes": 1, "class_names": ["person"]},
            "model_name": "RFDETRKeypointPreview",
            "model_config": given,
        },
        path,
    )
    return path


@needs_rfdetr
def test_a_network_gives_the_joints_of_its_package(tmp_path: Path) -> None:
    """Of the person whose box overlaps the given one most; the picture is the crop, so that
    nothing is scaled."""
    from rfdetr import RFDETRKeypointPreview

    path = save_small(tmp_path / "small.pth")
    backend: Any = resolve_backend(f"rfdetr:{path}", "cpu")
    assert (backend.skeleton, backend.device) == ("coco17", "cpu")
    backend.least_score = 0.01
    crop = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    margin = SIDE * (1 - 1 / 1.25) / 2
    box = np.array([[margin, margin, SIDE - margin, SIDE - margin]])
    xy, score = backend.estimate([crop], box)
    theirs: Any = RFDETRKeypointPreview.from_checkpoint(path, device="cpu")
    people = theirs.predict([crop], threshold=0.01, include_source_image=False)[0]
    overlap = np.where(people.class_id == 0, iou(people.data["xyxy"], box), -1)
    best = int(overlap.argmax())
    assert (overlap > 0.1).sum() > 1
    np.testing.assert_allclose(xy[0], people.xy[best], atol=1e-3)
    np.testing.assert_allclose(score[0], people.keypoint_confidence[best], atol=1e-5)
    assert np.ptp(xy[0]) > 1
    again = backend.estimate([crop] * 3, np.tile(box, (3, 1)))
    np.testing.assert_allclose(again[0], np.tile(xy, (3, 1, 1)), atol=1e-3)


@needs_rfdetr
def test_other_files_are_refused(tmp_path: Path) -> None:
    five = save_small(tmp_path / "five.pth", num_keypoints_per_class=[5])
    hostile, nothing = tmp_path / "hostile.pth", tmp_path / "nothing.pth"
    torch.save({"args": {"hook": print}, "model": {}}, hostile)  # a pickle of more than data
    torch.save({"weights": torch.zeros(3)}, nothing)
    for path, message in (
        (five, "where the 17 of coco17"),
        (hostile, "safely load"),
        (nothing, "can use"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            resolve_backend(f"rfdetr:{path}", "cpu")
        assert caught.value.exit_code == ExitCode.MISMATCH
