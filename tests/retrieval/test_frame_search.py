"""Exact nearest frames, and the rules on time, clips and views, on answers known by hand or by
plain sorting."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.types import Phase
from la2ds_cli.core.view import View
from la2ds_cli.retrieval import frame_search
from la2ds_cli.retrieval.clip_rows import SEARCHED, ClipRows
from la2ds_cli.retrieval.frame_search import Found, Limits, OtherClips, Search, apply_limits

FILMED: View = "filmed"


def clips_of(clips: dict[str, tuple[list[float], list[float]]]) -> dict[str, ClipRows]:
    """One feature per frame; name -> (values, seconds)."""
    return {
        name: ClipRows.of(
            np.array(value, np.float32)[:, None], np.arange(len(value)), np.array(time)
        )
        for name, (value, time) in clips.items()
    }


CLIPS = clips_of(
    {
        "q": ([0.0, 10.0], [0.0, 1.0]),
        "x": ([3.0, 0.5, 9.0], [0.0, 1.0, 2.0]),
        "y": ([1.0, 10.25], [0.0, 1.0]),
    }
)


def others_of(clips: dict[str, ClipRows], video: str = "q") -> OtherClips:
    return OtherClips(clips, video, lambda clip: np.zeros((1, 1)))


def near(row: int, limits: Limits, clips: dict[str, ClipRows] = CLIPS) -> Found:
    """The frames nearest to a row of the clip q, as filmed."""
    return Search(others_of(clips).asked({FILMED: clips["q"].value[[row]]}), {}).nearest(0, limits)


def places(found: Found) -> list[tuple[int, int]]:
    """Clip and row of each frame."""
    return list(zip(found.clip.tolist(), found.row.tolist(), strict=True))


@pytest.mark.parametrize("mean", [0, 1000])  # one far from the origin costs products their digits
@pytest.mark.parametrize("count", [9, 999])
def test_nearest_frames_are_those_of_plain_sorting(mean: int, count: int) -> None:
    random = np.random.default_rng(0)
    value = (random.normal(size=(300, 80)) + mean).astype(np.float32)
    clips = {
        name: ClipRows.of(part, np.arange(len(part)), np.arange(len(part)) / 20)
        for name, part in zip("abc", np.split(value, [50, 150]), strict=True)
    }
    query = (random.normal(size=(3, 80)) + mean).astype(np.float32)
    others = others_of(clips, "b").asked({FILMED: query})
    apart = np.linalg.norm(value.astype(float) - query[:, None], axis=-1)
    for n, line in enumerate(apart.argsort(axis=1).tolist()):
        plain = [row for row in line if not 50 <= row < 150][:count]
        found = others.nearest(FILMED, n, count)
        assert (np.array([0, 50, 150])[found.clip] + found.row).tolist() == plain
        assert found.distance == pytest.approx(apart[n, plain], rel=1e-4)


@pytest.mark.parametrize(
    ("row", "limits", "expected"),
    [
        (0, Limits(2, 2, 0.25), [(1, 1), (2, 0)]),
        (1, Limits(2, 2, 0.25), [(2, 1), (1, 2)]),
        (0, Limits(10, 10, 0.0), [(1, 1), (2, 0), (1, 0), (1, 2), (2, 1)]),  # without its own clip
        (0, Limits(5, 1, 0.0), [(1, 1), (2, 0)]),
    ],
)
def test_known_neighbours(row: int, limits: Limits, expected: list[tuple[int, int]]) -> None:
    assert places(near(row, limits)) == expected


def test_equal_distances_go_by_row() -> None:
    clips = clips_of({"q": ([0.0], [0.0]), "a": ([2, -2, 0, 2, -2], [0.0, 9.0, 18.0, 27.0, 36.0])})
    assert places(near(0, Limits(4), clips)) == [(1, 2), (1, 0), (1, 1), (1, 3)]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(7, 7, 0.25), [0, 2, 3, 4, 5, 6]),
        (Limits(7, 2, 0.25), [0, 2, 3, 5, 6]),
        (Limits(7, 1, 0.25), [0, 2, 6]),
        (Limits(2, 7, 0.25), [0, 2]),
        (Limits(7, 7, 0.0), [0, 1, 2, 3, 4, 5, 6]),
        (Limits(7), [0, 2, 4, 5, 6]),  # a tenth of 5 s
    ],
)
def test_limits_keep_distance_in_time_and_a_number_per_clip(
    limits: Limits, expected: list[int]
) -> None:
    clip = np.array([0, 0, 1, 0, 0, 1, 2])
    time = np.array([1.0, 1.1, 1.1, 1.25, 9.0, 5.0, 0.0])
    found = Found(np.arange(7.0), clip, np.arange(7), time, np.full(7, 5.0), np.full(7, None))
    assert apply_limits(found, limits).tolist() == expected


def test_the_default_gap_is_a_tenth_of_the_clip_within_bounds() -> None:
    lasts = np.array([0.0, 2.0, 2.5, 6.0, 10.0, 60.0])
    assert Limits().gaps(lasts).tolist() == pytest.approx([0.25, 0.25, 0.25, 0.6, 1.0, 1.0])


def test_hits_of_a_slow_clip_lie_further_apart_than_those_of_a_fast_one() -> None:
    """Both hold one pose all the time; slow lasts 6 s at 10 frames per second, fast 1.5 s at 20."""
    slow = [1 + 1e-4 * n for n in range(61)], [0.1 * n for n in range(61)]
    fast = [2 + 1e-4 * n for n in range(31)], [0.05 * n for n in range(31)]
    found = near(0, Limits(99), clips_of({"q": ([0.0], [0.0]), "slow": slow, "fast": fast}))
    for clip, gap, count in ((1, 0.6, 11), (2, 0.25, 7)):
        times = found.time[found.clip == clip]
        assert np.diff(np.sort(times)) == pytest.approx(gap)
        assert len(times) == count


def test_goes_on_searching_past_many_frames_of_one_moment() -> None:
    # 500 near frames of one moment stand before the frame that is looked for.
    still = [0.001 * n for n in range(500)], (1 + 1e-4 * np.arange(500)).tolist()
    clips = clips_of({"q": ([0.0], [0.0]), "still": still, "far": ([9.0], [0.0])})
    assert places(near(0, Limits(2, 2, 0.25), clips)) == [(1, 0), (2, 0)]


def test_each_clip_is_searched_in_its_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against plain sorting, with lists so short that they grow."""
    monkeypatch.setattr(frame_search, "CANDIDATES", 1)
    random = np.random.default_rng(0)
    value = {f"c{n}": random.normal(size=(40, 3)).astype(np.float32) for n in range(9)}
    clips = {c: ClipRows.of(v, np.arange(40), np.arange(40.0)) for c, v in value.items()}
    asked: dict[View, np.ndarray] = {v: random.normal(size=(2, 3)) for v in SEARCHED}
    names: list[View] = [SEARCHED[n % 3] for n in range(9)]
    # A clip moves as the query does in its view.
    moving = {c: np.full((5, 1), n % 3) for n, c in enumerate(value)}
    compared: dict[View, np.ndarray] = {v: np.full((5, 1), n) for n, v in enumerate(SEARCHED)}
    search = Search(OtherClips(clips, "c0", moving.__getitem__).asked(asked), compared)
    for n in range(2):
        found = search.nearest(n, Limits(50, None, 0.0))
        gaps = np.concatenate(
            [np.linalg.norm(value[f"c{c}"] - asked[names[c]][n], axis=1) for c in range(1, 9)]
        )
        assert (40 * found.clip + found.row).tolist() == (40 + np.argsort(gaps)[:50]).tolist()
        assert found.distance == pytest.approx(np.sort(gaps)[:50], rel=1e-5)


