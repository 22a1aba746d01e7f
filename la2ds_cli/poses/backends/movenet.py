"""MoveNet (Google, single pose): COCO's 17 joints from a square around the person, on the CPU or
wherever onnxruntime runs.

`movenet-thunder` is downloaded; `movenet:FILE.onnx` and `movenet:FILE.tflite` are your own files.
Input (1, S, S, 3) RGB 0 to 255, of any type; output (1, 1, 17, 3): y, x as shares of the input, and
the score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.onnx_session import (
    fixed,
    model_digest,
    open_session,
    session_device,
    unfit,
)
from la2ds_cli.poses.rotated_crop import Region
from la2ds_cli.poses.tflite_model import TfliteModel, cpu_only
from la2ds_cli.poses.threads import Instances
from la2ds_cli.poses.top_down import PADDING
from la2ds_cli.poses.weights import existing_file, fetch_weights, weights_identity
from la2ds_cli.video.reader import Image

NAMES = ("movenet-thunder", "movenet")

_JOINTS = 17
_VERSION = 1  # raised when the same network gives other joints


def identity(name: str) -> str:
    """The name and the digest of its file."""
    base, _, file = name.partition(":")
    digest = f"{base}:{model_digest(file)}" if file else _known_identity(name)
    return f"{digest}:{_VERSION}"


def _known_identity(name: str) -> str:
    _check_named(name)
    return weights_identity(name)


def _check_named(name: str) -> None:
    if name == "movenet":
        raise UserError(
            "movenet names a kind of network, not one network",
            hint="--pose movenet-thunder, or --pose movenet:FILE.onnx",
        )


def build(name: str, device: DeviceName, config: PosesConfig) -> MoveNetBackend:
    """The backend. Raises UserError: exit 2 for a flip test or no file, 3 and 5 for a file that is
    not MoveNet, 6 for missing weights or a missing device."""
    if config.flip_test:
        raise UserError(
            "movenet has no flip test", hint="set flip_test = false under [poses] in project.toml"
        )
    _, _, file = name.partition(":")
    if not file:
        _check_named(name)
    path = existing_file(file) if file else fetch_weights(name)
    if path.suffix.lower() == ".onnx":
        return _of_onnx(path, device)
    cpu_only("a .tflite file", device)
    networks: Instances[_Tflite] = Instances(lambda: _Tflite(path))
    with networks.borrow() as network:
        return MoveNetBackend(networks, network.size, "cpu")


def _of_onnx(path: Path, device: DeviceName) -> MoveNetBackend:
    session = open_session(str(path), device)
    given, returned = session.get_inputs(), session.get_outputs()
    shape = list(given[0].shape)
    size = fixed(shape[1]) if len(shape) == 4 else 0
    if len(given) != 1 or not size or shape[2:] != [size, 3]:
        raise unfit(str(path), "one input (1, S, S, 3)", f"input {shape}")
    if list(returned[0].shape) != [1, 1, _JOINTS, 3]:
        raise unfit(str(path), f"output (1, 1, {_JOINTS}, 3)", f"output {returned[0].shape}")
    kinds = {"tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(float)": np.float32}
    if given[0].type not in kinds:
        raise unfit(str(path), "an input of int32, uint8 or float", f"an input {given[0].type}")
    dtype, name = kinds[given[0].type], given[0].name

    def run(crop: Image) -> FloatArray:
        return session.run([returned[0].name], {name: crop[None].astype(dtype)})[0][0]

    return MoveNetBackend(Instances(lambda: run), size, session_device(session))


class _Tflite:
    def __init__(self, path: Path) -> None:
        self.model = TfliteModel(path, 0, [(1, 1, _JOINTS, 3)])
        self.size = self.model.size

    def __call__(self, crop: Image) -> FloatArray:
        return self.model(crop)[0]


class MoveNetBackend:
    """Joints from a square around each box, black outside the image.

    networks: callables from a crop (size, size, 3) uint8 to (1, 17, 3). size: of that input.
    """

    skeleton = "coco17"

    def __init__(
        self, networks: Instances[Callable[[Image], FloatArray]], size: int, device: str
    ) -> None:
        self.networks = networks
        self.size = size
        self.device = device

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As PoseBackend.estimate."""
        xy = np.zeros((len(boxes), _JOINTS, 2), np.float32)
        score = np.zeros((len(boxes), _JOINTS), np.float32)
        with self.networks.borrow() as network:
            for i, (image, box) in enumerate(zip(images, boxes, strict=True)):
                region = _square(np.asarray(box, np.float64))
                answer = network(region.crop(image, self.size, black=True))
                xy[i], score[i] = decode(answer, region, self.size)
        return xy, score


def decode(answer: FloatArray, region: Region, size: int) -> tuple[FloatArray, FloatArray]:
    """xy (17, 2) in pixels of the image and score (17,) in [0, 1] of an answer (1, 17, 3), whose
    rows are y, x and score."""
    rows = np.asarray(answer, np.float64)[0]
    return region.to_image(rows[:, [1, 0]] * size, size), np.clip(rows[:, 2], 0, 1)


def _square(box: FloatArray) -> Region:
    side = float(max(box[2] - box[0], box[3] - box[1], 1)) * PADDING
    return Region(float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2, side)
