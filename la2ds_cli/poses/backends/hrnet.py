"""HRNet (Sun et al., CVPR 2019) on torch: W32 and W48 trained on COCO, and the small demo network.

`hrnet-demo` ships with the package and knows only rendered people; it is used only if it is named.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from pickle import UnpicklingError
from threading import RLock
from typing import Any

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError, first_line
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.top_down import HeatmapDecoder, TopDownBackend
from la2ds_cli.poses.weights import fetch_weights, weights_identity

NAMES = (
    "hrnet-w32",
    "hrnet-w48",
    "hrnet-w32-384",
    "hrnet-w48-384",
    "hrnet-w32-dark",
    "hrnet-w48-dark",
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
        forward=Forward(network, where, may_leave=device == "auto"),
        input_size=variant.input_size,
        skeleton=variant.skeleton,
        device=where.type,
        batch_size=config.batch_size,
        flip_test=config.flip_test,
        decoder=HeatmapDecoder(
            refinement=variant.decoder if config.decoder == "auto" else config.decoder,
            udp=variant.udp,
            kernel=variant.kernel,
        ),
    )


class Forward:
    """A torch network on arrays, in parts that fit into the memory of its device.

    network: (n, 3, H, W) to (n, K, h, w) tensors. may_leave: move to the CPU for good if the GPU
    has no room for a single crop; otherwise that raises UserError (exit 6).
    """

    def __init__(self, network: Any, device: Any, *, may_leave: bool = False) -> None:
        self.network = network
        self.device = device
        self.may_leave = may_leave
        self.most: int | None = None  # crops that fit; None = no limit met so far
        self.lock = RLock()

    def __call__(self, crop: FloatArray) -> FloatArray:
        # One thread at a time on a GPU, so that none has crops there when the network leaves it.
        with nullcontext() if self.device.type == "cpu" else self.lock:
            return self._in_parts(crop)

    def _in_parts(self, crop: FloatArray) -> FloatArray:
        import torch

        done = []
        start = 0
        while start < len(crop):
            part = crop[start : start + (self.most or len(crop))]
            try:
                done.append(self._run(part))
                start += len(part)
            except torch.OutOfMemoryError as error:
                self._make_room(len(part), error)
        return np.concatenate(done)

    def _run(self, crop: FloatArray) -> FloatArray:
        import torch

        with torch.inference_mode():
            return self.network(torch.from_numpy(crop).to(self.device)).float().cpu().numpy()

    def _make_room(self, crops: int, error: Exception) -> None:
        """After `crops` did not fit: use smaller parts from now on, or the CPU, or raise
        UserError."""
        import torch

        if crops > 1:
            self.most = crops // 2
        elif self.may_leave and self.device.type != "cpu":
            warnings.warn(
                "the GPU has too little free memory for one crop; the pose network continues on "
                "the CPU, more slowly",
                stacklevel=2,
            )
            self.device, self.most = torch.device("cpu"), None
            self.network.to(self.device)
        else:
            raise UserError(
                "the GPU has too little free memory for one crop",
                hint="close other programs that use the GPU, or use --device cpu",
                exit_code=ExitCode.ENVIRONMENT,
            ) from error
        torch.cuda.empty_cache()
