"""Facts about the joints of a clip, and the verdict on them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.poses.extract import write_report
from la2ds_cli.poses.extraction import ClipResult
from la2ds_cli.poses.quality import FACTS, assess, clip_facts, item_result, verdict
from tests.movement import add_sequence, figure, sequence

SKELETON = get_skeleton("penn13")
TORSO = 60.0  # pixels, of tests.movement.figure at its default scale


def standing(length: int = 60, fps: float = 30, **changes) -> PoseSequence:
    """A person who does not move, whole in a picture of 320 x 240; box 40 x 150 pixels."""
    xy = figure(np.zeros(length))
    pose = PoseSequence(
        xy=xy,
        score=np.full(xy.shape[:2], 0.8),
        box=np.tile([140.0, 50, 180, 200], (length, 1)),
        frame=np.arange(length),
        time=np.arange(length) / fps,
        fps=fps,
        size=(320, 240),
        skeleton="penn13",
    )
    return replace(pose, **changes)


def noisy(pose: PoseSequence, deviation: float, seed: int = 0) -> PoseSequence:
    noise = np.random.default_rng(seed).normal(0, deviation, pose.xy.shape)
    return replace(pose, xy=pose.xy + noise)


def without(pose: PoseSequence, rows: slice, joints: int | slice = slice(None)) -> PoseSequence:
    xy = pose.xy.copy()
    xy[rows, joints] = np.nan
    return replace(pose, xy=xy)


def test_a_person_who_stands_still() -> None:
    assert assess(standing()) == {
        "coverage": 1.0,
        "mean_score": 0.8,
        "longest_gap": 0.0,
        "jitter": 0.0,
        "crop_share": 0.0,
        "person_height": 150.0,
        "doubts": [],
    }


# --- who is seen ------------------------------------------------------------------------


def test_coverage_and_gaps() -> None:
    """Nobody in 15 of 60 frames, and one of 13 joints missing in 9 of the other 45."""
    facts = assess(without(without(standing(), slice(10, 25)), slice(30, 39), 5))
    assert facts["coverage"] == 0.75
    assert facts["longest_gap"] == 0.5  # 15 frames at 30 per second
    assert facts["mean_score"] == pytest.approx(0.8 * (1 - 9 / (45 * 13)), abs=1e-4)


# --- noise ------------------------------------------------------------------------------


@pytest.mark.parametrize("deviation", [0.6, 3.0])
def test_jitter_is_the_deviation_of_the_noise(deviation: float) -> None:
    facts = assess(noisy(standing(600), deviation))
    assert facts["jitter"] == pytest.approx(deviation / TORSO, rel=0.05)


def test_a_torso_counts_as_a_seventh_of_the_person_at_least() -> None:
    """Bowed to the camera all along, with a torso of 2 pixels beside a box 150 pixels tall: 0.15 of
    those are 22.5."""
    pose = standing(600)
    xy = pose.xy.copy()
    hips, shoulders = (
        [SKELETON.index(f"{side}_{joint}") for side in ("left", "right")]
        for joint in ("hip", "shoulder")
    )
    xy[:, shoulders, 1] = xy[:, hips, 1] - 2
    facts = assess(noisy(replace(pose, xy=xy), 0.6))
    assert facts["jitter"] == pytest.approx(0.6 / 22.5, rel=0.05)


@pytest.mark.parametrize("fps", [15, 30, 60, 120])
def test_jitter_does_not_depend_on_the_frame_rate(fps: int) -> None:
    """The same two squats, filmed at different rates, with the same noise in each frame."""
    phase = np.linspace(0, 1, 8 * fps)
    moving = standing(len(phase), fps, xy=figure(phase))
    assert assess(moving)["jitter"] < 0.002
    assert assess(noisy(moving, 1.2))["jitter"] == pytest.approx(0.02, rel=0.1)


def test_jitter_leaves_out_gaps_and_cuts() -> None:
    """A person who is elsewhere after every cut, seen for five frames at a time."""
    xy = figure(np.zeros(60)) + 100 * (np.arange(60) // 5 % 2)[:, None, None]
    cuts = list(range(5, 60, 5))
    assert assess(standing(xy=xy))["jitter"] > 0.1
    assert assess(standing(xy=xy, info={"cut_rows": cuts}))["jitter"] == 0
    far = np.arange(60) / 30 + np.arange(60) // 5
    assert assess(standing(xy=xy, time=far))["jitter"] == 0


# --- the box ----------------------------------------------------------------------------


def test_the_border_cuts_the_feet_off() -> None:
    """The picture ends at the knees in 15 frames: joints below are missing, or lie on it."""
    pose = standing()
    xy, box = pose.xy.copy(), pose.box.copy()
    feet = [SKELETON.index(f"{side}_ankle") for side in ("left", "right")]
    xy[:, feet, 1] = 190
    box[:15, 3] = 199
    cut = replace(pose, xy=xy, box=box, size=(320, 200))
    assert assess(cut)["crop_share"] == 0  # the box ends at the border, the feet are seen
    missing = cut.xy.copy()
    missing[:12, feet] = np.nan
    assert assess(replace(cut, xy=missing))["crop_share"] == 0.2
    pressed = cut.xy.copy()
    pressed[:15, feet, 1] = 198
    assert assess(replace(cut, xy=pressed))["crop_share"] == 0.25
    assert assess(replace(cut, xy=pressed, size=(0, 0)))["crop_share"] == 0


# --- little to measure ------------------------------------------------------------------


def test_nobody() -> None:
    facts = assess(without(standing(), slice(None)))
    assert facts["coverage"] == 0
    assert facts["longest_gap"] == 2
    assert [name for name in FACTS if facts[name] is None] == [
        *("jitter", "person_height"),
    ]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4])
def test_short_sequences(length: int) -> None:
    facts = assess(standing(length))
    assert set(facts) == set(FACTS)


# --- the verdict -----------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "frames": 100,
    "seconds": 4.0,
    "seconds_declared": 4.0,
    "truncated": False,
    "ambiguous": False,
    "margin": 0.8,
    "cuts": 0,
    "coverage": 0.5,
    "mean_score": 0.7,
    "longest_gap": 1.4,
    "jitter": 0.03,
    "crop_share": 0.25,
    "person_height": 64.0,
    "doubts": [["left leg", 3.0, 3.49], ["left leg", 1.0, 1.3]],
}
# The facts that make each weakness, the most serious first.
WEAK: dict[str, dict[str, Any]] = {
    "V003": {"truncated": True, "seconds": 3.5},
    "V013": {"seconds_declared": 0.04},
    "V021": {"ambiguous": True, "margin": 0.1},
    "V022": {"coverage": 0.49},
    "V024": {"mean_score": 0.39},
    "V025": {"crop_share": 0.26},
    "V027": {"person_height": 63.0},
    "V023": {"cuts": 1},
    "V033": {"doubts": [["right arm", 1.2, 1.7], ["right arm", 2.5, 3.0]]},
    "V028": {"jitter": 0.031},
}


SAID = {
    "V003": "decoded 100 frames, 3.5 s of the 4.0 s",
    "V013": "100 frames all have the time of one",
    "V021": "margin 0.10",
    "V022": "49%",
    "V024": "mean score 0.39",
    "V025": "26%",
    "V027": "63 pixels",
    "V023": "2 pieces",
    "V033": "right arm doubtful for 25% of the clip",
    "V028": "3.1% of the torso",
}


def codes(info: dict[str, Any]) -> list[str]:
    return [weakness.code for weakness in verdict(info)]


def test_a_clip_just_inside_the_limits_is_ok() -> None:
    assert verdict(GOOD) == ()


@pytest.mark.parametrize("code", WEAK)
def test_each_weakness_alone(code: str) -> None:
    (found,) = verdict({**GOOD, **WEAK[code]})
    assert found.code == code
    assert SAID[code] in found.message
    assert found.hint


def test_the_most_serious_comes_first_and_all_are_named() -> None:
    info = dict(GOOD)
    for code in reversed(WEAK):
        info |= WEAK[code]
        assert verdict(info)[0].code == code
    assert codes(info) == list(WEAK)


def test_a_person_who_is_lost_for_long_is_said() -> None:
    (weakness,) = verdict({**GOOD, "coverage": 0.69, "longest_gap": 4.5})
    assert weakness.code == "V022"
    assert weakness.message == (
        "the subject is seen in 69% of the frames, nobody is followed for 4.5 s"
    )


def test_nobody_is_one_weakness() -> None:
    """Without a single joint there is no score to complain about, nor a height."""
    unknown = {"coverage": 0.0, "mean_score": 0.0, "jitter": None, "person_height": None}
    assert codes({**GOOD, **unknown}) == ["V022"]


def test_facts_that_are_not_known_raise_nothing() -> None:
    assert verdict({}) == ()
    assert codes({"frames": 30, "coverage": 0.2}) == ["V022"]
    assert codes({**GOOD, "seconds": 0.0, "fps": 0.0}) == []


FAILED = ItemResult("b.mp4", "", "failed", code="V001", message="no video", hint="copy it again")


def info(**changes) -> dict:
    pose = sequence(np.linspace(0, 1, 60))
    return {"frames": 60, "margin": 1.0, "people": 1, **assess(pose), **changes}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def put(project: Project, name: str, facts: dict) -> None:
    pose = sequence(np.linspace(0, 1, 60))
    recipe = Recipe("poses", 2, {"pose": "x"}, {"video": name})
    project.write_pose(name, type(pose)(**{**vars(pose), "info": facts}), recipe)


def test_every_row_has_its_outcome_and_its_facts(project: Project) -> None:
    weak = info(coverage=0.3, jitter=0.1, pose="net")
    put(project, "a", weak)
    items = item_result("a.mp4", "a", weak, cached=False), FAILED
    again = item_result("a.mp4", "a", weak, cached=True)  # keeps its code
    assert (again.status, again.code, again.message) == ("cached", "V022", items[0].message)
    assert item_result("a.mp4", "a", info(), cached=False) == ItemResult("a.mp4", "a", "ok", 60)
    write_report(project, [ClipResult(None, [item], 1.234) for item in items])
    with (project.results_dir("extract") / "report.csv").open(newline="") as handle:
        good, bad = csv.DictReader(handle)
    assert (good["status"], good["code"], good["codes"]) == ("degraded", "V022", "V022 V028")
    assert {name: good[name] for name in FACTS if name != "doubts"} == {
        name: "" if weak[name] is None else str(weak[name]) for name in FACTS if name != "doubts"
    }
    assert (good["pose"], good["fps"], good["width"], good["seconds"]) == (
        *("net", "20.0", "320", "1.23"),
    )
    assert (bad["hint"], bad["codes"], bad["jitter"]) == ("copy it again", "V001", "")


def test_joints_without_facts_are_measured_for_the_report(project: Project) -> None:
    """Imported joints carry none."""
    pose = sequence(np.linspace(0, 1, 60))
    add_sequence(project, "imported", pose)
    facts = clip_facts(project, "imported")
    assert {name: facts[name] for name in FACTS} == assess(pose)
    assert (facts["frames"], facts["skeleton"], facts["height"]) == (60, "penn13", 240)
