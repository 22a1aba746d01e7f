"""One clip to the pose sequences of its people, in two passes over its frames.

First pass: boxes; the whole clip then decides who may be the subject and what the detector missed.
Second pass: joints of those people only, on boxes made steady over time. Frames are read in chunks
of bounded size, so memory does not grow with the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.poses import boxes
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.chunks import ClipFrames, Partial
from la2ds_cli.poses.cleaning import bridge, smooth
from la2ds_cli.poses.detectors import Detector
from la2ds_cli.poses.identity import untangle
from la2ds_cli.poses.passes import Detections, detect_people, estimate_people
from la2ds_cli.poses.quality import assess
from la2ds_cli.poses.subjects import AMBIGUOUS_MARGIN, choose_subject, describe, follow_cuts, people
from la2ds_cli.poses.tracking import fill_boxes, link
from la2ds_cli.poses.tracks import LEAST_PIECE, MAX_GAP, Track, make_track
from la2ds_cli.video.reader import VideoInfo, read_frames

_HOLD = 0.5  # seconds that a lost person is still looked for
_STEADY = 0.5  # seconds over which boxes are made steady
_CONTENDER_SHARE = 0.35  # of the best box score: people whose joints are worth estimating
_MOST_CONTENDERS = 3
_LOST_SHARE = 0.5  # of the clip's usual joint score, below which a frame shows nobody
_CUT_OFF = 0.5  # of the declared frames, below which a clip that is too short was cut off
_REPORTED = 6  # people described in the facts of a clip


@dataclass(frozen=True)
class ClipTask:
    """One clip to work on. subject: policy or rank (poses.subject); persons: how many to keep;
    workers: threads; stop: set when the run is to end early."""

    path: Path
    video: VideoInfo
    config: PosesConfig
    partial: Partial
    options: ClipOptions = field(default_factory=ClipOptions)
    subject: str = "auto"
    persons: int = 1
    workers: int = 1
    stop: Event = field(default_factory=Event)

    @property
    def size(self) -> tuple[int, int]:
        """(W, H) of the frames in pixels."""
        return self.video.width, self.video.height

    def frames(self, seconds: float) -> int:
        """A time as a number of frames, at least 1."""
        return max(1, round(seconds * self.video.fps))


def pose_clip(
    task: ClipTask,
    detector: Detector,
    backend: PoseBackend,
    progress: Progress | None = None,
) -> list[PoseSequence]:
    """Joints of the subject of a clip and of the next best people, best first.

    At least one sequence and at most task.persons; frames without the person are NaN, as are
    joints scored below config.joint_threshold in gaps too long to bridge. info of each: people,
    persons (sequences returned), person, margin, ambiguous, candidates, cuts, and the facts of
    quality.assess. Raises UserError (exit 4): V002 fewer than config.min_frames frames, V020
    nobody found, V026 fewer people than the subject's rank.
    """
    progress = progress or Progress()
    frames = ClipFrames(lambda: read_frames(task.path, task.options), task.size, stop=task.stop)
    detections = detect_people(
        frames,
        detector,
        every=_detect_every(task),
        threshold=task.config.detect_threshold,
        stage=task.partial.stage("detect"),
        progress=progress,
        workers=task.workers,
    )
    length = len(detections)
    if length < task.config.min_frames:
        raise UserError(
            f"{task.path} has {length} frames, and a clip needs {task.config.min_frames}",
            hint=_hint_for_few(task, length),
            exit_code=ExitCode.UNUSABLE,
            code="V002",
        )
    tracks, others, pieces = _candidates(task, detections)
    places = [_places(task, track, length, detections.cuts) for track in tracks]
    posed = estimate_people(
        frames, places, backend, partial=task.partial, progress=progress, workers=task.workers
    )
    posed, mended = untangle(posed, get_skeleton(backend.skeleton), fps=task.video.fps)
    chosen = _ranking(task, posed, length)
    if len(posed) > 1:
        margin = choose_subject(posed, task.size, length, task.subject).margin
    else:
        margin = choose_subject(tracks, task.size, length, "auto").margin
    everybody = [*(posed[i] for i in chosen), *others]
    facts = {
        "people": len(chosen) + len(others),
        "margin": round(margin, 3),
        "ambiguous": margin < AMBIGUOUS_MARGIN,
        "cuts": pieces,
        "cut_rows": list(detections.cuts),
        "exchanges_mended": mended,
        "candidates": [describe(track, task.size, length) for track in everybody[:_REPORTED]],
        "persons_wanted": task.persons,
    }
    kept = chosen[: task.persons]
    sequences = []
    for number, i in enumerate(kept, start=1):
        detected = min(tracks, key=lambda track, i=i: _distance(track, posed[i]))
        info = {**facts, "person": number, "persons": len(kept)}
        sequences.append(_sequence(task, posed[i], detected, detections, backend, info))
    return sequences


def _hint_for_few(task: ClipTask, length: int) -> str:
    """What to do about a clip of `length` frames, which are too few."""
    if length < _CUT_OFF * task.video.duration * task.video.fps:
        return "the file is cut off or damaged; copy or export it again"
    if task.options.is_cut:
        return "take more with --time-range, or set min_frames = N under [poses] in project.toml"
    return "film longer, or set min_frames = N under [poses] in project.toml"


def _detect_every(task: ClipTask) -> int:
    rate = task.config.detect_rate
    return max(1, round(task.video.fps / rate)) if rate else 1


def _candidates(task: ClipTask, detections: Detections) -> tuple[list[Track], list[Track], int]:
    """Tracks of the people worth estimating joints for, best first; those of the other people; and
    the number of pieces that the subject was joined from over cuts of the film, less one."""
    length = len(detections)
    tracks = _tracks(task, detections)
    choice = choose_subject(tracks, task.size, length, task.subject)
    least = task.frames(LEAST_PIECE)
    subject, pieces = follow_cuts(choice.index, tracks, least=least, cuts=detections.cuts)
    tracks = [subject, *(track for i, track in enumerate(tracks) if i != choice.index)]
    order = people(tracks, task.size, length, _policy(task.subject))
    score = choose_subject(tracks, task.size, length, _policy(task.subject)).score
    wanted = max(task.persons, _rank(task.subject))
    good = [i for i in order if score[i] >= _CONTENDER_SHARE * score[order[0]]][:_MOST_CONTENDERS]
    chosen = order[: max(wanted, len(good))]
    if 0 not in chosen:
        chosen = [0, *chosen]
    others = [tracks[i] for i in order if i not in chosen]
    return [tracks[i] for i in chosen], others, pieces


def _ranking(task: ClipTask, posed: list[Track], length: int) -> list[int]:
    """Indices of the distinct people, the one asked for first."""
    order = people(posed, task.size, length, _policy(task.subject))
    first = choose_subject(posed, task.size, length, task.subject).index
    return [first, *(i for i in order if i != first)]


def _rank(subject: str) -> int:
    return int(subject) if subject.isdecimal() else 1


def _policy(subject: str) -> str:
    """The policy that ranks the people: a rank is one of the automatic order."""
    return "auto" if subject.isdecimal() else subject


def _tracks(task: ClipTask, detections: Detections) -> list[Track]:
    clipped = [
        np.concatenate([boxes.clip(found[:, :4], task.size), found[:, 4:]], axis=1)
        for found in detections.found
    ]
    tracks = link(
        clipped,
        threshold=task.config.detect_threshold,
        max_gap=task.frames(MAX_GAP),
        size=task.size,
        cuts=detections.cuts,
    )
    if not tracks:
        best = max((found[:, 4].max() for found in clipped if len(found)), default=0.0)
        raise UserError(
            f"no person found in the {len(clipped)} frames of {task.path} (best score {best:.2f})",
            hint="check the clip, or set detect_threshold = 0.2 under [poses] in project.toml",
            exit_code=ExitCode.UNUSABLE,
            code="V020",
        )
    return [_dense(track, _detect_every(task), detections.cuts) for track in tracks]


def _dense(track: Track, every: int, cuts: Sequence[int]) -> Track:
    """The track with the frames between two looks of the detector filled in."""
    shot = np.searchsorted(np.sort(np.array(cuts, int)), track.frame, side="right")
    near = (np.diff(track.frame) <= every) & (np.diff(shot) == 0)
    between = [
        np.arange(a + 1, b)
        for a, b in zip(track.frame[:-1][near], track.frame[1:][near], strict=True)
    ]
    row = np.sort(np.concatenate([track.frame, *between]))
    value = np.column_stack([track.box, track.score])
    dense = np.stack([np.interp(row, track.frame, column) for column in value.T], axis=1)
    return make_track(row, dense[:, :4], dense[:, 4])


def _places(
    task: ClipTask, track: Track, length: int, cuts: Sequence[int]
) -> tuple[IntArray, FloatArray]:
    return fill_boxes(
        track,
        length,
        max_gap=task.frames(MAX_GAP),
        hold=task.frames(_HOLD),
        window=task.frames(_STEADY),
        cuts=cuts,
    )


def _distance(track: Track, posed: Track) -> float:
    """How far the boxes of a detected track lie from those of a person with joints."""
    _, i, j = np.intersect1d(track.frame, posed.frame, return_indices=True)
    return float(1 - boxes.iou(track.box[i], posed.box[j]).mean()) if len(i) else 2.0


def _sequence(
    task: ClipTask,
    posed: Track,
    detected: Track,
    detections: Detections,
    backend: PoseBackend,
    info: dict[str, Any],
) -> PoseSequence:
    length, joints = len(detections), posed.xy.shape[1]
    mean = posed.joint_score.mean(axis=1)
    looked = np.isin(posed.frame, detected.frame)
    usual = float(np.median(mean[looked] if looked.any() else mean))
    rows = posed.frame[looked | (mean >= _LOST_SHARE * usual)]
    keep = np.isin(posed.frame, rows)
    xy = np.full((length, joints, 2), np.nan, np.float32)
    score = np.zeros((length, joints), np.float32)
    box = np.full((length, 4), np.nan, np.float32)
    xy[rows], score[rows], box[rows] = posed.xy[keep], posed.joint_score[keep], posed.box[keep]
    xy[score < task.config.joint_threshold] = np.nan
    cuts, config = info["cut_rows"], task.config
    xy, score, box, _ = bridge(xy, score, detections.time, box, config.bridge, cuts)
    xy = smooth(xy, detections.time, config.smooth, config.smooth_seconds, cuts)
    pose = PoseSequence(
        xy=xy,
        score=score,
        box=box,
        frame=detections.source,
        time=detections.time,
        fps=task.video.fps,
        size=task.size,
        skeleton=backend.skeleton,
        info=info,
    )
    return PoseSequence(**{**vars(pose), "info": {**info, **assess(pose)}})
