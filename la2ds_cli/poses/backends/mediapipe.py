"""MediaPipe Pose (BlazePose, Bazarevsky et al., CVPR workshops 2020), full model, one person.

Both networks come inside the package (Apache-2.0), so nothing is downloaded. Every image is a still
of its own: no joint depends on the frame before it. `--pose mediapipe` gives the 17 COCO joints.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.optional_package import optional_import
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.threads import Instances
from la2ds_cli.poses.top_down import crop_matrix, to_image
from la2ds_cli.video.reader import Image

NAMES = ("mediapipe",)

INSTALL = "pip install 'la2ds[mediapipe]'"
_GRAPH = "mediapipe/modules/pose_landmark/pose_landmark_cpu.binarypb"
_MODELS = {  # of mediapipe 0.10.21: sha256
    "pose_detection/pose_detection.tflite": (
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
    ),
    "pose_landmark/pose_landmark_full.tflite": (
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
    ),
}
_VERSION = 1  # raised when the same networks give other joints
_SIDE = 512  # pixels of a crop; twice the input of the joint network, which turns it upright
_LEAST_DETECTION = 0.5  # score of a person, MediaPipe's own default
_LEAST_PRESENCE = 0.5  # probability that a person is in the crop at all, likewise
_NOISE = (
    r"INFO: Created TensorFlow Lite",
    r"WARNING: All log messages before absl::InitializeLog",
    r"[IW]\d{4} .*(inference_feedback_manager|landmark_projection_calculator)\.cc",
)


def identity(name: str) -> str:
    """The digest of the joint network, which the package brings, and the version of our use."""
    return f"{name}:{_MODELS['pose_landmark/pose_landmark_full.tflite'][:16]}:{_VERSION}"


def build(name: str, device: DeviceName, config: PosesConfig) -> MediapipeBackend:
    """The backend; UserError (exit 6) where the package is missing or of another version."""
    if config.flip_test:
        raise UserError(
            "mediapipe has no flip test", hint="set flip_test = false under [poses] in project.toml"
        )
    return MediapipeBackend(open_graphs(device))


@dataclass(frozen=True)
class Person:
    """What MediaPipe found in an image (H, W).

    xy: (33, 2) pixels, in the order of the skeleton mediapipe33; visibility: (33,) in [0, 1];
    score: of the detection, in [0, 1].
    """

    xy: FloatArray
    visibility: FloatArray
    score: float


class PoseGraph:
    """MediaPipe's calculator graph; one call at a time."""

    def __init__(self) -> None:
        solution = importlib.import_module("mediapipe.python.solution_base").SolutionBase
        self.graph = solution(
            binary_graph_path=_GRAPH,
            side_inputs={
                "model_complexity": 1,  # the one that the package brings
                "smooth_landmarks": False,
                "enable_segmentation": False,
                "smooth_segmentation": False,
                "use_prev_landmarks": False,
            },
            calculator_params={
                "posedetectioncpu__TensorsToDetectionsCalculator.min_score_thresh": (
                    _LEAST_DETECTION
                ),
                "poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__"
                "ThresholdingCalculator.threshold": _LEAST_PRESENCE,
            },
            outputs=["pose_landmarks", "pose_detection"],
        )
        self.quiet = False

    def find(self, image: Image) -> Person | None:
        """The most prominent person of an image (H, W, 3) uint8 RGB."""
        feed = {"image": np.ascontiguousarray(image)}
        if self.quiet:
            result = self.graph.process(feed)
        else:  # the graph complains once, when it first sees a person
            with without_lines(_NOISE):
                result = self.graph.process(feed)
        if result.pose_landmarks is None or result.pose_detection is None:
            return None
        self.quiet = True
        size = image.shape[1], image.shape[0]
        return read_person(result.pose_landmarks, result.pose_detection, size)


def read_person(landmarks: Any, detection: Any, size: tuple[int, int]) -> Person:
    """The person of MediaPipe's two messages; size: (width, height) of the image they are of."""
    table = np.array([(mark.x, mark.y, mark.visibility) for mark in landmarks.landmark])
    # MediaPipe puts 0 at the outer edge of the first pixel, we at its centre.
    xy = table[:, :2] * np.array(size) - 0.5
    return Person(xy, np.clip(table[:, 2], 0, 1), float(detection.score[0]))


