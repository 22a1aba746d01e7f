"""Facts about the joints of a clip, and the verdict on them."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.demo_clips import camera_at, clip_of_joints, joints_seen, performed
from la2ds_cli.demo.performer import SIDES, forward_kinematics, pose_vector, random_body
from la2ds_cli.poses.extraction import ClipResult
from la2ds_cli.poses.extraction_record import write_report
from la2ds_cli.poses.quality import FACTS, assess, clip_facts, item_result, verdict
from tests.movement import add_sequence, figure, sequence, shaken, without

SKELETON = get_skeleton("penn13")
TORSO = 60.0  # pixels, of tests.movement.figure at its default scale


def standing(length: int = 60, fps: float = 30, **changes) -> PoseSequence:
    """A person who does not move, whole in a picture of 320 x 240; box 40 x 150 pixels."""
    box = np.tile([140.0, 50, 180, 200], (length, 1))
    pose = sequence(np.zeros(length), fps=fps)
    return replace(pose, **{"box": box, "score": np.full((length, 13), 0.8), **changes})


def test_a_person_who_stands_still() -> None:
    assert assess(standing()) == {
        "coverage": 1.0,
        "mean_score": 0.8,
        "longest_gap": 0.0,
        "jitter": 0.0,
        "crop_share": 0.0,
        "person_height": 150.0,
        "tilt": 0.0,
        "turned": None,
        "doubts": [],
    }


# --- who is seen ------------------------------------------------------------------------


def test_coverage_and_gaps() -> None:
    """Nobody in 15 of 60 frames, and one of 13 joints missing in 9 of the other 45."""
    facts = assess(without(without(standing(), slice(10, 25)), slice(30, 39), 5))
    assert facts["coverage"] == 0.75
    assert facts["longest_gap"] == 0.5  # 15 frames at 30 per second
    assert facts["mean_score"] == pytest.approx(0.8 * (1 - 9 / (45 * 13)), abs=1e-4)


def test_a_gap_is_measured_in_time() -> None:
    """Ten frames of 0.1 s are missing in a clip whose other frames last 0.02 s."""
    time = np.cumsum(np.r_[0, np.full(20, 0.02), np.full(10, 0.1), np.full(29, 0.02)])
    assert assess(without(standing(time=time), slice(20, 30)))["longest_gap"] == pytest.approx(1.0)


# --- noise ------------------------------------------------------------------------------


@pytest.mark.parametrize("deviation", [0.6, 3.0])
def test_jitter_is_the_deviation_of_the_noise(deviation: float) -> None:
    facts = assess(shaken(standing(600), deviation))
    assert facts["jitter"] == pytest.approx(deviation / TORSO, rel=0.05)


@pytest.mark.parametrize(("rows", "torso"), [(slice(None), 22.5), (slice(240), TORSO)])
def test_a_torso_is_the_median_and_a_seventh_of_the_person_at_least(
    rows: slice, torso: float
) -> None:
    """Bowed to the camera, with a torso of 2 pixels beside a box 150 pixels tall: 0.15 of those are
    22.5. A bow of less than half of the clip changes nothing."""
    pose = standing(600)
    xy = pose.xy.copy()
    hips, shoulders = (
        [SKELETON.index(f"{side}_{joint}") for side in ("left", "right")]
        for joint in ("hip", "shoulder")
    )
    xy[rows, shoulders[0], 1] = xy[rows, hips[0], 1] - 2
    xy[rows, shoulders[1], 1] = xy[rows, hips[1], 1] - 2
    facts = assess(shaken(replace(pose, xy=xy), 0.6))
    assert facts["jitter"] == pytest.approx(0.6 / torso, rel=0.05)


@pytest.mark.parametrize("fps", [15, 30, 60, 120])
def test_jitter_does_not_depend_on_the_frame_rate(fps: int) -> None:
    """The same two squats, filmed at different rates, with the same noise in each frame."""
    phase = np.linspace(0, 1, 8 * fps)
    moving = standing(len(phase), fps, xy=figure(phase))
    assert assess(moving)["jitter"] < 0.002
    assert assess(shaken(moving, 1.2))["jitter"] == pytest.approx(0.02, rel=0.1)


def test_times_of_another_unit_have_no_jitter() -> None:
    """At 30 per second there are no four frames of a clip of 20 microseconds."""
    assert assess(standing(20, time=np.arange(20) / 1e6))["jitter"] is None


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


# --- which way is up --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turned", "tilt"), [(0, 0), (np.pi / 2, -90), (-np.pi / 2, 90), (np.pi, 180), (0.5, -28.6479)]
)
def test_tilt_is_clockwise_in_the_picture(turned: float, tilt: float) -> None:
    """figure() turns counter-clockwise about its own y up."""
    xy = figure(np.zeros(60), tilt=turned)
    found = assess(standing(xy=xy))["tilt"]
    assert abs((found - tilt + 180) % 360 - 180) < 0.01
    head = (xy[0, 0] - xy[0, -2:].mean(axis=0))[0]
    assert np.sign(round(head, 3)) == np.sign(np.sin(np.radians(tilt)).round(3))


# --- little to measure ------------------------------------------------------------------


def test_nobody() -> None:
    facts = assess(without(standing()))
    assert facts["coverage"] == 0
    assert facts["longest_gap"] == 2
    unknown = ["jitter", "person_height", "tilt", "turned"]
    assert [name for name in FACTS if facts[name] is None] == unknown
    for length in range(5):  # too short to measure much
        assert set(assess(standing(length))) == set(FACTS)


@pytest.mark.parametrize("name", ["coco17", "body25", "hand21", "hands42"])
def test_every_skeleton_is_measured(name: str) -> None:
    joints = len(get_skeleton(name).joints)
    rng = np.random.default_rng(0)
    xy = np.tile(rng.uniform(50, 150, (1, joints, 2)), (40, 1, 1))
    xy += rng.normal(0, 1, xy.shape)
    box = np.tile([40.0, 40, 160, 160], (40, 1))
    facts = assess(standing(40, xy=xy, score=np.ones((40, joints)), box=box, skeleton=name))
    assert 0 < facts["jitter"] < 0.2
    assert (facts["tilt"] is None) == ("hand" in name)


def both(**angle: float) -> dict[str, float]:
    return {f"{side}_{name}": value for name, value in angle.items() for side in SIDES}


LYING = np.pi / 2  # pitch: on the front, and on the back with the other sign
EXERCISES: dict[str, tuple[FloatArray, FloatArray]] = {
    "push-up": (
        pose_vector(pitch=1.3, **both(arm_flex=1.45, elbow=0.1, ankle=0.3)),
        pose_vector(pitch=1.5, **both(arm_flex=0.5, arm_abduct=0.6, elbow=1.9, ankle=0.3)),
    ),
    "sit-up": (
        pose_vector(pitch=-LYING, **both(arm_flex=2.9)),
        pose_vector(pitch=-0.25, spine_flex=0.5, **both(hip_flex=1.4, arm_flex=1.4)),
    ),
    "cobra": (
        pose_vector(pitch=LYING, **both(arm_flex=0.6, elbow=2.0, ankle=-1.2)),
        pose_vector(pitch=1.47, spine_flex=-1.0, **both(arm_flex=0.9, elbow=0.4, ankle=-1.2)),
    ),
    "leg raise": (
        pose_vector(pitch=-LYING, **both(arm_abduct=0.2)),
        pose_vector(pitch=-LYING, **both(arm_abduct=0.2, hip_flex=1.4)),
    ),
}


def exercise(name: str, seed: int, length: int = 80) -> PoseSequence:
    """Two repetitions on the ground, filmed from about the side."""
    rng = np.random.default_rng(seed)
    share = 0.5 - 0.5 * np.cos(np.linspace(0, 4 * np.pi, length))[:, None]
    first, second = EXERCISES[name]
    world = forward_kinematics(random_body(rng), first + (second - first) * share)
    side = rng.choice([-1, 1]) * np.pi / 2
    return clip_of_joints(*joints_seen(camera_at(rng, world, side + rng.normal(0, 0.3)), world))


def turned(pose: PoseSequence, quarter: int) -> PoseSequence:
    """The clip as a camera shows it that is turned by so many times 90 degrees clockwise."""
    xy = pose.xy
    for _ in range(quarter):
        xy = np.stack([-xy[..., 1], xy[..., 0]], axis=-1)
    return replace(pose, xy=xy, size=(0, 0))


@pytest.mark.parametrize("name", EXERCISES)
def test_people_on_the_ground_are_not_called_turned(name: str) -> None:
    for seed in range(6):
        facts = assess(exercise(name, seed))
        codes = [weakness.code for weakness in verdict(facts)]
        assert "V031" not in codes, (seed, facts["tilt"], facts["turned"])


@pytest.mark.parametrize(("quarter", "option"), [(1, 270), (2, 180), (3, 90)])
def test_turned_pictures_of_upright_people_are(quarter: int, option: int) -> None:
    for index in range(6):
        pose, _ = performed(index, 6, 77, noise=1.0)
        found, *_ = verdict(assess(turned(pose, quarter)))
        assert found.code == "V031"
        assert found.message.startswith("looks rotated")
        assert f"--rotate {option} " in found.message
    assert verdict(assess(performed(0, 6, 77)[0])) == ()


def test_a_handstand_may_be_either() -> None:
    pose, _ = performed(0, 6, 77)
    xy = pose.xy.copy()
    torso = np.linalg.norm(xy[:, 5:7].mean(axis=1) - xy[:, 11:13].mean(axis=1), axis=1)
    xy[:, 9:11] = xy[:, 5:7] - np.stack([0 * torso, torso], axis=-1)[:, None]  # hands up
    facts = assess(turned(replace(pose, xy=xy), 2))
    assert facts["turned"] == 0.5


def test_unseen_joints_leave_it_open() -> None:
    pose, _ = performed(0, 6, 77)
    assert assess(turned(without(pose, joints=9), 1))["turned"] is None


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
    "tilt": 61.0,
    "turned": 0.84,
    "doubts": [["left leg", 3.0, 3.49], ["left leg", 1.0, 1.3]],
}
# The facts that make each weakness, the most serious first, and what is said of them.
DOUBTS = [["right arm", 1.2, 1.7], ["right arm", 2.5, 3.0]]
WEAK: dict[str, tuple[dict[str, Any], str]] = {
    "V003": ({"truncated": True, "seconds": 3.5}, "decoded 100 frames, 3.5 s of the 4.0 s"),
    "V013": ({"seconds_declared": 0.04}, "100 frames all have the same time"),
    "V031": ({"turned": 0.85}, "--rotate 270"),
    "V021": ({"ambiguous": True, "margin": 0.1}, "margin 0.10"),
    "V022": ({"coverage": 0.49}, "49%"),
    "V024": ({"mean_score": 0.39}, "mean score 0.39"),
    "V025": ({"crop_share": 0.26}, "26%"),
    "V027": ({"person_height": 63.0}, "63 pixels"),
    "V023": ({"cuts": 1}, "2 pieces"),
    "V033": ({"doubts": DOUBTS}, "right arm doubtful for 25% of the clip"),
    "V028": ({"jitter": 0.031}, "3.1% of the torso"),
}


def codes(info: dict[str, Any]) -> list[str]:
    return [weakness.code for weakness in verdict(info)]


@pytest.mark.parametrize("code", WEAK)
def test_each_weakness_alone(code: str) -> None:
    facts, said = WEAK[code]
    (found,) = verdict({**GOOD, **facts})
    assert found.code == code
    assert said in found.message
    assert found.hint


def test_the_most_serious_comes_first_and_all_are_named() -> None:
    info = dict(GOOD)
    for code in reversed(WEAK):
        info |= WEAK[code][0]
        assert verdict(info)[0].code == code
    assert codes(info) == list(WEAK)


def test_a_person_who_is_lost_for_long_is_said() -> None:
    (weakness,) = verdict({**GOOD, "coverage": 0.69, "longest_gap": 4.5})
    assert weakness.code == "V022"
    assert weakness.message == ("the subject is seen in 69% of the frames, but lost for 4.5 s")


@pytest.mark.parametrize(
    ("tilt", "turn", "where"),
    [
        (90, 270, "right"),
        (66, 270, "right"),
        (-90, 90, "left"),
        (-120, 90, "left"),
        (180, 180, "bottom"),
        (-140, 180, "bottom"),
    ],
)
def test_the_turn_that_puts_a_person_upright(tilt: float, turn: int, where: str) -> None:
    """--rotate turns clockwise: a head that points to the right (90) is upright after 270 more."""
    (weakness,) = verdict({**GOOD, "tilt": tilt, "turned": 0.9})
    assert weakness.code == "V031"
    assert f"--rotate {turn} " in weakness.message
    assert f"the {where} of" in weakness.message
    assert abs((tilt + turn + 180) % 360 - 180) <= 45


@pytest.mark.parametrize(
    ("rotate", "mirror", "head", "right"),
    [(90, False, 90, 0), (180, False, 180, 0), (0, True, 90, 90), (90, True, -90, 0)],
)
def test_the_turn_counts_from_the_file(rotate: int, mirror: bool, head: float, right: int) -> None:
    """An upright film turned by 90 shows its head on the right, on the left once mirrored: no turn
    is right. One whose head points to the left and is mirrored shows it on the right: 90 is."""
    facts = {"tilt": head, "turned": 0.9, "rotate": rotate, "mirror": mirror}
    (weakness,) = verdict({**GOOD, **facts})
    assert f"--rotate {right} " in weakness.message


def test_nobody_is_one_weakness() -> None:
    """Without a single joint there is no score to complain about, nor a height."""
    unknown = {"coverage": 0.0, "mean_score": 0.0, "jitter": None, "person_height": None}
    assert codes({**GOOD, **unknown, "tilt": None, "turned": None}) == ["V022"]


def test_facts_just_inside_the_limits_or_unknown_raise_nothing() -> None:
    assert verdict(GOOD) == verdict({}) == ()
    assert codes({"frames": 30, "coverage": 0.2}) == ["V022"]
    assert codes({**GOOD, "seconds": 0.0, "fps": 0.0}) == []


FAILED = ItemResult("b.mp4", "", "failed", code="V001", message="no video", hint="copy it again")


def info(**changes) -> dict:
    pose = sequence(np.linspace(0, 1, 60))
    return {"frames": 60, "margin": 1.0, "people": 1, **assess(pose), **changes}


def test_every_row_has_its_outcome_and_its_facts(project: StoredProject) -> None:
    weak = info(coverage=0.3, jitter=0.1, pose="net")
    recipe = Recipe("poses", 2, {"pose": "x"}, {"video": "a"})
    project.write_pose("a", replace(sequence(np.linspace(0, 1, 60)), info=weak), recipe)
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


def test_joints_without_facts_are_measured_for_the_report(project: StoredProject) -> None:
    """Imported joints carry none."""
    pose = sequence(np.linspace(0, 1, 60))
    add_sequence(project, "imported", pose)
    facts = clip_facts(project, "imported")
    assert {name: facts[name] for name in FACTS} == assess(pose)
    assert (facts["frames"], facts["skeleton"], facts["height"]) == (60, "penn13", 240)
