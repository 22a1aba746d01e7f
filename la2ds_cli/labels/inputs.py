"""What label propagation needs: the labelled clips, the clips to label, and their alignments."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.consensus import choose_references
from la2ds_cli.alignment.methods import get_method
from la2ds_cli.alignment.pair import check_skeletons
from la2ds_cli.alignment.request import (
    AlignRequest,
    choose_features,
    wants_3d,
)
from la2ds_cli.alignment.same_movement import Sameness, likeliest
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.evaluation.phase_labels import overlap_error
from la2ds_cli.features.spatial import known_in_3d
from la2ds_cli.labels.pairs import PairAlignments, compute_features
from la2ds_cli.labels.vote import Correspondence, Span, labelled_spans

ALL, LABELLED = "all", "labelled"
"""Names for several clips: all in videos.csv, and those labelled by people."""


@dataclass(frozen=True)
class PropagationInputs:
    """spans: phases of each labelled clip, in rows. targets: ids of the clips to label. poses: of
    all of them. paths: id -> source file. alignments: between any two of them. problems: clips that
    cannot be used. reason: why the base model or raw poses are used."""

    spans: dict[str, list[Span]]
    targets: list[str]
    poses: dict[str, PoseSequence]
    paths: dict[str, str]
    alignments: PairAlignments
    problems: list[ItemResult]
    reason: str

    def voters(self, clip: str) -> tuple[list[str], Sameness | None]:
        """The other labelled clips that may vote on the phases of a clip, which are those that do
        not clearly show another movement, and how sure it is that the likeliest of all labelled
        clips shows the same one."""
        judged = {
            source: self.alignments.sameness(source, clip)
            for source in self.spans
            if source != clip
        }
        voting = [source for source, same in judged.items() if same is None or not same.refused]
        return voting, likeliest(judged.values())

    def voter(self, source: str, target: str) -> tuple[list[Span], Correspondence]:
        """The phases of one labelled clip, and its alignment with another clip."""
        return self.spans[source], self.alignments.correspondence(source, target)


def load_inputs(
    project: Project,
    sources: Sequence[str],
    targets: Sequence[str],
    phases: Mapping[str, Sequence[Phase]],
    request: AlignRequest,
    progress: Progress,
) -> PropagationInputs:
    """Poses and features of the clips. sources: ids with `phases`; targets: ids, or files that are
    new to the project, whose poses are then extracted.

    Raises UserError if no labelled clip can be used (exit 4), for overlapping phases (exit 5), an
    unknown method (exit 2) and a run without weights (exit 4).
    """
    settings = request.settings
    get_method(settings.method)
    choice = choose_features(project, request.run, request.features)
    clips = _Clips(project, request, progress)
    spans = _read_spans(clips, sources, phases)
    targets = list(dict.fromkeys(id for name in targets if (id := clips.resolve(name))))
    references = _read_references(project, clips, request)
    poses = {clip: clips.poses[clip] for clip in dict.fromkeys([*spans, *targets, *references])}
    spatial = wants_3d(project, request, choice.kind) and all(map(known_in_3d, poses.values()))
    choice = choice.on(next(iter(poses.values())).skeleton, spatial=spatial)
    if choice.reason:
        progress.note(choice.reason)
    request = replace(request, run=choice.run(request.run))
    features = compute_features(project, poses, choice.kind, request, progress)
    for clip in dict.fromkeys([*spans, *targets]):
        if clip in features.problems:
            clips.refuse(clip, features.problems[clip])
    return PropagationInputs(
        {clip: rows for clip, rows in spans.items() if clip in features.features},
        [clip for clip in targets if clip in features.features],
        clips.poses,
        clips.paths,
        PairAlignments(features, references, settings),
        clips.problems,
        choice.reason,
    )


def _read_spans(
    clips: _Clips, sources: Sequence[str], phases: Mapping[str, Sequence[Phase]]
) -> dict[str, list[Span]]:
    spans: dict[str, list[Span]] = {}
    usable = [clip for clip in sources if clips.read(clip)]
    for clip in usable:
        try:
            spans[clip] = labelled_spans(clips.poses[clip].frame, phases[clip])
        except ValueError as problem:
            raise overlap_error(clip, problem) from problem
    for clip in [clip for clip in usable if not spans[clip]]:
        clips.refuse(clip, UserError("its phases are outside its frames"))
        del spans[clip]
    if not spans:
        first = clips.problems[0]
        raise UserError(
            f"no labelled clip can be used; {first.video}: {first.message}",
            hint=first.hint,
            exit_code=ExitCode.UNUSABLE,
        )
    return spans


def _read_references(project: Project, clips: _Clips, request: AlignRequest) -> list[str]:
    """Ids of reference clips with readable poses; none if the method uses none."""
    from la2ds_cli.training.data import training_videos

    if not request.settings.uses_references:
        return []
    ids = sorted(video.id for video in training_videos(project))
    chosen = choose_references(ids, request.settings)
    return [clip for clip in chosen if clips.read(clip, quietly=True)]


class _Clips:
    """Poses of clips that can be compared with the first clip read; others become items."""

    def __init__(self, project: Project, request: AlignRequest, progress: Progress) -> None:
        self.poses: dict[str, PoseSequence] = {}
        self.problems: list[ItemResult] = []
        self.paths = {video.id: video.path for video in project.videos()}
        self._project = project
        self._request = request
        self._progress = progress
        self._first = ""
        self._refused: set[str] = set()

    def resolve(self, name: str) -> str:
        """Id of a clip whose poses are in `poses`, extracted first for a file that is new to the
        project; empty if that is not possible."""
        from la2ds_cli.poses.extract import ensure_pose

        if name in self.paths:
            return name if self.read(name) else ""
        try:
            poses, device = self._request.config.poses, self._request.device
            clip = ensure_pose(self._project, name, poses, device, self._progress)
        except UserError as problem:
            self.refuse(name, problem)
            return ""
        self.paths[clip] = name
        return clip if self.read(clip) else ""

    def read(self, clip: str, *, quietly: bool = False) -> bool:
        """Whether a clip can be used. quietly: without an item if it cannot."""
        if clip in self.poses:
            return True
        if clip in self._refused:
            return False
        try:
            pose = self._project.read_pose(clip)[0]
            self._check(clip, pose)
        except UserError as problem:
            if not quietly:
                self.refuse(clip, problem)
            return False
        self._first = self._first or clip
        self.poses[clip] = pose
        return True

    def _check(self, clip: str, pose: PoseSequence) -> None:
        if self._first:
            check_skeletons(self.poses[self._first], pose, (self._first, clip))
        if np.isnan(pose.xy).all():
            raise UserError(
                "no joint was seen in it",
                hint="look at it with la2ds extract-poses --overlay sheet.png",
                exit_code=ExitCode.UNUSABLE,
            )

    def refuse(self, clip: str, problem: UserError) -> None:
        """Note that a clip cannot be used."""
        self._refused.add(clip)
        self.poses.pop(clip, None)
        self.problems.append(
            ItemResult(
                self.paths.get(clip, clip),
                clip if clip in self.paths else "",
                "failed",
                code=problem.code or "L003",
                message=problem.message,
                hint=problem.hint,
            )
        )


# --- which clips `transfer-labels` reads labels from, and which it labels ----------------------


def labelled_clips(project: Project) -> dict[str, list[Phase]]:
    """The phases set by people, by clip. Raises UserError (exit 4) if phases.csv has none."""
    phases = project.phases()
    if phases:
        return phases
    only = "; propagated phases do not count" if project.phases(propagated=True) else ""
    raise UserError(
        f"no clip of the project has phases set by a person in phases.csv{only}",
        hint="label one clip there: video,start,end,phase (frame numbers, end exclusive)",
        exit_code=ExitCode.UNUSABLE,
    )


def choose_sources(
    project: Project, names: Sequence[str], phases: Mapping[str, Sequence[Phase]]
) -> list[str]:
    """Ids of the labelled clips named by `names`: clips, lists of them with commas, LABELLED or
    ALL. Raises UserError: exit 3 for a name that is not a clip, 5 for a clip without labels."""
    ids: list[str] = []
    for name in _split(project, names):
        if name in (ALL, LABELLED):
            ids += [video.id for video in project.videos() if video.id in phases]
            continue
        video = project.clip(name)
        if video.id not in phases:
            raise UserError(
                f"'{name}' has no phases set by a person in phases.csv",
                hint=f"labelled clips: {_some(phases)}",
                exit_code=ExitCode.MISMATCH,
            )
        ids.append(video.id)
    return list(dict.fromkeys(ids))


def choose_targets(
    project: Project,
    names: Sequence[str],
    phases: Mapping[str, Sequence[Phase]],
    *,
    without: Collection[str] = (),
) -> list[str]:
    """Clips to label: ids, or unchanged names if they are not (yet) in the project. without: ids
    that are left out of LABELLED and ALL."""
    targets: list[str] = []
    for name in _split(project, names):
        if name in (ALL, LABELLED):
            group = [v.id for v in project.videos() if name == ALL or v.id in phases]
            targets += [clip for clip in group if clip not in without]
        else:
            video = project.find(name)
            targets.append(video.id if video else name)
    return list(dict.fromkeys(targets))


def _split(project: Project, names: Sequence[str]) -> list[str]:
    """Single names; a name with a comma is not split if a clip or a file has that name."""
    parts: list[str] = []
    for name in names:
        # Path.is_file would raise for a list that is too long for a file name.
        single = "," not in name or project.find(name) or os.path.isfile(name)  # noqa: PTH113
        parts += [name] if single else [part.strip() for part in name.split(",")]
    return [part for part in parts if part]


def _some(ids: Mapping[str, object]) -> str:
    shown = sorted(ids)
    return ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")
