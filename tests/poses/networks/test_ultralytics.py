"""YOLO pose networks: which person of a crop, and where its joints lie."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.networks import (
    detector_identities,
    pose_identities,
    resolve_detector,
    resolve_pose,
)
from la2ds_cli.poses.networks import ultralytics as backends
from la2ds_cli.poses.networks import ultralytics as detectors
from la2ds_cli.poses.networks.ultralytics import (
    UltralyticsBackend,
    UltralyticsDetector,
    best_match,
    input_size,
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


POSE: Any = None


class SquareFinder:
    """Stands for the network: the box of what is bright, of score 0.9, and joints to ignore."""

    image_size = 64

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def detect(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        self.seen += [picture.shape for picture in pictures]
        return [self._box(picture[:, :, 0] > 200) for picture in pictures]

    @staticmethod
    def _box(bright: np.ndarray) -> np.ndarray:
        y, x = np.nonzero(bright)
        if not len(x):
            return np.zeros((0, 8), np.float32)
        row = [x.min(), y.min(), x.max() + 1, y.max() + 1, 0.9, 1, 2, 3]
        return np.array([row], np.float32)


def noise(shape: tuple[int, int], seed: int) -> np.ndarray:
    """A picture (H, W, 3) uint8 with detail of every size."""
    layers = [
        cv2.resize(np.random.default_rng([seed, side]).random((side, side, 3)), shape[::-1])
        for side in (4, 16, 64, 256)
    ]
    return np.asarray(255 * np.mean(layers, axis=0), np.uint8)


def bright(shape: tuple[int, int], x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    image = np.zeros((*shape, 3), np.uint8)
    image[y1:y2, x1:x2] = 255
    return image


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((480, 854), (384, 640)),
        ((1280, 720), (640, 384)),
        ((640, 640), (640, 640)),
        ((10, 2000), (32, 640)),
        ((481, 854), (384, 640)),
    ],
)
def test_the_input_is_as_small_as_the_aspect_allows(shape, expected) -> None:
    assert input_size(shape, 640) == expected


def test_boxes_come_back_to_pictures_of_several_sizes() -> None:
    finder: Any = SquareFinder()
    images = [
        bright((96, 128), 20, 40, 60, 80),
        bright((96, 128), 64, 0, 128, 48),
        bright((128, 80), 8, 16, 40, 96),
        np.zeros((128, 80, 3), np.uint8),
    ]
    found = UltralyticsDetector(finder).detect(images)
    assert finder.seen == [(64, 64, 3), (64, 64, 3), (64, 64, 3), (64, 64, 3)]
    np.testing.assert_allclose(found[0], [[20, 40, 60, 80, 0.9]], rtol=1e-6)
    np.testing.assert_allclose(found[1], [[64, 0, 128, 48, 0.9]], rtol=1e-6)
    np.testing.assert_allclose(found[2], [[8, 16, 40, 96, 0.9]], rtol=1e-6)
    assert found[3].shape == (0, 5)


def test_boxes_are_scaled_back_by_the_scale_of_each_axis() -> None:
    """Of 481 rows and 854 columns 360 and 640 remain: 0.7484 and 0.7494 of them."""
    finder: Any = SquareFinder()
    finder.image_size = 640
    ((box,),) = UltralyticsDetector(finder).detect([np.full((481, 854, 3), 255, np.uint8)])
    np.testing.assert_allclose(box, [0, 0, 854, 481, 0.9], rtol=1e-6)


def test_boxes_are_those_of_ultralytics(tmp_path: Path, monkeypatch) -> None:
    """Boxes of YOLO.predict, sides cut at the border of the picture as it does. The weights are
    random, but pictures went through the layers, so that boxes and scores differ from place to
    place."""
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("needs la2ds[ultralytics]")
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    tasks, models = import_part("nn.tasks"), import_part("models")
    torch.manual_seed(0)
    network = tasks.DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # statistics of all pictures below
    with torch.no_grad():
        for seed in range(3):
            picture = torch.from_numpy(noise((384, 640), seed))
            network.train().predict(picture.permute(2, 0, 1)[None].float() / 255)
    for head in (*network.model[-1].cv2, *network.model[-1].cv3):
        torch.nn.init.normal_(head[-1].weight, std=0.2)
        torch.nn.init.constant_(head[-1].bias, -1)
    network.eval().names = {0: "person"}
    network.args = dict(tasks.DEFAULT_CFG_DICT)
    path = tmp_path / "random.pt"
    torch.save({"model": network, "ema": None, "train_args": {}}, path)
    detector = resolve_detector(str(path), "cpu", POSE)
    yolo = models.YOLO(str(path))
    for shape in ((481, 854), (1080, 1920), (640, 360), (200, 300)):
        picture = noise(shape, 5)
        expected = yolo.predict(picture[..., ::-1], conf=0.05, verbose=False, device="cpu")[0].boxes
        (found,) = detector.detect([picture])
        found[:, :4] = np.clip(found[:, :4], 0, np.tile(shape[::-1], 2))
        assert len(expected) > 5
        np.testing.assert_allclose(found[:, :4], expected.xyxy.numpy(), rtol=0, atol=0.05)
        np.testing.assert_allclose(found[:, 4], expected.conf.numpy(), rtol=0, atol=1e-4)


def test_what_is_built(monkeypatch) -> None:
    loaded = []

    def load(model: str, device: str, batch_size: int) -> Any:
        loaded.append((model, device))
        return SquareFinder()

    monkeypatch.setattr(detectors, "load_model", load)
    plain = resolve_detector("people.pt", "cpu", POSE)
    known = resolve_detector("ultralytics:yolo26n", "cpu", POSE)
    assert loaded == [("people.pt", "cpu"), ("yolo26n", "cpu")]
    assert all("AGPL-3.0" in getattr(built, "notice", "") for built in (plain, known))


def test_identities(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"weights")
    digest = artifact.file_digest(path)
    assert detector_identities(str(path)) == (f"ultralytics:{digest},linear",)
