"""Attention with cost linear in the length, and the layer that LoFTR and CASA build from it.

Sources: Katharopoulos et al., Transformers are RNNs, ICML 2020, eq. 4 and 5 with the feature map of
eq. 7; the layer is that of Sun et al., LoFTR, CVPR 2021, as used in Kwon et al., CASA, CVPR 2022.

Deviations: keys are masked, so that padding has no influence (CASA's released code attends to it),
and sums are always computed in float32, because they run over whole clips.

Shape legend: B clips, H heads, N and M frames, D width, d = D / H. Masks are boolean, True = a real
frame.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6  # avoids division by zero if all features of a query vanish


def feature_map(x: Tensor) -> Tensor:
    """phi(x) = elu(x) + 1, positive everywhere."""
    return F.elu(x) + 1


def linear_attention(
    query: Tensor, key: Tensor, value: Tensor, key_mask: Tensor | None = None
) -> Tensor:
    """query (B, H, N, d), key and value (B, H, M, d) -> (B, H, N, d) float32.

    Row n is the mean of the values weighted by phi(query n) . phi(key m). key_mask (B, M).
    """
    with torch.autocast(query.device.type, enabled=False):
        query, key, value = feature_map(query.float()), feature_map(key.float()), value.float()
        if key_mask is not None:
            key = key * key_mask[:, None, :, None]
        context = key.transpose(-1, -2) @ value  # (B, H, d, d)
        weight = query @ key.sum(dim=2)[..., None]  # (B, H, N, 1)
        return query @ context / (weight + EPS)


class LinearAttentionLayer(nn.Module):
    """x plus what it reads from a source: itself in self-attention, the other clip in cross.

    The attention message is normalised, concatenated with x, passed through two linear layers and
    normalised again before it is added. Only the norms have biases.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        """mlp_ratio: hidden features of the two linear layers / width; 2 in LoFTR and CASA."""
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
        """x (B, N, D), source (B, M, D), source_mask (B, M) -> (B, N, D)."""
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
