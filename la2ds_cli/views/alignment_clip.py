"""What the alignment figure shows of one clip: name, pictures, times, phases, unmatched ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import BoolArray, FloatArray, Phase, PoseSequence
from la2ds_cli.features.resample import frame_edges
from la2ds_cli.video.video_file import VideoFile, video_file
from la2ds_cli.views.figure import printable


@dataclass(frozen=True)
class DrawnClip:
    """One clip of the figure.

    letter: A or B. edges: (T + 1,) seconds at which its frames begin and end. matched: (T,) which
    of them have a counterpart. phases: (start, end, name), in seconds. source: the video file,
    None where only joints are known.
    """

    letter: str
    name: str
    pose: PoseSequence
    source: VideoFile | None
    edges: FloatArray
    matched: BoolArray
    phases: list[tuple[float, float, str]]

    @property
    def limits(self) -> tuple[float, float]:
        """Seconds at which the first frame begins and the last one ends."""
        return float(self.edges[0]), float(self.edges[-1])

    def unmatched(self) -> list[tuple[float, float]]:
        """Spans in seconds that have no counterpart, at the ends and inside."""
        bounds = np.flatnonzero(np.diff(np.concatenate([[True], self.matched, [True]])))
        return [
            (float(self.edges[first]), float(self.edges[stop]))
            for first, stop in bounds.reshape(-1, 2)
        ]


def drawn_clip(
    project: Project,
    letter: str,
    video: Video,
    pose: PoseSequence,
    matched: BoolArray,
    phases: list[Phase],
) -> DrawnClip:
    """A project clip, or the part of it that `pose` (T frames) holds, for the figure; matched: (T,)
    rows that have a counterpart."""
    edges = frame_edges(pose.time, pose.fps)

    def seconds(frame: int) -> float:
        return float(edges[np.searchsorted(pose.frame, frame)])

    return DrawnClip(
        letter,
        printable(video.name),
        pose,
        video_file(project, video),
        edges,
        matched,
        [
            (seconds(p.start), seconds(p.end), p.name)
            for p in phases
            if p.end > pose.frame[0] and p.start <= pose.frame[-1]
        ],
    )
