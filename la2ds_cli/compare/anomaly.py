"""How unusual a clip is beside good examples of the movement.

Each example lies over the time of the reference, as the clip does. At every moment each joint of
the clip is measured against the examples: its distance from their median, in units of their
spread. A clip's score is its most unusual joint, and 1.0 is the most unusual of the examples, each
measured against the others in the same way. So a further good clip, were it drawn like the n
examples, exceeds 1.0 by chance at most about once in n + 1 times.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.types import FloatArray

LEAST_EXAMPLES = 4
LEAST_SPREAD = 5.0  # degrees; examples that agree better do so by chance or by the same joints
LEAST_TEMPO = 0.1  # of the logarithm of a ratio of durations
_LASTING = 0.05  # share of the known time that a difference must last to count
_AROUND = 0.05  # of the movement, to either side
_COUNTED = 0.5  # of the examples must show a moment


@dataclass(frozen=True)
class Anomaly:
    """score: of the clip, 1.0 = as unusual as the most unusual example; NaN = nothing was to be
    measured. examples: (E,) their own scores, each against the others. share_below: of examples
    that are less unusual. features: (F,) angles, then parts of the movement (tempo). by_feature:
    (F,) scores in the same unit. unusual: (N, F) signed distances from the examples' median in
    spreads, NaN = not known; tempo stands in all rows of its part. row: the most unusual moment of
    the feature that decides, among the reference's rows; driver: its name.
    """

    score: float
    examples: FloatArray
    share_below: float
    features: tuple[str, ...]
    by_feature: FloatArray
    unusual: FloatArray
    row: int
    driver: str


def measure(
    value: FloatArray, examples: FloatArray, features: tuple[str, ...], least: FloatArray
) -> Anomaly:
    """value: (N, F) of the clip, examples: (E, N, F) in the same units, NaN = not known; least:
    (F,) smallest spread of each feature. ValueError for fewer than LEAST_EXAMPLES."""
    if len(examples) < LEAST_EXAMPLES:
        raise ValueError(f"expected at least {LEAST_EXAMPLES} examples, got {len(examples)}")
    alone = [
        _by_feature(distances(example, np.delete(examples, k, axis=0), least))
        for k, example in enumerate(examples)
    ]
    # One unit for all features: with one for each, a good clip would have as many chances to
    # exceed 1.0 as there are features.
    own = np.array([_greatest(row) for row in alone])
    unit = _greatest(own)
    unusual = distances(value, examples, least)
    by_feature = _by_feature(unusual) / (unit if unit > 0 else np.nan)
    own = own / (unit if unit > 0 else np.nan)
    score = _greatest(by_feature)
    if np.isnan(score):
        return Anomaly(score, own, np.nan, features, by_feature, unusual, 0, "")
    at = int(np.nanargmax(by_feature))
    row = int(np.nanargmax(np.abs(unusual[:, at])))
    below = float((own < score).mean())
    return Anomaly(score, own, below, features, by_feature, unusual, row, features[at])


def distances(value: FloatArray, examples: FloatArray, least: FloatArray) -> FloatArray:
    """(N, F) of value (N, F) from the median of examples (E, N, F), in their spreads.

    The spread is the root mean square distance from the median, half of it over the rows around
    (_AROUND), since good clips differ at some moments more than at others, and half over the whole
    movement, since few examples tell little of one moment; and `least` (F,) besides. NaN where
    fewer than half of the examples are known, or fewer than three.
    """
    known = ~np.isnan(examples)
    enough = known.sum(axis=0) >= max(3, _COUNTED * len(examples))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows that no example shows
        centre = np.nanmedian(examples, axis=0)
        squared = (examples - centre) ** 2
        around = _mean_around(squared, max(1, round(_AROUND * len(value))))
        overall = np.nanmean(squared, axis=(0, 1))
    # One of the examples lies near the median by making it.
    variance = (around + overall) / 2 * len(examples) / (len(examples) - 1)
    return np.where(enough, (value - centre) / np.sqrt(variance + least**2), np.nan)


def _mean_around(value: FloatArray, half: int) -> FloatArray:
    """(N, F) mean of what is known of value (E, N, F) >= 0 in `half` rows to either side and all
    examples; NaN where nothing is. By running sums: windows of a long clip would fill the memory.
    """
    rows = np.arange(value.shape[1])
    first, stop = np.maximum(rows - half, 0), np.minimum(rows + half + 1, len(rows))
    known = ~np.isnan(value)
    sums = [np.where(known, value, 0).sum(axis=0), known.sum(axis=0).astype(np.float64)]
    running = [np.vstack([np.zeros(s.shape[1]), np.cumsum(s, axis=0)]) for s in sums]
    total, count = (r[stop] - r[first] for r in running)
    return np.where(count > 0, np.maximum(total, 0) / np.maximum(count, 1), np.nan)


def _by_feature(unusual: FloatArray) -> FloatArray:
    """(F,) distance that is exceeded for _LASTING of the known time; NaN where nothing is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanpercentile(np.abs(unusual), 100 * (1 - _LASTING), axis=0)


def _greatest(value: FloatArray) -> float:
    """The greatest known value, NaN where none is."""
    known = value[~np.isnan(value)]
    return float(known.max()) if len(known) else float("nan")
