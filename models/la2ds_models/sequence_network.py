"""The base class of all networks: what a network must provide to be trained and to embed.

Shape legend: B clips, T frames, C channels, S heatmap cells per side, J joint features, D width.
Masks are boolean (B, T), True = a real frame; padded frames never influence real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """What a network reads, and how it is built; a network ignores what it does not know.

    channels: C of the heatmaps, 0 = it reads none. size: S.
    joint_width: J, 0 = it reads no joints.
    joint_count, joint_blocks: joints, and the numbers that each has in each block of J.
    limbs: pairs of joints.
    width: D. A component with 0 layers, "none" or False is left out.
    max_frames: rows of a learned position code.
    context: frames to the earlier frame that is joined to each, 0 = none.
    """

    width: int
    heads: int
    mlp_ratio: int
    channels: int = 0
    size: int = 0
    joint_width: int = 0
    joint_count: int = 0
    joint_blocks: Sequence[int] = ()
    limbs: Sequence[tuple[int, int]] = ()
    patch: int = 1
    pooling: str = "mean"
    spatial_layers: int = 0
    temporal_layers: int = 0
    cross_layers: int = 0
    spatial_position: bool = False
    temporal_position: str = "none"
    max_frames: int = 0
    projection_head: bool = False
    embed_at: str = "temporal"
    context: int = 0


class SequenceNetwork(nn.Module):
    """Heatmaps and/or joints of clips -> per-frame features.

    A network implements `encode`. `read` may do what concerns single heatmaps, `cross` may add the
    context of a second clip, and `project` a head that only the loss uses.
    """

    def read(self, maps: Tensor) -> Tensor:
        """What the network makes of the maps (F, C, S, S) of single frames before it knows their
        clips; unchanged here. In training, equal frames of a batch are read once."""
        return maps

    def encode(
        self,
        maps: Tensor | None,
        joints: Tensor | None,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Features (B, T, D) within each clip.

        maps (F, ...), as `read` returns them, and joints (F, J), features of each frame's joints or
        image, hold the real frames of all clips, concatenated in the order of mask (B, T);
        F = mask.sum().
        """
        raise NotImplementedError

    def cross(
        self,
        first: Tensor,
        second: Tensor,
        first_mask: Tensor,
        second_mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Features (B, N, D), (B, M, D) with the context of the other clip; unchanged here."""
        return first, second

    def project(self, features: Tensor) -> Tensor:
        """The features that the loss compares; unchanged here."""
        return features

    def embed(self, maps: Tensor | None, joints: Tensor | None, mask: Tensor) -> Tensor:
        """Embeddings (B, T, D) for alignment, retrieval and evaluation; maps (F, C, S, S)."""
        return self.encode(None if maps is None else self.read(maps), joints, mask)


def is_padded(frames: Tensor, mask: Tensor) -> bool:
    """Whether a batch of packed frames (F, ...) has padding: more entries in `mask` than frames.

    Decided from the shapes, so that no value is fetched from the device.
    """
    return frames.shape[0] != mask.numel()


def two_layers(width: int, wanted: bool | int) -> nn.Module:
    """Two linear layers with a ReLU between them, as in the projection head; the identity if not
    `wanted`."""
    if not wanted:
        return nn.Identity()
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


def frames_of(frames: Tensor, mask: Tensor) -> Tensor:
    """Packed frames (F, J) unpacked to (B, T, J), zero at padding."""
    if not is_padded(frames, mask):
        return frames.reshape(*mask.shape, frames.shape[-1])
    laid = frames.new_zeros(*mask.shape, frames.shape[-1])
    laid[mask] = frames
    return laid
