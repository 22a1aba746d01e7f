"""Step: align a clip that holds several repetitions, one repetition at a time, with one repetition
of A; and what says that clips seem to hold several.

B is cut into repetitions. If A holds several, its most typical one is used.
Each repetition is aligned as if it were a separate clip: frames outside it have no counterpart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.align import PairAligner, judge_movement
from la2ds_cli.alignment.pair import prepare_pair
from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import SCHEMA_VERSION, AlignResult, rounded
from la2ds_cli.alignment.result import csv_text as path_csv
from la2ds_cli.alignment.same_movement import likeliest
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
    progress: Progress | None = None,
) -> RepetitionsResult:
    """Align the most typical repetition of A with repetitions of B; see find_alignment.

    repetition: `2` for the second of B, `best` for the nearest, `all` for each. A clip in which
    nothing repeats counts as one repetition. Whether both show the same movement is judged by the
    aligned repetition that shows it most clearly. Raises UserError (exit 2) if a repetition does
    not exist.
    """
    progress = progress or Progress()
    if repetition not in (BEST, ALL) and not (repetition.isdecimal() and int(repetition) > 0):
        raise UserError(
            f"'{repetition}' does not name a repetition",
            hint="--repetition takes a number from 1, best or all",
        )
    pair = prepare_pair(project, a, b, request, progress)
    if pair.choice.reason:
        progress.note(pair.choice.reason)
    pose_a, pose_b = pair.poses
    spans_a, spans = _spans(pose_a), _spans(pose_b)
    typical = int(np.argmax([span.score for span in spans_a]))
    if len(spans_a) > 1:
        progress.note(
            f"{a} has {count_of(len(spans_a))}; the most typical one, number {typical + 1}, is used"
        )
    if len(spans) == 1:
        progress.note(f"{b} does not repeat itself: it counts as one repetition")
    if repetition not in (BEST, ALL) and int(repetition) > len(spans):
        raise UserError(
            f"{b} has {count_of(len(spans))}, so there is no number {repetition}",
            hint="--repetition all shows them all",
        )
    wanted = range(len(spans)) if repetition in (BEST, ALL) else [int(repetition) - 1]
    span_a = spans_a[typical]
    part_a = pose_a.cut(span_a.start, span_a.stop)
    parts: dict[int, AlignResult] = {}
    aligner = PairAligner(project, request)
    progress.begin(f"aligning {count_of(len(wanted))}", len(wanted))
    for n in wanted:
        part_b = pose_b.cut(spans[n].start, spans[n].stop)
        both = replace(pair, poses=(part_a, part_b), part=True)
        parts[n] = aligner.align(both, request.anchors)
        progress.advance()
    progress.end()
    likeliest_of = likeliest(part.same_movement for part in parts.values())
    judge_movement(likeliest_of, pair.names, request, progress)
    nearest = min(parts, key=lambda n: float(parts[n].alignment.cost.mean()))
    return RepetitionsResult(
        a=pair.clips[0],
        b=pair.clips[1],
        pose_a=pose_a,
        pose_b=pose_b,
        wanted=repetition,
        span_a=span_a,
        of_a=(typical + 1, len(spans_a)),
        repetitions=tuple(
            AlignedRepetition(
                n + 1,
                span,
                seconds_at(pose_b, span.start),
                seconds_at(pose_b, span.stop),
                parts.get(n),
            )
            for n, span in enumerate(spans)
        ),
        best=nearest + 1 if repetition in (BEST, ALL) else None,
    )


def _spans(pose: PoseSequence) -> list[Repetition]:
    """The repetitions of a clip; a clip that does not repeat itself is one."""
    return cut_clip(pose) or [Repetition(0, len(pose), 1.0)]


def count_of(number: int) -> str:
    """`1 repetition`, `2 repetitions`."""
    return f"{number} repetition" + "s" * (number != 1)


def hint_of_repetitions(poses: tuple[PoseSequence, PoseSequence], names: tuple[str, str]) -> str:
    """A sentence if one or both of two clips seem to hold several repetitions, otherwise an empty
    string. names: of the clips, as the user gave them."""
    if poses[0].clip and poses[0].clip == poses[1].clip:
        return ""
    counts = zip(names, map(len, map(cut_clip, poses)), strict=True)
    several = " and ".join(
        f"{name} seems to hold {count} repetitions" for name, count in counts if count
    )
    return several and f"{several}: --repetition all aligns each one of B with one of A"
