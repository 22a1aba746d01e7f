"""How fast a device multiplies matrices: the yardstick of train.py.

`product_rate` takes a large square product, the figure that is usually called the peak.
`own_products` takes the very products of a model step, one shape after another: what the step would
take if everything else in it cost nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

_PRODUCTS = ("aten.mm.default", "aten.addmm.default", "aten.bmm.default", "aten.baddbmm.default")
_Layout = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]  # shape, stride


def clock(device: torch.device) -> float:
    """Seconds: CPU time of the process, or wall time once a GPU is done."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def flops(step: Callable[[], object]) -> int:
    """Of the products of one step, forward and backward, by torch's FlopCounterMode."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def product_rate(dtype: torch.dtype, device: torch.device) -> float:
    """FLOP per second of one large square product."""
    size = 2048 if device.type == "cpu" else 8192
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    begun = clock(device)
    torch.mm(a, b)
    return 2 * size**3 / (clock(device) - begun)


class _Recorder(TorchDispatchMode):
    """Counts the products that run under it by operation and layout of the factors."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[tuple[Any, tuple[_Layout, ...]]] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if str(func) in _PRODUCTS:
            layouts = tuple((tuple(a.shape), a.stride(), a.dtype) for a in args)
            self.seen[func, layouts] += 1
        return func(*args, **(kwargs or {}))


def own_products(step: Callable[[], object], device: torch.device, repeats: int = 5) -> float:
    """Seconds that the products of one step take by themselves, each the median of `repeats`."""
    with _Recorder() as recorder:
        step()
    total = 0.0
    for (operation, layouts), count in recorder.seen.items():
        factors = [_random(layout, device) for layout in layouts]
        operation(*factors)
        taken = []
        for _ in range(repeats):
            begun = clock(device)
            operation(*factors)
            taken.append(clock(device) - begun)
        total += count * median(taken)
    return total


def _random(layout: _Layout, device: torch.device) -> torch.Tensor:
    shape, stride, dtype = layout
    return torch.empty_strided(shape, stride, dtype=dtype, device=device).normal_()
