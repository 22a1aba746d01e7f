"""BlazePose as a pose network: files, boxes, and one person followed from frame to frame."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.blazepose import Detection, Person, Region, body_region
from la2ds_cli.poses.networks import blazepose, pose_identities, resolve_detector, resolve_pose
from la2ds_cli.poses.networks.blazepose import (
    DETECTOR,
    BlazePoseBackend,
    find,
    people_boxes,
    person_box,
)
from la2ds_cli.poses.threads import SharedCores
from tests.poses.blazepose_models import write_detector, write_landmarks

REACH = 40.0


class SpotFinder:
    """Stands for the networks: a person is a white spot with a body of 40 pixels around it, which
    the landmark network sees if it lies in the crop, the one nearest to its middle. Counts what it
    is asked."""

    def __init__(self) -> None:
        self.detections = 0
        self.crops: list[Region] = []

    def detect(self, image: np.ndarray, within: Region) -> list[Detection]:
        self.detections += 1
        return [
            Detection(np.zeros(4), np.array([spot, spot - [0, REACH]]), 0.9)
            for spot in self._spots(image)
            if np.abs(spot - [within.x, within.y]).max() < within.side / 2
        ]

    def landmarks(self, image: np.ndarray, region: Region) -> Person:
        self.crops.append(region)
        inside = [
            spot
            for spot in self._spots(image)
            if np.abs(spot - [region.x, region.y]).max() < region.side / 2
        ]
        middle = np.array([region.x, region.y])
        spot = min(inside, key=lambda s: float(np.abs(s - middle).sum())) if inside else middle
        xy = spot + np.linspace(-1, 1, 33)[:, None] * [10, REACH]
        axis = np.array([spot, spot - [0, REACH]])
        ones = np.ones(33)
        return Person(xy, 0.6 * ones, ones, np.zeros((33, 3)), axis, 0.9 if inside else 0.1)

    @staticmethod
    def _spots(image: np.ndarray) -> list[np.ndarray]:
        return [np.array([x, y], float) for y, x in np.argwhere(image[:, :, 0] > 127)]


def picture(*spots: tuple[int, int]) -> np.ndarray:
    image = np.zeros((200, 300, 3), np.uint8)
    for x, y in spots:
        image[y, x] = 255
    return image


def box_at(x: float, y: float) -> np.ndarray:
    return np.array([x - 12, y - REACH, x + 12, y + REACH])


@pytest.fixture
def network() -> SpotFinder:
    return SpotFinder()


@pytest.fixture
def backend(network: SpotFinder) -> BlazePoseBackend:
    networks: SharedCores[Any] = SharedCores(lambda threads: network)
    return BlazePoseBackend(networks)


def test_the_person_that_fits_the_box_is_taken(backend: BlazePoseBackend) -> None:
    images = [picture((100, 100), (130, 100))] * 2
    xy, score, _ = backend.estimate(images, np.stack([box_at(100, 100), box_at(132, 100)]))
    assert xy.shape == (2, 33, 2)
    assert xy.dtype == score.dtype == np.float32
    np.testing.assert_allclose(xy.mean(axis=1), [[100, 100], [130, 100]], atol=1e-4)
    np.testing.assert_allclose(score, 0.8)


def test_the_landmarks_are_read_from_the_crop_that_they_ask_for(network: Any) -> None:
    find(network, picture((100, 100)), box_at(100, 100))
    assert network.crops[-1] == body_region(np.array([[100.0, 100], [100, 100 - REACH]]))


def test_nobody_scores_nothing_and_has_no_place_in_metres(backend: BlazePoseBackend) -> None:
    _, score, world = backend.estimate([picture()], box_at(100, 100)[None])
    assert not score.any()
    assert np.isnan(world).all()
    xy, score, world = backend.estimate([], np.zeros((0, 4)))
    assert (xy.shape, score.shape, world.shape) == ((0, 33, 2), (0, 33), (0, 33, 3))


def test_joints_outside_of_the_picture_score_nothing(backend: BlazePoseBackend) -> None:
    xy, score, _ = backend.estimate([picture((100, 190))], box_at(100, 180)[None])
    below = xy[0, :, 1] > 200
    assert 0 < below.sum() < 33
    assert not score[0, below].any()
    assert (score[0, ~below] > 0).all()


class TestTracker:
    def test_a_person_is_searched_for_once(
        self, backend: BlazePoseBackend, network: SpotFinder
    ) -> None:
        images = [picture((100 + 4 * t, 100)) for t in range(6)]
        tracker = backend.tracker()
        box = np.stack([box_at(100 + 4 * t, 100) for t in range(6)])
        first = tracker.estimate(images[:4], box[:4])
        rest = tracker.estimate(images[4:], box[4:])
        xy = np.concatenate([first[0], rest[0]])
        np.testing.assert_allclose(xy.mean(axis=1)[:, 0], 100 + 4 * np.arange(6), atol=1e-3)
        assert network.detections == 1

    def test_after_a_reset_it_is_searched_for_again(
        self, backend: BlazePoseBackend, network: SpotFinder
    ) -> None:
        tracker = backend.tracker()
        tracker.estimate([picture((100, 100))], box_at(100, 100)[None])
        tracker.reset()
        tracker.estimate([picture((100, 100))], box_at(100, 100)[None])
        assert network.detections == 2

    def test_a_person_that_leaps_is_found_in_its_box(self, backend: BlazePoseBackend) -> None:
        tracker = backend.tracker()
        images = [picture((60, 100)), picture((240, 100))]
        xy, score, _ = tracker.estimate(images, np.stack([box_at(60, 100), box_at(240, 100)]))
        np.testing.assert_allclose(xy.mean(axis=1), [[60, 100], [240, 100]], atol=1e-3)
        assert score.all()

    def test_it_stays_with_its_own_box_beside_somebody_else(
        self, backend: BlazePoseBackend
    ) -> None:
        """The person leaves the crop, in which another one has come to stand."""
        tracker = backend.tracker()
        images = [picture((60, 100)), picture((80, 100), (240, 100))]
        xy, _, _ = tracker.estimate(images, np.stack([box_at(60, 100), box_at(240, 100)]))
        np.testing.assert_allclose(xy[1].mean(axis=0), [240, 100], atol=1e-3)

    def test_a_person_comes_back(self, backend: BlazePoseBackend, network: SpotFinder) -> None:
        tracker = backend.tracker()
        images = [picture((60, 100)), picture(), picture((64, 100))]
        _, score, world = tracker.estimate(images, np.stack([box_at(60, 100)] * 3))
        np.testing.assert_array_equal(score.any(axis=1), [True, False, True])
        np.testing.assert_array_equal(np.isnan(world).any(axis=(1, 2)), [False, True, False])
        assert network.detections == 3


class TestFiles:
    @pytest.fixture(autouse=True)
    def files(self, tmp_path: Path, monkeypatch: Any) -> None:
        files = {
            DETECTOR: write_detector(tmp_path / "pose_detection.tflite"),
            "blazepose": write_landmarks(tmp_path / "landmarks.tflite"),
        }
        monkeypatch.setattr(blazepose, "fetch_weights", files.__getitem__)

    def test_files_are_opened_and_answer_any_number_of_threads(self) -> None:
        backend = resolve_pose("blazepose", "cpu")
        assert (backend.skeleton, backend.device) == ("mediapipe33", "cpu")
        images = [np.zeros((300, 300, 3), np.uint8)] * 5
        box = np.tile([50, 50, 250, 250.0], (5, 1))
        xy, score, _ = backend.estimate(images, box)
        assert (score > 0.5).all()
        with ThreadPoolExecutor(3) as threads:
            parts = list(
                threads.map(lambda i: backend.estimate([images[i]], box[i : i + 1]), range(5))
            )
        np.testing.assert_array_equal(xy, np.concatenate([part[0] for part in parts]))

    def test_the_identity_of_a_name_reads_no_file(self) -> None:
        assert pose_identities("blazepose")[0] == "blazepose:e9a5c5cb:9ba9dd3d:1"
        assert pose_identities("blazepose-heavy")[0] == "blazepose-heavy:59e42d71:9ba9dd3d:1"

    def test_what_it_cannot_do_is_refused(self) -> None:
        with pytest.raises(UserError, match="only on the CPU") as caught:
            resolve_pose("blazepose", "cuda")
        assert caught.value.exit_code == ExitCode.ENVIRONMENT

    def test_missing_weights_are_explained(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
        monkeypatch.setenv("LA2DS_OFFLINE", "1")
        with pytest.raises(UserError, match="blazepose-lite are not on this machine") as caught:
            resolve_pose("blazepose-lite", "cpu")
        assert caught.value.exit_code == ExitCode.ENVIRONMENT
        assert "la2ds models pull blazepose-lite" in caught.value.hint


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
