"""Step: align a clip that holds several repetitions, one repetition at a time, with one repetition
of A.

B is cut into repetitions. If A holds several, the requested one or its most typical one is used.
Each repetition is aligned as if it were a separate clip: frames outside it have no counterpart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.align import PairAligner, judge_movement
from la2ds_cli.alignment.pair import PreparedPair, prepare_pair
from la2ds_cli.alignment.repetitions import WHOLE, Repetition, find_repetitions
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import SCHEMA_VERSION, AlignResult, rounded
from la2ds_cli.alignment.result import csv_text as path_csv
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence
from la2ds_cli.features.pose_features import (
    both_movements,
    centre_and_scale,
    fill_gaps,
    limb_extension,
    raw_pose,
    value_range,
)
from la2ds_cli.features.resample import seconds_at

BEST, ALL = "best", "all"
LEAST_REACH = 0.2  # torso lengths; push-ups that people marked reach 0.25, a held pose 0.1
_REPEATED = ("schema_version", "a", "b", "files")  # stated once for all repetitions


@dataclass(frozen=True)
class AlignedRepetition:
    """A repetition of B. number: from 1. span: its rows in B. start, end: seconds of its first
    frame and of the frame after its last one, even if the clip ends with it. part: the alignment of
    A's repetition with this one alone, None if it was not requested."""

    number: int
    span: Repetition
    start: float
    end: float
    part: AlignResult | None = None

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.end - self.start


@dataclass(frozen=True)
class RepetitionsResult:
    """pose_a, pose_b: the entire clips. wanted: a number, `best` or `all`, as requested. span_a:
    the rows of A that were aligned. of_a: the number (from 1) of this repetition and how many A
    holds. repetitions: all of B. best: number of the one with the lowest mean cost, None if a
    number was requested. files: written, in order."""

    a: Video
    b: Video
    pose_a: PoseSequence
    pose_b: PoseSequence
    wanted: str
    span_a: Repetition
    of_a: tuple[int, int]
    repetitions: tuple[AlignedRepetition, ...]
    best: int | None
    files: tuple[Path, ...] = ()

    @property
    def chosen(self) -> tuple[AlignedRepetition, ...]:
        """The repetitions whose alignment was requested."""
        if self.wanted == ALL:
            return self.repetitions
        number = self.best if self.wanted == BEST else int(self.wanted)
        return tuple(each for each in self.repetitions if each.number == number)

    @property
    def usual_seconds(self) -> float:
        """Median duration of the repetitions of B."""
        return float(np.median([each.seconds for each in self.repetitions]))

    def in_clips(self, each: AlignedRepetition) -> AlignResult:
        """The alignment of a repetition in rows of the entire clips; other frames have no
        counterpart.

        Raises ValueError for a repetition that was not aligned.
        """
        if each.part is None:
            raise ValueError(f"repetition {each.number} was not aligned")
        ratio = np.full(len(self.pose_a), np.nan)
        ratio[self.span_a.start : self.span_a.stop] = each.part.speed_ratio
        first = (self.span_a.start, each.span.start)
        return replace(
            each.part,
            pose_a=self.pose_a,
            pose_b=self.pose_b,
            alignment=_in_clips(each.part.alignment, self.pose_a, self.pose_b, first),
            speed_ratio=ratio,
        )

    def to_json(self) -> dict[str, Any]:
        """All repetitions with their tempo, and the requested alignments."""
        clips = {}
        for side, video, pose in (("a", self.a, self.pose_a), ("b", self.b, self.pose_b)):
            clips[side] = {
                "video": video.id,
                "path": video.path,
                "frames": len(pose),
                "start": float(pose.time[0]),
                "end": float(pose.time[-1]),
            }
        clips["a"]["repetition"] = {
            "number": self.of_a[0],
            "of": self.of_a[1],
            "start": seconds_at(self.pose_a, self.span_a.start),
            "end": seconds_at(self.pose_a, self.span_a.stop),
        }
        return {
            "schema_version": SCHEMA_VERSION,
            **clips,
            "repetition": self.wanted,
            "count": len(self.repetitions),
            "best": self.best,
            "usual_seconds": rounded([self.usual_seconds])[0],
            "repetitions": [self._repetition_json(each) for each in self.repetitions],
            "files": [str(file) for file in self.files],
        }

    def _repetition_json(self, each: AlignedRepetition) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "number": each.number,
            "start": each.start,
            "end": each.end,
            "start_index": each.span.start,
            "stop_index": each.span.stop,
            "seconds": rounded([each.seconds])[0],
            "tempo": rounded([self.usual_seconds / each.seconds])[0],
            "score": rounded([each.span.score])[0],
            "cut_at": each.span.cut_at,
        }
        if each.part is None:
            return {**facts, "mean_cost": None, "mean_confidence": None, "speed_ratio": None}
        aligned = self.in_clips(each).to_json()
        facts |= {name: aligned[name] for name in ("mean_cost", "mean_confidence", "speed_ratio")}
        if each in self.chosen:
            confidence = aligned["confidence_is"].replace("B's length", "the repetition's length")
            own = {name: value for name, value in aligned.items() if name not in _REPEATED}
            facts["alignment"] = {**own, "confidence_is": confidence}
        return facts

    def csv_text(self) -> str:
        """The paths of the requested repetitions, one row per pair, in rows of the entire clips."""
        lines: list[str] = []
        for each in self.chosen:
            header, *rows = path_csv(self.in_clips(each).alignment).splitlines()
            lines = lines or [f"repetition,{header}"]
            lines += [f"{each.number},{row}" for row in rows]
        return "\n".join(lines) + "\n"


