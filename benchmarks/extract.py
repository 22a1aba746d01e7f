"""Pose extraction, and the time that the networks alone would take, from the same two ONNX files.

    python benchmarks/extract.py clips/*.mp4 --detector person.onnx --pose pose.onnx

The detector gives (1, N, 6), the pose network heatmaps (docs/how-to/extend.md). Every round runs
both in turn, so that what else happens on the machine meets each; printed are the medians and the
ratios of the rounds. `models` is what la2ds asked of the networks, run again with nothing around
it, by as many threads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import available_cores
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extract import extract_poses
from la2ds_cli.poses.networks.onnx import OnnxModel

_THRESHOLD = 0.3  # of a person box, everywhere


def la2ds(clips: list[Path], detector: str, pose: str) -> int:
    """The whole step, artifacts and quality report included; how many frames it saw."""
    config = PosesConfig(detector=detector, pose=pose, detect_threshold=_THRESHOLD)
    with tempfile.TemporaryDirectory() as folder:
        results = extract_poses(StoredProject.create(Path(folder)), [str(c) for c in clips], config)
    assert all(result.usable for result in results), results
    return sum(result.frames for result in results)


def models(calls: Counter[str], detector: str, pose: str) -> None:
    """The forward passes alone: `calls` of each network, on as many threads as la2ds uses."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = {
        name: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for name, path in (("detector", detector), ("pose", pose))
    }
    jobs = [name for name in sessions for _ in range(calls[name])]

    def run(name: str) -> None:
        given = sessions[name].get_inputs()[0]
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in given.shape]
        sessions[name].run(None, {given.name: np.zeros(shape, np.float32)})

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(run, jobs))


def count_calls(clips: list[Path], detector: str, pose: str) -> tuple[Counter[str], int]:
    """How often la2ds runs each network on these clips, and how many frames they have."""
    calls: Counter[str] = Counter()
    original, names = OnnxModel.__call__, {detector: "detector", pose: "pose"}

    def counted(self: OnnxModel, images: Any, *arguments: Any) -> Any:
        calls[names[self.name]] += len(images)
        return original(self, images, *arguments)

    setattr(OnnxModel, "__call__", counted)  # noqa: B010
    try:
        frames = la2ds(clips, detector, pose)
    finally:
        setattr(OnnxModel, "__call__", original)  # noqa: B010
    return calls, frames


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--pose", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    clips, files = given.clips, (given.detector, given.pose)
    calls, frames = count_calls(clips, *files)
    runs: dict[str, Callable[[], object]] = {
        "la2ds": lambda: la2ds(clips, *files),
        "models alone": lambda: models(calls, *files),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(given.rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    print(f"{len(clips)} clips, {frames} frames, {available_cores()} cores; la2ds ran the detector")
    print(f"{calls['detector']} and the pose network {calls['pose']} times\n")
    print(f"{'':28}{'s':>8}{'frames/s':>10}{'time / la2ds':>14}")
    for name, spent in seconds.items():
        middle = statistics.median(spent)
        ratio = statistics.median(a / b for a, b in zip(spent, seconds["la2ds"], strict=True))
        print(f"{name:28}{middle:8.2f}{frames / middle:10.1f}{ratio:14.2f}")


if __name__ == "__main__":
    main()
