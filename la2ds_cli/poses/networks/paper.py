"""The networks of the paper, on torch: HRNet (Sun et al., CVPR 2019), W32 and W48 trained on COCO,
and Faster R-CNN (Ren et al., NeurIPS 2015) of torchvision: ResNet-50 FPN, the paper's detector, and
MobileNetV3-Large-320, some thirty times faster on a CPU. Also `full-frame`, which needs no
detector.

`hrnet-demo` comes with the package and was trained only on rendered people; it is never a default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import Unavailable, first_line
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.networks import PoseBackend, TopDownBackend, gpu_memory, in_batches
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.video.reader import Image

POSES = (
    "hrnet-w32",
    "hrnet-w48",
    "hrnet-w32-384",
    "hrnet-w48-384",
    "hrnet-w32-v0",
    "hrnet-w48-v0",
    "hrnet-w32-msra",
    "hrnet-w48-384-msra",
    "hrnet-demo",
)


DETECTORS = ("fasterrcnn", "fasterrcnn-mobilenet", "full-frame")

_PERSON = 1  # torchvision's COCO labels; 0 is the background
_FULL_FRAME = "full-frame:1"  # with the version of its refinement
_PASSES = 3  # the first sees a small person, the later ones correct its scale
_JOINT_THRESHOLD = 0.2
_MARGIN = 0.05  # share of the longer side; the crop of the pose network adds its own


def pose_identity(name: str) -> str:
    """Return the name and the digest of its weights."""
    return weights_identity(name)


def detector_identity(name: str) -> str:
    """Return the name and the digest of its weights; `full-frame` has no weights of its own."""
    return _FULL_FRAME if name == "full-frame" else weights_identity(name)


def build_pose(name: str, device: DeviceName, config: PosesConfig) -> TopDownBackend:
    """Build the network with its weights, downloaded if they are missing. Raises UserError (exit 6)
    offline."""
    import torch

    from la2ds_models.pose import POSE_VARIANTS, build_pose_network, load_pose_weights

    where = resolve_device(device)
    variant = POSE_VARIANTS[name]
    with torch.random.fork_rng(devices=[]):  # its random weights are replaced
        network = build_pose_network(name, len(get_skeleton(variant.skeleton).joints))
    _load(name, lambda path: load_pose_weights(network, path))
    network.eval().to(where)
    return TopDownBackend(
        forward=Forward(network, where),
        input_size=variant.input_size,
        skeleton=variant.skeleton,
        device=where.type,
        batch_size=config.batch_size,
    )


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> FasterRcnnDetector | FullFrameDetector:
    """Build the detector with its weights, as build_pose."""
    if name == "full-frame":
        return FullFrameDetector(pose)
    import torch

    where = resolve_device(device)
    with torch.random.fork_rng(devices=[]):
        network = build_fasterrcnn(name)
    _load(
        name,
        lambda path: network.load_state_dict(
            torch.load(path, map_location="cpu", weights_only=True)
        ),
    )
    return FasterRcnnDetector(network.eval().to(where), where)


def _load(name: str, load: Callable[[Path], object]) -> None:
    """Load the weights of a zoo entry. Raises UserError (exit 6) if they are missing or damaged."""
    path = fetch_weights(name)
    try:
        load(path)
    except Exception as error:  # torch raises errors of every kind for damaged files
        raise Unavailable(
            f"{path} does not hold the weights of {name}: {first_line(error)}",
            hint="delete the file and run the same command again",
        ) from error


class Forward:
    """Runs a torch network on arrays, (n, 3, H, W) to (n, K, h, w). Raises UserError (exit 6) if
    the GPU lacks memory for a batch."""

    def __init__(self, network: Any, device: Any) -> None:
        self.network = network
        self.device = device

    def __call__(self, crop: FloatArray) -> FloatArray:
        import torch

        with gpu_memory(len(crop)), torch.inference_mode():
            return self.network(torch.from_numpy(crop).to(self.device)).float().cpu().numpy()


def build_fasterrcnn(name: str) -> Any:
    """Build the torchvision network, with random weights."""
    from torchvision.models import detection

    make = {
        "fasterrcnn": detection.fasterrcnn_resnet50_fpn,
        "fasterrcnn-mobilenet": detection.fasterrcnn_mobilenet_v3_large_320_fpn,
    }[name]
    # Both None: torchvision would otherwise download the backbone.
    return make(weights=None, weights_backbone=None)


class FasterRcnnDetector:
    """Runs on one image per pass on a CPU; on CUDA on the images of a call together."""

    def __init__(self, network: Any, device: Any) -> None:
        self.network = network
        self.device = device

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        return in_batches(images, self._detect, self.device.type)

    def _detect(self, images: Sequence[Image]) -> list[FloatArray]:
        import torch

        batch = [
            torch.from_numpy(image).to(self.device).permute(2, 0, 1).float() / 255
            for image in images
        ]
        with torch.inference_mode():
            results = self.network(batch)
        boxes = []
        for result in results:
            person = result["labels"] == _PERSON
            parts = [result["boxes"][person], result["scores"][person, None]]
            boxes.append(torch.cat(parts, dim=1).cpu().numpy().astype(np.float32))
        return boxes


class FullFrameDetector:
    """Finds one person without a detector: the pose network sees the whole frame, then the box
    around its joints, scored by their mean score.

    For one person who fills a large part of the frame, as in the demo clips; it mixes up several
    people.
    """

    def __init__(self, pose: PoseBackend) -> None:
        self.pose = pose

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        box = np.array([[0, 0, width - 1, height - 1] for width, height in sizes], np.float64)
        score = np.zeros(len(images))
        for _ in range(_PASSES):
            xy, joint_score, _ = self.pose.estimate(images, box)
            score = joint_score.mean(axis=1)
            around = boxes.around_joints(xy, joint_score, _JOINT_THRESHOLD, _MARGIN)
            inside = np.stack([boxes.clip(b, size) for b, size in zip(around, sizes, strict=True)])
            # A frame without joints keeps its box; its low score removes it later.
            usable = boxes.area(np.nan_to_num(inside)) > 1
            box = np.where(usable[:, None], inside, box)
        rows = np.concatenate([box, score[:, None]], axis=1).astype(np.float32)
        return [rows[t : t + 1] for t in range(len(images))]
