"""Nearest neighbour: every frame of A takes its closest frame of B, in any order.

The path is not monotone: it shows what the features alone say, without the order of time. Open
ends and skip cost have no meaning here and are ignored.
"""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.distance import nearest
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, IntArray


def align(a: FloatArray, b: FloatArray, config: AlignConfig) -> IntArray:
    """One pair per frame of a (N, D): path (N, 2) int64."""
    index, _ = nearest(a, b)
    return np.column_stack([np.arange(len(index)), index])
