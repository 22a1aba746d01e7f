"""Transformer parts of the alignment network: a factorised video transformer (ViViT).

Shape legend: B clips, T frames, F frames of a whole batch flattened, P patches, C channels,
D width, H heads. Masks are boolean, True = a real frame, False = padding.

The architecture follows the factorised encoder of ViViT (Arnab et al. 2021) as LA2DS uses it (paper
sec. 3.3): a spatial transformer within each frame, average pooling, and a temporal transformer over
the frame tokens. Pre-norm, GELU, no dropout.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from la2ds_models.sequence_network import NetworkSettings

PLAIN_ON_CPU, PLAIN_ELSEWHERE = 256, 16  # most tokens for which `mix` uses plain products
ROTARY_BASE = 100.0  # clips have tens to hundreds of frames, far fewer than texts have tokens


def rotary_code(length: int, head_width: int, device: torch.device) -> Tensor:
    """Return cosines and sines (2, T, head_width / 2) of the angles of the rotary position code (Su
    et al. 2021)."""
    pair = torch.arange(0, head_width, 2, device=device, dtype=torch.float32)
    frequency = ROTARY_BASE ** (-pair / head_width)
    angle = torch.arange(length, device=device, dtype=torch.float32)[:, None] * frequency
    return torch.stack([angle.cos(), angle.sin()])


def rotate(x: Tensor, code: Tensor) -> Tensor:
    """Return the feature pairs of x (..., T, head_width) rotated by the angles of a rotary_code."""
    first, second = x.float().chunk(2, dim=-1)
    cos, sin = code
    rotated = torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
    return rotated.to(x.dtype)


class Attention(nn.Module):
    """Multi-head attention of x to `context` (x itself for self-attention)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads or (width // heads) % 2:
            raise ValueError(f"width {width} must be an even multiple of heads {heads}")
        self.heads = heads
        self.to_query = nn.Linear(width, width)
        self.to_key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Tensor,
        context: Tensor,
        context_mask: Tensor | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        batch, length, width = x.shape  # (B, N, D)
        query, key, value = self._split_heads(x, context)  # (B, H, N or M, D/H)
        if rotary is not None:
            query, key = rotate(query, rotary[0]), rotate(key, rotary[1])
        mask = None if context_mask is None else context_mask[:, None, None, :]  # (B, 1, 1, M)
        mixed = mix(query, key, value, mask)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))  # (B, N, D)

    def _split_heads(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if context is x:  # one matrix product for all three
            weight = torch.cat([self.to_query.weight, self.to_key_value.weight])
            bias = torch.cat([self.to_query.bias, self.to_key_value.bias])
            parts = F.linear(x, weight, bias).chunk(3, dim=-1)
        else:
            parts = self.to_query(x), *self.to_key_value(context).chunk(2, dim=-1)
        query, key, value = (
            part.view(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in parts
        )
        return query, key, value


def mix(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Return the attention of query (B, H, N, d) to key and value (B, H, M, d); mask (B, 1, 1, M).

    Few tokens are mixed by plain products: on a CPU the fused kernel takes 6 times as long for 9
    tokens in bfloat16, 2.6 times for 64 and 1.1 to 1.4 for 256 (in float32 0.7 to 1.0 times).
    """
    plain = PLAIN_ON_CPU if query.device.type == "cpu" else PLAIN_ELSEWHERE
    if key.shape[2] > plain:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    score = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # (B, H, N, M)
    if mask is not None:
        score = score.masked_fill(~mask, float("-inf"))
    return score.softmax(dim=-1) @ value


class TransformerBlock(nn.Module):
    """Pre-norm transformer block; attends to itself, or to a second sequence."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width)
        )

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        context_mask: Tensor | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        query = self.norm_attention(x)
        source = query if context is None else self.norm_attention(context)
        x = x + self.attention(query, source, context_mask, rotary)
        return x + self.mlp(self.norm_mlp(x))


class PatchEmbedding(nn.Module):
    """Cuts maps (F, C, H, W) into P non-overlapping patches, each projected to D features."""

    def __init__(self, channels: int, patch: int, width: int) -> None:
        super().__init__()
        self.patch = patch
        self.project = nn.Linear(channels * patch * patch, width)

    def forward(self, maps: Tensor) -> Tensor:
        frames, channels, height, width = maps.shape
        side = self.patch
        if torch.is_autocast_enabled(maps.device.type):  # as the product does; half the memory
            maps = maps.to(torch.get_autocast_dtype(maps.device.type))
        cut = maps.view(frames, channels, height // side, side, width // side, side)
        cut = cut.permute(0, 2, 4, 1, 3, 5).reshape(
            frames, (height // side) * (width // side), channels * side * side
        )  # (F, P, C * side * side)
        return self.project(cut)  # (F, P, D)


class FlatMap(nn.Module):
    """Returns a token per frame from its heatmaps without attention: a linear layer on all cells
    (the ablation without the spatial transformer, paper Table 4)."""

    def __init__(self, channels: int, size: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels * size * size, width)

    def forward(self, maps: Tensor) -> Tensor:
        return self.project(maps.flatten(1))  # (F, C, H, W) -> (F, D)


class SpatialTransformer(nn.Module):
    """Returns a token per frame from its heatmaps: patches -> self-attention -> pooling.

    pooling `mean` averages the patch tokens (paper sec. 3.3); `cls` reads a learned class token
    that takes part in the attention, as in ViViT.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        size, patch, width = settings.size, settings.patch, settings.width
        if settings.pooling not in ("mean", "cls"):
            raise ValueError(f"pooling must be mean or cls, got {settings.pooling}")
        if size % patch:
            raise ValueError(f"heatmap size {size} is not a multiple of the patch side {patch}")
        self.embed = PatchEmbedding(settings.channels, patch, width)
        table = (
            torch.randn((size // patch) ** 2, width) * 0.02 if settings.spatial_position else None
        )
        self.position = None if table is None else nn.Parameter(table)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, settings.heads, settings.mlp_ratio)
            for _ in range(settings.spatial_layers)
        )
        self.norm = nn.LayerNorm(width)
        token = torch.randn(1, 1, width) * 0.02 if settings.pooling == "cls" else None
        self.token = None if token is None else nn.Parameter(token)

    def forward(self, maps: Tensor) -> Tensor:
        tokens = self.embed(maps)  # (F, P, D)
        if self.position is not None:
            tokens = tokens + self.position
        if self.token is not None:
            tokens = torch.cat([self.token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        if self.token is not None:
            return self.norm(tokens[:, 0])  # (F, D)
        return self.norm(tokens).mean(dim=1)  # (F, D)


def sinusoid(length: int, width: int, device: torch.device) -> Tensor:
    """Return the fixed position code (T, D), D even: alternating sine and cosine of the frame index
    at D / 2 frequencies (Vaswani et al. 2017)."""
    pair = torch.arange(0, width, 2, device=device, dtype=torch.float32)
    index = torch.arange(length, device=device, dtype=torch.float32)
    angle = index[:, None] * 10000.0 ** (-pair / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


class TemporalPosition(nn.Module):
    """Position code of the temporal stage.

    learned: a table added to the tokens (as in the paper); a clip longer than the table stretches
    it. offset: the same table, read from a random start in training and from its middle otherwise,
    so that the absolute index carries no information. rotary: relative, inside the attention.
    sinusoid: a fixed code of the frame index, added to the tokens times sqrt(D), as in CASA. none:
    no position code.
    """

    def __init__(self, kind: str, max_frames: int, width: int) -> None:
        super().__init__()
        self.kind = kind
        table = kind in ("learned", "offset")
        self.table = nn.Parameter(torch.randn(max_frames, width) * 0.02) if table else None

    def keep_shown(self, frames: int) -> None:
        """Cut a learned table to the `frames` positions that training used.

        The others still have their random initial values. A longer clip stretches the table, just
        as training thins a longer clip to `frames`.
        """
        if self.kind == "learned" and self.table is not None:
            self.table = nn.Parameter(self.table.detach()[:frames])

    def forward(
        self, tokens: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return tokens (B, T, D) of clips with mask (B, T), plus the code.

        The code of a clip does not depend on the other clips; only the random start, which
        `generator` draws in training, is common to all.
        """
        if self.kind == "sinusoid":
            width = tokens.shape[-1]
            even = width + width % 2  # an odd width has the next width's code without a cosine
            code = sinusoid(tokens.shape[1], even, tokens.device)[:, :width]
            return tokens * even**0.5 + code
        if self.table is None:
            return tokens
        frames = tokens.shape[1]
        if frames <= len(self.table):
            if self.kind == "learned":
                return tokens + self.table[:frames]
            if self.training:
                room = len(self.table) - frames
                start = int(torch.randint(room + 1, (1,), generator=generator))
                return tokens + self.table[start : start + frames]
        return tokens + self._rows(mask)

    def _rows(self, mask: Tensor) -> Tensor:
        """Return the code (B, T, D) for inference, for clips shorter or longer than the table."""
        assert self.table is not None
        index = torch.arange(mask.shape[1], device=mask.device)
        last, end = mask.sum(dim=1, keepdim=True) - 1, len(self.table) - 1  # (B, 1) and a number
        start = (end - last).clamp(min=0) // 2 if self.kind == "offset" else 0
        step = (end / last.clamp(min=1)).clamp(max=1.0)  # below 1: stretched
        position = (start + index * step).clamp(max=end)
        low = position.floor()
        high = (low + 1).clamp(max=end)
        share = (position - low)[..., None]
        return (1 - share) * self.table[low.long()] + share * self.table[high.long()]
