from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.progress import Progress
from la2ds_cli.poses.chunks import ClipFrames, Stage
from la2ds_cli.poses.passes import Detections, detect_people, estimate_people
from la2ds_cli.poses.tracking import Track
from la2ds_cli.video.reader import Frame
from tests.poses.grey_people import SIZE, GreyDetector, scene

STANDING = {200: (100, 40, 140, 130)}


class Counting(GreyDetector):
    """Remembers how many frames it was shown."""

    def __init__(self) -> None:
        self.seen = 0

    def detect(self, images):
        self.seen += len(images)
        return super().detect(images)


def detect(
    scenes: list[dict], folder: Path, detector: Any = None, *, every: int = 1, pause: float = 1e9
) -> Detections:
    frames = ClipFrames(
        lambda: (Frame(t, t / 25, scene(people), t) for t, people in enumerate(scenes)), SIZE
    )
    return detect_people(
        frames,
        detector or Counting(),
        every=every,
        threshold=0.3,
        stage=Stage(folder, "detect", {}, pause),
        progress=Progress(),
        workers=2,
    )


def detected_frames(detections: Detections) -> list[int]:
    return [t for t, boxes in enumerate(detections.boxes) if len(boxes)]


def test_every_frame_when_asked(tmp_path: Path) -> None:
    detections = detect([STANDING] * 20, tmp_path)
    assert detected_frames(detections) == list(range(20))
    np.testing.assert_allclose(detections.time, np.arange(20) / 25)
    np.testing.assert_array_equal(detections.source, np.arange(20))
    np.testing.assert_allclose(detections.boxes[7][0, :4], [100, 40, 139, 129], atol=1)


def test_who_stands_still_is_detected_now_and_then(tmp_path: Path) -> None:
    """Chunks of 16 frames, the first and the last of each always."""
    detector = Counting()
    detections = detect([STANDING] * 32, tmp_path, detector, every=5)
    assert detected_frames(detections) == [0, 5, 10, 15, 16, 21, 26, 31]
    assert detector.seen == 8


def test_where_somebody_comes_the_frames_between_are_detected(tmp_path: Path) -> None:
    scenes = [{}] * 8 + [STANDING] * 8
    detections = detect(scenes, tmp_path, every=5)
    assert detected_frames(detections) == [8, 9, 10, 15]


def test_a_fast_runner_is_detected_in_every_frame(tmp_path: Path) -> None:
    """Ten pixels a frame, a quarter of the width: nothing of the box is common after four."""
    scenes = [{200: (10 + 10 * t, 40, 50 + 10 * t, 130)} for t in range(16)]
    assert detected_frames(detect(scenes, tmp_path, every=5)) == list(range(16))


def test_cuts_of_the_film(tmp_path: Path) -> None:
    other = {100: (0, 0, 240, 100), 200: (20, 60, 60, 150)}
    assert detect([STANDING] * 20 + [other] * 20, tmp_path).cuts == (20,)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    scenes = [{200: (40 + t, 40, 80 + t, 130)} for t in range(40)]
    first, second = Counting(), Counting()
    whole = detect(scenes, tmp_path, first, pause=0)
    again = detect(scenes, tmp_path, second, pause=0)
    assert (first.seen, second.seen) == (40, 0)
    for a, b in zip(whole.boxes, again.boxes, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_clip_without_frames(tmp_path: Path) -> None:
    assert len(detect([], tmp_path)) == 0


class Tracker:
    """Writes down what it is shown; frame t is as bright as t, and its joints lie at (t, t)."""

    def __init__(self, log: list) -> None:
        self.log = log

    def reset(self) -> None:
        self.log.append("reset")

    def estimate(self, images, boxes):
        shown = [int(image[0, 0, 0]) for image in images]
        self.log.append(shown)
        xy = np.tile(np.array(shown, np.float32)[:, None, None], (1, 17, 2))
        return xy, np.ones((len(shown), 17)), np.zeros((len(shown), 17, 3))


class FollowingBackend:
    skeleton, device = "coco17", "cpu"

    def __init__(self) -> None:
        self.logs: list[list] = []

    def tracker(self) -> Tracker:
        self.logs.append([])
        return Tracker(self.logs[-1])


def followed(length: int, people: list[tuple[list[int], tuple]]) -> tuple[list[list], list[Track]]:
    frames = ClipFrames(
        lambda: (Frame(t, t / 25, np.full((90, 120, 3), t, np.uint8), t) for t in range(length)),
        (120, 90),
    )
    backend: Any = FollowingBackend()
    boxes = [
        (np.array(rows), np.tile(np.array(box, float), (len(rows), 1))) for rows, box in people
    ]
    tracks = estimate_people(
        frames,
        boxes,
        backend,
        stage_of=lambda _: pytest.fail("read"),
        progress=Progress(),
        workers=3,
    )
    return backend.logs, tracks


def test_each_person_is_followed_in_order_and_anew_after_a_gap() -> None:
    """Chunks of 16 frames; the second person is away from frame 10 to 19."""
    away = [*range(10), *range(20, 40)]
    people = [(list(range(40)), (0, 0, 60, 60)), (away, (60, 0, 119, 60))]
    (first, second), tracks = followed(40, people)
    assert first == [list(range(16)), list(range(16, 32)), list(range(32, 40))]
    assert second == [[*range(10)], "reset", list(range(20, 32)), list(range(32, 40))]
    np.testing.assert_array_equal(tracks[1].frame, away)
    np.testing.assert_array_equal(tracks[1].xy[:, 3, 0], away)
    assert tracks[0].world.shape == (40, 17, 3)


def test_a_gap_inside_of_a_chunk_and_at_its_border() -> None:
    rows = [0, 1, 5, 6, 16, 17, 18]
    ((log,), tracks) = followed(20, [(rows, (0, 0, 60, 60))])
    assert log == [[0, 1], "reset", [5, 6], "reset", [16, 17, 18]]
    np.testing.assert_array_equal(tracks[0].xy[:, 0, 1], rows)


def test_joints_outside_make_the_box_wider() -> None:
    """The joints of frame t lie at (t, t): far out of the box in the last frames."""
    _, (track,) = followed(80, [(list(range(80)), (0, 0, 20, 20))])
    np.testing.assert_allclose(track.box[10], [0, 0, 20, 20])
    np.testing.assert_allclose(track.box[70], [0, 0, 70, 70])
