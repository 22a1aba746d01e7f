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
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Mismatch, Unavailable, Unreadable, UserError, first_line
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.networks import PoseBackend, TopDownBackend, letterbox
from la2ds_cli.poses.weights import existing_file
from la2ds_cli.video.reader import Image

SUFFIXES = (".onnx",)

_MOST_SIDE = 4096  # pixels of an input's side
_FREE_SIDE = 640  # pixels; the training size of most such exports
_PERSON = 0
_FAR = 1e6  # pixels
_MOST_BOXES = 300  # people of a frame, the best ones; detectors return no more


def pose_identity(name: str) -> str:
    """Return `onnx:` and the sha256 of the model and of the file beside it in which torch stores
    its weights, so that renaming changes no cache key. Raises UserError (exit 3) without the file.
    """
    path = existing_file(name)
    weights = path.with_name(f"{path.name}.data")
    files = [path, weights] if weights.is_file() else [path]
    return f"onnx:{'+'.join(map(artifact.file_digest, files))}"


def detector_identity(name: str) -> str:
    """Return the identity of a detector, as `pose_identity`."""
    return pose_identity(name)


def build_pose(name: str, device: DeviceName, config: PosesConfig) -> TopDownBackend:
    """Open the file and try it on a black crop. Raises UserError (exit 5) if it does not fit."""
    model = OnnxModel(name, device)
    skeleton = model.session.get_modelmeta().custom_metadata_map.get("skeleton", "coco17")
    joints, one_by_one = len(get_skeleton(skeleton).joints), fixed(model.shape[0]) == 1
    expected = f"the heatmaps (B, {joints}, H/s, W/s) of the {joints} joints of {skeleton}"

    def heatmaps(crop: FloatArray) -> FloatArray:
        parts = np.split(crop, len(crop)) if one_by_one else [crop]
        maps = np.concatenate([model(part, (len(part), joints, 0, 0), expected) for part in parts])
        if not np.isfinite(maps).all():
            raise unfit(name, "finite numbers", "infinite or undefined numbers in its output")
        return maps

    if not all(model.sides):
        raise unfit(name, "one input (B, 3, H, W) of fixed H and W", f"input {model.shape}")
    heatmaps(np.zeros((1, 3, *model.sides), np.float32))
    return TopDownBackend(
        forward=heatmaps,
        input_size=model.sides,
        skeleton=skeleton,
        device=model.device,
        batch_size=1 if one_by_one else config.batch_size,
    )


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> OnnxDetector:
    """Open the file and try it on a black image. Raises UserError (exit 5) if it does not fit."""
    detector = OnnxDetector(OnnxModel(name, device))
    detector.detect([np.zeros((1, 1, 3), np.uint8)])
    return detector


