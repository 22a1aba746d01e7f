"""Step: phases labelled on some clips, carried to others along their alignments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.csv_tables import phases_text
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import PROJECT_FILE, Project
from la2ds_cli.labels import labels as tables
from la2ds_cli.labels.clips import choose_sources, choose_targets, labelled_clips
from la2ds_cli.labels.labels import ClipLabels, clip_labels
from la2ds_cli.labels.material import Material, load_material
from la2ds_cli.labels.merge import Merged, merge_carried
from la2ds_cli.labels.vote import vote


@dataclass(frozen=True)
class TransferResult:
    """sources: ids of the labelled clips that were used. items: outcome for each clip, in order;
    labelled clips only where they could not be used. clips: what was carried, by id. features,
    run, reason: as of an alignment. others: clips that had a say. mirrored: clips compared as
    their mirror image. files: written, in order. merged: into phases.csv, None = not asked for."""

    sources: tuple[str, ...]
    items: tuple[ItemResult, ...]
    clips: dict[str, ClipLabels]
    features: str
    run: str
    reason: str
    others: int
    mirrored: tuple[str, ...]
    files: tuple[Path, ...] = ()
    merged: Merged | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything but the frames, as JSON."""
        return {
            "sources": list(self.sources),
            "features": self.features,
            "run": self.run if self.features == "model" else None,
            "reason": self.reason,
            "others": self.others,
            "mirrored": list(self.mirrored),
            "items": [item.to_json() for item in self.items],
            "clips": [_clip_json(clip) for clip in self.clips.values()],
            "files": [str(file) for file in self.files],
            "merged": asdict(self.merged) if self.merged else None,
        }


def _clip_json(clip: ClipLabels) -> dict[str, Any]:
    return {
        "video": clip.video,
        "phases": [
            {"start": phase.start, "end": phase.end, "phase": phase.name} for phase in clip.phases
        ],
        "boundaries": [tables.border_row(clip, border) for border in tables.borders(clip)],
        "left_out": clip.left_out,
    }


def transfer_labels(
    project: Project,
    sources: Sequence[str],
    targets: Sequence[str],
    request: AlignRequest,
    *,
    write: bool = False,
    overwrite: bool = False,
    out: Path | None = None,
    progress: Progress | None = None,
) -> TransferResult:
    """Carry the phases of `sources` to `targets`; a clip has no say about itself.

    sources, targets: see clips.choose_sources and choose_targets; a source is a target only where
    it is named as one, not as one of a group. Writes phases.csv, boundaries.csv and frames.csv into
    `out` (results/transfer), and with `write` into the project's phases.csv, too, where labels by a
    person stay unless `overwrite`. Where nothing was carried nothing is written. A clip that cannot
    be used is an item of the result.

    UserError: no labelled clip (exit 4), a source without labels or with overlapping ones (exit 5),
    an unknown one (exit 3), an unknown method or a project as `out` (exit 2), a run without a model
    (exit 4).
    """
    progress = progress or Progress()
    folder = out or project.results_dir("transfer")
    if (folder / PROJECT_FILE).exists():
        raise UserError(
            f"{folder} is a project, whose phases.csv holds labels by people",
            hint="--write adds the carried phases to those of --project",
        )
    phases = labelled_clips(project)
    chosen = choose_sources(project, sources, phases)
    wanted = choose_targets(project, targets, phases, without=chosen)
    material = load_material(project, chosen, wanted, phases, request, progress)
    items = list(material.problems)
    clips: dict[str, ClipLabels] = {}
    progress.begin("carrying phases", len(material.targets))
    for clip in material.targets:
        found = _carried_to(material, clip)
        items.append(_item(material, clip, found))
        if found is not None and found.rows:
            clips[clip] = found
        if clip not in material.spans:
            material.pairs.forget(clip)
        progress.advance()
    progress.end()
    result = TransferResult(
        tuple(material.spans),
        tuple(items),
        clips,
        material.pairs.kind,
        request.run,
        material.reason,
        len(material.pairs.others),
        tuple(sorted(material.mirrored)),
    )
    # Nothing carried, as by a mistyped clip: the tables of another time stay.
    return _write(project, result, folder, write, overwrite) if clips else result


def _carried_to(material: Material, clip: str) -> ClipLabels | None:
    """None where the clip is the only labelled one."""
    voters = [source for source in material.spans if source != clip]
    if not voters:
        return None
    pose = material.poses[clip]
    carried = [material.carried(source, clip) for source in voters]
    return clip_labels(clip, pose, vote(carried, len(pose)))


def _item(material: Material, clip: str, found: ClipLabels | None) -> ItemResult:
    path, frames = material.paths[clip], len(material.poses[clip])
    if found is None:
        message = "is the only labelled clip, and has no say about itself"
        return ItemResult(path, clip, "failed", frames, "L002", message, "label another clip")
    if not found.rows:
        message = "no phase has a counterpart in it"
        hint = "is it the same movement? look at it with la2ds align"
        return ItemResult(path, clip, "failed", frames, "L002", message, hint)
    if found.left_out:
        told = "; ".join(f"{phase}: {why}" for phase, why in found.left_out.items())
        return ItemResult(path, clip, "degraded", frames, "L001", f"left out {told}")
    return ItemResult(path, clip, "ok", frames)


def _write(
    project: Project, result: TransferResult, folder: Path, write: bool, overwrite: bool
) -> TransferResult:
    clips = list(result.clips.values())
    rows = [(clip.video, phase) for clip in clips for phase in clip.phases]
    files = {
        "phases.csv": phases_text(rows),
        "boundaries.csv": tables.boundaries_text(clips),
        "frames.csv": tables.frames_text(clips),
    }
    for name, text in files.items():
        artifact.write_text(folder / name, text)
    paths = tuple(folder / name for name in files)
    if not write:
        return replace(result, files=paths)
    merged = merge_carried(
        project,
        {clip.video: clip.phases for clip in clips},
        overwrite=overwrite,
        never=result.sources,
    )
    return replace(result, files=(*paths, project.phases_path), merged=merged)
