"""Spans that the other clip does not show, in features made by hand and on rendered performers."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import gaps, sampling
from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.distance import mean_nearest_squared
from la2ds_cli.alignment.gaps import (
    SharedRows,
    _left_out,
    frames_of_like_tempo,
    path_with_gaps,
    shared_rows,
)
from la2ds_cli.alignment.methods import align_features
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from tests.movement import add_sequence, figure, sequence, warped_phase

RATES = (20.0, 20.0)


def walks(span: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A movement of 60 frames seen twice, with noise; A holds `span` foreign frames at frame 30."""
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(size=(60, 5)), axis=0)
    foreign = walk[30] + 25 + np.cumsum(random.normal(size=(span, 5)), axis=0)
    a, b = walk + 0.5 * random.normal(size=(60, 5)), walk + 0.5 * random.normal(size=(60, 5))
    return np.concatenate([a[:30], foreign, a[30:]]), b


def rows_of(a: np.ndarray, b: np.ndarray, rates: tuple[float, float] = RATES) -> SharedRows:
    return shared_rows(a, b, rates)


def test_a_foreign_span_is_found_in_either_clip() -> None:
    a, b = walks(20)
    expected = [*range(30), *range(50, 80)]
    assert rows_of(a, b).a.tolist() == expected
    assert rows_of(a, b).b.tolist() == list(range(60))
    assert rows_of(b, a).b.tolist() == expected


def test_a_span_shorter_than_the_shortest_is_no_gap() -> None:
    a, b = walks(5)
    assert len(rows_of(a, b).a) == 65  # 5 frames at 20 a second are 0.25 s
    assert len(rows_of(a, b, (10.0, 10.0)).a) == 60  # at 10 a second 0.5 s


def test_each_clip_has_a_frame_rate_of_its_own() -> None:
    """Five foreign frames: at 20 a second they are 0.25 s and no gap, at 10 a second 0.5 s."""
    a, b = walks(5)
    assert (len(rows_of(a, b, (10.0, 15.0)).a), len(rows_of(a, b, (20.0, 15.0)).a)) == (60, 65)
    assert (len(rows_of(b, a, (15.0, 10.0)).b), len(rows_of(b, a, (15.0, 20.0)).b)) == (60, 65)


def test_slow_motion_is_looked_at_in_as_many_frames_as_real_speed() -> None:
    # 30 and 60 frames a second; A moves a quarter as far in a second: 8 times as many frames.
    assert frames_of_like_tempo((400, 100), (60.0, 30.0), (1.0, 4.0)) == (50, 100)
    assert frames_of_like_tempo((100, 400), (30.0, 60.0), (4.0, 1.0)) == (100, 50)
    assert frames_of_like_tempo((80, 100), (60.0, 30.0), (1.0, 4.0)) == (24, 100)
    assert frames_of_like_tempo((12, 100), (60.0, 30.0), (1.0, 4.0)) == (12, 100)
    assert frames_of_like_tempo((400, 100), (30.0, 30.0), (1.0, 1.4)) == (400, 100)
    assert frames_of_like_tempo((400, 100), (60.0, 30.0), (0.0, 4.0)) == (400, 100)


def test_frames_between_those_of_real_speed_are_no_gap(monkeypatch) -> None:
    """A frame of noise on the joints of a movement seen at 8 times as many frames a second: a gap
    is found where all frames are looked at, and none where the tempos are alike."""
    random = np.random.default_rng(3)
    fast = np.cumsum(random.normal(size=(40, 6)) * np.linspace(0.2, 3, 40)[:, None], axis=0)
    slow = np.stack([np.interp(np.arange(320) / 8, np.arange(40), x) for x in fast.T], axis=1)
    slow += 0.3 * random.normal(size=slow.shape)
    monkeypatch.setattr(gaps, "LEAST_UNIT", 1e-3)  # the noise is too little to find a gap otherwise
    monkeypatch.setattr(gaps, "_facing_filled", lambda path, _: path)  # slow motion faces no gap
    cheap = (2.5, 12.0)
    everything = shared_rows(slow, fast, (120.0, 15.0), cheap)
    alike = shared_rows(slow, fast, (120.0, 15.0), cheap, most=(40, 40))
    assert len(everything.a) < 320
    assert (len(alike.a), len(alike.b)) == (320, 40)


