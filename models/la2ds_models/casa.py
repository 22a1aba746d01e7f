"""CASA: joint coordinates, with alternating attention within and between the clips of a pair.

Kwon et al., Context-Aware Sequence Alignment using 4D Skeletal Augmentation, CVPR 2022. A small
perceptron reads the skeleton of each frame, and a fixed sinusoidal code of the frame index is
added. Layers of linear attention follow, self and cross alternating: the layer of Sun et al.,
LoFTR, CVPR 2021, with the attention of Katharopoulos et al., Transformers are RNNs, ICML 2020 (eq.
4 and 5, and the feature map of eq. 7). A projection head is used by the loss only. The loss is the
contrastive regression that LA2DS adopted from CASA (its eq. 3-5; scaling `casa` and raw indices are
CASA's): la2ds_models.alignment_network.contrastive_regression.

Deviations, with reasons:

* 2D joints instead of 3D ones. CASA transforms every frame into body coordinates: root at zero,
  fixed facing direction, one bone of unit length. In the image only root and scale can be removed;
  the network also reads each joint's position in the crop and its score, as elsewhere in la2ds.
* Padding is masked in every attention and in the matching. The released code pads with zeros to
  the longest clip of the data set and attends to them, so its embeddings depend on the padding.
* Both clips of a pair are updated simultaneously. In the released code the second clip attends to
  the updated first one, so their order matters, and a clip paired with itself has two embeddings.
* The width is free; CASA's is three times the number of joints.

Shape legend: B clips, T (or N and M) frames, F real frames of a batch, J joint features, D width,
H heads, d = D / H. Masks (B, T).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from la2ds_models.sequence_network import NetworkSettings, SequenceNetwork, frames_of, two_layers
from la2ds_models.vivit import TemporalPosition

INPUTS = ("joints", "joints3d")  # supported values of model.input
POSITIONS = ("sinusoid", "learned", "offset", "none")  # rotary needs dot-product attention
EPS = 1e-6  # avoids division by zero if all features of a query vanish


def feature_map(x: Tensor) -> Tensor:
    """Return phi(x) = elu(x) + 1, positive everywhere."""
    return F.elu(x) + 1


def linear_attention(
    query: Tensor, key: Tensor, value: Tensor, key_mask: Tensor | None = None
) -> Tensor:
    """Return (B, H, N, d) float32: row n is the mean of the values weighted by phi(query n) .
    phi(key m).

    query: (B, H, N, d). key, value: (B, H, M, d). key_mask: (B, M). Sums run over whole clips, so
    they are computed in float32.
    """
    with torch.autocast(query.device.type, enabled=False):
        query, key, value = feature_map(query.float()), feature_map(key.float()), value.float()
        if key_mask is not None:
            key = key * key_mask[:, None, :, None]
        context = key.transpose(-1, -2) @ value  # (B, H, d, d)
        weight = query @ key.sum(dim=2)[..., None]  # (B, H, N, 1)
        return query @ context / (weight + EPS)


class LinearAttentionLayer(nn.Module):
    """Adds to x what it reads from a source: x itself, or the other clip in cross-attention.

    The attention message is normalised, concatenated with x, passed through two linear layers and
    normalised again before it is added. Only the norms have biases.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        """Build a layer; mlp_ratio: hidden features of the two linear layers / width, 2 in LoFTR
        and CASA."""
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} must be a multiple of heads {heads}")
        self.heads = heads
        self.to_query = nn.Linear(width, width, bias=False)
        self.to_key = nn.Linear(width, width, bias=False)
        self.to_value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_message = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(2 * width, mlp_ratio * width, bias=False),
            nn.ReLU(),
            nn.Linear(mlp_ratio * width, width, bias=False),
        )
        self.norm_change = nn.LayerNorm(width)

    def forward(self, x: Tensor, source: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """Return (B, N, D) for x (B, N, D), source (B, M, D) and source_mask (B, M)."""
        mixed = linear_attention(
            self._split_heads(self.to_query(x)),
            self._split_heads(self.to_key(source)),
            self._split_heads(self.to_value(source)),
            source_mask,
        )
        message = self.norm_message(self.out(mixed.transpose(1, 2).flatten(2)))  # (B, N, D)
        return x + self.norm_change(self.mlp(torch.cat([x, message], dim=-1)))

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, N, d)


