"""Which clips are fitted on and which are scored, and that they are not the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import IntArray, Phase, PoseSequence
from la2ds_cli.evaluation.phase_labels import (
    NO_PHASE,
    frame_phases,
    overlap_error,
    phase_order,
)
from la2ds_cli.evaluation.phase_metrics import Labels
from la2ds_cli.evaluation.protocol import Protocol


@dataclass(frozen=True)
class Selection:
    """test: poses of the clips that are scored, by video id, sorted by id. fit: poses of the clips
    that have another split, in the order of videos.csv. split: `all` when no clip is marked test;
    then `fit` is empty."""

    test: dict[str, PoseSequence]
    fit: dict[str, PoseSequence]
    split: Literal["test", "all"]


def select_clips(project: Project, config: Config, warnings: list[str]) -> Selection:
    """The clips of split `test`, or all of them, and those that training uses.

    UserError: fewer than two test clips (exit 4); clips of different skeletons, or a source that
    is in both splits (exit 5).
    """
    from la2ds_cli.training.data import training_videos

    videos = [v for v in project.videos() if project.pose_path(v.id).exists()]
    without = len(project.videos()) - len(videos)
    if without:
        warnings.append(f"videos without poses, left out: {without}")
    test = [v for v in videos if v.split == "test"]
    fit = training_videos(project) if test else []
    check_disjoint(project, fit, test)
    scored = _long_enough(project, sorted(test or videos, key=lambda v: v.id), config, warnings)
    _check(scored)
    fitted = _long_enough(project, fit, config, warnings)
    _check_skeletons(scored | fitted)
    if not test:
        warnings.append(
            "no clip is marked split=test in videos.csv: all clips were used, and a model trained "
            "in this project has seen them"
        )
    return Selection(scored, fitted, "test" if test else "all")


def check_disjoint(project: Project, fit: Sequence[Video], test: Sequence[Video]) -> None:
    """UserError (exit 5) when a training clip and a test clip come from one source."""
    twins = find_twins(project, fit, test)
    if twins:
        raise UserError(
            f"test clip {twins[1].id} and training clip {twins[0].id} come from the same video",
            hint="give both the same split in videos.csv, then train again: scores on clips "
            "that were trained on say nothing",
            exit_code=ExitCode.MISMATCH,
        )


def find_twins(
    project: Project, fit: Sequence[Video], test: Sequence[Video]
) -> tuple[Video, Video] | None:
    """The first clip of `test` that has the source of a clip of `fit`, behind that clip: the same
    file, equal copies of it (sha256), two people or two spans of it."""
    sources: dict[object, Video] = {}
    for video in fit:
        sources[project.source(video)] = sources[video.sha256] = video
    for video in test:
        twin = sources.get(project.source(video)) or sources.get(video.sha256)
        if twin is not None:
            return twin, video
    return None


def _long_enough(
    project: Project, videos: Sequence[Video], config: Config, warnings: list[str]
) -> dict[str, PoseSequence]:
    poses = {v.id: project.read_pose(v.id)[0] for v in videos}
    short = [v for v, pose in poses.items() if len(pose) < config.poses.min_frames]
    if short:
        warnings.append(
            f"clips of fewer than {config.poses.min_frames} frames, left out: {len(short)}"
        )
    return {v: pose for v, pose in poses.items() if v not in short}


def _check(poses: Mapping[str, PoseSequence]) -> None:
    if len(poses) < 2:
        raise UserError(
            f"evaluation needs at least 2 clips with poses, found {len(poses)}",
            hint="extract the poses of more clips, or mark more clips as split=test in videos.csv",
            exit_code=ExitCode.UNUSABLE,
        )


def _check_skeletons(poses: Mapping[str, PoseSequence]) -> None:
    skeletons = {pose.skeleton: video for video, pose in poses.items()}
    if len(skeletons) > 1:
        shown = ", ".join(f"{video} ({name})" for name, video in sorted(skeletons.items()))
        raise UserError(
            f"the clips have different skeletons: {shown}",
            hint="evaluate clips of one skeleton per project",
            exit_code=ExitCode.MISMATCH,
        )


def label_clips(
    selection: Selection,
    phases: Mapping[str, Sequence[Phase]],
    protocol: Protocol,
    background: str,
    warnings: list[str],
) -> tuple[Labels, list[str]] | None:
    """Phases of the frames, and the ids of the labelled training clips, for the metrics of labels.

    None where they cannot be computed; the last warning says why. UserError (exit 4 or 5) in that
    case for a protocol that consists of them, and (exit 5) for overlapping phases.
    """
    wanted = {v: list(phases.get(v, ())) for v in (*selection.fit, *selection.test)}
    if protocol.drop_background:
        wanted = {v: [p for p in rows if p.name != background] for v, rows in wanted.items()}
    names = phase_order(list(wanted.values()))
    number = {name: n for n, name in enumerate(names)}
    fit = _labelled(selection.fit, wanted, number)
    test = _labelled(selection.test, wanted, number)
    if selection.split == "all" or not fit or not test:
        _refuse(selection, protocol, bool(fit), warnings)
        return None
    rows = {video: row for row, video in enumerate(selection.test)}
    labels = Labels(
        names, list(fit.values()), list(test.values()), [rows[v] for v in test], list(test)
    )
    warnings += _label_warnings(selection, labels, wanted, len(fit))
    return labels, list(fit)


def _labelled(
    poses: Mapping[str, PoseSequence],
    phases: Mapping[str, Sequence[Phase]],
    number: Mapping[str, int],
) -> dict[str, IntArray]:
    """Labels of each clip that has any."""
    found = {}
    for video, pose in poses.items():
        try:
            label = frame_phases(pose.frame, phases[video], number)
        except ValueError as problem:
            raise overlap_error(video, problem) from problem
        if (label != NO_PHASE).any():
            found[video] = label
    return found


def _refuse(
    selection: Selection, protocol: Protocol, fit_labelled: bool, warnings: list[str]
) -> None:
    """Say why there is nothing to fit on or to score, as an error where nothing else is left."""
    hint = "mark clips in videos.csv as split=train and split=test"
    if selection.split == "all":
        problem = "no clip is marked split=test, so phases would be fitted and scored on the same"
        problem += " clips"
        code = ExitCode.MISMATCH
    elif not selection.fit:
        problem, code = "no clip is left to fit phases on: all are split=test", ExitCode.MISMATCH
    else:
        which = "test" if fit_labelled else "training"
        problem, code = f"phases.csv labels no {which} clip", ExitCode.UNUSABLE
        hint = "add their phases to phases.csv (video,start,end,phase)"
    if not protocol.event_transfer:
        raise UserError(f"protocol {protocol.name}: {problem}", hint=hint, exit_code=code)
    warnings.append(f"phase metrics were not computed: {problem}")


def _label_warnings(
    selection: Selection, labels: Labels, phases: Mapping[str, Sequence[Phase]], fitted: int
) -> list[str]:
    found = []
    for kind, count, total in (
        ("training", fitted, len(selection.fit)),
        ("test", len(labels.test), len(selection.test)),
    ):
        if count < total:
            found.append(f"{kind} clips without phases, not in the phase metrics: {total - count}")
    every = [*labels.train, *labels.test]
    bare = sum(int((label == NO_PHASE).sum()) for label in every)
    if bare:
        found.append(f"frames without a phase, not in the phase metrics: {bare}")
    unseen = set(range(len(labels.phases))).difference(*(label.tolist() for label in labels.train))
    if unseen:
        shown = ", ".join(labels.phases[n] for n in sorted(unseen))
        found.append(f"phases of no training clip, whose test frames count as wrong: {shown}")
    lacking = _lacking(labels)
    if lacking:
        shown = ", ".join(f"{labels.phases[n]} {count}" for n, count in sorted(lacking.items()))
        found.append(f"labelled clips that lack a phase: {shown}; the rule is part of progression")
    repeats = sum(len({p.name for p in rows}) < len(rows) for rows in phases.values())
    if repeats:
        found.append(
            f"clips that repeat a phase: {repeats}; progression takes the last time, and both it "
            "and tau assume that every phase happens once"
        )
    return found


def _lacking(labels: Labels) -> Counter[int]:
    """Number of labelled clips without each phase that some of them lack."""
    every = range(len(labels.phases))
    clips = (*labels.train, *labels.test)
    return Counter(n for label in clips for n in set(every).difference(label.tolist()))
