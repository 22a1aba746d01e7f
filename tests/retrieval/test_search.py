"""Exact nearest frames, and the rules on time and clips, on answers known by hand."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import pytest

from la2ds_cli.core.view import View
from la2ds_cli.retrieval import search as frame_search
from la2ds_cli.retrieval.clip_rows import SEARCHED, ClipRows
from la2ds_cli.retrieval.query_views import QueryViews, Sample
from la2ds_cli.retrieval.search import (
    Frames,
    Limits,
    apply_limits,
    nearest_rows,
    search,
    sorted_by_distance,
)

NOBODY = (0, 0)  # no rows are the query's own


def frames_of(clips: dict[str, tuple[list[float], list[float]]]) -> Frames:
    """One feature per frame; name -> (values, seconds)."""
    rows = {
        name: ClipRows(np.array(value, np.float32)[:, None], np.arange(len(value)), np.array(time))
        for name, (value, time) in clips.items()
    }
    return Frames.of(rows)


def one_clip(value: np.ndarray) -> Frames:
    """Frames at one a second."""
    count = np.arange(len(value))
    return Frames.of({"a": ClipRows(value.astype(np.float32), count, count / 1.0)})


CLIPS = {
    "q": ([0.0, 10.0], [0.0, 1.0]),
    "x": ([3.0, 0.5, 9.0], [0.0, 1.0, 2.0]),
    "y": ([1.0, 10.25], [0.0, 1.0]),
}
FRAMES = frames_of(CLIPS)


def as_filmed(frames: Frames, rows: list[int]) -> QueryViews[int]:
    """Rows of the first clip as a query."""
    return QueryViews({"filmed": frames.value[rows]}, {}, lambda clips: ())


def known(rows: list[int], limits: Limits, frames: Frames = FRAMES) -> list[list[int]]:
    found = search(frames, 0, as_filmed(frames, rows), limits)
    return [row.tolist() for row, _ in found]


def found_by(frames: Frames, query: np.ndarray, own: tuple[int, int], count: int) -> list:
    """Rows that exact search finds, in order of their exact distance."""
    return sorted_by_distance(query, frames, nearest_rows(frames, query, own, count))[1].tolist()


@pytest.mark.parametrize("mean", [0, 1000])  # one far from the origin costs products their digits
@pytest.mark.parametrize("queries", [1, 7])
@pytest.mark.parametrize("at_once", [1 << 22, 200])
def test_exact_rows_equal_plain_sorting(
    monkeypatch: pytest.MonkeyPatch, mean: int, queries: int, at_once: int
) -> None:
    monkeypatch.setattr(frame_search, "_AT_ONCE", at_once)
    random = np.random.default_rng(0)
    frames = one_clip(random.normal(size=(300, 80)) + mean)
    query = random.normal(size=(queries, 80)).astype(np.float32)
    plain = np.linalg.norm(frames.value.astype(float) - query[:, None], axis=-1).argsort(axis=1)
    assert found_by(frames, query, NOBODY, 9) == plain[:, :9].tolist()
    assert found_by(frames, query, NOBODY, 999) == plain.tolist()
    others = [[row for row in line if not 50 <= row < 150] for line in plain.tolist()]
    assert found_by(frames, query, (50, 150), 9) == [line[:9] for line in others]
    assert found_by(frames, query, (50, 150), 999) == others


def test_distances_are_those_of_differences_and_equals_go_by_row() -> None:
    frames = one_clip(np.array([[3, 4], [0, 1], [0, -1], [0, 0]]))
    query = frames.value[[3, 0]]
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
    (first, gap), (second, _) = search(FRAMES, 0, as_filmed(FRAMES, [0, 1]), Limits(2, 2, 0.25))
    assert first.tolist() == [3, 5]  # x at 0.5, y at 1.0
    assert gap.tolist() == [0.5, 1.0]
    assert second.tolist() == [6, 4]
    assert FRAMES.clip_of(np.array([2, 4, 5, 6, 0])).tolist() == [1, 1, 2, 2, 0]


def test_each_clip_is_searched_in_its_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against plain sorting, with lists so short that they grow."""
    monkeypatch.setattr(frame_search, "CANDIDATES", 1)
    random = np.random.default_rng(0)
    value = {f"c{n}": random.normal(size=(40, 3)).astype(np.float32) for n in range(9)}
    frames = Frames.of({c: ClipRows(v, np.arange(40), np.arange(40.0)) for c, v in value.items()})
    seen: dict[View, np.ndarray] = {v: random.normal(size=(2, 3)) for v in SEARCHED}
    names: list[View] = [SEARCHED[n % 3] for n in range(9)]

    def read(clips: Collection[int]) -> Iterator[tuple[int, Sample]]:
        for clip in clips:  # at the place of its view
            place = np.full((5, 1), clip % 3)
            yield clip, Sample.of(place, place, np.arange(5.0))

    places: dict[View, np.ndarray] = {view: np.full((5, 1), n) for n, view in enumerate(SEARCHED)}
    found = search(frames, 0, QueryViews(seen, places, read), Limits(50, None, 0.0))
    for n, (row, distance) in enumerate(found):
        gaps = [np.linalg.norm(frames.value[40 * c : 40 * c + 40] - seen[names[c]][n], axis=1)
                for c in range(1, 9)]  # fmt: skip
        assert row.tolist() == (40 + np.argsort(np.concatenate(gaps))[:50]).tolist()
        assert distance == pytest.approx(np.sort(np.concatenate(gaps))[:50])


@pytest.mark.parametrize(
    ("at", "far", "unsure"),
    [(3.0, 0.9, True), (1.05, 0.9, False), (3.0, 2.0, False)],
)
def test_a_hit_is_unsure_if_another_view_is_as_near_and_finds_another_moment(
    at: float, far: float, unsure: bool
) -> None:
    """A clip that shows t at t seconds; as filmed the query shows 1, mirrored `at`."""
    time = np.linspace(0, 4, 81)
    views = QueryViews[str](
        {"filmed": np.ones((1, 1)), "mirrored": np.full((1, 1), at)},
        {"filmed": np.ones((9, 1)), "mirrored": np.full((9, 1), far)},
        lambda clips: [(c, Sample.of(np.zeros((81, 1)), time[:, None], time)) for c in clips],
    )
    assert views.found("clip", 0) == ("filmed", unsure)


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
    assert Limits().gaps(lasts).tolist() == pytest.approx([0.25, 0.25, 0.25, 0.6, 1.0, 1.0])


def test_hits_of_a_slow_clip_lie_further_apart_than_those_of_a_fast_one() -> None:
    """Both hold one pose all the time; slow lasts 6 s at 10 frames per second, fast 1.5 s at 20."""
    slow = [1 + 1e-4 * n for n in range(61)], [0.1 * n for n in range(61)]
    fast = [2 + 1e-4 * n for n in range(31)], [0.05 * n for n in range(31)]
    frames = frames_of({"q": ([0.0], [0.0]), "slow": slow, "fast": fast})
    ((row, _),) = search(frames, 0, as_filmed(frames, [0]), Limits(99, 99, None))
    times = {clip: frames.time[row[frames.clip_of(row) == clip]] for clip in (1, 2)}
    assert np.diff(np.sort(times[1])) == pytest.approx(0.6)
    assert len(times[1]) == 11
    assert np.diff(np.sort(times[2])) == pytest.approx(0.25)
    assert len(times[2]) == 7