def _in_clips(
    part: Alignment, pose_a: PoseSequence, pose_b: PoseSequence, first: tuple[int, int]
) -> Alignment:
    """The alignment of two parts in rows of the entire clips; first: rows where the parts begin.

    Frames of A outside its part have no counterpart: NaN, confidence 0.
    """
    rows = slice(first[0], first[0] + len(part.time_a))

    def extended(value: FloatArray, outside: float) -> FloatArray:
        entire = np.full(len(pose_a), outside)
        entire[rows] = value
        return entire

    return replace(
        part,
        path=part.path + np.array(first),
        position=extended(part.position + first[1], np.nan),
        low=extended(part.low + first[1], np.nan),
        high=extended(part.high + first[1], np.nan),
        confidence=extended(part.confidence, 0.0),
        time_a=pose_a.time,
        frame_a=pose_a.frame,
        time_b=pose_b.time,
        frame_b=pose_b.frame,
    )


def align_repetitions(
    project: Project,
    a: str,
    b: str,
    request: AlignRequest,
    repetition: str,
    repetition_of_a: int | None = None,
    progress: Progress | None = None,
) -> RepetitionsResult:
    """Align one repetition of A with repetitions of B; see find_alignment.

    repetition: `2` for the second of B, `best` for the nearest, `all` for each. repetition_of_a:
    which one of A if A holds several, None = the most typical. A clip in which nothing repeats
    counts as one repetition. Whether both show the same movement is judged by the aligned
    repetition that shows it most clearly. Raises UserError (exit 2) if a repetition does not exist.
    """
    progress = progress or Progress()
    repetition = _checked(repetition)
    pair = prepare_pair(project, a, b, request, progress)
    if pair.choice.reason:
        progress.note(pair.choice.reason)
    span_a, of_a = _repetition_of_a(pair, repetition_of_a, progress)
    pose_a, pose_b = pair.poses
    part_a = pose_a.cut(span_a.start, span_a.stop)
    spans = cut_clip(pose_b, part_a)
    if not spans:
        spans = [Repetition(0, len(pose_b), 1.0, WHOLE)]
        progress.note(f"{b} does not repeat itself: it counts as one repetition")
    if repetition not in (BEST, ALL) and int(repetition) > len(spans):
        raise UserError(
            f"{b} has {count_of(len(spans))}, so there is no number {repetition}",
            hint="--repetition all shows them all",
        )
    repetitions = [
        AlignedRepetition(
            number, span, seconds_at(pose_b, span.start), seconds_at(pose_b, span.stop)
        )
        for number, span in enumerate(spans, 1)
    ]
    wanted = [each for each in repetitions if repetition in (BEST, ALL, str(each.number))]
    aligner = PairAligner(project, request)
    progress.begin(f"aligning {count_of(len(wanted))}", len(wanted))
    for each in wanted:
        part_b = pose_b.cut(each.span.start, each.span.stop)
        part = aligner.align(replace(pair, poses=(part_a, part_b), part=True), request.anchors)
        repetitions[each.number - 1] = replace(each, part=part)
        progress.advance()
    progress.end()
    judged = [each.part.same_movement for each in repetitions if each.part is not None]
    known = [sameness for sameness in judged if sameness is not None]
    likeliest = max(known, key=lambda sameness: sameness.probability, default=None)
    judge_movement(likeliest, pair.names, request, progress)
    return RepetitionsResult(
        *pair.clips,
        pose_a,
        pose_b,
        repetition,
        span_a,
        of_a,
        tuple(repetitions),
        _nearest(repetitions) if repetition in (BEST, ALL) else None,
    )


