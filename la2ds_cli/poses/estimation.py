"""Second pass over a clip: the joints of the people who may be the subject."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.frame_chunks import ClipFrames, FrameChunk
from la2ds_cli.poses.parallel import ordered_map
from la2ds_cli.poses.partial import Chunk, Partial
from la2ds_cli.poses.track import Track

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
