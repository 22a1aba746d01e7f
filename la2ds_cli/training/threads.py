"""How many torch threads a training step should use on a CPU: measured, not counted.

On busy cores two threads wait for each other at every barrier and are several times slower than
one; on idle cores they are nearly twice as fast. Only a measurement tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def fastest_threads(run_once: Callable[[], object], cores: int) -> int:
    """The faster of 1, half and all of the cores for `run_once`; leaves torch set to it.

    Each count is timed twice after a warm-up and judged by its better time.
    """
    import torch

    best_threads, best_seconds = 1, float("inf")
    for threads in sorted({1, max(cores // 2, 1), cores}):
        torch.set_num_threads(threads)
        run_once()
        seconds = min(_timed(run_once) for _ in range(2))
        if seconds < 0.9 * best_seconds:  # more threads must pay clearly
            best_threads, best_seconds = threads, seconds
    torch.set_num_threads(best_threads)
    return best_threads


def _timed(run_once: Callable[[], object]) -> float:
    started = time.perf_counter()
    run_once()
    return time.perf_counter() - started
