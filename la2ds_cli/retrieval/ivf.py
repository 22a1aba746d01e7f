"""Nearest frames by an inverted file of faiss, which searches only the lists near a query.

Needs the optional extra `faiss`. Vectors are stored uncompressed (IVF, Flat), so that the result is
exact if all lists are probed. From top to bottom: the inverted file, its recall, and its file
beside the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.device import free_cores
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.optional_package import optional_import
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.retrieval.index import FrameIndex
from la2ds_cli.retrieval.search import Finder, Frames, exact_finder, sorted_by_distance

NPROBE = 8  # lists that are searched
LEAST_PER_LIST = 39  # frames; below that faiss warns that its k-means has too little data
_BLAS_FROM = 800  # queries times dimensions: see _settings
_SAMPLE = 20, 10  # clips, and frames of each, on which the recall is measured
TRUTH = 50  # exact neighbours stored of each: the largest k whose recall can be measured


def check_faiss() -> None:
    """Raises UserError (exit 6) if faiss cannot be imported."""
    with optional_import(
        ["faiss"],
        "--index faiss needs the package faiss-cpu, which is not installed",
        "pip install 'la2ds[faiss]', or leave --index at exact",
    ):
        import faiss  # noqa: F401


@contextmanager
def _settings() -> Iterator[Any]:
    """faiss, with settings for few threads, which are restored afterwards.

    faiss 1.15 uses matrix products only from 128 000 queries times dimensions on, tuned for many
    threads; with one or two, 800 is 5 to 7 times as fast. Threads that wait for busy cores cost
    more than they save.
    """
    import faiss

    threads, threshold = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    faiss.omp_set_num_threads(min(threads, free_cores()))
    faiss.cvar.distance_compute_blas_threshold = _BLAS_FROM
    try:
        yield faiss
    finally:
        faiss.omp_set_num_threads(threads)
        faiss.cvar.distance_compute_blas_threshold = threshold


def list_count(frames: int) -> int:
    """Lists for so many frames: the square root of their number, if k-means has enough data."""
    return max(1, min(round(frames**0.5), frames // LEAST_PER_LIST))


@dataclass(frozen=True)
class InvertedFile:
    """index: faiss.IndexIVFFlat over the rows minus `mean` (D,) float32, in their order."""

    index: Any
    mean: FloatArray

    @property
    def lists(self) -> int:
        return int(self.index.nlist)

    def finder(self, nprobe: int = NPROBE) -> Finder:
        """Candidates from the `nprobe` nearest lists, and from more if these hold too few."""

        def find(query: FloatArray, own: tuple[int, int], count: int) -> IntArray:
            count = min(count, self.index.ntotal - (own[1] - own[0]))
            row = np.full((len(query), count), -1, np.int64)
            lists, short = min(nprobe, self.lists), np.arange(len(query))
            with _settings() as faiss:
                # A variable of its own, as faiss stores a bare pointer to it.
                own_rows = faiss.IDSelectorRange(int(own[0]), int(own[1]))
                other = faiss.IDSelectorNot(own_rows)
                while len(short):
                    wanted = np.ascontiguousarray(query[short] - self.mean, np.float32)
                    options = faiss.SearchParametersIVF(sel=other, nprobe=lists)
                    row[short] = self.index.search(wanted, count, params=options)[1]
                    short = short[(row[short] < 0).any(axis=1)]
                    lists = min(4 * lists, self.lists)
            return row

        return find

    def to_array(self) -> FloatArray:
        """The index as bytes (B,) uint8."""
        import faiss

        return faiss.serialize_index(self.index)

    @classmethod
    def from_array(cls, data: FloatArray, mean: FloatArray) -> InvertedFile:
        """Inverse of to_array. Raises ValueError if the bytes are no such index."""
        import faiss

        try:
            index = faiss.deserialize_index(data)
        except RuntimeError as error:
            raise ValueError(f"not an index of faiss: {error}") from error
        if not isinstance(index, faiss.IndexIVFFlat) or index.d != len(mean):
            raise ValueError("not an inverted file of these frames")
        return cls(index, mean)


def build_inverted_file(value: FloatArray) -> InvertedFile:
    """The inverted file of all rows of value (F, D).

    k-means uses the seed of faiss, so that the same rows give the same lists.
    """
    # A large common mean would cancel in |a|^2 + |b|^2 - 2ab.
    mean = value.mean(axis=0, dtype=np.float64).astype(np.float32)
    with _settings() as faiss:
        centred = np.ascontiguousarray(value - mean, np.float32)
        quantiser = faiss.IndexFlatL2(value.shape[1])
        index = faiss.IndexIVFFlat(quantiser, value.shape[1], list_count(len(value)))
        index.train(centred)
        index.add(centred)
    return InvertedFile(index, mean)


@dataclass(frozen=True)
class Sample:
    """Queries with known neighbours. row: (S,) frames that serve as queries. nearest: (S, N) rows
    of the nearest frames of other clips by exact search, -1 if there are fewer."""

    row: IntArray
    nearest: IntArray


def draw_sample(frames: Frames, seed: int = 0) -> Sample:
    """Up to 10 random frames of each of up to 20 clips, and their TRUTH exact neighbours."""
    random = np.random.default_rng(seed)
    clips = len(frames.start) - 1
    chosen = np.sort(random.choice(clips, min(clips, _SAMPLE[0]), replace=False))
    rows, nearest = [], []
    find = exact_finder(frames.value)
    for clip in chosen:
        own = frames.own(int(clip))
        row = np.sort(random.choice(np.arange(*own), min(own[1] - own[0], _SAMPLE[1]), False))
        candidates = find(frames.value[row], own, TRUTH)
        ordered = np.stack(
            [
                sorted_by_distance(frames.value[query], frames.value, neighbours)[1]
                for query, neighbours in zip(row, candidates, strict=True)
            ]
        )
        padding = [(0, 0), (0, TRUTH - ordered.shape[1])]
        rows.append(row)
        nearest.append(np.pad(ordered, padding, constant_values=-1))
    return Sample(np.concatenate(rows), np.concatenate(nearest))


def recall(frames: Frames, find: Finder, sample: Sample, k: int) -> float:
    """Share of the k exact neighbours of the sample that `find` returns among its first k.

    k is at most TRUTH. Frames of the query's own clip do not count, and the limits of a retrieval
    are not applied.
    """
    hits = total = 0
    clip = frames.clip_of(sample.row)
    for name in np.unique(clip):
        row, nearest = sample.row[clip == name], sample.nearest[clip == name][:, :k]
        answers = find(frames.value[row], frames.own(int(name)), nearest.shape[1])
        pairs = zip(answers, nearest, strict=True)
        hits += sum(len(np.intersect1d(answer, n[n >= 0])) for answer, n in pairs)
        total += int((nearest >= 0).sum())
    return hits / total


# --- the inverted file of an index, stored beside it with the sample for its recall --------------

VERSION = 1


@dataclass(frozen=True)
class StoredIvf:
    """file: the lists. sample: queries whose exact neighbours are known. built: whether this call
    has built it."""

    file: InvertedFile
    sample: Sample
    built: bool


def ensure_ivf(
    project: Project, index: FrameIndex, name: str, progress: Progress | None = None
) -> StoredIvf:
    """The inverted file of all rows of an index, built if there is none of exactly these rows.

    It is built from all rows and never patched, so that it depends on the rows of the index and not
    on their history. name: that of the index. Raises UserError (exit 6) if faiss is missing.
    """
    check_faiss()
    progress = progress or Progress()
    path = project.index_path(f"ivf-{name}")
    recipe = artifact.Recipe("ivf", VERSION, {}, {"index": index.recipe.key})
    stored = _read(path, recipe, len(index.value))
    if stored is not None:
        return stored
    progress.begin("building the inverted file")
    file = build_inverted_file(index.value)
    sample = draw_sample(index.frames)
    arrays = {"ivf": file.to_array(), "mean": file.mean}
    arrays |= {"sample": sample.row, "nearest": sample.nearest}
    try:
        artifact.write_arrays(path, arrays, recipe, {"lists": file.lists})
    except UserError as error:  # the query can be answered all the same
        progress.note(f"the inverted file was not saved: {error.message}")
    progress.end()
    return StoredIvf(file, sample, True)


def _read(path: Path, recipe: artifact.Recipe, rows: int) -> StoredIvf | None:
    try:
        arrays, stored_recipe, _ = artifact.read_arrays(path)
        if stored_recipe.key != recipe.key:
            return None
        file = InvertedFile.from_array(arrays["ivf"], arrays["mean"])
        sample = Sample(arrays["sample"], arrays["nearest"])
    except (artifact.ArtifactError, FileNotFoundError, KeyError, ValueError):
        return None
    return StoredIvf(file, sample, False) if file.index.ntotal == rows else None
