import numpy as np
import pytest

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.demo.clips import write_demo_clips
from la2ds_cli.demo.performer import COCO17, DOF
from la2ds_cli.poses.networks.paper import build_pose
from la2ds_cli.video.reader import read_frames
from la2ds_models.pose import (
    DEMO_WEIGHTS,
    POSE_VARIANTS,
    build_pose_network,
    load_pose_weights,
)
from scripts.demo_pose_samples import (
    held_out_samples,
    network_pck,
    pck,
    random_pose,
    random_sample,
)

SIZE = (128, 96)


def _sample(seed):
    return random_sample(np.random.default_rng(seed), SIZE)


def test_samples_have_the_stated_form_and_show_most_joints():
    samples = [_sample(seed) for seed in range(40)]
    for sample in samples:
        assert sample.image.shape == (*SIZE, 3)
        assert sample.image.dtype == np.uint8
        assert sample.xy.dtype == np.float32
        within = ((sample.xy >= 0) & (sample.xy <= (SIZE[1] - 1, SIZE[0] - 1))).all(axis=1)
        np.testing.assert_array_equal(within, sample.inside)
    shown = np.stack([sample.inside for sample in samples])
    assert 0.85 < shown.mean() < 1.0  # crops cut a few joints off, as a sloppy detector does


def test_random_poses_vary_and_do_not_bend_knees_or_elbows_backwards():
    rng = np.random.default_rng(2)
    pose = np.stack([random_pose(rng) for _ in range(300)])
    for joint in ("left_knee", "right_knee", "left_elbow", "right_elbow"):
        assert (pose[:, DOF[joint]] >= 0.02).all()
    upright = np.cos(pose[:, DOF["pitch"]])
    assert 0.6 < np.mean(upright > 0.8) < 0.95  # mostly upright, some bent or lying
    assert np.std(pose[:, DOF["left_arm_flex"]]) > 0.7


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
    untrained = network_pck(network, samples)
    load_pose_weights(network, DEMO_WEIGHTS)
    demo, varied = network_pck(network, samples)
    assert max(untrained) < 0.2
    assert demo >= 0.9
    assert varied >= 0.8


def test_the_demo_backend_finds_the_joints_of_unseen_performers_in_their_videos(tmp_path):
    """The whole path from mp4 to joints, 60 frames of clips whose seed no training used."""
    clips = write_demo_clips(tmp_path, n=3, seed=1_000)
    backend = build_pose("hrnet-demo", "cpu", PosesConfig(batch_size=20))
    predicted, true = [], []
    for clip in clips:
        shown = np.linspace(0, len(clip.phase) - 1, 20).astype(int)
        image = [frame.image for frame in read_frames(clip.path)]
        xy = clip.xy[shown]
        low, high = xy.min(axis=1), xy.max(axis=1)
        slack = 0.08 * (high - low).max(axis=1, keepdims=True)  # joints lie inside the outline
        box = np.concatenate([low - slack, high + slack], axis=1)
        predicted.append(backend.estimate([image[frame] for frame in shown], box)[0])
        true.append(xy)
    predicted, true = np.concatenate(predicted), np.concatenate(true)
    assert pck(predicted, true, np.ones(true.shape[:2], bool)) >= 0.95
