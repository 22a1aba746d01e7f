"""The compute device, numbers of threads, and kernels that are compiled at their first call.

A device that the user named is never silently replaced. Limits on threads hold for a block, and are
then restored. That of torch concerns only the calling thread; that of numpy's BLAS has to hold for
the whole process (`one_blas_thread`).
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from la2ds_cli.core.errors import Unavailable, check_choice
from la2ds_models.startup import own_folder

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda"]


def resolve_device(name: DeviceName) -> torch.device:
    """Return the torch device of a name, as `device_type`."""
    import torch

    return torch.device(device_type(name))


def device_type(name: DeviceName) -> Literal["cpu", "cuda"]:
    """Return the device of a name on this machine; `auto` is CUDA if it works, else the CPU.

    Raises UserError (exit 2) for another name, and (exit 6) if `cuda` was named and cannot be used.
    """
    check_choice("device", name, get_args(DeviceName))
    if name == "cpu" or (name == "auto" and not _has_gpu_driver()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "auto":
        return "cpu"
    raise Unavailable(
        "CUDA was requested, but this machine or torch build does not have it",
        hint="use --device auto or --device cpu; la2ds doctor shows what is installed",
    )


def _has_gpu_driver() -> bool:
    """Return whether torch may find a GPU, without loading torch, which takes a second."""
    if "torch" in sys.modules or Path("/dev/kfd").exists():  # kfd: AMD
        return True
    with own_folder():  # an empty part of a search path means the current folder
        try:
            ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        except OSError:
            return False
    return True


def available_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_cores() -> int:
    """Return the cores that this process may run on, minus the load average; at least 1.

    OpenMP barriers make two threads several times slower than one on a busy pair of cores.
    """
    try:
        busy = os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has no load average
        busy = 0.0
    return max(1, int(available_cores() - busy + 0.5))


# --- threads --------------------------------------------------------------------------------------


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let operations of torch that this thread starts use `count` threads within the block.

    OpenMP, and so torch, has a number for each thread, so those of other threads, and of threads
    started meanwhile, do not change. torch.set_num_threads would change them all.
    """
    import torch

    torch.get_num_threads()  # a thread's first call sets its number to the default
    before = _set_threads(_libraries("openmp"), count)
    try:
        yield
    finally:
        for library, threads in before:
            library.set_num_threads(threads)


def torch_uses_one_thread() -> None:
    """Let operations of torch that this thread starts use one thread from now on; for the threads
    of pools, which share the cores."""
    if torch := sys.modules.get("torch"):
        torch.get_num_threads()
        _set_threads(_libraries("openmp"), 1)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let numpy's matrix products use one thread within the block, which is faster for small
    matrices.

    OpenBLAS has one number of threads for the whole process. The last block that ends restores it,
    unless other code has changed it meanwhile.
    """
    global _blas_users, _blas_before
    with _blas_changing:
        if not _blas_users:
            _blas_before = _set_threads(_libraries("blas"), 1)
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_changing:
            _blas_users -= 1
            if not _blas_users:
                for library, threads in _blas_before:
                    if library.num_threads == 1:
                        library.set_num_threads(threads)


_blas_changing = threading.Lock()
_blas_users = 0
_blas_before: Sequence[tuple[Any, int]] = ()


def _set_threads(libraries: Sequence[Any], count: int) -> list[tuple[Any, int]]:
    """Set the number of threads of libraries; return each with its number before."""
    before = [(library, library.num_threads) for library in libraries]
    for library, threads in before:
        if threads != count:
            library.set_num_threads(count)
    return before


@cache
def _libraries(kind: str) -> Sequence[Any]:
    """Return the libraries of a kind, `blas` or `openmp`, that are loaded at the first call."""
    from threadpoolctl import ThreadpoolController

    return tuple(ThreadpoolController().select(user_api=kind).lib_controllers)


# --- kernels compiled by numba --------------------------------------------------------------------

# Importing numba and loading compiled kernels takes as long as aligning hundreds of short clips
# with numpy. A step that can do both calls `compiling_pays`.
LOADING = 0.3  # seconds of CPU to import numba and to load kernels from its cache

_done_without = 0.0  # seconds that numpy worked in this process


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function as numba.njit(cache=True), without importing numba at import time."""

    @cache
    def kernel() -> Callable[..., Any]:
        from numba import njit

        return njit(cache=True)(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        return kernel()(*arguments)

    return call


def compiling_pays(seconds: float) -> bool:
    """Return whether to use a kernel for work that takes numpy this many seconds.

    The answer is no until the work by numpy in this process adds up to LOADING. The total time is
    then at most twice the minimum, whatever follows.
    """
    global _done_without
    if _done_without + seconds > LOADING:
        return True
    _done_without += seconds
    return False
