"""Any top-down network of MMPose and any box detector of MMDetection (Apache-2.0), as
`--pose mmpose:CONFIG,CHECKPOINT` and `--detector mmdet:CONFIG,CHECKPOINT`.

Crops or scaling, network and decoding are those of the packages, as configured, without a flip
test. The joints are matched to a skeleton by their names; a detector must know the class `person`.
"""

# pyright: reportMissingImports=false
# (the packages are optional)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import SKELETONS
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.networks import Joints, PoseBackend, in_batches, no_joints
from la2ds_cli.poses.openmmlab import (
    Source,
    building,
    find_source,
    load_weights,
    model_settings,
)
from la2ds_cli.poses.threads import gpu_memory
from la2ds_cli.video.reader import Image

POSES = ("mmpose",)
DETECTORS = ("mmdet",)

# MMPose's names of joints that la2ds calls otherwise (Halpe, and the fingers of its hand sets).
_RENAMED = {
    "hip": "mid_hip",
    "forefinger": "index",
    "middle_finger": "middle",
    "ring_finger": "ring",
    "pinky_finger": "little",
}


def pose_identity(name: str) -> str:
    """Digests of the configuration and of the checkpoint, and the versions of the packages."""
    return find_source(name, "mmpose").identity()


def detector_identity(name: str) -> str:
    """As of a pose network."""
    return find_source(name, "mmdet").identity()


def build_pose(name: str, device: DeviceName, config: PosesConfig) -> MmposeBackend:
    """The network of a configuration with its weights.

    Raises UserError as `find_source`, and exit 5 for a network that is not top-down, or whose
    joints fit no skeleton.
    """
    where = resolve_device(device)
    source = find_source(name, "mmpose")
    with building("mmpose"):
        return _build_pose(source, where, config)


def _build_pose(source: Source, where: Any, config: PosesConfig) -> MmposeBackend:
    from mmengine.dataset import Compose
    from mmengine.model.utils import revert_sync_batchnorm
    from mmpose.models.builder import build_pose_estimator
    from mmpose.models.pose_estimators import TopdownPoseEstimator

    settings = source.read_config()
    model = model_settings(settings.model)
    model.train_cfg = None
    network = revert_sync_batchnorm(build_pose_estimator(model))
    if not isinstance(network, TopdownPoseEstimator):
        raise UserError(
            f"{source.config.name} is a {type(network).__name__}, but la2ds needs a top-down "
            "network, which takes one person at a time",
            hint="choose a configuration below topdown_heatmap, simcc or rtmpose",
            exit_code=ExitCode.MISMATCH,
        )
    facts = load_weights(network, source).get("dataset_meta") or _dataset_facts(settings)
    names = [facts["keypoint_id2name"][k] for k in range(facts["num_keypoints"])]
    skeleton, order = match_skeleton(names, source.config.name)
    network.test_cfg = {**(network.test_cfg or {}), "flip_test": False}
    return MmposeBackend(
        network.eval().to(where),
        Compose(settings.test_dataloader.dataset.pipeline),
        facts,
        skeleton=skeleton,
        order=order,
        device=where.type,
        batch_size=config.batch_size,
    )


def _dataset_facts(settings: Any) -> Mapping[str, Any]:
    """Names and pairs of the joints, from the data set that the configuration trains on."""
    from mmpose.apis.inference import dataset_meta_from_config

    for part in ("train", "val", "test"):
        facts = dataset_meta_from_config(settings, part)
        if facts is not None:
            return facts
    raise UserError(
        f"neither the checkpoint nor {settings.filename} names the joints",
        hint="add a data set with its `metainfo` to the configuration",
        exit_code=ExitCode.MISMATCH,
    )


def match_skeleton(names: Sequence[str], what: str) -> tuple[str, list[int]]:
    """The skeleton with the most joints, all of them among `names`, and the position of each.

    Raises UserError (exit 5) if there is none. what: the network, for the message.
    """
    renamed = [_our_name(name) for name in names]
    fitting = [s for s in SKELETONS.values() if set(s.joints) <= set(renamed)]
    if not fitting:
        raise UserError(
            f"the joints of {what} fit no skeleton that la2ds knows: {', '.join(names)}",
            hint=f"skeletons: {', '.join(sorted(SKELETONS))}",
            exit_code=ExitCode.MISMATCH,
        )
    best = max(fitting, key=lambda skeleton: len(skeleton.joints))
    return best.name, [renamed.index(joint) for joint in best.joints]


def _our_name(name: str) -> str:
    stem = name.rstrip("0123456789")
    return _RENAMED.get(stem, stem) + name[len(stem) :]


class MmposeBackend:
    """Joints by MMPose's own pipeline.

    facts: MMPose's `dataset_meta`. order: index of each joint of the skeleton among the network's.
    """

    def __init__(
        self,
        network: Any,
        pipeline: Any,
        facts: Mapping[str, Any],
        *,
        skeleton: str,
        order: list[int],
        device: str,
        batch_size: int,
    ) -> None:
        self.network = network
        self.pipeline = pipeline
        self.facts = facts
        self.skeleton = skeleton
        self.order = order
        self.device = device
        self.batch_size = batch_size
        self._lock = Lock()

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """As PoseBackend.estimate."""
        xy, score, world = no_joints(len(boxes), len(self.order))
        for start in range(0, len(boxes), self.batch_size):
            part = slice(start, start + self.batch_size)
            for i, result in enumerate(self._run(images[part], boxes[part]), start):
                people = result.pred_instances
                xy[i] = people.keypoints[0][self.order, :2]
                score[i] = np.clip(people.keypoint_scores[0][self.order], 0, 1)
        return xy, score, world

    def _run(self, images: Sequence[Image], boxes: FloatArray) -> list[Any]:
        import torch
        from mmengine.dataset import pseudo_collate

        data = [
            self.pipeline(
                {
                    "img": np.ascontiguousarray(image[..., ::-1]),  # MMPose reads BGR
                    "bbox": np.asarray(box, np.float32)[None],
                    "bbox_score": np.ones(1, np.float32),
                    **self.facts,
                }
            )
            for image, box in zip(images, boxes, strict=True)
        ]
        with gpu_memory(len(data)), self._lock, torch.inference_mode():
            return self.network.test_step(pseudo_collate(data))


# --- detectors of MMDetection ---------------------------------------------------------------------


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> MmdetDetector:
    """The network of a configuration with its weights.

    Raises UserError as `find_source`, and exit 5 for a network without a class `person`.
    """
    where = resolve_device(device)
    source = find_source(name, "mmdet")
    with building("mmdet"):
        return _build_detector(source, where)


def _build_detector(source: Source, where: Any) -> MmdetDetector:
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
        return in_batches(images, self._detect, self.device.type)

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
