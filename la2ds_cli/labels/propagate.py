"""Step: phases labelled on some clips, propagated to others along their alignments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.csv_tables import phases_text, read_phases
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import PROJECT_FILE, Project
from la2ds_cli.core.types import Phase
from la2ds_cli.labels.clip_labels import (
    ClipLabels,
    boundaries_csv,
    boundary_rows,
    clip_labels,
    frames_csv,
)
from la2ds_cli.labels.inputs import (
    PropagationInputs,
    choose_sources,
    choose_targets,
    labelled_clips,
    load_inputs,
)
from la2ds_cli.labels.vote import vote

BACKUP = "phases-before.csv"
"""In results/transfer: phases.csv as it was before labels by people were replaced."""


@dataclass(frozen=True)
class MergeResult:
    """Ids of clips. written: those whose propagated phases are now in phases.csv. unchanged: those
    whose labels by a person stayed. replaced: those whose labels by a person were replaced."""

    written: list[str]
    unchanged: list[str]
    replaced: list[str]


@dataclass(frozen=True)
class PropagationResult:
    """sources: ids of the labelled clips that were used. items: outcome for each clip, in order;
    labelled clips only where they could not be used. clips: their new labels, by id. features,
    run, reason: as of an alignment. references: how many reference clips the consensus has.
    mirrored: clips compared as their mirror image. files: written, in order. merged: into
    phases.csv, None = not asked for."""

    sources: tuple[str, ...]
    items: tuple[ItemResult, ...]
    clips: dict[str, ClipLabels]
    features: str
    run: str
    reason: str
    references: int
    mirrored: tuple[str, ...]
    files: tuple[Path, ...] = ()
    merged: MergeResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything but the frames, as JSON."""
        merged = self.merged and {
            "written": self.merged.written,
            "kept": self.merged.unchanged,
            "replaced": self.merged.replaced,
        }
        return {
            "sources": list(self.sources),
            "features": self.features,
            "run": self.run if self.features == "model" else None,
            "reason": self.reason,
            "others": self.references,
            "mirrored": list(self.mirrored),
            "items": [item.to_json() for item in self.items],
            "clips": [_clip_json(clip) for clip in self.clips.values()],
            "files": [str(file) for file in self.files],
            "merged": merged,
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

    sources, targets: see inputs.choose_sources and choose_targets; a source is a target only where
    it is named as one, not as one of a group. Writes phases.csv, boundaries.csv and frames.csv into
    `out` (results/transfer), and with `write` also into the project's phases.csv, where labels by a
    person stay unless `overwrite`. Nothing is written if no clip got a phase. A clip that cannot be
    used is an item of the result.

    Raises UserError if there is no labelled clip (exit 4), for a source without labels or with
    overlapping ones (exit 5), an unknown one (exit 3), an unknown method or a project as `out`
    (exit 2), and a run without a model (exit 4).
    """
    progress = progress or Progress()
    folder = out or project.results_dir("transfer")
    if (folder / PROJECT_FILE).exists():
        raise UserError(
            f"{folder} is a project, whose phases.csv holds labels by people",
            hint="--write adds the propagated phases to those of --project",
        )
    phases = labelled_clips(project)
    source_ids = choose_sources(project, sources, phases)
    target_ids = choose_targets(project, targets, phases, without=source_ids)
    inputs = load_inputs(project, source_ids, target_ids, phases, request, progress)
    items = list(inputs.problems)
    clips: dict[str, ClipLabels] = {}
    progress.begin("propagating phases", len(inputs.targets))
    for clip in inputs.targets:
        labels = _labels_of(inputs, clip)
        items.append(_item(inputs, clip, labels))
        if labels is not None and labels.rows:
            clips[clip] = labels
        if clip not in inputs.spans:
            inputs.alignments.forget(clip)
        progress.advance()
    progress.end()
    features = inputs.alignments.features
    result = PropagationResult(
        tuple(inputs.spans),
        tuple(items),
        clips,
        features.kind,
        request.run,
        inputs.reason,
        len(inputs.alignments.references),
        tuple(sorted(features.mirrored)),
    )
    if not clips:  # as by a mistyped clip: the tables of another time stay
        return result
    result = replace(result, files=_write_tables(list(clips.values()), folder))
    if not write:
        return result
    merged = merge_into_project(
        project,
        {clip.video: clip.phases for clip in clips.values()},
        overwrite=overwrite,
        never=result.sources,
    )
    return replace(result, files=(*result.files, project.phases_path), merged=merged)


def _labels_of(inputs: PropagationInputs, clip: str) -> ClipLabels | None:
    """None if the clip is the only labelled one."""
    others = [source for source in inputs.spans if source != clip]
    if not others:
        return None
    pose = inputs.poses[clip]
    propagated = [inputs.propagated(source, clip) for source in others]
    return clip_labels(clip, pose, vote(propagated, len(pose)))


def _item(inputs: PropagationInputs, clip: str, labels: ClipLabels | None) -> ItemResult:
    path, frames = inputs.paths[clip], len(inputs.poses[clip])
    if labels is None:
        message = "it is the only labelled clip, and no clip votes on its own labels"
        return ItemResult(path, clip, "failed", frames, "L002", message, "label another clip")
    if not labels.rows:
        message = "no phase has a counterpart in it"
        hint = "is it the same movement? look at it with la2ds align"
        return ItemResult(path, clip, "failed", frames, "L002", message, hint)
    if labels.left_out:
        reasons = "; ".join(f"{phase}: {why}" for phase, why in labels.left_out.items())
        return ItemResult(path, clip, "degraded", frames, "L001", f"left out {reasons}")
    return ItemResult(path, clip, "ok", frames)


def _write_tables(clips: Sequence[ClipLabels], folder: Path) -> tuple[Path, ...]:
    files = {
        "phases.csv": phases_text([(clip.video, phase) for clip in clips for phase in clip.phases]),
        "boundaries.csv": boundaries_csv(clips),
        "frames.csv": frames_csv(clips),
    }
    for name, text in files.items():
        artifact.write_text(folder / name, text)
    return tuple(folder / name for name in files)


def merge_into_project(
    project: Project,
    propagated: Mapping[str, Sequence[Phase]],
    *,
    overwrite: bool,
    never: Collection[str] = (),
) -> MergeResult:
    """Write propagated phases (id -> phases) into phases.csv, in place of earlier ones.

    Labels by a person stay, unless `overwrite`; those of the clips `never` stay in any case. With
    `overwrite` the file as it was is stored as BACKUP. Raises UserError (exit 5) if another command
    holds the project, or phases.csv cannot be read.
    """
    with project.lock():
        path = project.phases_path
        old = read_phases(path) if path.exists() else []
        videos = {name: project.find(name) for name in dict(old)}
        by_hand = set(project.phases())
        unchanged = [v for v in propagated if v in by_hand and (not overwrite or v in never)]
        written = [v for v in propagated if v not in unchanged and propagated[v]]
        replaced = [v for v in written if v in by_hand]
        if replaced:
            artifact.write_bytes(project.results_dir("transfer") / BACKUP, path.read_bytes())
        rows = [
            (name, phase)
            for name, phase in old
            if (video := videos[name]) is None or video.id not in written
        ]
        rows += [(video, phase) for video in written for phase in propagated[video]]
        artifact.write_text(path, phases_text(rows))
    return MergeResult(written, unchanged, replaced)
