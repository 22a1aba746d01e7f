"""How a run computes on this machine, measured at its start: torch.compile, torch threads.

The frame encoder and each transformer block are compiled by themselves, for any length: around
them the network branches on data (is there padding?), which a compiled graph cannot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from la2ds_models.sequence_network import SequenceNetwork

WORTH_TRYING = 600.0  # seconds of training left; compiling takes up to a minute of them
CLEARLY_FASTER = 0.9  # of the eager time, or the compiled blocks are given up again
_TIMED_STEPS = 3
_TIMED_PER_COUNT = 2  # steps for each number of threads, after one to warm up


def choose(
    network: SequenceNetwork,
    setting: str,
    on_cuda: bool,
    run_step: Callable[[int], Any],
    seconds_left: Callable[[float], float],
    note: Callable[[str], None],
) -> bool:
    """Compile the blocks of `network` and say whether they stay compiled.

    setting: train.compile. run_step: forward and backward of one step without an update, called
    with 0, 1, 2. seconds_left: the rest of the training when a step takes so long. `auto` leaves
    a CPU alone, where the choice would make a run depend on how busy the machine is; on CUDA it
    tries where `WORTH_TRYING` is left, and keeps what is clearly faster. Where compiling fails
    (no C++ compiler, no Triton) the run goes on without, and `note` says so.
    """
    if setting == "off" or (setting == "auto" and not on_cuda):
        return False
    eager = compiled = 0.0
    if setting == "auto":
        eager = _seconds(run_step)
        if seconds_left(eager) < WORTH_TRYING:
            return False
    started = time.perf_counter()
    if not compile_blocks(network, run_step, note):
        return False
    spent = time.perf_counter() - started
    if setting == "auto":
        compiled = _seconds(run_step)
        if compiled > CLEARLY_FASTER * eager:
            undo(network)
            note(f"torch.compile is left out: {compiled:.3f} s a step, {eager:.3f} s without")
            return False
    note(f"network compiled in {spent:.0f} s")
    return True


def compile_blocks(
    network: SequenceNetwork, run_step: Callable[[int], Any], note: Callable[[str], None]
) -> bool:
    """Compile and run once; False, with the blocks as they were and a note, where it fails."""
    import torch

    for block in _blocks(network):
        block.forward = torch.compile(block.forward, dynamic=True)
    try:
        for step in range(_TIMED_STEPS):  # padded and unpadded batches have a graph each
            run_step(step)
    except (RuntimeError, ImportError) as error:
        undo(network)
        reason = str(error).strip().split("\n")[0]
        note(f"training without torch.compile, which fails here: {reason}")
        return False
    return True


def undo(network: SequenceNetwork) -> None:
    """Give the blocks their own forward back."""
    for block in _blocks(network):
        vars(block).pop("forward", None)


@contextmanager
def eager() -> Iterator[None]:
    """Compiled blocks run as they are written: single clips are not worth a graph of their own."""
    import torch

    with torch.compiler.set_stance("force_eager"):
        yield


def _blocks(network: SequenceNetwork) -> list[nn.Module]:
    return network.compilable()


def _seconds(run_step: Callable[[int], Any]) -> float:
    """The best of a few steps."""
    best = float("inf")
    for step in range(_TIMED_STEPS):
        started = time.perf_counter()
        run_step(step)
        best = min(best, time.perf_counter() - started)
    return best


# --- how many torch threads: measured, not counted -----------------------------------------------


def fastest_threads(run_step: Callable[[int], object], cores: int) -> int:
    """The fastest of 1, half and all of the cores for `run_step`; leaves torch set to it.

    Every count runs the steps 0, 1, 2: the first warms up, the better of the others counts.
    """
    import torch

    best_threads, best_seconds = 1, float("inf")
    for threads in sorted({1, max(cores // 2, 1), cores}):
        torch.set_num_threads(threads)
        run_step(0)
        seconds = min(_timed(run_step, step) for step in range(1, _TIMED_PER_COUNT + 1))
        if seconds < 0.9 * best_seconds:  # more threads must pay clearly
            best_threads, best_seconds = threads, seconds
    torch.set_num_threads(best_threads)
    return best_threads


def _timed(run_step: Callable[[int], object], step: int) -> float:
    started = time.perf_counter()
    run_step(step)
    return time.perf_counter() - started
