"""Kernels compiled by numba, which is imported when a kernel is first called.

Importing numba and loading compiled kernels takes as long as aligning hundreds of short clips with
numpy. A step that can do both asks `compiling_pays`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

LOADING = 0.3  # seconds of CPU: importing numba and loading its kernels from its cache

_done_without = 0.0  # seconds of this process


def compiled(
    uncompiled: Callable[..., float] | None = None, **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As numba.njit(cache=True, **options), but without importing numba at import time.

    uncompiled: seconds that the uncompiled function takes for its arguments. It is called
    uncompiled while that is little (compiling_pays).
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        kernel: Callable[..., Any] | None = None

        @wraps(function)
        def call(*arguments: Any) -> Any:
            nonlocal kernel
            if uncompiled is not None and not compiling_pays(uncompiled(*arguments)):
                return function(*arguments)
            if kernel is None:
                from numba import njit

                kernel = njit(cache=True, **options)(function)
            return kernel(*arguments)

        return call

    return decorate


def compiling_pays(seconds: float) -> bool:
    """Whether to use a kernel for work that takes numpy this many seconds: no, until the work done
    without one in this process adds up to LOADING. The total time is then at most twice the
    minimum, whatever follows."""
    global _done_without
    if _done_without + seconds > LOADING:
        return True
    _done_without += seconds
    return False
