"""The LA2DS alignment network (paper sec. 3.3, Fig. 2) and its matching loss (eq. 3-5).

Shape legend: B clips, T (or N, M) frames, C channels, S heatmap cells per side, J joint
features, D width. Masks are boolean (B, T), True = a real frame. Padded frames never influence
real ones: a padded batch gives the same outputs as its clips one by one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from la2ds_models.sequence_network import (
    NetworkSettings,
    SequenceNetwork,
    frames_of,
    is_padded,
    two_layers,
)
from la2ds_models.vivit import (
    FlatMap,
    SpatialTransformer,
    TemporalPosition,
    TransformerBlock,
    rotary_code,
)


class FrameEncoder(nn.Module):
    """Returns frame tokens (F, D) from tokens of heatmaps, from joint features, or their sum."""

    def __init__(
        self, spatial: SpatialTransformer | FlatMap | None, joint_width: int, width: int
    ) -> None:
        super().__init__()
        if spatial is None and joint_width == 0:
            raise ValueError("the frame encoder needs heatmaps, joints or both")
        self.spatial = spatial
        self.joints = (
            nn.Sequential(
                nn.Linear(joint_width, width),
                nn.GELU(),
                nn.Linear(width, width),
                nn.GELU(),
                nn.Linear(width, width),
            )
            if joint_width
            else None
        )

    def forward(self, of_maps: Tensor | None, joints: Tensor | None) -> Tensor:
        tokens = []
        if self.spatial is not None:
            if of_maps is None:
                raise ValueError("this network needs heatmaps, got none")
            tokens.append(of_maps)
        if self.joints is not None:
            if joints is None:
                raise ValueError("this network needs joint features, got none")
            tokens.append(self.joints(joints))
        return tokens[0] if len(tokens) == 1 else tokens[0] + tokens[1]


class EarlierFrame(nn.Module):
    """Joins each frame token (B, T, D) with the token `context` frames earlier, or of the first
    frame.

    With it, methods that embed single frames distinguish a movement from its reverse (TCC stacks
    two frames, 15 frames apart).
    """

    def __init__(self, context: int, width: int) -> None:
        super().__init__()
        self.context = context
        self.join = nn.Sequential(nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        at = torch.arange(tokens.shape[1], device=tokens.device) - self.context
        earlier = tokens.index_select(1, at.clamp(min=0))
        return self.join(torch.cat([tokens, earlier], dim=-1))


class AlignmentNetwork(SequenceNetwork):
    """Heatmaps and/or joints of a clip -> per-frame features.

    `read` runs the spatial transformer, `encode` everything within one clip (up to the temporal
    transformer), `cross` adds the context of a second clip, and `project` is the head that only the
    loss uses. `embed` returns the features that later steps use; it pairs a clip with itself in the
    cross-attention, so an embedding never depends on another clip.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        """Build the network.

        Without spatial layers, the frame token is a linear layer on the flattened map. Without
        cross layers, the MLP and the position code before them are left out as well.
        """
        super().__init__()
        width, heads, ratio = settings.width, settings.heads, settings.mlp_ratio
        spatial: SpatialTransformer | FlatMap | None = None
        if settings.channels and settings.spatial_layers:
            spatial = SpatialTransformer(settings)
        elif settings.channels:
            spatial = FlatMap(settings.channels, settings.size, width)
        self.head_width = width // heads
        self.embed_at = settings.embed_at
        self.frame = FrameEncoder(spatial, settings.joint_width, width)
        context = settings.context
        self.earlier = EarlierFrame(context, width) if context else nn.Identity()
        position, frames = settings.temporal_position, settings.max_frames
        self.position = TemporalPosition(position, frames, width)
        self.temporal = nn.ModuleList(
            TransformerBlock(width, heads, ratio) for _ in range(settings.temporal_layers)
        )
        self.norm = nn.LayerNorm(width)
        layers = settings.cross_layers
        self.before_cross = two_layers(width, layers)
        self.cross_position = TemporalPosition(position if layers else "none", frames, width)
        self.cross_blocks = nn.ModuleList(
            TransformerBlock(width, heads, ratio) for _ in range(layers)
        )
        self.head = two_layers(width, settings.projection_head)

    def read(self, maps: Tensor) -> Tensor:
        """Return tokens (F, D) of the maps (F, C, S, S)."""
        return maps if self.frame.spatial is None else self.frame.spatial(maps)

    def encode(
        self,
        maps: Tensor | None,
        joints: Tensor | None,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return features (B, T, D) after the temporal transformer.

        maps (F, D), tokens of `read`, and joints (F, J) are the real frames of all clips,
        concatenated in the order of mask (B, T); F = mask.sum(). Padding is not computed here.
        """
        frames = self.frame(maps, joints)  # (F, D)
        tokens = self.earlier(frames_of(frames, mask))  # (B, T, D)
        tokens = self.position(tokens, mask, generator)
        key_mask = mask if is_padded(frames, mask) else None
        rotary = self._rotary(tokens, tokens)
        for block in self.temporal:
            tokens = block(tokens, context_mask=key_mask, rotary=rotary)
        return self.norm(tokens)

    def cross(
        self,
        first: Tensor,
        second: Tensor,
        first_mask: Tensor,
        second_mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return features (B, N, D) and (B, M, D) with the context of the other clip.

        Both sides are updated simultaneously, so swapping the clips swaps the outputs.
        """
        if not self.cross_blocks:
            return first, second
        first = self.cross_position(self.before_cross(first), first_mask, generator)
        second = self.cross_position(self.before_cross(second), second_mask, generator)
        forth, back = self._rotary(first, second), self._rotary(second, first)
        for block in self.cross_blocks:
            first, second = (
                block(first, second, second_mask, forth),
                block(second, first, first_mask, back),
            )
        return first, second

    def embed(self, maps: Tensor | None, joints: Tensor | None, mask: Tensor) -> Tensor:
        """Return embeddings (B, T, D): u of the paper, or the temporal features (embed_at)."""
        features = super().embed(maps, joints, mask)
        if self.embed_at == "temporal":
            return features
        return self.cross(features, features, mask, mask)[0]

    def project(self, features: Tensor) -> Tensor:
        """Return the latent features z of the paper, used by the matching loss only."""
        return self.head(features)

    def _rotary(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor] | None:
        if self.position.kind != "rotary":
            return None
        return (
            rotary_code(query.shape[1], self.head_width, query.device),
            rotary_code(key.shape[1], self.head_width, key.device),
        )


def build(settings: NetworkSettings) -> AlignmentNetwork:
    """Build the network of these settings."""
    return AlignmentNetwork(settings)


def match_probability(
    first: Tensor, second: Tensor, first_mask: Tensor, temperature: float, scaling: str
) -> Tensor:
    """Return the matching probability w (B, N, M) of eq. 3: softmax over the N frames of `first`.

    Parameters
    ----------
    first, second: (B, N, D) and (B, M, D) latent features.
    first_mask: (B, N) real frames.
    temperature: of the softmax.
    scaling: `plain` divides the Euclidean distance by the temperature (as printed), `casa` by
        temperature * D**1.5 (as in CASA's code).
    """
    distance = torch.cdist(first.float(), second.float())  # (B, N, M)
    divisor = temperature * (first.shape[-1] ** 1.5 if scaling == "casa" else 1.0)
    logit = (-distance / divisor).masked_fill(~first_mask[:, :, None], float("-inf"))
    return logit.softmax(dim=1)


def expected_index(probability: Tensor) -> Tensor:
    """Return the predicted frame index (B, M) float32 of eq. 4, 0-based.

    It is computed in float32 even under autocast: bfloat16 has 8 bits for a frame number, a quarter
    of a frame from 32 on.
    """
    index = torch.arange(probability.shape[1], device=probability.device, dtype=torch.float32)
    with torch.autocast(probability.device.type, enabled=False):
        return torch.einsum("bnm,n->bm", probability.float(), index)


def contrastive_regression(
    pair: tuple[Tensor, Tensor],
    masks: tuple[Tensor, Tensor],
    truth: Tensor,
    *,
    temperature: float,
    scaling: str,
    normalised: bool,
) -> Tensor:
    """Return the loss (eq. 5): mean squared error of the predicted index over all real frames.

    Parameters
    ----------
    pair: latent features `first` (B, N, D) and `second` (B, M, D).
    masks: (B, N) and (B, M), real frames.
    truth: (B, M) float, true index in `first` of each frame of `second`.
    temperature, scaling: see match_probability.
    normalised: divide the indices by the length of `first` instead of using raw frame numbers.
    """
    (first, second), (first_mask, second_mask) = pair, masks
    predicted = expected_index(match_probability(first, second, first_mask, temperature, scaling))
    error = predicted - truth
    if normalised:
        error = error / first_mask.sum(dim=1, keepdim=True)
    return (error[second_mask] ** 2).mean()
