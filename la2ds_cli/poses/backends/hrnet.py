"""HRNet (Sun et al., CVPR 2019) on torch: W32 and W48 trained on COCO, and the small demo network.

`hrnet-demo` ships with the package and knows only rendered people; it is used where it is named.
"""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Any

import numpy as np

from la2ds_cli.config_sections import PosesConfig
from la2ds_cli.device import DeviceName, resolve_device
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.poses.top_down import TopDownBackend
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.skeleton import get_skeleton
from la2ds_cli.types import FloatArray

NAMES = ("hrnet-w32", "hrnet-w48", "hrnet-demo")


def identity(name: str) -> str:
    """The name and the digest of its weights."""
    return weights_identity(name)


def build(name: str, device: DeviceName, config: PosesConfig) -> TopDownBackend:
    """Network with its weights, fetched where they are missing; UserError (exit 6) offline."""
    from la2ds_models.pose import POSE_VARIANTS, build_pose_network, load_pose_weights

    where = resolve_device(device)
    path = fetch_weights(name)
    variant = POSE_VARIANTS[name]
    network = build_pose_network(name, len(get_skeleton(variant.skeleton).joints))
    try:
        load_pose_weights(network, path)
    except (ValueError, UnpicklingError) as error:
        raise UserError(
            f"{path} does not hold the weights of {name}: {str(error).splitlines()[0]}",
            hint="delete the file and run the same command again",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    network.eval().to(where)
    return TopDownBackend(
        forward=_Forward(network, where),
        input_size=variant.input_size,
        skeleton=variant.skeleton,
        device=where.type,
        batch_size=config.batch_size,
        flip_test=config.flip_test,
    )


class _Forward:
    def __init__(self, network: Any, device: Any) -> None:
        self.network = network
        self.device = device

    def __call__(self, crop: FloatArray) -> FloatArray:
        import torch

        try:
            with torch.inference_mode():
                return self.network(torch.from_numpy(crop).to(self.device)).float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            if len(crop) == 1:
                raise UserError(
                    "the GPU has too little free memory for one crop",
                    hint="close other programs that use the GPU, or use --device cpu",
                    exit_code=ExitCode.ENVIRONMENT,
                ) from error
        torch.cuda.empty_cache()
        half = len(crop) // 2
        return np.concatenate([self(crop[:half]), self(crop[half:])])
