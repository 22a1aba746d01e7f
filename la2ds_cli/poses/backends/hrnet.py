"""HRNet (Sun et al., CVPR 2019) on torch: W32 and W48 trained on COCO, and the small demo network.

`hrnet-demo` ships with the package and knows only rendered people; it is used only if it is named.
"""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Any

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.threads import gpu_memory
from la2ds_cli.poses.top_down import TopDownBackend
from la2ds_cli.poses.weights import fetch_weights, weights_identity

NAMES = (
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


def identity(name: str) -> str:
    """The name and the digest of its weights."""
    return weights_identity(name)


def build(name: str, device: DeviceName, config: PosesConfig) -> TopDownBackend:
    """The network with its weights, downloaded if they are missing. Raises UserError (exit 6)
    offline."""
    from la2ds_models.pose import POSE_VARIANTS, build_pose_network, load_pose_weights

    where = resolve_device(device)
    path = fetch_weights(name)
    variant = POSE_VARIANTS[name]
    network = build_pose_network(name, len(get_skeleton(variant.skeleton).joints))
    try:
        load_pose_weights(network, path)
    except (ValueError, UnpicklingError) as error:
        raise UserError(
            f"{path} does not hold the weights of {name}: {first_line(error)}",
            hint="delete the file and run the same command again",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    network.eval().to(where)
    return TopDownBackend(
        forward=Forward(network, where),
        input_size=variant.input_size,
        skeleton=variant.skeleton,
        device=where.type,
        batch_size=config.batch_size,
    )


class Forward:
    """A torch network on arrays: (n, 3, H, W) to (n, K, h, w). Raises UserError (exit 6) if the GPU
    has no room for a batch."""

    def __init__(self, network: Any, device: Any) -> None:
        self.network = network
        self.device = device

    def __call__(self, crop: FloatArray) -> FloatArray:
        import torch

        with gpu_memory(len(crop)), torch.inference_mode():
            return self.network(torch.from_numpy(crop).to(self.device)).float().cpu().numpy()
