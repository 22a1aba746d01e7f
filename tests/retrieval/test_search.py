"""Exact nearest frames, and the rules on time and clips, on answers known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.retrieval import search as frame_search
from la2ds_cli.retrieval.search import (
    Frames,
    Limits,
    apply_limits,
    nearest_rows,
    search,
    sorted_by_distance,
    spread_gap,
)

NOBODY = (0, 0)  # no rows are the query's own


def frames_of(clips: dict[str, tuple[list[float], list[float]]]) -> Frames:
    """One feature per frame; name -> (values, seconds)."""
    value = np.concatenate([value for value, _ in clips.values()])[:, None].astype(np.float32)
    time = np.concatenate([time for _, time in clips.values()])
    return one_part(value, time, [len(value) for value, _ in clips.values()])


def one_part(
    value: np.ndarray, time: np.ndarray | None = None, lengths: list[int] | None = None
) -> Frames:
    """Frames of clips of these lengths, or of one; without `time` at one a second."""
    time = np.arange(len(value)) / 1.0 if time is None else time
    start = np.cumsum([0, *(lengths or [len(value)])])
    return Frames((value.astype(np.float32),), (time,), start)


def in_parts(frames: Frames, *cuts: int) -> Frames:
    """The same frames, their parts cut in front of these rows."""
    value, time = (np.split(of[0], cuts) for of in (frames.value, frames.time))
    return Frames(tuple(value), tuple(time), frames.start)


CLIPS = {
    "q": ([0.0, 10.0], [0.0, 1.0]),
    "x": ([3.0, 0.5, 9.0], [0.0, 1.0, 2.0]),
    "y": ([1.0, 10.25], [0.0, 1.0]),
}
FRAMES = frames_of(CLIPS)


def known(rows: list[int], limits: Limits, frames: Frames = FRAMES) -> list[list[int]]:
    found = search(frames, 0, rows, limits)
    return [row.tolist() for row, _ in found]


def found_by(frames: Frames, query: np.ndarray, own: tuple[int, int], count: int) -> list:
    """Rows that exact search finds, in order of their exact distance."""
    return sorted_by_distance(query, frames, nearest_rows(frames, query, own, count))[1].tolist()


@pytest.mark.parametrize("cuts", [(), (40,), (60, 100, 260)])
@pytest.mark.parametrize("queries", [1, 7])
@pytest.mark.parametrize("at_once", [1 << 22, 200])
def test_exact_rows_equal_plain_sorting(
    monkeypatch: pytest.MonkeyPatch, cuts: tuple[int, ...], queries: int, at_once: int
) -> None:
    monkeypatch.setattr(frame_search, "_AT_ONCE", at_once)
    random = np.random.default_rng(0)
    base = random.normal(size=(300, 80)).astype(np.float32)
    query = random.normal(size=(queries, 80)).astype(np.float32)
    frames = in_parts(one_part(base), *cuts)
    plain = np.linalg.norm(base[None].astype(float) - query[:, None], axis=-1).argsort(axis=1)
    assert found_by(frames, query, NOBODY, 9) == plain[:, :9].tolist()
    assert found_by(frames, query, NOBODY, 999) == plain.tolist()
    others = [[row for row in line if not 50 <= row < 150] for line in plain.tolist()]
    assert found_by(frames, query, (50, 150), 9) == [line[:9] for line in others]
    assert found_by(frames, query, (50, 150), 999) == others


def test_a_large_common_mean_does_no_harm() -> None:
    random = np.random.default_rng(1)
    base = random.normal(size=(300, 120)).astype(np.float32) + np.float32(1000)
    query = base[:4] + np.float32(0.01)
    assert nearest_rows(one_part(base), query, NOBODY, 1)[:, 0].tolist() == [0, 1, 2, 3]


def test_features_are_moved_only_where_their_mean_is_far() -> None:
    base = np.random.default_rng(1).normal(size=(300, 12)).astype(np.float32)
    assert one_part(base + np.float32(5)).far_centre is None
    centre = one_part(base + np.float32(50)).far_centre
    assert centre is not None
    assert centre == pytest.approx(50, abs=0.3)


def test_rows_of_several_parts_are_gathered_in_order() -> None:
    frames = one_part(np.arange(12.0).reshape(6, 2), 10 + np.arange(6.0))
    parts = in_parts(frames, 1, 4)
    row = np.array([5, 0, 3, 1, 0, 4])
    np.testing.assert_array_equal(parts.values(row), frames.values(row))
    assert parts.times(row).tolist() == [15, 10, 13, 11, 10, 14]
    assert len(parts) == 6


def test_memory_of_a_large_index_is_let_go_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    released = []
    monkeypatch.setattr(frame_search.artifact, "release", released.append)
    base = np.random.default_rng(1).normal(size=(30, 2)).astype(np.float32)
    frames = in_parts(one_part(base), 10, 20)
    row = np.array([3, 25, 8, 29])

    def use() -> None:
        nearest_rows(frames, base[:1], NOBODY, 1)
        frames.values(row)

    use()
    assert released == []
    assert frame_search._KEPT == 2**30
    monkeypatch.setattr(frame_search, "_KEPT", 30 * 2 * 4 - 1)
    use()
    of = [next(n for n, value in enumerate(frames.value) if value is part) for part in released]
    assert of == [0, 1, 2, 0, 2]


def test_distances_are_those_of_differences_and_equals_go_by_row() -> None:
    frames = one_part(np.array([[3, 4], [0, 1], [0, -1], [0, 0]], np.float32))
    query = np.array([[0, 0], [3, 4]], np.float32)
    rows = np.array([[0, 2, -1, 1, 3], [3, 0, 2, 1, -1]])
    distance, row = sorted_by_distance(query, frames, rows)
    assert row.tolist() == [[3, 1, 2, 0, -1], [0, 1, 3, 2, -1]]
    assert distance[0].tolist() == [0, 1, 1, 5, np.inf]
    assert distance[1, :3].tolist() == [0, pytest.approx(18**0.5), 5]


def test_spread_keeps_distance_in_time_and_a_limit_per_clip() -> None:
    clip = np.array([0, 0, 1, 0, 0, 1, 2])
    time = np.array([1.0, 1.1, 1.1, 1.25, 9.0, 5.0, 0.0])
    gap = np.full(7, 0.25)
    assert apply_limits(clip, time, gap, Limits(7, 7, 0.25)).tolist() == [0, 2, 3, 4, 5, 6]
    assert apply_limits(clip, time, gap, Limits(7, 2, 0.25)).tolist() == [0, 2, 3, 5, 6]
    assert apply_limits(clip, time, gap, Limits(7, 1, 0.25)).tolist() == [0, 2, 6]
    assert apply_limits(clip, time, gap, Limits(2, 7, 0.25)).tolist() == [0, 2]
    assert apply_limits(clip, time, 0 * gap, Limits(7, 7, 0.0)).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_known_neighbours() -> None:
    (first, gap), (second, _) = search(FRAMES, 0, [0, 1], Limits(2, 2, 0.25))
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


def test_the_default_gap_is_a_tenth_of_the_clip_within_bounds() -> None:
    lasts = np.array([0.0, 2.0, 2.5, 6.0, 10.0, 60.0])
    assert spread_gap(lasts).tolist() == pytest.approx([0.25, 0.25, 0.25, 0.6, 1.0, 1.0])


def test_hits_of_a_slow_clip_lie_further_apart_than_those_of_a_fast_one() -> None:
    """Both hold one pose all the time; slow lasts 6 s at 10 frames per second, fast 1.5 s at 20."""
    slow = [1 + 1e-4 * n for n in range(61)], [0.1 * n for n in range(61)]
    fast = [2 + 1e-4 * n for n in range(31)], [0.05 * n for n in range(31)]
    frames = frames_of({"q": ([0.0], [0.0]), "slow": slow, "fast": fast})
    ((row, _),) = search(frames, 0, [0], Limits(99, 99, None))
    times = {clip: frames.times(row[frames.clip_of(row) == clip]) for clip in (1, 2)}
    assert np.diff(np.sort(times[1])) == pytest.approx(0.6)
    assert len(times[1]) == 11
    assert np.diff(np.sort(times[2])) == pytest.approx(0.25)
    assert len(times[2]) == 7
