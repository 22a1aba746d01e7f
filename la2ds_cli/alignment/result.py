"""The alignment of two clips as data: the match, what it says about both clips, JSON and CSV.

This module writes no files; la2ds_cli/views/alignment_files.py does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment.confidence import (
    WORDS,
    Certainty,
    certainty_text,
    certainty_words,
    seconds_within,
)
from la2ds_cli.alignment.consensus import Located
from la2ds_cli.alignment.pair import unclear_view
from la2ds_cli.alignment.path import matched_time, pair_distance
from la2ds_cli.alignment.same_movement import Sameness
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.types import Alignment, BoolArray, FloatArray, PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.features.camera_views import shown
from la2ds_cli.features.tempo import resting

COLUMNS = ("index_a", "index_b", "frame_a", "frame_b", "time_a", "time_b", "cost", "confidence")
INTERVAL_COLUMNS = ("time_b_low", "time_b_high", "within")


@dataclass(frozen=True)
class AlignResult:
    """The alignment of two clips.

    a, b: rows of videos.csv. pose_a, pose_b: the clips' joints.
    alignment: the dense correspondence.
    features: (N, D) of A and (M, D) of B as they were compared.
    speed_ratio: (N,) seconds of B per second of A, NaN where unmatched.
    overall_ratio: the same between the first and the last match, NaN for one frame of A.
    reason: why the base model or raw poses were used, empty if they were requested or a run was
        used.
    settings: of the alignment.
    same_movement: whether both show the same movement, None = it cannot be judged.
    anchors: seconds of A and B that were forced to match.
    unclear_views: other views in which B may have to be compared.
    repeats: seconds after which B repeats itself, if the match could be a repetition earlier or
        later.
    references: number of reference clips used (config align.reference_clips).
    strangers: of those left out, since they clearly show another movement than A.
    files: written, in order.
    """

    a: Video
    b: Video
    pose_a: PoseSequence
    pose_b: PoseSequence
    alignment: Alignment
    features: tuple[FloatArray, FloatArray]
    speed_ratio: FloatArray
    overall_ratio: float
    run: str
    reason: str
    settings: AlignConfig
    same_movement: Sameness | None = None
    anchors: tuple[tuple[float, float], ...] = ()
    unclear_views: tuple[View, ...] = ()
    repeats: float | None = None
    references: int = 0
    strangers: int = 0
    files: tuple[Path, ...] = ()

    @property
    def shown_b(self) -> PoseSequence:
        """The joints of B as its picture is shown, flipped if that is how it was compared."""
        return shown(self.pose_b, self.alignment.view)

    @property
    def unclear(self) -> str:
        """A sentence if it is not clear in which view B has to be compared, or which of its
        repetitions, such as steps, A shows; else empty."""
        said = [unclear_view(self.b.name, self.alignment.view, self.unclear_views)]
        if self.repeats is not None:
            said.append(
                f"{self.b.name} repeats itself every {self.repeats:.2f} s, and the matches could "
                "be one repetition earlier or later: la2ds align --anchor says where one belongs"
            )
        return "; ".join(filter(None, said))

    @property
    def mean_confidence(self) -> float:
        """Mean over the matched frames of A."""
        return float(self.alignment.confidence[np.unique(self.alignment.path[:, 0])].mean())

    @property
    def within(self) -> float:
        """Median of `seconds_within` over the matched frames of A."""
        return float(np.nanmedian(seconds_within(self.alignment)))

    @property
    def certainty(self) -> dict[str, int]:
        """How many frames of A have each of WORDS."""
        words = certainty_words(self.alignment)
        return {word: words.count(word) for word in WORDS}

    @property
    def sureness(self) -> str:
        """`certainty_text` of the alignment."""
        return certainty_text(self.alignment, resting(self.pose_a))

    def to_json(self) -> dict[str, Any]:
        """The entire result as JSON; None stands for "no counterpart"."""
        alignment = self.alignment
        sides = (
            (self.a, alignment.time_a, alignment.matched_a),
            (self.b, alignment.time_b, alignment.matched_b),
        )
        clips = {
            side: {
                "video": video.id,
                "path": video.path,
                "frames": len(time),
                "start": float(time[0]),
                "end": float(time[-1]),
                "unmatched": unmatched(matched, time),
            }
            for side, (video, time, matched) in zip("ab", sides, strict=True)
        }
        return {
            "schema_version": 1,
            **clips,
            "features": alignment.features,
            "reason": self.reason,
            "run": self.run if alignment.features == "model" else None,
            "method": alignment.method,
            "others": self.references,
            "others_left_out": self.strangers,
            "view": alignment.view,
            "unclear_views": list(self.unclear_views),
            "repeats_every": self.repeats and round(self.repeats, 3),
            "mirrored": alignment.mirrored,
            "mean_cost": float(alignment.cost.mean()),
            "mean_confidence": self.mean_confidence,
            "within": rounded([self.within])[0],
            "certainty": {word.replace(" ", "_"): count for word, count in self.certainty.items()},
            "speed_ratio": rounded([self.overall_ratio])[0],
            "same_movement": self.same_movement and self.same_movement.to_json(),
            "anchors": [list(anchor) for anchor in self.anchors],
            "path": {name: rounded(column) for name, column in path_columns(alignment).items()},
            "frames_a": {
                "index": list(range(len(alignment.time_a))),
                "frame": alignment.frame_a.tolist(),
                "time": rounded(alignment.time_a),
                "time_b": rounded(matched_time(alignment.position, alignment.time_b)),
                "time_b_low": rounded(matched_time(alignment.low, alignment.time_b)),
                "time_b_high": rounded(matched_time(alignment.high, alignment.time_b)),
                "within": rounded(seconds_within(alignment)),
                "certainty": certainty_words(alignment),
                "confidence": rounded(alignment.confidence),
                "speed_ratio": rounded(self.speed_ratio),
            },
            "files": [str(file) for file in self.files],
        }


def dense(
    found: Located,
    sure: Certainty,
    poses: tuple[PoseSequence, PoseSequence],
    features: tuple[FloatArray, FloatArray],
    kind: str,
    method: str,
    view: View = "filmed",
) -> Alignment:
    """The correspondence of two clips. features: of both as they were compared. kind: of the
    features."""
    pose_a, pose_b = poses
    return Alignment(
        path=found.path,
        position=found.position,
        cost=pair_distance(*features, found.path),
        confidence=sure.confidence,
        low=sure.low,
        high=sure.high,
        time_a=pose_a.time,
        time_b=pose_b.time,
        frame_a=pose_a.frame,
        frame_b=pose_b.frame,
        features=kind,
        method=method,
        view=view,
    )


def overall_ratio(found: Located, time_a: FloatArray, time_b: FloatArray) -> float:
    """Seconds of B per second of A between the first and the last pair; NaN for one frame of A.

    Of a consensus, these are the ends of the direct path, seen from both clips: a consensus of the
    frames of B ends at other moments, but swapped clips must have the inverse ratio.
    """
    if found.direct is not None:
        there, back = (
            _ratio(found.direct[0], time_a, time_b),
            _ratio(found.direct[1], time_b, time_a),
        )
        return math.sqrt(there / back) if there > 0 and back > 0 else math.nan
    first, last = found.path[0], found.path[-1]
    seconds_a, seconds_b = time_a[last[0]] - time_a[first[0]], time_b[last[1]] - time_b[first[1]]
    return float(seconds_b / seconds_a) if seconds_a > 0 else math.nan


def _ratio(position: FloatArray, time: FloatArray, other: FloatArray) -> float:
    """Seconds of the other clip per second of this one, between its first and last matched frame
    (position: (N,) frames of the other); NaN for fewer than two."""
    known = np.flatnonzero(~np.isnan(position))
    if len(known) < 2:
        return math.nan
    ends = known[[0, -1]]
    return float(np.diff(matched_time(position[ends], other))[0] / np.diff(time[ends])[0])


def path_columns(alignment: Alignment) -> dict[str, np.ndarray]:
    """One array (P,) per name of COLUMNS. index: row in the clip's poses; frame: in its source
    file; time: seconds; cost: feature distance of the pair; confidence: of its frame of A."""
    i, j = alignment.path.T
    values = (
        i,
        j,
        alignment.frame_a[i],
        alignment.frame_b[j],
        alignment.time_a[i],
        alignment.time_b[j],
        alignment.cost,
        alignment.confidence[i],
    )
    return dict(zip(COLUMNS, values, strict=True))


def csv_text(alignment: Alignment) -> str:
    """The path as CSV, one row per pair: COLUMNS, then INTERVAL_COLUMNS (the 90 % interval of the
    counterpart in seconds of B, and how far its farther end is from the match, empty if unknown),
    and `certainty`, one of WORDS. Seconds to the microsecond."""
    columns = path_columns(alignment)
    row_a = alignment.path[:, 0]
    bounds = [matched_time(bound, alignment.time_b) for bound in (alignment.low, alignment.high)]
    for name, value in zip(INTERVAL_COLUMNS, (*bounds, seconds_within(alignment)), strict=True):
        columns[name] = value[row_a]
    columns["certainty"] = np.array(certainty_words(alignment))[row_a]
    digits = {"time_a": 6, "time_b": 6, "cost": 6, "confidence": 4}
    digits |= dict.fromkeys(INTERVAL_COLUMNS, 6)
    shown = [
        ["" if np.isnan(value) else f"{value:.{digits[name]}f}" for value in column]
        if name in digits
        else column
        for name, column in columns.items()
    ]
    return table_text(columns, zip(*shown, strict=True))


def rounded(values: FloatArray | Sequence[float], digits: int = 6) -> list[Any]:
    """Plain numbers for JSON; NaN becomes None."""
    array = np.asarray(values)
    if np.issubdtype(array.dtype, np.integer):
        return array.tolist()
    exact = array.astype(np.float64).round(digits) + 0.0  # no -0.0
    return [None if np.isnan(value) else value for value in exact.tolist()]


def unmatched(matched: BoolArray, time: FloatArray) -> list[list[float]]:
    """[first, last] seconds of every span of frames without a counterpart; matched (T,)."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[True], matched, [True]])))
    return [rounded(time[[first, stop - 1]]) for first, stop in bounds.reshape(-1, 2)]
