"""Propagated rows of phases.csv are told apart from those that people set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.csv_tables import phases_text, read_phases
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase
from la2ds_cli.evaluation.evaluate import evaluate
from la2ds_cli.formats.phase_labels import merge_phases
from tests.movement import add_sequence, sequence
from tests.small_runs import six_clips

MIXED = "video,start,end,phase,origin\na,0,5,down,\na,5,9,up,carried\nb,0,9,down,Carried\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path)
    for name in ("a", "b", "c"):
        add_sequence(project, name, sequence(np.linspace(0, 1, 10)))
    project.phases_path.write_text(MIXED)
    return project


def test_propagated_phases_are_left_out_unless_asked_for(project: Project):
    assert project.phases() == {"a": [Phase(0, 5, "down")]}
    assert project.phases(propagated=True) == {
        "a": [Phase(0, 5, "down"), Phase(5, 9, "up", propagated=True)],
        "b": [Phase(0, 9, "down", propagated=True)],
    }


def test_rows_come_back_as_they_were_written(project: Project):
    rows = read_phases(project.phases_path)
    assert phases_text(rows) == MIXED.replace("Carried", "carried")


def test_the_column_is_left_out_where_all_is_by_hand():
    text = phases_text([("a", Phase(0, 5, "down"))])
    assert text == "video,start,end,phase\na,0,5,down\n"


def test_importing_labels_of_one_clip_keeps_the_mark_of_another(project: Project):
    merge_phases(project, {"a": [Phase(0, 9, "down")]})
    assert project.phases(propagated=True) == {
        "a": [Phase(0, 9, "down")],
        "b": [Phase(0, 9, "down", propagated=True)],
    }


def test_evaluation_does_not_take_propagated_labels_for_truth(tmp_path: Path):
    project = six_clips(tmp_path)
    rows = [
        (name, Phase(p.start, p.end, p.name, True)) for name, p in read_phases(project.phases_path)
    ]
    project.phases_path.write_text(phases_text(rows))
    result = evaluate(project, config=project.config(), features=["raw_pose"])
    assert result["events"] != "phases"
    assert result["labelled_clips"] == 0