def open_graphs(device: DeviceName) -> Instances[PoseGraph]:
    """Graphs for any number of threads, the first one made; UserError (exit 6) as `build`."""
    if device == "cuda":
        raise UserError(
            "mediapipe runs on the CPU alone",
            hint="use --device auto or --device cpu",
            exit_code=ExitCode.ENVIRONMENT,
        )
    hint = INSTALL if sys.version_info < (3, 13) else f"use Python 3.11 or 3.12, then {INSTALL}"
    missing = "the package {package} is not installed"
    with optional_import(["mediapipe"], missing, hint), without_lines(_NOISE):
        package = importlib.import_module("mediapipe")
    _check_models(Path(str(package.__file__)).parent / "modules", package.__version__)
    graphs = Instances(_make_graph)
    with graphs.borrow():
        return graphs


def _check_models(folder: Path, version: str) -> None:
    for name, digest in _MODELS.items():
        path = folder / name
        if not path.is_file() or artifact.file_digest(path) != digest:
            raise UserError(
                f"mediapipe {version} does not bring the pose networks that la2ds knows",
                hint=INSTALL,
                exit_code=ExitCode.ENVIRONMENT,
            )


def _make_graph() -> PoseGraph:
    with without_lines(_NOISE):
        graph = PoseGraph()
    graph.find(np.zeros((64, 64, 3), np.uint8))  # the first call is the slow one
    return graph


class MediapipeBackend:
    """Looks for the person in a square around each box; joints outside of it score 0."""

    skeleton = "coco17"
    device = "cpu"

    def __init__(self, graphs: Instances[PoseGraph]) -> None:
        self.graphs = graphs

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As PoseBackend.estimate; score is MediaPipe's visibility, 0 where nobody is found."""
        xy = np.zeros((len(boxes), len(_COCO), 2), np.float32)
        score = np.zeros((len(boxes), len(_COCO)), np.float32)
        with self.graphs.borrow() as graph:
            for i, (image, box) in enumerate(zip(images, boxes, strict=True)):
                matrix = crop_matrix(box, (_SIDE, _SIDE))
                person = graph.find(_crop(image, matrix))
                if person is not None:
                    seen = inside(person.xy, _SIDE)
                    xy[i] = to_image(person.xy[None], matrix[None])[0, _COCO]
                    score[i] = np.where(seen, person.visibility, 0)[_COCO]
        return xy, score


def coco_indices() -> list[int]:
    """Where the 17 joints of coco17 lie among the 33 of mediapipe33, by their names."""
    given = get_skeleton("mediapipe33")
    return [given.index(joint) for joint in get_skeleton("coco17").joints]


_COCO = coco_indices()


def inside(xy: FloatArray, side: int) -> FloatArray:
    """Which of the points xy (n, 2) lie on a square picture of `side` pixels, (n,) bool."""
    return np.all((xy >= -0.5) & (xy <= side - 0.5), axis=1)


def _crop(image: Image, matrix: FloatArray) -> Image:
    import cv2

    cut = cv2.warpAffine(image, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR)
    return np.asarray(cut, np.uint8)


_STDERR = 2
_LOCK = Lock()


@contextmanager
def without_lines(patterns: Sequence[str]) -> Iterator[None]:
    """Keep lines that begin with one of the regular expressions from the process's error stream, to
    which native libraries write past any setting.

    Everything else that anybody writes there in the meantime follows when the block ends.
    """
    with _LOCK, tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        real = os.dup(_STDERR)
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, _STDERR)
            os.close(real)
            caught.seek(0)
            rest = without(caught.read(), patterns)
            if rest:
                os.write(_STDERR, rest)


def without(text: bytes, patterns: Sequence[str]) -> bytes:
    """The text less its lines that begin with one of the regular expressions."""
    noise = re.compile("|".join(f"(?:{pattern})" for pattern in patterns).encode())
    return b"".join(line for line in text.splitlines(keepends=True) if not noise.match(line))
