"""Embedding by torch against embedding by onnxruntime, of the same run.

    python benchmarks/embed.py --project golf --run seed0 [--clips 30] [--rounds 7]

Needs the extra `export`. One thread, process CPU time, which other work on the machine disturbs
least; the engines take turns, and figures are medians over the rounds, ratios the median of those
of each round.

1. CPU ms of a clip: all of it (sampling, crop, joint features or heatmaps, windows, motion), and
   the network alone.
2. CPU seconds of `la2ds embed --overwrite` on a project of one of the clips, from the start of the
   process to its end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch

from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.embedding.embedder import Embedder
from la2ds_cli.embedding.model_export import export_model
from la2ds_cli.embedding.onnx_model import open_model
from la2ds_cli.embedding.trained import load_embedder
from la2ds_cli.features.network_input import NetworkInput


class _Timed:
    """A network that adds up its CPU seconds."""

    def __init__(self, embedder: Embedder) -> None:
        self.forward, self.seconds = embedder.forward, 0.0
        embedder.forward = self

    def __call__(self, item: NetworkInput) -> FloatArray:
        begun = time.process_time()
        value = self.forward(item)
        self.seconds += time.process_time() - begun
        return value


def of_a_clip(engines: dict[str, Embedder], poses: Sequence[PoseSequence], rounds: int) -> None:
    networks = {name: _Timed(engine) for name, engine in engines.items()}
    values = [engine(poses) for engine in engines.values()]  # kernels are chosen
    apart = max(float(np.abs(a - b).max()) for a, b in zip(*values, strict=True))
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            networks[name].seconds = 0.0
            begun = time.process_time()
            engine(poses)
            whole = time.process_time() - begun
            taken[name].append((whole / len(poses), networks[name].seconds / len(poses)))
    frames = sum(len(pose.xy) for pose in poses) / len(poses)
    print(f"\nCPU ms of a clip of {frames:.0f} frames on average, one thread; largest difference")
    print(f"of {len(poses)} embeddings {apart:.1e}")
    _table(taken, ("whole", "network"), 1e3)


def of_a_call(project: Project, run: str, video: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = _project_of_one(project, run, video, Path(folder))
        taken: dict[str, list[tuple[float, ...]]] = {"torch": [], "onnx": []}
        for _ in range(rounds):
            for name in taken:
                taken[name].append((_call(one, run, name),))
    print("\nCPU seconds of `la2ds embed` on one clip, process and all")
    _table(taken, ("seconds",), 1.0)


def _project_of_one(project: Project, run: str, video: str, root: Path) -> Path:
    one = Project.create(root / "one")
    one.add_videos([row for row in project.videos() if row.id == video])
    one.pose_path(video).parent.mkdir(exist_ok=True)
    shutil.copy(project.pose_path(video), one.pose_path(video))
    one.run_dir(run).mkdir(parents=True)
    shutil.copy(project.run_dir(run) / "best.safetensors", one.run_dir(run))
    export_model(one, run=run)
    return one.root


def _call(root: Path, run: str, engine: str) -> float:
    command = ["embed", "-q", "--overwrite", "--engine", engine]
    script = "from la2ds_cli.main import main; main()"
    arguments = [*command, "--run", run, "--project", str(root)]
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"la2ds {' '.join(arguments)} failed")
    return used.ru_utime + used.ru_stime


def _table(taken: dict[str, list[tuple[float, ...]]], names: Sequence[str], unit: float) -> None:
    print(f"{'':8}" + "".join(f"{name:>10}{'ratio':>7}" for name in names))
    base = taken["torch"]
    for engine, rounds in taken.items():
        line = f"{engine:8}"
        for part in range(len(names)):
            values = [found[part] for found in rounds]
            ratio = median(b[part] / value for b, value in zip(base, values, strict=True))
            line += f"{median(values) * unit:10.2f}{ratio:7.2f}"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--run", default="default")
    parser.add_argument("--clips", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    project = Project.open(chosen.project)
    videos = [v.id for v in project.videos() if project.pose_path(v.id).exists()][: chosen.clips]
    poses = [project.read_pose(video)[0] for video in videos]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_model(project, run=chosen.run, out=path)
        onnx = open_model(path).embedder()
    engines = {"torch": load_embedder(project, chosen.run, "cpu"), "onnx": onnx}
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"torch {torch.__version__}, run {chosen.run}{load}")
    of_a_clip(engines, poses, chosen.rounds)
    of_a_call(project, chosen.run, videos[0], chosen.rounds)


if __name__ == "__main__":
    main()
