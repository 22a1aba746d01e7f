from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.project import Project
from la2ds_cli.poses.extract import write_report
from la2ds_cli.poses.extraction import ClipResult
from la2ds_cli.poses.quality import FACTS, assess, clip_facts
from la2ds_cli.poses.verdict import item_result
from tests.movement import add_sequence, sequence

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
