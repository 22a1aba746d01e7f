"""ST-GCN: graph convolution over the skeleton and convolution over time, in residual blocks.

Yan et al., Spatial Temporal Graph Convolutional Networks for Skeleton-Based Action Recognition,
AAAI 2018. The graph convolution is their eq. 5: each neighbour of a joint belongs to a subset, each
subset has its own weights, and a subset is averaged (Z is its cardinality). The subsets are those
of the spatial configuration, eq. 8: as far from the middle of the skeleton as the joint itself,
nearer to it, or farther from it. A learned mask M scales every edge in every block.

`build` puts it in place of CASA's perceptron. LA2DS combines the two (STGCN + CASA in its tables)
and gives no details; position code, attention, head and loss here are those of la2ds_models.casa.

Deviations:

* Layer norm over the channels of each joint instead of batch norm. It does not depend on padding or
  on other clips of the batch, so a clip always has the same embedding, also in training and after
  resuming. The input is not normalised, because it is already in body units.
* No stride in time: every frame has an embedding. Joints are averaged, frames are not.
* No dropout, as in the other networks here.
* The middle of the skeleton is the joint, or the joints, with the fewest edges to all others.
  Distances are counted in edges, and unconnected parts each have their own middle. The paper uses
  mean distances from the centre of gravity over the training set.
* Widths are a quarter, a half and the whole of model.width in the first, second and last third of
  the blocks; the paper has 64, 128 and 256.

Shape legend: B clips, T frames, F real frames, K joints, C channels, P = 3 subsets.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from la2ds_models.casa import CasaNetwork, need_joints_alone
from la2ds_models.sequence_network import NetworkSettings, frames_of

INPUTS = ("joints", "joints3d")  # supported values of model.input
KERNEL = 9  # frames of the convolution over time
SUBSETS = 3  # as near to the middle, nearer, farther


def edge_counts(joint_count: int, limbs: Sequence[tuple[int, int]]) -> Tensor:
    """Return the fewest edges (K, K) between joints, infinite if they are not connected."""
    distance = torch.full((joint_count, joint_count), torch.inf)
    distance.fill_diagonal_(0)
    for a, b in limbs:
        distance[a, b] = distance[b, a] = 1
    for via in range(joint_count):
        distance = torch.minimum(distance, distance[:, via, None] + distance[via])
    return distance


def from_the_middle(joint_count: int, limbs: Sequence[tuple[int, int]]) -> Tensor:
    """Return the edges (K,) from each joint to the middle of its part of the skeleton.

    The middle is the joint with the smallest sum of edges to all joints of the part, or all such
    joints, so that a mirrored skeleton has the mirrored middle.
    """
    distance = edge_counts(joint_count, limbs)
    together = distance.isfinite()
    total = distance.where(together, 0).sum(dim=1)
    least = total.expand(joint_count, -1).where(together, torch.inf).amin(dim=1)  # of the part
    middle = total == least
    return distance.where(middle[None], torch.inf).amin(dim=1)


def subset_means(joint_count: int, limbs: Sequence[tuple[int, int]]) -> Tensor:
    """Return (P, K, K): [p, i, j] is 1 / Z if j is in subset p of the neighbours of i, else 0."""
    near = edge_counts(joint_count, limbs) <= 1
    depth = from_the_middle(joint_count, limbs)
    change = depth[None] - depth[:, None]  # [i, j]: how much farther out j is than i
    member = torch.stack([near & (change == 0), near & (change < 0), near & (change > 0)]).float()
    return member / member.sum(dim=2, keepdim=True).clamp(min=1)


class GraphConvolution(nn.Module):
    """Eq. 5 with the mask M: (..., K, C) -> (..., K, C')."""

    mean: Tensor

    def __init__(self, mean: Tensor, channels: int, width: int) -> None:
        """Build the layer; mean: (P, K, K) `subset_means`."""
        super().__init__()
        self.register_buffer("mean", mean, persistent=False)
        self.importance = nn.Parameter(torch.ones_like(mean))
        self.project = nn.Linear(channels, SUBSETS * width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.project(x).unflatten(-1, (SUBSETS, -1))  # (..., K, P, C')
        return torch.einsum("pij,...jpc->...ic", self.mean * self.importance, parts)


class GraphBlock(nn.Module):
    """Graph convolution and convolution over time, with a residual connection."""

    def __init__(self, mean: Tensor, channels: int, width: int) -> None:
        super().__init__()
        self.graph = GraphConvolution(mean, channels, width)
        self.norm_graph = nn.LayerNorm(width)
        self.time = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2)
        self.norm_time = nn.LayerNorm(width)
        self.shortcut = (
            nn.Identity()
            if channels == width
            else nn.Sequential(nn.Linear(channels, width), nn.LayerNorm(width))
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return (B, T, K, C') for x (B, T, K, C); frames outside the mask (B, T) count as zeros,
        like the padding before the first frame."""
        mixed = self.norm_graph(self.graph(x)).relu() * mask[:, :, None, None]
        lines = mixed.permute(0, 2, 3, 1).flatten(0, 1)  # (B K, C', T)
        moved = self.time(lines).unflatten(0, (x.shape[0], x.shape[2])).permute(0, 3, 1, 2)
        return (self.norm_time(moved) + self.shortcut(x)).relu()


class StGcn(nn.Module):
    """Returns tokens (B, T, D) of joint features: blocks over the skeleton, then the mean of the
    joints.

    joint_blocks: layout of a frame's features, as consecutive blocks; a block of n has n features
    of the first joint, then of the second, and so on.
    """

    def __init__(
        self,
        joint_count: int,
        limbs: Sequence[tuple[int, int]],
        joint_blocks: Sequence[int],
        width: int,
        layers: int,
    ) -> None:
        super().__init__()
        if width % 4 or not layers:
            raise ValueError(
                "ST-GCN needs a width that is a multiple of 4 and at least one spatial layer, got "
                f"{width} and {layers}"
            )
        self.joint_count, self.joint_blocks = joint_count, tuple(joint_blocks)
        mean = subset_means(joint_count, limbs)
        widths = [width >> (2 - 3 * n // layers) for n in range(layers - 1)] + [width]
        self.blocks = nn.ModuleList(
            GraphBlock(mean, before, after)
            for before, after in zip([sum(joint_blocks), *widths], widths, strict=False)
        )

    def forward(self, joints: Tensor, mask: Tensor) -> Tensor:
        """Return tokens of joints (F, J), the real frames of clips in the order of mask (B, T)."""
        x = frames_of(self.by_joint(joints).flatten(1), mask).unflatten(-1, (self.joint_count, -1))
        for block in self.blocks:
            x = block(x, mask)
        return x.mean(dim=2)

    def by_joint(self, joints: Tensor) -> Tensor:
        """Return the features (F, K, C) of each joint from the features (F, J) of the frame."""
        parts = joints.split([n * self.joint_count for n in self.joint_blocks], dim=-1)
        return torch.cat([part.unflatten(-1, (self.joint_count, -1)) for part in parts], dim=-1)


def build(settings: NetworkSettings) -> CasaNetwork:
    """Build the network of these settings: `spatial_layers` blocks, then CASA's attention layers,
    if there are any."""
    need_joints_alone(settings)
    graph = StGcn(
        settings.joint_count,
        settings.limbs,
        settings.joint_blocks,
        settings.width,
        settings.spatial_layers,
    )
    return CasaNetwork(graph, settings)
