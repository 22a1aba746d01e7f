"""Step: align a clip that holds several repetitions, one repetition at a time, with one repetition
of A; and what says that clips seem to hold several.

B is cut into repetitions. If A holds several, the requested one or its most typical one is used.
Each repetition is aligned as if it were a separate clip: frames outside it have no counterpart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.align import PairAligner, judge_movement
from la2ds_cli.alignment.pair import PreparedPair, prepare_pair
from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import SCHEMA_VERSION, AlignResult, rounded
from la2ds_cli.alignment.result import csv_text as path_csv
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.resample import seconds_at

BEST, ALL = "best", "all"
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
        counterpart: NaN, confidence 0.

        Raises ValueError for a repetition that was not aligned.
        """
        if each.part is None:
            raise ValueError(f"repetition {each.number} was not aligned")
        part = each.part.alignment
        first_a, first_b = self.span_a.start, each.span.start

        def entire(value: FloatArray, outside: float = np.nan) -> FloatArray:
            rows = np.full(len(self.pose_a), outside)
            rows[first_a : first_a + len(value)] = value
            return rows

        alignment = replace(
            part,
            path=part.path + np.array((first_a, first_b)),
            position=entire(part.position + first_b),
            low=entire(part.low + first_b),
            high=entire(part.high + first_b),
            confidence=entire(part.confidence, 0.0),
            time_a=self.pose_a.time,
            frame_a=self.pose_a.frame,
            time_b=self.pose_b.time,
            frame_b=self.pose_b.frame,
        )
        return replace(
            each.part,
            pose_a=self.pose_a,
            pose_b=self.pose_b,
            alignment=alignment,
            speed_ratio=entire(each.part.speed_ratio),
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
    spans = _spans(pose_b)
    if len(spans) == 1:
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


def _spans(pose: PoseSequence) -> list[Repetition]:
    """The repetitions of a clip; a clip that does not repeat itself is one."""
    return cut_clip(pose) or [Repetition(0, len(pose), 1.0)]


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
    spans = _spans(pair.poses[0])
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


# --- clips that seem to hold several ----------------------------------------------------------


def note_on_repetitions(project: Project, clips: Iterable[str] | None = None) -> str:
    """A sentence if clips (ids, None = all that have poses) seem to hold several repetitions, with
    the commands that show and cut them; otherwise an empty string.

    Takes some 10 ms for a clip of a few seconds. Poses that cannot be read are left out; other
    steps report why.
    """
    several = {}
    for clip in sorted(project.posed()) if clips is None else clips:
        with suppress(UserError):
            several[clip] = len(cut_clip(project.read_pose(clip)[0]))
    several = {clip: count for clip, count in several.items() if count}
    if not several:
        return ""
    clip = max(several, key=lambda one: several[one])
    video = project.find(clip)
    name = video.name if video else clip
    held = f"{name} seems to hold {several[clip]} repetitions"
    if len(several) > 1:
        held = f"{len(several)} clips seem to hold several repetitions, {name} {several[clip]}"
    return (
        f"{held}: la2ds align {name} {name} --repetition all lists them, extract-poses with "
        "--time-range keeps one"
    )


def hint_of_repetitions(poses: tuple[PoseSequence, PoseSequence], names: tuple[str, str]) -> str:
    """A sentence if one or both of two clips seem to hold several repetitions, otherwise an empty
    string. names: of the clips, as the user gave them."""
    if poses[0].clip and poses[0].clip == poses[1].clip:
        return ""
    a, b = (len(_spans(pose)) for pose in poses)
    if a > 1 and b > 1:
        return (
            f"{names[0]} and {names[1]} seem to hold {a} and {b} repetitions: "
            "--repetition all aligns each one of B with the most typical one of A"
        )
    if b > 1:
        return f"{names[1]} seems to hold {b} repetitions: --repetition all aligns each of them"
    if a > 1:
        return (
            f"{names[0]} seems to hold {a} repetitions: name {names[1]} first, and "
            "--repetition all aligns each of them"
        )
    return ""
