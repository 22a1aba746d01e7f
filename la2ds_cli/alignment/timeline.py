"""Step: put many clips of one movement on one timeline, in O(N) alignments.

The timeline is the clock of one clip, the reference: position 0 is its first frame, 1 its last.
Unless the user names it, it is the most typical clip of a sample. Each clip is then aligned with it
as `align` does, through a few reference clips, and the match is read from the side of the clip.
Only the positions and joint angles of the clips stay in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import (
    NEAR,
    Interval,
    for_other_tolerance,
    sides_of,
    tolerance_of,
)
from la2ds_cli.alignment.consensus import pairwise_path
from la2ds_cli.alignment.project_aligner import ProjectAligner
from la2ds_cli.alignment.repetitions import cut_clip
from la2ds_cli.alignment.request import AlignRequest, choose_features, wants_3d
from la2ds_cli.alignment.same_movement import check_same_movement
from la2ds_cli.alignment.timeline_result import GRID, PlacedClip, TimelineResult, row_at
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, Mismatch, Unusable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import as_skeleton, holds, shared_skeleton
from la2ds_cli.features.camera_views import seen
from la2ds_cli.features.clip_quantities import measure_clip
from la2ds_cli.features.pose_features import in_3d, joint_angles
from la2ds_cli.features.resample import at_positions, evenly_spaced
from la2ds_cli.network.load_network import run_header
from la2ds_cli.poses.ready import ensure_poses

MOST_SAMPLED = 24  # clips of which the most typical one is chosen
_CHUNK = 32  # clips that are embedded in one batch


def clips_of(project: StoredProject, group: str | None = None) -> list[str]:
    """Return the ids of clips with poses, in one group (column `group` of videos.csv) or in all.

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
    project: StoredProject,
    names: Sequence[str],
    request: AlignRequest,
    *,
    reference: str | None = None,
    progress: Progress = SILENT,
) -> TimelineResult:
    """Put clips on one timeline; missing poses and embeddings are computed first.

    Parameters
    ----------
    names: video files, or names of clips of the project.
    request: as for align, with the method dtw. With `same_only`, clips that clearly show another
        movement are left out; a clip that cannot be read or compared is always left out.
    reference: the clip whose clock is used; None = the most typical of a sample.

    Raises
    ------
    UserError: exit 2 for a method other than dtw; 4 for fewer than two clips and for a reference
        that cannot be compared; 5 for clips whose skeletons share no joints; 10 if only the
        reference shows the movement; the first error if no other clip can be placed for other
        reasons; and the errors of choosing the features and extracting poses.
    """
    if request.settings.method != "dtw":
        raise UserError(
            f"a timeline needs the method dtw, got {request.settings.method}",
            hint="--method dtw",
        )
    left_out: dict[str, str] = {}
    poses, device = request.config.poses, request.device
    first = ensure_poses(project, [reference], poses, device, progress)[0] if reference else None
    ids = list(dict.fromkeys(ensure_poses(project, names, poses, device, progress, left_out)))
    if first is not None and first not in ids:
        ids = [first, *ids]
    if len(ids) < 2:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise Unusable(
            f"a timeline needs at least two clips, and there {'is' if ids else 'are'} "
            f"{len(ids) or 'none'}" + (f" ({reasons})" if reasons else ""),
            hint="la2ds extract-poses adds clips to the project",
        )
    clock = first or _most_typical(project, ids, request)
    placer = _Placer(project, clock, request)
    if len(placer.itself.pose_a) < 2:
        raise Unusable(
            f"{clock} has a single frame, too few for a timeline",
            hint="--reference names another clip",
        )
    if placer.itself.reason:
        progress.note(placer.itself.reason)
    placed, failed = [], list[UserError]()
    progress.begin("aligning", len(ids))
    for chunk in (ids[n : n + _CHUNK] for n in range(0, len(ids), _CHUNK)):
        placer.embed(chunk)
        for clip in chunk:
            try:
                placed.append(placer.place(clip))
            except UserError as error:
                left_out[clip] = error.message
                failed.append(error)
            progress.advance()
    progress.end()
    if len(placed) < 2:
        other = [error for error in failed if error.exit_code == ExitCode.OTHER_MOVEMENT]
        raise UserError(
            f"no other clip is on the timeline of {placer.itself.a.name}: "
            + "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:5]),
            hint="--force aligns them anyway; " * bool(other) + "--reference names another clip",
            exit_code=(other or failed)[0].exit_code,
        )
    return TimelineResult(
        tuple(placed),
        [clip.video.id for clip in placed].index(clock),
        reference is not None,
        left_out,
        placer.itself.features,
        placer.itself.run,
        placer.itself.reason,
        joint_angles(placer.itself.pose_a)[0],
    )


