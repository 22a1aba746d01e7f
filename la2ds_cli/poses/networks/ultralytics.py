"""YOLO networks of the package ultralytics (AGPL-3.0): `FILE.pt`, `ultralytics:FILE.pt` or
`ultralytics:NAME`.

Pose networks find people by themselves. Here they see the surroundings of each box; of the people
they find there, the one whose box overlaps the given box most is used. Joints are the 17 of COCO. A
pose network also works as a detector, by its boxes.

The package is imported only if a user names one of its networks. It may not use the internet,
install packages, or write outside the cache folder of la2ds. A .pt file of Ultralytics is a pickle
of the whole network object, which could start any program. It is read by torch's restricted
unpickler. Classes of Ultralytics and torch.nn that it names are replaced by one that only keeps its
state; any other name ends the reading. Only the tensors and the list of layers are used, and that
list may contain only known layers.
"""

from __future__ import annotations

import copy
import importlib
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import Mismatch, UserError, first_line, optional_import
from la2ds_cli.core.host import restore_environment
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes as box_arithmetic
from la2ds_cli.poses.networks import (
    GREY,
    Instances,
    Joints,
    PoseBackend,
    crop_matrix,
    cut_out,
    gpu_memory,
    letterbox,
    no_joints,
    to_image,
)
from la2ds_cli.poses.weights import existing_file, fetch_weights, weights_identity
from la2ds_cli.video.reader import Image
from la2ds_models import weight_files

POSES = ("ultralytics",)
DETECTORS = ("ultralytics",)
SUFFIXES = (".pt",)

NAME = "ultralytics"
NOTICE = (
    "ultralytics and its networks are AGPL-3.0 software: anybody who distributes or hosts a "
    "program that uses them must publish its source on the same terms, or buy a licence from "
    "Ultralytics"
)
INSTALL = "pip install 'la2ds[ultralytics]'"
_POSE, _DETECTOR = "yolo11n-pose", "yolo11n"  # defaults
_JOINTS = len(get_skeleton("coco17").joints)
_ASPECT = 0.75  # width over height of a crop, as for the other networks
_STRIDE = 32  # pixels: sides of the input are multiples of it
_LEAST_BOX = 0.05  # boxes scored below this are not returned
_LEAST_SCORE = 0.25  # of a person in a crop, Ultralytics' own default
_LEAST_OVERLAP = 0.1  # IoU with the given box below which a box shows somebody else
_OVERLAP = 0.7  # IoU above which the lower of two boxes is dropped, Ultralytics' own default
_BATCH = 16


def pose_identity(name: str) -> str:
    """Return the digest of the weights."""
    return model_identity(model_name(name, _POSE))


def detector_identity(name: str) -> str:
    """Return the digest of the weights, and how pictures are scaled."""
    return f"{model_identity(model_name(name, _DETECTOR))},linear"


def build_pose(name: str, device: DeviceName, config: PosesConfig) -> UltralyticsBackend:
    """Build the pose network. Raises UserError as load_model, and exit 5 without COCO's joints."""
    chosen = model_name(name, _POSE)
    model = load_model(chosen, device, config.batch_size)
    if model.joints is None or model.joints[0] != _JOINTS:
        output = f"{model.joints[0]} joints" if model.joints else "only boxes"
        raise Mismatch(
            f"{chosen} finds {output}, but la2ds needs the {_JOINTS} joints of coco17",
            hint=f"use a pose network, such as la2ds extract-poses --pose ultralytics:{_POSE}",
        )
    return UltralyticsBackend(model)


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> UltralyticsDetector:
    """Build the detector. Raises UserError as load_model."""
    model = load_model(model_name(name, _DETECTOR), device, config.batch_size)
    return UltralyticsDetector(model)


