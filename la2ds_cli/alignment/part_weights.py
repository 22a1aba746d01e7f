"""How much each part of the one distance counts, measured on clips of the movement without labels.

Each part (a run's embedding, that of the base model, the movement of the joints) says which moment
of the movement a frame shows, with an error. How large it is depends on the movement: on golf
swings the base model errs least, on squats a trained network. The error of a part shows where clips
of different people are matched by the *other* parts: matched frames should have the same features,
and the part is the more precise, the less they differ compared with how fast the features change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from la2ds_cli.alignment.consensus import pairwise_paths
from la2ds_cli.alignment.distance import thinned
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray
from la2ds_cli.features.augment import at_positions

PARTNERS = 8  # other clips that each clip is matched with, at most
MOST_FRAMES = 200  # longer clips are thinned
LEAST_NOISE = 1e-3  # as a share of the variance of a part: copies of one clip are no better


def measure_weights(
    clips: Sequence[Mapping[str, FloatArray]], config: AlignConfig
) -> dict[str, float]:
    """Weight of the squared distance of each part, with a mean of 1.

    clips: for each clip of a movement, the features (T, D) of every part by name, at least two
    parts and the same ones in all clips; no NaN. config: settings of DTW. Every part is judged
    along paths by all others together. Its *noise* is the mean squared distance of matched frames,
    and its *speed* the mean squared change of its features per length of the clip, so noise / speed
    is the variance of the moment that the part would tell by itself. With weights of 1 / noise, all
    parts would add the same noise, which is best if they have equally many independent errors. The
    additional factor speed / noise favours the part that tells the moment best; it was chosen on
    training clips (docs/decisions/0018-measured-weights.md).

    All weights are 1 for fewer than two clips, and if no part moves.
    """
    names = list(clips[0]) if clips else []
    rows = [thinned(len(next(iter(clip.values()))), MOST_FRAMES) for clip in clips]
    thin = [
        {name: value[row].astype(np.float64) for name, value in clip.items()}
        for clip, row in zip(clips, rows, strict=True)
    ]
    weights = {name: _speed(thin, name) / _noise(thin, name, config) ** 2 for name in names}
    total = sum(weights.values())
    if len(clips) < 2 or not 0 < total < np.inf:
        return dict.fromkeys(names, 1.0)
    return {name: len(names) * weight / total for name, weight in weights.items()}


def _speed(clips: Sequence[Mapping[str, FloatArray]], name: str) -> float:
    """Mean over clips of the mean squared change of a part's features in units of the clip."""
    speeds = []
    for clip in clips:
        value = clip[name]
        change = np.gradient(value, axis=0) * len(value) if len(value) > 1 else np.zeros((1, 1))
        speeds.append((change**2).sum(axis=1).mean())
    return float(np.mean(speeds))


def _noise(clips: Sequence[Mapping[str, FloatArray]], name: str, config: AlignConfig) -> float:
    """Mean squared distance of a part's features in frames that the other parts match."""
    beside = [
        np.concatenate([value for other, value in clip.items() if other != name], axis=1)
        for clip in clips
    ]
    apart = []
    for a in range(len(clips)):
        others = [(a + k) % len(clips) for k in range(1, min(PARTNERS, len(clips) - 1) + 1)]
        paths = pairwise_paths(beside[a], [beside[b] for b in others], config)
        for b, path in zip(others, paths, strict=True):
            known = ~np.isnan(path.forward)
            matched = at_positions(clips[b][name], path.forward[known])
            apart.append(((clips[a][name][known] - matched) ** 2).sum(axis=1).mean())
    variance = np.mean([clip[name].var(axis=0).sum() for clip in clips])
    return max(float(np.mean(apart)) if apart else 0.0, LEAST_NOISE * float(variance), 1e-12)
