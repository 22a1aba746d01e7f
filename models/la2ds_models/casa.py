"""CASA: joint coordinates, and attention within and between the clips of a pair in turn.

Kwon et al., Context-Aware Sequence Alignment using 4D Skeletal Augmentation, CVPR 2022. Per frame a
small perceptron reads the skeleton; a fixed sinusoidal code of the frame index is added; layers of
linear attention follow, self and cross in turn; a projection head serves the loss alone. The loss
is the contrastive regression that LA2DS took over from CASA (its eq. 3-5; scaling `casa` and raw
indices are CASA's): la2ds_models.alignment_network.contrastive_regression.

Deviations, each for a reason:

* 2D joints instead of 3D ones. CASA puts every frame into a body frame: root at zero, turned to
  face one way, one bone long. In the image only the root and the scale can be taken away; places
  in the crop and scores stand beside those coordinates, as la2ds reads them.
* Padding is masked in every attention and in the matching. The released code pads with zeros to
  the longest clip of the data set and attends to them, so that embeddings depend on the padding.
* Both clips of a pair are updated at once. The released code lets the second attend to the first
  as already updated, so that the pair has an order, and a clip paired with itself two embeddings.
* The width is free; CASA's is three times the number of joints.

Shape legend: B clips, T frames, F real frames of a batch, J joint features, D width. Masks (B, T).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from la2ds_models.linear_attention import LinearAttentionLayer
from la2ds_models.sequence_network import SequenceNetwork, frames_of, two_layers
from la2ds_models.vivit import TemporalPosition, sinusoid

INPUTS = ("joints", "joints3d")  # of model.input
POSITIONS = ("sinusoid", "learned", "offset", "none")  # rotary needs attention by products


class FrameEmbedding(nn.Module):
    """Tokens (B, T, D) from joint features, each frame by itself."""

    def __init__(self, joint_width: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(joint_width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, joints: Tensor, mask: Tensor) -> Tensor:
        """joints (F, J): the real frames of all clips in the order of mask (B, T)."""
        return frames_of(self.layers(joints), mask)


class CasaNetwork(SequenceNetwork):
    """Joint features of a clip -> per-frame features in the context of the pair.

    `encode` gives the tokens with their position code, `cross` all attention, of the clips to
    themselves and to each other. `embed` pairs a clip with itself, as CASA does at test time, and
    gives what stands before the projection head; model.embed_at is ignored.
    """

    def __init__(
        self,
        embedding: nn.Module,
        *,
        width: int,
        heads: int,
        self_layers: int,
        cross_layers: int,
        mlp_ratio: int,
        position: str,
        max_frames: int,
        projection_head: bool,
    ) -> None:
        """embedding: joints (F, J), mask (B, T) -> tokens (B, T, D). Layers alternate, self first,
        for as long as there are any of each kind. ValueError for a position code not in POSITIONS.
        """
        super().__init__()
        if position not in POSITIONS:
            raise ValueError(
                f"linear attention knows no position code '{position}': temporal_position must be "
                f"one of {', '.join(POSITIONS)}"
            )
        self.embedding = embedding
        self.position = TemporalPosition(position, max_frames, width)
        self.kinds = [
            kind
            for depth in range(max(self_layers, cross_layers))
            for kind, count in (("self", self_layers), ("cross", cross_layers))
            if depth < count
        ]
        self.layers = nn.ModuleList(
            LinearAttentionLayer(width, heads, mlp_ratio) for _ in self.kinds
        )
        for weight in self.layers.parameters():
            if weight.dim() > 1:
                nn.init.xavier_uniform_(weight)
        self.head = two_layers(width, projection_head)

    def encode(
        self,
        maps: Tensor | None,
        joints: Tensor | None,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Tokens (B, T, D) with their position code."""
        if joints is None:
            raise ValueError("this network reads joint features, and none were given")
        tokens = self.embedding(joints, mask)
        if self.position.kind != "sinusoid":
            return self.position(tokens, generator)
        width = tokens.shape[-1]
        even = width + width % 2  # the code of an odd width is that of the next one, less a cosine
        code = sinusoid(tokens.shape[1], even, tokens.device)[:, :width]
        return tokens * even**0.5 + code

    def cross(
        self,
        first: Tensor,
        second: Tensor,
        first_mask: Tensor,
        second_mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Features (B, N, D), (B, M, D) after all layers; swapping the clips swaps them."""
        for kind, layer in zip(self.kinds, self.layers, strict=True):
            if kind == "self":
                first, second = layer(first, first, first_mask), layer(second, second, second_mask)
            else:
                first, second = layer(first, second, second_mask), layer(second, first, first_mask)
        return first, second

    def project(self, features: Tensor) -> Tensor:
        """Latent features, used by the matching loss only."""
        return self.head(features)

    def embed(self, maps: Tensor | None, joints: Tensor | None, mask: Tensor) -> Tensor:
        """Embeddings (B, T, D): the clip paired with itself, for which cross is self-attention."""
        features = self.encode(maps, joints, mask)
        for layer in self.layers:
            features = layer(features, features, mask)
        return features

    def keep_shown_positions(self, frames: int) -> None:
        """Cut a learned position table to the `frames` positions that training showed."""
        if self.position.kind == "learned" and self.position.table is not None:
            self.position.table = nn.Parameter(self.position.table.detach()[:frames])

    def compilable(self) -> list[nn.Module]:
        """The layers of attention."""
        return [*self.layers]


def with_attention(embedding: nn.Module, settings: dict[str, Any]) -> CasaNetwork:
    """The network of the keywords of `build` above another embedding of the frames."""
    return CasaNetwork(
        embedding,
        width=settings["width"],
        heads=settings["heads"],
        self_layers=settings["temporal_layers"],
        cross_layers=settings["cross_layers"],
        mlp_ratio=settings["mlp_ratio"],
        position=settings["temporal_position"],
        max_frames=settings["max_frames"],
        projection_head=settings["projection_head"],
    )


def need_joints_alone(channels: int, joint_width: int) -> None:
    """Raises ValueError for a network that would read heatmaps, or no joints."""
    if channels or not joint_width:
        raise ValueError(
            "this network reads joint coordinates alone: model.input must be joints or joints3d"
        )


def build(
    *,
    channels: int,
    joint_width: int,
    width: int,
    joint_count: int,
    joint_blocks: Sequence[int],
    limbs: Sequence[tuple[int, int]],
    **settings: Any,
) -> CasaNetwork:
    """The network of the keywords of training.network.build_network; temporal_layers are the
    self-attention layers. What belongs to heatmaps, and embed_at, is ignored."""
    need_joints_alone(channels, joint_width)
    return with_attention(FrameEmbedding(joint_width, width), settings | {"width": width})
