"""What carrying labels needs: the labelled clips, the clips to carry to, and their alignments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from la2ds_cli.alignment.consensus import choose_references
from la2ds_cli.alignment.methods import get_method
from la2ds_cli.alignment.request import AlignRequest, check_skeletons, choose_features
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.evaluation.phase_labels import overlap_error
from la2ds_cli.labels.carry import Carried, Span, carry, labelled_spans
from la2ds_cli.labels.pairs import Pairs, make_features


@dataclass(frozen=True)
class Material:
    """spans: phases of each labelled clip, in rows. targets: ids of the clips to carry to. poses:
    of all of them. paths: id -> source file. problems: clips that cannot be used. reason: why raw
    poses are used. mirrored: clips that are compared as their mirror image."""

    spans: dict[str, list[Span]]
    targets: list[str]
    poses: dict[str, PoseSequence]
    paths: dict[str, str]
    pairs: Pairs
    problems: list[ItemResult]
    reason: str
    mirrored: frozenset[str]

    def carried(self, source: str, target: str) -> Carried:
        """The phases of one labelled clip in another clip."""
        return carry(self.spans[source], self.pairs.find(source, target))


def load_material(
    project: Project,
    sources: Sequence[str],
    targets: Sequence[str],
    phases: Mapping[str, Sequence[Phase]],
    request: AlignRequest,
    progress: Progress,
) -> Material:
    """Poses and features of the clips. sources: ids with `phases`; targets: ids, or files that are
    new to the project, whose poses are made.

    UserError: no labelled clip can be used (exit 4), overlapping phases (exit 5), an unknown method
    (exit 2), a run without weights (exit 4).
    """
    from la2ds_cli.training.data import training_videos

    align = request.settings
    get_method(align.method)
    choice = choose_features(project, request.run, request.features)
    for note in (choice.warning, choice.reason):
        if note:
            progress.note(note)
    clips = _Clips(project, request, progress)
    usable = [clip for clip in sources if clips.read(clip)]
    spans = {clip: _spans(clip, clips.poses[clip], phases[clip]) for clip in usable}
    for clip in [clip for clip in usable if not spans[clip]]:
        clips.refuse(clip, UserError("its phases lie outside of its frames"))
        del spans[clip]
    if not spans:
        first = clips.problems[0]
        raise UserError(
            f"no labelled clip can be used; {first.video}: {first.message}",
            hint=first.hint,
            exit_code=ExitCode.UNUSABLE,
        )
    targets = list(dict.fromkeys(id for name in targets if (id := clips.find(name))))
    others = []
    if align.uses_references:
        others = choose_references(sorted(v.id for v in training_videos(project)), align)
        others = [clip for clip in others if clips.read(clip, quietly=True)]
    made = make_features(
        project,
        {clip: clips.poses[clip] for clip in dict.fromkeys([*spans, *targets, *others])},
        next(iter(spans)),
        kind=choice.kind,
        run=request.run,
        settings=align,
        device=request.device,
        progress=progress,
    )
    for clip in dict.fromkeys([*spans, *targets]):
        if clip in made.problems:
            clips.refuse(clip, made.problems[clip])
    return Material(
        {clip: rows for clip, rows in spans.items() if clip in made.kinds},
        [clip for clip in targets if clip in made.kinds],
        clips.poses,
        clips.paths,
        Pairs(made, others, align, choice.kind),
        clips.problems,
        choice.reason,
        made.mirrored,
    )


def _spans(clip: str, pose: PoseSequence, phases: Sequence[Phase]) -> list[Span]:
    try:
        return labelled_spans(pose.frame, phases)
    except ValueError as problem:
        raise overlap_error(clip, problem) from problem


class _Clips:
    """Poses of clips that can be compared with the first that was read; others become items."""

    def __init__(self, project: Project, request: AlignRequest, progress: Progress) -> None:
        self.poses: dict[str, PoseSequence] = {}
        self.problems: list[ItemResult] = []
        self.paths = {video.id: video.path for video in project.videos()}
        self._project = project
        self._request = request
        self._progress = progress
        self._first = ""
        self._refused: set[str] = set()

    def find(self, name: str) -> str:
        """Id of a clip whose poses are in `poses`, made first for a file that is new to the
        project; empty where that is not possible."""
        from la2ds_cli.poses.extract import ensure_pose

        if name in self.paths:
            return name if self.read(name) else ""
        try:
            wanted = self._request.config.poses
            clip = ensure_pose(self._project, name, wanted, self._request.device, self._progress)
        except UserError as problem:
            self.refuse(name, problem)
            return ""
        self.paths[clip] = name
        return clip if self.read(clip) else ""

    def read(self, clip: str, *, quietly: bool = False) -> bool:
        """Whether a clip can be used. quietly: without an item where it cannot."""
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
