"""The data of a pair's page: both clips with their joints and phases, the alignment and its
distance matrix, and the baselines, which match without a trained model."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from la2ds_cli.alignment.align import PairAligner
from la2ds_cli.alignment.confidence import certainty_words, seconds_within
from la2ds_cli.alignment.distance import squared_distance
from la2ds_cli.alignment.gaps import SHORTEST
from la2ds_cli.alignment.pair import PreparedPair
from la2ds_cli.alignment.path import is_monotone, matched_time
from la2ds_cli.alignment.request import AlignRequest, FeatureChoice
from la2ds_cli.alignment.result import AlignResult, rounded
from la2ds_cli.compare.findings import runs_of
from la2ds_cli.core.annotations import Between
from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import Skeleton, get_skeleton, joint_side
from la2ds_cli.core.types import Alignment, FloatArray, Phase, PoseSequence
from la2ds_cli.features.joint_angles import angle_difference
from la2ds_cli.features.resample import even_rows, frame_edges
from la2ds_cli.poses.quality import clip_facts
from la2ds_cli.poses.trust import trusted
from la2ds_cli.poses.verdict import Weakness, verdict
from la2ds_cli.views.figure import phase_colours
from la2ds_cli.views.page import base64_text
from la2ds_cli.views.report.frame_images import windows

UNIT = 4096  # steps of a stored joint over the height of the window
UNSEEN = -(1 << 15)
_CELLS = 480  # longest side of the distance matrix
_LIMITS = (20, 30, 45, 60, 90)  # degrees at the ends of the colour scale
NAMES = {"pose": "raw poses", "clock": "constant speed"}


@dataclass(frozen=True)
class PageClip:
    """One clip of a page. pose: as it is drawn: that of the mirrored clip if it was mirrored.
    weaknesses: of its joints, the most serious first."""

    letter: str
    video: Video
    pose: PoseSequence
    phases: list[Phase]
    weaknesses: tuple[Weakness, ...]

    def to_json(self) -> dict[str, Any]:
        """Times in seconds. edges: (T + 1,) beginnings of the frames, and the end of the last one.
        joints, state: see packed_joints. phases: start and end in seconds, name. aspect: width over
        height of the shown part of a frame."""
        window = windows(self.pose)
        edges = frame_edges(self.pose.time, self.pose.fps)
        size = window[0, 2:] - window[0, :2]
        joints, state = packed_joints(self.pose, window)
        return {
            "name": self.video.title,
            "time": rounded(self.pose.time, 4),
            "edges": rounded(edges, 4),
            "frame": self.pose.frame.tolist(),
            "aspect": round(float(size[0] / size[1]), 5),
            "joints": joints,
            "state": state,
            "phases": [
                [*rounded(edges[np.searchsorted(self.pose.frame, [p.start, p.end])], 4), p.name]
                for p in self.phases
            ],
        }


def page_clip(
    project: Project, letter: str, video: Video, pose: PoseSequence, phases: list[Phase]
) -> PageClip:
    """A clip of the project for a page; phases without any of its frames are left out."""
    begin, end = int(pose.frame[0]), int(pose.frame[-1])
    shown = [phase for phase in phases if phase.start <= end and phase.end > begin]
    return PageClip(letter, video, pose, shown, verdict(clip_facts(project, video.id)))


def packed_joints(pose: PoseSequence, window: FloatArray) -> tuple[str, str]:
    """Positions (T, K, 2) as little-endian int16 and states (T, K) as bytes, both in base64.

    Positions count from the window's upper left corner in steps of 1 / UNIT of its height; UNSEEN =
    NaN. State: 0 not seen, 1 interpolated (score 0) or not trusted, 2 seen.
    """
    height = window[:, None, 3:] - window[:, None, 1:2]
    position = (np.asarray(pose.xy, np.float64) - window[:, None, :2]) / height * UNIT
    finite = np.asarray(np.isfinite(position).all(axis=2))
    limit = -UNSEEN - 1
    steps = np.clip(np.rint(np.where(finite[..., None], position, 0)), -limit, limit)
    packed = np.where(finite[..., None], steps, UNSEEN).astype("<i2")
    sure = (pose.score > 0) & trusted(pose)
    state = np.where(finite, 1 + sure, 0).astype(np.uint8)
    return base64_text(packed.tobytes()), base64_text(state.tobytes())


def skeleton_json(skeleton: Skeleton) -> dict[str, Any]:
    """limbs: index pairs; sides: left, right or empty, for every joint."""
    sides = [joint_side(joint) for joint in skeleton.joints]
    return {"limbs": [list(limb) for limb in skeleton.limbs], "sides": sides}


@dataclass(frozen=True)
class Baseline:
    """kind: `pose` or `clock`. position: (N,) frames of B, NaN = no counterpart. mean, worst:
    seconds of B between it and the alignment, over the frames of A that both match, None if there
    are none; at: row of A of the worst."""

    kind: str
    position: FloatArray
    mean: float | None
    worst: float | None
    at: int | None


def baselines(project: Project, result: AlignResult) -> list[Baseline]:
    """The baselines of an alignment: raw poses with the same settings, unless the alignment already
    uses them, and a constant speed from the first frames to the last."""
    alignment = result.alignment
    others: list[tuple[str, FloatArray]] = []
    if alignment.features != "pose":
        pair = PreparedPair(
            (result.a, result.b),
            (result.pose_a, result.pose_b),
            (result.a.name, result.b.name),
            FeatureChoice("pose", ""),
        )
        request = AlignRequest(
            replace(project.config(), align=result.settings), view=alignment.view
        )
        others.append(("pose", PairAligner(project, request).match(pair).position))
    others.append(("clock", constant_speed(alignment.time_a, alignment.time_b)))
    return [_baseline(kind, position, result) for kind, position in others]


def constant_speed(time_a: FloatArray, time_b: FloatArray) -> FloatArray:
    """(N,) float64 frames of B: A's first and last moment match B's, with even seconds in
    between."""
    span = time_a[-1] - time_a[0]
    share = (time_a - time_a[0]) / span if span > 0 else np.zeros(len(time_a))
    seconds = time_b[0] + share * (time_b[-1] - time_b[0])
    return np.interp(seconds, time_b, np.arange(len(time_b)))


def _baseline(kind: str, position: FloatArray, result: AlignResult) -> Baseline:
    alignment = result.alignment
    apart = np.abs(
        matched_time(position, alignment.time_b)
        - matched_time(alignment.position, alignment.time_b)
    )
    if np.isnan(apart).all():
        return Baseline(kind, position, None, None, None)
    at = int(np.nanargmax(apart))
    return Baseline(kind, position, float(np.nanmean(apart)), float(apart[at]), at)


def pair_json(
    result: AlignResult, clips: tuple[PageClip, PageClip], beside: list[Baseline]
) -> dict[str, Any]:
    """Both clips, the values of match_json, and matrix: image of the distances and the share of
    rows of B from the bottom."""
    return {
        "a": clips[0].to_json(),
        "b": clips[1].to_json(),
        "skeleton": skeleton_json(get_skeleton(result.pose_a.skeleton)),
        "mirrored": result.alignment.mirrored,
        **match_json(result),
        "matrix": distance_image(result),
        "baselines": [
            {"kind": b.kind, "name": NAMES[b.kind], "position": rounded(b.position, 2)}
            for b in beside
        ],
        "colours": phase_colours(phase.name for clip in clips for phase in clip.phases),
    }


def match_json(result: AlignResult) -> dict[str, Any]:
    """position, confidence, certainty (a word), within (seconds), ratio: one for each frame of A,
    None = no counterpart. low, high: interval of the positions. gaps_b: first and last frame of the
    spans inside B's match that A does not show. angles: degrees of B minus A, a list for each
    joint."""
    alignment = result.alignment
    names, degrees = angle_difference(result.pose_a, result.shown_b, alignment.position)
    matched = ~np.isnan(alignment.position)
    return {
        "position": rounded(alignment.position, 3),
        "gaps_b": _gaps_of_b(alignment),
        "low": rounded(alignment.low, 2),
        "high": rounded(alignment.high, 2),
        "confidence": rounded(np.where(matched, alignment.confidence, np.nan), 3),
        "certainty": certainty_words(alignment),
        "within": rounded(seconds_within(alignment), 2),
        "ratio": rounded(result.speed_ratio, 3),
        "monotone": is_monotone(alignment.path),
        "angles": {
            "names": [name.replace("_", " ") for name in names],
            "limit": scale_limit(degrees),
            "degrees": [rounded(column, 1) for column in degrees.T],
        },
    }


def _gaps_of_b(alignment: Alignment) -> list[list[int]]:
    """First and last frame of the runs of unmatched frames between matched ones of B, of SHORTEST
    seconds or more: single frames are passed over where B has more frames than A."""
    time = alignment.time_b
    return [
        [first, stop - 1]
        for first, stop in runs_of(~alignment.matched_b)
        if first > 0 and stop < len(time) and time[stop] - time[first] >= SHORTEST
    ]


def scale_limit(degrees: FloatArray) -> int:
    """Degrees at the ends of the colour scale: the smallest of _LIMITS that covers 95 % of all."""
    known = np.abs(degrees[~np.isnan(degrees)])
    high = float(np.percentile(known, 95)) if len(known) else 0.0
    return next((limit for limit in _LIMITS if limit >= high), _LIMITS[-1])


def distance_image(result: AlignResult) -> str:
    """PNG, base64: distances of frames, dark = alike, A to the right and B upwards, in cells of
    equal time; at most _CELLS each way."""
    from matplotlib import colormaps
    from PIL import Image

    rows = [even_rows(p.time, p.fps, _CELLS) for p in (result.pose_a, result.pose_b)]
    distance = np.sqrt(squared_distance(result.match.a[rows[0]], result.match.b[rows[1]]))
    low, high = np.percentile(distance, [1, 95])
    grey = np.clip((distance - low) / max(high - low, 1e-12), 0, 1)
    image = Image.fromarray(np.rint(255 * grey.T[::-1]).astype(np.uint8), "P")
    palette = np.rint(255 * colormaps["viridis"](np.arange(256))[:, :3]).astype(np.uint8)
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return base64_text(buffer.getvalue())


def notes_json(notes: Iterable[Between]) -> list[dict[str, Any]]:
    """Notes on a pair: frames of A and B (None = no such frame), and text."""
    return [{"frames": list(note.frames), "text": note.row.value} for note in notes]
