"""Read an array of a .npy file that comes from anybody: no objects, and no more than its bytes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import IO

import numpy as np
from numpy.lib import format as npy_format


def read_npy(handle: IO[bytes]) -> np.ndarray:
    """Return the array of an open .npy file, which cannot be written to.

    An array of objects is refused: reading it could run any program. A header that claims more
    numbers than follow it takes no memory.

    Parameters
    ----------
    handle: at the first byte; it is read to its end.

    Raises
    ------
    ValueError: if it is no array of numbers.
    """
    headers: dict[tuple[int, int], Callable[[IO[bytes]], tuple[tuple[int, ...], bool, np.dtype]]]
    headers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    version = npy_format.read_magic(handle)
    if version not in headers:
        raise ValueError(f"its version of .npy is {version}, not (1, 0) or (2, 0)")
    try:
        shape, by_column, dtype = headers[version](handle)
    except Exception as error:  # numpy's parser of damaged bytes raises errors of many kinds
        raise ValueError(f"its header cannot be read: {error}") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, not an array of numbers")
    content = handle.read()
    if math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{len(content):,} bytes do not make an array {shape} of {dtype}")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_column else "C")