def cut_clip(pose: PoseSequence, example: PoseSequence | None = None) -> list[Repetition]:
    """The repetitions of a clip by the movement of its joints; none if it does not repeat, or holds
    a pose: then what repeats is sway and jitter.

    example: a clip of one repetition that shows at which moment of the movement to cut.
    """
    model = None if example is None else (_movement(example), example.time)
    found = find_repetitions(_movement(pose), pose.time, model, limb_extension(pose))
    if not found:
        return []
    posture = raw_pose(replace(pose, spatial=False))
    moving = [each for each in found if _reach(posture[each.start : each.stop]) >= LEAST_REACH]
    return moving if len(moving) > 1 else []


def _reach(posture: FloatArray) -> float:
    """Root mean square over the joints of how far each moves, torso lengths. posture: (T, 2K)."""
    return float(np.sqrt((value_range(posture) ** 2).sum() / (posture.shape[1] / 2)))


def _movement(pose: PoseSequence) -> FloatArray:
    """(T, 4K) movement of the joints, computed for each shot separately, so that a different camera
    position does not count as movement."""
    shots = [0, *sorted({int(row) for row in pose.info.get("cut_rows") or ()}), len(pose)]
    shots = [row for row in shots if row <= len(pose)]
    parts = []
    for start, stop in pairwise(shots):
        if start < stop:
            joints = fill_gaps(pose.xy[start:stop], pose.time[start:stop])
            about_root, torso = centre_and_scale(joints, get_skeleton(pose.skeleton))
            parts.append(both_movements(joints, about_root, torso))
    return np.concatenate(parts)


def _checked(repetition: str) -> str:
    if repetition in (BEST, ALL):
        return repetition
    if not (repetition.isdecimal() and int(repetition) > 0):
        raise UserError(
            f"'{repetition}' does not name a repetition",
            hint="--repetition takes a number from 1, best or all",
        )
    return str(int(repetition))


def _repetition_of_a(
    pair: PreparedPair, number: int | None, progress: Progress
) -> tuple[Repetition, tuple[int, int]]:
    """The span of A to align, its number (from 1), and how many repetitions A holds."""
    spans = cut_clip(pair.poses[0]) or [Repetition(0, len(pair.poses[0]), 1.0, WHOLE)]
    name = pair.names[0]
    if number is None:
        number = 1 + int(np.argmax([span.score for span in spans]))
        if len(spans) > 1:
            progress.note(
                f"{name} has {count_of(len(spans))}; the most typical one, number {number}, is used"
            )
    if not 1 <= number <= len(spans):
        raise UserError(
            f"{name} has {count_of(len(spans))}, so there is no number {number}",
            hint="leave out --repetition-of-a to take its most typical one",
        )
    return spans[number - 1], (number, len(spans))


def count_of(number: int) -> str:
    """`1 repetition`, `2 repetitions`."""
    return f"{number} repetition" + "s" * (number != 1)


def _nearest(repetitions: Sequence[AlignedRepetition]) -> int:
    cost = {e.number: float(e.part.alignment.cost.mean()) for e in repetitions if e.part}
    return min(cost, key=lambda number: cost[number])
