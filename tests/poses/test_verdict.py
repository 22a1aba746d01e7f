from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.project import Project
from la2ds_cli.poses.extract import write_report
from la2ds_cli.poses.extraction import ClipResult
from la2ds_cli.poses.quality import FACTS, assess, clip_facts
from la2ds_cli.poses.verdict import item_result, verdict
from tests.movement import add_sequence, sequence

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
# The facts that make each weakness, the most serious first.
WEAK: dict[str, dict[str, Any]] = {
    "V003": {"truncated": True, "seconds": 3.5},
    "V013": {"seconds_declared": 0.04},
    "V031": {"turned": 0.85},
    "V021": {"ambiguous": True, "margin": 0.1},
    "V022": {"coverage": 0.49},
    "V024": {"mean_score": 0.39},
    "V025": {"crop_share": 0.26},
    "V027": {"person_height": 63.0},
    "V023": {"cuts": 1},
    "V033": {"doubts": [["right arm", 1.2, 1.7], ["right arm", 2.5, 3.0]]},
    "V028": {"jitter": 0.031},
}


def codes(info: dict[str, Any]) -> list[str]:
    return [weakness.code for weakness in verdict(info)]


def test_a_clip_just_inside_the_limits_is_ok() -> None:
    assert verdict(GOOD) == ()


@pytest.mark.parametrize("code", WEAK)
def test_each_weakness_alone(code: str) -> None:
    (found,) = verdict({**GOOD, **WEAK[code]})
    assert found.code == code
    assert found.message
    assert found.hint


def test_the_most_serious_comes_first_and_all_are_named() -> None:
    info = dict(GOOD)
    for code in reversed(WEAK):
        info |= WEAK[code]
        assert verdict(info)[0].code == code
    assert codes(info) == list(WEAK)


def test_messages_say_what_was_measured() -> None:
    found = {w.code: w for code in WEAK for w in verdict({**GOOD, **WEAK[code]})}
    assert found["V003"].message.startswith("decoded 100 frames, 3.5 s of the 4.0 s")
    assert "49%" in found["V022"].message
    assert "26%" in found["V025"].message
    assert "63 pixels" in found["V027"].message
    assert "2 pieces" in found["V023"].message
    assert "3.1% of the torso" in found["V028"].message
    assert found["V033"].message == "right arm doubtful for 25% of the clip"


def test_limbs_in_doubt_are_named_in_one_short_line() -> None:
    facts = {"doubts": [["right leg", 2.0, 3.2], ["left arm", 1.0, 3.8], ["right arm", 0, 0.4]]}
    (weakness,) = verdict({**GOOD, **facts})
    assert weakness.message == "left arm and right leg doubtful for 70% of the clip"
    assert len(f"anna.mp4: {weakness.message} (V033); {weakness.hint}") < 140


def test_a_person_who_is_lost_for_long_is_said() -> None:
    (weakness,) = verdict({**GOOD, "coverage": 0.69, "longest_gap": 4.5})
    assert weakness.code == "V022"
    assert weakness.message == (
        "the subject is seen in 69% of the frames, nobody is followed for 4.5 s"
    )


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


def test_a_good_clip() -> None:
    result = item_result("a.mp4", "a", info(), cached=False)
    assert result == ItemResult("a.mp4", "a", "ok", frames=60)
    assert item_result("a.mp4", "a", info(), cached=True).status == "cached"


def test_a_weak_clip_keeps_its_code_when_cached() -> None:
    weak = info(coverage=0.3, jitter=0.1)
    new = item_result("a.mp4", "a", weak, cached=False)
    assert (new.status, new.code) == ("degraded", "V022")
    assert "30%" in new.message
    assert new.hint
    old = item_result("a.mp4", "a", weak, cached=True)
    assert (old.status, old.code, old.message) == ("cached", "V022", new.message)


def test_every_row_has_its_outcome_and_its_facts(project: Project) -> None:
    weak = info(coverage=0.3, jitter=0.1, pose="net")
    put(project, "a", weak)
    items = item_result("a.mp4", "a", weak, cached=False), FAILED
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
