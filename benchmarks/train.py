"""Training: la2ds against the pipeline that public code suggests (naive_pipeline.py).

    python benchmarks/train.py --project golf [--preset heatmap] [--steps 4] [--rounds 5]

Any project with poses. Same pairs, same batch size, same sizes of the network; the contenders take
turns, and figures are medians over the rounds.

1. On one thread, process CPU time, which other work on the machine disturbs least: seconds of a
   step spent on rendering heatmaps, on the rest of drawing a batch, and on the network.
2. On --threads threads, wall time, each as it would be run: la2ds draws the next batch in a thread,
   the contender reads its loader in the process or from one worker.
3. The arithmetic of a model step (torch's FlopCounterMode: products alone, forward and backward)
   over its time on one thread, as a share of the rate of large square products; and the time that
   the step's own products take by themselves.

With a CUDA device the second and third table are made there, too, in wall time.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from naive_pipeline import PlainViViT, PoseTarget, loader
from naive_pipeline import train as train_naive
from products import clock, flops, own_products, product_rate

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.device import available_cores
from la2ds_cli.core.project import Project
from la2ds_cli.features import network_input
from la2ds_cli.training.data import TrainingSet, draw_batch, load_training_set
from la2ds_cli.training.loop import Prefetch, step_generator
from la2ds_cli.training.losses import get_method
from la2ds_cli.training.network import PairBatch, build_network

CPU = torch.device("cpu")
RATE = 1e-3


class Ours:
    """One la2ds training step after another, as la2ds_cli.training.loop does them."""

    def __init__(self, data: TrainingSet, config: Config, bf16: bool, device: torch.device) -> None:
        self.data, self.config, self.bf16, self.device = data, config, bf16, device
        self.network = build_network(config.model, config.heatmap, data.skeleton, 0).to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=RATE, fused=True)

    def draw(self, step: int) -> PairBatch:
        return draw_batch(self.data.train, self.data.skeleton, self.config, step, self.device)

    def learn(self, batch: PairBatch, step: int) -> None:
        generator = step_generator(self.config.train, step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = get_method("la2ds").loss(self.network, batch, self.config, generator)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.train.clip_norm)
        self.optimiser.step()
        loss.item()

    def parts(self, steps: range) -> Parts:
        rendering = _Timed(network_input, "render_heatmaps")
        drawing = learning = 0.0
        with rendering:
            for step in steps:
                begun = time.process_time()
                batch = self.draw(step)
                drawn = time.process_time()
                self.learn(batch, step)
                drawing += drawn - begun
                learning += time.process_time() - drawn
        return Parts(rendering.seconds, drawing - rendering.seconds, learning)

    def run(self, steps: range) -> None:
        with Prefetch(self.draw) as batches:
            for step in steps:
                self.learn(batches.take(step, last=step == steps[-1]), step)


class Naive:
    """The contender, in float32 and with padding, as such scripts are written."""

    def __init__(self, data: TrainingSet, config: Config, device: torch.device) -> None:
        self.data, self.config, self.device = data, config, device
        self.network = PlainViViT(config, data.skeleton).to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=RATE)

    def _learn(self, batches: Iterable[Any]) -> None:
        for _ in train_naive(self.network, self.optimiser, batches, self.config, self.device):
            pass

    def _batches(self, steps: range, workers: int) -> Iterable[Any]:
        return loader(self.data.train, self.data.skeleton, self.config, steps, workers)

    def parts(self, steps: range) -> Parts:
        rendering = _Timed(PoseTarget, "__call__")
        drawing = 0.0

        def timed() -> Iterator[Any]:
            nonlocal drawing
            source = iter(self._batches(steps, 0))
            for _ in steps:
                begun = time.process_time()
                batch = next(source)
                drawing += time.process_time() - begun
                yield batch

        begun = time.process_time()
        with rendering:
            self._learn(timed())
        learning = time.process_time() - begun - drawing
        return Parts(rendering.seconds, drawing - rendering.seconds, learning)

    def run(self, steps: range, workers: int) -> None:
        self._learn(self._batches(steps, workers))


@dataclass(frozen=True)
class Parts:
    """CPU seconds."""

    rendering: float
    rest: float  # of drawing a batch
    learning: float

    @property
    def whole(self) -> float:
        return self.rendering + self.rest + self.learning


class _Timed:
    """CPU seconds spent in owner.name while it is entered."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name, self.seconds = owner, name, 0.0
        self.original = getattr(owner, name)

    def __enter__(self) -> None:
        def timed(*arguments: Any, **named: Any) -> Any:
            begun = time.process_time()
            try:
                return self.original(*arguments, **named)
            finally:
                self.seconds += time.process_time() - begun

        setattr(self.owner, self.name, timed)

    def __exit__(self, *_: object) -> None:
        setattr(self.owner, self.name, self.original)


