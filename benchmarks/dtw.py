"""Dynamic time warping with path: la2ds against dtaidistance.

    OMP_NUM_THREADS=1 python benchmarks/dtw.py [--rounds 5]

Squared Euclidean costs, 128 features of type float32: one pair of 1000 frames, all 780 pairs of 40
clips of 200 frames, with closed ends. Open ends at a price are la2ds's alone: the line tells what
they add. `products alone` is the matrix product that all distances are made of: the limit of
whatever finds a path by them. The contenders take turns; figures are medians over the rounds of
process CPU time, compilation left out. Excess is the summed cost of a contender's paths over the
lowest of both, in float64.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads its BLAS

import numpy as np

from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import pair_distance
from la2ds_cli.core import device
from la2ds_cli.core.config_sections import AlignConfig

WIDTH, FRAMES = 128, 200
Pairs = list[tuple[np.ndarray, np.ndarray]]
Contender = Callable[[np.ndarray, np.ndarray], np.ndarray]  # a, b to path


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
    return align_features("dtw", a, b, AlignConfig())


def la2ds_open(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return align_features("dtw", a, b, AlignConfig(open_ends=True))


def products_alone(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a @ b.T


def dtaidistance_path(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from dtaidistance import dtw

    # Its C code reads float64; the conversion belongs to the price of using it.
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.array(dtw.warping_path_fast(a, b, use_ndim=True))


METHODS: dict[str, Contender] = {"la2ds": la2ds, "dtaidistance": dtaidistance_path}


def excesses(found: dict[str, list[np.ndarray]], pairs: Pairs) -> dict[str, float]:
    """Largest relative excess of every contender's path costs over the lowest."""
    cost = {
        name: np.array(
            [
                float((pair_distance(a, b, p) ** 2).sum())
                for (a, b), p in zip(pairs, paths, strict=True)
            ]
        )
        for name, paths in found.items()
    }
    lowest = np.min(list(cost.values()), axis=0)
    return {name: float(np.max(one / lowest - 1)) for name, one in cost.items()}


def measure(pairs: Pairs, rounds: int) -> None:
    """Print CPU time, ratio to la2ds and cost excess of every contender."""

    def run(method: Contender) -> list[np.ndarray]:
        return [method(a, b) for a, b in pairs]

    excess = excesses({name: run(method) for name, method in METHODS.items()}, pairs)  # warms up
    every = METHODS | {"products alone": products_alone, "la2ds, open ends": la2ds_open}
    timed({name: functools.partial(run, one) for name, one in every.items()}, rounds, excess)


def timed(runs: dict[str, Callable[[], object]], rounds: int, excess: dict[str, float]) -> None:
    spent: dict[str, list[float]] = {name: [] for name in runs}
    order = np.random.default_rng(0)
    for _ in range(rounds):
        for name in order.permutation(list(runs)):
            start = time.process_time()
            runs[name]()
            spent[name].append(time.process_time() - start)
    base = np.array(spent["la2ds"])
    for name, seconds in spent.items():
        ratio = float(np.median(np.array(seconds) / base))
        found = f"{excess[name]:8.1e}" if name in excess else "       -"
        print(f"  {name:30}{1e3 * float(np.median(seconds)):10.1f} ms{ratio:9.1f} x   {found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    device.LOADING = 0.0  # kernels from the first call on, as in long lists of pairs
    print(f"{'':32}{'CPU time':>13}{'ratio':>11}   largest cost excess")
    print(f"one pair, 1000 x 1000 frames, {WIDTH} features")
    one, other = clips(2, 1000)
    measure([(one, other)], rounds)
    pairs = list(itertools.combinations(clips(40, FRAMES), 2))
    print(f"all {len(pairs)} pairs of 40 clips of {FRAMES} frames, with paths")
    measure(pairs, rounds)


if __name__ == "__main__":
    main()
