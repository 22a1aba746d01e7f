"""A pair as a Rerun recording (.rrd): joints and pictures of both clips on one timeline, in seconds
of A."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import write_bytes
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.optional_package import optional_import
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import Alignment, BoolArray, FloatArray, IntArray
from la2ds_cli.video.reader import Image
from la2ds_cli.views.sync.side_by_side import Panel

TIMELINE = "time"
MEMORY = 1 << 30  # bytes of pictures: the SDK does not tell of a full disk, so none writes the file
_QUALITY = 85  # of JPEG
_CLASSES = {"a": (1, "A", (0, 114, 178)), "b": (2, "B", (213, 94, 0))}


@dataclass(frozen=True)
class RecordedClip:
    """One clip on the timeline. panel: how its pictures are read; joints are those of its pose, in
    pixels of the film. row: (N,) row of the clip at each frame of A. matched: (N,) bool, False =
    nothing to show. phase: of each row of the clip, empty = no label."""

    name: str
    panel: Panel
    row: IntArray
    matched: BoolArray
    phase: Sequence[str]


def rerun_sdk() -> Any:
    """The package rerun; raises UserError (exit 6) if it cannot be imported."""
    with optional_import(
        ["rerun"],
        "a Rerun recording needs the package rerun-sdk, which is not installed",
        "pip install 'la2ds[rerun]'",
    ):
        import rerun  # pyright: ignore[reportMissingImports]
    return rerun


def write_recording(
    path: Path,
    a: RecordedClip,
    b: RecordedClip,
    alignment: Alignment,
    progress: Progress | None = None,
) -> None:
    """Write both clips at the frames of A, N of them.

    Entities: `a/joints` and `b/joints`, points with the names and bones of the skeleton; no point
    for a joint that is not seen, and none at all if A's frame has no counterpart; `a/picture` and
    `b/picture`, JPEG; `a/phase` and `b/phase`, a line of text where a phase begins or ends;
    `alignment/time_b` and `alignment/confidence`, numbers at the frames that have a counterpart.
    Raises UserError: exit 4 for pictures of more than 1 GiB, 6 if rerun-sdk is missing or switched
    off, 7 if the file cannot be written; and whatever reading the films raises.
    """
    rr = rerun_sdk()
    time = alignment.time_a
    clips = {"a": a, "b": b}
    stream = rr.RecordingStream("la2ds", recording_id=f"{a.name}--{b.name}")
    if not rr.is_enabled(stream):
        raise UserError(
            "rerun-sdk is switched off and records nothing",
            hint="unset the environment variable RERUN",
            exit_code=ExitCode.ENVIRONMENT,
        )
    stream.set_log_time_enabled(False)  # seconds of A are the only timeline
    stream.set_log_tick_enabled(False)
    content = stream.binary_stream()
    try:
        context = [_annotation(rr, side, clip) for side, clip in clips.items()]
        stream.log("/", rr.AnnotationContext(context), static=True)
        for side, clip in clips.items():
            _log_joints(rr, stream, side, clip, time)
            _log_phases(rr, stream, side, clip, time)
        _log_numbers(rr, stream, alignment)
        _log_pictures(rr, stream, clips, time, progress or Progress())
    finally:  # left unread, it would warn on the terminal
        recorded = content.read()
        stream.disconnect()
    write_bytes(path, recorded)


def _annotation(rr: Any, side: str, clip: RecordedClip) -> Any:
    number, label, colour = _CLASSES[side]
    skeleton = get_skeleton(clip.panel.pose.skeleton)
    return rr.ClassDescription(
        info=rr.AnnotationInfo(id=number, label=label, color=colour),
        keypoint_annotations=[
            rr.AnnotationInfo(id=k, label=name) for k, name in enumerate(skeleton.joints)
        ],
        keypoint_connections=[tuple(limb) for limb in skeleton.limbs],
    )


def _log_joints(rr: Any, stream: Any, side: str, clip: RecordedClip, time: FloatArray) -> None:
    xy = clip.panel.pose.xy[clip.row]
    seen = np.isfinite(xy).all(axis=2) & clip.matched[:, None]
    joint = np.broadcast_to(np.arange(xy.shape[1]), seen.shape)[seen]
    columns = rr.Points2D.columns(
        positions=xy[seen],
        keypoint_ids=joint.astype(np.uint16),
        class_ids=np.full(len(joint), _CLASSES[side][0], np.uint16),
    ).partition(seen.sum(axis=1))
    indexes = [rr.TimeColumn(TIMELINE, duration=time)]
    stream.send_columns(f"{side}/joints", indexes=indexes, columns=columns)


def _log_phases(rr: Any, stream: Any, side: str, clip: RecordedClip, time: FloatArray) -> None:
    before = ""
    for t, (row, matched) in enumerate(zip(clip.row.tolist(), clip.matched.tolist(), strict=True)):
        phase = clip.phase[row] if matched else before
        if phase != before:
            stream.set_time(TIMELINE, duration=float(time[t]))
            stream.log(f"{side}/phase", rr.TextLog(phase or f"end of {before}"))
        before = phase


def _log_numbers(rr: Any, stream: Any, alignment: Alignment) -> None:
    known = np.flatnonzero(~np.isnan(alignment.position))
    time_b = np.interp(
        alignment.position[known], np.arange(len(alignment.time_b)), alignment.time_b
    )
    indexes = [rr.TimeColumn(TIMELINE, duration=alignment.time_a[known])]
    for name, values in (("time_b", time_b), ("confidence", alignment.confidence[known])):
        columns = rr.Scalars.columns(scalars=values.astype(np.float64))
        stream.send_columns(f"alignment/{name}", indexes=indexes, columns=columns)


def _log_pictures(
    rr: Any, stream: Any, clips: dict[str, RecordedClip], time: FloatArray, progress: Progress
) -> None:
    filmed = {side: clip for side, clip in clips.items() if clip.panel.source is not None}
    size = 0
    progress.begin("recording", len(filmed) * len(time))
    for side, clip in filmed.items():
        last = None
        for t, picture in enumerate(clip.panel.pictures(clip.row, clip.matched)):
            if picture is not last:
                jpeg = _jpeg(picture)
                size += len(jpeg)
                if size > MEMORY:
                    raise UserError(
                        f"the pictures of this pair take more than {MEMORY >> 20} MB",
                        hint="leave them out with --privacy, or extract a shorter part "
                        "(--time-range)",
                        exit_code=ExitCode.UNUSABLE,
                    )
                stream.set_time(TIMELINE, duration=float(time[t]))
                image = rr.EncodedImage(contents=jpeg, media_type="image/jpeg")
                stream.log(f"{side}/picture", image)
            last = picture
            progress.advance()
    progress.end()


def _jpeg(picture: Image) -> bytes:
    import cv2

    bgr = np.ascontiguousarray(picture[..., ::-1])
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
