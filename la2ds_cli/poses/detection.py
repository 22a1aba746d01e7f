"""First pass over a clip: where people are, how the time runs, where the film is cut.

The detector sees some ten frames of each second; between two of them boxes are interpolated when
the tracks are filled. Where the people of two such frames do not match, the frames between are
looked at as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses import boxes
from la2ds_cli.poses.cuts import CutDetector
from la2ds_cli.poses.detectors import Detector
from la2ds_cli.poses.frame_chunks import ClipFrames, FrameChunk
from la2ds_cli.poses.parallel import ordered_map
from la2ds_cli.poses.partial import Chunk, Stage

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
