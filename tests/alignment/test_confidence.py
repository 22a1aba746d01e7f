"""What confidence and intervals say on matches whose ambiguity, or whose truth, is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import confidence as tested
from la2ds_cli.alignment import sampling
from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.demo.demo_clips import performed
from tests.alignments import matched, moving, timed
from tests.movement import sequence

CLOSED = AlignConfig()


def interval(a: np.ndarray, b: np.ndarray, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return tested.interval(a, b, smooth_match(path, len(a)), TimeAxis.even(len(b), 20))


def noisy_pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """40 distinct frames, 60 that look alike (in B 70), 40 distinct ones; the noise of B is
    another one."""
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(size=(80, 6)), axis=0)

    def clip(alike: int) -> np.ndarray:
        clean = np.concatenate([walk[:40], np.repeat(walk[40:41], alike, axis=0), walk[40:]])
        return clean + 0.2 * random.normal(size=clean.shape)

    return clip(60), clip(70)


def test_distinct_frames_have_a_shorter_interval_than_frames_that_look_alike() -> None:
    a, b = noisy_pair()
    low, high = interval(a, b, align_features("dtw", a, b, CLOSED))
    alike, distinct = slice(50, 90), np.r_[8:32, 108:132]
    width = high - low
    assert width[distinct].max() < 6
    assert width[alike].min() > tested.SHARP * 70  # B rests for 70 frames


def test_the_numbers_of_the_interval_by_hand() -> None:
    """Frame 6 of A, in the middle of five like it, is matched with frame 100 of 200. All of A and
    195 frames of B are 0.1 from a frame of the other clip, three are 0.16 and two 0.2: a unit is
    0.0103. The match costs 0.01, so what costs up to 0.01 + 1.4 units = 0.0244 is alike.

    Before the match 20 frames are alike, then come the three at 0.16 (0.0256). After it 8 are
    alike, two are not, 5 are again, and then the clip moves on: 15. The interval is 0.7 of that, 14
    and 10.5 frames, and on either side wider by a frame and 0.5 % of 200, which are 2.
    """
    b = np.zeros(200)
    b[:77], b[77:80], b[109:111], b[116:] = -9.9, -0.06, 0.3, 10.1
    a = np.repeat([-10.0, 0.1, 10.0], [4, 5, 4])
    position = np.interp(np.arange(13), [0, 3, 4, 6, 8, 9, 12], [0, 76, 98, 100, 102, 120, 199])
    low, high = tested.interval(a[:, None], b[:, None], position, TimeAxis.even(len(b), 20))
    assert (low[6], high[6]) == (100 - 14 - 2, 100 + 10.5 + 2)
    assert (low[0], high[12]) == (0, 199)


def test_frames_without_a_counterpart_have_none() -> None:
    walk = np.cumsum(np.random.default_rng(2).normal(size=(60, 4)), axis=0)
    b = walk[15:50]
    path = align_features("dtw", walk, b, AlignConfig(open_ends=True, skip_cost=0.1))
    poses = timed(np.arange(60) / 20), timed(np.arange(35) / 50)
    found = tested.compute_certainty(walk, b, smooth_match(path, len(walk)), poses)
    for ends in (slice(0, 14), slice(51, None)):
        assert (found.confidence[ends] == 0).all()
        assert np.isnan(found.low[ends]).all()
    assert found.confidence[17:48].min() > 0
    assert np.isfinite(found.low[17:48]).all()


def test_of_two_clips_that_do_not_move_nothing_is_sure() -> None:
    rounding = np.random.default_rng(0).normal(0, 1e-15, (70, 12))
    still = np.tile(np.linspace(-2, 2, 12), (70, 1)) + rounding
    poses = timed(np.arange(40) / 20), timed(np.arange(30) / 25)
    found = tested.compute_certainty(still[:40], still[40:], np.linspace(0, 29, 40), poses)
    assert (found.confidence < tested.NOMINAL).all()


def test_long_clips_are_thinned_without_a_change_of_meaning(monkeypatch) -> None:
    a, b = noisy_pair(5)
    path = align_features("dtw", a, b, CLOSED)
    _, whole = interval(a, b, path)
    monkeypatch.setattr(sampling, "MAX_FRAMES", 70)
    _, thinned = interval(a, b, path)
    apart = np.abs(whole - thinned)
    assert apart[:36].max() < 2
    assert np.median(apart[45:95]) < 3  # where 70 frames look alike


# --- what is said to people ------------------------------------------------------------------


def stated(confidence: list[float], low: list[float], high: list[float]) -> Alignment:
    """Frames of A matched with frames 2, 3, ... of B, at 10 frames per second; NaN bounds = no
    counterpart."""
    count = len(confidence)
    a = sequence(np.arange(count) / 5, fps=25.0)
    position = np.where(np.isnan(low), np.nan, 2.0 + np.arange(len(confidence)))
    bounds = {"low": np.array(low), "high": np.array(high)}
    return matched(
        position, a, moving(np.arange(20) / 10), confidence=np.array(confidence), **bounds
    )


def test_a_moment_is_sure_from_the_least_probability_on() -> None:
    nan, least = np.nan, tested.NOMINAL
    found = stated([least, least - 1e-4, 0.0, 1.0], [1.0, 1, nan, 4], [3.0, 5, nan, 5.5])
    assert found.certainty == ["sure", "unsure", "no counterpart", "sure"]


def test_how_sure_an_alignment_is_in_one_sentence() -> None:
    nan = np.nan
    two = stated([0.9, 0.95, 0.5, 0.0], [1.0, 2, 3.5, nan], [2.5, 4.0, 8.0, nan])
    assert two.sentence == (
        "sure of 2 of 4 frames of A, usually to within 0.1 s; unsure of 1, usually to within "
        "0.4 s; no counterpart for 1"
    )
    assert two.frame_counts == {"sure": 2, "unsure": 1, "no counterpart": 1}
    none = stated([0.0, 0.0], [nan, nan], [nan, nan])
    assert none.sentence == "no counterpart for 2 of 2 frames of A"
    assert stated([0.5, 0.5], [1.0, 2.0], [3.0, 4.0]).sentence == (
        "unsure of 2 of 2 frames of A, usually to within 0.1 s"
    )
    assert stated([0.5], [1.0], [3.0]).sentence == (
        "unsure of 1 of 1 frame of A, usually to within 0.1 s"
    )


def test_a_moment_is_right_to_within_the_longer_side_of_its_interval() -> None:
    found = stated([0.9, 0.5, 0.0], [1.0, 2.5, np.nan], [2.5, 7.0, np.nan])
    np.testing.assert_allclose(found.within, [0.1, 0.4, np.nan])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "0.1"), (0.123, "0.12"), (0.001, "0.01"), (0.996, "1"), (1.26, "1.3"), (12.0, "12")],
)
def test_seconds_are_said_as_a_coach_says_them(seconds: float, text: str) -> None:
    assert tested.within_text(seconds) == f"to within {text} s"


# --- does it hold? --------------------------------------------------------------------------


def rendered_project(root: Path, clips: int = 44, seed: int = 77) -> tuple[StoredProject, dict]:
    """Performers of the demo movement whose joints are known but for 1.5 pixels of noise; every
    second one is a training clip."""
    project, phase = StoredProject.create(root), {}
    for index in range(clips):
        name, split = f"p{index:02d}", ("train", "test")[index % 2]
        pose, phase[name] = performed(index, clips, seed, noise=1.5)
        project.write_pose(name, pose, Recipe("performed", 1, {"seed": seed}, {}))
        row = Video(name, f"{name}.mp4", f"{index}", len(pose), pose.fps, *pose.size, split)
        project.add_videos([row])
    return project, phase


def check_coverage(project: StoredProject, phase: dict, kind: str, *overrides: str) -> None:
    """At least NOMINAL of the true moments lie in their intervals, which are short where errors
    are small, and no confidence promises too much.

    More than NOMINAL do: people who do the same movement differ in how they do it, and disagree
    when a moment of it is, for which the intervals allow. These performers do one movement and
    their truth is exact (docs/results/confidence.md).
    """
    config = project.config(overrides=overrides)
    names = sorted(name for name in phase if int(name[1:]) % 2)
    inside, near, confidence, width, error = [], [], [], [], []
    for a, b in zip(names, names[1:] + names[:1], strict=True):
        request = AlignRequest(config, features=kind)  # type: ignore[arg-type]
        found = align_clips(project, a, b, request)
        truth = np.interp(phase[a], phase[b], np.arange(len(phase[b])))
        shown = (phase[a] >= phase[b][0]) & (phase[a] <= phase[b][-1]) & ~np.isnan(found.position)
        inside.append(((truth >= found.low) & (truth <= found.high))[shown])
        near.append((np.abs(truth - found.position) <= tested.NEAR * len(phase[b]))[shown])
        confidence.append(found.confidence[shown])
        width.append(((found.high - found.low) / len(phase[b]))[shown])
        error.append((np.abs(truth - found.position) / len(phase[b]))[shown])
    held, right, said, wide, off = (
        np.concatenate(x) for x in (inside, near, confidence, width, error)
    )
    assert held.mean() > tested.NOMINAL
    by_width = np.array_split(off[np.argsort(wide)], 3)
    assert by_width[2].mean() > 1.5 * by_width[0].mean()
    assert np.median(wide) < 0.2  # of B's length
    low, high = np.percentile(said, [33, 67])
    assert right[said <= low].mean() < right[said >= high].mean()
    assert right[said >= 0.9].mean() > 0.95
    assert said.mean() < right.mean() + 0.02


@pytest.mark.parametrize("routes", [0, 40])
def test_intervals_of_raw_poses_hold_on_rendered_performers(tmp_path: Path, routes: int) -> None:
    check_coverage(*rendered_project(tmp_path), "pose", f"align.reference_clips={routes}")
