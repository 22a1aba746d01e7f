"""Repetitions of a known movement: how many, where they begin and end, and none where there are
none."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from la2ds_cli.alignment import recurrence
from la2ds_cli.alignment.repetitions import EXTENDED, Repetition, find_repetitions
from la2ds_cli.core import compiled
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.demo.clips import performed
from la2ds_cli.features.pose_features import limb_extension, movement, movement_of, raw_pose
from tests.movement import FPS, sequence


def value_of(pose: PoseSequence) -> np.ndarray:
    return movement(pose)[:, : 4 * pose.xy.shape[1]]


def cycle(frames: int, start: float = 0.0, stop: float = 1.0) -> np.ndarray:
    """Phase of one repetition: from rest into the movement and back, share start..stop of it."""
    return (1 - np.cos(2 * np.pi * np.linspace(start, stop, frames, endpoint=False))) / 2


def repeated(*frames: int, noise: float = 0.0, seed: int = 0) -> PoseSequence:
    """One repetition after the other, so many frames each; noise in pixels (the torso has 60)."""
    pose = sequence(np.concatenate([cycle(count) for count in frames]))
    rng = np.random.default_rng(seed)
    return replace(pose, xy=pose.xy + rng.normal(0, noise, pose.xy.shape))


def found_in(pose: PoseSequence) -> list[Repetition]:
    return find_repetitions(value_of(pose), pose.time)


def spans(found: list[Repetition]) -> np.ndarray:
    return np.array([(repetition.start, repetition.stop) for repetition in found])


def assert_cut_at(found: list[Repetition], edges: list[int], tolerance: float) -> None:
    """The spans follow each other from edge to edge, within `tolerance` frames."""
    wanted = np.array(list(pairwise(edges)))
    assert spans(found).shape == wanted.shape
    assert np.abs(spans(found) - wanted).max() <= tolerance


def test_equal_repetitions_are_cut_where_each_begins() -> None:
    found = found_in(repeated(40, 40, 40, 40))
    assert_cut_at(found, [0, 40, 80, 120, 160], tolerance=2)
    assert min(repetition.score for repetition in found) > 0.85


@pytest.mark.parametrize("frames", [(40, 28, 56, 33), (60, 30), (25, 50, 36, 44, 30, 48, 27)])
def test_repetitions_may_differ_in_tempo_by_a_factor_of_two(frames: tuple[int, ...]) -> None:
    edges = [0, *np.cumsum(frames).tolist()]
    assert_cut_at(found_in(repeated(*frames)), edges, tolerance=0.1 * min(frames))


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_joints_does_no_harm(seed: int) -> None:
    # A twentieth of the torso in each joint and frame: twice as much as a good pose network has.
    found = found_in(repeated(40, 30, 50, 36, noise=3.0, seed=seed))
    assert_cut_at(found, [0, 40, 70, 120, 156], tolerance=4)


def test_many_repetitions_are_not_taken_two_at_a_time() -> None:
    frames = np.random.default_rng(0).integers(28, 56, 50).tolist()
    found = found_in(repeated(*frames, noise=1.5))
    assert_cut_at(found, [0, *np.cumsum(frames).tolist()], tolerance=6)


def test_a_pause_belongs_to_no_repetition() -> None:
    still = np.zeros(60)
    phase = np.concatenate([still, cycle(40), still, cycle(40), still])
    found = found_in(sequence(phase))
    # Moving in 60..100 and 160..200; of the pauses of 60 frames at most a quarter is kept.
    for span, edges in zip(spans(found), [(60, 100), (160, 200)], strict=True):
        assert edges[0] - 15 <= span[0] <= edges[0] + 4
        assert edges[1] - 4 <= span[1] <= edges[1] + 15


def test_a_short_rest_is_cut_in_its_middle() -> None:
    rest = np.zeros(8)
    phase = np.concatenate([cycle(40), rest, cycle(40), rest, cycle(40)])
    assert_cut_at(found_in(sequence(phase)), [0, 44, 92, 136], tolerance=3)


def test_what_is_left_of_a_repetition_at_an_end_is_none() -> None:
    # 40 % of one, three whole ones, 35 % of one, six frames of rest between them.
    rest = np.zeros(6)
    parts = [cycle(16, 0.6), rest, cycle(40), rest, cycle(40), rest, cycle(40), rest]
    found = found_in(sequence(np.concatenate([*parts, cycle(14, 0.0, 0.35)])))
    assert_cut_at(found, [19, 65, 111, 157], tolerance=4)


def test_an_alternating_movement_repeats_when_both_sides_have_been() -> None:
    """Left arm up and down, right arm up and down: one repetition, not two halves."""
    from tests.movement import figure

    pose = sequence(np.zeros(240))
    lifted = pose.xy.copy()
    swing = np.pi * (1 - np.cos(2 * np.pi * np.arange(30) / 30)) / 2
    for part in range(8):
        rows = slice(30 * part, 30 * part + 30)
        side = ("left", "right")[part % 2]
        lifted[rows] = _with_arm(figure(np.zeros(30)), side, swing)
    found = found_in(replace(pose, xy=lifted))
    assert_cut_at(found, [0, 60, 120, 180, 240], tolerance=3)


def _with_arm(xy: np.ndarray, side: str, angle: np.ndarray) -> np.ndarray:
    """xy (T, 13, 2) of a standing figure with one arm raised sideways by `angle` (T,)."""
    from la2ds_cli.core.skeleton import get_skeleton

    joints = get_skeleton("penn13").joints
    out = np.array(xy)
    shoulder = out[:, joints.index(f"{side}_shoulder")]
    sign = 1 if side == "left" else -1
    way = np.stack([sign * np.sin(angle), np.cos(angle)], axis=-1)
    out[:, joints.index(f"{side}_elbow")] = shoulder + 30 * way
    out[:, joints.index(f"{side}_wrist")] = shoulder + 60 * way
    return out


def test_an_example_says_at_which_moment_to_cut() -> None:
    clip = repeated(*[40] * 6)
    from_the_top = sequence(cycle(50, 0.5, 1.5))
    example = (value_of(from_the_top), from_the_top.time)
    found = find_repetitions(value_of(clip), clip.time, example)
    # From one turning point to the next; what stays at both ends is half a repetition each.
    assert_cut_at(found, [20, 60, 100, 140, 180, 220], tolerance=8)
    like_the_rest = sequence(cycle(50))
    example = (value_of(like_the_rest), like_the_rest.time)
    again = find_repetitions(value_of(clip), clip.time, example)
    assert_cut_at(again, [0, 40, 80, 120, 160, 200, 240], tolerance=2)


@pytest.mark.parametrize("index", range(6))
def test_a_movement_that_does_not_come_back_is_no_repetition(index: int) -> None:
    pose, _ = performed(index, 6, seed=1, noise=1.0)
    assert found_in(pose) == []
    assert found_in(sequence(np.linspace(0, 1, 80))) == []


@pytest.mark.parametrize("frames", [40, 90])
def test_one_repetition_is_not_several(frames: int) -> None:
    assert found_in(repeated(frames, noise=1.0)) == []
    rest = np.zeros(30)
    assert found_in(sequence(np.concatenate([rest, cycle(frames), rest]))) == []


def test_a_still_clip_holds_none_with_noise_or_without() -> None:
    assert found_in(sequence(np.zeros(100))) == []
    rng = np.random.default_rng(0)
    still = sequence(np.zeros(200))
    assert found_in(replace(still, xy=still.xy + rng.normal(0, 1, still.xy.shape))) == []


@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_too_few_frames_hold_none(frames: int) -> None:
    assert found_in(sequence(cycle(frames))) == []


def test_joints_that_are_not_seen_are_bridged() -> None:
    pose = repeated(40, 40, 40)
    xy = pose.xy.copy()
    rng = np.random.default_rng(0)
    xy[rng.random(xy.shape[:2]) < 0.2] = np.nan
    xy[50:56] = np.nan  # nobody for 0.3 s
    xy[:, 0] = np.nan  # no head at all
    assert_cut_at(found_in(replace(pose, xy=xy)), [0, 40, 80, 120], tolerance=4)


def test_seconds_count_and_not_frames() -> None:
    """At 60 frames per second and with uneven time stamps the film is cut at the same times."""
    slow, fast = repeated(40, 30, 50), repeated(120, 90, 150)
    fast = replace(fast, time=fast.time / 3, fps=60.0)
    jittered = fast.time + np.random.default_rng(0).uniform(0, 0.008, len(fast))
    for pose in (fast, replace(fast, time=jittered)):
        times = pose.time[spans(found_in(pose))[:, 0]]
        np.testing.assert_allclose(times, slow.time[spans(found_in(slow))[:, 0]], atol=0.1)


def bent(*frames: int, start: float = 0.0, rate: float = FPS) -> PoseSequence:
    """Squats of so many frames each: from standing to the bottom and back, with one arm raised."""
    phase = [cycle(count, start, start + 1.0) / 2 for count in frames]
    return sequence(np.concatenate(phase), fps=rate)


def cut(pose: PoseSequence) -> list[Repetition]:
    return find_repetitions(value_of(pose), pose.time, limbs=limb_extension(pose))


def test_a_clip_that_begins_at_the_bottom_is_cut_where_it_stands() -> None:
    found = cut(bent(40, 40, 40, 40, 40, start=0.5))
    assert {repetition.cut_at for repetition in found} == {EXTENDED}
    assert_cut_at(found, [20, 60, 100, 140, 180], tolerance=4)
    found = cut(bent(40, 40, 40, 40))
    assert_cut_at(found, [0, 40, 80, 120, 160], tolerance=4)


def test_a_small_bounce_between_two_repetitions_is_none() -> None:
    bounce = 0.25 * cycle(20)
    phase = np.concatenate([cycle(40), bounce] * 5) / 2
    assert len(cut(sequence(phase))) == 5


def test_two_sets_with_another_movement_between_them() -> None:
    """Five squats, a walk out of the picture and back with both arms up, five faster ones."""
    first, last = bent(40, 40, 40, 40, 40), bent(28, 28, 28, 28, 28, rate=FPS)
    between = sequence(0.5 + cycle(90) / 2, tilt=0.2)
    way = np.array([300, 0]) * cycle(90)[:, None, None]
    xy = np.concatenate([first.xy, between.xy + way, last.xy])
    pose = replace(sequence(np.zeros(len(xy))), xy=xy)
    found = spans(cut(pose))
    assert len(found) in (10, 11)
    assert ((found[:, 0] < 205) | (found[:, 0] > 270)).sum() == 10


def test_repetitions_filmed_from_two_sides_are_counted_together() -> None:
    near, far = bent(*[36] * 6), bent(*[36] * 6)
    flat = far.xy - far.xy.mean(axis=1, keepdims=True)
    other = flat * np.array([0.4, 1.0]) + far.xy.mean(axis=1, keepdims=True) + 40
    pose = replace(sequence(np.zeros(432)), xy=np.concatenate([near.xy, other]))
    assert len(cut(pose)) in (11, 12, 13)


def test_how_far_limbs_are_extended_does_not_depend_on_the_picture() -> None:
    pose = bent(40, 40)
    arms, legs = limb_extension(pose)
    assert arms.shape == legs.shape == (80, 2)
    assert legs[0].min() > 0.97
    assert legs[20].max() < legs[0].min() - 0.1
    larger = replace(pose, xy=3 * pose.xy + 50)
    np.testing.assert_allclose(limb_extension(larger)[1], legs, rtol=1e-5)
    nobody = replace(pose, xy=np.full_like(pose.xy, np.nan))
    assert (np.stack(limb_extension(nobody)) == 0).all()


def test_any_features_will_do() -> None:
    angle = 2 * np.pi * np.arange(160) / 40
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = spans(find_repetitions(circle, np.arange(160) / FPS))
    # A circle has no rest: the cut may fall anywhere, but always at the same angle.
    assert len(found) in (3, 4)
    assert np.abs(np.diff(found[:, 0]) - 40).max() <= 4
    pose = repeated(40, 40, 40)
    about_root = movement_of(raw_pose(pose).reshape(len(pose), -1, 2))
    assert_cut_at(find_repetitions(about_root, pose.time), [0, 40, 80, 120], tolerance=3)


def test_features_that_do_not_fit_are_refused() -> None:
    time = np.arange(30) / FPS
    for value in (np.zeros((29, 2)), np.zeros(30), np.full((30, 2), np.nan)):
        with pytest.raises(ValueError, match="repetitions: expected"):
            find_repetitions(value, time)
    with pytest.raises(ValueError, match="repetitions: expected"):
        find_repetitions(np.zeros((0, 2)), np.zeros(0))


@pytest.mark.parametrize(("count", "rate"), [(3, 20.0), (6, 30.0)])
def test_kernels_find_what_is_found_without(count: int, rate: float, monkeypatch) -> None:
    """Every candidate with its matches, and the repetitions; a clip looked at in all its rows and
    one in every second."""
    time = np.arange(round(count * 2.5 * rate)) / rate
    random = np.random.default_rng(count)
    phase = 2 * np.pi * time / 2.5
    waves = np.stack([np.sin(phase), np.cos(phase), np.sin(2 * phase)], axis=1)
    value = waves + 0.05 * random.normal(size=waves.shape)
    signal = recurrence.Signal.of(value, time)
    found = []
    for pays in (False, True):
        for module in (recurrence, compiled):
            monkeypatch.setattr(module, "compiling_pays", lambda seconds, pays=pays: pays)
        found.append((recurrence.candidates(signal), find_repetitions(value, time)))
    (plain, cut), (kernels, expected) = found
    assert len(plain) == len(kernels) > 10
    for one, other in zip(plain, kernels, strict=True):
        assert (one.first, one.last) == (other.first, other.last)
        np.testing.assert_array_equal(one.begin, other.begin)
        np.testing.assert_allclose(one.score, other.score, atol=1e-9)
    np.testing.assert_array_equal(spans(cut), spans(expected))
    assert len(cut) >= count - 1
