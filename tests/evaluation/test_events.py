"""Events from phase labels, from joints, and the choice between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.evaluation.events import (
    _is_held,
    choose_events,
    kinematic_events,
    phase_events,
)
from tests.movement import figure, sequence, warped_phase

WRISTS = [get_skeleton("penn13").index(f"{side}_wrist") for side in ("left", "right")]


def pose(length: int = 60) -> PoseSequence:
    return sequence(np.linspace(0, 1, length))


def test_phases_are_in_source_frames_and_events_in_rows() -> None:
    late = replace(pose(), frame=100 + 2 * np.arange(60))
    phases = [Phase(0, 110, "up"), Phase(110, 150, "down"), Phase(300, 310, "hold")]
    assert phase_events(late, phases) == {"down": 5}  # frame 300 lies outside 100..218
    ends = [Phase(0, 100, "up"), Phase(100, 218, "down"), Phase(218, 230, "hold")]
    assert phase_events(late, ends) == {"down": 0, "hold": 59}


def test_a_repeated_phase_is_numbered() -> None:
    names = ["down", "up", "down", "up"]
    phases = [Phase(10 * n, 10 * n + 10, name) for n, name in enumerate(names)]
    assert phase_events(pose(), phases) == {"up": 10, "down#2": 20, "up#2": 30}


def test_labels_come_first_and_clips_without_them_are_named() -> None:
    poses = {"a": pose(), "b": pose(), "c": pose()}
    phases = {v: [Phase(0, 20, "up"), Phase(20, 60, "down")] for v in ("a", "b")}
    clips, source, warnings = choose_events(poses, phases)
    assert source == "phases"
    assert [clip.events for clip in clips] == [{"down": 20}, {"down": 20}, {}]
    assert warnings == ["clips without a phase boundary, so without events: 1 of 3"]


def test_clips_that_repeat_a_phase_are_pointed_out() -> None:
    names = ["down", "up", "down", "up"]
    repeated = [Phase(10 * n, 10 * n + 10, name) for n, name in enumerate(names)]
    phases = {"a": repeated, "b": repeated[:2]}
    _, source, warnings = choose_events({"a": pose(), "b": pose()}, phases)
    assert source == "phases"
    assert warnings == ["clips that repeat a phase: 1; the k-th time is compared with the k-th"]


def test_one_labelled_clip_is_not_enough() -> None:
    poses = {"a": pose(), "b": pose()}
    phases = {"a": [Phase(0, 20, "up"), Phase(20, 60, "down")]}
    clips, source, warnings = choose_events(poses, phases)
    assert source == "kinematic"
    assert all("hips lowest" in clip.events for clip in clips)
    assert "not by people" in warnings[0]


def test_no_events_at_all_is_none_with_a_reason() -> None:
    still = sequence(np.zeros(60))
    clips, source, warnings = choose_events({"a": still, "b": still}, {})
    assert source is None
    assert all(not clip.events for clip in clips)
    assert "not computed" in warnings[0]


def test_hips_are_lowest_where_the_figure_is_made_to_squat_deepest() -> None:
    for seed in range(3):
        phase = warped_phase(80, seed)
        events = kinematic_events(sequence(phase))
        deepest = int(np.abs(phase - 0.5).argmin())
        assert abs(events["hips lowest"] - deepest) <= 1
        # The arms end overhead: their highest moment is the clip's end, which is no event.
        assert "wrist highest" not in events


def test_wrist_highest_and_fastest_of_a_raised_and_lowered_arm() -> None:
    t = np.linspace(0, 1, 101)
    raised = 100 * np.exp(-(((t - 0.5) / 0.1) ** 2))  # fastest at 0.5 -+ 0.1 / sqrt(2), both alike
    xy = figure(np.zeros(101))
    xy[:, WRISTS[0], 1] -= raised
    clip = replace(sequence(np.zeros(101)), xy=xy)
    events = kinematic_events(clip)
    assert events["wrist highest"] == 50
    assert "wrist fastest" not in events  # two equal peaks: ambiguous

    lifted = 50 * np.tanh((t - 0.5) / 0.1)  # one fastest moment, ends high
    xy = figure(np.zeros(101))
    xy[:, WRISTS[0], 1] -= lifted
    events = kinematic_events(replace(clip, xy=xy))
    assert events["wrist fastest"] == 50
    assert "wrist highest" not in events


SHARE = np.linspace(0, 1, 201)


def raised(pixels: np.ndarray) -> PoseSequence:
    """Ten seconds of a figure that stands still but for its left wrist, which goes up and down."""
    xy = figure(np.zeros(201))
    xy[:, WRISTS[0], 1] -= pixels
    return replace(sequence(np.zeros(201)), xy=xy)


@pytest.mark.parametrize(("at", "found"), [(0.04, False), (0.06, True), (0.94, True)])
def test_an_extremum_in_the_first_or_last_20th_of_the_clip_is_none(at: float, found: bool) -> None:
    events = kinematic_events(raised(90 * np.maximum(1 - np.abs(SHARE - at) / 0.04, 0)))
    assert events.get("wrist highest") == (round(200 * at) if found else None)


@pytest.mark.parametrize(("valley", "clear"), [(25, False), (45, True)])
def test_a_second_extremum_of_three_fifths_of_the_first_makes_it_ambiguous(
    valley: float, clear: bool
) -> None:
    """Two peaks of 90 and 88 pixels: the first stands out by all of its height, the second from
    the valley before it, by 63 or 43 pixels: by 70 or by 48 %."""
    up = np.interp(SHARE, [0, 0.3, 0.5, 0.7, 1], [0, 90, valley, 88, 0])
    events = kinematic_events(raised(up))
    assert events.get("wrist highest") == (60 if clear else None)


def test_a_moving_camera_and_the_size_of_the_person_change_nothing() -> None:
    phase = warped_phase(80, 4)
    plain = kinematic_events(sequence(phase))
    near = sequence(phase, scale=150.0)
    pan = np.stack([np.linspace(0, 200, 80), np.linspace(0, -300, 80)], axis=-1)
    assert kinematic_events(replace(near, xy=near.xy + pan[:, None])) == plain


@pytest.mark.parametrize("gap", ["hip", "other"])
def test_an_extremum_where_the_joint_was_not_seen_does_not_count(gap: str) -> None:
    phase = warped_phase(80, 0)
    clip = sequence(phase)
    names = get_skeleton("penn13").joints
    xy = clip.xy.copy()
    joint = names.index("left_hip" if gap == "hip" else "head")
    row = kinematic_events(clip)["hips lowest"]
    xy[row - 3 : row + 4, joint] = np.nan
    assert ("hips lowest" in kinematic_events(replace(clip, xy=xy))) == (gap == "other")


def test_hands_have_no_body_events() -> None:
    hand = PoseSequence(
        xy=np.random.default_rng(0).normal(size=(30, 21, 2)),
        score=np.ones((30, 21)),
        box=np.full((30, 4), np.nan),
        frame=np.arange(30),
        time=np.arange(30) / 30,
        fps=30.0,
        size=(0, 0),
        skeleton="hand21",
    )
    assert kinematic_events(hand) == {}


@pytest.mark.parametrize("hold", [0.0, 0.2, 0.5])
def test_a_pose_that_is_held_has_no_moment(hold: float) -> None:
    """The wrist goes up in a second, stays for a share of ten seconds but for a tremble, and comes
    down in a second. A share of 0 is a triangle, whose tip is a moment."""
    rng = np.random.default_rng(1)
    at = [0, 0.4 - hold / 2, 0.5 - hold / 2, 0.5 + hold / 2, 0.6 + hold / 2, 1]
    up = np.interp(SHARE, at, [0, 0, 90, 90, 0, 0]) + rng.normal(0, 0.5, 201)
    events = kinematic_events(raised(up))
    assert ("wrist highest" in events) == (hold == 0)


def test_how_long_a_peak_may_stay_near_its_height() -> None:
    """A trapezoid: flanks of 0.1 on both sides. The upper fifth takes hold + 0.04, the upper half
    hold + 0.1 of the clip: 0.74 and 0.77 of it."""
    for hold, found in ((0.131, True), (0.161, False)):
        at = [0, 0.4 - hold / 2, 0.5 - hold / 2, 0.5 + hold / 2, 0.6 + hold / 2, 1]
        signal = np.interp(np.linspace(0, 1, 20001), at, [0, 0, 1, 1, 0, 0])
        assert _is_held(signal, 10000) is not found
