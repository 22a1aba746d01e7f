"""What confidence and intervals say on matches whose ambiguity, or whose truth, is known."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from la2ds_cli.alignment import confidence, distance
from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.confidence import NEAR, NOMINAL, Certainty, certainty, order_spread
from la2ds_cli.alignment.gaps import SharedRows
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.project import Project
from la2ds_cli.demo.clips import performed

CLOSED = AlignConfig()


def sure(a: np.ndarray, b: np.ndarray, path: np.ndarray, votes=None) -> Certainty:
    return certainty(a, b, smooth_match(path, len(a)), kind="pose", disagreement=votes)


def noisy_pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """40 distinct frames, 60 that look alike (in B 70), 40 distinct ones; the noise of B is
    another one."""
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(size=(80, 6)), axis=0)

    def clip(alike: int) -> np.ndarray:
        clean = np.concatenate([walk[:40], np.repeat(walk[40:41], alike, axis=0), walk[40:]])
        return clean + 0.2 * random.normal(size=clean.shape)

    return clip(60), clip(70)


def test_ranges_and_shapes() -> None:
    a, b = noisy_pair()
    found = sure(a, b, align_features("dtw", a, b, CLOSED))
    assert found.confidence.shape == found.low.shape == found.high.shape == (140,)
    assert found.confidence.dtype == np.float32
    assert (found.confidence >= 0).all()
    assert (found.confidence <= 1).all()
    assert (found.low >= 0).all()
    assert (found.high <= 149).all()
    assert found.high.max() == 149
    assert (found.low <= found.high).all()


def test_distinct_frames_are_surer_than_frames_that_look_alike() -> None:
    a, b = noisy_pair()
    found = sure(a, b, align_features("dtw", a, b, CLOSED))
    alike, distinct = slice(50, 90), np.r_[8:32, 108:132]
    assert found.confidence[distinct].min() > found.confidence[alike].max()
    assert np.median(found.confidence[distinct]) > 0.9
    width = found.high - found.low
    assert width[alike].min() > 2.5 * np.median(width[distinct])


def test_the_interval_and_the_confidence_are_of_one_normal_distribution() -> None:
    """Half the interval is 1.645 standard deviations; the confidence is the share within NEAR."""
    a, b = noisy_pair()
    path = align_features("dtw", a, b, CLOSED)
    found, position = sure(a, b, path), smooth_match(path, 140)
    row = 20  # far from the ends of B, where the interval is cut off
    deviation = (found.high[row] - position[row]) / 1.6449
    assert position[row] - found.low[row] == pytest.approx(found.high[row] - position[row])
    expected = math.erf(NEAR * 150 / deviation / math.sqrt(2))
    assert found.confidence[row] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "spread", "half"), [("pose", 0.0, 1.9), ("model", 0.0, 3.4), ("pose", 6.0, 1.5)]
)
def test_the_interval_holds_90_percent_and_the_confidence_is_of_5_percent_of_b(
    monkeypatch: pytest.MonkeyPatch, kind: str, spread: float, half: float
) -> None:
    """40 frames against 200. The order of time leaves 8 frames open, the estimates 0 or 6, a
    frame 0.3 and the pace 1 % of 200: of the root of the summed squares half an interval is 1.9,
    3.4 or, with estimates, 1.5 times as long. 5 % of B are 10 frames."""
    monkeypatch.setattr(confidence, "order_spread", lambda *_: np.full(40, 8.0))
    sure = certainty(
        np.zeros((40, 1)),
        np.zeros((200, 1)),
        np.linspace(2, 198, 40),
        kind=kind,
        disagreement=np.full(40, spread) if spread else None,
    )
    wide = half * math.sqrt(8**2 + spread**2 + 0.3**2 + 2**2)
    middle = np.linspace(2, 198, 40)[20]
    assert (sure.low[20], sure.high[20]) == (
        pytest.approx(middle - wide),
        pytest.approx(middle + wide),
    )
    assert (sure.low[0], sure.high[-1]) == (0, 199)
    error = NormalDist(0, wide / NormalDist().inv_cdf(0.95))
    assert error.cdf(wide) - error.cdf(-wide) == pytest.approx(NOMINAL)
    assert sure.confidence[20] == pytest.approx(error.cdf(10) - error.cdf(-10), abs=1e-4)


def test_the_spread_of_the_order_of_time_by_hand() -> None:
    """Two frames against three: where nothing costs anything, the five paths from (0, 0) to (1, 2)
    are equally likely. Five pass (0, 0), three (0, 1) and one (0, 2)."""
    a, b = np.zeros((2, 1)), np.zeros((3, 1))
    found = order_spread(a, b, np.array([0.0, 1.5]))
    visits = np.array([5, 3, 1]) / 9
    assert found[0] == pytest.approx(math.sqrt((visits * np.array([0, 1, 4])).sum()))


def test_votes_that_differ_widen_the_interval() -> None:
    a, b = noisy_pair()
    path = align_features("dtw", a, b, CLOSED)
    agreed = sure(a, b, path, votes=np.zeros(140))
    split = sure(a, b, path, votes=np.where(np.arange(140) < 70, 10.0, 0.0))
    assert (split.confidence[:70] < agreed.confidence[:70]).all()
    np.testing.assert_array_equal(split.confidence[70:], agreed.confidence[70:])


def test_identical_clips_are_certain() -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(size=(80, 4)), axis=0)
    found = sure(walk, walk, align_features("dtw", walk, walk, CLOSED))
    assert found.confidence.min() > 0.95


def test_clips_of_one_constant_frame_have_no_more_than_chance() -> None:
    still = np.ones((100, 3))
    found = sure(still, still, align_features("linear", still, still, CLOSED))
    assert np.isfinite(found.confidence).all()
    assert found.confidence[40:60].max() < 0.6


def test_frames_without_a_counterpart_have_none() -> None:
    walk = np.cumsum(np.random.default_rng(2).normal(size=(60, 4)), axis=0)
    b = walk[15:50]
    path = align_features("dtw", walk, b, AlignConfig(open_ends=True, skip_cost=0.1))
    found = sure(walk, b, path)
    for ends in (slice(0, 14), slice(51, None)):
        assert (found.confidence[ends] == 0).all()
        assert np.isnan(found.low[ends]).all()
    assert found.confidence[16:49].min() > 0.5


def test_a_wrong_path_is_less_sure_than_the_right_one() -> None:
    a, b = noisy_pair(3)
    right = align_features("dtw", a, b, CLOSED)
    wrong = np.column_stack([np.arange(140), np.clip(np.arange(140) + 25, 0, 149)])
    rows = slice(15, 30)  # the first frames lie near the start of the path, which is given
    assert sure(a, b, wrong).confidence[rows].max() < 0.3
    assert sure(a, b, right).confidence[rows].min() > 0.8


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 8), (8, 1)])
def test_single_frames(rows: int, columns: int) -> None:
    random = np.random.default_rng(4)
    a, b = random.normal(size=(rows, 3)), random.normal(size=(columns, 3))
    found = sure(a, b, align_features("dtw", a, b, CLOSED))
    assert found.confidence.shape == (rows,)
    assert np.isfinite(found.confidence).all()


def test_long_clips_are_thinned_without_a_change_of_meaning(monkeypatch) -> None:
    a, b = noisy_pair(5)
    path = align_features("dtw", a, b, CLOSED)
    whole = sure(a, b, path).high
    monkeypatch.setattr(distance, "MAX_FRAMES", 70)
    thinned = sure(a, b, path).high
    apart = np.abs(whole - thinned)
    assert apart[:36].max() < 2
    assert apart.max() < 12  # where frames look alike, of about 55


def test_paths_out_of_order_have_a_confidence_too() -> None:
    a, b = noisy_pair(6)
    value = sure(a, b, align_features("nearest", a, b, CLOSED)).confidence
    assert np.median(value[5:35]) > np.median(value[50:90])


def test_rows_of_a_clip_become_the_whole_clip() -> None:
    rows = SharedRows(np.array([0, 3]), np.array([1, 2, 5]), 4, 6)
    found = Certainty(np.array([0.5, 1]), np.array([0.0, 1]), np.array([1.6, 2])).over(rows)
    np.testing.assert_array_equal(found.confidence, [0.5, 0, 0, 1])
    np.testing.assert_array_equal(found.low, [1, np.nan, np.nan, 2])
    np.testing.assert_array_equal(found.high, [5, np.nan, np.nan, 5])  # nothing lies in a gap


# --- does it hold? --------------------------------------------------------------------------


def rendered_project(root: Path, clips: int = 44, seed: int = 77) -> tuple[Project, dict]:
    """Performers of the demo movement whose joints are known but for 1.5 pixels of noise; every
    second one is a training clip."""
    project, phase = Project.create(root), {}
    for index in range(clips):
        name, split = f"p{index:02d}", ("train", "test")[index % 2]
        pose, phase[name] = performed(index, clips, seed, noise=1.5)
        project.write_pose(name, pose, Recipe("performed", 1, {"seed": seed}, {}))
        row = Video(name, f"{name}.mp4", f"{index}", len(pose), pose.fps, *pose.size, split)
        project.add_videos([row])
    return project, phase


def check_coverage(project: Project, phase: dict, kind: str, *overrides: str) -> None:
    """Of all frames whose true counterpart is known, about NOMINAL lie in their intervals, and
    frames of high confidence are right more often than those of low confidence."""
    config = project.config(overrides=overrides)
    names = sorted(name for name in phase if int(name[1:]) % 2)
    inside, near, confidence = [], [], []
    for a, b in zip(names, names[1:] + names[:1], strict=True):
        request = AlignRequest(config, features=kind)  # type: ignore[arg-type]
        found = find_alignment(project, a, b, request).alignment
        truth = np.interp(phase[a], phase[b], np.arange(len(phase[b])))
        shown = (phase[a] >= phase[b][0]) & (phase[a] <= phase[b][-1]) & ~np.isnan(found.position)
        inside.append(((truth >= found.low) & (truth <= found.high))[shown])
        near.append((np.abs(truth - found.position) <= NEAR * len(phase[b]))[shown])
        confidence.append(found.confidence[shown])
    held, right, stated = (np.concatenate(x) for x in (inside, near, confidence))
    assert NOMINAL - 0.07 < held.mean() < 0.99
    low, high = np.percentile(stated, [33, 67])
    assert right[stated <= low].mean() < right[stated >= high].mean()
    assert stated.mean() == pytest.approx(right.mean(), abs=0.12)


@pytest.mark.parametrize("routes", [0, 40])
def test_intervals_of_raw_poses_hold_on_rendered_performers(tmp_path: Path, routes: int) -> None:
    check_coverage(*rendered_project(tmp_path), "pose", f"align.reference_clips={routes}")


@pytest.mark.heavy
@pytest.mark.parametrize("routes", [0, 40])
def test_intervals_of_a_model_hold_on_rendered_performers(tmp_path: Path, routes: int) -> None:
    from la2ds_cli.training.train import train

    project, phase = rendered_project(tmp_path)
    overrides = ["train.steps=300", "train.threads=1"]
    train(project, run="default", config=project.config(overrides=overrides), device="cpu")
    check_coverage(project, phase, "model", f"align.reference_clips={routes}")
