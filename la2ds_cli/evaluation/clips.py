"""Choose the clips to fit on and to score, and check that no model was trained on a scored clip."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

import numpy as np

from la2ds_cli.core.clip import Video, name_for_draws
from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import Mismatch, Unusable
from la2ds_cli.core.independence import independent_groups, joints_digest, shared_film
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.features.pose_features import in_3d
from la2ds_cli.network.run_weights import run_header
from la2ds_cli.network.training_clips import training_videos

MOST_CLIPS = 500
"""Most clips to score, and most to fit on; a random sample of this size is drawn from more. Figures
are computed from pairs of clips: memory and time grow with the square."""


@dataclass(frozen=True)
class Selection:
    """The clips of an evaluation, at most MOST_CLIPS of each kind.

    test: poses of the clips to score, by video id, in the order of their names
    (`name_for_draws`). fit: poses of the clips with another split, in the order of videos.csv.
    phases: of the labelled clips among them. split: `all` if no clip is marked test; then `fit` is
    empty.
    """

    test: dict[str, PoseSequence]
    fit: dict[str, PoseSequence]
    phases: dict[str, list[Phase]]
    split: Literal["test", "all"]


def clip_generator(name: str, seed: int) -> np.random.Generator:
    """Return the random generator of one clip, which depends on its name and the seed alone.

    Parameters
    ----------
    name: as from `name_for_draws`, so that the draws are the same on every machine.
    """
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, digest])


def select_clips(project: StoredProject, config: Config, warnings: list[str]) -> Selection:
    """Return the clips of split `test`, or all clips, and those that training uses.

    If there are more than MOST_CLIPS of either kind, that many are drawn, and a warning says so.
    Performers who appear in both splits get a warning, not an error: the question may be how well
    new clips of the same performers are aligned.

    Raises
    ------
    UserError
        Exit 4 for fewer than two test clips; 5 for clips of different skeletons, or a film that is
        in both splits.
    """
    videos, phases = project.posed_videos(), project.phases()
    without = len(project.videos()) - len(videos)
    if without:
        warnings.append(f"videos left out because they have no poses: {without}")
    test = [v for v in videos if v.split == "test"]
    fit = training_videos(project) if test else []
    check_disjoint(project, fit, test)
    kind = "test clips" if test else "clips"
    test_or_all = draw_clips(test or videos, phases.keys(), config.evaluate.seed, kind, warnings)
    scored = _long_enough(project, sorted(test_or_all, key=_drawn_by), config, warnings)
    scored = _without_copies(scored, phases.keys(), warnings)
    if blind := [video for video, pose in scored.items() if np.isnan(pose.xy).all()]:
        warnings.append(f"no joint was detected in these scored clips: {', '.join(blind)}")
    fit = draw_clips(fit, phases.keys(), config.evaluate.seed, "training clips", warnings)
    fitted = _long_enough(project, fit, config, warnings)
    _check(scored, fitted)
    joints = {video: joints_digest(pose) for video, pose in (scored | fitted).items()}
    of_scored = [video for video in test_or_all if video.id in scored]
    of_fit = [video for video in fit if video.id in fitted]
    check_disjoint(project, of_fit, of_scored, joints)
    if config.align.joints == "3d":
        spatial = dict(zip(scored | fitted, in_3d(list((scored | fitted).values())), strict=True))
        scored, fitted = ({video: spatial[video] for video in part} for part in (scored, fitted))
        if not next(iter(scored.values())).spatial:
            warnings.append("some clips have no 3D joints: raw poses use the joints in the image")
    if not test:
        warnings.append(
            "no clip is marked split=test in videos.csv: all clips were scored, including those "
            "that models of this project were trained on"
        )
    warnings += _dependence_warnings(project, of_scored, of_fit, joints)
    labels = {video: phases[video] for video in (*scored, *fitted) if video in phases}
    return Selection(scored, fitted, labels, "test" if test else "all")


def draw_clips(
    videos: Sequence[Video], labelled: AbstractSet[str], seed: int, kind: str, warnings: list[str]
) -> Sequence[Video]:
    """Return the clips, or MOST_CLIPS of them in the same order.

    Labelled clips are drawn first, then others, both in the order of a digest of the seed and their
    name (`name_for_draws`). An additional clip therefore changes at most one of the drawn clips.
    """
    if len(videos) <= MOST_CLIPS:
        return videos

    def order(video: Video) -> tuple[bool, str]:
        digest = hashlib.sha256(f"{seed} {_drawn_by(video)}".encode()).hexdigest()
        return video.id not in labelled, digest

    drawn = {video.id for video in sorted(videos, key=order)[:MOST_CLIPS]}
    warnings.append(
        f"{MOST_CLIPS} of {len(videos)} {kind} were drawn at random (evaluate.seed), labelled "
        "clips first"
    )
    return [video for video in videos if video.id in drawn]


def _drawn_by(video: Video) -> str:
    return name_for_draws(video.id)


def check_disjoint(
    project: StoredProject,
    fit: Sequence[Video],
    test: Sequence[Video],
    joints: Mapping[str, str] | None = None,
) -> None:
    """Raise UserError (exit 5) if a training clip and a test clip come from the same film.

    Parameters
    ----------
    joints: as for `independent_groups`.
    """
    if twins := shared_film(fit, test, project.source, joints):
        raise Mismatch(
            f"test clip {twins[1].id} and training clip {twins[0].id} come from the same video",
            hint="give both the same split in videos.csv, then train again: a score on a training "
            "clip means nothing",
        )


def _long_enough(
    project: StoredProject, videos: Sequence[Video], config: Config, warnings: list[str]
) -> dict[str, PoseSequence]:
    poses = {v.id: project.read_pose(v.id)[0] for v in videos}
    long = {v: pose for v, pose in poses.items() if len(pose) >= config.poses.min_frames}
    if len(long) < len(poses):
        short = len(poses) - len(long)
        warnings.append(
            f"clips left out because they have fewer than {config.poses.min_frames} frames: {short}"
        )
    return long


def _without_copies(
    poses: Mapping[str, PoseSequence], labelled: Collection[str], notes: list[str]
) -> dict[str, PoseSequence]:
    """Return the clips without exact copies, which would be aligned without any error.

    Of several copies a labelled one is kept; a warning names the others.
    """
    first: dict[str, str] = {}
    copy_of: dict[str, str] = {}
    for video in sorted(poses, key=lambda video: (video not in labelled, video)):
        kept = first.setdefault(joints_digest(poses[video]) or video, video)
        if kept != video:
            copy_of[video] = kept
    if copy_of:
        pairs = ", ".join(f"{copy} (copy of {kept})" for copy, kept in copy_of.items())
        notes.append(f"copies of other clips left out: {pairs}")
    return {video: pose for video, pose in poses.items() if video not in copy_of}


def _dependence_warnings(
    project: StoredProject, scored: Sequence[Video], fit: Sequence[Video], joints: Mapping[str, str]
) -> list[str]:
    """Return warnings about films and performers that several clips share."""
    independent = len(independent_groups(scored, project.source, joints))
    notes = []
    if independent < len(scored):
        notes.append(
            f"independent among the {len(scored)} scored clips: {independent}; the others share a "
            "performer (group in videos.csv) or a film with one of them, so the intervals are too "
            "narrow"
        )
    both = sorted({video.group for video in scored} & {video.group for video in fit} - {""})
    if both:
        more = f" and {len(both) - 3} more" if len(both) > 3 else ""
        notes.append(
            "some performers (group in videos.csv) appear in both test and training clips: "
            f"{', '.join(both[:3])}{more}; results for new performers may be worse"
        )
    return notes


def _check(scored: Mapping[str, PoseSequence], fitted: Mapping[str, PoseSequence]) -> None:
    if len(scored) < 2:
        raise Unusable(
            f"evaluation needs at least 2 clips with poses, found {len(scored)}",
            hint="extract the poses of more clips, or mark more clips as split=test in videos.csv",
        )
    skeletons = {pose.skeleton: video for video, pose in {**scored, **fitted}.items()}
    if len(skeletons) > 1:
        shown = ", ".join(f"{video} ({name})" for name, video in sorted(skeletons.items()))
        raise Mismatch(
            f"the clips have different skeletons: {shown}",
            hint="use one skeleton for all clips of a project",
        )


def check_unseen(
    project: StoredProject, runs: Sequence[str], joints: Mapping[str, str], warnings: list[str]
) -> None:
    """Check that no run was trained on a test clip of videos.csv.

    Adds a warning if that cannot be determined, because the weights do not list their training
    clips or list clips that are no longer in the project.

    Parameters
    ----------
    joints: `joints_digest` of the test clips, by id.

    Raises
    ------
    UserError
        Exit 5 if a run was trained on a test clip or on another clip of the same film.
    """
    listed = {video.id: video for video in project.videos()}
    test = [video for video in listed.values() if video.split == "test"]
    for run in runs:
        header = run_header(project, run)
        if not header.clips:
            warnings.append(
                f"the weights of run {run} do not list their training clips, so they may include "
                "test clips"
            )
            continue
        clips = [listed[name] for name in header.clips if name in listed]
        if twins := shared_film(clips, test, project.source, joints):
            seen, scored = (video.id for video in twins)
            what = f"test clip {seen}"
            if seen != scored:
                what = f"clip {seen}, which comes from the same video as test clip {scored}"
            raise _has_seen(run, what)
        gone = len(set(header.clips) - listed.keys())
        if gone and header.films is None:
            warnings.append(
                f"run {run} was trained on clips that are no longer in videos.csv ({gone}) and may "
                "come from the same videos as test clips"
            )
        for video in test:
            if header.films and {video.sha256, joints.get(video.id)} & header.films:
                raise _has_seen(run, f"a clip of the same video as test clip {video.id}")


def _has_seen(run: str, what: str) -> Mismatch:
    """Return the error for a run that was trained on a test clip."""
    return Mismatch(
        f"run {run} was trained on {what}: it is older than the split in videos.csv",
        hint=f"la2ds train --run {run} --overwrite, which leaves test clips out",
    )
