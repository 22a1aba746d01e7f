"""The data of a pair's page: both clips with pictures, joints and phases, the alignment with its
distance matrix, and the findings of a comparison.

Pictures are single images, so that each is shown at exactly its time
(docs/decisions/0010-pages-of-single-pictures.md).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from la2ds_cli.alignment.alignment import Alignment, rounded
from la2ds_cli.alignment.confidence import (
    MISSING,
    SURE,
    within_text,
)
from la2ds_cli.alignment.path import matched_time, squared_distance
from la2ds_cli.alignment.request import features_name
from la2ds_cli.compare.compare_clips import CompareResult
from la2ds_cli.compare.findings import clearest_joints, in_episodes
from la2ds_cli.compare.words import joint_name
from la2ds_cli.core.annotations import Between
from la2ds_cli.core.clip import Video
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.skeleton import Skeleton, get_skeleton, joint_side
from la2ds_cli.core.types import BoolArray, FloatArray, Phase, PoseSequence
from la2ds_cli.features.pose_features import angle_difference, angle_triples, body_frame
from la2ds_cli.formats.c3d import Recorded
from la2ds_cli.poses.trust import trusted
from la2ds_cli.video.reader import VideoFile
from la2ds_cli.views.figure import phase_colours
from la2ds_cli.views.film_strip import cut_out, small_webp, view_boxes
from la2ds_cli.views.page import base64_text

HEIGHT = 440  # pixels of a picture, as in a player on a page of 1200 pixels
LEAST_HEIGHT = 240  # pixels; hands and faces are lost below, so rather drop pictures
BUDGET = 8_000_000  # bytes of the pictures of one clip; a third more in the page, as base64
_BYTES_PER_PIXEL = 0.09  # of WebP at _QUALITY: 0.03 to 0.12 on phone clips
_QUALITY, _METHOD = 72, 2  # Pillow's; slower methods save 4 % more for twice the time
_WIDER = 1.25  # times the part that film_strip shows: a club or a bar reaches beyond the joints
UNIT = 4096  # steps of a stored joint over the height of the window
UNSEEN = -(1 << 15)
_CELLS = 480  # longest side of the distance matrix
_LIMITS = (20, 30, 45, 60, 90)  # degrees at the ends of the colour scale
_ALIKE = 1.05  # ratio of durations below which two clips count as equally fast


class FrameImages(NamedTuple):
    """The pictures of a clip.

    size: width and height in pixels. row: the row of the pose sequence that each image shows,
    increasing. pictures: the images as WebP, one per row. every: one frame in so many has an image.
    """

    size: tuple[int, int]
    row: list[int]
    pictures: list[bytes]
    every: int


def windows(pose: PoseSequence) -> FloatArray:
    """Return (T, 4) float64 xyxy in pixels: the part of each frame to show, one size per clip.

    As film_strip.view_boxes, but a quarter wider where the picture allows it.
    """
    box = view_boxes(pose)
    half = (box[0, 2:] - box[0, :2]) / 2 * _WIDER
    centre = (box[:, :2] + box[:, 2:]) / 2
    if all(pose.size):
        picture = np.array(pose.size, np.float64) / 2
        half = np.minimum(half, np.maximum(picture, half / _WIDER))
        inside = np.clip(centre, half - 0.5, 2 * picture - half - 0.5)
        centre = np.where(picture >= half, inside, picture - 0.5)
    return np.concatenate([centre - half, centre + half], axis=1)


def encode_frames(
    source: VideoFile,
    pose: PoseSequence,
    progress: Progress,
    *,
    mirrored: bool = False,
    budget: int = BUDGET,
) -> FrameImages:
    """Return the pictures of a clip in at most `budget` bytes; its video is read once.

    To fit, pictures become smaller down to LEAST_HEIGHT, then fewer: planned from their usual size,
    and halved in number whenever they turn out larger. Frames that are no longer in the file have
    no picture.

    Parameters
    ----------
    pose: as it is drawn, mirrored if `mirrored`.
    budget: bytes of all pictures.
    """
    box = windows(pose)
    size, every = _plan(len(pose), box[0, 2:] - box[0, :2], budget)
    row_of = {int(frame): row for row, frame in enumerate(pose.frame)}
    row: list[int] = []
    pictures: list[bytes] = []
    spent = 0
    progress.begin("pictures", len(pose))
    for frame in source.frames(row_of):
        at, image = row_of[frame.source], frame.image
        progress.advance()
        if at % every:
            continue
        shown = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
        pictures.append(small_webp(cut_out(shown, box[at], *size), _QUALITY, _METHOD))
        row.append(at)
        spent += len(pictures[-1])
        while spent > budget and len(pictures) > 1:
            every *= 2
            left = [k for k, shown_row in enumerate(row) if shown_row % every == 0]
            row, pictures = [row[k] for k in left], [pictures[k] for k in left]
            spent = sum(map(len, pictures))
    progress.end()
    return FrameImages(size, row, pictures, every)


def _plan(count: int, window: FloatArray, budget: int) -> tuple[tuple[int, int], int]:
    """Return width and height of the pictures, and the number of frames per picture."""
    aspect = float(window[0] / window[1])
    fitting = sqrt(budget / (count * _BYTES_PER_PIXEL * aspect))
    least = min(LEAST_HEIGHT, window[1])
    height = max(min(HEIGHT, window[1], max(fitting, least), 16383 / aspect), 1)  # WebP's limit
    size = max(round(height * aspect), 1), max(round(height), 1)
    needed = count * _BYTES_PER_PIXEL * size[0] * size[1]
    return size, max(int(needed / budget), 1)


def clip_json(
    video: Video, pose: PoseSequence, phases: Iterable[Phase], *, flipped: bool = False
) -> dict[str, Any]:
    """Return a clip for a page.

    Times are in seconds. edges: (T + 1,) starts of the frames, and the end of the last one. joints,
    state: see packed_joints. phases: start, end, name. aspect: width / height of the shown part of
    a frame; high: its height in pixels; body: length of the torso in pixels.

    Parameters
    ----------
    pose: as it is drawn.
    phases: those outside its frames are left out.
    flipped: whether the pictures have to be mirrored.
    """
    window = windows(pose)
    edges = pose.axis.edges
    size = window[0, 2:] - window[0, :2]
    joints, state = packed_joints(pose, window)
    begin, end = int(pose.frame[0]), int(pose.frame[-1])
    return {
        "name": video.title,
        "time": rounded(pose.time, 4),
        "edges": rounded(edges, 4),
        "frame": pose.frame.tolist(),
        "aspect": round(float(size[0] / size[1]), 5),
        "high": round(float(size[1]), 2),
        "body": float(body_frame(pose)[1]),
        "joints": joints,
        "state": state,
        "flipped": flipped,
        "phases": [
            [*rounded(edges[np.searchsorted(pose.frame, [p.start, p.end])], 4), p.name]
            for p in phases
            if p.start <= end and p.end > begin
        ],
    }


def packed_joints(pose: PoseSequence, window: FloatArray) -> tuple[str, str]:
    """Return positions (T, K, 2) as little-endian int16 and states (T, K) as bytes, both in base64.

    Positions count from the window's upper left corner in steps of 1 / UNIT of its height; UNSEEN
    stands for NaN. State: 0 not seen, 1 interpolated (score 0) or not trusted, 2 seen.
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
    """Return a skeleton for a page.

    limbs: index pairs; sides: left, right or empty, for every joint; angles: name -> the joints
    before, at and after it; root: the joints that define the body's position.
    """
    return {
        "limbs": [list(limb) for limb in skeleton.limbs],
        "sides": [joint_side(joint) for joint in skeleton.joints],
        "angles": {name: list(triple) for name, triple in angle_triples(skeleton).items()},
        "root": list(skeleton.root),
    }


