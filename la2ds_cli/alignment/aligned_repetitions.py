"""Step: align a clip that holds several repetitions, one repetition at a time, with one repetition
of A; and what says that clips seem to hold several.

B is cut into repetitions. If A holds several, its most typical one is used. Each repetition is a
clip of its own: it is aligned without the rest, and rows count from its first frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.nearest_view import IN_WORDS
from la2ds_cli.alignment.project_aligner import ProjectAligner, judge_movement
from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.same_movement import most_probable
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.core.view import ViewName

BEST, ALL = "best", "all"


@dataclass(frozen=True)
class AlignedRepetition:
    """A repetition of B. number: from 1. span: its rows in B. start, end: seconds of its first
    frame and of the frame after its last one, even if the clip ends with it. aligned: A's
    repetition with this one."""

    number: int
    span: Repetition
    start: float
    end: float
    aligned: Alignment

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.end - self.start

    @property
    def cost(self) -> float:
        """Mean distance of the pairs."""
        return float(self.aligned.cost.mean())


@dataclass(frozen=True)
class RepetitionsResult:
    """The repetitions of B that were asked for. pose_b: the entire clip. of_a: the number (from 1)
    of the repetition of A, and how many A holds. files: written, in order."""

    a: Video
    b: Video
    pose_b: PoseSequence
    of_a: tuple[int, int]
    repetitions: tuple[AlignedRepetition, ...]
    files: tuple[Path, ...] = ()

    @property
    def best(self) -> AlignedRepetition:
        """The one that is nearest to A."""
        return min(self.repetitions, key=lambda each: each.cost)

    @property
    def usual_seconds(self) -> float:
        """Median duration."""
        return float(np.median([each.seconds for each in self.repetitions]))

    def to_json(self) -> dict[str, Any]:
        """Where each repetition is, and its alignment."""
        number, count = self.of_a
        return {
            "schema_version": 1,
            "a": {"video": self.a.id, "path": self.a.path, "repetition": number, "of": count},
            "b": {"video": self.b.id, "path": self.b.path},
            "best": self.best.number,
            "repetitions": [
                {
                    "number": each.number,
                    "start": each.start,
                    "end": each.end,
                    "start_index": each.span.start,
                    "stop_index": each.span.stop,
                    "score": round(each.span.score, 6),
                    "alignment": each.aligned.to_json(),
                }
                for each in self.repetitions
            ],
            "files": [str(file) for file in self.files],
        }

    def csv_text(self) -> str:
        """The paths of all repetitions, one row per pair."""
        lines: list[str] = []
        for each in self.repetitions:
            header, *rows = each.aligned.csv_text().splitlines()
            lines = lines or [f"repetition,{header}"]
            lines += [f"{each.number},{row}" for row in rows]
        return "\n".join(lines) + "\n"


def align_repetitions(
    project: StoredProject,
    a: str,
    b: str,
    request: AlignRequest,
    wanted: str = ALL,
    progress: Progress = SILENT,
) -> RepetitionsResult:
    """Align the most typical repetition of A with repetitions of B; see ProjectAligner.align_names.

    wanted: `2` for the second of B alone, `best` or `all` for each. A clip in which nothing repeats
    counts as one repetition. Whether both show the same movement is judged by the aligned
    repetition that shows it most clearly. Raises UserError (exit 2) if a repetition does not exist.
    """
    if wanted not in (BEST, ALL) and not (wanted.isdecimal() and int(wanted) > 0):
        raise UserError(
            f"'{wanted}' does not name a repetition",
            hint="--repetition takes a number from 1, best or all",
        )
    aligner = ProjectAligner(project, request, progress)
    pair = aligner.read_pair(a, b)
    if pair.choice.reason:
        progress.note(pair.choice.reason)
    pose_a, pose_b = pair.poses
    spans_a, spans = (
        cut_clip(pose) or [Repetition(0, len(pose), 1.0)] for pose in (pose_a, pose_b)
    )
    typical = int(np.argmax([span.score for span in spans_a]))
    if len(spans_a) > 1:
        progress.note(
            f"{a} has {count_of(len(spans_a))}; the most typical one, number {typical + 1}, is used"
        )
    if len(spans) == 1:
        progress.note(f"{b} does not repeat itself: it counts as one repetition")
    numbers = range(1, len(spans) + 1) if wanted in (BEST, ALL) else [int(wanted)]
    if numbers[-1] > len(spans):
        raise UserError(
            f"{b} has {count_of(len(spans))}, so there is no number {wanted}",
            hint="--repetition all shows them all",
        )
    part_a = pose_a.cut(spans_a[typical].start, spans_a[typical].stop)
    aligner.progress = SILENT  # the notes of each repetition are joined below
    found = []
    for number in progress.over(f"aligning {count_of(len(numbers))}", numbers):
        span = spans[number - 1]
        both = replace(pair, poses=(part_a, pose_b.cut(span.start, span.stop)))
        aligned = aligner.align_pair(both, request.anchors)
        start, end = (float(pose_b.axis.seconds_at(row)) for row in (span.start, span.stop))
        found.append(AlignedRepetition(number, span, start, end, aligned))
    notes = [_note(each.aligned, request.view) for each in found]
    for note in dict.fromkeys(filter(None, notes)):
        these = [str(each.number) for each, of in zip(found, notes, strict=True) if of == note]
        progress.note(f"repetition {', '.join(these)}: {note}")
    same = most_probable(each.aligned.same_movement for each in found)
    judge_movement(same, pair.names, request, progress)
    of_a = typical + 1, len(spans_a)
    return RepetitionsResult(pair.clips[0], pair.clips[1], pose_b, of_a, tuple(found))


def _note(aligned: Alignment, asked: ViewName) -> str:
    """In which view a repetition is compared, if not as filmed or asked for, and what is unclear
    about it."""
    view = aligned.view
    compared = f"compared {IN_WORDS[view]}" if view != "filmed" and asked == "auto" else ""
    return "; ".join(filter(None, [compared, aligned.unclear]))


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
