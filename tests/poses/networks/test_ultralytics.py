"""YOLO pose networks: which person of a crop, and where its joints lie."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.networks import pose_identities, resolve_pose
from la2ds_cli.poses.networks import ultralytics as backends
from la2ds_cli.poses.networks.ultralytics import (
    UltralyticsBackend,
    best_match,
    read_joints,
    to_crop,
)
from la2ds_cli.poses.top_down import crop_matrix, to_image
from la2ds_cli.poses.ultralytics_model import import_part


def row(box: tuple[float, ...], score: float, x: float, y: float, seen: float) -> np.ndarray:
    """A person all of whose joints lie at (x, y)."""
    return np.array([*box, score, *np.tile([x, y, seen], 17)], np.float32)


class TwoPeople:
    """Stands for the network: a strong person at the left edge of every crop, and a weak one whose
    box is what is bright, with the joints in its middle."""

    image_size = 128
    joints = (17, 3)
    device = "cpu"

    def detect(self, pictures: list[np.ndarray], least_score: float) -> list[np.ndarray]:
        assert least_score == 0.25
        found = []
        for picture in pictures:
            assert picture.shape == (128, 96, 3)
            people = [row((0, 0, 10, 128), 0.9, 5, 64, 0.9)]
            y, x = np.nonzero(picture[:, :, 0] > 200)
            if len(x):
                box = x.min(), y.min(), x.max() + 1, y.max() + 1
                people.append(row(box, 0.3, x.mean(), y.mean(), 0.6))
            found.append(np.stack(people))
        return found


def test_the_person_in_the_box_is_taken() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[60:140, 100:140] = 255
    model: Any = TwoPeople()
    box = np.array([[100, 60, 140, 140], [102, 70, 150, 130.0]])
    xy, score, _ = UltralyticsBackend(model).estimate([image, image], box)
    assert xy.shape == (2, 17, 2)
    assert xy.dtype == score.dtype == np.float32
    np.testing.assert_allclose(xy, np.broadcast_to([119.5, 99.5], (2, 17, 2)), atol=0.6)
    np.testing.assert_allclose(score, 0.6)


def test_somebody_else_in_the_crop_does_not_count() -> None:
    model: Any = TwoPeople()
    image = np.zeros((200, 300, 3), np.uint8)
    xy, score, _ = UltralyticsBackend(model).estimate([image], np.array([[100, 60, 140, 140.0]]))
    np.testing.assert_array_equal(score, 0)
    assert xy.shape == (1, 17, 2)


def test_no_boxes_give_no_joints() -> None:
    model: Any = TwoPeople()
    xy, score, _ = UltralyticsBackend(model).estimate([], np.zeros((0, 4)))
    assert xy.shape == (0, 17, 2)
    assert score.shape == (0, 17)


def test_a_box_goes_to_the_crop_and_back() -> None:
    box = np.array([10, 20, 50, 100.0])
    matrix = crop_matrix(box, (128, 96))
    inside = to_crop(box, matrix)
    # 80 pixels high, a quarter more around it: 1.28 crop pixels per image pixel
    np.testing.assert_allclose(inside, [48 - 25.6, 64 - 51.2, 48 + 25.6, 64 + 51.2])
    back = to_image(inside.reshape(1, 2, 2), matrix[None])[0]
    np.testing.assert_allclose(back.reshape(4), box)


def test_the_best_match() -> None:
    found = np.array([[0, 0, 10, 10, 0.9], [10, 0, 20, 10, 0.3], [12, 0, 22, 10, 0.3]])
    assert best_match(found, np.array([11, 0, 21, 10])) == 1  # equal overlap: the first
    assert best_match(found, np.array([13, 0, 23, 10])) == 2
    assert best_match(found, np.array([40, 0, 50, 10])) == -1
    assert best_match(found[:0], np.array([0, 0, 10, 10])) == -1


def test_joints_without_a_score_get_that_of_the_person() -> None:
    xy, score = read_joints(np.arange(5 + 34, dtype=np.float32) / 100)
    np.testing.assert_allclose(xy[0], [0.05, 0.06])
    np.testing.assert_allclose(score, 0.04)
    xy, score = read_joints(row((0, 0, 1, 1), 0.4, 7, 8, 1.0001))
    np.testing.assert_array_equal(xy, np.tile([7, 8], (17, 1)))
    np.testing.assert_array_equal(score, 1)


@pytest.mark.parametrize(
    ("joints", "found"), [(None, "only boxes"), ((21, 3), "21 joints"), ((4, 2), "4 joints")]
)
def test_other_joints_are_refused(monkeypatch, joints: Any, found: str) -> None:
    model = SimpleNamespace(joints=joints)
    monkeypatch.setattr(backends, "load_model", lambda *_: model)
    with pytest.raises(
        UserError, match=f"finds {found}, but la2ds needs the 17 joints of coco17"
    ) as caught:
        resolve_pose("ultralytics:hand.pt", "cpu")
    assert caught.value.exit_code == ExitCode.MISMATCH


def test_the_identity_names_the_weights() -> None:
    assert pose_identities("ultralytics")[0].startswith("ultralytics:yolo11n-pose:869e83fc")
    assert pose_identities("ultralytics:yolo26n-pose")[0].startswith("ultralytics:yolo26n-pose:")


def test_a_real_network_runs(tmp_path: Path, monkeypatch) -> None:
    """Random weights: the joints mean nothing, but they are those of the best box, in order."""
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("needs la2ds[ultralytics]")
    import torch

    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    torch.manual_seed(0)
    network = import_part("nn.tasks").PoseModel("yolo11n-pose.yaml", nc=1, verbose=False).eval()
    network.names = {0: "person"}
    path = tmp_path / "a-pose.pt"
    torch.save({"model": copy.deepcopy(network), "train_args": {"imgsz": 128}}, path)
    backend = resolve_pose(str(path), "cpu")
    assert isinstance(backend, UltralyticsBackend)
    assert backend.skeleton == "coco17"
    assert backend.device == "cpu"
    assert "AGPL-3.0" in backend.notice
    images = list(np.random.default_rng(0).integers(0, 256, (2, 90, 120, 3), dtype=np.uint8))
    box = np.array([[20, 10, 80, 85], [30, 20, 90, 80.0]])
    everybody = UltralyticsBackend(backend.model, least_score=0.0)
    xy, score, _ = everybody.estimate(images, box)
    assert (score > 0).all()
    assert np.isfinite(xy).all()
    again = everybody.estimate(images[::-1], box[::-1])
    np.testing.assert_array_equal(xy, again[0][::-1])
