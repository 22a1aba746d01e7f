"""Frame retrieval: exact search against scikit-learn, and the store of several projects.

    OMP_NUM_THREADS=1 python benchmarks/retrieve.py [--frames 100000 1000000] [--data movement ...]
    python benchmarks/retrieve.py --store DIR [--frames 1000000] [--data noisy]

Frames have 128 features, 200 a clip. Data: `movement`, one movement at different tempos, each
performer with a slow deviation of their own; `noisy`, the same with a constant offset for each
performer and noise in each frame; `noise`, independent normal numbers, in which there is nothing to
find.

Each contender answers the same queries, frames of one clip; they take turns. Figures are medians
over the rounds of process CPU time. la2ds answers under the limits of a retrieval (k 7, 0.25 s
apart), `sklearn`, brute force, gives the 8 k nearest of all frames and knows no limits. `products`
are those of the queries with all frames, and nothing else: the limit of exact search.

--store writes the frames of one project to a store of LanceDB in DIR (removed in the end), and
measures in new processes: 20 queries one by one, of frames of 20 clips, exactly and by the index.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

if "--store" not in sys.argv:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads its BLAS

import numpy as np

from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.retrieval.clip_rows import ClipRows, SearchFeatures
from la2ds_cli.retrieval.frame_search import CANDIDATES, Found, Limits, OtherClips, Search
from la2ds_cli.retrieval.frame_table import FrameTable, StoredClips, project_name
from la2ds_cli.retrieval.retrieve import QUERY_FRAMES
from la2ds_cli.retrieval.store import Store

WIDTH, LENGTH, RATE = 128, 200, 20.0
LIMITS = Limits(7, 7, 0.25)


def synthetic(clips: range, data: str) -> Iterator[tuple[str, ClipRows]]:
    """Clips by number: the same number is the same clip."""
    shared = np.random.default_rng(0)
    frequency = shared.uniform(0.5, 4, WIDTH).astype(np.float32)
    shift = shared.uniform(0, 2 * np.pi, WIDTH).astype(np.float32)
    seconds, frame = np.arange(LENGTH) / RATE, np.arange(LENGTH)
    for clip in clips:
        random = np.random.default_rng([1, clip])
        noise = random.standard_normal((LENGTH, WIDTH), np.float32)
        if data == "noise":
            value = noise
        else:
            knots = random.normal(0, 0.4, 6)
            speed = np.exp(np.interp(np.linspace(0, 5, LENGTH), np.arange(6), knots))
            phase = (np.cumsum(speed) / speed.sum()).astype(np.float32)[:, None]
            value = np.sin(2 * np.pi * frequency * phase + shift)
            if data == "noisy":
                value += random.normal(0, 0.2, WIDTH).astype(np.float32) + 0.1 * noise
            else:
                own = random.standard_normal((2, WIDTH), np.float32) * 0.2
                value += own[0] * np.sin(2 * np.pi * phase) + own[1] * np.cos(2 * np.pi * phase)
                value += 0.01 * noise
        yield f"c{clip}", ClipRows.of(value, frame, seconds)


def exact(others: OtherClips, query: FloatArray) -> list[Found]:
    """The frames nearest to query (Q, D)."""
    search = Search(others.asked({"filmed": query}), {})
    return [search.nearest(n, LIMITS) for n in range(len(query))]


def features_of(clips: int, data: str) -> SearchFeatures:
    """The clips as those of a project, made when they are read."""

    def read(clips: Iterable[str]) -> Iterator[tuple[str, ClipRows]]:
        for clip in clips:
            number = int(clip[1:])
            yield from synthetic(range(number, number + 1), data)

    def seen(pose: PoseSequence, view: View) -> FloatArray:
        raise NotImplementedError("clips are searched as filmed")

    keys = {f"c{clip}": f"{clip:064x}" for clip in range(clips)}
    return SearchFeatures("pose", data, "", keys, ("filmed",), {}, read, seen)


def cpu(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


# --- contenders, in turn -------------------------------------------------------------------------


def measure(count: int, data: str, rounds: int) -> None:
    from sklearn.neighbors import NearestNeighbors

    clips = dict(synthetic(range(count // LENGTH), data))
    others = OtherClips(clips, "c0", lambda clip: clips[clip].value)
    value = np.concatenate([rows.value for rows in clips.values()], dtype=np.float32)
    print(f"{data}: {len(value)} frames of {len(clips)} clips")
    random = np.random.default_rng(1)
    brute = NearestNeighbors(n_neighbors=CANDIDATES * LIMITS.k, algorithm="brute").fit(value)
    query = value[np.sort(random.choice(LENGTH, QUERY_FRAMES, replace=False))]
    contenders: dict[str, Callable[[], object]] = {
        "exact": lambda: exact(others, query),
        "products": lambda: value @ query.T,
        "sklearn": lambda: brute.kneighbors(query, return_distance=False),
    }
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in random.permutation(list(contenders)):
            spent[name].append(cpu(contenders[name]))
    ours = median(spent["exact"])
    for name, times in spent.items():
        found = median(times)
        print(f"  {name:12s} {1000 * found:9.1f} ms   exact / it {ours / found:7.2f}", flush=True)


# --- a store of several projects ------------------------------------------------------------------


def measure_store(folder: Path, frames: int, data: str) -> None:
    project = StoredProject.create(folder)
    for name in ("write", "exact", "index", "approximate"):
        command = [sys.executable, __file__, "--store", str(folder), "--step", name]
        subprocess.run([*command, "--frames", str(frames), "--data", data], check=True)
    shutil.rmtree(project.root)


def step_of_store(project: StoredProject, name: str, frames: int, data: str) -> None:
    features = features_of(frames // LENGTH, data)
    clips = list(features.keys)
    begun, spent = time.time(), time.process_time()
    store = Store.open(str(project.root / "store"))
    table = FrameTable(store.uri, store.table(features, WIDTH))
    if name == "write":
        table.update(project, features, SILENT)
        size = sum(f.stat().st_size for f in (project.root / "store").rglob("*") if f.is_file())
        told = f"{frames} frames of {data}, {size / 1e6:.0f} MB"
        print(f"{told}, written: {_told(begun, spent)}", flush=True)
        return
    if name == "index":
        assert table.ensure_index(SILENT)
        print(f"index: {_told(begun, spent)}", flush=True)
        return
    random = np.random.default_rng(2)
    wall, used, own, exact_search = [], [], project_name(project), name == "exact"
    for number in random.choice(len(clips), 20, replace=False).tolist():
        (rows,) = dict(features.rows([clips[number]])).values()
        query = rows.value[random.integers(LENGTH)]
        begun, spent = time.time(), time.process_time()
        asked = StoredClips(table, {"filmed": query[None]}, own, clips[number], exact=exact_search)
        Search(asked, {}).nearest(0, LIMITS)
        wall.append(1000 * (time.time() - begun))
        used.append(1000 * (time.process_time() - spent))
    told = f"median {median(wall):.0f} ms, {median(used):.0f} CPU ms"
    print(f"{name}, 20 queries: {told}; {_memory()}", flush=True)


def _told(begun: float, spent: float) -> str:
    taken = f"{time.time() - begun:.1f} s, {time.process_time() - spent:.1f} CPU s"
    return f"{taken}, {_memory()}"


def _memory() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+")
    parser.add_argument("--data", nargs="+", default=["movement", "noisy", "noise"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", type=Path, metavar="DIR")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        project = StoredProject.open(options.store)
        step_of_store(project, options.step, options.frames[0], options.data[0])
    elif options.store:
        measure_store(options.store, (options.frames or [1_000_000])[0], options.data[0])
    else:
        for count in options.frames or [100_000, 1_000_000]:
            for data in options.data:
                measure(count, data, options.rounds)


if __name__ == "__main__":
    main()