# --- the reference --------------------------------------------------------------------------------


def _most_typical(project: StoredProject, ids: Sequence[str], request: AlignRequest) -> str:
    """Return the clip of a sample with the lowest median cost to the others, which a few clips of
    another movement do not change."""
    choice = choose_features(project, request.run, request.features)
    requested = choice.kind == "model" and not choice.reads
    read = run_header(project, request.run).skeleton if requested else ""
    poses: dict[str, PoseSequence] = {}
    for clip in evenly_spaced(list(ids), MOST_SAMPLED):
        with suppress(UserError):  # raised again when the clip is aligned
            pose = project.read_pose(clip)[0]
            fits = len(pose) > 1 and (not read or holds(pose.skeleton, read))
            if fits and not np.isnan(pose.xy).all():
                poses[clip] = pose
    skeletons = {pose.skeleton for pose in poses.values()}
    if not skeletons:
        raise Unusable("no clip can be compared")
    shared = shared_skeleton(skeletons)
    if shared is None:
        raise Mismatch(
            f"the clips' skeletons share no joints: {', '.join(sorted(skeletons))}",
            hint="name clips of one skeleton, or extract all with the same pose network",
        )
    alike = [as_skeleton(pose, shared) for pose in poses.values()]
    if wants_3d(project, request, choice.kind):
        alike = in_3d(alike)
    choice = choice.on(shared, spatial=alike[0].spatial)
    features, names, failed = [], [], list[UserError]()
    aligner = ProjectAligner(project, request)
    for clip, pose in zip(poses, alike, strict=True):
        try:
            features += aligner.features_of([pose], choice)
        except UserError as error:
            failed.append(error)
        else:
            names.append(clip)
    if not names:
        raise failed[0]
    return names[most_central(costs(features, request.settings))]


def costs(sample: Sequence[FloatArray], config: AlignConfig) -> FloatArray:
    """Return (S, S), how different the clips of a sample are: the root mean squared distance along
    the path with closed ends, so that a clip that lacks a part is far from complete ones."""
    closed = replace(config, open_ends=False)
    cost = np.zeros((len(sample), len(sample)))
    for a in range(len(sample)):
        for b in range(a):
            cost[a, b] = cost[b, a] = pairwise_path(sample[a], sample[b], closed).cost ** 0.5
    return cost


def most_central(cost: FloatArray) -> int:
    """Return the number of the clip with the lowest median cost to the others, by costs (S, S)."""
    if len(cost) == 1:
        return 0
    return int(np.nanmedian(cost + np.diag(np.full(len(cost), np.nan)), axis=1).argmin())


# --- a clip on the timeline -----------------------------------------------------------------------


class _Placer:
    """Aligns clips with the reference `clock`. itself: its alignment with itself."""

    def __init__(self, project: StoredProject, clock: str, request: AlignRequest) -> None:
        self._project, self._clock, self._request = project, clock, request
        self._aligner = ProjectAligner(project, request)
        self.itself = self._aligner.align_names(clock, clock)
        self._repeats = bool(cut_clip(self.itself.pose_a))

    def embed(self, clips: Sequence[str]) -> None:
        """Compute and store the embeddings of clips in one batch."""
        with suppress(UserError):  # raised again when the clip is aligned
            self._aligner.embed(clips)

    def place(self, clip: str) -> PlacedClip:
        """Place a clip on the timeline; if it repeats the movement and the reference does not, its
        nearest repetition.

        Raises UserError as ProjectAligner.align_names does, for a clip that has no frame on the
        timeline (exit 4), and for a clip without joints in 3D if others are compared by them (exit
        5).
        """
        pair = self._aligner.read_pair(self._clock, clip)
        pose_a, pose_b = pair.poses
        if pose_a.spatial != self.itself.pose_a.spatial:  # angles in space and in the image differ
            raise Mismatch("it has no joints in 3D, unlike the reference")
        itself = clip == self._clock
        spans = [] if itself or self._repeats else cut_clip(pose_b)
        parts = [pose_b.cut(span.start, span.stop) for span in spans]
        results = [
            self._aligner.align_pair(replace(pair, poses=(pose_a, part))) for part in parts
        ] or [self.itself if itself else self._aligner.align_pair(pair)]
        cost = [float(each.cost.mean()) for each in results]
        nearest = int(np.argmin(cost))
        result = results[nearest]
        if self._request.same_only and not itself:
            check_same_movement(result.same_movement, pair.names)
        same = result.same_movement
        start = spans[nearest].start if spans else 0
        position, confidence = placed_frames(result, len(pose_b), start)
        if np.isnan(position).all():
            raise Unusable("none of its frames is on the timeline")
        compared = seen(pose_b, result.view, pose_a)
        return PlacedClip(
            pair.clips[1],
            pose_b.frame,
            pose_b.time,
            position,
            confidence,
            result.view,
            same.probability if same else float("nan"),
            *measure_at_grid(compared, row_at(position, GRID)),
            len(spans) or 1,
            result.overall_ratio,
        )


