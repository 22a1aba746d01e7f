"""One clip to one pose sequence, in two passes over its frames.

First pass: boxes of every frame; the whole clip then decides who may be the subject and what the
detector missed. Second pass: joints of those people only, on boxes made steady over time. Frames
are read in chunks of bounded size, so memory does not grow with the clip.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.config_sections import PosesConfig
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.poses import boxes
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.detectors import Detector
from la2ds_cli.poses.tracking import (
    AMBIGUOUS_MARGIN,
    Track,
    choose_subject,
    contenders,
    fill_boxes,
    follow_cuts,
    link,
)
from la2ds_cli.progress import Progress
from la2ds_cli.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.video import Frame, VideoInfo, read_ahead, read_frames

_CHUNK_BYTES = 192 << 20  # of decoded frames held at once
_CHUNK_FRAMES = 64
_AHEAD = 8  # frames decoded while the networks work
_MAX_GAP = 1.0  # seconds without a detection after which a track is closed
_HOLD = 0.5  # seconds that a lost person is still looked for
_LEAST_PIECE = 0.3  # seconds of a person seen only from one view of a film with cuts
_STEADY = 0.5  # seconds over which boxes are made steady
_CONTENDER_SHARE = 0.35  # of the best box score: people whose joints are worth estimating
_MOST_CONTENDERS = 3
_REFINE_IOU = 0.9  # a box that its joints change by more than this is looked at again
_LOST_SHARE = 0.5  # of the clip's usual joint score, below which a frame shows nobody


@dataclass(frozen=True)
class _Detections:
    """First pass: boxes (n_t, 5) of each frame and times (T,) in seconds."""

    found: list[FloatArray]
    time: FloatArray


def pose_clip(
    path: Path,
    video: VideoInfo,
    detector: Detector,
    backend: PoseBackend,
    config: PosesConfig,
    progress: Progress | None = None,
) -> PoseSequence:
    """Joints of the subject of a clip; frames without the subject are NaN.

    Joints scored below config.joint_threshold are NaN. info: people, margin, ambiguous, coverage
    (share of the frames with the subject), mean_score, decoded. Raises UserError (exit 4): V002
    fewer than config.min_frames frames, V020 nobody found.
    """
    progress = progress or Progress()
    detections = _detect(path, video, detector, progress)
    length = len(detections.time)
    if length < config.min_frames:
        raise UserError(
            f"{path} has {length} frames, fewer than the {config.min_frames} a clip needs",
            hint="film longer, or lower it with --set poses.min_frames=N",
            exit_code=ExitCode.UNUSABLE,
            code="V002",
        )
    size = (video.width, video.height)
    tracks = _tracks(path, detections, video, config)
    first = choose_subject(tracks, size, length)
    subject, cuts = follow_cuts(first.index, tracks, least=_frames(_LEAST_PIECE, video))
    tracks = [subject, *(track for i, track in enumerate(tracks) if i != first.index)]
    first = choose_subject(tracks, size, length)
    chosen = contenders(first, tracks, share=_CONTENDER_SHARE, most=_MOST_CONTENDERS)
    posed = _estimate(path, video, [tracks[i] for i in chosen], length, backend, progress)
    choice = choose_subject(posed, size, length)
    margin = first.margin if len(posed) == 1 else choice.margin
    return _sequence(
        posed[choice.index],
        tracks[chosen[choice.index]],
        detections.time,
        video,
        backend,
        config,
        {
            "people": len(chosen),
            "margin": round(margin, 3),
            "ambiguous": margin < AMBIGUOUS_MARGIN,
            "cuts": cuts if chosen[choice.index] == 0 else 0,
        },
    )


def _chunks(path: Path, video: VideoInfo) -> Iterator[list[Frame]]:
    size = max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // (video.width * video.height * 3)))
    frames = read_ahead(read_frames(path), min(size, _AHEAD))
    while chunk := list(itertools.islice(frames, size)):
        yield chunk


def _detect(path: Path, video: VideoInfo, detector: Detector, progress: Progress) -> _Detections:
    found: list[FloatArray] = []
    time: list[float] = []
    for chunk in _chunks(path, video):
        found += detector.detect([frame.image for frame in chunk])
        time += [frame.time for frame in chunk]
        progress.advance(len(chunk))
    return _Detections(found, np.array(time))


def _tracks(
    path: Path, detections: _Detections, video: VideoInfo, config: PosesConfig
) -> list[Track]:
    size = (video.width, video.height)
    clipped = [
        np.concatenate([boxes.clip(found[:, :4], size), found[:, 4:]], axis=1)
        for found in detections.found
    ]
    tracks = link(
        clipped,
        threshold=config.detect_threshold,
        max_gap=_frames(_MAX_GAP, video),
        size=size,
    )
    if not tracks:
        best = max((found[:, 4].max() for found in clipped if len(found)), default=0.0)
        raise UserError(
            f"no person found in the {len(clipped)} frames of {path} (best score {best:.2f})",
            hint="check the clip, or lower --set poses.detect_threshold=0.3",
            exit_code=ExitCode.UNUSABLE,
            code="V020",
        )
    return tracks


def _frames(seconds: float, video: VideoInfo) -> int:
    return max(1, round(seconds * video.fps))


def _estimate(
    path: Path,
    video: VideoInfo,
    tracks: Sequence[Track],
    length: int,
    backend: PoseBackend,
    progress: Progress,
) -> list[Track]:
    """Second pass: the tracks with joints, on every frame that fill_boxes names."""
    wanted = [
        fill_boxes(
            track,
            length,
            max_gap=_frames(_MAX_GAP, video),
            hold=_frames(_HOLD, video),
            window=_frames(_STEADY, video),
        )
        for track in tracks
    ]
    parts: list[list[Any]] = [[] for _ in tracks]
    for chunk in _chunks(path, video):
        low, high = chunk[0].index, chunk[-1].index
        inside = [np.flatnonzero((frame >= low) & (frame <= high)) for frame, _ in wanted]
        rows = np.concatenate([wanted[i][0][at] for i, at in enumerate(inside)])
        box = np.concatenate([wanted[i][1][at] for i, at in enumerate(inside)])
        estimated = estimate_refined(backend, [chunk[t - low].image for t in rows], box)
        borders = np.cumsum([len(at) for at in inside])[:-1]
        for i, part in enumerate(zip(*(np.split(a, borders) for a in estimated), strict=True)):
            parts[i].append(part)
        progress.advance(len(chunk))
    posed = []
    for (frame, _), part in zip(wanted, parts, strict=True):
        box, xy, score = (np.concatenate(arrays) for arrays in zip(*part, strict=True))
        frame = frame[: len(box)]  # a damaged file may decode shorter the second time
        posed.append(Track(frame, box, np.ones(len(box)), xy, score))
    return posed


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


def _sequence(
    posed: Track,
    detected: Track,
    time: FloatArray,
    video: VideoInfo,
    backend: PoseBackend,
    config: PosesConfig,
    info: dict[str, Any],
) -> PoseSequence:
    length, joints = len(time), posed.xy.shape[1]
    mean = posed.joint_score.mean(axis=1)
    by_detector = np.isin(posed.frame, detected.frame)
    usual = float(np.median(mean[by_detector]))
    keep = by_detector | (mean >= _LOST_SHARE * usual)
    rows: IntArray = posed.frame[keep]
    xy = np.full((length, joints, 2), np.nan, np.float32)
    score = np.zeros((length, joints), np.float32)
    box = np.full((length, 4), np.nan, np.float32)
    xy[rows], score[rows], box[rows] = posed.xy[keep], posed.joint_score[keep], posed.box[keep]
    xy[score < config.joint_threshold] = np.nan
    seen = np.isfinite(xy).all(axis=2).sum(axis=1) > 0
    facts = {
        "coverage": round(float(seen.mean()), 4),
        "mean_score": round(float(score[seen].mean()), 4) if seen.any() else 0.0,
    }
    return PoseSequence(
        xy=xy,
        score=score,
        box=box,
        frame=np.arange(length),
        time=time,
        fps=video.fps,
        size=(video.width, video.height),
        skeleton=backend.skeleton,
        info={**info, **facts},
    )
