"""The optimisation loop of one run.

From top to bottom: `run_loop`, which prepares or resumes a run; the steps and validations; the
learning rate, random numbers and precision of one step; and the thread that draws the next batch
while the network computes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import TrainConfig
from la2ds_cli.core.device import available_cores
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.training.checkpoint import LoopState, Records
from la2ds_cli.training.data import TrainingSet, draw_batch, draw_pairs_at
from la2ds_cli.training.distributed import Processes
from la2ds_cli.training.losses import Method, get_method, weight_of
from la2ds_cli.training.network import PairBatch
from la2ds_cli.training.validate import (
    Validation,
    WarpedPairs,
    synthetic_warp_error,
    validation_pairs,
)

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork


@dataclass(frozen=True)
class LoopOptions:
    """How a run trains on this machine; none of this is part of the recipe.

    max_minutes: time limit over all resumed parts, None = no limit. processes: those that share the
    work; all of them call `run_loop`. clock: returns the current time in seconds.
    """

    device: torch.device
    max_minutes: float | None = None
    progress: Progress = field(default_factory=Progress)
    processes: Processes = field(default_factory=Processes)
    clock: Callable[[], float] = time.monotonic


def run_loop(
    network: SequenceNetwork,
    data: TrainingSet,
    config: Config,
    run_dir: Path,
    recipe: Recipe,
    options: LoopOptions,
) -> LoopState:
    """Train until `train.steps`, the time limit or `train.patience`, resuming from
    run_dir/resume.pt.

    With a time limit the schedule follows the larger of the two shares done (steps, time), so that
    the cosine schedule still reaches a learning rate of zero.
    """
    import torch

    train, processes = config.train, options.processes
    # Adam with L2 decay, as in CASA and the paper
    optimiser = torch.optim.Adam(
        network.parameters(), train.learning_rate, weight_decay=train.weight_decay, fused=True
    )
    videos = sorted({clip.video for clip in (*data.train, *data.validation)})
    records = Records(run_dir, recipe, data.skeleton.name, videos, network, optimiser)
    state = records.resume(writes=processes.first)
    if state.finished:
        return state
    # Sums of several threads are rounded otherwise; a resumed run keeps its number.
    if not 0 < state.threads <= available_cores():
        state.threads = train.threads
    run = _Run(network, data, config, run_dir, options, state)
    before = torch.get_num_threads()
    torch.set_num_threads(state.threads)
    try:
        # A network that draws random numbers draws the same ones in a resumed run.
        cuda = [options.device] if options.device.type == "cuda" else []
        with torch.random.fork_rng(cuda), run.prefetch() as batches:
            _optimise(run, batches, optimiser, records)
    finally:
        torch.set_num_threads(before)
    return state


@dataclass
class _Run:
    """Everything that a step needs; only `state` changes between steps."""

    network: SequenceNetwork
    data: TrainingSet
    config: Config
    run_dir: Path
    options: LoopOptions
    state: LoopState
    bf16: bool = field(init=False)
    method: Method = field(init=False)

    def __post_init__(self) -> None:
        self.method = get_method(self.config.train.method)
        self.bf16 = uses_bf16(self.config.train, self.options.device)

    @property
    def limit(self) -> float:
        """The time limit in seconds, infinite without one."""
        minutes = self.options.max_minutes
        return math.inf if minutes is None else minutes * 60

    def prefetch(self) -> Prefetch[PairBatch]:
        """The batches of this process, drawn one step ahead."""
        data, config, options = self.data, self.config, self.options
        share = options.processes.share
        return Prefetch(
            lambda step: draw_batch(data.train, data.skeleton, config, step, options.device, share)
        )

    def share_done(self) -> float:
        """The share of the run that is done, in [0, 1]."""
        return max(self.state.step / self.config.train.steps, self.state.seconds / self.limit)

    def loss(self, batch: PairBatch, step: int) -> torch.Tensor:
        """Loss of the batch."""
        import torch

        batch = replace(batch, done=self.share_done())
        generator = step_generator(self.config.train, step)
        with torch.autocast(self.options.device.type, torch.bfloat16, enabled=self.bf16):
            batch = batch.read_by(self.network)
            return self.method.loss(self.network, batch, self.config, generator)

    def forward_backward(self, batch: PairBatch, step: int) -> torch.Tensor:
        """Loss of the batch; leaves its gradients in the parameters."""
        import torch

        torch.manual_seed(step_seed(self.config.train, step))
        self.network.train()
        loss = self.loss(batch, step)
        self.network.zero_grad(set_to_none=True)
        loss.backward()
        return loss.detach()


def _optimise(
    run: _Run, batches: Prefetch[PairBatch], optimiser: torch.optim.Optimizer, records: Records
) -> None:
    """Take the remaining steps, with validations."""
    import torch

    train, state = run.config.train, run.state
    processes, progress = run.options.processes, run.options.progress
    pairs = validation_pairs(run.data.validation, run.data.skeleton, run.config)
    state.raw_pose_error = pairs.raw_pose_error()
    progress.begin("training", 1.0)
    started = run.options.clock() - state.seconds
    share = run.share_done()
    progress.advance(share)
    # A resumed run whose time is up takes one more step, so that it ends with weights.
    while not state.finished:
        rate = learning_rate(train, state.step, share)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = batches.take(state.step, last=state.step + 1 >= train.steps)
        loss = run.forward_backward(batch, state.step)
        weight = weight_of(run.method, batch)
        loss = processes.mean_gradients(run.network.parameters(), loss, weight)
        norm = torch.nn.utils.clip_grad_norm_(run.network.parameters(), train.clip_norm)
        if not torch.isfinite(norm):
            raise _diverged(run, batch)
        optimiser.step()

        mean = float(loss)
        state.loss_sum += mean
        state.losses += 1
        state.step += 1
        state.seconds = run.options.clock() - started
        if math.isfinite(run.limit):
            state.seconds = processes.broadcast([state.seconds])[0]
        if processes.first:
            records.add_loss(state, mean)
        before, share = share, run.share_done()
        progress.advance(share - before)
        if state.step % train.validate_every == 0 or share >= 1:
            _validate(run, pairs, records, rate, last=share >= 1)
        elif processes.first:
            records.save_if_due(state)
    progress.end()


def _validate(run: _Run, pairs: WarpedPairs, records: Records, rate: float, *, last: bool) -> None:
    """Validate and write in the first process, and send the outcome to all processes."""
    state, processes, progress = run.state, run.options.processes, run.options.progress
    had_collapsed = bool(state.collapse)
    if processes.first:
        result = _measure(run, pairs)
        best = state.record(result)
        state.finished = last or 0 < run.config.train.patience <= state.idle
        records.save_validation(state, result, rate, best)
    else:
        state.clear_sums()
    outcome = [float(state.finished), state.best_error, float(state.best_step), state.rank]
    finished, state.best_error, best_step, state.rank = processes.broadcast(outcome)
    state.finished, state.best_step = bool(finished), int(best_step)
    if state.collapse and not had_collapsed:
        progress.note(
            f"the embedding has collapsed at step {state.step}: {state.collapse}. Lower "
            "train.learning_rate, or add clips that differ more"
        )
    if state.finished and not last:
        progress.note(
            f"stopped at step {state.step}: no improvement in {run.config.train.patience} "
            "validations"
        )


def _measure(run: _Run, pairs: WarpedPairs) -> Validation:
    from la2ds_cli.training.network import embed_input

    run.network.eval()
    return synthetic_warp_error(
        lambda item: embed_input(run.network, item, run.options.device), pairs
    )


def _diverged(run: _Run, batch: PairBatch) -> UserError:
    """The error that names the clips whose loss is not finite or, if there are none, all clips of
    the batch."""
    import torch

    data, step, processes = run.data, run.state.step, run.options.processes
    device = run.options.device
    videos = []
    with torch.no_grad():
        for position, video in zip(batch.positions, batch.videos, strict=True):
            single = draw_pairs_at(data.train, data.skeleton, run.config, [position], device)
            if not torch.isfinite(run.loss(single, step)):
                videos.append(video)
    videos = processes.gather(videos)
    clips = ", ".join(sorted(set(videos or processes.gather(batch.videos))))
    quantity = "loss" if videos else "gradient"
    error = UserError(
        f"the {quantity} is not finite at step {step}, on the clips {clips}",
        hint=f"check these clips, or lower train.learning_rate; {run.run_dir} holds the last saved "
        "state",
        exit_code=ExitCode.UNUSABLE,
    )
    return processes.report_once(error)


# --- one optimisation step: its rate, its random numbers, its precision --------------------------


def learning_rate(config: TrainConfig, step: int, done: float) -> float:
    """Learning rate at a step; `done` in [0, 1] is the share of the run that is done.

    cosine: decays to zero; milestones: halved at 15, 20, 25, ... 50 % of the run, the epochs
    30, 40, ... 100 of 200 that CASA uses; halving: halved after each of 24 equal parts of the run,
    as the paper prints (sec. 4); constant. All begin with a linear warm-up.
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


