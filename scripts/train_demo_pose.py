"""Train the small demo pose network on rendered people and write its weights.

    python scripts/train_demo_pose.py --minutes 30 --threads 1

One worker process renders while the main process trains. The learning rate follows the clock, so
``--seed`` fixes the initial weights and the data, and the number of steps depends on the machine.
"""

import argparse
import copy
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from demo_pose_samples import held_out_samples, network_pck, random_sample
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from la2ds_cli.demo.performer import COCO17
from la2ds_models.pose import (
    DEMO_WEIGHTS,
    POSE_VARIANTS,
    build_pose_network,
    gaussian_targets,
    load_pose_weights,
    normalise,
)

VARIANT = "hrnet-demo"
EMA_DECAY = 0.998
SHARPNESS = 12.0  # heatmap height to log-odds of the place of the peak


class RenderedPeople(IterableDataset):
    """Endless batches of (image (B, H, W, 3) uint8, xy (B, 17, 2) float32)."""

    def __init__(self, seed: int, batch: int, movement: float) -> None:
        self.seed, self.batch, self.movement = seed, batch, movement

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        cv2.setNumThreads(1)
        info = torch.utils.data.get_worker_info()
        # The third seed word keeps workers apart; held-out people use another second word.
        rng = np.random.default_rng([self.seed, 0, info.id if info else 0])
        size = POSE_VARIANTS[VARIANT].input_size
        while True:
            sample = [
                random_sample(rng, size, rng.random() < self.movement) for _ in range(self.batch)
            ]
            yield (
                torch.from_numpy(np.stack([one.image for one in sample])),
                torch.from_numpy(np.stack([one.xy for one in sample])),
            )


class Replay:
    """The latest rendered people, shown again and mirrored: rendering costs as much as a step."""

    def __init__(self, seed: int, capacity: int = 4096) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.capacity = capacity
        self.image = torch.empty(0, dtype=torch.uint8)
        self.xy = torch.empty(0)
        self.count = 0

    def add(self, image: Tensor, xy: Tensor) -> None:
        if self.count == 0:
            self.image = image.new_empty(self.capacity, *image.shape[1:])
            self.xy = xy.new_empty(self.capacity, *xy.shape[1:])
        slot = (self.count + torch.arange(len(image))) % self.capacity
        self.image[slot], self.xy[slot] = image, xy
        self.count += len(image)

    def draw(self, size: int) -> tuple[Tensor, Tensor]:
        """``size`` random ones of the kept, each mirrored with probability one half."""
        filled = min(self.count, self.capacity)
        slot = torch.randint(filled, (size,), generator=self.random)
        image, xy = self.image[slot], self.xy[slot]
        turned = torch.rand(size, generator=self.random) < 0.5
        image[turned] = image[turned].flip(2)
        mirrored = xy[turned][:, list(COCO17.flip)]
        mirrored[..., 0] = image.shape[2] - 1 - mirrored[..., 0]
        xy[turned] = mirrored
        return image, xy


def learning_rate(progress: float, peak: float) -> float:
    """Linear warm-up over the first 4 %, then half a cosine to 1 % of ``peak``."""
    if progress < 0.04:
        return peak * (0.05 + 0.95 * progress / 0.04)
    fraction = min((progress - 0.04) / 0.96, 1.0)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))


def heatmap_loss(heatmap: Tensor, target: Tensor) -> Tensor:
    """Squared error, which scales the peaks to 1, and the cross-entropy of where the peak lies.

    Squared error alone hardly punishes a second peak on the other arm or leg. Joints whose target
    lies outside the crop take part in the squared error only.
    """
    squared = (heatmap - target).square().mean()
    mass = target.flatten(2).sum(dim=2, keepdim=True)
    shown = (target.flatten(2).amax(dim=2) > 0.5).float()
    place = target.flatten(2) / mass.clamp_min(1e-6)
    log_share = (SHARPNESS * heatmap).flatten(2).log_softmax(dim=2)
    entropy = -(place * log_share).sum(dim=2)
    return 100 * squared + 0.05 * (entropy * shown).sum() / shown.sum().clamp_min(1)


def train_step(network: nn.Module, optimiser: torch.optim.Optimizer, batch, bf16: bool) -> float:
    image, xy = batch
    variant = POSE_VARIANTS[VARIANT]
    target = gaussian_targets(xy, variant.input_size, variant.stride, variant.sigma)
    pixel = normalise(image).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        heatmap = network(pixel)
    loss = heatmap_loss(heatmap.float(), target)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return float(loss.detach())


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, step: int) -> None:
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def write_weights(network: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Write float16 weights whole or not at all."""
    state = {
        name: value.half().contiguous() if value.is_floating_point() else value.contiguous()
        for name, value in network.state_dict().items()
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(save(state, metadata))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def train(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    variant = POSE_VARIANTS[VARIANT]
    held_out = held_out_samples(options.held_out, variant.input_size)
    network = build_pose_network(VARIANT)
    if options.start:
        load_pose_weights(network, options.start)
    network.to(memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=1e-4)
    loader = DataLoader(
        RenderedPeople(options.seed, options.batch // options.reuse, options.movement),
        batch_size=None,
        num_workers=options.workers,
        prefetch_factor=8,
        multiprocessing_context="spawn",  # forking a process with cv2 threads can deadlock
    )
    begin = last = time.monotonic()
    best, losses, waited = 0.0, [], 0.0
    mark = begin
    replay = Replay(options.seed)
    for step, (image, xy) in enumerate(loader):
        waited += time.monotonic() - mark
        progress = (time.monotonic() - begin) / (60 * options.minutes)
        optimiser.param_groups[0]["lr"] = learning_rate(progress, options.rate)
        replay.add(image, xy)
        again = replay.draw(options.batch - len(image))
        batch = torch.cat([image, again[0]]), torch.cat([xy, again[1]])
        losses.append(train_step(network, optimiser, batch, options.bf16))
        update_average(average, network, step)
        if time.monotonic() - last > 60 * options.every or progress >= 1:
            demo, varied = network_pck(average, held_out)
            score = (demo + varied) / 2
            print(
                f"step {step + 1}  people {replay.count}  "
                f"loss {np.mean(losses[-300:]):.4f}  PCK@0.2 demo {demo:.4f} varied {varied:.4f}  "
                f"minute {progress * options.minutes:.1f}  waited {waited:.0f} s",
                flush=True,
            )
            if score > best:
                best = score
                facts = {
                    "variant": VARIANT,
                    "skeleton": variant.skeleton,
                    "seed": str(options.seed),
                    "steps": str(step + 1),
                    "people": str(replay.count),
                    "pck_0.2_demo": f"{demo:.4f}",
                    "pck_0.2_varied": f"{varied:.4f}",
                }
                write_weights(average, options.out, facts)
            last = time.monotonic()
        if progress >= 1:
            break
        mark = time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the demo pose network.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=36)
    parser.add_argument("--reuse", type=int, default=3, help="times each person is shown")
    parser.add_argument(
        "--movement", type=float, default=0.0, help="share of poses from the demo movement"
    )
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--workers", type=int, default=1, help="rendering processes")
    parser.add_argument("--held-out", type=int, default=300)
    parser.add_argument("--every", type=float, default=2, help="minutes between evaluations")
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--out", type=Path, default=DEMO_WEIGHTS)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
