"""Step: propagate phases labelled on some clips to others, along their alignments.

Every labelled clip is aligned with every other clip, as `align` does, and maps its phases onto it
(vote.py). Labelled clips vote unless they clearly show another movement.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.project_aligner import ProjectAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.same_movement import SameMovement, most_probable
from la2ds_cli.core.batch import ItemResult, error_row
from la2ds_cli.core.errors import Mismatch, Unusable, UserError
from la2ds_cli.core.phase_table import in_time_order, overlap_error
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.labels.propagated import ClipLabels, PropagationResult, with_ends
from la2ds_cli.labels.vote import Boundary, PhaseRange, boundaries_along, labelled_ranges, vote
from la2ds_cli.poses.current import clip_named, find_clip
from la2ds_cli.poses.ready import ensure_poses

ALL, LABELLED = "all", "labelled"
"""Names for several clips: all others in videos.csv, and all labelled by people."""
LEAST_CONFIDENCE = 0.4
"""Mean confidence of a clip's boundaries below which its labels are withheld from phases.csv.

Measured on Penn Action, one clip to another by the base model, as if nothing else were known of the
pair: events of golf swings and squats in clips of the same action (64 pairs, 0.34 to 0.90; 5 %
below) and of the other action (82, 0.02 to 0.50; 89 % below).
"""


@dataclass
class _Evidence:
    """The alignments of labelled clips with one other clip, by id of the labelled clip.

    judged: whether both show the same movement, None = it cannot be judged.
    boundaries: of the labelled clips that may vote.
    refused: labelled clips with which the clip cannot be aligned, with the reason.
    """

    judged: dict[str, SameMovement | None] = field(default_factory=dict)
    boundaries: dict[str, list[Boundary]] = field(default_factory=dict)
    refused: dict[str, UserError] = field(default_factory=dict)


def propagate_labels(
    project: StoredProject,
    sources: Sequence[str],
    targets: Sequence[str],
    request: AlignRequest,
    progress: Progress = SILENT,
) -> PropagationResult:
    """Propagate the phases of `sources` to `targets`; no clip votes on its own labels.

    A clip that cannot be used is an item of the result.

    Parameters
    ----------
    sources: see choose_sources.
    targets: see choose_targets; a source is a target only if it is named itself, not in a group.
    request: the options of the alignments.

    Raises
    ------
    UserError: exit 3 for an unknown source, 4 if there is no labelled clip, 5 for a source without
        labels or with overlapping labels; if no source can be used, as ProjectAligner.align_names
        for the first.
    """
    phases = choose_sources(project, sources)
    evidence: dict[str, _Evidence] = {}
    refused: dict[str, UserError] = {}
    for name in choose_targets(project, targets, without=phases):
        try:
            poses, device = request.config.poses, request.device
            evidence[ensure_poses(project, [name], poses, device, progress)[0]] = _Evidence()
        except UserError as problem:
            refused[name] = problem
    aligner = ProjectAligner(project, request)
    ranges: dict[str, list[PhaseRange]] = {}
    first: Alignment | None = None
    for source in progress.over("propagating phases", list(phases)):
        try:
            itself = aligner.align_names(source, source)
            ranges[source] = labelled_ranges(itself.pose_a.frame, phases[source])
            if not ranges[source]:
                del ranges[source]
                raise Unusable("its phases are outside its frames")
        except UserError as problem:
            refused[source] = problem
        else:
            first = first or itself
            _add_evidence(aligner, source, ranges[source], evidence)
    if first is None:
        source = next(iter(phases))
        problem = refused[source]
        raise UserError(
            f"no labelled clip can be used; {source}: {problem.message}",
            hint=problem.hint,
            exit_code=problem.exit_code,
        )
    if first.reason:
        progress.note(first.reason)
    items = [_refused(project, clip, problem) for clip, problem in refused.items()]
    clips: dict[str, ClipLabels] = {}
    for clip, own in evidence.items():
        if own.refused and not own.judged:
            items.append(_refused(project, clip, next(reversed(own.refused.values()))))
            continue
        for source, problem in own.refused.items():
            progress.note(f"{source} is left out of the votes on {clip}: {problem.message}")
        labels = _labels_of(project, clip, own, ranges)
        items.append(_item(project, clip, labels, most_probable(own.judged.values())))
        if labels is not None and labels.phases:
            clips[clip] = labels
    kind = first.features
    return PropagationResult(tuple(ranges), tuple(items), clips, kind, first.run, first.reason)


def _add_evidence(
    aligner: ProjectAligner,
    source: str,
    ranges: Sequence[PhaseRange],
    evidence: Mapping[str, _Evidence],
) -> None:
    """Align a labelled clip with each of the others, and add its boundaries to their evidence."""
    with suppress(UserError):  # raised again when the clip is aligned
        aligner.embed(list(evidence))
    for clip, own in evidence.items():
        if clip == source:
            continue
        try:
            result = aligner.align_names(source, clip)
        except UserError as problem:
            own.refused[source] = problem
            continue
        same = own.judged[source] = result.same_movement
        if same is None or not same.refused:
            own.boundaries[source] = boundaries_along(ranges, result)


def _labels_of(
    project: StoredProject, clip: str, own: _Evidence, ranges: Mapping[str, Sequence[PhaseRange]]
) -> ClipLabels | None:
    """Return the labels of a clip, None if no labelled clip may vote. ranges: of labelled clips."""
    if not own.boundaries:
        return None
    pose, same = project.read_pose(clip)[0], most_probable(own.judged.values())
    boundaries = vote(list(own.boundaries.values()), len(pose))
    present = [phase.name for phase, _ in with_ends(pose, boundaries)]
    orders = [[each.phase for each in ranges[source]] for source in own.boundaries]
    names = dict.fromkeys(name for order in orders for name in order)
    left_out = tuple(name for name in names if name not in present)
    inner = [each for each in boundaries if (each.before or each.after) and not each.cut]
    sure = [each.confidence for each in inner]
    reasons = []
    if same is not None and same.doubted:
        doubt = "it may not show the movement of the labelled clips"
        reasons.append(f"{doubt}{_probability(same)}")
    usual = [name for name in left_out if 2 * sum(name in o for o in orders) >= len(orders)]
    if usual and present and not sure:
        reasons.append(f"one phase, '{present[0]}', over the whole clip")
    missing = [name for name in usual if any(_is_between(name, present, o) for o in orders)]
    reasons += [f"'{name}' is missing" for name in missing]
    if sure and (mean := float(np.mean(sure))) < LEAST_CONFIDENCE:
        reasons.append(
            f"its boundaries have a mean confidence of {mean:.2f}, below {LEAST_CONFIDENCE:g}"
        )
    return ClipLabels(
        clip, pose, tuple(boundaries), tuple(own.boundaries), left_out, "; ".join(reasons)
    )


def _is_between(name: str, present: Collection[str], order: Sequence[str]) -> bool:
    """Return whether phases before and after `name` in a labelled clip's order are present.

    A clip that begins later or ends earlier lacks phases at its ends, and the others are right.
    """
    if name not in order:
        return False
    at = order.index(name)
    return any(n in present for n in order[:at]) and any(n in present for n in order[at + 1 :])


def _item(
    project: StoredProject, clip: str, labels: ClipLabels | None, same: SameMovement | None
) -> ItemResult:
    """Return the result for a clip. labels: None if no labelled clip may vote. same: the most
    probable judgement."""
    if labels is None and same is None:
        message = "it is the only labelled clip, and clips do not vote on their own labels"
        status, code, hint = "failed", "L002", "label another clip"
    elif labels is None:
        message = f"it does not show the movement of the labelled clips{_probability(same)}"
        hint = "label it by hand, or name labelled clips of the same movement with --from"
        status, code = "failed", "L005"
    elif not labels.phases:
        hint = "check with la2ds align that it shows the same movement"
        status, code, message = "failed", "L002", "no phase has a counterpart in it"
    elif labels.withheld:
        hint = "check it with la2ds align, and label it by hand"
        status, code, message = "skipped", "L004", f"not for phases.csv: {labels.withheld}"
    elif labels.left_out:
        message = f"left out {', '.join(labels.left_out)}"
        status, code, hint = "degraded", "L001", ""
    else:
        status, code, message, hint = "ok", "", "", ""
    frames = len(labels.pose) if labels else 0
    return ItemResult(project.clip(clip).path, clip, status, frames, code, message, hint)


def _probability(same: SameMovement | None) -> str:
    return f" (probability {same.probability:.2f})" if same else ""


def _refused(project: StoredProject, name: str, problem: UserError) -> ItemResult:
    """Return the item of a clip that cannot be used, or of a file that did not become a clip."""
    clip = None
    with suppress(UserError):  # `problem` already reports it
        clip, _ = find_clip(project, name)
    path, video = (clip.path, clip.id) if clip else (name, "")
    return error_row(path, problem, video, "L003")


# --- choosing the clips of `transfer-labels` ---------------------------------------------------


def choose_sources(project: StoredProject, names: Sequence[str]) -> dict[str, list[Phase]]:
    """Return the phases set by people, by clip, of the clips `names`, or of all (LABELLED).

    Raises UserError if phases.csv has none (exit 4), for a name that is not a clip (exit 3), and
    for a clip without labels or with overlapping labels (exit 5).
    """
    phases = project.phases()
    if not phases:
        only = "; propagated phases do not count" if project.phases(propagated=True) else ""
        raise Unusable(
            f"no clip of the project has phases set by a person in phases.csv{only}",
            hint="label one clip there: video,start,end,phase (frame numbers, end exclusive)",
        )
    chosen: dict[str, list[Phase]] = {}
    for name in names:
        ids = [video.id for video in project.videos() if video.id in phases]
        if name != LABELLED:
            ids = [clip_named(project, name).id]
        for clip in ids:
            if clip not in phases:
                raise Mismatch(
                    f"'{name}' has no phases set by a person in phases.csv",
                    hint=f"labelled clips: {', '.join(sorted(phases)[:5])}",
                )
            try:
                in_time_order(phases[clip])
            except ValueError as problem:
                raise overlap_error(clip, problem) from problem
            chosen[clip] = phases[clip]
    return chosen


def choose_targets(
    project: StoredProject, names: Sequence[str], without: Collection[str]
) -> list[str]:
    """Return the clips to label: ids, or the names of clips that are not (yet) in the project; for
    ALL, all clips except those of `without`."""
    targets: list[str] = []
    for name in names:
        if name == ALL:
            targets += [video.id for video in project.videos() if video.id not in without]
        else:
            video, _ = find_clip(project, name)
            targets.append(video.id if video else name)
    return list(dict.fromkeys(targets))
