"""The two passes over the frames of a clip: where people are, then the joints of those who matter.

The detector sees some ten frames of each second; between two of them boxes are interpolated when
the tracks are filled. Where the people of two such frames do not match, the frames between are
detected as well. The same pass reads the times of the frames and finds where the film is cut.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.chunks import Chunk, ClipFrames, FrameChunk, Partial, Stage
from la2ds_cli.poses.cuts import CutDetector
from la2ds_cli.poses.detectors import Detector
from la2ds_cli.poses.threads import ordered_map
from la2ds_cli.poses.tracks import Track

_SURE_IOU = 0.6  # of the boxes of two looks, below which the frames between are looked at
_LARGE, _CLEAR = 0.3, 0.5  # of the largest area and of the best score, from which a box counts


@dataclass(frozen=True)
class Detections:
    """Boxes (n_t, 5 or 6) of each of the T frames, empty where nobody looked; time (T,) seconds;
    source (T,): index in decoding order; cuts: rows at which a new shot begins."""

    found: list[FloatArray]
    time: FloatArray
    source: IntArray
    cuts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.time)


def detect_people(
    frames: ClipFrames,
    detector: Detector,
    *,
    every: int,
    threshold: float,
    stage: Stage,
    progress: Progress,
    workers: int,
) -> Detections:
    """Boxes of the people of a clip from every `every`-th frame, and from more where needed.

    threshold: score from which a box counts in the question whether more frames are needed.
    Chunks in `stage` are not worked on again; new ones are added to it.
    """
    cuts = CutDetector()
    if getattr(detector, "sequential", False):
        detector.reset()  # pyright: ignore[reportAttributeAccessIssue]
        every, workers, done = 1, 1, []  # its ids mean nothing without the frames before
    else:
        done = stage.done

    def watched() -> Iterator[FrameChunk]:
        for chunk in frames.chunks():
            for frame in chunk.frames:
                cuts.add(frame.image)
            yield chunk

    def work(chunk: FrameChunk) -> Chunk:
        if chunk.number < len(done):
            return done[chunk.number]
        return _detect(chunk, detector, every, threshold)

    found: list[FloatArray] = []
    time: list[FloatArray] = []
    source: list[IntArray] = []
    try:
        for number, result in enumerate(ordered_map(work, watched(), workers)):
            if number >= len(stage.done):
                stage.add(result)
            found += np.split(result["box"], np.cumsum(result["people"])[:-1])
            time.append(result["time"])
            source.append(result["source"])
            progress.advance(len(result["time"]))
    except BaseException:
        stage.flush()
        raise
    if not found:
        return Detections([], np.zeros(0), np.zeros(0, np.int64), ())
    return Detections(
        found, np.concatenate(time), np.concatenate(source), tuple(map(int, cuts.rows()))
    )


def _detect(chunk: FrameChunk, detector: Detector, every: int, threshold: float) -> Chunk:
    """Boxes of all people in a chunk (sum of people, 5 or 6), the number of them by frame."""
    images = [frame.image for frame in chunk.frames]
    looked = sorted({*range(0, len(images), every), len(images) - 1})
    found = dict(zip(looked, detector.detect([images[t] for t in looked]), strict=True))
    between = [
        t
        for a, b in itertools.pairwise(looked)
        if b - a > 1 and not _alike(found[a], found[b], threshold)
        for t in range(a + 1, b)
    ]
    if between:
        more = detector.detect([images[t] for t in between])
        found.update(zip(between, more, strict=True))
    width = next(iter(found.values())).shape[1]
    rows = [found.get(t, np.zeros((0, width), np.float32)) for t in range(len(images))]
    return {
        "box": np.concatenate(rows).astype(np.float32),
        "people": np.array([len(row) for row in rows]),
        "time": np.array([frame.time for frame in chunk.frames]),
        "source": np.array([frame.source for frame in chunk.frames]),
    }


def _alike(a: FloatArray, b: FloatArray, threshold: float) -> bool:
    """Whether two frames show the same people in nearly the same places."""
    a, b = _foreground(a, threshold), _foreground(b, threshold)
    if len(a) != len(b):
        return False
    if not len(a):
        return True
    overlap = boxes.pairwise_iou(a, b)
    return bool(min(overlap.max(axis=0).min(), overlap.max(axis=1).min()) >= _SURE_IOU)


def _foreground(found: FloatArray, threshold: float) -> FloatArray:
    """Boxes (n, 4) that may be the subject; what is small or doubtful beside them comes and goes
    from frame to frame without meaning anything."""
    found = found[found[:, 4] >= threshold]
    if not len(found):
        return found[:, :4]
    area, score = boxes.area(found[:, :4]), found[:, 4]
    return found[(area >= _LARGE * area.max()) & (score >= _CLEAR * score.max()), :4]


_REFINE_IOU = 0.7  # a box that its joints change by more than this is looked at again

Places = Sequence[tuple[IntArray, FloatArray]]  # frames (M,) and boxes (M, 4) of each person


def estimate_people(
    frames: ClipFrames,
    places: Places,
    backend: PoseBackend,
    *,
    partial: Partial,
    progress: Progress,
    workers: int,
) -> list[Track]:
    """A track with joints for each person, on the frames and boxes named.

    What `partial` holds of the same places is not worked on again.
    """
    stage = partial.stage("pose", _digest(places))

    def work(chunk: FrameChunk) -> Chunk:
        if chunk.number < len(stage.done):
            return stage.done[chunk.number]
        return _estimate(chunk, places, backend)

    results: list[Chunk] = []
    try:
        for number, result in enumerate(ordered_map(work, frames.chunks(), workers)):
            if number >= len(stage.done):
                stage.add(result)
            results.append(result)
            progress.advance(int(result["frames"][0]))
    except BaseException:
        stage.flush()
        raise
    joined = {name: np.concatenate([r[name] for r in results]) for name in _ARRAYS}
    return [_track(joined, person) for person in range(len(places))]


_ARRAYS = ("person", "row", "box", "xy", "score")


def _track(joined: Chunk, person: int) -> Track:
    mine = joined["person"] == person
    row, box, xy, score = (joined[name][mine] for name in _ARRAYS[1:])
    return Track(row, box, np.ones(len(row)), xy, score)


def _estimate(chunk: FrameChunk, places: Places, backend: PoseBackend) -> Chunk:
    first, last = chunk.frames[0].index, chunk.frames[-1].index
    inside = [np.flatnonzero((row >= first) & (row <= last)) for row, _ in places]
    person = np.repeat(np.arange(len(places)), [len(at) for at in inside])
    row = np.concatenate([places[i][0][at] for i, at in enumerate(inside)])
    box = np.concatenate([places[i][1][at] for i, at in enumerate(inside)])
    images = [chunk.frames[t - first].image for t in row]
    box, xy, score = estimate_refined(backend, images, box)
    return {
        "person": person,
        "row": row,
        "box": box,
        "xy": xy,
        "score": score,
        "frames": np.array([len(chunk.frames)]),
    }


def estimate_refined(
    backend: PoseBackend, images: Sequence[np.ndarray], box: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Box (n, 4), joints (n, K, 2) and scores (n, K) after a second look where it is needed.

    Detectors cut off raised arms and bent bodies. Where the joints found reach out of the box, the
    box that holds both is tried, and the joints of the better total score are kept.
    """
    if not len(box):
        xy, score = backend.estimate([], box)
        return box, xy, score
    xy, score = backend.estimate(images, box)
    box = np.array(box)
    size = (images[0].shape[1], images[0].shape[0])
    around = boxes.around_joints(xy, score, threshold=0.3)
    wider = boxes.clip(boxes.union(box, around), size)
    again = np.flatnonzero(boxes.iou(wider, box) < _REFINE_IOU)
    if len(again):
        new_xy, new_score = backend.estimate([images[int(i)] for i in again], wider[again])
        better = new_score.sum(axis=1) >= score[again].sum(axis=1)
        kept = again[better]
        xy[kept], score[kept], box[kept] = new_xy[better], new_score[better], wider[kept]
    return box, xy, score


def _digest(places: Places) -> str:
    digest = hashlib.sha256()
    for row, box in places:
        digest.update(np.ascontiguousarray(row, np.int64).tobytes())
        digest.update(np.ascontiguousarray(box, np.float64).tobytes())
    return digest.hexdigest()
