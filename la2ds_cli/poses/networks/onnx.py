"""Pose networks and detectors as ONNX files (docs/how-to/extend.md).

A pose network is top-down: input (B, 3, H, W) RGB, B 1 or free, H and W fixed; output heatmaps
(B, K, H/s, W/s), or SimCC profiles as RTMPose exports them, (B, K, W r) and (B, K, H r) for r bins
per pixel. Metadata of the model, all optional:

    skeleton   orders the K joints, else coco17; K must match, since an order of joints cannot be
               guessed from their number
    mean, std  of the channels, three numbers `r,g,b` each in pixel values 0 to 255, else those of
               ImageNet; `0,0,0` and `255,255,255` is an image in [0, 1]

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
from la2ds_cli.poses.top_down import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TopDownBackend,
    decode_heatmaps,
    decode_profiles,
    letterbox,
)
from la2ds_cli.poses.weights import existing_file
from la2ds_cli.video.reader import Image

SUFFIXES = (".onnx",)

_MOST_SIDE = 4096  # pixels of an input
_FREE_SIDE = 640  # pixels; the training size of most such exports
_PERSON = 0
_FAR = 1e6  # pixels
_MOST_BOXES = 300  # people of a frame, the best ones: detectors return no more
_FLOATS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}


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
    metadata = model.session.get_modelmeta().custom_metadata_map
    skeleton = metadata.get("skeleton", "coco17")
    batch, _, *sides = model.shape
    if not all(0 < fixed(side) <= _MOST_SIDE for side in sides):
        expected = f"one input (B, 3, H, W) of fixed H and W of at most {_MOST_SIDE}"
        raise unfit(name, expected, f"input {model.shape}")
    returned, joints = model.session.get_outputs(), len(get_skeleton(skeleton).joints)
    simcc = len(returned) == 2 and all(len(node.shape) == 3 for node in returned)
    read = returned[: 2 if simcc else 1]  # what else a heatmap network returns is not read
    if not read or any(
        len(node.shape) != (3 if simcc else 4) or fixed(node.shape[1]) not in (0, joints)
        for node in read
    ):
        expected = f"heatmaps (B, {joints}, H/4, W/4) or profiles of the {joints} joints"
        actual = ", ".join(str(tuple(node.shape)) for node in returned) or "none"
        raise unfit(name, f"{expected} of {skeleton}", f"output {actual}")
    forward = _Forward(model, tuple(node.name for node in read), joints, (sides[0], sides[1]))
    if simcc:
        forward.check_bins(tuple(fixed(node.shape[2]) for node in read))
    return TopDownBackend(
        forward=forward,
        input_size=(sides[0], sides[1]),
        skeleton=skeleton,
        device=model.device,
        batch_size=1 if fixed(batch) == 1 else config.batch_size,
        decode=decode_profiles if simcc else decode_heatmaps,
        mean=_channels(name, metadata, "mean", IMAGENET_MEAN),
        std=_channels(name, metadata, "std", IMAGENET_STD),
    )


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> OnnxDetector:
    """Open the file and check its interface; a UserError (exit 5) says what does not fit."""
    model = OnnxModel(name, device)
    outputs = model.session.get_outputs()
    returned = tuple(outputs[0].shape) if outputs else ()
    sides = fixed(model.shape[2]) or _FREE_SIDE, fixed(model.shape[3]) or _FREE_SIDE
    if max(sides) > _MOST_SIDE:
        raise unfit(name, f"H and W of at most {_MOST_SIDE}", f"input {model.shape}")
    if len(returned) != 3 or fixed(returned[2]) not in (0, 6):
        raise unfit(name, "an output (1, N, 6)", f"output {returned}")
    return OnnxDetector(model, sides)


class OnnxModel:
    """A network that reads a batch of RGB images (B, 3, H, W), B 1 or free, in floating point.

    session: onnxruntime's. shape: of the input, with names for free sizes. device: where it runs.
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
        given = self.session.get_inputs()
        self.shape: tuple[Any, ...] = tuple(given[0].shape) if len(given) == 1 else ()
        sizes = zip(self.shape, (1, 3), strict=False)
        fits = all(size == value or not isinstance(size, int) for size, value in sizes)
        if len(self.shape) != 4 or not fits or given[0].type not in _FLOATS:
            kinds = ", ".join(f"{tuple(node.shape)} of {node.type[7:-1]}" for node in given)
            expected = "one input (B, 3, H, W), B 1 or free, of float, float16 or double"
            raise unfit(name, expected, f"input {kinds}")
        self._input, self._type = given[0].name, _FLOATS[given[0].type]

    def __call__(self, images: FloatArray, outputs: Sequence[str]) -> list[FloatArray]:
        """float32 values of the named outputs for images (n, 3, H, W). Raises UserError (exit 5) if
        the network cannot run on them, or returns anything but numbers."""
        try:
            answers = self.session.run(outputs, {self._input: images.astype(self._type)})
        except Exception as error:  # onnxruntime raises its own classes straight below Exception
            actual = f"no answer to an image {images.shape}: {first_line(error)}"
            raise unfit(self.name, "a network that runs", actual) from error
        arrays = []
        for answer in answers:
            if not isinstance(answer, np.ndarray) or answer.dtype.kind not in "fiub":
                raise unfit(self.name, "outputs of numbers", "another output")
            with np.errstate(over="ignore"):  # of double, seen as infinity
                arrays.append(answer.astype(np.float32))
        return arrays


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
class _Forward:
    """Heatmaps, or a pair of profiles, of crops (n, 3, H, W). outputs: names of those to read."""

    model: OnnxModel
    outputs: tuple[str, ...]
    joints: int
    input_size: tuple[int, int]

    def __call__(self, crop: FloatArray) -> FloatArray | tuple[FloatArray, ...]:
        one_by_one = fixed(self.model.shape[0]) == 1
        parts = np.split(crop, len(crop)) if one_by_one else [crop]
        answers = [self.model(part, self.outputs) for part in parts]
        for part, answer in zip(parts, answers, strict=True):
            self._check(len(part), answer)
        outputs = tuple(np.concatenate(output) for output in zip(*answers, strict=True))
        if len(outputs) == 1:
            return outputs[0]
        self.check_bins(tuple(output.shape[2] for output in outputs))
        return outputs

    def _check(self, crops: int, outputs: list[FloatArray]) -> None:
        """Check what a file with free sizes leaves open. Raises UserError (exit 5)."""
        for output in outputs:
            fits = output.ndim == (4 if len(outputs) == 1 else 3) and output.size
            if not fits or output.shape[:2] != (crops, self.joints):
                expected = f"an output ({crops}, {self.joints}, ...) for {crops} crops"
                raise unfit(self.model.name, expected, f"{output.shape}")
            if not np.isfinite(output).all():
                actual = "infinite or undefined ones in its output"
                raise unfit(self.model.name, "finite numbers", actual)

    def check_bins(self, bins: tuple[int, ...]) -> None:
        """Both profiles have the same number of bins per pixel; 0 = not known yet."""
        height, width = self.input_size
        if all(bins) and bins[0] * height != bins[1] * width:
            expected = f"the same number of bins per pixel for {width} and {height} pixels"
            raise unfit(self.model.name, expected, f"profiles of {bins[0]} and {bins[1]} bins")


def _channels(
    name: str, metadata: dict[str, str], key: str, default: tuple[float, ...]
) -> tuple[float, ...]:
    if key not in metadata:
        return default
    try:
        value = tuple(float(number) / 255 for number in metadata[key].split(","))
    except ValueError:
        value = ()
    if len(value) != 3 or not np.isfinite(value).all() or (key == "std" and min(value) <= 0):
        raise unfit(name, "three numbers `r,g,b`", f"{key} `{metadata[key]}` in its metadata")
    return value


class OnnxDetector:
    """Runs one image at a time: exports with a free batch size are rare, and CPUs gain nothing from
    it."""

    def __init__(self, model: OnnxModel, input_size: tuple[int, int]) -> None:
        self.model = model
        self.input_size = input_size
        self._outputs = [model.session.get_outputs()[0].name]

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> FloatArray:
        canvas, scale, shift = letterbox(image, self.input_size)
        feed = np.ascontiguousarray(canvas.astype(np.float32).transpose(2, 0, 1)[None] / 255)
        (output,) = self.model(feed, self._outputs)
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
