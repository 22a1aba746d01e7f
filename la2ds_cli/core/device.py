"""The compute device, without silently replacing the one the user named, its threads, and kernels
that are compiled when they are first called.

Limits on threads hold for a block, and are given back. That of torch concerns the calling thread
alone. That of numpy's BLAS has to be one for the whole process (`one_blas_thread`).
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
    """The torch device, as `device_type`."""
    import torch

    return torch.device(device_type(name))


def device_type(name: DeviceName) -> Literal["cpu", "cuda"]:
    """What a device name means here; `auto` is CUDA if it works and the CPU otherwise.

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
    """Whether torch may find a GPU. It needs a second to load, for nothing where there is no
    driver."""
    if "torch" in sys.modules or Path("/dev/kfd").exists():  # the latter is AMD's
        return True
    with own_folder():  # of a command: an empty part of a search path means the current folder
        try:
            ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        except OSError:
            return False
    return True


def available_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_cores() -> int:
    """Cores this process may run on, minus those busy by the load average; at least 1.

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

    OpenMP, and torch with it, keeps the number for each thread, so other threads keep theirs, and
    so do those that are started meanwhile. torch.set_num_threads would change them all.
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
    """Let numpy's matrix products use one thread within the block: of small matrices, threads wait
    for each other longer than they compute.

    OpenBLAS has one number of threads for the whole process. The last block that ends gives it
    back, unless somebody else has changed it meanwhile.
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
    """Return the libraries of a kind, `blas` or `openmp`, that are loaded when first asked for."""
    from threadpoolctl import ThreadpoolController

    return tuple(ThreadpoolController().select(user_api=kind).lib_controllers)


# --- kernels compiled by numba --------------------------------------------------------------------

# Importing numba and loading compiled kernels takes as long as aligning hundreds of short clips
# with numpy. A step that can do both asks `compiling_pays`.
LOADING = 0.3  # seconds of CPU: importing numba and loading its kernels from its cache

_done_without = 0.0  # seconds of this process


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """As numba.njit(cache=True), but without importing numba at import time."""

    @cache
    def kernel() -> Callable[..., Any]:
        from numba import njit

        return njit(cache=True)(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        return kernel()(*arguments)

    return call


def compiling_pays(seconds: float) -> bool:
    """Whether to use a kernel for work that takes numpy this many seconds: no, until the work done
    without one in this process adds up to LOADING. The total time is then at most twice the
    minimum, whatever follows."""
    global _done_without
    if _done_without + seconds > LOADING:
        return True
    _done_without += seconds
    return False
