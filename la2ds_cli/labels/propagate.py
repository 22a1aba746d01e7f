"""Step: phases labelled on some clips, propagated to others along their alignments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.same_movement import Sameness
from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import (
    ORIGIN_CLIPS,
    ORIGIN_CONFIDENCE,
    ORIGIN_TIME,
    PhaseRow,
    PhaseTable,
)
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import PROJECT_FILE, Project
from la2ds_cli.core.view import View
from la2ds_cli.labels.clip_labels import (
    ClipLabels,
    boundaries_csv,
    boundary_rows,
    clip_labels,
)
from la2ds_cli.labels.inputs import (
    PropagationInputs,
    choose_sources,
    choose_targets,
    labelled_clips,
    load_inputs,
)
from la2ds_cli.labels.vote import PhaseKey, vote

LEAST_CONFIDENCE = 0.2
"""Mean confidence of a clip's boundaries below which its labels are withheld from phases.csv.

Measured on Penn Action, one and three labelled clips, raw poses: phases of golf swings and squats
propagated to clips of the same action (36 labellings, 0.21 to 0.68) and to clips of the other (36,
0.06 to 0.30). None of the former is below it, and 86 % of the latter.
"""


@dataclass(frozen=True)
class MergeResult:
    """What happened to the phases of clips, by id.

    written: the propagated ones are now in phases.csv.
    unchanged: they were set by a person, or propagated before.
    replaced: of those written, earlier propagated ones were replaced.
    withheld: the propagated ones are degenerate.
    backup: the old phases.csv, None if it did not change or is new.
    """

    written: list[str]
    unchanged: list[str]
    replaced: list[str]
    withheld: list[str]
    backup: Path | None

    def to_json(self) -> dict[str, Any]:
        return {
            "written": self.written,
            "kept": self.unchanged,
            "replaced": self.replaced,
            "withheld": self.withheld,
            "backup": self.backup and str(self.backup),
        }


@dataclass(frozen=True)
class PropagationResult:
    """sources: ids of the labelled clips that were used. items: result for each clip, in order;
    labelled clips only if they could not be used. clips: their new labels, by id. withheld: id ->
    why the labels are not fit for phases.csv. features, run, reason: as of an alignment.
    references: how many reference clips the consensus has. views: in which the clips were compared,
    by id. files: written, in order. merged: into phases.csv, None = not requested."""

    sources: tuple[str, ...]
    items: tuple[ItemResult, ...]
    clips: dict[str, ClipLabels]
    withheld: dict[str, str]
    features: str
    run: str
    reason: str
    references: int
    views: dict[str, View]
    files: tuple[Path, ...] = ()
    merged: MergeResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything but the frames, as JSON."""
        return {
            "sources": list(self.sources),
            "features": self.features,
            "run": self.run if self.features == "model" else None,
            "reason": self.reason,
            "others": self.references,
            "views": self.views,
            "items": [item.to_json() for item in self.items],
            "clips": [
                _clip_json(clip) | {"withheld": self.withheld.get(clip.video)}
                for clip in self.clips.values()
            ],
            "files": [str(file) for file in self.files],
            "merged": self.merged and self.merged.to_json(),
        }


def _clip_json(clip: ClipLabels) -> dict[str, Any]:
    return {
        "video": clip.video,
        "phases": [
            {"start": phase.start, "end": phase.end, "phase": phase.name} for phase in clip.phases
        ],
        "boundaries": boundary_rows(clip),
        "left_out": clip.left_out,
    }


