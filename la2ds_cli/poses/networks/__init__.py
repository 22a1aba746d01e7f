"""Networks that find people (detectors) and their joints (pose networks), one file for each package
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

Heavy imports go inside these functions. A module of your own with the same functions can be named
by its dotted name. Below: code that several of these files share, from batches to heatmaps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock
from types import ModuleType
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, available_cores, device_type
from la2ds_cli.core.errors import Unavailable
from la2ds_cli.core.plugins import load_plugin
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.video.reader import Image

# The meaning of the setting `auto` by device. HRNet-W32 is more accurate on COCO; without a GPU,
# BlazePose takes a tenth of its time: 10 against 113 ms of one core for a person in a frame.
AUTO_POSE = {"cuda": "hrnet-w32-msra", "cpu": "blazepose"}
AUTO_DETECTOR = {"cuda": "fasterrcnn", "cpu": "fasterrcnn-mobilenet"}  # with most pose networks
_BLAZEPOSE = "blazepose"  # also finds people, on any device
# Default number of crops: a CPU gains nothing from more, and a chunk has 16 frames (chunks.py).
BATCH_SIZE = {"cpu": 4, "cuda": 16}

Item = TypeVar("Item")
Joints = tuple[FloatArray, FloatArray, FloatArray]  # xy, score, world


class PoseBackend(Protocol):
    """A pose network as the extraction uses it.

    A network that starts from the previous frame also has `tracker() -> PoseTracker`, called once
    for each person of a clip.
    """

    @property
    def skeleton(self) -> str:
        """Name of the skeleton (core/skeleton.py) that gives the order of the joints."""
        ...

    @property
    def device(self) -> str:
        """`cpu` or `cuda`, where the network runs."""
        ...

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """Estimate the joints of one person in each image. Called from several threads at once.

        Parameters
        ----------
        images
            n images (H, W, 3) uint8 RGB.
        boxes
            (n, 4) xyxy pixels: the person in each image.

        Returns
        -------
        xy (n, K, 2) in pixels of the image, score (n, K) in [0, 1], and world (n, K, 3): metres
        about the body's root as PoseSequence.world, NaN = unknown; (n, 0, 3) without depth.
        """
        ...


class PoseTracker(Protocol):
    """Follows one person in a clip, with a network that starts from the previous frame."""

    def reset(self) -> None:
        """Announce that the next frame does not follow the previous one."""
        ...

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """Estimate as PoseBackend.estimate, for consecutive frames; there may be none."""
        ...


class Detector(Protocol):
    """A person detector as the extraction uses it."""

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        """Return the people in each image (H, W, 3) uint8 RGB, as boxes (n, 5) float32.

        A row is x1 y1 x2 y2 in pixels and the score in [0, 1], low scores included. Called from
        several threads at once.
        """
        ...


def no_joints(people: int, joints: int, *, depth: bool = False) -> Joints:
    """Return the arrays of PoseBackend.estimate for nobody found: zeros, and NaN metres."""
    xy, score = np.zeros((people, joints, 2), np.float32), np.zeros((people, joints), np.float32)
    return xy, score, np.full((people, joints if depth else 0, 3), np.nan, np.float32)


def in_batches(
    images: Sequence[Image], detect: Callable[[Sequence[Image]], list[FloatArray]], device: str
) -> list[FloatArray]:
    """Apply `detect` to all images, eight at a time on `cuda` and one by one on `cpu`."""
    size = 8 if device == "cuda" else 1
    starts = range(0, len(images), size)
    return [boxes for start in starts for boxes in detect(images[start : start + size])]


@contextmanager
def gpu_memory(count: int) -> Iterator[None]:
    """Context for running a network on `count` pictures. Raises UserError (exit 6) if the GPU lacks
    memory."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise Unavailable(
            f"the GPU has too little free memory for a batch of {count} pictures",
            hint="set batch_size = 1 under [poses] in project.toml, or use --device cpu",
        ) from error


