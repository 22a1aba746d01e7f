"""Networks of every kind that are small, and batches of random clips for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from la2ds_models import alignment_network, casa, stgcn
from la2ds_models.sequence_network import NetworkSettings, SequenceNetwork

BUILD = {"vivit": alignment_network.build, "casa": casa.build, "stgcn": stgcn.build}
JOINTS: dict[str, Any] = dict(joint_width=8, joint_count=2, joint_blocks=(2, 2), limbs=((0, 1),))
LAYERS: dict[str, Any] = dict(
    heads=3, spatial_layers=1, temporal_layers=2, cross_layers=2, mlp_ratio=2
)
ENDS: dict[str, Any] = dict(max_frames=32, projection_head=True, embed_at="cross")
Batch = tuple[None, Tensor, Tensor]


def small_network(kind: str, **changes: Any) -> Any:
    """24 wide, with a sinusoid as its position code, but for `changes`."""
    torch.manual_seed(0)
    plain = JOINTS | LAYERS | ENDS | {"width": 24, "temporal_position": "sinusoid"}
    return BUILD[kind](NetworkSettings(**(plain | changes))).eval()


def clip(length: int, seed: int, width: int = 8) -> Tensor:
    return torch.randn(length, width, generator=torch.Generator().manual_seed(seed))


def mask_of(*lengths: int) -> Tensor:
    """(B, longest) bool."""
    return torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]


def batch(*clips: Tensor) -> Batch:
    return None, torch.cat(clips), mask_of(*map(len, clips))


def pair(network: SequenceNetwork, first: Batch, second: Batch) -> tuple[Tensor, Tensor]:
    return network.cross(network.encode(*first), network.encode(*second), first[2], second[2])
