"""Frame retrieval: exact search against faiss, with the recall of the latter.

    OMP_NUM_THREADS=1 python benchmarks/retrieve.py [--frames 100000 1000000] [--queries 200]
    OMP_NUM_THREADS=1 python benchmarks/retrieve.py --project P [--run default]

Frames are synthetic, 128 features of type float32 (smooth trajectories of one movement with noise,
200 frames a clip), or with --project those of its index. Each contender answers the same queries,
frames of one clip, under the limits of a retrieval (k 7, 0.25 s apart); they take turns. Figures
are medians over the rounds of process CPU time. `sklearn` is its NearestNeighbors with brute force,
`faiss flat` its exact index with its own settings, `faiss flat, 800` with the threshold that la2ds
sets for IVF; these three give the 8 k nearest of all frames and know no limits.
Recall is the share of the 7 nearest frames of other clips, by exact search, of up to 200 frames.
The second table is what one call of the command does: read the index and answer five queries.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads its BLAS

import faiss
import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from la2ds_cli.core import artifact
from la2ds_cli.core.project import Project
from la2ds_cli.retrieval import index as frame_index
from la2ds_cli.retrieval import ivf
from la2ds_cli.retrieval.search import Frames, Limits, exact_finder, search

WIDTH, LENGTH, RATE = 128, 200, 20.0
LIMITS = Limits(7, 7, 0.25)
Row = tuple[str, float, float | None]  # name, CPU seconds, recall


def synthetic(count: int) -> Frames:
    """Clips of one movement at different tempos, with noise of each frame and of each performer."""
    random = np.random.default_rng(0)
    frequency = random.uniform(0.5, 4, WIDTH).astype(np.float32)
    shift = random.uniform(0, 2 * np.pi, WIDTH).astype(np.float32)
    clips = count // LENGTH
    value = np.empty((clips * LENGTH, WIDTH), np.float32)
    for clip in range(clips):
        speed = np.exp(np.interp(np.linspace(0, 5, LENGTH), np.arange(6), random.normal(0, 0.4, 6)))
        phase = (np.cumsum(speed) / speed.sum()).astype(np.float32)[:, None]
        part = np.sin(2 * np.pi * frequency * phase + shift)
        part += random.normal(0, 0.2, WIDTH).astype(np.float32)
        part += random.normal(0, 0.1, (LENGTH, WIDTH)).astype(np.float32)
        value[clip * LENGTH : (clip + 1) * LENGTH] = part
    seconds = np.tile(np.arange(LENGTH) / RATE, clips)
    return Frames(value, seconds, np.arange(clips + 1) * LENGTH)


def cpu(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def flat(frames: Frames, query: np.ndarray, threshold: int) -> Callable[[], object]:
    index = faiss.IndexFlatL2(frames.value.shape[1])
    index.add(frames.value)

    def work() -> None:
        before = faiss.cvar.distance_compute_blas_threshold
        faiss.cvar.distance_compute_blas_threshold = threshold
        index.search(query, 8 * LIMITS.k)
        faiss.cvar.distance_compute_blas_threshold = before

    return work


def measure(frames: Frames, queries: int, rounds: int) -> None:
    random = np.random.default_rng(1)
    clip = int(np.diff(frames.start).argmax())
    first, end = frames.own(clip)
    rows = np.sort(random.choice(end - first, min(queries, end - first), replace=False))
    query = frames.value[first + rows]
    made: list[ivf.InvertedFile] = []
    building = cpu(lambda: made.append(ivf.build_inverted_file(frames.value)))
    file = made[0]
    sampled: list[ivf.Sample] = []
    sampling = cpu(lambda: sampled.append(ivf.draw_sample(frames)))
    print(
        f"{len(frames.value)} frames of {len(frames.start) - 1} clips, {len(query)} queries; "
        f"{file.lists} lists, built in {building:.1f} s, their sample in {sampling:.1f} s"
    )

    def answer(find: Callable) -> None:
        search(frames, find, clip, rows.tolist(), LIMITS)

    brute = NearestNeighbors(n_neighbors=8 * LIMITS.k, algorithm="brute").fit(frames.value)
    contenders: dict[str, Callable[[], object]] = {
        "exact": lambda: answer(exact_finder(frames.value)),
        **{
            f"faiss IVF, nprobe {n}": lambda n=n: answer(file.finder(n))
            for n in (1, ivf.NPROBE, 32)
        },
        "sklearn": lambda: brute.kneighbors(query, return_distance=False),
        "faiss flat": flat(frames, query, faiss.cvar.distance_compute_blas_threshold),
        "faiss flat, 800": flat(frames, query, 800),
    }
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in random.permutation(list(contenders)):
            spent[name].append(cpu(contenders[name]))
    base = median(spent["exact"])
    for name, times in spent.items():
        found = median(times)
        line = f"  {name:22s} {1000 * found:10.1f} ms   exact / it {base / found:7.2f}"
        if "IVF" in name:
            finder = file.finder(int(name.split()[-1]))
            share = ivf.recall(frames, finder, sampled[0], LIMITS.k)
            line += f"   recall {share:.4f}"
        print(line)
    one_call(frames, file, rounds)


def one_call(frames: Frames, file: ivf.InvertedFile, rounds: int) -> None:
    """Reading from disk (from the cache of the system) and five queries, and writing the index."""
    clips = len(frames.start) - 1
    rows = {
        f"c{n}": frame_index.ClipRows(
            "0" * 64,
            frames.value[slice(*frames.own(n))],
            np.arange(frames.start[n + 1] - frames.start[n]),
            frames.time[slice(*frames.own(n))],
            RATE,
        )
        for n in range(clips)
    }
    with tempfile.TemporaryDirectory() as folder:
        path, lists = Path(folder, "index.safetensors"), Path(folder, "ivf.safetensors")
        index = frame_index.assemble_index({"features": "synthetic"}, "", rows)
        writing = cpu(lambda: frame_index.write_index(path, index))
        artifact.write_arrays(lists, {"ivf": file.to_array()}, artifact.Recipe("ivf", 1, {}, {}))

        def call(by_lists: bool) -> None:
            read = frame_index.read_index(path)
            assert read is not None
            if by_lists:
                data = artifact.read_arrays(lists)[0]["ivf"]
                find = ivf.InvertedFile.from_array(data, file.mean).finder()
            else:
                find = exact_finder(read.value)
            search(read.frames, find, 0, [0, 20, 40, 60, 80], LIMITS)

        pairs = [(cpu(lambda: call(False)), cpu(lambda: call(True))) for _ in range(rounds)]
    by_exact, by_lists = (median(times) for times in zip(*pairs, strict=True))
    print(
        f"  one call, reading and five queries: exact {by_exact:.2f} s, faiss {by_lists:.2f} s, "
        f"exact / faiss {by_exact / by_lists:.2f}; writing the index {writing:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--run", default="default")
    options = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    if options.project is not None:
        path = Project.open(options.project).index_path(f"model-{options.run}")
        index = frame_index.read_index(path)
        if index is None:
            raise SystemExit(f"no index in {path}: la2ds retrieve makes it")
        measure(index.frames, options.queries, options.rounds)
        return
    for count in options.frames:
        measure(synthetic(count), options.queries, options.rounds)


if __name__ == "__main__":
    main()
