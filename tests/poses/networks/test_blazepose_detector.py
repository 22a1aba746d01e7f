"""BlazePose as a detector: a box around the visible landmarks of each person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.poses.blazepose import Detection, Person, Region
from la2ds_cli.poses.networks import blazepose, resolve_detector, resolve_pose
from la2ds_cli.poses.networks.blazepose import DETECTOR, BlazePoseBackend, people_boxes, person_box
from tests.poses.blazepose_models import write_detector, write_landmarks

POSE: Any = None


def person(*xy: tuple[float, float], hidden: int = 0, score: float = 0.8) -> Person:
    """Landmarks at xy, the last `hidden` of them invisible."""
    visibility = np.ones(len(xy))
    visibility[len(xy) - hidden :] = 0.4
    points = np.array(xy, np.float64)
    return Person(points, visibility, visibility, np.zeros((len(xy), 3)), points[:2], score)


def test_the_box_is_around_the_visible_landmarks() -> None:
    seen = person((20, 10), (40, 110), (60, 60), (190, 5), hidden=1)
    # 40 x 100 pixels, and 5 % of the longer side around them
    np.testing.assert_allclose(person_box(seen, (300, 200)), [15, 5, 65, 115])


def test_the_box_ends_at_the_frame_and_needs_three_landmarks() -> None:
    wide = person((-30, 10), (310, 50), (60, 250))
    np.testing.assert_allclose(person_box(wide, (300, 200)), [0, 0, 299, 199])
    few = person((20, 10), (40, 110), (60, 60), hidden=1)
    assert np.isnan(person_box(few, (300, 200))).all()


class Crowd:
    """Stands for the networks: people at the x of `places`, each with the presence given."""

    def __init__(self, *places: tuple[float, float]) -> None:
        self.places = places

    def detect(self, image: np.ndarray) -> list[Detection]:
        return [
            Detection(np.zeros(4), np.array([[x, 100], [x, 60.0]]), 0.9 - 0.1 * n)
            for n, (x, _) in enumerate(self.places)
        ]

    def landmarks(self, image: np.ndarray, region: Region) -> Person:
        (presence,) = {p for x, p in self.places if x == region.x}
        x = region.x
        return person((x - 10, 60), (x + 10, 140), (x, 100), score=presence)


def boxes_of(*places: tuple[float, float]) -> np.ndarray:
    crowd: Any = Crowd(*places)
    return people_boxes(crowd, np.zeros((200, 300, 3), np.uint8))


def test_everybody_who_is_there_has_a_box() -> None:
    found = boxes_of((50, 0.9), (120, 0.2), (200, 0.7))
    np.testing.assert_allclose(found[:, [0, 2]], [[36, 64], [186, 214]])
    np.testing.assert_allclose(found[:, 4], [0.9, 0.7])
    assert found.dtype == np.float32
    assert boxes_of().shape == (0, 5)


def test_two_detections_of_one_person_are_one_box() -> None:
    assert len(boxes_of((50, 0.9), (52, 0.9))) == 1


def test_at_most_five_people_are_looked_at() -> None:
    assert len(boxes_of(*((30 + 40 * n, 0.9) for n in range(7)))) == 5


def test_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "blazepose"
    files = {
        DETECTOR: write_detector(tmp_path / "pose_detection.tflite"),
        name: write_landmarks(tmp_path / "landmarks.tflite"),
    }
    monkeypatch.setattr(blazepose, "fetch_weights", files.__getitem__)
    image = np.zeros((224, 224, 3), np.uint8)
    pose = resolve_pose(name, "cpu")
    assert isinstance(pose, BlazePoseBackend)
    for detector in (resolve_detector(name, "cpu", POSE), resolve_detector(name, "cpu", pose)):
        (found,) = detector.detect([image])
        assert found.shape == (1, 5)
        (x1, y1, x2, y2, score) = found[0]
        assert (x1 + x2) / 2 == pytest.approx(112, abs=1)
        assert y2 - y1 == pytest.approx(1.1 * 140 * 192 / 256, abs=1)
        assert score == pytest.approx(1 / (1 + np.exp(-3)))
