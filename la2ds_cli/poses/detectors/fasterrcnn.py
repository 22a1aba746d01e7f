"""Faster R-CNN (Ren et al., NeurIPS 2015) of torchvision: ResNet-50 FPN, the paper's detector, and
MobileNetV3-Large-320, some thirty times faster on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.video.reader import Image

NAMES = ("fasterrcnn", "fasterrcnn-mobilenet")

_PERSON = 1  # torchvision's COCO labels; 0 is the background


def identity(name: str) -> str:
    """The name and the digest of its weights."""
    return weights_identity(name)


def build(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> FasterRcnnDetector:
    """The network with its weights, downloaded if they are missing. Raises UserError (exit 6)
    offline."""
    import torch

    from la2ds_models.weight_files import DAMAGE

    where = resolve_device(device)
    path = fetch_weights(name)
    network = build_network(name)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except DAMAGE as error:
        raise UserError(
            f"{path} does not hold the weights of {name}: {first_line(error)}",
            hint="delete the file and run the same command again",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    return FasterRcnnDetector(network.eval().to(where), where)


def build_network(name: str) -> Any:
    """The torchvision network with random weights."""
    from torchvision.models import detection

    make = {
        "fasterrcnn": detection.fasterrcnn_resnet50_fpn,
        "fasterrcnn-mobilenet": detection.fasterrcnn_mobilenet_v3_large_320_fpn,
    }[name]
    # Both None: torchvision would otherwise download the backbone.
    return make(weights=None, weights_backbone=None)


class FasterRcnnDetector:
    """One image per pass on a CPU; on CUDA the images of a call go through together."""

    def __init__(self, network: Any, device: Any) -> None:
        self.network = network
        self.device = device

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        together = 8 if self.device.type == "cuda" else 1
        detected = []
        for start in range(0, len(images), together):
            detected += self._detect(images[start : start + together])
        return detected

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
