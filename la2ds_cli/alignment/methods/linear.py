"""Proportional time: one clip stretched evenly over the other, whatever they show.

The baseline that every method must beat. Open ends and skip cost are ignored.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.path import centred
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray


def align(a: FloatArray, b: FloatArray, config: AlignConfig) -> IntArray:
    """max(N, M) evenly spaced pairs from the first frames to the last: path (P, 2) int64."""
    a, b = centred(a, b)  # the same checks as every other method
    steps = max(len(a), len(b))
    ends = [len(a) - 1, len(b) - 1]
    return np.rint(np.linspace([0, 0], ends, steps)).astype(np.int64)
