import csv
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from la2ds_cli.demo.demo_clips import FPS, SIZE, performed, write_demo_clips
from la2ds_cli.demo.performer import phase_name


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_demo_clips(tmp_path_factory.mktemp("clips"), n=2, seed=3)


def _rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _decode(path):
    import av

    with av.open(str(path)) as container:
        frames: list[Any] = list(container.decode(video=0))
        time = [float(frame.pts * frame.time_base) for frame in frames]
        return [frame.to_ndarray(format="rgb24") for frame in frames], time


def test_videos_decode_to_the_stated_frames(clips):
    for clip in clips:
        image, time = _decode(clip.path)
        assert len(image) == len(clip.phase) == len(clip.xy)
        assert image[0].shape == (SIZE[1], SIZE[0], 3)
        np.testing.assert_allclose(time, clip.time, atol=1e-3)
        assert 2 * FPS <= len(image) <= 4 * FPS
        assert ((clip.xy >= 0) & (clip.xy < SIZE)).all()


def test_the_person_moves_where_the_truth_says(clips):
    """Between distant frames the picture changes around the joints and not far from them."""
    for clip in clips:
        image, _ = _decode(clip.path)
        half = len(image) // 2
        change = np.abs(image[0].astype(int) - image[half]).max(axis=2)
        xy = np.concatenate([clip.xy[0], clip.xy[half]])
        v, u = np.indices(change.shape)
        distance = np.hypot(u[..., None] - xy[:, 0], v[..., None] - xy[:, 1]).min(axis=2)
        assert change[distance < 5].mean() > 3 * change[distance > 60].mean()


def test_truth_is_strictly_monotone_and_matches_the_clips(clips):
    truth = _rows(clips[0].path.parent / "truth.csv")
    for clip in clips:
        mine = [row for row in truth if row["video"] == clip.path.name]
        assert [int(row["frame"]) for row in mine] == list(range(len(clip.phase)))
        phase = np.array([float(row["phase_value"]) for row in mine])
        assert (np.diff(phase) > 0).all()
        assert phase[0] >= 0
        assert phase[-1] <= 1
        np.testing.assert_allclose(phase, clip.phase, atol=1e-6)
        np.testing.assert_allclose([float(row["time"]) for row in mine], clip.time, atol=1e-6)


def test_phases_cover_each_clip_without_gap_and_agree_with_the_phase(clips):
    rows = _rows(clips[0].path.parent / "phases.csv")
    for clip in clips:
        mine = [row for row in rows if row["video"] == clip.path.name]
        assert mine[0]["start"] == "0"
        assert int(mine[-1]["end"]) == len(clip.phase)
        assert all(one["end"] == two["start"] for one, two in pairwise(mine))
        for row in mine:
            for frame in range(int(row["start"]), int(row["end"])):
                assert phase_name(clip.phase[frame]) == row["phase"]


def test_the_seed_decides_everything(clips, tmp_path):
    again = write_demo_clips(tmp_path / "new" / "folder", n=2, seed=3)[0]
    np.testing.assert_array_equal(again.phase, clips[0].phase)
    np.testing.assert_array_equal(again.xy, clips[0].xy)
    assert again.path.read_bytes() == clips[0].path.read_bytes()
    one, other = (_decode(path)[0][5].astype(int) for path in (again.path, clips[1].path))
    assert np.abs(one - other).mean() > 10
    assert not np.array_equal(clips[0].phase[:50], clips[1].phase[:50])


def test_no_clips_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least 1, not 0"):
        write_demo_clips(tmp_path, n=0)


def test_joints_in_metres_are_those_of_the_image_from_far_away():
    pose, phase = performed(1, 4, seed=3)
    assert pose.world is not None
    assert pose.world.shape == (len(phase), 17, 3)
    hips = [11, 12]
    np.testing.assert_allclose(pose.world[:, hips].mean(axis=1), 0, atol=1e-3)
    seen = pose.xy - pose.xy[:, hips].mean(axis=1, keepdims=True)
    for axis in range(2):  # perspective is the rest
        both = seen[..., axis].ravel(), pose.world[..., axis].ravel()
        assert np.corrcoef(*both)[0, 1] > 0.97
    height = np.ptp(pose.world[0, :, 1])
    assert 1.2 < height < 1.9
