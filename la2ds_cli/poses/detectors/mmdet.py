"""Any box detector of MMDetection (Apache-2.0), as `--detector mmdet:CONFIG,CHECKPOINT`.

Scaling, network and post-processing are MMDetection's own, as the configuration says. The network
must know the class `person`.
"""

# pyright: reportMissingImports=false
# (MMDetection is an optional package)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.openmmlab import (
    Source,
    building,
    find_source,
    load_weights,
    model_settings,
)
from la2ds_cli.video.reader import Image

NAMES = ("mmdet",)


def identity(name: str) -> str:
    """Digests of the configuration and of the checkpoint, and the versions of the packages."""
    return find_source(name, "mmdet").identity()


def build(name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend) -> MmdetDetector:
    """The network of a configuration with its weights.

    Raises UserError as `find_source`, and exit 5 for a network without a class `person`.
    """
    where = resolve_device(device)
    source = find_source(name, "mmdet")
    with building("mmdet"):
        return _build(source, where)


def _build(source: Source, where: Any) -> MmdetDetector:
    from mmdet.registry import MODELS
    from mmdet.utils import get_test_pipeline_cfg
    from mmengine.dataset import Compose
    from mmengine.model.utils import revert_sync_batchnorm

    settings = source.read_config()
    network = revert_sync_batchnorm(MODELS.build(model_settings(settings.model)))
    classes = _classes(load_weights(network, source), settings)
    if "person" not in classes:
        raise UserError(
            f"{source.config.name} does not detect people; its classes are "
            f"{', '.join(classes[:5])}",
            hint="choose a detector trained on COCO or another data set with the class person",
            exit_code=ExitCode.MISMATCH,
        )
    steps = get_test_pipeline_cfg(settings)
    steps[0].type = "mmdet.LoadImageFromNDArray"
    return MmdetDetector(network.eval().to(where), Compose(steps), classes.index("person"), where)


def _classes(meta: Mapping[str, Any], settings: Any) -> list[str]:
    """Names of the classes, from the checkpoint or from the data set of the configuration."""
    from mmdet.registry import DATASETS

    facts = {key.lower(): value for key, value in meta.get("dataset_meta", meta).items()}
    if "classes" not in facts:
        dataset = settings.test_dataloader.dataset
        kind = dataset.type if isinstance(dataset.type, type) else DATASETS.get(dataset.type)
        facts = {**getattr(kind, "METAINFO", {}), **dataset.get("metainfo", {})}
    classes = facts.get("classes", ())
    return [classes] if isinstance(classes, str) else list(classes)


class MmdetDetector:
    """One image per pass on a CPU; on CUDA the images of a call go through together."""

    def __init__(self, network: Any, pipeline: Any, person: int, device: Any) -> None:
        self.network = network
        self.pipeline = pipeline
        self.person = person
        self.device = device
        self._lock = Lock()

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        """Boxes (n, 5) float32 of the people in each image (H, W, 3) uint8 RGB: x1 y1 x2 y2 in
        pixels and the score in [0, 1]."""
        together = 8 if self.device.type == "cuda" else 1
        detected = []
        for start in range(0, len(images), together):
            detected += self._detect(images[start : start + together])
        return detected

    def _detect(self, images: Sequence[Image]) -> list[FloatArray]:
        import torch
        from mmengine.dataset import pseudo_collate

        data = [
            self.pipeline({"img": np.ascontiguousarray(image[..., ::-1]), "img_id": 0})  # BGR
            for image in images
        ]
        with self._lock, torch.no_grad():
            results = self.network.test_step(pseudo_collate(data))
        boxes = []
        for result in results:
            people = result.pred_instances
            person = people.labels == self.person
            person &= people.bboxes.isfinite().all(dim=1)  # some heads take the exponential
            parts = [people.bboxes[person], people.scores[person, None]]
            boxes.append(torch.cat(parts, dim=1).cpu().numpy().astype(np.float32))
        return boxes