def propagate_labels(
    project: Project,
    sources: Sequence[str],
    targets: Sequence[str],
    request: AlignRequest,
    *,
    write: bool = False,
    overwrite: bool = False,
    out: Path | None = None,
    progress: Progress | None = None,
) -> PropagationResult:
    """Propagate the phases of `sources` to `targets`; no clip votes on its own labels.

    sources, targets: see inputs.choose_sources and choose_targets; a source is a target only if it
        is named as one, not as part of a group.
    write: also into the project's phases.csv. Labels set by people are always kept, earlier
        propagated labels unless `overwrite`, and degenerate ones (see _why_withheld) are withheld.
    out: folder of phases.csv and boundaries.csv; None = results/transfer. Nothing is written if no
        clip got a phase.

    A clip that cannot be used is an item of the result.

    Raises UserError if there is no labelled clip, or with `overwrite` none but labelled ones to
    write to (exit 4), for a source without labels or with overlapping ones (exit 5), an unknown one
    (exit 3), an unknown method or a project as `out` (exit 2), and a run without a model (exit 4).
    """
    progress = progress or Progress()
    folder = out or project.results_dir("transfer")
    if (folder / PROJECT_FILE).exists():
        raise UserError(
            f"{folder} is a project, and its phases.csv has labels set by people",
            hint="--write adds the propagated phases to those of --project",
        )
    phases = labelled_clips(project)
    source_ids = choose_sources(project, sources, phases)
    target_ids = choose_targets(project, targets, phases, without=source_ids)
    if write and overwrite and target_ids and all(clip in phases for clip in target_ids):
        raise UserError(
            "all clips of --to have labels set by people, which propagated ones never replace",
            hint="to label a clip anew, delete its rows from phases.csv first",
            exit_code=ExitCode.UNUSABLE,
        )
    inputs = load_inputs(project, source_ids, target_ids, phases, request, progress)
    items = list(inputs.problems)
    clips: dict[str, ClipLabels] = {}
    voters: dict[str, list[str]] = {}
    withheld: dict[str, str] = {}
    progress.begin("propagating phases", len(inputs.targets))
    for clip in inputs.targets:
        voting, same = inputs.voters(clip)
        labels = _labels_of(inputs, clip, voting)
        why = _why_withheld(inputs, labels, voting, same) if labels and labels.rows else ""
        if labels is None:
            items.append(_refused(inputs, clip, same))
        else:
            items.append(_item(inputs, clip, labels, why, write=write))
            if labels.rows:
                clips[clip], voters[clip] = labels, voting
        if why:
            withheld[clip] = why
        if clip not in inputs.spans:
            inputs.alignments.forget(clip)
        progress.advance()
    progress.end()
    features = inputs.alignments.features
    result = PropagationResult(
        tuple(inputs.spans),
        tuple(items),
        clips,
        withheld,
        features.kind,
        request.run,
        inputs.reason,
        len(inputs.alignments.references),
        dict(sorted(features.views.items())),
    )
    if not clips:  # as by a mistyped clip: the tables of another time stay
        return result
    rows = _rows(voters, clips)
    result = replace(result, files=_write_tables(list(clips.values()), rows, folder))
    if not write:
        return result
    merged = merge_into_project(project, rows, withheld, overwrite=overwrite)
    return replace(result, files=(*result.files, project.phases_path), merged=merged)


def _labels_of(inputs: PropagationInputs, clip: str, voting: Sequence[str]) -> ClipLabels | None:
    """None if no labelled clip may vote."""
    if not voting:
        return None
    pose = inputs.poses[clip]
    propagated = [inputs.propagated(source, clip) for source in voting]
    return clip_labels(clip, pose, vote(propagated, len(pose)))


def _why_withheld(
    inputs: PropagationInputs, labels: ClipLabels, voting: Sequence[str], same: Sameness | None
) -> str:
    """Why the labels of a clip are not fit for phases.csv, empty if they are: it may show another
    movement than all labelled clips, a phase that at least half of the voting clips have is missing
    between others, or all boundaries are with it, or they have a mean confidence below
    LEAST_CONFIDENCE. A clip that begins later or ends earlier lacks phases at its ends; the others
    are right. voting, same: see PropagationInputs.voters."""
    others = [[span.key for span in inputs.spans[source]] for source in voting]
    present = [phase.key for phase, _, _ in labels.rows]
    expected = [
        key for key in set().union(*others) if 2 * sum(key in o for o in others) >= len(others)
    ]
    missing = {key for key in expected if key not in present}
    confidence = [row["confidence"] for row in boundary_rows(labels) if not row["cut"]]
    (first, start, end), *more = labels.rows
    reasons = []
    if same is not None and same.doubted:
        reasons.append(
            "it may not show the movement of the labelled clips (probability "
            f"{same.probability:.2f})"
        )
    if missing and not more and (start, end) == (0, len(labels.pose)):
        reasons.append(f"one phase, '{first.key}', over the whole clip")
    elif confidence:
        missing = {key for key in missing if any(_is_between(key, present, o) for o in others)}
    for phase in sorted(map(str, missing)):
        why = labels.left_out.get(phase)
        reasons.append(f"'{phase}' is missing" + (f" ({why})" if why else ""))
    if confidence and (mean := float(np.mean(confidence))) < LEAST_CONFIDENCE:
        reasons.append(
            f"its boundaries have a mean confidence of {mean:.2f}, below {LEAST_CONFIDENCE:g}"
        )
    return "; ".join(reasons)


