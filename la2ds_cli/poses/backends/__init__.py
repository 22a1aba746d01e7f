"""Pose backends: a box in an image to joints. One file each; a new file is a new backend.

A backend file declares `NAMES`, a literal tuple of the names it serves, or `SUFFIXES`, the endings
of the model files it reads, and two functions that get the user's setting unchanged (a name,
`name:more` or a file):

    identity(name) -> str
        what the joints depend on (the name and the digest of its weights); part of the cache key,
        so it must be cheap and load no network
    build(name, device, config) -> PoseBackend
        device is `auto`, `cpu` or `cuda`; config is a PosesConfig (batch size)

Heavy imports go inside `build`. The same three in a module of your own work as a dotted name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Protocol

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, device_type
from la2ds_cli.core.plugins import load_plugin
from la2ds_cli.core.types import FloatArray
from la2ds_cli.video.reader import Image

# What the setting `auto` means by the device. HRNet-W32 is the more accurate on COCO; without a GPU
# BlazePose takes a tenth of its time: 10 against 113 ms of one core for a person of a frame.
AUTO = {"cuda": "hrnet-w32-msra", "cpu": "blazepose"}
# Crops, where none is set: a CPU gains nothing from more, and a chunk has 16 frames (chunks.py).
BATCH_SIZE = {"cpu": 4, "cuda": 16}


class PoseBackend(Protocol):
    """What extraction needs from a pose network."""

    @property
    def skeleton(self) -> str:
        """Name of the skeleton (la2ds_cli.core.skeleton) that orders the joints."""
        ...

    @property
    def device(self) -> str:
        """`cpu` or `cuda`: where it actually runs."""
        ...

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Joints of the person in boxes[i] (n, 4) xyxy of images[i], (H, W, 3) uint8 RGB.

        Called from several threads at once.

        Returns xy (n, K, 2) in pixels of the image and score (n, K) in [0, 1].
        """
        ...

    # A network that knows depth also has `estimate_world`, which is then called instead:
    #
    #   def estimate_world(images, boxes) -> tuple[FloatArray, FloatArray, FloatArray]
    #
    # xy and score as above, and world (n, K, 3) float32: metres about the body's root, x right,
    # y down, z away from the camera, NaN = not known (core.types.PoseSequence.world).
    #
    # One that starts from the frame before also has `tracker`, which is then asked for one object
    # for each person of a clip:
    #
    #   def tracker() -> PoseTracker


class PoseTracker(Protocol):
    """One person in one clip, for a network that starts from the previous frame."""

    def reset(self) -> None:
        """Announce that the next frame does not follow the previous one."""
        ...

    def estimate_world(
        self, images: Sequence[Image], boxes: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """As PoseBackend.estimate_world, for consecutive frames; there may be none."""
        ...


def automatic_backend(device: DeviceName) -> str:
    """The name of the backend that `auto` means on this device."""
    return AUTO[device_type(device)]


def backend_identities(setting: str) -> tuple[str, ...]:
    """Cache identities that satisfy the setting: `auto` accepts poses by either network that it can
    mean, so that a project stays current on a machine of the other kind."""
    names = tuple(AUTO.values()) if setting == "auto" else (setting,)
    return tuple(backend_identity(name) for name in names)


def backend_identity(name_or_file: str) -> str:
    """Cache identity of a backend name or ONNX file; UserError as `resolve_backend`."""
    return _plugin(name_or_file).identity(name_or_file)


def resolve_backend(
    name_or_file: str, device: DeviceName = "auto", config: PosesConfig | None = None
) -> PoseBackend:
    """The backend of a name other than `auto`, of an ONNX file, or of a dotted module.

    Raises UserError: unknown name (exit 2) with the known ones, missing file (exit 3), a model of
    another interface (exit 5), missing weights or device (exit 6).
    """
    config = config or PosesConfig()
    if not config.batch_size:
        where = device_type(device) if device == "auto" else device
        config = replace(config, batch_size=BATCH_SIZE[where])
    return _plugin(name_or_file).build(name_or_file, device, config)


def _plugin(name_or_file: str) -> ModuleType:
    hint = "or your own pose model with --pose FILE.onnx, or FILE.pt with Ultralytics"
    return load_plugin(__name__, name_or_file, what="pose network", hint=hint)
