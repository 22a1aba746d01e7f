"""Networks that find people (detectors) and their joints (pose networks). A file for each package
that runs them; a new file is a new plugin.

A file declares `POSES` and `DETECTORS`, literal tuples of the names that it serves, or `SUFFIXES`,
the endings of the model files that it reads as either. Its functions get the user's setting
unchanged (a name, `name:more` or a file):

    pose_identity(name) -> str, detector_identity(name) -> str
        what the output depends on (the name and the digest of its weights); part of the cache key,
        so it must be cheap and load no network
    build_pose(name, device, config) -> PoseBackend
    build_detector(name, device, config, pose) -> Detector
        device is `auto`, `cpu` or `cuda`; config is a PosesConfig (batch size); pose is the pose
        network of the run, for detectors that find people through their joints

Heavy imports go inside these functions. A module of your own with the same works as a dotted name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Literal, Protocol

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, device_type
from la2ds_cli.core.plugins import load_plugin
from la2ds_cli.core.types import FloatArray
from la2ds_cli.video.reader import Image

# What the setting `auto` means by the device. HRNet-W32 is the more accurate on COCO; without a GPU
# BlazePose takes a tenth of its time: 10 against 113 ms of one core for a person of a frame.
AUTO_POSE = {"cuda": "hrnet-w32-msra", "cpu": "blazepose"}
AUTO_DETECTOR = {"cuda": "fasterrcnn", "cpu": "fasterrcnn-mobilenet"}  # with most pose networks
_BLAZEPOSE = "blazepose"  # which finds people, too, on any device
# Crops, where none is set: a CPU gains nothing from more, and a chunk has 16 frames (chunks.py).
BATCH_SIZE = {"cpu": 4, "cuda": 16}

Joints = tuple[FloatArray, FloatArray, FloatArray]  # xy, score, world


class PoseBackend(Protocol):
    """What extraction needs from a pose network.

    One that starts from the frame before also has `tracker() -> PoseTracker`, which is then asked
    for one object for each person of a clip.
    """

    @property
    def skeleton(self) -> str:
        """Name of the skeleton (la2ds_cli.core.skeleton) that orders the joints."""
        ...

    @property
    def device(self) -> str:
        """`cpu` or `cuda`: where it actually runs."""
        ...

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """Joints of the person in boxes[i] (n, 4) xyxy of images[i], (H, W, 3) uint8 RGB.

        Called from several threads at once.

        Returns xy (n, K, 2) in pixels of the image, score (n, K) in [0, 1], and world (n, K, 3):
        metres about the body's root as PoseSequence.world, NaN = not known; (n, 0, 3) from a
        network without depth.
        """
        ...


class PoseTracker(Protocol):
    """One person in one clip, for a network that starts from the previous frame."""

    def reset(self) -> None:
        """Announce that the next frame does not follow the previous one."""
        ...

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """As PoseBackend.estimate, for consecutive frames; there may be none."""
        ...


class Detector(Protocol):
    """What extraction needs from a person detector."""

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        """For each image (H, W, 3) uint8 RGB the boxes (n, 5) float32 of people: x1 y1 x2 y2 in
        pixels of the image and the score in [0, 1], low scores included.

        Called from several threads at once.
        """
        ...


def no_joints(people: int, joints: int, *, depth: bool = False) -> Joints:
    """The arrays of PoseBackend.estimate for nobody found: zeros, and NaN metres."""
    xy, score = np.zeros((people, joints, 2), np.float32), np.zeros((people, joints), np.float32)
    return xy, score, np.full((people, joints if depth else 0, 3), np.nan, np.float32)


def in_batches(
    images: Sequence[Image], detect: Callable[[Sequence[Image]], list[FloatArray]], device: str
) -> list[FloatArray]:
    """What `detect` finds in all images, which it gets eight at a time on `cuda` and one by one on
    `cpu`."""
    together = 8 if device == "cuda" else 1
    starts = range(0, len(images), together)
    return [boxes for at in starts for boxes in detect(images[at : at + together])]


def pose_name(setting: str, device: DeviceName) -> str:
    """What `auto` means on this device; any other setting is itself."""
    return AUTO_POSE[device_type(device)] if setting == "auto" else setting


def detector_name(setting: str, device: DeviceName, pose: str) -> str:
    """What `auto` means on this device, with a pose network; any other setting is itself."""
    if setting != "auto":
        return setting
    return _BLAZEPOSE if pose.startswith(_BLAZEPOSE) else AUTO_DETECTOR[device_type(device)]


def pose_identities(setting: str) -> tuple[str, ...]:
    """Cache identities that satisfy the setting: `auto` accepts poses by any network that it can
    mean, so that a project stays current on a machine of the other kind. UserError as
    `resolve_pose`."""
    names = AUTO_POSE.values() if setting == "auto" else (setting,)
    return tuple(_plugin("POSES", name).pose_identity(name) for name in names)


def detector_identities(setting: str) -> tuple[str, ...]:
    """As `pose_identities`, for detectors."""
    names = (*AUTO_DETECTOR.values(), _BLAZEPOSE) if setting == "auto" else (setting,)
    return tuple(_plugin("DETECTORS", name).detector_identity(name) for name in names)


def resolve_pose(
    name_or_file: str, device: DeviceName = "auto", config: PosesConfig | None = None
) -> PoseBackend:
    """The pose network of a name other than `auto`, of a model file, or of a dotted module.

    Raises UserError: unknown name (exit 2) with the known ones, missing file (exit 3), a model of
    another interface (exit 5), missing weights or device (exit 6).
    """
    config = config or PosesConfig()
    if not config.batch_size:
        where = device_type(device) if device == "auto" else device
        config = replace(config, batch_size=BATCH_SIZE[where])
    return _plugin("POSES", name_or_file).build_pose(name_or_file, device, config)


def resolve_detector(
    name_or_file: str, device: DeviceName, pose: PoseBackend, config: PosesConfig | None = None
) -> Detector:
    """The detector of a setting, as `resolve_pose`."""
    plugin = _plugin("DETECTORS", name_or_file)
    return plugin.build_detector(name_or_file, device, config or PosesConfig(), pose)


def _plugin(kind: Literal["POSES", "DETECTORS"], setting: str) -> ModuleType:
    what, option = ("pose network", "pose") if kind == "POSES" else ("detector", "detector")
    hint = f"or your own with --{option} FILE.onnx, or FILE.pt with Ultralytics"
    return load_plugin(__name__, setting, what=what, hint=hint, declared=kind)
