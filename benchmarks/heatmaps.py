"""Heatmap rendering: la2ds against the per-joint numpy generator the field uses.

    python benchmarks/heatmaps.py [--frames 512] [--rounds 5]

COCO joints and limbs, 30 x 30 cells, sigma 0.6, one thread. The contenders take turns; figures are
medians over the rounds of process CPU time. The limit is what filling new maps with one number
takes: no renderer that returns whole maps can be faster.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.heatmaps import render_heatmaps

SIZE, SIGMA, CLIP = 30, 0.6, 64
HEATMAP = HeatmapConfig(size=SIZE, sigma=SIGMA)
SKELETON = get_skeleton("coco17")
JOINTS, LIMBS = len(SKELETON.joints), SKELETON.limbs


def movement(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """A body that fills most of the grid: xy (T, K, 2) in cells, score (T, K), float32."""
    rng = np.random.default_rng(0)
    rest = rng.uniform(4, SIZE - 5, (1, JOINTS, 2))
    phase = rng.uniform(0, 2 * np.pi, (1, JOINTS, 2))
    clock = np.arange(frames)[:, None, None] / 10
    xy = rest + 3 * np.sin(clock + phase)
    return xy.astype(np.float32), rng.uniform(0.4, 1, (frames, JOINTS)).astype(np.float32)


def per_joint_numpy(xy: np.ndarray, score: np.ndarray) -> np.ndarray:
    """One numpy expression per joint and per limb, cut at 3 sigma: the common generator."""
    maps = np.zeros((len(xy), JOINTS + len(LIMBS), SIZE, SIZE), dtype=np.float32)
    for t in range(len(xy)):
        for k in range(JOINTS):
            _numpy_point(maps[t, k], xy[t, k], score[t, k])
        for limb, (a, b) in enumerate(LIMBS):
            weight = min(score[t, a], score[t, b])
            _numpy_segment(maps[t, JOINTS + limb], xy[t, a], xy[t, b], weight)
    return maps


def _window(low: float, high: float) -> np.ndarray:
    first = max(int(low - 3 * SIGMA), 0)
    return np.arange(first, min(int(high + 3 * SIGMA) + 1, SIZE), dtype=np.float32)


def _numpy_point(plane: np.ndarray, point: np.ndarray, weight: float) -> None:
    x, y = _window(point[0], point[0]), _window(point[1], point[1])
    if len(x) and len(y):
        squared = (x - point[0]) ** 2 + (y[:, None] - point[1]) ** 2
        patch = np.exp(-squared / 2 / SIGMA**2) * weight
        plane[int(y[0]) : int(y[-1]) + 1, int(x[0]) : int(x[-1]) + 1] = patch


def _numpy_segment(plane: np.ndarray, a: np.ndarray, b: np.ndarray, weight: float) -> None:
    x = _window(min(a[0], b[0]), max(a[0], b[0]))
    y = _window(min(a[1], b[1]), max(a[1], b[1]))
    if not (len(x) and len(y)):
        return
    along = b - a
    right, down = np.meshgrid(x - a[0], y - a[1])
    share = (right * along[0] + down * along[1]) / max(float(along @ along), 1e-12)
    share = np.clip(share, 0, 1)
    squared = (right - share * along[0]) ** 2 + (down - share * along[1]) ** 2
    patch = np.exp(-squared / 2 / SIGMA**2) * weight
    plane[int(y[0]) : int(y[-1]) + 1, int(x[0]) : int(x[-1]) + 1] = patch


def contenders() -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Each renders one clip of at most CLIP frames."""
    buffer = np.empty((CLIP, JOINTS + len(LIMBS), SIZE, SIZE), dtype=np.float32)

    def ours(xy: np.ndarray, score: np.ndarray) -> np.ndarray:
        return render_heatmaps(xy, score, LIMBS, HEATMAP, buffer[: len(xy)])

    def ours_fresh(xy: np.ndarray, score: np.ndarray) -> np.ndarray:
        return render_heatmaps(xy, score, LIMBS, HEATMAP)

    return {
        "per-joint numpy, 3 sigma": per_joint_numpy,
        "la2ds numba, new buffer": ours_fresh,
        "la2ds numba, reused buffer": ours,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    xy, score = movement(options.frames)
    clips = [slice(start, start + CLIP) for start in range(0, options.frames, CLIP)]
    renderers = contenders()
    for renderer in renderers.values():  # compiles
        renderer(xy[:CLIP], score[:CLIP])
    seconds: dict[str, list[float]] = {name: [] for name in renderers}
    for _ in range(options.rounds):
        for name, renderer in renderers.items():
            start = time.process_time()
            for clip in clips:
                renderer(xy[clip], score[clip])
            seconds[name].append(time.process_time() - start)

    filling = []
    for _ in range(options.rounds):
        start = time.process_time()
        for clip in clips:
            np.full((len(xy[clip]), JOINTS + len(LIMBS), SIZE, SIZE), 0.5, np.float32)
        filling.append(time.process_time() - start)

    slowest = np.array(seconds["per-joint numpy, 3 sigma"])
    print(f"{JOINTS} joints + {len(LIMBS)} limbs, {SIZE} x {SIZE}, sigma {SIGMA}, 1 thread")
    print(f"{'':28}{'frames/cpu-s':>14}{'ratio':>8}")
    for name, spent in seconds.items():
        rate = options.frames / float(np.median(spent))
        ratio = float(np.median(slowest / np.array(spent)))
        print(f"{name:28}{rate:14,.0f}{ratio:8.1f}")
    print(f"{'limit: filling new maps':28}{options.frames / float(np.median(filling)):14,.0f}")


if __name__ == "__main__":
    main()
