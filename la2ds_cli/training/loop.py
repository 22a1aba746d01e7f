"""The optimisation loop of a run, with a thread that draws the next batch meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

import torch

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import TrainConfig
from la2ds_cli.core.device import available_cores, torch_threads
from la2ds_cli.core.errors import Unusable, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.network.torch_network import embed_input
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.checkpoint import LoopState, Records
from la2ds_cli.training.data import TrainingSet, draw_batch, draw_pairs_at
from la2ds_cli.training.losses import get_method
from la2ds_cli.training.validate import WarpedPairs, synthetic_warp_error, validation_pairs
from la2ds_models.sequence_network import SequenceNetwork


@dataclass(frozen=True)
class LoopOptions:
    """How a run trains on this machine; none of this is part of the recipe.

    max_minutes: time limit over all resumed parts, None = no limit. clock: returns the current time
    in seconds.
    """

    device: torch.device
    max_minutes: float | None = None
    progress: Progress = field(default_factory=Progress)
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

    With a time limit the schedule follows the larger share done, of steps or of time, so that the
    cosine schedule still reaches a learning rate of zero.

    Parameters
    ----------
    network: trained in place.
    data: clips for training and validation.
    config: settings of the run.
    run_dir: its folder.
    recipe: stored with the weights.
    options: device, time limit and progress.
    """
    train = config.train
    # Adam with L2 decay, as in CASA and the paper
    optimiser = torch.optim.Adam(
        network.parameters(), train.learning_rate, weight_decay=train.weight_decay, fused=True
    )
    seen = {
        "videos": sorted({clip.video for clip in (*data.train, *data.validation)}),
        "held_out": data.held_out,
        "films": list(data.films),
        "frames_shown": min(train.frames, max(len(clip.xy) for clip in data.train)),
    }
    records = Records(run_dir, recipe, data.skeleton.name, seen, network, optimiser)
    state = records.resume()
    if state.finished:
        return state
    # The number of threads changes how sums are rounded, so a resumed run keeps it.
    if not 0 < state.threads <= available_cores():
        state.threads = train.threads
    run = _Run(network, data, config, run_dir, options, state)
    # a network that draws random numbers must draw the same numbers in a resumed run
    cuda = [options.device] if options.device.type == "cuda" else []
    with (
        torch_threads(state.threads),
        torch.random.fork_rng(cuda),
        run.prefetch() as batches,
    ):
        _optimise(run, batches, optimiser, records)
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

    @property
    def share_done(self) -> float:
        """Share of the run that is done, in [0, 1], by steps or by time."""
        minutes = self.options.max_minutes
        limit = math.inf if minutes is None else minutes * 60
        return max(self.state.step / self.config.train.steps, self.state.seconds / limit)

    def prefetch(self) -> Prefetch[PairBatch]:
        """Return the batches, drawn one step ahead."""
        data, config, device = self.data, self.config, self.options.device

        def draw(step: int) -> PairBatch:
            with torch_threads(self.state.threads):
                return draw_batch(data.train, data.skeleton, config, step, device)

        return Prefetch(draw)

    def loss(self, batch: PairBatch) -> torch.Tensor:
        """Return the loss of a batch at the present step."""
        train, device = self.config.train, self.options.device
        batch = replace(batch, done=self.share_done)
        generator = step_generator(train, self.state.step)
        with torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(train, device)):
            batch = batch.read_by(self.network)
            return get_method(train.method).loss(self.network, batch, self.config, generator)


