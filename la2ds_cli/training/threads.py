"""How many torch threads a training step should use on a CPU: measured, not counted.

On busy cores two threads wait for each other at every barrier and are several times slower than
one; on idle cores they are nearly twice as fast. Only a measurement tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable

TIMED = 2  # steps for each count, after one to warm up


def fastest_threads(run_step: Callable[[int], object], cores: int) -> int:
    """The fastest of 1, half and all of the cores for `run_step`; leaves torch set to it.

    Every count runs the steps 0, 1, 2: the first warms up, the better of the others counts.
    """
    import torch

    best_threads, best_seconds = 1, float("inf")
    for threads in sorted({1, max(cores // 2, 1), cores}):
        torch.set_num_threads(threads)
        run_step(0)
        seconds = min(_timed(run_step, step) for step in range(1, TIMED + 1))
        if seconds < 0.9 * best_seconds:  # more threads must pay clearly
            best_threads, best_seconds = threads, seconds
    torch.set_num_threads(best_threads)
    return best_threads


def _timed(run_step: Callable[[int], object], step: int) -> float:
    started = time.perf_counter()
    run_step(step)
    return time.perf_counter() - started
