"""Pose extraction side by side: la2ds and the loop a user would write, with the same two ONNX
files, and the time that the networks alone would take.

    python benchmarks/extract.py clips/*.mp4 --detector person.onnx --pose pose.onnx

The detector gives (1, N, 6), the pose network heatmaps (docs/how-to/extend.md). Every round runs
all of them in turn, so that what else happens on the machine meets each; printed are the medians
and the ratios of the rounds. `models` is what la2ds asked of the networks, run again with nothing
around it, by as many threads.
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

import cv2
import numpy as np
import onnxruntime

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import available_cores
from la2ds_cli.core.project import Project
from la2ds_cli.poses.extract import extract_poses
from la2ds_cli.poses.networks.onnx import OnnxModel, build_detector, build_pose

_THRESHOLD = 0.3  # of a person box, everywhere


def la2ds(clips: list[Path], detector: str, pose: str) -> None:
    """The whole step, artifacts and quality report included."""
    config = PosesConfig(detector=detector, pose=pose, detect_threshold=_THRESHOLD)
    with tempfile.TemporaryDirectory() as folder:
        results = extract_poses(Project.create(Path(folder)), [str(c) for c in clips], config)
    assert all(result.usable for result in results), results


def loop(clips: list[Path], detector: str, pose: str, threads: int) -> None:
    """Frame by frame: decode, detect, estimate the joints of everybody found."""
    backend = build_pose(pose, "cpu", PosesConfig(batch_size=16))
    found_by = build_detector(detector, "cpu", PosesConfig(), backend)
    found_by.model.session = _session(detector, threads)
    backend.forward.model.session = _session(pose, threads)  # pyright: ignore
    for clip in clips:
        video = cv2.VideoCapture(str(clip))
        while True:
            good, frame = video.read()
            if not good:
                break
            image = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
            box = found_by.detect([image])[0]
            box = box[box[:, 4] >= _THRESHOLD, :4]
            if len(box):
                backend.estimate([image] * len(box), box)


def models(calls: Counter[str], detector: str, pose: str) -> None:
    """The forward passes alone: `calls` of each network, on as many threads as la2ds uses."""
    sessions = {"detector": _session(detector, 1), "pose": _session(pose, 1)}
    jobs = [name for name in sessions for _ in range(calls[name])]

    def run(name: str) -> None:
        given = sessions[name].get_inputs()[0]
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in given.shape]
        sessions[name].run(None, {given.name: np.zeros(shape, np.float32)})

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(run, jobs))


def count_calls(clips: list[Path], detector: str, pose: str) -> Counter[str]:
    """How often la2ds runs each network on these clips."""
    calls: Counter[str] = Counter()
    original, names = OnnxModel.__call__, {detector: "detector", pose: "pose"}

    def counted(self: OnnxModel, images: Any, *arguments: Any) -> Any:
        calls[names[self.name]] += len(images)
        return original(self, images, *arguments)

    setattr(OnnxModel, "__call__", counted)  # noqa: B010
    try:
        la2ds(clips, detector, pose)
    finally:
        setattr(OnnxModel, "__call__", original)  # noqa: B010
    return calls


def _session(name: str, threads: int) -> onnxruntime.InferenceSession:
    """threads: 0 = what onnxruntime chooses."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(name, options, providers=["CPUExecutionProvider"])


def _frames(clips: list[Path]) -> int:
    total = 0
    for clip in clips:
        video = cv2.VideoCapture(str(clip))
        while video.grab():
            total += 1
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--pose", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    clips, files = given.clips, (given.detector, given.pose)
    calls = count_calls(clips, *files)
    frames = _frames(clips)
    runs: dict[str, Callable[[], None]] = {
        "la2ds": lambda: la2ds(clips, *files),
        "loop, onnxruntime's threads": lambda: loop(clips, *files, 0),
        "loop, 1 thread": lambda: loop(clips, *files, 1),
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
