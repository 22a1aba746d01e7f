"""Kendall's tau over all pairs of clips: ours against the usual scipy loop, in one run.

    python benchmarks/tau.py [--clips 40] [--frames 60] [--width 128] [--stride 1]

Prints CPU seconds (best of the repeats, interleaved), the ratio, the limit, which is what the
products of all pairs of clips take alone, and the largest difference of any pair's value, which
must be rounding only. The usual loop is the one of the TCC and CASA code:
scipy's cdist and kendalltau per ordered pair.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau

from la2ds_cli.evaluation.kendall import kendalls_tau


def usual_loop(clips: list[np.ndarray], stride: int) -> np.ndarray:
    """(B, B) tau of every ordered pair, NaN on the diagonal."""
    taus = np.full((len(clips), len(clips)), np.nan)
    for i, a in enumerate(clips):
        for j, b in enumerate(clips):
            if i != j:
                nearest = cdist(a[::stride], b[::stride], "sqeuclidean").argmin(axis=1)
                taus[i, j] = kendalltau(np.arange(len(nearest)), nearest)[0]
    return taus


def synthetic_clips(count: int, frames: int, width: int) -> list[np.ndarray]:
    """Noisy copies of one smooth trajectory at different lengths, float32 like embeddings."""
    rng = np.random.default_rng(0)
    knots = rng.normal(size=(12, width))
    clips = []
    for _ in range(count):
        length = int(rng.integers(frames * 3 // 4, frames * 5 // 4 + 1))
        at = np.sort(rng.uniform(0, 11, length))
        left = np.minimum(at.astype(int), 10)
        share = (at - left)[:, None]
        smooth = knots[left] * (1 - share) + knots[left + 1] * share
        clips.append((smooth + 0.3 * rng.normal(size=smooth.shape)).astype(np.float32))
    return clips


def main() -> None:
    parser = argparse.ArgumentParser(description="Kendall's tau: ours against scipy")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--frames", type=int, default=60, help="mean length of a clip")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    clips = synthetic_clips(options.clips, options.frames, options.width)
    kendalls_tau(clips[:2], options.stride)  # compile, or load the compiled kernel
    loop, ours, products = [], [], []
    for _ in range(options.repeats):
        start = time.process_time()
        expected = usual_loop(clips, options.stride)
        middle = time.process_time()
        tau = kendalls_tau(clips, options.stride)
        end = time.process_time()
        ours.append(end - middle)
        for a in clips:
            for b in clips:
                _ = a[:: options.stride] @ b[:: options.stride].T
        products.append(time.process_time() - end)
        loop.append(middle - start)
    difference = np.nanmax(np.abs(tau.by_pair - expected))
    print(f"{tau.pairs} ordered pairs, width {options.width}, stride {options.stride}")
    print(f"usual loop  {min(loop):8.3f} CPU s   tau {np.nanmean(expected):.6f}")
    print(f"la2ds       {min(ours):8.3f} CPU s   tau {tau.value:.6f}")
    print(f"limit       {min(products):8.3f} CPU s   products of all pairs alone")
    print(f"ratio       {min(loop) / min(ours):8.1f} x")
    print(f"largest difference of a pair {difference:.1e}")
    if difference > 1e-12:
        raise SystemExit("the values differ by more than rounding")


if __name__ == "__main__":
    main()
