"""MediaPipe as a detector: the box around its landmarks."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.backends import resolve_backend
from la2ds_cli.poses.backends.mediapipe import Person
from la2ds_cli.poses.detectors import detector_identities, resolve_detector
from la2ds_cli.poses.detectors.mediapipe import MediapipeDetector, person_box
from la2ds_cli.poses.threads import Instances

POSE: Any = None
SHARED = Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[4] / "shared"))


def person(*xy: tuple[float, float], hidden: int = 0, score: float = 0.8) -> Person:
    """Landmarks at xy, the last `hidden` of them invisible."""
    visibility = np.ones(len(xy))
    visibility[len(xy) - hidden :] = 0.4
    return Person(np.array(xy, np.float64), visibility, score)


def test_the_box_is_around_the_visible_landmarks() -> None:
    found = person_box(person((20, 10), (40, 110), (60, 60), (190, 5), hidden=1), (200, 300, 3))
    # 40 x 100 pixels, and 5 % of the longer side around them
    np.testing.assert_allclose(found, [[15, 5, 65, 115, 0.8]], rtol=1e-6)
    assert found.dtype == np.float32


def test_the_box_ends_at_the_frame() -> None:
    found = person_box(person((-30, 10), (310, 50), (60, 250)), (200, 300))
    np.testing.assert_allclose(found[0, :4], [0, 0, 299, 199])


@pytest.mark.parametrize(
    "nobody",
    [
        None,
        person((20, 10), (40, 110), (60, 60), hidden=1),
        person((-40, -30), (-20, -10), (-9, -30)),
    ],
)
def test_no_box(nobody: Person | None) -> None:
    assert person_box(nobody, (200, 300, 3)).shape == (0, 5)


def test_one_answer_per_image() -> None:
    class Graph:
        def find(self, image: np.ndarray) -> Person | None:
            return person((20, 10), (40, 110), (60, 60)) if image.any() else None

    pool: Instances[Any] = Instances(Graph)
    images = [np.full((200, 300, 3), value, np.uint8) for value in (1, 0, 1)]
    assert [len(found) for found in MediapipeDetector(pool).detect(images)] == [1, 0, 1]


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(UserError, match="mediapipe is not installed") as caught:
        resolve_detector("mediapipe", "cpu", POSE)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "pip install 'la2ds[mediapipe]'" in caught.value.hint
    assert detector_identities("mediapipe") == ("mediapipe:e9a5c5cb17f736fa:1",)


@pytest.mark.parametrize("name", ["mediapipe", "full-frame"])
def test_a_real_person_is_boxed(name: str) -> None:
    pytest.importorskip("mediapipe", reason="needs la2ds[mediapipe]")
    from la2ds_cli.video.reader import read_frames

    clip = SHARED / "data/videos/trikonasana/trikonasana_03.mp4"
    if not clip.is_file():
        pytest.skip("needs the real videos in ../shared/data")
    (frame,) = itertools.islice(read_frames(clip), 1)
    pose = resolve_backend("mediapipe", "cpu")
    (found,) = resolve_detector(name, "cpu", pose).detect([frame.image])
    (x1, y1, x2, y2, score) = found[0]
    assert score > 0.9
    # The man stands a little left of the middle, some 320 pixels tall.
    assert 280 < (x1 + x2) / 2 < 420
    assert 250 < y2 - y1 < 400
