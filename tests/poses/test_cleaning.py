"""Gaps interpolated, and joints smoothed."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.config_sections import HeatmapConfig, ModelConfig
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.crop import clip_box
from la2ds_cli.features.network_input import network_input
from la2ds_cli.features.pose_features import fill_gaps
from la2ds_cli.poses.cleaning import Method, interpolate_gaps, smooth
from tests.movement import sequence

NOBODY = np.full(4, np.nan)


def line(time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two joints that move 100 and 200 pixels per second to the right, in a box that stays."""
    xy = np.stack([100 * time, 200 * time], axis=1)[..., None] * [1.0, 0.5]
    return xy, np.full(xy.shape[:2], 0.8), np.tile([0.0, 0, 400, 800], (len(time), 1))


def test_a_short_gap_is_interpolated_in_time() -> None:
    """Frames 3 and 4 are missing; the frames are not evenly spaced, the speed is constant."""
    time = np.array([0, 0.04, 0.08, 0.09, 0.15, 0.16, 0.2])
    whole, score, box = line(time)
    xy = whole.copy()
    xy[3:5, 0] = np.nan
    found, weight, _, filled = interpolate_gaps(xy, score, time, box, max_gap=0.1)
    np.testing.assert_allclose(found, whole)
    assert np.argwhere(filled).tolist() == [[3, 0], [4, 0]]
    assert weight[filled].tolist() == [0, 0]
    assert (weight[~filled] == 0.8).all()
    assert np.isnan(xy[3, 0]).all()  # the input is left alone


@pytest.mark.parametrize(("max_gap", "interpolated"), [(0.16, True), (0.15, False)])
def test_the_longest_gap_counts_from_sight_to_sight(max_gap: float, interpolated: bool) -> None:
    """Three frames are missing at 25 fps: the joint is seen at 0.08 s and again at 0.24 s."""
    time = np.arange(10) / 25
    xy, score, box = line(time)
    xy[3:6] = np.nan
    found, weight, _, filled = interpolate_gaps(xy, score, time, box, max_gap)
    assert filled[3:6].all() == interpolated
    assert np.isfinite(found[3:6]).all() == interpolated
    assert not weight[3:6].any()  # a masked joint weighs nothing either


def test_the_ends_stay_open() -> None:
    time = np.arange(10) / 25
    xy, score, box = line(time)
    xy[:2], xy[-1:] = np.nan, np.nan
    _, _, _, filled = interpolate_gaps(xy, score, time, box, max_gap=1)
    assert not filled.any()


@pytest.mark.parametrize(("cut", "interpolated"), [(4, False), (6, False), (3, True), (7, True)])
def test_nothing_is_interpolated_over_a_cut(cut: int, interpolated: bool) -> None:
    """Frames 4 and 5 are missing; a new shot that begins at 4, 5 or 6 lies between the ends."""
    time = np.arange(10) / 25
    xy, score, box = line(time)
    xy[4:6] = np.nan
    assert interpolate_gaps(xy, score, time, box, 1, cuts=[cut])[3].any() == interpolated


@pytest.mark.parametrize(("distance", "interpolated"), [(399, True), (401, False)])
def test_nothing_is_interpolated_to_a_person_elsewhere(distance: float, interpolated: bool) -> None:
    """Half of the longer side of the box are 400 pixels."""
    time = np.arange(10) / 25
    xy, score, box = line(time)
    xy[4:6], box[4:6] = np.nan, np.nan
    box[6:] += [distance, 0, distance, 0]
    _, _, new_box, filled = interpolate_gaps(xy, score, time, box, 1)
    assert filled[4:6].all() == filled.any() == interpolated
    assert np.isnan(new_box[4:6]).all() != interpolated


def test_boxes_are_interpolated_with_the_joints() -> None:
    time = np.arange(5) / 25
    xy, score, box = line(time)
    box[4] += 40
    box[1:4] = NOBODY
    _, _, found, _ = interpolate_gaps(xy, score, time, box, 1)
    np.testing.assert_allclose(found[:, 0], [0, 10, 20, 30, 40])


