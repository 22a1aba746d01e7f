"""Pose networks and detectors as ONNX files (docs/how-to/extend.md).

A pose network is top-down: input (B, 3, H, W) RGB, normalised by the statistics of ImageNet, B 1
or free, H and W fixed; output heatmaps (B, K, H/s, W/s). Metadata `skeleton` orders the K joints,
else coco17; K must match, since an order of joints cannot be guessed from their number.

A detector is end to end, post-processing included: input (B, 3, H, W) RGB in [0, 1], H and W fixed
or free (then 640); output (B, N, 6): x1 y1 x2 y2 score class in pixels of the input, class 0 is the
person. The image is scaled with its aspect kept and centred on grey, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.networks import PoseBackend
from la2ds_cli.poses.top_down import TopDownBackend, letterbox
from la2ds_cli.poses.weights import existing_file
from la2ds_cli.video.reader import Image

SUFFIXES = (".onnx",)

_MOST_SIDE = 4096  # pixels of an input
_FREE_SIDE = 640  # pixels; the training size of most such exports
_PERSON = 0
_FAR = 1e6  # pixels
_MOST_BOXES = 300  # people of a frame, the best ones: detectors return no more


def pose_identity(name: str) -> str:
    """`onnx:` and the sha256 of the model, and of the file beside it in which torch stores its
    weights, so that renaming it changes no cache key. Raises UserError (exit 3) if there is no such
    file."""
    path = existing_file(name)
    weights = path.with_name(f"{path.name}.data")
    files = [path, weights] if weights.is_file() else [path]
    return f"onnx:{'+'.join(map(artifact.file_digest, files))}"


def detector_identity(name: str) -> str:
    """As of a pose network."""
    return pose_identity(name)


def build_pose(name: str, device: DeviceName, config: PosesConfig) -> TopDownBackend:
    """Open the file and check its interface; a UserError (exit 5) says what does not fit."""
    model = OnnxModel(name, device)
    skeleton = model.session.get_modelmeta().custom_metadata_map.get("skeleton", "coco17")
    batch, _, *sides = model.shape
    if not all(0 < fixed(side) <= _MOST_SIDE for side in sides):
        expected = f"one input (B, 3, H, W) of fixed H and W of at most {_MOST_SIDE}"
        raise unfit(name, expected, f"input {model.shape}")
    joints = len(get_skeleton(skeleton).joints)
    if len(model.returned) != 4 or fixed(model.returned[1]) not in (0, joints):
        expected = f"heatmaps (B, {joints}, H/4, W/4) of the {joints} joints of {skeleton}"
        raise unfit(name, expected, f"output {model.returned}")
    return TopDownBackend(
        forward=Forward(model, joints),
        input_size=(sides[0], sides[1]),
        skeleton=skeleton,
        device=model.device,
        batch_size=1 if fixed(batch) == 1 else config.batch_size,
    )


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> OnnxDetector:
    """Open the file and check its interface; a UserError (exit 5) says what does not fit."""
    model = OnnxModel(name, device)
    sides = fixed(model.shape[2]) or _FREE_SIDE, fixed(model.shape[3]) or _FREE_SIDE
    if max(sides) > _MOST_SIDE:
        raise unfit(name, f"H and W of at most {_MOST_SIDE}", f"input {model.shape}")
    if len(model.returned) != 3 or fixed(model.returned[2]) not in (0, 6):
        raise unfit(name, "an output (1, N, 6)", f"output {model.returned}")
    return OnnxDetector(model, sides)


class OnnxModel:
    """A network that reads a batch of RGB images (B, 3, H, W) float32, B 1 or free.

    session: onnxruntime's. shape, returned: of the input and the first output, the only one that is
    read, with names for free sizes. device: where it runs.
    """

    def __init__(self, name: str, device: DeviceName) -> None:
        """`cuda` is used or refused; `auto` uses CUDA if onnxruntime has it. Raises UserError: exit
        3 for a file that is missing or not an ONNX model, exit 5 for another input, exit 6 if CUDA
        is missing."""
        self.name = name
        self.session = open_session(name, device)
        on_cuda = self.session.get_providers()[0] == "CUDAExecutionProvider"
        self.device = "cuda" if on_cuda else "cpu"
        if device == "cuda" and not on_cuda:
            raise _no_cuda()
        given, outputs = self.session.get_inputs(), self.session.get_outputs()
        self.shape: tuple[Any, ...] = tuple(given[0].shape) if len(given) == 1 else ()
        self.returned: tuple[Any, ...] = tuple(outputs[0].shape) if outputs else ()
        sizes = zip(self.shape, (1, 3), strict=False)
        fits = all(size == value or not isinstance(size, int) for size, value in sizes)
        if len(self.shape) != 4 or not fits or given[0].type != "tensor(float)":
            kinds = ", ".join(f"{tuple(node.shape)} of {node.type[7:-1]}" for node in given)
            expected = "one input (B, 3, H, W), B 1 or free, of float"
            raise unfit(name, expected, f"input {kinds}")

    def __call__(self, images: FloatArray) -> FloatArray:
        """The first output for images (n, 3, H, W) float32. Raises UserError (exit 5) if the
        network cannot run on them, or returns anything but floats."""
        first, given = self.session.get_outputs()[0].name, self.session.get_inputs()[0].name
        try:
            (answer,) = self.session.run([first], {given: images})
        except Exception as error:  # onnxruntime raises its own classes straight below Exception
            actual = f"no answer to an image {images.shape}: {first_line(error)}"
            raise unfit(self.name, "a network that runs", actual) from error
        if not isinstance(answer, np.ndarray) or answer.dtype != np.float32:
            raise unfit(self.name, "an output of float", "another output")
        return answer


def open_session(name: str, device: DeviceName) -> Any:
    """An onnxruntime InferenceSession. Raises UserError: exit 3 for a file that is missing or not
    an ONNX model, exit 6 for `cuda` if onnxruntime lacks it."""
    import onnxruntime

    path = existing_file(name)
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise _no_cuda()
    providers = ["CPUExecutionProvider"]
    if has_cuda and device != "cpu":
        providers.insert(0, "CUDAExecutionProvider")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures come back as exceptions
    options.intra_op_num_threads = 1  # each call comes from a thread of its own
    try:
        session = onnxruntime.InferenceSession(
            str(path),
            options,
            providers=providers,
            enable_fallback=int(len(providers) > 1),  # it prints on stdout, and is for CUDA alone
        )
        for known in (session.get_modelmeta, session.get_inputs, session.get_outputs):
            known()  # raises for names that are no text
    except Exception as error:  # onnxruntime raises its own classes straight below Exception
        raise UserError(
            f"{name} is not a usable ONNX model: {first_line(error)}",
            hint="export it again; la2ds needs the .onnx file with its weights",
            exit_code=ExitCode.UNREADABLE,
        ) from error
    return session


@dataclass(frozen=True)
class Forward:
    """Heatmaps of crops (n, 3, H, W)."""

    model: OnnxModel
    joints: int

    def __call__(self, crop: FloatArray) -> FloatArray:
        one_by_one = fixed(self.model.shape[0]) == 1
        parts = np.split(crop, len(crop)) if one_by_one else [crop]
        return np.concatenate([self._heatmaps(part) for part in parts])

    def _heatmaps(self, crop: FloatArray) -> FloatArray:
        """Checks what a file with free sizes leaves open. Raises UserError (exit 5)."""
        heatmap = self.model(crop)
        if heatmap.ndim != 4 or not heatmap.size or heatmap.shape[:2] != (len(crop), self.joints):
            expected = f"an output ({len(crop)}, {self.joints}, ...) for {len(crop)} crops"
            raise unfit(self.model.name, expected, f"{heatmap.shape}")
        if not np.isfinite(heatmap).all():
            actual = "infinite or undefined ones in its output"
            raise unfit(self.model.name, "finite numbers", actual)
        return heatmap


class OnnxDetector:
    """Runs one image at a time: exports with a free batch size are rare, and CPUs gain nothing from
    it."""

    def __init__(self, model: OnnxModel, input_size: tuple[int, int]) -> None:
        self.model = model
        self.input_size = input_size

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> FloatArray:
        canvas, scale, shift = letterbox(image, self.input_size)
        feed = np.ascontiguousarray(canvas.astype(np.float32).transpose(2, 0, 1)[None] / 255)
        output = self.model(feed)
        if output.ndim != 3 or output.shape[0] != 1 or output.shape[2] != 6:
            raise unfit(self.model.name, "an output (1, N, 6)", f"{output.shape}")
        rows = output[0]
        # A row that is no box, and what no one could follow, counts as nothing seen.
        person = rows[(rows[:, 5] == _PERSON) & (np.abs(rows) < _FAR).all(axis=1), :5]
        if len(person) > _MOST_BOXES:
            person = person[np.sort(np.argsort(-person[:, 4], kind="stable")[:_MOST_BOXES])]
        person[:, :4] = (person[:, :4] - np.tile(shift, 2)) / np.tile(scale, 2)
        return person


def fixed(length: Any) -> int:
    """A dimension of an ONNX shape; 0 if it is symbolic."""
    return length if isinstance(length, int) and length > 0 else 0


def unfit(name: str, expected: str, actual: str) -> UserError:
    """The error for a model whose inputs or outputs are not those that la2ds reads."""
    return UserError(
        f"{name} has {actual}, expected {expected}",
        hint="docs/how-to/extend.md describes the models that la2ds reads",
        exit_code=ExitCode.MISMATCH,
    )


def _no_cuda() -> UserError:
    return UserError(
        "CUDA was requested, but the installed onnxruntime cannot use it",
        hint="pip install onnxruntime-gpu in place of onnxruntime, or use --device cpu",
        exit_code=ExitCode.ENVIRONMENT,
    )
