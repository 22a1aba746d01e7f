"""The result of timeline.py: the positions of many clips on one timeline, and their mean movement,
as JSON and as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.alignment import rounded
from la2ds_cli.alignment.curve_groups import NO_GROUPS, CurveGroups, Grouping, group_curves
from la2ds_cli.alignment.same_movement import DOUBTED
from la2ds_cli.core.arrays import mean_and_deviation
from la2ds_cli.core.clip import Video
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.core.view import FLIPPED, View
from la2ds_cli.features.body_quantities import unit_of

GRID = np.linspace(0.0, 1.0, 101)  # positions at which joint angles are compared
WORTH_NOTING = 0.01  # share of the moments of an angle from which a note says that it is left out
CURVE_COLUMNS = (
    *("clip", "group", "person", "percent", "reference_seconds", "seconds", "confidence"),
    *("quantity", "unit", "value"),
)
COLUMNS = (
    *("clip", "frame", "seconds", "position", "reference_frame", "reference_seconds"),
    "confidence",
)


@dataclass(frozen=True)
class PlacedClip:
    """A clip on the timeline.

    Attributes
    ----------
    frame, time: (T,) of its poses.
    position: (T,) in [0, 1], never decreasing; NaN = not on the timeline.
    confidence: (T,) probability that the position is right to within 0.05.
    view: in which it was compared.
    probability: that it shows the movement; NaN = it cannot be judged.
    angles: (G, J) degrees at GRID; NaN = not seen, or foreshortened in the image.
    foreshortened: (J,) share of the moments at which an angle is foreshortened.
    quantities: (G,) each, of features/body_quantities.py at GRID.
    repetitions: number of repetitions in the clip if the nearest of several was placed, else 1.
    times_as_long: seconds of the clip per second of the reference in motion; NaN if nothing moves.
    """

    video: Video
    frame: IntArray
    time: FloatArray
    position: FloatArray
    confidence: FloatArray
    view: View
    probability: float
    angles: FloatArray
    foreshortened: FloatArray
    quantities: Mapping[str, FloatArray]
    repetitions: int = 1
    times_as_long: float = math.nan

    @property
    def mirrored(self) -> bool:
        """Whether its picture is flipped for display."""
        return self.view in FLIPPED

    def row_at(self, position: FloatArray) -> FloatArray:
        """Return `row_at` for the positions of its frames."""
        return row_at(self.position, position)

    @property
    def mean_confidence(self) -> float:
        """Mean confidence of the frames that have a position."""
        return float(self.confidence[~np.isnan(self.position)].mean())

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds of the first and the last frame that have a position."""
        placed = np.flatnonzero(~np.isnan(self.position))
        return float(self.time[placed[0]]), float(self.time[placed[-1]])


def row_at(own: FloatArray, position: FloatArray) -> FloatArray:
    """Return the fractional rows (G,) of a clip at positions (G,); NaN = not shown.

    `own` (T,) are the positions of its frames. If several rows have the same position, their middle
    is returned.
    """
    placed = np.flatnonzero(~np.isnan(own))
    if not len(placed):
        return np.full(len(position), np.nan)
    places, first, count = np.unique(own[placed], return_index=True, return_counts=True)
    middle = (placed[first] + placed[first + count - 1]) / 2
    return np.interp(position, places, middle, left=np.nan, right=np.nan)