def step_seed(config: TrainConfig, step: int) -> int:
    """Seed of a step, so that a resumed run draws the random numbers of an uninterrupted one."""
    return config.seed * 1_000_003 + step


def step_generator(config: TrainConfig, step: int) -> torch.Generator:
    """Generator of the random numbers that a step's loss draws."""
    import torch

    return torch.Generator().manual_seed(step_seed(config, step))


def uses_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the network computes in bfloat16; `auto` uses it if the hardware supports it."""
    import torch

    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without these instructions bfloat16 is emulated and slower than float32.
    supported = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(supported.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


# --- a thread draws the next batch while the network computes ------------------------------------

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Calls `draw(step)` one step ahead; at most two results exist at a time.

    Rendering heatmaps releases the GIL, so with a second core the network does not wait for
    batches. `draw` must depend on the step alone; `take` raises the exception of its step.
    """

    def __init__(self, draw: Callable[[int], T]) -> None:
        self._draw = draw
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="la2ds-batch")
        self._ahead: tuple[int, Future[T]] | None = None

    def take(self, step: int, last: bool = False) -> T:
        """The result of a step; unless it is the last, the thread starts step + 1."""
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = (step, self._pool.submit(self._draw, step))
        result = self._ahead[1].result()
        self._ahead = None if last else (step + 1, self._pool.submit(self._draw, step + 1))
        return result

    def close(self) -> None:
        """End the thread once it has finished its current batch."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