class Instances(Generic[Item]):
    """Instances of a network that handles one call at a time, one for each concurrent call.

    They are made when first needed, and stay when the calling threads end. make: returns an
    instance that uses this number of threads, a power of two up to `most_threads`. A call that runs
    alone gets more threads. The output must not depend on their number.
    """

    def __init__(self, make: Callable[[int], Item], most_threads: int = 1) -> None:
        self._make, self._most = make, most_threads
        self._free: dict[int, list[Item]] = defaultdict(list)
        self._lent = 0
        self._lock = Lock()

    @contextmanager
    def borrow(self) -> Iterator[Item]:
        """Lend an instance for exclusive use within the block; dropped if the block raises."""
        with self._lock:
            self._lent += 1
            share = max(1, min(self._most, available_cores() // self._lent))
            threads = 1 << (share.bit_length() - 1)
            free = self._free[threads]
            item = free.pop() if free else None
        try:
            item = self._make(threads) if item is None else item
            yield item
            free.append(item)
        finally:
            with self._lock:
                self._lent -= 1


def pose_name(setting: str, device: DeviceName) -> str:
    """Return the pose network of a setting; `auto` depends on the device."""
    return AUTO_POSE[device_type(device)] if setting == "auto" else setting


def detector_name(setting: str, device: DeviceName, pose: str) -> str:
    """Return the detector of a setting; `auto` depends on the device and the pose network."""
    if setting != "auto":
        return setting
    return _BLAZEPOSE if pose.startswith(_BLAZEPOSE) else AUTO_DETECTOR[device_type(device)]


def pose_identities(setting: str) -> tuple[str, ...]:
    """Return the cache identities that satisfy a setting.

    `auto` accepts poses by any network that it can mean, so that a project stays current on a
    machine of the other kind. Raises UserError as `resolve_pose`.
    """
    names = AUTO_POSE.values() if setting == "auto" else (setting,)
    return tuple(_plugin("POSES", name).pose_identity(name) for name in names)


def detector_identities(setting: str) -> tuple[str, ...]:
    """Return the cache identities that satisfy a setting, as `pose_identities`."""
    names = (*AUTO_DETECTOR.values(), _BLAZEPOSE) if setting == "auto" else (setting,)
    return tuple(_plugin("DETECTORS", name).detector_identity(name) for name in names)


def resolve_pose(
    name_or_file: str, device: DeviceName = "auto", config: PosesConfig | None = None
) -> PoseBackend:
    """Build the pose network of a name other than `auto`, a model file, or a dotted module.

    Raises UserError: unknown name (exit 2) with a list of names, missing file (exit 3), a model of
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
    """Build the detector of a setting, as `resolve_pose`."""
    plugin = _plugin("DETECTORS", name_or_file)
    return plugin.build_detector(name_or_file, device, config or PosesConfig(), pose)


def _plugin(kind: Literal["POSES", "DETECTORS"], setting: str) -> ModuleType:
    what, option = ("pose network", "pose") if kind == "POSES" else ("detector", "detector")
    hint = f"or your own with --{option} FILE.onnx, or FILE.pt with Ultralytics"
    return load_plugin(__name__, setting=setting, what=what, hint=hint, declared=kind)


# --- top-down pose estimation: from box to crop, network, heatmaps and joints ---------------------
#
# Crops and cells follow the convention of the published HRNet code (Xiao et al., ECCV 2018; Sun et
# al., CVPR 2019): the centre of a box is at (W/2, H/2) of the network input, and heatmap cell
# (u, v) represents the input pixel (stride u, stride v).

PADDING = 1.25  # crop side over box side, as in the published training code
GREY = 114  # fills the rest of the input, as in the training of detectors


def crop_matrix(box: FloatArray, input_size: tuple[int, int]) -> FloatArray:
    """Return the affine (2, 3) float64 from image pixels to input pixels for box (4,) xyxy.

    input_size: (H, W). The box is widened to the aspect of the input, never narrowed, and grown by
    PADDING; there is no rotation.
    """
    height, width = input_size
    x1, y1, x2, y2 = np.asarray(box, dtype=np.float64)
    side = max((x2 - x1) / width, (y2 - y1) / height) * PADDING  # image pixels per input pixel
    size = np.array([width, height])
    scale = size / (max(side, 1e-6) * size)
    shift = size / 2 - scale * [(x1 + x2) / 2, (y1 + y2) / 2]
    return np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])


def cut_out(image: Image, matrix: FloatArray, size: tuple[int, int], border: int = 0) -> Image:
    """Return the crop of size (H, W) by a `crop_matrix`. border: grey value outside the image."""
    import cv2

    height, width = size
    flags, grey = cv2.INTER_LINEAR, (border, border, border)
    cut = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderValue=grey)
    return np.asarray(cut, np.uint8)


def to_image(xy: FloatArray, matrix: FloatArray) -> FloatArray:
    """Map input pixels xy (n, K, 2) to image pixels by the inverses of matrix (n, 2, 3)."""
    linear, shift = matrix[:, :, :2], matrix[:, :, 2]
    return np.einsum("nij,nkj->nki", np.linalg.inv(linear), xy - shift[:, None])


def decode_heatmaps(
    heatmap: FloatArray, input_size: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Return joints xy (n, K, 2) in input pixels and scores (n, K) from heatmap (n, K, H/s, W/s).

    A joint is the highest cell, moved a quarter cell towards its higher neighbour on each axis
    (Newell et al., ECCV 2016). A map without a positive value shows no joint: it scores 0 and gives
    the cell (-1, -1), as in the published decoder. Scores are in [0, 1].
    """
    n, joints, height, width = heatmap.shape
    maps = heatmap.reshape(n * joints, height, width)
    y, x = np.divmod(maps.reshape(n * joints, height * width).argmax(axis=1), width)
    score = maps[np.arange(len(maps)), y, x]
    cell = np.stack([x, y], axis=-1) + _quarter_offset(maps, x, y)
    xy = np.where(score[:, None] > 0, cell, -1).reshape(n, joints, 2)
    step = np.array([input_size[1] / width, input_size[0] / height])
    return xy * step, np.clip(score, 0, 1).reshape(n, joints)


def _quarter_offset(maps: FloatArray, x: IntArray, y: IntArray) -> FloatArray:
    """Return the offsets (m, 2) in maps (m, H, W) at (x, y). The asymmetric margins of the
    published decoder are kept, so that both give the same joints."""
    _, height, width = maps.shape
    row = np.arange(len(maps))
    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, width - 1)
    up, down = np.maximum(y - 1, 0), np.minimum(y + 1, height - 1)
    dx = np.sign(maps[row, y, right] - maps[row, y, left])
    dy = np.sign(maps[row, down, x] - maps[row, up, x])
    dx = np.where((x > 1) & (x < width - 1) & (y > 0), dx, 0)
    dy = np.where((y > 1) & (y < height - 1) & (x > 0), dy, 0)
    return 0.25 * np.stack([dx, dy], axis=-1)


# Channel statistics of ImageNet, RGB in [0, 1]; every published COCO pose network expects them.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TopDownBackend:
    """A pose backend around a network that gives heatmaps.

    forward: maps (n, 3, H, W) float32, normalised RGB, to heatmaps (n, K, H/s, W/s). input_size:
    (H, W). skeleton: its name, for the order of the K joints. device: where it runs. batch_size:
    crops per forward pass.

    A batch is always full: it is padded with copies of its last crop. The last bits of a network's
    output depend on the shape of its batch; without padding, a crop's result would depend on the
    other crops, and an interrupted run would differ from another one (docs/decisions/0005).
    """

    forward: Callable[[FloatArray], FloatArray]
    input_size: tuple[int, int]
    skeleton: str
    device: str
    batch_size: int = 16

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """Estimate as PoseBackend.estimate."""
        xy, score, world = no_joints(len(boxes), len(get_skeleton(self.skeleton).joints))
        for start in range(0, len(boxes), self.batch_size):
            part = slice(start, start + self.batch_size)
            matrix = np.stack([crop_matrix(box, self.input_size) for box in boxes[part]])
            crop = self._crops(images[part], matrix)
            padding = np.repeat(crop[-1:], self.batch_size - len(crop), axis=0)
            output = self.forward(np.concatenate([crop, padding]))
            joints, joint_score = decode_heatmaps(output, self.input_size)
            xy[part] = to_image(joints[: len(crop)], matrix)
            score[part] = joint_score[: len(crop)]
        return xy, score, world

    def _crops(self, images: Sequence[Image], matrix: FloatArray) -> FloatArray:
        """Return normalised crops (n, 3, H, W) float32; pixels outside an image are black."""
        pairs = zip(images, matrix, strict=True)
        cut = np.stack([cut_out(image, m, self.input_size) for image, m in pairs])
        mean, std = np.array(_MEAN, np.float32), np.array(_STD, np.float32)
        normalised = (cut.astype(np.float32) / 255 - mean) / std
        return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))


def letterbox(
    image: Image, size: tuple[int, int], *, area: bool = True
) -> tuple[Image, FloatArray, FloatArray]:
    """Scale an image into (H, W) on grey, with its aspect; return it, the scale and the shift.

    Scale and shift are (x, y); the two scales differ a little, since both sides are rounded to
    whole pixels. area: average the pixels of a larger image, which loses no detail; otherwise
    interpolate between the nearest.
    """
    import cv2

    height, width = size
    scale = min(height / image.shape[0], width / image.shape[1])
    inner = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    interpolation = cv2.INTER_AREA if area and scale < 1 else cv2.INTER_LINEAR
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = np.full((height, width, 3), GREY, np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        image, inner, interpolation=interpolation
    )
    scales = np.array([inner[0] / image.shape[1], inner[1] / image.shape[0]], np.float32)
    return canvas, scales, np.array([left, top], np.float32)