@dataclass(frozen=True)
class TimelineResult:
    """Clips on one timeline.

    Attributes
    ----------
    clips: that were placed, in the order of the request.
    reference: number of the clip whose clock is the timeline.
    named: whether the user chose it.
    left_out: name -> reason why a clip is not on the timeline.
    features, run, reason: as in Alignment.
    joints: names of the angles.
    groups: of clips, if the user asked for them.
    files: written, in order.
    """

    clips: tuple[PlacedClip, ...]
    reference: int
    named: bool
    left_out: dict[str, str]
    features: str
    run: str
    reason: str
    joints: tuple[str, ...]
    groups: CurveGroups | None = None
    files: tuple[Path, ...] = ()

    @property
    def clock(self) -> PlacedClip:
        """The reference."""
        return self.clips[self.reference]

    @property
    def doubtful(self) -> list[PlacedClip]:
        """Clips on the timeline that may not show the same movement."""
        return [clip for clip in self.clips if clip.probability < DOUBTED]

    def foreshortened(self) -> FloatArray:
        """Return the share (J,) of each angle that is left out over all clips, because a limb
        points at the camera."""
        return np.mean([clip.foreshortened for clip in self.clips], axis=0)

    def angle_note(self) -> str:
        """Return a sentence on angles that are left out; empty if hardly any are."""
        shares = dict(zip(self.joints, self.foreshortened().tolist(), strict=True))
        named = [name for name in shares if shares[name] >= WORTH_NOTING]
        if not named:
            return ""
        named.sort(key=lambda name: -shares[name])
        angles = ", ".join(f"{name.replace('_', ' ')} {shares[name]:.0%}" for name in named)
        return f"left out where a limb points at the camera: {angles} of the time"

    def seconds_in(self, video: str, position: float) -> float:
        """Return the second of a clip (by id) at a position of the timeline; NaN if the clip does
        not show it. Raises KeyError for a clip that is not on the timeline."""
        placed = {clip.video.id: clip for clip in self.clips}[video]
        row = placed.row_at(np.array([position]))
        return float(np.interp(row, np.arange(len(placed.time)), placed.time)[0])

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each frame of each clip: `video`, `frame`,
        `time`, `position`, `confidence`; `attrs["units"]` has the unit of `time`. Raises UserError
        (exit 6) without pandas."""
        names = ("frame", "time", "position", "confidence")
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(clip, name) for clip in self.clips]) for name in names
        }
        ids = [clip.video.id for clip in self.clips for _ in range(len(clip.frame))]
        return make_data_frame({"video": ids} | columns, {"time": "s"})

    def quantities_of(self, clip: PlacedClip) -> dict[str, FloatArray]:
        """Return the curves (G,) of a clip at GRID by quantity: angles, and `quantities`."""
        return {name: clip.angles[:, j] for j, name in enumerate(self.joints)} | {**clip.quantities}

    def grouped(self, grouping: Grouping = NO_GROUPS) -> TimelineResult:
        """Return the timeline with its clips in groups, as `group_curves` divides them."""
        clips = [(clip.video, self.quantities_of(clip)) for clip in self.clips]
        return replace(self, groups=group_curves(clips, grouping))

    def curves(self) -> dict[str, list[Any]]:
        """Return the curve of each quantity of each clip on the clock of the reference, as columns.

        One row for each clip, quantity and position of GRID: the angles of the joints, and what
        features/body_quantities.py measures. Empty (None) where the clip does not show the
        position, and where a quantity is not seen or foreshortened.

        Returns
        -------
        dict: values of equal length for each of CURVE_COLUMNS. group, person: the performer, and
        the number of the person in the film, as in videos.csv. percent: of the reference, from its
        first frame to its last. reference_seconds, seconds: of that position in the reference and
        in the clip, so that differences in timing and in the size of a movement can be separated.
        confidence: that the seconds are right to within 5 % of the reference. value: in the unit
        beside it; a straight joint has 180 degrees.
        """
        clock, columns = self.clock, {name: [] for name in CURVE_COLUMNS}
        own = rounded(clock.time[0] + GRID * (clock.time[-1] - clock.time[0]), 6)
        count, percent = len(GRID), rounded(100 * GRID, 6)
        for clip in self.clips:
            row = clip.row_at(GRID)
            at = np.arange(len(clip.time))
            seconds = rounded(np.interp(row, at, clip.time), 6)
            sure = rounded(np.interp(row, at, clip.confidence), 4)
            for name, value in self.quantities_of(clip).items():
                columns["clip"] += [clip.video.id] * count
                columns["group"] += [clip.video.group] * count
                columns["person"] += [clip.video.person] * count
                columns["percent"] += percent
                columns["reference_seconds"] += own
                columns["seconds"] += seconds
                columns["confidence"] += sure
                columns["quantity"] += [name] * count
                columns["unit"] += [unit_of(name)] * count
                columns["value"] += rounded(value, 3)
        return columns

    def curves_text(self) -> str:
        """Return `curves` as CSV."""
        columns = self.curves().values()
        rows = zip(*columns, strict=True)
        return table_text(CURVE_COLUMNS, (["" if v is None else v for v in row] for row in rows))

    def bands(self) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return the mean and standard deviation (G, J) in degrees of the joint angles over the
        clips at GRID, and the number of clips (G, J) that show the angle; NaN for fewer than
        two."""
        mean, deviation, count = mean_and_deviation(np.stack([clip.angles for clip in self.clips]))
        enough = count >= 2
        return np.where(enough, mean, np.nan), np.where(enough, deviation, np.nan), count

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON, except the positions of single frames, which are in the table
        (docs/how-to/many-clips.md)."""
        (mean, spread, count), shares = self.bands(), self.foreshortened()
        reference = self.clock.video
        return {
            "schema_version": 1,
            "reference": {"video": reference.id, "path": reference.path, "named": self.named},
            "features": self.features,
            "reason": self.reason,
            "run": self.run if self.features == "model" else None,
            "clips": [self._clip_json(clip) for clip in self.clips],
            "left_out": dict(self.left_out),
            "angles": {
                "note": self.angle_note(),
                "position": rounded(GRID),
                "joints": {
                    name: {
                        "mean": rounded(mean[:, j], 2),
                        "sd": rounded(spread[:, j], 2),
                        "clips": count[:, j].tolist(),
                        "foreshortened": rounded([shares[j]], 4)[0],
                    }
                    for j, name in enumerate(self.joints)
                },
            },
            "groups": self.groups.to_json() if self.groups else None,
            "files": [str(file) for file in self.files],
        }

    def _clip_json(self, clip: PlacedClip) -> dict[str, Any]:
        matched = ~np.isnan(clip.position)
        start, end = clip.seconds
        return {
            "video": clip.video.id,
            "path": clip.video.path,
            "frames": len(clip.frame),
            "matched_frames": int(matched.sum()),
            "start": rounded([start])[0],
            "end": rounded([end])[0],
            "times_as_long": rounded([clip.times_as_long], 4)[0],
            "mean_confidence": rounded([clip.mean_confidence], 4)[0],
            "view": clip.view,
            "mirrored": clip.mirrored,
            "same_movement": rounded([clip.probability], 4)[0],
            "doubtful": clip.probability < DOUBTED,
            "repetitions": clip.repetitions,
        }

    def csv_text(self) -> str:
        """Return CSV with a row (COLUMNS) for each frame of each clip: its position on the
        timeline, the matching frame of the reference, and the confidence; cells without a
        counterpart are empty."""
        clock, rows = self.clock, []
        passed = (clock.time - clock.time[0]) / max(clock.time[-1] - clock.time[0], 1e-9)
        for clip in self.clips:
            placed = ~np.isnan(clip.position)
            place = np.where(placed, clip.position, 0.0)
            seconds = np.interp(place, passed, clock.time)
            frame = clock.frame[
                np.rint(np.interp(place, passed, np.arange(len(passed)))).astype(int)
            ]
            columns = (clip.frame, clip.time, placed, place, frame, seconds, clip.confidence)
            for number, time, shown, *cells in zip(*(c.tolist() for c in columns), strict=True):
                texts = (f"{cells[0]:.6f}", cells[1], f"{cells[2]:.6f}") if shown else ("", "", "")
                rows.append((clip.video.id, number, f"{time:.6f}", *texts, f"{cells[3]:.4f}"))
        return table_text(COLUMNS, rows)
