"""Step: align the repetitions in clip B, one at a time, with one repetition of A.

B is cut into repetitions. If A holds several, its most typical one is used. Each repetition is a
clip of its own: it is aligned without the rest, and rows count from its first frame.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.align import Anchors
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.consensus import direct_match
from la2ds_cli.alignment.nearest_view import IN_WORDS
from la2ds_cli.alignment.path import pair_distance
from la2ds_cli.alignment.project_aligner import ClipPair, ProjectAligner, judge_movement
from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.same_movement import most_probable
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.core.view import ViewName

BEST, ALL = "best", "all"
MOST_TRIED = 3  # repetitions that are aligned to offer one; a long film may have hundreds


@dataclass(frozen=True)
class AlignedRepetition:
    """A repetition of B, aligned with one of A.

    number: from 1. span: its rows in B. start, end: seconds of its first frame and of the frame
    after its last, even if the clip ends there. aligned: the alignment.
    """

    number: int
    span: Repetition
    start: float
    end: float
    aligned: Alignment

    @property
    def seconds(self) -> float:
        """Duration of the repetition."""
        return self.end - self.start

    @property
    def cost(self) -> float:
        """Mean feature distance of the matched frames."""
        return float(self.aligned.cost.mean())


@dataclass(frozen=True)
class RepetitionsResult:
    """The requested repetitions of B, aligned.

    pose_b: the entire clip. of_a: the number (from 1) of the repetition of A that was used, and how
    many A holds. files: written, in order.
    """

    a: Video
    b: Video
    pose_b: PoseSequence
    of_a: tuple[int, int]
    repetitions: tuple[AlignedRepetition, ...]
    files: tuple[Path, ...] = ()

    @property
    def best(self) -> AlignedRepetition:
        """The repetition nearest to A."""
        return min(self.repetitions, key=lambda each: each.cost)

    @property
    def usual_seconds(self) -> float:
        """Median duration of a repetition."""
        return float(np.median([each.seconds for each in self.repetitions]))

    def to_json(self) -> dict[str, Any]:
        """Return the span and the alignment of each repetition as JSON."""
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
        """Return the paths of all repetitions as CSV, one row per pair of frames."""
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
    """Align the most typical repetition of A with repetitions of B.

    A clip in which nothing repeats counts as one repetition. Whether both show the same movement is
    judged by the repetition that shows it most clearly.

    Parameters
    ----------
    a, b: video files, or names of clips of the project.
    request: the options of the alignment.
    wanted: number of a repetition of B, such as `2`; `best` and `all` align all of them.

    Raises
    ------
    UserError: exit 2 if the repetition does not exist; otherwise as ProjectAligner.align_names.
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
            f"{a} has {count_of(len(spans_a))}; number {typical + 1}, the most typical, is used"
        )
    if len(spans) == 1:
        progress.note(f"no repetition found in {b}: it counts as a single one")
    numbers = range(1, len(spans) + 1) if wanted in (BEST, ALL) else [int(wanted)]
    if numbers[-1] > len(spans):
        raise UserError(
            f"there is no repetition {wanted} in {b}, which has {count_of(len(spans))}",
            hint="--repetition all shows them all",
        )
    part = replace(pair, poses=(_cut(pose_a, spans_a[typical]), pose_b))
    quiet = aligner.silent()  # the notes of each repetition are joined below
    each_number = progress.over(f"aligning {count_of(len(numbers))}", numbers)
    repetitions = [
        _align_repetition(quiet, part, number, spans[number - 1], request.anchors)
        for number in each_number
    ]
    notes = [_note(each.aligned, request.view) for each in repetitions]
    for note in dict.fromkeys(filter(None, notes)):
        alike = [
            str(each.number) for each, own in zip(repetitions, notes, strict=True) if own == note
        ]
        progress.note(f"repetition {', '.join(alike)}: {note}")
    same = most_probable(each.aligned.same_movement for each in repetitions)
    judge_movement(same, pair.names, request, progress)
    of_a = typical + 1, len(spans_a)
    return RepetitionsResult(pair.clips[0], pair.clips[1], pose_b, of_a, tuple(repetitions))


def _note(aligned: Alignment, asked: ViewName) -> str:
    """Return a note on the view of a repetition, unless it is as filmed or requested, and on what
    is unclear about the match."""
    view = aligned.view
    compared = f"compared {IN_WORDS[view]}" if view != "filmed" and asked == "auto" else ""
    return "; ".join(filter(None, [compared, aligned.unclear]))


