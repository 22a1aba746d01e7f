"""Train the base model on rendered performers and write its weights.

    python scripts/train_base.py --seed 0 --steps 4000

The training is the product's own (la2ds_cli.training); only the clips are made here. Every clip is
paired with the same movement by another performer, before another camera, at another tempo. The
same seed and steps give the same weights on the same machine with the same number of threads.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from base_movements import SKELETON, Performance, performances

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.tempo import sampling_rate
from la2ds_cli.network.run_weights import read_weights
from la2ds_cli.network.torch_network import build_network
from la2ds_cli.training.checkpoint import training_recipe
from la2ds_cli.training.clip_set import clips_digest
from la2ds_cli.training.data import Clip, TrainingSet, Twin, to_clip
from la2ds_cli.training.loop import LoopOptions, run_loop
from la2ds_models.weight_files import bundled_path, zoo

HELD_OUT = 1_000_003  # added to the seed for the movements of the validation
FACTS = ("skeleton", "step", "validation_error", "rank", "spread", "centre")
LOGGED = 500  # steps between two validations; the last weights are kept


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    config = settings(options.seed, options.steps, options.threads, options.set)
    data = training_set(config, options.movements)
    print(f"{len(data.train)} clips, {config.train.steps} steps", flush=True)
    about = f"{options.movements} random movements, each by 2 rendered performers"
    facts = {"data": about, "script": "scripts/train_base.py", "seed": options.seed}
    train(config, data, facts, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB", flush=True)
    print(f"sha256 {artifact.file_digest(options.out)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the base model.")
    parser.add_argument("--out", type=Path, default=bundled_path(zoo()["base"]))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--movements", type=int, default=3000, help="each by two performers")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    return parser.parse_args()


def settings(seed: int, steps: int, threads: int, overrides: list[str]) -> Config:
    """The preset base for a run of so many steps."""
    own = [f"train.seed={seed}", f"train.steps={steps}", f"train.threads={threads}"]
    own += [f"train.validate_every={LOGGED}"]
    return load_config(preset="base", overrides=[*own, *overrides])


def training_set(config: Config, movements: int) -> TrainingSet:
    seed = config.train.seed
    train = [clip for n in range(movements) for clip in rendered(seed, n, config)]
    validation = [clip for n in range(8) for clip in rendered(seed + HELD_OUT, n, config)]
    digest = clips_digest({clip.video: f"{seed}" for clip in train})
    return TrainingSet(train, validation, get_skeleton(SKELETON), digest)


def rendered(seed: int, number: int, config: Config) -> list[Clip]:
    """A movement by two performers, each the twin of the other."""
    sampled = [
        _sampled(one, f"{seed}-{number}-{n}", config)
        for n, one in enumerate(performances(seed, number))
    ]
    (first, moment), (second, other) = sampled
    return [_with_twin(first, moment, second, other), _with_twin(second, other, first, moment)]


def _sampled(performance: Performance, name: str, config: Config) -> tuple[Clip, np.ndarray]:
    """The clip at the rate at which the network sees it, and the moments of its frames."""
    pose = performance.pose
    rate = sampling_rate(pose, config.train)
    moment = np.interp(pose.axis.grid(rate), pose.time, performance.moment)
    return to_clip(name, pose, rate), moment


def _with_twin(clip: Clip, moment: np.ndarray, other: Clip, at: np.ndarray) -> Clip:
    shared = np.flatnonzero((at >= moment[0]) & (at <= moment[-1]))
    source = np.interp(at[shared], moment, np.arange(len(moment)))
    return replace(clip, twin=Twin(other.xy[shared], other.score[shared], source))


def train(config: Config, data: TrainingSet, facts: dict[str, object], out: Path) -> None:
    """Train by the loop of `la2ds train`, and write the last weights in float16."""
    network = build_network(config.model, config.heatmap, data.skeleton, config.train.seed)
    recipe = training_recipe(config, data.digest)
    with tempfile.TemporaryDirectory() as folder:
        options = LoopOptions(torch.device("cpu"))
        state = run_loop(network, data, config, Path(folder), recipe, options)
        weights, recipe, trained = read_weights(Path(folder) / "last.safetensors")
    arrays = {name: value.astype(np.float16) for name, value in weights.items()}
    kept = {name: trained[name] for name in FACTS}
    print(f"{state.seconds:.0f} s, raw poses {state.raw_pose_error:.2f} %, {kept}", flush=True)
    artifact.write_arrays(out, arrays, recipe, kept | facts)


if __name__ == "__main__":
    main()
