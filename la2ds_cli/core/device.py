"""The compute device, without silently replacing the one the user named, its threads, and kernels
that are compiled when they are first called."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
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
    with own_folder():  # a search path with an empty part would look in the current one
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


def one_blas_thread() -> AbstractContextManager[Any]:
    """A block in which numpy's matrix products use one thread: of small matrices, threads wait for
    each other longer than they compute."""
    return _blas().limit(limits=1)


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


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