def count_of(number: int) -> str:
    """Return `1 repetition`, `2 repetitions`."""
    return f"{number} repetition" + "s" * (number != 1)


def _cut(pose: PoseSequence, span: Repetition) -> PoseSequence:
    return pose.cut(span.start, span.stop)


def _align_repetition(
    aligner: ProjectAligner, pair: ClipPair, number: int, span: Repetition, anchors: Anchors = ()
) -> AlignedRepetition:
    """Align a repetition of B, the rows `span`, with A."""
    pose_a, pose_b = pair.poses
    both = replace(pair, poses=(pose_a, _cut(pose_b, span)))
    aligned = aligner.align_pair(both, anchors)
    start, end = (float(pose_b.axis.seconds_at(row)) for row in (span.start, span.stop))
    return AlignedRepetition(number, span, start, end, aligned)


# --- offering a repetition ------------------------------------------------------------------------


def align_clips(
    project: StoredProject, a: str, b: str, request: AlignRequest, progress: Progress = SILENT
) -> Alignment:
    """Align clip `b` to clip `a`, as ProjectAligner.align_names does; if one of them is a film of
    several repetitions, a note, or the hint of a refusal, names the one that fits best."""
    aligner = ProjectAligner(project, request, progress)
    pair = aligner.read_pair(a, b)
    result = aligner.align_pair(pair, request.anchors)
    aligner.judge(pair, result, offer_repetition(aligner, pair, result))
    return result


def _project_option(root: Path) -> list[str]:
    """Return the option that a command needs here for the project at `root`."""
    here = Path.cwd()
    if root == here:
        return []
    return ["--project", str(root.relative_to(here) if root.is_relative_to(here) else root)]


def offer_repetition(aligner: ProjectAligner, pair: ClipPair, result: Alignment) -> str:
    """Return which repetition of the clip with more of them fits the other clip best, and the
    command that aligns it; empty if neither repeats itself or if no repetition shows the same
    movement.

    The repetitions that look nearest in the features of the entire clips, at most MOST_TRIED, are
    aligned.

    Parameters
    ----------
    aligner: of the pair.
    pair: the clips, with their names as the user gave them.
    result: the alignment of the entire clips.
    """
    if pair.ids[0] == pair.ids[1]:
        return ""
    spans = [cut_clip(pose) for pose in pair.poses]
    if not any(spans):
        return ""
    film = 1 if len(spans[1]) >= len(spans[0]) else 0
    other = 1 - film
    whole = Repetition(0, len(pair.poses[other]), 1.0)
    single = max(spans[other], key=lambda span: span.score, default=whole)
    turned = replace(
        pair,
        clips=(pair.clips[other], pair.clips[film]),
        poses=(_cut(pair.poses[other], single), pair.poses[film]),
        names=(pair.names[other], pair.names[film]),
    )
    like = result.compared[other][single.start : single.stop]
    nearest = _nearest(like, result.compared[film], spans[film], result.settings)
    quiet = aligner.silent()
    tried = [
        _align_repetition(quiet, turned, number, spans[film][number - 1]) for number in nearest
    ]
    best = min(tried, key=lambda each: each.cost)
    same = best.aligned.same_movement
    if same is not None and same.refused:
        return ""
    short, long = turned.names
    words = ["la2ds", "align", short, long, "--repetition", str(best.number)]
    command = shlex.join([*words, *_project_option(aligner.project.root)])
    return f"repetition {best.number} of {len(spans[film])} of {long} fits {short} best: {command}"


def _nearest(
    single: FloatArray, film: FloatArray, spans: Sequence[Repetition], settings: AlignConfig
) -> list[int]:
    """Return the numbers, from 1, of the repetitions nearest to a movement, at most MOST_TRIED.

    single, film: (N, D) and (M, D) features of the movement, and of the clip of the repetitions.
    """
    if len(spans) <= MOST_TRIED:
        return list(range(1, len(spans) + 1))
    cost = []
    for span in spans:
        part = film[span.start : span.stop]
        path, _ = direct_match(single, part, settings)
        cost.append(float(pair_distance(single, part, path).mean()))
    return sorted((np.argsort(cost, kind="stable")[:MOST_TRIED] + 1).tolist())