def _is_between(key: PhaseKey, present: Collection[PhaseKey], order: Sequence[PhaseKey]) -> bool:
    """Whether phases before and after `key` in a labelled clip are present."""
    if key not in order:
        return False
    at = order.index(key)
    return any(k in present for k in order[:at]) and any(k in present for k in order[at + 1 :])


def _refused(inputs: PropagationInputs, clip: str, same: Sameness | None) -> ItemResult:
    """The result for a clip on which no labelled clip may vote. same: of the likeliest."""
    path, frames = inputs.paths[clip], len(inputs.poses[clip])
    if same is None:
        message = "it is the only labelled clip, and clips do not vote on their own labels"
        return ItemResult(path, clip, "failed", frames, "L002", message, "label another clip")
    message = (
        f"it does not show the movement of the labelled clips (probability {same.probability:.2f})"
    )
    hint = "label it by hand, or name labelled clips of its movement with --from"
    return ItemResult(path, clip, "failed", frames, "L005", message, hint)


def _item(
    inputs: PropagationInputs, clip: str, labels: ClipLabels, why: str, *, write: bool
) -> ItemResult:
    """why: the labels are withheld from phases.csv."""
    path, frames = inputs.paths[clip], len(inputs.poses[clip])
    if not labels.rows:
        message = "no phase has a counterpart in it"
        hint = "check with la2ds align that it shows the same movement"
        return ItemResult(path, clip, "failed", frames, "L002", message, hint)
    if why:
        status = "skipped" if write else "degraded"
        hint = "look at it with la2ds align, and label it by hand"
        return ItemResult(path, clip, status, frames, "L004", f"not for phases.csv: {why}", hint)
    if labels.left_out:
        reasons = "; ".join(f"{phase}: {why}" for phase, why in labels.left_out.items())
        return ItemResult(path, clip, "degraded", frames, "L001", f"left out {reasons}")
    return ItemResult(path, clip, "ok", frames)


Rows = dict[str, list[PhaseRow]]
"""Rows of phases.csv by clip."""


def _rows(voters: Mapping[str, Sequence[str]], clips: Mapping[str, ClipLabels]) -> Rows:
    """The new labels with their origin: the labelled clips that voted, the current time, and the
    confidences of both ends."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = {}
    for clip, labels in clips.items():
        origin = {ORIGIN_CLIPS: " ".join(voters[clip]), ORIGIN_TIME: now}
        rows[clip] = [
            PhaseRow(
                clip,
                phase,
                origin | {ORIGIN_CONFIDENCE: " ".join(f"{end.confidence:.4f}" for end in ends)},
            )
            for phase, ends in zip(
                labels.phases, [(p.start, p.end) for p, _, _ in labels.rows], strict=True
            )
        ]
    return rows


def _write_tables(clips: Sequence[ClipLabels], rows: Rows, folder: Path) -> tuple[Path, ...]:
    files = {
        "phases.csv": PhaseTable(tuple(row for of in rows.values() for row in of)).text(),
        "boundaries.csv": boundaries_csv(clips),
    }
    for name, text in files.items():
        artifact.write_text(folder / name, text)
    return tuple(folder / name for name in files)


def merge_into_project(
    project: Project, propagated: Rows, withheld: Mapping[str, str], *, overwrite: bool
) -> MergeResult:
    """Write the propagated rows of clips that are not `withheld` into phases.csv.

    The labels of a clip are kept if a person has set or checked one of them; earlier propagated
    labels are kept unless `overwrite`. A copy of the old file is saved. Raises UserError (exit 5)
    if another command keeps writing a table, or phases.csv cannot be read.
    """
    with project.tables():
        old = project.clip_phases()
        labelled = old.by_clip
        fit = [clip for clip in propagated if clip not in withheld]
        unchanged = [
            clip
            for clip in fit
            if any(row.checked or not overwrite for row in labelled.get(clip, ()))
        ]
        written = {clip: propagated[clip] for clip in fit if clip not in unchanged}
        backup = project.write_phase_table(old.replaced(written)) if written else None
    replaced = [clip for clip in written if clip in labelled]
    return MergeResult(list(written), unchanged, replaced, list(withheld), backup)