@pytest.mark.parametrize(("met", "goes"), [(9, True), (10, False)])
def test_what_stands_still_beside_a_gap_is_shorter_than_half_in_the_other_clip(
    met: int, goes: bool
) -> None:
    """Ten frames, a second, before the gap meet `met` frames of the other clip at 20 a second: 0.45
    or 0.5 s pass there, less than half a second or not."""
    clip = np.zeros((40, 1))
    clip[10:20, 0] = 100 * np.arange(10)
    before = [(min(j, 9), j) for j in range(met + 1)]
    path = np.array(before + [(20 + k, met + 1 + 2 * k) for k in range(20)])
    found = _left_out(path, clip, 1.0, rate=10.0, other_rate=20.0)
    assert np.flatnonzero(found).tolist() == list(range(0 if goes else 10, 20))


@pytest.mark.parametrize(("other", "gap"), [(26, False), (13, False), (11, True)])
def test_what_both_do_for_about_as_long_is_no_gap(other: int, gap: bool) -> None:
    """A second that looks different in both clips, 20 frames of A and `other` of B. From the frame
    before it to the one after, 21 frames of A take 1.05 s, 14 of B 0.54 s and 12 of B 0.46 s."""
    a, b = walks(20, seed=1)
    random = np.random.default_rng(4)
    away = b[30] - 25 + np.cumsum(random.normal(size=(other, 5)), axis=0)
    b = np.concatenate([b[:30], away, b[30:]])
    there, back = rows_of(a, b, (20.0, 26.0)), rows_of(b, a, (26.0, 20.0))
    assert len(there.a) == len(back.b) == (60 if gap else 80)
    assert gap or len(there.b) == 60 + other


@pytest.mark.parametrize("away", [0.0, 25.0])
def test_a_pause_is_no_gap_even_in_a_pose_of_its_own(away: float) -> None:
    a, b = walks(0)
    pose = a[30] + away + 0.3 * np.random.default_rng(9).normal(size=(25, 5))
    held = np.concatenate([a[:30], pose, a[30:]])
    assert len(rows_of(held, b).a) == 85


@pytest.mark.parametrize("seed", range(5))
def test_the_ends_are_not_for_gaps_to_cut(seed: int) -> None:
    a, b = walks(0, seed)
    assert len(rows_of(a[10:], b[:-10]).a) == 50
    assert len(rows_of(a[10:], b[:-10]).b) == 50


def test_long_clips_are_thinned(monkeypatch) -> None:
    a, b = walks(20)
    monkeypatch.setattr(sampling, "MAX_FRAMES", 40)
    kept = rows_of(a, b).a
    assert np.isin(np.arange(28), kept).all()
    assert not np.isin(np.arange(33, 47), kept).any()


def test_an_end_that_stands_still_beside_a_gap_goes_too() -> None:
    """B begins where A's foreign span ends; A's start before it can only lie on B's first frame."""
    a, b = walks(20)
    a[30:50] += 40  # dearer to keep than to leave out, unlike the start
    start = np.repeat(b[30:31], 12, axis=0) + 0.5 * np.random.default_rng(5).normal(size=(12, 5))
    clip = np.concatenate([start, a[30:]])
    assert rows_of(clip, b[30:]).a.tolist() == list(range(32, 62))


def test_clips_of_one_still_frame_have_no_gaps() -> None:
    assert len(rows_of(np.ones((30, 3)), np.ones((20, 3))).a) == 30


def test_two_films_of_one_performance_have_no_gaps() -> None:
    """Three seconds of rest and a swing within a second, at 24 and 60 frames a second: at rest the
    films are equal, and in the swing the frames of one lie between those of the other."""

    def film(fps: float, noise: int) -> np.ndarray:
        time = np.arange(0, 4.3, 1 / fps)
        turn = np.interp(time, [3.0, 4.0], [0, 2 * np.pi])
        clip = 20 * np.stack([np.cos(turn), np.sin(turn), np.sin(2 * turn)], axis=1)
        return clip + 0.2 * np.random.default_rng(noise).normal(size=clip.shape)

    a, b = film(24.0, 1), film(60.0, 2)
    rows = shared_rows(a, b, (24.0, 60.0))
    assert (len(rows.a), len(rows.b)) == (len(a), len(b))


def test_copies_have_no_gaps() -> None:
    a, _ = walks(20)
    assert len(rows_of(a, a).a) == len(rows_of(a, a).b) == 80


def test_rows_lead_back_to_the_clips() -> None:
    rows = SharedRows(np.array([0, 1, 4]), np.array([0, 3, 4]), 5, 5)
    assert rows.path(np.array([[0, 0], [1, 1], [2, 2]])).tolist() == [[0, 0], [1, 3], [4, 4]]
    found = rows.position(np.array([1.5, np.nan, 2.0]))
    np.testing.assert_array_equal(found, [3.5, np.nan, np.nan, np.nan, 4])


