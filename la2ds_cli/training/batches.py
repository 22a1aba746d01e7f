"""Batches of pairs of clips, as the losses read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from la2ds_cli.features.network_input import NetworkInput
from la2ds_cli.network.torch_network import ClipBatch
from la2ds_models.sequence_network import SequenceNetwork

# Frames whose maps are read together. On a CPU, more frames need arrays so large that the system
# allocates them anew each time, and clearing them takes a quarter of a step.
PART_ON_CPU, PART_ELSEWHERE = 256, 4096


@dataclass(frozen=True)
class PairBatch:
    """Original sequences S, augmented copies S' and, for each frame of S', its index in S.

    For methods that compare clips (la2ds_cli.training.losses), these are copies of two clips and,
    for each frame of the second, the share of its clip that has passed. maps: (U, C, S, S), in
    parts, of the different frames of both sides. rows: the map of each frame of the first, then of
    the second side.
    """

    original: ClipBatch
    augmented: ClipBatch
    truth: torch.Tensor  # (B, M) float32, 0 at padding
    videos: list[str]
    positions: tuple[int, ...]  # of the pairs in the stream of clips (training.data)
    frames: tuple[int, int]  # real frames of S and of S', kept to avoid a transfer from the device
    done: float = 0.0  # share of the run before this step, by steps or by time, in [0, 1]
    maps: Sequence[torch.Tensor] = ()
    rows: torch.Tensor | None = None

    def read_by(self, network: SequenceNetwork) -> PairBatch:
        """Return the batch with the maps as the network reads them; equal frames are read once."""
        if self.rows is None:
            return self
        read = torch.cat([network.read(part) for part in self.maps])
        sides = read.index_select(0, self.rows).split(self.frames)
        first, second = (
            replace(side, maps=maps)
            for side, maps in zip((self.original, self.augmented), sides, strict=True)
        )
        return replace(self, original=first, augmented=second)


def different_maps(
    inputs: Sequence[NetworkInput], device: torch.device
) -> tuple[list[torch.Tensor], torch.Tensor | None]:
    """Return the maps of the different frames of all clips on `device`, in parts, and the row (F,)
    of each frame in them; none for inputs without maps."""
    row_of: dict[bytes, int] = {}
    rows, maps = [], []
    for item in inputs:
        if item.maps is None or item.drawn is None:
            return [], None
        for drawn, frame in zip(item.drawn, item.maps, strict=True):
            rows.append(row_of.setdefault(drawn.tobytes(), len(maps)))
            if rows[-1] == len(maps):
                maps.append(frame)
    size = PART_ON_CPU if device.type == "cpu" else PART_ELSEWHERE
    starts = range(0, len(maps), size)
    parts = [torch.from_numpy(np.stack(maps[at : at + size])).to(device) for at in starts]
    return parts, torch.tensor(rows, device=device)
