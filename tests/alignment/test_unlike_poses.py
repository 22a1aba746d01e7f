"""Nothing wrong is sure where two clips show unlike poses, as in an end that was replaced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from la2ds_cli.alignment import unlike_poses as tested
from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.clip_features import movement_features
from la2ds_cli.alignment.confidence import DOUBTFUL, NOMINAL, Certainty, tolerance_of
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.camera_views import seen
from la2ds_cli.features.resample import interpolate
from tests.alignments import matched
from tests.movement import sequence, shaken, without

SECONDS = 4.0


def performed(fps: float, seed: int, *, scale: float = 60.0) -> tuple[PoseSequence, FloatArray]:
    """The figure by a person of another pace and size, and the phase of each frame."""
    random, length = np.random.default_rng(seed), round(SECONDS * fps)
    clock = np.linspace(0, 1, length)
    phase = clock + 0.08 * random.uniform(-1, 1) * np.sin(2 * np.pi * clock)
    return shaken(sequence(phase, fps=fps, scale=scale), 0.5, seed), phase


def ends_otherwise(pose: PoseSequence, share: float, seed: int) -> PoseSequence:
    """The clip whose end, from a share on, shows every joint above the hips and one knee on other
    ways, away from where they were at the cut."""
    random, clock = np.random.default_rng(seed), np.linspace(0, 1, len(pose))
    cut = int(share * len(pose))
    xy = pose.xy.copy()
    since = (clock[cut:] - clock[cut]) / (1 - clock[cut])
    hips = xy[:, 7:9].mean(axis=1, keepdims=True)
    at_cut = xy[cut] - hips[cut]
    for joint in (0, 1, 2, 3, 4, 5, 6, 9):
        way = random.uniform(70, 110) * np.array([random.choice([-1, 1]), random.choice([-1, 1])])
        xy[cut:, joint] = (hips[cut:, 0] + at_cut[joint]) + np.sin(np.pi * since)[:, None] * way
    return replace(pose, xy=xy)


def found(a: PoseSequence, b: PoseSequence) -> Alignment:
    return align(a, b, (), movement_features(), AlignConfig(open_ends=False))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(0.55, 0.66),
    st.sampled_from([(20.0, 50.0), (30.0, 25.0), (48.0, 15.0)]),
    st.booleans(),
)
def test_nothing_wrong_is_sure_where_an_end_was_replaced(
    seed: int, share: float, rates: tuple[float, float], at_start: bool
) -> None:
    """Where a third of B or more shows something else, away from where that begins and returns."""
    (a, phase_a), (b, phase_b) = (
        performed(fps, seed + n, scale=scale)
        for n, (fps, scale) in enumerate(zip(rates, (60.0, 80.0), strict=True))
    )
    if at_start:
        a, b = (replace(each, xy=each.xy[::-1].copy()) for each in (a, b))
        phase_a, phase_b = 1 - phase_a[::-1], 1 - phase_b[::-1]
    b = ends_otherwise(b, share, seed)
    if at_start:
        a, b = (replace(each, xy=each.xy[::-1].copy()) for each in (a, b))
        phase_a, phase_b = 1 - phase_a[::-1], 1 - phase_b[::-1]
    result = found(a, b)
    true = interpolate(b.time, phase_b, phase_a)
    place = 1 - true / b.time[-1] if at_start else true / b.time[-1]
    since = (place - share) / (1 - share)  # of the other end, which begins and ends like A
    matched_at = np.interp(result.position, np.arange(len(b)), b.time)
    astray = (since < 0) & (np.abs(matched_at - true) > 2 * tolerance_of(b.axis))
    wrong = astray | (np.abs(since - 0.5) < 0.15)
    sure = result.confidence >= np.float32(NOMINAL)
    assert not (sure & wrong).any()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(0.55, 0.66),
    st.sampled_from([(20.0, 50.0), (30.0, 25.0), (48.0, 15.0)]),
)
def test_a_match_is_not_sure_in_the_middle_of_another_end(
    seed: int, share: float, rates: tuple[float, float]
) -> None:
    """Even if everything else speaks for it."""
    (a, phase_a), (b, phase_b) = performed(rates[0], seed), performed(rates[1], seed + 1, scale=80)
    b = ends_otherwise(b, share, seed)
    position = np.interp(phase_a, phase_b, np.arange(len(b)))
    most = Certainty(np.ones(len(a), np.float32), position, position, *np.zeros((2, len(a)), bool))
    limited = tested.limit_where_unlike(most, (a, b), position)
    place = position / len(b)
    middle = np.abs(place - (1 + share) / 2) < 0.1
    assert middle.any()
    assert (limited.confidence[middle] <= DOUBTFUL).all()
    np.testing.assert_array_equal(limited.unlike, limited.confidence < 1)
    assert (limited.confidence[place < share - 0.3] == 1).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(20.0, 50.0), (30.0, 25.0), (48.0, 15.0)]))
def test_people_who_do_the_same_are_not_unlike(seed: int, rates: tuple[float, float]) -> None:
    """However they are built, and wherever the camera stands upright."""
    (a, phase_a), (b, phase_b) = performed(rates[0], seed), performed(rates[1], seed + 1, scale=90)
    position = np.interp(phase_a, phase_b, np.arange(len(b)))
    leaning = replace(b, xy=b.xy + np.linspace(0, 20, b.xy.shape[1])[:, None])
    for other in (b, leaning):
        assert (tested.compute_unlikeness((a, other), position) < tested.UNLIKE).all()


def test_what_b_shows_otherwise_is_named() -> None:
    (a, phase_a), (b, phase_b) = performed(20.0, 0), performed(50.0, 1)
    position = np.interp(phase_a, phase_b, np.arange(len(b)))
    bounds = {"low": position.clip(1), "high": position.clip(None, len(b) - 2)}
    unsure = np.where(position > 0.7 * len(b), 0.5, 1.0)
    other = ends_otherwise(b, 0.6, 3)
    for shown, kind in ((other, "unlike"), (b, "loose")):
        most = Certainty(
            np.ones(len(a), np.float32), position, position, *np.zeros((2, len(a)), bool)
        )
        unlike = tested.limit_where_unlike(most, (a, shown), position).unlike
        result = matched(position, a, shown, confidence=unsure, unlike=unlike, **bounds)
        assert result.certificate.reasons[0].kind == kind
    assert found(a, other).certificate.sure == 0
    assert found(a, b).certificate.sure > 0.5 * len(a)


def test_poses_are_compared_in_the_view_that_was_found() -> None:
    (a, _), (b, _) = performed(20.0, 0), performed(50.0, 1)
    position = np.linspace(0, len(b) - 1.0, len(a))
    turned = seen(b, "mirrored")
    assert (tested.compute_unlikeness((a, turned), position) >= tested.UNLIKE).mean() > 0.4
    as_seen = a, seen(turned, "mirrored")
    assert (tested.compute_unlikeness(as_seen, position) < tested.UNLIKE).all()
    result = found(a, turned)
    assert result.view == "mirrored"
    assert result.certificate.sure > 0.5 * len(a)
    assert "unlike" not in {each.kind for each in result.certificate.reasons}


@pytest.mark.parametrize("count", [0, 1, 11])
def test_few_matches_are_not_judged(count: int) -> None:
    (a, _), (b, _) = performed(20.0, 0), performed(50.0, 1)
    position = np.full(len(a), np.nan)
    position[:count] = np.arange(count)[::-1] * 10.0
    assert (tested.compute_unlikeness((a, b), position) == 0).all()


def test_frames_without_a_counterpart_and_clips_that_do_not_move() -> None:
    (a, _), (b, _) = performed(20.0, 0), performed(50.0, 1)
    position = np.linspace(0, len(b) - 1.0, len(a))
    position[60:] = np.nan
    value = tested.compute_unlikeness((a, b), position)
    assert (value[60:] == 0).all()
    assert np.isfinite(value).all()
    for still in (sequence(np.zeros(40)), without(sequence(np.zeros(40)))):
        assert (tested.compute_unlikeness((still, still), np.arange(40.0)) == 0).all()
