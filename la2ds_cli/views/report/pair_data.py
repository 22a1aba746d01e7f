"""What the page of a pair draws from, as JSON: both clips, their alignment, baselines."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from la2ds_cli.alignment.distance import squared_distance
from la2ds_cli.alignment.path import is_monotone
from la2ds_cli.alignment.result import AlignResult, rounded
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.features.joint_angles import angle_difference
from la2ds_cli.features.resample import frame_edges
from la2ds_cli.views.figure import phase_colours
from la2ds_cli.views.report.baselines import Baseline
from la2ds_cli.views.report.clip_data import PageClip, base64_text, skeleton_json

_CELLS = 480  # longest side of the distance matrix
_LIMITS = (20, 30, 45, 60, 90)  # degrees at the ends of the colour scale
NAMES = {"pose": "raw poses", "clock": "constant speed"}


def pair_json(
    result: AlignResult, clips: tuple[PageClip, PageClip], beside: list[Baseline]
) -> dict[str, Any]:
    """position, confidence, ratio: one for each frame of A, None = no counterpart. matrix: image
    of the distances and the share of rows of B from the bottom; angles: degrees of B less A, a
    list for each joint. low, high: interval of the positions."""
    found = result.alignment
    names, degrees = angle_difference(
        result.pose_a, result.pose_b, found.position, mirrored=found.mirrored
    )
    return {
        "a": clips[0].to_json(),
        "b": clips[1].to_json(),
        "skeleton": skeleton_json(get_skeleton(result.pose_a.skeleton)),
        "mirrored": found.mirrored,
        "position": rounded(found.position, 3),
        "low": rounded(found.low, 2),
        "high": rounded(found.high, 2),
        "confidence": rounded(np.where(np.isnan(found.position), np.nan, found.confidence), 3),
        "ratio": rounded(result.speed_ratio, 3),
        "monotone": is_monotone(found.path),
        "matrix": distance_image(result),
        "angles": {
            "names": [name.replace("_", " ") for name in names],
            "limit": scale_limit(degrees),
            "degrees": [rounded(column, 1) for column in degrees.T],
        },
        "baselines": [
            {"kind": b.kind, "name": NAMES[b.kind], "position": rounded(b.position, 2)}
            for b in beside
        ],
        "colours": phase_colours(phase.name for clip in clips for phase in clip.phases),
    }


def scale_limit(degrees: FloatArray) -> int:
    """Degrees at the ends of the colour scale: the least of _LIMITS that holds 95 % of all."""
    known = np.abs(degrees[~np.isnan(degrees)])
    high = float(np.percentile(known, 95)) if len(known) else 0.0
    return next((limit for limit in _LIMITS if limit >= high), _LIMITS[-1])


def distance_image(result: AlignResult) -> str:
    """PNG, base64: distances of frames, dark = alike, A to the right and B upwards, cells of equal
    time; at most _CELLS each way."""
    from matplotlib import colormaps
    from PIL import Image

    rows = [_even_rows(pose) for pose in (result.pose_a, result.pose_b)]
    distance = np.sqrt(squared_distance(result.match.a[rows[0]], result.match.b[rows[1]]))
    low, high = np.percentile(distance, [1, 95])
    grey = np.clip((distance - low) / max(high - low, 1e-12), 0, 1)
    image = Image.fromarray(np.rint(255 * grey.T[::-1]).astype(np.uint8), "P")
    palette = np.rint(255 * colormaps["viridis"](np.arange(256))[:, :3]).astype(np.uint8)
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return base64_text(buffer.getvalue())


def _even_rows(pose: PoseSequence) -> IntArray:
    """Rows of the frames at the middles of even steps of a clip's time."""
    edges = frame_edges(pose.time, pose.fps)
    steps = np.linspace(edges[0], edges[-1], min(len(pose), _CELLS) + 1)
    return np.searchsorted(edges, (steps[1:] + steps[:-1]) / 2, "right") - 1
