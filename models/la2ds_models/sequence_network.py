"""The base class of all networks, for training and for embedding.

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
    """The input and the architecture of a network; a network ignores unknown settings.

    channels: C of the heatmaps, 0 = it reads none. size: S.
    joint_width: J, 0 = it reads no joints.
    joint_count, joint_blocks: number of joints, and of the features that each has in each block of
        J.
    limbs: pairs of joints.
    width: D. A component with 0 layers, "none" or False is left out.
    max_frames: rows of a learned position code.
    context: each frame is joined with the frame so many frames earlier, 0 = with none.
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

    A network implements `encode`. `read` may process single heatmaps, `cross` may add the context
    of a second clip, and `project` a head that only the loss uses.
    """

    def read(self, maps: Tensor) -> Tensor:
        """Return maps (F, C, S, S) of single frames in the form that `encode` takes; unchanged
        here. In training, equal frames of a batch are read once."""
        return maps

    def encode(
        self,
        maps: Tensor | None,
        joints: Tensor | None,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return features (B, T, D) within each clip.

        Parameters
        ----------
        maps: (F, ...), as `read` returns them, of the real frames of all clips, concatenated in the
            order of the mask; F = mask.sum(). None = none are read.
        joints: (F, J) features of the joints or the image of the same frames, or None.
        mask: (B, T), True = a real frame.
        generator: of random numbers in training.
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
        """Return features (B, N, D), (B, M, D) with the context of the other clip; unchanged
        here."""
        return first, second

    def project(self, features: Tensor) -> Tensor:
        """Return the features that the loss compares; unchanged here."""
        return features

    def embed(self, maps: Tensor | None, joints: Tensor | None, mask: Tensor) -> Tensor:
        """Return embeddings (B, T, D) for alignment, retrieval and so on; maps (F, C, S, S)."""
        return self.encode(None if maps is None else self.read(maps), joints, mask)


def is_padded(frames: Tensor, mask: Tensor) -> bool:
    """Return whether a batch of packed frames (F, ...) has padding: more entries in mask than F.

    Only shapes are compared, so no value is fetched from the device.
    """
    return frames.shape[0] != mask.numel()


def two_layers(width: int, wanted: bool | int) -> nn.Module:
    """Return two linear layers with a ReLU between them, as in the projection head; the identity if
    not `wanted`."""
    if not wanted:
        return nn.Identity()
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


def frames_of(frames: Tensor, mask: Tensor) -> Tensor:
    """Return packed frames (F, J) as (B, T, J), zero at padding."""
    if not is_padded(frames, mask):
        return frames.reshape(*mask.shape, frames.shape[-1])
    laid = frames.new_zeros(*mask.shape, frames.shape[-1])
    laid[mask] = frames
    return laid
