"""Checkpoint files of Ultralytics YOLO, read without running anything that they hold.

Such a .pt file is a pickle of the whole network object, which could start any program. It is read
by torch's restricted unpickler. Classes of Ultralytics and torch.nn that it names are replaced by
one that does nothing but keep its state, any other name ends the reading. What is used are the
tensors and the list of layers, and that list may hold known layers only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from threading import Lock
from typing import Any

from la2ds_cli.core.errors import ExitCode, UserError

HEADS = {"Detect": False, "v10Detect": False, "Pose": True, "Pose26": True}  # has joints?

# What the networks YOLOv8 to YOLO26 are made of; none of these opens files or the network.
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
_LOADING = Lock()  # torch keeps the classes it may make in one list for the process


@dataclass(frozen=True)
class Checkpoint:
    """What is needed to build the network again.

    layers: Ultralytics' description of it. tensor: name -> torch.Tensor. classes: number -> name.
    image_size: longer side in pixels of the pictures it was trained on. joints: (K, 2 or 3) of a
    pose network, else None.
    """

    layers: dict[str, Any]
    tensor: dict[str, Any]
    classes: dict[int, str]
    image_size: int
    joints: tuple[int, int] | None


class _Inert:
    """Stands for any object of the file: takes every argument, keeps its state, does nothing."""

    def __new__(cls, *_: Any) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_: Any) -> None:
        self.state: dict[Any, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


def read_checkpoint(path: Path) -> Checkpoint:
    """The network of a checkpoint file.

    UserError (exit 5): no such checkpoint, one that names foreign code, or a network that finds
    neither boxes nor joints.
    """
    data = _load(path)
    network = (data.get("ema") or data.get("model")) if isinstance(data, dict) else None
    if not isinstance(network, _Inert):
        raise _unfit(path, "it holds no network")
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
                raise UserError(
                    f"{path} is refused: it names {foreign[0]}, which no YOLO network needs",
                    hint="such a file can start any program; get it again from its publisher",
                    exit_code=ExitCode.MISMATCH,
                )
            torch.serialization.add_safe_globals([(_Inert, name) for name in named])
            return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        raise _unfit(path, str(error).splitlines()[0] if str(error) else "it is empty") from error


@contextmanager
def _no_safe_globals() -> Iterator[None]:
    """torch's list of classes that a file may make, empty for the time of the block."""
    from torch import serialization

    before = serialization.get_safe_globals()
    serialization.clear_safe_globals()
    try:
        yield
    finally:
        serialization.clear_safe_globals()
        serialization.add_safe_globals(before)


def _check_layers(path: Path, layers: Any) -> dict[str, Any]:
    """The description of a network, once everything in it is known to be harmless."""
    if not isinstance(layers, dict) or not _plain(layers):
        raise _unfit(path, "it does not describe its layers")
    rows = [*_rows(layers.get("backbone")), *_rows(layers.get("head"))]
    if not rows or not all(len(row) == 4 and isinstance(row[2], str) for row in rows):
        raise _unfit(path, "it does not describe its layers")
    *body, head = [row[2] for row in rows]
    if head not in HEADS:
        raise _unfit(path, f"its last layer is {head}, where {' or '.join(HEADS)} is needed")
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
    """Whether a value is made of numbers, text, lists and dicts alone."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        return depth < 8 and all(_plain(item, depth + 1) for item in value)
    return value is None or isinstance(value, str | int | float | bool)


def _tensors(module: _Inert, prefix: str = "", above: tuple[int, ...] = ()) -> Iterator[Any]:
    """Names and tensors of a module and those below it, as its state dict would list them."""
    import torch

    if id(module) in above:
        raise UserError(
            "the network of the checkpoint contains itself", exit_code=ExitCode.MISMATCH
        )
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
    return UserError(
        f"{path} is no YOLO checkpoint that la2ds can use: {reason}",
        hint="la2ds reads boxes and joints of YOLOv8 and later; export other models to ONNX",
        exit_code=ExitCode.MISMATCH,
    )
