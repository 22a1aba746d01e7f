"""What is said in seconds, of clips whose frames are not evenly spaced: a camera films 60 frames a
second and then 10, or none for a while."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from la2ds_cli.alignment import align as heart
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.clip_features import movement_features
from la2ds_cli.alignment.confidence import NEAR, NEAR_SECONDS
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import PoseSequence
from tests.movement import PAUSED, SLOWER, filmed, filmed_phase, shaken

EVEN = np.arange(101) / 25  # 4 s
DTW, LINEAR = AlignConfig(), AlignConfig(method="linear")


def align(a: PoseSequence, b: PoseSequence, config: AlignConfig = DTW) -> Alignment:
    return heart.align(a, b, [], movement_features(), config)


def truth(result: Alignment, seeds: tuple[int, int]) -> np.ndarray:
    """(N,) seconds of B that show what A shows, for films with these seeds."""
    times = result.time_a, result.time_b
    phase_a, phase_b = (filmed_phase(time, seed) for time, seed in zip(times, seeds, strict=True))
    return np.interp(phase_a, phase_b, result.time_b)


def wide(result: Alignment) -> np.ndarray:
    """Seconds of B that the intervals of the sure frames are longer than *sure* promises."""
    sure = np.array(result.certainty) == "sure"
    steps = np.diff(result.time_b)
    lasts, step = float(result.time_b[-1] - result.time_b[0] + steps[-1]), float(np.median(steps))
    promise = 2 * max(NEAR * lasts, NEAR_SECONDS, step)
    return (result.matched_high - result.matched_low)[sure] - promise


@pytest.mark.parametrize("time", [SLOWER, PAUSED, np.round(SLOWER, 3)])
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_an_interval_of_a_sure_frame_is_no_wider_than_sure_promises(
    time: np.ndarray, seed: int
) -> None:
    a = shaken(filmed(EVEN * 1.2, 1), 1.0)
    result = align(a, shaken(filmed(time, seed), 1.0, seed))
    assert len(wide(result)) > 20
    assert wide(result).max() <= 1e-6


def test_what_is_sure_is_right_and_intervals_hold_the_truth_in_nine_of_ten() -> None:
    held, right = [], []
    for seed in range(3, 11):
        for time in (SLOWER, SLOWER[-1] - SLOWER[::-1], PAUSED):
            a = shaken(filmed(EVEN * 1.2, 1), 1.0)
            result = align(a, shaken(filmed(time, seed), 1.0, seed))
            true = truth(result, (1, seed))
            known = ~np.isnan(result.matched_time)
            held += list(((result.matched_low <= true) & (true <= result.matched_high))[known])
            sure = np.array(result.certainty) == "sure"
            off = np.abs(result.matched_time - true)[sure]
            right += list(off <= max(NEAR * (time[-1] + 0.1), NEAR_SECONDS))
    assert np.mean(held) >= 0.9
    assert np.mean(right) >= 0.9


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 50), st.sampled_from(["a", "b"]))
def test_the_same_movement_sampled_evenly_and_unevenly_says_the_same_seconds(
    seed: int, side: str
) -> None:
    """The same film of A or of B, by a camera of 60 and then 10 frames a second, and of 60."""
    times = {"a": EVEN, "b": EVEN * 1.3}
    even = {name: filmed(time, seed + n) for n, (name, time) in enumerate(times.items())}
    slower = SLOWER * times[side][-1] / 4
    uneven = even | {side: filmed(slower, seed + (side == "b"))}
    first, second = align(even["a"], even["b"]), align(uneven["a"], uneven["b"])
    step = 0.1 * times[side][-1] / 4 + 0.04
    at = np.linspace(0.3, 3.7, 50)
    apart = [abs(first.time_in_b(t) - second.time_in_b(t)) for t in at]
    assert np.nanmax(apart) <= 2 * step
    assert np.nanmedian(apart) <= step / 2
    assert second.overall_ratio == pytest.approx(
        first.overall_ratio, rel=0.15
    )  # where rests begin differs
    ratios = [np.interp(at, one.time_a, one.speed_ratio) for one in (first, second)]
    assert np.nanmedian(np.abs(ratios[0] - ratios[1])) < 0.2
    assert second.usual_within == pytest.approx(first.usual_within, abs=step)


# --- the clock: stretched time --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_a", "time_b"),
    [
        (SLOWER, EVEN * 1.5),
        (EVEN, SLOWER),
        (SLOWER, SLOWER[-1] - SLOWER[::-1]),
        (PAUSED, np.arange(200) / 12.5),
        (np.arange(200) / 12.5, PAUSED),
        (PAUSED, np.arange(900) / 60),
        (np.arange(900) / 60, PAUSED),
    ],
)
def test_linear_stretches_time_and_not_frames(time_a: np.ndarray, time_b: np.ndarray) -> None:
    """A frame of A is matched to within a frame of B, or of A where A has fewer."""
    a, b = filmed(time_a, 1), filmed(time_b, 2)
    result = align(a, b, LINEAR)
    ratio = time_b[-1] / time_a[-1]
    steps = np.gradient(time_b)[np.clip(np.rint(result.position).astype(int), 0, len(time_b) - 1)]
    step = np.minimum(steps, 0.1) + 0.02
    in_pause = np.zeros(len(time_a), bool)
    if time_b is PAUSED:  # nothing of it was filmed
        in_pause = (time_a * ratio > PAUSED[59]) & (time_a * ratio < PAUSED[60])
    off = np.abs(result.matched_time - ratio * time_a)
    assert (off <= step)[~in_pause].all(), off.max()
    assert result.path[0].tolist() == [0, 0]
    assert result.path[-1].tolist() == [len(a) - 1, len(b) - 1]
    assert (np.diff(result.path, axis=0) >= 0).all()
    assert result.matched_a.all()
