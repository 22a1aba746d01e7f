"""Turn one clip into the pose sequences of its people, in two passes over its frames.

First pass: boxes. From the boxes of the whole clip follow the people who may be the subject, and
the frames where the detector missed them. Second pass: the joints of these people, on boxes
smoothed over time. The joints then decide who the subject is, and its quality is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import Unusable
from la2ds_cli.core.people_table import Places
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.poses import boxes
from la2ds_cli.poses.chunks import CLIP_MEMORY, ClipFrames, Stage
from la2ds_cli.poses.networks import Detector, PoseBackend
from la2ds_cli.poses.passes import Detections, detect_people, estimate_people
from la2ds_cli.poses.quality import assess
from la2ds_cli.poses.sources import ClipSource
from la2ds_cli.poses.subjects import (
    AMBIGUOUS_MARGIN,
    choose_subject,
    describe,
    follow_cuts,
    rank_people,
    subject_scores,
)
from la2ds_cli.poses.tracking import (
    LEAST_PIECE,
    MAX_GAP,
    Track,
    fill_boxes,
    link_detections,
    make_track,
)
from la2ds_cli.poses.trust import with_trust
from la2ds_cli.video.reader import read_frames

_HOLD = 0.5  # seconds that a lost person is still estimated
_STEADY = 0.5  # seconds over which boxes are smoothed
_CONTENDER_SHARE = 0.35  # of the best box score: people whose joints are estimated
_MOST_CONTENDERS = 3
_LOST_SHARE = 0.5  # of the clip's usual joint score, below which a frame shows nobody
_CUT_OFF = 0.5  # of the declared frames, below which a clip that is too short was cut off
_REPORTED = 6  # people described in the facts of a clip
_LEAST_SCORE = 0.1  # of a box that may be a person


@dataclass(frozen=True)
class ClipTask:
    """One clip to process.

    folder: where unfinished work is kept. key: of the recipe of the finished poses. workers: number
    of threads. memory: bytes of decoded frames that are kept. stop: set when the run must end
    early.
    """

    source: ClipSource
    config: PosesConfig
    folder: Path
    key: str
    workers: int = 1
    memory: int = CLIP_MEMORY
    stop: Event = field(default_factory=Event)

    @property
    def subject(self) -> str:
        """`auto`, or a rank (poses.subjects)."""
        return self.source.subject or self.config.subject

    @property
    def size(self) -> tuple[int, int]:
        """(W, H) of the frames in pixels."""
        return self.source.info.width, self.source.info.height

    def places(self, frame: IntArray, box: FloatArray) -> Places:
        """Return the places of boxes (N, 4) in frames (N,) of the file."""
        options = self.source.options
        return Places.of(frame, box, self.size, rotate=options.rotate, mirror=options.mirror)

    def frames(self, seconds: float) -> int:
        """Return a duration as a number of frames, at least 1."""
        return max(1, round(seconds * self.source.info.fps))

    def stage(self, name: str, **before: str) -> Stage:
        """Return a step of the work. before: digest of inputs besides the clip and settings."""
        inputs = {"poses": self.key, **before}
        return Stage(self.folder, name, inputs, version=self.source.version)


def pose_clip(
    task: ClipTask, detector: Detector, backend: PoseBackend, progress: Progress = SILENT
) -> list[PoseSequence]:
    """Estimate the joints of the subject of a clip and of the next best people, best first.

    People whom the project already follows in this clip come before others, as long as the choice
    of the subject is the same.

    Parameters
    ----------
    task
        The clip, its settings and its place for unfinished work.
    detector, backend
        The networks that find people and estimate their joints.

    Returns
    -------
    One to config.subjects sequences. Frames without the person are NaN, and so are joints that
    score below config.joint_threshold. info of each: people, persons (sequences returned), person,
    margin, ambiguous, candidates, cuts, and the facts of quality.assess.

    Raises
    ------
    UserError
        Exit 4: V002 fewer than config.min_frames frames, V020 nobody found, V026 fewer people than
        the subject's rank.
    """
    config, source = task.config, task.source
    frames = ClipFrames(
        lambda: read_frames(source.path, source.options),
        task.size,
        task.memory,
        stop=task.stop,
        declared=source.info.frames_declared,
    )
    every = task.frames(1 / config.detect_rate) if config.detect_rate else 1
    detections = detect_people(
        frames,
        detector,
        every=every,
        threshold=config.detect_threshold,
        stage=task.stage("detect"),
        progress=progress,
        workers=task.workers,
    )
    length, cuts = len(detections), detections.cuts
    _check_length(task, length)
    candidates, others, pieces = _candidates(task, detections, _tracks(task, detections, every))
    gaps = {"max_gap": task.frames(MAX_GAP), "hold": task.frames(_HOLD)}
    gaps["window"] = task.frames(_STEADY)
    posed = estimate_people(
        frames,
        [fill_boxes(track, length, **gaps, cuts=cuts) for track in candidates],
        backend,
        stage_of=lambda digest: task.stage("pose", before=digest),
        progress=progress,
        workers=task.workers,
    )
    followed = _followed(task, detections, posed)
    index = followed[0] if followed else None
    chosen, margin = choose_subject(posed, task.size, length, task.subject, index)
    order = rank_people(posed, task.size, length)
    ranked = list(dict.fromkeys([*(followed or [chosen]), *order]))
    everybody = [*(posed[i] for i in ranked), *others]
    people = ranked[: config.subjects]
    rank = {i: number for number, i in enumerate(order, start=1)}  # the numbers of --subject
    ranks = chain((rank.get(i, 0) for i in ranked), count(len(order) + 1))
    info = {
        "people": len(everybody),
        "margin": round(margin, 3),
        "ambiguous": margin < AMBIGUOUS_MARGIN,
        "cuts": pieces,
        "cut_rows": list(cuts),
        "candidates": [
            {**describe(track), "rank": rank}
            for track, rank in zip(everybody[:_REPORTED], ranks, strict=False)
        ],
        "persons": len(people),
    }
    sequences = []
    for number, i in enumerate(people, start=1):
        seen = np.isin(posed[i].frame, candidates[i].frame)
        facts = {**info, "person": number}
        sequences.append(_sequence(task, posed[i], seen, detections, backend.skeleton, facts))
    return sequences


def _check_length(task: ClipTask, length: int) -> None:
    """Raise UserError (exit 4, V002) for a clip with fewer frames than the settings require."""
    if length >= task.config.min_frames:
        return
    longer = (
        "choose a longer part with la2ds extract-poses --time-range"
        if task.source.options.is_cut
        else "film longer"
    )
    hint = f"{longer}, or set min_frames = N under [poses] in project.toml"
    if length < _CUT_OFF * task.source.info.duration * task.source.info.fps:
        hint = "the file is cut off or damaged; copy or export it again"
    frames = f"{length} frame{'s' * (length != 1)}"
    raise Unusable(
        f"{task.source.path} has {frames}, but a clip needs {task.config.min_frames}",
        hint=hint,
        code="V002",
    )


def _tracks(task: ClipTask, detections: Detections, every: int) -> list[Track]:
    """Return the tracks of everybody in the clip, also on the frames that the detector skipped.

    Raises UserError (exit 4, V020) if nobody was found.
    """
    clipped = [
        np.concatenate([boxes.clip(box[:, :4], task.size), box[:, 4:]], axis=1)
        for box in detections.boxes
    ]
    tracks = link_detections(
        clipped,
        threshold=task.config.detect_threshold,
        max_gap=task.frames(MAX_GAP),
        size=task.size,
        cuts=detections.cuts,
    )
    if not tracks:
        best = float(max((box[:, 4].max() for box in clipped if len(box)), default=0.0))
        lower = int(20 * best) / 20
        hint = f"check the clip, or set detect_threshold = {lower:g} under [poses] in project.toml"
        if best < _LEAST_SCORE:  # no threshold finds what the detector did not see
            hint = (
                "check that the clip shows a whole person with the head, not too small and in good "
                "light; if the picture is turned, use la2ds extract-poses --rotate 90 or 270; or "
                "try another network with --detector"
            )
        raise Unusable(
            f"no person found in the {len(clipped)} frames of {task.source.path} (best score "
            f"{best:.2f})",
            hint=hint,
            code="V020",
        )
    return [_interpolated(track, every, detections.cuts) for track in tracks]


def _interpolated(track: Track, every: int, cuts: Sequence[int]) -> Track:
    """Return the track with the frames that the detector skipped filled in."""
    shot = np.searchsorted(np.sort(np.array(cuts, int)), track.frame, side="right")
    near = (np.diff(track.frame) <= every) & (np.diff(shot) == 0)
    between = [
        np.arange(a + 1, b)
        for a, b in zip(track.frame[:-1][near], track.frame[1:][near], strict=True)
    ]
    row = np.sort(np.concatenate([track.frame, *between]))
    value = np.column_stack([track.box, track.score])
    dense = np.stack([np.interp(row, track.frame, column) for column in value.T], axis=1)
    return make_track(row, dense[:, :4], dense[:, 4])


def _candidates(
    task: ClipTask, detections: Detections, tracks: list[Track]
) -> tuple[list[Track], list[Track], int]:
    """Return the people who may be the subject by their boxes alone, best first; the other people;
    and the number of pieces added to the subject over cuts of the film."""
    length = len(detections)
    first = next(iter(_followed(task, detections, tracks)), None)
    index, _ = choose_subject(tracks, task.size, length, task.subject, first)
    least = task.frames(LEAST_PIECE)
    subject, pieces = follow_cuts(index, tracks, least=least, cuts=detections.cuts)
    tracks = [subject, *(track for i, track in enumerate(tracks) if i != index)]
    order = rank_people(tracks, task.size, length)
    score = subject_scores(tracks, task.size, length)
    contenders = [i for i in order if score[i] >= _CONTENDER_SHARE * score[order[0]]]
    rank = int(task.subject) if task.subject.isdecimal() else 1
    chosen = order[: max(task.config.subjects, rank, len(contenders[:_MOST_CONTENDERS]))]
    chosen = [*({0, *_followed(task, detections, tracks)} - set(chosen)), *chosen]
    others = [tracks[i] for i in order if i not in chosen]
    return [tracks[i] for i in chosen], others, pieces


def _followed(task: ClipTask, detections: Detections, tracks: Sequence[Track]) -> list[int]:
    """Return the indices of the people whom the project follows in this clip, the subject first."""
    source = detections.source
    places = [task.places(source[track.frame], track.box) for track in tracks]
    span = int(source[0]), int(source[-1])
    return task.source.people.followed(places, span, task.subject)


def _sequence(
    task: ClipTask,
    posed: Track,
    seen: BoolArray,
    detections: Detections,
    skeleton: str,
    info: dict[str, Any],
) -> PoseSequence:
    """Return the sequence of a person, with its joints, trust and quality.

    seen: (M,) whether the detector saw the person. Other frames show the person if the joints score
    at least half of the clip's usual score.
    """
    mean = posed.joint_score.mean(axis=1)
    usual = float(np.median(mean[seen] if seen.any() else mean))
    shown = seen | (mean >= _LOST_SHARE * usual)

    def rows(value: FloatArray, absent: float) -> FloatArray:
        """Return `value` over all T frames, float32."""
        whole = np.full((len(detections), *value.shape[1:]), absent, np.float32)
        whole[posed.frame[shown]] = value[shown]
        return whole

    xy, score, world = rows(posed.xy, np.nan), rows(posed.joint_score, 0), None
    xy[(score < task.config.joint_threshold) | (score <= 0)] = np.nan
    score[np.isnan(xy).any(axis=-1)] = 0
    if posed.world.shape[1]:
        world = rows(posed.world, np.nan)
        world[np.isnan(xy).any(axis=-1)] = np.nan
    pose = PoseSequence(
        xy=xy,
        score=score,
        box=rows(posed.box, np.nan),
        frame=detections.source,
        time=detections.time,
        fps=task.source.info.fps,
        size=task.size,
        skeleton=skeleton,
        info=info,
        world=world,
    )
    pose = with_trust(pose)
    return replace(pose, info={**info, **assess(pose)})