class UltralyticsBackend:
    """Estimates joints in boxes. least_score: of a person in a crop; below it, nobody is found."""

    skeleton = "coco17"
    notice = NOTICE

    def __init__(self, model: YoloModel, least_score: float = _LEAST_SCORE) -> None:
        self.model = model
        self.least_score = least_score
        self.device = model.device
        height = model.image_size
        self.input_size = height, -(-round(height * _ASPECT) // _STRIDE) * _STRIDE

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """Estimate as PoseBackend.estimate; score is the network's visibility, 0 if nobody is
        found."""
        xy, score, world = no_joints(len(boxes), _JOINTS)
        matrix = [crop_matrix(box, self.input_size) for box in boxes]
        crops = [
            cut_out(image, m, self.input_size, GREY)
            for image, m in zip(images, matrix, strict=True)
        ]
        for i, people in enumerate(self.model.detect(crops, self.least_score)):
            person = best_match(people, to_crop(boxes[i], matrix[i]))
            if person >= 0:
                joint, score[i] = read_joints(people[person])
                xy[i] = to_image(joint[None], matrix[i][None])[0]
        return xy, score, world


def to_crop(box: FloatArray, matrix: FloatArray) -> FloatArray:
    """Map box (4,) xyxy from pixels of the image to pixels of the crop by the affine (2, 3)."""
    corners = np.asarray(box, np.float64).reshape(2, 2)
    return (corners @ matrix[:, :2].T + matrix[:, 2]).reshape(4)


def best_match(people: FloatArray, box: FloatArray) -> int:
    """Return the row of `people` (n, 5 or more) that overlaps box (4,) most; -1 for none."""
    if not len(people):
        return -1
    overlap = box_arithmetic.iou(people[:, :4], box[None])
    row = int(overlap.argmax())
    return row if overlap[row] >= _LEAST_OVERLAP else -1


def read_joints(row: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return joints (K, 2) and scores (K,) of a person's row, by default the person's score."""
    values = row[5:].reshape(_JOINTS, -1)
    if values.shape[1] == 2:
        return values, np.full(_JOINTS, row[4], np.float32)
    return values[:, :2], np.clip(values[:, 2], 0, 1)


class UltralyticsDetector:
    """Finds boxes of people; pictures of one size are processed together."""

    notice = NOTICE

    def __init__(self, model: YoloModel) -> None:
        self.model = model

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        detected = []
        for shape, group in groupby(images, key=lambda image: image.shape):
            size = input_size((shape[0], shape[1]), self.model.image_size)
            boxed = [letterbox(image, size, area=False) for image in group]  # as in training
            rows = self.model.detect([canvas for canvas, _, _ in boxed])
            for row, (_, scale, shift) in zip(rows, boxed, strict=True):
                row[:, :4] = (row[:, :4] - np.tile(shift, 2)) / np.tile(scale, 2)
                detected.append(row[:, :5])
        return detected


def input_size(shape: tuple[int, int], longest: int) -> tuple[int, int]:
    """Return sides (H, W) of the network's input for a picture (H, W): the longer one is `longest`
    pixels, the other as small as the aspect allows, both multiples of the network's stride."""
    scale = longest / max(shape)
    height, width = (-(-round(side * scale) // _STRIDE) * _STRIDE for side in shape)
    return max(height, _STRIDE), max(width, _STRIDE)


# --- the package ---------------------------------------------------------------------------------


def model_name(setting: str, default: str) -> str:
    """Return the model of `FILE.pt`, `ultralytics:FILE.pt`, `ultralytics:NAME` or `ultralytics`,
    which is the default."""
    name, _, model = setting.partition(":")
    return setting if name != NAME else model or default


def model_identity(model: str) -> str:
    """Return `ultralytics:` with the digest of the file, or the name and digest of a zoo entry.
    Raises UserError: no such file (exit 3), unknown name (exit 2)."""
    if _is_file(model):
        return f"{NAME}:{artifact.file_digest(existing_file(model))}"
    if model not in zoo_names():
        raise UserError(
            f"unknown YOLO network '{model}'",
            hint=f"known: {', '.join(zoo_names())}; or your own file, {NAME}:FILE.pt",
        )
    return f"{NAME}:{weights_identity(model)}"


def _is_file(model: str) -> bool:
    return model.lower().endswith(".pt")


def zoo_names() -> list[str]:
    """Return the names of the YOLO networks whose weights la2ds can download."""
    return sorted(name for name, entry in weight_files.zoo().items() if entry.code.startswith(NAME))


def import_part(part: str) -> Any:
    """Import a module of the package, e.g. `nn.tasks`. Raises UserError (exit 6) if it cannot be
    imported."""
    if sys.modules.get(NAME) and (module := sys.modules.get(f"{NAME}.{part}")):
        return module
    settings = {
        "YOLO_CONFIG_DIR": str(weight_files.weights_dir().parent / NAME),  # its settings file
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_VERBOSE": "false",
        "ULTRALYTICS_SAFE_LOAD": "true",  # build layers without eval
    }
    missing = "the package {package} is not installed"
    with optional_import([NAME], missing, f"{INSTALL}; {NOTICE}", repair=INSTALL):
        return _untouched(f"{NAME}.{part}", settings)


def _untouched(module: str, settings: Mapping[str, str]) -> Any:
    """Import a module, and undo the package's changes to the process.

    settings: environment variables that it reads when it is imported.
    """
    import cv2
    from torch import _tensor_str as printing

    threads, options = cv2.getNumThreads(), np.get_printoptions()
    torch_options = copy.copy(printing.PRINT_OPTS)
    environment = dict(os.environ)
    os.environ.update(settings)
    try:
        with warnings.catch_warnings():
            importlib.import_module(NAME)  # where it is missing, the error names the package
            return importlib.import_module(module)
    finally:
        cv2.setNumThreads(threads)
        np.set_printoptions(**options)
        printing.PRINT_OPTS = torch_options
        restore_environment(environment, set(os.environ) | set(environment))


@dataclass(frozen=True)
class YoloModel:
    """A network for pictures of any size.

    networks: copies that share their weights. person: number of the class. image_size: recommended
    longer side of pictures. joints: (K, 2 or 3) or None. batch_size: pictures per pass.
    """

    networks: Instances[Any]
    person: int
    image_size: int
    joints: tuple[int, int] | None
    device: str
    batch_size: int

    def detect(
        self, pictures: Sequence[FloatArray], least_score: float = _LEAST_BOX
    ) -> list[FloatArray]:
        """Detect people in pictures of one size (H, W, 3) uint8 RGB, H and W multiples of 32.

        Returns for each picture rows (n, 5 + joints) float32: x1 y1 x2 y2 in pixels, score, and the
        joints' x, y (and score) one after another.
        """
        people = []
        for start in range(0, len(pictures), self.batch_size):
            part = list(pictures[start : start + self.batch_size])
            # The last bits depend on the size of the batch; a full batch always gives the same.
            padded = part + part[-1:] * (self.batch_size - len(part))
            people += self._detect(np.stack(padded), least_score)[: len(part)]
        return people

    def _detect(self, batch: FloatArray, least_score: float) -> list[FloatArray]:
        import torch

        suppress = import_part("utils.nms").non_max_suppression
        with gpu_memory(len(batch)), torch.inference_mode(), self.networks.borrow() as network:
            feed = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2).float() / 255
            rows = suppress(
                network(feed),
                conf_thres=least_score,
                iou_thres=_OVERLAP,
                classes=[self.person],
                nc=network.yaml["nc"],
                max_time_img=1e9,  # by default boxes are lost where the machine is slow
                end2end=network.end2end,
            )
        return [np.delete(row.float().cpu().numpy(), 5, axis=1) for row in rows]  # 5: the class


def load_model(model: str, device: DeviceName, batch_size: int) -> YoloModel:
    """Load the network of a file or name on a device.

    Raises UserError: unknown name (exit 2), missing file (exit 3), a file that is refused or
    contains something else (exit 5), missing package, weights or device (exit 6).
    """
    tasks = import_part("nn.tasks")
    where = resolve_device(device)
    path = existing_file(model) if _is_file(model) else fetch_weights(model)
    checkpoint = read_checkpoint(path)
    people = [number for number, name in checkpoint.classes.items() if name == "person"]
    if len(people) != 1:
        classes = ", ".join(list(checkpoint.classes.values())[:5]) or "nothing"
        raise Mismatch(
            f"{path} does not detect people; its classes are {classes}",
            hint="use a network with the class person",
        )
    network = build_network(tasks, checkpoint, path).to(where)
    # The head stores the size of the last picture, so each thread has a copy; all share weights.
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return YoloModel(
        networks=Instances(lambda _: copy.deepcopy(network, dict(shared))),
        person=people[0],
        image_size=-(-checkpoint.image_size // _STRIDE) * _STRIDE,
        joints=checkpoint.joints,
        device=where.type,
        batch_size=(batch_size or _BATCH) if where.type == "cuda" else 1,  # CPUs gain nothing
    )


def build_network(tasks: Any, checkpoint: Checkpoint, path: Path) -> Any:
    """Build the network of a checkpoint. Raises UserError (exit 5) if its weights do not fit.

    tasks: the module ultralytics.nn.tasks.
    """
    import torch

    kind = tasks.PoseModel if checkpoint.joints else tasks.DetectionModel
    try:
        with torch.random.fork_rng(devices=[]):
            network = kind(cfg=copy.deepcopy(checkpoint.layers), ch=3, verbose=False)
        network.load_state_dict(checkpoint.tensor)
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise Mismatch(
            f"{path} does not fit the installed ultralytics: {first_line(error)[:120]}",
            hint=f"{INSTALL} installs the version that la2ds is tested with",
        ) from error
    return network.fuse(verbose=False).eval().requires_grad_(False)


# --- checkpoints ---------------------------------------------------------------------------------

HEADS = {"Detect": False, "v10Detect": False, "Pose": True, "Pose26": True}  # has joints?

# Layers of the networks YOLOv8 to YOLO26; none of these opens files or connections.
_LAYERS = re.compile(
    "A2C2f|AConv|ADown|Bottleneck|BottleneckCSP|C1|C2|C2PSA|C2f|C2fCIB|C2fPSA|C3|C3Ghost|C3k2|C3x"
    "|CBFuse|CBLinear|Concat|Conv|DWConv|ELAN1|Focus|GhostBottleneck|GhostConv|PSA|RepC3"
    r"|RepNCSPELAN4|SCDown|SPP|SPPELAN|SPPF|nn\.(ConvTranspose2d|Identity|Upsample)"
)
_ACTIVATION = re.compile(r"(torch\.)?nn\.[A-Za-z0-9]+\([\w=., -]*\)")
_KNOWN = re.compile(
    r"ultralytics(\.\w+)+|torch\.nn(\.\w+)+"
    r"|numpy\.(dtype|ndarray|_?core\.multiarray\.(scalar|_reconstruct))"
    r"|pathlib(\._local)?\.(Posix|Windows)Path|builtins\.getattr"
)
_IMAGE_SIZE = 640  # pixels, of the published networks
_LOADING = Lock()  # torch has one list of allowed classes for the whole process


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint that is needed to build its network.

    layers: Ultralytics' description. tensor: name -> torch.Tensor. classes: number -> name.
    image_size: longer side in pixels of the training pictures. joints: (K, 2 or 3) for a pose
    network, otherwise None.
    """

    layers: dict[str, Any]
    tensor: dict[str, Any]
    classes: dict[int, str]
    image_size: int
    joints: tuple[int, int] | None


class _Inert:
    """Replaces any object in the file: takes all arguments, keeps its state, does nothing."""

    def __new__(cls, *_: Any) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_: Any) -> None:
        self.state: dict[Any, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the network of a checkpoint file.

    Raises UserError (exit 5) for a file that is not such a checkpoint or names foreign code, or for
    a network that finds neither boxes nor joints.
    """
    data = _load(path)
    network = (data.get("ema") or data.get("model")) if isinstance(data, dict) else None
    if not isinstance(network, _Inert):
        raise _unfit(path, "it contains no network")
    state = network.state
    layers = _check_layers(path, state.get("yaml"))
    joints = layers.get("kpt_shape") if HEADS[layers["head"][-1][2]] else None
    arguments = data.get("train_args")
    size = arguments.get("imgsz") if isinstance(arguments, dict) else None
    return Checkpoint(
        layers=layers,
        tensor=dict(_tensors(network)),
        classes=_classes(state.get("names")),
        image_size=size if isinstance(size, int) and 32 <= size <= 4096 else _IMAGE_SIZE,
        joints=(int(joints[0]), int(joints[1])) if joints else None,
    )


def _load(path: Path) -> Any:
    import torch

    try:
        with _LOADING, _no_safe_globals():
            named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            foreign = sorted(name for name in named if not _KNOWN.fullmatch(name))
            if foreign:
                raise Mismatch(
                    f"{path} is refused: it names {foreign[0]}, which a YOLO network does not need",
                    hint="such a file could run any program; get it again from its publisher",
                )
            torch.serialization.add_safe_globals([(_Inert, name) for name in named])
            return torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:  # torch raises errors of every kind for damaged files
        raise _unfit(path, first_line(error)) from error


@contextmanager
def _no_safe_globals() -> Iterator[None]:
    """Empty torch's list of classes that a file may create, within the block."""
    from torch import serialization

    before = serialization.get_safe_globals()
    serialization.clear_safe_globals()
    try:
        yield
    finally:
        serialization.clear_safe_globals()
        serialization.add_safe_globals(before)


def _check_layers(path: Path, layers: Any) -> dict[str, Any]:
    """Return the description of a network after checking that everything in it is harmless."""
    if not isinstance(layers, dict) or not _plain(layers):
        raise _unfit(path, "it does not describe its layers")
    rows = [*_rows(layers.get("backbone")), *_rows(layers.get("head"))]
    if not rows or not all(len(row) == 4 and isinstance(row[2], str) for row in rows):
        raise _unfit(path, "it does not describe its layers")
    *body, head = [row[2] for row in rows]
    if head not in HEADS:
        raise _unfit(path, f"its last layer is {head}, but la2ds needs {' or '.join(HEADS)}")
    unknown = [layer for layer in body if not _LAYERS.fullmatch(layer)]
    if unknown:
        raise _unfit(path, f"la2ds does not know its layer {unknown[0]}")
    activation = layers.get("activation")
    if activation and not _ACTIVATION.fullmatch(str(activation)):
        raise _unfit(path, f"its activation is {str(activation)[:60]!r}")
    if layers.get("channels", 3) != 3 or layers.get("ch", 3) != 3:
        raise _unfit(path, "its pictures are not RGB")
    return layers


def _classes(names: Any) -> dict[int, str]:
    pairs = names.items() if isinstance(names, dict) else enumerate(names or ())
    return {int(number): str(name) for number, name in pairs}


def _rows(part: Any) -> list[Any]:
    return [row for row in part if isinstance(row, list | tuple)] if isinstance(part, list) else []


def _plain(value: Any, depth: int = 0) -> bool:
    """Return whether a value consists only of numbers, text, lists and dicts."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        return depth < 8 and all(_plain(item, depth + 1) for item in value)
    return value is None or isinstance(value, str | int | float | bool)


def _tensors(module: _Inert, prefix: str = "", above: tuple[int, ...] = ()) -> Iterator[Any]:
    """Yield the names and tensors of a module and its submodules, as in its state dict."""
    import torch

    if id(module) in above:
        raise Mismatch("the network of the checkpoint contains itself")
    left_out = module.state.get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        for name, value in _dict(module.state.get(kind)).items():
            if isinstance(value, torch.Tensor) and name not in left_out:
                yield f"{prefix}{name}", value.detach()
    for name, below in _dict(module.state.get("_modules")).items():
        if isinstance(below, _Inert):
            yield from _tensors(below, f"{prefix}{name}.", (*above, id(module)))


def _dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _unfit(path: Path, reason: str) -> UserError:
    return Mismatch(
        f"{path} is not a YOLO checkpoint that la2ds can use: {reason}",
        hint="la2ds reads boxes and joints of YOLOv8 and later; export other models to ONNX",
    )
