"""MediaPipe as a pose network: names, crops and messages without it, joints with it."""

from __future__ import annotations

import itertools
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.poses.backends import backend_identity, resolve_backend
from la2ds_cli.poses.backends.mediapipe import (
    MediapipeBackend,
    Person,
    coco_indices,
    inside,
    read_person,
)
from la2ds_cli.poses.threads import Instances

SHARED = Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[4] / "shared"))


class DotFinder:
    """Stands for the graph: every landmark lies on the centre of the white square it is shown,
    but for the left wrist, which lies 600 pixels to the right, outside of any crop."""

    def find(self, image: np.ndarray) -> Person | None:
        y, x = np.nonzero(image[:, :, 0] > 127)
        if not len(x):
            return None
        xy = np.tile([x.mean(), y.mean()], (33, 1))
        xy[get_skeleton("mediapipe33").index("left_wrist"), 0] += 600
        return Person(xy, np.linspace(0, 1, 33), 0.9)


def with_square(x: int, y: int) -> np.ndarray:
    """Black image (120, 160, 3) with a white 5 x 5 square around (x, y)."""
    image = np.zeros((120, 160, 3), np.uint8)
    image[y - 2 : y + 3, x - 2 : x + 3] = 255
    return image


@pytest.fixture
def backend() -> MediapipeBackend:
    pool: Instances[Any] = Instances(DotFinder)
    return MediapipeBackend(pool)


def test_the_seventeen_of_the_thirty_three() -> None:
    """Numbers as printed in MediaPipe's own landmark chart."""
    chart = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
    assert coco_indices() == chart


def test_landmarks_become_pixels_with_the_first_pixel_at_zero() -> None:
    marks = [SimpleNamespace(x=0.5, y=0.25, visibility=0.75) for _ in range(33)]
    person = read_person(
        SimpleNamespace(landmark=marks), SimpleNamespace(score=[0.875]), size=(200, 100)
    )
    np.testing.assert_allclose(person.xy[7], [99.5, 24.5])
    assert person.visibility[7] == 0.75
    assert person.score == 0.875


def test_joints_come_back_to_the_image(backend: MediapipeBackend) -> None:
    images = [with_square(60, 50), with_square(100, 70)]
    box = np.array([[40, 20, 90, 80], [80, 40, 130, 100.0]])
    xy, score = backend.estimate(images, box)
    assert xy.shape == (2, 17, 2)
    assert xy.dtype == score.dtype == np.float32
    np.testing.assert_allclose(xy[:, 0], [[60, 50], [100, 70]], atol=0.2)
    np.testing.assert_allclose(score[:, 0], 0)  # the visibility of landmark 0
    np.testing.assert_allclose(score[:, 12], 24 / 32)  # of landmark 24, the right hip


def test_a_joint_outside_the_crop_scores_nothing(backend: MediapipeBackend) -> None:
    xy, score = backend.estimate([with_square(60, 50)], np.array([[40, 20, 90, 80.0]]))
    left, right = 9, 10
    assert score[0, left] == 0
    assert score[0, right] == pytest.approx(16 / 32)
    assert xy[0, left, 0] > 120  # the guess itself is kept


def test_a_box_without_a_person_scores_nothing(backend: MediapipeBackend) -> None:
    _, score = backend.estimate([np.zeros((120, 160, 3), np.uint8)], np.array([[0, 0, 50, 50.0]]))
    np.testing.assert_array_equal(score, 0)


def test_no_boxes_give_no_joints(backend: MediapipeBackend) -> None:
    xy, score = backend.estimate([], np.zeros((0, 4)))
    assert xy.shape == (0, 17, 2)
    assert score.shape == (0, 17)


def test_the_border_of_a_crop() -> None:
    xy = np.array([[-0.5, 3], [9.5, 9.5], [9.6, 3], [3, -0.6]])
    np.testing.assert_array_equal(inside(xy, 10), [True, True, False, False])


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(UserError, match="mediapipe is not installed") as caught:
        resolve_backend("mediapipe", "cpu")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "pip install 'la2ds[mediapipe]'" in caught.value.hint


def test_a_package_with_other_networks_is_refused(monkeypatch, tmp_path: Path) -> None:
    """The newer mediapipe 1.x brings none."""
    package = SimpleNamespace(__file__=str(tmp_path / "__init__.py"), __version__="1.2.3")
    monkeypatch.setitem(sys.modules, "mediapipe", package)
    with pytest.raises(UserError, match=r"mediapipe 1\.2\.3 does not bring") as caught:
        resolve_backend("mediapipe", "cpu")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(UserError, match="no flip test") as caught:
        resolve_backend("mediapipe", "cpu", PosesConfig(flip_test=True))
    assert caught.value.exit_code == ExitCode.USAGE
    with pytest.raises(UserError, match="on the CPU alone") as caught:
        resolve_backend("mediapipe", "cuda")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def test_the_identity_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    assert backend_identity("mediapipe") == "mediapipe:e9a5c5cb17f736fa:1"


class TestWithThePackage:
    @pytest.fixture(autouse=True)
    def _package(self) -> None:
        pytest.importorskip("mediapipe", reason="needs la2ds[mediapipe]")

    def test_the_landmarks_have_the_names_of_our_skeleton(self) -> None:
        pose = pytest.importorskip("mediapipe.python.solutions.pose")
        theirs = [mark.name.lower() for mark in pose.PoseLandmark]
        moved = {"mouth_left": "left_mouth", "mouth_right": "right_mouth"}
        assert [moved.get(name, name) for name in theirs] == list(
            get_skeleton("mediapipe33").joints
        )

    def test_nobody_is_found_in_a_blank_picture(self, capfd) -> None:
        blank = np.full((90, 120, 3), 60, np.uint8)
        backend = resolve_backend("mediapipe", "cpu")
        _, score = backend.estimate([blank], np.array([[0, 0, 119, 89.0]]))
        np.testing.assert_array_equal(score, 0)
        assert capfd.readouterr().err == ""

    def test_a_person_is_found_whatever_the_order_and_the_thread(self, capfd) -> None:
        from la2ds_cli.video.reader import read_frames

        clip = SHARED / "data/videos/trikonasana/trikonasana_03.mp4"
        if not clip.is_file():
            pytest.skip("needs the real videos in ../shared/data")
        images = [frame.image for frame in itertools.islice(read_frames(clip), 0, 90, 30)]
        box = np.tile([200, 50, 600, 470.0], (3, 1))
        backend = resolve_backend("mediapipe", "cpu")
        xy, score = backend.estimate(images, box)
        assert score.mean() > 0.9
        nose, hips, ankles = xy[:, 0, 1], xy[:, 11:13, 1].mean(axis=1), xy[:, 15:, 1].min(axis=1)
        assert ((nose < hips) & (hips < ankles)).all()
        again = backend.estimate(images[::-1], box)
        np.testing.assert_array_equal(xy, again[0][::-1])
        with ThreadPoolExecutor(3) as threads:
            parts = list(threads.map(lambda i: backend.estimate([images[i]], box[:1]), range(3)))
        np.testing.assert_array_equal(xy, np.concatenate([part[0] for part in parts]))
        assert capfd.readouterr().err == ""
