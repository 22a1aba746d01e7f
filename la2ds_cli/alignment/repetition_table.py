"""Step: the repetitions of one clip as a table: when each goes out and back, how far, and how fast
beside the fastest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import rounded
from la2ds_cli.alignment.repetition_moments import RepetitionMoments, find_moments
from la2ds_cli.alignment.repetitions import Repetition, cut_clip
from la2ds_cli.core.clip import Video
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.pose_features import foreshortened, in_3d, joint_angles
from la2ds_cli.features.resample import smoothed_in_time
from la2ds_cli.poses.ready import ensure_poses

COLUMNS = (
    *("repetition", "start", "turn", "way_back", "end"),
    *("seconds_out", "seconds_held", "seconds_back"),
    *("angle", "angle_at_start", "angle_at_turn", "range"),
    *("speed_out", "speed_back", "speed_lost_out", "speed_lost_back"),
)
_SMOOTHING = 0.06  # seconds, standard deviation, of an angle
_SHOWN = 0.5  # least share of a clip in which an angle is seen and not foreshortened


@dataclass(frozen=True)
class RepetitionRow:
    """A repetition of a clip.

    number: from 1. span: its rows. moments: in seconds of the clip, None = it does not go out and
    back. angle_at_start, angle_at_turn: degrees, 180 = straight; NaN = unknown.
    """

    number: int
    span: Repetition
    moments: RepetitionMoments | None
    angle_at_start: float
    angle_at_turn: float

    @property
    def range(self) -> float:
        """Degrees by which the angle changes from start to turn, NaN = unknown."""
        return abs(self.angle_at_turn - self.angle_at_start)

    @property
    def seconds(self) -> tuple[float, float, float]:
        """Seconds out, held and back; NaN = unknown."""
        found = self.moments
        if found is None:
            return np.nan, np.nan, np.nan
        return found.turn - found.start, found.hold, found.end - found.back

    @property
    def speed(self) -> tuple[float, float]:
        """Degrees per second out and back, means of the way; NaN = unknown."""
        out, _, back = self.seconds
        return tuple(self.range / way if way > 0 else np.nan for way in (out, back))  # pyright: ignore


@dataclass(frozen=True)
class RepetitionTable:
    """The repetitions of a clip, in order.

    angle: the one that changes most, such as `left_knee`, None = none is seen. spatial: whether it
    is measured in 3D, not in the image. files: written, in order.
    """

    clip: Video
    angle: str | None
    spatial: bool
    rows: tuple[RepetitionRow, ...]
    files: tuple[Path, ...] = ()

    def speed_lost(self) -> list[tuple[float, float]]:
        """Return for each repetition how much slower its ways out and back are than the fastest of
        the clip, 0 to 1; NaN = unknown."""
        speed = np.array([row.speed for row in self.rows]).reshape(-1, 2)
        best = np.max(np.nan_to_num(speed, nan=0.0), axis=0, initial=0.0)
        lost = 1 - speed / np.where(best > 0, best, np.nan)
        return [(float(out), float(back)) for out, back in lost]

    def records(self) -> list[dict[str, Any]]:
        """Return a row of COLUMNS for each repetition; None = unknown. Times in seconds of the
        clip, angles in degrees, speeds in degrees per second, losses as shares."""
        records = []
        for row, lost in zip(self.rows, self.speed_lost(), strict=True):
            at = row.moments
            moments = (at.start, at.turn, at.back, at.end) if at else (np.nan,) * 4
            angles = (row.angle_at_start, row.angle_at_turn, row.range)
            measured = rounded((*moments, *row.seconds), 4)
            values = (*measured, self.angle, *rounded((*angles, *row.speed, *lost), 4))
            records.append(dict(zip(COLUMNS, (row.number, *values), strict=True)))
        return records

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON."""
        return {
            "schema_version": 1,
            "video": self.clip.id,
            "path": self.clip.path,
            "spatial": self.spatial,
            "repetitions": self.records(),
            "files": [str(file) for file in self.files],
        }

    def csv_text(self) -> str:
        """Return the table as CSV; cells of what is unknown are empty."""
        rows = (["" if v is None else v for v in row.values()] for row in self.records())
        return table_text(COLUMNS, rows)


def tabulate_repetitions(
    project: StoredProject, name: str, device: DeviceName = "auto", progress: Progress = SILENT
) -> RepetitionTable:
    """Return the table of repetitions of a clip; missing poses are extracted first.

    Parameters
    ----------
    name: a video file, or a clip of the project.
    device: where joints of new videos are computed.

    Raises
    ------
    UserError: as ensure_poses does.
    """
    (video,) = ensure_poses(project, (name,), project.config().poses, device, progress)
    clip, (pose, _) = project.clip(video), project.read_pose(video)
    (pose,) = in_3d([pose])
    angle, rows = measure_repetitions(pose)
    if len(rows) == 1:
        progress.note(f"no repetition found in {name}: it counts as a single one")
    return RepetitionTable(clip, angle, pose.spatial, tuple(rows))


def measure_repetitions(pose: PoseSequence) -> tuple[str | None, list[RepetitionRow]]:
    """Return the angle that changes most from start to turn, and a row for each repetition.

    Parameters
    ----------
    pose: joints of the clip; one that does not repeat itself is a single repetition.
    """
    spans = cut_clip(pose) or [Repetition(0, len(pose), 1.0)]
    moments = find_moments(pose, spans)
    names, angles = _clear_angles(pose)
    nowhere = np.full(len(names), np.nan)
    start, turn = (
        np.array([nowhere if at is None else _at(angles, pose, way(at)) for at in moments])
        for way in (lambda at: at.start, lambda at: (at.turn + at.back) / 2)
    )
    change = np.abs(turn - start)
    known = np.asarray(np.isfinite(change).any(axis=0))
    if not known.any():
        nan = float("nan")
        found = zip(spans, moments, strict=True)
        rows = [RepetitionRow(n, span, at, nan, nan) for n, (span, at) in enumerate(found, 1)]
        return None, rows
    usual = [float(np.nanmedian(c)) if k else -1.0 for c, k in zip(change.T, known, strict=True)]
    most = int(np.argmax(usual))
    found = zip(spans, moments, start[:, most], turn[:, most], strict=True)
    rows = [
        RepetitionRow(n, span, at, float(first), float(far))
        for n, (span, at, first, far) in enumerate(found, 1)
    ]
    return names[most], rows


def _clear_angles(pose: PoseSequence) -> tuple[tuple[str, ...], FloatArray]:
    """Return names (J,) and angles (T, J), smoothed; an angle that the camera shows in less than
    the share _SHOWN of the clip is NaN throughout."""
    names, angles = joint_angles(pose)
    hidden = foreshortened(pose) | np.isnan(angles)
    even = np.full(angles.shape, np.nan)
    for j in range(len(names)):
        shown = np.flatnonzero(~hidden[:, j])
        if len(shown) < max(_SHOWN * len(pose), 2):
            continue
        filled = np.interp(pose.time, pose.time[shown], angles[shown, j])
        smooth = smoothed_in_time(filled[:, None], pose.axis, _SMOOTHING, 0.3)
        even[:, j] = np.where(hidden[:, j], np.nan, smooth[:, 0])
    return names, even


def _at(angles: FloatArray, pose: PoseSequence, seconds: float) -> FloatArray:
    return angles[pose.axis.nearest_row(seconds)]
