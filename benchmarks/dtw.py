"""Dynamic time warping with path: la2ds against dtaidistance and, where installed, tslearn.

    OMP_NUM_THREADS=1 python benchmarks/dtw.py [--rounds 5]

Squared Euclidean costs, 128 features of type float32, closed ends, no band: one pair of 1000
frames, and all 780 pairs of 40 clips of 200 frames. tslearn is measured twice: from arrays, and on
the cost matrix that la2ds computes. The contenders take turns; figures are medians over the
rounds of process CPU time, compilation left out. Excess is the summed cost of a contender's paths
over the lowest of all, in float64.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads its BLAS

import numpy as np

from la2ds_cli.alignment.distance import pair_distance, squared_distance
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.config_sections import AlignConfig

WIDTH = 128
CONFIG = AlignConfig(method="dtw")
Contender = Callable[[np.ndarray, np.ndarray], np.ndarray]


def clips(count: int, frames: int) -> list[np.ndarray]:
    """Smooth trajectories (T, D) float32 of one movement at different tempos, with noise."""
    random = np.random.default_rng(0)
    frequency = random.uniform(0.5, 4, WIDTH)
    shift = random.uniform(0, 2 * np.pi, WIDTH)
    made = []
    for _ in range(count):
        speed = np.exp(np.interp(np.linspace(0, 5, frames), np.arange(6), random.normal(0, 0.4, 6)))
        phase = (np.cumsum(speed) / speed.sum())[:, None]
        noise = random.normal(0, 0.1, (frames, WIDTH))
        made.append((np.sin(2 * np.pi * frequency * phase + shift) + noise).astype(np.float32))
    return made


def la2ds(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return align_features("dtw", a, b, CONFIG)


def dtaidistance_path(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from dtaidistance import dtw

    # Its C code reads float64; the conversion belongs to the price of using it.
    path = dtw.warping_path_fast(a.astype(np.float64), b.astype(np.float64), use_ndim=True)
    return np.array(path)


def tslearn_path(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from tslearn.metrics import dtw_path  # pyright: ignore[reportMissingImports]

    return np.array(dtw_path(a, b)[0])


def tslearn_on_cost(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from tslearn.metrics import dtw_path_from_metric  # pyright: ignore[reportMissingImports]

    cost = squared_distance(a, b).astype(np.float64)
    return np.array(dtw_path_from_metric(cost, metric="precomputed")[0])


def contenders() -> dict[str, Contender]:
    """Every contender that is installed, la2ds first."""
    found: dict[str, Contender] = {"la2ds": la2ds}
    if importlib.util.find_spec("dtaidistance"):
        found["dtaidistance"] = dtaidistance_path
    if importlib.util.find_spec("tslearn"):
        found["tslearn"] = tslearn_path
        found["tslearn, our costs"] = tslearn_on_cost
    return found


def measure(pairs: list[tuple[np.ndarray, np.ndarray]], rounds: int) -> None:
    """Print CPU time, ratio to la2ds and cost excess of every contender."""
    methods = contenders()
    spent: dict[str, list[float]] = {name: [] for name in methods}
    cost = {}
    for name, path in methods.items():
        found = [path(a, b) for a, b in pairs]  # warms up, and is checked
        both = zip(pairs, found, strict=True)
        cost[name] = [float((pair_distance(a, b, p) ** 2).sum()) for (a, b), p in both]
    order = np.random.default_rng(0)
    for _ in range(rounds):
        for name in order.permutation(list(methods)):
            start = time.process_time()
            for a, b in pairs:
                methods[name](a, b)
            spent[name].append(time.process_time() - start)
    base = float(np.median(spent["la2ds"]))
    lowest = np.min(list(cost.values()), axis=0)
    for name, seconds in spent.items():
        median = float(np.median(seconds))
        excess = float(np.max(np.array(cost[name]) / lowest - 1))
        print(f"  {name:20} {1e3 * median:10.1f} ms   {median / base:6.1f} x   {excess:8.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{'':22}{'CPU time':>13}   {'ratio':>8}   largest cost excess")
    print(f"one pair, 1000 x 1000 frames, {WIDTH} features")
    one, other = clips(2, 1000)
    measure([(one, other)], rounds)
    print(f"all 780 pairs of 40 clips of 200 frames, {WIDTH} features, with paths")
    measure(list(itertools.combinations(clips(40, 200), 2)), rounds)


if __name__ == "__main__":
    main()