def measure_at_grid(
    pose: PoseSequence, row: FloatArray
) -> tuple[FloatArray, FloatArray, dict[str, FloatArray]]:
    """Return `angles`, `foreshortened` and `quantities` of PlacedClip at the positions of GRID,
    which the clip shows at its fractional rows (G,), NaN = not shown."""
    measured, shown = measure_clip(pose), ~np.isnan(row)
    place = np.where(shown, row, 0.0)
    values = {
        name: np.where(shown, at_positions(value, place), np.nan)
        for name, value in measured.values.items()
    }
    angles = [values.pop(name) for name in measured.angles]
    hidden, nearest = measured.foreshortened, np.rint(row[shown]).astype(np.int64)
    return (
        np.array(angles, np.float32).reshape(len(angles), len(row)).T,
        hidden[nearest].mean(axis=0) if shown.any() else np.zeros(hidden.shape[1]),
        values,
    )


def placed_frames(result: Alignment, length: int, start: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return the positions (length,) in [0, 1] of a clip's frames on A's clock, NaN = not on it,
    and the confidence that each is right to within NEAR of the clock.

    Parameters
    ----------
    result: alignment of A with the part of the clip from row `start` on.
    length: frames of the clip.
    start: first row of the part.
    """
    matched = np.flatnonzero(~np.isnan(result.position))
    position, confidence = np.full(length, np.nan), np.zeros(length)
    if not len(matched):
        return position, confidence
    clock = result.time_a
    share = ((clock - clock[0]) / max(clock[-1] - clock[0], 1e-9))[matched]
    places, first, count = np.unique(
        result.position[matched], return_index=True, return_counts=True
    )
    middle = (share[first] + share[first + count - 1]) / 2
    rows = np.arange(int(np.floor(places[0])), int(np.ceil(places[-1])) + 1)
    position[start + rows] = np.interp(rows, places, middle)

    # The interval of a match is in frames of B. On the clock, it reaches from the position of its
    # first frame to that of its last, and at least over all frames of A with the same match.
    low, high = result.low[matched], result.high[matched]
    axis, place = result.pose_b.axis, np.repeat(middle, count)
    before = place - np.minimum(_on_clock(low, places, middle), np.repeat(share[first], count))
    last = np.repeat(share[first + count - 1], count)
    after = np.maximum(_on_clock(high, places, middle), last) - place
    own = Interval(*sides_of(result.position[matched], low, high, axis), tolerance_of(axis))
    sure = for_other_tolerance(result.confidence[matched], own, Interval(before, after, NEAR))
    confidence[start + rows] = np.interp(rows, places, np.minimum.reduceat(sure, first))
    return position, confidence


def _on_clock(row: FloatArray, places: FloatArray, position: FloatArray) -> FloatArray:
    """Return the positions on the clock of rows (N,), interpolated between the rows `places` (P,)
    at `position` (P,), and extrapolated by their mean slope."""
    if len(places) < 2:
        return np.full(len(row), position[0])
    slope = (position[-1] - position[0]) / (places[-1] - places[0])
    inside = np.clip(row, places[0], places[-1])
    return np.interp(inside, places, position) + slope * (row - inside)