def test_nothing_of_a_lies_in_a_span_of_b_that_a_does_not_show() -> None:
    """A at half the speed meets B between its frames, also at the two sides of the gap."""
    rows = SharedRows(np.arange(8), np.array([0, 1, 2, 53, 54]), 8, 55)
    found = rows.position(np.array([0.0, 0.5, 1.5, 2.2, 2.8, 3.0, 3.5, 4.0]))
    np.testing.assert_allclose(found, [0, 0.5, 1.5, 2, 53, 53, 53.5, 54])


def test_one_shared_frame() -> None:
    rows = SharedRows(np.array([3]), np.array([5]), 6, 9)
    assert rows.position(np.array([0.0]))[3] == 5


# --- the path, against all paths there are -----------------------------------------------------


def price(path: list[tuple[int, int]], cost: np.ndarray, skip: float, opening: float) -> float:
    """What a list of pairs costs by the definition, infinite where it is no path."""
    rows, columns = cost.shape
    (i, j), (k, m) = path[0], path[-1]
    if (i and j) or (k < rows - 1 and m < columns - 1):
        return math.inf
    total = skip * (i + j + rows - 1 - k + columns - 1 - m) + sum(cost[pair] for pair in path)
    for (i, j), (k, m) in itertools.pairwise(path):
        down, across = k - i, m - j
        if (down, across) in ((1, 1), (1, 0), (0, 1)):
            continue
        if down < 1 or across < 1:  # a gap ends in a pair of frames that are both new
            return math.inf
        left_out = (down - 1, across - 1)
        total += skip * sum(left_out) + opening * sum(n > 0 for n in left_out)
    return float(total)


def cheapest(cost: np.ndarray, skip: float, opening: float) -> float:
    """Of all sets of pairs that are paths."""
    cells = list(np.ndindex(*cost.shape))
    return min(
        price(list(chosen), cost, skip, opening)
        for count in range(1, len(cells) + 1)
        for chosen in itertools.combinations(cells, count)
        if all(a[0] <= b[0] and a[1] <= b[1] for a, b in itertools.pairwise(chosen))
    )


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_cheapest_of_all_paths(seed: int) -> None:
    random = np.random.default_rng(seed)
    cost = random.exponential(1.0, [(3, 4), (4, 3), (4, 4)][seed % 3])
    skip, opening = random.uniform(0.05, 0.6), random.uniform(0, 0.6)
    found = [(int(i), int(j)) for i, j in path_with_gaps(cost, skip, opening)]
    assert price(found, cost, skip, opening) == pytest.approx(cheapest(cost, skip, opening))


@pytest.mark.parametrize("opening", [0.0, 2.0, math.inf])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (23, 40), (40, 23), (30, 30)])
def test_numpy_and_the_kernel_find_the_same_path(shape, opening: float, monkeypatch) -> None:
    """Also among paths that cost the same, of which whole numbers give many."""
    for seed, whole in itertools.product(range(4), (False, True)):
        random = np.random.default_rng(seed)
        cost = random.integers(0, 4, shape) * 1.0 if whole else random.exponential(2.0, shape)
        paths = []
        for pays in (False, True):
            monkeypatch.setattr(gaps, "compiling_pays", lambda seconds, pays=pays: pays)
            paths.append(path_with_gaps(cost, 1.0, opening).tolist())
        assert paths[0] == paths[1]


def test_a_foreign_span_is_left_out_of_either_clip() -> None:
    a = np.repeat(np.arange(12.0), 1)
    with_span = np.concatenate([a[:6], [90.0] * 4, a[6:]])
    cost = (with_span[:, None] - a[None]) ** 2
    expected = [(i, i) for i in range(6)] + [(i + 4, i) for i in range(6, 12)]
    assert path_with_gaps(cost, 1.0, 2.0).tolist() == [list(pair) for pair in expected]
    assert path_with_gaps(cost.T, 1.0, 2.0)[:, ::-1].tolist() == [list(p) for p in expected]


def test_both_clips_may_leave_out_a_span_at_one_place() -> None:
    a = np.concatenate([np.arange(6.0), [50.0] * 3, np.arange(6.0, 12)])
    b = np.concatenate([np.arange(6.0), [-50.0] * 2, np.arange(6.0, 12)])
    path = path_with_gaps((a[:, None] - b[None]) ** 2, 1.0, 2.0)
    assert not np.isin(path[:, 0], [6, 7, 8]).any()
    assert not np.isin(path[:, 1], [6, 7]).any()
    assert len(path) == 12


