"""Training: what a step of la2ds takes, and how near it comes to the rate of large products.

    python benchmarks/train.py --project golf [--preset heatmap] [--steps 4] [--rounds 5]

Any project with poses. On one thread, process CPU time, which other work on the machine disturbs
least, medians over the rounds: seconds of a step spent on drawing a batch and on the network; the
arithmetic of the network (torch's FlopCounterMode: products alone, forward and backward) over its
time, as a share of the rate of large square products. With a CUDA device it is made there, too, in
wall time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.device import available_cores
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network.torch_network import build_network
from la2ds_cli.training.batches import PairBatch
from la2ds_cli.training.data import TrainingSet, draw_batch, load_training_set
from la2ds_cli.training.loop import step_generator
from la2ds_cli.training.losses import get_method


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


class Steps:
    """One training step after another, as la2ds_cli.training.loop does them."""

    def __init__(self, data: TrainingSet, config: Config, bf16: bool, device: torch.device) -> None:
        self.data, self.config, self.bf16, self.device = data, config, bf16, device
        self.network = build_network(config.model, config.heatmap, data.skeleton, 0).to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=1e-3, fused=True)

    def draw(self, step: int) -> PairBatch:
        return draw_batch(self.data.train, self.data.skeleton, self.config, step, self.device)

    def learn(self, batch: PairBatch, step: int) -> None:
        generator = step_generator(self.config.train, step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            batch = batch.read_by(self.network)
            loss = get_method("la2ds").loss(self.network, batch, self.config, generator)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.train.clip_norm)
        self.optimiser.step()
        loss.item()


def measure(steps: Steps, count: int, rounds: int) -> str:
    device, kind = steps.device, torch.bfloat16 if steps.bf16 else torch.float32
    again = partial(steps.learn, steps.draw(0), 0)
    again()  # kernels compile, buffers are made
    work = flops(again) / 1e9
    drawing, learning, peak = [], [], 0.0
    for turn in range(rounds):
        peak = max(peak, product_rate(kind, device) / 1e9)
        begun, spent = clock(device), 0.0
        for step in range(turn * count, (turn + 1) * count):
            batch = steps.draw(step)
            drawn = clock(device)
            steps.learn(batch, step)
            spent += clock(device) - drawn
        learning.append(spent / count)
        drawing.append((clock(device) - begun - spent) / count)
    network, pairs = median(learning), steps.config.train.batch_size
    cells = [
        *(str(device), str(kind).partition(".")[2]),
        *(f"{median(drawing):.3f}", f"{network:.3f}"),
        f"{pairs / (median(drawing) + network):.1f}",
        *(f"{work:.0f}", f"{work / network:.0f}", f"{peak:.0f}", f"{work / network / peak:.0%}"),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--preset", default="heatmap")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(preset=chosen.preset, overrides=chosen.set)
    data = load_training_set(StoredProject.open(chosen.project), config)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"torch {torch.__version__}, {available_cores()} cores, {gpu}, {len(data.train)} clips\n")
    titles = "device", "precision", "drawing, s", "network, s", "pairs / s", "GFLOP", "GFLOP/s"
    print(f"| {' | '.join([*titles, 'large products', 'share'])} |")
    print("| --- " * 9 + "|")
    for device in ["cpu", *(["cuda"] * torch.cuda.is_available())]:
        for bf16 in (False, True):
            steps = Steps(data, config, bf16, torch.device(device))
            print(measure(steps, chosen.steps, chosen.rounds), flush=True)


if __name__ == "__main__":
    main()
