"""Fine-grained frame retrieval, AP@K: do the K frames of other videos that are nearest to a frame
show its phase?

As the papers use the name, average precision at K is the precision at K: the share of the K frames
with the phase of the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.evaluation.measure import Key, Measure, undefined, video_counts
from la2ds_cli.evaluation.nearest_frames import FrameSearch
from la2ds_cli.evaluation.phase_labels import LabelledFrames
from la2ds_cli.evaluation.protocol import Protocol


@dataclass(frozen=True)
class Retrieval:
    """total: (V, E) float64, sum over the query frames of each video for each K. frames: (V,)."""

    total: FloatArray
    frames: IntArray


def retrieve_frames(clips: Sequence[LabelledFrames], neighbours: Sequence[int]) -> Retrieval | None:
    """Every frame of every clip is a query, and the frames of all other clips are the support.

    The distance is squared Euclidean; ties go by the order in `clips`. neighbours: the E values of
    K. Returns None if some clip's support has fewer frames than the largest K.
    """
    count = max(neighbours)
    end = np.cumsum([0, *(len(clip.label) for clip in clips)])
    if any(end[-1] - len(clip.label) < count for clip in clips):
        return None
    label = np.concatenate([clip.label for clip in clips])
    search = FrameSearch(np.concatenate([np.asarray(clip.feature, np.float64) for clip in clips]))
    total = np.zeros((len(clips), len(neighbours)))
    for v in range(len(clips)):
        own = slice(end[v], end[v + 1])
        for rows, score in search.scores(own.start, own.stop):
            neighbour = search.nearest(rows, score, slice(0, end[-1]), own, count)
            hit = label[neighbour] == label[rows, None]
            total[v] += np.array([hit[:, :k].mean(axis=1).sum() for k in neighbours])
    return Retrieval(total, np.diff(end))


def average_retrieval(
    retrieval: Retrieval, counts: IntArray, average: Literal["frames", "videos"]
) -> FloatArray:
    """(R, E) the average in each resample of the query videos. counts: (R, V) times each video was
    drawn.

    `frames`: mean over all query frames. `videos`: mean over videos of the mean over their frames;
    a video without a frame is left out. NaN where a resample contains no frame.
    """
    total, frames = retrieval.total, retrieval.frames.astype(np.float64)
    if average == "videos":
        total = total / np.maximum(frames, 1)[:, None]
        frames = np.minimum(frames, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (counts @ total) / (counts @ frames)[:, None]


def retrieval_keys(protocol: Protocol) -> list[Key]:
    """The key of each K; none in a protocol without retrieval."""
    return [("precision_at_k", str(k)) for k in protocol.neighbours]


def measure_retrieval(
    test: Sequence[LabelledFrames], protocol: Protocol, seed: int
) -> dict[Key, Measure]:
    """AP@K of each K of the protocol, with the test clips as queries and as support."""
    keys = dict(zip(protocol.neighbours, retrieval_keys(protocol), strict=True))
    frames = [len(clip.label) for clip in test]
    possible = [k for k in keys if k <= sum(frames) - max(frames)]
    found = {
        keys[k]: undefined(f"fewer than {k} labelled frames in the other test clips")
        for k in keys
        if k not in possible
    }
    result = retrieve_frames(test, possible) if possible else None
    if result is None:
        return found
    once = np.ones((1, len(test)), np.int64)
    value = average_retrieval(result, once, protocol.average)[0]
    resampled = average_retrieval(result, video_counts(len(test), seed), protocol.average)
    facts = {"queries": int(result.frames.sum()), "reason": None}
    clips_with = int((result.frames > 0).sum())
    return {
        keys[k]: Measure(float(value[e]), resampled[:, e], clips_with, facts)
        for e, k in enumerate(possible)
    } | found