def _optimise(
    run: _Run, batches: Prefetch[PairBatch], optimiser: torch.optim.Optimizer, records: Records
) -> None:
    """Take the remaining steps, with validations."""
    train, state, network = run.config.train, run.state, run.network
    clock, progress = run.options.clock, run.options.progress
    pairs = validation_pairs(run.data.validation, run.data.skeleton, run.config)
    state.raw_pose_error = pairs.raw_pose_error()
    started = clock() - state.seconds
    share = run.share_done
    progress.begin("training", 1.0, share)
    # A resumed run whose time is up takes another step, so that it ends with weights.
    while not state.finished:
        rate = learning_rate(train, state.step, share)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = batches.take(state.step, last=state.step + 1 >= train.steps)
        seed_generators(step_seed(train, state.step), run.options.device)
        network.train()
        loss = run.loss(batch)
        network.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), train.clip_norm)
        if not torch.isfinite(norm):
            raise _diverged(run, batch)
        optimiser.step()

        state.step += 1
        state.seconds = clock() - started
        records.add_loss(state, loss.item())
        before, share = share, run.share_done
        progress.advance(share - before)
        if state.step % train.validate_every == 0 or share >= 1:
            _validate(run, pairs, records, rate, last=share >= 1)
        else:
            records.save_if_due(state)
    progress.end()


def _validate(run: _Run, pairs: WarpedPairs, records: Records, rate: float, *, last: bool) -> None:
    state, progress, patience = run.state, run.options.progress, run.config.train.patience
    had_collapsed = bool(state.collapse)
    run.network.eval()
    result = synthetic_warp_error(
        lambda item: embed_input(run.network, item, run.options.device), pairs
    )
    best = state.record(result)
    state.finished = last or 0 < patience <= state.idle
    records.save_validation(state, result, rate, best)
    if state.collapse and not had_collapsed:
        progress.note(
            f"the embedding has collapsed at step {state.step}: {state.collapse}. Lower "
            "train.learning_rate, or add clips that differ more"
        )
    if state.finished and not last:
        progress.note(f"stopped at step {state.step}: no improvement in {patience} validations")


def _diverged(run: _Run, batch: PairBatch) -> UserError:
    """Return the error that names the clips whose loss is not finite or, if there are none, all
    clips of the batch."""
    data, device = run.data, run.options.device
    videos = []
    with torch.no_grad():
        for position, video in zip(batch.positions, batch.videos, strict=True):
            single = draw_pairs_at(data.train, data.skeleton, run.config, [position], device)
            if not torch.isfinite(run.loss(single)):
                videos.append(video)
    clips = ", ".join(sorted(set(videos or batch.videos)))
    quantity = "loss" if videos else "gradient"
    return Unusable(
        f"the {quantity} is not finite at step {run.state.step}, on the clips {clips}",
        hint=f"check these clips, or lower train.learning_rate; the last saved state is in "
        f"{run.run_dir}",
    )


# --- one optimisation step: its rate, its random numbers, its precision --------------------------


def learning_rate(config: TrainConfig, step: int, done: float) -> float:
    """Return the learning rate at a step; `done` in [0, 1] is the share of the run that is done.

    Schedules: cosine decays to zero; milestones halves it at 15, 20, 25, ... 50 % of the run, the
    epochs 30, 40, ... 100 of 200 that CASA uses; halving halves it after each of 24 equal parts of
    the run, as the paper prints (sec. 4); constant. All begin with a linear warm-up.
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
    """Return the seed of a step, so that a resumed run draws the same random numbers."""
    return config.seed * 1_000_003 + step


def step_generator(config: TrainConfig, step: int) -> torch.Generator:
    """Return the generator of the random numbers of a step's loss."""
    return torch.Generator().manual_seed(step_seed(config, step))


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed torch's global generators of the CPU and of a device.

    torch.manual_seed would seed those of all devices, but fork_rng restores only these.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def uses_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Return whether the network computes in bfloat16; `auto` uses it if the hardware supports
    it."""
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
    """Calls `draw(step)` one step ahead, in a thread; at most two results exist at a time.

    Rendering heatmaps releases the GIL, so with a second core the network does not wait for
    batches. `draw` must depend on the step alone; `take` raises its exception.
    """

    def __init__(self, draw: Callable[[int], T]) -> None:
        self._draw = draw
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="la2ds-batch")
        self._ahead: tuple[int, Future[T]] | None = None

    def take(self, step: int, last: bool = False) -> T:
        """Return the result of a step, and start drawing step + 1 unless this is the last."""
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
