import numpy as np
import pytest

from la2ds_cli.demo.performer import (
    DOF,
    PHASES,
    POINT,
    forward_kinematics,
    movement,
    phase_name,
    random_body,
    random_style,
)


def _performance(count):
    """World points (count, P, 3) of one performer at evenly spaced phases from 0 to 1."""
    rng = np.random.default_rng(0)
    body = random_body(rng)
    return forward_kinematics(body, movement(np.linspace(0, 1, count), random_style(rng)))


def test_the_movement_squats_then_reaches_up_then_throws_forward():
    performance = _performance(101)
    hip = performance[:, POINT["left_hip"], 2]
    wrist = performance[:, POINT["right_wrist"]]
    head = performance[:, POINT["head"]]
    assert hip.argmin() == pytest.approx(36, abs=6)
    assert hip.min() < 0.75 * hip[0]
    assert (wrist - head)[58, 2] > 0.2
    reach = (wrist - performance[:, POINT["pelvis"]])[:, 1]
    assert reach[86] > 0.3 > reach[74]


def test_angles_and_their_speed_change_continuously():
    """Four times finer sampling: steps shrink 4 times, and changes of speed nearly 16 times."""
    style = random_style(np.random.default_rng(0))

    def largest(count, order):
        return np.abs(np.diff(movement(np.linspace(0, 1, count), style), order, axis=0)).max()

    assert largest(401, 1) < 0.3 * largest(101, 1)
    assert largest(1601, 2) < 0.1 * largest(401, 2)  # a jump in speed would give 0.25


def test_phase_names_change_at_their_starts():
    assert [phase_name(start) for _, start in PHASES] == [name for name, _ in PHASES]
    assert phase_name(0.119) == "stand"
    assert phase_name(1.0) == "recover"


def test_styles_differ_but_leave_place_and_height_alone():
    rng = np.random.default_rng(1)
    first, second = (movement(np.array([0.3]), random_style(rng))[0] for _ in range(2))
    assert np.abs(first - second).max() > 0.1
    assert first[DOF["lift"]] == second[DOF["lift"]] == 0