def pair_json(result: Alignment, phases: Mapping[str, list[Phase]]) -> dict[str, Any]:
    """Return both clips, the values of match_json, how they were aligned, and the distance matrix
    as an image.

    Parameters
    ----------
    phases: of all clips of the project.
    """
    clips = {
        "a": clip_json(result.a, result.pose_a, phases.get(result.a.id, [])),
        "b": clip_json(
            result.b, result.shown_b, phases.get(result.b.id, []), flipped=result.mirrored
        ),
    }
    return {
        **clips,
        "skeleton": skeleton_json(get_skeleton(result.pose_a.skeleton)),
        "mirrored": result.mirrored,
        "method": result.method,
        "features": features_name(result.features, result.run),
        "references": result.references,
        "reason": result.reason,
        **match_json(result),
        "matrix": distance_image(result),
        "colours": phase_colours(name for clip in clips.values() for _, _, name in clip["phases"]),
    }


def match_json(result: Alignment) -> dict[str, Any]:
    """Return the match of each frame of A, None = no counterpart.

    position, confidence, certainty (a word), within (seconds), ratio: for each frame. low, high:
    interval of the positions. certainty_text: all of it in words. reasons: why parts are not
    sure, and what helps. angles: degrees of B minus A, a
    list for each joint.
    """
    names, degrees = angle_difference(result.pose_a, result.shown_b, result.position)
    matched = ~np.isnan(result.position)
    return {
        "position": rounded(result.position, 3),
        "low": rounded(result.low, 2),
        "high": rounded(result.high, 2),
        "confidence": rounded(np.where(matched, result.confidence, np.nan), 3),
        "certainty": result.certainty,
        "within": rounded(result.within, 2),
        "ratio": rounded(result.speed_ratio, 3),
        "certainty_text": certainty_sentences(result),
        "reasons": result.certificate.page_lines,
        "angles": _angles_json(names, degrees),
    }


