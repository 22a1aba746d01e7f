"""Approximate nearest frames by an inverted file of faiss: only the lists near a query are read.

Lists hold codes of half a byte for every one or two features, which faiss compares in registers;
the best candidates are then sorted by exact distances. The number of lists that a query needs, and
of candidates from them, is tuned when the lists are built; the recall is measured at every call.
From top to bottom: the inverted file, its recall, and its file on disk, which holds plain arrays,
so that faiss parses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.retrieval.index import FrameIndex
from la2ds_cli.retrieval.search import (
    CANDIDATES,
    Finder,
    Frames,
    faiss_settings,
    nearest_of_all,
    nearest_of_these,
    sorted_by_distance,
)

LEAST_PER_LIST = 39  # frames; with fewer, faiss warns that its k-means has too little data
_TRAINED_ON = 64  # frames per list for k-means
_LEAST_TRAINED = 16 * LEAST_PER_LIST  # frames, for the 16 values of each code
_MOST_CODES = 80  # codes of half a byte per frame
_PARTS = 1 << 32  # a frame's number in the lists is its part times this, plus its row in the part
_SAMPLE = 20, 200  # clips and frames of a sample
TRUTH = 50  # exact neighbours stored per frame: the largest k whose recall can be measured
AIM = 0.995  # recall for which the lists are tuned; 0.99 is promised
AIM_K = 7  # number of nearest frames for that recall
_WIDENED = 4, 6, 8, 16  # one of these times as many frames as requested are compared exactly


def list_count(frames: int) -> int:
    """Number of lists for so many frames: their square root, if k-means has enough data."""
    return max(1, min(round(frames**0.5), frames // LEAST_PER_LIST))


@dataclass(frozen=True)
class InvertedFile:
    """index: faiss.IndexIVFPQFastScan of the rows of `frames` minus `mean`. slot: (P,) the number
    of each part of the frames in the lists. nprobe: least number of lists that a query searches.
    widen: how many times as many frames as requested it takes from them."""

    index: Any
    frames: Frames
    mean: FloatArray
    slot: IntArray
    nprobe: int = 1
    widen: int = 1

    @property
    def lists(self) -> int:
        return int(self.index.nlist)

    def finder(self) -> Finder:
        """A finder of candidates in the nearest lists, and in more if these hold too few."""

        def find(query: FloatArray, own: tuple[int, int], count: int) -> IntArray:
            available = self.index.ntotal - (own[1] - own[0])
            count, taken = min(count, available), min(self.widen * count, available)
            row = np.full((len(query), count), -1, np.int64)
            lists, short = min(self.nprobe, self.lists), np.arange(len(query))
            with faiss_settings() as faiss:
                # Needs a variable, since faiss stores only a bare pointer to it.
                own_rows = faiss.IDSelectorRange(*self._numbers(own))
                other = faiss.IDSelectorNot(own_rows)
                while len(short):
                    wanted = np.ascontiguousarray(query[short] - self.mean, np.float32)
                    options = faiss.SearchParametersIVF(sel=other, nprobe=lists)
                    found = self._rows(self.index.search(wanted, taken, params=options)[1])
                    row[short] = nearest_of_these(self.frames, query[short], found, count)
                    if lists == self.lists:
                        break
                    short = short[(row[short] < 0).any(axis=1)]
                    lists = min(4 * lists, self.lists)
            return row

        return find

    def _numbers(self, own: tuple[int, int]) -> tuple[int, int]:
        """The numbers in the lists of a clip's first and last row, which lie in one part."""
        part = int(np.searchsorted(self.frames.begin, own[0], side="right")) - 1
        first = int(self.slot[part]) * _PARTS - int(self.frames.begin[part])
        return own[0] + first, own[1] + first

    def _rows(self, number: IntArray) -> IntArray:
        """Rows of the frames with these numbers in the lists; -1 for a number that belongs to no
        part, such as -1."""
        begin, length = np.zeros((2, int(self.slot.max()) + 1), np.int64)
        begin[self.slot], length[self.slot] = self.frames.begin[:-1], np.diff(self.frames.begin)
        slot, row = np.divmod(number, _PARTS)
        known = (slot >= 0) & (slot < len(begin))
        slot = np.where(known, slot, 0)
        return np.where(known & (row < length[slot]), begin[slot] + row, -1)


def empty_index(width: int, lists: int) -> Any:
    """An untrained faiss.IndexIVFPQFastScan for this number of features and of lists."""
    import faiss

    quantiser = faiss.IndexFlatL2(width)
    codes = max(n for n in range(1, _MOST_CODES + 1) if width % n == 0)
    index: Any = faiss.IndexIVFPQFastScan(quantiser, width, lists, codes, 4)
    index.own_fields = True
    index.by_residual = True  # finer codes, for a little more time
    quantiser.this.disown()  # pyright: ignore[reportAttributeAccessIssue]
    return index


