"""One person is followed by frames, whoever else comes, and for a while by joints alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.poses.live_poses import LivePoses
from la2ds_cli.video.reader import Frame
from tests.poses.grey_people import PLACES, GreyDetector, GreyPose, scene

FPS = 20.0
Box = tuple[int, int, int, int]


class Blind(GreyDetector):
    """Sees nobody in some of its looks, which it counts."""

    def __init__(self, blind: Sequence[int] = ()) -> None:
        self.blind, self.looks = blind, 0

    def detect(self, images):
        self.looks += 1
        none = [np.zeros((0, 5), np.float32) for _ in images]
        return none if self.looks - 1 in self.blind else super().detect(images)


def watch(scenes: Sequence[dict[int, Box]], detector: object = None, **settings: float) -> list:
    """Where the middle of the followed person is in each frame, None where nobody is."""
    poses = LivePoses(detector or GreyDetector(), GreyPose(), PosesConfig(**settings))  # type: ignore[arg-type]
    found = []
    for n, people in enumerate(scenes):
        joints = poses.joints(Frame(n, n / FPS, scene(people), n))
        found.append(None if joints is None else np.nanmean(joints.xy, axis=0))
    return found


def walk(n: int, x: int = 20, step: int = 3) -> Box:
    return (x + step * n, 40, x + step * n + 30, 120)


def test_a_person_is_followed_and_a_larger_one_who_comes_later_is_not():
    scenes = [{150: walk(n)} for n in range(10)]
    scenes += [{150: walk(n), 250: (150, 10, 230, 150)} for n in range(10, 30)]
    found = watch(scenes)
    assert all(place is not None for place in found)
    middle = [20 + 3 * n + 30 * PLACES[:, 0].mean() for n in range(30)]
    assert np.abs(np.array(found)[:, 0] - middle).max() < 4


def test_who_has_left_is_nobody_and_after_a_second_another_may_come():
    stands = {150: (40, 40, 70, 120)}
    other = {250: (170, 40, 200, 120)}
    scenes = [stands] * 10 + [{}] * 5 + [other] * 40
    found = watch(scenes)
    assert all(place is None for place in found[11:15])
    assert all(place is None for place in found[15:28])  # not yet: the first may come back
    assert found[-1] is not None
    assert found[-1][0] > 160


def test_who_comes_back_within_a_second_is_followed_on():
    stands = {150: (40, 40, 70, 120)}
    found = watch([stands] * 10 + [{}] * 8 + [stands] * 10)
    assert found[12] is None
    assert found[22] is not None


def test_the_joints_bridge_what_the_detector_does_not_see():
    scenes = [{150: walk(n, step=1)} for n in range(16)]
    detector = Blind(blind=(3, 4))
    assert all(place is not None for place in watch(scenes, detector, detect_rate=10.0))
    assert detector.looks == 8  # of 16 frames at 20 per second
