"""The two passes over the frames of a clip: boxes of all people, then joints of possible subjects.

The detector runs on about ten frames per second; between these, boxes are interpolated when the
tracks are filled. If the people in two such frames do not match, it also runs on the frames
between. The same pass reads the times of the frames and finds cuts.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.chunks import Chunk, ClipFrames, Frames, Stage, run_chunks
from la2ds_cli.poses.cuts import CutDetector
from la2ds_cli.poses.networks import Detector, PoseBackend, PoseTracker
from la2ds_cli.poses.tracking import Track

_SURE_IOU = 0.6  # if boxes of two frames overlap less, the detector also runs between them
_LARGE, _CLEAR = 0.3, 0.5  # least share of the largest area and of the best score of a box
_REFINE_IOU = 0.7  # if a box and its joints overlap less, the joints are estimated again

_JOINTS = ("person", "row", "box", "xy", "score", "world")  # arrays of a chunk
PersonBoxes = tuple[IntArray, FloatArray]  # frames (M,) and boxes (M, 4) of one person
Estimates = tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # box, xy, score, world


@dataclass(frozen=True)
class Detections:
    """The people in the T frames of a clip.

    boxes: (n_t, 5) of each frame, xyxy pixels and score; empty if the detector did not run. time:
    (T,) seconds. source: (T,) index in decoding order. cuts: rows at which a new shot begins.
    """

    boxes: list[FloatArray]
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
    """Detect people in every `every`-th frame of a clip, and in more frames where needed.

    Parameters
    ----------
    frames, detector
        The frames of the clip, and the network.
    every
        Step between detected frames.
    threshold
        Least score of a box that decides whether more frames are needed.
    stage
        Stored results, which are not computed again; new ones are added.
    progress, workers
        As for run_chunks.
    """
    cuts = CutDetector()

    def watched() -> Iterator[Frames]:
        for chunk in frames.chunks():
            for frame in chunk:
                cuts.add(frame.image)
            yield chunk

    work = partial(_detect, detector=detector, every=every, threshold=threshold)
    results = run_chunks(work, watched(), workers=workers, progress=progress, stage=stage)
    if not results:
        return Detections([], np.zeros(0), np.zeros(0, np.int64), ())
    return Detections(
        boxes=[
            box
            for result in results
            for box in np.split(result["box"], np.cumsum(result["people"])[:-1])
        ],
        time=np.concatenate([result["time"] for result in results]),
        source=np.concatenate([result["source"] for result in results]),
        cuts=tuple(map(int, cuts.rows())),
    )


def _detect(chunk: Frames, detector: Detector, every: int, threshold: float) -> Chunk:
    """Return the boxes of all people in a chunk (sum of people, 5), and their number by frame."""
    images = [frame.image for frame in chunk]
    sampled = sorted({*range(0, len(images), every), len(images) - 1})
    detected = dict(zip(sampled, detector.detect([images[t] for t in sampled]), strict=True))
    between = [
        t
        for a, b in itertools.pairwise(sampled)
        if b - a > 1 and not _alike(detected[a], detected[b], threshold)
        for t in range(a + 1, b)
    ]
    if between:
        more = detector.detect([images[t] for t in between])
        detected.update(zip(between, more, strict=True))
    rows = [detected.get(t, np.zeros((0, 5), np.float32)) for t in range(len(images))]
    return {
        "box": np.concatenate(rows).astype(np.float32),
        "people": np.array([len(row) for row in rows]),
        "time": np.array([frame.time for frame in chunk]),
        "source": np.array([frame.source for frame in chunk]),
    }


def _alike(a: FloatArray, b: FloatArray, threshold: float) -> bool:
    """Return whether two frames show the same people in nearly the same places."""
    a, b = _foreground(a, threshold), _foreground(b, threshold)
    if len(a) != len(b):
        return False
    if not len(a):
        return True
    overlap = boxes.pairwise_iou(a, b)
    return bool(min(overlap.max(axis=0).min(), overlap.max(axis=1).min()) >= _SURE_IOU)


def _foreground(detected: FloatArray, threshold: float) -> FloatArray:
    """Return the boxes (n, 4) that may be the subject; smaller or uncertain boxes come and go from
    frame to frame without any meaning."""
    detected = detected[detected[:, 4] >= threshold]
    if not len(detected):
        return detected[:, :4]
    area, score = boxes.area(detected[:, :4]), detected[:, 4]
    return detected[(area >= _LARGE * area.max()) & (score >= _CLEAR * score.max()), :4]


def estimate_people(
    frames: ClipFrames,
    people: Sequence[PersonBoxes],
    backend: PoseBackend,
    *,
    stage_of: Callable[[str], Stage],
    progress: Progress,
    workers: int,
) -> list[Track]:
    """Return a track with joints for each person, at their frames and boxes.

    Parameters
    ----------
    frames, people, backend
        The frames of the clip, the boxes of each person, and the network.
    stage_of
        Returns, for a digest of the boxes, the stored results, which are not computed again. Not
        used by a backend that follows people from frame to frame.
    progress, workers
        As for run_chunks.
    """
    tracker = getattr(backend, "tracker", None)
    followers = [_Follower(tracker()) for _ in people] if tracker else []
    work = partial(_estimate, people=people, backend=backend, followers=followers)
    stage = None if followers else stage_of(_digest(people))
    workers = 1 if followers else workers
    results = run_chunks(work, frames.chunks(), workers=workers, progress=progress, stage=stage)
    # pop: each array is freed as soon as it is joined.
    person, row, box, xy, score, world = (
        np.concatenate([result.pop(name) for result in results]) for name in _JOINTS
    )
    tracks = []
    for number in range(len(people)):
        own = person == number
        ones = np.ones(own.sum())
        tracks.append(Track(row[own], box[own], ones, xy[own], score[own], world[own]))
    return tracks


def _estimate(
    chunk: Frames,
    people: Sequence[PersonBoxes],
    backend: PoseBackend,
    followers: Sequence[_Follower],
) -> Chunk:
    first, last = chunk[0].index, chunk[-1].index
    inside = [np.flatnonzero((row >= first) & (row <= last)) for row, _ in people]
    person = np.repeat(np.arange(len(people)), [len(at) for at in inside])
    row = np.concatenate([people[i][0][at] for i, at in enumerate(inside)])
    box = np.concatenate([people[i][1][at] for i, at in enumerate(inside)])
    images = [chunk[t - first].image for t in row]
    if followers:
        parts = []
        for n, follower in enumerate(followers):
            own = np.flatnonzero(person == n)
            parts.append(follower.estimate(row[own], [images[i] for i in own], box[own]))
        box, xy, score, world = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    else:
        box, xy, score, world = estimate_refined(backend, images, box)
    values = (person, row, box, xy, score, world)
    return dict(zip(_JOINTS, values, strict=True))


class _Follower:
    """Follows one person through a clip, by a backend that starts from the previous frame."""

    def __init__(self, tracker: PoseTracker) -> None:
        self._tracker = tracker
        self._last = -1

    def estimate(self, row: IntArray, images: Sequence[np.ndarray], box: FloatArray) -> Estimates:
        """Estimate as estimate_refined, for the next frames `row` (n,) of the person. The joints of
        such a backend are not limited to the box, so a box that is too small only grows."""
        if not len(row):
            return box, *self._tracker.estimate([], box)
        breaks = np.flatnonzero(np.diff([self._last, *row]) != 1)
        parts = []
        for start, stop in itertools.pairwise(sorted({0, *breaks.tolist(), len(row)})):
            if start in breaks:
                self._tracker.reset()
            parts.append(self._tracker.estimate(images[start:stop], box[start:stop]))
        self._last = int(row[-1])
        xy, score, world = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        wider = _wider(box, xy, score, images[0])
        grown = boxes.iou(wider, box) < _REFINE_IOU
        return np.where(grown[:, None], wider, box), xy, score, world


def estimate_refined(
    backend: PoseBackend, images: Sequence[np.ndarray], box: FloatArray
) -> Estimates:
    """Estimate joints in boxes, and again in a wider box where they reach outside.

    Detectors cut off raised arms and bent bodies. Of the two estimates, the one with the better
    total score is used.

    Parameters
    ----------
    backend
        The pose network.
    images
        Frames (H, W, 3) RGB, one for each box.
    box
        Boxes (n, 4), xyxy pixels.

    Returns
    -------
    Boxes (n, 4), joints (n, K, 2) in pixels, scores (n, K), and joints in metres (n, K, 3), which
    is (n, 0, 3) from a network without 3D.
    """
    if not len(box):
        return box, *backend.estimate([], box)
    xy, score, world = backend.estimate(images, box)
    box = np.array(box)
    wider = _wider(box, xy, score, images[0])
    again = np.flatnonzero(boxes.iou(wider, box) < _REFINE_IOU)
    if len(again):
        shown = [images[int(i)] for i in again]
        new_xy, new_score, new_world = backend.estimate(shown, wider[again])
        better = new_score.sum(axis=1) >= score[again].sum(axis=1)
        row = again[better]
        xy[row], score[row], box[row] = new_xy[better], new_score[better], wider[row]
        world[row] = new_world[better]
    return box, xy, score, world


def _wider(box: FloatArray, xy: FloatArray, score: FloatArray, image: np.ndarray) -> FloatArray:
    """Return boxes (n, 4) that contain these boxes and their joints, clipped to the frame."""
    around = boxes.around_joints(xy, score, threshold=0.3)
    return boxes.clip(boxes.union(box, around), (image.shape[1], image.shape[0]))


def _digest(people: Sequence[PersonBoxes]) -> str:
    digest = hashlib.sha256()
    for row, box in people:
        digest.update(np.ascontiguousarray(row, np.int64).tobytes())
        digest.update(np.ascontiguousarray(box, np.float64).tobytes())
    return digest.hexdigest()
