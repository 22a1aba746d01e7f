"""Joints that a person has put right: laid over the poses of a clip, and kept apart from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.annotations import (
    JOINT,
    Annotation,
    Moment,
    joint_value,
    reading_of,
    write_annotations,
)
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.stored_project import StoredProject
from tests.movement import add_sequence, sequence, warped_phase

READING = ""  # of joints that were imported


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    project = StoredProject.create(tmp_path / "project", {"align": {"open_ends": False}})
    for name, length, fps in (("a", 30, 20.0), ("b", 37, 25.0)):
        add_sequence(project, name, sequence(warped_phase(length, length), fps=fps))
    return project


FPS = {"a": 20.0, "b": 25.0}


def right(
    clip: str, frame: int, joint: str, at: tuple[float, float] | None, reading: str = READING
) -> Annotation:
    return Annotation(
        JOINT, Moment(clip, 1, frame / FPS[clip]), None, joint_value(joint, at), reading
    )


def put_right(project: StoredProject, *rows: Annotation) -> None:
    write_annotations(project.annotations_path, rows)


def test_they_are_laid_over_the_joints_and_nothing_else(project: StoredProject):
    found, recipe = project.read_pose("a")
    put_right(
        project,
        right("a", 4, "head", (12.5, 30.0)),
        right("a", 5, "left_wrist", None),
        right("b", 6, "head", (1.0, 2.0)),
        right("a", 999, "head", (1.0, 2.0)),  # no frame of the clip
        right("a", 4, "tail", (1.0, 2.0)),
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


def test_trust_and_3d_go_with_the_place(project: StoredProject):
    pose, recipe = project.read_pose("a")
    full = np.ones((*pose.score.shape, 3), np.float32)
    project.write_pose("a", replace(pose, world=full, trust=0.5 * full[..., 0]), recipe)
    put_right(project, right("a", 4, "head", (12.5, 30.0)), right("a", 5, "head", None))
    pose = project.read_pose("a")[0]
    assert pose.trust is not None
    assert pose.world is not None
    assert pose.trust[3:7, 0].tolist() == [0.5, 1, 0, 0.5]
    assert np.isnan(pose.world[4:6, 0]).all()
    assert np.isfinite(pose.world[6, 0]).all()


def test_they_hold_for_the_reading_they_were_made_for(project: StoredProject):
    pose, _ = project.read_pose("a")
    put_right(project, right("a", 4, "head", (12.5, 30.0), "auto rotate=90"))
    for subject, rotate, holds in (("auto", 90, True), ("2", 90, False), ("auto", 0, False)):
        recipe = Recipe("poses", 2, {"subject": subject}, {"video": "x"})
        info = {"rotate": rotate} if rotate else {}
        project.write_pose("a", replace(pose, info=info), recipe)
        assert (project.read_pose("a")[0].xy[4, 0].tolist() == [12.5, 30.0]) is holds
        assert (project.pose_header("a")[0].key != recipe.key) is holds
    put_right(project, right("a", 4, "head", (12.5, 30.0), "rotate=90"))  # whoever is followed
    recipe = Recipe("poses", 2, {"subject": "2"}, {"video": "x"})
    project.write_pose("a", replace(pose, info={"rotate": 90}), recipe)
    assert project.read_pose("a")[0].xy[4, 0].tolist() == [12.5, 30.0]
    assert reading_of(recipe, {"rotate": 180, "mirror": True}) == "2 rotate=180 mirror=true"


def test_of_several_for_one_joint_the_last_counts_and_the_recipe_says_so(project: StoredProject):
    first, last = (right("a", 4, "head", (x, 30.0)) for x in (12.5, 99.0))
    read = {}
    for order in ((first, last), (last, first), (last,), (first,)):
        put_right(project, *order)
        pose, recipe = StoredProject.open(project.root).read_pose("a")
        read[order] = (pose.xy[4, 0].tolist(), recipe.key)
    assert read[first, last] == read[last,]
    assert read[last, first] == read[first,]
    assert read[first,][1] != read[last,][1]


def test_they_hold_for_each_clip_of_the_file_that_shows_the_moment(project: StoredProject):
    whole, part = "x-0123abcd", "x-0123abcd-t1-2"
    pose = sequence(warped_phase(60, 1), fps=20.0)
    add_sequence(project, whole, pose)
    cut = pose.cut(20, 40)
    add_sequence(project, part, cut)
    recipe = Recipe("poses", 2, {"options": "start=1 end=1.9505"}, {})
    project.write_pose(part, cut, recipe)
    places = ((0.5, 10, None), (1.0, 20, 0), (1.95, 39, 19), (2.0, 40, None))
    for seconds, of_whole, of_part in places:
        row = Annotation(JOINT, Moment(whole, 1, seconds), None, "head 7.00 8.00")
        put_right(project, row)
        for clip, at in ((whole, of_whole), (part, of_part)):
            found = project.read_pose(clip)[0].xy[:, 0]
            assert np.flatnonzero((found == [7, 8]).all(1)).tolist() == ([] if at is None else [at])
        key = project.pose_header(part)[0].key
        assert (key == recipe.key) is (of_part is None)
        assert project.read_pose(part)[1].key == key
