"""Our BlazeHand against that of MediaPipe 0.10.21, where that package is installed."""

from __future__ import annotations

import importlib
import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.poses import hands
from la2ds_cli.poses.backends import blazepose
from la2ds_cli.poses.blazehand import LEAST_PRESENCE, hand_region
from la2ds_cli.poses.blazepose import body_region, detected_axis

pytest.importorskip("mediapipe.python.solutions", reason="compares with mediapipe 0.10.21")

VIDEOS = Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[3] / "shared")) / "data/videos"
SIDE = 240  # pixels of a picture of one hand, cut out of a frame


def pictures(clip: str, side: str, first: int, step: int, count: int) -> list[np.ndarray]:
    """The surroundings of a hand of the person in a clip, where they are in the first frame."""
    from la2ds_cli.video.reader import read_frames

    if not (VIDEOS / clip).is_file():
        pytest.skip("needs the real videos in ../shared/data")
    frames = [
        frame.image
        for frame in itertools.islice(read_frames(VIDEOS / clip), first, first + step * count, step)
    ]
    skeleton = get_skeleton("mediapipe33")
    with blazepose.open_networks().borrow() as network:
        region = body_region(detected_axis(network.detect(frames[0])[0]))
        xy = network.landmarks(frames[0], region).xy
    wrist, elbow = (xy[skeleton.index(f"{side}_{joint}")] for joint in ("wrist", "elbow"))
    middle, half = wrist + 0.3 * (wrist - elbow), 1.1 * np.linalg.norm(wrist - elbow)
    scale = SIDE / (2 * half)
    matrix = np.column_stack([scale * np.eye(2), -scale * (middle - half)])
    return [np.asarray(cv2.warpAffine(frame, matrix, (SIDE, SIDE)), np.uint8) for frame in frames]


@pytest.mark.parametrize(
    ("clip", "side", "first"),
    [("trikonasana/trikonasana_03.mp4", "right", 100), ("other/two_people.mp4", "left", 0)],
)
@pytest.mark.parametrize("video", [False, True])
def test_the_landmarks_are_the_same(clip: str, side: str, first: int, video: bool) -> None:
    images = pictures(clip, side, first, 1 if video else 2, 10)
    solution = importlib.import_module("mediapipe.python.solutions.hands").Hands(
        static_image_mode=not video, max_num_hands=1, model_complexity=1
    )
    pixels, metres, left, region = [], [], [], None
    with solution, hands.open_networks("cpu").borrow() as network:
        for image in images:
            theirs = solution.process(image)
            if region is None or not video:
                region = next(iter(network.detect(image)), None)
            ours = network.landmarks(image, region) if region else None
            seen = ours is not None and ours.score >= LEAST_PRESENCE
            region = hand_region(ours.xy) if ours is not None and seen else None
            if not theirs.multi_hand_landmarks or ours is None or not seen:
                continue
            (marks,), (world,) = theirs.multi_hand_landmarks, theirs.multi_hand_world_landmarks
            xy = np.array([(mark.x * SIDE, mark.y * SIDE) for mark in marks.landmark])
            pixels.append(np.linalg.norm(ours.xy - xy, axis=1))
            xyz = np.array([(mark.x, mark.y, mark.z) for mark in world.landmark])
            metres.append(np.linalg.norm(ours.world - xyz, axis=1))
            # MediaPipe speaks of mirrored images.
            left.append((theirs.multi_handedness[0].classification[0].label == "Right", ours.left))
    assert len(pixels) >= 8
    assert np.median(pixels) <= 0.5
    assert np.percentile(pixels, 95) <= 3
    assert np.median(metres) <= 0.002
    assert all(theirs == (ours > 0.5) for theirs, ours in left)


def test_their_landmarks_have_the_names_of_our_skeleton() -> None:
    marks = importlib.import_module("mediapipe.python.solutions.hands").HandLandmark
    theirs = [mark.name.lower().replace("_finger", "").split("_")[0] for mark in marks]
    ours = [joint.rstrip("1234") for joint in get_skeleton("hand21").joints]
    assert [name.replace("pinky", "little") for name in theirs] == ours
