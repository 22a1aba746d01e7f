"""Joints that a person has put right: laid over the poses of a clip, and kept apart from them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.corrections import (
    Correction,
    corrected_recipe,
    read_corrections,
    reading_of,
    write_corrections,
)
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.features.heatmap_cache import cache_heatmaps
from tests.movement import add_sequence, sequence, warped_phase

READING = ""  # of joints that were imported


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project", {"align": {"open_ends": False}})
    for name, length, fps in (("a", 30, 20.0), ("b", 37, 25.0)):
        add_sequence(project, name, sequence(warped_phase(length, length), fps=fps))
    return project


def put_right(project: Project, *rows: tuple[str, Correction]) -> None:
    write_corrections(project.corrections_path, rows)


def test_they_are_laid_over_the_joints_and_nothing_else(project: Project):
    found, recipe = project.read_pose("a")
    put_right(
        project,
        ("a", Correction(4, "head", (12.5, 30.0), READING)),
        ("a", Correction(5, "left_wrist", None, READING)),
        ("b", Correction(6, "head", (1.0, 2.0), READING)),
        ("a", Correction(999, "head", (1.0, 2.0), READING)),  # no frame of the clip
        ("a", Correction(4, "tail", (1.0, 2.0), READING)),
    )
    pose, corrected = project.read_pose("a")
    wrist = 5
    assert pose.xy[4, 0].tolist() == [12.5, 30.0]
    assert pose.score[4, 0] == 1
    assert np.isnan(pose.xy[5, wrist]).all()
    assert pose.score[5, wrist] == 0
    changed = np.zeros(pose.score.shape, bool)
    changed[4, 0] = changed[5, wrist] = True
    assert np.array_equal(pose.xy[~changed], found.xy[~changed])
    assert np.array_equal(pose.score[~changed], found.score[~changed])
    assert corrected.key != recipe.key
    assert project.pose_header("a")[0].key == corrected.key
    raw, key = project.read_pose("a", with_corrections=False)
    assert np.array_equal(raw.xy, found.xy)
    assert key == recipe


def test_trust_and_3d_go_with_the_place(project: Project):
    pose, recipe = project.read_pose("a")
    full = np.ones((*pose.score.shape, 3), np.float32)
    project.write_pose("a", replace(pose, world=full, trust=0.5 * full[..., 0]), recipe)
    put_right(
        project,
        ("a", Correction(4, "head", (12.5, 30.0), READING)),
        ("a", Correction(5, "head", None, READING)),
    )
    pose = project.read_pose("a")[0]
    assert pose.trust is not None
    assert pose.world is not None
    assert pose.trust[3:7, 0].tolist() == [0.5, 1, 0, 0.5]
    assert np.isnan(pose.world[4:6, 0]).all()
    assert np.isfinite(pose.world[6, 0]).all()


def test_they_hold_for_the_reading_they_were_made_for(project: Project):
    pose, _ = project.read_pose("a")
    put_right(project, ("a", Correction(4, "head", (12.5, 30.0), "auto rotate=90")))
    for subject, rotate, holds in (("auto", 90, True), ("2", 90, False), ("auto", 0, False)):
        recipe = Recipe("poses", 2, {"subject": subject}, {"video": "x"})
        info = {"rotate": rotate} if rotate else {}
        project.write_pose("a", replace(pose, info=info), recipe)
        assert (project.read_pose("a")[0].xy[4, 0].tolist() == [12.5, 30.0]) is holds
        assert (project.pose_header("a")[0].key != recipe.key) is holds
    recipe = Recipe("poses", 2, {"subject": "2"}, {})
    assert reading_of(recipe, {"rotate": 180, "mirror": True}) == "2 rotate=180 mirror=true"


def test_what_was_made_of_the_joints_is_stale(project: Project):
    def rendered() -> list[str]:
        return [item.status for item in cache_heatmaps(project, project.config().heatmap)]

    assert rendered() == ["ok", "ok"]
    assert rendered() == ["cached", "cached"]
    put_right(project, ("a", Correction(4, "head", (12.5, 30.0), READING)))
    assert rendered() == ["ok", "cached"]
    project.corrections_path.unlink()
    assert rendered() == ["ok", "cached"]


def test_an_alignment_uses_them(project: Project):
    before = find_alignment(project, "a", "b", AlignRequest(project.config()))
    far = [Correction(t, "left_wrist", (0.0, 0.0), READING) for t in range(10, 30)]
    put_right(project, *(("a", one) for one in far))
    after = find_alignment(project, "a", "b", AlignRequest(project.config()))
    assert after.pose_a.xy[12, 5].tolist() == [0, 0]
    assert after.alignment.cost.tolist() != before.alignment.cost.tolist()


def test_of_several_for_one_joint_the_last_counts_and_the_recipe_says_so(project: Project):
    first, last = (Correction(4, "head", (x, 30.0), READING) for x in (12.5, 99.0))
    read = {}
    for order in ((first, last), (last, first), (last,), (first,)):
        put_right(project, *(("a", one) for one in order))
        pose, recipe = Project.open(project.root).read_pose("a")
        read[order] = (pose.xy[4, 0].tolist(), recipe.key)
    assert read[first, last] == read[last,]
    assert read[last, first] == read[first,]
    assert read[first,][1] != read[last,][1]


def test_the_key_of_corrections_of_different_joints_stays_that_of_earlier_versions():
    recipe = Recipe("import", 1, {"format": "test"}, {"labels": "a"})
    rows = [
        Correction(5, "left_wrist", None, READING),
        Correction(4, "head", (12.5, 30.0), READING),
    ]
    digest = hashlib.sha256(b"[(4, 'head', (12.5, 30.0)), (5, 'left_wrist', ())]").hexdigest()
    assert corrected_recipe(recipe, rows).inputs["corrections"] == digest


def test_the_table_is_read_as_it_was_written(project: Project):
    rows = [
        ("a", Correction(4, "head", (12.5, -3.25), "auto", "2026-01-01")),
        ("b", Correction(7, "left_hip", None, "2 rotate=90", "2026-01-02")),
    ]
    put_right(project, *rows)
    assert read_corrections(project.corrections_path) == rows


@pytest.mark.parametrize(
    "line", ["a,4,nose,1,,auto,", "a,-4,nose,1,2,auto,", "a,x,nose,1,2,auto,", "a,4,nose,nan,2,,"]
)
def test_a_wrong_line_is_named(project: Project, line: str):
    artifact.write_text(project.corrections_path, f"video,frame,joint,x,y,reading,set\n{line}\n")
    with pytest.raises(UserError, match="line 2"):
        project.read_pose("a")
