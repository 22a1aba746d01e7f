import numpy as np
import pytest

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.demo.body import COCO17
from la2ds_cli.demo.clips import write_demo_clips
from la2ds_cli.demo.pck import held_out_samples, network_pck, pck
from la2ds_cli.poses.backends.hrnet import build
from la2ds_cli.video.reader import read_frames
from la2ds_models.pose import (
    DEMO_WEIGHTS,
    POSE_VARIANTS,
    build_pose_network,
    load_pose_weights,
)


def _person():
    """Joints (1, 17, 2) whose shoulders are 50 pixels from the opposite hips (30, 40)."""
    xy = np.zeros((1, 17, 2))
    for name, at in (
        ("left_shoulder", (0, 0)),
        ("right_shoulder", (30, 0)),
        ("left_hip", (0, 40)),
        ("right_hip", (30, 40)),
    ):
        xy[0, COCO17.index(name)] = at
    return xy


def test_pck_by_hand():
    true, counted = _person(), np.ones((1, 17), bool)
    assert pck(true, true, counted) == 1.0
    moved = true.copy()
    moved[0, 0] += (9.9, 0)  # within 0.2 * 50
    moved[0, 1] += (10.1, 0)
    moved[0, 2] += (0, 400)
    assert pck(moved, true, counted) == pytest.approx(15 / 17)
    counted[0, 2] = False
    assert pck(moved, true, counted) == pytest.approx(15 / 16)
    assert np.isnan(pck(moved, true, np.zeros((1, 17), bool)))


def test_the_shipped_weights_find_joints_in_hard_crops_of_unseen_people():
    """Sloppy crops, clutter, occluders, bystanders and noise; unseen bodies, clothes and places."""
    variant = POSE_VARIANTS["hrnet-demo"]
    network = build_pose_network("hrnet-demo").eval()
    samples = held_out_samples(120, variant.input_size, seed=1)
    untrained = network_pck(network, samples, variant.stride)
    load_pose_weights(network, DEMO_WEIGHTS)
    demo, varied = network_pck(network, samples, variant.stride)
    assert max(untrained) < 0.2
    assert demo >= 0.9
    assert varied >= 0.8


def test_the_demo_backend_finds_the_joints_of_unseen_performers_in_their_videos(tmp_path):
    """The whole path from mp4 to joints, 60 frames of clips whose seed no training used."""
    clips = write_demo_clips(tmp_path, n=3, seed=1_000)
    backend = build("hrnet-demo", "cpu", PosesConfig(batch_size=20))
    found, true = [], []
    for clip in clips:
        shown = np.linspace(0, len(clip.phase) - 1, 20).astype(int)
        image = [frame.image for frame in read_frames(clip.path)]
        xy = clip.xy[shown]
        low, high = xy.min(axis=1), xy.max(axis=1)
        slack = 0.08 * (high - low).max(axis=1, keepdims=True)  # joints lie inside the outline
        box = np.concatenate([low - slack, high + slack], axis=1)
        found.append(backend.estimate([image[frame] for frame in shown], box)[0])
        true.append(xy)
    found, true = np.concatenate(found), np.concatenate(true)
    assert pck(found, true, np.ones(true.shape[:2], bool)) >= 0.95
