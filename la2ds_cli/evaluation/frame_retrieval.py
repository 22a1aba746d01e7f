"""Fine-grained frame retrieval, AP@K: do the K frames of other videos that are nearest to a frame
show its phase?

What most codes call average precision at K is the precision at K: the share of the K frames with
the phase of the query. `ranked` gives the average precision proper: the mean of the precision at
each rank that hits, 0 without a hit (AE2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.evaluation.phase_classification import LabelledFrames

_BLOCK = 2**22  # float64 cells of the score matrix held at once (32 MB)


@dataclass(frozen=True)
class Retrieval:
    """total: (V, E) float64, sum over the query frames of each video for each K. frames: (V,)."""

    total: FloatArray
    frames: IntArray


def retrieve_frames(
    clips: Sequence[LabelledFrames], neighbours: Sequence[int], ranked: bool = False
) -> Retrieval | None:
    """Every frame of every clip is a query, and the frames of all other clips are the support.

    Squared Euclidean distance; equals go by their place in `clips`. neighbours: the E values of
    K. None: some clip's support has fewer frames than the largest K.
    """
    from la2ds_cli.evaluation.neighbour_kernel import nearest_frames

    count = max(neighbours)
    end = np.cumsum([0, *(len(clip.label) for clip in clips)])
    if any(end[-1] - len(clip.label) < count for clip in clips):
        return None
    label = np.concatenate([clip.label for clip in clips])
    frame = np.concatenate([np.asarray(clip.feature, np.float64) for clip in clips])
    # The product cancels for features far from the origin; distances do not change.
    centred = frame - frame.mean(axis=0)
    half_norm = 0.5 * (centred**2).sum(axis=1)
    slack = 8 * np.finfo(np.float64).eps * (frame.shape[1] + 4) * float(half_norm.max())
    block = max(1, _BLOCK // len(frame))
    total = np.zeros((len(clips), len(neighbours)))
    for v in range(len(clips)):
        for start in range(end[v], end[v + 1], block):
            rows = slice(start, min(start + block, end[v + 1]))
            score = half_norm - centred[rows] @ centred.T
            found = nearest_frames(score, frame[rows], frame, end[v], end[v + 1], count, slack)
            hit = label[found] == label[rows, None]
            total[v] += np.array([_precision(hit[:, :k], ranked).sum() for k in neighbours])
    return Retrieval(total, np.diff(end))


def _precision(hit: np.ndarray, ranked: bool) -> FloatArray:
    """(N,) of hit (N, K) bool in order of rank."""
    if not ranked:
        return hit.mean(axis=1)
    at_rank = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
    return (at_rank * hit).sum(axis=1) / np.maximum(hit.sum(axis=1), 1)


def average_retrieval(
    retrieval: Retrieval, counts: IntArray, average: Literal["frames", "videos"]
) -> FloatArray:
    """(R, E) of each resample of the query videos; counts: (R, V) times each was drawn.

    frames: over all query frames. videos: over videos of the mean over their frames; a video
    without a frame is left out. NaN where a resample holds no frame.
    """
    total, frames = retrieval.total, retrieval.frames.astype(np.float64)
    if average == "videos":
        total = total / np.maximum(frames, 1)[:, None]
        frames = np.minimum(frames, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (counts @ total) / (counts @ frames)[:, None]
