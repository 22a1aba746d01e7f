"""Nearest frames by an inverted file of faiss: only the lists near a query are looked through.

The optional extra `faiss`. Vectors are kept whole (IVF, Flat): with all lists probed the result is
the exact one.
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
from la2ds_cli.retrieval.search import Finder, Frames, by_distance, exact

NPROBE = 8  # lists looked through
LEAST_PER_LIST = 39  # frames: below that faiss warns that its k-means has too little to go by
_BLAS_FROM = 800  # queries times dimensions: see _settings
_SAMPLE = 20, 10  # clips, and frames of each, of which the recall is measured
TRUTH = 50  # exact neighbours kept of each, the largest k whose recall can be told


def check_faiss() -> None:
    """UserError (exit 6) where faiss cannot be imported."""
    with optional_import(
        ["faiss"],
        "--index faiss needs the package faiss-cpu, which is not installed",
        "pip install 'la2ds[faiss]', or leave --index at exact",
    ):
        import faiss  # noqa: F401


@contextmanager
def _settings() -> Iterator[Any]:
    """faiss, with the settings that suit few threads, put back afterwards.

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
    """Lists for that many frames: the root of their number, as far as k-means has enough."""
    return max(1, min(round(frames**0.5), frames // LEAST_PER_LIST))


@dataclass(frozen=True)
class InvertedFile:
    """index: faiss.IndexIVFFlat over rows less `mean` (D,) float32, numbered as they lie."""

    index: Any
    mean: FloatArray

    @property
    def lists(self) -> int:
        return int(self.index.nlist)

    def finder(self, nprobe: int = NPROBE) -> Finder:
        """Candidates from the `nprobe` nearest lists, and from more where these hold too few."""

        def find(query: FloatArray, own: tuple[int, int], count: int) -> IntArray:
            count = min(count, self.index.ntotal - (own[1] - own[0]))
            row = np.full((len(query), count), -1, np.int64)
            lists, short = min(nprobe, self.lists), np.arange(len(query))
            with _settings() as faiss:
                # Named, as faiss keeps a bare pointer to it.
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
        """Inverse of to_array; ValueError for bytes that are no such index."""
        import faiss

        try:
            index = faiss.deserialize_index(data)
        except RuntimeError as error:
            raise ValueError(f"not an index of faiss: {error}") from error
        if not isinstance(index, faiss.IndexIVFFlat) or index.d != len(mean):
            raise ValueError("not an inverted file of these frames")
        return cls(index, mean)


def build(value: FloatArray) -> InvertedFile:
    """The inverted file of all rows of value (F, D); k-means with the seed of faiss, so that the
    same rows give the same lists."""
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
    """row: (S,) frames taken as queries. nearest: (S, N) the rows of other clips that are nearest
    to each by exact search, -1 where there are fewer."""

    row: IntArray
    nearest: IntArray


def draw_sample(frames: Frames, seed: int = 0) -> Sample:
    """Up to 10 frames of each of up to 20 clips, drawn, and their TRUTH exact neighbours."""
    random = np.random.default_rng(seed)
    clips = len(frames.start) - 1
    chosen = np.sort(random.choice(clips, min(clips, _SAMPLE[0]), replace=False))
    rows, nearest = [], []
    find = exact(frames.value)
    for clip in chosen:
        own = frames.own(int(clip))
        row = np.sort(random.choice(np.arange(*own), min(own[1] - own[0], _SAMPLE[1]), False))
        found = _sorted(frames, row, find(frames.value[row], own, TRUTH))
        padding = [(0, 0), (0, TRUTH - found.shape[1])]
        rows.append(row)
        nearest.append(np.pad(found, padding, constant_values=-1))
    return Sample(np.concatenate(rows), np.concatenate(nearest))


def _sorted(frames: Frames, query: IntArray, found: IntArray) -> IntArray:
    pairs = zip(query, found, strict=True)
    return np.stack([by_distance(frames.value[q], frames.value, row)[1] for q, row in pairs])


def recall(frames: Frames, find: Finder, sample: Sample, k: int) -> float:
    """Share of the k exact neighbours of the sample that `find` has among its first k.

    k is at most TRUTH. Frames of the query's own clip do not count, and the limits of a retrieval
    are not applied.
    """
    hits = total = 0
    clip = frames.clip_of(sample.row)
    for name in np.unique(clip):
        row, nearest = sample.row[clip == name], sample.nearest[clip == name][:, :k]
        found = find(frames.value[row], frames.own(int(name)), nearest.shape[1])
        hits += sum(len(np.intersect1d(f, n[n >= 0])) for f, n in zip(found, nearest, strict=True))
        total += int((nearest >= 0).sum())
    return hits / total


# --- the inverted file beside an index, and the recall that it reaches ---------------------------

VERSION = 1


@dataclass(frozen=True)
class StoredIvf:
    """file: the lists. sample: queries whose exact neighbours are known. built: whether it was
    made now."""

    file: InvertedFile
    sample: Sample
    built: bool


def ensure_ivf(
    project: Project, index: FrameIndex, name: str, progress: Progress | None = None
) -> StoredIvf:
    """The inverted file of all rows of an index, built where there is none of these very rows.

    It is built from all rows and never patched, so that it depends on what is in the index and not
    on how it came there. name: that of the index. UserError (exit 6) without faiss.
    """
    check_faiss()
    progress = progress or Progress()
    path = project.index_path(f"ivf-{name}")
    recipe = artifact.Recipe("ivf", VERSION, {}, {"index": index.recipe.key})
    stored = _read(path, recipe, len(index.value))
    if stored is not None:
        return stored
    progress.begin("building the inverted file")
    file = build(index.value)
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
        arrays, made_from, _ = artifact.read_arrays(path)
        if made_from.key != recipe.key:
            return None
        file = InvertedFile.from_array(arrays["ivf"], arrays["mean"])
        sample = Sample(arrays["sample"], arrays["nearest"])
    except (artifact.ArtifactError, FileNotFoundError, KeyError, ValueError):
        return None
    return StoredIvf(file, sample, False) if file.index.ntotal == rows else None
