"""What an alignment of two clips of a project comes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.alignment import tables
from la2ds_cli.alignment.confidence import NEAR, NOMINAL
from la2ds_cli.alignment.match import Match
from la2ds_cli.alignment.path import is_monotone, matched_time
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import Alignment, FloatArray, PoseSequence


@dataclass(frozen=True)
class AlignResult:
    """alignment: the dense correspondence. a, b: rows of videos.csv. pose_a, pose_b: the clips'
    joints. match: features (N, D) and (M, D) as they were compared. speed_ratio: (N,) seconds of B
    per second of A, NaN where unmatched and for paths that are not monotone. reason: why raw poses
    were used, empty when they were asked for or a model was used. settings: of the alignment.
    files: written, in order."""

    a: Video
    b: Video
    pose_a: PoseSequence
    pose_b: PoseSequence
    alignment: Alignment
    match: Match
    speed_ratio: FloatArray
    run: str
    reason: str
    settings: AlignConfig
    files: tuple[Path, ...] = ()

    @property
    def others(self) -> int:
        """Clips that had a say (config align.routes)."""
        return self.match.others

    @property
    def mean_confidence(self) -> float:
        """Over the matched frames of A."""
        return float(self.alignment.confidence[np.unique(self.alignment.path[:, 0])].mean())

    @property
    def overall_ratio(self) -> float:
        """Seconds of B per second of A between the first and the last pair; NaN for one frame of A
        and for paths that are not monotone."""
        first, last = self.alignment.path[0], self.alignment.path[-1]
        seconds_a = self.alignment.time_a[last[0]] - self.alignment.time_a[first[0]]
        seconds_b = self.alignment.time_b[last[1]] - self.alignment.time_b[first[1]]
        ordered = seconds_a > 0 and is_monotone(self.alignment.path)
        return float(seconds_b / seconds_a) if ordered else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Everything there is, as JSON; None stands for "no counterpart"."""
        found = self.alignment
        sides = (
            (self.a, found.time_a, found.matched_a),
            (self.b, found.time_b, found.matched_b),
        )
        clips = {
            side: {
                "video": video.id,
                "path": video.path,
                "frames": len(time),
                "start": float(time[0]),
                "end": float(time[-1]),
                "unmatched": tables.unmatched(matched, time),
            }
            for side, (video, time, matched) in zip("ab", sides, strict=True)
        }
        return {
            "schema_version": tables.SCHEMA_VERSION,
            **clips,
            "features": found.features,
            "reason": self.reason,
            "run": self.run if found.features == "model" else None,
            "method": found.method,
            "open_ends": self.settings.open_ends and found.method == "dtw",
            "skip_cost": self.settings.skip_cost,
            "band": self.settings.band,
            "gaps": self.settings.gaps and found.method == "dtw",
            "others": self.others,
            "mirrored": found.mirrored,
            "mean_cost": float(found.cost.mean()),
            "mean_confidence": self.mean_confidence,
            "confidence_is": f"probability of being right to {NEAR:.0%} of B's length",
            "interval": NOMINAL,
            "speed_ratio": tables.rounded([self.overall_ratio])[0],
            "path": tables.path_json(found),
            "frames_a": {
                "index": list(range(len(found.time_a))),
                "frame": found.frame_a.tolist(),
                "time": tables.rounded(found.time_a),
                "time_b": tables.rounded(matched_time(found.position, found.time_b)),
                "time_b_low": tables.rounded(matched_time(found.low, found.time_b)),
                "time_b_high": tables.rounded(matched_time(found.high, found.time_b)),
                "confidence": tables.rounded(found.confidence),
                "speed_ratio": tables.rounded(self.speed_ratio),
            },
            "files": [str(file) for file in self.files],
        }
