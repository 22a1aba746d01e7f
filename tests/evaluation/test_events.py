"""Events from phase labels, from joints, and the choice between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import Phase, PoseSequence
from la2ds_cli.evaluation.events import choose_events, kinematic_events, phase_events
from tests.movement import figure, pose_of, sequence, warped_phase, without

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


UP, DOWN = Phase(0, 20, "up"), Phase(20, 60, "down")
AGAIN = [Phase(10 * n, 10 * n + 10, name) for n, name in enumerate(["up", "down", "up"])]


@pytest.mark.parametrize(
    ("phases", "source", "said"),
    [
        ({"a": [UP, DOWN], "b": [UP, DOWN]}, "phases", "1 of 3 clips have no phase boundary"),
        ({v: AGAIN for v in "abc"}, "phases", "clips that repeat a phase: 3; the k-th start"),
        ({"a": [UP, DOWN]}, "kinematic", "no two scored clips share a phase boundary: events were"),
        ({}, "kinematic", "no phase labels: events were detected from the joints (extrema)"),
    ],
)
def test_labels_come_first_where_two_clips_share_one(
    phases: dict[str, list[Phase]], source: str, said: str
) -> None:
    clips, found, warnings = choose_events({"a": pose(), "b": pose(), "c": pose()}, phases)
    assert found == source
    assert said in " ".join(warnings)
    if source == "phases":
        assert all(("down" in clip.events) == (clip.id in phases) for clip in clips)
    else:
        assert all("hips lowest" in clip.events for clip in clips)


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


SHARE = np.linspace(0, 1, 201)


def raised(pixels: np.ndarray) -> PoseSequence:
    """Ten seconds of a figure that stands still but for its left wrist, which goes up and down."""
    xy = figure(np.zeros(201))
    xy[:, WRISTS[0], 1] -= pixels
    return replace(sequence(np.zeros(201)), xy=xy)


def test_wrist_highest_and_fastest_of_a_raised_and_of_a_lifted_arm() -> None:
    """Raised and lowered, it is equally fast twice, which is ambiguous; lifted, it ends high."""
    for pixels, event in (
        (100 * np.exp(-(((SHARE - 0.5) / 0.1) ** 2)), "wrist highest"),
        (50 * np.tanh((SHARE - 0.5) / 0.05), "wrist fastest"),
    ):
        assert kinematic_events(raised(pixels)) == {event: 100}


UNEVEN = np.concatenate([np.arange(300) / 60, 5 + np.arange(51) / 10])


@pytest.mark.parametrize("time", [UNEVEN, UNEVEN[-1] - UNEVEN[::-1], np.r_[0:5:0.03, 7:10.01:0.03]])
@pytest.mark.parametrize("at", [2.0, 4.0, 8.0])
def test_events_are_the_same_at_60_then_10_frames_a_second_and_beside_a_pause(
    time: np.ndarray, at: float
) -> None:
    """A wrist is lifted fast, and lowered at half that speed: 2 s later, or before."""
    other = at + 2 if at < 6 else at - 4
    if np.diff(time).max() > 1 and 5 < other < 7:
        other = 8.5

    def lifted(seconds: np.ndarray) -> PoseSequence:
        up = 50 * np.tanh((seconds - at) / 0.3) - 50 * np.tanh((seconds - other) / 0.75)
        xy = figure(np.zeros(len(seconds)))
        xy[:, WRISTS[0], 1] -= up
        return pose_of(xy, time=seconds)

    even = lifted(np.arange(301) / 30)
    expected = {name: even.time[row] for name, row in kinematic_events(even).items()}
    assert expected["wrist fastest"] == pytest.approx(at, abs=0.05)
    uneven = lifted(time)
    found = {name: uneven.time[row] for name, row in kinematic_events(uneven).items()}
    assert found.keys() == expected.keys()
    for name, seconds in expected.items():
        assert found[name] == pytest.approx(seconds, abs=0.11), name


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
    joint = get_skeleton("penn13").index("left_hip" if gap == "hip" else "head")
    row = kinematic_events(clip)["hips lowest"]
    gappy = without(clip, slice(row - 3, row + 4), joint)
    assert ("hips lowest" in kinematic_events(gappy)) == (gap == "other")


def test_hands_have_no_body_events() -> None:
    hand = np.random.default_rng(0).normal(size=(60, 21, 2))
    clip = replace(pose(), xy=hand, score=np.ones((60, 21)), skeleton="hand21")
    assert kinematic_events(clip) == {}


@pytest.mark.parametrize(
    ("hold", "found"), [(0.0, True), (0.12, True), (0.17, False), (0.2, False), (0.5, False)]
)
def test_a_pose_that_is_held_has_no_moment(hold: float, found: bool) -> None:
    """The wrist goes up in a second, stays for a share of ten seconds but for a tremble, and comes
    down in a second. The upper fifth takes hold + 0.04 of it, the upper half hold + 0.1: of a
    triangle 0.4, of the others 0.73, 0.78, 0.8 and 0.9."""
    rng = np.random.default_rng(1)
    at = [0, 0.4 - hold / 2, 0.5 - hold / 2, 0.5 + hold / 2, 0.6 + hold / 2, 1]
    up = np.interp(SHARE, at, [0, 0, 90, 90, 0, 0]) + rng.normal(0, 0.5, 201)
    assert ("wrist highest" in kinematic_events(raised(up))) == found
