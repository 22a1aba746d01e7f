"""Kendall's tau and precision at K, against scipy, plain loops and answers known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau

from la2ds_cli.evaluation import nearest_frames
from la2ds_cli.evaluation import nearest_frames as tested
from la2ds_cli.evaluation.phase_labels import PhaseFrames
from la2ds_cli.evaluation.protocol import LA2DS


def usual_loop(clips: list[np.ndarray], stride: int) -> np.ndarray:
    """The loop of the TCC and CASA code, undefined pairs kept as NaN."""
    taus = np.full((len(clips), len(clips)), np.nan)
    for i, a in enumerate(clips):
        for j, b in enumerate(clips):
            if i != j:
                nearest = cdist(a[::stride], b[::stride], "sqeuclidean").argmin(axis=1)
                taus[i, j] = kendalltau(np.arange(len(nearest)), nearest)[0]
    return taus


def walk(length: int, width: int, seed: int) -> np.ndarray:
    """A random walk: neighbouring frames are near, as in a movement."""
    return np.random.default_rng(seed).normal(size=(length, width)).cumsum(axis=0)


def test_tau_equals_scipy_on_ranks_with_ties() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        count, size = int(rng.integers(2, 80)), int(rng.integers(1, 30))
        rank = rng.integers(0, size, count)
        expected = kendalltau(np.arange(count), rank)[0]
        assert tested.tau_against_order(rank) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    # Pairs of (1, 0, 2, 2): discordant 1, tied 1, concordant 4; (4 - 1) / sqrt(6 * 5).
    tau = tested.tau_against_order(np.array([1, 0, 2, 2]))
    assert tau == pytest.approx(3 / np.sqrt(30), abs=1e-15)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("held", [False, True])
def test_all_pairs_equal_the_usual_loop_in_blocks_too(
    stride: int, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repeated frames (a held pose) tie exactly; a matrix product alone may order them at will."""
    clips = [walk(n, 8, n).astype(np.float32) for n in (30, 41, 17, 25)]
    if held:
        clips = [np.repeat(clip, 3, axis=0) + 1e3 for clip in clips]
    expected = usual_loop(clips, stride)
    for block in (nearest_frames._BLOCK, 7 * sum(map(len, clips))):
        monkeypatch.setattr(nearest_frames, "_BLOCK", block)
        np.testing.assert_allclose(tested.kendalls_tau(clips, stride), expected, atol=1e-12)
    found = tested.measure_tau(clips, stride, seed=0)
    assert found.value == pytest.approx(np.nanmean(expected), abs=1e-12)
    missing = int(np.isnan(expected).sum()) - len(clips)
    assert (found.facts["pairs"], found.facts["nan"]) == (12, missing)


def test_identical_clips_score_one_reversed_ones_minus_one_and_constant_ones_nothing() -> None:
    clip = np.linspace(0, 1, 25)[:, None] * [1.0, 2.0]
    assert tested.measure_tau([clip, clip], 1, 0).value == pytest.approx(1.0, abs=1e-12)
    assert tested.measure_tau([clip, clip[::-1]], 1, 0).value == pytest.approx(-1.0, abs=1e-12)
    for noise in (0, 1e-15):  # as of an embedding that is interpolated to the frames of a clip
        constant = tested.measure_tau(
            [0.1 * n + noise * walk(n, 16, n) for n in (40, 50, 60)], 1, 0
        )
        assert constant.value is None
        assert (constant.facts["pairs"], constant.facts["nan"]) == (6, 6)


# --- AP@K ---------------------------------------------------------------------------------------


def clip(values: list[float], labels: list[int]) -> PhaseFrames:
    return np.array(values)[:, None], np.array(labels)


@pytest.mark.parametrize(
    ("clips", "neighbours", "first"),
    [
        # Nearest to A's only frame (0.0, phase 0) are 0.1 (phase 1), 0.2 and 0.3 (phase 0).
        (
            [clip([0.0], [0]), clip([0.1, 0.2], [1, 0]), clip([0.3, 5.0], [0, 1])],
            (1, 2, 3),
            [0, 1 / 2, 2 / 3],
        ),
        # LAV's release searches the query's own video, the query included, and would score 1.
        ([clip([0.0, 0.1, 0.2], [0] * 3), clip([0.05, 0.15, 0.25], [1] * 3)], (1, 3), [0, 0]),
        # A constant embedding retrieves the first frames, not what rounding says.
        ([(np.full((20, 64), 0.1), np.repeat([0, 1], 10)) for _ in range(3)], (10,), [10]),
    ],
)
def test_precision_is_the_share_of_hits_in_other_videos(
    clips: list[PhaseFrames], neighbours: tuple[int, ...], first: list[float]
) -> None:
    np.testing.assert_allclose(tested.retrieve_frames(clips, neighbours)[0], first)


def test_micro_counts_frames_and_macro_counts_videos() -> None:
    # Three frames that always hit (2 nearest frames of phase 0), one that never does.
    clips = [
        clip([0.0, 0.1, 0.2], [0, 0, 0]),
        clip([0.05, 9.0], [0, 1]),
        clip([0.15, 0.12], [0, 0]),
    ]
    total, frames = tested.retrieve_frames(clips, (2,)), np.array([3, 2, 2])
    np.testing.assert_allclose(total[:, 0], [3, 1, 2])
    counts = np.array([[1, 1, 1], [0, 2, 1], [0, 0, 0]])
    micro, macro = (
        tested.average_retrieval(total, frames, counts, of) for of in ("frames", "videos")
    )
    np.testing.assert_allclose(micro[:, 0], [6 / 7, 4 / 6, np.nan])
    np.testing.assert_allclose(macro[:, 0], [(1 + 1 / 2 + 1) / 3, 2 / 3, np.nan])


def plain_loop(clips: list[PhaseFrames], count: int) -> list[float]:
    """Sums of each video, from distances computed directly and a stable sort."""
    sums = []
    for v, (query, phases) in enumerate(clips):
        others = [c for u, c in enumerate(clips) if u != v]
        frame = np.concatenate([value for value, _ in others]).astype(np.float64)
        label = np.concatenate([of for _, of in others])
        total = 0.0
        for value, phase in zip(query.astype(np.float64), phases, strict=True):
            order = np.argsort(((frame - value) ** 2).sum(axis=1), kind="stable")[:count]
            total += float((label[order] == phase).mean())
        sums.append(total)
    return sums


def test_precision_equals_the_plain_loop_in_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    clips = []
    for length in (30, 17, 24):
        feature = np.repeat(walk(length, 6, length), 2, axis=0) + 100  # held poses tie exactly
        clips.append((feature.astype(np.float32), rng.integers(0, 3, 2 * length)))
    monkeypatch.setattr(nearest_frames, "_BLOCK", 142 * 11)
    expected = np.transpose([plain_loop(clips, count) for count in (5, 10)])
    np.testing.assert_allclose(tested.retrieve_frames(clips, (5, 10)), expected)


def test_a_k_that_the_other_clips_have_frames_for_has_a_value() -> None:
    """Clips of 12 and 7 frames: the shorter one has 12 frames to search, the longer one 7."""
    clips = [(walk(frames, 2, frames), np.arange(frames) // 6) for frames in (12, 7)]
    found = tested.measure_retrieval(clips, LA2DS, 0)
    total = np.array(plain_loop(clips, 5))
    assert found["precision_at_k", "5"].value == pytest.approx((total / [12, 7]).mean())
    for k in ("10", "15"):
        missing = found["precision_at_k", k]
        assert missing.value is None
        said = f"fewer than {k} labelled frames in the other test clips"
        assert missing.facts["reason"] == said