def test_types_are_kept() -> None:
    time = np.arange(5) / 25
    xy, score, box = (value.astype(np.float32) for value in line(time))
    xy[2] = np.nan
    found = interpolate_gaps(xy, score, time, box, 1)
    assert [value.dtype for value in found] == [np.float32, np.float32, np.float32, bool]
    empty = interpolate_gaps(xy[:0], score[:0], time[:0], box[:0], 1)
    assert [len(value) for value in empty] == [0, 0, 0, 0]


def test_interpolation_does_no_harm_downstream() -> None:
    """An interpolated joint leaves no trace in the maps and never widens the crop, and the joint
    features take it as they would have filled the gap themselves."""
    pose = sequence(np.linspace(0, 1, 40))
    skeleton = get_skeleton(pose.skeleton)
    xy, score = pose.xy.copy(), pose.score.copy()
    wrist = skeleton.index("left_wrist")
    xy[10:14, wrist], score[10:14, wrist] = np.nan, 0
    interpolated, weight, _, filled = interpolate_gaps(xy, score, pose.time, pose.box, 0.3)
    assert filled.sum() == 4
    np.testing.assert_array_equal(clip_box(interpolated), clip_box(xy))
    np.testing.assert_allclose(fill_gaps(interpolated), fill_gaps(xy), atol=1e-4)
    settings = skeleton, HeatmapConfig(), ModelConfig(input="both")
    open_gap = network_input(xy, score, *settings)
    closed = network_input(interpolated, weight, *settings)
    assert open_gap.maps is not None
    assert open_gap.joints is not None
    assert closed.maps is not None
    assert closed.joints is not None
    np.testing.assert_array_equal(closed.maps, open_gap.maps)
    assert not closed.maps[10:14, wrist].any()
    np.testing.assert_allclose(closed.joints, open_gap.joints, atol=1e-4)


FPS = 30
TIME = np.arange(20 * FPS) / FPS
METHODS: list[Method] = ["savgol", "one-euro"]


def swing(time: np.ndarray, hertz: float = 0.25) -> np.ndarray:
    """(T, 3, 2): a joint that swings over 200 pixels, and two at rest 300 pixels apart."""
    xy = np.zeros((len(time), 3, 2))
    xy[:, 0, 0] = 100 * np.sin(2 * np.pi * hertz * time)
    xy[:, 1, 1] = 300
    return xy


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, shape)


def gain(found: np.ndarray, true: np.ndarray) -> float:
    """Amplitude of the true movement within what was found."""
    return float(np.vdot(found, true) / np.vdot(true, true))


def test_savgol_lets_noise_fall_by_the_factor_of_its_window() -> None:
    """A parabola over 9 points keeps 59/231 of the variance of white noise (Savitzky and Golay
    1964, table I: the middle coefficient)."""
    clean = swing(TIME)
    found = smooth(clean + noise(clean.shape), TIME, "savgol", 9 / FPS)
    left = (found - clean)[10:-10]
    assert left.std() / 3 == pytest.approx(np.sqrt(59 / 231), rel=0.05)


def test_one_euro_lets_noise_fall_at_rest() -> None:
    """A first-order low pass of weight a keeps a / (2 - a) of the variance of white noise. Of two
    such passes, from both sides, half of it is left, and their common middle sample adds a^2 / 2:
    0.462 of the deviation here. Noise opens the filter a little, as movement would."""
    a = 1 / (1 + FPS * 0.3 / (2 * np.pi))
    least = np.sqrt((a / (2 - a) + a**2) / 2)
    clean = swing(TIME)
    found = smooth(clean + noise(clean.shape), TIME, "one-euro", 0.3)
    left = (found - clean)[10:-10, 1:].std() / 3
    assert least < left < 1.15 * least


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fps", [15, 60, 240])
def test_slow_movement_keeps_its_amplitude_and_does_not_lag(method: Method, fps: int) -> None:
    time = np.arange(8 * fps) / fps
    clean = swing(time)
    found = smooth(clean, time, method, 0.3)[:, 0, 0]
    true = clean[:, 0, 0]
    assert gain(found, true) == pytest.approx(1, abs=0.01)
    # A lag of L seconds would show as a part of the movement's velocity: cos, in quadrature.
    velocity = 2 * np.pi * 0.25 * 100 * np.cos(2 * np.pi * 0.25 * time)
    lag = -np.vdot(found - true, velocity) / np.vdot(velocity, velocity)
    assert abs(lag) < 0.002


