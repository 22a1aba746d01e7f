"""Exact nearest frames under the rules of retrieval: arrays in, neighbours out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from la2ds_cli.device import DeviceName, resolve_device
from la2ds_cli.types import FloatArray, IntArray, Neighbour

_QUERIES = 512  # per product on CUDA: 512 x 1e6 float32 distances are 2 GB


def search(
    value: Mapping[str, FloatArray],
    time: Mapping[str, FloatArray],
    video: str,
    rows: Sequence[int],
    k: int,
    per_video: int,
    min_gap: float,
    device: DeviceName = "cpu",
) -> list[list[Neighbour]]:
    """For each row of `video` the k nearest frames of all other clips, nearest first.

    value, time: video id -> features (T, D) and seconds (T,). A frame is passed over when its
    clip has given `per_video` frames already, or one less than `min_gap` seconds away. A list is
    shorter than k only when no further frame fits.
    """
    others = [name for name in value if name != video]
    clip = np.repeat(np.arange(len(others)), [len(value[name]) for name in others])
    index = np.concatenate([np.arange(len(value[name])) for name in others])
    second = np.concatenate([time[name] for name in others])
    base = np.concatenate([value[name] for name in others])
    query = value[video][np.asarray(rows)]
    found: list[list[Neighbour]] = [[] for _ in rows]
    pending = np.arange(len(rows))
    # Few frames are passed over as a rule; only where too many are, more candidates are taken.
    wanted = min(8 * k, len(base))
    while len(pending):
        distance, nearest = nearest_rows(query[pending], base, wanted, device)
        short = []
        for number, gap, near in zip(pending, distance, nearest, strict=True):
            kept = spread(clip[near], second[near], k, per_video, min_gap)
            found[number] = [
                Neighbour(others[clip[n]], int(index[n]), float(second[n]), float(d))
                for n, d in zip(near[kept], gap[kept], strict=True)
            ]
            if len(kept) < k:
                short.append(number)
        if wanted == len(base):
            break
        pending, wanted = np.array(short, dtype=np.int64), min(4 * wanted, len(base))
    return found


def spread(clip: IntArray, time: FloatArray, k: int, per_video: int, min_gap: float) -> IntArray:
    """The first k of candidates that are sorted by distance, less those too near in time.

    clip, time: (C,) clip number and seconds of each candidate. Returns their places in order.
    """
    taken: dict[int, list[float]] = {}
    kept = []
    for n, (name, second) in enumerate(zip(clip.tolist(), time.tolist(), strict=True)):
        before = taken.setdefault(name, [])
        # Half a microsecond: a gap of exactly min_gap counts as far enough, whatever its rounding.
        near = any(abs(second - other) < min_gap - 5e-7 for other in before)
        if len(before) < per_video and not near:
            before.append(second)
            kept.append(n)
            if len(kept) == k:
                break
    return np.array(kept, dtype=np.int64)


def nearest_rows(
    query: FloatArray, base: FloatArray, count: int, device: DeviceName = "cpu"
) -> tuple[FloatArray, IntArray]:
    """Distances and rows (Q, count) of the rows of base (F, D) nearest to query (Q, D), exact.

    scikit-learn's brute force on the CPU, matrix products and top-k on CUDA.
    """
    mean = query.mean(axis=0)  # a large common mean would cancel in |a|^2 + |b|^2 - 2ab
    query, base = query - mean, base - mean
    where = resolve_device(device)
    if where.type == "cuda":
        row = _nearest_on(where.type, query, base, count)
    else:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(base)
        row = search.kneighbors(query, return_distance=False)
    # From plain differences: the product's rounding is as large as the distance of near frames.
    distance = np.linalg.norm(base[row].astype(np.float64) - query[:, None], axis=-1)
    order = np.argsort(distance, axis=1, kind="stable")
    return np.take_along_axis(distance, order, 1), np.take_along_axis(row, order, 1)


def _nearest_on(device: str, query: FloatArray, base: FloatArray, count: int) -> IntArray:
    import torch

    frames = torch.from_numpy(base).to(device)
    square = frames.square().sum(dim=1)
    found = []
    for start in range(0, len(query), _QUERIES):
        part = torch.from_numpy(query[start : start + _QUERIES]).to(device)
        # |query|^2 is the same for every frame and does not change the order.
        score = torch.addmm(square[None], part, frames.T, alpha=-2)
        found.append(torch.topk(score, count, dim=1, largest=False).indices.cpu().numpy())
    return np.concatenate(found)