def new_index(frames: Frames) -> tuple[Any, FloatArray]:
    """An index without frames whose lists and codes are trained by k-means on evenly spaced frames,
    and the mean of these. faiss has a fixed seed: the same frames give the same index."""
    count = list_count(len(frames))
    taken = min(len(frames), max(_TRAINED_ON * count, _LEAST_TRAINED))
    value = frames.values(np.linspace(0, len(frames) - 1, taken).astype(np.int64))
    # A large common mean would cancel in |a|^2 + |b|^2 - 2ab.
    mean = value.mean(axis=0, dtype=np.float64).astype(np.float32)
    value -= mean
    # faiss requires this number of frames. Repeating frames does not change the result.
    value = np.resize(value, (max(taken, _LEAST_TRAINED), frames.width))
    with faiss_settings():
        index = empty_index(frames.width, count)
        index.cp.max_points_per_centroid = _TRAINED_ON
        index.train(value)
    return index, mean


# --- the recall ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """Queries with known neighbours. row: (S,) frames that serve as queries. nearest: (S, N) rows
    of the nearest frames of other clips by exact search, -1 if there are fewer."""

    row: IntArray
    nearest: IntArray


_NO_SAMPLE = Sample(np.zeros(0, np.int64), np.zeros((0, TRUTH), np.int64))


def draw_samples(frames: Frames, seed: int = 0) -> tuple[Sample, Sample]:
    """Two samples of up to 200 random frames of up to 20 clips, with the TRUTH exact neighbours of
    each frame. No clip is in both samples if there are at least two clips."""
    random = np.random.default_rng(seed)
    clips = random.permutation(len(frames.start) - 1)
    each = max(1, min(_SAMPLE[0], len(clips) // 2))
    rows = [_some_rows(frames, chosen, random) for chosen in (clips[:each], clips[-each:])]
    every = np.concatenate(rows)
    clip = frames.clip_of(every)
    own = np.stack([frames.start[clip], frames.start[clip + 1]], axis=1)
    value = frames.values(every)
    found = sorted_by_distance(value, frames, nearest_of_all(frames, value, own, TRUTH))[1]
    nearest = np.full((len(every), TRUTH), -1, np.int64)
    nearest[:, : found.shape[1]] = found
    cut = len(rows[0])
    return Sample(every[:cut], nearest[:cut]), Sample(every[cut:], nearest[cut:])


def _some_rows(frames: Frames, clips: IntArray, random: np.random.Generator) -> IntArray:
    rows = []
    for clip in np.sort(clips):
        own = np.arange(*frames.own(int(clip)))
        count = min(len(own), _SAMPLE[1] // len(clips))
        rows.append(np.sort(random.choice(own, count, replace=False)))
    return np.concatenate(rows)


def recall(frames: Frames, find: Finder, sample: Sample, k: int) -> float:
    """Share of the k exact neighbours of the sample that are among the first k that `find` returns,
    queried with as many candidates as by `search`.

    k is at most TRUTH. Frames of the query's clip do not count, and the limits of a retrieval are
    not applied.
    """
    hits = total = 0
    clip = frames.clip_of(sample.row)
    for name in np.unique(clip):
        row, nearest = sample.row[clip == name], sample.nearest[clip == name][:, :k]
        value = frames.values(row)
        found = find(value, frames.own(int(name)), CANDIDATES * k)
        first = sorted_by_distance(value, frames, found)[1][:, :k]
        for answer, known in zip(first, nearest, strict=True):
            hits += len(np.intersect1d(answer, known[known >= 0]))
            total += int((known >= 0).sum())
    return hits / total


def tuned(file: InvertedFile, sample: Sample) -> InvertedFile:
    """The same file with the smallest `nprobe` (growing by half) that reaches the recall AIM of the
    AIM_K nearest frames with the largest `widen`, and then with the smallest `widen` (_WIDENED)
    that still reaches it; if none does, with those of the highest recall.

    Lists take most of the time, candidates little. More lists do not always help: faiss rounds
    distances over all lists that a query searches, and may no longer tell their frames apart.
    """

    def share(tried: InvertedFile) -> float:
        return recall(file.frames, tried.finder(), sample, AIM_K)

    best, most, worse, nprobe = file, 0.0, 0, file.nprobe
    while worse < 3:
        tried = replace(file, nprobe=nprobe, widen=_WIDENED[-1])
        reached = share(tried)
        worse = 0 if reached > most else worse + 1
        best, most = (tried, reached) if reached > most else (best, most)
        if reached >= AIM or nprobe == file.lists:
            break
        nprobe = min(file.lists, nprobe + max(1, nprobe // 2))
    if most < AIM:
        return best
    fewer = (replace(best, widen=widen) for widen in _WIDENED[:-1])
    return next((tried for tried in fewer if share(tried) >= AIM), best)


# --- the file of the lists of an index, with a sample for its recall -----------------------------

VERSION = 3


@dataclass(frozen=True)
class StoredIvf:
    """file: the lists. sample: queries whose exact neighbours are known. parts: key of the part in
    each slot, empty for a free slot. trained: number of frames in the index when the lists and
    codes were trained. built: whether this call has built or changed it."""

    file: InvertedFile
    sample: Sample
    parts: Sequence[str]
    trained: int
    built: bool


def ensure_ivf(
    project: Project, index: FrameIndex, name: str, progress: Progress | None = None
) -> StoredIvf:
    """The inverted file of all rows of an index, updated to its parts.

    Parts that are still in the index stay; others are removed or added. The file is rebuilt if
    fewer than half of the frames it was trained with remain, or if the index has more than twice as
    many. name: of the index.
    """
    progress = progress or Progress()
    path = project.lists_path(name)
    old = _read(path, index)
    if old is not None and not old.built:
        return old
    progress.begin("building the inverted file")
    stored = _filled(index, old)
    chosen_by, sample = draw_samples(index.frames)
    stored = replace(stored, file=tuned(stored.file, chosen_by), sample=sample)
    try:
        _write(path, index, stored)
    except UserError as error:  # the query still works
        progress.note(f"the inverted file was not saved: {error.message}")
    progress.end()
    return stored


def _filled(index: FrameIndex, old: StoredIvf | None) -> StoredIvf:
    """Lists with all parts of an index. old: lists that may be changed in place."""
    frames, keys = index.frames, [part.recipe.key for part in index.parts]
    if old is None:
        empty, mean = new_index(frames)
        parts, trained = [], len(frames)
    else:
        empty, mean, parts, trained = old.file.index, old.file.mean, list(old.parts), old.trained
    with faiss_settings() as faiss:
        for slot, key in enumerate(parts):
            if key and key not in keys:
                numbers = faiss.IDSelectorRange(slot * _PARTS, (slot + 1) * _PARTS)
                empty.remove_ids(numbers)
                parts[slot] = ""
        for part in index.parts:
            if part.recipe.key not in parts:
                slot = parts.index("") if "" in parts else len(parts)
                parts[slot : slot + 1] = [part.recipe.key]
                numbers = slot * _PARTS + np.arange(len(part.value))
                empty.add_with_ids(part.value - mean, numbers)
                artifact.release(part.value)
    slot = np.array([parts.index(key) for key in keys])
    return StoredIvf(InvertedFile(empty, frames, mean, slot), _NO_SAMPLE, parts, trained, True)


def _recipe(index: FrameIndex) -> artifact.Recipe:
    return artifact.Recipe("ivf", VERSION, {}, {"index": index.recipe.key})


def _write(path: Path, index: FrameIndex, stored: StoredIvf) -> None:
    """Raises UserError (exit 7) if the folder is not writable."""
    import faiss

    file = stored.file
    lists = faiss.downcast_InvertedLists(file.index.invlists)
    length = np.array([lists.list_size(number) for number in range(file.lists)])
    small = {
        "mean": file.mean,
        "sample": stored.sample.row,
        "nearest": stored.sample.nearest,
        "centre": file.index.quantizer.reconstruct_n(0, file.lists),
        "codebook": faiss.vector_to_array(file.index.pq.centroids),
        "length": length,
    }
    arrays = {name: (array.dtype.str, array.shape) for name, array in small.items()}
    arrays["number"] = ("<i8", (int(length.sum()),))
    arrays["code"] = ("|u1", (int(_code_bytes(lists, length).sum()),))
    facts = {
        "parts": list(stored.parts),
        "trained": stored.trained,
        "nprobe": file.nprobe,
        "widen": file.widen,
    }
    with artifact.open_arrays(path, arrays, _recipe(index), facts) as written:
        for name, array in small.items():
            written.write(name, 0, array)
        at = {"number": 0, "code": 0}
        for of_list in _memory(lists, length):
            for name, array in of_list.items():
                written.write(name, at[name], array)
                at[name] += len(array)


def _code_bytes(lists: Any, length: IntArray) -> IntArray:
    """Bytes of the codes of lists of these lengths: faiss stores them in whole blocks."""
    return -(-length // lists.n_per_block) * lists.block_size


def _memory(lists: Any, length: IntArray) -> Iterator[dict[str, IntArray]]:
    """Views of faiss's memory with the numbers and codes of each list that is not empty, for
    reading and writing. length: (L,) of the lists."""
    import faiss

    for place, (count, size) in enumerate(zip(length, _code_bytes(lists, length), strict=True)):
        if count:
            number = faiss.rev_swig_ptr(lists.get_ids(place), int(count))
            yield {"number": number, "code": faiss.rev_swig_ptr(lists.get_codes(place), int(size))}


_UNFIT = (
    artifact.ArtifactError,
    FileNotFoundError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
)


def _read(path: Path, index: FrameIndex) -> StoredIvf | None:
    """The lists in a file; None if it is missing, damaged, or has too few frames of this index.
    `built` is set if its parts differ from those of the index, so that it has to be changed."""
    try:
        arrays, recipe, facts = artifact.map_arrays(path)
        keys = [part.recipe.key for part in index.parts]
        parts, trained = list(facts["parts"]), int(facts["trained"])
        if recipe.step != "ivf" or recipe.version != VERSION:
            return None
        kept = sum(len(p.value) for p, key in zip(index.parts, keys, strict=True) if key in parts)
        if 2 * kept < trained or len(index.frames) > 2 * trained:
            return None
        slot = np.array([parts.index(key) if key in parts else 0 for key in keys])
        settings = int(facts["nprobe"]), int(facts["widen"])
        changed = recipe != _recipe(index)
        sample = _NO_SAMPLE if changed else _read_sample(arrays, len(index.frames))
        mean = np.array(_checked(arrays["mean"], "<f4", (index.frames.width,)))
        stored = _read_index(arrays, index.frames.width)
    except _UNFIT:
        return None
    if not changed and stored.ntotal != len(index.frames):
        return None
    if settings[0] < 1 or settings[1] not in (1, *_WIDENED):
        return None
    file = InvertedFile(stored, index.frames, mean, slot, *settings)
    return StoredIvf(file, sample, parts, trained, changed)


def _checked(array: Any, dtype: str, shape: tuple[int, ...]) -> Any:
    """The array; ValueError for another type or shape, and for values that are not finite."""
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{array.dtype} {array.shape} in place of {dtype} {shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("values that are not finite")
    return array


def _read_sample(arrays: Mapping[str, Any], frames: int) -> Sample:
    """The sample in a file. Raises ValueError for rows that an index of so many frames lacks."""
    queries = len(arrays["sample"])
    row = np.array(_checked(arrays["sample"], "<i8", (queries,)))
    nearest = np.array(_checked(arrays["nearest"], "<i8", (queries, TRUTH)))
    if not queries or row.min() < 0 or nearest.min() < -1:
        raise ValueError("a sample without rows")
    if max(row.max(), nearest.max()) >= frames or nearest.max() < 0:
        raise ValueError("rows that the index does not have")
    return Sample(row, nearest)


def _read_index(arrays: Mapping[str, Any], width: int) -> Any:
    """The faiss index, filled from arrays. Raises ValueError if their sizes do not fit together.
    The readers of faiss are not used, because they are not safe for untrusted files."""
    total, lists = len(arrays["number"]), len(arrays["centre"])
    centre = _checked(arrays["centre"], "<f4", (max(1, lists), width))
    codebook = _checked(arrays["codebook"], "<f4", (16 * width,))
    length = np.array(_checked(arrays["length"], "<i8", (lists,)))
    with faiss_settings() as faiss:
        index = empty_index(width, lists)
        held = faiss.downcast_InvertedLists(index.invlists)
        if length.min() < 0 or length.max() > total or length.sum() != total:
            raise ValueError("lists of other lengths")
        _checked(arrays["number"], "<i8", (total,))
        _checked(arrays["code"], "|u1", (int(_code_bytes(held, length).sum()),))
        index.quantizer.add(np.ascontiguousarray(centre))
        faiss.copy_array_to_vector(np.ascontiguousarray(codebook), index.pq.centroids)
        index.is_trained, index.ntotal = True, total
        index.precompute_table()
        for place, count in enumerate(length.tolist()):
            held.resize(place, count)
    at = {"number": 0, "code": 0}
    for of_list in _memory(held, length):
        for name, array in of_list.items():
            array[:] = arrays[name][at[name] : at[name] + len(array)]
            at[name] += len(array)
    artifact.release(arrays["code"])
    return index
