"""What a page knows of one clip: its frames, joints, phases and weaknesses, as JSON."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.alignment.result import rounded
from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import Skeleton
from la2ds_cli.core.types import FloatArray, Phase, PoseSequence
from la2ds_cli.features.resample import frame_edges
from la2ds_cli.poses.quality import clip_facts
from la2ds_cli.poses.verdict import Weakness, verdict
from la2ds_cli.views.report.film import windows

UNIT = 4096  # steps of a stored joint over the height of the window
UNSEEN = -(1 << 15)


@dataclass(frozen=True)
class PageClip:
    """One clip of a page. pose: as it is drawn, of the mirrored clip where it was mirrored.
    weaknesses: of its joints, the most serious first."""

    letter: str
    video: Video
    pose: PoseSequence
    phases: list[Phase]
    weaknesses: tuple[Weakness, ...]

    def to_json(self) -> dict[str, Any]:
        """Times in seconds. edges: (T + 1,) at which frames begin and the last one ends. joints,
        state: see packed_joints. phases: start and end in seconds, name. aspect: width over
        height of what is shown of a frame."""
        window = windows(self.pose)
        edges = frame_edges(self.pose.time, self.pose.fps)
        size = window[0, 2:] - window[0, :2]
        joints, state = packed_joints(self.pose, window)
        return {
            "name": self.video.name,
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
    """A clip of the project for a page; phases that none of its frames has are left out."""
    begin, end = int(pose.frame[0]), int(pose.frame[-1])
    shown = [phase for phase in phases if phase.start <= end and phase.end > begin]
    return PageClip(letter, video, pose, shown, verdict(clip_facts(project, video.id)).all)


def packed_joints(pose: PoseSequence, window: FloatArray) -> tuple[str, str]:
    """Places (T, K, 2) as little-endian int16 and states (T, K) as bytes, base64 both.

    Places count from the window's upper left corner, 1 / UNIT of its height a step; UNSEEN where
    NaN. State: 0 not seen, 1 interpolated (score 0), 2 seen.
    """
    height = window[:, None, 3:] - window[:, None, 1:2]
    place = (np.asarray(pose.xy, np.float64) - window[:, None, :2]) / height * UNIT
    finite = np.asarray(np.isfinite(place).all(axis=2))
    limit = -UNSEEN - 1
    whole = np.clip(np.rint(np.where(finite[..., None], place, 0)), -limit, limit)
    packed = np.where(finite[..., None], whole, UNSEEN).astype("<i2")
    state = np.where(finite, 1 + (pose.score > 0), 0).astype(np.uint8)
    return base64_text(packed.tobytes()), base64_text(state.tobytes())


def skeleton_json(skeleton: Skeleton) -> dict[str, Any]:
    """limbs: index pairs; sides: left, right or empty, of every joint."""
    sides = [
        joint.split("_")[0] if joint.startswith(("left_", "right_")) else ""
        for joint in skeleton.joints
    ]
    return {"limbs": [list(limb) for limb in skeleton.limbs], "sides": sides}


def base64_text(content: bytes) -> str:
    """Base64, ASCII."""
    return base64.b64encode(content).decode("ascii")
