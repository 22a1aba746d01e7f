"""Propagated rows of phases.csv are told apart from those that people set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.phase_table import PhaseTable, read_phase_table
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import BY_PROPAGATION, CLIP_EDGE, PERSON, PROPAGATED, Origins, Phase
from la2ds_cli.formats.import_export import merge_phases
from tests.evaluation.labelled_project import evaluated
from tests.movement import add_sequence, sequence
from tests.small_runs import six_clips
from tests.told import Notes, refused

MIXED = "video,start,end,phase,origin\na,0,5,down,\na,5,9,up,carried\nb,0,9,down,Carried\n"


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    project = StoredProject.create(tmp_path)
    for name in ("a", "b", "c"):
        add_sequence(project, name, sequence(np.linspace(0, 1, 10)))
    project.phases_path.write_text(MIXED)
    return project


def test_propagated_phases_are_left_out_unless_asked_for(project: StoredProject):
    assert project.phases() == {"a": [Phase(0, 5, "down")]}
    assert project.phases(propagated=True) == {
        "a": [Phase(0, 5, "down"), Phase(5, 9, "up", BY_PROPAGATION)],
        "b": [Phase(0, 9, "down", BY_PROPAGATION)],
    }


def test_rows_come_back_as_they_were_written_and_an_empty_origin_is_a_person(
    project: StoredProject,
):
    text = read_phase_table(project.phases_path).text()
    assert text.splitlines() == [
        "video,start,end,phase,start_origin,end_origin",
        "a,0,5,down,person,person",
        "a,5,9,up,carried,carried",
        "b,0,9,down,carried,carried",
    ]


def test_columns_that_la2ds_does_not_know_survive_a_round_trip(project: StoredProject):
    text = (
        "note,video,start,end,phase,start_origin,end_origin,coach\n"
        "late,a,0,5,down,person,person,Jo\n,b,1,9,up,carried,person,\n"
    )
    project.phases_path.write_text(text)
    table = read_phase_table(project.phases_path)
    assert table.text() == text
    merge_phases(project, {"c": [Phase(2, 8, "up")]}, Progress())
    assert project.phases_path.read_text().splitlines() == [
        "note,video,start,end,phase,start_origin,end_origin,coach",
        "late,a,0,5,down,person,person,Jo",
        ",b,1,9,up,carried,person,",
        ",c,2,8,up,person,person,",
    ]


@pytest.mark.parametrize("name", ["note", "start"])
def test_a_column_that_appears_twice_is_refused_and_stays_in_the_table(
    project: StoredProject, name: str
):
    text = f"video,start,end,phase,note,{name}\na,0,5,down,this,7\n"
    project.phases_path.write_text(text)
    with refused(ExitCode.MISMATCH, f"line 1 .*'{name}' appears twice; rename"):
        merge_phases(project, {"c": [Phase(2, 8, "up")]}, Progress())
    assert project.phases_path.read_text() == text


def test_a_change_leaves_a_numbered_copy_and_no_change_leaves_none(project: StoredProject):
    table = read_phase_table(project.phases_path)
    first = project.write_phase_table(table)
    assert first is not None
    assert first == project.results_dir("phases") / "before-1.csv"
    assert first.read_text() == MIXED
    assert project.write_phase_table(table) is None
    again = project.write_phase_table(PhaseTable(table.rows[:1], table.columns))
    assert again is not None
    assert again == project.results_dir("phases") / "before-2.csv"
    assert again.read_text() == table.text()
    project.phases_path.unlink()
    assert project.write_phase_table(table) is None


def test_imported_labels_replace_propagated_ones_unless_a_person_has_checked_them(
    project: StoredProject,
):
    text = "video,start,end,phase,origin,checked\na,0,5,up,carried,\nb,0,4,up,carried,start\n"
    project.phases_path.write_text(text)
    notes = Notes()
    merge_phases(project, {"a": [Phase(0, 9, "down")], "b": [Phase(0, 9, "down")]}, notes)
    assert project.phases(propagated=True) == {
        "a": [Phase(0, 9, "down")],
        "b": [Phase(0, 4, "up", Origins(PERSON, PROPAGATED))],
    }
    assert "keep other labels than the imported ones: 1, such as b;" in notes.lines[0]


def test_evaluation_does_not_take_propagated_labels_for_truth(tmp_path: Path):
    project = six_clips(tmp_path)
    rows = [
        replace(row, phase=replace(row.phase, origins=BY_PROPAGATION))
        for row in project.phase_table().rows
    ]
    project.phases_path.write_text(PhaseTable(tuple(rows)).text())
    result = evaluated(project, config=project.config(), features=["raw_pose"])
    assert result["events"] != "phases"
    assert result["labelled_clips"] == 0


@pytest.mark.parametrize(
    ("cells", "origins"),
    [
        (",,,", (PERSON, PERSON)),
        ("Carried,,,", (PROPAGATED, PROPAGATED)),
        ("carried,end,,", (PROPAGATED, PERSON)),
        ("carried,start end,,", (PERSON, PERSON)),
        ("a coach,end,,", ("a coach", "a coach")),
        ("carried,,person,", (PERSON, PROPAGATED)),
        (",,CLIP,carried", (CLIP_EDGE, PROPAGATED)),
    ],
)
def test_older_files_keep_their_meaning(
    project: StoredProject, cells: str, origins: tuple[str, str]
):
    columns = "video,start,end,phase,origin,checked,start_origin,end_origin"
    project.phases_path.write_text(f"{columns}\na,0,5,down,{cells}\n")
    table = read_phase_table(project.phases_path)
    assert table.rows[0].phase == Phase(0, 5, "down", Origins(*origins))
    project.write_phase_table(table)
    assert "checked" not in project.phases_path.read_text()
    assert read_phase_table(project.phases_path) == table


@pytest.mark.parametrize(
    ("origins", "is_truth", "is_placed"),
    [
        ((PERSON, PERSON), True, True),
        ((PERSON, PROPAGATED), False, True),
        ((PROPAGATED, CLIP_EDGE), False, False),
        ((CLIP_EDGE, PERSON), True, True),
        ((CLIP_EDGE, CLIP_EDGE), False, False),
        (("rule of a data set", CLIP_EDGE), True, True),
    ],
)
def test_truth_is_computed_from_both_ends(
    origins: tuple[str, str], is_truth: bool, is_placed: bool
):
    for ends in (origins, origins[::-1]):
        phase = Phase(0, 5, "down", Origins(*ends))
        assert (phase.is_truth, phase.is_placed) == (is_truth, is_placed)