@pytest.mark.parametrize("method", METHODS)
def test_gaps_stay_and_do_not_spread(method: Method) -> None:
    xy = swing(TIME) + noise((len(TIME), 3, 2))
    gapped = xy.copy()
    gapped[100:110, 0] = np.nan
    gapped[50, 2, 1] = np.nan  # half a joint is no joint
    found = smooth(gapped, TIME, method, 0.3)
    seen = np.isfinite(gapped).all(axis=2)
    np.testing.assert_array_equal(np.isfinite(found).all(axis=2), seen)
    # Each side of the gap is what it would be alone.
    alone = smooth(xy[:100], TIME[:100], method, 0.3), smooth(xy[110:], TIME[110:], method, 0.3)
    body = {"savgol": 1e-9, "one-euro": 0.1}[method]  # one-euro measures the body on the whole clip
    np.testing.assert_allclose(found[:100, 0], alone[0][:, 0], atol=body)
    np.testing.assert_allclose(found[110:, 0], alone[1][:, 0], atol=body)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_at_a_cut_stays_sharp(method: Method) -> None:
    xy = swing(TIME, hertz=0)
    xy[200:] += 500
    np.testing.assert_allclose(smooth(xy, TIME, method, 0.3, cuts=[200]), xy, atol=1e-6)
    blurred = smooth(xy, TIME, method, 0.3)
    assert np.abs(blurred - xy)[198:202].max() > 1


def test_irregular_times_are_filtered_by_time() -> None:
    """Frames that alternate between 20 and 60 ms: a straight movement stays what it was, and
    noise falls."""
    time = np.cumsum(np.tile([0.02, 0.06], 150))
    clean = swing(time)
    slow = np.corrcoef(smooth(clean, time, "savgol", 0.4)[:, 0, 0], clean[:, 0, 0])[0, 1]
    assert slow > 0.9999
    line = np.repeat(np.stack([50 * time, 20 * time], axis=1)[:, None], 3, axis=1)
    np.testing.assert_allclose(smooth(line, time, "savgol", 0.4), line, atol=1e-6)
    found = smooth(clean + noise(clean.shape), time, "savgol", 0.4)
    assert (found - clean).std() < 0.75 * 3


@pytest.mark.parametrize("length", [0, 1, 2, 4, 5, 6])
@pytest.mark.parametrize("method", METHODS)
def test_short_clips(method: Method, length: int) -> None:
    xy = swing(TIME[:length])
    found = smooth(xy, TIME[:length], method, 0.3)
    assert found.shape == xy.shape
    assert np.isfinite(found).all()


def test_a_window_of_three_frames_changes_nothing() -> None:
    xy = swing(TIME) + noise((len(TIME), 3, 2))
    np.testing.assert_array_equal(smooth(xy, TIME, "savgol", 3 / FPS), xy)


def test_none_is_a_copy() -> None:
    xy = swing(TIME).astype(np.float32)
    found = smooth(xy, TIME)
    np.testing.assert_array_equal(found, xy)
    assert found is not xy
    assert smooth(xy, TIME, "savgol").dtype == np.float32


@pytest.mark.parametrize(("method", "seconds"), [("kalman", 0.3), ("savgol", 0), ("none", -1)])
def test_wrong_settings_are_refused(method: Method, seconds: float) -> None:
    with pytest.raises(ValueError, match="smooth: "):
        smooth(swing(TIME), TIME, method, seconds)
