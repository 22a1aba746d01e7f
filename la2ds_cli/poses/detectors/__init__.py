"""Person detectors: an image to boxes. One file each; a new file is a new detector.

A detector file declares `NAMES`, a literal tuple of the names it serves, or `SUFFIXES`, the endings
of the model files it reads, and two functions that get the user's setting unchanged (a name,
`name:more` or a file):

    identity(name) -> str
        what the boxes depend on (the name and the digest of its weights); part of the cache key,
        so it must be cheap and load no network
    build(name, device, config, pose) -> Detector
        device is `auto`, `cpu` or `cuda`; config is a PosesConfig; pose is the pose backend of the
        run, for detectors that find people through their joints

Heavy imports go inside `build`. The same three in a module of your own work as a dotted name.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Protocol

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, device_type
from la2ds_cli.core.plugins import load_plugin
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.video.reader import Image

AUTO = {"cuda": "fasterrcnn", "cpu": "fasterrcnn-mobilenet"}  # with most pose networks
AUTO_WITH = {"blazepose": "blazepose"}  # by the start of the pose network's name: on any device


class Detector(Protocol):
    """What extraction needs from a person detector."""

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        """For each image (H, W, 3) uint8 RGB the boxes (n, 5) float32 of people: x1 y1 x2 y2 in
        pixels of the image and the score in [0, 1], low scores included.

        Called from several threads at once.
        """
        ...


def detector_name(setting: str, device: DeviceName, pose: str) -> str:
    """What `auto` means on this device, with a pose network; any other setting is itself."""
    if setting != "auto":
        return setting
    own = [name for start, name in AUTO_WITH.items() if pose.startswith(start)]
    return own[0] if own else AUTO[device_type(device)]


def detector_identities(setting: str) -> tuple[str, ...]:
    """Cache identities that satisfy the setting.

    `auto` accepts poses made with any detector that it can mean, so that a project made on a
    machine with a GPU stays current on one without.
    """
    names = (*AUTO.values(), *AUTO_WITH.values()) if setting == "auto" else (setting,)
    return tuple(_identity(name) for name in names)


def resolve_detector(
    name_or_file: str, device: DeviceName, pose: PoseBackend, config: PosesConfig | None = None
) -> Detector:
    """The detector of a name other than `auto`, of an ONNX file, or of a dotted module.

    Raises UserError: unknown name (exit 2) with the known ones, missing file (exit 3), a model of
    another interface (exit 5), missing weights or device (exit 6).
    """
    return _plugin(name_or_file).build(name_or_file, device, config or PosesConfig(), pose)


def _identity(name: str) -> str:
    return _plugin(name).identity(name)


def _plugin(name_or_file: str) -> ModuleType:
    hint = "or your own detector with --detector FILE.onnx, or FILE.pt with Ultralytics"
    return load_plugin(__name__, name_or_file, what="detector", hint=hint)
