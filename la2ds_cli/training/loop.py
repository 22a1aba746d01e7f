"""The optimisation loop, read top to bottom."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.artifact import Recipe
from la2ds_cli.config import Config
from la2ds_cli.config_sections import TrainConfig
from la2ds_cli.device import available_cores
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.progress import Progress
from la2ds_cli.training import checkpoint
from la2ds_cli.training.data import PairBatch, TrainingSet, draw_batch
from la2ds_cli.training.threads import fastest_threads
from la2ds_cli.training.validate import Validation, synthetic_warp_error, validation_pairs

if TYPE_CHECKING:
    import torch

    from la2ds_models.alignment_network import AlignmentNetwork


@dataclass
class LoopState:
    """Counters of a run: steps done, seconds of training so far, best validation."""

    step: int = 0
    seconds: float = 0.0
    best_error: float = math.inf
    best_step: int = 0
    rank: float = 0.0
    finished: bool = False


def learning_rate(config: TrainConfig, step: int, done: float) -> float:
    """Rate at a step; `done` in [0, 1] is the share of the run that has passed.

    cosine: to zero; milestones: halved at 15, 20, 25, ... 50 % of the run, the epochs
    30, 40, ... 100 of 200 that CASA uses; constant. Linear warm-up before.
    """
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    factor = 1.0
    if config.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    elif config.schedule == "milestones":
        factor = 0.5 ** sum(done >= share / 100 for share in range(15, 55, 5))
    return config.learning_rate * warm * factor


def batch_loss(
    network: AlignmentNetwork,
    batch: PairBatch,
    config: TrainConfig,
    generator: torch.Generator,
) -> torch.Tensor:
    """Contrastive regression loss (eq. 5) of one batch."""
    from la2ds_models.alignment_network import contrastive_regression

    first = network.encode(
        batch.original.maps, batch.original.joints, batch.original.mask, generator
    )
    second = network.encode(
        batch.augmented.maps, batch.augmented.joints, batch.augmented.mask, generator
    )
    first, second = network.cross(
        first, second, batch.original.mask, batch.augmented.mask, generator
    )
    return contrastive_regression(
        network.project(first),
        network.project(second),
        batch.original.mask,
        batch.augmented.mask,
        batch.truth,
        temperature=config.temperature,
        scaling=config.scaling,
        normalised=config.index == "normalised",
    )


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


def run_loop(
    network: AlignmentNetwork,
    data: TrainingSet,
    config: Config,
    run_dir: Path,
    made_from: Recipe,
    *,
    device: torch.device,
    max_minutes: float | None,
    progress: Progress,
) -> LoopState:
    """Train until `train.steps` or the time limit, resuming from run_dir/resume.pt.

    With a time limit the schedule follows the larger of the two shares (steps, time), so a run
    cut short by the clock still ends at a learning rate of zero.
    """
    import torch

    train = config.train
    # Adam with L2 decay, as CASA and the paper use it
    optimiser = torch.optim.Adam(
        network.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay
    )
    state = _resume(network, optimiser, run_dir)
    if state.finished:
        return state
    use_bf16 = uses_bf16(train, device)

    def forward_backward(step: int) -> tuple[PairBatch, torch.Tensor]:
        batch = draw_batch(data.train, data.skeleton, config, step, device)
        generator = torch.Generator().manual_seed(train.seed * 1_000_003 + step)
        network.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=use_bf16):
            loss = batch_loss(network, batch, train, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        return batch, loss.detach()

    if device.type == "cpu":
        if train.threads:
            torch.set_num_threads(train.threads)
        else:
            fastest_threads(lambda: forward_backward(0), available_cores())
    pairs = validation_pairs(data.validation, data.skeleton, config)
    limit = math.inf if max_minutes is None else max_minutes * 60
    progress.begin("training", 1.0)
    started = time.monotonic() - state.seconds
    losses: list[float] = []
    share = max(state.step / train.steps, state.seconds / limit)
    progress.advance(share)
    while share < 1:
        rate = learning_rate(train, state.step, share)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch, loss = forward_backward(state.step)
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), train.clip_norm)
        if not torch.isfinite(norm):
            raise _diverged(run_dir, state.step, batch.videos)
        optimiser.step()

        losses.append(float(loss))
        state.step += 1
        state.seconds = time.monotonic() - started
        before, share = share, max(state.step / train.steps, state.seconds / limit)
        progress.advance(share - before)
        if state.step % train.validate_every == 0 or share >= 1:
            state.finished = share >= 1
            found = _validate(network, pairs, device)
            _record(
                network,
                optimiser,
                state,
                found,
                losses,
                rate,
                run_dir,
                made_from,
                data.skeleton.name,
            )
            losses = []
    progress.end()
    return state


def _validate(network: AlignmentNetwork, pairs: Any, device: torch.device) -> Validation:
    from la2ds_cli.embedding import embed_input

    network.eval()
    return synthetic_warp_error(lambda item: embed_input(network, item, device), pairs)


def _record(
    network: AlignmentNetwork,
    optimiser: torch.optim.Optimizer,
    state: LoopState,
    found: Validation,
    losses: list[float],
    rate: float,
    run_dir: Path,
    made_from: Recipe,
    skeleton: str,
) -> None:
    """Write weights first and the resume state last: a kill in between only repeats work."""
    facts = {
        "skeleton": skeleton,
        "step": state.step,
        "validation_error": found.error,
        "rank": found.rank,
    }
    if found.error < state.best_error:
        state.best_error, state.best_step = found.error, state.step
        checkpoint.save_weights(run_dir / "best.safetensors", network, made_from, facts)
    state.rank = found.rank
    checkpoint.save_weights(run_dir / "last.safetensors", network, made_from, facts)
    row = facts | {
        "loss": sum(losses) / len(losses),
        "learning_rate": rate,
        "seconds": round(state.seconds, 2),
    }
    checkpoint.append_metrics(run_dir / "metrics.jsonl", row)
    checkpoint.save_resume(
        run_dir / "resume.pt",
        {
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "state": dict(vars(state)),
        },
    )


def _resume(
    network: AlignmentNetwork, optimiser: torch.optim.Optimizer, run_dir: Path
) -> LoopState:
    saved = checkpoint.load_resume(run_dir / "resume.pt")
    if saved is None:
        checkpoint.keep_metrics(run_dir / "metrics.jsonl", 0)
        return LoopState()
    network.load_state_dict(saved["network"])
    optimiser.load_state_dict(saved["optimiser"])
    state = LoopState(**saved["state"])
    checkpoint.keep_metrics(run_dir / "metrics.jsonl", state.step)
    return state


def _diverged(run_dir: Path, step: int, videos: list[str]) -> UserError:
    return UserError(
        f"the loss is not a number at step {step}, on the clips {', '.join(sorted(set(videos)))}",
        hint=f"look at those clips, or lower train.learning_rate; {run_dir} holds the state before",
        exit_code=ExitCode.UNUSABLE,
    )