def test_without_gaps_it_is_time_warping_with_open_ends() -> None:
    random = np.random.default_rng(3)
    walk = np.cumsum(random.normal(size=(60, 4)), axis=0)
    a, b = walk[8:] + 0.1 * random.normal(size=(52, 4)), walk[:48]
    config = AlignConfig(open_ends=True, skip_cost=1.5)
    cost = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    found = path_with_gaps(cost, 1.5 * mean_nearest_squared(a, b), math.inf)
    np.testing.assert_array_equal(found, align_features("dtw", a, b, config))


def test_single_frames() -> None:
    assert path_with_gaps(np.ones((1, 1)), 1.0, 1.0).tolist() == [[0, 0]]
    assert path_with_gaps(np.array([[3.0], [1.0], [2.0]]), 0.5, 1.0).tolist() == [[1, 0]]


# --- through align --------------------------------------------------------------------------


def with_span(phase: np.ndarray, at: int, span: int) -> PoseSequence:
    """The figure doing `phase`, and before frame `at` waving over its head, lying on its side."""
    clip = sequence(np.concatenate([phase[:at], np.full(span, phase[at]), phase[at:]]))
    odd = figure(np.full(span, 0.9), tilt=np.pi / 2)
    odd[:, :6, 1] += 30 * np.sin(np.arange(span))[:, None]
    clip.xy[at : at + span] = odd
    return clip


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path)
    add_sequence(project, "whole", with_span(warped_phase(60, 1), 30, 20))
    add_sequence(project, "plain", sequence(warped_phase(50, 2), fps=25.0))
    for n in range(5):
        add_sequence(project, f"other{n}", sequence(warped_phase(40 + n, 10 + n)))
    return project


@pytest.mark.parametrize("routes", [0, 40])
def test_align_leaves_the_span_out_and_the_rest_as_it_is(project: Project, routes: int) -> None:
    config = project.config(overrides=[f"align.reference_clips={routes}"])
    result = find_alignment(project, "whole", "plain", AlignRequest(config))
    found = result.alignment
    assert result.references == (5 if routes else 0)
    span = np.arange(80)
    assert not found.matched_a[(span >= 32) & (span < 48)].any()
    for values in (found.position, found.low, found.high, result.speed_ratio):
        assert np.isnan(values[33:47]).all()
    assert (found.confidence[33:47] == 0).all()
    phase_a = np.concatenate(
        [warped_phase(60, 1)[:30], np.full(20, np.nan), warped_phase(60, 1)[30:]]
    )
    truth = np.interp(phase_a, warped_phase(50, 2), np.arange(50))
    error = np.abs(found.position - truth)
    # The figure falls over within a frame, so the clip seems to be faster than the other, and both
    # are compared at their own pace. Without the span it is 1.6.
    assert np.nanmean(error) < 2.5
    assert found.matched_b[5:45].all()
    forced = find_alignment(
        project, "whole", "plain", AlignRequest(project.config(overrides=["align.gaps=false"]))
    )
    assert np.nanmean(np.abs(forced.alignment.position - truth)) > np.nanmean(error)


def test_the_span_is_left_out_of_b_as_well(project: Project) -> None:
    found = find_alignment(project, "plain", "whole", AlignRequest(project.config())).alignment
    assert not found.matched_b[33:47].any()
    assert found.matched_a.all()
    inside = (found.position > 32) & (found.position < 47)
    assert not inside.any()


def test_clips_without_foreign_spans_are_aligned_as_without_the_setting(project: Project) -> None:
    both = [
        find_alignment(
            project,
            "plain",
            "other1",
            AlignRequest(project.config(overrides=[f"align.gaps={value}"])),
        ).alignment
        for value in ("true", "false")
    ]
    np.testing.assert_array_equal(both[0].position, both[1].position)
    np.testing.assert_array_equal(both[0].path, both[1].path)


def test_some_rows_are_always_left():
    """A stands still at 0, then does something else, then stands still at 1: either stand is put on
    one moment of B, and the span between them has no counterpart."""
    noise = 0.01 * np.random.default_rng(0).normal(size=(60, 3))
    a = np.repeat([0.0, 10.0, 1.0], 20)[:, None] + noise
    b = np.linspace(0, 1, 8)[:, None] + noise[:8]
    rows = shared_rows(a, b, (20.0, 20.0))
    assert len(rows.a) == 60
    assert len(rows.b) == 8
