"""YOLO detectors: pictures in and boxes back."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from la2ds_cli.core import artifact
from la2ds_cli.poses.networks import detector_identities, resolve_detector
from la2ds_cli.poses.networks import ultralytics as detectors
from la2ds_cli.poses.networks.ultralytics import UltralyticsDetector, input_size
from la2ds_cli.poses.ultralytics_model import import_part

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