def _angles_json(names: Iterable[str], degrees: FloatArray) -> dict[str, Any]:
    return {
        "names": [joint_name(name) for name in names],
        "limit": scale_limit(degrees),
        "degrees": [rounded(column, 1) for column in degrees.T],
    }


def recorded_json(result: Alignment, recorded: Recorded, side: str) -> dict[str, Any]:
    """Return the forces and events of a motion capture, in seconds of A and only while A lasts.

    time: of the samples. force: newtons, a list for each plate, None = unknown. events: seconds,
    possible error in seconds, and name.

    Parameters
    ----------
    side: `a` or `b`: which clip is the capture.
    """
    time_a, within = result.pose_a.time, result.within
    matched = np.ones(len(time_a), bool)
    seconds = time_a  # of the capture
    if side == "b":
        seconds = matched_time(result.position, result.time_b)
        matched = np.isfinite(seconds)

    def time_in_a(moments: FloatArray) -> FloatArray:
        if not matched.any():
            return np.full(len(moments), np.nan)
        return np.interp(moments, seconds[matched], time_a[matched], left=np.nan, right=np.nan)

    time = time_in_a(recorded.time)
    shown = np.flatnonzero(np.isfinite(time))
    shown = shown[:: max(1, -(-len(shown) // 4000))]  # at most 4000 samples
    moments = time_in_a(np.array([seconds for seconds, _ in recorded.events], np.float64))
    error = np.interp(moments, time_a, np.nan_to_num(within)) if side == "b" else 0 * moments
    return {
        "time": rounded(time[shown], 4),
        "force": [rounded(plate, 1) for plate in recorded.force[:, shown]],
        "events": [
            [*rounded([moment, half], 4), name]
            for moment, half, (_, name) in zip(moments, error, recorded.events, strict=True)
            if np.isfinite(moment)
        ],
    }


def scale_limit(degrees: FloatArray) -> int:
    """Return the degrees at the ends of the colour scale: the smallest of _LIMITS that covers 95 %
    of the values."""
    defined = np.abs(degrees[~np.isnan(degrees)])
    high = float(np.percentile(defined, 95)) if len(defined) else 0.0
    return next((limit for limit in _LIMITS if limit >= high), _LIMITS[-1])


def distance_image(result: Alignment) -> str:
    """Return the distances of frames as a base64 PNG: dark = alike, A to the right and B upwards,
    in cells of equal time, at most _CELLS each way."""
    from matplotlib import colormaps
    from PIL import Image

    rows = [pose.axis.even_rows(_CELLS) for pose in (result.pose_a, result.pose_b)]
    distance = np.sqrt(squared_distance(result.compared[0][rows[0]], result.compared[1][rows[1]]))
    low, high = np.percentile(distance, [1, 95])
    grey = np.clip((distance - low) / max(high - low, 1e-12), 0, 1)
    image = Image.fromarray(np.rint(255 * grey.T[::-1]).astype(np.uint8), "P")
    palette = np.rint(255 * colormaps["viridis"](np.arange(256))[:, :3]).astype(np.uint8)
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return base64_text(buffer.getvalue())


def notes_json(notes: Iterable[Between]) -> list[dict[str, Any]]:
    """Return the notes on a pair: frames of A and B (None = no such frame), and text."""
    return [{"frames": list(note.frames), "text": note.row.value} for note in notes]


def certainty_sentences(result: Alignment) -> str:
    """Return sentences on how reliable the match is, and how fast B is."""
    words, within, ratio = np.array(result.certainty), result.within, result.overall_ratio
    sure, missing = words == SURE, words == MISSING
    sentences = []
    if sure.any():
        usual = within_text(float(np.median(within[sure])))
        sentences.append(f"Reliable for {_share(sure)} of A, usually {usual}.")
    if not (sure | missing).all():
        sentences.append("Check the moments below." if sentences else "Nowhere reliable.")
    if missing.any():
        sentences.append(f"B does not show {_share(missing)} of A.")
    if 0 < ratio < 1 / _ALIKE:
        sentences.append(f"B is {1 / ratio:.1f} times as fast as A.")
    elif ratio > _ALIKE:
        sentences.append(f"A is {ratio:.1f} times as fast as B.")
    return " ".join(sentences)


def _share(rows: BoolArray) -> str:
    return "all" if rows.all() else f"{max(round(100 * float(rows.mean())), 1)} %"


# --- a comparison -------------------------------------------------------------------------------


def compared_angles(result: CompareResult) -> dict[str, Any]:
    """Return `angles` of match_json where they are judged, those that differ most first; without
    quantities, whose differences have sentences only.

    stated: whether a difference is reported, that is not explained by noise, camera or timing.
    """
    angles = result.angles
    order = [j for j in clearest_joints(angles) if j < angles.angle_count]
    degrees = np.where(angles.judged, angles.difference, np.nan)[:, order]
    stated = in_episodes(angles)[:, order] & (not result.no_findings)
    compared = _angles_json([angles.names[j] for j in order], degrees)
    return compared | {"stated": stated.T.astype(int).tolist()}
