"""Whether a run compiles its network, and how many threads it uses, measured at its start.

The frame encoder and each transformer block are compiled separately, for any length. The network
around them branches on data (is there padding?), which a compiled graph cannot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from la2ds_models.sequence_network import SequenceNetwork

MIN_SECONDS_LEFT = 600.0  # of training, to try compiling, which takes up to a minute
REQUIRED_RATIO = 0.9  # a choice is used only if it takes at most this share of the time without
_TIMED_STEPS = 3


# --- torch.compile -------------------------------------------------------------------------------


def choose_compiled(
    network: SequenceNetwork,
    setting: str,
    on_cuda: bool,
    run_step: Callable[[int], Any],
    seconds_left: Callable[[float], float],
    note: Callable[[str], None],
) -> bool:
    """Compile the blocks of `network` if the setting and the measurement say so; return whether
    they are compiled.

    setting: train.compile. run_step: forward and backward pass of one step without an update,
    called with 0, 1, 2. seconds_left: the rest of the training, given the seconds of a step. `auto`
    never compiles on a CPU, where the run would depend on how busy the machine is. On CUDA it tries
    if `MIN_SECONDS_LEFT` remain, and compiles if that is clearly faster. If compiling fails (no C++
    compiler, no Triton), the run continues without it, and `note` reports that.
    """
    if setting == "off" or (setting == "auto" and not on_cuda):
        return False
    eager = compiled = 0.0
    if setting == "auto":
        eager = _fastest_step(run_step)
        if seconds_left(eager) < MIN_SECONDS_LEFT:
            return False
    started = time.perf_counter()
    if not compile_blocks(network, run_step, note):
        return False
    spent = time.perf_counter() - started
    if setting == "auto":
        compiled = _fastest_step(run_step)
        if compiled > REQUIRED_RATIO * eager:
            restore_blocks(network)
            note(f"torch.compile is not used: {compiled:.3f} s a step, {eager:.3f} s without")
            return False
    note(f"network compiled in {spent:.0f} s")
    return True


def compile_blocks(
    network: SequenceNetwork, run_step: Callable[[int], Any], note: Callable[[str], None]
) -> bool:
    """Compile the blocks and run a few steps.

    If that fails, restores the blocks, calls `note` and returns False.
    """
    import torch

    for block in network.compilable():
        block.forward = torch.compile(block.forward, dynamic=True)
    try:
        for step in range(_TIMED_STEPS):  # padded and unpadded batches each have a graph
            run_step(step)
    except (RuntimeError, ImportError) as error:
        restore_blocks(network)
        reason = str(error).strip().split("\n")[0]
        note(f"training without torch.compile, which fails here: {reason}")
        return False
    return True


def restore_blocks(network: SequenceNetwork) -> None:
    """Restore the uncompiled forward of the blocks."""
    for block in network.compilable():
        vars(block).pop("forward", None)


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run the blocks uncompiled, because a graph for single clips costs more time than it saves."""
    import torch

    with torch.compiler.set_stance("force_eager"):
        yield


# --- the number of torch threads -----------------------------------------------------------------


def fastest_threads(run_step: Callable[[int], object], cores: int) -> int:
    """The fastest of 1, half and all of the cores for `run_step`; sets torch to it.

    Each number of threads runs steps 0, 1 and 2: step 0 warms up, the faster of the others counts.
    """
    import torch

    best_threads, best_seconds = 1, float("inf")
    for threads in sorted({1, max(cores // 2, 1), cores}):
        torch.set_num_threads(threads)
        run_step(0)
        seconds = _fastest_step(run_step, first=1)
        if seconds < REQUIRED_RATIO * best_seconds:
            best_threads, best_seconds = threads, seconds
    torch.set_num_threads(best_threads)
    return best_threads


def _fastest_step(run_step: Callable[[int], Any], first: int = 0) -> float:
    """Seconds of the fastest of the steps `first` to 2."""
    best = float("inf")
    for step in range(first, _TIMED_STEPS):
        started = time.perf_counter()
        run_step(step)
        best = min(best, time.perf_counter() - started)
    return best
