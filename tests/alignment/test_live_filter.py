"""Somebody who performs A's movement is followed through A, at other rates and tempos, whatever is
missing: the true place of every frame is known."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment import live_filter as tested
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.core.view import View
from la2ds_cli.demo.demo_clips import performed
from la2ds_cli.features.camera_views import seen as in_view
from tests.movement import sequence, shaken, warped_phase, without

SETTLED = 0.8  # seconds after which the place must be known; nobody knows it of one frame


def reference() -> tuple[PoseSequence, np.ndarray]:
    """A takes 3 s at 20 frames per second."""
    phase = np.linspace(0, 1, 61)
    return sequence(phase), phase


def seen(phase: np.ndarray, fps: float, noise: float = 0.5, seed: int = 0) -> PoseSequence:
    """A performer of another size, leaning, filmed at another rate by an uneasy network."""
    return shaken(sequence(phase, fps=fps, scale=45.0, tilt=0.06), noise, seed)


def follow(a: PoseSequence, b: PoseSequence, hidden: range = range(0)) -> list[tested.LiveEstimate]:
    live = tested.LiveFilter(tested.LiveReference(a), b.skeleton)
    pairs = zip(b.time, b.xy, strict=True)
    return [live.step(t, None if n in hidden else xy) for n, (t, xy) in enumerate(pairs)]


def apart(
    found: list[tested.LiveEstimate], a: PoseSequence, phase_a: np.ndarray, phase_b: np.ndarray
) -> np.ndarray:
    """How far each frame is from the truth, shares of A's length."""
    true = np.interp(phase_b, phase_a, a.time)
    return np.abs([one.time_a for one in found] - true) / (a.time[-1] - a.time[0])


@pytest.mark.parametrize(("tempo", "fps"), [(1.0, 25.0), (0.5, 30.0), (0.25, 15.0), (1.6, 30.0)])
def test_a_performer_is_followed_at_any_tempo_and_rate(tempo: float, fps: float):
    a, phase_a = reference()
    phase = warped_phase(round(3 / tempo * fps), seed=2)
    b = seen(phase, fps)
    error = apart(follow(a, b), a, phase_a, phase)[b.time > SETTLED / tempo]
    assert (error <= tested.NEAR).mean() >= 0.9
    assert np.median(error) < 0.03


def test_who_stands_still_before_the_beginning_and_after_the_end_rests_there():
    a, phase_a = reference()
    phase = np.concatenate([np.zeros(60), warped_phase(70, seed=3), np.ones(60)])
    b = seen(phase, 25.0, noise=0.3)
    found = follow(a, b)
    error = apart(found, a, phase_a, phase)
    assert (error[30:60] <= tested.NEAR).all()
    assert min(one.before for one in found[30:60]) > 0.5
    assert (error[75:] <= tested.NEAR).mean() >= 0.9
    assert min(one.after for one in found[160:]) > 0.5
    assert max(one.before for one in found[90:]) < 0.05


def test_a_person_who_leaves_the_picture_is_found_again_and_until_then_less_is_claimed():
    a, phase_a = reference()
    phase = np.linspace(0, 1, 90)
    b = seen(phase, 30.0)
    hidden = range(35, 53)
    found = follow(a, b, hidden)
    sure = [one.confidence for one in found]
    assert sure[52] < sure[34]
    assert sure[70] > sure[52]
    error = apart(found, a, phase_a, phase)
    assert (error[58:] <= tested.NEAR).mean() >= 0.9
    assert found[52].time_a > found[34].time_a  # it is taken to go on


def test_joints_that_are_not_seen_do_not_count():
    a, phase_a = reference()
    phase = np.linspace(0, 1, 80)
    b = seen(phase, 30.0)
    never = without(b, joints=[2, 4])
    found = follow(a, without(never, slice(20, 50), 5))
    assert (apart(found, a, phase_a, phase)[b.time > SETTLED] <= tested.NEAR).mean() >= 0.9
    assert np.isfinite([one.time_a for one in follow(a, without(b, 40))]).all()


@pytest.mark.parametrize("view", ["filmed", "mirrored", "other"])
def test_a_performer_in_another_view_is_followed_and_told(view: View):
    a, phase_a = reference()
    phase = np.linspace(0, 1, 80)
    found = follow(a, in_view(seen(phase, 30.0), view))
    assert found[-1].view == view
    assert found[-1].view_share > 0.9
    assert (apart(found, a, phase_a, phase)[40:] <= tested.NEAR).mean() >= 0.9


def test_rendered_performers_from_other_cameras_are_followed():
    """Other bodies, styles, tempos and cameras. Offline, these pairs are aligned to 3 % in the
    mean; here twice that, since nothing of the future is known."""
    means = []
    for i, j in ((0, 1), (3, 2), (5, 7), (8, 6), (10, 11)):
        (a, phase_a), (b, phase_b) = (performed(n, 12, 3, 1.5) for n in (i, j))
        error = apart(follow(a, b), a, phase_a, phase_b)
        shown = (phase_b >= phase_a[0]) & (phase_b <= phase_a[-1])
        means.append(error[shown].mean())
    assert np.mean(means) < 0.06


def test_frames_come_in_order_and_a_has_two_at_least():
    a, _ = reference()
    live = tested.LiveFilter(tested.LiveReference(a), a.skeleton)
    live.step(1.0, a.xy[0])
    with pytest.raises(ValueError, match="in order"):
        live.step(0.9, a.xy[1])
    with pytest.raises(ValueError, match="two frames"):
        tested.LiveReference(a.cut(0, 1))


def test_the_states_are_those_that_are_documented():
    assert tested.NEAR == 0.05
    assert tested.MOST_PLACES == 300
    assert tested.RATES[0] == 0
    assert (tested.RATES[1], tested.RATES[-1]) == (0.25, 4.0)


def test_confidence_is_a_probability_that_grows_with_the_mass():
    mass = np.linspace(0, 1, 21)
    stated = np.array([tested.calibrated(value) for value in mass])
    assert (np.diff(stated) > 0).all()
    assert 0 <= stated[0] < 0.1
    assert 0.8 < stated[-1] <= 1