class OnnxModel:
    """A network that reads a batch of RGB images (B, 3, H, W) float32, B 1 or free.

    session: of onnxruntime. shape: of the input, with names for free sizes. sides: (H, W) of the
    input, 0 = free. device: where it runs.
    """

    def __init__(self, name: str, device: DeviceName) -> None:
        """Open the file; `auto` uses CUDA if onnxruntime has it. Raises UserError: exit 3 for a
        file that is missing or not an ONNX model, exit 5 for another input, exit 6 if `cuda` was
        named and is missing."""
        self.name = name
        self.session = open_session(name, device)
        on_cuda = self.session.get_providers()[0] == "CUDAExecutionProvider"
        self.device = "cuda" if on_cuda else "cpu"
        if device == "cuda" and not on_cuda:
            raise _no_cuda()
        inputs = self.session.get_inputs()
        self.shape: tuple[Any, ...] = tuple(inputs[0].shape) if len(inputs) == 1 else ()
        height, width = (fixed(side) for side in (*self.shape, 0, 0, 0, 0)[2:4])
        self.sides = height, width
        sizes = zip(self.shape, (1, 3), strict=False)
        fits = all(size == value or not isinstance(size, int) for size, value in sizes)
        fits &= len(self.shape) == 4 and inputs[0].type == "tensor(float)"
        if not fits or max(self.sides) > _MOST_SIDE:
            kinds = ", ".join(f"{tuple(node.shape)} of {node.type[7:-1]}" for node in inputs)
            expected = f"one input (B, 3, H, W) of float, B 1 or free, H and W up to {_MOST_SIDE}"
            raise unfit(name, expected, f"input {kinds}")

    def __call__(self, images: FloatArray, shape: Sequence[int | None], what: str) -> FloatArray:
        """Return the first output for images (n, 3, H, W) float32.

        Raises UserError (exit 5) if the network cannot run on them, or returns anything but floats
        of that shape. shape: expected; 0 = any length but 0, None = any length. what: the expected
        output in words, for the message.
        """
        first, entry = self.session.get_outputs()[0].name, self.session.get_inputs()[0].name
        try:
            (answer,) = self.session.run([first], {entry: images})
        except Exception as error:  # onnxruntime raises its own classes straight below Exception
            actual = f"no answer to an image {images.shape}: {first_line(error)}"
            raise unfit(self.name, "a network that runs", actual) from error
        if not isinstance(answer, np.ndarray) or answer.dtype != np.float32:
            raise unfit(self.name, "an output of float", "another output")
        pairs = zip(answer.shape, shape, strict=False)
        fits = all(
            expected is None or size == (expected or max(size, 1)) for size, expected in pairs
        )
        if answer.ndim != len(shape) or not fits:
            raise unfit(self.name, what, f"output {answer.shape}")
        return answer


def open_session(name: str, device: DeviceName) -> Any:
    """Return an onnxruntime InferenceSession. Raises UserError: exit 3 for a file that is missing
    or not an ONNX model, exit 6 for `cuda` if onnxruntime lacks it."""
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
            enable_fallback=int(len(providers) > 1),  # only for CUDA, since it prints on stdout
        )
        for read in (session.get_modelmeta, session.get_inputs, session.get_outputs):
            read()  # raises for names that are no text
    except Exception as error:  # onnxruntime raises its own classes straight below Exception
        raise Unreadable(
            f"{name} is not a usable ONNX model: {first_line(error)}",
            hint="export it again; la2ds needs the .onnx file with its weights",
        ) from error
    return session


class OnnxDetector:
    """Runs on one image at a time: exports with a free batch size are rare, and CPUs gain nothing
    from it."""

    def __init__(self, model: OnnxModel) -> None:
        self.model = model
        self.input_size = model.sides[0] or _FREE_SIDE, model.sides[1] or _FREE_SIDE

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> FloatArray:
        canvas, scale, shift = letterbox(image, self.input_size)
        feed = np.ascontiguousarray(canvas.astype(np.float32).transpose(2, 0, 1)[None] / 255)
        rows = self.model(feed, (1, None, 6), "an output (1, N, 6)")[0]
        # Rows that are not finite or absurdly far away are dropped.
        person = rows[(rows[:, 5] == _PERSON) & (np.abs(rows) < _FAR).all(axis=1), :5]
        best = np.sort(np.argsort(-person[:, 4], kind="stable")[:_MOST_BOXES])
        person = person[best]
        person[:, :4] = (person[:, :4] - np.tile(shift, 2)) / np.tile(scale, 2)
        return person


def fixed(length: Any) -> int:
    """Return a dimension of an ONNX shape; 0 if it is symbolic."""
    return length if isinstance(length, int) and length > 0 else 0


def unfit(name: str, expected: str, actual: str) -> UserError:
    """Return the error for a model whose inputs or outputs la2ds cannot use."""
    return Mismatch(
        f"{name} has {actual}, expected {expected}",
        hint="docs/how-to/extend.md describes the models that la2ds reads",
    )


def _no_cuda() -> UserError:
    return Unavailable(
        "CUDA was requested, but the installed onnxruntime cannot use it",
        hint="pip install onnxruntime-gpu in place of onnxruntime, or use --device cpu",
    )
