"""Is it faster to render heatmaps than to read them from the cache of `la2ds lab cache-heatmaps`?

    OMP_NUM_THREADS=1 python benchmarks/heatmaps.py [--frames 2000]

A walk of 13 joints with the Gaussians of the default and of the preset heatmap. Both give the maps
(T, C, 30, 30) float32 of all frames, from joints or from a file of the cache in memory; they take
turns. Figures are the least process CPU time of the rounds, in microseconds a frame.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.heatmap_cache import compress_heatmaps, expand_heatmaps
from la2ds_cli.features.heatmaps import cell_size, clip_box, render_heatmaps, to_cells

ROUNDS = 9
SIGMA = {"default": 0.6, "heatmap": 2.0}


def walk(frames: int) -> PoseSequence:
    """Joints that drift."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(100, 300, (1, 13, 2)) + rng.normal(0, 2, (frames, 13, 2)).cumsum(axis=0)
    score, box = rng.uniform(0.3, 1, (frames, 13)), np.full((frames, 4), np.nan)
    number = np.arange(frames)
    return PoseSequence(xy, score, box, number, number / 30, 30.0, (480, 360), "penn13")


def render(pose: PoseSequence, config: HeatmapConfig) -> FloatArray:
    """The maps of all frames, from joints."""
    box = clip_box(pose.xy, config.crop, config.padding)
    cells = to_cells(pose.xy, box, config.size, config.aspect)
    cell = cell_size(box, config.size, config.aspect)
    limbs = get_skeleton(pose.skeleton).limbs
    return render_heatmaps(cells, pose.score, limbs, config, cell=cell)


def seconds(work: Callable[[], object]) -> float:
    """Process CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=2000)
    frames = parser.parse_args().frames
    pose = walk(frames)
    for preset, sigma in SIGMA.items():
        config = replace(HeatmapConfig(), sigma=sigma)
        file = compress_heatmaps(pose, config)
        both = (lambda: render(pose, config)), (lambda: expand_heatmaps(*file))  # noqa: B023
        render(pose, config)  # compiles
        taken = np.array([[seconds(work) for work in both] for _ in range(ROUNDS)]).min(axis=0)
        rendered, read = 1e6 * taken / frames
        size = len(file[0]["data"]) / frames
        print(
            f"{preset}: rendered in {rendered:.1f} us a frame, read in {read:.1f} "
            f"({read / rendered:.2f} times as long), {size:,.0f} bytes a frame"
        )


if __name__ == "__main__":
    main()
