"""The demo's pose network, which was trained on rendered people."""

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.demo.demo_clips import write_demo_clips
from la2ds_cli.demo.performer import COCO17
from la2ds_cli.poses.networks.paper import build_pose
from la2ds_cli.video.reader import read_frames

TORSO = [
    COCO17.index(f"{side}_{joint}") for joint in ("shoulder", "hip") for side in ("left", "right")
]


def test_the_joints_of_unseen_performers_are_found_in_their_videos(tmp_path):
    """The whole path from mp4 to joints, 60 frames of clips whose seed no training used."""
    clips = write_demo_clips(tmp_path, n=3, seed=1_000)
    backend = build_pose("hrnet-demo", "cpu", PosesConfig(batch_size=20))
    right = []
    for clip in clips:
        shown = np.linspace(0, len(clip.phase) - 1, 20).astype(int)
        image = [frame.image for frame in read_frames(clip.path)]
        xy = clip.xy[shown]
        low, high = xy.min(axis=1), xy.max(axis=1)
        slack = 0.08 * (high - low).max(axis=1, keepdims=True)  # joints lie inside the outline
        box = np.concatenate([low - slack, high + slack], axis=1)
        found = backend.estimate([image[frame] for frame in shown], box)[0]
        left_shoulder, right_shoulder, left_hip, right_hip = (xy[:, joint] for joint in TORSO)
        crossed = left_shoulder - right_hip, right_shoulder - left_hip
        torso = np.mean([np.linalg.norm(one, axis=1) for one in crossed], axis=0)
        right.append(np.linalg.norm(found - xy, axis=2) <= 0.2 * torso[:, None])
    assert np.mean(right) >= 0.95