@pytest.mark.parametrize(
    ("at", "far", "unsure"), [(3.0, 0.9, True), (1.05, 0.9, False), (3.0, 2.0, False)]
)
def test_a_hit_is_unsure_if_another_view_is_as_near_and_finds_another_moment(
    at: float, far: float, unsure: bool
) -> None:
    """A clip that shows t at t seconds; as filmed the query shows 1, mirrored `at`."""
    time = np.linspace(0, 4, 81)
    clips = clips_of({"q": ([0.0], [0.0]), "clip": (time.tolist(), time.tolist())})
    asked: dict[View, np.ndarray] = {FILMED: np.ones((1, 1)), "mirrored": np.full((1, 1), at)}
    compared: dict[View, np.ndarray] = {
        FILMED: np.ones((9, 1)), "mirrored": np.full((9, 1), far)
    }  # fmt: skip
    others = OtherClips(clips, "q", lambda clip: np.zeros((81, 1)))
    search = Search(others.asked(asked), compared)
    assert search.nearest(0, Limits(1)).clip.tolist() == [1]
    assert (search.choice(1).view, search.unsure(1, 0)) == (FILMED, unsure)


def test_the_usual_distance_is_that_to_the_nearest_frame_of_another_clip() -> None:
    value = [np.random.default_rng(n).normal(size=(20, 8)).astype(np.float32) for n in range(5)]
    clips = {str(n): ClipRows.of(v, np.arange(20), np.arange(20.0)) for n, v in enumerate(value)}
    least = []
    for n in (0, 2, 3, 4):  # 80 frames, all of which are measured; 1 is the query's
        others = np.concatenate([v for m, v in enumerate(value) if m not in (n, 1)]).astype(float)
        least += [np.linalg.norm(others - row, axis=1).min() for row in value[n]]
    assert others_of(clips, "1").usual_distance() == pytest.approx(np.quantile(least, 0.99))
    few = {n: clips[n] for n in "012"}
    assert np.isnan(others_of(few, "1").usual_distance())


