"""Exact nearest frames, and the rules on time and clips, on answers known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.retrieval import search as frame_search
from la2ds_cli.retrieval.search import (
    Frames,
    Limits,
    apply_limits,
    exact_finder,
    search,
    sorted_by_distance,
    spread_gap,
)

NOBODY = (0, 0)  # no rows are the query's own


def frames_of(clips: dict[str, tuple[list[float], list[float]]]) -> Frames:
    """One feature per frame; name -> (values, seconds)."""
    value = np.concatenate([value for value, _ in clips.values()])[:, None].astype(np.float32)
    time = np.concatenate([time for _, time in clips.values()])
    return Frames(value, time, np.cumsum([0, *(len(value) for value, _ in clips.values())]))


CLIPS = {
    "q": ([0.0, 10.0], [0.0, 1.0]),
    "x": ([3.0, 0.5, 9.0], [0.0, 1.0, 2.0]),
    "y": ([1.0, 10.25], [0.0, 1.0]),
}
FRAMES = frames_of(CLIPS)


def known(rows: list[int], limits: Limits, frames: Frames = FRAMES) -> list[list[int]]:
    found = search(frames, exact_finder(frames.value), 0, rows, limits)
    return [row.tolist() for row, _ in found]


def test_exact_rows_equal_plain_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_search, "_QUERIES", 3)
    monkeypatch.setitem(frame_search._FRAMES, "cpu", 64)
    random = np.random.default_rng(0)
    base, query = random.normal(size=(300, 12)), random.normal(size=(7, 12))
    plain = np.linalg.norm(base[None] - query[:, None], axis=-1).argsort(axis=1)
    np.testing.assert_array_equal(exact_finder(base)(query, NOBODY, 9), plain[:, :9])
    np.testing.assert_array_equal(exact_finder(base)(query, NOBODY, 999), plain)
    others = [[row for row in line if not 50 <= row < 150] for line in plain]
    np.testing.assert_array_equal(exact_finder(base)(query, (50, 150), 999), others)


def test_a_large_common_mean_does_no_harm() -> None:
    random = np.random.default_rng(1)
    base = random.normal(size=(300, 12)).astype(np.float32) + np.float32(1000)
    query = base[:3] + np.float32(0.01)
    assert exact_finder(base)(query, NOBODY, 1)[:, 0].tolist() == [0, 1, 2]


def test_distances_are_those_of_differences_and_equals_go_by_row() -> None:
    value = np.array([[3, 4], [0, 1], [0, -1], [0, 0]], np.float32)
    distance, row = sorted_by_distance(np.zeros(2, np.float32), value, np.array([0, 2, 1, 3]))
    assert row.tolist() == [3, 1, 2, 0]
    assert distance.tolist() == [0, 1, 1, 5]


def test_spread_keeps_distance_in_time_and_a_limit_per_clip() -> None:
    clip = np.array([0, 0, 1, 0, 0, 1, 2])
    time = np.array([1.0, 1.1, 1.1, 1.25, 9.0, 5.0, 0.0])
    gap = np.full(7, 0.25)
    assert apply_limits(clip, time, Limits(7, 7, 0.25), gap).tolist() == [0, 2, 3, 4, 5, 6]
    assert apply_limits(clip, time, Limits(7, 2, 0.25), gap).tolist() == [0, 2, 3, 5, 6]
    assert apply_limits(clip, time, Limits(7, 1, 0.25), gap).tolist() == [0, 2, 6]
    assert apply_limits(clip, time, Limits(2, 7, 0.25), gap).tolist() == [0, 2]
    assert apply_limits(clip, time, Limits(7, 7, 0.0), 0 * gap).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_known_neighbours() -> None:
    (first, gap), (second, _) = search(
        FRAMES, exact_finder(FRAMES.value), 0, [0, 1], Limits(2, 2, 0.25)
    )
    assert first.tolist() == [3, 5]  # x at 0.5, y at 1.0
    assert gap.tolist() == [0.5, 1.0]
    assert second.tolist() == [6, 4]
    assert FRAMES.clip_of(np.array([2, 4, 5, 6, 0])).tolist() == [1, 1, 2, 2, 0]


def test_the_querys_own_clip_is_not_searched() -> None:
    assert known([0], Limits(10, 10, 0.0)) == [[3, 5, 2, 4, 6]]


def test_one_per_clip() -> None:
    assert known([0], Limits(5, 1, 0.0)) == [[3, 5]]


def test_goes_on_searching_past_many_frames_of_one_moment() -> None:
    # 500 near frames of one moment stand before the frame that is looked for.
    still = [0.001 * n for n in range(500)], (1 + 1e-4 * np.arange(500)).tolist()
    frames = frames_of({"q": ([0.0], [0.0]), "still": still, "far": ([9.0], [0.0])})
    assert known([0], Limits(2, 2, 0.25), frames) == [[1, 501]]


@pytest.mark.gpu
def test_cuda_finds_the_same_frames() -> None:
    random = np.random.default_rng(2)
    base = random.normal(size=(5000, 32)).astype(np.float32)
    query = random.normal(size=(600, 32)).astype(np.float32)
    found = exact_finder(base, "cuda")(query, (10, 200), 7)
    np.testing.assert_array_equal(found, exact_finder(base)(query, (10, 200), 7))


def test_the_default_gap_is_a_tenth_of_the_clip_within_bounds() -> None:
    lasts = np.array([0.0, 2.0, 2.5, 6.0, 10.0, 60.0])
    assert spread_gap(lasts).tolist() == pytest.approx([0.25, 0.25, 0.25, 0.6, 1.0, 1.0])


def test_hits_of_a_slow_clip_lie_further_apart_than_those_of_a_fast_one() -> None:
    """Both hold one pose all the time; slow lasts 6 s at 10 frames per second, fast 1.5 s at 20."""
    slow = [1 + 1e-4 * n for n in range(61)], [0.1 * n for n in range(61)]
    fast = [2 + 1e-4 * n for n in range(31)], [0.05 * n for n in range(31)]
    frames = frames_of({"q": ([0.0], [0.0]), "slow": slow, "fast": fast})
    ((row, _),) = search(frames, exact_finder(frames.value), 0, [0], Limits(99, 99, None))
    times = {clip: frames.time[row[frames.clip_of(row) == clip]] for clip in (1, 2)}
    assert np.diff(np.sort(times[1])) == pytest.approx(0.6)
    assert len(times[1]) == 11
    assert np.diff(np.sort(times[2])) == pytest.approx(0.25)
    assert len(times[2]) == 7
