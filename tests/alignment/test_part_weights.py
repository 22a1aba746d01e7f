"""Weights of the parts of a distance, on parts whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment.one_distance import MOST_FRAMES, measure_weights
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray

CONFIG = AlignConfig()
# Six people who do the movement at their own pace, filmed at different rates: moments in [0, 1].
LENGTHS = (40, 55, 70, 48, 90, 62)
MOMENTS = [np.linspace(0, 1, length) ** (0.8 + 0.1 * n) for n, length in enumerate(LENGTHS)]


def curve(moment: FloatArray) -> FloatArray:
    """(T, 2) features that move along three quarters of a circle."""
    angle = 1.5 * np.pi * moment
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def people(noise: dict[str, float], *, scale: float = 1.0, seed: int = 0) -> list[dict]:
    """Clips of parts that differ between people by a constant of this standard deviation."""
    rng = np.random.default_rng(seed)
    return [
        {
            name: (scale if name == "a" else 1.0) * (curve(moment) + rng.normal(0, std, 2))
            for name, std in noise.items()
        }
        for moment in MOMENTS
    ]


def test_parts_that_are_equally_good_weigh_the_same() -> None:
    weights = measure_weights(people({"a": 0.1, "b": 0.1, "c": 0.1}, seed=3), CONFIG)
    assert sum(weights.values()) == pytest.approx(3)
    assert max(weights.values()) < 4 * min(weights.values())


def test_a_part_with_twice_the_error_weighs_a_sixteenth() -> None:
    """It has four times the noise at the same speed. The paths of both come from a third part that
    is exact and much larger, so nothing else is added to the noise."""
    rng = np.random.default_rng(0)
    clips = []
    for moment in MOMENTS:
        apart = rng.normal(0, 0.1, 2)
        part = {"a": curve(moment) + apart, "b": curve(moment) + 2 * apart}
        clips.append(part | {"exact": 100 * curve(moment)})
    weights = measure_weights(clips, CONFIG)
    assert weights["b"] == pytest.approx(weights["a"] / 16, rel=0.02)


def test_the_unit_of_a_part_does_not_matter() -> None:
    """Features 5 times as large get a 25th of the weight: the weighted distance is the same. Each
    of the two parts is judged by the paths of the other, which its unit does not change."""
    plain, large = (
        measure_weights(people({"a": 0.1, "b": 0.1}, scale=scale, seed=1), CONFIG)
        for scale in (1.0, 5.0)
    )
    assert 25 * large["a"] / large["b"] == pytest.approx(plain["a"] / plain["b"], rel=1e-6)


def test_a_part_that_stands_still_or_shows_no_moment_weighs_nothing() -> None:
    rng = np.random.default_rng(0)
    clips = people({"a": 0.1, "b": 0.1})
    still = [clip | {"c": np.tile(rng.normal(size=3), (len(clip["a"]), 1))} for clip in clips]
    assert measure_weights(still, CONFIG)["c"] == 0
    other = [
        clip | {"c": curve(rng.permutation(6)[0] + moment[::-1] * (-1) ** n)}
        for n, (clip, moment) in enumerate(zip(clips, MOMENTS, strict=True))
    ]
    assert measure_weights(other, CONFIG)["c"] < 0.1


def test_no_part_chooses_the_frames_by_which_it_is_judged() -> None:
    """Part c goes through the movement at a pace that differs between people. It would match itself
    without any error; by the moments of the others it is bad."""
    clips = [
        clip | {"c": curve(moment ** (0.4 + 0.4 * n))}
        for n, (clip, moment) in enumerate(
            zip(people({"a": 0.05, "b": 0.05}), MOMENTS, strict=True)
        )
    ]
    weights = measure_weights(clips, CONFIG)
    assert weights["c"] < 0.2 * min(weights["a"], weights["b"])


def stretched(x: FloatArray, length: int) -> FloatArray:
    """x (T, D) at a higher frame rate."""
    at = np.linspace(0, len(x) - 1, length)
    return np.stack([np.interp(at, np.arange(len(x)), column) for column in x.T], axis=1)


def test_the_frame_rate_of_a_clip_does_not_matter() -> None:
    """In the first clip, part a moves five times as far; it is filmed at a high rate or not."""
    clips = people({"a": 0.1, "b": 0.1, "c": 0.1}, seed=4)
    clips[0]["a"] = 5 * clips[0]["a"]
    fast = {name: stretched(x, 3 * len(x)) for name, x in clips[0].items()}
    plain, other = (measure_weights([one, *clips[1:]], CONFIG) for one in (clips[0], fast))
    assert other["a"] == pytest.approx(plain["a"], rel=0.2)


def test_long_clips_are_thinned() -> None:
    clips = people({"a": 0.1, "b": 0.2}, seed=2)
    long = [{name: stretched(x, 8 * MOST_FRAMES) for name, x in clip.items()} for clip in clips]
    short, thinned = measure_weights(clips, CONFIG), measure_weights(long, CONFIG)
    assert thinned["a"] == pytest.approx(short["a"], rel=0.1)


def test_without_two_clips_or_any_movement_all_weigh_the_same() -> None:
    one = people({"a": 0.1, "b": 0.1})[:1]
    assert measure_weights(one, CONFIG) == {"a": 1, "b": 1}
    assert measure_weights([], CONFIG) == {}
    still = [{"a": np.ones((20, 2)), "b": np.zeros((20, 3))}] * 3
    assert measure_weights(still, CONFIG) == {"a": 1, "b": 1}
    single = [{"a": np.ones((1, 2)), "b": np.zeros((1, 3))}] * 2
    assert measure_weights(single, CONFIG) == {"a": 1, "b": 1}


def test_copies_of_one_clip_have_finite_weights() -> None:
    clip = people({"a": 0.1, "b": 0.1})[0]
    weights = measure_weights([clip, clip, clip], CONFIG)
    assert weights["a"] == pytest.approx(weights["b"], rel=1e-6)