def test_the_usual_distance_does_not_depend_on_the_query() -> None:
    """Of other clips, the one at 100 is 80 from all others, also where the query is near it."""
    for at in (101.0, 15.0, 500.0):
        values = {"q": at, "a": 0.0, "b": 10.0, "c": 20.0, "d": 100.0}
        clips = clips_of({name: ([v, v], [0.0, 1.0]) for name, v in values.items()})
        assert others_of(clips).usual_distance() == pytest.approx(80)


def test_a_copy_is_no_neighbour() -> None:
    """Neither of the query, nor of the clips that show what is usual."""
    values = {"q": 4.0, "q2": 4.0, "a": 0.0, "a2": 0.0, "b": 10.0, "c": 20.0}
    clips = clips_of({name: ([v, v], [0.0, 1.0]) for name, v in values.items()})
    copies = {"q": ["q2"], "q2": ["q"], "a": ["a2", "no row"], "a2": ["a"]}
    others = OtherClips(clips, "q", lambda clip: np.zeros((1, 1)), copies)
    assert others.usual_distance() == pytest.approx(10)
    search = Search(others.asked({FILMED: clips["q"].value[[0]]}), {})
    found = search.nearest(0, Limits(9, 9, 0.0))
    assert {others.clips[n] for n in found.clip} == {"a", "a2", "b", "c"}
    alone = OtherClips(
        {c: clips[c] for c in ("q", "q2")}, "q", lambda clip: np.zeros((1, 1)), copies
    )
    search = Search(alone.asked({FILMED: clips["q"].value[[0]]}), {})
    assert not len(search.nearest(0, Limits(9)).clip)


def test_the_phase_of_a_frame_ends_before_its_end_and_the_first_one_wins() -> None:
    frame = np.array([0, 9, 10, 12, 20])
    phases = [Phase(0, 10, "down"), Phase(5, 13, "up")]
    rows = ClipRows.of(np.zeros((5, 1)), frame, frame / 10, phases)
    assert rows.phase.tolist() == ["down", "down", "up", "up", None]
