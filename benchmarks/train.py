"""Training: la2ds against the pipeline that public code suggests (naive_pipeline.py).

    python benchmarks/train.py --project golf [--preset heatmap] [--steps 2] [--rounds 3]

Any project with poses. Same pairs, same batch size, same sizes of the network; one thread each, the
contenders take turns, and figures are medians over the rounds of process CPU time, which other work
on the machine disturbs least. The second table divides the arithmetic of a model step (torch's
FlopCounterMode: products alone, forward and backward) by its CPU time, and that by the rate of the
best of several large square products. With a CUDA device the step is measured there too, in wall
time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from naive_pipeline import PlainViViT, loader
from naive_pipeline import train as train_naive
from torch.utils.flop_counter import FlopCounterMode

from la2ds_cli.config import Config, load_config
from la2ds_cli.network import build_network
from la2ds_cli.project import Project
from la2ds_cli.training.data import TrainingSet, draw_batch, load_training_set
from la2ds_cli.training.step import batch_loss, step_generator

CPU = torch.device("cpu")
RATE = 1e-3


class Ours:
    """draw and learn: CPU seconds of each."""

    def __init__(self, data: TrainingSet, config: Config, bf16: bool, device: torch.device) -> None:
        self.data, self.config, self.bf16, self.device = data, config, bf16, device
        self.network = build_network(config.model, config.heatmap, data.skeleton, 0).to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=RATE)

    def draw(self, step: int) -> Any:
        return draw_batch(self.data.train, self.data.skeleton, self.config, step, self.device)

    def learn(self, batch: Any, step: int) -> None:
        generator = step_generator(self.config.train, step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = batch_loss(self.network, batch, self.config.train, generator)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.train.clip_norm)
        self.optimiser.step()
        loss.item()

    def run(self, steps: range) -> tuple[float, float]:
        drawing = learning = 0.0
        for step in steps:
            begun = time.process_time()
            batch = self.draw(step)
            drawn = time.process_time()
            self.learn(batch, step)
            drawing += drawn - begun
            learning += time.process_time() - drawn
        return drawing, learning


class Naive:
    """The contender, in float32 and with padding, as such scripts are written."""

    def __init__(self, data: TrainingSet, config: Config) -> None:
        self.data, self.config = data, config
        self.network = PlainViViT(config, data.skeleton)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=RATE)

    def run(self, steps: range) -> tuple[float, float]:
        drawing = 0.0

        def timed() -> Iterator[Any]:
            nonlocal drawing
            source = iter(loader(self.data.train, self.data.skeleton, self.config, steps, 0))
            for _ in steps:
                begun = time.process_time()
                batch = next(source)
                drawing += time.process_time() - begun
                yield batch

        begun = time.process_time()
        for _ in train_naive(self.network, self.optimiser, timed(), self.config, CPU):
            pass
        return drawing, time.process_time() - begun - drawing


def clips_per_second(data: TrainingSet, config: Config, steps: int, rounds: int) -> None:
    contenders: dict[str, Callable[[range], tuple[float, float]]] = {
        "naive, float32": Naive(data, config).run,
        "la2ds, float32": Ours(data, config, False, CPU).run,
        "la2ds, bfloat16": Ours(data, config, True, CPU).run,
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for run in contenders.values():  # kernels compile, buffers are made
        run(range(1))
    for turn in range(rounds):
        for name, run in contenders.items():
            taken[name].append(run(range(turn * steps, (turn + 1) * steps)))
    pairs = steps * config.train.batch_size
    print(f"{'':18}{'drawing s':>10}{'network s':>10}{'pairs / CPU s':>15}{'ratio':>8}")
    base = median(sum(parts) for parts in taken["naive, float32"])
    for name, parts in taken.items():
        drawing, learning = (median(part[n] for part in parts) / steps for n in (0, 1))
        whole = median(sum(part) for part in parts)
        print(
            f"{name:18}{drawing:10.2f}{learning:10.2f}{pairs / whole:15.2f}{base / whole:8.1f}",
            flush=True,
        )


def share_of_peak(data: TrainingSet, config: Config, rounds: int, device: torch.device) -> None:
    print(
        f"\nmodel step on {device}\n"
        f"{'':10}{'GFLOP':>8}{'s':>8}{'GFLOP/s':>10}{'peak':>8}{'share':>8}"
    )
    for name, bf16 in (("float32", False), ("bfloat16", True)):
        ours = Ours(data, config, bf16, device)
        batch = ours.draw(0)
        with FlopCounterMode(display=False) as counter:
            ours.learn(batch, 0)
        work = counter.get_total_flops() / 1e9
        seconds, peak = [], 0.0
        for _ in range(2 * rounds):
            peak = max(peak, _product_rate(torch.bfloat16 if bf16 else torch.float32, device))
            begun = _clock(device)
            ours.learn(batch, 0)
            seconds.append(_clock(device) - begun)
        rate = work / median(seconds)
        print(
            f"{name:10}{work:8.0f}{median(seconds):8.3f}{rate:10.0f}{peak:8.0f}{rate / peak:8.0%}",
            flush=True,
        )


def _product_rate(dtype: torch.dtype, device: torch.device) -> float:
    size = 2048 if device.type == "cpu" else 8192
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    begun = _clock(device)
    torch.mm(a, b)
    return 2 * size**3 / 1e9 / (_clock(device) - begun)


def _clock(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--preset", default="heatmap")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(preset=chosen.preset)
    data = load_training_set(Project.open(chosen.project), config)
    print(f"preset {chosen.preset}, {len(data.train)} clips, torch {torch.__version__}, one thread")
    if config.model.input != "joints":
        clips_per_second(data, config, chosen.steps, chosen.rounds)
    share_of_peak(data, config, chosen.rounds, CPU)
    if torch.cuda.is_available():
        share_of_peak(data, config, chosen.rounds, torch.device("cuda"))


if __name__ == "__main__":
    main()