def shares(data: TrainingSet, config: Config, steps: int, rounds: int) -> None:
    torch.set_num_threads(1)
    contenders: dict[str, Callable[[range], Parts]] = {
        "naive, float32": Naive(data, config, CPU).parts,
        "la2ds, float32": Ours(data, config, False, CPU).parts,
        "la2ds, bfloat16": Ours(data, config, True, CPU).parts,
    }
    taken: dict[str, list[Parts]] = {name: [] for name in contenders}
    for run in contenders.values():  # kernels compile, buffers are made
        run(range(1))
    for turn in range(rounds):
        for name, run in contenders.items():
            taken[name].append(run(range(turn * steps, (turn + 1) * steps)))
    print("\nCPU seconds of a step, one thread")
    print(f"{'':18}{'rendering':>11}{'drawing':>9}{'network':>9}{'pairs / CPU s':>15}{'ratio':>7}")
    base = taken["naive, float32"]
    for name, found in taken.items():
        rendering, rest, learning = (
            median(getattr(parts, part) for parts in found) / steps
            for part in ("rendering", "rest", "learning")
        )
        ratio = median(one.whole / parts.whole for one, parts in zip(base, found, strict=True))
        rate = steps * config.train.batch_size / median(parts.whole for parts in found)
        print(
            f"{name:18}{rendering:11.3f}{rest:9.3f}{learning:9.3f}{rate:15.2f}{ratio:7.1f}",
            flush=True,
        )


def clips_per_second(
    data: TrainingSet, config: Config, steps: int, rounds: int, device: torch.device, threads: int
) -> None:
    torch.set_num_threads(threads)
    naive = Naive(data, config, device)
    contenders: dict[str, Callable[[range], None]] = {
        "naive, loader in the process": partial(naive.run, workers=0),
        "naive, one worker": partial(naive.run, workers=1),
        "la2ds, float32": Ours(data, config, False, device).run,
        "la2ds, bfloat16": Ours(data, config, True, device).run,
    }
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run(range(1))
    for turn in range(rounds):
        for name, run in contenders.items():
            begun = time.perf_counter()
            run(range(turn * steps, (turn + 1) * steps))
            taken[name].append(time.perf_counter() - begun)
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"\nwall time on {device}, {threads} threads{load}")
    print(f"{'':30}{'pairs / s':>10}{'best':>7}{'ratio':>7}{'of the best':>13}")
    base = taken["naive, loader in the process"]
    pairs = steps * config.train.batch_size
    for name, found in taken.items():
        ratio = median(one / seconds for one, seconds in zip(base, found, strict=True))
        print(
            f"{name:30}{pairs / median(found):10.2f}{pairs / min(found):7.2f}{ratio:7.1f}"
            f"{min(base) / min(found):13.1f}",
            flush=True,
        )


def share_of_peak(data: TrainingSet, config: Config, rounds: int, device: torch.device) -> None:
    torch.set_num_threads(1)
    print(f"\nmodel step on {device}{', one thread' if device.type == 'cpu' else ''}")
    print(
        f"{'':10}{'GFLOP':>7}{'s':>8}{'GFLOP/s':>9}{'peak':>8}{'share':>7}"
        f"{'own products s':>16}{'GFLOP/s':>9}{'of the step':>13}"
    )
    for name, bf16 in (("float32", False), ("bfloat16", True)):
        ours = Ours(data, config, bf16, device)
        step = partial(ours.learn, ours.draw(0), 0)
        step()
        work = flops(step) / 1e9
        seconds, products, peak = [], [], 0.0
        for _ in range(rounds):
            for _ in range(2):
                peak = max(peak, product_rate(torch.bfloat16 if bf16 else torch.float32, device))
                begun = clock(device)
                step()
                seconds.append(clock(device) - begun)
            products.append(own_products(step, device))
        taken, alone, peak = median(seconds), median(products), peak / 1e9
        print(
            f"{name:10}{work:7.0f}{taken:8.3f}{work / taken:9.0f}{peak:8.0f}"
            f"{work / taken / peak:7.0%}{alone:16.3f}{work / alone:9.0f}{alone / taken:13.0%}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--preset", default="heatmap")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_cores())
    chosen = parser.parse_args()
    config = load_config(preset=chosen.preset, overrides=chosen.set)
    data = load_training_set(Project.open(chosen.project), config)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"torch {torch.__version__}, {available_cores()} cores, {gpu}")
    print(f"preset {chosen.preset} {' '.join(chosen.set)}: {len(data.train)} clips")
    amount = data, config, chosen.steps, chosen.rounds
    devices = [CPU, torch.device("cuda")] if torch.cuda.is_available() else [CPU]
    if config.model.input != "joints":  # the contender reads heatmaps
        shares(*amount)
        for device in devices:
            clips_per_second(*amount, device, chosen.threads)
    for device in devices:
        share_of_peak(data, config, chosen.rounds, device)


if __name__ == "__main__":
    main()
