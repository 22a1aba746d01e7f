"""What a user would build from public code for the same training: the contender of train.py.

Heatmaps from a generator like pyskl's GeneratePoseTarget (one call for each joint and limb of a
frame, several people possible, two passes), a Dataset and DataLoader, clips padded to the longest
of the batch, and a factorised ViViT as in the public PyTorch ports: einsum attention with one
to_qkv layer, learned positions, masks for padding, float32, Adam. Joint features, augmentations
and the loss are la2ds's own functions, so that both do the same work on the same pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from la2ds_cli.core.config import Config
from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.features.crop import clip_box, to_cells
from la2ds_cli.features.network_input import joint_features, joint_width, map_channels
from la2ds_cli.training.data import Clip, batch_positions, batch_size, clip_at, draw_copy, pair_rng
from la2ds_models.alignment_network import contrastive_regression

_FAINT = 1e-3  # scores below are not drawn


class PoseTarget:
    """Heatmaps frame by frame and channel by channel, cut at 3 sigma, in the common way."""

    def __init__(self, limbs: Sequence[tuple[int, int]], size: int, sigma: float) -> None:
        self.limbs, self.size, self.sigma = limbs, size, sigma

    def __call__(self, xy: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Maps (T, K + L, size, size) float32 of xy (T, K, 2) in cells and score (T, K)."""
        people, scores = xy[None], score[None]
        joints = np.zeros((len(xy), xy.shape[1], self.size, self.size), np.float32)
        limbs = np.zeros((len(xy), len(self.limbs), self.size, self.size), np.float32)
        for t in range(len(xy)):
            for k in range(xy.shape[1]):
                self._joint(joints[t, k], people[:, t, k], scores[:, t, k])
        for t in range(len(xy)):
            for k, (a, b) in enumerate(self.limbs):
                ends = people[:, t, a], people[:, t, b]
                self._limb(limbs[t, k], *ends, scores[:, t, a], scores[:, t, b])
        return np.concatenate([joints, limbs], axis=1)

    def _window(self, low: float, high: float) -> tuple[int, int, np.ndarray]:
        first = max(int(low - 3 * self.sigma), 0)
        end = min(int(high + 3 * self.sigma) + 1, self.size)
        return first, end, np.arange(first, end, dtype=np.float32)

    def _joint(self, plane: np.ndarray, centres: np.ndarray, weights: np.ndarray) -> None:
        for centre, weight in zip(centres, weights, strict=True):
            if weight < _FAINT:
                continue
            left, right, x = self._window(centre[0], centre[0])
            top, bottom, y = self._window(centre[1], centre[1])
            if not (len(x) and len(y)):
                continue
            squared = (x - centre[0]) ** 2 + (y[:, None] - centre[1]) ** 2
            patch = np.exp(-squared / 2 / self.sigma**2) * weight
            part = plane[top:bottom, left:right]
            plane[top:bottom, left:right] = np.maximum(part, patch)

    def _limb(
        self,
        plane: np.ndarray,
        starts: np.ndarray,
        ends: np.ndarray,
        start_weights: np.ndarray,
        end_weights: np.ndarray,
    ) -> None:
        both = zip(starts, ends, start_weights, end_weights, strict=True)
        for start, end, start_weight, end_weight in both:
            weight = min(start_weight, end_weight)
            if weight < _FAINT:
                continue
            left, right, x = self._window(min(start[0], end[0]), max(start[0], end[0]))
            top, bottom, y = self._window(min(start[1], end[1]), max(start[1], end[1]))
            if not (len(x) and len(y)):
                continue
            length = (start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2
            if length < 1:
                self._joint(plane, start[None], start_weight[None])
                continue
            y = y[:, None]
            to_start = (x - start[0]) ** 2 + (y - start[1]) ** 2
            to_end = (x - end[0]) ** 2 + (y - end[1]) ** 2
            share = (to_start - to_end + length) / 2.0 / length
            before, behind = share <= 0, share >= 1
            beside = 1 - before - behind
            place = np.stack([x + np.zeros_like(y), y + np.zeros_like(x)], axis=-1)
            off = place - (start + np.stack([share, share], axis=-1) * (end - start))
            to_line = off[..., 0] ** 2 + off[..., 1] ** 2
            squared = before * to_start + behind * to_end + beside * to_line
            patch = np.exp(-squared / 2.0 / self.sigma**2) * weight
            part = plane[top:bottom, left:right]
            plane[top:bottom, left:right] = np.maximum(part, patch)


class PairDataset(Dataset):
    """Item i: maps, joints of a clip and of its augmented copy, and the copy's frame indices."""

    def __init__(self, clips: Sequence[Clip], skeleton: Skeleton, config: Config) -> None:
        self.clips, self.skeleton, self.config = clips, skeleton, config
        limbs = [(int(a), int(b)) for a, b in skeleton.limbs]
        self.target = PoseTarget(limbs, config.heatmap.size, config.heatmap.sigma)

    def __getitem__(self, position: int) -> tuple[Tensor, ...]:
        train = self.config.train
        size = batch_size(train, len(self.clips))
        clip = self.clips[clip_at(train.seed, len(self.clips), position)]
        rng = pair_rng(train.seed, size, position)
        shown, copy = draw_copy(clip, self.skeleton, self.config, rng)
        first = self._input(shown.xy, shown.score)
        second = self._input(copy.xy, copy.score)
        return *first, *second, torch.from_numpy(copy.source.astype(np.float32))

    def _input(self, xy: np.ndarray, score: np.ndarray) -> tuple[Tensor, Tensor]:
        heatmap = self.config.heatmap
        box = clip_box(xy, heatmap.crop, heatmap.padding)
        cells = to_cells(xy, box, heatmap.size, heatmap.aspect)
        seen = np.asarray(np.isfinite(cells).all(axis=-1))  # public generators have no NaN: score 0
        maps = self.target(np.where(seen[..., None], cells, 0), np.where(seen, score, 0))
        model = self.config.model
        joints = np.zeros((len(xy), 0), np.float32)
        if model.input == "both":
            joints = joint_features(cells, score, self.skeleton, heatmap.size, model.joints)
        return torch.from_numpy(maps), torch.from_numpy(joints)


def collate(items: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Padded maps, joints and mask of both sides, and the padded truth."""
    columns = [pad_sequence(list(part), batch_first=True) for part in zip(*items, strict=True)]
    masks = []
    for side in (0, 2):
        length = torch.tensor([len(item[side]) for item in items])
        masks.append(torch.arange(columns[side].shape[1])[None] < length[:, None])
    return columns[0], columns[1], masks[0], columns[2], columns[3], masks[1], columns[4]


def loader(
    clips: Sequence[Clip], skeleton: Skeleton, config: Config, steps: range, workers: int
) -> DataLoader:
    """Batches of the pairs that la2ds draws for these steps."""
    lengths = tuple(len(clip.xy) for clip in clips)
    batches = [batch_positions(lengths, config.train, config.augment, step) for step in steps]
    dataset = PairDataset(clips, skeleton, config)
    return DataLoader(dataset, batch_sampler=batches, collate_fn=collate, num_workers=workers)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        batch, length, width = x.shape
        shape = batch, length, self.heads, width // self.heads
        query, key, value = (part.view(shape) for part in self.to_qkv(x).chunk(3, dim=-1))
        score = torch.einsum("bihd,bjhd->bhij", query, key) * self.scale
        if mask is not None:
            score = score.masked_fill(~mask[:, None, None], float("-inf"))
        mixed = torch.einsum("bhij,bjhd->bihd", score.softmax(dim=-1), value)
        return self.to_out(mixed.reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm_1(x), mask)
        return x + self.mlp(self.norm_2(x))


class PlainViViT(nn.Module):
    """Factorised encoder with a joint branch, of the sizes in `config.model`."""

    def __init__(self, config: Config, skeleton: Skeleton) -> None:
        super().__init__()
        model, size = config.model, config.heatmap.size
        width, channels = model.width, map_channels(skeleton, config.heatmap, model)
        self.patch = model.patch
        patches = (size // model.patch) ** 2
        self.embed = nn.Linear(channels * model.patch**2, width)
        self.space_position = nn.Parameter(torch.randn(1, 1, patches, width) * 0.02)
        self.space = _blocks(model.spatial_layers, config)
        self.space_norm = nn.LayerNorm(width)
        given = joint_width(skeleton, model)
        self.joints = _mlp(given, width, nn.GELU(), 3) if given else None
        self.time_position = nn.Parameter(torch.randn(1, config.train.frames, width) * 0.02)
        self.time = _blocks(model.temporal_layers, config)
        self.norm = nn.LayerNorm(width)
        self.head = _mlp(width, width, nn.ReLU(), 2)

    def forward(self, maps: Tensor, joints: Tensor, mask: Tensor) -> Tensor:
        batch, length, channels, height, width = maps.shape
        side = self.patch
        cut = maps.view(batch, length, channels, height // side, side, width // side, side)
        cut = cut.permute(0, 1, 3, 5, 4, 6, 2).flatten(4).flatten(2, 3)  # (B, T, P, side^2 * C)
        x = (self.embed(cut) + self.space_position).flatten(0, 1)
        for block in self.space:
            x = block(x)
        x = self.space_norm(x).mean(dim=1).view(batch, length, -1)
        if self.joints is not None:
            x = x + self.joints(joints)
        x = x + self.time_position[:, :length]
        for block in self.time:
            x = block(x, mask)
        return self.head(self.norm(x))


def _blocks(count: int, config: Config) -> nn.ModuleList:
    model = config.model
    return nn.ModuleList(Block(model.width, model.heads, model.mlp_ratio) for _ in range(count))


def _mlp(given: int, width: int, act: nn.Module, layers: int) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Linear(given, width)]
    for _ in range(layers - 1):
        parts += [act, nn.Linear(width, width)]
    return nn.Sequential(*parts)


def train(
    network: PlainViViT,
    optimiser: torch.optim.Optimizer,
    batches: Any,
    config: Config,
    device: torch.device,
) -> Iterator[float]:
    """The loss of each step, the way most training scripts go about it."""
    train = config.train
    for batch in batches:
        maps, joints, mask, other_maps, other_joints, other_mask, truth = (
            part.to(device) for part in batch
        )
        loss = contrastive_regression(
            network(maps, joints, mask),
            network(other_maps, other_joints, other_mask),
            mask,
            other_mask,
            truth,
            temperature=train.temperature,
            scaling=train.scaling,
            normalised=train.index == "normalised",
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), train.clip_norm)
        optimiser.step()
        yield loss.item()
