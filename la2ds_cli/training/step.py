"""One optimisation step: its rate, its random numbers, its precision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from la2ds_cli.core.config_sections import TrainConfig

if TYPE_CHECKING:
    import torch


def learning_rate(config: TrainConfig, step: int, done: float) -> float:
    """Rate at a step; `done` in [0, 1] is the share of the run that has passed.

    cosine: to zero; milestones: halved at 15, 20, 25, ... 50 % of the run, the epochs
    30, 40, ... 100 of 200 that CASA uses; halving: at each of 24 equal parts of the run, as the
    paper prints (sec. 4); constant. Linear warm-up before.
    """
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    factor = 1.0
    if config.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    elif config.schedule == "milestones":
        factor = 0.5 ** sum(done >= share / 100 for share in range(15, 55, 5))
    elif config.schedule == "halving":
        factor = 0.5 ** math.floor(24 * min(done, 1.0))
    return config.learning_rate * warm * factor


def step_generator(config: TrainConfig, step: int) -> torch.Generator:
    """Random numbers of the network at a step, so that a resumed run draws the same."""
    import torch

    return torch.Generator().manual_seed(config.seed * 1_000_003 + step)


def uses_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the network computes in bfloat16: `auto` does where the hardware has it."""
    import torch

    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without these instructions bfloat16 is emulated and slower than float32.
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(found.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))
