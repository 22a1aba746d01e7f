"""Step: a clip that holds several repetitions, aligned one repetition at a time with one of A.

B is cut into repetitions; A, where it holds several, gives its most typical one, or the one asked
for. Each is aligned as a clip of its own would be: a frame outside it has no counterpart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.align import SUFFIXES, Ready, align_ready, make_ready
from la2ds_cli.alignment.align_result import AlignResult
from la2ds_cli.alignment.clip_features import FeatureKind
from la2ds_cli.alignment.repetitions import Repetition, find_repetitions
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence
from la2ds_cli.features.pose_features import both_movements, centre_and_scale, fill_gaps
from la2ds_cli.features.resample import seconds_at

BEST, ALL = "best", "all"


@dataclass(frozen=True)
class AlignedRepetition:
    """number: from 1. span: its rows in B. start, end: seconds at which it begins and the next
    frame after it does, also where the clip ends with it. part: A's repetition aligned with this
    one alone, None where not asked for."""

    number: int
    span: Repetition
    start: float
    end: float
    part: AlignResult | None = None

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end - self.start


@dataclass(frozen=True)
class RepetitionsResult:
    """pose_a, pose_b: the whole clips. wanted: a number, `best` or `all`, as asked. span_a, of_a:
    which rows of A were aligned, and as which (from 1) of how many repetitions. repetitions: all
    of B. best: number of the one with the lowest mean cost, None where one was asked for by number.
    files: written, in order."""

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
        """Those whose alignment was asked for."""
        if self.wanted == ALL:
            return self.repetitions
        number = self.best if self.wanted == BEST else int(self.wanted)
        return tuple(each for each in self.repetitions if each.number == number)

    def whole(self, each: AlignedRepetition) -> AlignResult:
        """The alignment of a repetition in rows of the whole clips, the rest without counterpart.

        ValueError for one that was not aligned.
        """
        if each.part is None:
            raise ValueError(f"repetition {each.number} was not aligned")
        length = len(self.pose_a)
        ratio = np.full(length, np.nan)
        ratio[self.span_a.start : self.span_a.stop] = each.part.speed_ratio
        found = in_whole(
            each.part.alignment,
            self.pose_a,
            self.pose_b,
            (self.span_a.start, each.span.start),
        )
        return replace(
            each.part,
            pose_a=self.pose_a,
            pose_b=self.pose_b,
            alignment=found,
            speed_ratio=ratio,
        )


def align_repetitions(
    project: Project,
    a: str,
    b: str,
    *,
    config: Config,
    repetition: str,
    repetition_of_a: int | None = None,
    run: str = DEFAULT_RUN,
    features: FeatureKind = "auto",
    method: str | None = None,
    out: Sequence[Path] = (),
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> RepetitionsResult:
    """Align one repetition of A with repetitions of B and write files; further options as `align`.

    repetition: `2` for the second of B, `best` for the nearest, `all` for each. repetition_of_a:
    which one of A where it holds several, None = its most typical. A clip in which nothing repeats
    is one repetition. UserError: exit 2 for a repetition that there is not, too.
    """
    from la2ds_cli.views.repetition_files import write

    progress = progress or Progress()
    repetition = _checked(repetition)
    targets = checked_outputs(project, map(Path, out), "an alignment", SUFFIXES)
    ready = make_ready(project, a, b, config, run, features, method, device, progress)
    span_a, of_a = _one_of_a(ready, repetition_of_a, progress)
    part_a = ready.poses[0].cut(span_a.start, span_a.stop)
    spans = cut_clip(ready.poses[1], part_a)
    if not spans:
        spans = [_all_of(ready.poses[1])]
        progress.note(f"{b} does not repeat itself: it counts as one repetition")
    if repetition not in (BEST, ALL) and int(repetition) > len(spans):
        raise UserError(
            f"{b} holds {count_of(len(spans))}: there is no number {repetition}",
            hint="--repetition all shows them all",
        )
    found = [_timed(number, span, ready.poses[1]) for number, span in enumerate(spans, 1)]
    wanted = [each for each in found if repetition in (BEST, ALL, str(each.number))]
    progress.begin(f"aligning {count_of(len(wanted))}", len(wanted))
    for each in wanted:
        pose = ready.poses[1].cut(each.span.start, each.span.stop)
        part = replace(ready, poses=(part_a, pose), part=True)
        aligned = align_ready(project, part, run=run, device=device)
        found[each.number - 1] = replace(each, part=aligned)
        progress.advance()
    progress.end()
    result = RepetitionsResult(
        *ready.videos,
        *ready.poses,
        repetition,
        span_a,
        of_a,
        tuple(found),
        _nearest(found) if repetition in (BEST, ALL) else None,
    )
    return write(project, result, targets, progress)


def cut_clip(pose: PoseSequence, example: PoseSequence | None = None) -> list[Repetition]:
    """The repetitions of a clip by the movement of its joints, none where it does not repeat.

    example: a clip of one repetition that says at which moment of the movement to cut.
    """
    model = None if example is None else (_movement(example), example.time)
    return find_repetitions(_movement(pose), pose.time, model)


def hint_of_repetitions(result: AlignResult, names: tuple[str, str]) -> str:
    """One line where one clip seems to hold several repetitions and the other does not, else an
    empty string. names: of the clips, as the user gave them."""
    several = [max(len(cut_clip(pose)), 1) for pose in (result.pose_a, result.pose_b)]
    if several[0] == 1 < several[1]:
        return (
            f"{names[1]} seems to hold {several[1]} repetitions: --repetition all aligns each of "
            "them"
        )
    if several[1] == 1 < several[0]:
        return (
            f"{names[0]} seems to hold {several[0]} repetitions: name {names[1]} first, and "
            "--repetition all aligns each of them"
        )
    return ""


def in_whole(
    part: Alignment, pose_a: PoseSequence, pose_b: PoseSequence, first: tuple[int, int]
) -> Alignment:
    """The alignment of two parts in rows of the whole clips; first: rows at which the parts begin.

    Frames of A outside its part have no counterpart: NaN, confidence 0.
    """
    rows = slice(first[0], first[0] + len(part.time_a))

    def spread(value: FloatArray, outside: float) -> FloatArray:
        whole = np.full(len(pose_a), outside)
        whole[rows] = value
        return whole

    return replace(
        part,
        path=part.path + np.array(first),
        position=spread(part.position + first[1], np.nan),
        low=spread(part.low + first[1], np.nan),
        high=spread(part.high + first[1], np.nan),
        confidence=spread(part.confidence, 0.0),
        time_a=pose_a.time,
        frame_a=pose_a.frame,
        time_b=pose_b.time,
        frame_b=pose_b.frame,
    )


def _movement(pose: PoseSequence) -> FloatArray:
    """(T, 4K) movement of the joints, of every shot for itself: a camera that stands elsewhere is
    no movement."""
    shots = [0, *sorted({int(row) for row in pose.info.get("cut_rows") or ()}), len(pose)]
    shots = [row for row in shots if row <= len(pose)]
    parts = []
    for start, stop in pairwise(shots):
        if start < stop:
            joints = fill_gaps(pose.xy[start:stop])
            about_root, torso = centre_and_scale(joints, get_skeleton(pose.skeleton))
            parts.append(both_movements(joints, about_root, torso))
    return np.concatenate(parts)


def _checked(repetition: str) -> str:
    if repetition in (BEST, ALL):
        return repetition
    if not (repetition.isdecimal() and int(repetition) > 0):
        raise UserError(
            f"'{repetition}' is no repetition",
            hint="--repetition takes a number from 1, best or all",
        )
    return str(int(repetition))


def _one_of_a(
    ready: Ready, number: int | None, progress: Progress
) -> tuple[Repetition, tuple[int, int]]:
    """The span of A to align, and as which of how many."""
    spans = cut_clip(ready.poses[0]) or [_all_of(ready.poses[0])]
    name = ready.names[0]
    if number is None:
        number = 1 + int(np.argmax([span.score for span in spans]))
        if len(spans) > 1:
            progress.note(
                f"{name} holds {count_of(len(spans))}: number {number}, the most typical, is taken"
            )
    if not 1 <= number <= len(spans):
        raise UserError(
            f"{name} holds {count_of(len(spans))}: there is no number {number}",
            hint="leave out --repetition-of-a to take its most typical one",
        )
    return spans[number - 1], (number, len(spans))


def _all_of(pose: PoseSequence) -> Repetition:
    return Repetition(0, len(pose), 1.0)


def count_of(number: int) -> str:
    return f"{number} repetition" + "s" * (number != 1)


def _timed(number: int, span: Repetition, pose: PoseSequence) -> AlignedRepetition:
    return AlignedRepetition(
        number, span, seconds_at(pose, span.start), seconds_at(pose, span.stop)
    )


def _nearest(found: Sequence[AlignedRepetition]) -> int:
    cost = {each.number: float(each.part.alignment.cost.mean()) for each in found if each.part}
    return min(cost, key=lambda number: cost[number])
