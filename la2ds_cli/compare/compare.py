"""Step: where and when one clip differs from another after alignment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.consensus import AlignmentCache
from la2ds_cli.alignment.gaps import STILL
from la2ds_cli.alignment.path import is_monotone
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.compare.differences import OTHER_VIEW, SAME_VIEW, Differences, differences
from la2ds_cli.compare.examples import Examples, example_names, measure_examples
from la2ds_cli.compare.findings import (
    find_differences,
    find_unjudged,
    joint_table,
    phase_rows,
    runs_of,
    spans_of,
    whole_movement,
)
from la2ds_cli.compare.result import CompareResult
from la2ds_cli.compare.tempo import inner_tempo, tempo
from la2ds_cli.compare.viewpoint import ViewDifference, has_trunk, view_difference
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Alignment, BoolArray, PoseSequence

_APART = 3.0  # moments of B that two alignments may differ by at the edges of a gap
_MOMENT = 1 / 30  # seconds, or one frame of B if that is longer
_MOSTLY = 0.5  # share of the reference that can be judged; a note says when it is less


def compare(
    project: Project,
    reference: str,
    other: str,
    request: AlignRequest,
    *,
    examples: str | None = None,
    progress: Progress | None = None,
) -> CompareResult:
    """Compare clip `other` with clip `reference`; views.compare_files writes the result.

    examples: `all`, `train` or names separated by commas, of clips that show the movement done
    well. The clips are aligned as `la2ds align` aligns them (with_facing_gaps says what is added).
    Raises UserError (exit 4) if the examples leave no clip, and what find_alignment raises.
    """
    progress = progress or Progress()
    cache = AlignmentCache()  # all clips are aligned to the reference
    result = compare_aligned(project, reference, other, request, progress, cache)
    if examples is not None:

        def align(name: str) -> AlignResult:
            # Notes on every single example would bury the result.
            any_clip = replace(request, same_only=False)
            return _align(project, reference, name, any_clip, Progress(), cache)[0]

        measured = _examples(project, result, examples, align, progress)
        result = replace(result, examples=measured)
    return result


def compare_aligned(
    project: Project,
    reference: str,
    other: str,
    request: AlignRequest,
    progress: Progress,
    cache: AlignmentCache,
) -> CompareResult:
    """`compare` without examples; cache: of other alignments to the reference."""
    return _compared(project, *_align(project, reference, other, request, progress, cache))


def _align(
    project: Project,
    reference: str,
    other: str,
    request: AlignRequest,
    progress: Progress,
    cache: AlignmentCache,
) -> tuple[AlignResult, BoolArray]:
    """The alignment, and (N,) which of its moments were added by with_facing_gaps."""

    def without_gaps() -> AlignResult:
        config = replace(request.config, align=replace(request.config.align, gaps=False))
        whole = replace(request, config=config)
        return find_alignment(project, reference, other, whole, Progress(), cache)

    aligned = find_alignment(project, reference, other, request, progress, cache)
    return with_facing_gaps(aligned, without_gaps)


def _compared(project: Project, aligned: AlignResult, facing: BoolArray) -> CompareResult:
    alignment = aligned.alignment
    a, b = aligned.pose_a, aligned.pose_b
    matched = ~np.isnan(alignment.position)
    phases = project.phases(propagated=True)
    spans = spans_of(a, phases.get(aligned.a.id, []), matched)
    entire = whole_movement(matched)
    view = view_difference(a, b, alignment.position, mirrored=alignment.mirrored)
    angles = differences(a, b, alignment, view)
    reason = _no_findings(view, angles, a)
    labelled = _labelled(project, aligned)
    rows = tempo(alignment, spans, labelled)
    inner = inner_tempo(alignment, spans, rows, labelled)
    return CompareResult(
        aligned,
        tuple(spans),
        view,
        angles,
        tuple([] if reason else find_differences(angles, alignment, spans)),
        reason,
        tuple(joint_table(angles, [*spans, entire] if entire else spans)),
        tuple([*rows, inner] if inner else rows),
        tuple(find_unjudged(angles)),
        tuple(_notes(aligned, view, angles, facing)),
    )


def _labelled(project: Project, aligned: AlignResult) -> dict[str, tuple[float, float]]:
    """Seconds in the two clips of every phase that is labelled in both; NaN if the start or end of
    a clip cuts it off, since the clip then does not show how long it took."""
    phases = project.phases()
    seconds = []
    for video, pose in ((aligned.a, aligned.pose_a), (aligned.b, aligned.pose_b)):
        rows = phase_rows(pose, phases.get(video.id, []))
        seconds.append(
            {
                name: float(pose.time[stop] - pose.time[first])
                if first > 0 and stop < len(pose)
                else float("nan")
                for name, (first, stop) in rows.items()
            }
        )
    reference, other = seconds
    return {name: (reference[name], other[name]) for name in reference if name in other}


def _no_findings(view: ViewDifference, angles: Differences, reference: PoseSequence) -> str:
    """Why no difference of angles may be called a fault; empty if it may. The side of the camera
    does not matter to angles in 3D."""
    if view.turn > OTHER_VIEW and not reference.spatial:
        return (
            f"The two clips are filmed from sides that lie about {view.turn:.0f}° apart. Angles in "
            "the picture then differ even if the movement is the same, so none is called a fault."
        )
    if np.isnan(view.turn) and has_trunk(reference.skeleton) and not reference.spatial:
        return (
            "It is unknown from which sides the two clips are filmed, because shoulders or hips "
            "are not seen. So no difference of angles is called a fault."
        )
    if not angles.judged.any():
        return (
            "Angles cannot be compared anywhere: the alignment is not sure enough, the two bodies "
            "are seen from different sides, or the joints cannot be trusted."
        )
    return ""


def _view_notes(reference: PoseSequence, view: ViewDifference) -> list[str]:
    if reference.spatial:
        return [
            "Angles are those of the joints in 3D, so the sides from which the clips are filmed do "
            "not matter; their accuracy depends on the source of the 3D joints."
        ]
    notes = []
    if SAME_VIEW < view.turn <= OTHER_VIEW:
        notes.append(
            f"The cameras stand about {view.turn:.0f}° apart: only differences larger than those "
            "that such a turn causes are reported."
        )
    if np.isnan(view.turn) and not has_trunk(reference.skeleton):
        notes.append(
            f"The side from which {reference.skeleton} is filmed is not measured: check it."
        )
    elif not view.side_known and 20 < abs(view.reference) < 160:
        notes.append("It is unclear whether both clips show the same side, left or right.")
    return notes


def _notes(
    aligned: AlignResult, view: ViewDifference, angles: Differences, facing: BoolArray
) -> list[str]:
    notes = _view_notes(aligned.pose_a, view)
    if aligned.alignment.mirrored:
        notes.append(
            "The other clip fits better mirrored: its left is compared with the reference's right."
        )
    if facing.any():
        spans = (angles.time[[first, stop - 1]] for first, stop in runs_of(facing))
        when = " and ".join(f"between {start:.2f} and {end:.2f} s" for start, end in spans)
        notes.append(
            f"{when.capitalize()} the two look so unlike that `la2ds align` leaves moments out; "
            "since both take about equally long, they are compared here."
        )
    share = float(angles.sure.mean())
    if share < _MOSTLY:
        notes.append(f"Only {share:.0%} of the reference can be judged.")
    return notes


def _examples(
    project: Project,
    result: CompareResult,
    selection: str,
    align: Callable[[str], AlignResult],
    progress: Progress,
) -> Examples:
    pair = (result.aligned.a.id, result.aligned.b.id)
    names = example_names(project, selection, pair)
    if result.no_findings:
        reason = "the angles of the two clips cannot be compared with each other or with examples"
        return Examples((), {}, None, reason)
    return measure_examples(names, result.aligned, result.spans, align, progress)


# --- spans in which both clips go on, but differently ---------------------------------------------
#
# The alignment leaves them out of both. If one clip holds something that the other lacks, there is
# nothing to compare. But a part of a movement that is done very wrong may not resemble anything in
# the other clip either, and is then left out of both, at the same place and for about the same
# time. For such spans, the matches of an alignment without gaps are used; everywhere else, those of
# `la2ds align`.


def with_facing_gaps(
    aligned: AlignResult, without_gaps: Callable[[], AlignResult]
) -> tuple[AlignResult, BoolArray]:
    """The alignment with matches for the gaps of A that face a gap of B of similar length, and (N,)
    which frames of A these are. without_gaps: aligns the same clips, called only if needed."""
    alignment = aligned.alignment
    filled = np.zeros(len(alignment.time_a), bool)
    facing = _facing(alignment) if is_monotone(alignment.path) else []
    if not facing:
        return aligned, filled
    other = without_gaps().alignment
    if other.mirrored != alignment.mirrored:
        return aligned, filled
    moment = max(1.0, _MOMENT / float(np.median(np.diff(alignment.time_b))))  # frames of B
    apart = _APART * moment
    values = {name: getattr(alignment, name).copy() for name in ("position", "low", "high")}
    confidence = alignment.confidence.copy()
    path, cost = alignment.path, alignment.cost
    for first, stop, before, after in facing:
        inside = other.position[first:stop]
        if not (inside.min() >= before - apart and inside.max() <= after + apart):
            continue  # it matches other moments there
        inside = np.clip(inside, before, after)
        filled[first:stop] = True
        confidence[first:stop] = other.confidence[first:stop]
        values["position"][first:stop] = inside
        # The interval of a frame beside a gap spans the gap, which is now filled.
        with np.errstate(invalid="ignore"):
            beside = (alignment.low <= after) & (alignment.high >= before)
            beside &= np.abs(other.position - alignment.position) <= moment
        beside[first:stop] = True
        for name in ("low", "high"):
            values[name][beside] = getattr(other, name)[beside]
        i, j = other.path.T
        new = (i >= first) & (i < stop) & (j > before) & (j < after)
        at = int(np.searchsorted(path[:, 0], first))
        path = np.insert(path, at, other.path[new], axis=0)
        cost = np.insert(cost, at, other.cost[new])
    alignment = replace(alignment, path=path, cost=cost, confidence=confidence, **values)
    return replace(aligned, alignment=alignment), filled


def _facing(alignment: Alignment) -> list[tuple[int, int, float, float]]:
    """First and stop row of every span of A without a counterpart whose neighbours are STILL to
    1 / STILL times as far apart in time in B as in A, with the neighbours' positions in B."""
    position = alignment.position
    edges = np.flatnonzero(np.diff(np.isnan(position), prepend=False, append=False))
    spans = []
    for first, stop in edges.reshape(-1, 2).tolist():
        if first == 0 or stop == len(position):
            continue
        before, after = float(position[first - 1]), float(position[stop])
        moments = np.interp([before, after], np.arange(len(alignment.time_b)), alignment.time_b)
        ratio = (moments[1] - moments[0]) / (alignment.time_a[stop] - alignment.time_a[first - 1])
        if STILL <= ratio <= 1 / STILL:
            spans.append((first, stop, before, after))
    return spans
