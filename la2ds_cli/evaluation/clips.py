"""Which clips are used for fitting and which are scored, and the checks that no model has seen the
scored ones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

import numpy as np

from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import Mismatch, Unusable
from la2ds_cli.core.independence import independent_groups, joints_digest, shared_film
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.features.pose_features import in_3d
from la2ds_cli.network.run_weights import run_header
from la2ds_cli.network.training_clips import training_videos

MOST_CLIPS = 500
"""Most clips that are scored, and most that are used for fitting; if there are more, this many are
drawn. Figures are computed from pairs of clips: memory and time grow with the square."""


@dataclass(frozen=True)
class Selection:
    """test: poses of the clips that are scored, by video id, sorted by id. fit: poses of the clips
    with another split, in the order of videos.csv. At most MOST_CLIPS each. phases: of the labelled
    clips among them. split: `all` if no clip is marked test; then `fit` is empty."""

    test: dict[str, PoseSequence]
    fit: dict[str, PoseSequence]
    phases: dict[str, list[Phase]]
    split: Literal["test", "all"]


def clip_generator(video: str, seed: int) -> np.random.Generator:
    """Return the random generator of one clip, which depends on `video` and `seed` alone."""
    digest = int.from_bytes(hashlib.sha256(video.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, digest])


def select_clips(project: StoredProject, config: Config, warnings: list[str]) -> Selection:
    """Return the clips of split `test`, or all clips, and those that training uses.

    If there are more than MOST_CLIPS of either kind, that many are drawn, and a warning says so.
    Performers on both sides are named in a warning and not refused: whoever splits the clips may
    ask how well new clips of the same performers are aligned.

    Raises
    ------
    UserError
        Exit 4 for fewer than two test clips; 5 for clips of different skeletons, or a film that is
        in both splits.
    """
    videos, phases = project.posed_videos(), project.phases()
    without = len(project.videos()) - len(videos)
    if without:
        warnings.append(f"videos without poses, left out: {without}")
    test = [v for v in videos if v.split == "test"]
    fit = training_videos(project) if test else []
    check_disjoint(project, fit, test)
    kind = "test clips" if test else "clips"
    test_or_all = draw_clips(test or videos, phases.keys(), config.evaluate.seed, kind, warnings)
    scored = _long_enough(project, sorted(test_or_all, key=lambda v: v.id), config, warnings)
    scored = _without_copies(scored, phases.keys(), warnings)
    if blind := [video for video, pose in scored.items() if np.isnan(pose.xy).all()]:
        warnings.append(f"scored clips in which no joint was ever seen: {', '.join(blind)}")
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
            warnings.append("some clips have no joints in 3D: raw poses are those in the image")
    if not test:
        warnings.append(
            "no clip is marked split=test in videos.csv: all clips were used, and a model trained "
            "in this project has seen them"
        )
    warnings += _dependence_warnings(project, of_scored, of_fit, joints)
    labels = {video: phases[video] for video in (*scored, *fitted) if video in phases}
    return Selection(scored, fitted, labels, "test" if test else "all")


def draw_clips(
    videos: Sequence[Video], labelled: AbstractSet[str], seed: int, kind: str, warnings: list[str]
) -> Sequence[Video]:
    """Return the clips, or MOST_CLIPS of them in the same order.

    Labelled clips are drawn first, then others, both in the order of a digest of the seed and their
    id. An additional clip therefore changes at most one of the drawn clips.
    """
    if len(videos) <= MOST_CLIPS:
        return videos

    def order(video: Video) -> tuple[bool, str]:
        digest = hashlib.sha256(f"{seed} {video.id}".encode()).hexdigest()
        return video.id not in labelled, digest

    drawn = {video.id for video in sorted(videos, key=order)[:MOST_CLIPS]}
    warnings.append(
        f"{MOST_CLIPS} of {len(videos)} {kind} were drawn (evaluate.seed), labelled ones first"
    )
    return [video for video in videos if video.id in drawn]


def check_disjoint(
    project: StoredProject,
    fit: Sequence[Video],
    test: Sequence[Video],
    joints: Mapping[str, str] | None = None,
) -> None:
    """Raise UserError (exit 5) if a training clip and a test clip show one film.

    Parameters
    ----------
    joints: as of `independent_groups`.
    """
    if twins := shared_film(fit, test, project.source, joints):
        raise Mismatch(
            f"test clip {twins[1].id} and training clip {twins[0].id} come from the same video",
            hint="give both the same split in videos.csv, then train again: scores on training "
            "clips mean nothing",
        )


def _long_enough(
    project: StoredProject, videos: Sequence[Video], config: Config, warnings: list[str]
) -> dict[str, PoseSequence]:
    poses = {v.id: project.read_pose(v.id)[0] for v in videos}
    long = {v: pose for v, pose in poses.items() if len(pose) >= config.poses.min_frames}
    if len(long) < len(poses):
        short = len(poses) - len(long)
        warnings.append(f"clips of fewer than {config.poses.min_frames} frames, left out: {short}")
    return long


def _without_copies(
    poses: Mapping[str, PoseSequence], labelled: Collection[str], notes: list[str]
) -> dict[str, PoseSequence]:
    """Return the clips without those that have the joints of another.

    A clip is aligned with its copy without an error. A labelled one stays, and a warning names the
    copies.
    """
    first: dict[str, str] = {}
    gone: dict[str, str] = {}
    for video in sorted(poses, key=lambda video: (video not in labelled, video)):
        kept = first.setdefault(joints_digest(poses[video]) or video, video)
        if kept != video:
            gone[video] = kept
    if gone:
        pairs = ", ".join(f"{b} (as {a})" for b, a in gone.items())
        notes.append(f"clips with the same joints as another, left out: {pairs}")
    return {video: pose for video, pose in poses.items() if video not in gone}


def _dependence_warnings(
    project: StoredProject, scored: Sequence[Video], fit: Sequence[Video], joints: Mapping[str, str]
) -> list[str]:
    """Return what films and performers that clips have in common mean for the figures."""
    different = len(independent_groups(scored, project.source, joints))
    notes = []
    if different < len(scored):
        notes.append(
            f"{len(scored)} scored clips are {different} independent one{'s' * (different > 1)}: "
            "others show the same performer (group in videos.csv) or film; intervals resample "
            "clips as if all were independent, and are too narrow"
        )
    both = sorted({video.group for video in scored} & {video.group for video in fit} - {""})
    if both:
        more = f" and {len(both) - 3} more" if len(both) > 3 else ""
        notes.append(
            f"performers (group in videos.csv) of test clips who are in training clips, too: "
            f"{', '.join(both[:3])}{more}; the figures do not say how it is with new performers"
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
            hint="evaluate clips of one skeleton per project",
        )


def check_unseen(
    project: StoredProject, runs: Sequence[str], joints: Mapping[str, str], warnings: list[str]
) -> None:
    """Compare the clips that each run names in its weights with the test clips of videos.csv.

    Adds a warning if that cannot be determined because the weights name no clips, or name clips
    that are no longer in the project but not their films.

    Parameters
    ----------
    joints: `joints_digest` of test clips by id.

    Raises
    ------
    UserError
        Exit 5 if a run has seen a test clip, or another clip of the same film.
    """
    listed = {video.id: video for video in project.videos()}
    test = [video for video in listed.values() if video.split == "test"]
    for run in runs:
        header = run_header(project, run)
        if not header.clips:
            warnings.append(
                f"the weights of run {run} do not name the clips they were trained on; whether "
                "they have seen test clips is unknown"
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
                f"run {run} was trained on {gone} clips that are no longer in videos.csv; whether "
                "test clips come from the same videos is unknown"
            )
        for video in test:
            if header.films and {video.sha256, joints.get(video.id)} & header.films:
                raise _has_seen(run, f"a clip of the same video as test clip {video.id}")


def _has_seen(run: str, what: str) -> Mismatch:
    """Return the error for a run that was trained on what it would be tested on."""
    return Mismatch(
        f"run {run} was trained on {what}: it is older than the split=test mark in videos.csv",
        hint=f"la2ds train --run {run} --overwrite, which leaves test clips out",
    )
