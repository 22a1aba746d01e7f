"""ViTPose (Xu et al., NeurIPS 2022) through the package transformers (Apache-2.0):
`vitpose:FOLDER` with a model saved by that package.

Weights are safetensors, and code that comes with them is not run. Crops and decoding are ours and
give what the package's own image processor gives: UDP's crop, and DARK on maps smoothed a little.
"""

# pyright: reportMissingImports=false
# (transformers is an optional package)

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.optional_package import optional_import
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses.backends.hrnet import Forward
from la2ds_cli.poses.backends.mmpose import match_skeleton
from la2ds_cli.poses.top_down import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    HeatmapDecoder,
    TopDownBackend,
    refined,
    udp_offset,
)

NAMES = ("vitpose",)

INSTALL = "pip install 'la2ds[vitpose]'"
_CONFIG, _PROCESSOR, _WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
_USAGE = "--pose vitpose:FOLDER; hf download OWNER/NAME --local-dir FOLDER gets a model of the hub"
_SIGMA, _RADIUS = 0.8, 5  # cells; how transformers smooths a map before it is refined


def identity(name: str) -> str:
    """The digests of the files in the folder."""
    folder = _folder(name)
    files = [folder / file for file in (_CONFIG, _PROCESSOR, _WEIGHTS) if (folder / file).is_file()]
    return ":".join(["vitpose", *(artifact.file_digest(file)[:16] for file in files)])


def build(name: str, device: DeviceName, config: PosesConfig) -> TopDownBackend:
    """The network of a folder.

    Raises UserError: no model named (exit 2), no model there (exit 3), another network or joints of
    no skeleton (exit 5), a missing package (exit 6).
    """
    where = resolve_device(device)
    with optional_import(["transformers"], "the package {package} is not installed", INSTALL):
        from transformers import VitPoseConfig, VitPoseForPoseEstimation
        from transformers.utils import logging
    folder = _folder(name)
    settings = json.loads((folder / _CONFIG).read_text("utf-8"))
    backbone = settings.get("backbone_config") or {}
    # Any other backbone might be fetched from somewhere else.
    if (settings.get("model_type"), backbone.get("model_type")) != ("vitpose", "vitpose_backbone"):
        raise _unfit(folder, f"it is a {settings.get('model_type')}")
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # missing weights are told below
    try:
        facts = VitPoseConfig.from_pretrained(folder, local_files_only=True)
        network, report = VitPoseForPoseEstimation.from_pretrained(
            folder, config=facts, use_safetensors=True, local_files_only=True,
            output_loading_info=True,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unfit(folder, first_line(error)) from error
    if report["missing_keys"]:
        raise _unfit(folder, f"it lacks {min(report['missing_keys'])}")
    names = [_joint(facts.id2label[k]) for k in range(facts.num_labels)]
    skeleton, order = match_skeleton(names, f"the network in {folder}")
    height, width = facts.backbone_config.image_size
    mean, std = _channels(folder)
    return TopDownBackend(
        forward=_Forward(
            network.eval().to(where),
            where,
            order=order,
            experts=facts.backbone_config.num_experts > 1,
        ),
        input_size=(height, width),
        skeleton=skeleton,
        device=where.type,
        batch_size=config.batch_size,
        decoder=ViTPoseDecoder(),
        mean=mean,
        std=std,
    )


@dataclass(frozen=True)
class ViTPoseDecoder(HeatmapDecoder):
    """DARK as in transformers: the Gaussian that smooths a map is narrow, and the map is mirrored
    beyond its border."""

    udp: bool = True

    def joints(
        self, output: FloatArray, input_size: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        from scipy.ndimage import gaussian_filter

        def offset(maps: FloatArray, x: IntArray, y: IntArray) -> FloatArray:
            return udp_offset(gaussian_filter(maps, _SIGMA, radius=_RADIUS, axes=(1, 2)), x, y)

        xy, score = refined(output, offset)
        height, width = output.shape[2:]
        steps = np.array([input_size[1] - 1, input_size[0] - 1]) / (width - 1, height - 1)
        return xy * steps, score


class _Forward(Forward):
    """order: of the joints. experts: a ViTPose+, whose experts for COCO are the first ones."""

    def __init__(self, network: Any, device: Any, order: list[int], experts: bool) -> None:
        super().__init__(network, device)
        self.order, self.experts = order, experts

    def _run(self, crop: FloatArray) -> FloatArray:
        import torch

        with torch.inference_mode():
            values = torch.from_numpy(crop).to(self.device)
            data_set = torch.zeros(len(crop), dtype=torch.long, device=self.device)
            more = {"dataset_index": data_set} if self.experts else {}
            heatmaps = self.network(pixel_values=values, **more).heatmaps
            return heatmaps[:, self.order].float().cpu().numpy()


def _joint(label: str) -> str:
    """`L_Eye` is left_eye."""
    name = label.strip().lower().replace(" ", "_")
    return re.sub("^([lr])_", lambda side: {"l": "left_", "r": "right_"}[side[1]], name)


def _channels(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the channels."""
    path = folder / _PROCESSOR
    settings = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    mean, std = settings.get("image_mean", IMAGENET_MEAN), settings.get("image_std", IMAGENET_STD)
    return tuple(mean), tuple(std)


def _folder(name: str) -> Path:
    """The folder that a setting names, if it holds a model."""
    model = name.partition(":")[2]
    if not model:
        raise UserError("vitpose needs a model", hint=_USAGE)
    if not all((Path(model) / file).is_file() for file in (_CONFIG, _WEIGHTS)):
        raise UserError(
            f"{model} contains no ViTPose model: {_CONFIG} and {_WEIGHTS} are needed",
            hint=_USAGE,
            exit_code=ExitCode.UNREADABLE,
        )
    return Path(model)


def _unfit(folder: Path, what: str) -> UserError:
    return UserError(
        f"{folder} contains no ViTPose network that la2ds can use: {what}",
        hint="use a model saved as VitPoseForPoseEstimation by the package transformers",
        exit_code=ExitCode.MISMATCH,
    )
