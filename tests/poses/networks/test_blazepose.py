"""BlazePose: what happens around its networks, and one person followed from frame to frame."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.poses.networks import (
    Instances,
    blazepose,
    pose_identities,
    resolve_detector,
    resolve_pose,
)
from la2ds_cli.poses.networks import blazepose as tested
from tests.poses.blazepose_models import write_detector, write_landmarks
from tests.told import refused

REACH = 40.0
POSE: Any = None


class SpotFinder:
    """Stands for the networks: a person is a white spot with a body of 40 pixels around it, which
    the landmark network sees if it lies in the crop, the one nearest to its middle. Counts what it
    is asked."""

    def __init__(self) -> None:
        self.detections = 0
        self.crops: list[tested.Region] = []

    def detect(self, image: np.ndarray, within: tested.Region) -> tuple[np.ndarray, np.ndarray]:
        self.detections += 1
        found = [
            (spot, spot - [0, REACH])
            for spot in self._spots(image)
            if np.abs(spot - [within.x, within.y]).max() < within.side / 2
        ]
        return np.array(found).reshape(-1, 2, 2), np.full(len(found), 0.9)

    def landmarks(self, image: np.ndarray, region: tested.Region) -> tested.Person:
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
        return tested.Person(xy, 0.6 * ones, ones, np.zeros((33, 3)), axis, 0.9 if inside else 0.1)

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
def backend(network: SpotFinder) -> tested.BlazePoseBackend:
    networks: Instances[Any] = Instances(lambda threads: network)
    return tested.BlazePoseBackend(networks)


def test_the_person_that_fits_the_box_is_taken(backend: tested.BlazePoseBackend) -> None:
    images = [picture((100, 100), (130, 100))] * 2
    xy, score, _ = backend.estimate(images, np.stack([box_at(100, 100), box_at(132, 100)]))
    assert xy.shape == (2, 33, 2)
    assert xy.dtype == score.dtype == np.float32
    np.testing.assert_allclose(xy.mean(axis=1), [[100, 100], [130, 100]], atol=1e-4)
    np.testing.assert_allclose(score, 0.8)


def test_the_landmarks_are_read_from_the_crop_that_they_ask_for(network: Any) -> None:
    tested.find(network, picture((100, 100)), box_at(100, 100))
    assert network.crops[-1] == tested.body_region(np.array([[100.0, 100], [100, 100 - REACH]]))


def test_joints_outside_of_the_picture_score_nothing(backend: tested.BlazePoseBackend) -> None:
    xy, score, _ = backend.estimate([picture((100, 190))], box_at(100, 180)[None])
    below = xy[0, :, 1] > 200
    assert 0 < below.sum() < 33
    assert not score[0, below].any()
    assert (score[0, ~below] > 0).all()


def test_a_person_is_searched_for_once(
    backend: tested.BlazePoseBackend, network: SpotFinder
) -> None:
    images = [picture((100 + 4 * t, 100)) for t in range(6)]
    tracker = backend.tracker()
    box = np.stack([box_at(100 + 4 * t, 100) for t in range(6)])
    first = tracker.estimate(images[:4], box[:4])
    rest = tracker.estimate(images[4:], box[4:])
    xy = np.concatenate([first[0], rest[0]])
    np.testing.assert_allclose(xy.mean(axis=1)[:, 0], 100 + 4 * np.arange(6), atol=1e-3)
    assert network.detections == 1


@pytest.mark.parametrize("left_behind", [(), ((80, 100),)])
def test_a_person_that_leaps_is_found_in_its_box(
    backend: tested.BlazePoseBackend, left_behind
) -> None:
    """Also where another one has come to stand in the crop that the person leaves."""
    tracker = backend.tracker()
    images = [picture((60, 100)), picture(*left_behind, (240, 100))]
    xy, score, _ = tracker.estimate(images, np.stack([box_at(60, 100), box_at(240, 100)]))
    np.testing.assert_allclose(xy.mean(axis=1), [[60, 100], [240, 100]], atol=1e-3)
    assert score.all()


def test_a_person_comes_back(backend: tested.BlazePoseBackend, network: SpotFinder) -> None:
    tracker = backend.tracker()
    images = [picture((60, 100)), picture(), picture((64, 100))]
    _, score, world = tracker.estimate(images, np.stack([box_at(60, 100)] * 3))
    np.testing.assert_array_equal(score.any(axis=1), [True, False, True])
    np.testing.assert_array_equal(np.isnan(world).any(axis=(1, 2)), [False, True, False])
    assert network.detections == 3


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        tested.DETECTOR: write_detector(tmp_path / "pose_detection.tflite"),
        "blazepose": write_landmarks(tmp_path / "landmarks.tflite"),
    }
    monkeypatch.setattr(blazepose, "fetch_weights", files.__getitem__)


@pytest.mark.usefixtures("files")
def test_files_are_opened_and_answer_any_number_of_threads(
    capfd: pytest.CaptureFixture[str],
) -> None:
    backend = resolve_pose("blazepose", "cpu")
    os.write(2, b"news\n")
    assert capfd.readouterr().err == "news\n"  # LiteRT says nothing
    assert (backend.skeleton, backend.device) == ("mediapipe33", "cpu")
    images = [np.zeros((300, 300, 3), np.uint8)] * 5
    box = np.tile([50, 50, 250, 250.0], (5, 1))
    xy, score, _ = backend.estimate(images, box)
    assert (score > 0.5).all()
    with ThreadPoolExecutor(3) as threads:
        parts = list(threads.map(lambda i: backend.estimate([images[i]], box[i : i + 1]), range(5)))
    np.testing.assert_array_equal(xy, np.concatenate([part[0] for part in parts]))


@pytest.mark.usefixtures("files")
def test_the_detector_with_networks_of_its_own_or_those_of_the_pose() -> None:
    image = np.zeros((224, 224, 3), np.uint8)
    for pose in (POSE, resolve_pose("blazepose", "cpu")):
        (found,) = resolve_detector("blazepose", "cpu", pose).detect([image])
        assert found.shape == (1, 5)
        (x1, y1, x2, y2, score) = found[0]
        assert (x1 + x2) / 2 == pytest.approx(112, abs=1)
        assert y2 - y1 == pytest.approx(1.1 * 140 * 192 / 256, abs=1)
        assert score == pytest.approx(1 / (1 + np.exp(-3)))


def test_the_identity_of_a_name_reads_no_file() -> None:
    assert pose_identities("blazepose")[0] == "blazepose:e9a5c5cb:9ba9dd3d:1"
    assert pose_identities("blazepose-heavy")[0] == "blazepose-heavy:59e42d71:9ba9dd3d:1"


def test_what_it_cannot_do_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refused(ExitCode.ENVIRONMENT, "only on the CPU"):
        resolve_pose("blazepose", "cuda")
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    with refused(ExitCode.ENVIRONMENT, "blazepose-lite are not on this machine") as caught:
        resolve_pose("blazepose-lite", "cpu")
    assert "la2ds models pull blazepose-lite" in caught.value.hint


def person(*xy: tuple[float, float], hidden: int = 0, score: float = 0.8) -> tested.Person:
    """Landmarks at xy, the last `hidden` of them invisible."""
    visibility = np.ones(len(xy))
    visibility[len(xy) - hidden :] = 0.4
    points = np.array(xy, np.float64)
    return tested.Person(points, visibility, visibility, np.zeros((len(xy), 3)), points[:2], score)


def test_the_box_is_around_the_visible_landmarks() -> None:
    seen = person((20, 10), (40, 110), (60, 60), (190, 5), hidden=1)
    # 40 x 100 pixels, and 5 % of the longer side around them
    np.testing.assert_allclose(tested.person_box(seen, (300, 200)), [15, 5, 65, 115])


class Crowd:
    """Stands for the networks: people at the x of `places`, each with the presence given."""

    def __init__(self, *places: tuple[float, float]) -> None:
        self.places = places

    def detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bodies = [[[x, 100], [x, 60.0]] for x, _ in self.places]
        return np.array(bodies).reshape(-1, 2, 2), 0.9 - 0.1 * np.arange(len(bodies))

    def landmarks(self, image: np.ndarray, region: tested.Region) -> tested.Person:
        (presence,) = {p for x, p in self.places if x == region.x}
        x = region.x
        return person((x - 10, 60), (x + 10, 140), (x, 100), score=presence)


def boxes_of(*places: tuple[float, float]) -> np.ndarray:
    crowd: Any = Crowd(*places)
    return tested.people_boxes(crowd, np.zeros((200, 300, 3), np.uint8))


def test_everybody_who_is_there_has_a_box() -> None:
    found = boxes_of((50, 0.9), (120, 0.2), (200, 0.7))
    np.testing.assert_allclose(found[:, [0, 2]], [[36, 64], [186, 214]])
    np.testing.assert_allclose(found[:, 4], [0.9, 0.7])
    assert found.dtype == np.float32
    assert boxes_of().shape == (0, 5)
    assert len(boxes_of((50, 0.9), (52, 0.9))) == 1  # two detections of one person
    assert len(boxes_of(*((30 + 40 * n, 0.9) for n in range(7)))) == 5  # at most


# --- around the networks ------------------------------------------------------------------------


@pytest.fixture
def real(tmp_path: Path) -> tested.BlazePose:
    return tested.BlazePose(
        write_detector(tmp_path / "d.tflite"), write_landmarks(tmp_path / "l.tflite")
    )


def test_from_a_picture_to_landmarks(real: tested.BlazePose) -> None:
    image = np.zeros((224, 448, 3), np.uint8)  # letterboxed by 112 pixels above and below
    (body,), score = real.detect(image)
    np.testing.assert_allclose(body, [[224, 112], [224, 0]], atol=1e-4)
    assert score == pytest.approx(1 / (1 + np.exp(-3)))
    region = tested.body_region(body)
    assert (region.x, region.y, region.side) == pytest.approx((224, 112, 280))
    assert region.angle == pytest.approx(0)
    person = real.landmarks(image, region)
    corner, scale = np.array([84, -28]), 280 / 256
    np.testing.assert_allclose(person.xy[0], corner + scale * np.array([64, 32]), atol=1e-3)
    np.testing.assert_allclose(person.xy[32], corner + scale * np.array([192, 224]), atol=1e-3)
    np.testing.assert_allclose(person.axis, [[224, 112], [224, 0]], atol=1e-3)
    np.testing.assert_allclose(person.visibility, 1 / (1 + np.exp(-2)), rtol=1e-6)
    np.testing.assert_allclose(person.presence, 1 / (1 + np.exp(-1)), rtol=1e-6)
    np.testing.assert_allclose(person.world[0], [0, -0.8, 0], atol=1e-6)
    assert person.score == pytest.approx(0.9)


def test_metres_turn_with_the_crop(real: tested.BlazePose) -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    person = real.landmarks(image, tested.Region(150, 150, 200, np.pi / 2))
    # The first landmark is above the hips in the crop, so on the right in the image.
    np.testing.assert_allclose(person.world[0], [0.8, 0, 0], atol=1e-6)
    assert person.axis[1, 0] > person.axis[0, 0]


def test_a_part_of_the_picture_is_searched(real: tested.BlazePose) -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    (body,), _ = real.detect(image, tested.Region(300, 100, 112))
    np.testing.assert_allclose(body, [[300, 100], [300, 72]], atol=1e-4)


def test_an_unlikely_person_is_none(tmp_path: Path) -> None:
    network = tested.BlazePose(
        write_detector(tmp_path / "d.tflite", score=-0.1), write_landmarks(tmp_path / "l.tflite")
    )
    assert len(network.detect(np.zeros((100, 100, 3), np.uint8))[0]) == 0


def test_a_landmark_moves_to_the_centre_of_its_nine_cells() -> None:
    heatmap = np.full((64, 64, 4), -20.0)
    heatmap[20, 30, :3] = 20.0
    heatmap[20, 32, 0] = 20.0  # as likely: the landmark lies between the two
    heatmap[20, 35, 1] = 20.0  # beyond the cells around it
    xy = np.array([[30 * 4 + 1, 20 * 4 + 3], [30 * 4, 20 * 4], [25 * 4.0, 20 * 4], [40.0, 40]])
    refined = tested.refine(xy, heatmap)
    np.testing.assert_allclose(refined[0], [31 * 4, 20 * 4], atol=1e-5)
    np.testing.assert_allclose(refined[1], [30 * 4, 20 * 4], atol=1e-5)
    np.testing.assert_allclose(refined[2], xy[2])  # the peak is five cells away
    np.testing.assert_allclose(refined[3], xy[3])  # no likely cell


def test_landmarks_at_the_border_and_outside_of_the_crop() -> None:
    heatmap = np.full((64, 64, 3), -20.0)
    heatmap[0, 63] = 20.0
    xy = np.array([[255.0, 1], [256.0, 1], [250, -3]])
    np.testing.assert_allclose(
        tested.refine(xy, heatmap), [[252, 0], [256, 1], [250, -3]], atol=1e-5
    )


def test_the_first_steps_of_the_filter() -> None:
    """By hand: the speed is filtered at 1 Hz, the cutoff is 0.01 + 10 |speed| in bodies per
    second."""
    steady = tested.SteadyAxis()
    first = np.array([[0.0, 0], [0, -50]])
    steady.add(first)
    second = first + np.array([3, 0])
    share = 1 / (1 + 30 / (2 * np.pi))
    speed = share * (3 / 100) * 30
    cutoff = 0.01 + 10 * speed
    moved = 3 / (1 + 30 / (2 * np.pi * cutoff))
    np.testing.assert_allclose(steady.add(second)[:, 0], moved)
    np.testing.assert_allclose(steady.add(second)[:, 1], [0, -50])


def test_boxes_and_points_are_relative_to_the_anchor() -> None:
    raw, logit = np.zeros((2254, 8)), np.full(2254, -2.0)
    raw[2], logit[2] = [1, 2, 10, 20, -5, 0, 3, 4], 2.0  # the anchor at (12, 4)
    (box,), (body,), score = tested.decode(raw, logit)
    np.testing.assert_allclose(box, [8, -4, 18, 16])
    np.testing.assert_allclose(body, [[7, 4], [15, 8]])
    assert score == pytest.approx(1 / (1 + np.exp(-2)))


def test_overlapping_detections_are_averaged_by_their_scores() -> None:
    x, score = np.array([2.0, 50, 0]), np.array([0.3, 0.7, 0.9])
    box = np.stack([x, 0 * x, x + 10, 0 * x + 10], axis=1)
    body = np.stack([x, 0 * x + 5, x, 0 * x], axis=1).reshape(-1, 2, 2)
    bodies, scores = tested.suppress(box, body, score)
    np.testing.assert_allclose(scores, [0.9, 0.7])
    np.testing.assert_allclose(bodies[:, :, 0], [[0.5, 0.5], [50, 50]])
    np.testing.assert_allclose(bodies[:, :, 1], [[5, 0], [5, 0]])
    assert [len(found) for found in tested.suppress(box[:0], body[:0], score[:0])] == [0, 0]


def test_a_crop_shows_what_its_points_say() -> None:
    image = np.zeros((100, 140, 3), np.uint8)
    image[29:32, 89:92] = 255  # around (90, 30)
    region = tested.body_region(np.array([[70.0, 50], [100, 20]]))
    crop = region.crop(image, 128)
    y, x = np.nonzero(crop[:, :, 0] > 127)
    np.testing.assert_allclose(
        region.to_image(np.array([x.mean(), y.mean()]), 128), [90, 30], atol=0.6
    )
    # On the way from the centre to the end of the axis, which is straight up in the crop.
    assert abs(x.mean() - 64) < 1
    assert y.mean() < 64


def test_outside_of_the_image() -> None:
    image = np.full((40, 80, 3), 200, np.uint8)
    letterbox = tested.whole(image)
    assert letterbox == tested.Region(40, 20, 80)
    assert letterbox.crop(image, 80, black=True)[:18].max() == 0
    assert letterbox.crop(image, 80).min() == 200
