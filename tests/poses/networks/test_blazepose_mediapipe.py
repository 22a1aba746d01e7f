"""Our BlazePose against that of MediaPipe 0.10.21, where that package is installed."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.poses.networks.blazepose import SteadyAxis, body_region, open_networks
from tests.shared_data import VIDEOS

pytest.importorskip("mediapipe.python.solutions", reason="compares with mediapipe 0.10.21")

CLIPS = ("trikonasana/trikonasana_03.mp4", "golf/swing1.mp4", "other/two_people.mp4")
HEIGHT = 720  # pixels of a frame that the differences are given for


@contextmanager
def mediapipe_graph(*, video: bool) -> Iterator[Any]:
    """Its graph without smoothing of the landmarks; video: frames start from the one before."""
    base = importlib.import_module("mediapipe.python.solution_base").SolutionBase
    with base(
        binary_graph_path="mediapipe/modules/pose_landmark/pose_landmark_cpu.binarypb",
        side_inputs={
            "model_complexity": 1,
            "smooth_landmarks": False,
            "enable_segmentation": False,
            "smooth_segmentation": False,
            "use_prev_landmarks": video,
        },
        outputs=["pose_landmarks", "pose_world_landmarks"],
    ) as graph:
        yield graph


def frames(clip: str, step: int) -> list[np.ndarray]:
    from la2ds_cli.video.reader import read_frames

    if not (VIDEOS / clip).is_file():
        pytest.skip("needs the real videos in ../shared/data")
    return [
        frame.image for frame in itertools.islice(read_frames(VIDEOS / clip), 0, 24 * step, step)
    ]


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("video", [False, True])
def test_the_landmarks_are_the_same(clip: str, video: bool) -> None:
    images = frames(clip, 1 if video else 3)
    steady, region = SteadyAxis(), None
    pixels, visibility, metres = [], [], []
    with mediapipe_graph(video=video) as graph, open_networks().borrow() as network:
        for image in images:
            theirs = graph.process({"image": np.ascontiguousarray(image)})
            marks = theirs.pose_landmarks.landmark
            size = image.shape[1], image.shape[0]
            if region is None or not video:
                region = body_region(network.detect(image)[0][0])
            ours = network.landmarks(image, region)
            region = body_region(steady.add(ours.axis))
            xy = np.array([(mark.x, mark.y) for mark in marks]) * size
            away = np.linalg.norm(ours.xy - xy, axis=1)
            pixels.append(away * HEIGHT / image.shape[0])
            visibility.append(np.abs(ours.visibility - [mark.visibility for mark in marks]))
            world = [(mark.x, mark.y, mark.z) for mark in theirs.pose_world_landmarks.landmark]
            metres.append(np.linalg.norm(ours.world - world, axis=1))
    assert len(pixels) == 24
    assert np.median(pixels) <= 0.5
    assert np.percentile(pixels, 95) <= 5
    assert np.median(visibility) <= 0.001
    assert np.median(metres) <= 0.005


def test_their_landmarks_have_the_names_of_our_skeleton() -> None:
    pose = importlib.import_module("mediapipe.python.solutions.pose")
    theirs = [mark.name.lower() for mark in pose.PoseLandmark]
    moved = {"mouth_left": "left_mouth", "mouth_right": "right_mouth"}
    assert [moved.get(name, name) for name in theirs] == list(get_skeleton("mediapipe33").joints)
