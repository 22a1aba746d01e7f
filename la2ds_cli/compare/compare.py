"""Step: where and when one clip differs from another after alignment."""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.align import PairAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.compare.differences import OTHER_VIEW, SAME_VIEW, Differences, differences
from la2ds_cli.compare.findings import (
    find_differences,
    find_unjudged,
    joint_table,
    phase_rows,
    spans_of,
    whole_movement,
)
from la2ds_cli.compare.result import CompareResult
from la2ds_cli.compare.tempo import inner_tempo, tempo
from la2ds_cli.compare.viewpoint import ViewDifference, has_trunk, view_difference
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence

_MOSTLY = 0.5  # share of the reference that can be judged; a note says when it is less


def compare(
    project: Project,
    reference: str,
    other: str,
    request: AlignRequest,
    progress: Progress | None = None,
    aligner: PairAligner | None = None,
) -> CompareResult:
    """Compare clip `other` with clip `reference`; views.compare_files writes the result.

    The clips are aligned as `la2ds align` aligns them. aligner: of other alignments by the request.
    Raises what find_alignment raises.
    """
    aligner = aligner or PairAligner(project, request, progress)
    aligned = aligner.find(reference, other)
    alignment = aligned.alignment
    a, b = aligned.pose_a, aligned.shown_b
    matched = ~np.isnan(alignment.position)
    phases = project.phases(propagated=True)
    spans = spans_of(a, phases.get(aligned.a.id, []), matched)
    entire = whole_movement(matched)
    view = view_difference(a, b, alignment.position)
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
        tuple(_notes(aligned, view, angles)),
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


def _notes(aligned: AlignResult, view: ViewDifference, angles: Differences) -> list[str]:
    notes = _view_notes(aligned.pose_a, view)
    if aligned.alignment.view == "mirrored":
        notes.append(
            "The other clip fits better mirrored: its left is compared with the reference's right."
        )
    elif aligned.alignment.view == "other":
        notes.append(
            "The other clip is seen from the other side, so its pictures are shown flipped; left "
            "is compared with left."
        )
    if aligned.unclear:
        notes.append(aligned.unclear[0].upper() + aligned.unclear[1:] + ".")
    share = float(angles.sure.mean())
    if share < _MOSTLY:
        notes.append(f"Only {share:.0%} of the reference can be judged.")
    return notes
