"""The movement that clips of one timeline show, and where on the timeline a clip lies.

Clips are read a few at a time with their features. A sample of them gives the reference, the clips
that decide whether another shows the movement, and its prototype (prototype.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.alignment.clip_features import FeatureSource
from la2ds_cli.alignment.confidence import certainty
from la2ds_cli.alignment.prototype import (
    MOST_SAMPLED,
    by_centrality,
    costs,
    make_prototype,
)
from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.alignment.request import AlignRequest, ChosenKind, FeatureChoice, wants_3d
from la2ds_cli.alignment.same_movement import (
    DOUBTED,
    REFUSED,
    describe,
    sameness,
)
from la2ds_cli.alignment.timeline_result import GRID, PlacedClip
from la2ds_cli.alignment.viewpoint import choose_view
from la2ds_cli.core import artifact
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.embedding.trained import run_header
from la2ds_cli.features.body_joints import as_skeleton, holds, shared_skeleton
from la2ds_cli.features.joint_angles import joint_angles
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.features.spatial import known_in_3d
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.features.viewpoint import movements, possible_views, seen

JUDGES = 3  # clips whose median probability says whether another shows the same movement
_CHUNK = 32  # clips that are embedded in one batch


@dataclass(frozen=True)
class TimelineClip:
    """video: its row in videos.csv. pose: in the skeleton that all clips share."""

    video: Video
    pose: PoseSequence


@dataclass(frozen=True)
class SeenClip:
    """A clip in the view that is nearest to the reference. movement: (T, 8K) in that view."""

    clip: TimelineClip
    view: View
    pose: PoseSequence
    movement: FloatArray


class ClipReader:
    """Clips of the project with their features, a few in memory at a time."""

    def __init__(
        self,
        project: Project,
        request: AlignRequest,
        choice: FeatureChoice,
        ids: Sequence[str],
        progress: Progress,
    ) -> None:
        self.project = project
        self.read = run_header(project, request.run).skeleton if choice.kind == "model" else ""
        self.skeleton = self._shared(ids)
        self._known_source: FeatureSource | None = None
        self.spatial = wants_3d(project, request, choice.kind)
        if self.spatial and not self._mostly_in_3d(ids):
            self.spatial = False
            progress.note("at most half of the clips have joints in 3D: all are compared in 2D")
        choice = choice.on(self.skeleton, spatial=self.spatial)
        self.kind: ChosenKind = choice.kind
        self.reason = choice.reason
        self.request = replace(request, run=choice.run(request.run))
        if self.reason:
            progress.note(self.reason)

    def _mostly_in_3d(self, ids: Sequence[str]) -> bool:
        """Whether more than half of a sample of the clips have joints in 3D, so that the others are
        left out."""
        known = []
        for one in evenly_spaced(list(ids), MOST_SAMPLED):
            with suppress(UserError):  # reading the clip will report why
                known.append(known_in_3d(self.project.read_pose(one)[0]))
        return 2 * sum(known) > len(known)

    def _shared(self, ids: Sequence[str]) -> str:
        """The largest skeleton whose joints all clips have, but for those that the run cannot read
        and for files that cannot be read; reading such a clip will report why."""
        names = set()
        for one in ids:
            with suppress(OSError, artifact.ArtifactError, KeyError):
                names.add(str(artifact.read_header(self.project.pose_path(one))[1]["skeleton"]))
        names = {name for name in names if not self.read or holds(name, self.read)} or names
        shared = shared_skeleton(names)
        if shared is None:
            raise UserError(
                f"the clips have skeletons that share no joints: {', '.join(sorted(names))}",
                hint="name the clips of one skeleton, or extract all with the same pose network",
                exit_code=ExitCode.MISMATCH,
            )
        return shared

    def clips(self, ids: Sequence[str], left_out: dict[str, str]) -> Iterator[TimelineClip]:
        """The clips that can be read; `left_out` receives the reasons for the others."""
        for chunk in (ids[n : n + _CHUNK] for n in range(0, len(ids), _CHUNK)):
            poses: dict[str, tuple[Video, PoseSequence]] = {}
            for one in chunk:
                video = self.project.find(one)
                try:
                    if video is None:
                        raise UserError("videos.csv does not list it")
                    poses[one] = video, self._pose(one)
                except UserError as error:
                    left_out[one] = error.message
            failed: dict[str, UserError] = {}
            if poses:
                failed = self.source(next(iter(poses.values()))[1]).load(list(poses))
            left_out |= {one: error.message for one, error in failed.items()}
            for one, (video, pose) in poses.items():
                if one not in failed:
                    yield TimelineClip(video, pose)

    def _pose(self, one: str) -> PoseSequence:
        pose = self.project.read_pose(one)[0]
        if self.read and not holds(pose.skeleton, self.read):
            raise UserError(f"it has the skeleton {pose.skeleton}, the model reads {self.read}")
        if not holds(pose.skeleton, self.skeleton):
            raise UserError(f"it has the skeleton {pose.skeleton}, others {self.skeleton}")
        if np.isnan(pose.xy).all():
            raise UserError("no joint was seen in it")
        if self.spatial and not known_in_3d(pose):
            raise UserError("it has no joints in 3D, by which the others are compared")
        return replace(as_skeleton(pose, self.skeleton), spatial=self.spatial)

    def source(self, pose: PoseSequence) -> FeatureSource:
        """The source of the features of poses of the shared skeleton."""
        if self._known_source is None:
            self._known_source = FeatureSource(self.project, self.request, self.kind, pose)
        return self._known_source

    def features(self, clip: SeenClip, towards: PoseSequence) -> FloatArray:
        """(T, D) float32 features by which a clip is placed; towards: the reference."""
        source = self.source(clip.clip.pose)
        return source.features(clip.clip.pose, clip.movement, clip.view, towards)


# --- the model of the movement, and a clip placed on it -------------------------------------------


class MovementModel:
    """The reference, the clips that decide whether a clip shows the movement, and the prototype."""

    def __init__(
        self,
        reader: ClipReader,
        ids: Sequence[str],
        reference: str | None,
        request: AlignRequest,
        left_out: dict[str, str],
    ) -> None:
        self.reader, self.request = reader, request
        chosen = evenly_spaced(list(ids), MOST_SAMPLED)
        if reference is not None and reference not in chosen:
            chosen = [reference, *chosen[1:]]
        sample = list(reader.clips(chosen, left_out))
        if not sample or reference not in (None, *(clip.video.id for clip in sample)):
            raise UserError(
                "the reference cannot be compared" if sample else "no clip can be compared",
                hint="; ".join(f"{name}: {why}" for name, why in left_out.items()),
                exit_code=ExitCode.UNUSABLE,
            )
        filmed = [self._as_filmed(clip) for clip in sample]
        cost = costs([reader.features(clip, clip.pose) for clip in filmed], request.settings)
        central = by_centrality(cost)
        ids_sampled = [clip.video.id for clip in sample]
        number = central[0] if reference is None else ids_sampled.index(reference)
        self.clock = sample[number]
        self.movement = filmed[number].movement
        self.repeats = bool(cut_clip(self.clock.pose))
        seen_clips = [self._seen(clip) for clip in sample]
        judges = [number, *(n for n in central if n != number)][:JUDGES]
        self.judges = [describe(seen_clips[n].pose) for n in judges]
        if reference is not None:
            self._check_reference()
        fitting = [n for n in range(len(sample)) if n == number or self._fits(seen_clips[n])]
        among = {number: n for n, number in enumerate(fitting)}
        order = [among[number] for number in central if number in among]
        features = [reader.features(seen_clips[n], self.clock.pose) for n in fitting]
        self.prototype = make_prototype(features, among[number], order, request.settings)

    def _as_filmed(self, clip: TimelineClip) -> SeenClip:
        return SeenClip(clip, "filmed", clip.pose, paced_movement(clip.pose))

    def _seen(self, clip: TimelineClip) -> SeenClip:
        """The clip in the view that is nearest to the reference."""
        reference = self.clock.pose
        if clip.video.id == self.clock.video.id:
            return self._as_filmed(clip)
        views = movements(clip.pose, possible_views(clip.pose, reference), reference)
        view = choose_view(self.movement, views).view
        return SeenClip(clip, view, seen(clip.pose, view, reference), views[view])

    def _check_reference(self) -> None:
        """Raises UserError (exit 10) for a named reference that the central clips do not show."""
        judged = [sameness(self.judges[0], other) for other in self.judges[1:]]
        known = [one.probability for one in judged if one is not None]
        if self.request.same_only and known and float(np.median(known)) < REFUSED:
            raise UserError(
                f"{self.clock.video.name} does not show the movement of the other clips "
                f"(probability {float(np.median(known)):.2f})",
                hint="name another --reference, or leave it out; --force aligns them anyway",
                exit_code=ExitCode.OTHER_MOVEMENT,
            )

    def _probability(self, pose: PoseSequence) -> float:
        """The probability that a clip shows the movement: the median over the central clips, NaN if
        it cannot be judged."""
        described = describe(pose)
        judged = [sameness(judge, described) for judge in self.judges]
        known = [one.probability for one in judged if one is not None]
        return float(np.median(known)) if known else float("nan")

    def _fits(self, clip: SeenClip) -> bool:
        return not self._probability(clip.pose) < REFUSED or not self.request.same_only

    def place(self, clip: TimelineClip) -> PlacedClip:
        """Place a clip on the timeline; of several repetitions the nearest, unless the reference
        itself holds several.

        Raises UserError (exit 10) for a clip that clearly shows another movement, and (exit 4) for
        a clip that has no frame on the timeline.
        """
        itself = clip.video.id == self.clock.video.id
        viewed = self._seen(clip)
        pose = viewed.pose
        rows = np.arange(len(pose))
        spans = [] if itself or self.repeats else cut_clip(clip.pose)
        features = self.reader.features(viewed, self.clock.pose)
        if spans:
            rows = self._nearest_repetition(spans, features)
        probability = self._probability(pose.cut(int(rows[0]), int(rows[-1]) + 1))
        if self.request.same_only and probability < REFUSED and not itself:
            raise UserError(
                f"it does not show the same movement (probability {probability:.2f})",
                exit_code=ExitCode.OTHER_MOVEMENT,
            )
        position, confidence = self._placed(features, rows, itself=itself)
        if np.isnan(position).all():
            raise UserError("none of its frames is on the timeline", exit_code=ExitCode.UNUSABLE)
        clock = self.clock.pose.time
        seconds = np.interp(position, np.arange(len(clock)), clock)
        share = (seconds - clock[0]) / max(clock[-1] - clock[0], 1e-9)
        placed = PlacedClip(
            clip.video,
            pose.frame,
            pose.time,
            np.where(np.isnan(position), np.nan, share),
            confidence * probability if probability < DOUBTED else confidence,
            viewed.view,
            probability,
            np.empty((0, 0)),
            len(spans) or 1,
        )
        return replace(placed, angles=_angles_on_grid(pose, placed))

    def _placed(
        self, features: FloatArray, rows: IntArray, *, itself: bool
    ) -> tuple[FloatArray, FloatArray]:
        """(T,) rows of the reference that match the frames of a clip, NaN = no counterpart, and the
        confidence of each. Only `rows` of the clip are placed."""
        position, confidence = np.full(len(features), np.nan), np.zeros(len(features))
        place = rows.astype(np.float64) if itself else self.prototype.locate(features[rows])
        position[rows] = place
        if not np.isnan(place).all():
            among = np.interp(place, self.prototype.row, np.arange(len(self.prototype.row)))
            among[np.isnan(place)] = np.nan
            told = certainty(features[rows], self.prototype.value, among)
            confidence[rows] = told.confidence
        return position, confidence

    def _nearest_repetition(self, spans: Sequence[Repetition], features: FloatArray) -> IntArray:
        """Rows of the repetition of a clip that is nearest to the prototype."""
        settings = replace(self.request.settings, open_ends=False)

        def unlike(start: int, stop: int) -> float:
            return costs([self.prototype.value, features[start:stop]], settings)[0, 1]

        best = min(spans, key=lambda span: unlike(span.start, span.stop))
        return np.arange(best.start, best.stop)


def _angles_on_grid(pose: PoseSequence, placed: PlacedClip) -> FloatArray:
    """(G, J) angles of a clip's joints, interpolated at the positions GRID; NaN where a joint is
    not seen or the clip does not show the position."""
    _, angles = joint_angles(pose)
    row = placed.row_at(GRID)
    shown = ~np.isnan(row)
    at = np.where(shown, row, 0.0)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, len(angles) - 1)
    share = (at - low)[:, None]
    between = np.where(share == 0, angles[low], (1 - share) * angles[low] + share * angles[high])
    return np.where(shown[:, None], between, np.nan).astype(np.float32)
