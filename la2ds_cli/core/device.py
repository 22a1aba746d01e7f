"""Choice of the compute device, without silently replacing the one the user named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from la2ds_cli.core.errors import ExitCode, UserError

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda"]


def resolve_device(name: DeviceName) -> torch.device:
    """The torch device; `auto` is CUDA if it works and the CPU otherwise.

    Raises UserError (exit 6) if `cuda` was named and cannot be used.
    """
    import torch

    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(
            "CUDA was requested, but this machine or torch build does not have it",
            hint="use --device auto or --device cpu; la2ds doctor shows what is installed",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return torch.device("cuda")


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
