"""Types of arrays, and runs of a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[Any]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[Any]


def runs_of(mask: BoolArray) -> list[tuple[int, int]]:
    """Return the first and stop row of every run of true values in a mask (N,)."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
    return [(int(first), int(stop)) for first, stop in edges]
