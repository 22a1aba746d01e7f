"""Any top-down network of MMPose (Apache-2.0), as `--pose mmpose:CONFIG,CHECKPOINT`.

Crops, network and decoding are MMPose's own, as configured, without its flip test; the batch size
follows the settings of la2ds. The joints are matched to a skeleton by their names.
"""

# pyright: reportMissingImports=false
# (MMPose is an optional package)

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
from la2ds_cli.poses.openmmlab import (
    Source,
    building,
    find_source,
    load_weights,
    model_settings,
)
from la2ds_cli.poses.threads import gpu_memory
from la2ds_cli.video.reader import Image

NAMES = ("mmpose",)

# MMPose's names of joints that la2ds calls otherwise (Halpe, and the fingers of its hand sets).
_RENAMED = {
    "hip": "mid_hip",
    "forefinger": "index",
    "middle_finger": "middle",
    "ring_finger": "ring",
    "pinky_finger": "little",
}


def identity(name: str) -> str:
    """Digests of the configuration and of the checkpoint, and the versions of the packages."""
    return find_source(name, "mmpose").identity()


def build(name: str, device: DeviceName, config: PosesConfig) -> MmposeBackend:
    """The network of a configuration with its weights.

    Raises UserError as `find_source`, and exit 5 for a network that is not top-down, or whose
    joints fit no skeleton.
    """
    where = resolve_device(device)
    source = find_source(name, "mmpose")
    with building("mmpose"):
        return _build(source, where, config)


def _build(source: Source, where: Any, config: PosesConfig) -> MmposeBackend:
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

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Joints of the person in boxes[i] (xyxy, pixels) of images[i] (H, W, 3) uint8 RGB.

        Returns xy (n, K, 2) float32 in pixels of the image and score (n, K) float32 in [0, 1].
        """
        xy = np.zeros((len(boxes), len(self.order), 2), np.float32)
        score = np.zeros((len(boxes), len(self.order)), np.float32)
        for start in range(0, len(boxes), self.batch_size):
            part = slice(start, start + self.batch_size)
            for i, result in enumerate(self._run(images[part], boxes[part]), start):
                people = result.pred_instances
                xy[i] = people.keypoints[0][self.order, :2]
                score[i] = np.clip(people.keypoint_scores[0][self.order], 0, 1)
        return xy, score

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
