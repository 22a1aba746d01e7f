"""Step: bring many clips of one movement to one timeline, in O(N) alignments.

The timeline is the clock of one clip, the reference: position 0 is its first frame, 1 its last.
A sample of the clips is read, the reference is chosen unless the user named it, and the prototype
of the movement is computed. Then each clip is checked for this movement and placed on the timeline
(timeline_model.py). Only its positions and joint angles stay in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from la2ds_cli.alignment.request import AlignRequest, choose_features
from la2ds_cli.alignment.timeline_model import ClipReader, MovementModel
from la2ds_cli.alignment.timeline_result import PlacedClip, TimelineResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.features.joint_angles import joint_angles


def clips_of(project: Project, group: str | None = None) -> list[str]:
    """Ids of the clips that have poses, in one group (column `group` of videos.csv) or in all.

    Raises UserError (exit 2) for a group that no clip belongs to.
    """
    videos = project.posed_videos()
    if group is None:
        return [video.id for video in videos]
    chosen = [video.id for video in videos if video.group == group]
    if not chosen:
        groups = ", ".join(sorted({video.group for video in videos if video.group}))
        raise UserError(
            f"no clip belongs to the group '{group}'",
            hint=f"groups: {groups}" if groups else "the column group of videos.csv is empty",
        )
    return chosen


def align_all(
    project: Project,
    names: Sequence[str],
    request: AlignRequest,
    *,
    reference: str | None = None,
    progress: Progress | None = None,
) -> TimelineResult:
    """Put clips on one timeline; missing poses and embeddings are computed first.

    names: video files, or names of clips of the project. reference: the clip whose clock is used;
    None = the most typical of a sample. request: as for align, with the method dtw. With
    `same_only`, clips that clearly show another movement are left out; a clip that cannot be read
    or compared is always left out.

    Raises UserError: exit 2 for a method other than dtw; 4 for fewer
    than two clips; 5 for clips whose skeletons share no joints; 10 if only the reference shows the
    movement, or if a named reference clearly does not show it; and the errors of choosing the
    features and extracting poses.
    """
    from la2ds_cli.poses.extract import ensure_poses

    progress = progress or Progress()
    if request.settings.method != "dtw":
        raise UserError(
            f"a timeline is made by the method dtw only, not by {request.settings.method}",
            hint="--method dtw",
        )
    choice = choose_features(project, request.run, request.features)
    left_out: dict[str, str] = {}
    poses, device = request.config.poses, request.device
    first = ensure_poses(project, [reference], poses, device, progress)[0] if reference else None
    ids = list(dict.fromkeys(ensure_poses(project, names, poses, device, progress, left_out)))
    if first is not None and first not in ids:
        ids = [first, *ids]
    if len(ids) < 2:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise UserError(
            f"a timeline needs at least two clips, and there {'is' if ids else 'are'} "
            f"{len(ids) or 'none'}" + (f" ({reasons})" if reasons else ""),
            hint="la2ds extract-poses adds clips to the project",
            exit_code=ExitCode.UNUSABLE,
        )
    reader = ClipReader(project, request, choice, ids, progress)
    model = MovementModel(reader, ids, first, request, left_out)
    placed = []
    progress.begin("aligning", len(ids))
    for clip in reader.clips(ids, left_out):
        try:
            placed.append(model.place(clip))
        except UserError as error:
            left_out[clip.video.id] = error.message
        progress.advance()
    progress.end()
    return _result(model, placed, left_out, named=reference is not None)


def _result(
    model: MovementModel, placed: Sequence[PlacedClip], left_out: dict[str, str], *, named: bool
) -> TimelineResult:
    if len(placed) < 2:
        name = model.clock.video.name
        raise UserError(
            f"no other clip is on the timeline of {name}: "
            + "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:5]),
            hint="--force aligns them anyway; --reference names another clip",
            exit_code=ExitCode.OTHER_MOVEMENT,
        )
    reference = [clip.video.id for clip in placed].index(model.clock.video.id)
    return TimelineResult(
        tuple(placed),
        reference,
        named,
        left_out,
        model.reader.kind,
        model.reader.request.run,
        model.reader.reason,
        joint_angles(model.clock.pose)[0],
    )