class FrameEmbedding(nn.Module):
    """Returns tokens (B, T, D) of joint features, independently for each frame."""

    def __init__(self, joint_width: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(joint_width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, joints: Tensor, mask: Tensor) -> Tensor:
        """Return tokens of joints (F, J), the real frames of clips in the order of mask (B, T)."""
        return frames_of(self.layers(joints), mask)


class CasaNetwork(SequenceNetwork):
    """Joint features of a clip -> per-frame features in the context of the pair.

    `encode` returns the tokens with their position code; `cross` runs all attention, within and
    between the clips. `embed` pairs a clip with itself, as CASA does at test time, and returns the
    features before the projection head; model.embed_at is ignored.
    """

    def __init__(self, embedding: nn.Module, settings: NetworkSettings) -> None:
        """Build the network; embedding: joints (F, J), mask (B, T) -> tokens (B, T, D).

        Self-attention (the temporal layers) and cross layers alternate, self first; the remaining
        layers of the larger number follow. Raises ValueError for a position code not in POSITIONS.
        """
        super().__init__()
        position, width = settings.temporal_position, settings.width
        if position not in POSITIONS:
            raise ValueError(
                f"linear attention has no position code '{position}': temporal_position must be "
                f"one of {', '.join(POSITIONS)}"
            )
        self.embedding = embedding
        self.position = TemporalPosition(position, settings.max_frames, width)
        counts = {"self": settings.temporal_layers, "cross": settings.cross_layers}
        self.kinds = [
            kind
            for depth in range(max(counts.values()))
            for kind, count in counts.items()
            if depth < count
        ]
        self.layers = nn.ModuleList(
            LinearAttentionLayer(width, settings.heads, settings.mlp_ratio) for _ in self.kinds
        )
        for weight in self.layers.parameters():
            if weight.dim() > 1:
                nn.init.xavier_uniform_(weight)
        self.head = two_layers(width, settings.projection_head)

    def encode(
        self,
        maps: Tensor | None,
        joints: Tensor | None,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return tokens (B, T, D) with their position code."""
        if joints is None:
            raise ValueError("this network needs joint features, got none")
        return self.position(self.embedding(joints, mask), mask, generator)

    def cross(
        self,
        first: Tensor,
        second: Tensor,
        first_mask: Tensor,
        second_mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return features (B, N, D), (B, M, D) after all layers; swapping the clips swaps them."""
        for kind, layer in zip(self.kinds, self.layers, strict=True):
            if kind == "self":
                first, second = layer(first, first, first_mask), layer(second, second, second_mask)
            else:
                first, second = layer(first, second, second_mask), layer(second, first, first_mask)
        return first, second

    def project(self, features: Tensor) -> Tensor:
        """Return latent features, used by the matching loss only."""
        return self.head(features)

    def embed(self, maps: Tensor | None, joints: Tensor | None, mask: Tensor) -> Tensor:
        """Return embeddings (B, T, D) of clips paired with themselves, so cross layers are
        self-attention."""
        features = self.encode(maps, joints, mask)
        for layer in self.layers:
            features = layer(features, features, mask)
        return features


def need_joints_alone(settings: NetworkSettings) -> None:
    """Raise ValueError if the network would read heatmaps, or no joints."""
    if settings.channels or not settings.joint_width:
        raise ValueError(
            "this network reads joint coordinates only: model.input must be joints or joints3d"
        )


def build(settings: NetworkSettings) -> CasaNetwork:
    """Build the network of these settings; settings of heatmaps and embed_at are ignored."""
    need_joints_alone(settings)
    return CasaNetwork(FrameEmbedding(settings.joint_width, settings.width), settings)
